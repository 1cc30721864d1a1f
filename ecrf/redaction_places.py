"""Where a text stands: every row about a participant that people type into, whatever room it belongs to.

Tables are found by their way to the participant (a reference, a reference of what they refer to, or the code), columns
by being text that is not a code. So a table that a room adds later is searched as well. No writes.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.db import models
from django.db.models import Q, TextField
from django.db.models.functions import Cast

from audit.door import CLOSED_TABLES, MARK, REDACTIONS, Spot
from audit.models import AuditedModel, Signature
from audit.tables import Kind, Table, of_kind
from trial.definition import Form
from trial.definitions import definition_of
from trial.language import ItemType
from trial.models import Participant

from .actions import drafts
from .checks.book import HIDDEN, ROW_ID
from .models import Draft, Upload

CODES = frozenset(
    {
        "addressed_to", "analyte", "arm", "by_name", "check_id", "code", "content_hash", "document_version", "event",
        "context", "draw", "form", "group", "history_type", "item", "key", "kind", "meaning", "media_type",
        "own_number", "participant_code", "pathway", "place", "proof", "row", "strata",
        "salt_of_slot", "sex", "sha256", "state", "status", "stratum", "target_id", "target_label", "target_table",
        "unit", "url", "user_agent", "verb",
    }
)  # fmt: skip
"""Columns of text that nobody types: names of things, never words."""
CODE_KEYS = CODES | {
    "_id", "broken", "check", "date", "id", "items", "media", "number", "on", "revision", "role", "site", "version",
    "visit",
}  # fmt: skip
"""The same inside JSON."""
WORDS = (ItemType.TEXT, ItemType.LONGTEXT)
Leaf = tuple[tuple[str, ...], str]
DEPTH = 3
"""How many references away from the participant a row may be: message → query → participant."""


@dataclass
class Places:
    """Everything that holds one text: rows that change with history, places of write-once rows, drafts, their files."""

    rows: list[AuditedModel] = field(default_factory=list)
    """Rows as they are to be written, the text replaced."""
    spots: list[Spot] = field(default_factory=list)
    drafts: list[tuple[Draft, dict[str, Any]]] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    """Files of drafts as they are to be written, the text replaced in their names."""

    def counts(self) -> dict[str, int]:
        """How many places: values and notes as they stand, their history, ledger and signatures, drafts."""
        told = [spot for spot in self.spots if spot.table.startswith("audit_")]
        return {
            "rows": len(self.rows),
            "history": len(self.spots) - len(told),
            "ledger": len(told),
            "drafts": len(self.drafts) + len(self.uploads),
        }


@cache
def write_once() -> dict[str, Table]:
    """The write-once tables that may hold a participant's words, by name."""
    return {
        table.name: table
        for table in of_kind(Kind.HISTORY, Kind.APPEND_ONLY)
        if table.name not in CLOSED_TABLES and way_to_participant(table.model) is not None
    }


@cache
def way_to_participant(model: type[models.Model]) -> str | None:
    """The lookup by which rows of a model are a participant's; `participant_code` stands for the code itself."""
    tracked = _tracked(model)
    if tracked is Participant:
        return "pk" if tracked is model else "id"
    return _way(model, DEPTH)


def _way(model: type[models.Model], depth: int) -> str | None:
    references = [f for f in model._meta.concrete_fields if isinstance(f, models.ForeignKey)]
    for reference in references:
        if reference.related_model is Participant:
            return reference.name
    if any(f.name == "participant_code" for f in model._meta.concrete_fields):
        return "participant_code"
    for reference in references if depth > 1 else ():
        related = reference.related_model
        if isinstance(related, type) and issubclass(related, AuditedModel):
            further = _way(related, depth - 1)
            if further is not None and further != "participant_code":
                return f"{reference.name}__{further}"
    return None


def _tracked(model: type[models.Model]) -> type[models.Model]:
    """The model whose history this is, or the model itself."""
    return getattr(model, "instance_type", model)


def rows_of(model: type[models.Model], participant: Participant) -> models.QuerySet[Any]:
    """The rows of a model that are about the participant."""
    way = way_to_participant(model)
    assert way is not None
    return model._base_manager.filter(**{way: participant.code if way == "participant_code" else participant.pk})


