"""Writing datasets to files: CSV tables with a data dictionary, and one zip of all with a manifest.

The same data give the same bytes: rows are in key order, and nothing in the files says when or by whom they were
written (the export's row and the ledger do, with the checksum).
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import itertools
import json
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db.models import Q, QuerySet

from ecrf.books import facts_of
from ecrf.checks import Book, Place, evaluate
from ecrf.checks.book import HIDDEN, ROW_ID
from ecrf.laboratory import baseline_of, grade_of, result_of
from ecrf.models import Change, EntryState, Note, Query, Record, Verification
from randomization.models import Allocation, RandomizedInError, Registration, StratumDifference, TreatmentReceived
from trial.definition import Definition, Form
from trial.definitions import definition_of
from trial.models import Participant, StatusChange, StatusKind, Version, Visit

from . import system_tables
from .datasets import STATUSES, Shape, Table, flat_row, keys_of, record_values, values_of

Progress = Callable[[int], None]
STEP = 100
"""Records between two reports of progress."""
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip can hold: the time of writing must not change the bytes."""
BLOCK = 1 << 20


@dataclass
class Written:
    """What a dataset holds: rows per file, for the manifest, the export row and the check at download."""

    rows: dict[str, int] = field(default_factory=dict)
    checksum: str = ""
    size: int = 0


class CountError(ValueError):
    """What was written is not what the database holds: the dataset must not be given to anybody."""


def write_csv(
    folder: Path,
    *,
    sites: frozenset[int] | None,
    arm_sites: frozenset[int] | None,
    includes_arms: bool,
    simulated: bool,
    progress: Progress = lambda percent: None,
) -> Written:
    """Write every table of the study as CSV into a folder, with `dictionary.csv`, `codelists.csv`, `manifest.json`.

    UTF-8, comma, dates as YYYY-MM-DD, decimals with a point. `sites` bounds the participants (None: all);
    with `includes_arms`, arms and what tells them are written for participants of `arm_sites` only (None: all).
    Call it inside one snapshot of the database. Raises `CountError` when a table's rows do not add up to what the
    database holds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        writer = _Writer(stack, folder, sites, arm_sites, includes_arms, progress)
        writer.participants_table()
        writer.status_changes_table()
        writer.visits_table()
        writer.records_tables()
        writer.queries_table()
        writer.verifications_table()
        writer.notes_table()
        writer.stratum_differences_table()
        writer.dictionary_table()
        writer.codelists_table()
    manifest = writer.manifest(simulated)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if simulated:
        (folder / "SIMULATED.txt").write_text("Simulated data: no row is about a real person.\n", encoding="utf-8")
    return writer.written


def zip_folder(folder: Path, target: Path, progress: Callable[[], None] = lambda: None) -> tuple[str, int]:
    """Put a folder's files into one zip; return its SHA-256 and size in bytes. The same files give the same bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(path.name, ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(entry, "w") as packed:
                for block in iter(lambda source=source: source.read(BLOCK), b""):  # type: ignore[misc]
                    packed.write(block)
                    progress()
    digest = hashlib.sha256()
    with target.open("rb") as stream:
        for block in iter(lambda: stream.read(BLOCK), b""):
            digest.update(block)
    return digest.hexdigest(), target.stat().st_size


