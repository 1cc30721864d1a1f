"""The study's data as plain tables: what each holds, and its rows one after the other in key order.

One table per form, one per repeating group, and beside them the participants, visits, queries, verifications and
signatures. Keys are always there, an empty table keeps its columns, and no value is rewritten. What is missing says why:
the column ITEM_STATUS is empty for a value, else one of `ND`, `UNK`, `NA` (missing codes), `HIDDEN` (not asked),
`EMPTY` (asked, not answered). A form not done is a row whose ENTRY_STATE is `not_done`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ecrf.checks.book import HIDDEN, ROW_ID
from trial.definition import Definition, Form, Group, Item
from trial.language import ItemType

KEYS = (
    ("STUDYID", "Study"),
    ("SITEID", "Site number"),
    ("USUBJID", "Participant code"),
    ("VISIT", "Visit id"),
    ("VISITLABEL", "Visit"),
    ("VISITSEQ", "Occurrence of the visit"),
    ("VISITDATE", "Date of the visit"),
    ("ENTRYNO", "Number of the log entry"),
)
RECORD = (
    ("ENTRY_STATE", "Entry state of the form"),
    ("NOT_DONE_REASON", "Why the form was not done"),
    ("REVISION", "Number of saves"),
    ("VERSION", "Version of the study"),
    ("SIGNED", "Signed: Y, N, or CHANGED since signing"),
)
ROW = (("ROWID", "Stable id of the row"), ("ROWNO", "Place of the row"))


@dataclass(frozen=True)
class Column:
    """One column: name, label, and what it holds for the dictionary."""

    name: str
    label: str
    type: str = "text"
    unit: str = ""
    codelist: str = ""
    form: str = ""
    group: str = ""
    item: str = ""
    origin: str = "collected"
    shown_when: str = ""


@dataclass
class Table:
    """A table of the export: the file's name, its columns, and (for data tables) the form and group it comes from."""

    name: str
    label: str
    columns: list[Column]
    form: Form | None = None
    group: Group | None = None
    items: list[Item] = field(default_factory=list)


def tables_of(definition: Definition, *, includes_arms: bool, locale: str = "en") -> list[Table]:
    """Return the data tables of a definition: per form one, per repeating group one; without what reveals the arm."""
    tables = []
    for form in definition.forms.values():
        if not includes_arms and definition.reveals_arm(form.id):
            continue
        flat = [
            i
            for g in form.groups
            if not g.repeating
            for i in g.items
            if includes_arms or not definition.reveals_arm(form.id, i.id)
        ]
        columns = [*_keys(KEYS), *_keys(RECORD)]
        for item in flat:
            columns += _columns(definition, form, item, locale)
        tables.append(Table(form.id, definition.text(form.label, locale), columns, form, None, flat))
        for group in form.groups:
            if not group.repeating:
                continue
            items = [i for i in group.items if includes_arms or not definition.reveals_arm(form.id, i.id)]
            if not items:
                continue
            columns = [*_keys(KEYS), *_keys(ROW)]
            for item in items:
                columns += _columns(definition, form, item, locale)
            label = f"{definition.text(form.label, locale)} – {definition.text(group.label, locale)}"
            tables.append(Table(f"{form.id}__{group.id}", label, columns, form, group, items))
    return tables


def _keys(pairs: tuple[tuple[str, str], ...]) -> list[Column]:
    return [Column(name, label, origin="system") for name, label in pairs]


def _columns(definition: Definition, form: Form, item: Item, locale: str) -> list[Column]:
    base = item.id.upper()
    label = definition.text(item.label, locale)
    common: dict[str, Any] = {
        "form": form.id,
        "group": form.group_of(item.id).id,
        "item": item.id,
        "shown_when": item.shown_when or "",
        "origin": "derived" if item.is_derived else "collected",
    }
    if item.type is ItemType.CHOICES:
        columns = [
            Column(f"{base}__{code}", f"{label}: {code}", "Y or N", codelist=item.codelist or "", **common)
            for code in definition.codes_of(item)
        ]
    else:
        columns = [Column(base, label, str(item.type), item.unit or "", item.codelist or "", **common)]
        if item.units:
            columns.append(Column(f"{base}_ORIG", f"{label}: as entered", "decimal", **common))
            columns.append(Column(f"{base}_ORIGU", f"{label}: unit as entered", **common))
        if item.analyte:
            columns.append(Column(f"{base}_LO", f"{label}: lower limit of the laboratory", "decimal", **common))
            columns.append(Column(f"{base}_HI", f"{label}: upper limit of the laboratory", "decimal", **common))
    columns.append(Column(f"{base}_STATUS", f"{label}: why there is no value", **common))
    return columns


def keys_of(row: dict[str, Any], definition: Definition, locale: str) -> list[Any]:
    """Return the key columns of a record row (see `KEYS`)."""
    event = row["visit__event"]
    label = definition.text(definition.visit(event).label, locale) if event else ""
    return [
        definition.study.code,
        row["participant__site__number"],
        row["participant__code"],
        event or "",
        label,
        row["visit__occurrence"] or "",
        row["visit__actual_on"] or "",
        row["number"] or "",
    ]


def record_values(row: dict[str, Any]) -> list[Any]:
    """Return the record columns of a record row (see `RECORD`)."""
    signed = "N" if row["signature_id"] is None else ("Y" if row["signed_revision"] == row["revision"] else "CHANGED")
    return [row["entry_state"], row["not_done_reason"], row["revision"], row["version__number"], signed]


def values_of(table: Table, held: dict[str, Any], definition: Definition) -> Iterator[Any]:
    """Yield the item columns of one stored row, in the order of the table."""
    hidden = held.get(HIDDEN, ())
    for item in table.items:
        stored = held.get(item.id)
        is_hidden = item.id in hidden
        shown = None if is_hidden else stored
        missing = (shown or {}).get("missing", "")
        value = None if missing or shown is None else shown.get("value")
        if item.type is ItemType.CHOICES:
            for code in definition.codes_of(item):
                yield "" if value is None else ("Y" if code in value else "N")
        else:
            yield _plain(value)
            if item.units:
                yield (shown or {}).get("original", "") if value is not None else ""
                yield (shown or {}).get("unit", "") if value is not None else ""
            if item.analyte:
                extra = (shown or {}).get("extra") or {}
                yield extra.get("lo", "")
                yield extra.get("hi", "")
        yield "" if value is not None else ("HIDDEN" if is_hidden else missing or "EMPTY")


def group_rows(table: Table, data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the stored rows that a repeating group's table shows of one record."""
    assert table.group is not None
    rows: list[dict[str, Any]] = data.get(table.group.id, [])
    return rows


def flat_row(table: Table, data: dict[str, Any]) -> dict[str, Any]:
    """Return the non-repeating groups of one record laid into one row."""
    assert table.form is not None
    merged: dict[str, Any] = {}
    hidden: list[str] = []
    for group in table.form.groups:
        if group.repeating:
            continue
        for row in data.get(group.id, ())[:1]:
            merged |= {name: value for name, value in row.items() if name not in (ROW_ID, HIDDEN)}
            hidden += row.get(HIDDEN, ())
    merged[HIDDEN] = hidden
    return merged


def _plain(value: Any) -> Any:
    if value is True:
        return "Y"
    if value is False:
        return "N"
    return "" if value is None else value
