"""The whole simulated trial: one database, one seed, one clock."""

from __future__ import annotations

import datetime as dt
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from django.db import connection, connections, transaction
from django.utils import timezone, translation

import audit
from audit import clock
from audit.errors import Refused
from randomization.models import AllocationList
from trial.definitions import definition_of, latest_version
from trial.models import Participant, Site, Study, Version

from . import passwords
from .fates import Place, draw_fates
from .house import SITES, House, places_of, start_of
from .lives import Life, World
from .pace import OtherFailed, Pace, Runner
from .routine import Reminders, SiteRoutine
from .timeline import Timeline

Told = Callable[[str], None]


CLOSE = dt.timedelta(days=10)
"""The last days of the trial, in which several processes take turns at every step."""


class SimulationFailed(Exception):  # noqa: N818 - says what happened
    """A process of the simulation ended with an error."""


@dataclass(frozen=True)
class Outcome:
    """How many steps were taken, and what the filler had to complete (see `World.helped`)."""

    steps: int
    helped: list[str]


@dataclass(frozen=True)
class Plan:
    """What is asked for: how many are randomized, from which seed, and when the trial's present is."""

    randomized: int
    seed: int
    end: dt.datetime

    @property
    def end_on(self) -> dt.date:
        return self.end.date()

    @property
    def sites(self) -> int:
        """All 18 sites, fewer when there are fewer participants than sites."""
        return min(len(SITES), max(2, self.randomized))


def check_may_run() -> Version:
    """Return the version to simulate under. Raises Refused wherever simulated data must not be."""
    if not clock.simulation_allowed():
        raise Refused("Simulated data are made in a debug installation only.", code="simulation_refused")
    study = Study.objects.order_by("pk").first()
    if study is None:
        raise Refused("Publish the study first: manage.py publish_study studies/storm01", code="no_study")
    if Participant.objects.exists() or Site.objects.exists():
        what = "simulated data already" if study.is_simulated else "sites or participants that are not simulated"
        raise Refused(
            f"This database holds {what}: nothing was added. Use an empty one (make reset).", code="not_empty"
        )
    if AllocationList.objects.exists() and not study.is_simulated:
        raise Refused(
            "This database holds an allocation list of the real study: nothing was added. Use an empty one.",
            code="kind_of_database",
        )
    return latest_version()


def simulate(plan: Plan, tell: Told = lambda _words: None, *, processes: int = 1) -> Outcome:
    """Fill the database with the trial that the plan describes. Raises Refused (see `check_may_run`) or ValueError.

    Every deed goes through the actions that the pages call, at its own simulated time, in the order of time. More
    processes are quicker and make the same trial; they need a database with commits, not a test's transaction.
    """
    version = check_may_run()
    definition = definition_of(version.pk)
    if not 1 <= plan.randomized <= definition.study.accrual.target:
        raise ValueError(f"From 1 to {definition.study.accrual.target} participants can be randomized.")
    if plan.end > timezone.now():
        raise ValueError("The simulated trial cannot end in the future.")
    with passwords.quick(), translation.override("en"):
        run = _Run(plan, version, tell)
        with _quick_commits():
            run.prepare()
            if processes == 1:
                return run.take(run.places)
        return _in_processes(run, min(processes, plan.sites))


def _in_processes(run: _Run, count: int) -> Outcome:
    """Fork `count` processes, each for some of the sites, and wait for all. Raises SimulationFailed."""
    context = multiprocessing.get_context("fork")
    pace = Pace(count)
    answers = context.SimpleQueue()
    connections.close_all()  # a connection cannot be shared
    children = []
    for number, places in enumerate(run.shares(count)):
        child = context.Process(target=_child, args=(run, pace, number, places, answers), daemon=True)
        child.start()
        children.append(child)
    for child in children:
        child.join()
    if any(child.exitcode for child in children):
        raise SimulationFailed("A process of the simulation failed; what it said stands above.")
    found = [answers.get() for _ in children]
    return Outcome(sum(one.steps for one in found), [words for one in found for words in one.helped])


def _child(run: _Run, pace: Pace, number: int, places: list[Place], answers: Any) -> None:
    """Take some of the sites, in a process of its own with a connection of its own.

    What Django holds here at the beginning is the parent's: in a parent that runs an event loop, `close_all` saw others
    than a process without one does. They are neither used nor closed.
    """
    inherited = connections.all()
    for one in inherited:
        del connections[one.alias]
    try:
        with _quick_commits():
            runner = Runner(pace, number, run.plan.end - CLOSE)
            answers.put(run.take(places, runner=runner, is_first=number == 0))
    except OtherFailed:
        raise SystemExit(1) from None
    except BaseException:
        pace.failed.set()
        raise
    finally:
        connections.close_all()


