"""The main navigation: each room registers its entries in `AppConfig.ready`; people see what their roles open.

    navigation.register(Entry("queries", _("Queries"), "queries", icon="query", key="q", order=40,
                              permissions=(Permission.QUERY_ASK, Permission.QUERY_ANSWER), count=open_queries_for))

`count` answers a QuerySet of what waits for the person (already scoped to them), made of who they are and of what they
may do alone, not of the time: all counts of a page are one statement that is made once, and each stops counting at
`MOST`. An entry whose URL name does not exist is left out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connections, router
from django.db.models import IntegerField, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise

from .models import Person, Study
from .permissions import Access, Permission, access_of

MOST = 99


@dataclass(frozen=True)
class Entry:
    """One entry. `permissions`: any of them, anywhere, opens it; none: everybody. `tone` colors the count."""

    id: str
    label: str | Promise
    url_name: str
    icon: str
    order: int
    key: str = ""
    permissions: tuple[Permission, ...] = ()
    count: Callable[[Person], QuerySet[Any]] | None = None
    tone: str = ""

    def is_open_to(self, access: Access) -> bool:
        """Tell whether one of the permissions is held anywhere."""
        return not self.permissions or any(access.has(permission) for permission in self.permissions)


_entries: dict[str, Entry] = {}


def register(*entries: Entry) -> None:
    """Add entries, once each; the id is the name of the entry, a second registration replaces the first."""
    for entry in entries:
        _entries[entry.id] = entry


def entries_for(person: Person) -> list[tuple[Entry, str]]:
    """Return the entries that the person's roles open, with their addresses, in order."""
    access = access_of(person)
    found = []
    for entry in sorted(_entries.values(), key=lambda entry: (entry.order, entry.id)):
        if not entry.is_open_to(access):
            continue
        try:
            found.append((entry, reverse(entry.url_name)))
        except NoReverseMatch:
            continue
    return found


class CountOf(Subquery):
    """How many rows a query finds, as a value of another query."""

    template = "(SELECT count(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


@dataclass(frozen=True)
class Waiting:
    """What the frame of a page tells beside the entries: the study, and what waits for the person per entry."""

    acronym: str = ""
    is_simulated: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)


def waiting_for(person: Person) -> Waiting:
    """Return the study and what waits per entry, in one statement; nothing is counted before a study exists."""
    counted = [entry for entry, _url in entries_for(person) if entry.count is not None]
    statement, parameters = _statement_for(person, counted)
    with connections[router.db_for_read(Study)].cursor() as cursor:
        cursor.execute(statement, parameters)
        row = cursor.fetchone()
    if row is None:
        return Waiting()
    return Waiting(row[0], row[1], dict(zip((entry.id for entry in counted), row[2:], strict=True)))


_statements: OrderedDict[Hashable, tuple[str, tuple[Any, ...]]] = OrderedDict()
_KEPT = 200


def _statement_for(person: Person, counted: list[Entry]) -> tuple[str, tuple[Any, ...]]:
    """The statement that counts for a person, made once for what they may do: making it takes longer than asking."""
    access = access_of(person)
    key = (person.pk, tuple(counted), access.everywhere, tuple(sorted(access.at_sites.items())), access.roles)
    found = _statements.get(key)
    if found is None:
        # The inner queries are closed: `OuterRef` has no place in them, so the database reads each once.
        columns = {
            f"waiting_{entry.id}": Coalesce(CountOf(entry.count(person).order_by().values("pk")[: MOST + 1]), 0)
            for entry in counted
            if entry.count is not None
        }
        rows = Study.objects.annotate(**columns).order_by("pk").values_list("acronym", "is_simulated", *columns)[:1]
        found = _statements[key] = rows.query.sql_with_params()
        while len(_statements) > _KEPT:
            _statements.popitem(last=False)
    return found


def items(person: Person, counts: Mapping[str, int], path: str) -> list[dict[str, Any]]:
    """Return the entries as the frame shows them; the current one is the longest address that the path begins with."""
    found = entries_for(person)
    fitting = [url for _entry, url in found if path == url or (url != "/" and path.startswith(url))]
    current = max(fitting, key=len, default="")
    return [
        {
            "label": entry.label,
            "url": url,
            "current": url == current,
            "count": _count_word(counts.get(entry.id, 0)),
            "icon": entry.icon,
            "key": entry.key,
            "tone": entry.tone,
        }
        for entry, url in found
    ]


def _count_word(count: int) -> int | str:
    return count if count <= MOST else f"{MOST}+"
