"""One participant's records as expressions see them.

A reference to another form means the record of the same visit, else the newest earlier visit that holds the form;
`previous` the nearest earlier visit having it; `at('X')` that visit. Log forms and repeating groups are lists.
Values of hidden items are kept in the data but read as unknown (DOMAIN: hidden values stay out of derivations).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from trial.definition import Definition, Form, Phase
from trial.language import UNKNOWN, Fault, ItemSpec, Ref, Row, Value, load

HIDDEN = "_hidden"
ROW_ID = "_id"
Rows = dict[str, list[dict[str, Any]]]
"""A record's data as stored: group id → rows → item id → dumped value, with `_id` and `_hidden` beside them."""


@dataclass(frozen=True)
class Facts:
    """What expressions may know of the participant and the day; ages and dates in whole years and days."""

    today: dt.date
    sex: str = ""
    birth_month: int | None = None
    birth_year: int | None = None
    status: str = ""
    randomized_on: dt.date | None = None
    consented_on: dt.date | None = None
    screening: int = 1
    """The latest screening: what an earlier one found decides nothing any more."""
    consent_documents: Callable[[], Sequence[tuple[str, dt.date]]] = tuple
    """Consent versions of the site with their first day, oldest first; asked for only where the consent is judged."""

    def age_on(self, day: dt.date) -> int | None:
        """Age in whole years on a day, taking the birthday as the 15th of its month; None when the year is unknown."""
        if self.birth_year is None:
            return None
        month = self.birth_month or 7
        return day.year - self.birth_year - ((day.month, day.day) < (month, 15))


@dataclass(frozen=True)
class Place:
    """Where a form stands: at a visit (its id, order and date) or as a numbered log entry."""

    form: str
    visit: str = ""
    order: int = -1
    occurrence: int = 1
    visit_on: dt.date | None = None
    number: int | None = None


@dataclass
class Entry:
    """One record: where it stands and its rows of values, read from the stored data when they are asked for.

    Nothing that was read is kept: calculated values move in the data while a book is brought up to date.
    """

    place: Place
    data: Rows
    form: Form
    definition: Definition
    expected: bool = True

    def seen(self, group: str, index: int, item: str) -> object:
        """Return what an expression sees of an item in a row: UNKNOWN when it is hidden or says nothing."""
        rows = self.data.get(group, ())
        row = rows[index] if index < len(rows) else {}
        stored = row.get(item)
        if stored is None or (HIDDEN in row and item in row[HIDDEN]):
            return UNKNOWN
        return self.form.readers[item](stored)

    def missing(self, group: str, index: int, item: str) -> str:
        """Return the missing code of an item in a row, "" when it has none or is hidden."""
        value = None if self.is_hidden(group, index, item) else self.value(group, index, item)
        return value.missing if value is not None else ""

    def limit(self, group: str, index: int, item: str, side: Literal["low", "high"]) -> object:
        """Return a limit of the range that is kept with an item in a row; UNKNOWN when it has none or is hidden."""
        return limit_of(None if self.is_hidden(group, index, item) else self.value(group, index, item), side)

    def value(self, group: str, index: int, item: str) -> Value | None:
        """Return the value of an item in a row, None when it was never filled or the row does not exist."""
        rows = self.data.get(group, ())
        stored = rows[index].get(item) if index < len(rows) else None
        return None if stored is None else stored_value(self.definition.spec(self.form.id, item), stored)

    def is_hidden(self, group: str, index: int, item: str) -> bool:
        """Tell whether the stored row marks the item as hidden by skip logic."""
        rows = self.data.get(group, ())
        return index < len(rows) and item in rows[index].get(HIDDEN, ())

    def row_count(self, group: str) -> int:
        return len(self.data.get(group, ()))

    def rows_shown(self, group: str) -> list[int]:
        """Return the places of the rows that are not hidden as a whole: hidden rows are in no list."""
        return [index for index, row in enumerate(self.data.get(group, ())) if not _is_hidden_row(row)]


