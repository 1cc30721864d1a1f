"""The measures themselves, each a few lines over the same actions, selectors and pages that people use."""

from __future__ import annotations

import csv
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import redis
from django.conf import settings
from django.db import connection, transaction
from django.urls import reverse

from bench.load import submit, whole_form
from bench.measures import MEASURED, Measure, at_least, at_most, medians, milliseconds
from bench.multiply import multiply
from bench.server import Browser, Server, families, proportional_memory
from bench.stage import Stage, sent_values, undone
from bench.statements import filled_values, pgbench, written_down
from bench.web import Web
from ecrf.books import book_around, book_of, facts_of
from ecrf.checks import Book, evaluate
from randomization import verification
from randomization.actions import allocations, lists
from randomization.models import AllocationList
from randomization.section import setting_of
from randomization.simulation import PermutedBlocks, simulate
from reporting.actions import exports
from reporting.models import Export, ExportState
from reporting.snapshot import snapshot
from reporting.writers import write_csv
from trial.models import Participant, Site

PAGE_AIM = 8.0
"""A page may cost as many minimal pages: none of them should stand out (measured: 1 to 6)."""
OPEN_AIM = 4.0  # minimal pages, to open a form of 60 items
SAVE_AIM = 8.0  # minimal pages, to save it
GROWTH_AIM = 1.2
ALLOCATION_AIM = 20.0  # ms in process, the password's own cost left out
ALLOCATION_SHARE = 0.4  # of what the database alone allows
LIST_AIM = 3.0  # s, for a list of 10,000 slots
SIMULATION_AIM = 5.0  # s, for 10,000 trials on one core
CHECKS_AIM = 200_000.0  # values per second on one core
SUBMITTING_AIM = 60.0  # forms of 250 items per second, two web processes
EXPORT_AIM = 307_000.0  # cells per second: ODK Central writes 1,407 × 262 in 1.2 s
EXPORTING_AIM = 1.5  # medians of saving, with ten exports beside it and without
MEMORY_AIM = 1_200.0  # MB, all services together
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Size:
    """How much is measured: everything in a few minutes, or a glance that shows that it works."""

    rounds: int
    saves: int
    allocations: int
    export_forms: int
    export_rows: int
    few: int
    many: int
    evaluations: int
    slots: int
    trials: int
    values: int
    forms: int
    clients: int
    exports: int


