"""Dictionaries of terms that `term` items draw from; rooms above register theirs (CTCAE comes from safety)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from trial.definition import Definition


class Term(Protocol):
    """A term: its code, its words, and the severity grades that exist for it."""

    @property
    def code(self) -> str: ...
    @property
    def grades(self) -> Sequence[int]: ...

    def label_in(self, locale: str) -> str: ...


class Dictionary(Protocol):
    """A versioned list of terms."""

    def get(self, code: str) -> Any | None: ...

    def search(self, text: str, locale: str = "en", limit: int = 20) -> Sequence[Any]: ...


_providers: dict[str, Callable[[Definition], Dictionary]] = {}


def register(name: str, provider: Callable[[Definition], Dictionary]) -> None:
    """Offer a dictionary under the name that forms use; the provider picks the version that the study asks for."""
    _providers[name] = provider


def dictionary_of(definition: Definition, name: str) -> Dictionary:
    """Return the dictionary of that name for a study. Raises KeyError when no room offers it."""
    return _providers[name](definition)
