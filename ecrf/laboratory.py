"""Laboratory values: flags against the range of their day, the baseline, and grades that a room above computes.

A grader says which toxicity grade a value reaches by itself. It is registered for the dictionary of a study by the room
that knows the dictionary; without one there are flags and no grades.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from trial.definition import Definition, Item
from trial.language import Value

from .checks.book import Book, Entry, Rows

LOW, NORMAL, HIGH = "L", "N", "H"


@dataclass(frozen=True)
class Result:
    """A value in the standard unit with the limits of the laboratory in force on its day."""

    value: Decimal
    low: Decimal | None
    high: Decimal | None

    @property
    def flag(self) -> str:
        """L, N or H against the laboratory's range; "" when no limit is known."""
        if self.low is not None and self.value < self.low:
            return LOW
        if self.high is not None and self.value > self.high:
            return HIGH
        return NORMAL if self.low is not None or self.high is not None else ""


@dataclass(frozen=True)
class LabGrade:
    """The grade of a toxicity that a value reaches: the term's code and label per language; 0 is none."""

    code: str
    label: Mapping[str, str]
    grade: int


Grader = Callable[[Definition, str, str, Result, Result | None], LabGrade | None]
"""(definition, analyte, standard unit, result, baseline) → grade; None when it cannot be told."""
_graders: list[Grader] = []


def register_grader(grader: Grader) -> None:
    """Offer a grader; the first that answers counts."""
    if grader not in _graders:
        _graders.append(grader)


def grade_of(definition: Definition, item: Item, result: Result, baseline: Result | None) -> LabGrade | None:
    """The toxicity grade that a value reaches by itself, None when nobody can tell."""
    for grader in _graders:
        found = grader(definition, item.analyte or "", item.unit or "", result, baseline)
        if found is not None:
            return found
    return None


def result_of(stored: Mapping[str, Any] | Value | None) -> Result | None:
    """A stored value of an item with an analyte; None when there is none, or it is missing."""
    if stored is None:
        return None
    extra: Mapping[str, Any]
    if isinstance(stored, Value):
        value, extra = stored.value, stored.extra
    else:
        value, extra = stored.get("value"), stored.get("extra") or {}
    number = _number(value)
    if number is None:
        return None
    return Result(number, _number(extra.get("lo")), _number(extra.get("hi")))


def baseline_of(book: Book, entry: Entry, item: Item, anchor: dt.date | None) -> Result | None:
    """The value before treatment: of the last record of the form dated until `anchor` (randomization).

    None for that record itself and for earlier ones, and while there is no such day.
    """
    group = entry.form.group_of(item.id)
    day = entry.place.visit_on
    if anchor is None or group.repeating or day is None or day <= anchor:
        return None
    before = [
        other
        for other in book.log_entries(entry.form.id)
        if other.place.visit_on is not None and other.place.visit_on <= anchor
    ]
    for other in reversed(before):
        if other.is_hidden(group.id, 0, item.id):
            continue
        found = result_of(other.value(group.id, 0, item.id))
        if found is not None:
            return found
    return None


def with_range(dumped: dict[str, Any], limits: tuple[str, str]) -> dict[str, Any]:
    """A dumped value with the limits of its day; without any, as it is."""
    low, high = limits
    return {**dumped, "extra": {"lo": low, "hi": high}} if low or high else dumped


def analytes_of(definition: Definition) -> dict[str, tuple[str, Item]]:
    """The analytes that the study asks for: analyte → (form, first item that asks it), in the order of the forms."""
    found: dict[str, tuple[str, Item]] = {}
    for form in definition.forms.values():
        for item in form.items.values():
            if item.analyte:
                found.setdefault(item.analyte, (form.id, item))
    return found


def items_of(definition: Definition, analyte: str) -> dict[str, list[str]]:
    """The items that ask for an analyte, by form."""
    found: dict[str, list[str]] = {}
    for form in definition.forms.values():
        items = [item.id for item in form.items.values() if item.analyte == analyte]
        if items:
            found[form.id] = items
    return found


def _number(value: Any) -> Decimal | None:
    if value is None or isinstance(value, bool) or value == "":
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


__all__ = [
    "HIGH",
    "LOW",
    "NORMAL",
    "Grader",
    "LabGrade",
    "Result",
    "Rows",
    "analytes_of",
    "baseline_of",
    "grade_of",
    "items_of",
    "register_grader",
    "result_of",
    "with_range",
]
