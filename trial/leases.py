"""Claiming owed rows so that one worker at a time carries each out, and another takes over after a crash."""

from __future__ import annotations

import datetime as dt
import os
import socket

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from .models import Lease

LEASE = dt.timedelta(minutes=5)
"""How long a worker may be silent before its work is given to another; workers renew at each step."""

MAX_ATTEMPTS = 5


def worker_name() -> str:
    """Return who this process is, for the lease's own record."""
    return f"{socket.gethostname()}:{os.getpid()}"[:80]


@transaction.atomic
def claim(work: str, target_id: int, *, most_attempts: int | None = MAX_ATTEMPTS) -> bool:
    """Take the lease on one row of work; False while another worker holds it or it was tried too often.

    `most_attempts` None: as often as it takes, for what is owed until it is done. Leases run on the machine's true
    time, never on the simulation clock.
    """
    now = timezone.now()
    Lease.objects.get_or_create(work=work, target_id=target_id)
    free = Lease.objects.select_for_update(skip_locked=True).filter(
        Q(leased_until=None) | Q(leased_until__lt=now), work=work, target_id=target_id
    )
    lease = (free if most_attempts is None else free.filter(attempts__lt=most_attempts)).first()
    if lease is None:
        return False
    lease.worker = worker_name()
    lease.leased_until = now + LEASE
    lease.attempts += 1
    lease.save()
    return True


def renew(work: str, target_id: int, progress: int) -> bool:
    """Say that the work goes on and how far it is (0 to 100); False when the lease went to another worker."""
    return bool(
        Lease.objects.filter(work=work, target_id=target_id, worker=worker_name()).update(
            leased_until=timezone.now() + LEASE, progress=min(100, progress)
        )
    )


def release(work: str, target_id: int, *, error: str = "", retry_in: dt.timedelta | None = None) -> None:
    """Give the lease back: done, or failed with the words of the failure (kept short, without clinical data).

    `retry_in`: how long nobody takes it again.
    """
    Lease.objects.filter(work=work, target_id=target_id, worker=worker_name()).update(
        leased_until=timezone.now() + retry_in if retry_in is not None else None,
        last_error=error[:300],
        progress=0 if error else 100,
    )


def progress_of(work: str, target_id: int) -> int:
    """Return how far the work is, 0 to 100."""
    return Lease.objects.filter(work=work, target_id=target_id).values_list("progress", flat=True).first() or 0


def attempts_of(work: str, target_id: int) -> int:
    """Return how often the work was begun."""
    return Lease.objects.filter(work=work, target_id=target_id).values_list("attempts", flat=True).first() or 0
