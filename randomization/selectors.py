"""Reads of allocations and lists, each beginning with the person who asks. No unused slot is ever read here."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet
from django.http import Http404

from trial.models import Participant
from trial.permissions import Permission, access_of, check

from .models import Allocation, AllocationList, ListSimulation


def allocation_of(person: Any, participant: Participant) -> Allocation | None:
    """Return the participant's allocation for those who may see the arm; None for the others and before it."""
    if not access_of(person).has(Permission.ARM_VIEW, participant.site_id):
        return None
    return (
        Allocation.objects.filter(participant=participant)
        .select_related("allocated_by", "signature", "allocation_list")
        .first()
    )


def allocation_or_404(person: Any, participant: Participant) -> Allocation:
    """Return the allocation; not found before it, and for those who may not see it."""
    allocation = allocation_of(person, participant)
    if allocation is None:
        raise Http404("No such allocation.")
    return allocation


def lists_for(person: Any) -> QuerySet[AllocationList]:
    """Return the allocation lists for those who may see their state (never their slots)."""
    check(person, Permission.LIST_VIEW)
    return AllocationList.objects.select_related("version", "drafted_by", "approved_by", "approval").order_by("-pk")


def lists_with_counts(person: Any) -> QuerySet[AllocationList]:
    """Return the lists with `used`, the number of participants allocated from each."""
    return lists_for(person).annotate(used=Count("allocations"))


def list_or_404(person: Any, pk: int) -> AllocationList:
    """Return one list for those who may see its state; refused to the others, not found when there is none."""
    found = lists_for(person).filter(pk=pk).first()
    if found is None:
        raise Http404("No such list.")
    return found


def counts_by_stratum(person: Any, allocation_list: AllocationList) -> dict[str, int]:
    """Return how many participants each stratum has: counts without arms."""
    check(person, Permission.LIST_VIEW)
    rows = allocation_list.allocations.values("stratum").annotate(n=Count("pk"))
    found = {row["stratum"]: row["n"] for row in rows}
    return {stratum: found.get(stratum, 0) for stratum in allocation_list.strata}


def counts_by_arm(person: Any, allocation_list: AllocationList) -> dict[str, dict[str, int]]:
    """Return how many participants each stratum has in each arm, for those with the right to balance by arm alone."""
    check(person, Permission.ARM_BALANCE)
    found: dict[str, dict[str, int]] = {
        stratum: dict.fromkeys(allocation_list.arms, 0) for stratum in allocation_list.strata
    }
    for row in allocation_list.allocations.values("stratum", "arm").annotate(n=Count("pk")):
        found[row["stratum"]][row["arm"]] = row["n"]
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


def course_of(person: Any, allocation_list: AllocationList) -> list[Given]:
    """Return every allocation of a list in order, without arms, for those who see lists."""
    check(person, Permission.LIST_VIEW)
    return [Given(*row) for row in allocation_list.allocations.order_by("number").values_list(*_COUNTED)]


def course_by_arm(person: Any, allocation_list: AllocationList) -> list[Given]:
    """Return every allocation of a list in order, with its arm, for those with the right to balance by arm alone."""
    check(person, Permission.ARM_BALANCE)
    return [Given(*row) for row in allocation_list.allocations.order_by("number").values_list(*_COUNTED, "arm")]
