"""Allocating a participant, or registering one once randomization has ended: one careful, irreversible step.

Both answer the same when they are asked twice.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from audit.prepared import prepared
from audit.steps import without_savepoints
from trial.actions import notices, statuses
from trial.definitions import definition_of
from trial.locks import lock_participant
from trial.models import Participant, Person, Role, ScreeningOutcome, StatusKind
from trial.permissions import Permission, check

from .. import arms, commitments, gate, opening, slots
from ..models import Allocation, AllocationList, ListState, Registration, Slot
from ..section import RandomizationSection
from . import exhaustion


class GateClosed(Refused):
    """The participant cannot be allocated or registered now; `reasons` are all of them."""

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
    locked = lock_participant(participant.pk)
    if locked.randomized_on is not None and (existing := _allocations(locked.pk)):
        return existing[0]
    confirmed = audit.confirm(by, password, target=locked)  # nobody waits for the list while a password is hashed
    current = _list_in_use.first()
    coming: list[Any] = []

    def seek(allocation_list: AllocationList, stratum: str) -> bool:
        coming.extend(_next_two(allocation_list.pk, tuple(allocation_list.closed_strata), stratum))
        return bool(coming)

    found = gate.examine(locked, by, in_use=current, has_slot=seek)
    if not found.is_open or current is None:
        raise GateClosed(found)
    definition = definition_of(locked.version_id)
    signature = audit.sign(
        locked,
        by=by,
        meaning="randomization",
        content={"participant": locked.code, "site": locked.site.number, "strata": found.stratum.codes},
        password=confirmed,
    )
    slot, number = coming[0], coming[0].last_number + 1
    key = opening.data_key(current, current.key)
    opened = opening.open_slot(key, current, slot)
    proof = getattr(slot, "proof", None)
    if proof is None or not commitments.agrees(current, proof, opened):
        raise Refused(_("The slot no longer agrees with its commitment. Nothing was allocated."), code="tampered")
    given = arms.give(current, opened, found.stratum.codes, lambda: opening.confidential(current, key))
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
            leaf_index=proof.leaf_index,
            proof=proof.steps,
            salt_of_slot=opened.salt.hex(),
            draw=given.draw,
            own_number=opened.number,
        ),
        by=by,
    )
    follow(locked, definition.arms[given.arm].pathway, StatusKind.RANDOMIZED, clock.today(), by)
    audit.deed(
        "participant.randomized", allocation, by=by, number=number, stratum=slot.stratum, strata=found.stratum.codes
    )
    if len(coming) == 1:
        exhaustion.settle(current, by=by)
    tell(locked, allocation, clock.today(), by)
    return allocation


@transaction.atomic
def register(*, participant: Participant, password: str, by: Person) -> Registration:
    """Let the participant follow the visit plan that the study gives to everybody, without being randomized.

    Only where the study's version has ended randomization. No slot is taken, no randomization number given, and the
    participant never counts as randomized; day 0 is today. Asked again, it returns that registration. Raises
    GateClosed with every reason, or Refused for a wrong password.
    """
    check(by, Permission.RANDOMIZE, participant.site_id)
    locked = lock_participant(participant.pk)
    existing = Registration.objects.filter(participant=locked).first()
    if existing is not None:
        return existing
    found = gate.examine_registration(locked, by)
    definition = definition_of(locked.version_id)
    section: RandomizationSection | None = definition.section("randomization")
    if not found.is_open or section is None or section.closed is None:
        raise GateClosed(found)
    arm = section.closed.register_to
    signature = audit.sign(
        locked,
        by=by,
        meaning="registration",
        content={"participant": locked.code, "site": locked.site.number, "randomized": False},
        password=password,
    )
    registration = audit.save(
        Registration(
            participant=locked,
            version_id=locked.version_id,
            arm=arm,
            registered_at=clock.now(),
            registered_by=by,
            signature=signature,
        ),
        by=by,
    )
    follow(locked, definition.arms[arm].pathway, StatusKind.REGISTERED, clock.today(), by)
    audit.deed("participant.registered", registration, by=by)
    tell(locked, registration, clock.today(), by)
    return registration


def follow(participant: Participant, pathway: str, kind: str, on: dt.date, by: Person) -> None:
    """Give the participant, who is locked, pathway, status and visits from a day on."""
    participant.pathway = pathway
    participant.screening_outcome = ScreeningOutcome.INCLUDED
    statuses.begin_plan(participant=participant, kind=kind, on=on, by=by)


@prepared
def _allocations(participant_id: int) -> QuerySet[Allocation]:
    return Allocation.objects.filter(participant_id=participant_id)


@prepared
def _list_in_use() -> QuerySet[AllocationList]:
    lists = AllocationList.objects.select_for_update(no_key=True, of=("self",)).select_related("key")
    return lists.filter(state=ListState.IN_USE).order_by("pk")[:1]


@prepared
def _next_two(list_id: int, closed_strata: tuple[str, ...], stratum: str) -> QuerySet[Slot]:
    """The first available slot of the stratum with its proof, and the one after it, if there are as many.

    The list is locked, so no one else seeks meanwhile. `last_number` is the study's last randomization number.
    """
    numbers = Allocation.objects.order_by("-number")
    return (
        slots.coming(list_id, closed_strata, stratum)
        .select_related("proof__segment__signature")
        .annotate(last_number=Coalesce(Subquery(numbers.values("number")[:1]), 0))[:2]  # read under the list's lock
    )


TOLD_AT_SITE = (Role.INVESTIGATOR, Role.CO_INVESTIGATOR, Role.COORDINATOR, Role.RADIATION_ONCOLOGIST, Role.MONITOR)
TOLD_OF_ALL = (Role.DATA_MANAGER, Role.SPONSOR)
"""Who should know at once. The radiation oncologist is told whatever the arm: a message for one arm only tells it."""


def tell(participant: Participant, given: Allocation | Registration, on: dt.date, by: Person) -> None:
    """Owe a notice, which never tells the arm, to the site's team and monitor and to those who follow every site."""
    kind = "randomized" if isinstance(given, Allocation) else "registered"
    notices.owe(
        kind=kind,
        people=notices.people_holding((*TOLD_AT_SITE, *TOLD_OF_ALL), participant.site_id),
        key=f"{kind}:{given.pk}",
        participant=participant,
        context={"site": participant.site.number, "code": participant.code, "date": on.isoformat()},
        url=f"/participants/{participant.code}/",
        by=by,
        is_first=True,  # nothing was ever owed about what was made a moment ago
    )


__all__ = ["GateClosed", "allocate", "follow", "register", "tell"]
