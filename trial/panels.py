"""The trial's own panels of the home page: visits, screenings, accrual, sites, people."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Count, Q
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import get_language, ngettext, pgettext
from django.utils.translation import gettext as _

from audit import clock

from . import home_panels, listings
from .consents import awaiting_for
from .definitions import current_study, definition_of
from .home_panels import Bar, Panel, Row, Stat, first_rows
from .links import casebook_url, visit_anchor
from .models import Delegation, Participant, Person, Site, Status, Visit
from .permissions import Permission, access_of
from .presenters import date_words, visit_label
from .selectors import participants_for, sites_for

SOON = dt.timedelta(days=30)
BARS = 12
"""How many months the accrual panel shows."""
BAR = 36
"""Width of one month in the drawing."""


def visits_overdue(person: Person) -> Panel | None:
    """Visits whose window has closed and that nobody has dated or said missed, longest overdue first."""
    if not access_of(person).has(Permission.VISIT_RECORD):
        return None
    found, total = first_rows(listings.visits_waiting(person, overdue=True))
    return Panel(
        title=_("Visits overdue"),
        icon="state-overdue",
        rows=[_visit_row(visit, overdue=True) for visit in found],
        count=total,
        url=reverse("participants") + "?sort=next",
        url_label=_("Participants by next visit"),
        empty=_("No visit is overdue."),
        tone="danger",
    )


def visits_this_week(person: Person) -> Panel | None:
    """Visits whose window is open or that are planned within seven days, soonest first."""
    if not access_of(person).has(Permission.VISIT_RECORD):
        return None
    found, total = first_rows(listings.visits_waiting(person, overdue=False))
    return Panel(
        title=_("Visits due this week"),
        icon="calendar",
        rows=[_visit_row(visit, overdue=False) for visit in found],
        count=total,
        url=reverse("participants") + "?sort=next",
        url_label=_("Participants by next visit"),
        empty=_("No visit is due this week."),
    )


def in_screening(person: Person) -> Panel | None:
    """Screenings that are open, oldest first: each ends with randomization or with a reason."""
    if not access_of(person).has(Permission.PARTICIPANT_SCREEN):
        return None
    rows = participants_for(person, Permission.PARTICIPANT_SCREEN).filter(status=Status.SCREENING)
    found, total = first_rows(rows.order_by("screened_on", "pk"))
    return Panel(
        title=_("In screening"),
        icon="state-screening",
        rows=[_screening_row(participant) for participant in found],
        count=total,
        url=reverse("screening_log"),
        url_label=_("Screening log"),
        empty=_("Nobody is in screening."),
    )


def consents_pending(person: Person) -> Panel | None:
    """Participants who are to consent to a new version: a warning, which blocks nothing."""
    if not access_of(person).has(Permission.STATUS_RECORD):
        return None
    found, total = first_rows(awaiting_for(person))
    if not found:
        return None
    return Panel(
        title=_("Consent to a new version"),
        icon="edit",
        rows=[
            Row(label=participant.code, url=reverse("participant_consents", args=[participant.code]), state="due")
            for participant in found
        ],
        count=total,
    )


def accrual(person: Person) -> Panel | None:
    """Randomizations against the plan, for those whose role covers the whole study; never by arm."""
    access = access_of(person)
    if Permission.STUDY_VIEW not in access.everywhere or access.has(Permission.PEOPLE_MANAGE):
        return None
    study, version = current_study(), listings.version_for(person)
    if study is None or version is None:
        return None
    plan = definition_of(version.pk).study.accrual
    figures = listings.accrual(study)
    today = clock.today()
    planned = figures.planned_by(today, target=plan.target, months=plan.months)
    behind = planned - figures.total
    if behind > 0:
        note = ngettext("%(n)s behind the plan", "%(n)s behind the plan", behind) % {"n": behind}
    else:
        note = _("on plan or ahead")
    return Panel(
        title=_("Accrual"),
        icon="chart",
        note=note,
        stats=[
            Stat(pgettext("participants", "Randomized"), figures.total, of=plan.target, icon="randomize"),
            Stat(_("Planned by today"), planned, of=plan.target, icon="calendar"),
            Stat(_("Sites open"), figures.sites_open, of=plan.sites, icon="site", url=reverse("sites")),
        ],
        bars=[
            Bar(pgettext("participants", "Randomized"), figures.total, plan.target, f"{figures.total} / {plan.target}"),
            Bar(_("Planned by today"), planned, plan.target, f"{planned} / {plan.target}", tone="rest"),
        ],
        wide=True,
        template="trial/_accrual.html",
        data={"chart": accrual_chart(dict(figures.by_month), today, per_month=plan.target / plan.months)},
    )


def accrual_chart(by_month: dict[dt.date, int], today: dt.date, *, per_month: float) -> dict[str, Any]:
    """Return the last months as bars of a drawing 100 units high, with the plan's mean as a line across.

    Months without a randomization are there too. Numbers are plain integers for SVG attributes.
    """
    months: list[dt.date] = []
    first = today.replace(day=1)
    for _step in range(BARS):
        months.insert(0, first)
        first = (first - dt.timedelta(days=1)).replace(day=1)
    most = max([*(by_month.get(month, 0) for month in months), per_month, 1])
    bars = []
    for place, month in enumerate(months):
        count = by_month.get(month, 0)
        height = round(100 * count / most)
        bars.append(
            {
                "x": place * BAR + 4,
                "middle": place * BAR + BAR // 2,
                "y": 100 - height,
                "height": height,
                "count": count,
                "label_y": 100 - height - 4,
                "month": f"{month:%m/%y}" if place % 2 else "",
                "title": f"{month:%m/%Y}",
                "width": BAR - 8,
            }
        )
    plan_y = 100 - round(100 * per_month / most)
    return {"bars": bars, "width": BARS * BAR, "plan_y": plan_y, "mean": number_format(per_month, 1)}


def site_numbers(person: Person) -> Panel | None:
    """For those who follow sites: what is overdue and what is in screening, per site."""
    access = access_of(person)
    if access.has(Permission.VISIT_RECORD) or not access.has(Permission.PARTICIPANT_VIEW):
        return None
    today = clock.today()
    theirs = Q(participants__site__in=sites_for(person).values("pk"))
    found, total = first_rows(
        sites_for(person)
        .annotate(
            in_screening=Count("participants", filter=theirs & Q(participants__status=Status.SCREENING)),
            allocated=Count("participants", filter=theirs & Q(participants__randomized_on__isnull=False)),
        )
        .filter(Q(closed_on=None) | Q(closed_on__gt=today))
        .order_by("-allocated", "number")
    )
    return Panel(
        title=_("Sites"),
        icon="site",
        rows=[_site_row(site) for site in found],
        count=total,
        url=reverse("sites"),
        url_label=_("All sites"),
        empty=_("No site is open yet."),
    )


def delegations_ending(person: Person) -> Panel | None:
    """For the administrator: roles that end within 30 days."""
    if not access_of(person).has(Permission.PEOPLE_MANAGE):
        return None
    today = clock.today()
    rows = (
        Delegation.objects.filter(ends_on__gte=today, ends_on__lte=today + SOON, person__is_active=True)
        .select_related("person", "site")
        .order_by("ends_on", "pk")
    )
    found, total = first_rows(rows)
    return Panel(
        title=_("Roles that end within 30 days"),
        icon="users",
        rows=[_delegation_row(delegation) for delegation in found],
        count=total,
        url=reverse("people"),
        url_label=_("All people"),
        empty=_("No role ends soon."),
    )


def register() -> None:
    """Put the trial's panels on the home page, the most pressing first."""
    home_panels.register("trial.overdue", visits_overdue, order=10)
    home_panels.register("trial.consents", consents_pending, order=15)
    home_panels.register("trial.week", visits_this_week, order=20)
    home_panels.register("trial.screening", in_screening, order=50)
    home_panels.register("trial.accrual", accrual, order=5)
    home_panels.register("trial.sites", site_numbers, order=60)
    home_panels.register("trial.delegations", delegations_ending, order=60)


