"""Does each allocation agree with the sealed list, and the list with its commitment?

`verify` opens the whole list with the environment's keys and holds against each other: the sealed slots, the
commitments (as the segments, the signatures and the ledger know them), the corrections, and the allocations in their
order. `verify_allocation` needs no key: its salt, its arm and its proof lead to the published root or they do not. What
is found names slots and allocations by their place; the arm of a slot that nobody holds is never part of a sentence.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from audit.errors import Refused
from audit.models import Deed
from trial.definitions import definition_of

from . import arms, opening, vault
from .actions.corrections import segment_id
from .actions.lists import IMPORTED
from .algorithms import ALGORITHMS, Kind, merkle
from .algorithms.imported import ImportedSlot, fingerprint
from .algorithms.merkle import SaltedSlot, verify_slot
from .algorithms.minimization import Placed
from .commitments import leaf_of, signed_root
from .models import Allocation, AllocationList, CorrectionState, ListKind, Segment


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
    withdrawn: list[str] = field(default_factory=list)
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
    _check_commitments(report, opened)
    _check_allocations(report, opened, secret, _withdrawn(report))
    return report


def verify_allocation(allocation: Allocation, published: str = "") -> list[Trouble]:
    """Check one allocation before the list is revealed, without any key: everything that does not agree.

    `published` is the root as somebody kept it outside (the paper of the trial master file); without it the roots of
    the signature and of the ledger count.
    """
    report = Report(allocation.allocation_list)
    segment = _segment_of(allocation)
    if segment is None:
        report.say("no_proof", str(allocation), "its slot was never committed")
        return report.troubles
    _check_published(report, segment)
    if published and published.strip().lower() != segment.commitment:
        report.say("published", "commitment", "is not the one that was published")
    for code, words in _faults(allocation, report.allocation_list, None, None, segment):
        report.say(code, str(allocation), words)
    return report.troubles


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
        key = opening.data_key(current)
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
    wanted = _places(current)
    for stratum, position in sorted(wanted - held):
        report.say("slot_missing", slot_words(stratum, position), "is not in the list")
    for stratum, position in sorted(held - wanted):
        report.say("slot_added", slot_words(stratum, position), "does not belong to the list")
    return opened


def _places(current: AllocationList) -> set[tuple[str, int]]:
    """Return stratum and position of every slot that the list must have: as committed, or as drafted before that."""
    spans = [segment.spans for segment in current.segments.all()]
    if not spans:
        spans = [{stratum: [1, current.slots_per_stratum] for stratum in current.strata}]
    return {
        (stratum, position)
        for span in spans
        for stratum, (first, last) in span.items()
        for position in range(first, last + 1)
    }


def _check_made(report: Report, opened: Opened, secret: vault.Confidential | None) -> None:
    """Make the list again from its sealed seed, each appended segment from its own, and compare slot by slot.

    An imported list has no algorithm: it is compared with the fingerprint of what was imported.
    """
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
    whole = {stratum: [1, current.slots_per_stratum] for stratum in current.strata}
    _compare(report, opened, secret, whole)
    for segment in current.segments.filter(number__gt=1):
        try:
            appended = vault.open_confidential(
                opening.data_key(current), segment.sealed_parameters, list_id=segment_id(current, segment.number)
            )
        except vault.VaultError:
            where = f"sealed parameters of segment {segment.number}"
            report.say("parameters_changed", where, "were changed since the list was made")
            continue
        _compare(report, opened, appended, segment.spans)


def _compare(report: Report, opened: Opened, secret: vault.Confidential, spans: Mapping[str, list[int]]) -> None:
    for stratum, (first, last) in spans.items():
        for expected in opening.make_slots(report.allocation_list, secret, stratum, last - first + 1):
            position = first - 1 + expected.position
            slot = opened.get((stratum, position))
            if slot is not None and slot.arm != expected.arm:
                report.say("slot_replaced", slot_words(stratum, position), "is not what the sealed seed makes")


def _open_parameters(report: Report, opened: Opened) -> vault.Confidential | None:
    """Open the confidential parameters, or say that they were changed."""
    current = report.allocation_list
    if not opened:
        return None
    try:
        return vault.open_confidential(opening.data_key(current), current.sealed_parameters, list_id=current.reference)
    except vault.VaultError:
        report.say("parameters_changed", "sealed parameters", "were changed since the list was made")
        return None


def _arms_given(
    report: Report, opened: Opened, secret: vault.Confidential | None, allocations: Sequence[Allocation]
) -> dict[int, str]:
    """The arm that each allocation should have, by its key; nothing for those whose slot cannot be opened.

    Where slots hold draws, each arm is computed again from the draws and frozen factors up to its own, in the order of
    the numbers: a changed arm is named alone, a changed factor with all those that it moved. Of the others that count
    (on paper, of earlier lists) the arm is that of their own sealed list, never the one that is stored.
    """
    current = report.allocation_list
    slots = {a.pk: opened.get((a.slot.stratum, a.slot.position)) for a in allocations}
    if not arms.holds_draws(current):
        return {pk: slot.arm for pk, slot in slots.items() if slot is not None}
    if secret is None or None in slots.values() or not allocations:
        return {}
    last = max(a.number for a in allocations)
    counted = list(arms.counted_by(current).filter(number__lte=last).select_related("allocation_list", "slot"))
    strangers = {a.allocation_list for a in counted if a.allocation_list_id != current.pk}
    others = _arms_elsewhere(report, strangers, before=last)
    entries: list[arms.Entry] = []
    for one in counted:
        if one.pk in slots:
            slot = slots[one.pk]
            assert slot is not None
            entries.append((slot.arm, one.strata))
        elif one.pk in others:
            entries.append(Placed(others[one.pk], one.strata))
        else:
            return {}
    try:
        made = zip(counted, arms.replay(current, secret, entries), strict=True)
        return {one.pk: arm for one, arm in made if one.pk in slots}
    except (KeyError, ValueError, TypeError):
        report.say("replay", "allocations", "cannot be replayed: a draw or a frozen factor is not what it must be")
        return {}


def _arms_elsewhere(report: Report, strangers: Iterable[AllocationList], *, before: int) -> dict[int, str]:
    """The arms of the allocations of other lists before a number, each as its own sealed list makes it.

    What is wrong in such a list is named by its own verification. A list that cannot be opened is told: without it
    nothing can be replayed.
    """
    found: dict[int, str] = {}
    for other in sorted(strangers, key=lambda each: each.pk):
        theirs = Report(other)
        opened = _open_slots(theirs)
        allocations = list(other.allocations.filter(number__lt=before).select_related("slot").order_by("number"))
        arms_there = _arms_given(theirs, opened, _open_parameters(theirs, opened), allocations)
        if len(arms_there) != len(allocations):
            report.say("replay", "allocations", f"cannot be replayed: list {other.pk}, which counts, cannot be opened")
        found |= arms_there
    return found


def _check_commitments(report: Report, opened: Opened) -> None:
    """Hold each commitment against the ledger, its signature, the kept leaves and the slots that can be opened."""
    current = report.allocation_list
    if current.approval_id is None and not current.commitment:
        return
    segments = list(current.segments.select_related("signature"))
    if not any(segment.number == 1 and segment.commitment == current.commitment for segment in segments):
        report.say("commitment_list", "commitment", "of the list is not that of its first segment")
    for segment in segments:
        _check_published(report, segment)
        _check_leaves(report, segment, opened)


def _check_published(report: Report, segment: Segment) -> None:
    """Hold a segment's root against the one that was signed and the one that the ledger published."""
    current = report.allocation_list
    where = "commitment" if segment.number == 1 else f"commitment of segment {segment.number}"
    told = Deed.objects.filter(details__commitment=segment.commitment)
    if segment.number == 1:
        verb = "emergency.committed" if current.kind == ListKind.EMERGENCY else "list.approved"
        told = told.filter(verb=verb, target_table=current._meta.db_table, target_id=str(current.pk))
    else:
        told = told.filter(verb="list.correction_approved", details__list=current.pk)
    if told.count() != 1 or (segment.number == 1 and segment.commitment != current.commitment):
        report.say("commitment_ledger", where, "is not the one that the audit trail published")
    if signed_root(current, segment) != segment.commitment:
        report.say("commitment_signature", where, "is not the one that the second person signed")
    if segment.number == 1 and (current.approval_id != segment.signature_id):
        report.say("commitment_signature", where, "is not under the signature of the approval")


