"""Grades of laboratory values: every number equals the publication; baseline where CTCAE v5.0 says so."""

from __future__ import annotations

import re
import warnings
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.dictionaries.workbook import WorkbookTerm, read_ncicb_workbook
from safety.lab_grades import BY_ANALYTE, RULES, Grade, Measured, Rule, grade

WORKBOOK = Path(__file__).resolve().parents[3] / "shared" / "data" / "ctcae" / "ctcae-v6.0.xlsx"
UNIT = {"HGB": "g/dL", "CACORR": "mmol/L", "ALB": "g/L", "K": "mmol/L", "SODIUM": "mmol/L", "CREAT": "µmol/L",
        "BILI": "µmol/L", "ALT": "UI/L", "AST": "UI/L", "ALP": "UI/L", "GGT": "UI/L", "LDH": "UI/L",
        "WBC": "G/L", "NEUT": "G/L", "LYM": "G/L", "PLAT": "G/L"}  # fmt: skip


@pytest.fixture(scope="module")
def published() -> dict[str, WorkbookTerm]:
    """CTCAE v5.0 as the NCI publishes it, by MedDRA code."""
    if not WORKBOOK.exists():
        message = f"NOT CHECKED against the NCI workbook: {WORKBOOK.name} is not beside the repository."
        warnings.warn(message, stacklevel=1)
        pytest.skip(message)
    return {term.code: term for term in read_ncicb_workbook(WORKBOOK)["5.0"]}


def m(value: str, low: str | None = None, high: str | None = None) -> Measured:
    """A value with the limits of its day."""
    return Measured(
        Decimal(value), Decimal(low) if low is not None else None, Decimal(high) if high is not None else None
    )


def reached(analyte: str, now: Measured, baseline: Measured | None = None) -> int | None:
    found = grade(analyte, UNIT[analyte], now, baseline)
    return found.grade if found is not None else None


# ---------------------------------------------------------------- against the publication


