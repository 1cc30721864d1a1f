"""Partial dates: a year, a year and month, or a full day; comparisons say only what is known for certain."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

from trial.language.unknown import UNKNOWN, Unknown

_ISO = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A date known to the year, the month or the day. `day` needs `month`; ValueError if the calendar has no such day.

    `==` between two PartialDates is structural (it makes them usable as keys); what is known about the days that they
    stand for is asked with `same_day`, `before`, `not_after`, which answer True, False or UNKNOWN.
    """

    year: int
    month: int | None = None
    day: int | None = None
    earliest: date = field(init=False, repr=False, compare=False)
    """The first day that it can stand for."""
    latest: date = field(init=False, repr=False, compare=False)
    """The last day that it can stand for."""

    def __post_init__(self) -> None:
        if self.day is not None and self.month is None:
            raise ValueError("a day needs its month")
        first = last = date(self.year, 1 if self.month is None else self.month, 1 if self.day is None else self.day)
        if self.day is None:
            month = self.month or 12
            last = date(self.year, month, calendar.monthrange(self.year, month)[1])
        object.__setattr__(self, "earliest", first)
        object.__setattr__(self, "latest", last)

    @classmethod
    def of(cls, day: date) -> PartialDate:
        """The full date as a PartialDate."""
        return cls(day.year, day.month, day.day)

    @classmethod
    def from_iso(cls, text: str) -> PartialDate:
        """Read `2026`, `2026-03` or `2026-03-14`; ValueError otherwise."""
        return _from_iso(text)

    def iso(self) -> str:
        """ISO 8601 as far as known: `2026`, `2026-03`, `2026-03-14`."""
        text = f"{self.year:04d}"
        if self.month is not None:
            text += f"-{self.month:02d}"
        if self.day is not None:
            text += f"-{self.day:02d}"
        return text

    __str__ = iso

    @property
    def is_full(self) -> bool:
        """Whether the day is known."""
        return self.day is not None

    def before(self, other: date | PartialDate) -> bool | Unknown:
        """Whether this lies before the other, as far as known."""
        return before(self, other)

    def not_after(self, other: date | PartialDate) -> bool | Unknown:
        """Whether this lies on or before the other, as far as known."""
        return not_after(self, other)

    def same_day(self, other: date | PartialDate) -> bool | Unknown:
        """Whether both are the same day, as far as known."""
        return same_day(self, other)


@lru_cache(maxsize=16_384)
def _from_iso(text: str) -> PartialDate:
    """Every day of forty years has its place: the same dates are read again at every evaluation."""
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError(f"not an ISO 8601 date or partial date: {text!r}")
    year, month, day = match.groups()
    return PartialDate(int(year), int(month) if month else None, int(day) if day else None)


def bounds(day: date | PartialDate) -> tuple[date, date]:
    """The first and the last day that a date can stand for (the day itself when it is full)."""
    if isinstance(day, PartialDate):
        return day.earliest, day.latest
    return day, day


def before(left: date | PartialDate, right: date | PartialDate) -> bool | Unknown:
    """left < right: True or False when it holds for every day that they can stand for, else UNKNOWN."""
    left_first, left_last = bounds(left)
    right_first, right_last = bounds(right)
    if left_last < right_first:
        return True
    if left_first >= right_last:
        return False
    return UNKNOWN


def not_after(left: date | PartialDate, right: date | PartialDate) -> bool | Unknown:
    """left <= right: True or False when it holds for every day that they can stand for, else UNKNOWN."""
    left_first, left_last = bounds(left)
    right_first, right_last = bounds(right)
    if left_last <= right_first:
        return True
    if left_first > right_last:
        return False
    return UNKNOWN


def same_day(left: date | PartialDate, right: date | PartialDate) -> bool | Unknown:
    """left == right: False when they cannot be the same day, True when both are full and equal, else UNKNOWN."""
    left_first, left_last = bounds(left)
    right_first, right_last = bounds(right)
    if left_last < right_first or right_last < left_first:
        return False
    if left_first == left_last == right_first == right_last:
        return True
    return UNKNOWN
