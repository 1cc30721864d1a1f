"""What an evaluation says of a form."""

from __future__ import annotations

from dataclasses import dataclass, field

from trial.definition import Form, Severity
from trial.language import Value

RowKey = tuple[str, str, str]
"""(group id, row id, item id)."""


def range_check_id(item: str) -> str:
    """Return the id of the edit check that an item's soft limits make."""
    return f"range:{item}"


@dataclass(frozen=True)
class Fired:
    """An edit check that does not hold: which, in which row, on which items, and its words per language."""

    check_id: str
    severity: Severity
    group: str
    row: str
    items: tuple[str, ...]
    message: dict[str, str]


@dataclass(frozen=True)
class Only:
    """The part of a form that is wanted: items, groups and edit checks; `about` are the items beside which edit checks
    may stand whose answers are then all known."""

    items: frozenset[str]
    groups: frozenset[str]
    checks: frozenset[str]
    about: frozenset[str]


@dataclass
class Evaluation:
    """What a form's expressions say of its data."""

    shown_groups: dict[str, bool] = field(default_factory=dict)
    shown: dict[RowKey, bool] = field(default_factory=dict)
    uncertain: set[RowKey] = field(default_factory=set)
    derived: dict[RowKey, Value | None] = field(default_factory=dict)
    fired: list[Fired] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    lacking: list[RowKey] = field(default_factory=list)
    unexplained: list[RowKey] = field(default_factory=list)
    """Missing codes whose item wants a reason and has none."""

    @property
    def hard(self) -> list[Fired]:
        return [f for f in self.fired if f.severity is Severity.HARD]

    @property
    def soft(self) -> list[Fired]:
        return [f for f in self.fired if f.severity is Severity.SOFT]

    def part(self, form: Form, only: Only) -> Evaluation:
        """Return what is said of a part of the form."""
        about = only.about
        groups = only.groups | {form.groups_of_items[item].id for item in about}
        return Evaluation(
            shown_groups={group: shown for group, shown in self.shown_groups.items() if group in groups},
            shown={key: shown for key, shown in self.shown.items() if key[2] in about},
            uncertain={key for key in self.uncertain if key[2] in about},
            derived={key: value for key, value in self.derived.items() if key[2] in about},
            fired=[fired for fired in self.fired if fired.items[0] in about],
            silent=[check for check in self.silent if check in only.checks],
            lacking=[key for key in self.lacking if key[2] in about or (not key[2] and key[0] in groups)],
            unexplained=[key for key in self.unexplained if key[2] in about],
        )


__all__ = ["Evaluation", "Fired", "Only", "RowKey", "range_check_id"]