def _check_leaves(report: Report, segment: Segment, opened: Opened) -> None:
    """Hold the kept leaves of a segment against its root, and each slot that can be opened against its leaf."""
    current = report.allocation_list
    proofs = list(segment.proofs.select_related("slot").order_by("leaf_index"))
    held = {(proof.slot.stratum, proof.slot.position) for proof in proofs}
    for stratum, (first, last) in segment.spans.items():
        for position in range(first, last + 1):
            if (stratum, position) not in held:
                report.say("slot_uncommitted", slot_words(stratum, position), "has no proof under the commitment")
    leaves = []
    for proof in proofs:
        where = slot_words(proof.slot.stratum, proof.slot.position)
        leaf = _bytes(proof.leaf)
        leaves.append(leaf)
        slot = opened.get((proof.slot.stratum, proof.slot.position))
        if slot is not None and leaf_of(current.reference, slot) != leaf:
            report.say("slot_uncommitted", where, "is not what was committed")
        steps = [_bytes(step) for step in proof.steps]
        if not merkle.verify(leaf, proof.leaf_index, segment.size, steps, _bytes(segment.commitment)):
            report.say("slot_proof", where, "its kept proof does not lead to the commitment")
    if merkle.root(leaves).hex() != segment.commitment:
        report.say("commitment_slots", "commitment", "does not agree with the slots that it is over")


