"""Questions that are asked at every click: Django writes the statement of each once, and only the values change.

Writing the statements took more of the processor than anything else that was done with them (ADR 0022). What is kept is
text and the way back to objects, never a row.
"""

from __future__ import annotations

import copy
import datetime as dt
import uuid
from collections.abc import Callable, Hashable, Sequence
from enum import Enum
from functools import update_wrapper
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError

from audit import server

Values = ParamSpec("Values")
Row = TypeVar("Row")

# What stands for a value while its statement is written: plain, and like no value that a statement holds by itself.
_STAND_INS: dict[type, Callable[[int], Any]] = {
    int: lambda number: 2_101_000_000 + number,
    str: lambda number: f"⟨stand-in {number}⟩",
    dt.date: lambda number: dt.date(9000, 1, 1) + dt.timedelta(days=number),
    dt.datetime: lambda number: dt.datetime(9000, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=number),
    uuid.UUID: lambda number: uuid.UUID(int=(0x57A4D1 << 96) + number),
}
_KINDS = {dt.date: "date", dt.datetime: "timestamptz", uuid.UUID: "uuid"}
"""The type that the driver says of a value; of others PostgreSQL finds it where they stand."""
_LEAST, _MOST = -(2**31), 2**31 - 1
"""A number that no `integer` holds equals none in a statement sent whole, and is an error as a kept one's value."""
_STEPS = (1, 97)
"""Each statement is written twice, with stand-ins so far apart: what is made of a value differs, and is found."""


class prepared(Generic[Values, Row]):  # noqa: N801 - a decorator
    """Turn a function that makes a queryset from values into one that asks it and returns the rows.

    `make` runs for each new *shape* of its values, with stand-ins: whatever changes from call to call (the day, the
    person) must be one of them, and it may not branch on them. Values are given by place: whole numbers, texts, days,
    moments and UUIDs, or tuples of one of these (for `__in`; a tuple's length is rounded up by naming its last again).
    None, True, False, a member of an enumeration and a tuple without anything are part of the shape, so `make` may
    branch on them. Raises TypeError for any other value, where one does not reach the statement as it is (`iexact`,
    a day before it) or stands for a small integer, and for prefetched relations; TransactionManagementError, as a
    queryset does, for a lock outside a transaction.
    """

    def __init__(self, make: Callable[Values, QuerySet[Any, Row]]) -> None:
        self._make = make
        self._written: dict[tuple[Hashable, ...], _Statement] = {}
        update_wrapper(self, make)

    def __call__(self, *values: Values.args, **named: Values.kwargs) -> list[Row]:
        """Ask, and return every row."""
        if named:
            raise TypeError("The values of a prepared question are given by place.")
        shape, flat = _taken(values)
        statement = self._written.get(shape)
        if statement is None:
            statement = self._written[shape] = _Statement(self._make, values)
        return statement.rows(flat)

    def first(self, *values: Values.args, **named: Values.kwargs) -> Row | None:
        """Ask, and return the first row; None when there is none."""
        found = self(*values, **named)
        return found[0] if found else None


def _taken(values: Sequence[Any]) -> tuple[tuple[Hashable, ...], list[Any]]:
    """The shape of some values, and what of them a statement is given."""
    shape: list[Hashable] = []
    flat: list[Any] = []
    for value in values:
        kind = value.__class__
        if kind in _STAND_INS:
            shape.append(kind)
            flat.append(value)
        elif kind is tuple and value:
            if value[0].__class__ not in _STAND_INS:
                raise TypeError(f"A prepared question takes no {value[0].__class__.__name__}.")
            length = _rounded(len(value))
            shape.append((value[0].__class__, length))
            flat += value
            flat += value[-1:] * (length - len(value))
        elif value is None or value == () or isinstance(value, bool | Enum):
            shape.append((None, kind, value))  # True is no 1
        elif isinstance(value, str):
            shape.append(str)
            flat.append(str(value))
        else:
            raise TypeError(f"A prepared question takes no {kind.__name__}.")
    return tuple(shape), flat


def _rounded(length: int) -> int:
    return 1 << (length - 1).bit_length()


class _Writing(NamedTuple):
    """A statement written with some stand-ins: its text and, by place, which value or else what itself stands there."""

    text: str
    parameters: list[tuple[int | None, Any]]
    queryset: Any
    compiler: Any