@cache
def word_columns(model: Any) -> tuple[models.Field, ...]:
    """The columns that may hold words: text without a list of choices that is no code, and JSON."""
    return tuple(
        f
        for f in model._meta.concrete_fields
        if f.name not in CODES
        and (isinstance(f, models.JSONField) or (isinstance(f, models.CharField | models.TextField) and not f.choices))
    )


def find(participant: Participant, text: str) -> Places:
    """Find the text, as it is written, in everything that is kept about the participant."""
    found = Places()
    for table in of_kind(Kind.AUDITED):
        if table.name == REDACTIONS or way_to_participant(table.model) is None:
            continue
        for row in _holding(table.model, participant, text):
            if _replace(row, text):
                found.rows.append(row)
    for table in write_once().values():
        for row in _holding(table.model, participant, text):
            found.spots += [
                Spot(table.name, row.pk, column.attname, path)
                for column in word_columns(table.model)
                for path, words in leaves(row, column)
                if text in words
            ]
    for draft in Draft.objects.filter(participant=participant).order_by("pk"):
        fields = drafts.read(draft)
        cleaned = _cleaned(fields, text)
        if cleaned != fields:
            found.drafts.append((draft, cleaned))
    for upload in _holding(Upload, participant, text):
        if _replace(upload, text):
            found.uploads.append(upload)
    return found


def _holding(model: type[models.Model], participant: Participant, text: str) -> Sequence[Any]:
    columns = word_columns(model)
    if not columns:
        return ()
    rows, holds = rows_of(model, participant), Q()
    for column in columns:
        if isinstance(column, models.JSONField):
            rows = rows.alias(**{f"{column.name}_as_text": Cast(column.name, TextField())})
            holds |= Q(**{f"{column.name}_as_text__contains": json.dumps(text, ensure_ascii=False)[1:-1]})
        else:
            holds |= Q(**{f"{column.name}__contains": text})
    return list(rows.filter(holds).order_by("pk"))


def _replace(row: Any, text: str) -> bool:
    """Replace the text in a row that changes with history; whether it was there."""
    is_changed = False
    for column in word_columns(row.__class__):
        holding = [(path, words) for path, words in leaves(row, column) if text in words]
        if not holding:
            continue
        is_changed = True
        if isinstance(column, models.JSONField):
            value = copy.deepcopy(getattr(row, column.attname))
            for path, words in holding:
                _put(value, path, words.replace(text, MARK))
        else:
            value = holding[0][1].replace(text, MARK)[: column.max_length]
        setattr(row, column.attname, value)
    return is_changed


def _put(value: Any, path: tuple[str, ...], words: str) -> None:
    for step in path[:-1]:
        value = value[int(step)] if isinstance(value, list) else value[step]
    value[int(path[-1]) if isinstance(value, list) else path[-1]] = words


def _cleaned(value: Any, text: str) -> Any:
    if isinstance(value, str):
        return value.replace(text, MARK)
    if isinstance(value, list):
        return [_cleaned(each, text) for each in value]
    return {name: _cleaned(each, text) for name, each in value.items()} if isinstance(value, dict) else value


# ---------------------------------------------------------------- texts inside a column


def leaves(row: Any, column: models.Field) -> Iterator[Leaf]:
    """The texts of a column of a row: its own, or those inside JSON with their paths. Codes are left out."""
    value = getattr(row, column.attname)
    if not isinstance(column, models.JSONField):
        if value:
            yield (), str(value)
    elif column.name == "data" and hasattr(row, "form"):
        yield from _in_data(_form(getattr(row, "version_id", None), row.form), value)
    elif column.name in ("old", "new") and hasattr(row, "item"):
        yield from _in_value(_item(row), value, ())
    else:
        yield from _in_any(value, (), lambda: _version_of(row))  # asked for only where a record was signed


def _version_of(row: Any) -> int | None:
    """The version that tells texts from codes in what was signed about a participant."""
    code = getattr(row, "participant_code", None)
    return Participant.objects.filter(code=code).values_list("version_id", flat=True).first() if code else None


def _form(version_id: int | None, form: str) -> Form | None:
    return definition_of(version_id).forms.get(form) if version_id is not None else None


