"""The schemes that can be simulated, each as a rule: from the allocations so far, the chance of each arm for the next.

All trials of a run are stepped together: a rule sees one participant of every trial at a time. A permuted block is
drawn without replacement, which gives every order of the block the same chance. These rules show what schemes do; the
slots of real lists are made by `randomization.algorithms`. In arrays, arms come first: numpy is quick along rows.

Parameters are confidential. They stay out of printed forms, and a fault names the place, never the value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from randomization.algorithms.base import is_count
from randomization.algorithms.faults import Fault
from randomization.algorithms.permuted_blocks import MAX_BLOCK
from randomization.simulation.setting import Cohort, Floats, Ints, Setting

Bools = NDArray[np.bool_]
CERTAIN = 1 - 1e-9
"""A chance above this is one: sums of thirds and sevenths miss it by a few bits."""
MAX_MTI = 30
LONGEST_FOLLOWED_BLOCK = 24
"""Up to this size who knows the sizes but not the draws is followed; beyond, it would cost more than it tells."""


class Within(StrEnum):
    """In what a scheme keeps the arms balanced: a list of its own for each of these."""

    WHOLE = "whole"
    STRATA = "strata"
    SITES = "sites"
    STRATA_AND_SITES = "strata_and_sites"


class Rule(Protocol):
    """A scheme at work on a cohort. For participant `at`: `chances`, then what observers know, then `give`."""

    def chances(self, at: int) -> Floats:
        """The chance of each arm (row) in each trial, given everything: all allocations and every hidden draw."""

    def foreseen(self, at: int) -> Floats:
        """The same for who knows all allocations and the parameters, but not what was drawn and is still hidden."""

    def certain_to_site(self, at: int) -> Bools:
        """Where the site alone could be certain: its own allocations, the parameters, and its places in the order."""

    def give(self, at: int, arms: Ints) -> None:
        """Take note of what was allocated."""

    def known(self, at: int) -> tuple[Floats, Floats, float]:
        """What a guesser counts by arm: of the whole trial, of the own site, and what one participant adds to it."""


class Scheme(Protocol):
    """A scheme with its parameters."""

    @property
    def scheme(self) -> str: ...

    @property
    def place(self) -> str:
        """Where it balances, as a word of `Within` or the margins of minimization."""

    def faults(self, setting: Setting) -> list[Fault]:
        """Every fault of the parameters in this setting."""

    def rule(self, setting: Setting, cohort: Cohort, chance: np.random.Generator) -> Rule: ...


class _Grouped:
    """What schemes share that run a sequence of their own in each group of participants of each trial."""

    def __init__(self, setting: Setting, cohort: Cohort, within: Within) -> None:
        self.ratio = setting.ratio
        self.arms = len(setting.arms)
        self.trials, self.count = cohort.sites.shape
        self.site_count = len(setting.sites)
        self.sites = cohort.sites
        groups, group = _groups(setting, cohort, within)
        self.rows = np.arange(self.trials)
        self.cells = self.rows[:, None] * groups + group  # one cell for each trial and group
        self.cell_count = self.trials * groups
        self.site_cells = self.cells * self.site_count + cohort.sites
        self.all_known = np.zeros((self.arms, self.cell_count))
        self.site_known = np.zeros((self.arms, self.cell_count * self.site_count))

    def chances(self, at: int) -> Floats:
        raise NotImplementedError

    def foreseen(self, at: int) -> Floats:
        return self.chances(at)

    def certain_to_site(self, at: int) -> Bools:
        # A site that gave every allocation of the group knows the state; otherwise another site's arm is open.
        everywhere, own, _step = self.known(at)
        certain: Bools = (everywhere.sum(0) == own.sum(0)) & (self.chances(at).max(0) >= CERTAIN)
        return certain

    def known(self, at: int) -> tuple[Floats, Floats, float]:
        return self.all_known[:, self.cells[:, at]], self.site_known[:, self.site_cells[:, at]], 1.0

    def give(self, at: int, arms: Ints) -> None:
        self.all_known[arms, self.cells[:, at]] += 1
        self.site_known[arms, self.site_cells[:, at]] += 1

    def ahead(self, at: int) -> Floats:
        """How far the first of two arms is ahead of the second, before participant `at`."""
        counts = self.all_known[:, self.cells[:, at]]
        difference: Floats = counts[0] - counts[1]
        return difference


def _groups(setting: Setting, cohort: Cohort, within: Within) -> tuple[int, Ints]:
    """How many groups there are, and the group of every participant."""
    if within == Within.STRATA:
        return setting.strata, cohort.strata
    if within == Within.SITES:
        return len(setting.sites), cohort.sites
    if within == Within.STRATA_AND_SITES:
        return setting.strata * len(setting.sites), cohort.strata * len(setting.sites) + cohort.sites
    return 1, np.zeros_like(cohort.sites)


def _two_equal_arms(setting: Setting, scheme: str) -> list[Fault]:
    if len(setting.arms) == 2 and setting.arms[0].ratio == setting.arms[1].ratio:
        return []
    return [Fault("RND311", scheme, "It is defined for two arms in the ratio 1 : 1.", "Choose another scheme.")]


def _coin(first: Floats) -> Floats:
    """The chances of two arms from that of the first."""
    return np.stack([first, 1 - first])


# ---------------------------------------------------------------- simple


@dataclass(frozen=True, slots=True)
class Simple:
    """Each allocation drawn in the ratio, whatever came before."""

    scheme = "simple"
    place = Within.WHOLE

    def faults(self, setting: Setting) -> list[Fault]:
        return []

    def rule(self, setting: Setting, cohort: Cohort, chance: np.random.Generator) -> Rule:
        return _SimpleRule(setting, cohort, Within.WHOLE)


class _SimpleRule(_Grouped):
    def chances(self, at: int) -> Floats:
        return np.broadcast_to(self.ratio[:, None], (self.arms, self.trials))


# ---------------------------------------------------------------- permuted blocks


@dataclass(frozen=True, slots=True)
class PermutedBlocks:
    """Blocks in the exact ratio, in random order, each of a size drawn from the sizes with equal chance."""

    block_sizes: tuple[int, ...] = field(repr=False)
    within: Within = Within.STRATA
    scheme = "permuted_blocks"

    @property
    def place(self) -> str:
        return self.within

    def faults(self, setting: Setting) -> list[Fault]:
        total = sum(arm.ratio for arm in setting.arms if is_count(arm.ratio))
        found = []
        if not self.block_sizes:
            found.append(Fault("RND111", "block sizes", "No block size is given.", "Give at least one."))
        for number, size in enumerate(self.block_sizes, start=1):
            place = f"block sizes › number {number}"
            if not is_count(size) or size > MAX_BLOCK:
                found.append(
                    Fault(
                        "RND112", place, "It is not a block size.", f"Use an integer, the ratio's sum to {MAX_BLOCK}."
                    )
                )
            elif total and size % total:
                found.append(
                    Fault("RND114", place, "It is not a multiple of the ratio's sum.", f"Use a multiple of {total}.")
                )
            if size in self.block_sizes[: number - 1]:
                found.append(Fault("RND113", place, "The same size is given before.", "Give each size once."))
        return found

    def rule(self, setting: Setting, cohort: Cohort, chance: np.random.Generator) -> Rule:
        return _BlockRule(setting, cohort, self, chance)


class _BlockRule(_Grouped):
    def __init__(self, setting: Setting, cohort: Cohort, scheme: PermutedBlocks, chance: np.random.Generator) -> None:
        super().__init__(setting, cohort, scheme.within)
        self.chance = chance
        ratio = np.array([arm.ratio for arm in setting.arms])
        sizes = np.array(sorted(scheme.block_sizes))
        self.quotas = ratio[:, None] * (sizes // ratio.sum())[None, :]
        self.quota = np.zeros((self.arms, self.cell_count), dtype=np.int16)
        self.left = np.zeros((self.arms, self.cell_count), dtype=np.int16)
        self.block = np.zeros(self.cell_count, dtype=np.int32)
        # What a site was given in the block of that number; another number there means: nothing in the present one.
        self.site_block = np.zeros(self.cell_count * self.site_count, dtype=np.int32)
        self.site_in_block = np.zeros((self.arms, self.cell_count * self.site_count), dtype=np.int16)
        # With one size there is nothing hidden to foresee.
        follows = len(sizes) > 1 and int(sizes[-1]) <= LONGEST_FOLLOWED_BLOCK
        self.observer = _BlockObserver(self.cell_count, self.quotas) if follows else None
        self.now = np.zeros((self.arms, self.trials))

    def chances(self, at: int) -> Floats:
        cells = self.cells[:, at]
        left = self.left[:, cells]
        total = left.sum(0)
        starting = cells[total == 0]
        if starting.size:
            drawn = self.quotas[:, self.chance.integers(self.quotas.shape[1], size=starting.size)]
            self.left[:, starting] = drawn
            self.quota[:, starting] = drawn
            self.block[starting] += 1
            left = self.left[:, cells]
            total = left.sum(0)
        self.now = left / total
        return self.now

    def foreseen(self, at: int) -> Floats:
        return self.now if self.observer is None else self.observer.foreseen(self.cells[:, at])

    def certain_to_site(self, at: int) -> Bools:
        # Another arm is possible as long as the site's own allocations in the block leave a place for it.
        cells, site_cells = self.cells[:, at], self.site_cells[:, at]
        old = self.site_block[site_cells] != self.block[cells]
        renewed = site_cells[old]
        self.site_block[renewed] = self.block[cells[old]]
        self.site_in_block[:, renewed] = 0
        possible = (self.site_in_block[:, site_cells] < self.quota[:, cells]).sum(0)
        certain: Bools = possible == 1
        return certain

    def give(self, at: int, arms: Ints) -> None:
        super().give(at, arms)
        cells = self.cells[:, at]
        self.left[arms, cells] -= 1
        self.site_in_block[arms, self.site_cells[:, at]] += 1
        if self.observer is not None:
            self.observer.see(cells, arms)


class _BlockObserver:
    """Somebody who sees every allocation and knows which sizes there are, but not which were drawn.

    A filter in the sense of hidden Markov models: the weight of every hypothesis (the present block has size b, and a
    of its places are used). A hypothesis foresees each arm by what its block has left; each allocation multiplies its
    weight by what it foresaw.
    """

    def __init__(self, cells: int, quotas: Ints) -> None:
        sizes = quotas.sum(0)
        longest = int(sizes.max())
        # One row for each hypothesis, and its places: the size it supposes, the places used, and where it moves next.
        self.size_of, self.used = (np.concatenate(part) for part in zip(
            *((np.full(size, at), np.arange(size)) for at, size in enumerate(sizes)), strict=True
        ))  # fmt: skip
        self.sizes = len(sizes)
        self.first = np.flatnonzero(self.used == 0)
        self.last = np.append(self.first[1:], len(self.used)) - 1
        self.quota = quotas[:, self.size_of].astype(np.int16)
        self.places_left = (sizes[self.size_of] - self.used).astype(np.float64)
        self.weights = np.zeros((len(self.used), cells))
        self.weights[self.first] = 1 / self.sizes
        self.recent = np.zeros((len(quotas), longest, cells), dtype=np.int16)
        """By arm, how many of the last 0, 1, 2 … allocations."""
        self.by_arm = np.zeros((len(quotas), 0, 0))

    def foreseen(self, cells: Ints) -> Floats:
        left = np.maximum(self.quota[:, :, None] - self.recent[:, :, cells][:, self.used], 0)
        self.by_arm = left * (self.weights[:, cells] / self.places_left[:, None])
        foreseen: Floats = self.by_arm.sum(1)
        foreseen /= foreseen.sum(0)
        return foreseen

    def see(self, cells: Ints, arms: Ints) -> None:
        columns = np.arange(len(cells))
        weights = self.by_arm[arms, :, columns].T
        weights = weights / weights.sum(0)
        ended = weights[self.last].sum(0) / self.sizes
        moved = np.empty_like(weights)
        moved[1:] = weights[:-1]
        moved[self.first] = ended
        self.weights[:, cells] = moved
        recent = self.recent[:, :, cells]
        recent[:, 1:] = recent[:, :-1].copy()
        recent[:, 0] = 0
        recent[arms, 1:, columns] += 1
        self.recent[:, :, cells] = recent


# ---------------------------------------------------------------- biased coin, big stick, urn


@dataclass(frozen=True, slots=True)
class BiasedCoin:
    """Efron's coin: the arm that is behind has the chance `bias`; none behind, one half (Biometrika 58 (1971) 403)."""

    bias: float = field(repr=False)
    within: Within = Within.STRATA
    scheme = "biased_coin"

    @property
    def place(self) -> str:
        return self.within

    def faults(self, setting: Setting) -> list[Fault]:
        found = _two_equal_arms(setting, self.scheme)
        if not 0.5 <= self.bias < 1:
            found.append(Fault("RND312", "bias", "It is not between 1/2 and 1.", "Use a number such as 0.667."))
        return found

    def rule(self, setting: Setting, cohort: Cohort, chance: np.random.Generator) -> Rule:
        return _BiasedCoinRule(setting, cohort, self)


