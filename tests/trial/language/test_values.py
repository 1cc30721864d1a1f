"""LANG-001…: what people type is understood exactly, kept exactly, and refused with words when it cannot be."""

from __future__ import annotations

import json
import pickle
from datetime import date, datetime, time
from decimal import Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trial.language import (
    MESSAGES,
    UNKNOWN,
    Fault,
    ItemType,
    PartialDate,
    Spec,
    Value,
    display,
    dump,
    load,
    operand,
    parse,
    result_value,
)

TODAY = date(2026, 3, 20)
HGB = Spec(
    ItemType.DECIMAL,
    unit="g/dL",
    units=(("g/L", Decimal("0.1"), Decimal(0)),),
    decimals=1,
    minimum=Decimal(2),
    maximum=Decimal(25),
)
TEMPERATURE = Spec(ItemType.DECIMAL, unit="°C", units=(("K", Decimal(1), Decimal("-273.15")),))
SEX = Spec(ItemType.CHOICE, codes={"M": {"en": "Male", "fr": "Masculin"}, "F": {"en": "Female", "fr": "Féminin"}})
DRUGS = Spec(ItemType.CHOICES, codes={"TKI": "TKI", "ICI": "ICI", "OTH": "Other"})
DATE = Spec(ItemType.DATE)
PARTIAL = Spec(ItemType.PARTIAL_DATE)


def code_of(spec, typed, **given):
    with pytest.raises(Fault) as caught:
        parse(spec, typed, today=TODAY, **given)
    assert caught.value.text()  # the template and its params fit
    caught.value.text().encode()  # and can be shown
    return caught.value.code


def understood(spec, typed, **given):
    return parse(spec, typed, today=TODAY, **given).value


@pytest.mark.parametrize(
    "typed", ["14/03/2026", "14032026", "14-03-2026", "14.03.2026", "2026-03-14", "14/3/2026", " 14/03/2026 "]
)
def test_dates_as_people_type_them(typed):
    """LANG-001: a full date in each accepted form."""
    assert understood(DATE, typed) == date(2026, 3, 14)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("UN/03/2026", PartialDate(2026, 3)),
        ("un/un/2026", PartialDate(2026)),
        ("UNK/03/2026", PartialDate(2026, 3)),
        ("UN032026", PartialDate(2026, 3)),
        ("03/2026", PartialDate(2026, 3)),
        ("2026-03", PartialDate(2026, 3)),
        ("2026", PartialDate(2026)),
        ("14/03/2026", PartialDate(2026, 3, 14)),
    ],
)
def test_partial_dates(typed, expected):
    """LANG-002: an unknown day or month is kept as unknown."""
    assert understood(PARTIAL, typed) == expected


@pytest.mark.parametrize(
    ("spec", "typed", "code"),
    [
        (DATE, "14/03/26", "date.short_year"),
        (DATE, "140326", "date.short_year"),
        (DATE, "31/02/2025", "date.impossible"),
        (DATE, "29/02/2023", "date.impossible"),
        (DATE, "14/13/2025", "date.impossible"),
        (DATE, "00/01/2025", "date.impossible"),
        (DATE, "21/03/2026", "date.future"),
        (DATE, "14/03/1025", "date.year_range"),
        (DATE, "14/03-2026", "date.not"),
        (DATE, "soon", "date.not"),
        (DATE, "UN/03/2026", "date.full"),
        (DATE, "03/2026", "date.full"),
        (DATE, "١٤/٠٣/٢٠٢٦", "date.not"),
        (PARTIAL, "14/UN/2026", "date.day_without_month"),
        (PARTIAL, "UN/UN/UN", "date.year_unknown"),
        (PARTIAL, "UN/04/2026", "date.future"),
        (PARTIAL, "xx/03/2026", "date.not_partial"),
    ],
)
def test_dates_refused(spec, typed, code):
    """LANG-003: each refusal says what is wrong."""
    assert code_of(spec, typed) == code


def test_future_dates_when_the_item_has_a_future():
    """LANG-004: a planned date may lie ahead; today is never the future; the current month is not either."""
    assert understood(Spec(ItemType.DATE, future=True), "21/03/2026") == date(2026, 3, 21)
    assert understood(DATE, "20/03/2026") == TODAY
    assert understood(PARTIAL, "UN/03/2026") == PartialDate(2026, 3)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("13,5", "13.5"), ("13.5", "13.5"), ("13.0", "13.0"), ("+7", "7"), ("007,5", "7.5"), ("13", "13")],
)
def test_decimals_keep_what_was_typed(typed, expected):
    """LANG-005: comma and point; trailing zeros stay (12.10 is not 12.1); the typed text stays too."""
    value = parse(HGB, typed, today=TODAY)
    assert str(value.value) == expected
    assert value.typed == typed


