"""May this participant be allocated, or registered, now? Every reason at once, in words that say what to do.

The reasons are those of issue and field, in this order: the person's delegation; consent valid and current; neither
withdrawn nor dead nor allocated; no other code for the same person; site open and target not reached; the version of
the study; nothing frozen or locked; eligibility signed, unbroken and evaluated again as of now, its assessments within
their validity; strata complete; list in use, not on hold, stratum open and not exhausted.

A pending re-consent warns everywhere else and blocks nothing (DOMAIN). Here it blocks: an allocation cannot be undone,
and who is asked to read a new information sheet has not agreed to be allocated under the old one (ICH E6(R2) 4.8.2).
Serious events, answers and visits go on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, IntegerField, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, JSONObject
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from audit import clock
from audit.errors import Refused
from audit.prepared import prepared
from ecrf.books import book_of
from ecrf.eligibility import Eligibility, assess
from trial import barriers
from trial.consents import in_force, site_documents, with_awaited
from trial.definition import Definition
from trial.definitions import definition_of
from trial.models import Consent, Participant, Person, SiteActivation, Status
from trial.permissions import Permission, can
from trial.selectors import alike_elsewhere, likely_duplicates

from . import slots
from .arms import has_stratum, label_in
from .models import AllocationList, IdentityCheck, ListState, Slot
from .section import RandomizationSection, randomizes_alike
from .strata import Stratum, stratum_of


@dataclass(frozen=True)
class Reason:
    """One thing that stands in the way: a code for programs, words for people."""

    code: str
    words: str


@dataclass(frozen=True)
class Gate:
    """What was looked at before an allocation, and every reason against it."""

    reasons: tuple[Reason, ...]
    stratum: Stratum
    eligibility: Eligibility
    allocation_list: AllocationList | None

    @property
    def is_open(self) -> bool:
        return not self.reasons


def examine(
    participant: Participant,
    by: Person,
    *,
    in_use: AllocationList | None = None,
    has_slot: Callable[[AllocationList, str], bool] | None = None,
) -> Gate:
    """Look at everything that an allocation needs, as of now, for this person. Reads only; the action asks again.

    `in_use` saves looking for the list in use where the caller holds it already; `has_slot` tells whether a stratum of
    it has one left, where the caller seeks it anyway.
    """
    definition = definition_of(participant.version_id)
    book = book_of(participant, definition)
    eligibility = assess(participant, clock.today(), book)
    stratum = stratum_of(participant, definition, book)
    allocation_list = in_use or _list_in_use()
    facts = _facts_of(participant)
    section: RandomizationSection | None = definition.section("randomization")
    reasons = [
        *_common_reasons(participant, by, definition, facts),
        *_version_reasons(section, facts, closed_wanted=False),
        *_eligibility_reasons(eligibility),
        *_stratum_reasons(stratum, definition),
        *_list_reasons(allocation_list, stratum, section, participant, has_slot or _has_slot),
    ]
    return Gate(tuple(reasons), stratum, eligibility, allocation_list)


def examine_registration(participant: Participant, by: Person) -> Gate:
    """Look at everything that a registration without randomization needs: the same, without strata and list."""
    definition = definition_of(participant.version_id)
    eligibility = assess(participant, clock.today(), book_of(participant, definition))
    facts = _facts_of(participant)
    section: RandomizationSection | None = definition.section("randomization")
    reasons = [
        *_common_reasons(participant, by, definition, facts),
        *_version_reasons(section, facts, closed_wanted=True),
        *_eligibility_reasons(eligibility),
    ]
    return Gate(tuple(reasons), Stratum(()), eligibility, None)


def _common_reasons(participant: Participant, by: Person, definition: Definition, facts: _Facts) -> list[Reason]:
    return [
        *_person_reasons(participant, by),
        *_consent_reasons(participant, definition, facts),
        *_participant_reasons(participant),
        *_identity_reasons(participant, facts),
        *_study_reasons(participant, facts),
        *_closure_reasons(participant),
    ]


# ---------------------------------------------------------------- what is read


@dataclass(frozen=True)
class _Facts:
    """What the gate reads beside participant, records and list: in one statement."""

    consent_version: str
    """The version of the newest consent that stands; "" without one."""
    consent_on: dt.date | None
    awaited_consent: str
    """The version to which the participant is to consent again; "" when nothing is pending."""
    site_documents: tuple[tuple[str, dt.date], ...]
    alike: int
    """Included participants, at any site, who are likely to be the same person."""
    alike_checked: int | None
    """How many there were when somebody last made sure that they are others; None when nobody did."""
    included: int
    version_in_force: int | None


def _facts_of(participant: Participant) -> _Facts:
    found: Any
    (found,) = _facts(participant.pk, participant.site_id, clock.today())
    participant.site = found.site  # as it stands now, however long the participant's lock was waited for
    return _Facts(
        consent_version=found.gate_consent or "",
        consent_on=found.gate_consent_on,
        awaited_consent=found.awaited_consent or "",
        site_documents=tuple((d["version"], dt.date.fromisoformat(d["on"])) for d in found.gate_documents),
        alike=found.gate_alike,
        alike_checked=found.gate_checked,
        included=found.gate_included,
        version_in_force=found.gate_version,
    )


@prepared
def _facts(participant_id: int, site_id: int, today: dt.date) -> QuerySet[Participant]:
    # Standing consents, newest first: the one that counts today.
    newest = Consent.objects.filter(participant_id=participant_id, withdrawn_on=None).order_by("-signed_on", "-pk")
    checks = IdentityCheck.objects.filter(participant_id=participant_id).order_by("-pk")
    in_force_here = SiteActivation.objects.filter(site_id=site_id, activated_on__lte=today).order_by("-version__number")
    documents = site_documents(site_id).values(pair=JSONObject(version="version", on="from_on"))
    participants = Participant.objects.filter(pk=participant_id).select_related("site")
    return with_awaited(participants, today).annotate(
        gate_consent=Subquery(newest.values("document_version")[:1]),
        gate_consent_on=Subquery(newest.values("signed_on")[:1]),
        gate_documents=ArraySubquery(documents),
        gate_alike=_counted(alike_elsewhere().filter(_INCLUDED)),
        gate_checked=Subquery(checks.values("against")[:1]),
        gate_included=_counted(Participant.objects.filter(_INCLUDED)),
        gate_version=Subquery(in_force_here.values("version_id")[:1]),
    )


def _has_slot(allocation_list: AllocationList, stratum: str) -> bool:
    return bool(_unused(allocation_list.pk, tuple(allocation_list.closed_strata), stratum))


@prepared
def _unused(list_id: int, closed_strata: tuple[str, ...], stratum: str) -> QuerySet[Slot, int]:
    return slots.coming(list_id, closed_strata, stratum).values_list("pk", flat=True)[:1]


_INCLUDED = Q(randomized_on__isnull=False) | Q(registered_on__isnull=False)


def _counted(rows: Any) -> Coalesce:
    counted = rows.order_by().values(all=Value(1)).annotate(many=Count("pk")).values("many")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def alike_now(participant: Participant) -> int:
    """Count the included participants who are likely to be the same person, for who makes sure that they are not."""
    return likely_duplicates(participant).filter(_INCLUDED).count()


def is_identity_open(participant: Participant) -> bool:
    """Whether somebody still has to make sure that the participant is in the trial under no other code."""
    return bool(_identity_reasons(participant, _facts_of(participant)))


def _list_in_use() -> AllocationList | None:
    """The list in use, else one that is exhausted: the reason then says so."""
    return (
        AllocationList.objects.select_related("version")
        .defer("version__content")  # the whole study
        .filter(state__in=(ListState.IN_USE, ListState.EXHAUSTED))
        .annotate(is_used=Q(state=ListState.IN_USE))
        .order_by("-is_used", "-pk")
        .first()
    )


# ---------------------------------------------------------------- the reasons


def _person_reasons(participant: Participant, by: Person) -> list[Reason]:
    if can(by, Permission.RANDOMIZE, participant.site_id):
        return []
    return [Reason("permission", _("Randomizing is not delegated to you at this site."))]


def _consent_reasons(participant: Participant, definition: Definition, facts: _Facts) -> list[Reason]:
    """Valid: given, not withdrawn, to the version that was in force on that day. Current: none asked for since."""
    if participant.consented_on is None or facts.consent_on is None:
        return [Reason("consent", _("No consent is recorded."))]
    reasons = []
    known = {d.version: d.from_ for d in definition.study_file.consent.documents} | dict(facts.site_documents)
    documents = sorted(known.items(), key=lambda pair: (pair[1], pair[0]))
    wanted = in_force(documents, facts.consent_on)
    if facts.awaited_consent:
        words = _("The participant has not yet consented to version %(version)s, which is in force at the site.")
        reasons.append(Reason("consent_pending", words % {"version": facts.awaited_consent}))
    elif facts.consent_version in known and wanted and known[facts.consent_version] < known[wanted]:
        words = _("The consent was signed on version %(signed)s, when version %(wanted)s was in force at the site.")
        reasons.append(Reason("consent_outdated", words % {"signed": facts.consent_version, "wanted": wanted}))
    return reasons


def _participant_reasons(participant: Participant) -> list[Reason]:
    reasons = []
    if participant.withdrawn_contact_on or participant.withdrawn_visits_on:
        reasons.append(Reason("withdrawn", _("The participant has withdrawn.")))
    if participant.lost_on or participant.completed_on or participant.withdrawn_treatment_on:
        reasons.append(Reason("ended", _("The participation or the treatment has ended.")))
    if participant.died_on is not None:
        reasons.append(Reason("died", _("The participant has died.")))
    if participant.status == Status.SCREEN_FAILURE:
        reasons.append(Reason("screen_failure", _("The screening was closed without inclusion.")))
    if participant.randomized_on is not None:
        reasons.append(Reason("allocated", _("The participant is already randomized.")))
    if participant.registered_on is not None:
        reasons.append(Reason("registered", _("The participant is already registered, without randomization.")))
    return reasons


def _identity_reasons(participant: Participant, facts: _Facts) -> list[Reason]:
    """A likely duplicate that is included already, at any site; who and where is never told."""
    if participant.day_zero_on is not None or facts.alike <= (facts.alike_checked or 0):
        return []
    return [Reason("same_person", _("This person may already be in the trial under another code."))]


def _study_reasons(participant: Participant, facts: _Facts) -> list[Reason]:
    """The target is that of the version in force at the site: an amendment that lowers it lowers it for everybody."""
    reasons = []
    if not participant.site.is_open(clock.today()):
        reasons.append(Reason("site_closed", _("The site does not include participants at present.")))
    ruling = definition_of(facts.version_in_force or participant.version_id)
    if facts.included >= ruling.study.accrual.target:
        reasons.append(Reason("target", _("The accrual target of the study is reached.")))
    return reasons


def _version_reasons(section: RandomizationSection | None, facts: _Facts, *, closed_wanted: bool) -> list[Reason]:
    """Whether the participant's version, and the one now in force at the site, randomize or register."""
    reasons = []
    is_closed = section is not None and section.closed is not None
    if is_closed and not closed_wanted:
        reasons.append(
            Reason("closed", _("Randomization has ended: participants are registered without being randomized."))
        )
    if closed_wanted and not is_closed:
        reasons.append(
            Reason("not_closed", _("Under the participant’s version of the study, participants are randomized."))
        )
    if facts.version_in_force is not None:
        ruling: RandomizationSection | None = definition_of(facts.version_in_force).section("randomization")
        if not randomizes_alike(section, ruling):
            reasons.append(
                Reason("amended", _("An amendment that changes randomization is in force at the site since."))
            )
    return reasons


