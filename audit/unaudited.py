"""Rows of tables without history that are written or removed at every save, each by a statement that the server keeps.

Drafts and tallies: what they hold is nobody's data, or is counted from data. Django would write the statement anew each
time, which takes longer than doing it (docs/adr/0022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.db import connections, models, router

from audit.server import KEPT_ROWS, Statement
from audit.tables import Kind, describe

Columns = tuple[tuple[str, "models.Field[Any, Any]"], ...]
"""Each column with its field."""


def put(model: type[models.Model], rows: Sequence[Mapping[str, Any]], *, key: tuple[str, ...]) -> None:
    """Write rows given as values by column, each in place of the one with the same `key`, if there is one.

    Every row names the same columns, all that have no default of the database; `key` are those of a unique constraint.
    Signals are not sent. Raises TypeError for a table that has history, and whatever the database refuses.
    """
    if not rows:
        return
    using = router.db_for_write(model)
    connection = connections[using]
    statement, fields = _putting(model, tuple(rows[0]), key, len(rows), using)
    values = [field.get_db_prep_save(row[column], connection) for row in rows for column, field in fields]
    with connection.cursor() as cursor:
        cursor.execute(statement.on(connection), values)


def remove(model: type[models.Model], **where: Any) -> int:
    """Remove the rows whose columns hold these values; how many they were.

    Signals are not sent. Raises TypeError for a table that has history or that another refers to.
    """
    using = router.db_for_write(model)
    connection = connections[using]
    statement, fields = _removing(model, tuple(where), using)
    values = [field.get_db_prep_value(where[column], connection) for column, field in fields]
    with connection.cursor() as cursor:
        cursor.execute(statement.on(connection), values)
        return int(cursor.rowcount)


@lru_cache(maxsize=128)
def _putting(
    model: type[models.Model], columns: tuple[str, ...], key: tuple[str, ...], count: int, using: str
) -> tuple[Statement, Columns]:
    fields, quote = _fields(model, columns), connections[using].ops.quote_name
    names = ", ".join(map(quote, columns))
    row = f"({', '.join(['%s'] * len(columns))})"
    set_ = ", ".join(f"{quote(column)} = EXCLUDED.{quote(column)}" for column in columns if column not in key)
    text = (
        f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES {', '.join([row] * count)} "  # noqa: S608 (our own)
        f"ON CONFLICT ({', '.join(map(quote, key))}) DO UPDATE SET {set_}"
    )
    return Statement(text, name=f"put_{model._meta.db_table}", is_kept=count <= KEPT_ROWS), fields


@lru_cache(maxsize=128)
def _removing(model: type[models.Model], columns: tuple[str, ...], using: str) -> tuple[Statement, Columns]:
    if not columns or model._meta.related_objects:
        raise TypeError(f"{model._meta.label}: only rows that nothing refers to are removed here, and never all.")
    fields, quote = _fields(model, columns), connections[using].ops.quote_name
    held = " AND ".join(f"{quote(column)} = %s" for column in columns)
    text = f"DELETE FROM {quote(model._meta.db_table)} WHERE {held}"  # noqa: S608 (names of our own)
    return Statement(text, name=f"remove_{model._meta.db_table}"), fields


def _fields(model: type[models.Model], columns: tuple[str, ...]) -> Columns:
    if describe(model).kind is not Kind.EXEMPT:
        raise TypeError(f"{model._meta.label} has a history: it is written by audit.save.")
    by_column = {field.column: field for field in model._meta.concrete_fields}
    return tuple((column, by_column[column]) for column in columns)


__all__ = ["put", "remove"]
