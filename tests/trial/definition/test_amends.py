"""A folder that amends another holds only what differs; the definition is that of all the files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from trial.definition import Definition, Problem, load_folder

STUDIES = Path(__file__).resolve().parents[3] / "studies"


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    shutil.copytree(STUDIES / "storm01", tmp_path / "base")
    (tmp_path / "next").mkdir()
    return tmp_path


def load(folder: Path) -> tuple[Definition | None, list[str]]:
    definition, problems = load_folder(folder)
    return definition, [f"{p.file}: {p.fault}" for p in problems if isinstance(p, Problem)]


def test_files_that_differ_win_and_the_others_come_from_the_base(studies: Path) -> None:
    """AMD-001: also over two layers, and without a file that is dropped; the same hash as the whole folder's."""
    (studies / "next" / "amends.yaml").write_text("base: base\n")
    text = (studies / "base" / "study.yaml").read_text()
    (studies / "next" / "study.yaml").write_text(text.replace("target: 114", "target: 100"))
    definition, problems = load(studies / "next")
    assert definition is not None and problems == []
    assert definition.study.accrual.target == 100 and len(definition.forms) > 30

    shutil.copytree(studies / "base", studies / "whole")
    (studies / "whole" / "study.yaml").write_text(text.replace("target: 114", "target: 100"))
    whole, _problems = load(studies / "whole")
    assert whole is not None and whole.content_hash == definition.content_hash

    (studies / "third").mkdir()
    (studies / "third" / "amends.yaml").write_text("base: next\nwithout: [timeline.yaml]\n")
    third, problems = load(studies / "third")
    assert third is not None and problems == []
    assert third.study.accrual.target == 100 and third.section("timeline") is None
    assert definition.section("timeline") is not None


@pytest.mark.parametrize(
    ("amends", "told"),
    [
        ("base: nowhere\n", "nowhere"),
        ("base: next\n", "amends this one"),
        ("base: ../base\n", "amends.yaml"),
        ("without: []\n", "amends.yaml"),
        ("base: base\nwithout: [forms/none.yaml]\n", "no file forms/none.yaml"),
    ],
)
def test_a_base_that_is_none_is_a_problem_in_words(studies: Path, amends: str, told: str) -> None:
    """AMD-002: no folder, itself, a path that leads elsewhere, no base, a file that is not there: nothing is loaded."""
    (studies / "next" / "amends.yaml").write_text(amends)
    definition, problems = load(studies / "next")
    assert definition is None
    assert any(told in problem for problem in problems), problems


def test_a_problem_in_the_base_names_the_base(studies: Path) -> None:
    """AMD-003: so that it is found."""
    (studies / "next" / "amends.yaml").write_text("base: base\n")
    schedule = studies / "base" / "schedule.yaml"
    schedule.write_text(schedule.read_text().replace("forms: [progression]", "forms: [progresion]"))
    _definition, problems = load(studies / "next")
    assert any(problem.startswith("base/schedule.yaml: ") for problem in problems), problems


def test_the_amendment_of_the_trial_differs_as_its_registry_says() -> None:
    """AMD-004: FACTS 1.2: 114 became 77 and the word "randomized" went; forms, visits and criteria are the same."""
    first, problems = load(STUDIES / "storm01")
    second, more = load(STUDIES / "storm01-amendment")
    assert first is not None and second is not None and problems == more == []
    assert (first.study.accrual.target, second.study.accrual.target) == (114, 77)
    assert "randomized" in first.study.title["en"] and "randomized" not in second.study.title["en"]
    assert first.section("randomization").closed is None  # type: ignore[union-attr]
    assert second.section("randomization").closed.register_to == "SRT"  # type: ignore[union-attr]
    assert first.forms == second.forms and first.visits == second.visits and first.criteria == second.criteria
