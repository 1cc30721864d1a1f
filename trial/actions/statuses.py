"""What happens to a participant, with its date; each change settles what is still expected."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from audit.prepared import prepared

from .. import barriers, facts
from ..free_text import kept
from ..locks import lock_participant
from ..models import Participant, Person, Status, StatusChange, StatusKind
from ..permissions import Permission, check
from ..statuses import ANCHORS, BY_HAND, DATE_FIELDS, screening_of, status_of
from . import visits

FACTS: dict[str, tuple[str, ...]] = {
    StatusKind.CONSENTED: ("consent.date",),
    StatusKind.RANDOMIZED: ("randomization.date",),
    StatusKind.REGISTERED: ("randomization.date",),
}
"""What expressions and rules read of a status change, beside the status itself (`trial.facts`)."""
_REASON_WORDS = 40
"""Characters of a status change's reason: a code of the study's list, or a few words; details stand beside it."""
_BEFORE_SCREENING = (StatusKind.SCREENED, StatusKind.CONSENTED)
"""What may be dated before the screening: a consent is sometimes signed before the screening is opened here."""


@transaction.atomic
def record(
    *, participant: Participant, kind: str, on: dt.date, by: Person | None, reason: str = "", detail: str = ""
) -> Participant:
    """Record that something happened to the participant on a day, and settle the visits that it ends or opens.

    Returns the participant as it now stands. The second record of a kind is refused: reverse the first.
    """
    participant = lock_participant(participant.pk)
    _note(participant, kind, on, reason=reason, detail=detail, by=by)
    return _apply(participant, kind, on, by=by, verb="participant.status_recorded", reason=reason)


def begin_plan(*, participant: Participant, kind: str, on: dt.date, by: Person) -> Participant:
    """Record day 0 of a participant who is locked, and plan the visits that hang on it.

    Whatever else the caller changed of the participant (the pathway) is written with it, as one state of the row.
    """
    _note(participant, kind, on, reason="", by=by)
    return _apply(participant, kind, on, by=by, verb="participant.status_recorded", reason="", anchor="randomization")


def _note(
    participant: Participant, kind: str, on: dt.date, *, reason: str, detail: str = "", by: Person | None
) -> StatusChange:
    """Write the status change, or refuse it in words; the participant is locked."""
    reason, detail = kept(reason, limit=_REASON_WORDS), kept(detail)
    if on > clock.today():
        raise Refused(_("The date %(date)s is in the future.") % {"date": on.strftime("%d/%m/%Y")})
    screening = screening_of(participant, kind)
    is_dated = getattr(participant, DATE_FIELDS[kind]) is not None  # kept in line with what is recorded by `_apply`
    if is_dated and screening in _recorded(participant.pk, str(kind)):
        raise Refused(
            _("“%(what)s” is already recorded for %(code)s.")
            % {"what": StatusKind(kind).label, "code": participant.code}
        )
    if participant.died_on is not None and on > participant.died_on:
        raise Refused(_("%(code)s died before this date.") % {"code": participant.code})
    if kind not in _BEFORE_SCREENING and on < participant.screened_on:
        raise Refused(_("This date is before the screening."))
    return audit.save(
        StatusChange(participant=participant, kind=kind, screening=screening, on=on, reason=reason, detail=detail),
        by=by,
        reason=reason,
    )


@prepared
def _recorded(participant_id: int, kind: str) -> QuerySet[StatusChange, int]:
    """The screenings for which a change of this kind stands."""
    changes = StatusChange.objects.filter(participant_id=participant_id, kind=kind, reversed_at=None)
    return changes.values_list("screening", flat=True)


@transaction.atomic
def record_by_hand(
    *, participant: Participant, kind: str, on: dt.date, reason: str, detail: str = "", by: Person
) -> Participant:
    """Record a withdrawal or a loss to follow-up from the participant's status page."""
    check(by, Permission.STATUS_RECORD, participant.site_id)
    participant = lock_participant(participant.pk)
    barriers.check_open(participant)
    if kind not in BY_HAND:
        raise Refused(_("This status follows from a form: fill the form instead."))
    reason = kept(reason, limit=_REASON_WORDS, needed=_("Give the reason."))
    if participant.consented_on is None:
        raise Refused(_("%(code)s has not consented: close the screening instead.") % {"code": participant.code})
    if on < participant.consented_on:
        raise Refused(_("This date is before the consent."))
    if participant.status == Status.SCREEN_FAILURE:
        raise Refused(_("The screening of %(code)s is already closed.") % {"code": participant.code})
    if kind == StatusKind.WITHDRAWN_TREATMENT and participant.day_zero_on is None:
        raise Refused(_("%(code)s is not randomized: there is no allocated treatment.") % {"code": participant.code})
    return record(participant=participant, kind=kind, on=on, by=by, reason=reason, detail=detail)