def _closure_reasons(participant: Participant) -> list[Reason]:
    """A frozen or locked participant, site or study: an allocation would write a status and visits."""
    try:
        barriers.check_open(participant)
    except Refused as refused:
        return [Reason(str(refused.code), str(refused))]
    return []


def _eligibility_reasons(eligibility: Eligibility) -> list[Reason]:
    reasons = []
    if eligibility.failing:
        ids = ", ".join(a.criterion.id for a in eligibility.failing)
        reasons.append(Reason("not_eligible", _("Criteria not met: %(ids)s. There are no waivers.") % {"ids": ids}))
    if eligibility.undecided:
        ids = ", ".join(a.criterion.id for a in eligibility.undecided)
        reasons.append(Reason("undecided", _("Criteria not yet decided: %(ids)s.") % {"ids": ids}))
    if eligibility.outdated:
        ids = ", ".join(a.criterion.id for a in eligibility.outdated)
        reasons.append(Reason("outdated", _("Assessments too old or absent for: %(ids)s.") % {"ids": ids}))
    if eligibility.record is None or not eligibility.record.is_signed:
        reasons.append(Reason("unsigned", _("Eligibility is not signed by an investigator.")))
    elif eligibility.record.is_changed_since_signing:
        reasons.append(Reason("changed", _("Eligibility was changed since it was signed: it must be signed again.")))
    return reasons