class _Writer:
    """One dataset on its way to a folder."""

    def __init__(
        self,
        stack: ExitStack,
        folder: Path,
        sites: frozenset[int] | None,
        arm_sites: frozenset[int] | None,
        includes_arms: bool,
        progress: Progress,
    ) -> None:
        self.stack, self.folder = stack, folder
        self.arm_sites = arm_sites if includes_arms else frozenset()
        self.includes_arms = includes_arms
        self.progress = progress
        self.written = Written()
        self._writers: dict[str, Any] = {}
        people = Participant.objects.all()
        self.participants: QuerySet[Participant] = people if sites is None else people.filter(site_id__in=sites)
        self.versions = list(Version.objects.order_by("-number"))
        self.shape = Shape([definition_of(version.pk) for version in self.versions])
        self.tables = self.shape.tables(includes_arms=includes_arms)

    # ------------------------------------------------------------ files

    def open(self, name: str, header: list[str]) -> None:
        stream = self.stack.enter_context((self.folder / f"{name}.csv").open("w", encoding="utf-8", newline=""))
        self._writers[name] = csv.writer(stream)
        self._writers[name].writerow(header)
        self.written.rows[name] = 0

    def row(self, name: str, values: Iterable[Any]) -> None:
        self._writers[name].writerow(values)
        self.written.rows[name] += 1

    # ------------------------------------------------------------ what may be seen

    def sees_arm(self, site_id: int) -> bool:
        return self.arm_sites is None or site_id in self.arm_sites

    def visible(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of the participants without those that tell an arm that this dataset must not hold."""
        rows = rows.filter(participant__in=self.participants)
        if self.arm_sites is None:
            return rows
        return rows.filter(Q(reveals_arm=False) | Q(participant__site_id__in=self.arm_sites))

    def is_hidden(self, form: str, item: str, site_id: int) -> bool:
        return not self.sees_arm(site_id) and self.shape.reveals_arm(form, item)

    # ------------------------------------------------------------ participants and visits

    def participants_table(self) -> None:
        header = system_tables.header(system_tables.PARTICIPANTS)
        allocations: dict[int, dict[str, Any]] = {}
        if self.includes_arms:
            header += system_tables.header(system_tables.ALLOCATIONS)
            found = Allocation.objects.filter(participant__in=self.participants)
            if self.arm_sites is not None:
                found = found.filter(participant__site_id__in=self.arm_sites)
            columns = ("participant_id", "number", "arm", "stratum", "allocated_at")
            allocations = {a["participant_id"]: a for a in found.values(*columns)}
        registrations = self._by_participant(Registration, "arm")
        received = self._by_participant(TreatmentReceived, "received", "started_on", "why", "detail")
        flags = RandomizedInError.objects.filter(allocation__participant__in=self.participants, lifted_at=None)
        in_error = {
            who: (why, detail)
            for who, why, detail in flags.values_list("allocation__participant_id", "reason", "detail")
        }
        self.open("participants", header)
        for p in self.participants.select_related("site").order_by("code").iterator(chunk_size=1000):
            values: list[Any] = [
                p.site.number, p.code, p.status, p.screened_on, p.consented_on, p.failed_on, p.failure_reason,
                p.failure_detail, p.randomized_on, p.registered_on, _inclusion(p), *in_error.get(p.pk, ("", "")),
                p.treatment_ended_on, p.progressed_on, p.withdrawn_treatment_on,
                p.withdrawn_visits_on, p.withdrawn_contact_on, p.lost_on, p.died_on, p.completed_on, p.sex,
                p.birth_month, p.birth_year,
            ]  # fmt: skip
            if self.includes_arms:
                a = allocations.get(p.pk)
                values += [a["number"], a["arm"], a["stratum"], a["allocated_at"].isoformat()] if a else [""] * 4
                values += registrations.get(p.pk, [""])
                told = received.get(p.pk)
                values += [told[0] or "NONE", *told[1:]] if told else [""] * 4
            self.row("participants", values)
        self._check_count("participants", self.participants.count())

    def _by_participant(self, model: Any, *columns: str) -> dict[int, list[Any]]:
        """The columns of what tells an arm, by participant, where the dataset may hold it."""
        if not self.includes_arms:
            return {}
        rows = model.objects.filter(participant__in=self.participants)
        if self.arm_sites is not None:
            rows = rows.filter(participant__site_id__in=self.arm_sites)
        return {who: values for who, *values in rows.values_list("participant_id", *columns)}

    def stratum_differences_table(self) -> None:
        """Write where the data said, or still say, another stratum than the frozen one; no arm is told."""
        self.open("stratum_differences", system_tables.header(system_tables.STRATUM_DIFFERENCES))
        rows = StratumDifference.objects.filter(allocation__participant__in=self.participants)
        for d in rows.select_related("allocation__participant__site").order_by("pk").iterator(chunk_size=1000):
            who = d.allocation.participant
            settled = d.settled_at.isoformat() if d.settled_at else ""
            self.row(
                "stratum_differences",
                [who.site.number, who.code, d.factor, d.frozen, d.now, d.since.isoformat(), settled],
            )

    def status_changes_table(self) -> None:
        """Write everything that happened to each participant, of earlier screenings and what was taken back too."""
        self.open("status_changes", system_tables.header(system_tables.STATUS_CHANGES))
        rows = StatusChange.objects.filter(participant__in=self.participants)
        ordered = rows.order_by("participant__code", "on", "pk")
        columns = ordered.values_list(
            "participant__site__number", "participant__code", "kind", "screening", "on", "reason", "detail",
            "reversed_at", "reversed_reason",
        )  # fmt: skip
        for *told, reversed_at, why in columns.iterator(chunk_size=1000):
            self.row("status_changes", [*told, _moment(reversed_at), why])
        self._check_count("status_changes", rows.count())

    def visits_table(self) -> None:
        rows = self.visible(Visit.objects.all())
        self.open("visits", system_tables.header(system_tables.VISITS))
        ordered = rows.order_by("participant__code", "order", "occurrence", "pk")
        columns = ordered.values_list(
            "participant__site__number", "participant__code", "event", "occurrence", "planned_on", "window_start",
            "window_end", "actual_on", "status", "missed_reason",
        )  # fmt: skip
        for site, code, event, *told in columns.iterator(chunk_size=1000):
            self.row("visits", [site, code, event, self.shape.visit_label(event), *told])
        self._check_count("visits", rows.count())

    # ------------------------------------------------------------ records

    def records_tables(self) -> None:
        """Write the forms and their repeating groups, one participant after the other, in key order."""
        flat = {table.form: table for table in self.tables if not table.group}
        grids: dict[str, list[Table]] = {}
        for table in self.tables:
            self.open(table.name, [column.name for column in table.columns])
            if table.group:
                grids.setdefault(table.form, []).append(table)
        self.open("missing_reasons", system_tables.header(system_tables.MISSING_REASONS))
        kept = Record.objects.filter(removed_at=None).exclude(entry_state=EntryState.EXPECTED)
        wanted = self.visible(kept).filter(form__in=flat)
        total = wanted.count()
        rows_in_grids = 0
        done = 0
        for record in self._with_what_is_shown(kept.filter(participant__in=self.participants)):
            site_id = record["participant__site_id"]
            sheet = flat.get(record["form"])
            if sheet is None or (record["reveals_arm"] and not self.sees_arm(site_id)):
                continue
            sees_arm = self.sees_arm(site_id)
            if sheet.reveals_arm and not sees_arm:
                continue
            state, data, not_shown = record["entry_state"], record["data"], record["not_shown"]
            keys = keys_of(record, self.shape)
            self.row(
                sheet.name,
                [
                    *keys,
                    *record_values(record),
                    *values_of(
                        sheet, flat_row(sheet, data), entry_state=state, not_shown=not_shown.get("", ()),
                        sees_arm=sees_arm, grades=record["grades"],
                    ),
                ],
            )  # fmt: skip
            self.missing_reasons_of(record, keys, sees_arm=sees_arm)
            for grid in grids.get(record["form"], ()):
                if grid.reveals_arm and not sees_arm:
                    continue
                held_rows = data.get(grid.group, [])
                rows_in_grids += len(held_rows)
                for place, held in enumerate(held_rows, start=1):
                    row_id = held.get(ROW_ID, "")
                    hidden = not_shown.get(row_id, ())
                    values = values_of(grid, held, entry_state=state, not_shown=hidden, sees_arm=sees_arm)
                    self.row(grid.name, [*keys, row_id, place, *values])
            done += 1
            if done % STEP == 0:
                self.progress(90 * done // max(total, 1))
        counted = sum(self.written.rows[table.name] for table in flat.values())
        if counted != total or done != total:
            raise CountError(f"{counted} forms were written, {total} are in the database.")
        counted = sum(self.written.rows[grid.name] for tables in grids.values() for grid in tables)
        if counted != rows_in_grids:
            raise CountError(f"{counted} rows were written, {rows_in_grids} are in the forms.")
        self.progress(90)

    def missing_reasons_of(self, record: Mapping[str, Any], keys: Sequence[Any], *, sees_arm: bool) -> None:
        """Write the words that were given for the values of a record that are missing."""
        for rows in record["data"].values():
            for row in rows:
                for item, stored in row.items():
                    if item in (ROW_ID, HIDDEN) or not stored.get("missing") or not stored.get("reason"):
                        continue
                    if item in row.get(HIDDEN, ()):
                        continue
                    if sees_arm or not self.shape.reveals_arm(record["form"], item):
                        cells = [record["form"], row.get(ROW_ID, ""), item, stored["missing"], stored["reason"]]
                        self.row("missing_reasons", [*keys, *cells])

    def _with_what_is_shown(self, rows: QuerySet[Record]) -> Iterator[dict[str, Any]]:
        """Yield the records in key order, each with `not_shown`: row id → items that skip logic does not ask.

        What was never asked leaves no trace in the stored data, so the participant's forms are evaluated once more.
        """
        people = {p.pk: p for p in self.participants.only(*_FACTS)}
        ordered = rows.order_by(
            "participant__code", "form", "visit__order", "visit__occurrence", "number", "pk"
        ).values(
            "pk", "participant_id", "participant__code", "participant__site_id", "participant__site__number", "form",
            "number", "data", "entry_state", "not_done_reason", "revision", "signed_revision", "signature_id",
            "reveals_arm", "version__number", "visit_id", "visit__event", "visit__occurrence", "visit__order",
            "visit__actual_on", "visit__planned_on",
        )  # fmt: skip
        for participant_id, held in itertools.groupby(
            ordered.iterator(chunk_size=1000), key=lambda row: row["participant_id"]
        ):
            records = list(held)
            book = _book_of(people[participant_id], records)
            for record in records:
                yield {**record, "not_shown": _not_shown(book, record), "grades": _grades(book, record)}

    # ------------------------------------------------------------ queries and verifications

    def queries_table(self) -> None:
        rows = self.visible(Query.objects.all())
        self.open("queries", system_tables.header(system_tables.QUERIES))
        found = rows.select_related("participant__site", "record__visit").prefetch_related("messages").order_by("pk")
        for q in found.iterator(chunk_size=500):
            if self.is_hidden(q.record.form, q.item, q.participant.site_id) or (
                q.record.reveals_arm and not self.sees_arm(q.participant.site_id)
            ):
                continue
            messages = list(q.messages.all())
            self.row(
                "queries",
                [
                    q.pk, q.participant.site.number, q.participant.code, q.record.visit.event if q.record.visit else "",
                    q.record.form, q.record.number or "", q.row, q.item, q.kind, q.state, q.opened_at.isoformat(),
                    q.settled_at.isoformat() if q.settled_at else "", messages[-1].text if messages else "",
                ],
            )  # fmt: skip

    def verifications_table(self) -> None:
        records = self.visible(Record.objects.filter(removed_at=None))
        rows = Verification.objects.filter(record__in=records).order_by(
            "record__participant__code", "record__form", "record_id", "row", "item", "pk"
        )
        self.open("verifications", system_tables.header(system_tables.VERIFICATIONS))
        columns = rows.values_list(
            "record__participant__site_id", "record__participant__code", "record__visit__event", "record__form",
            "record__number", "row", "item", "revision", "verified_at", "cleared_at",
        )  # fmt: skip
        for site_id, code, event, form, number, row, item, revision, at, cleared_at in columns.iterator(
            chunk_size=1000
        ):
            if self.is_hidden(form, item, site_id):
                continue
            told = [code, event or "", form, number or "", row, item, revision, at.isoformat(), _moment(cleared_at)]
            self.row("verifications", told)

    def notes_table(self) -> None:
        """Write the notes: what people said beside the data, which is no data."""
        self.open("notes", system_tables.header(system_tables.NOTES))
        rows = self.visible(Note.objects.all()).filter(record__removed_at=None).order_by("pk")
        for n in rows.select_related("participant__site", "record__visit").iterator(chunk_size=1000):
            if (n.item and self.is_hidden(n.record.form, n.item, n.participant.site_id)) or (
                n.record.reveals_arm and not self.sees_arm(n.participant.site_id)
            ):
                continue
            self.row(
                "notes",
                [
                    n.pk, n.participant.site.number, n.participant.code, n.record.visit.event if n.record.visit else "",
                    n.record.form, n.record.number or "", n.row, n.item, n.text, n.by_name, n.at.isoformat(),
                ],
            )  # fmt: skip

    # ------------------------------------------------------------ what the tables mean

    def dictionary_table(self) -> None:
        locales = self.shape.locales
        header = [
            "TABLE", "COLUMN", *(f"LABEL_{x.upper()}" for x in locales), "TYPE", "UNIT", "CODELIST", "ORIGIN", "FORM",
            "GROUP", "ITEM", "SHOWN_WHEN",
        ]  # fmt: skip
        self.open("dictionary", header)
        columns = [*system_tables.described(includes_arms=self.includes_arms)]
        columns += [(table.name, column) for table in self.tables for column in table.columns]
        for name, c in columns:
            labels = [c.labels.get(locale) or c.labels.get("en", "") for locale in locales]
            self.row(
                "dictionary",
                [name, c.name, *labels, c.type, c.unit, c.codelist, c.origin, c.form, c.group, c.item, c.shown_when],
            )

    def codelists_table(self) -> None:
        locales = self.shape.locales
        self.open("codelists", ["CODELIST", "CODE", "CDISC", *(f"LABEL_{x.upper()}" for x in locales)])
        of_forms = self.shape.codelists_of(self.tables)
        of_the_house = system_tables.codes(self.shape, includes_arms=self.includes_arms)
        lines = {(line[0], line[1]): line for line in [*of_forms, *of_the_house]}
        for codelist, code, cdisc, labels in lines.values():
            self.row("codelists", [codelist, code, cdisc, *(labels[locale] for locale in locales)])

    def manifest(self, simulated: bool) -> dict[str, Any]:
        last = Change.objects.order_by("-pk").values_list("at", flat=True).first()
        return {
            "study": self.shape.newest.study.code,
            "protocol_version": self.shape.newest.study.protocol_version,
            "versions": [
                {"number": version.number, "definition": version.content_hash} for version in reversed(self.versions)
            ],
            "data_until": last.isoformat() if last is not None else None,
            "simulated_data": simulated,
            "includes_arms": self.includes_arms,
            "rows": self.written.rows,
            "status_columns": STATUSES
            if self.includes_arms
            else {k: v for k, v in STATUSES.items() if k != "WITHHELD"},
            "left_out": "log entries removed as entered by mistake; drafts; the content of files",
        }

    def _check_count(self, name: str, held: int) -> None:
        if self.written.rows[name] != held:
            raise CountError(f"{name}: {self.written.rows[name]} rows were written, {held} are in the database.")


def _moment(at: dt.datetime | None) -> str:
    return at.isoformat() if at is not None else ""


def _inclusion(participant: Participant) -> str:
    """How the participant got the visit plan; empty before it."""
    if participant.randomized_on is not None:
        return str(StatusKind.RANDOMIZED)
    return str(StatusKind.REGISTERED) if participant.registered_on is not None else ""


# ---------------------------------------------------------------- skip logic, once more

_FACTS = (
    "pk", "version_id", "site_id", "sex", "birth_month", "birth_year", "status", "randomized_on", "registered_on",
    "consented_on", "screening",
)  # fmt: skip
_NO_VALUES = (EntryState.NOT_DONE, EntryState.NOT_APPLICABLE)


def _book_of(participant: Participant, records: Sequence[Mapping[str, Any]]) -> Book:
    """One participant's records as the expressions see them."""
    entries = [(_place_of(r), r["data"]) for r in records if r["entry_state"] not in _NO_VALUES]
    return Book(definition_of(participant.version_id), facts_of(participant), entries)


def _place_of(record: Mapping[str, Any]) -> Place:
    if record["visit_id"] is None:
        return Place(form=record["form"], number=record["number"] or 0)
    return Place(
        form=record["form"],
        visit=record["visit__event"],
        order=record["visit__order"],
        occurrence=record["visit__occurrence"],
        visit_on=record["visit__actual_on"] or record["visit__planned_on"],
    )


def _not_shown(book: Book, record: Mapping[str, Any]) -> dict[str, Collection[str]]:
    """Return, per row id ("" for what does not repeat), the items without a value that skip logic does not ask."""
    form = book.definition.forms.get(record["form"])
    if form is None or record["entry_state"] in _NO_VALUES or not _may_hide(book.definition, form, record["data"]):
        return {}
    found: dict[str, list[str]] = {}
    evaluation = evaluate(book, book.entry(_place_of(record)))
    for (_group, row_id, item), shown in evaluation.shown.items():
        if not shown:
            found.setdefault(row_id, []).append(item)
    return {row_id: frozenset(items) for row_id, items in found.items()}


def _grades(book: Book, record: Mapping[str, Any]) -> dict[str, int]:
    """Return the toxicity grades that the laboratory values of a form reach by themselves, by item."""
    form = book.definition.forms.get(record["form"])
    if form is None or record["entry_state"] in _NO_VALUES or not any(i.analyte for i in form.items.values()):
        return {}
    entry = book.entry(_place_of(record))
    found: dict[str, int] = {}
    for item in form.items.values():
        group = form.groups_of_items[item.id]
        if not item.analyte or group.repeating:
            continue
        result = result_of(next((row.get(item.id) for row in record["data"].get(group.id, ())), None))
        if result is None:
            continue
        graded = grade_of(book.definition, item, result, baseline_of(book, entry, item, book.facts.randomized_on))
        if graded is not None:
            found[item.id] = graded.grade
    return found


def _may_hide(definition: Definition, form: Form, data: Mapping[str, Any]) -> bool:
    """Whether some item that skip logic decides has no value: otherwise there is nothing to find out."""
    program = definition.compiled.forms[form.id]
    if not program.items_shown_when and not program.groups_shown_when:
        return False
    for group in form.groups:
        rows = data.get(group.id) or ([] if group.repeating else [{}])
        conditional = [i.id for i in group.items if group.shown_when or i.shown_when]
        if any(item not in row for row in rows for item in conditional):
            return True
    return False
