"""Lists: golden sequences, exact balance, the second implementation, every fault named."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from randomization.algorithms import (
    ALGORITHMS,
    ArmRatio,
    BlockSlot,
    ParameterError,
    biased_coin,
    big_stick,
    current,
    minimization,
    permuted_blocks,
    simple,
    urn,
)
from randomization.algorithms.base import MAX_RATIO, MAX_SIZE
from tests.randomization.algorithms import reference

SEED = bytes(range(32))
STRATUM = "ici=Y|imdc=FAV|lesions=1"
STORM = [ArmRatio("SRT", 1), ArmRatio("SWITCH", 1)]
PAGE = Path(__file__).resolve().parents[3] / "docs" / "randomization-algorithms.md"


def letters(slots, **names):
    """The slots as one letter each, a space between blocks."""
    out = []
    for at, slot in enumerate(slots):
        if at and slot.block != slots[at - 1].block:
            out.append(" ")
        out.append(names.get(slot.arm, slot.arm))
    return "".join(out)


def test_golden_storm():
    """RND-020: the list for a fixed seed is, for ever, this one."""
    slots = permuted_blocks.generate(SEED, STRATUM, STORM, [4, 6], 24)

    assert letters(slots, SRT="S", SWITCH="W") == "SWSSWW WSWSWS SWSW SWWWSS SWWSWS"
    assert [slot.position for slot in slots] == list(range(1, 29))
    assert [(slots[0].block, slots[0].block_size), (slots[-1].block, slots[-1].block_size)] == [(1, 6), (5, 6)]


def test_golden_unequal_ratio():
    """RND-021: 2:1 with blocks of 3 and 6, no strata."""
    arms = [ArmRatio("A", 2), ArmRatio("B", 1)]

    slots = permuted_blocks.generate(bytes(32), "all", arms, [3, 6], 12)

    assert letters(slots) == "AAB BBAAAA AAAABB"


def test_golden_simple():
    """RND-022: simple randomization for fixed seeds."""
    slots = simple.generate(SEED, STRATUM, STORM, [], 24)

    assert letters(slots, SRT="S", SWITCH="W") == "WSSSWSWSWWWWSWSWWWWSWWSW"
    assert {(slot.block, slot.block_size) for slot in slots} == {(0, 0)}
    assert letters(simple.generate(bytes(32), "all", [ArmRatio("A", 2), ArmRatio("B", 1)], [], 12)) == "AABBABBAABBA"


def adaptive_values():
    """What the page says of biased coin, big stick and urn, from the code."""
    made = {
        "`biased-coin/1`, 2/3: slots": biased_coin.generate(SEED, STRATUM, STORM, [], 24, {"probability": "2/3"}),
        "`big-stick/1`, tolerance 3: slots": big_stick.generate(SEED, STRATUM, STORM, [], 24, {"tolerance": 3}),
        "`urn/1`, UD(1, 1): slots": urn.generate(SEED, STRATUM, STORM, [], 24, {"alpha": 1, "beta": 1}),
    }
    three = urn.generate(bytes(32), "all", [ArmRatio(arm, 1) for arm in "ABC"], [], 12, {"alpha": 0, "beta": 2})
    shown = {name: letters(slots, SRT="S", SWITCH="W") for name, slots in made.items()}
    return shown | {"`urn/1`, arms A, B and C, UD(0, 2), size 12: slots": letters(three)}


def minimization_values():
    """What the page says of minimization, from the code."""
    twelve = [{"ici": "YN"[at % 2], "site": ("01", "02", "03")[at % 3]} for at in range(12)]
    found = {}
    for name, arms, imbalance in (
        ("SRT and SWITCH 1:1, range", STORM, "range"),
        ("A and B 1:2, variance", [ArmRatio("A", 1), ArmRatio("B", 2)], "variance"),
    ):
        extra = {"probability": "4/5", "imbalance": imbalance, "weights": {"ici": 2, "site": 1}}
        rule = minimization.Rule.of(arms, extra)
        texts = [slot.arm for slot in minimization.generate(SEED, "all", arms, [], 12, extra)]
        draws = [minimization.Draw.parse(text) for text in texts]
        given = rule.replay(zip(texts, twelve, strict=True))
        found[f"{name}: T and C"] = f"{rule.tie_bound} and {rule.coin_bound}"
        found[f"{name}: draws"] = " ".join(f"{draw.tie}.{draw.coin}" for draw in draws)
        found[f"{name}: arms"] = "".join({"SRT": "S", "SWITCH": "W"}.get(arm, arm) for arm in given)
    return found


def test_the_page_shows_the_same_values():
    """RND-023: the worked values of the documentation are what the code makes."""
    values = re.findall(r"^\| (?!what|---)(.+?) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), flags=re.M)
    page = dict(values)
    key, counter = reference.state(SEED, "permuted-blocks/1", STRATUM)
    words = reference.words(SEED, "permuted-blocks/1", STRATUM)
    blocks = permuted_blocks.generate(SEED, STRATUM, STORM, [6, 4], 24)
    two_to_one = [ArmRatio("A", 2), ArmRatio("B", 1)]

    assert page == {
        "key": " ".join(f"{word:016x}" for word in key),
        "counter, before the first block": " ".join(f"{word:016x}" for word in counter),
        "first words": " ".join(f"{next(words):016x}" for _ in range(6)),
        "block sizes 4 and 6, size 24: blocks": " ".join(
            str(size) for _, size in sorted({(slot.block, slot.block_size) for slot in blocks})
        ),
        "block sizes 4 and 6, size 24: slots (S = SRT, W = SWITCH)": letters(blocks, SRT="S", SWITCH="W"),
        "size 24: slots (S = SRT, W = SWITCH)": letters(
            simple.generate(SEED, STRATUM, STORM, [], 24), SRT="S", SWITCH="W"
        ),
        "`permuted-blocks/1`, block sizes 3 and 6, size 12: slots": letters(
            permuted_blocks.generate(bytes(32), "all", two_to_one, [3, 6], 12)
        ),
        "`simple/1`, size 12: slots": letters(simple.generate(bytes(32), "all", two_to_one, [], 12)),
        **adaptive_values(),
        **minimization_values(),
    }


seeds = st.binary(min_size=32, max_size=32)
labels = st.sampled_from(["all", STRATUM, "site=07", "é=1"])


@st.composite
def designs(draw):
    """Arms with a ratio, and block sizes that fit."""
    names = draw(st.lists(st.sampled_from(["A", "B", "C", "SRT", "É", "a"]), min_size=2, max_size=4, unique=True))
    arms = [ArmRatio(name, draw(st.integers(1, 4))) for name in names]
    total = sum(arm.ratio for arm in arms)
    multiples = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True))
    return arms, [total * multiple for multiple in multiples]


@settings(max_examples=80, deadline=None)
@given(seed=seeds, stratum=labels, design=designs(), size=st.integers(1, 80))
def test_blocks_balance_exactly_and_match_the_reference(seed, stratum, design, size):
    """RND-024: any ratio: whole blocks in the exact ratio, without a hole, equal to the second implementation."""
    arms, sizes = design
    total = sum(arm.ratio for arm in arms)

    slots = permuted_blocks.generate(seed, stratum, arms, sizes, size)

    assert size <= len(slots) < size + max(sizes)
    assert [slot.position for slot in slots] == list(range(1, len(slots) + 1))
    blocks = [[slot for slot in slots if slot.block == number] for number in range(1, max(s.block for s in slots) + 1)]
    assert [slot for block in blocks for slot in block] == slots
    for block in blocks:
        assert {slot.block_size for slot in block} == {len(block)}
        assert len(block) in sizes
        counts = Counter(slot.arm for slot in block)
        assert counts == {arm.arm: arm.ratio * len(block) // total for arm in arms}
    ratios = {arm.arm: arm.ratio for arm in arms}
    assert [[slot.arm for slot in block] for block in blocks] == reference.permuted_blocks(
        seed, stratum, ratios, sizes, size
    )


@settings(max_examples=40, deadline=None)
@given(seed=seeds, size=st.integers(1, 60), sizes=st.lists(st.sampled_from([2, 4, 6, 8]), min_size=1, unique=True))
def test_imbalance_never_exceeds_half_the_largest_block(seed, size, sizes):
    """RND-025: 1:1, after any slot the arms differ by at most half the largest block."""
    difference = 0
    for slot in permuted_blocks.generate(seed, "all", STORM, sizes, size):
        difference += 1 if slot.arm == "SRT" else -1
        assert abs(difference) <= max(sizes) // 2


@settings(max_examples=40, deadline=None)
@given(seed=seeds, stratum=labels, design=designs(), size=st.integers(1, 60))
def test_simple_matches_the_reference(seed, stratum, design, size):
    """RND-026: simple randomization equals the second implementation."""
    arms, _ = design

    slots = simple.generate(seed, stratum, arms, [], size)

    ratios = {arm.arm: arm.ratio for arm in arms}
    assert [slot.arm for slot in slots] == reference.simple(seed, stratum, ratios, size)


def test_simple_keeps_the_ratio_on_average():
    """RND-027: 30,000 draws at 2:1 give two thirds, within four standard errors (fixed seed)."""
    slots = simple.generate(SEED, "all", [ArmRatio("A", 2), ArmRatio("B", 1)], [], 30_000)

    share = sum(slot.arm == "A" for slot in slots) / 30_000

    assert abs(share - 2 / 3) < 4 * (2 / 9 / 30_000) ** 0.5


@pytest.mark.parametrize("make", [permuted_blocks.generate, simple.generate])
def test_order_of_arms_and_sizes_in_the_file_changes_nothing(make):
    """RND-028: a database that reorders keys does not reorder a list."""
    sizes = [4, 8] if make is permuted_blocks.generate else []

    assert make(SEED, "all", STORM, sizes, 40) == make(SEED, "all", STORM[::-1], sizes[::-1], 40)


def test_a_longer_list_begins_with_the_shorter():
    """RND-029: asking for more slots appends; it changes none that was there."""
    short = permuted_blocks.generate(SEED, STRATUM, STORM, [4, 6], 24)

    assert permuted_blocks.generate(SEED, STRATUM, STORM, [4, 6], 200)[: len(short)] == short


def test_adding_a_stratum_changes_no_other():
    """RND-030: the lists of the old strata stay as they were when strata are added."""

    def lists(strata):
        return {stratum: permuted_blocks.generate(SEED, stratum, STORM, [4, 6], 40) for stratum in strata}

    old, new = lists(["s=1", "s=2"]), lists(["s=0", "s=1", "s=2", "s=3"])

    assert {stratum: new[stratum] for stratum in old} == old
    assert len({tuple(slot.arm for slot in slots) for slots in new.values()}) == 4


def test_every_block_size_and_arrangement_comes_up():
    """RND-031: block sizes are drawn alike, and each of the six blocks of four is as likely (fixed seed)."""
    slots = permuted_blocks.generate(SEED, "all", STORM, [4, 6], 30_000)
    blocks: dict[int, list[str]] = {}
    for slot in slots:
        blocks.setdefault(slot.block, []).append(slot.arm)
    fours = Counter(tuple(block) for block in blocks.values() if len(block) == 4)
    drawn = Counter(len(block) for block in blocks.values())

    assert set(drawn) == {4, 6}
    assert abs(drawn[4] - drawn[6]) < 4 * len(blocks) ** 0.5
    mean = drawn[4] / 6
    assert len(fours) == 6
    assert sum((count - mean) ** 2 / mean for count in fours.values()) < 20.5  # 99.9 %, 5 degrees of freedom


def codes(arms, sizes, size, module=permuted_blocks):
    """The codes of the faults that `generate` raises."""
    with pytest.raises(ParameterError) as caught:
        module.generate(SEED, "all", arms, sizes, size)
    assert [str(fault) for fault in caught.value.faults] == str(caught.value).split("\n")
    return [fault.code for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("arms", "sizes", "size", "expected"),
    [
        ([ArmRatio("A", 1)], [4], 8, ["RND101"]),
        ([], [4], 8, ["RND101"]),
        ([ArmRatio("", 1), ArmRatio("B", 1)], [4], 8, ["RND102"]),
        ([ArmRatio("A\n", 1), ArmRatio("B", 1)], [4], 8, ["RND102"]),
        ([ArmRatio("É" * 17, 1), ArmRatio("B", 1)], [4], 8, ["RND103"]),
        ([ArmRatio("A", 1), ArmRatio("A", 1)], [4], 8, ["RND104"]),
        ([ArmRatio("A", 0), ArmRatio("B", 1)], [4], 8, ["RND105"]),
        ([ArmRatio("A", -1), ArmRatio("B", 1)], [4], 8, ["RND105"]),
        ([ArmRatio("A", True), ArmRatio("B", 1)], [4], 8, ["RND105"]),
        ([ArmRatio("A", 1.0), ArmRatio("B", 1)], [4], 8, ["RND105"]),
        ([ArmRatio("A", MAX_RATIO + 1), ArmRatio("B", 1)], [102], 8, ["RND105"]),
        (STORM, [4], 0, ["RND106"]),
        (STORM, [4], MAX_SIZE + 1, ["RND106"]),
        (STORM, [], 8, ["RND111"]),
        (STORM, [0], 8, ["RND112"]),
        (STORM, ["4"], 8, ["RND112"]),
        (STORM, [1002], 8, ["RND112"]),
        (STORM, [4, 4], 8, ["RND113"]),
        (STORM, [4, 5], 8, ["RND114"]),
        ([ArmRatio("A", 2), ArmRatio("B", 2)], [6], 8, ["RND114"]),
    ],
)
def test_each_fault_of_the_parameters_is_named(arms, sizes, size, expected):
    """RND-032: ratio 0, a block that is no multiple, and the rest: a named fault before anything is made."""
    assert codes(arms, sizes, size) == expected


def test_all_faults_are_said_at_once():
    """RND-033: not only the first."""
    arms = [ArmRatio("A", 0), ArmRatio("A", 2)]

    assert codes(arms, [5, 0], 0) == ["RND105", "RND104", "RND106", "RND114", "RND112"]
    assert codes(arms, [4], 0, module=simple) == ["RND105", "RND104", "RND106", "RND121"]


def test_faults_never_quote_a_block_size():
    """RND-034: a fault may reach a log; the block sizes may not."""
    with pytest.raises(ParameterError) as caught:
        permuted_blocks.generate(SEED, "all", STORM, [977, 977, 98765], 8)

    assert len(caught.value.faults) == 4
    assert not re.search("977|98765", str(caught.value))


def test_registry():
    """RND-035: algorithms are found by name and by scheme; an unknown scheme says which exist."""
    assert set(ALGORITHMS) == {
        "permuted-blocks/1",
        "minimization/1",
        "minimization/2",
        "simple/1",
        "imported/1",
        "biased-coin/1",
        "big-stick/1",
        "urn/1",
    }
    assert all(name == algorithm.name for name, algorithm in ALGORITHMS.items())
    assert current("minimization").name == "minimization/2"
    assert current("permuted_blocks").name == "permuted-blocks/1"
    assert current("permuted_blocks").generate(SEED, "all", STORM, [4], 4) == permuted_blocks.generate(
        SEED, "all", STORM, [4], 4
    )
    assert not current("simple").uses_blocks
    with pytest.raises(LookupError, match="minimization, permuted_blocks, simple, urn"):
        current("coin")


def test_a_slot_prints_neither_arm_nor_block():
    """RND-036: a traceback or a log line with a slot in it tells nobody the next arm."""
    assert repr(BlockSlot(3, "MARKER", 7, 96)) == "BlockSlot(position=3)"
