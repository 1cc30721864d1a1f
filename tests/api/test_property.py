"""Whatever is asked, by whomever: no answer of the API is a fault of ours, and each is as the schema says."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ecrf.actions import data_queries
from ecrf.where import Where
from tests.api.conftest import schema as served
from tests.cast import Cast
from trial.api.access import Throttle
from trial.models import Person

EXAMPLES = 8
"""Per operation and role: a few seconds in all; more find nothing new that a longer run would not."""
TOKEN = "a" * 32
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


class World:
    """A participant in each state, so that generated requests reach beyond what is not found."""

    def __init__(self, cast: Cast) -> None:
        self.allocated, self.ready, self.new = cast.randomized(), cast.eligible(), cast.consented()
        visit = cast.visit(self.new, "SCR")
        self.query = data_queries.ask(
            where=Where(self.new, "demographics", visit=visit), text="?", item="sex", by=cast.mona_monitor
        )
        self.real: dict[str, list[Any]] = {
            "code": [self.allocated.code, self.ready.code, self.new.code],
            "visit_id": [cast.visit(self.allocated, "SCR").pk, visit.pk],
            "form": ["consent", "vitals_performance", "laboratory", "medical_history", "adverse_event", "lesion"],
            "number": [1],
            "query_id": [self.query.pk],
        }


@pytest.fixture
def one_connection(cast: Cast) -> Iterator[None]:
    """Requests share the connection, and so the transaction, of the test, as those of Django's own client do."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@cache
def requests(choices: tuple[tuple[str, int], ...]) -> list[tuple[schemathesis.Case, dict[str, int]]]:
    """Requests of every operation, and which of the `choices` of what is there stands in their address.

    The seed is fixed, so everybody asks the same; they are made once, because that takes longer than answering.
    """
    many = dict(choices)
    made: list[tuple[schemathesis.Case, dict[str, int]]] = []
    api = schemathesis.openapi.from_dict(served())
    api.app = get_wsgi_application()
    for found in api.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(), data=st.data())
        def make_one(case: Any, data: st.DataObject) -> None:
            real = {}
            for name in case.path_parameters or {}:
                if data.draw(st.booleans(), label=f"real {name}"):
                    real[name] = data.draw(st.sampled_from(range(many[name])), label=name)
            made.append((case, real))

        make_one()
    return made


@pytest.mark.parametrize(
    "role", ["theo_coordinator", "mona_monitor", "paul_sponsor", "adam_admin", "oscar_coordinator"]
)
def test_no_request_is_too_strange(cast: Cast, redis: Any, one_connection: None, monkeypatch: Any, role: str) -> None:
    """API-110."""
    person: Person = getattr(cast, role)
    monkeypatch.setattr(Throttle, "RATES", dict.fromkeys(Throttle.RATES, 10**9))
    world = World(cast)
    cookie = cast.client_of(person).cookies["stratum_session"].value
    cookies = {"stratum_session": cookie, "stratum_csrf": TOKEN}
    asked = requests(tuple((name, len(values)) for name, values in world.real.items()))
    for case, real in asked:
        drawn = case.path_parameters
        if real:
            case.path_parameters = {**drawn, **{name: world.real[name][at] for name, at in real.items()}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = case.call_and_validate(headers={"X-CSRFToken": TOKEN}, cookies=cookies, checks=CHECKS)
        assert answer.status_code != 401, "the person is signed in"
        case.path_parameters = drawn
    assert len(asked) >= len(served()["paths"]) * EXAMPLES // 2