@transaction.atomic
def reverse(*, participant: Participant, kind: str, reason: str, by: Person | None) -> Participant:
    """Take back a status recorded by mistake: what was expected is expected again."""
    reason = kept(reason, needed=_("Give the reason."))
    if kind == StatusKind.SCREENED:
        raise Refused(_("A screening stays on the log; close it with its reason instead."))
    participant = lock_participant(participant.pk)
    _take_back(participant, kind, reason=reason, by=by)
    return _apply(participant, kind, None, by=by, verb="participant.status_reversed", reason=reason)


def _in_force(participant: Participant, kind: str) -> StatusChange | None:
    return StatusChange.objects.filter(
        participant=participant, kind=kind, screening=screening_of(participant, kind), reversed_at=None
    ).first()


def _take_back(participant: Participant, kind: str, *, reason: str, by: Person | None) -> None:
    change = _in_force(participant, kind)
    if change is None:
        raise Refused(
            _("“%(what)s” is not recorded for %(code)s.") % {"what": StatusKind(kind).label, "code": participant.code}
        )
    change.reversed_at = clock.now()
    change.reversed_reason = reason
    audit.save(change, by=by, reason=reason)


@transaction.atomic
def reverse_by_hand(*, participant: Participant, kind: str, reason: str, by: Person) -> Participant:
    """Take back a withdrawal or a loss from the participant's status page."""
    check(by, Permission.STATUS_RECORD, participant.site_id)
    participant = lock_participant(participant.pk)
    barriers.check_open(participant)
    if kind not in BY_HAND:
        raise Refused(_("This status follows from a form: correct the form instead."))
    return reverse(participant=participant, kind=kind, reason=reason, by=by)


@transaction.atomic
def set_date(
    *, participant: Participant, kind: str, on: dt.date | None, by: Person | None, reason: str = ""
) -> Participant:
    """Bring a status that follows from a form in line with it: record, move or reverse; nothing when it agrees.

    `reason` is why the form changed. A date that moves is one step: what is expected is settled once, by the new date.
    """
    change = _in_force(participant, kind)
    if (change.on if change else None) == on:
        return participant
    if change is None:
        assert on is not None
        return record(participant=participant, kind=kind, on=on, by=by)
    reason = kept(reason) or _("The form was corrected.")
    if on is None:
        return reverse(participant=participant, kind=kind, reason=reason, by=by)
    participant = lock_participant(participant.pk)
    _take_back(participant, kind, reason=reason, by=by)
    audit.deed("participant.status_reversed", participant, by=by, kind=kind, on=None, reason=reason)
    setattr(participant, DATE_FIELDS[kind], None)
    _note(participant, kind, on, reason="", by=by)
    return _apply(participant, kind, on, by=by, verb="participant.status_recorded", reason=reason)


def _apply(
    participant: Participant,
    kind: str,
    on: dt.date | None,
    *,
    by: Person | None,
    verb: str,
    reason: str,
    anchor: str | None = None,
) -> Participant:
    setattr(participant, DATE_FIELDS[kind], on)
    participant.status = status_of(participant)
    audit.save(participant, by=by, reason=reason)
    audit.deed(verb, participant, by=by, kind=kind, on=on, reason=reason)
    anchor = ANCHORS.get(kind, anchor)
    visits.follow(participant=participant, anchor=anchor, by=by)
    facts.changed(participant, "participant.status", *FACTS.get(kind, ()), by=by)
    return participant
