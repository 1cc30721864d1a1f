"""The measures themselves, each a few lines over the same actions, selectors and pages that people use."""

from __future__ import annotations

import csv
import json
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import redis
from django.conf import settings
from django.db import connection, transaction
from django.urls import reverse

from bench.measures import Measure, at_least, at_most, medians, milliseconds
from bench.server import Browser, Server, families, proportional_memory
from bench.stage import Stage, sent_values
from ecrf.books import book_around, book_of
from ecrf.checks import evaluate
from randomization.actions import allocations
from reporting.snapshot import snapshot
from reporting.writers import write_csv
from trial.models import Participant

PAGE_AIM = 8.0
"""A page may cost as many minimal pages: none of them should stand out (measured: 1 to 6)."""
SAVE_AIM = 15.0
GROWTH_AIM = 1.2
ALLOCATION_AIM = 20.0  # ms in process, the password's own cost left out (issue of randomization)
MEMORY_AIM = 1_200.0  # MB, all services together
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Size:
    """How much is measured: everything in a few minutes, or a glance that shows that it works."""

    rounds: int
    saves: int
    allocations: int
    export_rows: int
    few: int
    many: int
    evaluations: int


FULL = Size(rounds=30, saves=30, allocations=12, export_rows=10_000, few=10, many=200, evaluations=400)
QUICK = Size(rounds=1, saves=1, allocations=1, export_rows=20, few=2, many=4, evaluations=3)

JOURNEY: dict[str, tuple[str, str]] = {
    "home": ("theo_coordinator", "home"),
    "participants": ("theo_coordinator", "participants"),
    "screening log": ("theo_coordinator", "screening_log"),
    "casebook": ("theo_coordinator", "casebook"),
    "record (laboratory)": ("theo_coordinator", "record"),
    "log (lesions)": ("theo_coordinator", "log"),
    "eligibility": ("ines_investigator", "eligibility"),
    "allocation": ("theo_coordinator", "allocation"),
    "queries": ("mona_monitor", "queries"),
    "trail of one form": ("mona_monitor", "record_trail"),
    "safety": ("sam_safety", "safety"),
    "exports": ("paul_sponsor", "exports"),
    "audit trail": ("aude_auditor", "audit_trail"),
}
"""Page of the journey → who opens it, and the name of its address."""