class Reading:
    """Reads references from one entry as it is stored, and from one row of it."""

    __slots__ = ("book", "entry", "group", "index")

    def __init__(self, book: Book, entry: Entry, group: str | None = None, index: int = 0) -> None:
        self.book = book
        self.entry = entry
        self.group = group
        self.index = index

    def get(self, ref: Ref) -> object:
        if ref.kind == "parameter":
            return self.book.definition.parameters[ref.name].value
        if ref.kind == "context":
            return self.book.context_value(ref.name, self.entry)
        found = self._found(ref)
        return UNKNOWN if found is None else found[0].seen(found[1], found[2], ref.item)

    def missing(self, ref: Ref) -> str:
        found = self._found(ref)
        return "" if found is None else found[0].missing(found[1], found[2], ref.item)

    def reference(self, ref: Ref, side: Literal["low", "high"]) -> object:
        found = self._found(ref)
        return UNKNOWN if found is None else found[0].limit(found[1], found[2], ref.item, side)

    def rows(self, ref: Ref) -> Sequence[Row]:
        form = ref.form or self.entry.form.id
        if ref.item == "":
            return [Reading(self.book, entry) for entry in self.book.log_entries(form)]
        if self._is_own(ref):
            return self._rows_of(self.entry, ref.item)
        if self.book.definition.form(form).is_log:
            return [row for entry in self.book.log_entries(form) for row in self._rows_of(entry, ref.item)]
        found = self.book.find(form, ref.visit, self.entry.place)
        return [] if found is None else self._rows_of(found, ref.item)

    def _rows_of(self, entry: Entry, group: str) -> list[Row]:
        return [Reading(self.book, entry, group, index) for index in entry.rows_shown(group)]

    def _is_own(self, ref: Ref) -> bool:
        return (ref.form is None or ref.form == self.entry.form.id) and ref.visit == ""

    def _found(self, ref: Ref) -> tuple[Entry, str, int] | None:
        """Return the entry, group and row in which an item is read; None when there is no such record.

        A row answers for the items of its group, also when the list that it is of was named by a visit.
        """
        if self._is_own(ref):
            group = self.entry.form.groups_of_items[ref.item].id
            return self.entry, group, self.index if group == self.group else 0
        form = self.book.definition.form(ref.form or self.entry.form.id)
        group = form.groups_of_items[ref.item].id
        if group == self.group and form.id == self.entry.form.id:
            return self.entry, group, self.index
        entry = self.book.find(form.id, ref.visit, self.entry.place)
        return None if entry is None else (entry, group, 0)


