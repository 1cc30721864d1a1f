"""The function that is written for a form says what its expressions say one by one. Pure: no database."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ecrf.checks import Book, Facts, Place, evaluate
from ecrf.checks.program import program_of
from tests.ecrf.checks.panel_study import DAYS, TODAY, data, definition, place
from tests.ecrf.checks.plainly import answers, evaluate_plainly
from trial.definition import Definition
from trial.language import UNKNOWN

TWISTS = {
    # A row reads what is counted over all rows, and is counted over itself.
    "      - {id: why, type: text": """\
      - {id: share, type: decimal, decimals: 2, label: {en: Share, fr: Part}, derived: "dose / total"}
      - {id: repeated, type: yesno, label: {en: Again, fr: Encore}, derived: "visit.id == 'M3' and smoker"}
      - {id: site, type: text, label: {en: Site, fr: Site}, shown_when: "smoker", required: true}
      - {id: given_on, type: date, label: {en: On, fr: Le}, shown_when: "share > 0.2 or depth > 3"}
      - {id: why, type: text""",
    # A group and its items shown by what stands elsewhere, in rows and in other records.
    "checks:\n": """\
  - id: more
    label: {en: More, fr: Plus}
    shown_when: "smoker or total > 5"
    items:
      - {id: reason, type: text, label: {en: R, fr: R}, required: true, missing: [ND, UNK], missing_reason: true}
      - id: depth
        type: decimal
        label: {en: Depth, fr: Profondeur}
        shown_when: "value > 100"
        range: {min: 0, max: 99, soft_max: 4.5}
      - {id: began, type: partial_date, label: {en: Began, fr: Debut}}
      - {id: lag, type: integer, label: {en: Lag, fr: Delai}, derived: "days_between(began, taken_on)"}
      - {id: large, type: yesno, label: {en: Large, fr: Grand}, derived: "any(share > 0.5, dose > 2)"}
      - {id: lost, type: yesno, label: {en: Lost, fr: Perdu}, derived: "is_missing(reason) or is_missing(value, 'ND')"}
      - {id: unsaid, type: integer, label: {en: Unsaid, fr: Tu}, derived: "count(is_missing(why))"}
      - {id: earlier, type: integer, label: {en: Earlier, fr: Avant}, derived: "sum(previous.panel.dose)"}
      - {id: thin, type: yesno, label: {en: Thin, fr: Mince}, shown_when: "not large", derived: "depth < lesion_depth"}
      - {id: lesion_depth, type: decimal, label: {en: Deep, fr: Fond}, derived: "min(lesion.size, lesion.size > 3)"}
checks:
  - id: began_before
    rule: "began <= taken_on"
    severity: soft
    items: [began]
    message: {en: B, fr: B}
  - id: not_too_many
    rule: "sum(dose) <= 12"
    severity: soft
    items: [dose]
    message: {en: D, fr: D}
  - id: reasoned
    rule: "length(why) > 1 and (value > 90 or smoker)"
    severity: soft
    items: [why]
    message: {en: W, fr: W}
  - id: reasons_few
    rule: "count(why == 'x') <= 1"
    severity: soft
    items: [why, depth]
    message: {en: W, fr: W}
  - id: shared
    rule: "share <= 0.6 or depth > 3"
    severity: soft
    items: [share, depth]
    message: {en: S, fr: S}
""",
    "min_rows: 0": "min_rows: 2",
}


def twisted() -> Definition:
    return definition(**TWISTS)


INTEGERS = st.integers(-1, 9).map(lambda number: {"value": number})
CODES = st.sampled_from(
    [{"missing": "ND"}, {"missing": "UNK", "reason": "lost"}, {"value": "of another type", "unit": 1}]
)
TEXTS = st.sampled_from(["x", "long", ""]).map(lambda text: {"value": text})
DECIMALS = st.sampled_from([{"value": "3.5"}, {"value": "12.0", "extra": {"lo": "1"}}, {"value": "-1"}])
DATES = st.sampled_from(["2026", "2026-03", "2026-04-06", "2026-05-01"]).map(lambda text: {"value": text})
FLAGS = st.booleans().map(lambda flag: {"value": flag})


def row(**items: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    hidden = st.sampled_from([{}, {}, {"_hidden": ["dose", "value", "depth"]}])
    filled = st.fixed_dictionaries(
        {}, optional={name: st.one_of(values, values, CODES) for name, values in items.items()}
    )
    return st.builds(lambda held, marks: held | marks, filled, hidden)


MAIN = row(
    taken_on=DATES, smoker=FLAGS, packs=INTEGERS, half=DECIMALS, total=INTEGERS,
    value=st.sampled_from([70, 110, 600, 700]).map(lambda number: {"value": number}),
)  # fmt: skip
MORE = row(reason=TEXTS, depth=DECIMALS, began=DATES, large=FLAGS)
DOSES = st.lists(row(dose=INTEGERS, why=TEXTS, site=TEXTS, given_on=DATES, double=INTEGERS), max_size=3)
RECORDS = st.builds(
    lambda main, more, doses: {
        "main": [{"_id": ""} | main],
        "more": [{"_id": ""} | more],
        "doses": [{"_id": f"r{n}"} | each for n, each in enumerate(doses)],
    },
    MAIN, MORE, DOSES,
)  # fmt: skip
WITHOUT = st.sampled_from([(), ("main",), ("more",), ("doses",), ("more", "doses")])


@settings(max_examples=400, deadline=None)
@given(RECORDS, WITHOUT, st.none() | RECORDS, st.lists(DECIMALS | CODES, max_size=2), st.sampled_from(["M3", "UNS"]))
def test_a_form_is_told_as_its_expressions_say_one_by_one(
    said: dict[str, Any],
    without: tuple[str, ...],
    before: dict[str, Any] | None,
    sizes: list[dict[str, Any]],
    visit: str,
) -> None:
    """CHK-160: conditions, calculations, edit checks and what is lacking, whatever feeds what."""
    others = [(place("SCR"), before)] if before is not None else []
    others += [(place("SCR", "vitals"), data())]
    book = Book(twisted(), Facts(today=TODAY, birth_year=1961, randomized_on=DAYS["SCR"]), others)
    for number, size in enumerate(sizes, 1):
        book.entry(Place(form="lesion", number=number), {"main": [{"_id": "", "size": size}]})
    entry = book.entry(
        place(visit, on=DAYS["M3"]), {group: rows for group, rows in said.items() if group not in without}
    )

    found, plain = evaluate(book, entry), evaluate_plainly(book, entry)

    for name in ("shown_groups", "shown", "derived"):
        assert list(getattr(found, name).items()) == list(getattr(plain, name).items()), name
    assert found.uncertain == plain.uncertain
    assert (found.lacking, found.unexplained) == (plain.lacking, plain.unexplained)
    asked = answers(book, entry)
    fired = [(each.check_id, each.row) for each in found.fired if ":" not in each.check_id]
    assert fired == [(check, row_id) for check, row_id, answer in asked if answer is False]
    assert found.silent == [check for check, _row, answer in asked if answer is UNKNOWN]


def derived(said: dict[str, Any], *others: Any, item: str) -> Any:
    book = Book(twisted(), Facts(today=TODAY), others)
    value = evaluate(book, book.entry(place("M3"), said)).derived["more", "", item]
    return value and value.value


def test_every_row_of_an_earlier_visit_answers_for_itself() -> None:
    """CHK-161: a list that is named by a visit is more than its first row, so often repeated."""
    before = data([{"dose": 3}, {"dose": 4}], value=1)
    assert derived(data(smoker=True), (place("SCR"), before), item="earlier") == 7


def test_what_moves_in_the_data_is_seen() -> None:
    """CHK-162: values are calculated again while a book is brought up to date: nothing read before is believed."""
    said, before = data(value=100), data(value=90)
    book = Book(definition(), Facts(today=TODAY), [(place("SCR"), before)])
    entry = book.entry(place("M3"), said)
    for value, earlier in ((100, 90), (130, 60), (None, 60)):
        said["main"][0]["value"], before["main"][0]["value"] = {"value": value}, {"value": earlier}
        change = evaluate(book, entry).derived["main", "", "change"]
        assert (change and change.value) == (value and value - earlier)
        assert (entry.value("main", 0, "value") is None) is (value is None)


def test_a_program_lives_as_long_as_its_definition() -> None:
    """CHK-163: written once, and gone with the version for which it was written."""
    of = Definition.from_json({**definition().to_json()})
    assert program_of(of, "panel") is program_of(of, "panel")
    gone = weakref.ref(of)
    del of
    gc.collect()
    assert gone() is None
