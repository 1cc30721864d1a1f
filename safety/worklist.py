"""Serious events as work: the most urgent first, filtered, counted; each read begins with the person who asks."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Case, Count, F, IntegerField, Q, QuerySet, Value, When

from audit import clock

from .models import CaseState, SafetyCase
from .selectors import cases_for

OVERDUE, AWAITED, REPORTED, RECEIVED, CANCELLED = "overdue", "awaited", "reported", "received", "cancelled"
STATES = (OVERDUE, AWAITED, REPORTED, RECEIVED, CANCELLED)
"""What a case is at a moment: form overdue or awaited, reported, received by the sponsor, not serious after all."""


def state_of(case: SafetyCase, now: dt.datetime) -> str:
    """Return the one word for a case at a moment."""
    if case.state == CaseState.CANCELLED:
        return CANCELLED
    if case.state == CaseState.AWAITED:
        return OVERDUE if now > case.due_at else AWAITED
    return REPORTED if case.received_at is None else RECEIVED


def in_state(cases: QuerySet[SafetyCase], state: str, now: dt.datetime) -> QuerySet[SafetyCase]:
    """Return the cases that are in one of `STATES` at a moment; all of them for another word."""
    condition = _conditions(now).get(state)
    return cases if condition is None else cases.filter(condition)


def _conditions(now: dt.datetime) -> dict[str, Q]:
    return {
        OVERDUE: Q(state=CaseState.AWAITED, due_at__lt=now),
        AWAITED: Q(state=CaseState.AWAITED, due_at__gte=now),
        REPORTED: Q(state=CaseState.REPORTED, received_at=None),
        RECEIVED: Q(state=CaseState.REPORTED, received_at__isnull=False),
        CANCELLED: Q(state=CaseState.CANCELLED),
    }


def urgent_first(cases: QuerySet[SafetyCase]) -> QuerySet[SafetyCase]:
    """Order: form awaited, soonest due first; reported and not yet received; received, newest first; the rest."""
    rank = Case(
        When(state=CaseState.AWAITED, then=Value(0)),
        When(state=CaseState.REPORTED, received_at=None, then=Value(1)),
        When(state=CaseState.REPORTED, then=Value(2)),
        default=Value(3),
        output_field=IntegerField(),
    )
    # Within one rank a single one of these tells: due for what is awaited or reported, received for the others.
    due = Case(When(received_at=None, then=F("due_at")), default=None)
    return cases.annotate(rank=rank, due=due).order_by(
        "rank", F("due").asc(nulls_last=True), F("received_at").desc(nulls_last=True), "-pk"
    )


def listed(person: Any, *, state: str = "", site: str = "") -> QuerySet[SafetyCase]:
    """Return the person's cases, filtered, the most urgent first."""
    cases = in_state(cases_for(person), state, clock.now())
    if site:
        cases = cases.filter(participant__site__number=site)
    return urgent_first(cases)


def counts(person: Any, *, site: str = "") -> dict[str, int]:
    """Count the person's cases in each of `STATES`, in one statement."""
    cases = cases_for(person).order_by()
    if site:
        cases = cases.filter(participant__site__number=site)
    found = cases.aggregate(
        **{name: Count("pk", filter=condition) for name, condition in _conditions(clock.now()).items()}
    )
    return {name: int(count) for name, count in found.items()}


def counts_by_site(person: Any, *, state: str = "") -> dict[str, int]:
    """Count the person's cases per site number."""
    cases = in_state(cases_for(person), state, clock.now()).order_by()
    return dict(
        cases.values_list("participant__site__number")
        .annotate(n=Count("pk"))
        .values_list("participant__site__number", "n")
    )


def waiting(person: Any) -> QuerySet[SafetyCase]:
    """Return what the person can do something about: forms awaited, and for those who receive, reports to be seen."""
    from trial.permissions import Permission, can

    wanted = Q(state=CaseState.AWAITED)
    if can(person, Permission.SAFETY_RECEIVE):
        wanted |= Q(state=CaseState.REPORTED, received_at=None)
    return urgent_first(cases_for(person).filter(wanted))
