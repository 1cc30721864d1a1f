"""The flow of participants through the trial, as the CONSORT diagram asks for it.

Enrolment, allocation, follow-up, analysis: every number is counted from what was done (screening log, allocations,
treatment received, statuses, flags).

Totals are for those who follow the whole trial. Numbers by arm are for holders of the right to balance by arm alone,
and each reading of them stands in the audit trail (`reporting.actions.flows`).

Nobody who was randomized is ever counted out: "randomized in error" is a number beside. Participants registered after
randomization ended are a line of their own, in no arm and in no total of the randomized.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Case, Count, F, Q, Value, When

from audit.errors import Refused
from ecrf.actions.milestones import value_at
from ecrf.models import Record
from randomization.models import Allocation, RandomizedInError, TreatmentReceived
from randomization.treatment import TreatmentSection
from trial.definitions import definition_of
from trial.models import Participant, ScreeningOutcome, Version
from trial.permissions import REFUSALS, Access, Permission, access_of, check
from trial.statuses import OTHER

FOLLOWS_ALL = (Permission.EXPORT, Permission.LIST_VIEW, Permission.ARM_BALANCE)
"""Who holds one of these for every site sees the totals of the trial."""


def is_open_to(access: Access) -> bool:
    """Tell whether the flow of the whole trial is for somebody."""
    return any(access.has(permission) and access.sites(permission) is None for permission in FOLLOWS_ALL)


def check_user_sees_flow(person: Any) -> None:
    """Raise, in words, unless the person follows the whole trial."""
    if not is_open_to(access_of(person)):
        raise Refused(REFUSALS[Permission.EXPORT](), code="permission.flow")


@dataclass
class Branch:
    """What became of the randomized: of one arm, or (`arm` empty) of all. Reasons are codes, most frequent first."""

    arm: str = ""
    allocated: int = 0
    received: int = 0
    not_received: Counter[str] = field(default_factory=Counter)
    not_told: int = 0
    """Of whom the site has not yet said which treatment was received."""
    lost: int = 0
    discontinued: Counter[str] = field(default_factory=Counter)
    """Treatment ended for good, by the reason of the form, or "withdrawn" where only the withdrawal says so."""
    in_error: int = 0
    per_protocol: int = 0

    @property
    def analyzed(self) -> int:
        """By intention to treat: everybody allocated (ICH E9, 5.2.1)."""
        return self.allocated

    @property
    def not_received_in_all(self) -> int:
        return sum(self.not_received.values())

    @property
    def discontinued_in_all(self) -> int:
        return sum(self.discontinued.values())


@dataclass
class Flow:
    """The whole diagram; `arms` is empty unless it was asked for by arm."""

    screened: int
    excluded: list[tuple[str, str, int]]
    """(reason, detail, count) of the screenings closed without inclusion, most frequent first."""
    left: int
    """Withdrawn, lost or dead before inclusion, their screening never closed."""
    in_screening: int
    registered: int
    total: Branch
    arms: list[Branch]

    @property
    def randomized(self) -> int:
        return self.total.allocated

    @property
    def excluded_in_all(self) -> int:
        return sum(count for _reason, _detail, count in self.excluded)


def flow(person: Any) -> Flow:
    """Return the totals of the whole trial; nothing by arm."""
    check_user_sees_flow(person)
    return _flow(by_arm=False)


def flow_by_arm(person: Any) -> Flow:
    """Return the flow by arm, for holders of the right to balance by arm alone."""
    check(person, Permission.ARM_BALANCE)
    return _flow(by_arm=True)


WITHDRAWN = "withdrawn"
UNKNOWN = "unknown"
_NOT_INCLUDED = Q(randomized_on=None, registered_on=None)


def _flow(*, by_arm: bool) -> Flow:
    gone = Q(died_on__isnull=False) | Q(lost_on__isnull=False) | Q(withdrawn_contact_on__isnull=False)
    gone |= Q(withdrawn_visits_on__isnull=False) | Q(completed_on__isnull=False)
    failed = Q(screening_outcome=ScreeningOutcome.FAILED)
    counted = Participant.objects.aggregate(
        screened=Count("pk"),
        registered=Count("pk", filter=Q(registered_on__isnull=False)),
        left=Count("pk", filter=_NOT_INCLUDED & ~failed & gone),
        in_screening=Count("pk", filter=_NOT_INCLUDED & ~failed & ~gone),
    )
    branches = _branches()
    return Flow(
        screened=counted["screened"],
        excluded=_excluded(),
        left=counted["left"],
        in_screening=counted["in_screening"],
        registered=counted["registered"],
        total=_added(branches.values()),
        arms=list(branches.values()) if by_arm else [],
    )


def _excluded() -> list[tuple[str, str, int]]:
    rows = Participant.objects.filter(screening_outcome=ScreeningOutcome.FAILED).order_by()
    detail = Case(When(failure_reason__in=["", OTHER], then=F("failure_detail")), default=Value(""))
    counted = rows.annotate(detail=detail).values("failure_reason", "detail").annotate(n=Count("pk"))
    ordered = counted.order_by(F("n").desc(), "failure_reason", "detail")
    return [(row["failure_reason"], row["detail"], row["n"]) for row in ordered]


def _branches() -> dict[str, Branch]:
    """One branch per arm that any version of the study ever had, in the order of the newest."""
    versions = [definition_of(pk) for pk in Version.objects.order_by("-number").values_list("pk", flat=True)]
    found = {arm: Branch(arm) for definition in versions for arm in definition.arms}
    told = {row["participant_id"]: row for row in TreatmentReceived.objects.values("participant_id", "received", "why")}
    in_error = set(RandomizedInError.objects.filter(lifted_at=None).values_list("allocation_id", flat=True))
    ended = _ended()
    for allocation in Allocation.objects.select_related("participant").only(
        "arm", "participant__lost_on", "participant__treatment_ended_on", "participant__withdrawn_treatment_on",
        "participant__withdrawn_visits_on", "participant__withdrawn_contact_on",
    ):  # fmt: skip
        branch = found.setdefault(allocation.arm, Branch(allocation.arm))
        _count(branch, allocation, told.get(allocation.participant_id), ended, is_in_error=allocation.pk in in_error)
    return found


def _count(
    branch: Branch,
    allocation: Allocation,
    told: Mapping[str, Any] | None,
    ended: Mapping[int, str],
    *,
    is_in_error: bool,
) -> None:
    participant = allocation.participant
    branch.allocated += 1
    branch.in_error += is_in_error
    branch.lost += participant.lost_on is not None
    if told is None:
        branch.not_told += 1
    elif told["received"] == allocation.arm:
        branch.received += 1
        branch.per_protocol += not is_in_error
    else:
        branch.not_received[told["why"]] += 1
    if participant.treatment_ended_on is not None:
        branch.discontinued[ended.get(participant.pk, UNKNOWN)] += 1
    elif participant.withdrawn_treatment_on or participant.withdrawn_visits_on or participant.withdrawn_contact_on:
        branch.discontinued[WITHDRAWN] += 1


def _ended() -> dict[int, str]:
    """Return, by participant, the reason of the end of treatment that the study's form says."""
    found: dict[int, str] = {}
    for version_id in Version.objects.order_by("number").values_list("pk", flat=True):
        definition = definition_of(version_id)
        section: TreatmentSection | None = definition.section("treatment")
        if section is None or section.ended_why is None:
            continue
        form = section.ended_why.partition(".")[0]
        records = Record.objects.filter(
            form=form, participant__version_id=version_id, participant__randomized_on__isnull=False, removed_at=None
        )
        for record in records:
            why = value_at(record, definition, section.ended_why)
            if why:
                found[record.participant_id] = str(why)
    return found


def _added(branches: Iterable[Branch]) -> Branch:
    """All arms together."""
    total = Branch()
    for branch in branches:
        for name in ("allocated", "received", "not_told", "lost", "in_error", "per_protocol"):
            setattr(total, name, getattr(total, name) + getattr(branch, name))
        total.not_received += branch.not_received
        total.discontinued += branch.discontinued
    return total
