"""Reports: what must hold for every scheme and every setting."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from randomization.algorithms import ArmRatio, ParameterError
from randomization.simulation import (
    BiasedCoin,
    BigStick,
    Measure,
    Minimization,
    PermutedBlocks,
    Prevalence,
    Scheme,
    Setting,
    Simple,
    Site,
    Urn,
    Within,
    engine,
    faults,
    new_seed,
    simulate,
)
from randomization.simulation.measures import imbalance, information, power_of
from tests.randomization.simulation.settings import EVEN, THREE, TWO_TO_ONE, like_the_study, plain

ALL: list[Scheme] = [
    PermutedBlocks((4, 6)),
    PermutedBlocks((2,), Within.STRATA_AND_SITES),
    Simple(),
    BiasedCoin(2 / 3),
    BigStick(3),
    Urn(0, 1),
    Minimization(0.8),
    Minimization(0.9, {"ici": 2.0}, site_weight=0.5, measure=Measure.VARIANCE),
]


# ---------------------------------------------------------------- what schemes promise


@settings(max_examples=25, deadline=None)
@given(
    ratio=st.lists(st.integers(1, 3), min_size=2, max_size=3),
    multiples=st.sets(st.integers(1, 3), min_size=1, max_size=3),
    within=st.sampled_from(list(Within)),
    seed=st.integers(0, 2**64),
)
def test_blocks_never_leave_more_than_the_open_block_can(
    ratio: list[int], multiples: set[int], within: Within, seed: int
) -> None:
    """RND-SIM-31: in each group and at any time an arm is off its share by no more than an open block allows."""
    arms = tuple(ArmRatio(f"A{at}", share) for at, share in enumerate(ratio))
    sizes = tuple(sum(ratio) * multiple for multiple in multiples)
    setting = replace(like_the_study(30, arms), sites=(Site(),) * 3)
    participants, (chance,) = engine.streams(seed % 2**32, 0, 1)
    cohort = engine.draw(setting, 20, participants)
    batch = engine.run(setting, PermutedBlocks(sizes, within), cohort, chance)
    groups = {
        Within.WHOLE: np.zeros_like(cohort.sites),
        Within.STRATA: cohort.strata,
        Within.SITES: cohort.sites,
        Within.STRATA_AND_SITES: cohort.strata * 3 + cohort.sites,
    }[within]
    shares = np.array(ratio) / sum(ratio)
    for group in np.unique(groups):
        here = groups == group
        total = np.cumsum(here, axis=1)
        for arm, share in enumerate(shares):
            off = np.abs(np.cumsum(here & (batch.arms == arm), axis=1) - share * total)
            assert off.max() <= max(sizes) * share * (1 - share) * 1.0001 + 1e-9


@settings(max_examples=20, deadline=None)
@given(mti=st.integers(1, 6), seed=st.integers(0, 2**32), within=st.sampled_from([Within.STRATA, Within.WHOLE]))
def test_the_big_stick_never_passes_its_bound(mti: int, seed: int, within: Within) -> None:
    """RND-SIM-32: in each group and at any time, no arm is ahead by more than the tolerated imbalance."""
    setting = like_the_study(40)
    participants, (chance,) = engine.streams(seed, 0, 1)
    cohort = engine.draw(setting, 30, participants)
    batch = engine.run(setting, BigStick(mti, within), cohort, chance)
    for group in range(setting.strata if within == Within.STRATA else 1):
        here = cohort.strata == group if within == Within.STRATA else np.ones_like(cohort.strata, dtype=bool)
        assert np.abs(np.cumsum(here * (1 - 2 * batch.arms), axis=1)).max() <= mti


@pytest.mark.parametrize("scheme", ALL, ids=lambda scheme: f"{scheme.scheme} {scheme.place}")
def test_every_scheme_gives_each_arm_its_share_and_every_measure_its_bounds(scheme: Scheme) -> None:
    """RND-SIM-33: over many trials the arms are in their ratio; shares lie between 0 and 1; the worst is the worst."""
    setting = like_the_study(60)
    participants, (chance,) = engine.streams(7, 0, 1)
    batch = engine.run(setting, scheme, engine.draw(setting, 400, participants), chance)
    assert abs(batch.arms.mean() - 0.5) < 4 * 0.5 / math.sqrt(batch.arms.size)
    found = simulate(setting, [scheme], trials=100, seed=7).schemes[0]
    for measured in (found["overall"], found["highest"], found["worst_site"], found["worst_stratum"]):
        assert 0 <= measured["median"] <= measured["p90"] <= measured["p95"] <= measured["p99"] <= measured["worst"]
    assert found["overall"]["worst"] <= found["highest"]["worst"] <= 60
    for name in ("site", "everyone", "design"):
        assert 0.4 < found["guessing"][name]["mean"] <= 1
    for name in ("certain_site", "certain_all", "certain_with_blocks"):
        assert 0 <= found["guessing"][name]["mean"] < 1
    assert found["guessing"]["design"]["mean"] >= found["guessing"]["everyone"]["mean"] - 0.02
    assert len(found["strata"]) == 8 and len(found["sites"]) == 18 and len(found["levels"]) == 6
    assert sum(group["participants"] for group in found["strata"]) == pytest.approx(60)
    assert sum(share for _value, share in found["histogram"]) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("arms", [TWO_TO_ONE, THREE])
@pytest.mark.parametrize(
    "scheme", [PermutedBlocks((3, 6)), Simple(), Minimization(0.8), Minimization(0.9, measure=Measure.TOTALS)]
)
def test_other_ratios_are_kept(arms: tuple[ArmRatio, ...], scheme: Scheme) -> None:
    """RND-SIM-34: two to one, and three arms: each arm has its share over many trials."""
    setting = like_the_study(60, arms)
    participants, (chance,) = engine.streams(11, 0, 1)
    batch = engine.run(setting, scheme, engine.draw(setting, 400, participants), chance)
    for arm, share in enumerate(setting.ratio):
        assert abs((batch.arms == arm).mean() - share) < 4 * math.sqrt(share * (1 - share) / batch.arms.size)


def test_minimization_balances_margins_better_than_chance_and_blocks_by_site_worse_overall() -> None:
    """RND-SIM-35: what the study's own documents say of few participants per site: lists by site lose the balance."""
    setting = like_the_study()
    schemes = [Minimization(0.8), Simple(), PermutedBlocks((4,)), PermutedBlocks((4,), Within.STRATA_AND_SITES)]
    minimized, simple, blocks, by_site = simulate(setting, schemes, trials=300, seed=3).schemes
    for at in range(6):
        assert minimized["levels"][at]["imbalance"]["mean"] < simple["levels"][at]["imbalance"]["mean"] / 2
    assert by_site["overall"]["mean"] > 2 * blocks["overall"]["mean"]
    assert blocks["power"]["lost_stratified"]["mean"] < by_site["power"]["lost_stratified"]["mean"]


