"""The two refusals that a page turns into words. `Problem` (a wrong file) belongs to rooms above; bugs rise."""

from collections.abc import Sequence
from typing import Any


class Refused(Exception):  # noqa: N818 (the house calls it so)
    """The person may not, or not now.

    `message` is written for the person and may be a lazy translation; `code` is for programs and may be empty.
    """

    def __init__(self, message: Any, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        return str(self.message)


class Conflict(Refused):
    """Somebody else changed the same thing first.

    `fields` names the columns that differ; `current` is the row as it now stands, or None if it is gone.
    """

    def __init__(
        self, message: Any, code: str = "conflict", *, fields: Sequence[str] = (), current: Any = None
    ) -> None:
        super().__init__(message, code)
        self.fields = tuple(fields)
        self.current = current


class AppendOnly(TypeError):  # noqa: N818
    """A bug: code tried to change or delete a row of an append-only table."""


class UnknownVerb(LookupError):  # noqa: N818
    """A bug: a deed was told with a verb that no room registered."""
