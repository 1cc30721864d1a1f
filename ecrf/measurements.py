"""What was measured before of the same thing: the earlier values of a log entry (a lesion) at the visits before.

An item that says `compares_with` is followed through its own form's earlier visits and the items that it names. The
first measurement is the baseline, the last the previous one, the smallest the nadir; the change is in percent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from django.utils.translation import gettext as _

from trial.definition import Definition, Form, Item
from trial.language import PartialDate, Value, format_date, format_number, unit_words

from .checks.book import Book, Entry, Place

Seen = Callable[[str, str, str], bool]
"""Whether the person may see an item of a form at a visit: (form, item, visit)."""


@dataclass(frozen=True)
class Measurement:
    """One value of one entry, in the item's standard unit, and when it was measured."""

    value: Decimal
    on: dt.date | None


@dataclass(frozen=True)
class Line:
    """One earlier measurement in words; `change` from it to the value at hand, empty while there is none."""

    label: str
    value: str
    on: str
    change: str


def earlier_of(
    book: Book, definition: Definition, form: Form, item: Item, place: Place, sees: Seen
) -> dict[str, list[Measurement]]:
    """Every measurement before a place, by the number of the log entry that it is about, oldest first."""
    found: dict[str, list[tuple[tuple[bool, dt.date, int], Measurement]]] = {}
    own = f"{form.id}.{item.id}"
    for reference in dict.fromkeys([*item.compares_with, own]):
        form_id, _dot, item_id = reference.partition(".")
        there = definition.forms.get(form_id)
        if there is None or item_id not in there.items:
            continue
        group = there.group_of(item_id)
        link = next((each.id for each in group.items if each.link), None)
        for entry in book.before(form_id, place) if link is not None and group.repeating else ():
            if not sees(form_id, item_id, entry.place.visit):
                continue
            on = _measured_on(entry)
            order = (on is None, on or dt.date.min, entry.place.order)
            for index in range(entry.row_count(group.id)):
                about, value = entry.value(group.id, index, link or ""), entry.value(group.id, index, item_id)
                number = _number(value) if not entry.is_hidden(group.id, index, item_id) else None
                if number is not None and about is not None and not about.missing:
                    found.setdefault(str(about.value), []).append((order, Measurement(number, on)))
    return {key: [m for _order, m in sorted(held, key=lambda pair: pair[0])] for key, held in found.items()}


def lines(measured: Iterable[Measurement], now: Decimal | None, item: Item, locale: str) -> list[Line]:
    """The previous, the first and the smallest measurement, each once, with the change since then."""
    held = list(measured)
    if not held:
        return []
    smallest = min(held, key=lambda m: m.value)
    names: dict[int, list[str]] = {}
    for index, name in (
        (len(held) - 1, _("Previous")),
        (0, _("Baseline")),
        (held.index(smallest), _("Smallest")),
    ):
        names.setdefault(index, []).append(name)
    if len(held) == 1:
        names = {0: [_("Baseline")]}
    unit = unit_words(item.unit or "", locale)
    return [
        Line(
            ", ".join([parts[0], *(part.lower() for part in parts[1:])]),
            f"{format_number(held[index].value, locale)} {unit}".rstrip(),
            format_date(on, locale) if (on := held[index].on) is not None else "",
            change_words(held[index].value, now, unit, locale),
        )
        for index, parts in names.items()
    ]


def change_words(before: Decimal, now: Decimal | None, unit: str, locale: str) -> str:
    """The change in percent, to one decimal; from 0 in the unit; empty while there is no value."""
    if now is None:
        return ""
    if before == 0:
        change, sign = now - before, f" {unit}".rstrip()
    else:
        change, sign = (now - before) / before * 100, " %"
        change = change.quantize(Decimal("0.1"), ROUND_HALF_UP)
    if change == 0:
        return _("unchanged")
    mark = "+" if change > 0 else "−"
    return f"{mark}{format_number(abs(change).normalize() + 0, locale)}{sign}"


def _measured_on(entry: Entry) -> dt.date | None:
    """The day of the form's own date, else of its visit."""
    name = entry.form.date_item
    value = entry.value(entry.form.group_of(name).id, 0, name) if name is not None else None
    held = value.value if value is not None else None
    if isinstance(held, PartialDate):
        return held.earliest
    if isinstance(held, dt.datetime):
        return held.date()
    return held if isinstance(held, dt.date) else entry.place.visit_on


def _number(value: Value | None) -> Decimal | None:
    if value is None or value.missing or isinstance(value.value, bool):
        return None
    return Decimal(value.value) if isinstance(value.value, int | Decimal) else None