def _write(make: Callable[..., QuerySet[Any, Any]], values: Sequence[Any], step: int) -> _Writing:
    stand_ins: dict[Any, int] = {}  # what stands for a value → where the value is among those given

    def stand_in(kind: type) -> Any:
        number = len(stand_ins)
        one = _STAND_INS[kind]((number + 1) * step)
        stand_ins[one] = number
        return one

    given: list[Any] = []
    for value in values:
        if value.__class__ in _STAND_INS:
            given.append(stand_in(value.__class__))
        elif value.__class__ is tuple and value:
            given.append(tuple(stand_in(value[0].__class__) for _ in range(_rounded(len(value)))))
        elif isinstance(value, str) and not isinstance(value, Enum):
            given.append(stand_in(str))
        else:
            given.append(value)
    queryset = make(*given)
    compiler = queryset.query.get_compiler(using=queryset.db)
    try:
        text, parameters = compiler.as_sql()
    except EmptyResultSet:
        if () not in values:  # a stand-in is a large number
            raise TypeError(f"{make.__qualname__}: a value is none that its column could hold.") from None
        return _Writing("", [], queryset, compiler)
    placed = [(stand_ins.get(one) if isinstance(one, Hashable) else None, one) for one in parameters]
    if set(stand_ins.values()) - {number for number, _ in placed}:
        raise TypeError(f"{make.__qualname__}: a value does not reach its statement as it is.")
    return _Writing(text, [(number, one if number is None else None) for number, one in placed], queryset, compiler)


class _Statement:
    """The statement of one question for one shape, and the way from its rows to what the queryset would have made."""

    def __init__(self, make: Callable[..., QuerySet[Any, Any]], values: Sequence[Any]) -> None:
        self.name = make.__name__
        self.kinds = [value.__class__ for value in _taken(values)[1]]
        written, again = (_write(make, values, step) for step in _STEPS)
        if written[:2] != again[:2]:
            raise TypeError(f"{make.__qualname__}: something in its statement is made of a value, or moves by itself.")
        self.text, self.parameters, queryset, self.compiler = written
        if queryset._prefetch_related_lookups:
            raise TypeError(f"{make.__qualname__}: what is prepared cannot prefetch.")
        self.alias = queryset.db
        self.iterable = queryset._iterable_class
        self.locks = queryset.query.select_for_update
        self.compiler.connection = None  # of the thread that wrote it
        self.order = [number for number, _one in self.parameters if number is not None]
        self.converters: dict[int, Any] | None = None
        self._statement: server.Statement | None = None

    def rows(self, flat: Sequence[Any]) -> list[Any]:
        if not self.text:
            return []
        connection = connections[self.alias]
        if self.locks and connection.get_autocommit():
            raise TransactionManagementError("What is locked outside a transaction is locked for nobody.")
        if self._statement is None:
            self._statement = self._written_out(connection)
        parameters = tuple([flat[number] for number in self.order])
        is_wide = any(value.__class__ is int and not _LEAST <= value <= _MOST for value in parameters)
        text = self._statement.text if is_wide else self._statement.on(connection)
        compiler = copy.copy(self.compiler)
        compiler.connection = connection
        compiler.as_sql = lambda *_args, **_options: (text, parameters)
        compiler.get_converters = self._converters
        return list(self.iterable(_Asked(self.alias, compiler)))

    def _converters(self, expressions: Any) -> Any:
        """What makes our values of the driver's: it depends on the columns alone, and is looked up once."""
        if self.converters is None:
            compiler = copy.copy(self.compiler)
            compiler.connection = connections[self.alias]
            self.converters = compiler.get_converters(expressions)
        return self.converters

    def _written_out(self, connection: Any) -> server.Statement:
        """The statement with what is the same for all values in its text."""
        connection.ensure_connection()
        with connection.wrap_database_errors, connection.connection.cursor() as cursor:
            always = [
                "%s" if number is not None else cursor.mogrify("%s", [one]).decode().replace("%", "%%")
                for number, one in self.parameters
            ]
        kinds = [_KINDS.get(self.kinds[number], "") for number in self.order]
        return server.Statement(self.text.replace("%%", "%%%%") % tuple(always), kinds=kinds, name=self.name)


class _Asked:
    """What Django's way from rows to objects wants to know of a queryset."""

    def __init__(self, db: str, compiler: Any) -> None:
        self.db = db
        self.query = self
        self._compiler = compiler
        self._known_related_objects: dict[Any, Any] = {}
        self._fields = ()

    def get_compiler(self, using: str) -> Any:
        return self._compiler


__all__ = ["prepared"]
