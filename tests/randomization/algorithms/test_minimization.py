"""Pocock–Simon minimization: golden values, published examples, exact probabilities, the second implementation."""

import re
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from randomization.algorithms import ArmRatio, Kind, ParameterError, current, minimization
from randomization.algorithms.minimization import Draw, Placed, Rule, Tally
from tests.randomization.algorithms import reference

SEED = bytes(range(32))
STORM = [ArmRatio("SRT", 1), ArmRatio("SWITCH", 1)]
WEIGHTS = {"ici": 2, "site": 1}


def parameters(probability="4/5", imbalance="range", weights=WEIGHTS):
    return {"probability": probability, "imbalance": imbalance, "weights": weights}


def rule(arms=STORM, **said):
    return Rule.of(arms, parameters(**said))


def chances(found, strata, tally):
    """The exact probability of each share for the next participant: every draw is tried, and all are as likely."""
    draws = [Draw(tie, coin) for tie in range(found.tie_bound) for coin in range(found.coin_bound)]
    chosen = Counter(found.choose(draw, strata, tally) for draw in draws)
    return [Fraction(chosen[share], len(draws)) for share in range(len(found.shares))]


def tally_of(found, people):
    """Participants by arm and levels, where each arm is one share."""
    tally = Tally(found)
    for arm, strata in people:
        tally.add(found.shares.index(arm), strata)
    return tally


# Pocock, "Clinical Trials: A Practical Approach" (Wiley 1983), table 5.7: 80 patients of a trial in advanced breast
# cancer; the next one is ambulatory, under 50, two years or more free of disease, with a visceral lesion. Summed over
# her levels, 76 patients are on A and 77 on B, so A is preferred.
POCOCK = {
    "performance": {"ambulatory": (30, 31), "not": (10, 9)},
    "age": {"<50": (18, 17), ">=50": (22, 23)},
    "interval": {"<2": (31, 32), ">=2": (9, 8)},
    "lesion": {"visceral": (19, 21), "osseous": (8, 7), "soft": (13, 12)},
}
NEXT = {"performance": "ambulatory", "age": "<50", "interval": ">=2", "lesion": "visceral"}


def pocock_patients():
    """Eighty patients with the margins of the table: the levels of each factor laid out arm by arm."""
    found = []
    for at, arm in enumerate("AB"):
        columns = {
            factor: [level for level, counts in levels.items() for _ in range(counts[at])]
            for factor, levels in POCOCK.items()
        }
        found += [(arm, {factor: column[n] for factor, column in columns.items()}) for n in range(40)]
    return found


def test_the_example_of_pocock():
    """RND-111: sums of 76 and 77 prefer A by the sum of squares; by the range both arms leave the same imbalance."""
    arms = [ArmRatio("A", 1), ArmRatio("B", 1)]
    once = dict.fromkeys(POCOCK, 1)
    by_variance = rule(arms, imbalance="variance", weights=once)
    tally = tally_of(by_variance, pocock_patients())
    assert [sum(tally.counts(factor, level)[at] for factor, level in NEXT.items()) for at in (0, 1)] == [76, 77]

    # differences A − B after A: 0, 2, 2, −1; after B: −2, 0, 0, −3; K² times the variance is the square of each
    assert by_variance.imbalances(NEXT, tally) == [0 + 4 + 4 + 1, 4 + 0 + 0 + 9]
    assert chances(by_variance, NEXT, tally) == [Fraction(4, 5), Fraction(1, 5)]

    by_range = rule(arms, weights=once)
    tally = tally_of(by_range, pocock_patients())
    assert by_range.imbalances(NEXT, tally) == [0 + 2 + 2 + 1, 2 + 0 + 0 + 3]
    assert chances(by_range, NEXT, tally) == [Fraction(1, 2), Fraction(1, 2)]


def test_weights_decide_between_factors():
    """RND-112: the same patient, with the lesion weighing most, prefers A by the range; with the age, B."""
    arms = [ArmRatio("A", 1), ArmRatio("B", 1)]
    for heavy, best in (("lesion", "A"), ("performance", "A"), ("age", "B"), ("interval", "B")):
        found = rule(arms, weights=dict.fromkeys(POCOCK, 1) | {heavy: 3})
        assert chances(found, NEXT, tally_of(found, pocock_patients()))["AB".index(best)] == Fraction(4, 5)


def test_three_equal_arms_share_as_pocock_and_simon_say():
    """RND-113: Pocock and Simon 1975, section 3.3: the best arm has p, each other arm (1 − p)/(N − 1)."""
    arms = [ArmRatio(arm, 1) for arm in "ABC"]
    found = rule(arms, probability="2/3", weights={"sex": 1})
    tally = tally_of(found, [("A", {"sex": "F"}), ("C", {"sex": "F"})])

    assert chances(found, {"sex": "F"}, tally) == [Fraction(1, 6), Fraction(2, 3), Fraction(1, 6)]
    assert chances(found, {"sex": "M"}, tally) == [Fraction(1, 3)] * 3