def test_unicode_minus_and_bare_fraction():
    """LANG-006: a typographic minus is a minus; minus zero is zero."""
    spec = Spec(ItemType.DECIMAL)
    assert understood(spec, "\u22122,5") == Decimal("-2.5")
    assert understood(spec, ".5") == Decimal("0.5")
    assert str(understood(spec, "-0.0")) == "0.0"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("1 000", "number.thousands"),
        ("1\u00a0000", "number.thousands"),
        ("1\u202f000,5", "number.thousands"),
        ("1'000", "number.thousands"),
        ("1,000,000", "number.thousands"),
        ("1.000,5", "number.thousands"),
        ("1,250", "number.ambiguous"),
        ("13.55", "number.decimals"),
        ("1e1", "number.not"),
        ("NaN", "number.not"),
        ("Infinity", "number.not"),
        ("5.", "number.not"),
        ("-", "number.not"),
        (",", "number.not"),
        ("--5", "number.not"),
        ("0x10", "number.not"),
        ("１３", "number.not"),
        ("1.9", "number.low"),
        ("25.1", "number.high"),
        ("9" * 19, "number.too_large"),
        ("9" * 300, "text.too_long"),
        ("1\x000", "text.control"),
    ],
)
def test_numbers_refused(typed, code):
    """LANG-007: nothing is rounded, guessed or half read."""
    assert code_of(HGB, typed) == code


def test_comma_before_three_digits_is_a_decimal_in_french():
    """LANG-008: 1,250 is ambiguous in English only; 0,125 never is."""
    spec = Spec(ItemType.DECIMAL)
    assert understood(spec, "1,250", locale="fr") == Decimal("1.250")
    assert understood(spec, "0,125", locale="en") == Decimal("0.125")


def test_units_are_converted_and_both_kept():
    """LANG-009: the standard unit to compute with, the typed one to show."""
    value = parse(HGB, "135", unit="g/L", today=TODAY)
    assert (value.value, value.original, value.unit, value.typed) == (Decimal("13.5"), Decimal(135), "g/L", "135")
    assert understood(TEMPERATURE, "310,15", unit="K") == Decimal(37)
    assert display(HGB, value, "fr") == "13,5 g/dL (135 g/L)"
    assert code_of(HGB, "260", unit="g/L") == "number.high"


def test_wrong_unit_names_those_accepted():
    """LANG-010: the message lists g/dL and g/L."""
    with pytest.raises(Fault, match="g/dL, g/L") as caught:
        parse(HGB, "13", unit="mg/L", today=TODAY)
    assert caught.value.code == "unit.unknown"
    assert code_of(Spec(ItemType.INTEGER), "3", unit="mg") == "unit.none"
    assert code_of(SEX, "M", unit="mg") == "unit.none"


def test_conversion_ignores_the_callers_decimal_context():
    """LANG-011: a caller's precision of 3 changes nothing."""
    with localcontext() as context:
        context.prec = 3
        assert understood(TEMPERATURE, "310.1567", unit="K") == Decimal("37.0067")
        assert result_value(TEMPERATURE, Decimal("123.4567")).value == Decimal("123.4567")


