"""Screening, identity and consent of participants."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused

from .. import barriers, facts
from ..definitions import definition_of, version_at
from ..free_text import kept
from ..locks import lock_participant
from ..models import Consent, Participant, Person, ScreeningOutcome, Site, Status, StatusKind, Version, Visit
from ..permissions import Permission, check
from ..statuses import FAILURE_REASONS, OTHER
from . import statuses, visits


@transaction.atomic
def screen(*, site: Site, by: Person, on: dt.date | None = None) -> Participant:
    """Open a screening: the participant gets the next code of the site, for ever.

    Before consent nothing else is kept than site, month, outcome and reason. Raises Refused when the site is not
    open or works under no version yet.
    """
    check(by, Permission.PARTICIPANT_SCREEN, site.pk)
    today = clock.today()
    day = on or today
    if day > today:
        raise Refused(_("A screening cannot start in the future."))
    site = Site.objects.select_for_update(no_key=True).get(pk=site.pk)
    barriers.check_site_open(site)
    if not site.is_open(day):
        raise Refused(_("Site %(site)s does not include participants on this day.") % {"site": site.number})
    try:
        version = version_at(site, today)
    except Version.DoesNotExist:
        raise Refused(_("No version of the study is in force at site %(site)s.") % {"site": site.number}) from None
    # By the code: a participant who was transferred away keeps it, and so the number is never given again.
    named_here = Participant.objects.filter(code__startswith=f"{site.number}-")
    used = named_here.aggregate(last=Max("sequence"))["last"] or 0
    participant = audit.save(
        Participant(
            site=site,
            version=version,
            sequence=used + 1,
            code=f"{site.number}-{used + 1:03d}",
            screened_on=day,
            screening_month=day.replace(day=1),
        ),
        by=by,
    )
    audit.deed("participant.screened", participant, by=by)
    participant = statuses.record(participant=participant, kind=StatusKind.SCREENED, on=day, by=by)
    visits.plan(participant=participant, anchor="screening", by=by)
    return participant


@transaction.atomic
def screen_again(*, participant: Participant, by: Person, on: dt.date | None = None) -> Participant:
    """Begin a new screening of a participant who was not included: the code stays, the visit and its forms are new.

    What the earlier screening found stays readable and decides nothing any more: eligibility and strata read the new
    one. Refused while somebody withdrew, was lost or died: such a status is taken back first.
    """
    check(by, Permission.PARTICIPANT_SCREEN, participant.site_id)
    today = clock.today()
    day = on or today
    if day > today:
        raise Refused(_("A screening cannot start in the future."))
    site = Site.objects.select_for_update(no_key=True).get(pk=participant.site_id)
    participant = lock_participant(participant.pk)
    check(by, Permission.PARTICIPANT_SCREEN, participant.site_id)
    barriers.check_site_open(site)
    barriers.check_open(participant)
    if participant.failed_on is None:
        raise Refused(_("The screening of %(code)s is not closed.") % {"code": participant.code})
    gone = ("withdrawn_treatment_on", "withdrawn_visits_on", "withdrawn_contact_on", "lost_on", "died_on")
    if any(getattr(participant, name) is not None for name in (*gone, "completed_on", "randomized_on")):
        raise Refused(_("%(code)s no longer takes part.") % {"code": participant.code}, code="not_in")
    if day < participant.failed_on:
        raise Refused(
            _("This date is before %(date)s, when the last screening was closed.")
            % {"date": participant.failed_on.strftime("%d/%m/%Y")}
        )
    if not site.is_open(day):
        raise Refused(_("Site %(site)s does not include participants on this day.") % {"site": site.number})
    participant.screening += 1
    participant.screening_month = day.replace(day=1)
    participant.screening_outcome = ScreeningOutcome.PENDING
    participant.failure_reason = participant.failure_detail = ""
    participant.failed_on = participant.enrolled_on = None
    audit.save(participant, by=by)
    audit.deed("participant.screened_again", participant, by=by, screening=participant.screening, on=day)
    participant = statuses.record(participant=participant, kind=StatusKind.SCREENED, on=day, by=by)
    visits.plan(participant=participant, anchor="screening", by=by)
    return participant


@transaction.atomic
def identify(
    *,
    participant: Participant,
    by: Person,
    sex: str | None = None,
    birth_month: int | None = None,
    birth_year: int | None = None,
    initials: str | None = None,
) -> Participant:
    """Keep what the demographics form says of the person: sex, month and year of birth, initials if kept.

    Refused before consent: until then the screening log holds no personal data.
    """
    keeps_initials = definition_of(participant.version_id).study.initials
    wanted = {
        "sex": sex or "",
        "birth_month": birth_month,
        "birth_year": birth_year,
        "initials": (initials or "").upper() if keeps_initials else "",
    }
    if all(getattr(participant, name) == value for name, value in wanted.items()):
        return participant
    if participant.consented_on is None:
        raise Refused(_("Record the consent first: nothing personal is kept before it."))
    for name, value in wanted.items():
        setattr(participant, name, value)
    audit.save(participant, by=by)
    audit.deed("participant.identified", participant, by=by)
    facts.changed(participant, "participant.sex", "participant.birth_month", "participant.birth_year", by=by)
    return participant


@transaction.atomic
def record_consent(
    *, participant: Participant, document_version: str, signed_on: dt.date, by: Person, reason: str = ""
) -> Consent:
    """Keep the consent to one version of the information document; correcting its date moves the participant's too.

    Raises Refused for a version that did not yet exist on that day: such a consent is not valid.
    """
    documents = {d.version: d for d in definition_of(participant.version_id).study_file.consent.documents}
    document = documents.get(document_version)
    if document is not None and signed_on < document.from_:
        raise Refused(
            _("Version %(version)s of the information document is in force from %(date)s: it cannot be signed before.")
            % {"version": document_version, "date": document.from_.strftime("%d/%m/%Y")}
        )
    consent = Consent.objects.filter(participant=participant, document_version=document_version).first()
    if consent is None:
        consent = Consent(participant=participant, document_version=document_version)
    elif consent.signed_on == signed_on:
        return consent
    consent.signed_on = signed_on
    audit.save(consent, by=by, reason=reason)
    audit.deed("consent.recorded", participant, by=by, document_version=document_version, signed_on=signed_on)
    _follow_consents(participant, reason, by)
    return consent


@transaction.atomic
def take_back_consent(*, participant: Participant, document_version: str, by: Person, reason: str = "") -> None:
    """Remove a consent that was never given, or not to this version: the form that said so was corrected.

    Without any consent left nothing beyond the screening log opens any more. A withdrawal is something else: it keeps
    the consent.
    """
    consent = Consent.objects.filter(participant=participant, document_version=document_version).first()
    if consent is None:
        return
    audit.delete(consent, by=by, reason=reason)
    audit.deed("consent.taken_back", participant, by=by, document_version=document_version, reason=reason)
    _follow_consents(participant, reason, by)


def _follow_consents(participant: Participant, reason: str, by: Person) -> None:
    """The participant's consent is the first of those that stand."""
    standing = Consent.objects.filter(participant=participant).order_by("signed_on", "pk")
    first = standing.values_list("signed_on", flat=True).first()
    statuses.set_date(participant=participant, kind=StatusKind.CONSENTED, on=first, by=by, reason=reason)