class _BiasedCoinRule(_Grouped):
    def __init__(self, setting: Setting, cohort: Cohort, scheme: BiasedCoin) -> None:
        super().__init__(setting, cohort, scheme.within)
        self.bias = scheme.bias

    def chances(self, at: int) -> Floats:
        return _coin(0.5 - np.sign(self.ahead(at)) * (self.bias - 0.5))


@dataclass(frozen=True, slots=True)
class BigStick:
    """A fair coin, until one arm is ahead by the tolerated imbalance: then the other (Soares and Wu, 1983)."""

    mti: int = field(repr=False)
    within: Within = Within.STRATA
    scheme = "big_stick"

    @property
    def place(self) -> str:
        return self.within

    def faults(self, setting: Setting) -> list[Fault]:
        found = _two_equal_arms(setting, self.scheme)
        if not is_count(self.mti) or self.mti > MAX_MTI:
            found.append(
                Fault("RND313", "tolerated imbalance", "It is not a number of participants.", f"Use 1 to {MAX_MTI}.")
            )
        return found

    def rule(self, setting: Setting, cohort: Cohort, chance: np.random.Generator) -> Rule:
        return _BigStickRule(setting, cohort, self)


class _BigStickRule(_Grouped):
    def __init__(self, setting: Setting, cohort: Cohort, scheme: BigStick) -> None:
        super().__init__(setting, cohort, scheme.within)
        self.mti = scheme.mti
        # For each site, which imbalances are possible by what it knows: bit d + mti for the imbalance d.
        self.lowest, self.highest = np.int64(1), np.int64(1) << np.int64(2 * self.mti)
        self.possible_bits = (self.highest << np.int64(1)) - np.int64(1)
        self.possible = np.full((self.cell_count, self.site_count), np.int64(1) << np.int64(self.mti))

    def chances(self, at: int) -> Floats:
        ahead = self.ahead(at)
        return _coin(np.where(ahead >= self.mti, 0.0, np.where(ahead <= -self.mti, 1.0, 0.5)))

    def certain_to_site(self, at: int) -> Bools:
        possible = self.possible[self.cells[:, at], self.sites[:, at]]
        certain: Bools = (possible == self.lowest) | (possible == self.highest)
        return certain

    def give(self, at: int, arms: Ints) -> None:
        super().give(at, arms)
        cells, sites = self.cells[:, at], self.sites[:, at]
        before = self.possible[cells]
        up, down = before << np.int64(1), before >> np.int64(1)
        after = (up | down) & self.possible_bits
        after[self.rows, sites] = (np.where(arms[:, None] == 0, up, down) & self.possible_bits)[self.rows, sites]
        self.possible[cells] = after


