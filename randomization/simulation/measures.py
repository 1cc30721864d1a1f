"""What is said about simulated trials: imbalance, guesses and power.

Formulas and sources stand in `docs/randomization-simulation.md`.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import NormalDist
from typing import Any

import numpy as np

from randomization.simulation.engine import Batch
from randomization.simulation.setting import Floats, Ints, Setting

QUANTILES = (0.5, 0.9, 0.95, 0.99)
HISTOGRAM_STEP = 1.0
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Spread:
    """How a number is distributed over the trials: mean, quantiles and the worst trial."""

    mean: float
    median: float
    p90: float
    p95: float
    p99: float
    worst: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over the trials, with its standard error."""

    mean: float
    error: float


@dataclass(frozen=True, slots=True)
class Group:
    """Imbalance in one stratum, one level of a factor, or one site; `participants` is the mean number there."""

    name: str
    participants: float
    imbalance: Spread


@dataclass(frozen=True, slots=True)
class Guessing:
    """The probability of a right guess, and the share of allocations that are certain beforehand."""

    site: Estimate
    everyone: Estimate
    design: Estimate
    certain_site: Estimate
    certain_all: Estimate
    certain_with_blocks: Estimate


@dataclass(frozen=True, slots=True)
class Power:
    """What imbalance costs: participants lost, and the power that is left of the planned one."""

    lost: Spread
    lost_stratified: Spread
    power: Spread
    power_stratified: Spread
    """In both, `worst` is the lowest power and the quantiles go down: p95 is the power that 95 % of trials reach."""


@dataclass(frozen=True, slots=True)
class Result:
    """Everything about one scheme. No parameter stands in it, but they can be told from it: it is as confidential."""

    scheme: str
    place: str
    overall: Spread
    highest: Spread
    """The greatest overall imbalance at any moment of the trial."""
    histogram: tuple[tuple[float, float], ...]
    """Overall imbalance at the end, rounded down, and the share of trials."""
    worst_stratum: Spread
    worst_site: Spread
    strata: tuple[Group, ...]
    levels: tuple[Group, ...]
    sites: tuple[Group, ...]
    guessing: Guessing
    power: Power

    def as_dict(self) -> dict[str, Any]:
        """The result as plain numbers, rounded to six digits after the point."""
        rounded: dict[str, Any] = _rounded(asdict(self))
        return rounded


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6) + 0.0  # no minus zero
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return value


def imbalance(counts: Floats, ratio: Floats) -> Floats:
    """How far apart the arms are, over the last axis: counts divided by the arm's share × number of arms, greatest less
    smallest. With two equal arms it is the difference of their counts."""
    scaled = counts / (ratio * len(ratio))
    apart: Floats = scaled.max(-1) - scaled.min(-1)
    return apart


class Collector:
    """Takes the batches of one scheme, keeps what its measures need, and gives the result."""

    def __init__(self, setting: Setting, scheme: str, place: str) -> None:
        self.setting = setting
        self.scheme = scheme
        self.place = place
        self.parts: dict[str, list[Floats]] = {}

    def add(self, batch: Batch) -> None:
        """Measure a batch."""
        setting, cohort = self.setting, batch.cohort
        ratio = setting.ratio
        by_stratum = _counts(cohort.strata, batch.arms, setting.strata, len(ratio))
        by_site = _counts(cohort.sites, batch.arms, len(setting.sites), len(ratio))
        overall = by_stratum.sum(1)
        self._keep("overall", imbalance(overall, ratio))
        self._keep("highest", _highest(batch.arms, ratio))
        self._keep("strata", imbalance(by_stratum, ratio))
        self._keep("strata_n", by_stratum.sum(2))
        self._keep("sites", imbalance(by_site, ratio))
        self._keep("sites_n", by_site.sum(2))
        for at, factor in enumerate(setting.factors):
            by_level = _counts(cohort.levels[:, :, at], batch.arms, len(factor.levels), len(ratio))
            self._keep(f"levels {at}", imbalance(by_level, ratio))
            self._keep(f"levels_n {at}", by_level.sum(2))
        self._keep("information", information(overall[:, None, :], ratio))
        self._keep("information_stratified", information(by_stratum, ratio))
        for name in _GUESSES.values():
            self._keep(name, getattr(batch, name))

    def _keep(self, name: str, values: Floats) -> None:
        self.parts.setdefault(name, []).append(values)

    def _all(self, name: str) -> Floats:
        return np.concatenate(self.parts[name])

    def result(self) -> Result:
        """The measures over all trials so far."""
        overall, strata, sites = self._all("overall"), self._all("strata"), self._all("sites")
        return Result(
            scheme=self.scheme,
            place=self.place,
            overall=spread(overall),
            highest=spread(self._all("highest")),
            histogram=_histogram(overall),
            worst_stratum=spread(strata.max(1)),
            worst_site=spread(sites.max(1)),
            strata=_groups(self._names(), strata, self._all("strata_n")),
            levels=tuple(
                group
                for at, factor in enumerate(self.setting.factors)
                for group in _groups(
                    [f"{factor.factor}={level}" for level in factor.levels],
                    self._all(f"levels {at}"),
                    self._all(f"levels_n {at}"),
                )
            ),
            sites=_groups(
                [str(number) for number in range(1, len(self.setting.sites) + 1)], sites, self._all("sites_n")
            ),
            guessing=Guessing(**{name: estimate(self._all(kept)) for name, kept in _GUESSES.items()}),
            power=self._power(),
        )

    def _names(self) -> list[str]:
        if not self.setting.factors:
            return ["all"]
        return [
            "|".join(f"{factor}={level}" for factor, level in self.setting.stratum(number).items())
            for number in range(self.setting.strata)
        ]

    def _power(self) -> Power:
        plain, stratified = self._all("information"), self._all("information_stratified")
        count = self.setting.participants
        return Power(
            lost=spread(count * (1 - plain)),
            lost_stratified=spread(count * (1 - stratified)),
            power=_falling(self._powers(plain)),
            power_stratified=_falling(self._powers(stratified)),
        )

    def _powers(self, share: Floats) -> Floats:
        return power_of(share, self.setting.power, self.setting.alpha)


