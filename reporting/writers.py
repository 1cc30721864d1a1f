"""Writing datasets to files: CSV tables with a data dictionary, and one zip of all with a manifest."""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from django.db.models import Q

from audit import clock
from ecrf.models import Query, Record, Verification
from randomization.models import Allocation
from trial.definition import Definition
from trial.definitions import definition_of, latest_version
from trial.models import Participant, Visit

from .datasets import Table, flat_row, group_rows, keys_of, record_values, tables_of, values_of

Progress = Callable[[int], None]
STEP = 500
"""Records between two reports of progress."""


@dataclass
class Written:
    """What a dataset holds: rows per file, for the manifest, the export row and the check at download."""

    rows: dict[str, int] = field(default_factory=dict)
    checksum: str = ""
    size: int = 0


def write_csv(
    folder: Path,
    *,
    sites: frozenset[int] | None,
    arm_sites: frozenset[int] | None,
    includes_arms: bool,
    by_name: str,
    simulated: bool,
    progress: Progress = lambda percent: None,
    locale: str = "en",
) -> Written:
    """Write every table of the study as CSV into a folder, with `dictionary.csv`, `codelists.csv`, `manifest.json`.

    UTF-8, comma, dates as YYYY-MM-DD, decimals with a point. `sites` bounds the participants (None: all);
    with `includes_arms`, arms and what reveals them are written for participants of `arm_sites` only (None: all).
    Raises ValueError when a table's rows do not add up to what the database holds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    definition = definition_of(latest_version().pk)
    written = Written()
    participants = Participant.objects.all() if sites is None else Participant.objects.filter(site_id__in=sites)
    _participants(folder, participants, includes_arms, arm_sites, written)
    _visits(folder, participants, definition, includes_arms, arm_sites, locale, written)
    tables = tables_of(definition, includes_arms=includes_arms, locale=locale)
    _records(folder, tables, participants, definition, includes_arms, arm_sites, locale, written, progress)
    _queries(folder, participants, includes_arms, arm_sites, written)
    _verifications(folder, participants, includes_arms, arm_sites, written)
    _dictionary(folder, tables, written)
    _codelists(folder, definition, written)
    manifest = {
        "study": definition.study.code,
        "protocol_version": definition.study.protocol_version,
        "definition": definition.content_hash,
        "written_at": clock.now().isoformat(),
        "written_by": by_name,
        "simulated_data": simulated,
        "includes_arms": includes_arms,
        "rows": written.rows,
        "missing_status": {
            "ND": "not done", "UNK": "unknown", "NA": "not applicable",
            "HIDDEN": "not asked (skip logic)", "EMPTY": "asked, not answered",
        },
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if simulated:
        (folder / "SIMULATED.txt").write_text("Simulated data: no row is about a real person.\n", encoding="utf-8")
    return written


def zip_folder(folder: Path, target: Path) -> tuple[str, int]:
    """Put a folder's files into one zip; return its SHA-256 and size in bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    digest = hashlib.sha256()
    with target.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest(), target.stat().st_size


class _Sheets:
    """Open CSV files by table name; every one has its header, rows are counted."""

    def __init__(self, folder: Path, stack: ExitStack, written: Written) -> None:
        self.folder, self.stack, self.written = folder, stack, written
        self._writers: dict[str, Any] = {}

    def open(self, name: str, header: list[str]) -> None:
        stream: TextIO = self.stack.enter_context(
            (self.folder / f"{name}.csv").open("w", encoding="utf-8", newline="")
        )
        self._writers[name] = csv.writer(stream)
        self._writers[name].writerow(header)
        self.written.rows[name] = 0

    def row(self, name: str, values: list[Any]) -> None:
        self._writers[name].writerow(values)
        self.written.rows[name] += 1


