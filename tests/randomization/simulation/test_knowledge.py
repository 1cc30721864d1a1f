"""Who can be certain of what: the simulation against searches through everything that could have happened."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from randomization.simulation import BigStick, PermutedBlocks, Within, engine
from randomization.simulation.schemes import Rule, _BlockRule
from tests.randomization.simulation.settings import TWO_TO_ONE, like_the_study, plain


def stepped(rule: Rule, arms: np.ndarray) -> Iterator[int]:
    """Let a rule follow allocations, stopping before each."""
    for at in range(arms.shape[1]):
        rule.chances(at)
        rule.foreseen(at)
        yield at
        rule.give(at, arms[:, at])


def futures(
    size_choices: tuple[int, ...], quota: dict[int, tuple[int, ...]], length: int
) -> dict[tuple[int, ...], Fraction]:
    """The chance of every sequence of a length, over all sizes and orders of blocks."""
    found: dict[tuple[int, ...], Fraction] = {}
    open_ends: list[tuple[tuple[int, ...], Fraction]] = [((), Fraction(1))]
    while open_ends:
        sequence, chance = open_ends.pop()
        if len(sequence) >= length:
            found[sequence[:length]] = found.get(sequence[:length], Fraction(0)) + chance
            continue
        for size in size_choices:
            content = [arm for arm, times in enumerate(quota[size]) for _ in range(times)]
            orders = sorted(set(itertools.permutations(content)))
            for order in orders:
                open_ends.append((sequence + order, chance / len(size_choices) / len(orders)))
    return found


@pytest.mark.parametrize(
    ("arms", "sizes", "quota"),
    [
        (None, (2, 4), {2: (1, 1), 4: (2, 2)}),
        (TWO_TO_ONE, (3, 6), {3: (2, 1), 6: (4, 2)}),
    ],
)
def test_who_knows_the_sizes_but_not_the_draws_foresees_what_bayes_says(arms, sizes, quota) -> None:
    """RND-SIM-21: the filter gives the chances of weighing every order of every block that agrees with the past."""
    length = 7
    setting = plain(length, arms) if arms else plain(length)
    all_chances = futures(sizes, quota, length)
    cohort = engine.draw(setting, 60, np.random.default_rng(3))
    rule = PermutedBlocks(sizes).rule(setting, cohort, np.random.default_rng(4))
    assert isinstance(rule, _BlockRule)
    batch = engine.run(setting, PermutedBlocks(sizes), cohort, np.random.default_rng(4))
    certain = 0
    for at in range(length):
        rule.chances(at)
        foreseen = rule.foreseen(at)
        for trial in range(60):
            past = tuple(batch.arms[trial, :at])
            weights = [
                sum((c for s, c in all_chances.items() if s[: at + 1] == (*past, arm)), Fraction(0)) for arm in (0, 1)
            ]
            assert foreseen[0, trial] == pytest.approx(float(weights[0] / sum(weights)))
            certain += 0 in weights
        # The rule draws as the batch did, because both have the same stream of chance for blocks.
        rule.give(at, batch.arms[:, at])
    assert certain > 0


@pytest.mark.parametrize("size", [4, 6])
def test_a_site_is_certain_when_its_own_allocations_leave_one_arm(size: int) -> None:
    """RND-SIM-22: certain, when no order of the block agrees with the site's own allocations and gives another."""
    setting = plain(size, sites=2)
    cohort = engine.draw(setting, 80, np.random.default_rng(5))
    batch = engine.run(setting, PermutedBlocks((size,)), cohort, np.random.default_rng(6))
    orders = sorted(set(itertools.permutations([0, 1] * (size // 2))))
    expected = np.zeros(80)
    for trial, at in itertools.product(range(80), range(size)):
        own = [place for place in range(at) if cohort.sites[trial, place] == cohort.sites[trial, at]]
        agree = [order for order in orders if all(order[place] == batch.arms[trial, place] for place in own)]
        expected[trial] += len({order[at] for order in agree}) == 1
    assert batch.certain_to_site == pytest.approx(expected / size)
    assert 0 < batch.certain_to_site.mean() < batch.certain_with_blocks.mean()


@pytest.mark.parametrize("mti", [1, 2])
def test_a_site_is_certain_of_the_big_stick_when_no_other_walk_agrees(mti: int) -> None:
    """RND-SIM-23: the possible imbalances that a site keeps are those of all walks that agree with what it knows."""
    length = 8
    setting = plain(length, sites=3)
    cohort = engine.draw(setting, 60, np.random.default_rng(7))
    batch = engine.run(setting, BigStick(mti), cohort, np.random.default_rng(8))
    walks = [
        walk
        for walk in itertools.product((0, 1), repeat=length)
        if all(abs(at + 1 - 2 * sum(walk[: at + 1])) <= mti for at in range(length))
    ]
    expected = np.zeros(60)
    for trial, at in itertools.product(range(60), range(length)):
        own = [place for place in range(at) if cohort.sites[trial, place] == cohort.sites[trial, at]]
        agree = [walk for walk in walks if all(walk[place] == batch.arms[trial, place] for place in own)]
        expected[trial] += len({walk[at] for walk in agree}) == 1
    assert batch.certain_to_site == pytest.approx(expected / length)
    assert batch.certain_to_site.any()


def test_more_knowledge_never_leaves_less_certain() -> None:
    """RND-SIM-24: one site, all allocations, all and the blocks as drawn: each knows no less than the former."""
    setting = like_the_study()
    cohort = engine.draw(setting, 100, np.random.default_rng(9))
    for sizes in ((4,), (4, 6), (2, 4, 6)):
        batch = engine.run(setting, PermutedBlocks(sizes), cohort, np.random.default_rng(10))
        assert (batch.certain_to_all <= batch.certain_with_blocks).all()
        assert (batch.certain_to_site <= batch.certain_with_blocks).all()
    assert batch.certain_to_all.mean() < batch.certain_with_blocks.mean()


def test_blocks_by_site_tell_the_site_everything() -> None:
    """RND-SIM-25: a list by site is known whole to its site: it guesses and is certain like somebody who knows all."""
    setting = plain(60, sites=6)
    cohort = engine.draw(setting, 200, np.random.default_rng(11))
    batch = engine.run(setting, PermutedBlocks((4,), Within.SITES), cohort, np.random.default_rng(12))
    assert batch.guessed_by_site == pytest.approx(batch.guessed_by_all)
    assert batch.certain_to_site == pytest.approx(batch.certain_with_blocks)
    central = engine.run(setting, PermutedBlocks((4,)), cohort, np.random.default_rng(12))
    assert central.certain_to_site.mean() < batch.certain_to_site.mean() / 3
