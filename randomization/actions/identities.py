"""Making sure that a person is in the trial under one code only."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from trial.free_text import kept
from trial.locks import lock_participant
from trial.models import Participant, Person

from .. import gate
from ..models import IdentityCheck
from ..permissions import check_user_can_settle


@transaction.atomic
def confirm_distinct(*, participant: Participant, how: str, by: Person) -> IdentityCheck:
    """Write down that the participant is in the trial under no other code, and how that was made sure.

    It holds for the likely duplicates that are included today: another one included later asks again.
    """
    check_user_can_settle(by, participant.site_id)
    how = kept(how, needed=_("Write how you made sure."))
    participant = lock_participant(participant.pk)
    alike = gate.alike_now(participant)
    if not alike or participant.day_zero_on is not None:
        raise Refused(_("Nothing has to be made sure of for %(code)s.") % {"code": participant.code}, code="not_asked")
    last = IdentityCheck.objects.filter(participant=participant).order_by("-pk").first()
    if last is not None and last.against >= alike:
        return last
    made = audit.save(
        IdentityCheck(participant=participant, how=how, against=alike, checked_at=clock.now(), checked_by=by), by=by
    )
    audit.deed("participant.identity_checked", made, by=by, reason=how)
    return made
