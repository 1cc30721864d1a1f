"""Which consent version is in force where and when, and who is still to consent again. No writes."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, When

from audit import clock
from audit.prepared import prepared

from .definitions import definition_of
from .models import Consent, ConsentDocument, Participant
from .permissions import Permission
from .selectors import participants_for

STILL_IN = (
    Q(consented_on__isnull=False)
    & Q(failed_on=None)
    & Q(withdrawn_visits_on=None)
    & Q(withdrawn_contact_on=None)
    & Q(lost_on=None)
    & Q(died_on=None)
    & Q(completed_on=None)
)
"""Who has consented and is still asked for something: nobody else is reminded of a consent."""


def documents_at(participant: Participant) -> list[tuple[str, dt.date]]:
    """Return (version, first day) of each consent version at the participant's site, oldest first."""
    found = {d.version: d.from_ for d in definition_of(participant.version_id).study_file.consent.documents}
    found |= dict(_versions_at(participant.site_id))
    return sorted(found.items(), key=lambda pair: (pair[1], pair[0]))


@prepared
def _versions_at(site_id: int) -> QuerySet[ConsentDocument, tuple[str, dt.date]]:
    return ConsentDocument.objects.filter(site_id=site_id).values_list("version", "from_on")


def site_documents(site_id: Any) -> QuerySet[ConsentDocument]:
    """Return the consent versions entered for a site (or for the site of an outer row), oldest first."""
    return ConsentDocument.objects.filter(site_id=site_id).order_by("from_on", "version")


def in_force(documents: list[tuple[str, dt.date]], on: dt.date) -> str:
    """Return the version in force on a day: the newest of those that had begun; "" when none had."""
    begun = [version for version, from_on in documents if from_on <= on]
    return begun[-1] if begun else ""


def _not_yet_given(on: dt.date) -> QuerySet[ConsentDocument]:
    """Versions of the outer participant's site to which the participant has not consented, nor to a later one."""
    later = ConsentDocument.objects.filter(
        site_id=OuterRef(OuterRef("site_id")), from_on__gte=OuterRef(OuterRef("from_on"))
    ).values("version")
    given = Consent.objects.filter(participant_id=OuterRef(OuterRef("pk")), document_version__in=later)
    return ConsentDocument.objects.filter(site_id=OuterRef("site_id"), asks_again=True, from_on__lte=on).exclude(
        Exists(given)
    )


def awaiting(participants: QuerySet[Participant], on: dt.date | None = None) -> QuerySet[Participant]:
    """Keep the participants who are to consent again."""
    return participants.filter(STILL_IN).filter(Exists(_not_yet_given(on or clock.today())))


def with_awaited(participants: QuerySet[Participant], on: dt.date | None = None) -> QuerySet[Participant]:
    """Add to each participant what is pending: `awaited_consent` (the version) and `awaited_since`; None when nothing.

    In the statement that reads the participant, because every page about one shows it.
    """
    asked = _not_yet_given(on or clock.today()).order_by("-from_on", "-pk")
    return participants.annotate(
        **{
            name: Case(When(STILL_IN, then=Subquery(asked.values(column)[:1])), default=None)
            for name, column in (("awaited_consent", "version"), ("awaited_since", "from_on"))
        }
    )


def awaiting_for(person: Any, permission: Permission = Permission.STATUS_RECORD) -> QuerySet[Participant]:
    """Return the participants who are to consent again, at the sites where the person records it."""
    return awaiting(participants_for(person, permission)).order_by("code")


def pending(participant: Participant, on: dt.date | None = None) -> ConsentDocument | None:
    """Return the newest version to which the participant is to consent; None when nothing is pending. One statement."""
    day = on or clock.today()
    later = ConsentDocument.objects.filter(
        site_id=OuterRef(OuterRef("site_id")), from_on__gte=OuterRef(OuterRef("from_on"))
    ).values("version")
    given = Consent.objects.filter(participant=participant, document_version__in=later)
    still_in = Participant.objects.filter(STILL_IN, pk=participant.pk, site_id=OuterRef("site_id"))
    asked = ConsentDocument.objects.filter(Exists(still_in), ~Exists(given), asks_again=True, from_on__lte=day)
    return asked.order_by("-from_on", "-pk").first()
