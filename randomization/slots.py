"""Which slots an allocation may take: not held, not made unavailable, in an open stratum. No arm is read here."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from .models import Allocation, AllocationList, CorrectionKind, CorrectionState, Slot


def available(allocation_list: AllocationList) -> QuerySet[Slot]:
    """Return the slots that can still be given, in no order."""
    return unused(allocation_list.pk, tuple(allocation_list.closed_strata))


def unused(list_id: int, closed_strata: tuple[str, ...]) -> QuerySet[Slot]:
    """Return the same of a list and its closed strata.

    Not `allocation=None`: PostgreSQL takes the outer join for one row and walks through the whole stratum.
    """
    held = Allocation.objects.filter(slot=OuterRef("pk")).order_by()
    return (
        Slot.objects.filter(~Exists(held), allocation_list_id=list_id)
        .exclude(stratum__in=closed_strata)
        .exclude(corrections__state=CorrectionState.APPROVED)
    )


def coming(list_id: int, closed_strata: tuple[str, ...], stratum: str) -> QuerySet[Slot]:
    """Return the slots of a stratum that can still be given, the next one first.

    The order is kept under the list's lock: whatever stands before the slot given last is held or unavailable, and is
    not looked at again, however long the list has been in use.
    """
    given = Allocation.objects.filter(allocation_list_id=list_id, stratum=stratum).order_by("-number")
    last = Coalesce(Subquery(given.values("slot__position")[:1]), 0)
    return unused(list_id, closed_strata).filter(stratum=stratum, position__gt=last).order_by("position")


def withdrawn(allocation_list: AllocationList) -> set[tuple[str, int]]:
    """Return stratum and position of every slot that two persons made unavailable."""
    found = allocation_list.corrections.filter(kind=CorrectionKind.WITHDRAW_SLOT, state=CorrectionState.APPROVED)
    return set(found.values_list("slot__stratum", "slot__position"))


def word(allocation_list: AllocationList, stratum: str, position: int | None = None) -> str:
    """Name a stratum by its number in the list, or one slot of it: `3`, `3-17`. What people type to confirm."""
    number = allocation_list.strata.index(stratum) + 1
    return str(number) if position is None else f"{number}-{position}"
