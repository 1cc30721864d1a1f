"""States of the cast made once per worker and met again by every test that asks for them.

Bringing a participant to randomization takes a second of real actions, and hundreds of tests begin with it. A *stage*
is a database of its own in which those actions have been committed: the cast (or another beginning), or the cast and
what `cast.eligible()` and its like did. A test in a transaction that has written nothing yet continues on the stage's
database instead of doing the same again; whatever it writes is rolled back as always. A test that has written, whose
clock runs elsewhere, or that says what is no plain word or number, gets the actions themselves. Stages are made on
first use, by the same methods; those of a frozen clock are met by tests that freeze it at the same moment.

A test with commits has a database of its own, which is a clone of the cast's stage where it asks for the cast, or of
the stage of the methods that `@pytest.mark.template("cast", "randomized")` names: the same calls find it done.
"""

from __future__ import annotations

import copy
import datetime as dt
import itertools
import os
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import time_machine
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from audit import clock
from tests import harness
from trial import definitions
from trial.definition import Definition
from trial.definitions import definition_of

Path = tuple[str, ...]
Method = TypeVar("Method", bound=Callable[..., Any])
Made = TypeVar("Made")

LONGEST = 6
"""Steps of a path that is worth a database, its beginning among them; what goes further is done."""
MOST = 48
"""Databases kept; the one that nobody met for longest makes room. Each takes some 20 MB."""
MOST_OPEN = 24
"""Connections kept open to them, of the hundred that all workers share."""

PLAIN = str | int | dt.date | None


class Stage(NamedTuple):
    """What is kept of a stage: its database, the cast as it is there, what the last method gave, what was compiled."""

    name: str
    cast: Any
    outcome: Any
    definitions: dict[int, Definition]


_made: dict[Path, Stage] = {}  # the one met last at the end
_numbers = itertools.count()
_kept: dict[str, Any] = {}  # database → an open connection of psycopg2 that no test uses at this moment
_base: tuple[str, Any] | None = None  # the worker's own database and its connection, while a test is on a stage
_here: Path | None = None  # the stage on which the running test is
_day: Any = None  # stages are of a day: at midnight they are made again
_settled: tuple[str, Path] | None = None  # a test's own database, with commits, and the stage of which it is a clone


def staged(method: Method) -> Method:
    """A method of the cast (or a function of one) whose outcome, when nothing but such was done before, is a stage."""

    @wraps(method)
    def answer(cast: Any, *args: Any, **options: Any) -> Any:
        stage: Path | None = cast.stage
        plain = all(isinstance(each, PLAIN) for each in (*args, *options.values()))
        if not plain or stage is None or len(stage) == LONGEST:
            return method(cast, *args, **options)
        words = [*map(repr, args), *(f"{name}={value!r}" for name, value in options.items())]
        path = (*stage, f"{method.__module__}.{method.__qualname__}({', '.join(words)})")
        if _is_settled(path):
            cast.stage = path
            return copy.deepcopy(_made[path].outcome)
        if stage != _here or _moment() != stage[0] or _has_written():
            return method(cast, *args, **options)
        if path not in _made:
            _make(path, lambda: _copy_of(stage), lambda begun: method(begun, *args, **options))
        _go(path)
        cast.version = copy.copy(_made[path].cast.version)  # the path may have published
        cast.definition = definition_of(cast.version.pk)
        cast.stage = path
        return copy.deepcopy(_made[path].outcome)

    return answer  # type: ignore[return-value]


def begin(name: str, make: Callable[[], Made], again: Callable[[Made], Made] | None = None) -> Made:
    """What `make` makes in the database of a test, from its stage if that is the same thing, made anew if not.

    `again` turns what was made for the stage into what one test may change; a cast needs none.
    """
    moment = _moment()
    path = (str(moment), name)
    if _is_settled(path):
        return again(_made[path].cast) if again else _copy_of(path)
    if moment is None or _has_written():
        return make()
    _of_today()
    if path not in _made:
        _make(path, make, None)
    _go(path)
    return again(_made[path].cast) if again else _copy_of(path)


def cast_of(make: Callable[[], Any]) -> Any:
    """The cast of a test in a transaction."""
    return begin("cast", make)


def settle(name: str, make: Callable[[], Any], steps: tuple[str, ...]) -> None:
    """Make the database of a test with commits: a clone of the stage to which methods of the cast lead."""
    global _settled
    _of_today()
    path: Path = ("", "cast")
    if path not in _made:
        _make(path, make, None)
    for step in steps:
        before, method = path, getattr(type(_made[path].cast), step).__wrapped__
        path = (*before, f"{method.__module__}.{method.__qualname__}()")
        if path not in _made:
            _make(path, lambda before=before: _copy_of(before), method)  # type: ignore[misc]
    _close(_made[path].name)
    harness.clone(name, template=_made[path].name)
    definitions._cache.update(_made[path].definitions)
    _settled = name, path


