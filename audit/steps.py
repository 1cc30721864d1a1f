"""One step that is done whole or not at all, without a savepoint for each action inside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def without_savepoints() -> Iterator[None]:
    """Leave out the savepoints of the actions inside: a third of all statements of a long deed.

    For what never goes on after an error of its own: an error that somebody inside caught would undo the whole
    transaction at its end, and never half of it. Begin the transaction outside.
    """
    before = connection.features.uses_savepoints
    connection.features.uses_savepoints = False
    try:
        yield
    finally:
        connection.features.uses_savepoints = before