# ---------------------------------------------------------------- the participants


def test_participants_come_from_open_sites_in_proportion_to_their_shares() -> None:
    """RND-SIM-36: nobody before a site opens; a site's expected number is its share of the time it was open."""
    setting = Setting(
        arms=EVEN,
        participants=120,
        months=24,
        sites=(Site(2, 0), Site(1, 0), Site(3, 12)),
        factors=(Prevalence("f", ("Y", "N"), (0.8, 0.2)),),
    )
    cohort = engine.draw(setting, 2000, np.random.default_rng(1))
    assert cohort.months[cohort.sites == 2].min() >= 12
    assert (np.diff(cohort.months, axis=1) >= 0).all()
    # 2 × 24, 1 × 24 and 3 × 12 of 108; the last participant ends the trial, so a little off is expected.
    found = [(cohort.sites == site).mean() for site in range(3)]
    assert found == pytest.approx([48 / 108, 24 / 108, 36 / 108], abs=0.01)
    assert np.median(cohort.months[:, -1]) == pytest.approx(24, abs=0.5)
    assert (cohort.levels[:, :, 0] == 0).mean() == pytest.approx(0.8, abs=0.005)


def test_strata_are_numbered_as_they_are_named() -> None:
    """RND-SIM-37: the number of a stratum and the levels of a participant say the same."""
    setting = like_the_study(20)
    cohort = engine.draw(setting, 20, np.random.default_rng(1))
    for trial, at in np.ndindex(20, 20):
        levels = [factor.levels[cohort.levels[trial, at, number]] for number, factor in enumerate(setting.factors)]
        assert list(setting.stratum(int(cohort.strata[trial, at])).values()) == levels


