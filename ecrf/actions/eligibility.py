"""Signing eligibility, and what becomes of it when the data change."""

from __future__ import annotations

from django.utils.translation import gettext as _

from audit import clock
from audit.errors import Refused
from trial.actions import statuses
from trial.definitions import definition_of
from trial.models import Person, Status, StatusKind

from ..eligibility import assess
from ..models import Record


def is_eligibility_form(record: Record) -> bool:
    """Tell whether this is the form whose signature makes a participant eligible."""
    eligibility = definition_of(record.participant.version_id).eligibility
    return eligibility is not None and record.form == eligibility.form


def check_can_be_signed(record: Record) -> None:
    """Refuse to sign an eligibility that is undecided or that fails: there are no waivers."""
    if not is_eligibility_form(record):
        return
    participant = record.participant
    if participant.status not in (Status.SCREENING, Status.ENROLLED):
        raise Refused(_("%(code)s is no longer in screening.") % {"code": participant.code})
    result = assess(participant, clock.today())
    if result.failing:
        raise Refused(
            _("Not eligible: %(criteria)s. There are no waivers.")
            % {"criteria": ", ".join(a.criterion.id for a in result.failing)},
            code="not_eligible",
        )
    if result.undecided:
        raise Refused(
            _("Not yet decided: %(criteria)s.") % {"criteria": ", ".join(a.criterion.id for a in result.undecided)},
            code="undecided",
        )


def enrol(record: Record, by: Person) -> None:
    """Make the participant eligible once the investigator signed; called after every signature."""
    if not is_eligibility_form(record):
        return
    participant = record.participant
    if participant.status == Status.SCREENING:
        record.participant = statuses.set_date(
            participant=participant, kind=StatusKind.ENROLLED, on=clock.today(), by=by
        )


def unsettle(record: Record, changed: frozenset[str], by: Person) -> None:
    """Take eligibility back when its signed form changes before randomization; after it nothing is altered."""
    if not is_eligibility_form(record) or not record.is_changed_since_signing:
        return
    participant = record.participant
    participant.refresh_from_db()
    if participant.status == Status.ENROLLED:
        record.participant = statuses.set_date(participant=participant, kind=StatusKind.ENROLLED, on=None, by=by)