def _bytes(text: str) -> bytes:
    """The bytes of a hexadecimal text; none when it was spoilt."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _withdrawn(report: Report) -> dict[tuple[str, int], dt.datetime]:
    """Return since when each slot is unavailable; name every correction that audit trail or signature does not know."""
    current = report.allocation_list
    found = {}
    corrections = current.corrections.filter(state=CorrectionState.APPROVED).select_related("slot", "signature")
    for correction in corrections.order_by("pk"):
        told = Deed.objects.filter(
            verb="list.correction_approved",
            target_table=correction._meta.db_table,
            target_id=str(correction.pk),
            by_id=correction.decided_by_id,
        ).values_list("details__kind", "details__stratum", "details__position")
        place = (correction.slot.stratum, correction.slot.position) if correction.slot is not None else None
        signed = correction.signature.content if correction.signature is not None else {}
        known = place or (correction.stratum or None, None)
        if list(told) != [(correction.kind, *known)] or (
            (signed.get("kind"), signed.get("stratum"), signed.get("position")) != (correction.kind, *known)
        ):
            report.say("correction", str(correction), "is not what two persons decided in the audit trail")
        elif place is not None and correction.decided_at is not None:
            found[place] = correction.decided_at
            report.withdrawn.append(slot_words(*place))
    return found


def _check_allocations(
    report: Report,
    opened: Opened,
    secret: vault.Confidential | None,
    withdrawn: dict[tuple[str, int], dt.datetime],
) -> None:
    """Check every allocation of the list, in the order in which they were given."""
    current = report.allocation_list
    allocations = list(
        current.allocations.select_related("slot__proof__segment", "participant", "signature").order_by("number")
    )
    expected = _arms_given(report, opened, secret, allocations)
    given: dict[str, int] = {}
    last = None
    for allocation in allocations:
        before = len(report.troubles)
        where = str(allocation)
        stratum, position = allocation.slot.stratum, allocation.slot.position
        wanted = given.get(stratum, 0) + 1
        unavailable = {p for (s, p), since in withdrawn.items() if s == stratum and since <= allocation.allocated_at}
        if position in unavailable:
            report.say("withdrawn", where, f"took {slot_words(stratum, position)}, which was made unavailable")
        skipped = [str(n) for n in range(wanted, position) if n not in unavailable]
        if skipped:
            report.say("skipped", where, f"took {slot_words(stratum, position)}; skipped: {', '.join(skipped)}")
        elif position < wanted:
            report.say("reordered", where, f"took {slot_words(stratum, position)} after a later one")
        given[stratum] = max(given.get(stratum, 0), position)
        told_later = current.kind == ListKind.EMERGENCY  # numbered when they are entered, dated when they happened
        if last is not None and allocation.allocated_at < last and not told_later:
            report.say("reordered", where, "is dated before the allocation with the number before it")
        last = allocation.allocated_at
        slot, arm = opened.get((stratum, position)), expected.get(allocation.pk)
        for code, words in _faults(allocation, current, slot, arm, _segment_of(allocation)):
            report.say(code, where, words)
        (report.agreeing if len(report.troubles) == before else report.disagreeing).append(allocation)


def _segment_of(allocation: Allocation) -> Segment | None:
    """Return the segment under whose commitment the slot of an allocation stands."""
    proof = getattr(allocation.slot, "proof", None)
    return proof.segment if proof is not None else None


def _faults(
    allocation: Allocation,
    current: AllocationList,
    slot: vault.Slot | None,
    expected: str | None,
    segment: Segment | None,
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
    if segment is None or not _proved(allocation, current, segment):
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


def _proved(allocation: Allocation, current: AllocationList, segment: Segment) -> bool:
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
            size=segment.size,
            proof=[bytes.fromhex(step) for step in allocation.proof],
            root=bytes.fromhex(segment.commitment),
        )
    except ValueError:
        return False