# ---------------------------------------------------------------- imbalance and power


def test_power_is_the_planned_one_without_imbalance_and_falls_with_it() -> None:
    """RND-SIM-38: n₁n₂ ÷ (n₁ + n₂) of information: 60 against 54 loses 36/114 of a participant; 90 % of it, 0.752."""
    ratio = np.array([0.5, 0.5])
    share = information(np.array([[[60.0, 54.0]], [[57.0, 57.0]]]), ratio)
    assert 114 * (1 - share) == pytest.approx([36 / 114, 0])
    # Φ(√0.9 · (1.959964 + 0.841621) − 1.959964) = Φ(0.697839)
    assert power_of(np.array([1.0, 0.9]), 0.8, 0.05) == pytest.approx([0.8, 0.757359], abs=1e-5)
    stratified = information(np.array([[[5.0, 3.0], [1.0, 0.0]]]), ratio)
    assert 9 * (1 - stratified) == pytest.approx([4 / 8 + 1])  # the sum of D² ÷ n over the strata


def test_imbalance_is_the_difference_of_two_equal_arms_and_zero_in_the_ratio() -> None:
    """RND-SIM-39: |A − B| for 1 : 1; nothing when 2 : 1 is kept."""
    assert imbalance(np.array([7.0, 4.0]), np.array([0.5, 0.5])) == pytest.approx(3)
    assert imbalance(np.array([8.0, 4.0]), np.array([2 / 3, 1 / 3])) == pytest.approx(0)


# ---------------------------------------------------------------- the report


def test_the_same_seed_gives_the_same_digest_and_another_seed_another() -> None:
    """RND-SIM-40: a report can be made again, whatever is compared beside it; its seed stands in it."""
    setting = like_the_study(30)
    first = simulate(setting, [PermutedBlocks((4,)), Simple()], trials=50, seed=5)
    again = simulate(setting, [PermutedBlocks((4,)), Simple()], trials=50, seed=5)
    other = simulate(setting, [PermutedBlocks((4,)), Simple()], trials=50, seed=6)
    assert first.digest == again.digest != other.digest
    assert (len(first.digest), first.seed) == (64, 5)
    alone = simulate(setting, [PermutedBlocks((4,))], trials=50, seed=5)
    assert alone.schemes[0] == first.schemes[0]
    assert json.loads(json.dumps(first.content)) == first.content


def test_many_batches_are_one_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    """RND-SIM-41: batches have streams of their own, and a last one that is not full counts for what it is."""
    monkeypatch.setattr(engine, "BATCH", 40)
    assert engine.batches(plain(10), 100) == [40, 40, 20]
    found = simulate(plain(10), [BigStick(1)], trials=100, seed=1)
    assert found.content["trials"] == 100
    assert found.schemes[0]["overall"]["worst"] <= 1
    first, _ = engine.streams(1, 0, 1)
    second, _ = engine.streams(1, 1, 1)
    assert first.random() != second.random()


