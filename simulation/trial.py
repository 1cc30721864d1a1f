"""The whole simulated trial: one database, one seed, one clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from django.db import connection, transaction
from django.utils import timezone, translation

import audit
from audit import clock
from audit.errors import Refused
from trial.definitions import definition_of, latest_version
from trial.models import Participant, Site, Study, Version

from . import passwords
from .fates import Fate, Kind, draw_fates
from .house import SITES, House, places_of, start_of
from .lives import Life, World
from .routine import Reminders, SiteRoutine
from .timeline import Timeline

Told = Callable[[str], None]


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
        raise Refused(f"This database holds {what}: nothing was added. Use an empty one (make reset).", code="not_empty")
    return latest_version()


def simulate(plan: Plan, tell: Told = lambda _words: None) -> World:
    """Fill the database with the trial that the plan describes. Raises Refused (see `check_may_run`) or ValueError.

    Every deed goes through the actions that the pages call, at its own simulated time, in the order of time.
    """
    version = check_may_run()
    definition = definition_of(version.pk)
    if not 1 <= plan.randomized <= definition.study.accrual.target:
        raise ValueError(f"From 1 to {definition.study.accrual.target} participants can be randomized.")
    if plan.end > timezone.now():
        raise ValueError("The simulated trial cannot end in the future.")
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")  # a run that is cut short is thrown away anyway
    try:
        with passwords.quick(), translation.override("en"):
            return _Run(plan, version, tell).go()
    finally:
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
        self.world: World

    def go(self) -> World:
        with transaction.atomic():
            self._mark()
        self._at(self.start_on - dt.timedelta(days=30), 9, self._open_office)
        self._at(self.start_on - dt.timedelta(days=20), 10, self.house.draft_list)
        self._at(self.start_on - dt.timedelta(days=15), 10, self.house.approve_list)
        for place in self.places:
            self._at(place.opened_on, 7, self._open_site, place.number)
        self.timeline.run(self._told)
        return self.world

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

    def _open_office(self) -> None:
        self.house.open_office()
        assert self.house.office is not None
        self.world = World(self.timeline, definition_of(self.version.pk), self.house.office)
        Reminders(self.world, self.start_on, f"{self.plan.seed}/reminders").begin()

    def _open_site(self, number: str) -> None:
        self.house.open_site(number)
        crew = self.house.crews[number]
        SiteRoutine(self.world, crew, f"{self.plan.seed}/site/{number}").begin()
        lives = [Life(self.world, fate, crew) for fate in self.fates if fate.site == number]
        for life in lives:
            life.begin()
        self._plan_running_clock(number, lives)

    def _plan_running_clock(self, number: str, lives: list[Life]) -> None:
        """Five hours before the end, a participant of the first site has a serious event whose form is still owed."""
        if number == self.places[0].number:
            self.candidates = [life for life in lives if life.fate.kind is Kind.RANDOMIZED]
            self.timeline.at(self.plan.end - dt.timedelta(hours=5), self._run_clock)

    def _run_clock(self) -> None:
        fitting = [life for life in self.candidates if life.arm and not life.is_over and life.asked_on is not None]
        fitting = fitting or [life for life in self.candidates if life.arm and life.participant.died_on is None]
        if fitting:
            fitting[-1].run_clock()

    def _told(self, moment: dt.datetime) -> None:
        month = moment.strftime("%B %Y")
        if month != self.month:
            self.month = month
            self.tell(f"{month}: {Participant.objects.count()} screened")


__all__ = ["Fate", "Plan", "check_may_run", "simulate"]
