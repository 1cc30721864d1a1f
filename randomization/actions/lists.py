"""The life of an allocation list: drafted, simulated, approved and committed, put into use, exhausted or closed."""

from __future__ import annotations

import hmac
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

import audit
from audit import clock
from audit.appending import append
from audit.errors import Conflict, Refused
from audit.models import Deed
from audit.selectors import is_simulated_database
from trial.definition import Definition
from trial.definitions import definition_of
from trial.models import Person, Study, Version
from trial.permissions import Permission, check

from .. import commitments, lives, opening, vault
from ..algorithms import ALGORITHMS, ArmRatio, Fault, Kind, ParameterError, current
from ..algorithms.imported import fingerprint, read
from ..algorithms.strata import UNSTRATIFIED, combinations
from ..arms import example_of_draws
from ..models import AllocationList, ListKey, ListState, Slot
from ..section import RandomizationSection
from ..selectors import counts_by_arm
from . import emergency

TEST_SLOTS = 20
"""How many slots of each stratum the test list shows: enough to see several blocks."""
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


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
    study = _study_of_its_kind()
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
            is_simulated=study.is_simulated,
        ),
        by=by,
    )
    ListKey.objects.create(
        allocation_list=allocation_list, wrapped=vault.wrap(key, opening.keyring(), list_id=reference)
    )
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
    emergency.draft_with(allocation_list, strata=combinations(section.factors), by=by)
    return allocation_list


@transaction.atomic
def record_simulation(
    *, allocation_list: AllocationList, digest: str, seed: bytes, summary: Mapping[str, Any], by: Person
) -> AllocationList:
    """Keep the digest of a simulation report about this list: without one nobody approves it. Once more replaces it.

    `digest` is the report's SHA-256 in hexadecimal, `seed` what the simulated lists were made from (never the list's
    own: refused), `summary` plain numbers that hold no confidential parameter.
    """
    check(by, Permission.LIST_DRAFT)
    current_list = _locked(allocation_list)
    state = lives.LIST.after(current_list.state, lives.Deed.SIMULATE)
    if not _DIGEST.match(digest):
        raise ValueError("The digest of a report is 64 hexadecimal digits.")
    key = opening.data_key(current_list)
    secret = opening.confidential(current_list, key)
    if hmac.compare_digest(seed, secret.seed):
        raise Refused(_("A simulation never uses the seed of the list itself. Nothing was kept."), code="real_seed")
    if not current_list.sealed_test_seed:
        test = vault.Confidential(seed=vault.new_seed())
        current_list.sealed_test_seed = vault.seal_confidential(key, test, list_id=_test_id(current_list))
    current_list.state = state
    current_list.simulation_digest = digest
    current_list.simulation_summary = dict(summary)
    current_list.simulated_by = by
    current_list.simulated_at = clock.now()
    audit.save(current_list, by=by)
    audit.deed("list.simulated", current_list, by=by, digest=digest)
    return current_list


@dataclass(frozen=True, slots=True)
class Parameters(vault._Secret):
    """What the second person looks at: the confidential parameters, and a list made with them from another seed."""

    block_sizes: tuple[int, ...] = field(repr=False)
    extra: Mapping[str, Any] = field(repr=False)
    test_list: Mapping[str, Sequence[str]] = field(repr=False)


@transaction.atomic
def read_parameters(*, allocation_list: AllocationList, by: Person) -> Parameters:
    """Show the parameters and a test list to the person who is about to approve; the ledger keeps that they looked.

    The test list has a seed of its own: not one slot of it tells anything of the list. The seed is never shown.
    """
    check(by, Permission.LIST_APPROVE)
    current_list = _locked(allocation_list)
    lives.LIST.after(current_list.state, lives.Deed.APPROVE)
    _check_second(current_list, by)
    key = opening.data_key(current_list)
    secret = opening.confidential(current_list, key)
    try:
        test = vault.open_confidential(key, current_list.sealed_test_seed, list_id=_test_id(current_list))
    except vault.VaultError as error:
        raise opening.unreadable(error) from error
    if hmac.compare_digest(test.seed, secret.seed):
        raise Refused(_("The test list has the seed of the list itself. Nothing was shown."), code="real_seed")
    made_with = vault.Confidential(seed=test.seed, block_sizes=secret.block_sizes, extra=secret.extra)
    kind = ALGORITHMS[current_list.algorithm].kind
    size = min(TEST_SLOTS, current_list.slots_per_stratum)
    found: dict[str, list[str]] = {}
    for stratum in current_list.strata if kind is not Kind.IMPORTED else ():  # a file has no algorithm to try
        found[stratum] = [one.arm for one in opening.make_slots(current_list, made_with, stratum, size)]
    if kind is Kind.DRAWS:
        found = {stratum: example_of_draws(current_list, made_with, draws) for stratum, draws in found.items()}
    audit.deed("list.parameters_read", current_list, by=by)
    return Parameters(secret.block_sizes, secret.extra, found)