@dataclass(frozen=True, slots=True)
class Urn:
    """Wei's urn: `start` balls of each arm; each draw is put back with `added` balls of every other arm.

    L. J. Wei, JASA 73 (1978) 559; for two arms the design UD(α, β).
    """

    start: int = field(repr=False)
    added: int = field(repr=False)
    within: Within = Within.STRATA
    scheme = "urn"

    @property
    def place(self) -> str:
        return self.within

    def faults(self, setting: Setting) -> list[Fault]:
        found = []
        if len({arm.ratio for arm in setting.arms}) > 1:
            found.append(
                Fault("RND314", self.scheme, "It is defined for arms in equal ratio.", "Choose another scheme.")
            )
        for name, value, low in (("balls at the start", self.start, 0), ("balls added", self.added, 1)):
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= 1000:
                found.append(Fault("RND315", name, "It is not a number of balls.", f"Use {low} to 1000."))
        return found

    def rule(self, setting: Setting, cohort: Cohort, chance: np.random.Generator) -> Rule:
        return _UrnRule(setting, cohort, self)


class _UrnRule(_Grouped):
    def __init__(self, setting: Setting, cohort: Cohort, scheme: Urn) -> None:
        super().__init__(setting, cohort, scheme.within)
        self.start, self.added = scheme.start, scheme.added

    def chances(self, at: int) -> Floats:
        counts = self.all_known[:, self.cells[:, at]]
        balls = self.start + self.added * (counts.sum(0) - counts)
        balls[:, balls.sum(0) == 0] = 1  # nothing in the urn yet: the first draw is fair
        chances: Floats = balls / balls.sum(0)
        return chances