@pytest.mark.parametrize(
    ("type_", "typed", "expected"),
    [
        (ItemType.INTEGER, "42", 42),
        (ItemType.INTEGER, "5.0", 5),
        (ItemType.GRADE, "3", 3),
        (ItemType.VAS, "0", 0),
        (ItemType.VAS, "100", 100),
        (ItemType.YESNO, "oui", True),
        (ItemType.YESNO, "No", False),
        (ItemType.TIME, "14:30", time(14, 30)),
        (ItemType.TIME, "1430", time(14, 30)),
        (ItemType.TIME, "14h30", time(14, 30)),
        (ItemType.DATETIME, "14/03/2026 14:30", datetime(2026, 3, 14, 14, 30)),  # noqa: DTZ001 - wall clock
        (ItemType.DATETIME, "2026-03-14T14:30", datetime(2026, 3, 14, 14, 30)),  # noqa: DTZ001
        (ItemType.LINK, "lesion:3", "lesion:3"),
        (ItemType.TERM, "Nausea", "Nausea"),
        (ItemType.LONGTEXT, "two\r\nlines", "two\nlines"),
    ],
)
def test_other_types(type_, typed, expected):
    """LANG-012: each type understands its usual form."""
    found = understood(Spec(type_), typed)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("spec", "typed", "code"),
    [
        (Spec(ItemType.INTEGER), "4.5", "number.integer"),
        (Spec(ItemType.GRADE), "6", "number.high"),
        (Spec(ItemType.GRADE), "0", "number.low"),
        (Spec(ItemType.VAS), "101", "number.high"),
        (Spec(ItemType.YESNO), "maybe", "yesno.not"),
        (Spec(ItemType.TIME), "25:00", "time.not"),
        (Spec(ItemType.DATETIME), "14/03/2026", "datetime.not"),
        (Spec(ItemType.LINK), "../etc/passwd", "reference.not"),
        (SEX, "X", "choice.unknown"),
        (SEX, "\ud800", "choice.unknown"),
        (DRUGS, ["TKI", "XXX"], "choice.unknown"),
        (SEX, ["M", "F"], "value.one"),
        (Spec(ItemType.TEXT), "a\x00b", "text.control"),
        (Spec(ItemType.TEXT), "a\ud800b", "text.control"),
        (Spec(ItemType.TEXT), "a\u202eb", "text.control"),
        (Spec(ItemType.TEXT), "a\x1bb", "text.control"),
        (Spec(ItemType.TEXT), "a\nb", "text.newline"),
        (Spec(ItemType.TEXT), "a" * 501, "text.too_long"),
        (Spec(ItemType.TEXT, max_length=10), "a" * 11, "text.too_long"),
        (Spec(ItemType.LONGTEXT), "a" * 20_001, "text.too_long"),
        (Spec(ItemType.LONGTEXT), "a" * 10_000_000, "text.too_long"),
        (Spec(ItemType.DECIMAL), "1" * 10_000_000, "text.too_long"),
    ],
)
def test_refused(spec, typed, code):
    """LANG-013: the wrong kind of input has a code of its own."""
    assert code_of(spec, typed) == code


def test_choices_come_in_the_order_of_the_list_once_each():
    """LANG-014: several codes, as a list or as one text."""
    assert understood(DRUGS, ["OTH", "TKI", "TKI"]) == ("TKI", "OTH")
    assert understood(DRUGS, "OTH, TKI") == ("TKI", "OTH")
    assert parse(DRUGS, [], today=TODAY) is None


def test_missing_codes():
    """LANG-015: a missing code is a value of its own, only where the item allows it, never beside a value."""
    value = parse(HGB, "", missing="ND", reason="tube broken", today=TODAY)
    assert (value.missing, value.reason, value.value) == ("ND", "tube broken", None)
    assert operand(value) is UNKNOWN
    assert display(HGB, value, "fr") == "Non fait"
    assert code_of(HGB, "13", missing="ND") == "value.and_missing"
    assert code_of(HGB, "", missing="ZZ") == "missing.unknown"
    assert code_of(Spec(ItemType.TEXT, missing_codes=()), "", missing="ND") == "missing.not_allowed"


@pytest.mark.parametrize("typed", ["", "  ", "\t\n", "\u00a0", []])
def test_nothing_typed_is_nothing(typed):
    """LANG-016: blank is empty, for every type."""
    for type_ in ItemType:
        assert parse(Spec(type_), typed, today=TODAY) is None


@pytest.mark.parametrize(
    ("spec", "typed", "english", "french"),
    [
        (DATE, "14/03/2026", "14 Mar 2026", "14 mars 2026"),
        (PARTIAL, "UN/03/2026", "Mar 2026", "mars 2026"),
        (PARTIAL, "2026", "2026", "2026"),
        (HGB, "13,5", "13.5 g/dL", "13,5 g/dL"),
        (SEX, "F", "Female", "Féminin"),
        (DRUGS, ["TKI", "OTH"], "TKI, Other", "TKI, Other"),
        (Spec(ItemType.YESNO), "yes", "Yes", "Oui"),
        (Spec(ItemType.TIME), "1430", "14:30", "14:30"),
        (Spec(ItemType.DATETIME), "14/03/2026 08:05", "14 Mar 2026 08:05", "14 mars 2026 08:05"),
        (Spec(ItemType.INTEGER, unit="mm"), "12", "12 mm", "12 mm"),
    ],
)
def test_display(spec, typed, english, french):
    """LANG-017: months in letters, the locale's decimal sign, labels."""
    value = parse(spec, typed, today=TODAY)
    assert display(spec, value, "en") == english
    assert display(spec, value, "fr") == french


