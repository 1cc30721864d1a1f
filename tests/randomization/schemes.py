"""A copy of the study that randomizes by another scheme, and files to import."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import yaml

from randomization import opening
from randomization.actions import lists
from randomization.models import AllocationList
from tests import stages
from tests.cast import STUDY_FOLDER, Cast
from trial.actions import studies

MINIMIZATION: dict[str, Any] = {"scheme": "minimization", "site_factor": True, "list_size": 120}
WEIGHTS = {"ici": 2, "imdc": 1, "lesions": 1, "site": 1}
MINIMIZED: dict[str, Any] = {"probability": "4/5", "imbalance": "range", "weights": WEIGHTS}


def cast_of(**said: Any) -> Cast:
    """The cast in a copy of the study whose randomization.yaml says `said`."""
    return stages.begin(f"scheme {said!r}", lambda: _make(said))


def _make(said: dict[str, Any]) -> Cast:
    with tempfile.TemporaryDirectory() as folder:
        target = study_saying(Path(folder) / "study", said)
        version, problems = studies.publish(path=target, by=None, reason="Another scheme")
    assert version is not None, "\n".join(map(str, problems))
    return Cast()


def study_saying(target: Path, said: dict[str, Any]) -> Path:
    """A copy of the study folder whose randomization.yaml says `said`."""
    shutil.copytree(STUDY_FOLDER, target)
    file = target / "randomization.yaml"
    content = yaml.safe_load(file.read_text()) | said
    file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return target


def in_use(cast: Cast, made: AllocationList) -> AllocationList:
    """A drafted list approved by a second person and put into use."""
    return lists.put_into_use(allocation_list=cast.approved_list(made), by=cast.ursula_statistician)


def opened(made: AllocationList) -> dict[tuple[str, int], str]:
    """What every slot of a list holds."""
    key = opening.data_key(made)
    return {(slot.stratum, slot.position): opening.open_slot(key, made, slot).arm for slot in made.slots.all()}


def csv_of(strata: list[str], size: int, arms: tuple[str, str] = ("SRT", "SWITCH"), *, numbers: bool = False) -> str:
    """A file with both arms by turns, and own numbers where wanted."""
    rows = ["stratum,position,arm" + (",number" if numbers else "")]
    for at, stratum in enumerate(strata):
        for position in range(1, size + 1):
            row = f"{stratum},{position},{arms[(at + position) % 2]}"
            rows.append(row + (f",K{at:02d}-{position:03d}" if numbers else ""))
    return "\n".join(rows) + "\n"
