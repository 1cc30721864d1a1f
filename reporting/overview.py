"""How the study goes, in counts: accrual against the plan, screening failures, queries by age, visits overdue.

Nothing here is by arm. Each figure is one statement, whatever the number of participants, over the sites of the person.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, F, IntegerField, Q, Value, When

from audit import clock
from ecrf.models import UNSETTLED
from ecrf.selectors import queries_for
from trial.models import ScreeningOutcome, Site, Status
from trial.permissions import Access, Permission, access_of
from trial.selectors import participants_for, sites_for, visits_overdue
from trial.statuses import OTHER

AGES = (7, 30, 90)
"""Ends of the ages of open queries, in days: up to 7, up to 30, up to 90, older."""
MONTHS_SHOWN = 24
"""How many of the last months the bars show."""
MOST_REASONS = 12
"""How many reasons of screening failures are told apart."""
FOLLOWS = (Permission.EXPORT, Permission.QUERY_ASK, Permission.LEDGER_VIEW)
"""Who follows sites holds one of these, and sees participants."""


def is_open_to(access: Access) -> bool:
    """Tell whether the overview is for somebody: those who follow sites, not those who work at one."""
    return access.has(Permission.PARTICIPANT_VIEW) and any(access.has(permission) for permission in FOLLOWS)


@dataclass
class SiteFigures:
    """One site's numbers."""

    site: Site
    screened: int = 0
    screening: int = 0
    failed: int = 0
    randomized: int = 0
    overdue: int = 0
    queries: tuple[int, ...] = (0,) * (len(AGES) + 1)

    @property
    def open_queries(self) -> int:
        return sum(self.queries)


def figures_by_site(person: Any) -> list[SiteFigures]:
    """Return the numbers of every site that the person follows, by site number."""
    found = {site.pk: SiteFigures(site) for site in sites_for(person).order_by("number")}
    counted = (
        participants_for(person)
        .order_by()
        .values("site_id")
        .annotate(
            screened=Count("pk"),
            in_screening=Count("pk", filter=Q(status=Status.SCREENING)),
            failures=Count("pk", filter=Q(screening_outcome=ScreeningOutcome.FAILED)),
            allocated=Count("pk", filter=Q(randomized_on__isnull=False)),
        )
    )
    for row in counted:
        figures = found[row["site_id"]]
        figures.screened, figures.screening = row["screened"], row["in_screening"]
        figures.failed, figures.randomized = row["failures"], row["allocated"]
    overdue = visits_overdue(person).order_by().values_list("participant__site_id").annotate(n=Count("pk"))
    for site_id, count in overdue:
        found[site_id].overdue = count
    for site_id, age, count in _queries_by_age(person):
        ages = list(found[site_id].queries)
        ages[age] = count
        found[site_id].queries = tuple(ages)
    return list(found.values())


def _queries_by_age(person: Any) -> Any:
    now = clock.now()
    bounds = [When(opened_at__gte=now - dt.timedelta(days=days), then=Value(at)) for at, days in enumerate(AGES)]
    age = Case(*bounds, default=Value(len(AGES)), output_field=IntegerField())
    opened = queries_for(person).filter(state__in=UNSETTLED).order_by()
    return (
        opened.annotate(age=age)
        .values_list("participant__site_id", "age")
        .annotate(n=Count("pk"))
        .values_list("participant__site_id", "age", "n")
    )


def failures_by_reason(person: Any) -> list[tuple[str, str, int]]:
    """Return (reason code, detail, count) of the screenings that ended without inclusion, most frequent first.

    The detail is told apart under "other" only, where it is the reason as it was typed.
    """
    rows = participants_for(person).filter(screening_outcome=ScreeningOutcome.FAILED).order_by()
    detail = Case(When(failure_reason__in=["", OTHER], then=F("failure_detail")), default=Value(""))
    counted = rows.annotate(detail=detail).values("failure_reason", "detail").annotate(n=Count("pk"))
    ordered = counted.order_by(F("n").desc(), "failure_reason", "detail")[:MOST_REASONS]
    return [(row["failure_reason"], row["detail"], row["n"]) for row in ordered]


@dataclass(frozen=True)
class Month:
    """One month of accrual: randomized in it, in all by its end (None for months to come), planned by its end."""

    first: dt.date
    randomized: int
    total: int | None
    planned: int


def accrual_by_month(
    by_month: tuple[tuple[dt.date, int], ...], opened_on: dt.date | None, *, target: int, months: int, today: dt.date
) -> list[Month]:
    """Lay the months of the plan side by side with what was randomized; from the first site's opening on."""
    if opened_on is None:
        return []
    held = dict(by_month)
    found: list[Month] = []
    total, at = 0, opened_on.replace(day=1)
    last = max([today.replace(day=1), *held])
    while at <= last or len(found) < months:
        randomized = held.get(at, 0)
        total += randomized
        planned = min(target, round(target * (len(found) + 1) / months))
        found.append(Month(at, randomized, total if at <= last else None, planned))
        at = (at + dt.timedelta(days=32)).replace(day=1)
    return found


def sees_overview(person: Any) -> bool:
    """Tell whether the person may open the overview."""
    return is_open_to(access_of(person))
