"""Columns of the participants' list that belong to rooms above: a count per participant, read with the list.

    participant_columns.register(Column("queries", _("Open queries"), open_queries, url=queries_url, tone="warn"))

`annotation(person)` answers an expression over `Participant` (a correlated `Subquery` with `OuterRef("pk")`), or None
where the person may not see it; it costs no statement of its own and must not tell an arm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise

from .models import Participant, Person


@dataclass(frozen=True)
class Column:
    """A count beside each participant: shown as a badge, empty when it is zero."""

    id: str
    label: str | Promise
    annotation: Callable[[Person], Any | None]
    url: Callable[[Participant], str] = lambda participant: ""
    tone: str = ""
    order: int = 50


_columns: dict[str, Column] = {}


def register(column: Column) -> None:
    """Add a column; a second registration of the id replaces the first."""
    _columns[column.id] = column


def columns_for(person: Person) -> list[tuple[Column, Any]]:
    """Return the columns that this person may see, with their expressions, in order."""
    found = []
    for column in sorted(_columns.values(), key=lambda column: (column.order, column.id)):
        expression = column.annotation(person)
        if expression is not None:
            found.append((column, expression))
    return found