def _locale() -> str:
    return get_language() or "en"


def _day(on: dt.date | None) -> str:
    return date_words(on, _locale())


def _visit_row(visit: Visit, *, overdue: bool) -> Row:
    definition = definition_of(visit.participant.version_id)
    if overdue and visit.window_end is not None:
        late = (clock.today() - visit.window_end).days
        when = ngettext("%(n)s day late", "%(n)s days late", late) % {"n": late}
    else:
        when = _day(visit.planned_on)
    return Row(
        label=f"{visit.participant.code} · {visit_label(visit, definition, _locale())}",
        url=casebook_url(visit.participant, visit_anchor(visit)),
        note=_("window until %(date)s") % {"date": _day(visit.window_end)} if visit.window_end else "",
        when=when,
        state="overdue" if overdue else "due",
    )


def _screening_row(participant: Participant) -> Row:
    days = (clock.today() - participant.screened_on).days
    return Row(
        label=participant.code,
        url=casebook_url(participant),
        note=_("consented") if participant.consented_on else _("no consent recorded yet"),
        when=ngettext("since %(n)s day", "since %(n)s days", days) % {"n": days} if days else _("today"),
        state="screening",
    )


def _site_row(site: Site) -> Row:
    waiting = site.in_screening  # type: ignore[attr-defined]
    allocated = site.allocated  # type: ignore[attr-defined]
    return Row(
        label=f"{site.number} {site.name}",
        url=reverse("site", args=[site.number]),
        note=_("%(n)s in screening") % {"n": waiting},
        when=_("%(n)s randomized") % {"n": allocated},
    )


def _delegation_row(delegation: Delegation) -> Row:
    place = delegation.site.number if delegation.site else _("every site")
    return Row(
        label=delegation.person.printed_name,
        url=reverse("person", args=[delegation.person_id]),
        note=f"{delegation.get_role_display()} · {place}",
        when=_day(delegation.ends_on),
    )
