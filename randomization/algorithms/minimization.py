"""Pocock–Simon minimization with a random element, weighted factors and any ratio: algorithms `minimization/1`, `/2`.

Pocock and Simon, "Sequential treatment assignment with balancing for prognostic factors in the controlled clinical
trial", Biometrics 31 (1975), 103–115. For an unequal ratio each arm is taken for as many equal *shares* as its ratio
says, and minimization runs over the shares: all shares being alike, each arm has exactly its part of the ratio at every
single allocation, which Kuznetsova and Tymofyeyev (Statistics in Medicine 31 (2012), 701–723) ask for and which
dividing the counts by the ratio does not give.

The list holds no arms but random draws, in order, one sequence for the whole trial: two whole numbers a slot, made from
the seed and committed before the first allocation. The arm is a function of the draws and frozen factors up to and with
the participant's own, so that anyone can compute it again.

Of a list of `minimization/1` only its own allocations count. `minimization/2` counts every participant who was
allocated before under the same rules, those on paper and of earlier lists as well (`Placed`). The draws are the same.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from randomization.algorithms.base import (
    NOTHING,
    Algorithm,
    ArmRatio,
    BlockSlot,
    Kind,
    arm_faults,
    canonical_arms,
    is_count,
    unknown_faults,
)
from randomization.algorithms.faults import Fault, ParameterError
from randomization.algorithms.parameters import Parameter, Type, probability
from randomization.algorithms.stream import Stream

FIRST = "minimization/1"
NAME = "minimization/2"
STREAM = FIRST
"""What the draws of both are made under: the same seed makes the same draws."""
RANGE, VARIANCE = "range", "variance"
MAX_SHARES = 40  # the first draw's bound is the least common multiple of 1 … shares: below 2⁶⁴ up to 46
PARAMETERS = (
    Parameter("probability", Type.PROBABILITY),
    Parameter("imbalance", Type.CHOICE, choices=(RANGE, VARIANCE)),
    Parameter("weights", Type.WEIGHTS, low=1, high=1_000),
)


def check(
    arms: Sequence[ArmRatio],
    block_sizes: Sequence[int],
    size: int,
    extra: Mapping[str, Any] = NOTHING,
    factors: Sequence[str] = (),
) -> list[Fault]:
    """Every fault of arms, factors and parameters. Without `factors` those that have a weight are taken for granted."""
    faults = arm_faults(arms, size)
    weights = extra.get("weights")
    known = list(factors) or (list(weights) if isinstance(weights, Mapping) else [])
    if not known:
        faults.append(
            Fault("RND141", "strata", "There is no factor to balance.", "Give a factor, or use another scheme.")
        )
    for parameter in PARAMETERS:
        faults += parameter.faults(extra.get(parameter.name), known)
    chance = probability(extra.get("probability"))
    if arms and all(is_count(arm.ratio) for arm in arms):
        shares = len(_shares(canonical_arms(arms)))
        if chance is not None and chance <= Fraction(1, shares):
            faults.append(
                Fault(
                    "RND142",
                    "probability",
                    "It does not favor what balances best.",
                    "Use more than one part of the ratio's sum.",
                )
            )
        if shares > MAX_SHARES:
            faults.append(
                Fault(
                    "RND143",
                    "ratio",
                    f"The parts of the ratio add up to more than {MAX_SHARES}.",
                    "Use a rounder ratio.",
                    {"most": MAX_SHARES},
                )
            )
    return [*faults, *unknown_faults(PARAMETERS, block_sizes, extra)]


def generate(
    seed: bytes,
    stratum: str,
    arms: Sequence[ArmRatio],
    block_sizes: Sequence[int],
    size: int,
    extra: Mapping[str, Any] = NOTHING,
) -> list[BlockSlot]:
    """The draws of the trial: `size` slots, in each the text of one draw (see `Draw`) where other lists hold an arm.

    The first number is drawn below a bound that any number of tied shares divides, the second below the coin's.
    Raises ParameterError with every fault.
    """
    faults = check(arms, block_sizes, size, extra)
    if faults:
        raise ParameterError(faults)
    stream = Stream(seed, STREAM, stratum)
    rule = Rule.of(arms, extra)
    return [
        BlockSlot(position, Draw(stream.below(rule.tie_bound), stream.below(rule.coin_bound)).text, 0, 0)
        for position in range(1, size + 1)
    ]


@dataclass(frozen=True, slots=True)
class Draw:
    """The chance of one allocation: which of the tied shares is preferred, and where the coin falls."""

    tie: int = field(repr=False)
    coin: int = field(repr=False)

    @property
    def text(self) -> str:
        """As a slot holds it: two words of 16 hexadecimal digits, without anything between."""
        return f"{self.tie:016x}{self.coin:016x}"

    @classmethod
    def parse(cls, text: str) -> "Draw":
        """The draw of a slot's text; ValueError when it is not one."""
        if len(text) != 32 or text != text.lower() or not text.isalnum():
            raise ValueError("This is not a draw.")
        return cls(int(text[:16], 16), int(text[16:], 16))


