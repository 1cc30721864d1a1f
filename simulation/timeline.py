"""The simulation's clock: steps in the order of their moments, each in one transaction at its own time.

A step is a function that calls actions, and may put further steps on the timeline. Steps of the same moment keep the
order in which they were put there, so the same seed gives the same trial.
"""

from __future__ import annotations

import datetime as dt
import gc
import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction

from audit import clock
from audit.steps import without_savepoints

from .pace import Runner

COLLECT_EVERY = 150  # steps
Step = Callable[..., None]


class Timeline:
    """Steps to come, up to and including `end` (aware); what lies beyond it never happens."""

    def __init__(self, end: dt.datetime) -> None:
        self.end = end
        self.zone = ZoneInfo(settings.TIME_ZONE)
        self.now: dt.datetime | None = None
        self.steps = 0
        self._heap: list[tuple[dt.datetime, int, Step, tuple[Any, ...]]] = []
        self._count = 0

    def at(self, moment: dt.datetime, step: Step, *arguments: Any) -> bool:
        """Put a step on the timeline, not before the present step; False when it lies beyond the end."""
        if self.now is not None and moment < self.now:
            moment = self.now
        if moment > self.end:
            return False
        moment = moment.astimezone(dt.UTC)  # one order, also in the night when clocks are put back
        heapq.heappush(self._heap, (moment, self._count, step, arguments))
        self._count += 1
        return True

    def moment(self, day: dt.date, rng: Random, *, from_hour: float = 8.5, to_hour: float = 18.0) -> dt.datetime:
        """A moment of a working day's hours on that day, or on the Monday after it when it is a weekend."""
        if day.weekday() > 4:
            day += dt.timedelta(days=7 - day.weekday())
        minutes = int(60 * (from_hour + rng.random() * (to_hour - from_hour)))
        return dt.datetime.combine(day, dt.time(minutes // 60, minutes % 60, rng.randrange(60)), self.zone)

    def run(self, told: Callable[[dt.datetime], None] | None = None, runner: Runner | None = None) -> None:
        """Take every step in order; `told` hears of each before it is taken. What a step raises ends the run.

        Nothing half done is kept. A runner makes it keep pace with other processes.

        A step is a transaction and does not go on after an error, so the actions' inner savepoints, a third of all
        statements, are left out.
        """
        with without_savepoints(), _without_collector():
            while self._heap:
                moment, _number, step, arguments = heapq.heappop(self._heap)
                self.now = moment
                if runner is not None:
                    runner.before(moment, is_alone=getattr(step, "is_alone", False))
                if told is not None:
                    told(moment)
                with clock.simulated(moment), transaction.atomic():
                    step(*arguments)
                self.steps += 1
                if self.steps % COLLECT_EVERY == 0:
                    gc.collect()
        if runner is not None:
            runner.done()


@contextmanager
def _without_collector() -> Iterator[None]:
    """Rows by the thousand are made and dropped: cyclic garbage is collected between steps, not whenever it grows."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