def test_neither_report_nor_fault_nor_printed_form_tells_a_parameter() -> None:
    """RND-SIM-42: block sizes, chances, bounds and weights stay with who typed them."""
    secret = [
        PermutedBlocks((14, 26)),
        BiasedCoin(0.7319),
        BigStick(17),
        Urn(37, 53),
        Minimization(0.7319, {"ici": 7.319}),
    ]
    text = json.dumps(simulate(like_the_study(20), secret, trials=20, seed=new_seed()).content["schemes"])
    for word in ("0.7319", "7.319", "block_sizes", "bias=", "weights", "mti"):
        assert word not in text and word not in repr(secret)
    assert "14" not in repr(secret) and "37" not in repr(secret)

    wrong = [
        PermutedBlocks((13, 99999)),
        BiasedCoin(1.7319),
        BigStick(1709),
        Urn(-371, 5301),
        Minimization(1.7319, {"ici": -7.319}),
    ]
    words = " ".join(map(str, faults(like_the_study(20), wrong, 10)))
    for code in ("RND112", "RND114", "RND312", "RND313", "RND315", "RND316", "RND318"):
        assert code in words
    for value in ("13,", "99999", "1.7319", "1709", "371", "5301", "7.319"):
        assert value not in words


@pytest.mark.parametrize(
    ("setting", "schemes", "trials", "code"),
    [
        (plain(0), [Simple()], 10, "RND301"),
        (replace(plain(10), sites=()), [Simple()], 10, "RND302"),
        (replace(plain(10), sites=(Site(0),)), [Simple()], 10, "RND304"),
        (replace(plain(10), sites=(Site(1, 3),)), [Simple()], 10, "RND305"),
        (replace(plain(10), sites=(Site(), Site(1, 12))), [Simple()], 10, "RND305"),
        (replace(plain(10), factors=(Prevalence("f", ("Y", "N"), (1.0,)),)), [Simple()], 10, "RND306"),
        (replace(plain(10), factors=(Prevalence("f", ("Y", "N"), (0.5, 0.4)),)), [Simple()], 10, "RND307"),
        (replace(plain(10), factors=(Prevalence("f", ("Y", "N"), (1.5, -0.5)),)), [Simple()], 10, "RND307"),
        (replace(plain(10), power=1.0), [Simple()], 10, "RND309"),
        (plain(10, TWO_TO_ONE), [BigStick(2)], 10, "RND311"),
        (plain(10, TWO_TO_ONE), [BiasedCoin(0.7)], 10, "RND311"),
        (plain(10, TWO_TO_ONE), [Urn(1, 1)], 10, "RND314"),
        (plain(10), [PermutedBlocks(())], 10, "RND111"),
        (plain(10), [PermutedBlocks((4, 4))], 10, "RND113"),
        (plain(10), [Minimization(0.8, {"nothing": 1.0})], 10, "RND317"),
        (plain(10), [Minimization(0.8)], 10, "RND318"),
        (plain(10), [Simple()], 0, "RND320"),
        (plain(10), [], 10, "RND321"),
    ],
)
def test_what_cannot_be_simulated_is_a_named_problem(
    setting: Setting, schemes: list[Scheme], trials: int, code: str
) -> None:
    """RND-SIM-43: every fault has a code, a place and a remedy, before anything runs."""
    assert code in {fault.code for fault in faults(setting, schemes, trials)}
    with pytest.raises(ParameterError) as refused:
        simulate(setting, schemes, trials=trials, seed=1)
    assert code in {fault.code for fault in refused.value.faults}


def test_a_thousand_trials_of_the_study_take_a_fraction_of_a_second() -> None:
    """RND-SIM-44: the aim is 10,000 trials of 114 in 5 s on one core; a tenth of them, with room for a busy machine."""
    began = time.process_time()
    simulate(like_the_study(), [PermutedBlocks((4, 6))], trials=1000, seed=1)
    assert time.process_time() - began < 1.5
