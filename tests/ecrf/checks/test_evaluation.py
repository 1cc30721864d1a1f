"""What is shown, derived, fired, silent and lacking. Pure: no database."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecrf.checks import Evaluation, evaluate
from tests.ecrf.checks.panel_study import DAYS, data, definition, panel, place
from trial.definition import Severity

MAIN = "main"


def run(said: dict[str, list[dict[str, Any]]], *others: Any, visit: str = "M3", **facts: Any) -> Evaluation:
    return evaluate(*panel(visit, said, *others, **facts))


def derived(found: Evaluation, item: str, group: str = MAIN, row: str = "") -> Any:
    value = found.derived[group, row, item]
    return value.value if value is not None else None


def fired(found: Evaluation) -> set[tuple[str, str]]:
    return {(f.check_id, f.row) for f in found.fired}


class TestSkipLogic:
    def test_true_shows_false_hides_unknown_shows_and_marks(self) -> None:
        """CHK-100: TRAPS 14: whoever does not know yet sees the question."""
        key = (MAIN, "", "packs")
        for answer, shown, uncertain in (
            (True, True, False),
            (False, False, False),
            (None, True, True),
            ("!UNK", True, True),
        ):
            found = run(data(value=100, **({} if answer is None else {"smoker": answer})))
            assert found.shown[key] is shown
            assert (key in found.uncertain) is uncertain

    def test_a_hidden_value_is_out_of_derivations_and_checks(self) -> None:
        """CHK-101: kept in the data, read by nothing."""
        found = run(data(value=100, smoker=False, packs=9))
        assert derived(found, "exposure") is None
        assert ("packs_few", "") not in fired(found)
        found = run(data(value=100, smoker=True, packs=9))
        assert derived(found, "exposure") == 180
        assert ("packs_few", "") in fired(found)

    def test_a_hidden_group_hides_its_rows_from_every_list(self) -> None:
        """CHK-102: neither counted nor summed, neither asked nor checked."""
        rows = [{"dose": 0}, {"dose": 7}]
        shown, hidden = run(data(rows, value=100, smoker=True)), run(data(rows, value=600, smoker=True))
        assert (derived(shown, "doses_given"), derived(shown, "total")) == (2, 7)
        assert ("dose_positive", "r1") in fired(shown)
        assert ("doses", "r2", "why") in shown.lacking
        assert hidden.shown_groups["doses"] is False
        assert (derived(hidden, "doses_given"), derived(hidden, "total")) in ((0, 0), (0, None))
        assert not {check for check, _row in fired(hidden)} & {"dose_positive"}
        assert [key for key in hidden.lacking if key[0] == "doses"] == []
        assert derived(hidden, "double", "doses", "r2") is None


class TestDerivations:
    def test_each_kind_of_reference(self) -> None:
        """CHK-110: same form, previous visit, named visit, other form, log, rows, participant, visit."""
        others = (
            (place("SCR"), data(value=90)),
            (place("SCR", "vitals"), {"main": [{"_id": "", "sbp": {"value": 130}}]}),
        )
        found = run(
            data([{"dose": 3}, {"dose": 4}], value=125),
            *others,
            birth_year=1961, birth_month=5, randomized_on=DAYS["SCR"],
        )  # fmt: skip
        assert derived(found, "half") == Decimal("62.5")
        assert derived(found, "change") == 35
        assert derived(found, "baseline") == 90
        assert derived(found, "pressure") == 130
        assert (derived(found, "doses_given"), derived(found, "total")) == (2, 7)
        assert [derived(found, "double", "doses", row) for row in ("r1", "r2")] == [6, 8]
        assert derived(found, "age") == 64
        assert derived(found, "since") == 91
        assert derived(found, "lesions") == 0

    @pytest.mark.parametrize("value", [None, "!ND"])
    def test_unknown_leaves_a_derivation_empty(self, value: str | None) -> None:
        """CHK-111: TRAPS 14: empty, never zero."""
        found = run(data(**({} if value is None else {"value": value})), (place("SCR"), data(value=90)))
        assert [derived(found, item) for item in ("half", "change", "inverse")] == [None, None, None]
        assert derived(found, "baseline") == 90

    def test_a_division_by_zero_is_empty_and_no_crash(self) -> None:
        """CHK-112: whatever is typed."""
        assert derived(run(data(value=0)), "inverse") is None

    def test_what_the_form_stores_as_derived_is_never_believed(self) -> None:
        """CHK-113: calculated again from its inputs, whatever was sent or kept."""
        assert derived(run(data(value=100, half="999.0")), "half") == Decimal("50.0")


class TestChecks:
    def test_false_fires_true_and_unknown_do_not(self) -> None:
        """CHK-120: TRAPS 14: a check that cannot be evaluated does not fire and is listed."""
        before = (place("SCR"), data(value=120))
        assert ("not_falling", "") in fired(run(data(value=100), before))
        assert ("not_falling", "") not in fired(run(data(value=120), before))
        alone = run(data(value=100))
        assert ("not_falling", "") not in fired(alone)
        assert "not_falling" in alone.silent

    def test_a_check_of_a_row_speaks_of_that_row(self) -> None:
        """CHK-121: once per row, with its id; hard and soft apart."""
        found = run(data([{"dose": 0}, {"dose": 2}, {}, {"dose": 0}], value=100))
        assert {row for check, row in fired(found) if check == "dose_positive"} == {"r1", "r4"}
        assert {f.severity for f in found.hard} == {Severity.HARD}
        assert found.silent.count("dose_positive") == 1
        assert next(f for f in found.hard).message["fr"] == "Trop petite"

    @pytest.mark.parametrize(("value", "fires"), [(79, True), (80, False), (200, False), (201, True), ("!ND", False)])
    def test_soft_limits_are_inclusive_and_make_a_check_of_their_own(self, value: Any, fires: bool) -> None:
        """CHK-122: outside asks, at the limit does not."""
        found = run(data(value=value))
        assert (("range:value", "") in fired(found)) is fires
        for one in found.soft:
            assert set(one.message) == {"en", "fr"}

    def test_required_is_what_is_shown_and_neither_answered_nor_missing(self) -> None:
        """CHK-123: a missing code is an answer; what is hidden is not asked."""
        assert set(run(data()).lacking) == {(MAIN, "", "value"), (MAIN, "", "packs")}
        assert run(data(value="!ND", smoker=False)).lacking == []
        assert run(data(value=1, smoker=True)).lacking == [(MAIN, "", "packs")]

    def test_too_few_rows_are_lacking_as_a_group(self) -> None:
        """CHK-124: min_rows, while the group is shown."""
        of = definition(**{"min_rows: 0": "min_rows: 2"})
        from ecrf.checks import Book, Facts

        for said, lacks in (
            (data([{"dose": 1}], value=100), True),
            (data([{"dose": 1}], value=600, smoker=True), False),
        ):
            book = Book(of, Facts(today=dt.date(2026, 9, 1)), [])
            found = evaluate(book, book.entry(place("M3"), said))
            assert (("doses", "", "") in found.lacking) is lacks


class TestConsent:
    day = dt.date(2026, 3, 10)

    def asked(self, of: Any, on: dt.date | None, consented_on: dt.date | None = day) -> bool:
        from ecrf.checks import Book, Facts

        book = Book(of, Facts(today=dt.date(2026, 9, 1), consented_on=consented_on), [])
        said = data(value=100, **({"taken_on": on} if on else {}))
        return ("consent:taken_on", "") in fired(evaluate(book, book.entry(place("M3"), said)))

    def test_a_procedure_dated_before_consent_is_a_finding(self) -> None:
        """CHK-130: DOMAIN, Consent; on the same day it is not before."""
        one = dt.timedelta(days=1)
        assert self.asked(definition(), self.day - one)
        assert not self.asked(definition(), self.day)
        assert not self.asked(definition(), None)
        assert not self.asked(definition(), self.day - one, consented_on=None)

    @pytest.mark.parametrize(
        "replacement",
        [
            {"date_item: taken_on": "date_item: taken_on\nstandard_of_care: true"},
            {"id: taken_on, type: date": "id: taken_on, type: date, standard_of_care: true"},
        ],
        ids=["form", "item"],
    )
    def test_standard_of_care_may_be_earlier(self, replacement: dict[str, str]) -> None:
        """CHK-131: marked on the form or on the item."""
        assert not self.asked(definition(**replacement), self.day - dt.timedelta(days=9))

    @pytest.mark.parametrize(("typed", "fires"), [("2026-02", True), ("2026-03", False), ("2026", False)])
    def test_a_partial_date_is_before_only_when_it_surely_is(self, typed: str, fires: bool) -> None:
        """CHK-132: an unknown day is neither before nor after."""
        from ecrf.checks import Book, Facts

        of = definition(**{"id: taken_on, type: date": "id: taken_on, type: partial_date"})
        book = Book(of, Facts(today=dt.date(2026, 9, 1), consented_on=self.day), [])
        said = data(value=100)
        said["main"][0]["taken_on"] = {"value": typed}
        found = evaluate(book, book.entry(place("M3"), said))
        assert (("consent:taken_on", "") in fired(found)) is fires


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
VALUES = st.one_of(
    st.builds(lambda n: {"value": n}, st.integers(-(10**20), 10**20)),
    st.builds(lambda text: {"value": text}, st.text(max_size=12)),
    st.builds(lambda flag: {"value": flag}, st.booleans()),
    st.builds(lambda code: {"missing": code}, st.sampled_from(["ND", "UNK", "NA", "??"])),
    st.builds(lambda day: {"value": day.isoformat()}, st.dates()),
    st.dictionaries(st.sampled_from(["value", "missing", "reason", "extra", "unit"]), JSON, max_size=4),
)
ITEMS = sorted(definition().form("panel").items)
ROW = st.dictionaries(st.sampled_from(ITEMS), VALUES, max_size=len(ITEMS))
RECORD = st.builds(
    lambda main, rows: {
        "main": [{"_id": ""} | main],
        "doses": [{"_id": f"r{n}"} | row for n, row in enumerate(rows)],
    },
    ROW,
    st.lists(ROW, max_size=3),
)


@settings(max_examples=150, deadline=None)
@given(RECORD, st.lists(st.tuples(st.sampled_from(["SCR", "M6", "UNS"]), RECORD), max_size=3), st.none() | st.dates())
def test_evaluation_never_raises_whatever_is_stored(
    said: dict[str, Any], others: list[tuple[str, dict[str, Any]]], consented_on: dt.date | None
) -> None:
    """CHK-140: garbage is unknown; the same data give the same answer, and stay as they were."""
    before = repr(said)
    entries = [(place(visit, on=dt.date(2026, 2, 2)), other) for visit, other in others]
    one = evaluate(*panel("M3", said, *entries, consented_on=consented_on))
    two = evaluate(*panel("M3", said, *entries, consented_on=consented_on))
    assert one == two
    assert repr(said) == before
    assert set(one.derived) <= set(one.shown)
    assert not {key for key in one.lacking if key[2] and not one.shown[key]}


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 999),
    st.none() | st.booleans(),
    st.none() | st.integers(0, 9),
    st.lists(st.integers(0, 9), max_size=4),
)
def test_evaluation_says_what_the_rules_say(
    value: int, smoker: bool | None, packs: int | None, doses: list[int]
) -> None:
    """CHK-141: against the rules written out again in Python."""
    said = {
        name: given_value for name, given_value in (("smoker", smoker), ("packs", packs)) if given_value is not None
    }
    found = run(data([{"dose": dose} for dose in doses], value=value, **said))
    packs_known = packs if smoker is not False else None
    assert derived(found, "exposure") == (packs_known * 20 if packs_known is not None else None)
    hidden = smoker is True and value > 500
    assert derived(found, "doses_given") == (0 if hidden else len(doses))
    wanted = set() if hidden else {f"r{n}" for n, dose in enumerate(doses, 1) if dose < 1}
    assert {row for check, row in fired(found) if check == "dose_positive"} == wanted
    assert (("range:value", "") in fired(found)) is not (80 <= value <= 200)
