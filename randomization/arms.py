"""What arm a slot gives: the one that it holds, or the one that its draw, the factors and earlier allocations make."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from django.db.models import Q, QuerySet

from trial.definitions import definition_of

from . import vault
from .algorithms import ALGORITHMS, ArmRatio, Kind
from .algorithms import strata as labels
from .algorithms.minimization import FIRST, Placed, Rule
from .algorithms.strata import UNSTRATIFIED
from .models import Allocation, AllocationList
from .section import SITE, RandomizationSection, randomizes_alike
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


def label_on_paper(stratum: Stratum) -> str:
    """The label under which a known stratum has its emergency pages, which the site never divides."""
    if not stratum.is_known:
        raise ValueError("The stratum is not known.")
    return labels.label({factor: code for factor, code in stratum.codes.items() if factor != SITE})


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
    earlier = counted_by(allocation_list).values_list("allocation_list_id", "draw", "arm", "strata")
    entries: list[Entry] = [
        (draw, factors) if list_id == allocation_list.pk else Placed(arm, factors)
        for list_id, draw, arm, factors in earlier
    ]
    return Given(replay(allocation_list, open_secret(), [*entries, (opened.arm, strata)])[-1], opened.arm)


def counted_by(allocation_list: AllocationList) -> QuerySet[Allocation]:
    """The allocations that count, for a list whose slots hold draws, in the order in which the system knew of them.

    Everybody allocated under the rules of the list's version: from the list itself, on paper once it was told, from
    earlier lists. Other rules (another scheme, ratio or factors) have nothing to count by. Lists of `minimization/1`
    count their own alone.
    """
    own = Q(allocation_list=allocation_list)
    if allocation_list.algorithm != FIRST:
        section: RandomizationSection | None = definition_of(allocation_list.version_id).section("randomization")
        used = Allocation.objects.order_by().values_list("version_id", flat=True).distinct()
        own |= Q(
            version_id__in=[pk for pk in used if randomizes_alike(definition_of(pk).section("randomization"), section)]
        )
    return Allocation.objects.filter(own).order_by("number")


Entry = tuple[str, Mapping[str, str]] | Placed


def replay(allocation_list: AllocationList, secret: vault.Confidential, entries: Iterable[Entry]) -> list[str]:
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


__all__ = [
    "Entry",
    "Given",
    "counted_by",
    "example_of_draws",
    "give",
    "has_stratum",
    "holds_draws",
    "is_imported",
    "label_in",
    "label_on_paper",
    "replay",
]
