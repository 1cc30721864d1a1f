"""Planning visits, and what happened to them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from audit.prepared import prepared
from trial.definition import Definition, Phase, VisitDefinition
from trial.schedule import expected
from trial.schedule import plan as plan_dates

from .. import barriers, facts
from ..definitions import definition_of
from ..free_text import kept
from ..locks import lock_participant
from ..models import Participant, Person, StatusChange, StatusKind, Visit, VisitStatus
from ..permissions import Permission, check
from ..statuses import facts_of, is_of_earlier_screening, occurrence_of
from . import notices


@transaction.atomic
def plan(*, participant: Participant, anchor: str, by: Person | None) -> list[Visit]:
    """Add the visits that hang on an anchor whose date is now known; moves those not yet done when it moved.

    Only visits of everybody or of the participant's pathway are planned. Visits already done, missed or dated stay.
    Returns what was added or moved.
    """
    return _plan(participant, anchor, by, visits_of(participant))


def _plan(participant: Participant, anchor: str, by: Person | None, standing: list[Visit]) -> list[Visit]:
    definition = definition_of(participant.version_id)
    held = {(v.event, v.occurrence): v for v in standing}
    changed: list[Visit] = []
    for place in plan_dates(definition, facts_of(participant)):
        if place.visit.anchor != anchor:
            continue
        occurrence = occurrence_of(place.visit.id, participant, definition)
        visit = held.get((place.visit.id, occurrence)) or Visit(
            participant=participant,
            event=place.visit.id,
            occurrence=occurrence,
            order=place.visit.order,
            reveals_arm=definition.reveals_arm(visit_id=place.visit.id),
        )
        if visit.actual_on is not None or visit.status in (VisitStatus.DONE, VisitStatus.MISSED):
            continue
        dates = (place.planned_on, place.window_start, place.window_end)
        if visit.pk and (visit.planned_on, visit.window_start, visit.window_end) == dates:
            continue
        visit.planned_on, visit.window_start, visit.window_end = dates
        changed.append(visit)
    new = [visit for visit in changed if visit.pk is None]
    if new:
        audit.save_many(new, by=by)
    for visit in changed:
        if visit not in new:
            audit.save(visit, by=by)
    return changed


@transaction.atomic
def follow(*, participant: Participant, anchor: str | None, by: Person | None) -> None:
    """Plan what hangs on an anchor, if one is given, and settle all visits.

    What is no longer expected is marked as not applicable, what is expected again as planned. Only visits that nobody
    has dated, missed or filled are settled: nothing that is not expected is ever counted as missing, overdue or
    reminded.
    """
    standing = visits_of(participant)
    moved = _plan(participant, anchor, by, standing) if anchor is not None else []
    _settle(participant, by, [*standing, *(visit for visit in moved if visit not in standing)])


def _settle(participant: Participant, by: Person | None, standing: Iterable[Visit]) -> None:
    definition = definition_of(participant.version_id)
    facts = facts_of(participant)
    changed: list[Visit] = []
    for visit in standing:
        if visit.actual_on is not None or visit.status not in (VisitStatus.PLANNED, VisitStatus.NOT_APPLICABLE):
            continue
        definition_visit = definition.visit(visit.event)
        wanted = (
            VisitStatus.PLANNED
            if expected(definition_visit, facts, planned_on=visit.planned_on)
            and not is_of_earlier_screening(visit, participant, definition)
            else VisitStatus.NOT_APPLICABLE
        )
        if visit.status != wanted:
            visit.status = wanted
            changed.append(visit)
    if changed:
        audit.save_many(changed, by=by)
        notices.cancel_settled(participant=participant, by=by)


def visits_of(participant: Participant) -> list[Visit]:
    """All visits of a participant who is locked."""
    return list(_visits(participant.pk))


@prepared
def _visits(participant_id: int) -> QuerySet[Visit]:
    return Visit.objects.filter(participant_id=participant_id)


@transaction.atomic
def record_date(*, visit: Visit, on: dt.date, by: Person, reason: str = "") -> Visit:
    """Record the day on which the visit took place; changing a recorded day asks for the reason."""
    reason = kept(reason)
    visit = _locked(visit, by)
    participant = visit.participant
    if on > clock.today():
        raise Refused(_("A visit cannot take place in the future."))
    if participant.died_on is not None and on > participant.died_on:
        raise Refused(_("%(code)s died before this date.") % {"code": participant.code})
    definition = definition_of(participant.version_id)
    if on < _screened_on(visit, participant, definition):
        raise Refused(_("This date is before the screening."))
    if visit.status == VisitStatus.MISSED:
        raise Refused(_("This visit is recorded as missed. Reopen the visit first."), code="visit_missed")
    _check_still_takes_part(participant, definition.visit(visit.event), on)
    if visit.actual_on == on:
        return visit
    if visit.actual_on is not None and not reason:
        raise Refused(_("Give the reason for changing the date of the visit."), code="reason_needed")
    is_moved = visit.actual_on is not None
    visit.actual_on = on
    visit.status = VisitStatus.DONE
    visit.missed_reason = ""
    audit.save(visit, by=by, reason=reason)
    audit.deed(
        "visit.dated", visit, by=by, reveals_arm=visit.reveals_arm, event=visit.event, on=on, reason=reason
    )  # fmt: skip
    notices.cancel_settled(participant=participant, by=by)
    if is_moved:
        facts.changed(participant, "visit.date", by=by, visit=visit)
    return visit


@transaction.atomic
def miss(*, visit: Visit, reason: str, by: Person) -> Visit:
    """Record that the visit did not take place, and why: its forms are settled at once."""
    visit = _locked(visit, by)
    reason = kept(reason, needed=_("Give the reason why the visit was missed."))
    if visit.actual_on is not None:
        raise Refused(_("This visit has a date: it took place."))
    if visit.status == VisitStatus.MISSED:
        raise Refused(_("This visit is already recorded as missed."))
    if visit.status == VisitStatus.NOT_APPLICABLE:
        raise Refused(_("This visit is not expected: there is nothing to miss."))
    if visit.planned_on is not None and visit.planned_on > clock.today():
        raise Refused(_("This visit is planned for later: it cannot be missed yet."))
    visit.status = VisitStatus.MISSED
    visit.missed_reason = reason
    audit.save(visit, by=by, reason=reason)
    audit.deed(
        "visit.missed", visit, by=by, reveals_arm=visit.reveals_arm, event=visit.event, reason=reason
    )  # fmt: skip
    notices.cancel_settled(participant=visit.participant, by=by)
    return visit


@transaction.atomic
def reopen(*, visit: Visit, reason: str, by: Person) -> Visit:
    """Take back “missed”, recorded by mistake: the visit is planned again."""
    visit = _locked(visit, by)
    if visit.status != VisitStatus.MISSED:
        raise Refused(_("This visit is not recorded as missed."))
    reason = kept(reason, needed=_("Give the reason."))
    visit.status = VisitStatus.PLANNED
    visit.missed_reason = ""
    audit.save(visit, by=by, reason=reason)
    audit.deed(
        "visit.reopened", visit, by=by, reveals_arm=visit.reveals_arm, event=visit.event, reason=reason
    )  # fmt: skip
    participant = visit.participant
    follow(participant=participant, anchor=definition_of(participant.version_id).visit(visit.event).anchor, by=by)
    visit.refresh_from_db()
    visit.participant = participant
    return visit


@transaction.atomic
def add_on_demand(*, participant: Participant, event: str, on: dt.date, by: Person) -> Visit:
    """Add a visit that the plan does not date (unscheduled, or following an event), on the day it took place."""
    check(by, Permission.VISIT_RECORD, participant.site_id)
    definition = definition_of(participant.version_id)
    participant = lock_participant(participant.pk)
    barriers.check_open(participant)
    if event not in {visit.id for visit in on_demand_visits(participant)}:
        raise Refused(_("This visit cannot be added by hand for %(code)s.") % {"code": participant.code})
    if on > clock.today():
        raise Refused(_("A visit cannot take place in the future."))
    if on < participant.screened_on or (participant.died_on is not None and on > participant.died_on):
        raise Refused(_("This date is outside the participation of %(code)s.") % {"code": participant.code})
    _check_still_takes_part(participant, definition.visit(event), on)
    last = Visit.objects.filter(participant=participant, event=event).aggregate(n=Max("occurrence"))["n"] or 0
    visit = audit.save(
        Visit(
            participant=participant,
            event=event,
            occurrence=last + 1,
            order=definition.visit(event).order,
            reveals_arm=definition.reveals_arm(visit_id=event),
            actual_on=on,
            status=VisitStatus.DONE,
        ),
        by=by,
    )
    audit.deed("visit.added", visit, by=by, reveals_arm=visit.reveals_arm, event=event, on=on)
    return visit


def on_demand_visits(participant: Participant) -> list[VisitDefinition]:
    """List the visits of the plan that may be added by hand for the participant as things stand.

    None before consent and after a screen failure. A withdrawal does not close them: a progression, a death or the end
    of the study is still recorded, and so is an unscheduled visit that took place before it (its date is checked).
    """
    definition = definition_of(participant.version_id)
    if participant.consented_on is None or participant.failed_on is not None:
        return []
    held = set(Visit.objects.filter(participant=participant).values_list("event", flat=True))
    return [
        visit
        for visit in definition.visits_for(participant.pathway or None)
        if visit.on_demand and (visit.unscheduled or visit.id not in held)
    ]


def _screened_on(visit: Visit, participant: Participant, definition: Definition) -> dt.date:
    """The day of the screening to which the visit belongs: of the latest one, unless it is of an earlier one."""
    if is_of_earlier_screening(visit, participant, definition):
        changes = StatusChange.objects.filter(participant=participant, kind=StatusKind.SCREENED, reversed_at=None)
        return changes.get(screening=visit.occurrence).on
    return participant.screened_on


def _check_still_takes_part(participant: Participant, visit: VisitDefinition, on: dt.date) -> None:
    """Nobody comes to a visit after withdrawing from visits; survival is followed until a withdrawal from all contact.

    What is recorded of the participant without a visit (progression, death, end of study) may bear any date.
    """
    if visit.phase is Phase.EVENT and not visit.unscheduled:
        return
    ends = [participant.withdrawn_contact_on]
    if visit.phase is not Phase.SURVIVAL:
        ends.append(participant.withdrawn_visits_on)
    withdrawn_on = min((end for end in ends if end is not None), default=None)
    if withdrawn_on is not None and on > withdrawn_on:
        raise Refused(
            _("%(code)s withdrew on %(date)s: a visit after that day is not recorded.")
            % {"code": participant.code, "date": withdrawn_on.strftime("%d/%m/%Y")},
            code="withdrawn",
        )


def _locked(visit: Visit, by: Person) -> Visit:
    """Return the visit as it stands now, its participant locked, if the person may record there and it is open."""
    participant = lock_participant(visit.participant_id)
    check(by, Permission.VISIT_RECORD, participant.site_id)
    current = Visit.objects.get(pk=visit.pk)
    current.participant = participant
    barriers.check_open(participant, current)
    return current
