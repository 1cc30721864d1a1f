"""Allocating a participant: one careful, irreversible step that answers the same when it is asked twice."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from audit.steps import without_savepoints
from trial.actions import notices, statuses, visits
from trial.definitions import definition_of
from trial.models import Delegation, Participant, Person, Role, ScreeningOutcome, StatusKind
from trial.permissions import Permission, check

from .. import commitments, gate, slots
from ..models import Allocation, AllocationList, ListState, Slot
from . import lists


class GateClosed(Refused):
    """The participant cannot be allocated now; `reasons` are all of them."""

    def __init__(self, found: gate.Gate) -> None:
        super().__init__(" ".join(reason.words for reason in found.reasons), code="gate")
        self.reasons = found.reasons


@transaction.atomic
def allocate(*, participant: Participant, password: str, by: Person) -> Allocation:
    """Give the participant the next slot of their stratum, once and for ever.

    The participant is locked, then the list, and only then the slot is sought: the order of the list is kept and two
    people never hold the same slot. Asked again for a participant who is allocated, it returns that allocation.
    Allocation, frozen strata, participant, visits, notices and ledger are written together or not at all. Raises
    GateClosed with every reason, or Refused for a wrong password.
    """
    with without_savepoints():  # no part of it goes on after an error: all or nothing
        return _allocate(participant, password, by)


def _allocate(participant: Participant, password: str, by: Person) -> Allocation:
    check(by, Permission.RANDOMIZE, participant.site_id)
    locked = Participant.objects.select_for_update(no_key=True, of=("self",)).select_related("site").get(
        pk=participant.pk
    )  # fmt: skip
    existing = Allocation.objects.filter(participant=locked).first()
    if existing is not None:
        return existing
    in_use = AllocationList.objects.select_for_update(no_key=True, of=("self",)).select_related("key")
    current = in_use.filter(state=ListState.IN_USE).first()
    found = gate.examine(locked, by)
    if not found.is_open or current is None:
        raise GateClosed(found)
    definition = definition_of(locked.version_id)
    signature = audit.sign(
        locked,
        by=by,
        meaning="randomization",
        content={"participant": locked.code, "site": locked.site.number, "strata": found.stratum.codes},
        password=password,
    )
    slot, is_last = _next_slot(current, found.stratum.label)
    opened = lists.open_slot(lists.data_key(current, current.key), current, slot)
    proof = getattr(slot, "proof", None)
    if proof is None or not commitments.agrees(current, proof, opened):
        raise Refused(_("The slot no longer agrees with its commitment. Nothing was allocated."), code="tampered")
    number = (Allocation.objects.aggregate(last=Max("number"))["last"] or 0) + 1
    allocation = audit.save(
        Allocation(
            participant=locked,
            slot=slot,
            allocation_list=current,
            version_id=locked.version_id,
            number=number,
            arm=opened.arm,
            stratum=slot.stratum,
            strata=found.stratum.codes,
            allocated_at=clock.now(),
            allocated_by=by,
            signature=signature,
            leaf_index=proof.leaf_index,
            proof=proof.steps,
            salt_of_slot=opened.salt.hex(),
        ),
        by=by,
    )
    locked.pathway = definition.arms[opened.arm].pathway
    locked.screening_outcome = ScreeningOutcome.INCLUDED
    audit.save(locked, by=by)
    locked = statuses.record(participant=locked, kind=StatusKind.RANDOMIZED, on=clock.today(), by=by)
    visits.plan(participant=locked, anchor="randomization", by=by)
    visits.settle(participant=locked, by=by)
    audit.deed(
        "participant.randomized", allocation, by=by, number=number, stratum=slot.stratum, strata=found.stratum.codes
    )
    if is_last:
        lists.settle_exhausted(current, by=by)
    _tell(locked, allocation, by)
    return allocation


def _next_slot(allocation_list: AllocationList, stratum: str) -> tuple[Slot, bool]:
    """Return the first available slot of the stratum with its proof, and whether it is the stratum's last.

    The list is locked, so no one else seeks meanwhile. Raises Refused when the gate saw a slot that is gone.
    """
    found = list(
        slots.available(allocation_list)
        .filter(stratum=stratum)
        .select_related("proof__segment__signature")
        .order_by("position")[:2]
    )
    if not found:
        raise Refused(_("The list has no place left in this stratum. Ask the statistician."), code="exhausted")
    return found[0], len(found) == 1


def _tell(participant: Participant, allocation: Allocation, by: Person) -> None:
    """Owe a notice, without the arm, to the site's investigators and coordinators and its monitors."""
    today = clock.today()
    roles = (Role.INVESTIGATOR, Role.CO_INVESTIGATOR, Role.COORDINATOR, Role.MONITOR)
    delegations = Delegation.objects.filter(
        site=participant.site, role__in=roles, person__is_active=True
    ).select_related("person")
    notices.owe(
        kind="randomized",
        people={d.person for d in delegations if d.is_in_force(today)},
        key=f"randomized:{allocation.pk}",
        participant=participant,
        context={"site": participant.site.number, "code": participant.code, "date": today.isoformat()},
        url=f"/participants/{participant.code}/",
        by=by,
    )


__all__ = ["GateClosed", "allocate"]