FULL = Size(
    rounds=30, saves=30, allocations=12, export_forms=1_407, export_rows=10_000, few=100, many=20_000,
    evaluations=400, slots=10_000, trials=10_000, values=1_000_000, forms=1_200, clients=24, exports=10,
)  # fmt: skip
QUICK = Size(
    rounds=1, saves=1, allocations=1, export_forms=2, export_rows=20, few=2, many=4, evaluations=3, slots=80,
    trials=10, values=500, forms=4, clients=2, exports=1,
)  # fmt: skip

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

    def run(self, only: Collection[str] = ()) -> list[Measure]:
        """Measure everything, or what is named; the order leaves the largest data for the end."""
        for name, words in MEASURED.items():
            if not only or name in only:
                self.tell(words)
                self.found += getattr(self, name)()
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
        """The same pages with few and with many participants, spread over ten sites: a site's own, and the sponsor's.

        A list is as long as a page at most, so both sizes show whole pages.
        """
        participant = self.stage.baseline_done()
        deeds: dict[str, Callable[[], object]] = {}
        for label, (who, name, arguments) in {
            "casebook": ("theo_coordinator", "casebook", [participant.code]),
            "home of a coordinator": ("theo_coordinator", "home", []),
            "participants of a site": ("theo_coordinator", "participants", []),
            "participants of all sites": ("dan_data_manager", "participants", []),
            "queries": ("mona_monitor", "queries", []),
            "verification": ("mona_monitor", "verification", []),
            "home of a data manager": ("dan_data_manager", "home", []),
        }.items():
            deeds[f"{label}/minimal"] = self.opening(who, "/bench/minimal/")
            deeds[label] = self.opening(who, reverse(name, args=arguments))
        sites = self.stage.more_sites(10)
        self._multiply_to(self.size.few, participant, sites)
        few = medians(deeds, self.size.rounds)
        self._multiply_to(self.size.many, participant, sites)
        many = medians(deeds, self.size.rounds)
        for label in deeds:
            if not label.endswith("/minimal"):
                ratio = (many[label] / many[f"{label}/minimal"]) / (few[label] / few[f"{label}/minimal"])
                yield at_most(f"{label}, {self.size.many:,} ÷ {self.size.few} participants", ratio, "ratio", GROWTH_AIM)

    def _multiply_to(self, count: int, original: Participant, sites: list[Site]) -> None:
        held = Participant.objects.filter(site__in=sites).count()
        multiply([original], max(count - held, 0), sites, guarded=False)

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
        page = reverse("record", args=[participant.code, visit.pk, "medical_history"])
        taken = medians(
            {
                "minimal": self.opening("theo_coordinator", "/bench/minimal/"),
                "open": self.opening("theo_coordinator", page),
                "save": save,
            },
            self.size.saves,
        )
        form = f"a form of {count} values"
        yield at_most(f"opening {form}", taken["open"] / taken["minimal"], "minimal pages", OPEN_AIM)
        yield at_most(f"saving {form}, 24 changed", taken["save"] / taken["minimal"], "minimal pages", SAVE_AIM)
        yield at_most(f"opening {form}", taken["open"], "ms")
        yield at_most(f"saving {form}, 24 changed", taken["save"], "ms")

    def submitting(self) -> Iterator[Measure]:
        """Whole forms of 250 items, each the first of its participant, to two web processes; again beside exports."""
        body = whole_form(250)
        count = self.size.forms
        site = self.stage.more_sites(1)[0]
        people = self.stage.coordinators(site, self.size.clients)
        sessions = [self.stage.session_of(person) for person in people]
        codes = multiply([self.stage.consented()], 2 * count, [site], guarded=False)
        with tempfile.TemporaryDirectory() as scratch:
            web = Web({}, Path(scratch))
            web.start()
            try:
                submit(web.port, sessions, codes[:2], body, limit=20)  # both processes have seen a form
                alone = submit(web.port, sessions, codes[2:count], body, limit=40)
                asked = [exports.request(by=self.stage.dan_data_manager) for _ in range(self.size.exports)]
                beside = submit(web.port, sessions, codes[count:], body, limit=40)
                ready = self._finished(asked, seconds=300)
            finally:
                web.stop()
        for failure in (alone.failures + beside.failures)[:3]:
            self.tell(f"failed: {failure}")
        if not (alone.times and beside.times):
            raise RuntimeError(f"No whole form was saved: {(alone.failures + beside.failures)[:1]}")
        yield at_least("whole forms of 250 items, two web processes", alone.per_second, "per second", SUBMITTING_AIM)
        yield at_most("whole forms of 250 items, two web processes", alone.median, "ms (median)")
        yield at_most("whole forms that failed", len(alone.failures) + len(beside.failures), "forms", 0)
        yield at_most(
            f"a whole form beside {len(asked)} exports ÷ alone", beside.median / alone.median, "medians", EXPORTING_AIM
        )
        yield at_least(f"whole forms beside {len(asked)} exports", beside.per_second, "per second")
        yield at_least(f"exports written, of {len(asked)}", ready, "exports", len(asked))

    def _finished(self, asked: list[Export], *, seconds: float) -> int:
        """Wait for the exports, and return how many are ready."""
        waiting = Export.objects.filter(pk__in=[export.pk for export in asked])
        end = time.monotonic() + seconds
        while time.monotonic() < end and waiting.filter(state=ExportState.REQUESTED).exists():
            time.sleep(0.25)
        return waiting.filter(state=ExportState.READY).count()

    # --- in process

    def allocating(self) -> Iterator[Measure]:
        """Allocating in process, one after the other, and what the database alone takes for the same statements.

        What the password's hash costs is told apart: no statement can be as slow.
        """
        self.stage.list_in_use()
        room = self.stage.definition.study.accrual.target - Participant.objects.exclude(pathway="").count()
        count = min(self.size.allocations, (room - 4) // 2)  # pgbench makes as many, and other measures need some
        original = self.stage.eligible()
        self.stage.stands_apart(original)
        codes = multiply([original], 2 * count + 1, [self.stage.site])
        waiting = [Participant.objects.select_related("site").get(code=code) for code in codes]
        by, password = self.stage.theo_coordinator, self.stage.PASSWORD
        actions: list[tuple[float, float]] = []
        hashes: list[float] = []
        scripts: list[float] = []
        right = by.check_password

        def check_password(raw_password: str | None) -> bool:
            answers: list[bool] = []
            hashes.append(milliseconds(lambda: answers.append(right(raw_password))))
            return answers[0]

        by.check_password = check_password  # type: ignore[method-assign]

        def allocate(participant: Participant) -> Callable[[], object]:
            return lambda: allocations.allocate(participant=participant, password=password, by=by)

        milliseconds(allocate(waiting[0]))
        for number in range(count):  # in turn, so that a slow moment meets both
            hashes.clear()
            whole = milliseconds(allocate(waiting[1 + 2 * number]))
            actions.append((whole, whole - sum(hashes)))
            scripts.append(pgbench(written_down(allocate(waiting[2 + 2 * number]))))
        del by.check_password
        with_password, without, alone = (statistics.median(each) for each in (*zip(*actions, strict=True), scripts))
        yield at_most("allocating, the password left out", without, "ms", ALLOCATION_AIM)
        yield at_most("the same statements by pgbench", alone, "ms")
        yield at_least("allocations ÷ pgbench, per second", alone / without, "share", ALLOCATION_SHARE)
        yield at_most("allocating, password and all", with_password, "ms")
        yield at_least("allocating, password and all", 1_000 / with_password, "per second")

    def listing(self) -> Iterator[Measure]:
        """A list of many slots: its file read, each slot sealed and stored, then opened and compared."""
        with tempfile.TemporaryDirectory() as scratch, undone():
            version, content = self.stage.version_with_slots(self.size.slots, Path(scratch) / "study")
            made: list[AllocationList] = []
            by = self.stage.stella_statistician
            taken = milliseconds(lambda: made.append(lists.import_list(version=version, content=content, by=by)))
            checked = milliseconds(lambda: verification.verify(made[0]))
            slots = made[0].slots_total
        yield at_most(f"a list of {slots:,} slots imported and verified", (taken + checked) / 1_000, "s", LIST_AIM)

    def simulating(self) -> Iterator[Measure]:
        """Permuted blocks simulated in the study's own accrual and strata: one process, one core."""
        setting, trials = setting_of(self.stage.definition), self.size.trials
        taken = milliseconds(lambda: simulate(setting, [PermutedBlocks((4, 6))], trials=trials, seed=1))
        yield at_most(f"{trials:,} simulated trials of {setting.participants}", taken / 1_000, "s", SIMULATION_AIM)

    def checking(self) -> Iterator[Measure]:
        """Every expression of the study over one participant after the other, until so many values were seen.

        Reading the rows is not timed; reading their values is: each participant is a new book. The processor's time of
        this process counts, since the aim is for one core.
        """
        participant = self.stage.randomized()
        definition = self.stage.definition
        facts = facts_of(participant)
        held = [(entry.place, entry.data) for entry in book_of(participant, definition).entries()]
        count = sum(1 for _place, data in held for _value in filled_values(data))
        values, spent = 0, 0.0
        while values < self.size.values:
            book = Book(definition, facts, held)
            entries = book.entries()
            began = time.process_time()
            for entry in entries:
                evaluate(book, entry)
            spent += time.process_time() - began
            values += count
        yield at_least(
            f"all checks of the study over {self.size.values:,} values", values / spent, "values per second", CHECKS_AIM
        )

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
        """Every table as CSV: of a site of whole forms, and of the study with one log of many rows.

        What is exported is not timed while it is made.
        """
        site = self.stage.more_sites(2)[1]
        multiply([self._with_whole_form()], self.size.export_forms, [site], guarded=False)
        cells, taken = self._exported(frozenset([site.pk]))
        yield at_least(
            f"exporting {self.size.export_forms:,} forms of 250 items ({cells:,} cells)",
            cells / taken * 1_000, "cells per second", EXPORT_AIM,
        )  # fmt: skip
        self.stage.with_entries("concomitant_medication", self.size.export_rows)
        cells, taken = self._exported(None)
        yield at_least(f"exporting the study ({cells:,} cells)", cells / taken * 1_000, "cells per second")

    def _with_whole_form(self) -> Participant:
        """A participant with one form of 250 items, saved over HTTP."""
        participant = self.stage.consented()
        sent = submit(self.server.port, [self.stage.session_of(self.stage.theo_coordinator)], [participant.code],
                      whole_form(250), limit=60)  # fmt: skip
        if sent.failures:
            raise RuntimeError(f"No whole form was saved: {sent.failures}")
        return participant

    def _exported(self, sites: frozenset[int] | None) -> tuple[int, float]:
        """Export the sites (None: all); the cells that were written, and how many ms it took."""
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "data"

            def export() -> None:
                with snapshot():
                    write_csv(folder, sites=sites, arm_sites=None, includes_arms=True, simulated=True)

            taken = milliseconds(export)
            cells = 0
            for path in folder.glob("*.csv"):
                with path.open(newline="", encoding="utf-8") as file:
                    cells += sum(len(row) for row in csv.reader(file))
        return cells, taken

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
