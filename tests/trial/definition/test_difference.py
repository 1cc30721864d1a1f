"""DEF-060: what an amendment changes is told in words, in the language of who reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trial.definition.small_study import replaced, write
from trial.definition import Change, ChangeKind, Definition, difference, load_folder, sections

NOTHING = sections.Registry()


def load(folder: Path, changes: dict[str, Any] | None = None) -> Definition:
    definition, problems = load_folder(write(folder, changes), section_registry=NOTHING)
    assert definition is not None, [str(problem) for problem in problems]
    return definition


def compare(tmp_path: Path, changes: dict[str, Any], locale: str = "en") -> list[Change]:
    return difference(load(tmp_path / "old"), load(tmp_path / "new", changes), locale)


def test_nothing_changed_says_nothing(tmp_path: Path) -> None:
    """DEF-061: equal definitions differ in nothing."""
    assert compare(tmp_path, {}) == []


OTHER = "{code: X, label: {en: Other, fr: Autre}}"
CASES = [
    (
        replaced("study.yaml", "value: 40", "value: 30"),
        [("changed", "parameters › max_size › value", "The parameter “Largest”: the value was 40, is 30.")],
    ),
    (
        replaced("study.yaml", "target: 10", "target: 8"),
        [
            (
                "changed",
                "study › accrual",
                "The study “MINI-01”: the accrual plan was target 10, sites 2, months 12, "
                "is target 8, sites 2, months 12.",
            )
        ],
    ),
    (
        replaced("forms/vitals.yaml", "en: Weight", "en: Body weight"),
        [
            (
                "changed",
                "vitals › weight › label › en",
                "The item “Body weight”: the label (en) was “Weight”, is “Body weight”.",
            )
        ],
    ),
    (
        replaced("forms/vitals.yaml", "soft_max: 200", "soft_max: 180"),
        [
            (
                "changed",
                "vitals › sbp › range",
                "The item “Systolic pressure”: the range was min 40, max 300, soft_min 80, soft_max 200, "
                "is min 40, max 300, soft_min 80, soft_max 180.",
            )
        ],
    ),
    (
        replaced("forms/vitals.yaml", "unit: mmHg\n", "unit: mmHg\n        required: true\n"),
        [
            (
                "changed",
                "vitals › sbp › required",
                "The item “Systolic pressure”: whether it is required was no, is yes.",
            )
        ],
    ),
    (
        replaced("forms/end.yaml", "label: {en: Died, fr: Décès}}", "label: {en: Died, fr: Mort}}"),
        [("changed", "end › died_on › label › fr", "The item “Died”: the label (fr) was “Décès”, is “Mort”.")],
    ),
    (
        replaced("forms/vitals.yaml", "severity: soft", "severity: hard"),
        [
            (
                "changed",
                "vitals › checks › few_drugs › severity",
                "The edit check “few_drugs”: the severity was soft, is hard.",
            )
        ],
    ),
    (
        replaced("schedule.yaml", "months: [3, 6]", "months: [3, 9]"),
        [
            ("removed", "M6", "The visit “Month 6” was removed."),
            ("added", "M9", "The visit “Month 9” was added."),
        ],
    ),
    (
        replaced("schedule.yaml", "window: {before: 14, after: 14}", "window: {before: 7, after: 14}"),
        [
            (
                "changed",
                f"M{month} › window",
                f"The visit “Month {month}”: the window was before 14, after 14, is before 7, after 14.",
            )
            for month in (3, 6)
        ],
    ),
    (
        replaced(
            "codelists.yaml", "      - {code: F", "      - {code: X, label: {en: Other, fr: Autre}}\n      - {code: F"
        ),
        [("added", "codelists › sex › X", "The choice “Other” was added.")],
    ),
    (
        replaced("eligibility.yaml", "days: 28", "days: 14"),
        [
            (
                "changed",
                "eligibility › I1 › validity",
                "The criterion “Small lesions”: the validity was form vitals, days 28, is form vitals, days 14.",
            )
        ],
    ),
    (
        replaced("eligibility.yaml", "    answered_by: [investigator]\n", ""),
        [
            (
                "changed",
                "eligibility › E1 › answered_by",
                "The criterion “Refuses”: who answers is no longer set; it was investigator.",
            )
        ],
    ),
]


@pytest.mark.parametrize(("changes", "told"), CASES)
def test_each_change_is_told(changes: dict[str, Any], told: list[tuple[str, str, str]], tmp_path: Path) -> None:
    """DEF-062: kind, place and sentence of each change, and no other change."""
    assert [(c.kind.value, c.place, c.words) for c in compare(tmp_path, changes)] == told


def test_words_are_in_the_language_of_the_reader(tmp_path: Path) -> None:
    """DEF-063: names come from the label in the reader's language, and sentences from the translator given."""
    old = load(tmp_path / "old")
    new = load(tmp_path / "new", replaced("schedule.yaml", "months: [3, 6]", "months: [3]"))
    french = {"{thing} “{name}” was removed.": "{thing} « {name} » a été retirée.", "The visit": "La visite"}
    changes = difference(old, new, "fr", translate=lambda text: french.get(text, text))
    assert [change.words for change in changes] == ["La visite « Mois 6 » a été retirée."]


def test_added_and_removed_forms_and_items(tmp_path: Path) -> None:
    """DEF-064: going one way and the other are mirror images."""
    changes: dict[str, Any] = {
        **replaced("schedule.yaml", "log_forms: [lesion, event]", "log_forms: [lesion]"),
        "forms/event.yaml": None,
        **replaced("forms/vitals.yaml", "      - {id: done_on, type: date, label: {en: Date, fr: Date}}\n", ""),
        **replaced("eligibility.yaml", "    validity: {form: vitals, days: 28}\n", ""),
    }
    changes["forms/vitals.yaml"] = changes["forms/vitals.yaml"].replace("date_item: done_on\n", "")
    old, new = load(tmp_path / "old"), load(tmp_path / "new", changes)
    gone = {(c.thing, c.words) for c in difference(old, new, "en") if c.kind is ChangeKind.REMOVED}
    came = {(c.thing, c.words) for c in difference(new, old, "en") if c.kind is ChangeKind.ADDED}
    assert gone == {("form", "The form “Event” was removed."), ("item", "The item “Date” was removed.")}
    assert came == {("form", "The form “Event” was added."), ("item", "The item “Date” was added.")}


def test_a_change_of_order_is_one_change(tmp_path: Path) -> None:
    """DEF-065: swapping two choices is told once, not as two changes."""
    text = "      - {code: F, label: {en: Female, fr: Femme}}\n      - {code: M, label: {en: Male, fr: Homme}}\n"
    first, second = text.splitlines(keepends=True)
    changes = compare(tmp_path, replaced("codelists.yaml", text, second + first))
    assert [change.words for change in changes] == ["The order of the choices was changed."]


def test_changes_that_reveal_the_arm_are_marked(tmp_path: Path) -> None:
    """DEF-066: what hangs on one arm is told apart, so that a page can leave it out."""
    changes = compare(
        tmp_path,
        {
            **replaced("forms/dose.yaml", "en: Given", "en: Delivered"),
            **replaced("forms/end.yaml", "en: Died", "en: Death"),
        },
    )
    assert {change.place: change.reveals_arm for change in changes} == {
        "dose › given › label › en": True,
        "end › died_on › label › en": False,
    }
