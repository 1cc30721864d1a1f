"""“What is waiting for me”: rooms register panels in `AppConfig.ready`, the home page shows those that have something.

    home_panels.register("ecrf.queries", queries_to_answer, order=30)

A panel is a function `(person) -> Panel | None`, None when the person's roles have no use for it. Its reads are bounded
in SQL: at most `ROWS` rows and a few counts, whatever the number of participants, without anything that would tell an
arm to this person.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, QuerySet, Window
from django.utils.functional import Promise

from .models import Person

ROWS = 6
"""How many rows a panel shows; the rest is behind its link."""

Words = str | Promise


@dataclass(frozen=True)
class Row:
    """One line: what it is (a link), a note, and one of a state, a chip or a date at the end.

    `clock` holds the parameters of `_components/clock.html` (due, now, remaining, late, label) when time runs.
    """

    label: Words
    url: str = ""
    note: Words = ""
    state: str = ""
    state_label: Words = ""
    when: Words = ""
    tone: str = ""
    clock: dict[str, Any] | None = None


@dataclass(frozen=True)
class Bar:
    """A bar: `value` of `of`, with words at its end."""

    label: Words
    value: int
    of: int
    text: Words
    tone: str = ""


@dataclass(frozen=True)
class Stat:
    """One number with its label."""

    label: Words
    value: int | str
    of: int | str = ""
    note: Words = ""
    url: str = ""
    icon: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Panel:
    """A card of the home page. `count` is what waits in all (may be more than `rows`); `empty` says that all is done.

    `wide` gives it the whole width. `template` replaces the usual list; it gets `panel`.
    """

    title: Words
    icon: str
    rows: Sequence[Row] = ()
    count: int | None = None
    url: str = ""
    url_label: Words = ""
    note: Words = ""
    empty: Words = ""
    stats: Sequence[Stat] = ()
    bars: Sequence[Bar] = ()
    tone: str = ""
    wide: bool = False
    template: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits here."""
        return not (self.rows or self.stats or self.bars or self.template)

    @property
    def more(self) -> int:
        """How many are behind the link."""
        return max(0, (self.count or 0) - len(self.rows))


Maker = Callable[[Person], Panel | None]
_panels: dict[str, tuple[int, Maker]] = {}


def register(name: str, make: Maker, order: int = 50) -> None:
    """Add a panel; a second registration of the name replaces the first. What presses most has the lowest order."""
    _panels[name] = (order, make)


def panels_for(person: Person) -> list[Panel]:
    """Return the person's panels in order, those with nothing to do last."""
    made = [make(person) for _order, make in sorted(_panels.values(), key=lambda pair: pair[0])]
    panels = [panel for panel in made if panel is not None]
    return [p for p in panels if not p.is_empty] + [p for p in panels if p.is_empty]


def first_rows(rows: QuerySet[Any], limit: int = ROWS) -> tuple[list[Any], int]:
    """Return the first rows of an ordered query and how many there are in all, in one statement."""
    found = list(rows.annotate(panel_total=Window(Count("*")))[:limit])
    return found, found[0].panel_total if found else 0