@transaction.atomic
def fail_screening(
    *, participant: Participant, reason: str, detail: str = "", by: Person, on: dt.date | None = None
) -> Participant:
    """Close a screening without inclusion; the screening log keeps the reason, one of the study's if it lists them."""
    check(by, Permission.PARTICIPANT_SCREEN, participant.site_id)
    reason = kept(reason, limit=40, needed=_("Give the reason why this person is not included."))
    detail = kept(detail)
    participant = lock_participant(participant.pk)
    barriers.check_open(participant)
    if participant.day_zero_on is not None:
        raise Refused(_("%(code)s is included and can no longer fail screening.") % {"code": participant.code})
    if participant.status == Status.SCREEN_FAILURE:
        raise Refused(_("The screening of %(code)s is already closed.") % {"code": participant.code})
    listed = definition_of(participant.version_id).codelists.get(FAILURE_REASONS)
    if listed is not None and reason != OTHER and reason not in {e.code for e in listed.codes if not e.retired}:
        raise Refused(_("Choose one of the study's reasons."), code="unknown_reason")
    participant.screening_outcome = ScreeningOutcome.FAILED
    participant.failure_reason = reason
    participant.failure_detail = detail
    audit.save(participant, by=by, reason=reason)
    audit.deed("participant.screen_failed", participant, by=by, reason=reason)
    return statuses.record(
        participant=participant, kind=StatusKind.FAILED, on=on or clock.today(), reason=reason, detail=detail, by=by
    )


@transaction.atomic
def adopt_version(*, participant: Participant, by: Person) -> Participant:
    """Move a participant who is not yet included to the version now in force at the site: its rules decide from now on.

    Forms that were filled keep the version under which they were filled; eligibility is evaluated again by the new
    criteria. After inclusion the version stays. Refused while a visit of the participant is not in the new plan.
    """
    check(by, Permission.PARTICIPANT_SCREEN, participant.site_id)
    participant = lock_participant(participant.pk)
    barriers.check_open(participant)
    if participant.day_zero_on is not None:
        raise Refused(_("%(code)s is included: the version stays.") % {"code": participant.code}, code="included")
    version = version_at(participant.site)
    if version.pk == participant.version_id:
        return participant
    planned = {visit.id for visit in definition_of(version.pk).visits}
    strange = sorted(set(Visit.objects.filter(participant=participant).values_list("event", flat=True)) - planned)
    if strange:
        raise Refused(
            _("Version %(version)s has no visit %(visits)s. Ask the data manager.")
            % {"version": version.number, "visits": ", ".join(strange)}
        )
    before = Version.objects.get(pk=participant.version_id).number
    participant.version = version
    audit.save(participant, by=by)
    audit.deed("participant.version_adopted", participant, by=by, from_version=before, version=version.number)
    visits.follow(participant=participant, anchor="screening", by=by)
    facts.changed(participant, "participant.status", by=by)
    return participant


@transaction.atomic
def reopen_screening(*, participant: Participant, reason: str, by: Person) -> Participant:
    """Take back a screen failure that was recorded by mistake."""
    check(by, Permission.PARTICIPANT_SCREEN, participant.site_id)
    reason = kept(reason, needed=_("Give the reason."))
    participant = lock_participant(participant.pk)
    barriers.check_open(participant)
    if participant.status != Status.SCREEN_FAILURE:
        raise Refused(_("The screening of %(code)s is not closed.") % {"code": participant.code})
    participant.screening_outcome = ScreeningOutcome.PENDING
    participant.failure_reason = participant.failure_detail = ""
    audit.save(participant, by=by, reason=reason)
    return statuses.reverse(participant=participant, kind=StatusKind.FAILED, reason=reason, by=by)
