"""What arm a slot gives: the one that it holds, or the one that its draw, the factors and earlier allocations make."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from trial.definitions import definition_of

from . import vault
from .algorithms import ALGORITHMS, ArmRatio, Kind
from .algorithms.minimization import Rule
from .algorithms.strata import UNSTRATIFIED
from .models import Allocation, AllocationList
from .section import SITE, RandomizationSection
from .strata import Stratum


@dataclass(frozen=True, slots=True)
class Given:
    """The arm of one allocation, and the draw from which it was computed ("" where the slot holds the arm)."""

    arm: str
    draw: str = field(default="", repr=False)


def holds_draws(allocation_list: AllocationList) -> bool:
    """Whether the slots of the list hold random draws, one sequence for the whole trial, instead of arms."""
    algorithm = ALGORITHMS.get(allocation_list.algorithm)
    return algorithm is not None and algorithm.kind is Kind.DRAWS


def is_imported(allocation_list: AllocationList) -> bool:
    """Whether the slots came from a file: the system does not know how they were made."""
    algorithm = ALGORITHMS.get(allocation_list.algorithm)
    return algorithm is not None and algorithm.kind is Kind.IMPORTED


def label_in(allocation_list: AllocationList, stratum: Stratum) -> str:
    """The label under which the list has its slots for a known stratum. Raises ValueError while it is not known."""
    return UNSTRATIFIED if holds_draws(allocation_list) and stratum.is_known else stratum.label


def has_stratum(allocation_list: AllocationList, stratum: Stratum) -> bool:
    """Whether a known stratum is one of the list: with draws, whether its factors and levels are those of the list."""
    if not holds_draws(allocation_list):
        return stratum.label in allocation_list.strata
    section: RandomizationSection | None = definition_of(allocation_list.version_id).section("randomization")
    if section is None or set(section.factor_ids) != set(stratum.codes):
        return False
    return all(stratum.codes[factor.id] in factor.levels for factor in section.factors)


def give(
    allocation_list: AllocationList,
    opened: vault.Slot,
    strata: Mapping[str, str],
    open_secret: Callable[[], vault.Confidential],
) -> Given:
    """The arm that an opened slot gives to frozen factors. The list must be locked: earlier allocations count.

    The confidential parameters are opened only where the arm is computed from a draw.
    """
    if not holds_draws(allocation_list):
        return Given(opened.arm)
    earlier = Allocation.objects.filter(allocation_list=allocation_list).order_by("number")
    entries = [*earlier.values_list("draw", "strata"), (opened.arm, strata)]
    return Given(replay(allocation_list, open_secret(), entries)[-1], opened.arm)


def replay(
    allocation_list: AllocationList, secret: vault.Confidential, entries: Iterable[tuple[str, Mapping[str, str]]]
) -> list[str]:
    """The arms that draws and frozen factors make, in order. Raises ValueError or KeyError where they make none."""
    arms = [ArmRatio(arm, share) for arm, share in allocation_list.arms.items()]
    return Rule.of(arms, secret.extra).replay(entries)


def example_of_draws(allocation_list: AllocationList, secret: vault.Confidential, draws: Iterable[str]) -> list[str]:
    """The arms that draws make when participants of every combination of levels come in turn: to look at, no more."""
    section: RandomizationSection | None = definition_of(allocation_list.version_id).section("randomization")
    factors = section.factors if section is not None else ()
    levels = [[(factor.id, level) for level in factor.levels] for factor in factors]
    if section is not None and section.site_factor:
        levels.append([(SITE, number) for number in ("01", "02", "03")])
    comers = itertools.cycle([dict(each) for each in itertools.product(*levels)])
    return replay(allocation_list, secret, zip(draws, comers, strict=False))


__all__ = ["Given", "example_of_draws", "give", "has_stratum", "holds_draws", "is_imported", "label_in", "replay"]
