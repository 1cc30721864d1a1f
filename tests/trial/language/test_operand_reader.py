"""What an expression sees of stored data, read without making a Value."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trial.language import UNKNOWN, Fault, ItemType, Spec, load, operand, operand_reader

HELD = [
    None, "", "yes", "a b", "1", "1.50", "-3", "1e5", "2026-03-14", "2026-03", "2026", "2026-02-30", "14:30", "25:00",
    "2026-03-14T14:30:00", 0, 7, -1, True, False, 1.5, [], ["A", "B"], ["A", 1], {"bad": 1},
]  # fmt: skip
BESIDE = [
    {}, {"typed": "x"}, {"typed": 3}, {"unit": "g/dL"}, {"unit": None}, {"missing": ""}, {"missing": "UNK"},
    {"missing": "nonsense"}, {"missing": "ND", "reason": "lost"}, {"reason": ["no"]}, {"original": "13.50"},
    {"original": "x"}, {"extra": {}}, {"extra": {"lo": "13", "hi": None, "n": 3}}, {"extra": {"lo": 1.5}},
    {"extra": None}, {"extra": []},
]  # fmt: skip


def seen(type_: ItemType, stored: object) -> object:
    try:
        return operand(load(Spec(type_), stored))  # type: ignore[arg-type]
    except Fault:
        return UNKNOWN


@pytest.mark.parametrize("type_", list(ItemType))
def test_a_reader_sees_exactly_what_the_loaded_value_says(type_):
    """ECRF: evaluating many values is quick, and never another answer than that of the value itself."""
    read = operand_reader(type_)
    data = [{"value": held} | beside for held in HELD for beside in BESIDE]
    for stored in [*data, *BESIDE, None, [], "text", 3]:
        expected, found = seen(type_, stored), read(stored)
        assert (found, type(found)) == (expected, type(expected)), stored


def test_a_reader_keeps_every_digit():
    """ECRF: 12.10 stays 12.10."""
    assert str(operand_reader(ItemType.DECIMAL)({"value": "12.10", "typed": "12,10"})) == "12.10"
    assert operand_reader(ItemType.DECIMAL)({"value": "12.10"}) == Decimal("12.1")
