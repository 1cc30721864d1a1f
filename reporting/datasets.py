"""The study's data as plain tables: what each holds, and its rows one after the other in key order.

One table per form, one per repeating group, and beside them the participants, visits, queries and verifications.
Keys are always there, an empty table keeps its columns, and no value is rewritten. Every item has a column
ITEM_STATUS that says why there is no value, and is empty when there is one (see `STATUSES`).

Several published versions make one shape: the newest text of each form and item, and what only older versions had
stays, so an amendment never drops a value that was entered before it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from ecrf.checks.book import HIDDEN, ROW_ID
from ecrf.laboratory import result_of
from trial.definition import Definition, Form, Group, Item
from trial.dictionaries import dictionary_of
from trial.language import ItemType

KEYS = (
    ("STUDYID", "Study", "Étude"),
    ("SITEID", "Site number", "Numéro du centre"),
    ("USUBJID", "Participant code", "Code du participant"),
    ("VISIT", "Visit id", "Identifiant de la visite"),
    ("VISITLABEL", "Visit", "Visite"),
    ("VISITSEQ", "Occurrence of the visit", "Occurrence de la visite"),
    ("VISITDATE", "Date of the visit", "Date de la visite"),
    ("ENTRYNO", "Number of the log entry", "Numéro de l’entrée du journal"),
)
RECORD = (
    ("ENTRY_STATE", "Entry state of the form", "État de saisie du formulaire"),
    ("NOT_DONE_REASON", "Why the form was not done", "Motif du formulaire non réalisé"),
    ("REVISION", "Number of saves", "Nombre d’enregistrements"),
    ("VERSION", "Version of the study", "Version de l’étude"),
    ("SIGNED", "Signed: Y, N, or CHANGED since signing", "Signé : Y, N, ou CHANGED (modifié depuis la signature)"),
)
ROW = (
    ("ROWID", "Stable id of the row", "Identifiant stable de la ligne"),
    ("ROWNO", "Place of the row", "Rang de la ligne"),
)
_CODELISTS = {"ENTRY_STATE": "entry_state"}
STATUSES = {
    "ND": "not done",
    "UNK": "unknown",
    "NA": "not applicable",
    "HIDDEN": "not asked (skip logic)",
    "EMPTY": "asked, not answered",
    "NOT_DONE": "the whole form was not done",
    "NOT_APPLICABLE": "the whole form does not apply",
    "WITHHELD": "not for the person who asked for the dataset",
}
"""What ITEM_STATUS can say. Not asked, not answered, not done, unknown and not applicable are different things."""
RESERVED = frozenset(
    {
        "participants", "visits", "queries", "verifications", "notes", "missing_reasons", "dictionary", "codelists",
        "manifest", "status_changes", "stratum_differences",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column: name, labels per language, and what it holds for the dictionary."""

    name: str
    labels: Mapping[str, str]
    type: str = "text"
    unit: str = ""
    codelist: str = ""
    form: str = ""
    group: str = ""
    item: str = ""
    origin: str = "system"
    shown_when: str = ""


@dataclass(frozen=True)
class Field:
    """An item as a table shows it: its newest text, every code it ever offered, and whether it tells the arm."""

    item: Item
    definition: Definition
    codes: tuple[str, ...]
    reveals_arm: bool

    @cached_property
    def width(self) -> int:
        """Its cells, the status left out."""
        item = self.item
        if item.type is ItemType.CHOICES:
            return len(self.codes)
        extra = (item.type is ItemType.TERM) + 4 * (item.type is ItemType.FILE)
        return 1 + extra + 2 * bool(item.units) + 4 * bool(item.analyte)


