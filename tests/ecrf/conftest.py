"""Fixtures of the tests of forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import stages
from tests.ecrf.items_study import Play


@pytest.fixture
def play(db: None, tmp_path: Path) -> Play:
    """A participant of the study that has an item of every type."""
    return stages.begin("play", lambda: Play(tmp_path), Play.again)
