"""Bounded reads behind the trial's pages: each begins with the person, whatever the number of participants."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, DateField, F, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import TruncMonth

from audit import clock

from .models import (
    Delegation,
    Participant,
    Person,
    ScreeningOutcome,
    Site,
    SiteActivation,
    Status,
    StatusChange,
    StatusKind,
    Study,
    Version,
    Visit,
    VisitStatus,
)
from .permissions import Permission, access_of
from .selectors import participants_for, sites_for, visits_for

PAGE = 50


def next_visit(person: Person, field: str) -> Subquery:
    """Return, as an expression over participants, a field of the first planned visit.

    Visits of one arm only count for the site's own staff: a list over participants that told arms to the holder of
    "see a participant's arm" would give them the balance, which is another right.
    """
    visits = Visit.objects.filter(participant=OuterRef("pk"), status=VisitStatus.PLANNED, planned_on__isnull=False)
    access = access_of(person)
    own, arms = access.sites(Permission.VISIT_RECORD), access.sites(Permission.ARM_VIEW)
    if own is None:
        own = arms
    elif arms is not None:
        own = own & arms
    if own is not None:
        visits = visits.filter(Q(reveals_arm=False) | Q(participant__site_id__in=own))
    return Subquery(visits.order_by("planned_on", "pk").values(field)[:1])


def participants_listed(
    person: Person, *, site: str = "", status: str = "", search: str = "", sort: str = "code"
) -> QuerySet[Participant]:
    """Return participants with their next visit (`next_event`, `next_on`, `next_end`), filtered and sorted."""
    rows = participants_for(person).annotate(
        next_event=next_visit(person, "event"),
        next_on=next_visit(person, "planned_on"),
        next_end=next_visit(person, "window_end"),
    )
    if site:
        rows = rows.filter(site__number=site)
    if status:
        rows = rows.filter(status=status)
    if search:
        rows = rows.filter(code__icontains=search)
    key, descending = sort.lstrip("-"), sort.startswith("-")
    field = {"code": "code", "status": "status", "next": "next_on", "screened": "screened_on"}.get(key, "code")
    ordering = F(field).desc(nulls_last=True) if descending else F(field).asc(nulls_last=True)
    return rows.order_by(ordering, "code")


def counts_by(rows: QuerySet[Any], field: str) -> dict[str, int]:
    """Count rows per value of a field."""
    return dict(rows.order_by().values_list(field).annotate(n=Count("pk")).values_list(field, "n"))


def screenings_listed(person: Person, *, site: str = "", outcome: str = "", year: str = "") -> QuerySet[Participant]:
    """Return the screening log, newest first: every screening of the person's sites, failures included."""
    rows = participants_for(person)
    if site:
        rows = rows.filter(site__number=site)
    if outcome:
        rows = rows.filter(screening_outcome=outcome)
    if year.isdigit():
        rows = rows.filter(screening_month__year=int(year))
    return rows.order_by("-screening_month", "-pk")


@dataclass(frozen=True)
class EarlierScreening:
    """A screening that ended without inclusion and was followed by another, as the log keeps it."""

    number: int
    month: dt.date
    reason: str
    detail: str


def earlier_screenings(participants: Iterable[Participant]) -> dict[int, list[EarlierScreening]]:
    """Return the screenings before each participant's latest one, newest first; no statement if there is none."""
    again = [participant.pk for participant in participants if participant.screening > 1]
    found: dict[int, list[EarlierScreening]] = {}
    if not again:
        return found
    changes = StatusChange.objects.filter(
        participant__in=again, kind__in=(StatusKind.SCREENED, StatusKind.FAILED), reversed_at=None
    ).filter(screening__lt=F("participant__screening"))
    by_kind: dict[tuple[int, int], dict[str, StatusChange]] = {}
    for change in changes.order_by("participant", "-screening", "pk"):
        by_kind.setdefault((change.participant_id, change.screening), {})[change.kind] = change
    for (pk, number), kinds in by_kind.items():
        screened, failed = kinds[StatusKind.SCREENED], kinds[StatusKind.FAILED]
        found.setdefault(pk, []).append(
            EarlierScreening(number, screened.on.replace(day=1), failed.reason, failed.detail)
        )
    return found


def screening_years(person: Person) -> list[int]:
    """Return the years in which the person's sites screened, newest first."""
    months = participants_for(person).order_by().dates("screening_month", "year", order="DESC")
    return [day.year for day in months]


def status_story(participant: Participant) -> list[StatusChange]:
    """Return what happened to a participant, in the order of the dates, what was taken back included."""
    return list(StatusChange.objects.filter(participant=participant).order_by("on", "pk"))


def authors_of(changes: list[StatusChange]) -> dict[int, tuple[str, str]]:
    """Return, per status change, who recorded it and who wrote it last (the one who took it back)."""
    keys = [change.pk for change in changes]
    history: Any = StatusChange.history.model
    found: dict[int, tuple[str, str]] = {}
    rows = history._base_manager.filter(id__in=keys).order_by("history_id").values_list("id", "by_name")
    for key, name in rows:
        found[key] = (found[key][0] if key in found else name, name)
    return found


