"""Fixtures of the tests of forms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ecrf.items_study import Play
from trial.definitions import forget_definitions


@pytest.fixture
def play(db: None, tmp_path: Path) -> Iterator[Play]:
    """A participant of the study that has an item of every type."""
    yield Play(tmp_path)
    forget_definitions()