# ---------------------------------------------------------------- minimization


class Measure(StrEnum):
    """How minimization measures the imbalance that an arm would leave at one level."""

    RANGE = "range"
    """Greatest count less smallest: for two arms the difference."""
    VARIANCE = "variance"
    """The variance of the counts: a large difference at one level weighs more than two small ones."""
    TOTALS = "totals"
    """No imbalance, but the arm's own count: the arm with the smaller total over the levels (Taves, 1974)."""


@dataclass(frozen=True, slots=True)
class Minimization:
    """Pocock and Simon (Biometrics 31 (1975) 103): the arm that leaves the least imbalance has the chance `bias`.

    The imbalance that an arm would leave is the weighted sum, over the levels of the participant, of a measure of the
    counts. For an unequal ratio each arm is taken for as many equal shares as its ratio says, and minimization runs
    over the shares: each arm then has exactly its part of the ratio at every allocation (Kuznetsova and Tymofyeyev,
    Statistics in Medicine 31 (2012) 701). Ties are drawn evenly; the shares that are not preferred share the rest of
    the chance. A factor that `weights` does not name has weight 1; the site counts only with a `site_weight`.
    """

    bias: float = field(repr=False)
    weights: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    site_weight: float = field(default=0.0, repr=False)
    measure: Measure = Measure.RANGE
    scheme = "minimization"

    @property
    def place(self) -> str:
        return "margins_and_sites" if self.site_weight > 0 else "margins"

    def faults(self, setting: Setting) -> list[Fault]:
        found = []
        if not 0 < self.bias <= 1 or self.bias < 1 / max(1, sum(arm.ratio for arm in setting.arms)):
            found.append(
                Fault("RND316", "bias", "It is no better than chance, or above 1.", "Use a number such as 0.8.")
            )
        names = {factor.factor for factor in setting.factors}
        for name in self.weights:
            if name not in names:
                found.append(Fault("RND317", "weights", f"There is no factor {name}.", "Use the factors of the study."))
        values = [*self.weights.values(), self.site_weight]
        if any(not 0 <= value < float("inf") for value in values):
            found.append(Fault("RND318", "weights", "A weight is negative or no number.", "Use 0 or more."))
        elif not any(self._weights(setting)):
            found.append(Fault("RND318", "weights", "No factor has a weight.", "Give one factor a weight above 0."))
        return found

    def _weights(self, setting: Setting) -> list[float]:
        """The weights of the study's factors, then of the site."""
        return [*(self.weights.get(factor.factor, 1.0) for factor in setting.factors), self.site_weight]

    def rule(self, setting: Setting, cohort: Cohort, chance: np.random.Generator) -> Rule:
        return _MinimizationRule(setting, cohort, self, chance)


