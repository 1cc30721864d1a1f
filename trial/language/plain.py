"""What is typed plainly, read without thinking: most of a long form is texts, codes, yes or no, and whole dates.

The promise of a reader is equality: it answers exactly `dump(parse(spec, text, today=today))`, or None where that takes
thought (a fault, blanks around, another way to write a date, a unit). What depends on the item alone is settled when
the reader is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from trial.language.values import (
    FIRST_YEAR,
    LAST_YEAR,
    MAX_TEXT,
    NO_WORDS,
    YES_WORDS,
    ItemSpec,
    ItemType,
    limits_of,
)

PlainReader = Callable[[str, date], dict[str, Any] | None]

_DATE = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})")
_MONTH = re.compile(r"(0[1-9]|1[0-2])/([0-9]{4})")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,8}")
_YES_OR_NO: Mapping[str, bool] = dict.fromkeys(YES_WORDS, True) | dict.fromkeys(NO_WORDS, False)


def plain_reader(spec: ItemSpec) -> PlainReader | None:
    """A reader of what is typed into an item, without unit, missing code or reason; None: nothing of it is plain."""
    make = _MAKERS.get(spec.type)
    return make(spec) if make is not None else None


def _texts(spec: ItemSpec) -> PlainReader:
    limit = spec.max_length or MAX_TEXT

    def read(text: str, today: date) -> dict[str, Any] | None:
        if len(text) > limit or not text.isprintable():  # what is printable has no blank but the space
            return None
        text = text.strip(" ")
        return {"value": text, "typed": text} if text else None

    return read


def _codes(spec: ItemSpec) -> PlainReader:
    codes = frozenset(code for code in spec.codes if code and code == code.strip())

    def read(text: str, today: date) -> dict[str, Any] | None:
        return {"value": text, "typed": text} if text in codes else None

    return read


def _yes_or_no(spec: ItemSpec) -> PlainReader:
    def read(text: str, today: date) -> dict[str, Any] | None:
        answer = _YES_OR_NO.get(text)
        return {"value": answer, "typed": text} if answer is not None else None

    return read


def _dates(spec: ItemSpec) -> PlainReader:
    future, partial = spec.future, spec.type is ItemType.PARTIAL_DATE

    def read(text: str, today: date) -> dict[str, Any] | None:
        if found := _DATE.fullmatch(text):
            day, month, year = found.groups()
            iso = f"{year}-{month}-{day}"
        elif partial and (found := _MONTH.fullmatch(text)):
            day, (month, year) = "01", found.groups()
            iso = f"{year}-{month}"
        else:
            return None
        try:
            earliest = date(int(year), int(month), int(day))
        except ValueError:
            return None
        is_far = not FIRST_YEAR <= earliest.year <= LAST_YEAR
        return None if is_far or (earliest > today and not future) else {"value": iso, "typed": text}

    return read


def _wholes(spec: ItemSpec) -> PlainReader:
    low, high = limits_of(spec)
    beside = {"unit": spec.unit} if spec.type is ItemType.INTEGER and spec.unit else {}

    def read(text: str, today: date) -> dict[str, Any] | None:
        if not _WHOLE.fullmatch(text):
            return None
        number = int(text)
        if (low is not None and number < low) or (high is not None and number > high):
            return None
        return {"value": number, "typed": text, **beside}

    return read


_MAKERS: Mapping[ItemType, Callable[[ItemSpec], PlainReader]] = {
    ItemType.TEXT: _texts,
    ItemType.TERM: _texts,
    ItemType.CHOICE: _codes,
    ItemType.YESNO: _yes_or_no,
    ItemType.DATE: _dates,
    ItemType.PARTIAL_DATE: _dates,
    ItemType.INTEGER: _wholes,
    ItemType.VAS: _wholes,
    ItemType.GRADE: _wholes,
}

__all__ = ["PlainReader", "plain_reader"]
