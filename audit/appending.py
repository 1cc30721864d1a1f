"""Rows that are written once, in one short statement: a line of the ledger, a state of a row, the changes of a save.

These are most of what is ever written, and always of the same shape: the statement of a table is made once. `insert`
takes a few rows. `append` and `append_columns` take hundreds (a change per changed item of a form): those travel as one
JSON document that PostgreSQL spreads over the columns, since adapting every column of every row costs more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connections, models, router

from audit.columns import STAMPS, Stamped
from audit.server import KEPT_ROWS, Statement

if TYPE_CHECKING:
    from audit.models import AppendOnlyModel


def insert(model: type[Stamped], rows: Sequence[Mapping[str, Any]], *, using: str | None = None) -> list[int]:
    """Write rows given as values by column name, and return their keys, in order; the database stamps them.

    Every column must be named. Signals of the model are not sent. Raises whatever the database refuses.
    """
    if not rows:
        return []
    alias = using or router.db_for_write(model)
    connection = connections[alias]
    text, fields = _insertion(model, len(rows), alias)
    values = [field.get_db_prep_save(row[column], connection) for row in rows for field, column in fields]
    with connection.cursor() as cursor:
        cursor.execute(text.on(connection), values)
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
    values = [{column: field.pre_save(row, True) for field, column in fields} for row in rows]  # type: ignore[attr-defined]
    _send(model, values, tuple(column for _field, column in fields), {})


def append_columns(
    model: type[AppendOnlyModel], columns: Mapping[str, Sequence[Any]], *, alike: Mapping[str, Any] | None = None
) -> None:
    """Write rows given as values, column by column, `alike` the same in every row; otherwise as `append`.

    What is not named has the model's default. For hundreds of rows: what is the same in all of them is sent once, and
    making an instance of the model of each costs more than everything else about it. Raises ValueError for a column
    that the model has not, or that the database fills, and for columns of different lengths.
    """
    count, *others = {len(values) for values in columns.values()} or {0}
    if others:
        raise ValueError(f"The columns of {model._meta.label} are not equally long.")
    if not count:
        return
    defaults = _defaults(model)
    constant = defaults | dict(alike or {})
    unknown = (columns.keys() | constant.keys()) - defaults.keys()
    if unknown:
        raise ValueError(f"{model._meta.label} has no column {', '.join(sorted(unknown))}.")
    same = {name: values[0] for name, values in columns.items() if count >= MANY and _is_same(values)}
    varying = tuple(name for name in columns if name not in same) or tuple(columns)[:1]
    rows = [dict(zip(varying, values, strict=True)) for values in zip(*map(columns.__getitem__, varying), strict=True)]
    _send(model, rows, varying, constant | same)


MANY = 16
"""From so many rows on, what is the same in all of them is looked for."""


def _is_same(values: Sequence[Any]) -> bool:
    """Whether all are one text, one truth or nothing; of other values 1 equals true."""
    first = values[0]
    if first is None or first is True or first is False:
        return all(value is first for value in values)
    return first.__class__ is str and values.count(first) == len(values)


def _send(
    model: type[models.Model],
    rows: Sequence[Mapping[str, Any]],
    varying: tuple[str, ...],
    constant: Mapping[str, Any],
) -> None:
    using = router.db_for_write(model)
    connection = connections[using]
    document = json.dumps(rows, ensure_ascii=False, allow_nan=False, default=_plain)
    text, fields = _statement(model, using, varying)
    constants = [field.get_db_prep_save(constant[column], connection) for field, column in fields]
    with connection.cursor() as cursor:
        cursor.execute(text.on(connection), [*constants, document])


def _defaults(model: type[models.Model]) -> dict[str, Any]:
    return {column: field.get_default() for field, column in _fields(model)}


@cache
def _fields(model: type[models.Model]) -> tuple[tuple[models.Field[Any, Any], str], ...]:
    return tuple(
        (field, field.column)
        for field in model._meta.concrete_fields
        if field.column and field.name not in STAMPS and not isinstance(field, models.AutoField | models.BigAutoField)
    )


@lru_cache(maxsize=512)
def _insertion(
    model: type[models.Model], count: int, using: str
) -> tuple[Statement, tuple[tuple[models.Field[Any, Any], str], ...]]:
    """The statement that writes so many rows, and the columns of a row."""
    quote = connections[using].ops.quote_name
    fields = _fields(model)
    names = ", ".join(quote(column) for _field, column in fields)
    one = ", ".join(["%s"] * len(fields))
    rows = ", ".join([f"({one})"] * count)
    table, key = model._meta.db_table, quote(model._meta.pk.column or "")
    text = f"INSERT INTO {quote(table)} ({names}) VALUES {rows} RETURNING {key}"  # noqa: S608 (names of our own)
    return Statement(text, name=f"add_{table}", is_kept=count <= KEPT_ROWS), fields


@cache
def _statement(
    model: type[models.Model], using: str, varying: tuple[str, ...]
) -> tuple[Statement, tuple[tuple[models.Field[Any, Any], str], ...]]:
    """The statement whose rows are a JSON document of the varying columns, and the constant ones first."""
    connection = connections[using]
    quote = connection.ops.quote_name
    fields = _fields(model)
    sent = [(field, column) for field, column in fields if column in varying]
    constant = tuple((field, column) for field, column in fields if column not in varying)
    names = ", ".join(quote(column) for _field, column in sent)
    typed = ", ".join(f"{quote(column)} {field.db_type(connection)}" for field, column in sent)
    heads = [names, *(quote(column) for _field, column in constant)]
    values = [names, *(f"%s::{_without_length(field.db_type(connection))}" for field, _column in constant)]
    # Names and types come from the model, the values are parameters.
    text = (
        f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(heads)}) SELECT {', '.join(values)} "  # noqa: S608
        f"FROM jsonb_to_recordset(%s::jsonb) AS sent ({typed})"
    )
    return Statement(text, name=f"append_{model._meta.db_table}"), constant


def _without_length(kind: str | None) -> str:
    """A type that a value is said to be of: with a length, the cast would cut a longer text instead of refusing it."""
    return "varchar" if kind is not None and kind.startswith("varchar(") else str(kind)


def _plain(value: Any) -> str:
    """What JSON has no word for, as PostgreSQL reads it."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()  # to the microsecond, with the offset
    if isinstance(value, Decimal | UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no plain value.")