class _MinimizationRule(_Grouped):
    def __init__(self, setting: Setting, cohort: Cohort, scheme: Minimization, chance: np.random.Generator) -> None:
        super().__init__(setting, cohort, Within.WHOLE)
        self.chance = chance
        weights = scheme._weights(setting)
        factors: list[Ints] = [cohort.levels[:, :, at] for at in range(len(setting.factors))] + [cohort.sites]
        sizes = [len(factor.levels) for factor in setting.factors] + [len(setting.sites)]
        used = [at for at, weight in enumerate(weights) if weight > 0]
        self.weights = np.array([weights[at] for at in used])
        self.measure = scheme.measure
        starts = np.cumsum([0, *(sizes[at] for at in used)])
        levels = int(starts[-1])
        margins = np.stack([factors[at] + start for at, start in zip(used, starts, strict=False)])
        """Factor × trial × participant: the number of the level among all levels that count."""
        self.margins = margins + self.rows[None, :, None] * levels
        self.site_margins = margins + ((self.rows[:, None] * self.site_count + cohort.sites) * levels)[None, :, :]
        self.of_share = np.repeat(np.arange(self.arms), [arm.ratio for arm in setting.arms])
        """The arm of each share."""
        self.collapse = (np.arange(self.arms)[:, None] == self.of_share[None, :]).astype(np.float64)
        self.by_margin = np.zeros((len(self.of_share), self.trials * levels))
        self.site_by_margin = np.zeros((self.arms, self.trials * self.site_count * levels))
        self.bias = scheme.bias
        self.by_share = np.zeros((len(self.of_share), self.trials))

    def chances(self, at: int) -> Floats:
        self.by_share = self.preferred_chances(self.by_margin[:, self.margins[:, :, at]])
        chances: Floats = self.collapse @ self.by_share
        return chances

    def preferred_chances(self, counts: Floats) -> Floats:
        """The chance of each share from counts by share, factor and trial at the participant's own levels."""
        shares = len(counts)
        left = np.empty((shares, counts.shape[2]))
        for share in range(shares):
            counts[share] += 1
            left[share] = self.weights @ self._measured(counts, share)
            counts[share] -= 1
        # Weights are typed decimals: sums that differ by rounding alone are a tie.
        preferred = left <= left.min(0) + 1e-9
        preferred = preferred / preferred.sum(0)
        chances: Floats = preferred * self.bias + (1 - preferred) * ((1 - self.bias) / (shares - 1))
        return chances

    def _measured(self, counts: Floats, share: int) -> Floats:
        """The measure at each level and trial, `share` being the one that was added."""
        if self.measure == Measure.TOTALS:
            found: Floats = counts[share]
        elif self.measure == Measure.VARIANCE:
            found = counts.var(0)
        else:
            found = counts.max(0) - counts.min(0)
        return found

    def known(self, at: int) -> tuple[Floats, Floats, float]:
        everywhere = self.collapse @ self.by_margin[:, self.margins[:, :, at]].sum(1)
        own = self.site_by_margin[:, self.site_margins[:, :, at]].sum(1)
        return everywhere, own, float(len(self.weights))

    def give(self, at: int, arms: Ints) -> None:
        # One participant has one level of each factor, so no place is met twice.
        self.by_margin[self._shares(arms)[None, :], self.margins[:, :, at]] += 1
        self.site_by_margin[arms[None, :], self.site_margins[:, :, at]] += 1

    def _shares(self, arms: Ints) -> Ints:
        """The share that was given with each arm: of the arm's own, one by their chances."""
        if len(self.of_share) == self.arms:
            return arms
        reached = np.cumsum(self.by_share * (self.of_share[:, None] == arms[None, :]), axis=0)
        drawn = self.chance.random(len(arms)) * reached[-1]
        shares: Ints = np.argmax(reached > drawn, axis=0)
        return shares
