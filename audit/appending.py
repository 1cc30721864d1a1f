"""Rows that are written once, in one short statement: a line of the ledger, a state of a row, the changes of a save.

These are most of what is ever written, and always of the same shape: the statement of a table is made once. `insert`
takes a few rows. `append` and `append_values` take hundreds (a change per changed item of a form): those travel as one
JSON document that PostgreSQL spreads over the columns, since adapting every column of every row costs more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connections, models, router

from audit.columns import STAMPS, UNSTAMPED, Stamped

if TYPE_CHECKING:
    from audit.models import AppendOnlyModel

_JSON = frozenset({str, int, bool, dict, list})


def insert(model: type[Stamped], rows: Sequence[Mapping[str, Any]], *, using: str | None = None) -> list[int]:
    """Write rows given as values by column name, and return their keys, in order; the database stamps them.

    Every column must be named. Signals of the model are not sent. Raises whatever the database refuses.
    """
    if not rows:
        return []
    alias = using or router.db_for_write(model)
    connection = connections[alias]
    head, one, tail, fields = _insertion(model, alias)
    values = [field.get_db_prep_save(row[column], connection) for row in rows for field, column in fields]
    with connection.cursor() as cursor:
        cursor.execute(head + ", ".join([one] * len(rows)) + tail, values)
        return [key for (key,) in cursor.fetchall()]


def append(rows: Sequence[AppendOnlyModel]) -> None:
    """Write rows of one append-only model; the database stamps them. Their keys are not read back.

    Values must be plain (no database functions). Raises ValueError for rows of several models, and whatever the
    database refuses.
    """
    if not rows:
        return
    model = type(rows[0])
    if any(type(row) is not model for row in rows):
        raise ValueError("One model at a time.")
    fields = _fields(model)
    _send(
        model,
        [
            {column: _plain(field.pre_save(row, True)) for field, column in fields}  # type: ignore[attr-defined]
            for row in rows
        ],
    )


def append_values(model: type[AppendOnlyModel], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows given as values by column name; what is not named has the model's default. Otherwise as `append`.

    For hundreds of rows: making an instance of the model of each costs more than everything else about it.
    """
    if not rows:
        return
    defaults = _defaults(model)
    for row in rows:
        if not row.keys() <= defaults.keys():
            raise ValueError(f"{model._meta.label} has no column {', '.join(sorted(row.keys() - defaults.keys()))}.")
    _send(model, [{name: _plain(value) for name, value in (defaults | dict(row)).items()} for row in rows])


def _send(model: type[models.Model], rows: list[dict[str, Any]]) -> None:
    using = router.db_for_write(model)
    document = json.dumps(rows, ensure_ascii=False, allow_nan=False)
    with connections[using].cursor() as cursor:
        cursor.execute(_statement(model, using), [document])


def _defaults(model: type[models.Model]) -> dict[str, Any]:
    return {column: field.get_default() for field, column in _fields(model)}


@cache
def _fields(model: type[models.Model]) -> tuple[tuple[models.Field[Any, Any], str], ...]:
    return tuple(
        (field, field.column)
        for field in model._meta.concrete_fields
        if field.column and field.name not in STAMPS and not isinstance(field, models.AutoField | models.BigAutoField)
    )


@cache
def _insertion(
    model: type[models.Model], using: str
) -> tuple[str, str, str, tuple[tuple[models.Field[Any, Any], str], ...]]:
    """What stands before the rows, for one row and after them in the statement, and the columns of a row."""
    quote = connections[using].ops.quote_name
    fields = _fields(model)
    names = ", ".join([*(quote(column) for _field, column in fields), *(name for name, _value in UNSTAMPED)])
    one = ", ".join(["%s"] * len(fields) + [value for _name, value in UNSTAMPED])
    key = model._meta.pk.column or ""
    head = f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES "  # noqa: S608 (names of our own)
    return head, f"({one})", f" RETURNING {quote(key)}", fields


@cache
def _statement(model: type[models.Model], using: str) -> str:
    connection = connections[using]
    quote = connection.ops.quote_name
    columns = [(quote(column), field.db_type(connection)) for field, column in _fields(model)]
    names = ", ".join(name for name, _type in columns)
    typed = ", ".join(f"{name} {kind}" for name, kind in columns)
    # Names and types come from the model, the values are one parameter.
    return (
        f"INSERT INTO {quote(model._meta.db_table)} ({names}, {', '.join(name for name, _ in UNSTAMPED)}) "  # noqa: S608
        f"SELECT {names}, {', '.join(value for _, value in UNSTAMPED)} "
        f"FROM jsonb_to_recordset(%s::jsonb) AS sent ({typed})"
    )


def _plain(value: Any) -> Any:
    if value is None or value.__class__ in _JSON:  # nearly all
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()  # to the microsecond, with the offset
    if isinstance(value, Decimal | UUID):
        return str(value)
    return value