_GUESSES = {
    "site": "guessed_by_site",
    "everyone": "guessed_by_all",
    "design": "guessed_by_design",
    "certain_site": "certain_to_site",
    "certain_all": "certain_to_all",
    "certain_with_blocks": "certain_with_blocks",
}


def _counts(groups: Ints, arms: Ints, group_count: int, arm_count: int) -> Floats:
    """Participants by trial, group and arm."""
    trials = len(groups)
    cells = (np.arange(trials)[:, None] * group_count + groups) * arm_count + arms
    found = np.bincount(cells.ravel(), minlength=trials * group_count * arm_count)
    return found.reshape(trials, group_count, arm_count).astype(np.float64)


def _highest(arms: Ints, ratio: Floats) -> Floats:
    counts = np.stack([np.cumsum(arms == arm, axis=1) for arm in range(len(ratio))], axis=2)
    highest: Floats = imbalance(counts, ratio).max(1)
    return highest


def information(counts: Floats, ratio: Floats) -> Floats:
    """The information about the difference of two arms, as a share of that of the planned ratio without strata.

    Counts by trial, stratum and arm. In a stratum, two arms with n₁ and n₂ give n₁n₂ ÷ (n₁ + n₂); strata add up. With
    more than two arms, the pair that loses most counts.
    """
    total = counts.sum((1, 2))
    lowest = np.full(len(counts), np.inf)
    for first, second in combinations(range(len(ratio)), 2):
        one, other = counts[:, :, first], counts[:, :, second]
        both = one + other
        gained = np.divide(one * other, both, out=np.zeros_like(both), where=both > 0).sum(1)
        planned = total * ratio[first] * ratio[second] / (ratio[first] + ratio[second])
        lowest = np.minimum(lowest, gained / planned)
    return lowest


def power_of(share: Floats, planned: float, alpha: float) -> Floats:
    """The power of a two-sided test at a share of the information for which its planned power was computed."""
    critical = _NORMAL.inv_cdf(1 - alpha / 2)
    effect = critical + _NORMAL.inv_cdf(planned)
    values, where = np.unique(share, return_inverse=True)
    powers = np.array([_NORMAL.cdf(math.sqrt(max(0.0, value)) * effect - critical) for value in values])
    found: Floats = powers[where]
    return found


def spread(values: Floats) -> Spread:
    """The distribution over the trials of a number of which more is worse. Quantiles are values that occurred."""
    p50, p90, p95, p99 = _quantiles(values)
    return Spread(float(values.mean()), p50, p90, p95, p99, float(values.max()))


def _quantiles(values: Floats) -> Sequence[float]:
    return [float(value) for value in np.quantile(values, QUANTILES, method="inverted_cdf")]


def _falling(values: Floats) -> Spread:
    """The distribution of a number of which less is worse."""
    p50, p90, p95, p99 = (-value for value in _quantiles(-values))
    return Spread(float(values.mean()), p50, p90, p95, p99, float(values.min()))


def estimate(values: Floats) -> Estimate:
    """A mean over the trials with its standard error; zero for a single trial."""
    error = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Estimate(float(values.mean()), error)


def _groups(names: Sequence[str], apart: Floats, counts: Floats) -> tuple[Group, ...]:
    return tuple(
        Group(name, float(counts[:, at].mean()), spread(apart[:, at])) for at, name in enumerate(names)
    )  # fmt: skip


def _histogram(values: Floats) -> tuple[tuple[float, float], ...]:
    bins, counts = np.unique(np.floor(values / HISTOGRAM_STEP + 1e-9) * HISTOGRAM_STEP, return_counts=True)
    return tuple((float(value), float(count) / len(values)) for value, count in zip(bins, counts, strict=True))
