"""What the study folder supposes for simulations: read into a setting, and every problem named at publish."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from randomization.algorithms import ArmRatio
from randomization.section import setting_of
from randomization.simulation import faults
from randomization.simulation.schemes import Simple
from tests.cast import STUDY_FOLDER
from trial.definition.loading import load_folder

ARMS = (ArmRatio("SRT", 1), ArmRatio("SWITCH", 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STUDY_FOLDER, tmp_path / "study"))


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "randomization.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_study_is_simulated_with_its_accrual_and_its_prevalences() -> None:
    """RND-SIM-61: 114 participants of 18 sites over 38 months, three factors, and nothing wrong with it."""
    definition, problems = load_folder(STUDY_FOLDER)
    assert definition is not None and not problems
    setting = setting_of(definition)
    assert (setting.participants, len(setting.sites), setting.months, setting.arms) == (114, 18, 38, ARMS)
    assert [factor.factor for factor in setting.factors] == ["ici", "imdc", "lesions"]
    assert setting.factors[0].levels == ("Y", "N") and sum(setting.factors[0].shares) == pytest.approx(1)
    assert {site.opens for site in setting.sites} == {0, 4, 12, 24}
    assert (setting.power, setting.alpha) == (0.8, 0.05)
    assert not faults(setting, [Simple()], 10)
    assert setting_of(definition, 77).participants == 77


def test_without_suppositions_all_levels_and_sites_are_alike(folder: Path) -> None:
    """RND-SIM-62: the section is optional."""
    path = folder / "randomization.yaml"
    path.write_text(path.read_text().split("simulation:")[0])
    definition, problems = load_folder(folder)
    assert definition is not None and not problems
    setting = setting_of(definition)
    assert all(factor.shares == (0.5, 0.5) for factor in setting.factors)
    assert {(site.share, site.opens) for site in setting.sites} == {(1.0, 0.0)} and len(setting.sites) == 18


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{FAV: 0.3, INT: 0.7}", "{FAV: 0.3, INT: 0.6}", "add up to 0.9"),
        ("{FAV: 0.3, INT: 0.7}", "{FAV: 1.3, INT: -0.3}", "not between 0 and 1"),
        ("{FAV: 0.3, INT: 0.7}", "{FAV: 0.3}", "level INT has no prevalence"),
        ("{FAV: 0.3, INT: 0.7}", "{FAV: 0.3, INT: 0.5, POOR: 0.2}", "no level POOR"),
        ("    imdc: {FAV", "    other: {FAV", "no factor other"),
        ("    imdc: {FAV", "    other: {FAV", "factor imdc has no prevalences"),
        ("{count: 4, share: 3, opens: 0}", "{count: 5, share: 3, opens: 0}", "19 sites; study.yaml plans 18"),
        ("{count: 4, share: 3, opens: 0}", "{count: 4, share: 3, opens: 1}", "No site is open at the start"),
        ("{count: 4, share: 3, opens: 0}", "{count: 4, share: 0, opens: 0}", "not above 0"),
        ("{count: 3, share: 1, opens: 24}", "{count: 3, share: 1, opens: 38}", "outside the months of inclusion"),
        ("  power: 0.8", "  power: 80", "not between 0 and 1"),
        ("  power: 0.8", "  strength: 0.8", "strength"),
        ("{FAV: 0.3, INT: 0.7}", "{FAV: many, INT: 0.7}", "many"),
    ],
)
def test_what_is_wrong_with_the_suppositions_is_named_at_publish(folder: Path, old: str, new: str, said: str) -> None:
    """RND-SIM-63: a problem with its file and its remedy, and no definition."""
    edit(folder, old, new)
    definition, problems = load_folder(folder)
    assert definition is None
    assert any(said in str(problem) and "randomization.yaml" in str(problem) for problem in problems), problems
