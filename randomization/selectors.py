"""Reads of allocations and lists, each beginning with the person who asks. No unused slot is ever read here."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import CharField, Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Cast
from django.http import Http404

from audit.models import Deed
from trial.models import Participant, Site
from trial.permissions import Permission, access_of, can, check
from trial.selectors import participants_for

from . import slots
from .arms import counted_by, holds_draws
from .models import (
    Allocation,
    AllocationList,
    Correction,
    ListSimulation,
    RandomizedInError,
    Registration,
    StratumDifference,
    TreatmentReceived,
)
from .section import SITE


def allocation_of(person: Any, participant: Participant) -> Allocation | None:
    """Return the participant's allocation for those who may see the arm; None for the others and before it.

    `is_in_error`, `has_differences` and `is_treatment_told` say what followed, in the same statement.
    """
    if not access_of(person).has(Permission.ARM_VIEW, participant.site_id):
        return None
    return (
        Allocation.objects.filter(participant=participant)
        .select_related("allocated_by", "signature", "allocation_list")
        .annotate(
            is_in_error=Exists(RandomizedInError.objects.filter(allocation=OuterRef("pk"), lifted_at=None)),
            has_differences=Exists(StratumDifference.objects.filter(allocation=OuterRef("pk"), settled_at=None)),
            is_treatment_told=Exists(TreatmentReceived.objects.filter(participant=OuterRef("participant_id"))),
        )
        .first()
    )


def allocation_or_404(person: Any, participant: Participant) -> Allocation:
    """Return the allocation; not found before it, and for those who may not see it."""
    allocation = allocation_of(person, participant)
    if allocation is None:
        raise Http404("No such allocation.")
    return allocation


def registration_of(person: Any, participant: Participant) -> Registration | None:
    """Return how the participant got the visit plan without randomization; None for those who may not see it.

    `is_treatment_told` says whether the treatment received was told, in the same statement.
    """
    if participant.registered_on is None or not access_of(person).has(Permission.ARM_VIEW, participant.site_id):
        return None
    told = TreatmentReceived.objects.filter(participant=OuterRef("participant_id"))
    found = Registration.objects.filter(participant=participant).annotate(is_treatment_told=Exists(told))
    return found.select_related("registered_by", "signature").first()


def registration_or_404(person: Any, participant: Participant) -> Registration:
    """Return the registration; not found before it, and for those who may not see it."""
    registration = registration_of(person, participant)
    if registration is None:
        raise Http404("No such registration.")
    return registration


def arm_of(person: Any, participant: Participant) -> str | None:
    """Return the arm whose treatment is meant for the participant, randomized or registered; None if not to be seen."""
    if not access_of(person).has(Permission.ARM_VIEW, participant.site_id):
        return None
    for model in (Allocation, Registration):
        arm: str | None = model.objects.filter(participant=participant).values_list("arm", flat=True).first()  # type: ignore[attr-defined]
        if arm is not None:
            return arm
    return None


def error_flags_of(participant: Participant) -> list[RandomizedInError]:
    """Return every flag “randomized in error” of a participant, newest first; a flag tells no arm."""
    flags = RandomizedInError.objects.filter(allocation__participant=participant)
    return list(flags.select_related("flagged_by", "lifted_by").defer("allocation").order_by("-pk"))


def is_in_error(participant: Participant) -> bool:
    """Tell whether the participant is flagged as randomized in error."""
    return RandomizedInError.objects.filter(allocation__participant=participant, lifted_at=None).exists()


def differences_of(allocation: Allocation) -> list[StratumDifference]:
    """Return the factors of an allocation whose level, by the data, is or was another one; newest first."""
    return list(allocation.differences.order_by("-pk"))


def treatment_of(person: Any, participant: Participant) -> TreatmentReceived | None:
    """Return what was told of the treatment received, for those who may see the arm."""
    if not access_of(person).has(Permission.ARM_VIEW, participant.site_id):
        return None
    return TreatmentReceived.objects.filter(participant=participant).select_related("told_by").first()


def check_user_sees_differences(person: Any) -> None:
    """Statisticians, auditors and data managers see where data and frozen strata differ: never by arm."""
    if not can(person, Permission.REVIEW):
        check(person, Permission.LIST_VIEW)


def difference_counts(person: Any) -> list[tuple[str, str, str, int, int]]:
    """Return (factor, frozen level, level by the data, open, settled) over the whole trial. Counts without arms."""
    check_user_sees_differences(person)
    rows = StratumDifference.objects.order_by().values("factor", "frozen", "now")
    counted = rows.annotate(all=Count("pk"), settled=Count("settled_at")).order_by("factor", "frozen", "now")
    return [(r["factor"], r["frozen"], r["now"], r["all"] - r["settled"], r["settled"]) for r in counted]


def differences_for(person: Any) -> QuerySet[StratumDifference]:
    """Return the open differences of the participants whom the person sees, newest first: without any arm."""
    check_user_sees_differences(person)
    seen = participants_for(person)
    return (
        StratumDifference.objects.filter(settled_at=None, allocation__participant__in=seen)
        .select_related("allocation__participant__site")
        .order_by("-since", "-pk")
    )


def lists_for(person: Any) -> QuerySet[AllocationList]:
    """Return the allocation lists for those who may see their state (never their slots)."""
    check(person, Permission.LIST_VIEW)
    return AllocationList.objects.select_related(
        "version", "drafted_by", "approved_by", "approval", "simulated_by"
    ).order_by("-pk")


def lists_with_counts(person: Any) -> QuerySet[AllocationList]:
    """Return the lists with `used`, the number of participants allocated from each."""
    return lists_for(person).annotate(used=Count("allocations"))


def list_or_404(person: Any, pk: int) -> AllocationList:
    """Return one list for those who may see its state; refused to the others, not found when there is none."""
    found = lists_for(person).filter(pk=pk).first()
    if found is None:
        raise Http404("No such list.")
    return found


def corrections_of(person: Any, allocation_list: AllocationList) -> list[Correction]:
    """Return the corrections of a list, newest first, for those who may see its state."""
    check(person, Permission.LIST_VIEW)
    return list(allocation_list.corrections.select_related("slot", "proposed_by", "decided_by"))


def correction_or_404(person: Any, pk: int, number: int) -> Correction:
    """Return one correction of one list for those who may see the list's state."""
    check(person, Permission.LIST_VIEW)
    found = (
        Correction.objects.select_related("allocation_list__version", "slot", "proposed_by", "decided_by", "signature")
        .filter(allocation_list=pk, pk=number)
        .first()
    )
    if found is None:
        raise Http404("No such correction.")
    return found


