"""Allocating a participant: one careful, irreversible step that answers the same when it is asked twice."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from trial.actions import notices, statuses, visits
from trial.definitions import definition_of
from trial.models import Delegation, Participant, Person, Role, ScreeningOutcome, StatusKind
from trial.permissions import Permission, check

from .. import arms, gate
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
    check(by, Permission.RANDOMIZE, participant.site_id)
    locked = Participant.objects.select_for_update(no_key=True, of=("self",)).select_related("site").get(
        pk=participant.pk
    )  # fmt: skip
    existing = Allocation.objects.filter(participant=locked).first()
    if existing is not None:
        return existing
    current = AllocationList.objects.select_for_update(no_key=True, of=("self",)).filter(state=ListState.IN_USE).first()
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
    slot = _next_slot(current, arms.label_in(current, found.stratum))
    key = lists.data_key(current)
    opened = lists.open_slot(key, current, slot)
    committed = lists.commitment_of(current)
    if committed.root.hex() != current.commitment:
        raise Refused(_("The list no longer agrees with its commitment. Nothing was allocated."), code="tampered")
    given = arms.give(current, opened, found.stratum.codes, lambda: lists.confidential(current, key))
    number = (Allocation.objects.aggregate(last=Max("number"))["last"] or 0) + 1
    allocation = audit.save(
        Allocation(
            participant=locked,
            slot=slot,
            allocation_list=current,
            version_id=locked.version_id,
            number=number,
            arm=given.arm,
            stratum=slot.stratum,
            strata=found.stratum.codes,
            allocated_at=clock.now(),
            allocated_by=by,
            signature=signature,
            leaf_index=committed.index(slot.stratum, slot.position),
            proof=[step.hex() for step in committed.proof(slot.stratum, slot.position)],
            salt_of_slot=opened.salt.hex(),
            draw=given.draw,
            own_number=opened.number,
        ),
        by=by,
    )
    locked.pathway = definition.arms[given.arm].pathway
    locked.screening_outcome = ScreeningOutcome.INCLUDED
    audit.save(locked, by=by)
    locked = statuses.record(participant=locked, kind=StatusKind.RANDOMIZED, on=clock.today(), by=by)
    visits.plan(participant=locked, anchor="randomization", by=by)
    visits.settle(participant=locked, by=by)
    audit.deed(
        "participant.randomized", allocation, by=by, number=number, stratum=slot.stratum, strata=found.stratum.codes
    )
    _tell(locked, allocation, by)
    return allocation


def _next_slot(allocation_list: AllocationList, stratum: str) -> Slot:
    """Return the first slot of the stratum that nobody holds; the list is locked, so no one else seeks meanwhile."""
    last = Allocation.objects.filter(allocation_list=allocation_list, stratum=stratum).aggregate(
        last=Max("slot__position")
    )["last"]
    return Slot.objects.get(allocation_list=allocation_list, stratum=stratum, position=(last or 0) + 1)


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
