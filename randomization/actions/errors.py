"""“Randomized in error”: a flag with reasons. The allocation, its arm and its count stay."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from trial.free_text import kept
from trial.locks import lock_participant
from trial.models import Participant, Person

from ..models import Allocation, ErrorReason, RandomizedInError
from ..permissions import check_user_can_settle


@transaction.atomic
def flag(*, participant: Participant, reason: str, detail: str, password: str, by: Person) -> RandomizedInError:
    """Say that the participant should not have been randomized, and why; the password is typed again.

    Nothing else changes: the allocation stays, the slot stays used, the participant is counted among the randomized.
    """
    check_user_can_settle(by, participant.site_id)
    detail = kept(detail, needed=_("Say what happened."))
    if reason not in ErrorReason.values:
        raise Refused(_("Choose one of the reasons."), code="unknown_reason")
    allocation = _locked(participant)
    if allocation.errors.filter(lifted_at=None).exists():
        raise Refused(
            _("%(code)s is already flagged as randomized in error.") % {"code": participant.code}, code="flagged"
        )
    if not audit.reauthenticate(by, password, target=participant):
        raise Refused(_("The password is not right. Nothing was done."), code="wrong_password")
    found = audit.save(
        RandomizedInError(allocation=allocation, reason=reason, detail=detail, flagged_at=clock.now(), flagged_by=by),
        by=by,
        reason=detail,
    )
    audit.deed("allocation.flagged", found, by=by, reason=detail, why=reason)
    return found


@transaction.atomic
def lift(*, participant: Participant, reason: str, by: Person) -> RandomizedInError:
    """Take back a flag that was itself a mistake, with the reason; the flag and its history stay."""
    check_user_can_settle(by, participant.site_id)
    reason = kept(reason, needed=_("Give the reason."))
    found = _locked(participant).errors.filter(lifted_at=None).first()
    if found is None:
        raise Refused(_("%(code)s is not flagged as randomized in error.") % {"code": participant.code})
    found.lifted_at, found.lifted_by, found.lifted_reason = clock.now(), by, reason
    audit.save(found, by=by, reason=reason)
    audit.deed("allocation.flag_lifted", found, by=by, reason=reason)
    return found


def _locked(participant: Participant) -> Allocation:
    """Return the allocation, its participant locked. Raises Refused when there is none."""
    lock_participant(participant.pk)
    found = Allocation.objects.filter(participant=participant).select_related("participant").first()
    if found is None:
        raise Refused(_("%(code)s is not randomized.") % {"code": participant.code}, code="not_randomized")
    return found