def free_by_stratum(person: Any, allocation_list: AllocationList) -> dict[str, int]:
    """Return how many slots of each stratum can still be given."""
    check(person, Permission.LIST_VIEW)
    rows = slots.available(allocation_list).order_by().values("stratum").annotate(n=Count("pk"))
    found = {row["stratum"]: row["n"] for row in rows}
    return {stratum: found.get(stratum, 0) for stratum in allocation_list.strata}


def counts_by_stratum(person: Any, allocation_list: AllocationList) -> dict[str, int]:
    """Return how many participants hold a slot of each stratum: counts without arms."""
    check(person, Permission.LIST_VIEW)
    rows = allocation_list.allocations.values("stratum").annotate(n=Count("pk"))
    found = {row["stratum"]: row["n"] for row in rows}
    return {stratum: found.get(stratum, 0) for stratum in allocation_list.strata}


def on_paper_by_stratum(person: Any, allocation_list: AllocationList) -> dict[str, int]:
    """Return how many participants of each stratum were allocated from the list's emergency pages, without arms."""
    check(person, Permission.LIST_VIEW)
    found = dict.fromkeys(allocation_list.strata, 0)
    rows = Allocation.objects.filter(_on_paper(allocation_list)).order_by().values("stratum").annotate(n=Count("pk"))
    for row in rows:
        found[_stratum_in(allocation_list, row["stratum"])] += row["n"]
    return found


def _on_paper(allocation_list: AllocationList) -> Q:
    return Q(allocation_list__emergency_of__main=allocation_list)


def _of(allocation_list: AllocationList) -> QuerySet[Allocation]:
    """The participants of a list: allocated from it, or from its emergency pages. Balance is over all of them."""
    return Allocation.objects.filter(Q(allocation_list=allocation_list) | _on_paper(allocation_list))


def _stratum_in(allocation_list: AllocationList, stratum: str) -> str:
    """The stratum of the list for that of an emergency page, which goes by factors also for one sequence of draws."""
    return stratum if stratum in allocation_list.strata else allocation_list.strata[0]


@dataclass(frozen=True)
class Counted:
    """Whom the balance of a list counts: allocated from it, told from its emergency pages, others under its rules."""

    own: int
    paper: int
    others: int