def test_display_of_nothing_and_of_a_code_that_is_gone():
    """LANG-018: nothing shows as nothing; a code without a label shows itself."""
    assert display(SEX, None) == ""
    assert display(Spec(ItemType.CHOICE), Value("OLD", typed="OLD")) == "OLD"


NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**17), max_value=10**17, places=3)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
DATES = st.dates(date(1900, 1, 1), date(2199, 12, 31))
PARTIALS = st.one_of(
    DATES.map(PartialDate.of),
    DATES.map(lambda d: PartialDate(d.year, d.month)),
    DATES.map(lambda d: PartialDate(d.year)),
)
HELD = {
    ItemType.TEXT: TEXTS,
    ItemType.LONGTEXT: TEXTS,
    ItemType.INTEGER: st.integers(-(10**18), 10**18),
    ItemType.DECIMAL: NUMBERS,
    ItemType.DATE: DATES,
    ItemType.PARTIAL_DATE: PARTIALS,
    # Wall clock, as typed: never the second of two equal hours (fold=1).
    ItemType.TIME: st.times().map(lambda clock: clock.replace(fold=0)),
    ItemType.DATETIME: st.datetimes().map(lambda moment: moment.replace(fold=0)),
    ItemType.CHOICE: TEXTS,
    ItemType.CHOICES: st.lists(TEXTS, min_size=1).map(tuple),
    ItemType.YESNO: st.booleans(),
    ItemType.VAS: st.integers(0, 100),
    ItemType.TERM: TEXTS,
    ItemType.GRADE: st.integers(1, 5),
    ItemType.LINK: TEXTS,
    ItemType.FILE: TEXTS,
}
EXTRA = st.dictionaries(st.sampled_from(["lo", "hi", "lab"]), st.one_of(TEXTS, st.integers(), st.booleans(), st.none()))


@st.composite
def held_values(draw):
    type_ = draw(st.sampled_from(list(ItemType)))
    if draw(st.integers(0, 5)) == 0:
        value = Value(missing=draw(st.sampled_from(["ND", "UNK", "NA"])), reason=draw(TEXTS), extra=draw(EXTRA))
    else:
        original = draw(st.one_of(st.none(), NUMBERS)) if type_ is ItemType.DECIMAL else None
        value = Value(
            draw(HELD[type_]),
            reason=draw(st.one_of(st.just(""), TEXTS)),
            typed=draw(TEXTS),
            unit=draw(st.sampled_from(["", "g/L"])),
            original=original,
            extra=draw(EXTRA),
        )
    return Spec(type_), value


@given(held_values())
def test_round_trip_through_json(case):
    """LANG-019: load(dump(v)) is v, through real JSON, digit by digit and type by type, without any float."""
    spec, value = case
    text = json.dumps(dump(value), allow_nan=False)
    back = load(spec, json.loads(text, parse_float=pytest.fail))
    assert back == value
    assert type(back.value) is type(value.value)
    assert repr(back.value) == repr(value.value) or value.value == 0  # Decimal('-0.000') is kept as 0.000
    assert hash(back) == hash(value)


@given(
    st.sampled_from([HGB, TEMPERATURE, SEX, DRUGS, DATE, PARTIAL, *(Spec(type_) for type_ in ItemType)]),
    st.one_of(st.text(st.characters(), max_size=80), st.from_regex(r"[0-9UN/., :T-]{1,20}", fullmatch=True)),
    st.sampled_from(["", "g/L", "K", "?"]),
    st.sampled_from(["en", "fr"]),
)
@example(Spec(ItemType.TEXT), "\x85", "", "en")
def test_anything_typed_is_understood_or_refused_with_words(spec, typed, unit, locale):
    """LANG-020: parse raises nothing but Fault; what it understands survives storing and can be shown."""
    refusal: Fault | None = None
    value: Value | None = None
    try:
        value = parse(spec, typed, unit=unit, today=TODAY, locale=locale)
    except Fault as found:
        refusal = found
    if refusal is not None:
        assert refusal.code in MESSAGES
        refusal.text().encode()
        return
    if value is None:
        assert not typed.strip(" \t\r\n\xa0,")
        return
    assert load(spec, json.loads(json.dumps(dump(value)))) == value
    json.dumps(dump(value), ensure_ascii=False).encode()
    assert "\x00" not in display(spec, value, locale)


