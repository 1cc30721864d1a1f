"""Saying that a long work goes on, on a connection of its own, while the work itself only reads."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType

from django.db import DatabaseError, InterfaceError, connection

from trial import leases

log = logging.getLogger(__name__)
EVERY = 1.0
"""Seconds between two looks at how far the work is."""
SILENCE = leases.LEASE.total_seconds() / 10
"""Seconds after which the lease is renewed even when the work did not get further."""


class LostLease(Exception):  # noqa: N818 - it is what happened
    """Another worker took over; this one stops without a trace."""


class Heartbeat:
    """Renews a lease and writes the progress while the block runs, seen by everybody at once.

    `report` is cheap and may be called as often as one likes; it raises `LostLease` once another worker took over.
    """

    def __init__(self, work: str, target_id: int, every: float = EVERY) -> None:
        self.work, self.target_id, self.every = work, target_id, every
        self.percent = 0
        self.lost = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat {work} {target_id}", daemon=True)

    def report(self, percent: int | None = None) -> None:
        """Say how far the work is, 0 to 99 (None: no further, but alive)."""
        if percent is not None:
            self.percent = max(0, min(99, percent))
        if self.lost:
            raise LostLease("Another worker took over.")

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        told, told_at = 0, time.monotonic()
        try:
            while not self._stop.wait(self.every):
                if self.percent == told and time.monotonic() - told_at < SILENCE:
                    continue
                percent = self.percent
                try:
                    if not leases.renew(self.work, self.target_id, percent):
                        self.lost = True
                        return
                except (DatabaseError, InterfaceError):
                    log.warning("The lease of %s %s could not be renewed.", self.work, self.target_id)
                    connection.close()
                    continue
                told, told_at = percent, time.monotonic()
        finally:
            connection.close()
