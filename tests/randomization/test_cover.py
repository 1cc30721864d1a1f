"""Strata are proved at publish to cover every participant who can be eligible exactly once; faults show examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from randomization.section import RandomizationSection, expressions, validate
from tests.trial.definition.small_study import ELIGIBILITY, write
from trial.definition import load_folder, sections


def registry() -> sections.Registry:
    found = sections.Registry()
    found.register("randomization", RandomizationSection, validate, expressions)
    return found


def factor(**levels: str) -> dict[str, Any]:
    named = [{"code": code, "label": {"en": code, "fr": code}, "when": when} for code, when in levels.items()]
    return {"id": "f", "label": {"en": "F", "fr": "F"}, "levels": named}


def problems_of(folder: Path, *factors: Any, criteria: str = "", **said: Any) -> list[str]:
    """Every problem of the small study with these strata; `criteria` are further lines of eligibility.yaml."""
    section = {"scheme": "permuted_blocks", "ratio": {"A": 1, "B": 1}, "strata": list(factors), "list_size": 10} | said
    changes = {"randomization.yaml": yaml.safe_dump(section), "eligibility.yaml": ELIGIBILITY + criteria}
    _definition, found = load_folder(write(folder, changes), section_registry=registry())
    return [str(problem) for problem in found if problem.file == "randomization.yaml"]


def criterion(expression: str, kind: str = "inclusion", name: str = "X1") -> str:
    return f'  - {{id: {name}, kind: {kind}, text: {{en: X, fr: X}}, expression: "{expression}"}}\n'


@pytest.mark.parametrize(
    "levels",
    [
        {"F": "consent.sex == 'F'", "M": "consent.sex == 'M'"},
        {"F": "participant.sex == 'F'", "M": "participant.sex != 'F'"},
        {"Y": "consent.refuses", "N": "not consent.refuses"},
        {"LOW": "vitals.sbp < 140", "HIGH": "vitals.sbp >= 140"},
        {"LOW": "vitals.sbp <= 139.5", "HIGH": "139.5 < vitals.sbp"},
        {"LOW": "vitals.weight < 70.5", "MID": "70.5 <= vitals.weight < 90", "HIGH": "vitals.weight >= 90"},
        {"LOW": "vitals.index <= param.max_size", "HIGH": "vitals.index > param.max_size"},
        {"OLD": "participant.age >= 65", "YOUNG": "participant.age < 65"},
        {"EVEN": "vitals.sbp % 2 == 0", "ODD": "vitals.sbp % 2 == 1"},  # every value of a small range is tried
        {"A": "consent.sex == 'F' and vitals.sbp < 120", "B": "consent.sex == 'M' or vitals.sbp >= 120"},
    ],
)
def test_covers_that_are_proved(tmp_path: Path, levels: dict[str, str]) -> None:
    """RND-620: codes, yes and no, ages, numbers with thresholds, parameters and several items at once."""
    assert problems_of(tmp_path, factor(**levels)) == []


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ({"F": "consent.sex == 'F'", "OLD": "consent.sex == 'M' and participant.age > 50"},
         ["No level holds when consent.sex = M, participant.age = 49"]),
        ({"F": "consent.sex == 'F'", "ALL": "consent.sex in ('F', 'M')"}, ["F, ALL all hold when consent.sex = F"]),
        ({"LOW": "vitals.sbp < 140", "HIGH": "vitals.sbp > 140"}, ["No level holds when vitals.sbp = 140."]),
        ({"LOW": "vitals.sbp <= 140", "HIGH": "vitals.sbp >= 140"}, ["LOW, HIGH all hold when vitals.sbp = 140."]),
        ({"LOW": "vitals.weight <= 70.4", "HIGH": "vitals.weight >= 70.6"},
         ["No level holds when vitals.weight = 70.5."]),
        ({"LOW": "vitals.sbp < 20", "HIGH": "vitals.sbp >= 20"}, ["f › LOW: It holds in no case."]),
        ({"KNOWN": "is_known(consent.sex)", "F": "not is_known(consent.sex) and consent.sex == 'F'"},
         ["f › F: It is undecided when consent.sex = UNKNOWN."]),
    ],
)  # fmt: skip
def test_a_gap_an_overlap_and_a_level_that_never_holds_are_shown(
    tmp_path: Path, levels: dict[str, str], words: list[str]
) -> None:
    """RND-621: with example cases, at the factor, and nothing is published."""
    found = problems_of(tmp_path, factor(**levels))
    assert all(problem.startswith("DEF131 randomization.yaml › strata") for problem in found)
    assert [one for one in words if any(one in problem for problem in found)] == words


def test_only_participants_who_can_be_eligible_must_be_covered(tmp_path: Path) -> None:
    """RND-622: a criterion that rules a case out for certain leaves it out; one that may not, does not."""
    low = factor(LOW="vitals.sbp < 140", MID="vitals.sbp >= 140 and vitals.sbp <= 160")
    assert problems_of(tmp_path, low)
    assert problems_of(tmp_path, low, criteria=criterion("vitals.sbp <= 160")) == []
    assert problems_of(tmp_path, low, criteria=criterion("vitals.sbp > 160", "exclusion")) == []
    assert problems_of(tmp_path, low, criteria=criterion("160 >= vitals.sbp and consent.sex == 'F'")) == []
    assert problems_of(tmp_path, low, criteria=criterion("vitals.sbp <= 160 or consent.sex == 'F'"))
    assert problems_of(tmp_path, low, criteria=criterion("vitals.sbp <= 161"))
    assert problems_of(tmp_path, low, criteria=criterion("vitals.sbp <= 160 and any(lesion.size > 1)"))
    # coalesce does not wait for what is unknown: it would rule out cases that may be eligible
    assert problems_of(tmp_path, low, criteria=criterion("coalesce(vitals.weight, 0) > 1 and vitals.sbp <= 160"))


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ({"Y": "any(lesion.size > 10)", "N": "not any(lesion.size > 10)"}, "goes through the rows"),
        ({"Y": "consent.signed_on < today", "N": "consent.signed_on >= today"}, "is a date"),
        ({"Y": "vitals.weight * 2 < 100", "N": "vitals.weight * 2 >= 100"}, "is computed with"),
        ({"Y": "vitals.bmi < vitals.index", "N": "vitals.bmi >= vitals.index"}, "is computed with"),
        ({"Y": "year(today) < 2026", "N": "year(today) >= 2026"}, "can have any value"),
    ],
)
def test_what_cannot_be_laid_out_is_a_problem_not_a_guess(tmp_path: Path, levels: dict[str, str], words: str) -> None:
    """RND-623: a cover that is not proved is not one."""
    found = problems_of(tmp_path, factor(**levels))
    assert len(found) == 1 and "is not proved" in found[0] and words in found[0]


def test_a_condition_that_does_not_compile_is_one_problem(tmp_path: Path) -> None:
    """RND-624: the fault is told where it stands; the proof waits until it compiles."""
    found = problems_of(tmp_path, factor(F="consent.sexe == 'F'", M="consent.sex == 'M'"))
    assert len(found) == 1 and "DEF131" not in found[0]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"scheme": "coin"}, "No algorithm makes a list by 'coin'"),
        ({"ratio": {"A": 0, "B": 1}}, "A ratio of 0 never allocates A"),
        ({"ratio": {"A": 1}}, "The arm B has no share"),
        ({"scheme": "biased_coin", "ratio": {"A": 2, "B": 1}}, "two arms in the ratio 1:1"),
        ({"scheme": "big_stick", "ratio": {"A": 2, "B": 1}}, "two arms in the ratio 1:1"),
        ({"scheme": "urn", "ratio": {"A": 2, "B": 1}}, "arms in equal shares"),
        ({"scheme": "minimization", "ratio": {"A": 23, "B": 20}}, "add up to more than 40"),
        ({"scheme": "minimization", "strata": []}, "no factor to balance"),
        ({"scheme": "minimization", "list_size": 9}, "shorter than the accrual target of 10"),
        ({"site_factor": True}, "Only minimization balances by site"),
        ({"list_size": 0}, "A list needs slots"),
    ],
)
def test_schemes_and_ratios_are_judged_at_publish(tmp_path: Path, said: dict[str, Any], words: str) -> None:
    """RND-625: a ratio that the scheme does not know, minimization without a factor or with too few draws."""
    sex = factor(F="consent.sex == 'F'", M="consent.sex == 'M'")
    found = problems_of(tmp_path, **({"strata": [sex]} | said))
    assert any(words in problem for problem in found)


def test_minimization_over_site_and_factors_is_taken(tmp_path: Path) -> None:
    """RND-626: with or without the site; a factor may not take the site's name beside it."""
    sex = factor(F="consent.sex == 'F'", M="consent.sex == 'M'")
    assert problems_of(tmp_path, sex, scheme="minimization", ratio={"A": 1, "B": 2}) == []
    assert problems_of(tmp_path, scheme="minimization", site_factor=True) == []
    assert problems_of(tmp_path, sex | {"id": "site"}, scheme="minimization", site_factor=True)
