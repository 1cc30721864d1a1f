"""From what a page or the API sent to the next data of a record, value by value, with every fault named."""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from audit.errors import Refused
from trial.definition import Definition, Form, Group, Item
from trial.dictionaries import dictionary_of
from trial.language import Fault, ItemType, PlainReader, Value, dump, parse

from .checks.book import HIDDEN, ROW_ID, Rows

RowKey = tuple[str, str, str]
"""(group id, row id, item id); the row id of a group that does not repeat is ""."""
ROW_ID_PATTERN = re.compile(r"[a-z0-9]{1,32}")


class Typed(NamedTuple):
    """What a person typed into one item: text (or chosen codes) with its unit, or a missing code with its reason."""

    text: str | tuple[str, ...] = ""
    unit: str = ""
    missing: str = ""
    reason: str = ""


@dataclass
class Submission:
    """What one save brings. Items not named stay as they are.

    `rows` lists, per repeating group, the row ids that the page shows, in order: new ids add rows, absent ones remove
    (each removed row needs its reason in `removals` once the record has been complete).
    """

    values: dict[RowKey, Typed] = field(default_factory=dict)
    rows: dict[str, list[str]] = field(default_factory=dict)
    removals: dict[tuple[str, str], str] = field(default_factory=dict)
    justifications: dict[tuple[str, str], str] = field(default_factory=dict)
    reasons: dict[RowKey, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one item, for the page: where, and the words."""

    group: str
    row: str
    item: str
    message: str
    code: str = ""

    @property
    def key(self) -> RowKey:
        return (self.group, self.row, self.item)


class InvalidValues(Refused):
    """Values that cannot be kept: every fault at once; nothing was saved and nothing typed is lost."""

    def __init__(self, errors: list[FieldError], code: str = "invalid_values") -> None:
        super().__init__(_("Some answers need your attention. Nothing was saved yet."), code=code)
        self.errors = errors

    def __str__(self) -> str:
        return " ".join([str(self.message), *(f"[{e.group}.{e.row}.{e.item}] {e.message}" for e in self.errors)])


def new_row_id() -> str:
    """Make the stable id of a new row."""
    return secrets.token_hex(6)


@dataclass
class Merged:
    """The next data, and what differs from the data before: per key the dumped value before and after."""

    data: Rows
    changed: dict[RowKey, tuple[Any, Any]]
    removed_rows: list[tuple[str, dict[str, Any]]]


FileFacts = Mapping[str, str | int]
"""What a value keeps of its file: `name`, `media` (type), `size` in bytes, `sha256`."""
NO_FILES: Mapping[tuple[str, str], FileFacts] = MappingProxyType({})
Linked = Callable[[str, str], bool]
"""Tells whether an entry of a log form with that number exists for the participant: `(form, number)`."""


def merge(
    *,
    definition: Definition,
    form: Form,
    data: Rows,
    submission: Submission,
    today: dt.date,
    locale: str,
    may_answer: Callable[[Item], bool],
    is_linked: Linked,
    ranges: Mapping[str, tuple[str, str]],
    files: Mapping[tuple[str, str], FileFacts] = NO_FILES,
) -> Merged:
    """Understand what was typed and lay it over the data. Raises InvalidValues with every fault.

    `files` are those that the person uploaded into the draft of this form, by (item, key): a value may name one of
    these, or the file that it names already.
    """
    errors: list[FieldError] = []
    reading = _Reading(definition, form, today, locale, is_linked, ranges, files)
    groups = {group.id: group for group in form.groups}
    next_data = {g: [dict(row) for row in rows] for g, rows in data.items()}
    removed = _merge_rows(groups, next_data, submission, errors)
    for group_id, gone in removed:
        entered = [name for name in _filled(gone) if name in form.items and not _is_derived(form, name)]
        if not all(may_answer(form.item(name)) for name in entered):
            message = _("This row holds what is answered by another role at your site.")
            errors.append(FieldError(group_id, gone[ROW_ID], "", message, "answered_by"))
    changed: dict[RowKey, tuple[Any, Any]] = {}
    held = {
        group_id: {row[ROW_ID]: row for row in reversed(rows)}
        for group_id, rows in next_data.items()
        if group_id in groups and groups[group_id].repeating
    }
    for key, typed in submission.values.items():
        group_id, row_id, item_id = key
        asked = reading.asked(group_id, item_id)
        if asked is None:
            errors.append(FieldError(*key, _("This form has no such item."), "unknown_item"))
            continue
        group, item, _reader = asked
        row = held.get(group_id, {}).get(row_id) if group.repeating else _row(group, next_data, row_id)
        if row is None:
            errors.append(FieldError(*key, _("This row does not exist any more."), "unknown_row"))
            continue
        if item.is_derived:
            continue
        before = row.get(item_id)
        try:
            after = reading.value(asked, typed, before)
        except _WrongError as wrong:
            errors.append(FieldError(*key, wrong.message, wrong.code))
            continue
        if says_the_same(before, after):
            continue
        if not may_answer(item):
            errors.append(FieldError(*key, _("This item is answered by another role at your site."), "answered_by"))
            continue
        if after is None:
            row.pop(item_id, None)
        else:
            row[item_id] = after
        changed[key] = (before, after)
    errors += _term_errors(definition, form, next_data)
    if errors:
        raise InvalidValues(errors)
    for group_id, rows in list(next_data.items()):
        of_group = groups.get(group_id)
        if not rows or (of_group is not None and not of_group.repeating and not _filled(rows[0])):
            next_data.pop(group_id)
    return Merged(next_data, changed, removed)


class _WrongError(Exception):
    """What was typed into one item cannot be kept."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message, self.code = message, code


class _Asked(NamedTuple):
    """An item in its group, and what reads plainly typed texts of it (`trial.language.plain`), if anything can."""

    group: Group
    item: Item
    reader: PlainReader | None


@dataclass
class _Reading:
    """From what is typed to what is kept, with all that one save knows beside."""

    definition: Definition
    form: Form
    today: dt.date
    locale: str
    is_linked: Linked
    ranges: Mapping[str, tuple[str, str]]
    files: Mapping[tuple[str, str], FileFacts]
    named: set[str] = field(default_factory=set)
    """The files that values of this save name already."""
    known: dict[tuple[str, str], _Asked | None] = field(default_factory=dict)
    """Rows ask for the same items again and again."""

    def asked(self, group_id: str, item_id: str) -> _Asked | None:
        """The item, where it stands in that group of the form; None elsewhere."""
        if (group_id, item_id) not in self.known:
            item = self.form.items.get(item_id)
            group = self.form.group_of(item_id) if item is not None else None
            self.known[group_id, item_id] = None
            if item is not None and group is not None and group.id == group_id:
                has_range = bool(item.analyte) and item.analyte in self.ranges
                reader = None if has_range else self.definition.plain_reader(self.form.id, item_id)
                self.known[group_id, item_id] = _Asked(group, item, reader)
        return self.known[group_id, item_id]

    def value(self, asked: _Asked, typed: Typed, before: Any) -> dict[str, Any] | None:
        """What is kept of what was typed, as `dump` makes it, or None; `before` is what stands. Raises _WrongError."""
        text, item = typed.text, asked.item
        if asked.reader is not None and text.__class__ is str and not (typed.unit or typed.missing or typed.reason):
            plain = asked.reader(text, self.today)  # type: ignore[arg-type]
            if plain is not None:
                return plain
        try:
            value = self._understand(item, typed)
        except Fault as fault:
            raise _WrongError(fault.text(_), fault.code) from None
        if value is None or value.missing:
            return dump(value) if value is not None else None
        named = str(value.value)
        if item.type is ItemType.LINK and not self.is_linked(item.link or "", named):
            raise _WrongError(_("There is no such entry for this participant."), "link")
        if item.type is ItemType.FILE:
            facts = _file_facts(named, item.id, before, self.files)
            if facts is None or named in self.named:
                raise _WrongError(_("This file is not here any more. Choose it again."), "file_gone")
            self.named.add(named)
            value = replace(value, extra=dict(facts))
        return dump(value)

    def _understand(self, item: Item, typed: Typed) -> Value | None:
        extra: dict[str, str | int | bool | None] = {}
        if item.analyte and item.analyte in self.ranges:
            low, high = self.ranges[item.analyte]
            extra = {"lo": low, "hi": high}
        return parse(
            self.definition.spec(self.form.id, item.id),
            typed.text,
            unit=typed.unit,
            missing=typed.missing,
            reason=typed.reason,
            today=self.today,
            locale=self.locale,
            extra=extra if (typed.text and not typed.missing) else None,
        )


def _file_facts(
    key: str, item: str, before: Any, files: Mapping[tuple[str, str], FileFacts]
) -> Mapping[str, Any] | None:
    """What is kept of the file that a value names; None when it is neither the one that stands nor an upload."""
    if before is not None and before.get("value") == key:
        return dict(before.get("extra", {}))
    return files.get((item, key))


def _filled(row: Mapping[str, Any]) -> list[str]:
    return [name for name in row if name not in (ROW_ID, HIDDEN)]


def _is_derived(form: Form, name: str) -> bool:
    return name in form.items and form.item(name).is_derived


def entered_values(form: Form, data: Rows) -> list[RowKey]:
    """Return the places of the values that people entered, without those that are calculated."""
    return [
        (group, row.get(ROW_ID, ""), name)
        for group, rows in data.items()
        for row in rows
        for name in _filled(row)
        if not _is_derived(form, name)
    ]


def _merge_rows(
    groups: Mapping[str, Group], data: Rows, submission: Submission, errors: list[FieldError]
) -> list[tuple[str, dict[str, Any]]]:
    removed: list[tuple[str, dict[str, Any]]] = []
    for group_id, wanted in submission.rows.items():
        group = groups.get(group_id)
        if group is None or not group.repeating:
            errors.append(FieldError(group_id, "", "", _("This form has no such group of rows."), "unknown_group"))
            continue
        if len(set(wanted)) != len(wanted) or not all(ROW_ID_PATTERN.fullmatch(row) for row in wanted):
            errors.append(FieldError(group_id, "", "", _("The rows sent are not those of this form."), "forged_row"))
            continue
        if len(wanted) > group.max_rows:
            message = _("At most %(limit)s rows can be entered here.") % {"limit": group.max_rows}
            errors.append(FieldError(group_id, "", "", message, "too_many_rows"))
            continue
        held = {row[ROW_ID]: row for row in data.get(group_id, [])}
        removed += [(group_id, row) for row_id, row in held.items() if row_id not in wanted]
        data[group_id] = [held.get(row_id, {ROW_ID: row_id}) for row_id in wanted]
    return removed


def _row(group: Group, data: Rows, row_id: str) -> dict[str, Any] | None:
    """The only row of a group that does not repeat."""
    if row_id:
        return None
    rows = data.setdefault(group.id, [{ROW_ID: ""}])
    return rows[0]


def says_the_same(before: Any, after: Any) -> bool:
    """Tell whether two dumped values say the same; how it was typed and reference ranges do not count."""
    if before is None or after is None:
        return before is after
    said = ("value", "missing", "reason", "unit", "original")
    return all(before.get(name) == after.get(name) for name in said)


def _term_errors(definition: Definition, form: Form, data: Rows) -> list[FieldError]:
    errors = []
    for item in form.items.values():
        if item.type not in (ItemType.TERM, ItemType.GRADE):
            continue
        group = form.group_of(item.id)
        for row in data.get(group.id, []):
            stored = row.get(item.id)
            if stored is None or stored.get("missing"):
                continue
            if (
                item.type is ItemType.TERM
                and dictionary_of(definition, item.dictionary or "").get(stored["value"]) is None
            ):
                errors.append(FieldError(group.id, row[ROW_ID], item.id, _("Choose a term of the list."), "term"))
            if item.type is ItemType.GRADE:
                message = _grade_fault(definition, form, item, row, data)
                if message:
                    errors.append(FieldError(group.id, row[ROW_ID], item.id, message, "grade"))
    return errors


def _grade_fault(definition: Definition, form: Form, item: Item, row: Mapping[str, Any], data: Rows) -> str:
    """Say why a grade cannot be: CTCAE gives each term the grades that exist."""
    term_item = form.item(item.grade_of or "")
    group = form.group_of(term_item.id)
    held = row if group.id == form.group_of(item.id).id else (data.get(group.id) or [{}])[0]
    stored = held.get(term_item.id)
    if not stored or stored.get("missing"):
        return ""
    term = dictionary_of(definition, term_item.dictionary or "").get(stored["value"])
    if term is None or row[item.id]["value"] in term.grades:
        return ""
    return _("Grade %(grade)s does not exist for this term. Its grades are %(grades)s.") % {
        "grade": row[item.id]["value"],
        "grades": ", ".join(str(g) for g in term.grades),
    }
