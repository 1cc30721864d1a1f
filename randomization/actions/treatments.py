"""What a participant received, beside what was allocated."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from trial import barriers
from trial.definitions import definition_of
from trial.free_text import kept
from trial.locks import lock_participant
from trial.models import Participant, Person

from ..models import Allocation, Registration, TreatmentReceived, WhyOtherwise
from ..permissions import check_user_can_record_treatment


@transaction.atomic
def record(
    *,
    participant: Participant,
    received: str,
    started_on: dt.date | None = None,
    why: str = "",
    detail: str = "",
    reason: str = "",
    by: Person,
) -> TreatmentReceived:
    """Keep which arm's treatment the participant received (none: ""), from when, and why it is not the one allocated.

    Told again, it corrects what was told before, with the reason of the correction; the history keeps both.
    """
    check_user_can_record_treatment(by, participant.site_id)
    participant = lock_participant(participant.pk)
    barriers.check_open(participant)
    given: Allocation | Registration | None = Allocation.objects.filter(participant=participant).first()
    given = given or Registration.objects.filter(participant=participant).first()
    if given is None:
        raise Refused(_("%(code)s has no allocated treatment yet.") % {"code": participant.code}, code="no_arm")
    detail, reason = kept(detail), kept(reason)
    _check(participant, given.arm, received, started_on, why, detail)
    held = TreatmentReceived.objects.filter(participant=participant).first()
    told = {
        "received": received,
        "started_on": started_on if received else None,
        "why": "" if received == given.arm else why,
        "detail": "" if received == given.arm else detail,
    }
    if held is not None and all(getattr(held, name) == value for name, value in told.items()):
        return held
    if held is not None and not reason:
        raise Refused(_("Give the reason for this change."), code="reason_needed")
    found = held or TreatmentReceived(participant=participant)
    for name, value in told.items():
        setattr(found, name, value)
    found.told_at, found.told_by = clock.now(), by
    audit.save(found, by=by, reason=reason)
    audit.deed(
        "treatment.recorded", found, by=by, reveals_arm=True, received=received, started_on=told["started_on"],
        why=told["why"], reason=reason,
    )  # fmt: skip
    return found


def _check(
    participant: Participant, allocated: str, received: str, started_on: dt.date | None, why: str, detail: str
) -> None:
    """Refuse, in words, what cannot be."""
    if received and received not in definition_of(participant.version_id).arms:
        raise Refused(_("The study has no such arm."), code="unknown_arm")
    if received and started_on is None:
        raise Refused(_("Give the first day of the treatment."), code="date_needed")
    if received and started_on is not None:
        if started_on > clock.today():
            raise Refused(_("The date %(date)s is in the future.") % {"date": started_on.strftime("%d/%m/%Y")})
        if participant.day_zero_on is not None and started_on < participant.day_zero_on:
            raise Refused(_("This date is before the allocation."), code="too_early")
        if participant.died_on is not None and started_on > participant.died_on:
            raise Refused(_("%(code)s died before this date.") % {"code": participant.code})
    if received == allocated:
        return
    if why not in WhyOtherwise.values:
        raise Refused(_("Say why it is not the allocated treatment."), code="why_needed")
    if why == WhyOtherwise.OTHER and not detail:
        raise Refused(_("Say which other reason."), code="detail_needed")
