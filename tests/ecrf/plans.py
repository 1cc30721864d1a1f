"""Other plans of source verification for the cast's study: a version is published that differs in nothing else."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.cast import STUDY_FOLDER, Cast
from tests.stages import staged
from trial.actions import studies
from trial.models import Version

LABEL = "label: {en: A plan, fr: Un plan}"


@staged
def publish(_cast: Cast, text: str | None) -> Version:
    """Publish the study with this verification.yaml, or without one."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(STUDY_FOLDER, Path(folder) / "study")
        path = copy / "verification.yaml"
        path.unlink()
        if text is not None:
            path.write_text(text, encoding="utf-8")
        version, problems = studies.publish(path=copy, by=None, reason="Another plan")
    assert version is not None, "\n".join(map(str, problems))
    return version


def default(strategy: str, **more: str) -> str:
    """A plan of one entry."""
    rest = "".join(f", {key}: {value}" for key, value in more.items())
    return f"default:\n  - {{from: 2020-06-01, strategy: {strategy}, {LABEL}{rest}}}\n"
