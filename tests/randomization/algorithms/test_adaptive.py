"""Biased coin, big stick and urn: golden sequences, the second implementation, published values, every fault."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from randomization.algorithms import ArmRatio, ParameterError, biased_coin, big_stick, current, urn
from tests.randomization.algorithms import reference

SEED = bytes(range(32))
STRATUM = "ici=Y|imdc=FAV|lesions=1"
STORM = [ArmRatio("SRT", 1), ArmRatio("SWITCH", 1)]
COIN = {"probability": "2/3"}
STICK = {"tolerance": 3}
URN = {"alpha": 1, "beta": 1}

seeds = st.binary(min_size=32, max_size=32)
pairs = st.lists(st.sampled_from(["A", "B", "SRT", "É", "a"]), min_size=2, max_size=2, unique=True)


def arms_of(module, extra, *, seed=SEED, stratum=STRATUM, arms=STORM, size=24):
    return [slot.arm for slot in module.generate(seed, stratum, arms, [], size, extra)]


def letters(arms):
    return "".join({"SRT": "S", "SWITCH": "W"}[arm] for arm in arms)


def differences(arms):
    """How far the first arm is ahead after each slot."""
    ahead, found = 0, []
    for arm in arms:
        ahead += 1 if arm == "SRT" else -1
        found.append(ahead)
    return found


def test_golden_sequences():
    """RND-100: the lists for a fixed seed are, for ever, these."""
    assert letters(arms_of(biased_coin, COIN)) == "WSWWSWSWWSSSSSWWWSSWWWWS"
    assert letters(arms_of(big_stick, STICK)) == "WSWSWWSWWSWSSWSSWSWWSWWS"
    assert letters(arms_of(urn, URN)) == "WWSSSWWWWSSWSSSSWSSWWWWW"
    three = [ArmRatio(arm, 1) for arm in "ABC"]
    drawn = arms_of(urn, {"alpha": 0, "beta": 2}, seed=bytes(32), stratum="all", arms=three, size=12)
    assert "".join(drawn) == "ACABBCCAABBA"


@settings(max_examples=60, deadline=None)
@given(seed=seeds, names=pairs, size=st.integers(1, 60), b=st.integers(2, 20), share=st.floats(0, 1))
def test_they_equal_the_second_implementation(seed, names, size, b, share):
    """RND-101: any seed, arms, size and parameters."""
    arms = [ArmRatio(name, 1) for name in names]
    a = b // 2 + 1
    if a < b:
        exact = Fraction(a, b)
        assert arms_of(biased_coin, {"probability": f"{a}/{b}"}, seed=seed, arms=arms, size=size) == (
            reference.biased_coin(seed, STRATUM, names, exact.numerator, exact.denominator, size)
        )
    assert arms_of(big_stick, {"tolerance": b}, seed=seed, arms=arms, size=size) == reference.big_stick(
        seed, STRATUM, names, b, size
    )
    alpha = int(share * 5)
    more = [*names, "Z"]
    assert arms_of(
        urn, {"alpha": alpha, "beta": b}, seed=seed, arms=[ArmRatio(name, 1) for name in more], size=size
    ) == reference.urn(seed, STRATUM, more, alpha, b, size)


@pytest.mark.parametrize(("module", "extra"), [(biased_coin, COIN), (big_stick, STICK), (urn, URN)])
def test_a_longer_list_begins_with_the_shorter_and_strata_do_not_touch(module, extra):
    """RND-102: more slots are appended; each stratum has its own stream; the order of the arms changes nothing."""
    short = arms_of(module, extra, size=30)

    assert arms_of(module, extra, size=300)[:30] == short
    assert arms_of(module, extra, size=30, arms=STORM[::-1]) == short
    assert arms_of(module, extra, size=30, stratum="all") != short


def test_a_slot_depends_on_earlier_slots_as_the_scheme_says():
    """RND-103: the big stick never goes beyond its tolerance; UD(0, 1) gives the other arm after the first."""
    for tolerance in (1, 2, 3):
        ahead = differences(arms_of(big_stick, {"tolerance": tolerance}, size=400))
        assert max(map(abs, ahead)) == tolerance
    for number in range(20):
        first, second = arms_of(urn, {"alpha": 0, "beta": 1}, seed=bytes([number] * 32), size=2)
        assert first != second


def test_efrons_coin_is_balanced_as_often_as_he_says():
    """RND-104: Efron 1971, section 2: with p = 2/3 half of the even numbers of slots are balanced (1 − q/p)."""
    ahead = differences(arms_of(biased_coin, COIN, size=40_000))
    even = ahead[101::2]  # the first hundred are not yet the long run

    share = sum(difference == 0 for difference in even) / len(even)

    assert abs(share - 0.5) < 0.02


def test_the_big_stick_forces_as_often_as_soares_and_wu_say():
    """RND-105: the walk reflected at ±c stands at an end, so forces the next slot, one time in 2c in the long run."""
    for tolerance in (2, 3, 4):
        ahead = differences(arms_of(big_stick, {"tolerance": tolerance}, size=40_000))

        share = sum(abs(difference) == tolerance for difference in ahead) / len(ahead)

        assert abs(share - 1 / (2 * tolerance)) < 0.012


def test_the_urn_spreads_as_wei_says():
    """RND-106: Wei 1978: the variance of the difference is n/3 for large n; for n slots it follows his recursion."""
    size, lists = 100, 1_500
    expected = 0.0
    for drawn in range(size):
        expected = expected * (1 - 2 * URN["beta"] / (2 * URN["alpha"] + URN["beta"] * drawn)) + 1
    assert abs(expected / size - 1 / 3) < 0.02

    ends = [differences(arms_of(urn, URN, stratum=f"n={number}", size=size))[-1] for number in range(lists)]

    variance = sum(end * end for end in ends) / lists
    assert abs(variance / expected - 1) < 4 * (2 / lists) ** 0.5  # four standard errors of a variance


def codes(module, extra, *, arms=STORM, sizes=(), size=8):
    with pytest.raises(ParameterError) as caught:
        module.generate(SEED, "all", arms, sizes, size, extra)
    return [fault.code for fault in caught.value.faults], str(caught.value)


TWO_TO_ONE = [ArmRatio("A", 2), ArmRatio("B", 1)]
THREE = [ArmRatio(arm, 1) for arm in "ABC"]


@pytest.mark.parametrize(
    ("module", "extra", "arms", "expected"),
    [
        (biased_coin, {}, STORM, ["RND131"]),
        (biased_coin, {"probability": "0.5"}, STORM, ["RND137"]),
        (biased_coin, {"probability": "1/3"}, STORM, ["RND137"]),
        *((biased_coin, {"probability": p}, STORM, ["RND133"]) for p in ("1", "1.0", "0", "2/0", "7/3", "", 0.7)),
        (biased_coin, {"probability": "0.66667"}, STORM, ["RND133"]),
        (biased_coin, COIN, TWO_TO_ONE, ["RND107"]),
        (biased_coin, COIN, THREE, ["RND107"]),
        (biased_coin, COIN, [ArmRatio("A", 0), ArmRatio("B", 0)], ["RND105", "RND105"]),
        (biased_coin, COIN | {"tolerance": 3}, STORM, ["RND108"]),
        (big_stick, {}, STORM, ["RND131"]),
        *((big_stick, {"tolerance": t}, STORM, ["RND132"]) for t in (0, 101, "3", True, 2.0)),
        (big_stick, STICK, TWO_TO_ONE, ["RND107"]),
        (urn, {}, STORM, ["RND131", "RND131"]),
        (urn, {"alpha": -1, "beta": 0}, STORM, ["RND132", "RND132"]),
        (urn, {"alpha": 1001, "beta": 1}, STORM, ["RND132"]),
        (urn, URN, TWO_TO_ONE, ["RND109"]),
    ],
)  # fmt: skip
def test_each_fault_is_named(module, extra, arms, expected):
    """RND-107: a ratio that the scheme does not know, and every fault of a parameter, before anything is made."""
    assert codes(module, extra, arms=arms)[0] == expected


@pytest.mark.parametrize(("module", "extra"), [(biased_coin, COIN), (big_stick, STICK), (urn, URN)])
def test_block_sizes_are_refused_where_there_are_no_blocks(module, extra):
    """RND-108: a parameter of another scheme is a fault, not silence."""
    assert codes(module, extra, sizes=[4])[0] == ["RND108"]


def test_faults_quote_no_confidential_value():
    """RND-109: what is wrong may reach a log; the value may not."""
    for module, extra in (
        (biased_coin, {"probability": "777/1000000"}),
        (biased_coin, {"probability": "0.0777"}),
        (big_stick, {"tolerance": 777}),
        (urn, {"alpha": 77777, "beta": -777}),
    ):
        assert "777" not in codes(module, extra)[1]


def test_a_decimal_and_its_fraction_make_the_same_list():
    """RND-110: 0.75, 0,75 and 3/4 are one probability."""
    made = {
        tuple(arms_of(biased_coin, {"probability": text}, size=200)) for text in ("0.75", "0,75", "3/4", "6/8", ".75")
    }

    assert len(made) == 1
    assert current("biased_coin").name == "biased-coin/1"