class Bench:
    """One run: what was measured so far, and what it is measured on."""

    def __init__(self, server: Server, size: Size, tell: Tell) -> None:
        self.server = server
        self.size = size
        self.tell = tell
        self.stage = Stage()
        self.browsers: dict[str, Browser] = {}
        self.found: list[Measure] = []

    def run(self) -> list[Measure]:
        """Measure everything; the order leaves the largest data for the end."""
        for words, deed in (
            ("growth from few to many participants", self.growth),
            ("pages of the journey", self.pages),
            ("saving", self.saving),
            ("allocating", self.allocating),
            ("expressions", self.expressions),
            ("memory", self.memory),
            ("exporting", self.exporting),
        ):
            self.tell(words)
            self.found += deed()
        return self.found

    def browser(self, who: str) -> Browser:
        """The browser of one of the cast."""
        if who not in self.browsers:
            session = self.stage.session_of(getattr(self.stage, who))
            self.browsers[who] = Browser(self.server.port, session)
        return self.browsers[who]

    def opening(self, who: str, address: str) -> Callable[[], object]:
        """A deed: one of the cast opens a page."""
        browser = self.browser(who)
        return lambda: browser.get(address)

    # --- over HTTP

    def growth(self) -> Iterator[Measure]:
        """The same pages with few and with many participants at the person's site."""
        participant = self.stage.baseline_done()
        deeds = {
            "minimal": self.opening("theo_coordinator", "/bench/minimal/"),
            "casebook": self.opening("theo_coordinator", reverse("casebook", args=[participant.code])),
            "participant list": self.opening("theo_coordinator", reverse("participants")),
            "home": self.opening("theo_coordinator", reverse("home")),
        }
        self._screen_up_to(self.size.few)
        few = _against(medians(deeds, self.size.rounds), "minimal")
        self._screen_up_to(50)
        page = _against(medians(deeds, self.size.rounds), "minimal")
        self._screen_up_to(max(self.size.many, 50))
        many = _against(medians(deeds, self.size.rounds), "minimal")
        scale = f"{self.size.many} ÷ {self.size.few} participants"
        yield at_most(f"casebook, {scale}", many["casebook"] / few["casebook"], "ratio", GROWTH_AIM)
        yield at_most(f"home, {scale}", many["home"] / few["home"], "ratio", GROWTH_AIM)
        yield at_most(f"participant list, {scale}", many["participant list"] / few["participant list"], "ratio")
        yield at_most(
            f"participant list, {self.size.many} ÷ 50 participants (a full page each)",
            many["participant list"] / page["participant list"],
            "ratio",
            GROWTH_AIM,
        )

    def _screen_up_to(self, count: int) -> None:
        held = Participant.objects.filter(site=self.stage.site).count()
        for _ in range(count - held):
            self.stage.screened()

    def pages(self) -> Iterator[Measure]:
        """Each page of the journey against the minimal page of the same person."""
        participant = self.stage.randomized()
        visit = self.stage.visit(participant, "SCR")
        arguments: dict[str, list[Any]] = {
            "casebook": [participant.code],
            "record": [participant.code, visit.pk, "laboratory"],
            "record_trail": [participant.code, visit.pk, "laboratory"],
            "log": [participant.code, "lesion"],
            "eligibility": [participant.code],
            "allocation": [participant.code],
        }
        deeds: dict[str, Callable[[], object]] = {}
        for label, (who, name) in JOURNEY.items():
            deeds[f"{label}/minimal"] = self.opening(who, "/bench/minimal/")
            deeds[label] = self.opening(who, reverse(name, args=arguments.get(name, [])))
        taken = medians(deeds, self.size.rounds)
        minimal = statistics.median(ms for name, ms in taken.items() if name.endswith("/minimal"))
        yield at_most("minimal page", minimal, "ms")
        for label in JOURNEY:
            yield at_most(f"page: {label}", taken[label] / taken[f"{label}/minimal"], "minimal pages", PAGE_AIM)

    def saving(self) -> Iterator[Measure]:
        """Saving a form of some 60 values, half of them changed, against the minimal page."""
        participant = self.stage.filled()
        visit = self.stage.visit(participant, "SCR")
        address = reverse("api_record", args=[participant.code, visit.pk, "medical_history"])
        browser = self.browser("theo_coordinator")
        held = json.loads(browser.get(address))
        turn = 0

        def save() -> None:
            nonlocal held, turn
            turn += 1
            held = browser.put(address, {"revision": held["revision"], "values": sent_values(held, turn=turn)})

        count = len(held["values"])
        taken = medians({"minimal": self.opening("theo_coordinator", "/bench/minimal/"), "save": save}, self.size.saves)
        yield at_most(
            f"saving a form of {count} values, 24 changed", taken["save"] / taken["minimal"], "minimal pages", SAVE_AIM
        )
        yield at_most(f"saving a form of {count} values, 24 changed", taken["save"], "ms")

    # --- in process

    def allocating(self) -> Iterator[Measure]:
        """Allocating eligible participants one after the other; what the password's hash costs is told apart."""
        self.stage.list_in_use()
        waiting = [self.stage.eligible() for _ in range(self.size.allocations)]
        for participant in waiting:  # some are born in the same month; to make sure of that is no part of the measure
            self.stage.stands_apart(participant)
        by, password = self.stage.theo_coordinator, self.stage.PASSWORD
        hashing = medians({"password": lambda: by.check_password(password)}, 5, warm=1)["password"]
        times = [
            milliseconds(lambda p=p: allocations.allocate(participant=p, password=password, by=by))  # type: ignore[misc]
            for p in waiting
        ]
        whole = statistics.median(times)
        yield at_most("allocating, the password left out", whole - hashing, "ms", ALLOCATION_AIM)
        yield at_most("allocating, password and all", whole, "ms")
        yield at_least("allocating, password and all", 1_000 / whole, "per second")

    def expressions(self) -> Iterator[Measure]:
        """The expressions of eligibility over one participant's records; and a whole form evaluated."""
        participant = self.stage.eligible()
        definition = self.stage.definition
        programs = [expression for expression in definition.compiled.criteria.values() if expression is not None]
        outside = book_of(participant, definition).outside()

        def criteria() -> None:
            for program in programs:
                program.evaluate(outside)

        visit = self.stage.visit(participant, "SCR")
        book, entry = book_around(participant, definition, "laboratory", visit, None)
        entry.data = self.stage.record(participant, "laboratory", visit="SCR").data
        taken = medians({"criteria": criteria, "form": lambda: evaluate(book, entry)}, self.size.evaluations)
        yield at_least("expressions (criteria)", len(programs) / taken["criteria"] * 1_000, "per second")
        yield at_most("evaluating a form (laboratory)", taken["form"], "ms")

    def exporting(self) -> Iterator[Measure]:
        """Every table as CSV, mostly one log of many rows; its rows are not timed while they are made."""
        self.stage.with_entries("concomitant_medication", self.size.export_rows)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "data"

            def export() -> None:
                with snapshot():
                    write_csv(folder, sites=None, arm_sites=None, includes_arms=True, simulated=True)

            taken = milliseconds(export)
            cells = 0
            for path in folder.glob("*.csv"):
                with path.open(newline="", encoding="utf-8") as file:
                    cells += sum(len(row) for row in csv.reader(file))
        yield at_least(f"exporting ({cells:,} cells)", cells / taken * 1_000, "cells per second")

    # --- memory

    def memory(self) -> Iterator[Measure]:
        """PSS of web, worker, beat, PostgreSQL and Redis after what was measured so far."""
        roots = dict(self.server.pids)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            backend = cursor.fetchone()[0]
        if psutil.pid_exists(backend) and "postgres" in psutil.Process(backend).name():
            roots["postgresql"] = psutil.Process(backend).ppid()
        server = redis.Redis.from_url(settings.REDIS_URL)
        number = int(server.info("server")["process_id"])
        if psutil.pid_exists(number) and "redis" in psutil.Process(number).name():
            roots["redis"] = number
        each = {name: proportional_memory(families([root])) for name, root in roots.items()}
        for name, megabytes in each.items():
            yield at_most(f"memory: {name}", megabytes, "MB")
        yield at_most("memory: " + " + ".join(each), sum(each.values()), "MB", MEMORY_AIM)


def _against(taken: dict[str, float], base: str) -> dict[str, float]:
    return {name: ms / taken[base] for name, ms in taken.items()}