def _item(change: Any) -> ItemType | None:
    form = _form(change.version_id, change.record.form)
    item = form.items.get(change.item) if form is not None else None
    return item.type if item is not None else None


def _in_data(form: Form | None, data: Any, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    for group, rows in (data or {}).items():
        for number, row in enumerate(rows):
            for name, stored in row.items():
                if name in (ROW_ID, HIDDEN):
                    continue
                item = form.items.get(name) if form is not None else None
                yield from _in_value(item.type if item else None, stored, (*path, group, str(number), name))


def _in_value(kind: ItemType | None, stored: Any, path: tuple[str, ...]) -> Iterator[Leaf]:
    """The words of one value: all of a text, a file's name, the reason of a missing one; never a code or a number."""
    if not isinstance(stored, dict):
        return
    if kind is None or kind in WORDS:
        yield from _in_any({k: v for k, v in stored.items() if k != "missing"}, path)
        return
    if kind is ItemType.FILE and isinstance((stored.get("extra") or {}).get("name"), str):
        yield (*path, "extra", "name"), stored["extra"]["name"]
    if isinstance(stored.get("reason"), str):
        yield (*path, "reason"), stored["reason"]


def _in_any(value: Any, path: tuple[str, ...], version: Callable[[], int | None] = lambda: None) -> Iterator[Leaf]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _in_any(each, (*path, str(number)), version)
    elif isinstance(value, dict):
        if isinstance(value.get("data"), dict) and isinstance(value.get("form"), str):  # a record as it was signed
            yield from _in_data(_form(version(), value["form"]), value["data"], (*path, "data"))
            value = {k: v for k, v in value.items() if k != "data"}
        for name, each in value.items():
            if name not in CODE_KEYS:
                yield from _in_any(each, (*path, name), version)


# ---------------------------------------------------------------- one place, named by an address


@dataclass(frozen=True)
class Source:
    """A text that a redaction is proposed from: where it stands, whose it is, and what it says."""

    spot: Spot
    row: Any
    participant: Participant
    words: str

    @property
    def reveals_arm(self) -> bool:
        """Whether the text could tell the arm: by its row, its record or query, or its item. In doubt it does."""
        if isinstance(self.row, Signature):  # whatever was signed, whole
            return True
        record = getattr(self.row, "record", None)
        rows = (self.row, getattr(self.row, "query", None), record)
        if any(getattr(each, "reveals_arm", False) for each in rows if each is not None):
            return True
        form = getattr(self.row, "form", "") or getattr(record, "form", "")
        item = getattr(self.row, "item", "") or (self.spot.path[2] if len(self.spot.path) > 2 else "")
        definition = definition_of(self.participant.version_id)
        return form in definition.forms and definition.reveals_arm(
            form, item if item in definition.form(form).items else None
        )


def source_at(spot: Spot) -> Source | None:
    """The text at a place of a write-once table; None when no words of a participant stand there."""
    table = write_once().get(spot.table)
    if table is None:
        return None
    column = next((c for c in word_columns(table.model) if c.attname == spot.column), None)
    row = table.model._base_manager.filter(pk=spot.key).first() if 0 < spot.key < 2**63 else None
    if row is None or column is None:
        return None
    words = dict(leaves(row, column)).get(spot.path)
    participant = _participant_of(table.model, row)
    if words is None or participant is None:
        return None
    return Source(spot, row, participant, words)


def _participant_of(model: type[models.Model], row: Any) -> Participant | None:
    way = way_to_participant(model)
    people = Participant.objects.select_related("site")
    if way == "participant_code":
        return people.filter(code=row.participant_code).first()
    key = row._meta.model._base_manager.filter(pk=row.pk).values_list(way, flat=True).first()
    return people.filter(pk=key).first()


def parse_spot(table: str, key: str, column: str, path: str) -> Spot | None:
    """A place as an address names it (the path with `/` between its steps); None when it names none."""
    if not re.fullmatch(r"[a-z0-9_]{1,63}", table) or not re.fullmatch(r"[a-z0-9_]{1,63}", column):
        return None
    if not re.fullmatch(r"[0-9]{1,18}", key) or len(path) > 400:
        return None
    return Spot(table, int(key), column, tuple(path.split("/")) if path else ())
