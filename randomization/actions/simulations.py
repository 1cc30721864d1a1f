"""Simulating schemes before a list is approved: with typed parameters, or with those of a list, never with its seed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from trial.definitions import definition_of
from trial.models import Person, Version
from trial.permissions import Permission, access_of, check

from .. import lives, opening, vault
from ..algorithms import ALGORITHMS, ParameterError
from ..algorithms.parameters import probability
from ..arms import is_imported
from ..models import AllocationList, ListSimulation
from ..section import SITE, setting_of
from ..simulation import (
    DEFAULT_TRIALS,
    BiasedCoin,
    BigStick,
    Measure,
    Minimization,
    PermutedBlocks,
    Report,
    Scheme,
    Setting,
    Simple,
    Urn,
    Within,
    new_seed,
    simulate,
)
from . import lists

PURPOSE = "simulation"


def check_may_simulate(by: Person) -> None:
    """Those who draft or approve lists: a report tells the parameters. Raises Refused for the others."""
    if not access_of(by).has(Permission.LIST_APPROVE):
        check(by, Permission.LIST_DRAFT)


def compare(
    *, version: Version, schemes: Sequence[Scheme], trials: int, by: Person, participants: int | None = None
) -> Report:
    """Simulate schemes side by side in the setting of a version, by a fresh seed; nothing is stored but the deed.

    The ledger keeps who compared which schemes and the report's digest, never a parameter or the seed. Raises
    InvalidParameters with every fault.
    """
    check_may_simulate(by)
    setting = setting_for(version, participants)
    report = _simulated(setting, schemes, trials)
    with transaction.atomic():
        audit.deed(
            "list.schemes_compared",
            version,
            by=by,
            digest=report.digest,
            trials=trials,
            schemes=[f"{scheme.scheme}/{scheme.place}" for scheme in schemes],
        )
    return report


def simulate_list(
    *, allocation_list: AllocationList, by: Person, trials: int = DEFAULT_TRIALS, seed: int | None = None
) -> ListSimulation:
    """Simulate a drafted list's own scheme and parameters beside simple randomization, and keep the report sealed.

    The list is simulated from then on: a second person may approve it. The parameters are opened here and shown to
    nobody; the seed of the simulation is drawn (given only where a whole trial is simulated), so that the digest in the
    ledger cannot be tried out, and has nothing to do with that of the list. The simulation runs before the transaction
    that writes it.
    """
    check(by, Permission.LIST_DRAFT)
    lives.LIST.after(allocation_list.state, lives.Deed.SIMULATE)
    setting = setting_for(allocation_list.version, arms=allocation_list.arms)
    key = opening.data_key(allocation_list)
    report = _simulated(setting, [scheme_of(allocation_list, key), Simple()], trials, seed)
    with transaction.atomic():
        lists.record_simulation(
            allocation_list=allocation_list,
            digest=report.digest,
            seed=report.seed.to_bytes(vault.SEED_BYTES, "big"),
            summary={"trials": trials},
            by=by,
        )
        return ListSimulation.objects.create(
            allocation_list=allocation_list,
            digest=report.digest,
            trials=trials,
            report=vault.seal_document(key, report.content, purpose=_purpose(allocation_list)),
            made_by=by,
            made_at=clock.now(),
        )


def record_outside(*, allocation_list: AllocationList, digest: str, by: Person) -> AllocationList:
    """Keep the SHA-256 of a report that was made elsewhere about an imported list, of which the system knows no scheme.

    The report itself stays where it was made. Raises Refused for a list that the system can simulate, and for what is
    no SHA-256.
    """
    check(by, Permission.LIST_DRAFT)
    if not is_imported(allocation_list):
        raise Refused(_("The system simulates this list itself."), code="not_imported_scheme")
    digest = digest.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise Refused(_("A SHA-256 has 64 hexadecimal digits. Copy it whole."), code="digest")
    return lists.record_simulation(
        allocation_list=allocation_list, digest=digest, seed=b"", summary={"outside": True}, by=by
    )


def open_report(*, simulation: ListSimulation, by: Person) -> Report:
    """Open the report of a list's simulation for those who draft or approve lists; the ledger keeps who read it."""
    check_may_simulate(by)
    found = simulation.allocation_list
    try:
        content = vault.open_document(opening.data_key(found), simulation.report, purpose=_purpose(found))
    except vault.VaultError as error:
        raise opening.unreadable(error) from error
    report = Report(content)
    if report.digest != simulation.digest:
        raise Refused(_("The report of the simulation is not the one whose digest was kept."), code="tampered")
    with transaction.atomic():
        audit.deed("list.simulation_read", found, by=by, digest=report.digest)
    return report


