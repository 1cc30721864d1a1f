"""Reads of participants, sites, visits and notices, each beginning with the person who asks."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404

from audit import clock
from audit.prepared import prepared

from .models import Delegation, Notice, NoticeState, Participant, Person, Site, Visit, VisitStatus
from .permissions import Permission, access_of


def sites_for(person: Any, permission: Permission = Permission.PARTICIPANT_VIEW) -> QuerySet[Site]:
    """Return the sites where the person holds a permission."""
    sites = access_of(person).sites(permission)
    return Site.objects.all() if sites is None else Site.objects.filter(pk__in=sites)


def participants_for(person: Any, permission: Permission = Permission.PARTICIPANT_VIEW) -> QuerySet[Participant]:
    """Return the participants of the sites where the person holds a permission."""
    sites = access_of(person).sites(permission)
    participants = Participant.objects.select_related("site")
    return participants if sites is None else participants.filter(site_id__in=sites)


_ALIKE = ("sex", "birth_month", "birth_year", "initials")


def alike_elsewhere() -> QuerySet[Participant]:
    """Others, at any site, with the sex, month and year of birth and initials of the outer row; nobody half known."""
    alike = Participant.objects.filter(**{field: OuterRef(field) for field in _ALIKE})
    return alike.exclude(sex="").exclude(pk=OuterRef("pk")).order_by()


def participant_or_404(person: Any, code: str, *, for_page: bool = True) -> Participant:
    """Return a participant by code; another site's participant is *not found*, exactly as a code that nobody has.

    For a page, with what every page about a participant shows (`likely_duplicate`, `with_awaited`). A program that
    sends forms shows none of it, and half of the time of finding a form goes into asking.
    """
    sites = access_of(person).sites(Permission.PARTICIPANT_VIEW)
    where = None if sites is None else tuple(sites)
    possible = code.isascii() and code.isprintable()  # PostgreSQL takes no NUL, and codes hold none of the others
    if not possible:
        found = []
    elif for_page:
        found = _for_page(code, where, clock.today())
    else:
        found = _by_code(code, where)
    if not found:
        raise Http404("No such participant.")
    return found[0]


@prepared
def _by_code(code: str, sites: tuple[int, ...] | None) -> QuerySet[Participant]:
    found = Participant.objects.select_related("site").filter(code=code)
    return found if sites is None else found.filter(site_id__in=sites)


@prepared
def _for_page(code: str, sites: tuple[int, ...] | None, today: dt.date) -> QuerySet[Participant]:
    from .consents import with_awaited  # which reads participants through this module

    found = with_awaited(Participant.objects.select_related("site"), today).annotate(
        likely_duplicate=Exists(alike_elsewhere())
    )
    return found.filter(code=code) if sites is None else found.filter(code=code, site_id__in=sites)


def ended_delegation(person: Any, participant: Participant) -> Delegation | None:
    """Return the delegation under which the person last worked with a participant, when it is over and none holds now.

    None for whoever never worked there while the participant was in the study: to them nothing is told.
    """
    today = clock.today()
    held = list(Delegation.objects.filter(person=person, site_id=participant.site_id).order_by("ends_on"))
    if any(each.is_in_force(today) for each in held):
        return None
    ended = [each for each in held if each.ends_on is not None and participant.screened_on <= each.ends_on < today]
    return ended[-1] if ended else None


def visits_of(person: Any, participant: Participant) -> QuerySet[Visit]:
    """Return the participant's visits without those that would reveal the arm to this person."""
    visits = Visit.objects.filter(participant=participant)
    if not access_of(person).has(Permission.ARM_VIEW, participant.site_id):
        visits = visits.filter(reveals_arm=False)
    return visits


def visits_for(person: Any) -> QuerySet[Visit]:
    """Return the visits of every participant that the person may see, without those that would reveal an arm."""
    visits = Visit.objects.filter(participant__in=participants_for(person)).select_related("participant__site")
    arm_sites = access_of(person).sites(Permission.ARM_VIEW)
    if arm_sites is not None:
        visits = visits.filter(Q(reveals_arm=False) | Q(participant__site_id__in=arm_sites))
    return visits


def visits_overdue(person: Any) -> QuerySet[Visit]:
    """Return planned visits whose window has closed, longest overdue first."""
    return (
        visits_for(person).filter(status=VisitStatus.PLANNED, window_end__lt=clock.today()).order_by("window_end", "pk")
    )


def visits_due(person: Any, days: int = 14) -> QuerySet[Visit]:
    """Return planned visits whose window is open, or that are planned within some days, soonest first."""
    today = clock.today()
    return (
        visits_for(person)
        .filter(
            Q(window_start__lte=today) | Q(planned_on__lte=today + dt.timedelta(days=days)),
            status=VisitStatus.PLANNED,
            window_end__gte=today,
        )
        .order_by("planned_on", "pk")
    )


def notices_for(person: Person) -> QuerySet[Notice]:
    """Return the person's notices that are not cancelled, newest first, without arms they no longer may see.

    A notice holds a code, a visit and a date: it is shown as long as its person has any role at the participant's site.
    """
    notices = Notice.objects.filter(person=person).exclude(state=NoticeState.CANCELLED).select_related("participant")
    arm_sites = access_of(person).sites(Permission.ARM_VIEW)
    if arm_sites is not None:
        notices = notices.filter(Q(reveals_arm=False) | Q(participant__site_id__in=arm_sites))
    return notices.filter(Q(participant=None) | Q(participant__in=participants_for(person, Permission.STUDY_VIEW)))


def likely_duplicates(participant: Participant) -> QuerySet[Participant]:
    """Return others, at any site, with the same sex and month and year of birth (and initials, if kept).

    For counting only: nobody is ever told who or where.
    """
    if not (participant.sex and participant.birth_month and participant.birth_year):
        return Participant.objects.none()
    alike = {field: getattr(participant, field) for field in _ALIKE}
    return Participant.objects.filter(**alike).exclude(pk=participant.pk)


def has_likely_duplicate(participant: Participant) -> bool:
    """Tell whether someone else, at any site, is likely to be the same person. The answer says not who or where."""
    return likely_duplicates(participant).exists()
