"""The life of an allocation list: drafted, approved by a second person, put into use, closed."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

import audit
from audit import clock
from audit.appending import append
from audit.errors import Conflict, Refused
from trial.definition import Definition
from trial.definitions import definition_of
from trial.models import Person, Version
from trial.permissions import Permission, check

from .. import vault
from ..algorithms import ALGORITHMS, ArmRatio, Fault, Kind, ParameterError, current
from ..algorithms.imported import fingerprint, read
from ..algorithms.merkle import Commitment, SaltedSlot
from ..algorithms.strata import UNSTRATIFIED, combinations
from ..models import AllocationList, ListKey, ListState, Slot
from ..section import RandomizationSection
from ..selectors import counts_by_arm

log = logging.getLogger(__name__)


class InvalidParameters(Refused):
    """Confidential parameters that make no list: every fault, without the values."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(_("These parameters make no list."), code="invalid_parameters")
        self.faults = list(faults)


IMPORTED = "imported_sha256"
"""Name among the sealed parameters under which an imported list keeps the fingerprint of its slots."""


@sensitive_variables()
@transaction.atomic
def draft(
    *,
    version: Version,
    block_sizes: Sequence[int] = (),
    extra: Mapping[str, Any] | None = None,
    by: Person,
    seed: bytes | None = None,
) -> AllocationList:
    """Make a list for every stratum of a version, sealed as it is made; with minimization, one sequence of draws.

    `block_sizes` and `extra` are the confidential parameters that the study's scheme wants (`Algorithm.parameters`).
    The seed comes from the system unless the list is made again from a known one (tests, verification). Neither the
    seed, a parameter nor any slot is ever shown, stored in clear or logged. Raises InvalidParameters.
    """
    check(by, Permission.LIST_DRAFT)
    section = _section(definition_of(version.pk))
    algorithm = current(section.scheme)
    if algorithm.kind is Kind.IMPORTED:
        raise Refused(_("The study imports its list. Choose the CSV file."), code="imported_scheme")
    arms = [ArmRatio(arm, share) for arm, share in section.ratio.items()]
    secret = vault.Confidential(seed=seed or vault.new_seed(), block_sizes=tuple(block_sizes), extra=dict(extra or {}))
    faults = algorithm.check(arms, secret.block_sizes, section.list_size, secret.extra, section.factor_ids)
    if faults:
        raise InvalidParameters(faults)
    strata = [UNSTRATIFIED] if algorithm.kind is Kind.DRAWS else combinations(section.factors)
    made = (
        _Made(stratum, slot.position, slot.arm, slot.block)
        for stratum in strata
        # Whole blocks may overshoot; cut at the size of the file, so that counting rows tells nothing of block sizes.
        for slot in algorithm.generate(secret.seed, stratum, arms, secret.block_sizes, section.list_size, secret.extra)[
            : section.list_size
        ]
    )
    allocation_list = _seal(version, section, strata, secret, made, by)
    audit.deed("list.drafted", allocation_list, by=by, algorithm=algorithm.name, strata=len(strata))
    return allocation_list


@sensitive_variables()
@transaction.atomic
def import_list(*, version: Version, content: bytes, by: Person) -> AllocationList:
    """Take a list from a CSV file, for a study whose scheme is `imported`, sealed as it is read.

    Nothing of the file is kept in clear, nor its name; a refused file leaves nothing behind. Raises InvalidParameters
    with every fault by its row, none of which quotes a cell.
    """
    check(by, Permission.LIST_DRAFT)
    section = _section(definition_of(version.pk))
    algorithm = current(section.scheme)
    if algorithm.kind is not Kind.IMPORTED:
        raise Refused(_("The study does not import its list: draft one by its scheme."), code="not_imported_scheme")
    faults = algorithm.check([ArmRatio(arm, share) for arm, share in section.ratio.items()], (), section.list_size)
    if faults:
        raise InvalidParameters(faults)
    strata = combinations(section.factors)
    try:
        rows = read(content, arms=section.ratio, strata=strata, size=section.list_size)
    except ParameterError as error:
        raise InvalidParameters(error.faults) from None
    secret = vault.Confidential(seed=vault.new_seed(), extra={IMPORTED: fingerprint(rows)})
    made = (_Made(row.stratum, row.position, row.arm, number=row.number) for row in rows)
    allocation_list = _seal(version, section, strata, secret, made, by)
    audit.deed("list.imported", allocation_list, by=by, algorithm=algorithm.name, strata=len(strata))
    return allocation_list


@dataclass(frozen=True, slots=True)
class _Made:
    """A slot before it is sealed."""

    stratum: str
    position: int
    arm: str = field(repr=False)
    block: int = field(default=0, repr=False)
    number: str = field(default="", repr=False)


@sensitive_variables()
def _seal(
    version: Version,
    section: RandomizationSection,
    strata: list[str],
    secret: vault.Confidential,
    made: Iterable[_Made],
    by: Person,
) -> AllocationList:
    """Store a draft with its slots, encrypted under a key of its own."""
    key = vault.new_data_key()
    reference = str(uuid.uuid4())
    allocation_list = audit.save(
        AllocationList(
            reference=reference,
            version=version,
            algorithm=current(section.scheme).name,
            arms=dict(section.ratio),
            strata=strata,
            slots_per_stratum=section.list_size,
            slots_total=len(strata) * section.list_size,
            sealed_parameters=vault.seal_confidential(key, secret, list_id=reference),
            drafted_by=by,
            drafted_at=clock.now(),
        ),
        by=by,
    )
    ListKey.objects.create(allocation_list=allocation_list, wrapped=vault.wrap(key, keyring(), list_id=reference))
    append(
        [
            Slot(
                allocation_list=allocation_list,
                stratum=slot.stratum,
                position=slot.position,
                payload=vault.seal_slot(
                    key,
                    vault.Slot(
                        reference, slot.stratum, slot.position, slot.arm, slot.block, vault.new_salt(), slot.number
                    ),
                ),
            )
            for slot in made
        ]
    )
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
        },
        password=password,
    )
    current_list.commitment = root
    current_list.approval = signature
    current_list.approved_by = by
    current_list.state = ListState.APPROVED
    audit.save(current_list, by=by)
    audit.deed("list.approved", current_list, by=by, commitment=root)
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


def confidential(allocation_list: AllocationList, key: vault.DataKey) -> vault.Confidential:
    """Open the confidential parameters. Raises Refused when they were changed."""
    try:
        return vault.open_confidential(key, allocation_list.sealed_parameters, list_id=allocation_list.reference)
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


__all__ = [
    "ALGORITHMS",
    "InvalidParameters",
    "approve",
    "close",
    "draft",
    "hold",
    "import_list",
    "put_into_use",
    "read_balance",
    "resume",
]
