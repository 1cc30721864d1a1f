"""Fixtures of the tests of forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ecrf.items_study import Play


@pytest.fixture
def play(db: None, tmp_path: Path) -> Play:
    """A participant of the study that has an item of every type."""
    return Play(tmp_path)
