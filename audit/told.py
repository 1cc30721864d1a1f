"""A row and the line of its history, written by one statement (docs/adr/0023).

The history copies what the database made of the row (RETURNING), so that both hold the same; the guard compares them at
commit as it does whatever is written otherwise. A statement is made once for each table and choice of columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, TypeVar

from django.db import DatabaseError, connections, models
from django.db.models.signals import post_save, pre_save

from audit import clock
from audit.context import current_author
from audit.models import HISTORY, AuditedModel
from audit.server import KEPT_ROWS, Statement

M = TypeVar("M", bound=AuditedModel)


def insert(rows: Sequence[M], using: str) -> None:
    """Write new rows of one model, which then have their keys. Signals are not sent.

    Raises whatever the database refuses.
    """
    connection = connections[using]
    for row in rows:
        _with_keys(row)
    text, fields = _insertion(type(rows[0]), len(rows), using)
    values = [field.get_db_prep_save(field.pre_save(row, True), connection) for row in rows for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(text.on(connection), [*values, *_line("+")])
        keys = cursor.fetchall()
    for row, (key,) in zip(rows, keys, strict=True):
        row.pk = key
        row._state.adding, row._state.db = False, using


def update(row: AuditedModel, names: Sequence[str], using: str) -> None:
    """Write columns of a row that exists, by the names of their fields. Signals are not sent.

    Raises DatabaseError when the row is gone, and whatever the database refuses.
    """
    connection = connections[using]
    _with_keys(row)
    text, fields = _change(type(row), tuple(names), using)
    values = [field.get_db_prep_save(field.pre_save(row, False), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(text.on(connection), [*values, row.pk, *_line("~")])
        if cursor.rowcount != 1:
            raise DatabaseError(f"{row._meta.label} {row.pk} is gone.")


def is_plain(row: AuditedModel) -> bool:
    """Whether the database makes the row's key and no other value of it (`db_default`): one statement can write it."""
    if row._state.adding and row._meta.auto_field is not None and row.pk is not None:
        return False
    return not any(hasattr(value, "resolve_expression") for value in row.__dict__.values())


@contextmanager
def signalled(row: AuditedModel, using: str, names: Sequence[str] | None = None) -> Iterator[None]:
    """Send what Django sends before and after a row is saved; its history is told already."""
    told = {"sender": type(row), "instance": row, "raw": False, "using": using}
    fields = None if names is None else frozenset(names)
    is_new = row._state.adding
    pre_save.send(**told, update_fields=fields)
    yield
    row.skip_history_when_saving = True  # type: ignore[attr-defined]
    try:
        post_save.send(**told, created=is_new, update_fields=fields)
    finally:
        del row.skip_history_when_saving  # type: ignore[attr-defined]


def _with_keys(row: models.Model) -> None:
    """Take the keys of rows saved since this one named them, as Django does. Raises ValueError where one is not."""
    row._prepare_related_fields_for_save(operation_name="save")  # type: ignore[attr-defined]


def _quoted(fields: Iterable[models.Field[Any, Any]], using: str) -> list[str]:
    return [connections[using].ops.quote_name(field.column or "") for field in fields]


def _column(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    field = model._meta.get_field(name)
    assert isinstance(field, models.Field)
    return field


def _line(kind: str) -> list[Any]:
    author = current_author()
    return [clock.now(), kind, author.reason, author.by_id, author.by_name]


_LINE = ("history_date", "history_type", "history_change_reason", "by_id", "by_name")
_LINE_VALUES = "%s::timestamptz, %s, %s, %s::bigint, %s"


def _telling(model: type[AuditedModel], using: str) -> str:
    """The second half of a statement: the line of history of every row that the first half, `told`, returned."""
    quote = connections[using].ops.quote_name
    columns = _quoted(HISTORY.fields_included(model), using)
    names = ", ".join([*columns, *_LINE])
    values = ", ".join([*(f"told.{column}" for column in columns), _LINE_VALUES])
    history = quote(HISTORY.models[model]._meta.db_table)
    (key,) = _quoted([model._meta.pk], using)
    return f"INSERT INTO {history} ({names}) SELECT {values} FROM told RETURNING {key}"  # noqa: S608 (our own names)


@lru_cache(maxsize=512)
def _insertion(
    model: type[AuditedModel], count: int, using: str
) -> tuple[Statement, tuple[models.Field[Any, Any], ...]]:
    """The statement that writes so many rows, and the fields of a row."""
    quote = connections[using].ops.quote_name
    fields = tuple(field for field in model._meta.concrete_fields if field is not model._meta.auto_field)
    names = ", ".join(_quoted(fields, using))
    rows = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * count)
    text = f"WITH told AS (INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES {rows} RETURNING *) "  # noqa: S608
    return Statement(
        text + _telling(model, using), name=f"add_{model._meta.db_table}", is_kept=count <= KEPT_ROWS
    ), fields


@cache
def _change(
    model: type[AuditedModel], names: tuple[str, ...], using: str
) -> tuple[Statement, tuple[models.Field[Any, Any], ...]]:
    quote = connections[using].ops.quote_name
    fields = tuple(_column(model, name) for name in names)
    changed = ", ".join(f"{name} = %s" for name in _quoted(fields, using))
    table, (key,) = quote(model._meta.db_table), _quoted([model._meta.pk], using)
    text = f"WITH told AS (UPDATE {table} SET {changed} WHERE {key} = %s RETURNING *) "  # noqa: S608 (our own names)
    return Statement(text + _telling(model, using), name=f"change_{model._meta.db_table}"), fields


__all__ = ["insert", "is_plain", "signalled", "update"]