@transaction.atomic
def approve(*, allocation_list: AllocationList, password: str, by: Person) -> AllocationList:
    """Approve a simulated list as a second person, and commit to it: the Merkle root over its salted slots.

    The root tells nothing of any slot, and after it no slot can be changed or skipped unseen. The leaf and the proof of
    each slot are kept, so that an allocation opens its own slot alone. Whoever approves has looked at parameters and
    test list since the simulation (see `read_parameters`).
    """
    check(by, Permission.LIST_APPROVE)
    current_list = _locked(allocation_list)
    state = lives.LIST.after(current_list.state, lives.Deed.APPROVE)
    _check_second(current_list, by)
    _check_kind_of_database(current_list)
    looked = Deed.objects.filter(
        verb="list.parameters_read",
        target_table=current_list._meta.db_table,
        target_id=str(current_list.pk),
        by_id=by.pk,
        at__gte=current_list.simulated_at,
    )
    if not looked.exists():
        raise Refused(_("Look at the parameters and the test list first: you sign for them."), code="not_seen")
    sealed = opening.open_all(current_list)
    tree = opening.tree_of(current_list, (one.opened for one in sealed))
    root = tree.root.hex()
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
            "simulation": current_list.simulation_digest,
            "commitment": root,
            "emergency_commitment": emergency.commitment_with(current_list),
        },
        password=password,
    )
    current_list.commitment = root
    current_list.approval = signature
    current_list.approved_by = by
    current_list.state = state
    audit.save(current_list, by=by)
    spans = commitments.spans_of((one.row.stratum, one.row.position) for one in sealed)
    commitments.keep(current_list, sealed, tree, number=1, spans=spans, signature=signature)
    audit.deed("list.approved", current_list, by=by, commitment=root)
    emergency.approve_with(current_list, by=by)
    return current_list


@transaction.atomic
def put_into_use(*, allocation_list: AllocationList, by: Person) -> AllocationList:
    """Let allocations take from an approved list; only one list is in use at a time.

    A list drafted for training is never used in the real trial's database, nor the other way round.
    """
    check(by, Permission.LIST_APPROVE)
    current_list = _locked(allocation_list)
    state = lives.LIST.after(current_list.state, lives.Deed.USE)
    _check_kind_of_database(current_list)
    if AllocationList.objects.filter(state=ListState.IN_USE).exists():
        raise Refused(_("Another list is in use. Close it first."), code="in_use")
    current_list.state = state
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
def close(*, allocation_list: AllocationList, reason: str, by: Person) -> AllocationList:
    """Take a list out of use for ever, so that another can take its place; what was allocated stays."""
    check(by, Permission.LIST_APPROVE)
    current_list = _locked(allocation_list)
    state = lives.LIST.after(current_list.state, lives.Deed.CLOSE)
    if not reason.strip():
        raise Refused(_("Give the reason."))
    current_list.state = state
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


def rotate_keys(*, by: Person | None = None, who: str = "") -> list[Rotation]:
    """Wrap the data key of every list under the newest environment key; slots are never written again.

    Each list by itself: one whose key cannot be opened is named in the answer and left as it is. A deed per list.
    """
    ring = opening.keyring()
    found = []
    for pk, reference in AllocationList.every.order_by("pk").values_list("pk", "reference"):
        with transaction.atomic():
            held = ListKey.objects.select_for_update().select_related("allocation_list").filter(allocation_list=pk)
            key = held.first()
            if key is None:
                found.append(Rotation(pk, reference, problem=f"List {pk} has no data key: it cannot be read any more."))
                continue
            try:
                before = vault.wrapping_key(key.wrapped)
                wrapped = vault.rewrap(key.wrapped, ring, list_id=reference)
            except vault.VaultError as error:
                found.append(Rotation(pk, reference, problem=str(error)))
                continue
            if wrapped == key.wrapped:
                found.append(Rotation(pk, reference, before, before))
                continue
            key.wrapped = wrapped
            key.save(update_fields=["wrapped"])
            audit.deed("list.key_rotated", key.allocation_list, by=by, who=who, before=before, after=ring.newest)
            found.append(Rotation(pk, reference, before, ring.newest))
    return found


@dataclass(frozen=True)
class Rotation:
    """What became of one list's key: the environment key before and after, or the problem in words."""

    list_id: int
    reference: str
    before: str = ""
    after: str = ""
    problem: str = ""


def _section(definition: Definition) -> RandomizationSection:
    section: RandomizationSection | None = definition.section("randomization")
    if section is None:
        raise Refused(_("This version of the study does not randomize."), code="no_randomization")
    if section.closed is not None:
        raise Refused(_("This version of the study has ended randomization."), code="closed")
    return section


def _locked(allocation_list: AllocationList) -> AllocationList:
    return AllocationList.objects.select_for_update(no_key=True, of=("self",)).get(pk=allocation_list.pk)


def _check_second(allocation_list: AllocationList, by: Person) -> None:
    if allocation_list.drafted_by_id == by.pk:
        raise Refused(_("A list is approved by a second person, not by the one who drafted it."), code="same_person")


def _test_id(allocation_list: AllocationList) -> str:
    """What the seed of the test list is bound to: it can never pass for the list's own."""
    return f"{allocation_list.reference}/test"


def _study_of_its_kind() -> Study:
    """Return the study when mark and ledger of this database agree on what it is for. Raises Refused otherwise."""
    study = Study.objects.order_by("pk").get()
    if is_simulated_database() and not study.is_simulated:
        raise Refused(
            _("This database was filled with simulated data: it never serves the real trial."), code="kind_of_database"
        )
    return study


def _check_kind_of_database(allocation_list: AllocationList) -> None:
    """Training and the real trial never share a database: a list stays with the kind in which it was drafted."""
    if _study_of_its_kind().is_simulated == allocation_list.is_simulated:
        return
    if allocation_list.is_simulated:
        words = _("This list was drafted for training: it is never used in the real trial. Draft another.")
    else:
        words = _("This list was drafted for the real trial: it is never used in a training database.")
    raise Refused(words, code="kind_of_database")


__all__ = [
    "ALGORITHMS",
    "InvalidParameters",
    "approve",
    "close",
    "draft",
    "import_list",
    "put_into_use",
    "read_balance",
    "read_parameters",
    "record_simulation",
    "rotate_keys",
]
