"""Properties: values come back as typed, rows keep their ids, any order of saving is told whole by its changes."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecrf.actions import records
from ecrf.actions.records import StaleRecord
from ecrf.checks.book import HIDDEN, ROW_ID, Rows
from ecrf.entry import InvalidValues, Submission, Typed
from ecrf.models import Change, Record
from ecrf.posted import text_of
from tests.ecrf.checks import panel_study
from tests.ecrf.items_study import Play
from trial.definition import Item
from trial.language import Fault, ItemType, PartialDate, Spec, Value, compile_expression, dump, load, parse
from trial.language.expressions import ExpressionError
from trial.language.refs import DictContext, DictScope, symbol_of

TODAY = dt.date(2026, 6, 30)
CODES = {"A": "A", "B": "B", "C": "C"}
LOCALES = st.sampled_from(["en", "fr"])
DAYS = st.dates(dt.date(1900, 1, 1), TODAY)

# ---------------------------------------------------------------- values


def _typed_number(number: Decimal, locale: str) -> str:
    text = f"{number:f}"
    return text.replace(".", ",") if locale == "fr" else text


def _partial(day: dt.date, known: int) -> str:
    parts = [f"{day:%d}" if known > 1 else "UN", f"{day:%m}" if known > 0 else "un", f"{day:%Y}"]
    return "/".join(parts)


VALUES: dict[ItemType, tuple[Spec, st.SearchStrategy[Any]]] = {
    ItemType.TEXT: (Spec(ItemType.TEXT), st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=80)),
    ItemType.LONGTEXT: (
        Spec(ItemType.LONGTEXT),
        st.text(st.characters(categories=("L", "N", "P", "Zs")), max_size=200),
    ),
    ItemType.INTEGER: (Spec(ItemType.INTEGER), st.integers(-(10**9), 10**9).map(str)),
    ItemType.DATE: (
        Spec(ItemType.DATE),
        st.tuples(DAYS, st.sampled_from(["%d%m%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y-%m-%d"])).map(
            lambda pair: pair[0].strftime(pair[1])
        ),
    ),
    ItemType.PARTIAL_DATE: (
        Spec(ItemType.PARTIAL_DATE), st.tuples(DAYS, st.integers(0, 2)).map(lambda pair: _partial(*pair)),
    ),
    ItemType.TIME: (Spec(ItemType.TIME), st.times().map(lambda at: at.strftime("%H:%M:%S"))),
    ItemType.DATETIME: (
        Spec(ItemType.DATETIME),
        st.tuples(DAYS, st.times()).map(lambda pair: f"{pair[0]:%d/%m/%Y} {pair[1]:%H:%M:%S}"),
    ),
    ItemType.CHOICE: (Spec(ItemType.CHOICE, codes=CODES), st.sampled_from(sorted(CODES))),
    ItemType.CHOICES: (
        Spec(ItemType.CHOICES, codes=CODES),
        st.sets(st.sampled_from(sorted(CODES)), min_size=1).map(tuple),
    ),
    ItemType.YESNO: (Spec(ItemType.YESNO), st.sampled_from(["yes", "no", "Oui", "non", "1", "0"])),
    ItemType.VAS: (Spec(ItemType.VAS), st.integers(0, 100).map(str)),
    ItemType.GRADE: (Spec(ItemType.GRADE), st.integers(1, 5).map(str)),
}  # fmt: skip


@pytest.mark.parametrize("type_", VALUES)
def test_a_value_comes_back_to_its_control_and_says_the_same(type_: ItemType) -> None:
    """ECRF-395: parse, dump, load, show in the control, parse again: the same value, in both languages."""
    spec, strategy = VALUES[type_]
    item = Item(id="x", type=type_, label={"en": "X"})

    @given(typed=strategy, locale=LOCALES)
    def check(typed: Any, locale: str) -> None:
        value = parse(spec, typed, today=TODAY, locale=locale)
        if value is None:
            return
        held = load(spec, dump(value))
        assert held == value
        again = parse(spec, text_of(panel_study.definition(), item, held, locale), today=TODAY, locale=locale)
        assert again is not None and again.value == value.value

    check()


@given(
    number=st.decimals("0", "99999", places=3),
    unit=st.sampled_from(["g/dL", "g/L", "mmol/L"]),
    locale=LOCALES,
)
def test_a_decimal_in_any_unit_comes_back_as_typed(number: Decimal, unit: str, locale: str) -> None:
    """ECRF-396: the typed number and its unit, and the standard value, are the same after any number of saves; what
    can be read in two ways is refused."""
    units = (("g/L", Decimal("0.1"), Decimal(0)), ("mmol/L", Decimal("1.611"), Decimal(0)))
    spec = Spec(ItemType.DECIMAL, unit="g/dL", units=units)
    item = Item(id="x", type=ItemType.DECIMAL, label={"en": "X"}, unit="g/dL")
    value = parse(spec, _typed_number(number, locale), unit=unit, today=TODAY, locale=locale)
    assert value is not None
    held = load(spec, dump(value))
    shown = text_of(panel_study.definition(), item, held, locale)
    again = parse(spec, shown, unit=held.unit, today=TODAY, locale=locale)
    assert again is not None
    assert (again.value, again.original, again.unit) == (value.value, value.original, value.unit)


@given(text=st.text(max_size=300), type_=st.sampled_from(list(ItemType)), locale=LOCALES)
def test_whatever_is_typed_is_understood_or_refused_in_words(text: str, type_: ItemType, locale: str) -> None:
    """ECRF-397: never a crash; what is refused says why."""
    spec = Spec(type_, codes=CODES)
    try:
        found = parse(spec, text, today=TODAY, locale=locale)
    except Fault as fault:
        said = str(fault)
        assert said and ("{" in text or "{" not in said)  # what cannot be printed is shown in another way
        return
    if found is not None and type_ is not ItemType.FILE:
        assert isinstance(found, Value) and load(spec, dump(found)) == found


@given(year=st.integers(1900, 2026), month=st.integers(1, 12), locale=LOCALES)
def test_an_unknown_day_is_not_the_first_of_the_month(year: int, month: int, locale: str) -> None:
    """ECRF-398: UN/03/2026 and 01/03/2026 are two values."""
    spec = Spec(ItemType.PARTIAL_DATE, future=True)
    unknown = parse(spec, f"UN/{month:02d}/{year}", today=TODAY, locale=locale)
    first = parse(spec, f"01{month:02d}{year}", today=TODAY, locale=locale)
    assert unknown is not None and first is not None
    assert (unknown.value, first.value) == (PartialDate(year, month), PartialDate(year, month, 1))
    assert dump(unknown)["value"] == f"{year}-{month:02d}"


# ---------------------------------------------------------------- expressions

NAMES = {"a": ItemType.INTEGER, "b": ItemType.DECIMAL, "c": ItemType.YESNO, "d": ItemType.DATE, "e": ItemType.TEXT}
ATOMS = st.sampled_from(["a", "b", "c", "d", "e", "1", "0", "2.5", "True", "'x'", "today", "zz", "None", "a.b", "()"])
OPERATORS = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", ">=", "and", "or", "in", "is", "|"])


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, OPERATORS, inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["not ", "-", "+", "~"]), inner).map("".join),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        st.tuples(
            st.sampled_from(["abs", "round", "min", "max", "coalesce", "is_known", "days_between", "eval", "sum"]),
            st.lists(inner, max_size=3),
        ).map(lambda t: f"{t[0]}({', '.join(t[1])})"),
        inner.map(lambda text: f"[{text} for a in (1,)]"),
        inner.map(lambda text: f"(lambda: {text})()"),
    )  # fmt: skip


SOURCES = st.recursive(ATOMS, _grown, max_leaves=12) | st.text(max_size=60)
VALUES_OF = {
    "a": st.integers(-9, 10**6), "b": st.decimals("-99", "99", places=2), "c": st.booleans(), "d": DAYS,
    "e": st.sampled_from(["", "x"]),
}  # fmt: skip


def assert_said(faults: tuple[Fault, ...]) -> None:
    """Every refusal names its faults in words."""
    assert faults
    assert all(str(fault) for fault in faults)


@settings(max_examples=300)
@given(source=SOURCES, values=st.fixed_dictionaries({}, optional=VALUES_OF))
def test_an_expression_is_compiled_or_refused_and_never_fails(source: str, values: dict[str, Any]) -> None:
    """ECRF-399: whatever is written, whatever is filled: a result, unknown, or faults in words."""
    scope = DictScope({name: symbol_of(Spec(type_)) for name, type_ in NAMES.items()})
    from trial.language import Kind

    for expects in (Kind.BOOL, Kind.NUMBER):
        try:
            compile_expression(source, scope, expects=expects).evaluate(DictContext(values))
        except ExpressionError as error:
            assert_said(tuple(error.faults))


@pytest.mark.parametrize(
    "source",
    [
        "not " * 20_000 + "c",
        "+".join(["a"] * 20_000),
        "(" * 500 + "a" + ")" * 500,
        "9" * 3000,
        "a" * 2001,
    ],
)
def test_limits_hold(source: str) -> None:
    """ECRF-399: depth, length and size are refused before they cost anything."""
    scope = DictScope({"a": symbol_of(Spec(ItemType.INTEGER)), "c": symbol_of(Spec(ItemType.YESNO))})
    from trial.language import Kind

    for expects in (Kind.BOOL, Kind.NUMBER):
        with pytest.raises(ExpressionError):
            compile_expression(source, scope, expects=expects)


# ---------------------------------------------------------------- orders of saving

MAIN = {
    "words": st.sampled_from(["", "x", "déjà"]),
    "count_of": st.sampled_from(["", "1", "7", "wrong"]),
    "since": st.sampled_from(["", "UN/03/2024", "05032024"]),
    "several": st.sampled_from([(), ("LUNG",), ("BONE", "SKIN")]),
}
ROW = {"drug": st.sampled_from(["", "A", "B"]), "dose": st.sampled_from(["", "1", "2,5", "UN"])}
STEP = st.fixed_dictionaries(
    {
        "main": st.fixed_dictionaries({}, optional=MAIN),
        "add": st.lists(st.fixed_dictionaries(ROW), max_size=2),
        "edit": st.fixed_dictionaries({}, optional=ROW),
        "missing": st.booleans(),
        "remove": st.booleans(),
        "turn": st.booleans(),
        "stale": st.booleans(),
        "complete": st.booleans(),
    }
)


@pytest.mark.django_db
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=2, max_size=6), seed=st.integers(0, 10**6))
def test_the_data_are_the_replay_of_the_changes(play: Play, steps: list[dict[str, Any]], seed: int) -> None:
    """ECRF-389: rows added, edited, moved and removed, values cleared and coded as missing, saves refused and stale, in
    any order: what is stored is what the changes say, and the revision counts the saves that changed something."""
    rng = random.Random(seed)
    with transaction.atomic():
        done = 0
        for step in steps:
            held = Record.objects.filter(participant=play.participant, form="items").first()
            before = held.data if held is not None else {}
            submission = _submission(step, before, rng)
            revision = done - 1 if step["stale"] and done else done
            try:
                saved = records.save(
                    where=play.where, revision=revision, submission=submission, complete=step["complete"], by=play.by,
                    reason="Because",
                )  # fmt: skip
            except StaleRecord:
                assert revision != done
            except InvalidValues:
                pass
            else:
                is_same = held is not None and (saved.data, saved.entry_state) == (held.data, held.entry_state)
                done += 0 if is_same else 1
            now = Record.objects.filter(participant=play.participant, form="items").first()
            assert (now.revision if now is not None else 0) == done
            if now is not None:
                assert _values(now.data) == _replayed(now)
                ids = [row[ROW_ID] for row in now.data.get("lines", [])]
                assert len(ids) == len(set(ids))
        transaction.set_rollback(True)


def _submission(step: dict[str, Any], data: Rows, rng: random.Random) -> Submission:
    rows = [row[ROW_ID] for row in data.get("lines", [])]
    values = {("main", "", item): Typed(text=text) for item, text in step["main"].items()}
    if step["missing"]:
        values["main", "", "agreed"] = Typed(missing=rng.choice(["ND", "UNK", "NA"]), reason=rng.choice(["", "Why"]))
    if rows and step["edit"]:
        row = rng.choice(rows)
        values |= {("lines", row, item): Typed(text=text) for item, text in step["edit"].items()}
    if rows and step["remove"]:
        gone = rng.choice(rows)
        rows.remove(gone)
        values = {key: typed for key, typed in values.items() if key[1] != gone}
    if step["turn"]:
        rng.shuffle(rows)
    for added in step["add"]:
        row = f"n{rng.randrange(16**12):012x}"
        rows.append(row)
        values |= {("lines", row, item): Typed(text=text) for item, text in added.items()}
    return Submission(values=values, rows={"lines": rows})


def _values(data: Rows) -> dict[tuple[str, str, str], Any]:
    return {
        (group, row[ROW_ID], item): stored
        for group, rows in data.items()
        for row in rows
        for item, stored in row.items()
        if item not in (ROW_ID, HIDDEN)
    }


def _replayed(record: Record) -> dict[tuple[str, str, str], Any]:
    found: dict[tuple[str, str, str], Any] = {}
    for change in Change.objects.filter(record=record).order_by("pk"):
        key = (change.group, change.row, change.item)
        assert found.get(key) == change.old
        if change.new is None:
            found.pop(key)
        else:
            found[key] = change.new
    return found