def people_listed(*, search: str = "", role: str = "", site: str = "", closed: bool = False) -> QuerySet[Person]:
    """Return accounts with their delegations at hand; the caller has checked that the person manages people."""
    rows = Person.objects.prefetch_related("delegations__site")
    if search:
        rows = rows.filter(
            Q(given_name__icontains=search) | Q(family_name__icontains=search) | Q(email__icontains=search)
        )
    rows = rows.filter(is_active=not closed)
    if role or site:
        today = clock.today()
        held = Delegation.objects.filter(starts_on__lte=today).filter(Q(ends_on=None) | Q(ends_on__gte=today))
        if role:
            held = held.filter(role=role)
        if site:
            held = held.filter(site__number=site)
        rows = rows.filter(pk__in=held.values("person_id"))
    return rows.order_by("family_name", "given_name", "pk")


def sites_listed(person: Person) -> QuerySet[Site]:
    """Return the person's sites with the newest version in force and, for those who may, counts of participants."""
    today = clock.today()
    version = (
        SiteActivation.objects.filter(site=OuterRef("pk"), activated_on__lte=today)
        .order_by("-version__number")
        .values("version__number")[:1]
    )
    rows = sites_for(person, Permission.STUDY_VIEW).annotate(version_number=Subquery(version))
    if not access_of(person).has(Permission.PARTICIPANT_VIEW):
        return rows.order_by("number")
    theirs = Q(participants__site__in=sites_for(person).values("pk"))
    return rows.annotate(
        screened=Count("participants", filter=theirs),
        randomized=Count("participants", filter=theirs & Q(participants__randomized_on__isnull=False)),
        last_on=Max("participants__randomized_on", filter=theirs),
    ).order_by("number")


def delegations_at(site: Site) -> list[Delegation]:
    """Return the delegation log of a site, those in force first."""
    today = clock.today()
    rows = Delegation.objects.filter(site=site).select_related("person", "site")
    return sorted(rows, key=lambda d: (not d.is_in_force(today), d.person.family_name, d.starts_on))


def activations_of(site: Site) -> list[SiteActivation]:
    """Return the versions put into force at a site, newest first."""
    found = SiteActivation.objects.filter(site=site).select_related("version").defer("version__content")
    return list(found.order_by("-version__number"))


def versions() -> list[Version]:
    """Return every published version without its content, newest first."""
    return list(Version.objects.select_related("published_by").order_by("-number"))


def version_for(person: Person) -> Version | None:
    """Return the version that a person works under: the newest in force at their sites, else the newest published."""
    sites = access_of(person).sites(Permission.STUDY_VIEW)
    if sites:
        activation = (
            SiteActivation.objects.filter(site_id__in=sites, activated_on__lte=clock.today())
            .select_related("version")
            .defer("version__content")  # the whole study
            .order_by("-version__number")
            .first()
        )
        if activation is not None:
            return activation.version
    return Version.objects.order_by("-number").first()


def activated_sites(version: Version) -> int:
    """Count the sites where the version is in force."""
    return SiteActivation.objects.filter(version=version, activated_on__lte=clock.today()).count()


@dataclass(frozen=True)
class Accrual:
    """How many were randomized, per month and in all, since when, and at how many open sites. Never by arm."""

    by_month: tuple[tuple[dt.date, int], ...]
    opened_on: dt.date | None
    sites_open: int

    @property
    def total(self) -> int:
        return sum(count for _month, count in self.by_month)

    def planned_by(self, day: dt.date, *, target: int, months: int) -> int:
        """Return how many the plan expects by a day: evenly over its months, from the first site's opening."""
        if self.opened_on is None or day < self.opened_on:
            return 0
        gone = (day - self.opened_on).days / 30.4375  # days of a mean month
        return min(target, round(target * gone / months))


def accrual(study: Study) -> Accrual:
    """Return the accrual of the whole study: totals that the registries publish too, so for everybody in the study."""
    months = (
        Participant.objects.filter(site__study=study, randomized_on__isnull=False)
        .order_by()
        .annotate(month=TruncMonth("randomized_on", output_field=DateField()))
        .values("month")
        .annotate(n=Count("pk"))
        .order_by("month")
        .values_list("month", "n")
    )
    today = clock.today()
    still_open = Q(closed_on=None) | Q(closed_on__gt=today)
    sites = Site.objects.filter(study=study, opened_on__lte=today).aggregate(
        first=Min("opened_on"), n=Count("pk", filter=still_open)
    )
    return Accrual(tuple(months), sites["first"], sites["n"])


def status_totals(person: Person) -> dict[str, int]:
    """Count the person's participants per status, and those ever randomized under "allocated"."""
    rows = participants_for(person).order_by()
    totals = rows.aggregate(
        screened=Count("pk"),
        allocated=Count("pk", filter=Q(randomized_on__isnull=False)),
        screening=Count("pk", filter=Q(status=Status.SCREENING)),
        failed=Count("pk", filter=Q(screening_outcome=ScreeningOutcome.FAILED)),
        ready=Count("pk", filter=Q(status=Status.ENROLLED)),
    )
    return {name: int(count) for name, count in totals.items()}


def visits_waiting(person: Person, *, overdue: bool) -> QuerySet[Visit]:
    """Return planned visits at the sites where the person records visits: those overdue, or those of the week."""
    today = clock.today()
    rows = visits_for(person).filter(status=VisitStatus.PLANNED)
    sites = access_of(person).sites(Permission.VISIT_RECORD)
    if sites is not None:
        rows = rows.filter(participant__site_id__in=sites)
    if overdue:
        return rows.filter(window_end__lt=today).order_by("window_end", "pk")
    return rows.filter(window_end__gte=today, planned_on__lte=today + dt.timedelta(days=7)).order_by("planned_on", "pk")
