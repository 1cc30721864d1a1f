"""When the system is down: slots on paper that two people open, and what was done with them told afterwards.

The slots are a list of their own beside each allocation list: drafted with it, approved and committed with it. They are
drawn one by one (simple randomization, the list's ratio) from a seed of their own, so that the pages of a stratum, all
opened, tell nothing of the live list: neither its order nor its block sizes.
"""

from __future__ import annotations

import base64
import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from trial.definitions import definition_of
from trial.free_text import kept
from trial.locks import lock_participant
from trial.models import Participant, Person, StatusKind
from trial.permissions import Permission, check

from .. import arms, commitments, gate, opening, vault
from ..algorithms import ALGORITHMS, ArmRatio
from ..algorithms.simple import NAME as SIMPLE
from ..models import Allocation, AllocationList, EmergencyList, EmergencyUse, ListKey, ListKind, ListState, Slot
from . import allocations

SLOTS = 5
"""Pages per stratum: at 0.2 participants a site and month, far more than any breakdown takes [D]."""
HALF = 16
"""Characters of a half: 80 bits; a page's password has both."""


# --- with the list: drafted, approved --------------------------------------------------------------------------------


def draft_with(main: AllocationList, *, strata: list[str], by: Person) -> EmergencyList:
    """Draft the emergency slots of a list that is being drafted, in its transaction, for every stratum of the study."""
    algorithm = ALGORITHMS[SIMPLE]
    ratio = [ArmRatio(arm, share) for arm, share in main.arms.items()]
    key = vault.new_data_key()
    secret = vault.Confidential(seed=vault.new_seed())
    reference = str(uuid.uuid4())
    held = audit.save(
        AllocationList(
            kind=ListKind.EMERGENCY,
            reference=reference,
            version_id=main.version_id,
            algorithm=algorithm.name,
            arms=main.arms,
            strata=strata,
            slots_per_stratum=SLOTS,
            slots_total=SLOTS * len(strata),
            sealed_parameters=vault.seal_confidential(key, secret, list_id=reference),
            is_simulated=main.is_simulated,
            drafted_by=by,
            drafted_at=clock.now(),
        ),
        by=by,
    )
    ListKey.objects.create(allocation_list=held, wrapped=vault.wrap(key, opening.keyring(), list_id=reference))
    audit.append(
        [
            Slot(
                allocation_list=held,
                stratum=stratum,
                position=made.position,
                payload=vault.seal_slot(
                    key, vault.Slot(reference, stratum, made.position, made.arm, made.block, vault.new_salt())
                ),
            )
            for stratum in strata
            for made in algorithm.generate(secret.seed, stratum, ratio, (), SLOTS)
        ]
    )
    return audit.save(EmergencyList(main=main, slots=held, first_holder=by), by=by)


def approve_with(main: AllocationList, *, by: Person) -> EmergencyList | None:
    """Approve and commit the emergency slots of a list that is being approved, in its transaction.

    They have the signature of the list's approval, whose content names their commitment (`commitment_with`).
    """
    emergency = EmergencyList.objects.select_related("slots").filter(main=main).first()
    if emergency is None:  # drafted before there were any
        return None
    held = emergency.slots
    assert main.approval is not None
    sealed = opening.open_all(held)
    tree = opening.commitment_of(held, sealed)
    held.commitment = tree.root.hex()
    held.approval = main.approval
    held.approved_by = by
    held.state = ListState.APPROVED
    audit.save(held, by=by)
    spans = commitments.spans_of((one.row.stratum, one.row.position) for one in sealed)
    commitments.keep(held, sealed, tree, number=1, spans=spans, signature=main.approval)
    emergency.second_holder = by
    audit.save(emergency, by=by)
    audit.deed("emergency.committed", held, by=by, commitment=held.commitment)
    return emergency


def commitment_with(main: AllocationList) -> str:
    """Return the commitment of a list's emergency slots, for what its approval signs; "" when it has none."""
    emergency = EmergencyList.objects.select_related("slots").filter(main=main).first()
    return opening.commitment_of(emergency.slots).root.hex() if emergency is not None else ""


# --- on paper --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page(vault._Secret):
    """One slot as it is printed, and the password under which; only for the one who writes the document."""

    stratum: str
    position: int
    mark: str
    arm: str = field(repr=False)
    password: str = field(repr=False)


@transaction.atomic
def pages(*, main: AllocationList, by: Person) -> Iterator[Page]:
    """Open every emergency slot for the document that seals each under its password. The ledger keeps who took it."""
    check(by, Permission.LIST_VIEW)
    emergency = _approved(main)
    key = opening.data_key(emergency.slots)
    found = []
    for slot in _in_order(emergency):
        opened = opening.open_slot(key, emergency.slots, slot)
        halves = [_half(key, who, slot) for who in ("first", "second")]
        found.append(Page(slot.stratum, slot.position, _mark(key, slot), opened.arm, "".join(halves)))
    audit.deed("emergency.pages_taken", emergency, by=by)
    return iter(found)


@dataclass(frozen=True, slots=True)
class Halves(vault._Secret):
    """One holder's halves of the passwords, slot by slot."""

    which: int
    rows: tuple[tuple[str, int, str], ...] = field(repr=False)


