"""Does each allocation agree with the sealed list, and the list with its commitment? Needs the environment's keys.

Three things are held against each other: the sealed slots, the commitment (as the list, the signature of its approval
and the ledger know it), and the allocations. What is found names slots and allocations by their place; the arm of a
slot that nobody holds is never part of a sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from audit.errors import Refused
from audit.models import Deed
from trial.definitions import definition_of

from . import arms, vault
from .actions import lists
from .actions.lists import IMPORTED
from .algorithms import ALGORITHMS, ArmRatio, Kind
from .algorithms.imported import ImportedSlot, fingerprint
from .algorithms.merkle import Commitment, SaltedSlot, verify_slot
from .models import Allocation, AllocationList, ListState


@dataclass(frozen=True)
class Trouble:
    """One thing that does not agree: a code for programs, where, and the words."""

    code: str
    where: str
    words: str

    def __str__(self) -> str:
        return f"{self.where}: {self.words}"


@dataclass
class Report:
    """What was looked at in one list, and everything that does not agree."""

    allocation_list: AllocationList
    slots: int = 0
    agreeing: list[Allocation] = field(default_factory=list)
    disagreeing: list[Allocation] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.troubles

    def say(self, code: str, where: str, words: str) -> None:
        self.troubles.append(Trouble(code, where, words))


def verify(allocation_list: AllocationList) -> Report:
    """Check one list with all its allocations. Raises nothing for what is wrong: everything wrong is in the report."""
    report = Report(allocation_list)
    opened = _open_slots(report)
    secret = _open_parameters(report, opened)
    _check_made(report, opened, secret)
    _check_commitment(report, opened)
    _check_allocations(report, opened, secret)
    return report


def check_numbers() -> list[Trouble]:
    """Name every hole in the randomization numbers over all lists: they run 1, 2, 3 … without one."""
    numbers = set(Allocation.objects.values_list("number", flat=True))
    return [
        Trouble("number_missing", f"R{number:04d}", "there is no allocation with this number")
        for number in range(1, max(numbers, default=0) + 1)
        if number not in numbers
    ]


Opened = dict[tuple[str, int], vault.Slot]


def slot_words(stratum: str, position: int) -> str:
    """Where a slot is."""
    return f"slot {position} of {stratum}"


def _open_slots(report: Report) -> Opened:
    """Open every slot that can be opened, naming the others."""
    current = report.allocation_list
    try:
        key = lists.data_key(current)
    except Refused as refused:
        report.say(refused.code or "key", "key of the list", str(refused))
        return {}
    opened: Opened = {}
    for slot in current.slots.order_by("stratum", "position"):
        report.slots += 1
        where = slot_words(slot.stratum, slot.position)
        try:
            opened[slot.stratum, slot.position] = vault.open_slot(
                key, slot.payload, list_id=current.reference, stratum=slot.stratum, position=slot.position
            )
        except vault.VaultError:
            report.say("slot_changed", where, "was changed or moved since it was sealed")
    held = set(current.slots.values_list("stratum", "position"))
    for stratum in current.strata:
        for position in range(1, current.slots_per_stratum + 1):
            if (stratum, position) not in held:
                report.say("slot_missing", slot_words(stratum, position), "is not in the list")
    for stratum, position in sorted(held):
        if stratum not in current.strata or position > current.slots_per_stratum:
            report.say("slot_added", slot_words(stratum, position), "does not belong to the list")
    return opened


def _check_made(report: Report, opened: Opened, secret: vault.Confidential | None) -> None:
    """Make the list again from its sealed seed and compare, slot by slot; an imported one with what was imported."""
    current = report.allocation_list
    if not opened or secret is None:
        return
    algorithm = ALGORITHMS.get(current.algorithm)
    if algorithm is None:
        report.say("algorithm_unknown", "algorithm", f"{current.algorithm} is not known here")
        return
    if algorithm.kind is Kind.IMPORTED:
        found = [ImportedSlot(s.stratum, s.position, s.arm, s.number) for s in opened.values()]
        if len(opened) == report.slots and fingerprint(found) != secret.extra.get(IMPORTED):
            report.say("slots_replaced", "slots", "are not those of the file that was imported")
        return
    ratio = [ArmRatio(arm, share) for arm, share in current.arms.items()]
    for stratum in current.strata:
        made = algorithm.generate(
            secret.seed, stratum, ratio, secret.block_sizes, current.slots_per_stratum, secret.extra
        )
        for expected in made[: current.slots_per_stratum]:
            slot = opened.get((stratum, expected.position))
            if slot is not None and slot.arm != expected.arm:
                report.say("slot_replaced", slot_words(stratum, expected.position), "is not what the sealed seed makes")


def _open_parameters(report: Report, opened: Opened) -> vault.Confidential | None:
    """Open the confidential parameters, or say that they were changed."""
    current = report.allocation_list
    if not opened:
        return None
    try:
        return vault.open_confidential(lists.data_key(current), current.sealed_parameters, list_id=current.reference)
    except vault.VaultError:
        report.say("parameters_changed", "sealed parameters", "were changed since the list was made")
        return None


def _arms_given(
    report: Report, opened: Opened, secret: vault.Confidential | None, allocations: Sequence[Allocation]
) -> dict[int, str]:
    """The arm that each allocation should have, by its key; nothing for those whose slot cannot be opened.

    Where slots hold draws, each arm is computed again from the draws and frozen factors up to its own, in the order of
    the allocations: a changed arm is named alone, a changed factor with all those that it moved.
    """
    current = report.allocation_list
    slots = {a.pk: opened.get((a.slot.stratum, a.slot.position)) for a in allocations}
    if not arms.holds_draws(current):
        return {pk: slot.arm for pk, slot in slots.items() if slot is not None}
    if secret is None or None in slots.values():
        return {}
    entries = [(slot.arm, a.strata) for a in allocations if (slot := slots[a.pk]) is not None]
    try:
        return dict(zip(slots, arms.replay(current, secret, entries), strict=True))
    except (KeyError, ValueError, TypeError):
        report.say("replay", "allocations", "cannot be replayed: a draw or a frozen factor is not what it must be")
        return {}


def _check_commitment(report: Report, opened: Opened) -> None:
    """Hold the commitment of the list against its slots, the signature of the approval and the ledger."""
    current = report.allocation_list
    if current.state == ListState.DRAFT:
        return
    told = Deed.objects.filter(
        verb="list.approved", target_table=current._meta.db_table, target_id=str(current.pk)
    ).values_list("details__commitment", flat=True)
    if list(told) != [current.commitment]:
        report.say("commitment_ledger", "commitment", "is not the one that the audit trail published")
    signed = current.approval.content.get("commitment") if current.approval is not None else None
    if signed != current.commitment:
        report.say("commitment_signature", "commitment", "is not the one that the second person signed")
    if len(opened) != report.slots or not opened:
        return  # what cannot be opened is named already
    try:
        root = _commitment(current, opened).root.hex()
    except ValueError:
        root = ""
    if root != current.commitment:
        report.say("commitment_slots", "commitment", "does not agree with the sealed slots")


def _commitment(current: AllocationList, opened: Opened) -> Commitment:
    return Commitment(current.reference, (SaltedSlot(s.stratum, s.position, s.arm, s.salt) for s in opened.values()))


def _check_allocations(report: Report, opened: Opened, secret: vault.Confidential | None) -> None:
    """Check every allocation of the list, in the order in which they were given."""
    current = report.allocation_list
    allocations = list(current.allocations.select_related("slot", "participant", "signature").order_by("number"))
    expected = _arms_given(report, opened, secret, allocations)
    given: dict[str, int] = {}
    last = None
    for allocation in allocations:
        before = len(report.troubles)
        where = str(allocation)
        stratum, position = allocation.slot.stratum, allocation.slot.position
        wanted = given.get(stratum, 0) + 1
        if position > wanted:
            skipped = ", ".join(str(n) for n in range(wanted, position))
            report.say("skipped", where, f"took {slot_words(stratum, position)}; skipped: {skipped}")
        elif position < wanted:
            report.say("reordered", where, f"took {slot_words(stratum, position)} after a later one")
        given[stratum] = max(given.get(stratum, 0), position)
        if last is not None and allocation.allocated_at < last:
            report.say("reordered", where, "is dated before the allocation with the number before it")
        last = allocation.allocated_at
        slot, arm = opened.get((stratum, position)), expected.get(allocation.pk)
        for code, words in _faults(allocation, current, slot, arm, report.slots):
            report.say(code, where, words)
        (report.agreeing if len(report.troubles) == before else report.disagreeing).append(allocation)


def _faults(
    allocation: Allocation, current: AllocationList, slot: vault.Slot | None, expected: str | None, size: int
) -> Iterable[tuple[str, str]]:
    """What does not agree in one allocation."""
    participant = allocation.participant
    if allocation.slot.allocation_list_id != current.pk:
        yield "other_list", "holds a slot of another list"
    if allocation.stratum != allocation.slot.stratum:
        yield "stratum", "has another stratum than its slot"
    if expected is not None and expected != allocation.arm:
        if arms.holds_draws(current):
            yield "arm", "has another arm than its draw, its frozen factors and the earlier allocations make"
        else:
            yield "arm", "has another arm than its slot"
    if slot is not None and arms.holds_draws(current) and slot.arm != allocation.draw:
        yield "draw", "has another draw than its slot"
    if slot is not None and slot.number != allocation.own_number:
        yield "own_number", "has another own number than its slot"
    if slot is not None and slot.salt.hex() != allocation.salt_of_slot:
        yield "salt", "has another salt than its slot"
    if not _proved(allocation, current, size):
        yield "proof", "its proof does not lead to the commitment of the list"
    arm = definition_of(allocation.version_id).arms.get(allocation.arm)
    if arm is None or participant.pathway != arm.pathway:
        yield "pathway", "the participant follows another pathway than that of the arm"
    content = allocation.signature.content
    if (content.get("participant"), content.get("strata")) != (participant.code, allocation.strata):
        yield "signature", "is not what the person who randomized signed"
    told = Deed.objects.filter(
        verb="participant.randomized", target_table=allocation._meta.db_table, target_id=str(allocation.pk)
    ).values_list("details__number", "details__stratum")
    if list(told) != [(allocation.number, allocation.stratum)]:
        yield "ledger", "is not what the audit trail tells"


def _proved(allocation: Allocation, current: AllocationList, size: int) -> bool:
    """Whether the allocation's own proof shows its slot under the commitment, without any key."""
    try:
        salted = SaltedSlot(
            allocation.slot.stratum,
            allocation.slot.position,
            allocation.draw if arms.holds_draws(current) else allocation.arm,
            bytes.fromhex(allocation.salt_of_slot),
        )
        return verify_slot(
            current.reference,
            salted,
            index=allocation.leaf_index,
            size=size,
            proof=[bytes.fromhex(step) for step in allocation.proof],
            root=bytes.fromhex(current.commitment),
        )
    except ValueError:
        return False