def counted_for_balance(person: Any, allocation_list: AllocationList) -> Counted | None:
    """Return how many allocations the next one is balanced against; None where arms are not computed from others."""
    check(person, Permission.LIST_VIEW)
    if not holds_draws(allocation_list):
        return None
    return Counted(
        **counted_by(allocation_list)
        .order_by()
        .aggregate(
            own=Count("pk", filter=Q(allocation_list=allocation_list)),
            paper=Count("pk", filter=_on_paper(allocation_list)),
            others=Count(
                "pk",
                filter=~Q(allocation_list=allocation_list)
                & (Q(allocation_list__emergency_of=None) | ~Q(allocation_list__emergency_of__main=allocation_list)),
            ),
        )
    )


def counts_by_arm(person: Any, allocation_list: AllocationList) -> dict[str, dict[str, int]]:
    """Return how many participants each stratum has in each arm, for those with the right to balance by arm alone."""
    check(person, Permission.ARM_BALANCE)
    found: dict[str, dict[str, int]] = {
        stratum: dict.fromkeys(allocation_list.arms, 0) for stratum in allocation_list.strata
    }
    for row in _of(allocation_list).order_by().values("stratum", "arm").annotate(n=Count("pk")):
        found[_stratum_in(allocation_list, row["stratum"])][row["arm"]] += row["n"]
    return found


def simulations_of(person: Any, pk: int) -> QuerySet[ListSimulation]:
    """Return the simulations of a list, the newest first, for those who see lists; their reports stay sealed."""
    check(person, Permission.LIST_VIEW)
    found = ListSimulation.objects.filter(allocation_list_id=pk).select_related("allocation_list__version", "made_by")
    return found.order_by("-pk")


def newest_simulation_or_404(person: Any, pk: int) -> ListSimulation:
    """Return the newest simulation of a list, sealed; not found when there is none."""
    newest = simulations_of(person, pk).first()
    if newest is None:
        raise Http404("This list was not simulated.")
    return newest


@dataclass(frozen=True)
class Given:
    """One allocation as the report of a running list counts it: no participant, and no arm unless it was asked for."""

    stratum: str
    site: str
    at: dt.datetime
    arm: str = ""


_COUNTED = ("stratum", "participant__site__number", "allocated_at")


def check_user_sees_progress(person: Any) -> None:
    """How a list fares is for those who see lists, and for the committee, which has the balance and no list."""
    if not can(person, Permission.ARM_BALANCE):
        check(person, Permission.LIST_VIEW)


def lists_that_ran(person: Any) -> QuerySet[AllocationList]:
    """Return the lists that are or were in use, for those who may see how they fare: nothing of slots."""
    check_user_sees_progress(person)
    used = Count("allocations", distinct=True) + Count("emergency__slots__allocations", distinct=True)
    found = AllocationList.objects.filter(in_use_at__isnull=False).annotate(used=used)
    return found.select_related("version").order_by("-pk")


def list_that_ran_or_404(person: Any, pk: int) -> AllocationList:
    """Return a list whose progress the person may see; one that never ran is found by those who see lists alone."""
    check_user_sees_progress(person)
    if can(person, Permission.LIST_VIEW):
        return list_or_404(person, pk)
    found = lists_that_ran(person).filter(pk=pk).first()
    if found is None:
        raise Http404("No such list.")
    return found


def course_of(person: Any, allocation_list: AllocationList) -> list[Given]:
    """Return every allocation of a list and on paper, in the order of time, without arms."""
    check_user_sees_progress(person)
    return _course(allocation_list, *_COUNTED)


def course_by_arm(person: Any, allocation_list: AllocationList) -> list[Given]:
    """Return every allocation of a list and on paper, with its arm, for those with the right to balance by arm."""
    check(person, Permission.ARM_BALANCE)
    return _course(allocation_list, *_COUNTED, "arm")


def _course(allocation_list: AllocationList, *columns: str) -> list[Given]:
    """Each allocation at its true time and at the site of then, wherever the participant has moved since.

    That is the site frozen with it, else the one that the ledger names. One on paper stands at the time at which it
    happened, and at the site at which it was entered.
    """
    told = Deed.objects.filter(
        verb="participant.randomized",
        target_table=Allocation._meta.db_table,
        target_id=Cast(OuterRef("pk"), CharField()),
    )
    rows = _of(allocation_list).annotate(site_then=Subquery(told.values("site_id")[:1]))
    numbers = dict(Site.objects.values_list("pk", "number"))
    return [
        Given(_stratum_in(allocation_list, stratum), frozen.get(SITE, numbers.get(site_id, site)), *rest)
        for frozen, site_id, stratum, site, *rest in rows.order_by("allocated_at", "number").values_list(
            "strata", "site_then", *columns
        )
    ]
