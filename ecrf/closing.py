"""Freezing and locking beyond one record: scopes, what they hold, and what stands in the way.

A scope is a record, a visit, a participant, a site or the study. What it holds is counted as the person sees it: a
form that would tell the arm is in no count of somebody who may not see arms, though the closure covers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from audit.errors import Refused
from trial.definitions import definition_of
from trial.models import Participant, Site, Visit
from trial.permissions import Permission, access_of
from trial.presenters import visit_label

from .models import (
    UNSETTLED,
    Closure,
    ClosureScope,
    EntryState,
    Finding,
    FindingState,
    Query,
    Record,
)

SHOWN = 20
"""Queries that block named one by one; the others are counted."""


@dataclass(frozen=True)
class Scope:
    """What is frozen or locked together."""

    kind: str
    site: Site | None = None
    participant: Participant | None = None
    visit: Visit | None = None
    record: Record | None = None

    @classmethod
    def of_study(cls) -> Scope:
        return cls(ClosureScope.STUDY)

    @classmethod
    def of_site(cls, site: Site) -> Scope:
        return cls(ClosureScope.SITE, site=site)

    @classmethod
    def of_participant(cls, participant: Participant) -> Scope:
        return cls(ClosureScope.PARTICIPANT, participant=participant)

    @classmethod
    def of_visit(cls, visit: Visit) -> Scope:
        return cls(ClosureScope.VISIT, participant=visit.participant, visit=visit)

    @classmethod
    def of_record(cls, record: Record) -> Scope:
        return cls("record", participant=record.participant, record=record)

    @property
    def names(self) -> dict[str, Any]:
        """The columns by which a closure names this scope."""
        return {
            "scope": self.kind,
            "site_id": self.site.pk if self.site else None,
            "participant_id": self.participant.pk if self.participant else None,
            "visit_id": self.visit.pk if self.visit else None,
        }

    @property
    def site_id(self) -> int | None:
        """The site whose permissions count; None for the study."""
        if self.participant is not None:
            return self.participant.site_id
        return self.site.pk if self.site is not None else None

    @property
    def records(self) -> QuerySet[Record]:
        """Every record in the scope, whoever asks."""
        return Record.objects.filter(self.holds())

    def holds(self, prefix: str = "") -> Q:
        """The condition on a record (reached by `prefix`) for being in the scope."""
        if self.record is not None:
            return Q(**{f"{prefix}pk" if prefix == "" else prefix.removesuffix("__"): self.record.pk})
        if self.visit is not None:
            return Q(**{f"{prefix}visit": self.visit})
        if self.participant is not None:
            return Q(**{f"{prefix}participant": self.participant})
        if self.site is not None:
            return Q(**{f"{prefix}participant__site": self.site})
        return Q()

    def words(self, locale: str = "") -> str:
        """The scope by its name: “Visit Month 3 of 07-003”, “Site 07”, “The whole study”."""
        locale = locale or get_language() or "en"
        if self.visit is not None and self.participant is not None:
            label = visit_label(self.visit, definition_of(self.participant.version_id), locale)
            return _("Visit “%(visit)s” of %(code)s") % {"visit": label, "code": self.participant.code}
        if self.participant is not None:
            return _("Participant %(code)s") % {"code": self.participant.code}
        if self.site is not None:
            return _("Site %(number)s") % {"number": self.site.number}
        return _("The whole study")

    def standing(self, kind: str) -> Closure | None:
        """The closure in force of exactly this scope."""
        return Closure.objects.filter(kind=kind, lifted_at=None, **self.names).select_related("closed_by").first()


@dataclass(frozen=True)
class Blocking:
    """Queries that are not settled: how many, the first of them that the person may see, how many they may not."""

    total: int
    shown: tuple[Query, ...]
    hidden: int

    @property
    def more(self) -> int:
        return self.total - len(self.shown) - self.hidden

    def lines(self) -> list[str]:
        """Each query shown, in words: participant, visit, form, item."""
        return [_line(query) for query in self.shown]

    def links(self) -> list[dict[str, str]]:
        """Each query shown, with the address of its page."""
        return [{"label": _line(query), "url": reverse("query", args=[query.pk])} for query in self.shown]

    def words(self) -> str:
        """All of it in a sentence or two: which queries, where."""
        if not self.total:
            return ""
        said = ngettext(
            "%(n)s query is not settled: it blocks locking.",
            "%(n)s queries are not settled: they block locking.",
            self.total,
        ) % {"n": self.total}
        parts = [said, *(f"{line}." for line in self.lines())]
        if self.more > 0:
            parts.append(_("And %(n)s more.") % {"n": self.more})
        if self.hidden:
            parts.append(_("Some of them are about forms that your role does not see."))
        return " ".join(parts)


class OpenQueries(Refused):
    """Locking is refused: queries are not settled. `blocking` names them."""

    def __init__(self, blocking: Blocking) -> None:
        super().__init__(blocking.words(), code="open_queries")
        self.blocking = blocking


def blocking_queries(scope: Scope, person: Any) -> Blocking:
    """Return the unsettled queries in a scope (open, reopened, answered): they block locking, not freezing."""
    waiting = Query.objects.filter(scope.holds("record__"), state__in=UNSETTLED)
    may_see = _may_see(person, "participant__site_id")
    counts = waiting.aggregate(total=Count("pk"), seen=Count("pk", filter=may_see))
    if not counts["total"]:
        return Blocking(0, (), 0)
    seen = waiting.filter(may_see).select_related("record__visit", "participant")
    shown = seen.order_by("participant__code", "record_id", "pk")[:SHOWN]
    return Blocking(counts["total"], tuple(shown), counts["total"] - counts["seen"])


def _may_see(person: Any, site: str) -> Q:
    """The condition that leaves out what would tell an arm to this person."""
    sites = access_of(person).sites(Permission.ARM_VIEW)
    return Q(pk__isnull=False) if sites is None else Q(reveals_arm=False) | Q(**{f"{site}__in": sites})


def _line(query: Query) -> str:
    definition, locale = definition_of(query.participant.version_id), get_language() or "en"
    record = query.record
    form = definition.forms.get(record.form)
    words = [query.participant.code]
    if record.visit is not None:
        words.append(visit_label(record.visit, definition, locale))
    label = definition.text(form.label, locale) if form is not None else record.form
    words.append(f"{label} {record.number}" if record.number else label)
    if form is not None and query.item in form.items:
        words.append(definition.text(form.item(query.item).label, locale))
    return " › ".join(words)


@dataclass(frozen=True)
class Preview:
    """What closing a scope would mean, as the person may see it: forms in all, and of them those that are special."""

    records: int
    frozen: int
    locked: int
    unfinished: int
    participants: int
    held_back: int
    blocking: Blocking


def preview(scope: Scope, person: Any) -> Preview:
    """Count what a closure would cover: forms, those closed by their own mark, unfinished ones; and what blocks."""
    may_see = _may_see(person, "participant__site_id")
    records = scope.records.filter(may_see, removed_at=None)
    counts = records.aggregate(
        records=Count("pk"),
        frozen=Count("pk", filter=Q(frozen_at__isnull=False)),
        locked=Count("pk", filter=Q(locked_at__isnull=False)),
        unfinished=Count("pk", filter=Q(entry_state__in=[EntryState.IN_PROGRESS, EntryState.EXPECTED])),
        participants=Count("participant", distinct=True),
    )
    held = Finding.objects.filter(
        record__in=records, check_id__startswith="recompute:", state=FindingState.OPEN
    ).count()
    return Preview(**counts, held_back=held, blocking=blocking_queries(scope, person))
