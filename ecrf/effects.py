"""What follows from a saved record: rooms register what they do when values change.

An effect runs inside the save's transaction, after record, changes and findings are written:
`effect(record, changed, by)`, where `changed` is the set of item ids whose value changed.
"""

from __future__ import annotations

from collections.abc import Callable

from trial.models import Person

from .models import Record

Effect = Callable[[Record, frozenset[str], Person], None]
_on_save: list[Effect] = []
_on_sign: list[Callable[[Record, Person], None]] = []


def on_save(effect: Effect) -> Effect:
    """Register what follows from a save; returns the function, so it serves as a decorator."""
    if effect not in _on_save:
        _on_save.append(effect)
    return effect


def on_sign(effect: Callable[[Record, Person], None]) -> Callable[[Record, Person], None]:
    """Register what follows from a signature."""
    if effect not in _on_sign:
        _on_sign.append(effect)
    return effect


def saved(record: Record, changed: frozenset[str], by: Person) -> None:
    """Run every effect of a save, in the order of registration."""
    for effect in _on_save:
        effect(record, changed, by)


def signed(record: Record, by: Person) -> None:
    """Run every effect of a signature."""
    for effect in _on_sign:
        effect(record, by)
