"""Several processes that simulate one trial, each its own sites, without getting in each other's way.

A site's rows belong to one process. What concerns the whole trial (taking the next slot of the allocation list, the
weekly reminders) is done alone: the process waits until every other one has come past that moment, and its own clock
holds the others that want to be alone later. So the order of everything shared is that of the moments, and the same
seed gives the same trial whatever the number of processes.
"""

from __future__ import annotations

import datetime as dt
import math
import multiprocessing
import time
from collections.abc import Callable
from typing import TypeVar

POLL = 0.001  # seconds

F = TypeVar("F", bound=Callable[..., object])


class OtherFailed(Exception):  # noqa: N818 - the other one did
    """Another process of the simulation failed: there is nothing to wait for."""


def alone(step: F) -> F:
    """Mark a step that concerns the whole trial."""
    step.is_alone = True  # type: ignore[attr-defined]
    return step


class Pace:
    """The moments that all processes have come to; shared memory, made before they start."""

    def __init__(self, processes: int) -> None:
        context = multiprocessing.get_context("fork")
        self.processes = processes
        self.clocks = context.Array("d", [-math.inf] * processes, lock=False)
        self.failed = context.Event()


class Runner:
    """One process's place in the pace."""

    def __init__(self, pace: Pace, number: int, close_from: dt.datetime) -> None:
        self.pace = pace
        self.number = number
        self.close_from = close_from.timestamp()
        """From this moment on the processes take turns at every step, so that the newest rows are in perfect order."""

    def before(self, moment: dt.datetime, *, is_alone: bool) -> None:
        """Say that everything before `moment` is committed; wait for the turn where the step asks for it."""
        mine = moment.timestamp()
        self.pace.clocks[self.number] = mine
        if not is_alone and mine < self.close_from:
            return
        others = [number for number in range(self.pace.processes) if number != self.number]
        while any((self.pace.clocks[other], other) <= (mine, self.number) for other in others):
            if self.pace.failed.is_set():
                raise OtherFailed
            time.sleep(POLL)

    def done(self) -> None:
        """Never hold the others again."""
        self.pace.clocks[self.number] = math.inf
