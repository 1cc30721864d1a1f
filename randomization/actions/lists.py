"""The life of an allocation list: drafted, approved by a second person, put into use, closed."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Conflict, Refused
from trial.definition import Definition
from trial.definitions import definition_of
from trial.models import Person, Version
from trial.permissions import Permission, check

from .. import vault
from ..algorithms import ALGORITHMS, ArmRatio, Fault, current
from ..algorithms.merkle import Commitment, SaltedSlot
from ..algorithms.strata import combinations
from ..models import AllocationList, ListKey, ListState, Slot
from ..section import RandomizationSection
from ..selectors import counts_by_arm

log = logging.getLogger(__name__)


class InvalidParameters(Refused):
    """Confidential parameters that make no list: every fault, without the values."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(_("These parameters make no list."), code="invalid_parameters")
        self.faults = list(faults)


@transaction.atomic
def draft(*, version: Version, block_sizes: Sequence[int], by: Person, seed: bytes | None = None) -> AllocationList:
    """Make a list for every stratum of a version, sealed as it is made.

    The seed comes from the system unless the list is made again from a known one (tests, verification). Neither the
    seed, the block sizes nor any slot is ever shown, stored in clear or logged. Raises InvalidParameters.
    """
    check(by, Permission.LIST_DRAFT)
    definition = definition_of(version.pk)
    section = _section(definition)
    algorithm = current(section.scheme)
    arms = [ArmRatio(arm, share) for arm, share in section.ratio.items()]
    faults = algorithm.check(arms, block_sizes, section.list_size)
    if faults:
        raise InvalidParameters(faults)
    strata = combinations(section.factors)
    key = vault.new_data_key()
    secret = vault.Confidential(seed=seed or vault.new_seed(), block_sizes=tuple(block_sizes))
    reference = str(uuid.uuid4())
    allocation_list = audit.save(
        AllocationList(
            reference=reference,
            version=version,
            algorithm=algorithm.name,
            arms=dict(section.ratio),
            strata=strata,
            slots_per_stratum=section.list_size,
            slots_total=0,
            sealed_parameters=vault.seal_confidential(key, secret, list_id=reference),
            drafted_by=by,
            drafted_at=clock.now(),
        ),
        by=by,
    )
    ListKey.objects.create(allocation_list=allocation_list, wrapped=vault.wrap(key, keyring(), list_id=reference))
    rows = [
        Slot(
            allocation_list=allocation_list,
            stratum=stratum,
            position=made.position,
            payload=vault.seal_slot(
                key, vault.Slot(reference, stratum, made.position, made.arm, made.block, vault.new_salt())
            ),
        )
        for stratum in strata
        # Whole blocks may overshoot; cut at the size of the file, so that counting rows tells nothing of block sizes.
        for made in algorithm.generate(secret.seed, stratum, arms, secret.block_sizes, section.list_size)[
            : section.list_size
        ]
    ]
    Slot.objects.bulk_create(rows, batch_size=500)
    allocation_list.slots_total = len(rows)
    audit.save(allocation_list, by=by)
    audit.deed("list.drafted", allocation_list, by=by, algorithm=algorithm.name, strata=len(strata))
    emergency.draft_with(allocation_list, by=by)
    return allocation_list


@transaction.atomic
def approve(*, allocation_list: AllocationList, password: str, by: Person) -> AllocationList:
    """Approve a drafted list as a second person, and commit to it: the Merkle root over its salted slots.

    The root tells nothing of any slot, and after it no slot can be changed or skipped unseen.
    """
    check(by, Permission.LIST_APPROVE)
    current_list = _locked(allocation_list)
    _check_state(current_list, ListState.DRAFT)
    if current_list.drafted_by_id == by.pk:
        raise Refused(_("A list is approved by a second person, not by the one who drafted it."), code="same_person")
    root = commitment_of(current_list).root.hex()
    signature = audit.sign(
        current_list,
        by=by,
        meaning="list_approval",
        content={
            "reference": current_list.reference,
            "algorithm": current_list.algorithm,
            "arms": current_list.arms,
            "strata": current_list.strata,
            "slots": current_list.slots_total,
            "commitment": root,
            "emergency_commitment": emergency.commitment_with(current_list),
        },
        password=password,
    )
    current_list.commitment = root
    current_list.approval = signature
    current_list.approved_by = by
    current_list.state = ListState.APPROVED
    audit.save(current_list, by=by)
    audit.deed("list.approved", current_list, by=by, commitment=root)
    emergency.approve_with(current_list, by=by)
    return current_list


@transaction.atomic
def put_into_use(*, allocation_list: AllocationList, by: Person) -> AllocationList:
    """Let allocations take from an approved list; only one list is in use at a time."""
    check(by, Permission.LIST_APPROVE)
    current_list = _locked(allocation_list)
    _check_state(current_list, ListState.APPROVED)
    if AllocationList.objects.filter(state=ListState.IN_USE).exists():
        raise Refused(_("Another list is in use. Close it first."), code="in_use")
    current_list.state = ListState.IN_USE
    current_list.in_use_at = clock.now()
    try:
        with transaction.atomic():
            audit.save(current_list, by=by)
    except IntegrityError:  # somebody put another list into use since it was looked for above
        raise Conflict(
            _("Another list was put into use at the same moment. This one stays approved."), code="in_use"
        ) from None
    audit.deed("list.put_into_use", current_list, by=by)
    return current_list


