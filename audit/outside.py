"""Deeds that must survive the transaction that failed because of them.

Told at once when no transaction is open; otherwise kept until `flush`, which the request's middleware calls when the
view has ended and its transaction is rolled back.
"""

import logging
from contextvars import ContextVar
from typing import Any

from django.db import connection, models

log = logging.getLogger(__name__)

_waiting: ContextVar[list[tuple[str, models.Model | None, Any, dict[str, Any]]] | None] = ContextVar(
    "audit_waiting", default=None
)


def tell(verb: str, target: models.Model | None = None, *, by: Any, **details: Any) -> None:
    """Tell a deed outside the running transaction."""
    if connection.in_atomic_block:
        waiting = _waiting.get()
        if waiting is None:
            waiting = []
            _waiting.set(waiting)
        waiting.append((verb, target, by, details))
    else:
        _tell(verb, target, by, details)


def flush() -> int:
    """Tell what waits, and say how many deeds that were. Call it when no transaction of ours is open."""
    waiting = _waiting.get()
    _waiting.set(None)
    for verb, target, by, details in waiting or ():
        _tell(verb, target, by, details)
    return len(waiting or ())


def _tell(verb: str, target: models.Model | None, by: Any, details: dict[str, Any]) -> None:
    from audit.actions import deed

    deed(verb, target, by=by, **details)
