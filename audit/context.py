"""Who writes, and from where: two context variables that history and ledger read."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol


class Who(Protocol):
    """What the floor needs to know of a person."""

    @property
    def pk(self) -> Any: ...

    @property
    def printed_name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes rows now, and why. `by_id` is None when the system does."""

    by_id: int | None = None
    by_name: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from."""

    ip: str | None = None
    user_agent: str = ""


NOBODY = Author()
NOWHERE = Origin()

_author: ContextVar[Author] = ContextVar("audit_author", default=NOBODY)
_origin: ContextVar[Origin] = ContextVar("audit_origin", default=NOWHERE)


def author_of(by: Any, reason: str = "") -> Author:
    """The author that `by` (a person, or None for the system) stands for."""
    if by is None or getattr(by, "pk", None) is None:
        return Author(None, "", str(reason))
    return Author(by.pk, str(by.printed_name), str(reason))


def current_author() -> Author:
    """Who writes in this context; nobody in particular outside `audit.save` and its kin."""
    return _author.get()


@contextmanager
def writing_as(by: Any, reason: str = "") -> Iterator[Author]:
    """History rows written inside carry this person and reason, cascades included; cleared at the end."""
    author = author_of(by, reason)
    token = _author.set(author)
    try:
        yield author
    finally:
        _author.reset(token)


def current_origin() -> Origin:
    """Where this request came from; nowhere for tasks and commands."""
    return _origin.get()


@contextmanager
def coming_from(origin: Origin) -> Iterator[None]:
    """Deeds told inside carry this address and browser."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)
