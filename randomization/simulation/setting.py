"""The trial to be simulated: its arms, its participants, its sites and how fast these include.

A site includes at random times at a constant rate from the month in which it opens (a Poisson process; Anisimov and
Fedorov, Statistics in Medicine 26 (2007) 4958). Rates are in proportion to the sites' shares, and so high that the
planned number of participants is expected in the planned months.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from randomization.algorithms.base import ArmRatio, arm_faults
from randomization.algorithms.faults import Fault

MAX_PARTICIPANTS = 20_000
MAX_SITES = 1_000
MAX_STRATA = 1_000
TOLERANCE = 1e-6  # prevalences are typed with a few decimals; their sum may miss 1 by less than this

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prevalence:
    """A stratification factor with the share of participants in each of its levels."""

    factor: str
    levels: tuple[str, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """A site: how much it includes beside the others, and in which month of the trial it opens."""

    share: float = 1.0
    opens: float = 0.0


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything about a trial but its scheme. Factors are taken as independent of each other."""

    arms: tuple[ArmRatio, ...]
    participants: int
    sites: tuple[Site, ...]
    months: float
    factors: tuple[Prevalence, ...] = ()
    power: float = 0.8
    alpha: float = 0.05

    @property
    def ratio(self) -> Floats:
        """The share of each arm, summing to one, in the order of `arms`."""
        ratio = np.array([arm.ratio for arm in self.arms], dtype=np.float64)
        ratio /= ratio.sum()
        return ratio

    @property
    def strata(self) -> int:
        """How many strata the factors make."""
        return int(np.prod([len(factor.levels) for factor in self.factors], dtype=np.int64))

    def stratum(self, number: int) -> dict[str, str]:
        """The level of each factor in a stratum, by its number in a cohort."""
        levels: dict[str, str] = {}
        for factor in reversed(self.factors):
            number, level = divmod(number, len(factor.levels))
            levels[factor.factor] = factor.levels[level]
        return {factor.factor: levels[factor.factor] for factor in self.factors}


@dataclass(frozen=True, slots=True)
class Cohort:
    """Simulated participants in the order of their randomization: a row per trial, a column per participant."""

    sites: Ints
    levels: Ints
    """Trial × participant × factor."""
    strata: Ints
    months: Floats


def faults(setting: Setting) -> list[Fault]:
    """Every fault of a setting; an empty list when it can be simulated."""
    found = arm_faults(setting.arms, 1)
    if not 1 <= setting.participants <= MAX_PARTICIPANTS:
        found.append(
            Fault(
                "RND301", "participants", "They are too few or too many.", f"Use 1 to {MAX_PARTICIPANTS} participants."
            )
        )
    if not 1 <= len(setting.sites) <= MAX_SITES:
        found.append(Fault("RND302", "sites", f"{len(setting.sites)} sites given.", f"Use 1 to {MAX_SITES} sites."))
    if not setting.months > 0:
        found.append(Fault("RND303", "months", "Inclusion takes no time.", "Give the months that inclusion takes."))
    found.extend(site_faults(setting.sites, setting.months))
    for factor in setting.factors:
        found.extend(prevalence_faults(factor))
    if setting.strata > MAX_STRATA:
        found.append(Fault("RND308", "strata", f"They make {setting.strata} strata.", f"Keep them to {MAX_STRATA}."))
    for name, value in (("power", setting.power), ("alpha", setting.alpha)):
        if not 0 < value < 1:
            found.append(Fault("RND309", name, f"{value} is not between 0 and 1.", "Use a number such as 0.8 or 0.05."))
    return found


def site_faults(sites: Sequence[Site], months: float) -> list[Fault]:
    """Every fault of the sites: shares above zero, and at least one open from the beginning."""
    found = []
    for number, site in enumerate(sites, start=1):
        if not 0 < site.share < float("inf"):
            found.append(Fault("RND304", f"sites › number {number}", "Its share is not above 0.", "Give it a share."))
        if not 0 <= site.opens < months:
            found.append(
                Fault(
                    "RND305", f"sites › number {number}", "It opens outside the months of inclusion.",
                    f"Use a month from 0 to below {months:g}.",
                )
            )  # fmt: skip
    if sites and min(site.opens for site in sites) > 0:
        found.append(Fault("RND305", "sites", "No site is open at the start.", "Let the first site open in month 0."))
    return found


def prevalence_faults(factor: Prevalence) -> list[Fault]:
    """Every fault of one factor's prevalences: one for each level, none negative, together one."""
    place = f"prevalences › {factor.factor}"
    if len(factor.levels) != len(factor.shares) or not factor.levels:
        return [Fault("RND306", place, "It has not one prevalence for each level.", "Give each level its prevalence.")]
    if any(not 0 <= share <= 1 for share in factor.shares):
        return [Fault("RND307", place, "A prevalence is not between 0 and 1.", "Use shares such as 0.25.")]
    total = sum(factor.shares)
    if abs(total - 1) > TOLERANCE:
        return [Fault("RND307", place, f"The prevalences add up to {total:g}.", "Let them add up to 1.")]
    return []


def draw(setting: Setting, trials: int, chance: np.random.Generator) -> Cohort:
    """Draw the participants of some trials: when, where and in which stratum each one comes."""
    count = setting.participants
    months, sites = _arrivals(setting, chance.standard_exponential((trials, count)), chance.random((trials, count)))
    levels = np.zeros((trials, count, len(setting.factors)), dtype=np.int64)
    strata = np.zeros((trials, count), dtype=np.int64)
    for at, factor in enumerate(setting.factors):
        cuts = np.cumsum(factor.shares)[:-1]
        levels[:, :, at] = np.searchsorted(cuts, chance.random((trials, count)), side="right")
        strata = strata * len(factor.levels) + levels[:, :, at]
    return Cohort(sites, levels, strata, months)


def _arrivals(setting: Setting, waits: Floats, where: Floats) -> tuple[Floats, Ints]:
    """Months and sites of participants, from exponential waits and uniform numbers.

    The sites together are one Poisson process whose rate goes up as they open: its arrival times are those of a process
    of rate one, sent through the inverse of the cumulative rate. Who comes in a month comes from an open site, with the
    chance of its share of the rate.
    """
    shares = np.array([site.share for site in setting.sites])
    opens = np.array([site.opens for site in setting.sites])
    steps = np.unique(opens)
    is_open = opens[None, :] <= steps[:, None]
    rates = is_open @ shares
    scale = setting.participants / float(shares @ (setting.months - opens))
    # Far beyond the planned end, every site goes on at its rate until the last participant has come.
    ends = np.append(steps, max(setting.months, float(steps[-1])) * 1000.0)
    expected = np.concatenate([[0.0], np.cumsum(rates * np.diff(ends))]) * scale
    months = np.interp(np.cumsum(waits, axis=1), expected, ends)
    step = np.searchsorted(steps, months, side="right") - 1
    table = np.cumsum(is_open * shares, axis=1) / rates[:, None]
    sites = np.zeros(months.shape, dtype=np.int64)
    for number in range(len(setting.sites) - 1):
        sites += where >= table[step, number]
    return months, sites
