"""Fields of a record page: stored values as fields, drafts over them, and what was posted as a `Submission`.

Fields are a plain mapping from the names of docs/design.md ("Names of what is posted") to a text, or to a list for
what can be several (choices, rows). A page posts all that it shows and says so with WHOLE: what is then absent
was unchecked or cleared. Without it, only what is named counts.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

from trial.definition import Definition, Form, Group, Item
from trial.dictionaries import dictionary_of
from trial.language import ItemType, PartialDate, Value, format_number, load

from .checks.book import ROW_ID, Rows
from .checks.evaluation import range_check_id
from .entry import (
    NO_FILES,
    ROW_ID_PATTERN,
    FileFacts,
    InvalidValues,
    Linked,
    Merged,
    RowKey,
    Submission,
    Typed,
    merge,
)
from .places import RecordPlace

Fields = dict[str, str | list[str]]
WHOLE = "whole_form"
ROW_BUTTONS = frozenset({"add_row", "remove_row", "keep_row", "add_known"})
"""Buttons that change the rows of a grid where no script does."""
NOT_FIELDS = frozenset({"csrfmiddlewaretoken", "revision", "save", "_changed", WHOLE}) | ROW_BUTTONS
PARTS = ("", "__unit", "__missing", "__reason", "__remove")
_CODE_AT_END = re.compile(r".*\(([A-Za-z0-9.]+)\)\s*\Z")


def name_of(group: Group, row: str, item: str) -> str:
    """The name of an item's control on the page."""
    return f"{group.id}.{row}.{item}" if group.repeating else item


def item_named(form: Form, name: str) -> tuple[Group, str, Item] | None:
    """The group, row and item of the control of that name; None when the form has no such control."""
    for group in form.groups:
        for item in group.items:
            if not group.repeating and name == item.id:
                return group, "", item
            if group.repeating and name.startswith(f"{group.id}.") and name.endswith(f".{item.id}"):
                row = name[len(group.id) + 1 : -len(item.id) - 1]
                if ROW_ID_PATTERN.fullmatch(row):
                    return group, row, item
    return None


def plural(form: Form, name: str) -> bool:
    """Whether a field of that name may be several."""
    if name.endswith(("__rows", "__removed")):
        return True
    item = form.items.get(name.rsplit(".", 1)[-1])
    return item is not None and item.type is ItemType.CHOICES


def fields_of_post(form: Form, post: QueryDict) -> Fields:
    """What a page posted, as fields."""
    found: Fields = {}
    for name in post:
        if name not in NOT_FIELDS:
            found[name] = [str(text) for text in post.getlist(name)] if plural(form, name) else str(post[name])
    return found


def fields_of_draft(form: Form, draft: Mapping[str, Any]) -> Fields:
    """A stored draft as fields; whatever does not look like a field is left out."""
    found: Fields = {}
    for name, value in draft.items():
        if plural(form, name):
            texts = value if isinstance(value, list) else [value]
            found[name] = [text for text in texts if isinstance(text, str) and text]
        elif isinstance(value, str):
            found[name] = value
    return found


# ---------------------------------------------------------------- from values to fields


def fields_of_data(definition: Definition, form: Form, data: Rows, locale: str) -> Fields:
    """Stored values as they stand in the controls of the page."""
    found: Fields = {}
    for group in form.groups:
        rows = data.get(group.id, [])
        if group.repeating:
            found[f"{group.id}__rows"] = [row[ROW_ID] for row in rows]
        for row in rows if group.repeating else rows[:1]:
            for item in group.items:
                stored = row.get(item.id)
                if stored is not None and not item.is_derived:
                    name = name_of(group, row[ROW_ID], item.id)
                    found |= fields_of_value(definition, form, item, name, stored, locale)
    return found


