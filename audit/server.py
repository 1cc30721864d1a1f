"""Statements that PostgreSQL reads and plans once for each connection, and is then only given the values of.

A connection lives for minutes (CONN_MAX_AGE) and sends the same few statements again and again: reading and planning
one takes the server longer than doing it (ADR 0023). Where a pooler gives each transaction another connection, as
PgBouncer can, nothing may be kept on one: DISABLE_SERVER_SIDE_CURSORS, which is needed there anyway, says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

_numbers = itertools.count(1)
_known: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
"""The driver's connection → the names of the statements that it keeps."""


KEPT_ROWS = 16
"""Statements that write up to so many rows at once are kept, one for each number; of more, the number seldom recurs."""


class Statement:
    """A statement as Django writes it, with `%s` for each value.

    `kinds` are the types of the values, "" where PostgreSQL finds it by itself; `name` is what its logs call it. One
    that is not `is_kept` (of more than KEPT_ROWS rows) is sent as a whole every time.
    """

    __slots__ = ("_asking", "_kept", "_name", "text")

    def __init__(self, text: str, *, kinds: Sequence[str] = (), name: str = "", is_kept: bool = True) -> None:
        parts = [part.replace("\0", "%") for part in text.replace("%%", "\0").split("%s")]
        values = [f"${number}" for number in range(1, len(parts))]
        for number, kind in enumerate(kinds):
            values[number] += f"::{kind}" if kind else ""
        self.text = text
        self._name = f"{name[:40]}_{next(_numbers)}" if is_kept else ""
        self._kept = "".join(itertools.chain.from_iterable(itertools.zip_longest(parts, values, fillvalue="")))
        given = f" ({', '.join(['%s'] * len(values))})" if values else ""
        self._asking = f'EXECUTE "{self._name}"{given}'

    def on(self, connection: BaseDatabaseWrapper) -> str:
        """What to send on a connection with the values in order; the statement is known there by then."""
        if not self._name or not keeps(connection):
            return self.text
        connection.close_if_health_check_failed()  # as a cursor would, but before anything is known of it
        connection.ensure_connection()
        raw: Any = connection.connection
        known = _known.get(raw)
        if known is None:
            known = _known.setdefault(raw, set())
        if self._name not in known:
            with connection.wrap_database_errors, raw.cursor() as cursor:
                cursor.execute(f'PREPARE "{self._name}" AS {self._kept}')
            known.add(self._name)
        return self._asking


def keeps(connection: BaseDatabaseWrapper) -> bool:
    """Whether a connection stays ours from transaction to transaction, so that it may keep a statement."""
    return not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")


@contextmanager
def spelled_out(using: str = "default") -> Iterator[None]:
    """Inside, every statement is sent as a whole, as on a connection that keeps nothing: to read or to copy it."""
    told = connections[using].settings_dict
    before = told.get("DISABLE_SERVER_SIDE_CURSORS", False)
    told["DISABLE_SERVER_SIDE_CURSORS"] = True
    try:
        yield
    finally:
        told["DISABLE_SERVER_SIDE_CURSORS"] = before


__all__ = ["KEPT_ROWS", "Statement", "keeps", "spelled_out"]
