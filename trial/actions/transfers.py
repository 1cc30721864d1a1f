"""Moving a participant to another site: access moves from a day on, code and history stay."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused

from .. import barriers, facts
from ..free_text import kept
from ..locks import lock_participant
from ..models import Notice, NoticeState, Participant, Person, Site, Transfer
from ..permissions import Permission, check


@transaction.atomic
def transfer(*, participant: Participant, to_site: Site, on: dt.date, reason: str, by: Person) -> Transfer:
    """Move the participant to another open site: its people see everything, those of the former site nothing more.

    The code stays. It takes effect at once, so the day may be past, never to come. Reminders owed to people of the
    former site are cancelled. Nobody leaves or enters what is frozen or locked: unfreeze or unlock it first.
    """
    check(by, Permission.PARTICIPANT_TRANSFER, participant.site_id)
    reason = kept(reason, needed=_("Give the reason."))
    to_site = Site.objects.select_for_update(no_key=True).get(pk=to_site.pk)  # a closure of it waits, or is seen
    participant = lock_participant(participant.pk)
    check(by, Permission.PARTICIPANT_TRANSFER, participant.site_id)
    check(by, Permission.PARTICIPANT_TRANSFER, to_site.pk)
    if participant.site_id == to_site.pk:
        raise Refused(_("%(code)s is already at this site.") % {"code": participant.code}, code="there")
    barriers.check_open(participant)
    barriers.check_site_open(to_site)
    if on > clock.today():
        raise Refused(_("A transfer is recorded from its day on, not before."), code="future")
    earliest = (
        Transfer.objects.filter(participant=participant).order_by("-on").values_list("on", flat=True).first()
        or participant.screened_on
    )
    if on < earliest:
        raise Refused(
            _("This date is before %(date)s: the participant was not at the site then.")
            % {"date": earliest.strftime("%d/%m/%Y")}
        )
    if participant.consented_on is None or participant.failed_on is not None:
        raise Refused(_("Only a participant who has consented and takes part is transferred."), code="not_in")
    if participant.died_on is not None or participant.completed_on is not None:
        raise Refused(_("%(code)s no longer takes part.") % {"code": participant.code}, code="not_in")
    if not to_site.is_open(clock.today()):
        raise Refused(_("Site %(site)s is not open.") % {"site": to_site.number}, code="closed")
    moved = audit.save(
        Transfer(participant=participant, from_site_id=participant.site_id, to_site=to_site, on=on, reason=reason),
        by=by,
        reason=reason,
    )
    former = participant.site_id
    participant.site = to_site
    audit.save(participant, by=by, reason=reason)
    audit.deed("participant.transferred", moved, by=by, for_site=former, on=on, to=to_site.number, reason=reason)
    audit.deed("participant.transferred", moved, by=by, for_site=to_site, on=on, to=to_site.number, reason=reason)
    for notice in Notice.objects.filter(participant=participant, state=NoticeState.OWED):
        notice.state = NoticeState.CANCELLED
        audit.save(notice, by=by)
    participant = Participant.objects.get(pk=participant.pk)  # with what is closed at the new site, not at the former
    facts.changed(participant, "consent.documents", by=by)
    return moved
