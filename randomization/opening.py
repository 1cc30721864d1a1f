"""What opens a list: its key, its parameters, its slots. Below every action, which alone say when and for whom.

Whatever cannot be opened is refused in words, and the log says why without a secret.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.utils.translation import gettext as _

from audit.errors import Refused

from . import commitments, vault
from .algorithms import ALGORITHMS, ArmRatio, BlockSlot
from .algorithms.merkle import Commitment
from .models import AllocationList, ListKey, Segment, Slot

log = logging.getLogger(__name__)


def keyring() -> vault.Keyring:
    """Return the environment's keys. Raises Refused when none is set: no list can be made or read."""
    if not settings.STRATUM_KEYS:
        raise Refused(_("No key is set for allocation lists (STRATUM_KEYS). Ask the administrator."), code="no_key")
    return vault.Keyring.parse(",".join(f"{name}:{text}" for name, text in settings.STRATUM_KEYS.items()))


def data_key(allocation_list: AllocationList, held: ListKey | None = None) -> vault.DataKey:
    """Open the list's own key with the environment's keys; `held` is its row when the caller has just read it."""
    try:
        held = held or ListKey.objects.get(allocation_list=allocation_list)
        return vault.unwrap(held.wrapped, keyring(), list_id=allocation_list.reference)
    except (ListKey.DoesNotExist, vault.VaultError) as error:
        raise unreadable(error) from error


def confidential(allocation_list: AllocationList, key: vault.DataKey) -> vault.Confidential:
    """Open the confidential parameters. Raises Refused when they were changed."""
    try:
        return vault.open_confidential(key, allocation_list.sealed_parameters, list_id=allocation_list.reference)
    except vault.VaultError as error:
        raise unreadable(error) from error


def make_slots(
    allocation_list: AllocationList, secret: vault.Confidential, stratum: str, size: int
) -> Sequence[BlockSlot]:
    """Make `size` slots of a stratum by the list's algorithm; whole blocks may overshoot and are cut."""
    algorithm = ALGORITHMS[allocation_list.algorithm]
    arms = [ArmRatio(arm, share) for arm, share in allocation_list.arms.items()]
    return algorithm.generate(secret.seed, stratum, arms, secret.block_sizes, size, secret.extra)[:size]


def commitment_of(allocation_list: AllocationList, sealed: list[commitments.Sealed] | None = None) -> Commitment:
    """Build the tree over the first segment's slots, opened. The arms stay inside. Refused when a slot was changed."""
    return tree_of(allocation_list, (one.opened for one in sealed or open_all(allocation_list)))


def open_all(allocation_list: AllocationList) -> list[commitments.Sealed]:
    """Open every slot but those that were appended later."""
    key = data_key(allocation_list)
    first = Segment.objects.filter(allocation_list=allocation_list, number=1).first()
    spans = first.spans if first is not None else {}
    return [
        commitments.Sealed(slot, open_slot(key, allocation_list, slot))
        for slot in allocation_list.slots.all()
        if first is None or slot.position <= spans.get(slot.stratum, [0, 0])[1]
    ]


def tree_of(allocation_list: AllocationList, opened: Iterable[vault.Slot]) -> Commitment:
    try:
        return commitments.tree_of(allocation_list.reference, opened)
    except ValueError as error:  # a slot is missing, or there twice
        raise unreadable(error) from error


def open_slot(key: vault.DataKey, allocation_list: AllocationList, slot: Slot) -> vault.Slot:
    """Open one slot of the list. Raises Refused when it was changed or moved."""
    try:
        return vault.open_slot(
            key, slot.payload, list_id=allocation_list.reference, stratum=slot.stratum, position=slot.position
        )
    except vault.VaultError as error:
        raise unreadable(error) from error


def unreadable(error: Exception) -> Refused:
    """A list that cannot be read is refused in words, and the log says why: no message of the vault holds a secret."""
    log.error("Allocation list not readable: %s", error)
    code = "no_key" if isinstance(error, ListKey.DoesNotExist | vault.LostKey | vault.KeyringError) else "tampered"
    return Refused(_("The list cannot be read as it was approved. Nothing was done. Ask the statistician."), code)


__all__ = [
    "commitment_of",
    "confidential",
    "data_key",
    "keyring",
    "make_slots",
    "open_all",
    "open_slot",
    "tree_of",
    "unreadable",
]
