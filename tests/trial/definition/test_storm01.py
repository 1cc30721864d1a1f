"""The study that the project ships is read without a problem, and quickly."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from trial.definition import Definition, load_folder, sections

ROOT = Path(__file__).resolve().parents[3]
STORM01 = ROOT / "studies" / "storm01"


class AnySection(sections.Part):
    """Stands for the sections of rooms above, which test their own."""

    model_config = ConfigDict(extra="allow")


def _registry() -> sections.Registry:
    registry = sections.Registry()
    for path in STORM01.glob("*.yaml"):
        if path.stem not in sections.OWN:
            registry.register(path.stem, AnySection)
    return registry


def test_storm01_is_without_problems_and_survives_storing() -> None:
    """DEF-100: no error, no warning, and the stored text makes the same definition."""
    definition, problems = load_folder(STORM01, section_registry=_registry())
    assert [str(problem) for problem in problems] == []
    assert definition is not None
    stored: dict[str, Any] = json.loads(json.dumps(definition.to_json()))
    again = Definition.from_json(stored, section_registry=_registry())
    assert again == definition
    assert again.to_json() == stored
    assert set(again.compiled.forms) == set(definition.forms)


def test_reading_is_quick() -> None:
    """DEF-101: processor time of loading with compiling (aim 1.5 s) and of reading a stored version (aim 0.3 s)."""
    start = time.process_time()
    definition, _ = load_folder(STORM01, section_registry=_registry())
    loaded = time.process_time() - start
    assert definition is not None
    stored = definition.to_json()
    start = time.process_time()
    Definition.from_json(stored, section_registry=_registry())
    read = time.process_time() - start
    assert loaded < 1.5
    assert read < 0.3


def test_the_definition_needs_no_django() -> None:
    """DEF-102: these modules are plain Python: importing them does not import Django."""
    code = "import sys, trial.definition, trial.schedule; sys.exit('django' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 0