@pytest.mark.parametrize("shares", [(1, 2), (2, 1), (3, 2), (1, 1, 2), (2, 2)])
@pytest.mark.parametrize("imbalance", ["range", "variance"])
def test_the_ratio_is_kept_at_every_allocation(shares, imbalance):
    """RND-114: any ratio: each arm has exactly its part, at the first allocation and at the later ones alike.

    Kuznetsova and Tymofyeyev 2012 ask for it. Every course that the trial can take is followed with its probability.
    """
    arms = [ArmRatio("ABC"[at], share) for at, share in enumerate(shares)]
    found = rule(arms, probability="3/4", imbalance=imbalance)
    people = [
        {"ici": "Y", "site": "01"}, {"ici": "Y", "site": "02"}, {"ici": "N", "site": "01"}, {"ici": "Y", "site": "01"}
    ][: 4 if sum(shares) < 5 else 2]  # fmt: skip
    courses: dict[tuple[int, ...], Fraction] = {(): Fraction(1)}
    for n, who in enumerate(people):
        after: dict[tuple[int, ...], Fraction] = {}
        for course, probability in courses.items():
            tally = Tally(found)
            for share, strata in zip(course, people[:n], strict=True):
                tally.add(share, strata)
            for share, chance in enumerate(chances(found, who, tally)):
                after[(*course, share)] = after.get((*course, share), Fraction(0)) + probability * chance
        courses = after
        for arm in arms:
            chances_of_arm = [chance for course, chance in courses.items() if found.shares[course[-1]] == arm.arm]
            part = sum(chances_of_arm, Fraction(0))
            assert part == Fraction(arm.ratio, sum(shares))


def test_the_ratio_is_that_of_the_lowest_terms():
    """RND-116: 2:4 is 1:2, draw by draw."""

    def of(low, high):
        arms = [ArmRatio("A", low), ArmRatio("B", high)]
        return [slot.arm for slot in minimization.generate(SEED, "all", arms, [], 50, parameters())]

    assert of(2, 4) == of(1, 2)


def test_golden_draws_and_arms():
    """RND-117: the draws of a fixed seed, and the arms of twelve participants, are for ever these."""
    twelve = [{"ici": "YN"[at % 2], "site": ("01", "02", "03")[at % 3]} for at in range(12)]
    slots = minimization.generate(SEED, "all", STORM, [], 12, parameters())

    assert [slot.position for slot in slots] == list(range(1, 13))
    assert slots[0].arm == "00000000000000000000000000000004"
    assert {len(slot.arm) for slot in slots} == {32}
    arms = rule().replay((slot.arm, strata) for slot, strata in zip(slots, twelve, strict=True))
    assert "".join(arm[1] for arm in arms) == "RWWRRRWWRRRR"


participants = st.lists(
    st.fixed_dictionaries({"ici": st.sampled_from("YN"), "site": st.sampled_from(["01", "02", "03"])}),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.binary(min_size=32, max_size=32),
    shares=st.lists(st.integers(1, 4), min_size=2, max_size=3),
    imbalance=st.sampled_from(["range", "variance"]),
    weights=st.fixed_dictionaries({"ici": st.integers(1, 4), "site": st.integers(1, 4)}),
    b=st.integers(2, 12),
    people=participants,
)
def test_it_equals_the_second_implementation(seed, shares, imbalance, weights, b, people):
    """RND-118: any seed, ratio, function, weights and participants: the same draws and the same arms."""
    arms = [ArmRatio("AÉa"[at], share) for at, share in enumerate(shares)]
    a = b - 1
    if Fraction(a, b) <= Fraction(1, 2):
        return
    extra = parameters(f"{a}/{b}", imbalance, weights)
    slots = minimization.generate(seed, "all", arms, [], len(people), extra)
    draws, given = reference.minimization(
        seed, {arm.arm: arm.ratio for arm in arms}, (a, b), imbalance, weights, people
    )

    assert [(Draw.parse(slot.arm).tie, Draw.parse(slot.arm).coin) for slot in slots] == draws
    assert Rule.of(arms, extra).replay((slot.arm, who) for slot, who in zip(slots, people, strict=True)) == given


def test_a_longer_list_begins_with_the_shorter():
    """RND-119: draws are appended; weights and function change no draw, so only probability and ratio shape them."""
    short = minimization.generate(SEED, "all", STORM, [], 20, parameters())

    assert minimization.generate(SEED, "all", STORM, [], 90, parameters())[:20] == short
    assert minimization.generate(SEED, "all", STORM[::-1], [], 20, parameters(imbalance="variance")) == short


