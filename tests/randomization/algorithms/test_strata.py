"""Strata: canonical labels, and the proof that every case falls in exactly one level."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from randomization.algorithms import strata
from randomization.algorithms.strata import Factor, cases, combinations, label, parse_label, prove, representatives

ICI = Factor("ici", ("Y", "N"))
IMDC = Factor("imdc", ("FAV", "INT"))
LESIONS = Factor("lesions", ("1", "2P"))

codes_of = st.text("ABCxyz019_.+-", min_size=1, max_size=6)


def test_label_is_canonical():
    """RND-060: factors stand in the order of their ids, whatever order they come in."""
    assert label({"lesions": "1", "ici": "Y", "imdc": "FAV"}) == "ici=Y|imdc=FAV|lesions=1"
    assert label({}) == "all"


@given(values=st.dictionaries(codes_of, codes_of, max_size=5))
def test_label_can_be_read_back(values):
    """RND-061: a label says its levels, and two sets of levels never share one."""
    assert parse_label(label(values)) == values


@pytest.mark.parametrize("values", [{"a|b": "1"}, {"a": "1|b=2"}, {"a": ""}, {"": "1"}, {"a": "é"}, {"a": "1\n"}])
def test_label_refuses_what_would_run_together(values):
    """RND-062: a separator in an id or a code would make two strata one."""
    with pytest.raises(ValueError, match="stratum label"):
        label(values)


@pytest.mark.parametrize("text", ["", "ici", "imdc=FAV|ici=Y", "ici=Y|ici=N", "ici=Y|", "ALL"])
def test_only_canonical_labels_are_read(text):
    """RND-063: no second spelling of a stratum."""
    with pytest.raises(ValueError, match="stratum label"):
        parse_label(text)


def test_combinations_of_storm():
    """RND-064: three factors of two levels make eight strata."""
    labels = combinations([ICI, IMDC, LESIONS])

    assert len(labels) == len(set(labels)) == 8
    assert labels[0] == "ici=Y|imdc=FAV|lesions=1"
    assert combinations([]) == ["all"]


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ([ICI, IMDC, LESIONS], []),
        ([Factor("a b", ("1", "2"))], ["RND201"]),
        ([ICI, ICI], ["RND202"]),
        ([Factor("one", ("1",))], ["RND203"]),
        ([Factor("twice", ("1", "2", "1"))], ["RND204"]),
        ([Factor("odd", ("1", "2|3"))], ["RND205"]),
        ([Factor(f"f{at}", tuple("0123456789")) for at in range(5)], ["RND206"]),
    ],
)
def test_faults_of_factors(factors, expected):
    """RND-065: each fault of the factors is named."""
    assert [fault.code for fault in strata.faults(factors)] == expected


RISK = {"FAV": lambda case: case["score"] == 0, "INT": lambda case: 1 <= case["score"] <= 2}


def risk(code, case):
    """The level's condition in one case; unknown where the score is."""
    return None if case["score"] is None else RISK[code](case)


def at_most_two(case: dict[str, Any]):
    return case["score"] <= 2


def test_cover_is_proved_over_eligible_cases():
    """RND-066: a score of 3 or more has no level, and need not: those participants are not eligible."""
    scores = cases({"score": range(7), "sex": ("M", "F")})

    assert prove(IMDC, scores, risk, eligible=at_most_two) == []
    gap = prove(IMDC, scores, risk)
    assert [fault.code for fault in gap] == ["RND211"]
    assert "score = 3, sex = M" in gap[0].fault
    assert "5 more cases" in gap[0].fault  # 4 scores × 2, three of them shown


def test_only_a_definite_no_leaves_a_case_out():
    """RND-067: a case whose eligibility is unknown must have a level too."""
    found = prove(IMDC, cases({"score": range(4)}), risk, eligible=lambda case: None if case["score"] == 3 else True)

    assert [fault.code for fault in found] == ["RND211"]


def test_overlap_unknown_and_unreachable_levels_are_named():
    """RND-068: two levels at once, a level that cannot be decided, a level that never holds."""
    three = Factor("n", ("LOW", "HIGH", "NEVER"))
    rules = {"LOW": lambda n: n <= 2, "HIGH": lambda n: n >= 2, "NEVER": lambda n: n > 99}

    found = prove(three, range(1, 4), lambda code, n: rules[code](n))
    assert [(fault.code, fault.place) for fault in found] == [
        ("RND212", "strata › n"),
        ("RND214", "strata › n › NEVER"),
    ]
    assert "LOW, HIGH all hold when 2" in found[0].fault

    found = prove(IMDC, cases({"score": [0, 1, None]}), risk)
    assert [fault.code for fault in found] == ["RND213", "RND213"]
    assert "score = None" in found[0].fault


def test_nothing_tried_proves_nothing():
    """RND-069: an empty set of cases is not a proof."""
    assert [fault.code for fault in prove(IMDC, [], risk)] == ["RND210"]
    assert [fault.code for fault in prove(IMDC, cases({"score": [9]}), risk, eligible=lambda _: False)] == ["RND210"]


def test_cases_are_all_combinations_or_an_error():
    """RND-070: a proof that samples would be none."""
    assert cases({"a": (1, 2), "b": ("x",)}) == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]
    with pytest.raises(ValueError, match="too many"):
        cases({name: range(100) for name in "abc"})


@given(
    cuts=st.lists(st.integers(-5, 60), max_size=4),
    strict=st.lists(st.booleans(), min_size=4, max_size=4),
    half=st.booleans(),
)
def test_representatives_stand_for_the_whole_range(cuts, strict, half):
    """RND-071: where conditions compare with thresholds, no value behaves unlike a representative."""
    thresholds = [Decimal(cut) + (Decimal("0.5") if half else 0) for cut in cuts]

    def pattern(value):
        return tuple(
            value < cut if is_strict else value <= cut for cut, is_strict in zip(thresholds, strict, strict=False)
        )

    found = representatives(thresholds, low=0, high=50, step=1)

    assert {pattern(value) for value in range(51)} == {pattern(value) for value in found}
    assert all(0 <= value <= 50 and value == int(value) for value in found)


def test_representatives_of_a_decimal_item():
    """RND-072: the step is the item's smallest difference."""
    found = representatives([Decimal("7.0")], low=Decimal("6.5"), high=Decimal("9.0"), step=Decimal("0.1"))

    assert found == [Decimal(text) for text in ("6.5", "6.9", "7.0", "7.1", "7.2", "9.0")]
    with pytest.raises(ValueError, match="positive step"):
        representatives([], low=0, high=1, step=0)
