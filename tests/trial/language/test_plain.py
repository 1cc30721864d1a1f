"""What is typed plainly is read quickly, and never as another value than thinking about it would give."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trial.language import Fault, ItemType, Spec, dump, parse, plain_reader

TODAY = dt.date(2026, 3, 14)
CODES = {"srt": "SRT", "Switch": "Switch", " odd": "Odd", "é": "É", "1": "One"}
PLAIN = {
    ItemType.TEXT: ["Hypertension", "  a b ", "é – “œuf” 三", "12", "yes"],
    ItemType.TERM: ["10001"],
    ItemType.CHOICE: ["srt", "Switch", "é", "1"],
    ItemType.YESNO: ["true", "false", "oui", "non", "y", "n", "1", "0"],
    ItemType.DATE: ["14/03/2026", "01/01/1900", "29/02/2024"],
    ItemType.PARTIAL_DATE: ["14/03/2026", "03/2026", "12/1999"],
    ItemType.INTEGER: ["0", "7", "120"],
    ItemType.VAS: ["0", "100"],
    ItemType.GRADE: ["1", "5"],
}
ODD = [
    "", " ", "\t", "\n", "\xa0", " srt", "srt ", "SRT", " odd", "odd", "YES", " true", "Oui ", "vrai", "2", "-1", "+1",
    "00", "007", "1.0", "1,5", "12 mg", "101", "6", "9" * 9, "9" * 10, "٣", "14/3/2026", "1/1/26", "15/03/2026",
    "31/02/2024", "00/01/2024", "14/13/2026", "13/2026", "00/2026", "04/2026", "2026", "2026-03-14", "2026-03",
    "UN/03/2026", "UNK/UNK/2026", "14-03-2026", "14032026", "01/01/1899", "01/01/2200", "12/1899", "14/03/2026 10:00",
    "10:00", "a\u202eb", "a\u2028b", "a\x00b", "\ud800", "a\nb", "a\tb", "a\xa0b", "x" * 20, "x" * 21, "x" * 500,
    "x" * 501, "x" * 45_000, "\ufeff", "\u200b", "srt, Switch",
]  # fmt: skip


def specs(type_: ItemType) -> list[Spec]:
    made = [Spec(type_, codes=CODES)]
    if type_ in (ItemType.TEXT, ItemType.LONGTEXT):
        made.append(Spec(type_, max_length=20))
    if type_ in (ItemType.DATE, ItemType.PARTIAL_DATE, ItemType.DATETIME):
        made.append(Spec(type_, future=True))
    if type_ in (ItemType.INTEGER, ItemType.DECIMAL, ItemType.VAS, ItemType.GRADE):
        made += [Spec(type_, minimum=Decimal("2"), maximum=Decimal("100.5")), Spec(type_, decimals=0)]
        made.append(Spec(type_, unit="mg", units=(("g", Decimal(1000), Decimal(0)),)))
    return made


def check(spec: Spec, text: str) -> object:
    """The plain reading, held to the thoughtful one."""
    reader = plain_reader(spec)
    found = reader(text, TODAY) if reader is not None else None
    if found is not None:
        value = parse(spec, text, today=TODAY)  # a Fault is a failure too: what is refused is never plain
        assert value is not None
        thought = dump(value)
        assert found == thought
        assert {name: type(each) for name, each in found.items()} == {name: type(thought[name]) for name in found}
    return found


@pytest.mark.parametrize("type_", list(ItemType))
def test_a_plain_reading_is_what_thinking_gives(type_):
    """ECRF: for every type, limit and way of typing; what needs thought, or is wrong, is left to it."""
    for spec in specs(type_):
        for text in [*ODD, *(each for some in PLAIN.values() for each in some)]:
            check(spec, text)


@pytest.mark.parametrize("type_", list(PLAIN))
def test_what_is_plain_is_read_at_once(type_):
    """ECRF: the quick way is taken where it is meant to be, and its value is the one that is kept."""
    spec = Spec(type_, codes=CODES)
    assert all(check(spec, text) is not None for text in PLAIN[type_])


def test_days_to_come_are_left_to_thought():
    """ECRF: today is a day like another; tomorrow is only plain where the item may lie ahead."""
    for type_ in (ItemType.DATE, ItemType.PARTIAL_DATE):
        assert check(Spec(type_), "14/03/2026") == {"value": "2026-03-14", "typed": "14/03/2026"}
        assert check(Spec(type_), "15/03/2026") is None
        assert check(Spec(type_, future=True), "15/03/2026") == {"value": "2026-03-15", "typed": "15/03/2026"}
    with pytest.raises(Fault):
        parse(Spec(ItemType.DATE), "15/03/2026", today=TODAY)


@settings(max_examples=300)
@given(
    st.sampled_from(list(ItemType)),
    st.one_of(
        st.text(max_size=30),
        st.from_regex(r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{2,4}", fullmatch=True),
        st.from_regex(r"[0-9]{1,2}/[0-9]{4}", fullmatch=True),
        st.from_regex(r"[+-]?[0-9]{1,10}([.,][0-9]{1,3})?", fullmatch=True),
        st.sampled_from(sorted(CODES)),
    ),
)
def test_whatever_is_typed_is_never_read_as_another_value(type_, text):
    """ECRF: hypothesis looks for a text that the two ways understand differently."""
    for spec in specs(type_):
        check(spec, text)
