"""One small simulated trial for all tests that only look at it, in a database of its own."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from simulation.trial import Outcome, Plan, simulate
from tests import harness
from tests.conftest import _use
from trial.definitions import forget_definitions

PARIS = ZoneInfo("Europe/Paris")
END = dt.datetime(2026, 3, 2, 18, tzinfo=PARIS)
PLAN = Plan(6, 1, END)
"""With this seed six are enough for all that the tests look for: both arms, failures before and after consent, visits
that were missed, queries in every state, forms of both arms, serious events reported and still to be reported."""


@contextmanager
def _clone(blocker: Any) -> Iterator[None]:
    name = f"simulated_{uuid.uuid4().hex[:12]}"
    harness.clone(name)
    before = _use(name)
    try:
        with blocker.unblock():
            yield
    finally:
        _use(before)
        harness.drop(name)
        forget_definitions()


@pytest.fixture(scope="module")
def simulated(django_db_setup: None, django_db_blocker: Any) -> Iterator[Outcome]:
    """The trial of PLAN; tests that use it only read."""
    with _clone(django_db_blocker):
        yield simulate(PLAN)


@pytest.fixture
def cloned(django_db_setup: None, django_db_blocker: Any) -> Callable[[], AbstractContextManager[None]]:
    """A way to a fresh copy of the published database, dropped afterwards."""
    return lambda: _clone(django_db_blocker)