@transaction.atomic
def hold(*, allocation_list: AllocationList, reason: str, by: Person) -> AllocationList:
    """Stop allocations for a while; what was allocated stays."""
    current_list = _in_use(allocation_list, reason, by)
    if current_list.on_hold_at is not None:
        raise Refused(_("Randomization is already on hold."))
    current_list.on_hold_at = clock.now()
    audit.save(current_list, by=by, reason=reason)
    audit.deed("list.held", current_list, by=by, reason=reason)
    return current_list


@transaction.atomic
def resume(*, allocation_list: AllocationList, reason: str, by: Person) -> AllocationList:
    """Let allocations go on after a hold."""
    current_list = _in_use(allocation_list, reason, by)
    if current_list.on_hold_at is None:
        raise Refused(_("Randomization is not on hold."))
    current_list.on_hold_at = None
    audit.save(current_list, by=by, reason=reason)
    audit.deed("list.resumed", current_list, by=by, reason=reason)
    return current_list


@transaction.atomic
def close(*, allocation_list: AllocationList, reason: str, by: Person) -> AllocationList:
    """Take a list out of use for ever, so that another can take its place; what was allocated stays."""
    current_list = _in_use(allocation_list, reason, by)
    current_list.state = ListState.CLOSED
    current_list.closed_at = clock.now()
    audit.save(current_list, by=by, reason=reason)
    audit.deed("list.closed", current_list, by=by, reason=reason)
    return current_list


@transaction.atomic
def read_balance(*, allocation_list: AllocationList, by: Person) -> dict[str, dict[str, int]]:
    """Read participants by stratum and arm; the ledger keeps who looked at unblinded counts, and when."""
    found = counts_by_arm(by, allocation_list)
    audit.deed("list.balance_read", allocation_list, by=by)
    return found


def keyring() -> vault.Keyring:
    """Return the environment's keys. Raises Refused when none is set: no list can be made or read."""
    if not settings.STRATUM_KEYS:
        raise Refused(_("No key is set for allocation lists (STRATUM_KEYS). Ask the administrator."), code="no_key")
    return vault.Keyring.parse(",".join(f"{name}:{text}" for name, text in settings.STRATUM_KEYS.items()))


def data_key(allocation_list: AllocationList) -> vault.DataKey:
    """Open the list's own key with the environment's keys."""
    wrapped = ListKey.objects.get(allocation_list=allocation_list).wrapped
    try:
        return vault.unwrap(wrapped, keyring(), list_id=allocation_list.reference)
    except vault.VaultError as error:
        raise _unreadable(error) from error


def commitment_of(allocation_list: AllocationList) -> Commitment:
    """Open every slot and build the commitment tree. The arms stay inside. Raises Refused when a slot was changed."""
    key = data_key(allocation_list)
    try:
        return Commitment(
            allocation_list.reference,
            (
                SaltedSlot(opened.stratum, opened.position, opened.arm, opened.salt)
                for opened in (open_slot(key, allocation_list, slot) for slot in allocation_list.slots.all())
            ),
        )
    except ValueError as error:  # a slot is missing, or there twice
        raise _unreadable(error) from error


def open_slot(key: vault.DataKey, allocation_list: AllocationList, slot: Slot) -> vault.Slot:
    """Open one slot of the list. Raises Refused when it was changed or moved."""
    try:
        return vault.open_slot(
            key, slot.payload, list_id=allocation_list.reference, stratum=slot.stratum, position=slot.position
        )
    except vault.VaultError as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> Refused:
    """A list that cannot be read is refused in words, and the log says why: no message of the vault holds a secret."""
    log.error("Allocation list not readable: %s", error)
    code = "no_key" if isinstance(error, vault.LostKey | vault.KeyringError) else "tampered"
    return Refused(_("The list cannot be read as it was approved. Nothing was done. Ask the statistician."), code)


def _section(definition: Definition) -> RandomizationSection:
    section: RandomizationSection | None = definition.section("randomization")
    if section is None:
        raise Refused(_("This version of the study does not randomize."), code="no_randomization")
    return section


def _locked(allocation_list: AllocationList) -> AllocationList:
    return AllocationList.objects.select_for_update(no_key=True, of=("self",)).get(pk=allocation_list.pk)


def _in_use(allocation_list: AllocationList, reason: str, by: Person) -> AllocationList:
    """Return the list in use, locked, for a deed of those who approve lists; such a deed has a reason."""
    check(by, Permission.LIST_APPROVE)
    current_list = _locked(allocation_list)
    _check_state(current_list, ListState.IN_USE)
    if not reason.strip():
        raise Refused(_("Give the reason."))
    return current_list


def _check_state(allocation_list: AllocationList, wanted: str) -> None:
    if allocation_list.state != wanted:
        raise Refused(
            _("The list is “%(is)s”; this needs it to be “%(wanted)s”.")
            % {"is": allocation_list.get_state_display(), "wanted": ListState(wanted).label},
            code="list_state",
        )


from . import emergency  # noqa: E402  (it reads lists with what stands above)

__all__ = [
    "ALGORITHMS",
    "InvalidParameters",
    "approve",
    "close",
    "draft",
    "hold",
    "put_into_use",
    "read_balance",
    "resume",
]