@transaction.atomic
def halves(*, main: AllocationList, password: str, by: Person) -> Halves:
    """Give a holder their halves, after the password; refused to everybody else. The ledger keeps when."""
    check(by, Permission.LIST_VIEW)
    emergency = _approved(main)
    which = {emergency.first_holder_id: 1, emergency.second_holder_id: 2}.get(by.pk)
    if which is None:
        raise Refused(_("The halves are given to the two people who drafted and approved the list."), code="holder")
    if not audit.reauthenticate(by, password, target=emergency):
        raise Refused(_("The password is not right. Nothing was signed."), code="wrong_password")
    key = opening.data_key(emergency.slots)
    who = "first" if which == 1 else "second"
    rows = tuple((slot.stratum, slot.position, _half(key, who, slot)) for slot in _in_order(emergency))
    audit.deed("emergency.halves_taken", emergency, by=by, which=which)
    return Halves(which, rows)


# --- afterwards ------------------------------------------------------------------------------------------------------


@transaction.atomic
def reconcile(
    *,
    participant: Participant,
    position: int,
    mark: str,
    happened_at: dt.datetime,
    opened_by: str,
    reason: str,
    password: str,
    by: Person,
) -> Allocation:
    """Tell the system of an allocation that was made on paper: the arm of the page, at its true time (day 0).

    `position` and `mark` are what the opened page says; slots of a stratum are told in their order, each one used or
    set aside before the next. What the gate says against the allocation is kept with it and refuses nothing: the
    participant has been allocated. The site enters it, by whoever may randomize there; a sponsor's role never does, and
    is told as of every allocation. Minimization counts it from its number on (ADR 0016). Told again, it returns that
    allocation.
    """
    check(by, Permission.RANDOMIZE, participant.site_id)
    reason = kept(reason, needed=_("Give the reason."))
    opened_by = kept(opened_by, limit=200, needed=_("Name the two people who opened the page."))
    locked = lock_participant(participant.pk)
    existing = Allocation.objects.filter(participant=locked).select_related("slot", "emergency_use").first()
    if existing is not None:
        return _same(existing, position)
    emergency = _in_force(happened_at)
    _no_allocation_meanwhile()
    found = gate.examine(locked, by)
    if not found.stratum.is_known:
        raise Refused(_("The stratum is not known: complete the forms first."), code="stratum")
    slot, key = _next(emergency, arms.label_on_paper(found.stratum), position, mark)
    opened = opening.open_slot(key, emergency.slots, slot)
    proof = slot.proof
    if not commitments.agrees(emergency.slots, proof, opened):
        raise Refused(_("The slot no longer agrees with its commitment. Nothing was allocated."), code="tampered")
    signature = audit.sign(
        locked,
        by=by,
        meaning="randomization",
        content={
            "participant": locked.code,
            "site": locked.site.number,
            "strata": found.stratum.codes,
            "emergency_slot": position,
            "happened_at": happened_at.isoformat(),
        },
        password=password,
    )
    number = (Allocation.objects.aggregate(last=Max("number"))["last"] or 0) + 1
    allocation = audit.save(
        Allocation(
            participant=locked,
            slot=slot,
            allocation_list=emergency.slots,
            version_id=locked.version_id,
            number=number,
            arm=opened.arm,
            stratum=slot.stratum,
            strata=found.stratum.codes,
            allocated_at=happened_at,
            allocated_by=by,
            signature=signature,
            leaf_index=proof.leaf_index,
            proof=proof.steps,
            salt_of_slot=opened.salt.hex(),
        ),
        by=by,
    )
    against = [reason.code for reason in found.reasons]
    _use(slot, allocation, happened_at, opened_by, reason, against, by)
    day = timezone.localdate(happened_at)
    allocations.follow(
        locked, definition_of(locked.version_id).arms[opened.arm].pathway, StatusKind.RANDOMIZED, day, by
    )
    audit.deed(
        "participant.randomized", allocation, by=by, number=number, stratum=slot.stratum, strata=found.stratum.codes
    )
    audit.deed(
        "emergency.reconciled", allocation, by=by, position=position, happened_at=happened_at.isoformat(),
        opened_by=opened_by, reason=reason, against=against,
    )  # fmt: skip
    allocations.tell(locked, allocation, day, by)
    return allocation


@transaction.atomic
def set_aside(
    *,
    main: AllocationList,
    stratum: str,
    position: int,
    happened_at: dt.datetime,
    opened_by: str,
    reason: str,
    by: Person,
) -> EmergencyUse:
    """Tell of a page that was opened and given to nobody: it is never used, and the next one may be told."""
    check(by, Permission.LIST_APPROVE)
    reason = kept(reason, needed=_("Give the reason."))
    opened_by = kept(opened_by, limit=200, needed=_("Name the two people who opened the page."))
    emergency = _approved(main)
    _check_time(happened_at)
    held = AllocationList.every.select_for_update(no_key=True).get(pk=emergency.slots_id)
    _check_turn(held, stratum, position)
    slot = Slot.objects.get(allocation_list=held, stratum=stratum, position=position)
    use = _use(slot, None, happened_at, opened_by, reason, [], by)
    audit.deed("emergency.set_aside", emergency, by=by, stratum=stratum, position=position, reason=reason)
    return use