def _stratum_reasons(stratum: Stratum, definition: Definition) -> list[Reason]:
    locale = get_language() or "en"
    return [
        Reason(
            "stratum", _("Stratification factor not known: %(factor)s.") % {"factor": definition.text(v.label, locale)}
        )
        for v in stratum.values
        if not v.code
    ]


def _list_reasons(
    allocation_list: AllocationList | None,
    stratum: Stratum,
    section: RandomizationSection | None,
    participant: Participant,
    has_slot: Callable[[AllocationList, str], bool],
) -> list[Reason]:
    if section is not None and section.closed is not None:
        return []  # no list is needed any more
    if allocation_list is None:
        return [Reason("no_list", _("No allocation list is in use. Ask the statistician."))]
    if allocation_list.state == ListState.EXHAUSTED:
        return [Reason("list_exhausted", _("Every slot of the allocation list is used. Ask the statistician."))]
    reasons = []
    if allocation_list.version_id != participant.version_id:
        made_for: RandomizationSection | None = definition_of(allocation_list.version_id).section("randomization")
        if not randomizes_alike(made_for, section):
            words = _("The allocation list in use was made for version %(version)s, which randomizes differently.")
            reasons.append(Reason("other_version", words % {"version": allocation_list.version.number}))
    if allocation_list.on_hold_at is not None:
        reasons.append(Reason("hold", _("Randomization is on hold.")))
    if stratum.is_known:
        if not has_stratum(allocation_list, stratum):
            reasons.append(
                Reason("unknown_stratum", _("The allocation list has no such stratum. Ask the statistician."))
            )
        elif label_in(allocation_list, stratum) in allocation_list.closed_strata:
            reasons.append(
                Reason("stratum_closed", _("This stratum is closed to randomization. Ask the statistician."))
            )
        elif participant.randomized_on is None and not has_slot(allocation_list, label_in(allocation_list, stratum)):
            reasons.append(Reason("exhausted", _("The list has no place left in this stratum. Ask the statistician.")))
    return reasons
