"""A form evaluated the plain way: expression by expression, each read by itself, nothing settled beforehand.

Slow and short: what the function that `ecrf.checks.program` writes for a form is compared with. Circles are not looked
for; the edit checks on consent are tested by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ecrf.checks import Book, Entry, Evaluation
from ecrf.checks.book import ROW_ID, Reading, limit_of
from trial.definition import Item
from trial.language import UNKNOWN, Fault, Ref, Row, Value, operand, result_value


class Plainly(Reading):
    """A reading of the form at hand: hidden items read as unknown, derived ones are computed each time."""

    __slots__ = ()

    def get(self, ref: Ref) -> object:
        if ref.kind != "item" or not self._is_own(ref):
            return super().get(ref)
        return operand(self.answer(ref))

    def missing(self, ref: Ref) -> str:
        if not self._is_own(ref):
            return super().missing(ref)
        value = self.answer(ref)
        return value.missing if value is not None else ""

    def reference(self, ref: Ref, side: Literal["low", "high"]) -> object:
        return limit_of(self.answer(ref), side) if self._is_own(ref) else super().reference(ref, side)

    def answer(self, ref: Ref) -> Value | None:
        """The value of an item of the form at hand, None while it is hidden."""
        item = self.entry.form.item(ref.item)
        place = self.beside(item)
        return None if place.shown(item) is False else place.value(item)

    def rows(self, ref: Ref) -> Sequence[Row]:
        if not self._is_own(ref) or not ref.item:
            return super().rows(ref)
        rows = range(self.entry.row_count(ref.item)) if self.group_shown(ref.item) is not False else ()
        return [Plainly(self.book, self.entry, ref.item, index) for index in rows]

    @property
    def program(self) -> Any:
        return self.book.definition.compiled.forms[self.entry.form.id]

    def beside(self, item: Item) -> Plainly:
        """The place in which an item stands, as seen from here."""
        group = self.entry.form.group_of(item.id)
        index = self.index if group.id == self.group else 0
        return Plainly(self.book, self.entry, group.id if group.repeating else None, index)

    def group_shown(self, group: str) -> object:
        condition = self.program.groups_shown_when.get(group)
        return True if condition is None else condition.evaluate(Plainly(self.book, self.entry))

    def shown(self, item: Item) -> object:
        outer = self.group_shown(self.entry.form.group_of(item.id).id)
        condition = self.program.items_shown_when.get(item.id)
        own = True if condition is None else condition.evaluate(self)
        return False if False in (outer, own) else UNKNOWN if UNKNOWN in (outer, own) else True

    def value(self, item: Item) -> Value | None:
        if not item.is_derived:
            return self.entry.value(self.entry.form.group_of(item.id).id, self.index, item.id)
        try:
            spec = self.book.definition.spec(self.entry.form.id, item.id)
            return result_value(spec, self.program.derived[item.id].evaluate(self))
        except Fault:
            return None


def evaluate_plainly(book: Book, entry: Entry) -> Evaluation:
    """Everything that an evaluation says, but the messages of soft limits and what is asked of consents."""
    found, form, data = Evaluation(), entry.form, entry.data
    single = Plainly(book, entry)
    for group in form.groups:
        outer = single.group_shown(group.id)
        found.shown_groups[group.id] = outer is not False
        for index in range(entry.row_count(group.id)) if group.repeating else (0,):
            place = Plainly(book, entry, group.id if group.repeating else None, index)
            for item in group.items:
                _tell(found, place, item, (group.id, _row_id(data.get(group.id, ()), index), item.id))
        if group.repeating and outer is not False and entry.row_count(group.id) < group.min_rows:
            found.lacking.append((group.id, "", ""))
    return found


def answers(book: Book, entry: Entry) -> list[tuple[str, str, object]]:
    """What every edit check that is asked says, row by row."""
    found: list[tuple[str, str, object]] = []
    program = book.definition.compiled.forms[entry.form.id]
    for compiled in program.checks.values():
        group = compiled.group
        for index in range(entry.row_count(group)) if group else (0,):
            place = Plainly(book, entry, group, index)
            about = [entry.form.item(item) for item in compiled.check.items]
            if any(place.beside(item).shown(item) is not False for item in about):
                row = _row_id(entry.data[group], index) if group else ""
                found.append((compiled.check.id, row, compiled.expression.evaluate(place)))
    return found


def _tell(found: Evaluation, place: Plainly, item: Item, key: tuple[str, str, str]) -> None:
    shown = place.shown(item)
    found.shown[key] = shown is not False
    if shown is UNKNOWN:
        found.uncertain.add(key)
    if item.is_derived:
        found.derived[key] = place.value(item) if shown is not False else None
    elif shown is not False:
        value = place.value(item)
        if value is None and item.required:
            found.lacking.append(key)
        if value is not None and item.missing_reason and value.missing and not value.reason.strip():
            found.unexplained.append(key)


def _row_id(rows: Sequence[Mapping[str, Any]], index: int) -> str:
    return str(rows[index].get(ROW_ID, "")) if index < len(rows) else ""