def next_position(emergency_slots: AllocationList, stratum: str) -> int:
    """Return which slot of a stratum is to be told next."""
    used = EmergencyUse.objects.filter(slot__allocation_list=emergency_slots, slot__stratum=stratum)
    return (used.aggregate(last=Max("slot__position"))["last"] or 0) + 1


def emergency_in_force(at: dt.datetime) -> EmergencyList | None:
    """Return the emergency slots of the list that was in use at a moment."""
    return (
        EmergencyList.objects.select_related("slots", "main")
        .filter(main__in_use_at__lte=at)
        .exclude(main__closed_at__lte=at)
        .order_by("-main__in_use_at")
        .first()
    )


def _no_allocation_meanwhile() -> None:
    """Lock the list in use, as an allocation does: numbers follow each other, and what minimization counts is whole."""
    list(AllocationList.objects.select_for_update(no_key=True).filter(state=ListState.IN_USE))


def _in_force(happened_at: dt.datetime) -> EmergencyList:
    _check_time(happened_at)
    emergency = emergency_in_force(happened_at)
    if emergency is None:
        raise Refused(_("No list with emergency slots was in use at that time."), code="no_list")
    return emergency


def _check_time(happened_at: dt.datetime) -> None:
    if happened_at > clock.now():
        raise Refused(_("The time of the allocation is in the future."), code="future")


def _next(emergency: EmergencyList, stratum: str, position: int, mark: str) -> tuple[Slot, vault.DataKey]:
    """Return the slot that the page is, once it is that page's turn; the list is locked for it."""
    held = AllocationList.every.select_for_update(no_key=True).get(pk=emergency.slots_id)
    key = opening.data_key(held)
    slot = (
        Slot.objects.select_related("proof__segment__signature")
        .filter(allocation_list=held, stratum=stratum, position=position)
        .first()
    )
    if slot is None or _plain(mark) != _plain(_mark(key, slot)):
        raise Refused(
            _("Number and mark are not those of a page of this participant’s stratum. Compare with the page."),
            code="mark",
        )
    _check_turn(held, stratum, position)
    return slot, key


def _check_turn(held: AllocationList, stratum: str, position: int) -> None:
    wanted = next_position(held, stratum)
    if position < wanted:
        raise Refused(_("Page %(number)s of this stratum is told already.") % {"number": position}, code="used")
    if position > wanted:
        raise Refused(
            _("Page %(number)s of this stratum comes first: tell who received it, or set it aside.")
            % {"number": wanted},
            code="order",
        )


def _use(
    slot: Slot,
    allocation: Allocation | None,
    happened_at: dt.datetime,
    opened_by: str,
    reason: str,
    against: list[str],
    by: Person,
) -> EmergencyUse:
    return audit.save(
        EmergencyUse(
            slot=slot,
            allocation=allocation,
            happened_at=happened_at,
            opened_by=opened_by,
            reason=reason,
            against=against,
            entered_at=clock.now(),
            entered_by=by,
        ),
        by=by,
    )


def _same(existing: Allocation, position: int) -> Allocation:
    """Return the allocation that was told already; refused when the participant has another one."""
    if hasattr(existing, "emergency_use") and existing.slot.position == position:
        return existing
    raise Refused(_("The participant is already randomized."), code="allocated")


def _approved(main: AllocationList) -> EmergencyList:
    emergency = EmergencyList.objects.select_related("slots", "main").filter(main=main).first()
    if emergency is None or not emergency.slots.commitment:
        raise Refused(_("The emergency slots are there once the list is approved."), code="not_approved")
    return emergency


def _in_order(emergency: EmergencyList) -> list[Slot]:
    """The slots as the list orders its strata."""
    place = {stratum: number for number, stratum in enumerate(emergency.slots.strata)}
    return sorted(emergency.slots.slots.all(), key=lambda slot: (place[slot.stratum], slot.position))


def _half(key: vault.DataKey, who: str, slot: Slot) -> str:
    return _letters(vault.derived(key, "emergency-half", who, slot.stratum, str(slot.position)), HALF)


def _mark(key: vault.DataKey, slot: Slot) -> str:
    """What the page shows so that whoever tells of it proves to have it open."""
    text = _letters(vault.derived(key, "emergency-mark", slot.stratum, str(slot.position)), 8)
    return f"{text[:4]}-{text[4:]}"


def _letters(raw: bytes, count: int) -> str:
    """Letters and digits that nobody confuses on paper (base 32 has no 0, 1, 8 or 9)."""
    return base64.b32encode(raw).decode("ascii")[:count]


def _plain(text: str) -> str:
    return "".join(letter for letter in text.upper() if letter.isalnum())


__all__ = [
    "Halves",
    "Page",
    "approve_with",
    "commitment_with",
    "draft_with",
    "emergency_in_force",
    "halves",
    "next_position",
    "pages",
    "reconcile",
    "set_aside",
]
