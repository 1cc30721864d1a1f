"""Committing to slots: the tree at approval, a stored proof per slot, and the check of one slot at its allocation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import audit
from audit import clock
from audit.models import Signature

from . import vault
from .algorithms.merkle import Commitment, SaltedSlot, leaf_hash, slot_leaf, verify
from .models import AllocationList, ListKind, Segment, Slot, SlotProof

Spans = dict[str, list[int]]
"""Stratum → its first and last position in a segment."""


@dataclass(frozen=True)
class Sealed:
    """A slot's row with what it holds; the arm stays out of the printed form as in `vault.Slot`."""

    row: Slot
    opened: vault.Slot


def tree_of(reference: str, opened: Iterable[vault.Slot], spans: Mapping[str, list[int]] | None = None) -> Commitment:
    """Build the tree over slots; without spans each stratum begins at 1. ValueError for a hole or a salt used twice."""
    starts = {stratum: first for stratum, (first, _last) in (spans or {}).items()}
    return Commitment(reference, (SaltedSlot(s.stratum, s.position, s.arm, s.salt) for s in opened), starts)


def spans_of(slots: Iterable[tuple[str, int]]) -> Spans:
    """Return the first and last position of each stratum."""
    found: Spans = {}
    for stratum, position in slots:
        first, last = found.setdefault(stratum, [position, position])
        found[stratum] = [min(first, position), max(last, position)]
    return found


def keep(
    allocation_list: AllocationList,
    sealed: Iterable[Sealed],
    tree: Commitment,
    *,
    number: int,
    spans: Spans,
    signature: Signature,
    sealed_parameters: str = "",
) -> Segment:
    """Write a segment with the leaf and the proof of each of its slots. Slots were opened or made by the caller."""
    segment = Segment.objects.create(
        allocation_list=allocation_list,
        number=number,
        spans=spans,
        size=len(tree),
        commitment=tree.root.hex(),
        sealed_parameters=sealed_parameters,
        signature=signature,
        made_at=clock.now(),
    )
    audit.append(
        [
            SlotProof(
                slot=one.row,
                segment=segment,
                leaf_index=tree.index(one.opened.stratum, one.opened.position),
                leaf=leaf_of(allocation_list.reference, one.opened).hex(),
                steps=[step.hex() for step in tree.proof(one.opened.stratum, one.opened.position)],
            )
            for one in sealed
        ]
    )
    return segment


def leaf_of(reference: str, slot: vault.Slot) -> bytes:
    """Return the committed hash of one slot."""
    return leaf_hash(slot_leaf(reference, slot.stratum, slot.position, slot.arm, slot.salt))


def signed_root(allocation_list: AllocationList, segment: Segment) -> str:
    """Return the root that the second person signed for a segment; "" when the signature speaks of another list.

    Emergency slots have no approval of their own: the one of their main list names their root beside its own.
    """
    content = segment.signature.content
    if allocation_list.kind == ListKind.EMERGENCY:
        return str(content.get("emergency_commitment", ""))
    return str(content.get("commitment", "")) if content.get("reference") == allocation_list.reference else ""


def agrees(allocation_list: AllocationList, proof: SlotProof, opened: vault.Slot) -> bool:
    """Whether one opened slot is the one that was committed: its leaf, its proof, the root, and the signature of it.

    Needs the segment and its signature with the proof; no other slot is opened.
    """
    segment = proof.segment
    if segment.commitment != signed_root(allocation_list, segment):
        return False
    if segment.number == 1 and segment.commitment != allocation_list.commitment:
        return False
    leaf = leaf_of(allocation_list.reference, opened)
    try:
        steps, root = [bytes.fromhex(step) for step in proof.steps], bytes.fromhex(segment.commitment)
    except ValueError:
        return False
    return proof.leaf == leaf.hex() and verify(leaf, proof.leaf_index, segment.size, steps, root)