@dataclass
class Table:
    """A table of the export: the file's name, its columns, and the form (and repeating group) it comes from.

    `group` is empty for the form's own table, whose row lays the groups `flat_groups` side by side.
    """

    name: str
    labels: Mapping[str, str]
    form: str
    group: str = ""
    reveals_arm: bool = False
    flat_groups: tuple[str, ...] = ()
    columns: list[Column] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)

    @cached_property
    def places(self) -> dict[str, tuple[int, int, Field]]:
        """Item → its first cell in a row of `values_of`, that of its status, its field; once all fields are there."""
        found, place = {}, 0
        for made in self.fields:
            found[made.item.id] = (place, place + made.width, made)
            place += made.width + 1
        return found

    @cached_property
    def secret(self) -> tuple[str, ...]:
        """The items that tell the arm."""
        return tuple(made.item.id for made in self.fields if made.reveals_arm)

    @cached_property
    def empty(self) -> dict[str, list[Any]]:
        """Reason → the cells of a row without any value."""
        reasons = ("EMPTY", *_WHOLE_FORM.values())
        return {why: [cell for made in self.fields for cell in (*[""] * made.width, why)] for why in reasons}


class Shape:
    """All published versions as one set of tables. `definitions` are given newest first."""

    def __init__(self, definitions: Sequence[Definition]) -> None:
        self.definitions = tuple(definitions)
        self.newest = self.definitions[0]
        self.locales = self.newest.locales
        self._visit_labels: dict[str, str] = {}

    def reveals_arm(self, form: str, item: str = "") -> bool:
        """Whether the form, or the item, tells the arm under any version; what nobody knows does."""
        having = [d for d in self.definitions if form in d.forms and (not item or item in d.forms[form].items)]
        return not having or any(d.reveals_arm(form, item or None) for d in having)

    def visit_label(self, event: str) -> str:
        """The name of a visit in the study's first language, from the newest version that has it."""
        if event not in self._visit_labels:
            label = next((v.label for d in self.definitions for v in d.visits if v.id == event), None)
            self._visit_labels[event] = self.newest.text(label, self.locales[0]) if label else event
        return self._visit_labels[event]

    def tables(self, *, includes_arms: bool) -> list[Table]:
        """Return the data tables: per form one, per repeating group one; without what tells the arm unless asked."""
        found: list[Table] = []
        for form_id in self._form_ids():
            if includes_arms or not self.reveals_arm(form_id):
                found += self._tables_of(form_id, includes_arms)
        return found

    def _form_ids(self) -> list[str]:
        return list(dict.fromkeys(form_id for d in self.definitions for form_id in d.forms))

    def _tables_of(self, form_id: str, includes_arms: bool) -> Iterator[Table]:
        having = [(d, d.forms[form_id]) for d in self.definitions if form_id in d.forms]
        newest, form = having[0]
        secret = self._words_that_tell(form_id) if not includes_arms else frozenset()
        name = f"{form_id}_form" if form_id in RESERVED else form_id
        flat = Table(name, self._labels(newest, form.label), form_id, reveals_arm=self.reveals_arm(form_id))
        flat.columns = [*_keys(KEYS), *_keys(RECORD)]
        grids: dict[str, Table] = {}
        seen: set[str] = set()
        for definition, version in having:
            for group in version.groups:
                if not group.repeating and group.id not in flat.flat_groups:
                    flat.flat_groups += (group.id,)
                for item in group.items:
                    if item.id in seen:
                        continue
                    seen.add(item.id)
                    made = self._field(definition, version, item, having)
                    if made.reveals_arm and not includes_arms:
                        continue
                    table = flat
                    if group.repeating:
                        table = grids.setdefault(group.id, self._grid(definition, version, group, name))
                    table.fields.append(made)
                    self._add_columns(table, made, version, group, secret)
        yield flat
        yield from grids.values()

    def _field(self, definition: Definition, form: Form, item: Item, having: list[tuple[Definition, Form]]) -> Field:
        codes = dict.fromkeys(
            code for d, version in having if item.id in version.items for code in d.codes_of(version.items[item.id])
        )
        return Field(item, definition, tuple(codes), self.reveals_arm(form.id, item.id))

    def _grid(self, definition: Definition, form: Form, group: Group, name: str) -> Table:
        labels = {
            locale: f"{definition.text(form.label, locale)} – {definition.text(group.label, locale)}"
            for locale in self.locales
        }
        told = self.reveals_arm(form.id) or group.reveals_arm
        return Table(
            f"{name}__{group.id}", labels, form.id, group.id, told, columns=[*_keys(KEYS), *_keys(ROW)]
        )  # fmt: skip

    def _labels(self, definition: Definition, label: Mapping[str, str] | None, tail: str = "") -> dict[str, str]:
        return {locale: definition.text(label, locale) + tail for locale in self.locales}

    def _add_columns(self, table: Table, made: Field, form: Form, group: Group, secret: Collection[str]) -> None:
        taken = {column.name for column in table.columns}
        for column in self._columns(made, form, group, secret):
            name = column.name
            while name in taken:
                name += "_"
            taken.add(name)
            table.columns.append(column if name == column.name else _renamed(column, name))

    def _columns(self, made: Field, form: Form, group: Group, secret: Collection[str]) -> Iterator[Column]:
        item, definition, base = made.item, made.definition, made.item.id.upper()
        common: dict[str, Any] = {
            "form": form.id,
            "group": group.id,
            "item": item.id,
            "shown_when": _without(secret, _both(group.shown_when, item.shown_when)),
            "origin": "derived" if item.is_derived else "collected",
        }

        def column(suffix: str, tail: str, type: str = "text", **more: Any) -> Column:
            return Column(f"{base}{suffix}", self._labels(definition, item.label, tail), type, **common, **more)

        codelist = item.codelist or ""
        if item.type is ItemType.CHOICES:
            for code in made.codes:
                yield column(f"__{code}", f": {code}", "Y or N", codelist=codelist)
        else:
            yield column("", "", str(item.type), unit=item.unit or "", codelist=codelist)
            if item.type is ItemType.TERM:
                yield column("_LABEL", ": words of the dictionary")
            if item.type is ItemType.FILE:
                yield column("_NAME", ": name of the file")
                yield column("_TYPE", ": type of the file, from its content")
                yield column("_SIZE", ": size in bytes", "integer")
                yield column("_SHA256", ": SHA-256 of the content")
            if item.units:
                yield column("_ORIG", ": as entered", "decimal")
                yield column("_ORIGU", ": unit as entered")
            if item.analyte:
                yield column("_LO", ": lower limit of the laboratory", "decimal")
                yield column("_HI", ": upper limit of the laboratory", "decimal")
                yield column("_FLAG", ": L, N or H against these limits")
                yield column("_TOXGR", ": toxicity grade that the value reaches by itself, 0 = none", "integer")
        yield column("_STATUS", ": why there is no value", "code", codelist="why_no_value")

    def codelists_of(self, tables: Iterable[Table]) -> list[tuple[str, str, str, dict[str, str]]]:
        """Return (codelist, code, CDISC code, label per language) of the codelists that the tables use."""
        return self.codelists_named({f.item.codelist for table in tables for f in table.fields if f.item.codelist})

    def codelists_named(self, used: Collection[str]) -> list[tuple[str, str, str, dict[str, str]]]:
        """Return (codelist, code, CDISC code, label per language) of the codelists of those ids."""
        found: dict[tuple[str, str], tuple[str, str, str, dict[str, str]]] = {}
        for definition in self.definitions:
            for codelist in definition.codelists.values():
                for entry in codelist.codes if codelist.id in used else ():
                    labels = self._labels(definition, entry.label)
                    found.setdefault((codelist.id, entry.code), (codelist.id, entry.code, entry.cdisc or "", labels))
        return list(found.values())

    def _words_that_tell(self, form_id: str) -> frozenset[str]:
        """Ids that must not stand in an expression shown to somebody who may not see arms."""
        words: set[str] = set()
        for definition in self.definitions:
            words |= set(definition.arms) | {p.id for p in definition.pathways.values() if p.reveals_arm}
            words |= {v.id for v in definition.visits if definition.reveals_arm(visit_id=v.id)}
            for form in definition.forms.values():
                if definition.reveals_arm(form.id):
                    words.add(form.id)
                items = {i for i in form.items if definition.reveals_arm(form.id, i)}
                words |= items if form.id == form_id else {f"{form.id}.{i}" for i in items}
        return frozenset(words)


