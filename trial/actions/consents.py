"""Consent versions put into force at sites, and consents given again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused

from .. import barriers, facts
from ..consents import awaiting, documents_at, pending
from ..free_text import kept
from ..locks import lock_participant
from ..models import Consent, ConsentDocument, Notice, NoticeState, Participant, Person, Role, Site
from ..permissions import Permission, check
from . import notices, participants

RECONSENT = "reconsent_pending"
EVERY_DAYS = 14
"""A pending consent is reminded of again after so many days."""
TOLD = (Role.COORDINATOR, Role.INVESTIGATOR, Role.CO_INVESTIGATOR)


@transaction.atomic
def put_into_force(
    *, sites: Sequence[Site], version: str, from_on: dt.date, asks_again: bool, note: str = "", by: Person
) -> list[ConsentDocument]:
    """Put a consent version into force at sites from a day on; participants still in the study may be asked again.

    The day may lie in the past (the approval is entered later) or in the future. Refused, for all sites, when one of
    them has the version already.
    """
    version = kept(version, limit=20, needed=_("Give the version as it is printed on the document."))
    note = kept(note)
    if not sites:
        raise Refused(_("Choose at least one site."))
    for site in sites:
        check(by, Permission.CONSENT_DOCUMENTS, site.pk)
    held = ConsentDocument.objects.filter(site__in=sites, version=version).values_list("site__number", flat=True)
    if held:
        raise Refused(
            _("Version %(version)s is already entered at site %(sites)s.")
            % {"version": version, "sites": ", ".join(sorted(held))},
            code="entered",
        )
    made = audit.save_many(
        [
            ConsentDocument(site=site, version=version, from_on=from_on, asks_again=asks_again, note=note)
            for site in sites
        ],
        by=by,
        reason=note,
    )
    for document in made:
        audit.deed(
            "consent.document_in_force", document, by=by, document_version=version, from_on=from_on,
            asks_again=asks_again,
        )  # fmt: skip
        _follow(document, document.from_on, by)
    return made


@transaction.atomic
def move(*, document: ConsentDocument, from_on: dt.date, reason: str, by: Person) -> ConsentDocument:
    """Correct the first day of a consent version at a site."""
    check(by, Permission.CONSENT_DOCUMENTS, document.site_id)
    reason = kept(reason, needed=_("Give the reason for this change."))
    document = ConsentDocument.objects.select_for_update(no_key=True).get(pk=document.pk)
    if document.from_on == from_on:
        return document
    earlier, document.from_on = min(document.from_on, from_on), from_on
    audit.save(document, by=by, reason=reason)
    audit.deed(
        "consent.document_in_force", document, by=by, document_version=document.version, from_on=from_on,
        asks_again=document.asks_again, reason=reason,
    )  # fmt: skip
    _follow(document, earlier, by)
    return document


@transaction.atomic
def consent_again(*, participant: Participant, version: str, signed_on: dt.date, by: Person) -> Consent:
    """Record that the participant signed a later consent version, and when: what was pending is cleared."""
    check(by, Permission.STATUS_RECORD, participant.site_id)
    participant = lock_participant(participant.pk)
    barriers.check_open(participant)
    if participant.consented_on is None:
        raise Refused(_("Record the first consent in its form."), code="consent_needed")
    if signed_on > clock.today():
        raise Refused(_("The date %(date)s is in the future.") % {"date": signed_on.strftime("%d/%m/%Y")})
    if signed_on < participant.consented_on:
        raise Refused(_("This date is before the first consent: correct the consent form instead."))
    if participant.died_on is not None and signed_on > participant.died_on:
        raise Refused(_("%(code)s died before this date.") % {"code": participant.code})
    known = dict(documents_at(participant))
    if version not in known:
        raise Refused(_("Version %(version)s is not in force at this site.") % {"version": version})
    if signed_on < known[version]:
        raise Refused(
            _("Version %(version)s of the information document is in force from %(date)s: it cannot be signed before.")
            % {"version": version, "date": known[version].strftime("%d/%m/%Y")}
        )
    if Consent.objects.filter(participant=participant, document_version=version).exists():
        raise Refused(_("The consent to version %(version)s is already recorded.") % {"version": version})
    consent = participants.record_consent(participant=participant, document_version=version, signed_on=signed_on, by=by)
    for notice in Notice.objects.filter(participant=participant, kind=RECONSENT, state=NoticeState.OWED):
        if pending(participant) is None:
            notice.state = NoticeState.CANCELLED
            audit.save(notice, by=by)
    return consent


def owe_reminders() -> list[Notice]:
    """Owe the reminders of consents that are pending today: at once, then every two weeks until they are given."""
    today = clock.today()
    owed: list[Notice] = []
    for participant in awaiting(Participant.objects.select_related("site"), today):
        document = pending(participant, today)
        if document is not None:
            owed += _owe(participant, document, today)
    return owed


def _owe(participant: Participant, document: ConsentDocument, today: dt.date) -> list[Notice]:
    repetition = (today - document.from_on).days // EVERY_DAYS
    key = f"{RECONSENT}:{document.pk}:{participant.pk}:{repetition}"
    people = [
        person
        for person in notices.people_holding(TOLD, participant.site_id)
        if not Notice.objects.filter(key=f"{key}:{person.pk}").exists()
    ]
    return notices.owe(
        kind=RECONSENT,
        people=people,
        key=key,
        participant=participant,
        context={
            "site": participant.site.number,
            "code": participant.code,
            "date": document.from_on.isoformat(),
        },
        url=f"/participants/{participant.code}/consents/",
        by=None,
    )


def is_settled(notice: Notice) -> bool:
    """Whether a reminder of a pending consent has no reason any more."""
    return notice.participant is None or pending(notice.participant) is None


def _follow(document: ConsentDocument, since: dt.date, by: Person) -> None:
    """Consents given at the site since that day are looked at again under what is now in force."""
    for participant in Participant.objects.filter(site_id=document.site_id, consented_on__gte=since):
        facts.changed(participant, "consent.documents", by=by)