def test_it_balances_better_than_chance():
    """RND-120: 200 participants over six levels: no level differs by more than a few, and the coin did go against."""
    people = [{"ici": "YN"[(at * 7) % 5 % 2], "site": ("01", "02", "03")[(at * 11) % 3]} for at in range(200)]
    found = rule()
    tally, preferred_others = Tally(found), 0
    for slot, who in zip(minimization.generate(SEED, "all", STORM, [], 200, parameters()), people, strict=True):
        totals = found.imbalances(who, tally)
        share = found.choose(Draw.parse(slot.arm), who, tally)
        preferred_others += totals[share] > min(totals)
        tally.add(share, who)

    for factor, levels in (("ici", "YN"), ("site", ("01", "02", "03"))):
        for level in levels:
            one, other = tally.counts(factor, level)
            assert abs(one - other) <= 6
    assert 15 < preferred_others < 65  # about one in five of those that did not tie


def codes(arms=STORM, factors=(), size=8, sizes=(), **extra):
    return [fault.code for fault in minimization.check(arms, sizes, size, extra, factors)]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, ["RND141", "RND131", "RND131", "RND131"]),
        (parameters(weights={}), ["RND141"]),
        (parameters(probability="1"), ["RND133"]),
        (parameters(probability="1/2"), ["RND142"]),
        (parameters(imbalance="taves"), ["RND134"]),
        (parameters(weights={"ici": 0, "site": 1001}), ["RND132", "RND132"]),
        (parameters() | {"factors": ["ici", "imdc"]}, ["RND135", "RND136"]),
        (parameters() | {"arms": [ArmRatio("A", 0), ArmRatio("B", 1)]}, ["RND105"]),
        (parameters() | {"arms": [ArmRatio("A", 1), ArmRatio("B", 2)], "probability": "1/3"}, ["RND142"]),
        (parameters() | {"arms": [ArmRatio("A", 23), ArmRatio("B", 20)]}, ["RND143"]),
        (parameters() | {"sizes": [4]}, ["RND108"]),
    ],
)  # fmt: skip
def test_each_fault_is_named(said, expected):
    """RND-121: no factor, no weight, a probability that favors nobody or is certain, a ratio of too many parts."""
    assert codes(**said) == expected


def test_nothing_confidential_is_printed():
    """RND-122: neither rule nor draw nor fault shows probability, weights or a draw."""
    with pytest.raises(ParameterError) as caught:
        minimization.generate(SEED, "all", STORM, [], 8, parameters("0.0777", weights={"ici": 77777, "site": -777}))
    found = rule(probability="777/1000", weights={"ici": 777, "site": 778})

    shown = f"{caught.value}{found!r}{Draw(777, 777)!r}"
    assert not re.search("77", shown)


def test_only_a_draw_is_read_as_one():
    """RND-123: an arm's name, a cut or a padded text is no draw."""
    assert Draw.parse(Draw(5, 2**64 - 1).text) == Draw(5, 2**64 - 1)
    for text in ("SRT", "0" * 31, "0" * 33, "0" * 31 + "G", "0" * 31 + "A", " " + "0" * 31):
        with pytest.raises(ValueError, match=r"not a draw|invalid literal"):
            Draw.parse(text)
    assert current("minimization").kind is Kind.DRAWS


def test_who_was_allocated_by_another_way_counts_and_keeps_the_arm():
    """RND-116: three placed on one arm make the other preferred; each keeps the arm whatever balances."""
    found = rule(probability="99/100")
    here = {"ici": "Y", "site": "01"}
    placed = [Placed("SRT", here)] * 3
    assert found.replay([*placed, (Draw(0, found.coin_bound - 1).text, here)]) == ["SRT", "SRT", "SRT", "SWITCH"]
    assert found.replay([(Draw(0, found.coin_bound - 1).text, here)]) == ["SRT"]
    with pytest.raises(ValueError, match="arm that the ratio does not have"):
        found.replay([Placed("OTHER", here)])
    with pytest.raises(KeyError):
        found.replay([Placed("SRT", {"ici": "Y"})])


def test_in_an_unequal_ratio_those_placed_are_shared_out_over_the_shares_of_their_arm():
    """RND-116: two placed on the arm with two shares stand one in each; a third of the trial's arm comes next."""
    found = rule(arms=[ArmRatio("A", 1), ArmRatio("B", 2)], probability="99/100")
    here = {"ici": "Y", "site": "01"}
    tally = Tally(found)
    shares = []
    for entry in [Placed("B", here)] * 4:
        share = found.place(entry, tally)
        tally.add(share, entry.strata)
        shares.append(share)
    assert [found.shares[share] for share in shares] == ["B"] * 4
    assert sorted(shares) == [1, 1, 2, 2]
    preferred = found.choose(Draw(0, found.coin_bound - 1), here, tally)
    assert found.shares[preferred] == "A"