def _records(
    folder: Path,
    tables: list[Table],
    participants: Any,
    definition: Definition,
    includes_arms: bool,
    arm_sites: frozenset[int] | None,
    locale: str,
    written: Written,
    progress: Progress,
) -> None:
    flat = {t.form.id: t for t in tables if t.form is not None and t.group is None}
    grids: dict[str, list[Table]] = {}
    for table in tables:
        if table.group is not None and table.form is not None:
            grids.setdefault(table.form.id, []).append(table)
    found = Record.objects.filter(participant__in=participants, removed_at=None, form__in=flat).exclude(
        entry_state="expected"
    )
    found = _without_arms(found, includes_arms, arm_sites)
    total = found.count()
    rows = found.order_by("participant__code", "form", "visit__order", "visit__occurrence", "number").values(
        "participant__code", "participant__site__number", "form", "number", "data", "entry_state", "not_done_reason",
        "revision", "signed_revision", "signature_id", "version__number",
        "visit__event", "visit__occurrence", "visit__actual_on",
    )  # fmt: skip
    with ExitStack() as stack:
        sheets = _Sheets(folder, stack, written)
        for table in tables:
            sheets.open(table.name, [column.name for column in table.columns])
        for done, row in enumerate(rows.iterator(chunk_size=1000), start=1):
            keys = keys_of(row, definition, locale)
            table = flat[row["form"]]
            data = row["data"]
            sheets.row(
                table.name, [*keys, *record_values(row), *values_of(table, flat_row(table, data), definition)]
            )
            for grid in grids.get(row["form"], ()):
                for place, held in enumerate(group_rows(grid, data), start=1):
                    sheets.row(
                        grid.name, [*keys, held.get("_id", ""), place, *values_of(grid, held, definition)]
                    )
            if done % STEP == 0:
                progress(100 * done // max(total, 1))
    counted = sum(written.rows[t.name] for t in flat.values())
    if counted != total:
        raise ValueError(f"{counted} forms were written, {total} are in the database.")


def _without_arms(rows: Any, includes_arms: bool, arm_sites: frozenset[int] | None) -> Any:
    if not includes_arms:
        return rows.filter(reveals_arm=False)
    if arm_sites is None:
        return rows
    return rows.filter(Q(reveals_arm=False) | Q(participant__site_id__in=arm_sites))


def _participants(
    folder: Path, participants: Any, includes_arms: bool, arm_sites: frozenset[int] | None, written: Written
) -> None:
    header = [
        "SITEID", "USUBJID", "STATUS", "SCREENED", "CONSENTED", "FAILED", "FAILURE_REASON", "RANDOMIZED",
        "TREATMENT_ENDED", "PROGRESSED", "WITHDRAWN_TREATMENT", "WITHDRAWN_VISITS", "WITHDRAWN_CONTACT", "LOST", "DIED",
        "COMPLETED", "SEX", "BIRTHMONTH", "BIRTHYEAR",
    ]  # fmt: skip
    allocations = {}
    if includes_arms:
        header += ["RANDNO", "ARM", "STRATUM", "ALLOCATED_AT"]
        rows = Allocation.objects.filter(participant__in=participants)
        if arm_sites is not None:
            rows = rows.filter(participant__site_id__in=arm_sites)
        allocations = {
            a["participant_id"]: a for a in rows.values("participant_id", "number", "arm", "stratum", "allocated_at")
        }
    with ExitStack() as stack:
        sheets = _Sheets(folder, stack, written)
        sheets.open("participants", header)
        for p in participants.select_related("site").order_by("code").iterator(chunk_size=1000):
            values: list[Any] = [
                p.site.number, p.code, p.status, p.screened_on, p.consented_on, p.failed_on, p.failure_reason,
                p.randomized_on, p.treatment_ended_on, p.progressed_on, p.withdrawn_treatment_on, p.withdrawn_visits_on,
                p.withdrawn_contact_on, p.lost_on, p.died_on, p.completed_on, p.sex, p.birth_month, p.birth_year,
            ]  # fmt: skip
            if includes_arms:
                a = allocations.get(p.pk)
                values += [a["number"], a["arm"], a["stratum"], a["allocated_at"].isoformat()] if a else [""] * 4
            sheets.row("participants", values)


def _visits(
    folder: Path,
    participants: Any,
    definition: Definition,
    includes_arms: bool,
    arm_sites: frozenset[int] | None,
    locale: str,
    written: Written,
) -> None:
    rows = _without_arms(Visit.objects.filter(participant__in=participants), includes_arms, arm_sites)
    header = [
        "SITEID", "USUBJID", "VISIT", "VISITLABEL", "VISITSEQ", "PLANNED", "WINDOW_START", "WINDOW_END", "ACTUAL",
        "STATUS", "MISSED_REASON",
    ]  # fmt: skip
    with ExitStack() as stack:
        sheets = _Sheets(folder, stack, written)
        sheets.open("visits", header)
        ordered = rows.select_related("participant__site").order_by("participant__code", "order", "occurrence")
        for v in ordered.iterator(chunk_size=1000):
            label = definition.text(definition.visit(v.event).label, locale)
            sheets.row(
                "visits",
                [
                    v.participant.site.number, v.participant.code, v.event, label, v.occurrence, v.planned_on,
                    v.window_start, v.window_end, v.actual_on, v.status, v.missed_reason,
                ],
            )  # fmt: skip


def _queries(
    folder: Path, participants: Any, includes_arms: bool, arm_sites: frozenset[int] | None, written: Written
) -> None:
    rows = _without_arms(Query.objects.filter(participant__in=participants), includes_arms, arm_sites)
    header = [
        "QUERY", "SITEID", "USUBJID", "VISIT", "FORM", "ENTRYNO", "ROWID", "ITEM", "KIND", "STATE", "OPENED_AT",
        "SETTLED_AT", "LAST_TEXT",
    ]  # fmt: skip
    with ExitStack() as stack:
        sheets = _Sheets(folder, stack, written)
        sheets.open("queries", header)
        found = rows.select_related("participant__site", "record__visit").prefetch_related("messages").order_by("pk")
        for q in found.iterator(chunk_size=500):
            messages = list(q.messages.all())
            sheets.row(
                "queries",
                [
                    q.pk, q.participant.site.number, q.participant.code, q.record.visit.event if q.record.visit else "",
                    q.record.form, q.record.number or "", q.row, q.item, q.kind, q.state, q.opened_at.isoformat(),
                    q.settled_at.isoformat() if q.settled_at else "", messages[-1].text if messages else "",
                ],
            )  # fmt: skip


def _verifications(
    folder: Path, participants: Any, includes_arms: bool, arm_sites: frozenset[int] | None, written: Written
) -> None:
    records = _without_arms(Record.objects.filter(participant__in=participants), includes_arms, arm_sites)
    rows = Verification.objects.filter(record__in=records).order_by("pk")
    with ExitStack() as stack:
        sheets = _Sheets(folder, stack, written)
        sheets.open("verifications", ["USUBJID", "FORM", "ROWID", "ITEM", "REVISION", "VERIFIED_AT", "CLEARED_AT"])
        for v in rows.select_related("record__participant").iterator(chunk_size=1000):
            sheets.row(
                "verifications",
                [
                    v.record.participant.code, v.record.form, v.row, v.item, v.revision, v.verified_at.isoformat(),
                    v.cleared_at.isoformat() if v.cleared_at else "",
                ],
            )  # fmt: skip


def _dictionary(folder: Path, tables: list[Table], written: Written) -> None:
    header = [
        "TABLE", "COLUMN", "LABEL", "TYPE", "UNIT", "CODELIST", "ORIGIN", "FORM", "GROUP", "ITEM", "SHOWN_WHEN",
    ]  # fmt: skip
    with ExitStack() as stack:
        sheets = _Sheets(folder, stack, written)
        sheets.open("dictionary", header)
        for table in tables:
            for c in table.columns:
                sheets.row(
                    "dictionary",
                    [
                        table.name, c.name, c.label, c.type, c.unit, c.codelist, c.origin, c.form, c.group, c.item,
                        c.shown_when,
                    ],
                )  # fmt: skip


def _codelists(folder: Path, definition: Definition, written: Written) -> None:
    with ExitStack() as stack:
        sheets = _Sheets(folder, stack, written)
        sheets.open("codelists", ["CODELIST", "CODE", "CDISC", *(f"LABEL_{x.upper()}" for x in definition.locales)])
        for codelist in definition.codelists.values():
            for entry in codelist.codes:
                labels = [definition.text(entry.label, locale) for locale in definition.locales]
                sheets.row("codelists", [codelist.id, entry.code, entry.cdisc or "", *labels])


def files_of(folder: Path) -> Iterator[Path]:
    """Yield the files of a written dataset in their order."""
    yield from sorted(folder.iterdir())
