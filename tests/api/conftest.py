"""A client for programs whose every answer is held to the schema."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jsonschema
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from drf_spectacular.generators import SchemaGenerator

from tests.cast import Cast
from trial.models import Person

PREFIX = "/api/v1/"


@cache
def schema() -> dict[str, Any]:
    """The OpenAPI schema as it is served."""
    made: dict[str, Any] = json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True), default=str))
    return made


@cache
def _addresses() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    found = []
    for address, methods in schema()["paths"].items():
        pattern = re.compile(re.sub(r"\{[^}]+\}", "[^/]+", address) + r"\Z")
        found.append((pattern, methods))
    return sorted(found, key=lambda each: each[0].pattern.count("[^/]+"))


@cache
def _validator(pattern: re.Pattern[str], method: str, status: str) -> Any:
    """What holds a body to the shape of an answer, made once: resolving the schema's references takes long."""
    responses = dict(_addresses())[pattern][method]["responses"]
    shape = responses[status]["content"]["application/json"]["schema"]
    return jsonschema.Draft202012Validator(
        {**shape, "components": schema()["components"]}, format_checker=jsonschema.FormatChecker()
    )


def validate(method: str, path: str, status: int, body: Any) -> None:
    """Fail unless the schema knows this answer of this address and the body is of its shape."""
    method = method.lower()
    for pattern, methods in _addresses():
        if pattern.match(path) and method in methods:
            told = methods[method]["responses"]
            assert str(status) in told, f"{method} {path} answered {status}, which the schema does not know"
            _validator(pattern, method, str(status)).validate(body)
            return
    raise AssertionError(f"The schema does not know {method} {path}")


@dataclass
class Answer:
    """What the API answered, and how many statements it took."""

    status: int
    body: Any
    queries: int
    headers: Any = field(repr=False)

    @property
    def code(self) -> str:
        return str(self.body["code"])


class Api:
    """Asks as one person (nobody, when None) and validates each answer."""

    def __init__(self, cast: Cast | None, person: Person | None) -> None:
        self.client = cast.client_of(person) if cast is not None and person is not None else Client()

    def ask(self, method: str, address: str, body: Any = None, *, valid: bool = True, **words: Any) -> Answer:
        """Send a request; `address` is below /api/v1/."""
        path, _mark, _query = address.partition("?")
        with CaptureQueriesContext(connection) as queries:
            response = self.client.generic(
                method,
                PREFIX + address,
                json.dumps(body) if body is not None and not isinstance(body, bytes) else body or b"",
                content_type=words.pop("content_type", "application/json"),
                **words,
            )
        assert response["Content-Type"] == "application/json", response["Content-Type"]
        found = response.json()
        if valid:
            validate(method, PREFIX + path, response.status_code, found)
        return Answer(response.status_code, found, len(queries), response.headers)

    def get(self, address: str, **words: Any) -> Answer:
        return self.ask("GET", address, **words)

    def post(self, address: str, body: Any, **words: Any) -> Answer:
        return self.ask("POST", address, body, **words)

    def put(self, address: str, body: Any, **words: Any) -> Answer:
        return self.ask("PUT", address, body, **words)

    def patch(self, address: str, body: Any, **words: Any) -> Answer:
        return self.ask("PATCH", address, body, **words)


@pytest.fixture
def api(cast: Cast, redis: Any) -> Any:
    """`api(person)`: a client signed in as the person; counts of requests begin at nothing."""
    return lambda person: Api(cast, person)


@pytest.fixture
def nobody(db: None, redis: Any) -> Api:
    """A client that is not signed in."""
    return Api(None, None)