def _numbers(text: str) -> list[Decimal]:
    return [Decimal(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.analyte}-{rule.term}")
def test_every_limit_stands_in_the_published_text_of_its_grade(published: dict[str, WorkbookTerm], rule: Rule) -> None:
    """ECRF-350: each limit of each grade, in each unit that the publication names, is a number of that grade's text."""
    term = published[rule.term]
    for unit, steps in rule.absolute.items():
        if unit not in ("g/dL", "g/L", "mmol/L", "mg/dL", "10⁹/L", "/mm³"):
            continue  # the same numbers under another name of the unit
        for number, limit in steps:
            held = _numbers(term.grades[number])
            assert limit in held or (limit - 1) in held, (unit, number, limit, term.grades[number])  # 129 is <130
    for number, multiple in rule.of_uln:
        text = term.grades[number]
        assert multiple in _numbers(text) and "x ULN" in text
    for number, multiple in rule.of_baseline:
        text = term.grades[number]
        assert multiple in _numbers(text) and "baseline" in text
    if rule.baseline_from is not None:
        assert rule.baseline_from in _numbers(term.grades[1]) and "baseline was abnormal" in term.grades[1]
    sign = ">" if rule.side == "high" else "<"
    assert f"{sign}{'ULN' if rule.side == 'high' else 'LLN'}" in term.grades[1].replace(" ", "")


def test_no_grade_is_given_that_the_term_does_not_have(published: dict[str, WorkbookTerm]) -> None:
    """ECRF-351: lactate dehydrogenase has grade 1 only; anemia has no grade 4 by its value alone."""
    for rule in RULES:
        given_by = {number for steps in rule.absolute.values() for number, _limit in steps}
        given_by |= {number for number, _multiple in (*rule.of_uln, *rule.of_baseline)} | {1}
        assert given_by <= set(published[rule.term].grades)
    assert reached("LDH", m("9000", "125", "250")) == 1
    assert reached("HGB", m("1", "13", "17")) == 3


# ---------------------------------------------------------------- examples at the edges


@pytest.mark.parametrize(
    ("analyte", "now", "expected"),
    [
        ("HGB", m("13", "13", "17"), 0),
        ("HGB", m("12.9", "13", "17"), 1),
        ("HGB", m("10", "13", "17"), 1),
        ("HGB", m("9.9", "13", "17"), 2),
        ("HGB", m("7.9", "13", "17"), 3),
        ("NEUT", m("1.5", "1.8", "7.5"), 1),
        ("NEUT", m("0.49", "1.8", "7.5"), 4),
        ("PLAT", m("74", "150", "400"), 2),
        ("PLAT", m("24", "150", "400"), 4),
        ("WBC", m("0.9", "4", "10"), 4),
        ("LYM", m("0.5", "1", "4"), 2),
        ("ALT", m("45", "7", "45"), 0),
        ("ALT", m("46", "7", "45"), 1),
        ("ALT", m("135", "7", "45"), 1),
        ("ALT", m("136", "7", "45"), 2),
        ("ALT", m("901", "7", "45"), 4),
        ("BILI", m("31.6", "3", "21"), 2),
        ("BILI", m("211", "3", "21"), 4),
        ("CREAT", m("160", "62", "106"), 2),
        ("CREAT", m("637", "62", "106"), 4),
        ("CACORR", m("2.61", "2.2", "2.6"), 1),
        ("CACORR", m("3.41", "2.2", "2.6"), 4),
        ("CACORR", m("1.99", "2.2", "2.6"), 2),
        ("K", m("2.9", "3.5", "5"), 3),
        ("K", m("5.6", "3.5", "5"), 2),
        ("SODIUM", m("129", "135", "145"), 2),
        ("SODIUM", m("124", "135", "145"), 3),
        ("SODIUM", m("156", "135", "145"), 3),
        ("ALB", m("19", "35", "50"), 3),
    ],
)
def test_a_value_reaches_its_grade(analyte: str, now: Measured, expected: int) -> None:
    """ECRF-352: at and beside each limit."""
    assert reached(analyte, now) == expected


def test_an_abnormal_baseline_takes_the_place_of_the_upper_limit() -> None:
    """ECRF-353: transaminases and bilirubin are graded against an abnormal baseline; a normal one changes nothing."""
    abnormal, normal = m("100", "7", "45"), m("30", "7", "45")
    assert reached("ALT", m("140", "7", "45"), abnormal) == 0
    assert reached("ALT", m("150", "7", "45"), abnormal) == 1  # 1.5 × baseline, itself included
    assert reached("ALT", m("301", "7", "45"), abnormal) == 2
    assert reached("ALT", m("140", "7", "45"), normal) == 2
    assert reached("BILI", m("30.1", "3", "21"), m("30", "3", "21")) == 1
    assert reached("BILI", m("30", "3", "21"), m("30", "3", "21")) == 0
    assert reached("ALP", m("259", "40", "130"), m("130.1", "40", "130")) == 0


def test_creatinine_counts_from_the_baseline_and_from_the_upper_limit() -> None:
    """ECRF-354: the higher of both; a rise to twice a low baseline is grade 2 below the upper limit."""
    assert reached("CREAT", m("101", "62", "106"), m("50", "62", "106")) == 2
    assert reached("CREAT", m("151", "62", "106"), m("50", "62", "106")) == 3
    assert reached("CREAT", m("110", "62", "106"), m("90", "62", "106")) == 1


def test_what_cannot_be_told_is_not_guessed() -> None:
    """ECRF-355: no limit, another unit, another analyte: no grade, not grade 0."""
    assert grade("ALT", "UI/L", m("200")) is None
    assert grade("HGB", "mg/mL", m("10", "13", "17")) is None
    assert grade("CA", "mmol/L", m("3.5", "2.2", "2.6")) is None  # not corrected for albumin
    assert grade("HGB", "g/dL", m("7")) == Grade("10002272", 3)  # the number itself decides


@given(
    analyte=st.sampled_from(sorted(BY_ANALYTE)),
    values=st.lists(st.decimals("0.01", "5000", places=2), min_size=2, max_size=2),
    limits=st.lists(st.decimals("0.1", "400", places=1), min_size=2, max_size=2, unique=True),
    before=st.none() | st.decimals("0.1", "1000", places=1),
)
def test_a_worse_value_never_has_a_lower_grade(
    analyte: str, values: list[Decimal], limits: list[Decimal], before: Decimal | None
) -> None:
    """ECRF-356: further beyond the same limit, the grade of a rule stays or rises."""
    low, high = sorted(limits)
    baseline = Measured(before, low, high) if before is not None else None
    for rule in BY_ANALYTE[analyte]:
        milder, worse = sorted(values, reverse=rule.side == "low")
        found = [_of_rule(rule, Measured(value, low, high), baseline) for value in (milder, worse)]
        assert found[0] <= found[1]


def _of_rule(rule: Rule, now: Measured, baseline: Measured | None) -> int:
    from safety.lab_grades import _reached

    reached_now = _reached(rule, UNIT[rule.analyte], now, baseline)
    assert reached_now is not None
    return reached_now