def _is_settled(path: Path) -> bool:
    """Whether the test's own database, on whose way this is, holds it from the beginning."""
    if _settled is None or is_travelling():
        return False
    name, whole = _settled
    return connections[DEFAULT_DB_ALIAS].settings_dict["NAME"] == name and whole[: len(path)] == path


def _of_today() -> None:
    global _day
    if not is_travelling() and _day != clock.today():
        forget()
        _day = clock.today()


def _moment() -> str | None:
    """The beginning of every path: when a frozen clock stands still; nothing on a day as it goes; None elsewhere."""
    if not is_travelling():
        return ""
    if clock.is_simulated():
        return None
    now = clock.now()
    return now.isoformat() if now == clock.now() else None


def is_travelling() -> bool:
    """Whether a test's clock is not that of the machine."""
    return bool(time_machine.escape_hatch.is_travelling()) or clock.is_simulated()


def leave() -> None:
    """After a test: back to the worker's own database."""
    if _base is not None:
        _go(None)


def forget() -> None:
    """Drop every stage."""
    leave()
    for path in list(_made):
        _drop(path)


def _drop(path: Path) -> None:
    name = _made.pop(path).name
    _close(name)
    harness.drop(name)


def _copy_of(path: Path) -> Any:
    """The cast as it is on a stage, for one test to change; what never changes is shared."""
    kept = _made[path].cast
    never = (kept.definition, kept.version.content)
    cast = copy.deepcopy(kept, {id(each): each for each in never})
    cast.definition = definition_of(cast.version.pk)  # as a cast that is made reads it: other tests empty the cache
    cast.stage = path
    return cast


def _has_written() -> bool:
    """Whether the running transaction changed anything: PostgreSQL numbers a transaction at its first write."""
    connection = connections[DEFAULT_DB_ALIAS]
    if not connection.in_atomic_block:
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
        return bool(cursor.fetchone()[0])


def _make(path: Path, begin_with: Callable[[], Any], method: Callable[[Any], Any] | None) -> None:
    """Make a stage's database from the one before it, in a thread with a connection of its own, and commit."""
    name = f"stage_{os.getpid()}_{next(_numbers)}"
    template = None
    if method is not None:
        leave()
        template = _made[path[:-1]].name
        _close(template)
    while len(_made) >= MOST:
        _drop(next(each for each in _made if each not in (_here, path[:-1])))
    harness.clone(name, template=template)
    made: list[Any] = []

    def work() -> None:
        connection = connections[DEFAULT_DB_ALIAS]
        connection.settings_dict = connection.settings_dict | {"NAME": name}
        try:
            with transaction.atomic():
                begun = begin_with()
                if method is not None:
                    begun.stage = None
                made.append(begun)
                made.append(method(begun) if method else None)
                connection.run_on_commit = []  # a test in a transaction sends nothing either
        except BaseException as error:
            made[:] = [error]
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(made[0], BaseException):
        harness.drop(name)
        raise made[0]
    _made[path] = Stage(name, made[0], made[1], dict(definitions._cache))


def _go(path: Path | None) -> None:
    """Continue the test's transaction, which has written nothing, on another database with the same savepoints."""
    global _base, _here
    connection = connections[DEFAULT_DB_ALIAS]
    own, name = connection.settings_dict["NAME"], None
    if path is not None:
        stage = _made[path] = _made.pop(path)
        name = stage.name
        definitions._cache.update(stage.definitions)  # versions of another stage with their numbers are forgotten
    if connection.connection is not None:
        connection.connection.rollback()
    if _base is None:
        _base = own, connection.connection
    elif connection.connection is not None:
        _kept[own] = connection.connection
        while len(_kept) > MOST_OPEN:
            _close(next(iter(_kept)))
    if name is None:
        (name, raw), _base = _base, None
    else:
        raw = _kept.pop(name, None)
    _here = path
    connection.settings_dict["NAME"] = name
    if raw is None or raw.closed:
        raw = connection.get_new_connection(connection.get_connection_params())
    connection.connection = raw
    raw.autocommit = not connection.in_atomic_block
    connection.autocommit = raw.autocommit
    connection.ensure_timezone()
    if connection.in_atomic_block:
        with connection.cursor() as cursor:
            for savepoint in connection.savepoint_ids:
                if savepoint is not None:
                    cursor.execute(connection.ops.savepoint_create_sql(savepoint))


def _close(name: str) -> None:
    held = _kept.pop(name, None)
    if held is not None:
        held.close()
