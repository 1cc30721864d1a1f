"""The simulation against values that are published, or that follow exactly from the definition of the design.

Where a value comes from stands in each test; docs/randomization-simulation.md has the formulas, and says which sources
are recalled and were not checked: each value but Pocock's example is derived here without them. Seeds are fixed, and a
mean may miss by four of its standard errors.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from randomization.algorithms import ArmRatio
from randomization.simulation import (
    BiasedCoin,
    BigStick,
    Measure,
    Minimization,
    PermutedBlocks,
    Scheme,
    Setting,
    Simple,
    Urn,
    Within,
    engine,
    simulate,
)
from randomization.simulation.schemes import _MinimizationRule
from tests.randomization.simulation.settings import EVEN, THREE, TWO_TO_ONE, plain

SEED = 20260101


def run(setting: Setting, scheme: Scheme, trials: int, seed: int = SEED) -> engine.Batch:
    participants, (chance,) = engine.streams(seed, 0, 1)
    return engine.run(setting, scheme, engine.draw(setting, trials, participants), chance)


def ahead(batch: engine.Batch) -> np.ndarray:
    """How far the first arm is ahead after each participant: a row per trial."""
    return np.cumsum(1 - 2 * batch.arms, axis=1)


def close(values: np.ndarray, expected: float) -> bool:
    """The mean of one value per trial is within four standard errors of what is expected."""
    return abs(values.mean() - expected) <= 4 * values.std(ddof=1) / math.sqrt(len(values)) + 1e-12


def orders_of_a_block(half: int) -> list[list[int]]:
    """Every order of a block of two arms, `half` of each: +1 for the first arm, −1 for the second."""
    found = []
    for places in itertools.combinations(range(2 * half), half):
        found.append([1 if place in places else -1 for place in range(2 * half)])
    return found


def right_guesses(order: list[int]) -> Fraction:
    """What the convergence strategy expects to guess in one order: half a guess at a tie."""
    ahead, right = 0, Fraction(0)
    for step in order:
        right += Fraction(1, 2) if ahead == 0 else Fraction(int((step > 0) == (ahead < 0)))
        ahead += step
    return right


def certain_places(order: list[int]) -> int:
    """How many of its places are certain: those after one arm has none left."""
    half = len(order) // 2
    return sum(1 for at in range(len(order)) if order[:at].count(1) == half or order[:at].count(-1) == half)


# ---------------------------------------------------------------- permuted blocks


@pytest.mark.parametrize(("half", "expected"), [(1, 1.5), (2, 2 + 5 / 6), (3, 4.1), (4, 4 + 1.328571428571)])
def test_guesses_in_a_block_are_those_of_blackwell_and_hodges(half: int, expected: float) -> None:
    """RND-SIM-01: m + 2^(2m) ÷ (2·C(2m, m)) − 1/2 right guesses in a block of 2m.

    Blackwell and Hodges, Ann. Math. Statist. 28 (1957) 449; Rosenberger and Lachin, Randomization in Clinical Trials,
    the chapter on selection bias: 75, 70.8, 68.3 and 66.6 % for blocks of 2, 4, 6 and 8. Enumeration gives the same.
    """
    formula = half + 2 ** (2 * half) / (2 * math.comb(2 * half, half)) - 0.5
    assert formula == pytest.approx(expected)
    orders = orders_of_a_block(half)
    assert float(sum(map(right_guesses, orders)) / len(orders)) == pytest.approx(formula)

    batch = run(plain(4 * half), PermutedBlocks((2 * half,)), 4000)
    assert close(batch.guessed_by_all, formula / (2 * half))
    assert batch.guessed_by_design == pytest.approx(batch.guessed_by_all)  # the best guess in a block is convergence


@pytest.mark.parametrize("half", [1, 2, 3, 4])
def test_one_in_m_plus_one_allocations_of_a_block_is_certain(half: int) -> None:
    """RND-SIM-02: 1 ÷ (m + 1) of a block of 2m is certain (Matts and Lachin, Control. Clin. Trials 9 (1988) 327)."""
    orders = orders_of_a_block(half)
    assert Fraction(sum(map(certain_places, orders)), 2 * half * len(orders)) == Fraction(1, half + 1)

    batch = run(plain(4 * half), PermutedBlocks((2 * half,)), 4000)
    assert close(batch.certain_to_all, 1 / (half + 1))
    assert batch.certain_with_blocks == pytest.approx(batch.certain_to_all)
    assert batch.certain_to_site == pytest.approx(batch.certain_to_all)  # the only site knows all there is


def test_the_variance_within_a_block_is_hypergeometric() -> None:
    """RND-SIM-03: after j of 2m places the variance is j(2m − j) ÷ (2m − 1): 1, 4/3, 1, 0 in a block of four."""
    difference = ahead(run(plain(8), PermutedBlocks((4,)), 20_000))
    for place, expected in enumerate([1, 4 / 3, 1, 0, 1, 4 / 3, 1, 0]):
        assert close(difference[:, place].astype(float) ** 2, expected)


def test_a_block_in_two_to_one_has_every_order_equally_often() -> None:
    """RND-SIM-04: three orders of A, A, B, each with a third; and each arm in its share, exactly."""
    batch = run(plain(3, TWO_TO_ONE), PermutedBlocks((3,)), 9000)
    orders, counts = np.unique(batch.arms, axis=0, return_counts=True)
    assert orders.tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert all(abs(count / 9000 - 1 / 3) < 4 * math.sqrt(2 / 9 / 9000) for count in counts)


# ---------------------------------------------------------------- biased coin


def efron_exactly(steps: int, bias: float) -> list[dict[int, float]]:
    """The distribution of the difference after 0, 1 … steps, by its Markov chain."""
    found = [{0: 1.0}]
    for _step in range(steps):
        after: dict[int, float] = {}
        for difference, chance in found[-1].items():
            first = 0.5 if difference == 0 else (bias if difference < 0 else 1 - bias)
            after[difference + 1] = after.get(difference + 1, 0) + chance * first
            after[difference - 1] = after.get(difference - 1, 0) + chance * (1 - first)
        found.append(after)
    return found


@pytest.mark.parametrize("bias", [0.6, 2 / 3, 0.8])
def test_efrons_coin_ends_balanced_with_one_minus_one_over_r(bias: float) -> None:
    """RND-SIM-05: with r = p ÷ q, an even number ends at D = 0 with 1 − 1/r and an odd one at |D| = 1 with 1 − 1/r².

    Efron, Biometrika 58 (1971) 403: for p = 2/3 one half and three quarters. The exact chain tends to it (Markaryan and
    Rosenberger, Ann. Statist. 38 (2010) 1546), and the simulation agrees with the exact chain at every difference.
    """
    r = bias / (1 - bias)
    chain = efron_exactly(115, bias)
    assert chain[114][0] == pytest.approx(1 - 1 / r, abs=0.02)
    assert chain[115][1] + chain[115][-1] == pytest.approx(1 - 1 / r**2, abs=0.02)

    difference = ahead(run(plain(115), BiasedCoin(bias), 2000))
    for n in (2, 20, 114, 115):
        for value in (0, 1, 2, 3, -4):
            assert close((difference[:, n - 1] == value).astype(float), chain[n].get(value, 0.0))


def test_efrons_coin_is_guessed_with_one_half_and_r_minus_one_over_four_r() -> None:
    """RND-SIM-06: in the long run 1/2 + (r − 1) ÷ 4r of the guesses are right: 62.5 % for p = 2/3 (Efron, 1971)."""
    exact = sum(0.5 * step.get(0, 0) + 2 / 3 * (1 - step.get(0, 0)) for step in efron_exactly(399, 2 / 3)) / 400
    assert exact == pytest.approx(0.625, abs=0.002)
    batch = run(plain(400), BiasedCoin(2 / 3), 300)
    assert close(batch.guessed_by_all, exact)
    assert not batch.certain_with_blocks.any()


# ---------------------------------------------------------------- big stick


@pytest.mark.parametrize("mti", [1, 2, 3, 5])
def test_the_big_stick_is_certain_one_time_in_twice_its_bound(mti: int) -> None:
    """RND-SIM-07: in the long run 1 ÷ 2b of the allocations are certain and 1/2 + 1 ÷ 4b of the guesses right.

    Soares and Wu, Comm. Statist. 12 (1983) 2017: the walk stays at the bound b for 1 ÷ 2b of the time, and everywhere
    else the coin is fair.
    """
    batch = run(plain(600), BigStick(mti), 200)
    later = batch.certain_with_blocks
    assert later.mean() == pytest.approx(1 / (2 * mti), abs=0.02)
    assert batch.guessed_by_all == pytest.approx(0.5 + batch.certain_with_blocks / 2)
    assert np.abs(ahead(batch)).max() == mti


# ---------------------------------------------------------------- urn


@pytest.mark.parametrize(("start", "added"), [(0, 1), (1, 1), (1, 3), (5, 1)])
def test_the_variance_of_weis_urn_follows_its_recursion(start: int, added: int) -> None:
    """RND-SIM-08: E[Dₙ²] = 1 + E[Dₙ₋₁²]·(1 − 2β ÷ (2α + β(n − 1))), which tends to n/3.

    Wei, Ann. Statist. 6 (1978) 92: the asymptotic variance is n/3 whatever the urn starts with.
    """
    variance, long_run = 0.0, 0.0
    for n in range(1, 5_001):
        balls = 2 * start + added * (n - 1)
        pull = 2 * added / balls if balls else 0.0
        long_run = 1 + long_run * (1 - pull)
        if n == 60:
            variance = long_run
    assert long_run / 5_000 == pytest.approx(1 / 3, abs=0.002)

    squares = ahead(run(plain(60), Urn(start, added), 2500))[:, -1].astype(float) ** 2
    assert close(squares, variance)


def test_an_urn_that_starts_empty_is_certain_at_the_second_place_alone() -> None:
    """RND-SIM-09: UD(0, 1) draws the other arm second, for sure, and never again for sure."""
    batch = run(plain(20), Urn(0, 1), 500)
    assert (batch.arms[:, 0] != batch.arms[:, 1]).all()
    assert batch.certain_with_blocks == pytest.approx(1 / 20)


# ---------------------------------------------------------------- minimization


@pytest.mark.parametrize(
    ("measure", "chances"),
    [(Measure.TOTALS, [0.75, 0.25]), (Measure.VARIANCE, [0.75, 0.25]), (Measure.RANGE, [0.5, 0.5])],
)
def test_minimization_decides_pococks_example(measure: Measure, chances: list[float]) -> None:
    """RND-SIM-10: 76 against 77 at the levels of the next patient: treatment A, by the totals of the book.

    The breast cancer trial after 80 patients in S. J. Pocock, Clinical Trials: A Practical Approach (1983), chapter 5:
    ambulatory 30 and 31, below 50 years 18 and 17, disease-free two years or more 9 and 8, visceral 19 and 21. The
    variance says A too (9 against 13 squared differences); by the range it is a tie, for A leaves 0 + 2 + 2 + 1 and
    B leaves 2 + 0 + 0 + 3.
    """
    counts = np.array([[30, 18, 9, 19], [31, 17, 8, 21]], dtype=float)
    assert counts.sum(1).tolist() == [76, 77]
    setting = plain(1)
    scheme = Minimization(0.75, site_weight=1, measure=measure)
    rule = scheme.rule(setting, engine.draw(setting, 1, np.random.default_rng(1)), np.random.default_rng(2))
    assert isinstance(rule, _MinimizationRule)
    rule.weights = np.ones(4)
    assert rule.preferred_chances(counts[:, :, None])[:, 0] == pytest.approx(chances)


def test_minimization_without_chance_alternates_in_one_margin() -> None:
    """RND-SIM-11: with the chance 1 and one margin the difference never passes one; every second place is certain."""
    batch = run(plain(20), Minimization(1.0, site_weight=1), 300)
    assert np.abs(ahead(batch)).max() == 1
    assert batch.certain_with_blocks == pytest.approx(0.5)


@pytest.mark.parametrize("arms", [EVEN, TWO_TO_ONE, THREE])
def test_minimization_keeps_the_ratio_at_every_allocation(arms: tuple[ArmRatio, ...]) -> None:
    """RND-SIM-12: taken over equal shares, each arm has its part of the ratio at each place, not only in the end.

    Kuznetsova and Tymofyeyev, Statistics in Medicine 31 (2012) 701: dividing the counts by the ratio does not give it.
    """
    setting = plain(12, arms, sites=2)
    batch = run(setting, Minimization(0.9, site_weight=1), 4000)
    for place in range(12):
        for arm, share in enumerate(setting.ratio):
            assert close((batch.arms[:, place] == arm).astype(float), share)


# ---------------------------------------------------------------- simple, and how sites see it


@pytest.mark.parametrize("within", list(Within))
def test_simple_randomization_is_never_guessed_better_than_half(within: Within) -> None:
    """RND-SIM-13: whoever knows whatever: one half, exactly; and nothing is certain."""
    batch = run(plain(30, sites=4), Simple(), 200)
    for guessed in (batch.guessed_by_site, batch.guessed_by_all, batch.guessed_by_design):
        assert guessed == pytest.approx(0.5)
    assert not (batch.certain_to_site.any() or batch.certain_to_all.any() or batch.certain_with_blocks.any())


def test_the_variance_of_simple_randomization_is_the_number_of_participants() -> None:
    """RND-SIM-14: E[D²] = n, so that n participants lose one (Rosenberger and Lachin)."""
    report = simulate(plain(100), [Simple()], trials=4000, seed=SEED)
    lost = report.schemes[0]["power"]["lost"]["mean"]
    assert lost == pytest.approx(1, abs=4 * math.sqrt(2 / 4000))
