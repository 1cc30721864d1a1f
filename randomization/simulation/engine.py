"""Running simulated trials: each participant in turn, all trials of a batch at once, and what guessers would have said.

The source of chance is numpy's `Generator`. Lists need raw Philox words, because they must be made again for ever; a
simulation need not: it is repeatable with the same numpy, whose version stands in its report. It has a seed of its own,
never that of a list.
"""

from dataclasses import dataclass

import numpy as np

from randomization.simulation.schemes import CERTAIN, Rule, Scheme
from randomization.simulation.setting import Cohort, Floats, Ints, Setting, draw

BATCH = 1_000
"""Trials stepped together: enough for numpy to be quick, few enough to stay in the processor's cache."""
BATCH_NUMBERS = 8_000_000
"""At most so many counts are held for a batch: with very many strata and sites, batches get smaller."""
TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Batch:
    """Some trials, run: who was allocated to what, and for each trial the shares of right guesses and of certainty."""

    cohort: Cohort
    arms: Ints
    guessed_by_site: Floats
    guessed_by_all: Floats
    guessed_by_design: Floats
    certain_to_site: Floats
    certain_to_all: Floats
    certain_with_blocks: Floats


def batch_size(setting: Setting) -> int:
    """How many trials are stepped together: always the same for the same setting, so that results are repeatable."""
    most = setting.strata * len(setting.sites) * len(setting.sites) * len(setting.arms)
    return max(1, min(BATCH, BATCH_NUMBERS // max(1, most)))


def run(setting: Setting, scheme: Scheme, cohort: Cohort, chance: np.random.Generator) -> Batch:
    """Allocate every participant of a cohort by the scheme, and let the guessers guess each one beforehand.

    A guess counts with the chance that it is right, and a guess between arms that look alike with the mean of theirs:
    the same expectation as drawing, with less noise.
    """
    rule = scheme.rule(setting, cohort, chance)
    trials, count = cohort.sites.shape
    arms = np.zeros((trials, count), dtype=np.int64)
    draws = chance.random((trials, count))
    sums = np.zeros((6, trials))
    ratio = setting.ratio
    for at in range(count):
        chances = rule.chances(at)
        _guess(rule, at, chances, ratio, sums)
        arms[:, at] = _pick(chances, draws[:, at])
        rule.give(at, arms[:, at])
    return Batch(cohort, arms, *(sums / count))


def _guess(rule: Rule, at: int, chances: Floats, ratio: Floats, sums: Floats) -> None:
    everywhere, own, step = rule.known(at)
    foreseen = rule.foreseen(at)
    most = foreseen.max(0)
    best = foreseen >= most - TIE
    sums[0] += (convergence(own, ratio, step) * chances).sum(0)
    sums[1] += (convergence(everywhere, ratio, step) * chances).sum(0)
    sums[2] += (best * chances).sum(0) / best.sum(0)
    sums[3] += rule.certain_to_site(at)
    sums[4] += most >= CERTAIN
    sums[5] += chances.max(0) >= CERTAIN


def convergence(known: Floats, ratio: Floats, step: float = 1.0) -> Floats:
    """The convergence strategy: the arm that is furthest behind its share, the next participant counted.

    `known` are counts by arm (row); `step` is how much one participant adds to their sum.

    With two equal arms, the arm given less often so far (Blackwell and Hodges, 1957). Arms that are equally far behind
    share the guess; among them, one with a greater share of the ratio comes first.
    """
    share = ratio[:, None]
    behind = share * (known.sum(0) + step) - known
    last = behind >= behind.max(0) - TIE
    if ratio.max() > ratio.min():
        shares = last * share
        last &= shares >= shares.max(0) - TIE
    guess: Floats = last / last.sum(0)
    return guess


def _pick(chances: Floats, draws: Floats) -> Ints:
    """An arm for each trial: the first whose cumulative chance is above the draw."""
    arms = np.zeros(len(draws), dtype=np.int64)
    reached = np.zeros(len(draws))
    for arm in range(len(chances) - 1):
        reached = reached + chances[arm]
        # A sum of chances that misses one by rounding must not let an arm without a chance be drawn.
        arms += (draws >= reached) & (reached < CERTAIN)
    return arms


def streams(seed: int, batch: int, schemes: int) -> tuple[np.random.Generator, list[np.random.Generator]]:
    """The chance of one batch: a stream for its participants, shared by all schemes, and one for each scheme."""
    first, *others = np.random.SeedSequence((seed, batch)).spawn(schemes + 1)
    return np.random.default_rng(first), [np.random.default_rng(other) for other in others]


def batches(setting: Setting, trials: int) -> list[int]:
    """The sizes of the batches that make up so many trials."""
    size = batch_size(setting)
    whole, rest = divmod(trials, size)
    return [size] * whole + ([rest] if rest else [])


__all__ = ["Batch", "batch_size", "batches", "convergence", "draw", "run", "streams"]