def _keys(described: tuple[tuple[str, str, str], ...]) -> list[Column]:
    return [
        Column(name, {"en": english, "fr": french}, codelist=_CODELISTS.get(name, ""))
        for name, english, french in described
    ]


def _renamed(column: Column, name: str) -> Column:
    return Column(**{**column.__dict__, "name": name})


def _both(outer: str | None, own: str | None) -> str:
    return f"({outer}) and ({own})" if outer and own else outer or own or ""


def _without(secret: Collection[str], expression: str) -> str:
    """The expression, or nothing when it names something secret."""
    words = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)?", expression))
    parts = {part for word in words for part in word.split(".")}
    return "" if (words | parts) & set(secret) else expression


# ---------------------------------------------------------------- rows


def keys_of(row: Mapping[str, Any], shape: Shape) -> list[Any]:
    """Return the key columns of a record row (see `KEYS`)."""
    event = row["visit__event"] or ""
    return [
        shape.newest.study.code,
        row["participant__site__number"],
        row["participant__code"],
        event,
        shape.visit_label(event) if event else "",
        row["visit__occurrence"] or "",
        row["visit__actual_on"] or "",
        row["number"] or "",
    ]


def record_values(row: Mapping[str, Any]) -> list[Any]:
    """Return the record columns of a record row (see `RECORD`)."""
    signed = "N" if row["signature_id"] is None else ("Y" if row["signed_revision"] == row["revision"] else "CHANGED")
    return [row["entry_state"], row["not_done_reason"], row["revision"], row["version__number"], signed]