Strata = Mapping[str, str]
"""A participant's frozen level of each factor."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How an arm is chosen: the arm of each share, in the order of the arms' ids; coin, function and weights.

    Nothing confidential of it is printed.
    """

    shares: tuple[str, ...]
    chance: Fraction = field(repr=False)
    imbalance: str = field(repr=False)
    weights: Mapping[str, int] = field(repr=False)

    @classmethod
    def of(cls, arms: Sequence[ArmRatio], extra: Mapping[str, Any]) -> "Rule":
        """The rule of a list. Raises ParameterError with every fault."""
        faults = check(arms, (), 1, extra)
        if faults:
            raise ParameterError(faults)
        chance = probability(extra["probability"])
        assert chance is not None
        return cls(tuple(_shares(canonical_arms(arms))), chance, extra["imbalance"], extra["weights"])

    @property
    def tie_bound(self) -> int:
        """The bound of a draw's first number."""
        return math.lcm(*range(1, len(self.shares) + 1))

    @property
    def coin_bound(self) -> int:
        """The bound of a draw's second number."""
        return self.chance.denominator * (len(self.shares) - 1)

    def imbalances(self, strata: Strata, tally: "Tally") -> list[int]:
        """The total imbalance that each share would leave, in their order, as a whole number.

        Raises KeyError for a factor that is not known.
        """
        counts = {factor: tally.counts(factor, strata[factor]) for factor in self.weights}
        return [
            sum(
                weight * self._spread([count + (index == candidate) for index, count in enumerate(counts[factor])])
                for factor, weight in self.weights.items()
            )
            for candidate in range(len(self.shares))
        ]

    def _spread(self, counts: Sequence[int]) -> int:
        """Range, or N² times the variance, of one factor's counts."""
        if self.imbalance == RANGE:
            return max(counts) - min(counts)
        return len(counts) * sum(count * count for count in counts) - sum(counts) ** 2

    def choose(self, draw: Draw, strata: Strata, tally: "Tally") -> int:
        """The share of the next participant, from the draw, the frozen factors and the allocations before.

        The share with the least total imbalance is preferred; of several, one by the draw's first number. Then the
        coin: with p = a/b each other share takes b − a of the numbers below `coin_bound`, in their order from 0
        upwards; the rest are the preferred share's.
        """
        totals = self.imbalances(strata, tally)
        tied = [index for index, total in enumerate(totals) if total == min(totals)]
        preferred = tied[draw.tie % len(tied)]
        others = [index for index in range(len(self.shares)) if index != preferred]
        at = draw.coin // (self.chance.denominator - self.chance.numerator)
        return others[at] if at < len(others) else preferred

    def place(self, entry: "Placed", tally: "Tally") -> int:
        """The share that somebody counts in whose arm no draw of the list made: of the arm's shares the first that
        balances best. All of an arm's shares are its own, so this choice gives nobody an arm.

        Raises ValueError for an arm that the ratio does not have, KeyError for a factor that is not known.
        """
        own = [index for index, arm in enumerate(self.shares) if arm == entry.arm]
        if not own:
            raise ValueError("An earlier allocation has an arm that the ratio does not have.")
        totals = self.imbalances(entry.strata, tally)
        return min(own, key=lambda index: totals[index])

    def replay(self, entries: "Iterable[tuple[str, Strata] | Placed]") -> list[str]:
        """The arms of a whole sequence of draws (as text) and frozen factors, each from those before it.

        Who is `Placed` keeps the arm and counts for those that follow. Raises ValueError for a text that is no draw,
        KeyError for a factor that is not known.
        """
        tally = Tally(self)
        given: list[str] = []
        for entry in entries:
            if isinstance(entry, Placed):
                share, strata = self.place(entry, tally), entry.strata
            else:
                text, strata = entry
                share = self.choose(Draw.parse(text), strata, tally)
            tally.add(share, strata)
            given.append(self.shares[share])
        return given


@dataclass(frozen=True, slots=True)
class Placed:
    """Somebody allocated before, by another way than a draw of the list: on paper, or from an earlier list."""

    arm: str = field(repr=False)
    strata: Strata


class Tally:
    """How many participants of each share there are at each level of each factor."""

    __slots__ = ("_counts", "_rule")

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._counts: dict[tuple[str, str], list[int]] = {}

    def counts(self, factor: str, level: str) -> list[int]:
        """The participants at a level by share, in the order of the shares."""
        return self._counts.get((factor, level)) or [0] * len(self._rule.shares)

    def add(self, share: int, strata: Strata) -> None:
        """Count one participant. Raises KeyError for a factor that is not known."""
        for factor in self._rule.weights:
            self._counts.setdefault((factor, strata[factor]), [0] * len(self._rule.shares))[share] += 1


def _shares(ordered: Sequence[ArmRatio]) -> list[str]:
    """The ratio in lowest terms, laid out: each arm as many times as its part says."""
    divisor = math.gcd(*(arm.ratio for arm in ordered))
    return [arm.arm for arm in ordered for _ in range(arm.ratio // divisor)]


def _algorithm(name: str) -> Algorithm:
    return Algorithm(
        name=name, scheme="minimization", parameters=PARAMETERS, generate=generate, check=check, kind=Kind.DRAWS
    )


ALGORITHM = _algorithm(NAME)
EARLIER = (_algorithm(FIRST),)
