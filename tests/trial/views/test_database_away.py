"""A database that is restarted or cut off: a clear answer that says when to try again, never an unexplained failure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection
from django.test import Client

from tests.cast import Cast
from trial.views.errors import is_database_away

pytestmark = pytest.mark.django_db


class Stopped(psycopg2.OperationalError):
    """What PostgreSQL says to a connection that it ends."""

    pgcode = "57P01"


class Deadlock(psycopg2.OperationalError):
    """A statement that failed while the database is there."""

    pgcode = "40P01"


def raised(cause: BaseException | None, kind: type[DatabaseError] = OperationalError) -> DatabaseError:
    error = kind("…")
    error.__cause__ = cause
    return error


@pytest.fixture
def cut(cast: Cast) -> Iterator[Any]:
    """Every statement of a request fails as if the connection were gone, once `client` asks."""

    def away(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        raise raised(Stopped())

    client = cast.client_of(cast.theo_coordinator)
    client.raise_request_exception = False
    with connection.execute_wrapper(away):
        yield client


def test_a_page_says_that_the_database_is_away_and_when_to_try_again(cut: Client) -> None:
    """FAULT-001: 503 with Retry-After, rendered without the database; the session is read in vain here."""
    answer = cut.get("/")
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert "does not answer" in answer.content.decode()


def test_a_program_is_told_to_try_again(cut: Client) -> None:
    """FAULT-002: JSON with a code of its own, so that a client repeats what may be repeated."""
    answer = cut.get("/api/v1/participants/", headers={"Accept": "application/json"})
    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert answer["Retry-After"]


def test_a_view_whose_database_goes_away_in_the_middle_answers_the_same(cast: Cast) -> None:
    """FAULT-003: the session was read; the participants' table is where it breaks."""

    def away(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if 'FROM "trial_participant"' in sql:
            raise raised(Stopped())
        return execute(sql, params, many, context)

    client = cast.client_of(cast.theo_coordinator)
    with connection.execute_wrapper(away):
        assert client.get("/participants/").status_code == 503
        assert client.get("/api/v1/participants/").status_code == 503


def test_only_a_lost_database_is_worth_a_second_try() -> None:
    """FAULT-004: a deadlock, a statement that was cancelled or a bug is no lost database."""
    assert is_database_away(raised(Stopped()))
    assert is_database_away(raised(psycopg2.OperationalError("connection refused")))
    assert is_database_away(InterfaceError("connection already closed"))
    assert is_database_away(raised(psycopg2.DatabaseError("no message from the libpq"), DatabaseError))
    assert not is_database_away(raised(None, DatabaseError))  # Django's own: an update that found no row
    assert not is_database_away(raised(psycopg2.IntegrityError("…"), IntegrityError))
    assert not is_database_away(raised(Deadlock()))
    assert not is_database_away(ValueError())
    assert not is_database_away(None)