@contextmanager
def _quick_commits() -> Iterator[None]:
    """Do not wait for the disk at each commit: a run that is cut short is thrown away anyway.

    Nor is every statement kept for the debugger, as DEBUG would have it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")
    plain: Any = connection
    plain.make_debug_cursor = plain.make_cursor
    try:
        yield
    finally:
        del plain.make_debug_cursor
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit TO DEFAULT")


class _Run:
    def __init__(self, plan: Plan, version: Version, tell: Told) -> None:
        self.plan = plan
        self.tell = tell
        self.version = version
        self.timeline = Timeline(plan.end)
        self.places = places_of(plan.end_on, plan.sites)
        self.house = House(version, plan.seed, self.places)
        self.fates = draw_fates(
            Random(plan.seed), seed=plan.seed, places=self.places, randomized=plan.randomized, end_on=plan.end_on
        )
        self.start_on = start_of(plan.end_on)
        self.month = ""
        self.lives: list[Life] = []
        self.world: World

    def prepare(self) -> None:
        """Mark the database, open the sponsor's office, and put the allocation list into use."""
        with transaction.atomic():
            self._mark()
        self._at(self.start_on - dt.timedelta(days=30), 9, self.house.open_office)
        self._at(self.start_on - dt.timedelta(days=20), 10, self.house.draft_list)
        self._at(self.start_on - dt.timedelta(days=15), 10, self.house.approve_list)
        self.timeline.run()

    def shares(self, count: int) -> list[list[Place]]:
        """The sites in `count` parts of about equal work; the demo's site is in the first."""
        work = Counter(fate.site for fate in self.fates)
        parts: list[list[Place]] = [[] for _ in range(count)]
        loads = [0] * count
        for place in sorted(self.places, key=lambda p: (p is not self.places[0], -work[p.number], p.number)):
            least = loads.index(min(loads))
            parts[least].append(place)
            loads[least] += work[place.number]
        return parts

    def take(self, places: list[Place], *, runner: Runner | None = None, is_first: bool = True) -> Outcome:
        """Simulate some sites from their opening to the end."""
        assert self.house.office is not None
        self.timeline = Timeline(self.plan.end)
        self.world = World(self.timeline, definition_of(self.version.pk), self.house.office)
        Reminders(self.world, self.start_on, f"{self.plan.seed}/reminders", is_mine=is_first).begin()
        for place in places:
            self._at(place.opened_on, 7, self._open_site, place.number)
        if is_first:
            self.timeline.at(self.plan.end - dt.timedelta(hours=5), self._run_clock)
        self.timeline.run(self._told if is_first else self.house.keep_access, runner)
        return Outcome(self.timeline.steps, self.world.helped)

    def _at(self, day: dt.date, hour: int, step: Callable[..., None], *arguments: object) -> None:
        self.timeline.at(dt.datetime.combine(day, dt.time(hour), self.timeline.zone), step, *arguments)

    def _mark(self) -> None:
        """Mark the database as simulated, on every page and in the ledger, before anything else is written."""
        study = Study.objects.order_by("pk").get()
        if not study.is_simulated:
            study.is_simulated = True
            audit.save(study, by=None, reason="Filled with simulated data")
        audit.deed(
            "simulation.run",
            study,
            by=None,
            participants=self.plan.randomized,
            seed=self.plan.seed,
            until=self.plan.end_on.isoformat(),
        )

    def _open_site(self, number: str) -> None:
        self.house.open_site(number)
        crew = self.house.crews[number]
        SiteRoutine(self.world, crew, f"{self.plan.seed}/site/{number}").begin()
        for fate in self.fates:
            if fate.site == number:
                life = Life(self.world, fate, crew)
                life.begin()
                self.lives.append(life)

    def _run_clock(self) -> None:
        """Five hours before the end somebody, of the demo's site if possible, has a serious event not yet reported."""
        living = [life for life in self.lives if life.arm and life.participant.died_on is None]
        fitting = [life for life in living if not life.is_over and life.asked_on is not None] or living
        home = [life for life in fitting if life.fate.site == self.places[0].number] or fitting
        if home:
            home[-1].run_clock()

    def _told(self, moment: dt.datetime) -> None:
        self.house.keep_access(moment)
        month = moment.strftime("%B %Y")
        if month != self.month:
            self.month = month
            self.tell(f"{month}: {Participant.objects.count()} screened")


__all__ = ["Outcome", "Plan", "SimulationFailed", "check_may_run", "simulate"]
