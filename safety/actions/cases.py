"""Serious adverse events: a case opens when an event is said to be serious, and its clock runs from awareness."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from ecrf.actions.milestones import value_at
from ecrf.models import EntryState, Record
from trial.actions import notices
from trial.definition import Definition
from trial.definitions import definition_of
from trial.models import Delegation, Participant, Person, Role
from trial.permissions import Permission, check

from ..models import CaseState, SafetyCase
from ..section import SafetySection


def follow(record: Record, changed: frozenset[str], by: Person) -> None:
    """Open, move or close the case that a saved adverse event or serious event form calls for (runs in that save)."""
    definition = definition_of(record.participant.version_id)
    section: SafetySection | None = definition.section("safety")
    if section is None:
        return
    if record.form == section.forms.adverse_event:
        _follow_event(record, definition, section, by)
    elif record.form == section.forms.serious:
        _follow_serious(record, definition, section, by)


def _follow_event(record: Record, definition: Definition, section: SafetySection, by: Person) -> None:
    serious = value_at(record, definition, section.items.serious) is True and record.removed_at is None
    case = SafetyCase.objects.filter(adverse_event=record).first()
    if serious and case is None:
        aware_at = clock.now()
        case = audit.save(
            SafetyCase(
                participant=record.participant,
                adverse_event=record,
                aware_at=aware_at,
                due_at=_due_at(aware_at, section),
            ),
            by=by,
        )
        audit.deed("safety.case_opened", case, by=by, event=record.number, due_at=case.due_at)
        _tell(case, record.participant, by)
        written_before = _form_of(case, definition, section)
        if written_before is not None:
            _follow_serious(written_before, definition, section, by)
    elif serious and case is not None and case.state == CaseState.CANCELLED:
        case.state = CaseState.REPORTED if case.reported_at else CaseState.AWAITED
        audit.save(case, by=by)
        audit.deed("safety.case_reopened", case, by=by)
    elif not serious and case is not None and case.state == CaseState.AWAITED:
        case.state = CaseState.CANCELLED
        audit.save(case, by=by)
        audit.deed("safety.case_cancelled", case, by=by)


def _follow_serious(record: Record, definition: Definition, section: SafetySection, by: Person) -> None:
    """Tie a serious event form to its case: its awareness time sets the clock, its completion meets it."""
    tied = SafetyCase.objects.filter(serious_event=record).first()
    case = _case_of(record, definition, section) if record.removed_at is None else None
    if tied is not None and tied != case:
        _untie(tied, by)
    if case is None:
        return
    aware_at = _moment(value_at(record, definition, section.items.aware_at))
    before = (case.serious_event_id, case.aware_at, case.due_at, case.reported_at, case.state)
    case.serious_event = record
    if aware_at is not None:
        case.aware_at = aware_at
        case.due_at = _due_at(aware_at, section)
    if record.entry_state == EntryState.COMPLETE and case.reported_at is None:
        case.reported_at = clock.now()
        case.state = CaseState.REPORTED
    if before == (case.serious_event_id, case.aware_at, case.due_at, case.reported_at, case.state):
        return
    audit.save(case, by=by)
    if before[3] is None and case.reported_at is not None:
        audit.deed("safety.case_reported", case, by=by, late=case.reported_at > case.due_at)
        _tell_sponsor(case, record.participant, by)


def _untie(case: SafetyCase, by: Person) -> None:
    """Take a form from a case: it was removed, or speaks of another event. The site owes its report again."""
    case.serious_event = None
    case.reported_at = None
    if case.state == CaseState.REPORTED:
        case.state = CaseState.AWAITED
    audit.save(case, by=by)
    audit.deed("safety.case_form_withdrawn", case, by=by)


def _case_of(record: Record, definition: Definition, section: SafetySection) -> SafetyCase | None:
    """Find the case of the adverse event that the serious event form points to, unless it has another form."""
    number = _linked_number(record, definition, section)
    if number is None:
        return None
    cases = SafetyCase.objects.filter(participant=record.participant, adverse_event__number=number)
    free = cases.filter(serious_event=None).exclude(state=CaseState.CANCELLED)
    return cases.filter(serious_event=record).first() or free.first()


def _form_of(case: SafetyCase, definition: Definition, section: SafetySection) -> Record | None:
    """Find the serious event form that was written before the event itself was said to be serious."""
    forms = Record.objects.filter(
        participant=case.participant, form=section.forms.serious, removed_at=None
    ).order_by("number")  # fmt: skip
    for form in forms:
        form.participant = case.participant
        if _linked_number(form, definition, section) == case.adverse_event.number:
            return form
    return None


def _linked_number(record: Record, definition: Definition, section: SafetySection) -> int | None:
    reference = section.items.linked_event or _link_to(definition, section)
    number = value_at(record, definition, reference) if reference is not None else None
    return int(str(number)) if number is not None else None


def _link_to(definition: Definition, section: SafetySection) -> str | None:
    for item in definition.form(section.forms.serious).items.values():
        if item.link == section.forms.adverse_event:
            return f"{section.forms.serious}.{item.id}"
    return None


def _due_at(aware_at: dt.datetime, section: SafetySection) -> dt.datetime:
    """Count elapsed hours: a night on which the time changes makes the delay neither longer nor shorter."""
    return aware_at.astimezone(dt.UTC) + dt.timedelta(hours=section.notify_hours())


@transaction.atomic
def receive(*, case: SafetyCase, by: Person) -> SafetyCase:
    """Record that the sponsor has seen the report: day 0 of the sponsor's own clocks."""
    check(by, Permission.SAFETY_RECEIVE, case.participant.site_id)
    current = SafetyCase.objects.select_for_update(no_key=True, of=("self",)).get(pk=case.pk)
    if current.received_at is not None:
        raise Refused(_("This event is already received."))
    if current.state == CaseState.CANCELLED:
        raise Refused(_("This event is no longer serious."))
    current.received_at = clock.now()
    current.received_by = by
    audit.save(current, by=by)
    audit.deed("safety.case_received", current, by=by)
    return current


def _moment(value: Any) -> dt.datetime | None:
    """Read a typed date and time as the time of the study's zone."""
    if not isinstance(value, dt.datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=ZoneInfo(settings.TIME_ZONE))


def _tell(case: SafetyCase, participant: Participant, by: Person) -> None:
    """Owe the safety officers and the site's investigators and coordinators a notice that the clock runs."""
    _owe("safety_case", case, participant, (Role.INVESTIGATOR, Role.CO_INVESTIGATOR, Role.COORDINATOR), by)


def _tell_sponsor(case: SafetyCase, participant: Participant, by: Person) -> None:
    _owe("safety_reported", case, participant, (), by)


def _owe(kind: str, case: SafetyCase, participant: Participant, site_roles: tuple[str, ...], by: Person) -> None:
    today = clock.today()
    delegations = Delegation.objects.filter(person__is_active=True).select_related("person")
    people = {
        d.person
        for d in delegations
        if d.is_in_force(today)
        and (
            (d.role == Role.SAFETY_OFFICER and d.site_id is None)
            or (d.role in site_roles and d.site_id == participant.site_id)
        )
    }
    notices.owe(
        kind=kind,
        people=people,
        key=f"{kind}:{case.pk}",
        participant=participant,
        context={"site": participant.site.number, "code": participant.code, "date": today.isoformat()},
        url="/safety/",
        by=by,
    )