class Book:
    """Every record of one participant that an evaluation may read."""

    def __init__(self, definition: Definition, facts: Facts, entries: Iterable[tuple[Place, Rows]]) -> None:
        self.definition = definition
        self.facts = facts
        self._by_form: dict[str, list[Entry]] = {}
        self._by_key: dict[_Key, Entry] = {}
        for place, data in entries:
            form = definition.forms.get(place.form)
            if form is not None and (data or form.is_log):  # a form that nobody filled says nothing
                self._by_key[_key(place)] = Entry(place, data, form, definition)
        for entry in self._by_key.values():
            self._by_form.setdefault(entry.place.form, []).append(entry)
        for held in self._by_form.values():
            held.sort(key=_in_time)

    def put(self, entry: Entry) -> Entry:
        """Add an entry, in place of the one that stands at the same place."""
        held = self._by_form.setdefault(entry.place.form, [])
        replaced = self._by_key.get(_key(entry.place))
        if replaced is not None:
            held[:] = [each for each in held if each is not replaced]
        self._by_key[_key(entry.place)] = entry
        held.append(entry)
        held.sort(key=_in_time)
        return entry

    def entry(self, place: Place, data: Rows | None = None) -> Entry:
        """Return the entry at a place, made with `data` (or empty) when there is none or data are given."""
        held = self._by_key.get(_key(place))
        if held is not None and data is None:
            return held
        return self.put(Entry(place, data or {}, self.definition.form(place.form), self.definition))

    def log_entries(self, form: str) -> list[Entry]:
        """Return the entries of a log form (or all records of a visit form) in their order."""
        return self._of_this_screening(self._by_form.get(form, []), Place(form=form))

    def entries(self) -> list[Entry]:
        """Return every entry of the book."""
        return [entry for held in self._by_form.values() for entry in held]

    def find(self, form: str, visit: str, place: Place) -> Entry | None:
        """Return the record of a form that a reference from `place` means, None when there is none."""
        held = self._of_this_screening(self._by_form.get(form, []), place)
        if visit == "previous":
            earlier = [e for e in held if _before(e.place, place)]
            return earlier[-1] if earlier else None
        if visit:
            named = [e for e in held if e.place.visit == visit]
            return named[-1] if named else None
        if not place.visit:
            return held[-1] if held else None
        same = [e for e in held if e.place.visit == place.visit and e.place.occurrence == place.occurrence]
        if same:
            return same[-1]
        earlier = [e for e in held if _before(e.place, place)]
        return earlier[-1] if earlier else None

    def before(self, form: str, place: Place) -> list[Entry]:
        """Return the records of a form at the visits before a place, oldest first."""
        held = self._of_this_screening(self._by_form.get(form, []), place)
        return [entry for entry in held if _before(entry.place, place)]

    def _of_this_screening(self, held: list[Entry], place: Place) -> list[Entry]:
        """Leave out what another screening found than the one of the place (the latest, for what comes after it)."""
        if self.facts.screening == 1:
            return held
        own = place.occurrence if self._is_screening(place) else self.facts.screening
        return [e for e in held if not self._is_screening(e.place) or e.place.occurrence == own]

    def _is_screening(self, place: Place) -> bool:
        visit = self.definition.visit(place.visit) if place.visit else None
        return visit is not None and visit.phase is Phase.SCREENING and not visit.on_demand

    def context_value(self, name: str, entry: Entry) -> object:
        """Return `today`, `participant.…`, `visit.…` or `randomization.date` as seen from an entry."""
        facts, place = self.facts, entry.place
        found: object
        if name == "today":
            found = facts.today
        elif name == "participant.sex":
            found = facts.sex or None
        elif name == "participant.birth_year":
            found = facts.birth_year
        elif name == "participant.birth_month":
            found = facts.birth_month
        elif name == "participant.age":
            found = facts.age_on(place.visit_on or facts.today)
        elif name == "participant.status":
            found = facts.status or None
        elif name == "visit.date":
            found = place.visit_on
        elif name == "visit.id":
            found = place.visit or None
        elif name == "randomization.date":
            found = facts.randomized_on
        else:
            found = None
        return UNKNOWN if found is None else found

    def outside(self) -> Reading:
        """Return a reading that stands in no form: for eligibility criteria and strata."""
        return Outside(self)


class Outside(Reading):
    """A reading from outside every form: each form means its newest record."""

    __slots__ = ()

    def __init__(self, book: Book) -> None:
        form = next(iter(book.definition.forms.values()))
        super().__init__(book, Entry(Place(form=""), {}, form, book.definition))

    def _is_own(self, ref: Ref) -> bool:
        return False


_Key = tuple[str, str, int, int | None]


def _key(place: Place) -> _Key:
    return place.form, place.visit, place.occurrence, place.number


def _moment(place: Place) -> tuple[bool, dt.date, int, int, int]:
    """The order of visits: by their date (an unscheduled one between its neighbours), then by the plan; undated last.

    Log entries, which have no visit, by their number.
    """
    undated = bool(place.visit) and place.visit_on is None
    return undated, place.visit_on or dt.date.min, place.order, place.occurrence, place.number or 0


def _in_time(entry: Entry) -> tuple[bool, dt.date, int, int, int]:
    return _moment(entry.place)


def _before(a: Place, b: Place) -> bool:
    return _moment(a) < _moment(b)


def _is_hidden_row(row: Mapping[str, Any]) -> bool:
    filled = [item for item in row if item not in (ROW_ID, HIDDEN)]
    return bool(filled) and set(filled) <= set(row.get(HIDDEN, ()))


def stored_value(spec: ItemSpec, stored: Mapping[str, Any]) -> Value | None:
    """Return the value that stored data hold; None for what a version wrote in which the item had another type."""
    try:
        return load(spec, stored)
    except Fault:
        return None


def limit_of(value: Value | None, side: Literal["low", "high"]) -> object:
    """Return a limit of the laboratory's range that is kept with a value; UNKNOWN where there is none."""
    text = value.extra.get("lo" if side == "low" else "hi") if value is not None else None
    try:
        return Decimal(str(text)) if text else UNKNOWN
    except InvalidOperation:
        return UNKNOWN