def values_of(
    table: Table,
    held: Mapping[str, Any],
    *,
    entry_state: str,
    not_shown: Collection[str] = (),
    sees_arm: bool = True,
    grades: Mapping[str, Any] = MappingProxyType({}),
) -> list[Any]:
    """Return the item columns of one stored row, in the order of the table.

    `not_shown` names the items that skip logic does not ask; `sees_arm` false withholds what tells the arm; `grades`
    are toxicity grades of laboratory values by item.
    """
    cells = list(table.empty[_WHOLE_FORM.get(entry_state, "EMPTY")])
    places = table.places
    marked = {*held.get(HIDDEN, ()), *not_shown}
    withheld = table.secret if not sees_arm else ()
    for name, stored in held.items():
        if name not in places or name in marked or name in withheld:
            continue
        first, last, made = places[name]
        if stored.get("missing"):
            cells[last] = stored["missing"]
        elif last - first == 1 and made.item.type is not ItemType.CHOICES:  # most
            cells[first], cells[last] = _plain(stored.get("value")), ""
        else:
            cells[first : last + 1] = [*_cells(made, stored, grades), ""]
    for name in marked:
        if name in places:
            cells[places[name][1]] = "HIDDEN"
    for name in withheld:
        cells[places[name][1]] = "WITHHELD"
    return cells


_WHOLE_FORM = {"not_done": "NOT_DONE", "not_applicable": "NOT_APPLICABLE"}


def _cells(made: Field, stored: Mapping[str, Any], grades: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the cells of a value: the value or values, and what goes with them."""
    item = made.item
    value = stored.get("value")
    if item.type is ItemType.CHOICES:
        chosen = value if isinstance(value, list) or value is None else [value]
        for code in made.codes:
            yield "" if chosen is None else ("Y" if code in chosen else "N")
        return
    yield _plain(value)
    if item.type is ItemType.TERM:
        yield _term_words(made, str(value))
    if item.type is ItemType.FILE:
        facts = stored.get("extra") or {}
        yield from (facts.get(name, "") for name in ("name", "media", "size", "sha256"))
    if item.units:
        yield _plain(stored.get("original", value))
        yield stored.get("unit") or item.unit or ""
    if item.analyte:
        extra = stored.get("extra") or {}
        yield extra.get("lo", "")
        yield extra.get("hi", "")
        result = result_of(stored)
        yield result.flag if result is not None else ""
        yield grades.get(item.id, "") if result is not None else ""


def _term_words(made: Field, code: str) -> str:
    term = dictionary_of(made.definition, made.item.dictionary or "").get(code)
    return term.label_in("en") if term is not None else ""


def flat_row(table: Table, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the groups of one record that do not repeat, laid into one row."""
    merged: dict[str, Any] = {}
    hidden: list[str] = []
    for group in table.flat_groups:
        for row in data.get(group, ())[:1]:
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