def fields_of_value(
    definition: Definition, form: Form, item: Item, name: str, stored: Mapping[str, Any], locale: str
) -> Fields:
    """One stored value as the fields of its control."""
    value = load(definition.spec(form.id, item.id), stored)
    if value.missing:
        return {name: [] if item.type is ItemType.CHOICES else "", f"{name}__missing": value.missing,
                f"{name}__reason": value.reason}  # fmt: skip
    found: Fields = {name: text_of(definition, item, value, locale)}
    if value.unit and item.units:
        found[f"{name}__unit"] = value.unit
    return found


def text_of(definition: Definition, item: Item, value: Value, locale: str) -> str | list[str]:
    """A value as a person would type it: the entered unit, dates as dd/mm/yyyy, numbers with the locale's sign."""
    held = value.value
    match held:
        case bool():
            return "yes" if held else "no"
        case tuple():
            return list(held)
        case dt.datetime():
            return f"{held:%d/%m/%Y} {_clock(held.time())}"
        case PartialDate():
            day = f"{held.day:02d}" if held.day is not None else "UN"
            month = f"{held.month:02d}" if held.month is not None else "UN"
            return f"{day}/{month}/{held.year:04d}"
        case dt.date():
            return held.strftime("%d/%m/%Y")
        case dt.time():
            return _clock(held)
        case str():
            return term_text(definition, item, held, locale) if item.type is ItemType.TERM else held
        case None:
            return ""
        case _:
            return format_number(value.original if value.original is not None else held, locale)


def _clock(held: dt.time) -> str:
    """A time as typed; seconds only where there are some, so that saving a page again changes nothing."""
    return held.strftime("%H:%M:%S" if held.second else "%H:%M")


# ---------------------------------------------------------------- terms


def term_text(definition: Definition, item: Item, code: str, locale: str) -> str:
    """A term as it stands in its control: its label, or label and code where the label alone names another term."""
    term = dictionary_of(definition, item.dictionary or "").get(code)
    if term is None:
        return code
    label: str = term.label_in(locale)
    return label if term_code(definition, item, label, locale) == code else f"{label} ({code})"


def term_code(definition: Definition, item: Item, typed: str, locale: str) -> str:
    """The code that a typed text means: a code, `Label (code)`, or exactly a label; otherwise the text as it is."""
    dictionary = dictionary_of(definition, item.dictionary or "")
    text = typed.strip()
    if not text or dictionary.get(text) is not None:
        return text
    at_end = _CODE_AT_END.fullmatch(text)
    if at_end and dictionary.get(at_end[1]) is not None:
        return at_end[1]
    wanted = text.casefold()
    for language in dict.fromkeys([locale, "en", "fr"]):
        for term in dictionary.search(text, language):
            if wanted == str(term.label_in(language)).casefold():
                return str(term.code)
    return text


# ---------------------------------------------------------------- from fields to a submission


def submission_of(place: RecordPlace, fields: Fields, *, whole: bool, data: Rows | None = None) -> Submission:
    """What a save brings, from the fields of a page. New rows in which nothing was typed are left out.

    `data` is what the page was made from, the record as it stands unless it is given.
    """
    form, definition, locale = place.form, place.definition, place.locale
    if data is None:
        data = place.record.data if place.record is not None else {}
    found = Submission()
    for group, items in place.groups():
        held = [row[ROW_ID] for row in data.get(group.id, [])]
        rows = [""]
        if group.repeating:
            posted = fields.get(f"{group.id}__rows")
            removed = set(_texts(fields.get(f"{group.id}__removed")))
            rows = held if posted is None else [row for row in _texts(posted) if row not in removed]
            rows = [row for row in rows if row in held or _is_typed(group, row, fields)]
            if posted is not None or removed:
                found.rows[group.id] = [row for row in rows if row not in removed]
        for row in rows:
            for item in items:
                name = name_of(group, row, item.id)
                named = any(f"{name}{part}" in fields for part in PARTS)
                if item.is_derived or not (named or (whole and place.answers(item))):
                    continue
                found.values[(group.id, row, item.id)] = _typed(definition, item, name, fields, locale)
                why = _text(fields.get(f"why__{name}"))
                if why:
                    found.reasons[(group.id, row, item.id)] = why
    found.justifications = justifications_of(form, fields)
    return found


