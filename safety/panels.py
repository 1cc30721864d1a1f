"""What safety adds to pages of rooms below: the home page, the navigation's count, the casebook."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from audit import clock
from ecrf.casebooks import Casebook, Event, Panel, Step
from trial import home_panels
from trial.links import optional_url
from trial.models import Person
from trial.permissions import Permission, access_of, can

from . import worklist
from .models import SafetyCase
from .presenters import clock_of, row_of, state_words
from .selectors import cases_for
from .worklist import AWAITED, OVERDUE, REPORTED


def waiting_cases(person: Person) -> QuerySet[SafetyCase]:
    """Return the serious events that the person can do something about, for the count beside the navigation."""
    return worklist.waiting(person)


def home_panel(person: Person) -> home_panels.Panel | None:
    """Serious events whose report is awaited, with the clock; for those who receive, reports not seen yet."""
    if not access_of(person).has(Permission.SAFETY_VIEW):
        return None
    found, total = home_panels.first_rows(worklist.waiting(person))
    now = clock.now()
    return home_panels.Panel(
        title=_("Serious adverse events"),
        icon="pulse",
        rows=[_row(case, person, now) for case in found],
        count=total,
        url=reverse("safety"),
        url_label=_("All serious adverse events"),
        empty=_("No report is awaited."),
        tone="danger",
    )


def _row(case: SafetyCase, person: Person, now: Any) -> home_panels.Row:
    row = row_of(case, person, now)
    grade = _("grade %(grade)s") % {"grade": row.grade} if row.grade else ""
    return home_panels.Row(
        label=f"{case.participant.code} · {row.term}",
        url=row.form_url or row.event_url or reverse("safety"),
        note=grade,
        state="" if row.clock else row.icon,
        state_label="" if row.clock else row.state_label,
        clock=row.clock,
    )


def casebook_panel(casebook: Casebook) -> Panel | None:
    """The report that the site owes, as the first thing that is missing; and the serious events of the story."""
    person, participant = casebook.person, casebook.participant
    if not can(person, Permission.SAFETY_VIEW, participant.site_id):
        return None
    now = clock.now()
    steps, events = [], []
    for case in worklist.urgent_first(cases_for(person).filter(participant=participant)):
        row = row_of(case, person, now)
        if row.state in (OVERDUE, AWAITED):
            words = clock_of(case, now)
            left = words["remaining"].rpartition(":")[0]
            note = _("%(time)s late") if words["late"] else _("%(time)s left")
            steps.append(
                Step(
                    _("Serious event to report: %(term)s") % {"term": row.term},
                    row.form_url or row.event_url,
                    note % {"time": left},
                    row.icon,
                    order=1,
                )
            )
        if row.state == REPORTED and row.may_receive:
            steps.append(Step(_("Serious event to receive: %(term)s") % {"term": row.term}, reverse("safety"), order=2))
        events.append(
            Event(
                timezone.localtime(case.aware_at).date(),
                _("Serious adverse event: %(term)s") % {"term": row.term},
                state_words(row.state),
                row.form_url or row.event_url or optional_url("safety"),
                icon="pulse",
                tone="danger" if row.state in (OVERDUE, AWAITED) else "warn",
            )
        )
    return Panel(steps=tuple(steps), events=tuple(events)) if events else None
