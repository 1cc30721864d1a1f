"""A copy of the study whose arms, pathways and what hangs on them have names that stand nowhere else."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests import stages
from tests.cast import STUDY_FOLDER, Cast
from trial.actions import studies
from trial.definition import Definition
from trial.definitions import definition_of
from trial.models import Version

ARMS = {"SRT": "ZQMARKARMONE", "SWITCH": "ZQMARKARMTWO"}
PATHWAYS = {"srt": "zqmarkpathone", "switch": "zqmarkpathtwo"}
VISITS = {"SRT_PLAN": "ZQMARKVISITONE", "SWITCH_START": "ZQMARKVISITTWO"}
MARK = "zqmark"
"""Every id and label of an arm, a pathway, a visit or a form that reveals begins with it, in capitals or not.

Six letters: two of them stand in one of fifteen random tokens by chance."""


def marked_folder(target: Path) -> Path:
    """Copy the study folder and rename in it everything that would tell the arm."""
    shutil.copytree(STUDY_FOLDER, target)
    revealing = [path.stem for path in (target / "forms").glob("*.yaml") if _read(path).get("reveals_arm")]
    names = VISITS | {form: f"zqmark_{form}" for form in revealing}
    for path in target.rglob("*.yaml"):
        text = path.read_text()
        for old, new in names.items():
            text = re.sub(rf"\b{old}\b", new, text)
        path.write_text(text)
    for form in revealing:
        path = (target / "forms" / f"{form}.yaml").rename(target / "forms" / f"zqmark_{form}.yaml")
        content = _read(path)
        content["label"] = {locale: f"Zqmarkform {form} {locale}" for locale in content["label"]}
        content["pathways"] = [PATHWAYS[name] for name in content.get("pathways", [])]
        _write(path, content)
    study = _read(target / "study.yaml")
    for arm in study["arms"]:
        arm["id"] = ARMS[arm["id"]]
        arm["label"] = {locale: f"Zqmarkarm {arm['id']} {locale}" for locale in arm["label"]}
        arm["pathway"] = PATHWAYS[arm["pathway"]]
    for pathway in study["pathways"]:
        pathway["id"] = PATHWAYS[pathway["id"]]
        pathway["label"] = {locale: f"Zqmarkpath {pathway['id']} {locale}" for locale in pathway["label"]}
    _write(target / "study.yaml", study)
    schedule = _read(target / "schedule.yaml")
    for visit in schedule["visits"]:
        visit["pathways"] = [PATHWAYS[name] for name in visit.get("pathways", [])]
        if visit["id"] in VISITS.values():
            visit["label"] = {locale: f"Zqmarkvisit {visit['id']} {locale}" for locale in visit["label"]}
    _write(target / "schedule.yaml", schedule)
    randomization = _read(target / "randomization.yaml")
    randomization["ratio"] = {ARMS[arm]: share for arm, share in randomization["ratio"].items()}
    _write(target / "randomization.yaml", randomization)
    treatment = _read(target / "treatment.yaml")
    treatment["arms"] = {ARMS[arm]: part for arm, part in treatment["arms"].items()}
    _write(target / "treatment.yaml", treatment)
    return target


def cast_of() -> Cast:
    """The cast in the marked copy of the study."""
    return stages.begin("marked", make)


def make() -> Cast:
    """The same, in the database of the test itself."""
    with tempfile.TemporaryDirectory() as folder:
        version, problems = studies.publish(path=marked_folder(Path(folder) / "marked"), by=None, reason="Marked")
    assert version is not None, "\n".join(map(str, problems))
    return Cast()


def revealing_words(version: Version) -> set[str]:
    """Every id and label of what would tell the arm: none of them may be shown to a blinded person."""
    definition = definition_of(version.pk)
    words: set[str] = set()
    for arm in definition.arms.values():
        words |= {arm.id, *arm.label.values()}
    for pathway in definition.pathways.values():
        words |= {pathway.id, *pathway.label.values()}
    for visit in definition.visits:
        if definition.reveals_arm(visit_id=visit.id):
            words |= {visit.id, *visit.label.values()}
    for form in definition.forms.values():
        if definition.reveals_arm(form.id):
            words |= {form.id, *form.label.values()}
    return words


def only_of_arm(definition: Definition, arm: str) -> list[str]:
    """The visits that only participants of an arm have."""
    pathway = definition.arms[arm].pathway
    return [visit.id for visit in definition.visits if visit.pathways == (pathway,)]


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def _write(path: Path, content: Any) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