@given(NUMBERS, st.sampled_from([".", ","]))
def test_a_number_is_read_as_it_is_written(number, sign):
    """LANG-021: format and parse are inverse, whatever the sign of the decimals."""
    typed = format(number, "f").replace(".", sign)
    if abs(number) >= 10**15:
        return  # 18 digits at most are kept
    assert understood(Spec(ItemType.DECIMAL), typed, locale="fr") == number


@given(DATES, st.sampled_from(["%d/%m/%Y", "%d%m%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y-%m-%d"]))
def test_every_day_in_every_form(day, form):
    """LANG-022: each day of 1900–2199 is read back from each form."""
    assert understood(Spec(ItemType.DATE, future=True), day.strftime(form)) == day


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        (ItemType.DECIMAL, {"value": 12.1}),
        (ItemType.DECIMAL, {"value": "1e5"}),
        (ItemType.DECIMAL, {"value": "NaN"}),
        (ItemType.INTEGER, {"value": "5"}),
        (ItemType.INTEGER, {"value": True}),
        (ItemType.YESNO, {"value": 1}),
        (ItemType.DATE, {"value": "14/03/2026"}),
        (ItemType.CHOICES, {"value": "TKI"}),
        (ItemType.TEXT, {}),
        (ItemType.TEXT, {"value": "a", "missing": "ND"}),
        (ItemType.TEXT, {"missing": "ZZ"}),
        (ItemType.TEXT, {"value": "a", "reason": 3}),
        (ItemType.TEXT, {"value": "a", "extra": {"lo": 1.5}}),
        (ItemType.TEXT, {"value": "a", "extra": 5}),
    ],
)
def test_stored_data_of_another_form_are_refused(type_, data):
    """LANG-023: load never guesses."""
    with pytest.raises(Fault) as caught:
        load(Spec(type_), data)
    assert caught.value.code == "value.stored"


@pytest.mark.parametrize(
    ("spec", "result", "expected"),
    [
        (Spec(ItemType.DECIMAL, decimals=1), Decimal("22.857"), Decimal("22.9")),
        (Spec(ItemType.DECIMAL, decimals=1), Decimal("2.25"), Decimal("2.3")),
        (Spec(ItemType.DECIMAL, decimals=1), Decimal("-0.01"), Decimal(0)),
        (Spec(ItemType.DECIMAL, decimals=2), 3, Decimal("3.00")),
        (Spec(ItemType.INTEGER), Decimal("2.5"), 3),
        (Spec(ItemType.YESNO), True, True),
        (SEX, "M", "M"),
        (PARTIAL, date(2026, 3, 14), PartialDate(2026, 3, 14)),
        (DATE, PartialDate(2026, 3, 14), date(2026, 3, 14)),
        (Spec(ItemType.TEXT), "ok", "ok"),
    ],
)
def test_results_of_derivations(spec, result, expected):
    """LANG-024: a derivation's result takes the item's type and decimals, half up."""
    value = result_value(spec, result)
    assert value.value == expected
    assert load(spec, dump(value)) == value


def test_results_that_are_nothing_or_do_not_fit():
    """LANG-025: UNKNOWN and a date known to the month only leave the item empty; a wrong type is a fault."""
    assert result_value(HGB, UNKNOWN) is None
    assert result_value(DATE, PartialDate(2026, 3)) is None
    for spec, result in [(SEX, "X"), (HGB, "13"), (HGB, True), (DATE, datetime(2026, 1, 1)), (HGB, Decimal("1E99"))]:  # noqa: DTZ001
        with pytest.raises(Fault) as caught:
            result_value(spec, result)
        assert caught.value.code == "value.type"


def test_faults_travel():
    """LANG-026: a fault can be pickled (a worker's answer) and translated."""
    found = pickle.loads(pickle.dumps(Fault("number.not", params={"typed": "x"}, column=3, suggestion="y")))  # noqa: S301
    assert (found.code, found.params, found.column, found.suggestion) == ("number.not", {"typed": "x"}, 3, "y")
    assert found.text({"“{typed}” is not a number.": "« {typed} » n'est pas un nombre."}.get) == (
        "« x » n'est pas un nombre."
    )
