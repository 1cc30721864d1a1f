"""May this participant be allocated now? Every failing reason at once, in words that say what to do."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from audit import clock
from audit.errors import Refused
from ecrf.books import book_of
from ecrf.eligibility import Eligibility, assess
from trial import barriers
from trial.definition import Definition
from trial.definitions import definition_of
from trial.models import Participant, Person, Status
from trial.permissions import Permission, can

from .arms import has_stratum, label_in
from .models import Allocation, AllocationList, ListState, Slot
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


def examine(participant: Participant, by: Person) -> Gate:
    """Look at everything that an allocation needs, as of now, for this person. Reads only; the action asks again."""
    definition = definition_of(participant.version_id)
    today = clock.today()
    book = book_of(participant, definition)
    eligibility = assess(participant, today, book)
    stratum = stratum_of(participant, definition, book)
    allocation_list, allocated = _list_in_use()
    reasons = [
        *_person_reasons(participant, by),
        *_participant_reasons(participant),
        *_study_reasons(participant, definition, allocated),
        *_closure_reasons(participant),
        *_eligibility_reasons(eligibility),
        *_stratum_reasons(stratum, definition),
        *_list_reasons(allocation_list, stratum, definition, participant),
    ]
    return Gate(tuple(reasons), stratum, eligibility, allocation_list)


def _list_in_use() -> tuple[AllocationList | None, int]:
    """The list in use, and how many were ever allocated, in one statement: without a list nobody is."""
    counted = Allocation.objects.order_by().values(all=Value(1)).annotate(many=Count("pk")).values("many")
    found = (
        AllocationList.objects.annotate(is_used=Q(state=ListState.IN_USE), allocated=Coalesce(Subquery(counted), 0))
        .order_by("-is_used", "pk")
        .first()
    )
    if found is None:
        return None, 0
    return (found if found.is_used else None), found.allocated  # type: ignore[attr-defined]


def _person_reasons(participant: Participant, by: Person) -> list[Reason]:
    if can(by, Permission.RANDOMIZE, participant.site_id):
        return []
    return [Reason("permission", _("Randomizing is not delegated to you at this site."))]


def _participant_reasons(participant: Participant) -> list[Reason]:
    reasons = []
    if participant.consented_on is None:
        reasons.append(Reason("consent", _("No consent is recorded.")))
    elif participant.withdrawn_contact_on or participant.withdrawn_visits_on:
        reasons.append(Reason("withdrawn", _("The participant has withdrawn.")))
    if participant.lost_on or participant.completed_on or participant.withdrawn_treatment_on:
        reasons.append(Reason("ended", _("The participation or the treatment has ended.")))
    if participant.died_on is not None:
        reasons.append(Reason("died", _("The participant has died.")))
    if participant.status == Status.SCREEN_FAILURE:
        reasons.append(Reason("screen_failure", _("The screening was closed without inclusion.")))
    if participant.randomized_on is not None:
        reasons.append(Reason("allocated", _("The participant is already randomized.")))
    return reasons


def _study_reasons(participant: Participant, definition: Definition, allocated: int) -> list[Reason]:
    reasons = []
    if not participant.site.is_open(clock.today()):
        reasons.append(Reason("site_closed", _("The site does not include participants at present.")))
    if allocated >= definition.study.accrual.target:
        reasons.append(Reason("target", _("The accrual target of the study is reached.")))
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
    allocation_list: AllocationList | None, stratum: Stratum, definition: Definition, participant: Participant
) -> list[Reason]:
    if allocation_list is None:
        return [Reason("no_list", _("No allocation list is in use. Ask the statistician."))]
    reasons = []
    if allocation_list.on_hold_at is not None:
        reasons.append(Reason("hold", _("Randomization is on hold.")))
    if stratum.is_known:
        if not has_stratum(allocation_list, stratum):
            reasons.append(
                Reason("unknown_stratum", _("The allocation list has no such stratum. Ask the statistician."))
            )
        else:
            label = label_in(allocation_list, stratum)
            unused = Slot.objects.filter(allocation_list=allocation_list, stratum=label, allocation=None)
            if participant.randomized_on is None and not unused.exists():
                reasons.append(
                    Reason("exhausted", _("The list has no place left in this stratum. Ask the statistician."))
                )
    return reasons