def _is_typed(group: Group, row: str, fields: Fields) -> bool:
    """Whether anything stands in a row; a unit alone is not an answer."""
    return any(
        _texts(fields.get(f"{group.id}.{row}.{item.id}{part}")) for item in group.items for part in ("", "__missing")
    )


def _typed(definition: Definition, item: Item, name: str, fields: Fields, locale: str) -> Typed:
    missing = _text(fields.get(f"{name}__missing"))
    if missing:
        return Typed(missing=missing, reason=_text(fields.get(f"{name}__reason")))
    value = fields.get(name, "")
    if item.type is ItemType.FILE and _text(fields.get(f"{name}__remove")):
        return Typed()
    if item.type is ItemType.CHOICES:
        return Typed(text=tuple(_texts(value)))
    text = _text(value)
    if item.type is ItemType.TERM:
        text = term_code(definition, item, text, locale)
    unit = _text(fields.get(f"{name}__unit")) if text.strip() else ""
    return Typed(text=text, unit=unit)


def check_ids(form: Form) -> set[str]:
    """Every edit check that a form may raise, those made of limits and of the consent included."""
    ranges = {range_check_id(item.id) for item in form.items.values() if item.range is not None}
    consent = {f"consent:{form.date_item}"} if form.date_item else set()
    return {check.id for check in form.checks} | ranges | consent


def answer_name(check: str, row: str) -> str:
    """The name of the field in which a soft edit check is confirmed."""
    return f"confirm__{check}__{row}" if row else f"confirm__{check}"


def justifications_of(form: Form, fields: Fields) -> dict[tuple[str, str], str]:
    """What was written in the fields that confirm soft edit checks, by (check, row)."""
    known = check_ids(form)
    found = {}
    for name, value in fields.items():
        text = _text(value).strip()
        if not name.startswith("confirm__") or not text:
            continue
        rest = name.removeprefix("confirm__")
        check, _mark, row = rest.rpartition("__")
        if rest in known:
            found[(rest, "")] = text
        elif check in known and ROW_ID_PATTERN.fullmatch(row):
            found[(check, row)] = text
    return found


def _text(value: object) -> str:
    if isinstance(value, list):
        return str(value[-1]) if value else ""
    return value if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    if isinstance(value, list):
        return [each for each in value if isinstance(each, str) and each.strip()]
    return [value] if isinstance(value, str) and value.strip() else []


# ---------------------------------------------------------------- understanding what is not finished


def understand(
    place: RecordPlace,
    data: Rows,
    submission: Submission,
    *,
    today: dt.date,
    is_linked: Linked,
    ranges: Mapping[str, tuple[str, str]],
    files: Mapping[tuple[str, str], FileFacts] = NO_FILES,
) -> tuple[Merged, dict[RowKey, str]]:
    """Lay what was typed so far over the data as far as it can be understood; also return what cannot, and why.

    Never raises: a value that is wrong is left out, as if it had not been typed yet.
    """
    refused: dict[RowKey, str] = {}
    start = {group: [dict(row) for row in rows] for group, rows in data.items()}
    wanted = Submission(values=dict(submission.values), rows=dict(submission.rows))
    for _round in range(4):
        try:
            merged = merge(
                definition=place.definition,
                form=place.form,
                data=start,
                submission=wanted,
                today=today,
                locale=place.locale,
                may_answer=place.answers,
                is_linked=is_linked,
                ranges=ranges,
                files=files,
            )
        except InvalidValues as invalid:
            for error in invalid.errors:
                refused[error.key] = error.message
                wanted.values.pop(error.key, None)
                if not error.item:
                    wanted.rows.pop(error.group, None)
                if error.code != "answered_by":
                    _drop(start, error.key)
        else:
            return merged, refused
    return Merged(start, {}, []), refused


def _drop(data: Rows, key: RowKey) -> None:
    group, row_id, item = key
    for row in data.get(group, []):
        if row.get(ROW_ID, "") == row_id:
            row.pop(item, None)
