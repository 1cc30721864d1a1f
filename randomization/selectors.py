"""Reads of allocations and lists, each beginning with the person who asks. No unused slot is ever read here."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet
from django.http import Http404

from trial.models import Participant
from trial.permissions import Permission, access_of, check

from . import slots
from .models import Allocation, AllocationList, Correction


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
