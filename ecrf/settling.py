"""What a save writes into the data beside what was typed: derived values, hidden marks, reference ranges, the day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from audit import clock
from trial.definition import Definition, Form
from trial.language import Fault, PartialDate, dump, load, parse
from trial.models import Visit

from .checks import Evaluation
from .checks.book import HIDDEN, ROW_ID, Rows
from .entry import Merged, RowKey, Submission, Typed
from .laboratory import with_range
from .models import Record
from .selectors import laboratory_ranges


def dated_on(definition: Definition, form: Form, data: Rows) -> dt.date | None:
    """Return the day that a form's date item names; the earliest possible one of a partial date."""
    if form.date_item is None:
        return None
    rows = data.get(form.group_of(form.date_item).id) or [{}]
    stored = rows[0].get(form.date_item)
    return _day(load(definition.spec(form.id, form.date_item), stored).value) if stored else None


def ranges_of(
    definition: Definition, form: Form, record: Record, submission: Submission, visit: Visit | None
) -> dict[str, tuple[str, str]]:
    """Return the laboratory's reference ranges in force on the day of the form: its date as typed, as stored, or the
    visit's."""
    if not any(item.analyte for item in form.items.values()):
        return {}
    day = dated_on(definition, form, record.data)
    if form.date_item is not None:
        typed = submission.values.get((form.group_of(form.date_item).id, "", form.date_item))
        if typed is not None:
            day = _day_typed(definition, form, typed) or day
    return laboratory_ranges(record.participant, day or (visit.actual_on if visit is not None else None))


def settle_ranges(form: Form, merged: Merged, ranges: dict[str, tuple[str, str]]) -> dict[RowKey, tuple[Any, Any]]:
    """Give values the reference range of their day when that day was corrected, or when they had none; return these.

    A range set later never rewrites what was read under an earlier one.
    """
    is_redated = any(item == form.date_item for _group, _row, item in merged.changed)
    changed: dict[RowKey, tuple[Any, Any]] = {}
    for item in form.items.values():
        if not item.analyte or item.is_derived:
            continue
        group = form.group_of(item.id).id
        low, high = ranges.get(item.analyte, ("", ""))
        wanted = {"lo": low, "hi": high} if low or high else {}
        for row in merged.data.get(group, []):
            key, stored = (group, row.get(ROW_ID, ""), item.id), row.get(item.id)
            if stored is None or "value" not in stored or key in merged.changed:
                continue
            kept_range = stored.get("extra", {})
            if wanted != kept_range and (is_redated or not kept_range):
                row[item.id] = {name: part for name, part in stored.items() if name != "extra"}
                if wanted:
                    row[item.id]["extra"] = wanted
                changed[key] = (stored, row[item.id])
    return changed


def settle_derived(
    form: Form,
    data: Rows,
    evaluation: Evaluation,
    ranges: Mapping[str, tuple[str, str]] = MappingProxyType({}),
    *,
    is_redated: bool = False,
) -> dict[RowKey, tuple[Any, Any]]:
    """Write derived values and hidden marks into the data; return what changed of the derived ones.

    A derived value of an analyte keeps the range under which it was first read, as entered ones do.
    """
    changed: dict[RowKey, tuple[Any, Any]] = {}
    found = {(group, row.get(ROW_ID, "")): row for group, rows in data.items() for row in reversed(rows)}
    for key, value in evaluation.derived.items():
        group_id, row_id, item_id = key
        row = found.get((group_id, row_id))
        if row is None and value is not None and not form.group(group_id).repeating:
            row = found[group_id, row_id] = {ROW_ID: ""}
            data[group_id] = [row]
        if row is None:
            continue
        before = row.get(item_id)
        after = dump(value) if value is not None else None
        analyte = form.item(item_id).analyte
        if after is not None and analyte:
            held = (before or {}).get("extra")
            if held and not is_redated:
                after["extra"] = held
            else:
                after = with_range(after, ranges.get(analyte, ("", "")))
        if before != after:
            changed[key] = (before, after)
            if after is None:
                row.pop(item_id, None)
            else:
                row[item_id] = after
    for (group_id, row_id, item_id), shown in evaluation.shown.items():
        row = found.get((group_id, row_id))
        if row is None or (shown and HIDDEN not in row):  # nearly all
            continue
        hidden = set(row.get(HIDDEN, ()))
        hidden = hidden - {item_id} if shown or item_id not in row else hidden | {item_id}
        if hidden:
            row[HIDDEN] = sorted(hidden)
        else:
            row.pop(HIDDEN, None)
    return changed


def _day_typed(definition: Definition, form: Form, typed: Typed) -> dt.date | None:
    item = form.date_item or ""
    try:
        value = parse(definition.spec(form.id, item), typed.text, missing=typed.missing, today=clock.today())
    except Fault:
        return None  # said again, in words, where the value is kept
    return _day(value.value) if value is not None else None


def _day(value: Any) -> dt.date | None:
    if isinstance(value, PartialDate):
        return value.earliest
    if isinstance(value, dt.datetime):
        return value.date()
    return value if isinstance(value, dt.date) else None


__all__ = ["dated_on", "ranges_of", "settle_derived", "settle_ranges"]
