"""The function that is written for a form says what its expressions say one by one. Pure: no database."""

from __future__ import annotations

import gc
import weakref
from random import Random
from typing import Any

import pytest

from ecrf.checks import Book, Facts, Place, evaluate
from ecrf.checks.book import Rows
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
      - id: lost
        type: yesno
        label: {en: Lost, fr: Perdu}
        derived: "is_missing(reason) or is_missing(previous.value, 'ND')"
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


CODES = [{"missing": "ND"}, {"missing": "UNK", "reason": "lost"}, {"value": "not this", "unit": 1}]
INTEGERS = [{"value": number} for number in (-1, 0, 1, 3, 5, 9)]
TEXTS = [{"value": text} for text in ("x", "long", "")]
DECIMALS = [{"value": "3.5"}, {"value": "12.0", "extra": {"lo": "1"}}, {"value": "-1"}]
DATES = [{"value": text} for text in ("2026", "2026-03", "2026-04-06", "2026-05-01")]
FLAGS = [{"value": True}, {"value": True}, {"value": False}]
MAIN = {
    "taken_on": DATES[2:], "smoker": FLAGS, "packs": INTEGERS, "half": DECIMALS, "total": INTEGERS,
    "value": [{"value": number} for number in (70, 110, 150, 600)],
}  # fmt: skip
MORE = {"reason": TEXTS, "depth": DECIMALS, "began": DATES, "large": FLAGS}
DOSE = {"dose": INTEGERS, "why": TEXTS, "site": TEXTS, "given_on": DATES[2:], "double": INTEGERS}


def row(rng: Random, row_id: str, items: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """A stored row: most items are filled, some by a missing code, some hold what is no value of their type."""
    held: dict[str, Any] = {"_id": row_id}
    for name, values in items.items():
        kind = rng.random()
        if kind < 0.85:
            held[name] = rng.choice(values if kind < 0.75 else CODES)
    if rng.random() < 0.1:
        held["_hidden"] = ["dose", "value", "depth"]
    return held


def record(rng: Random) -> Rows:
    """A stored panel, now and then without one of its groups."""
    found = {
        "main": [row(rng, "", MAIN)],
        "more": [row(rng, "", MORE)],
        "doses": [row(rng, f"r{number}", DOSE) for number in range(rng.randrange(4))],
    }
    return {group: rows for group, rows in found.items() if rng.random() < 0.95}


@pytest.mark.parametrize("seed", range(300))
def test_a_form_is_told_as_its_expressions_say_one_by_one(seed: int) -> None:
    """CHK-160: conditions, calculations, edit checks and what is lacking, whatever feeds what."""
    rng = Random(seed)
    others = [(place("SCR"), record(rng))] if rng.random() < 0.7 else []
    sizes = [rng.choice(DECIMALS + CODES) for _ in range(rng.randrange(3))]
    others += [(Place("lesion", number=n), {"main": [{"_id": "", "size": size}]}) for n, size in enumerate(sizes, 1)]
    book = Book(twisted(), Facts(today=TODAY, birth_year=1961, randomized_on=DAYS["SCR"]), others)
    entry = book.entry(place(rng.choice(["M3", "UNS"]), on=DAYS["M3"]), record(rng))

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