def setting_for(version: Version, participants: int | None = None, arms: dict[str, int] | None = None) -> Setting:
    """The setting of a version of the study. Raises Refused when it does not randomize, or not between these arms."""
    try:
        setting = setting_of(definition_of(version.pk), participants)
    except LookupError:
        raise Refused(_("This version of the study does not randomize."), code="no_randomization") from None
    if arms is not None and {arm.arm: arm.ratio for arm in setting.arms} != arms:
        raise Refused(_("The list was made for other arms than this version of the study has."), code="other_arms")
    return setting


def scheme_of(allocation_list: AllocationList, key: vault.DataKey) -> Scheme:
    """The scheme of a list with its sealed parameters, to be simulated and never shown."""
    secret = opening.confidential(allocation_list, key)
    scheme = ALGORITHMS[allocation_list.algorithm].scheme
    within = Within.STRATA
    extra = secret.extra
    if scheme == "simple":
        return Simple()
    if scheme == "permuted_blocks":
        return PermutedBlocks(tuple(secret.block_sizes), within)
    if scheme == "biased_coin":
        return BiasedCoin(_chance(extra), within)
    if scheme == "big_stick":
        return BigStick(int(extra["tolerance"]), within)
    if scheme == "urn":
        return Urn(int(extra["alpha"]), int(extra["beta"]), within)
    if scheme == "minimization":
        weights = {name: float(weight) for name, weight in extra["weights"].items()}
        return Minimization(_chance(extra), weights, weights.pop(SITE, 0.0), Measure(extra["imbalance"]))
    raise Refused(_("Lists of this scheme cannot be simulated."), code="no_simulation")


def _chance(extra: Mapping[str, Any]) -> float:
    chance = probability(extra["probability"])
    assert chance is not None  # checked before it was sealed
    return float(chance)


# ---------------------------------------------------------------- a report on its way to the browser and back


def seal_report(report: Report, *, by: Person) -> str:
    """A report as sealed text for a hidden field, so that its PDF needs no stored row and no parameters again."""
    key = vault.new_data_key()
    purpose = f"{PURPOSE} for person {by.pk}"
    wrapped = vault.wrap(key, opening.keyring(), list_id=purpose)
    return f"{wrapped}~{vault.seal_document(key, report.content, purpose=purpose)}"


def unseal_report(text: str, *, by: Person) -> Report:
    """The report that was sealed for this person. Raises Refused when it was changed, or sealed for another."""
    check_may_simulate(by)
    wrapped, _tilde, sealed = text.partition("~")
    purpose = f"{PURPOSE} for person {by.pk}"
    try:
        key = vault.unwrap(wrapped, opening.keyring(), list_id=purpose)
        return Report(vault.open_document(key, sealed, purpose=purpose))
    except vault.VaultError:
        raise Refused(_("This report cannot be read again. Run the simulation once more."), code="tampered") from None


def _simulated(setting: Setting, schemes: Sequence[Scheme], trials: int, seed: int | None = None) -> Report:
    try:
        return simulate(setting, schemes, trials=trials, seed=new_seed() if seed is None else seed)
    except ParameterError as error:
        raise lists.InvalidParameters(error.faults) from None


def _purpose(allocation_list: AllocationList) -> str:
    return f"{PURPOSE} of list {allocation_list.reference}"


__all__ = [
    "check_may_simulate",
    "compare",
    "open_report",
    "record_outside",
    "seal_report",
    "simulate_list",
    "unseal_report",
]
