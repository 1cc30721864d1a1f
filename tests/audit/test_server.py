"""Statements that a connection keeps: the same rows as a whole statement, after whatever happens to the connection."""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from django.db import connection, transaction
from django.db.utils import DataError, InterfaceError, OperationalError
from django.test.utils import CaptureQueriesContext

from audit.prepared import prepared
from audit.server import Statement, spelled_out
from trial.models import Site


def _asked(statement: Statement, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement.on(connection), values)
        return cursor.fetchone()


@pytest.fixture
def doubled(db: None) -> Statement:
    return Statement("SELECT %s::int * 2, 'half of %% '::text || %s", name="doubled")


def _kept(name: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_prepared_statements WHERE name LIKE %s", [f"{name}\\_%"])
        return [name for (name,) in cursor.fetchall()]


def test_a_statement_is_read_once_and_given_values_from_then_on(doubled: Statement) -> None:
    """AUD-206: what is sent is its name and the values; quotes and percent signs in them stay what they are."""
    before = len(_kept("doubled"))
    with CaptureQueriesContext(connection) as sent:
        assert _asked(doubled, 21, "it's 100 %s") == (42, "half of % it's 100 %s")
        assert _asked(doubled, 4, "") == (8, "half of % ")
    texts = [query["sql"] for query in sent.captured_queries]
    assert all(text.startswith('EXECUTE "doubled_') for text in texts)
    assert len({text.partition(" (")[0] for text in texts}) == 1
    assert len(_kept("doubled")) == before + 1


def test_a_statement_may_have_no_values_or_values_of_a_told_type(db: None) -> None:
    """AUD-206: where PostgreSQL cannot find the type of a value, it is told."""
    assert _asked(Statement("SELECT 7", name="seven")) == (7,)
    day = dt.date(2026, 3, 2)
    assert _asked(Statement("SELECT %s", kinds=["date"], name="day"), day) == (day,)


def test_where_a_pooler_shares_connections_nothing_is_kept_on_one(doubled: Statement) -> None:
    """AUD-206: then the whole statement is sent every time."""
    before = _kept("doubled")
    with spelled_out(), CaptureQueriesContext(connection) as sent:
        assert _asked(doubled, 21, "x") == (42, "half of % x")
    assert sent.captured_queries[0]["sql"].startswith("SELECT 21::int * 2")
    assert _kept("doubled") == before


def test_a_statement_outlives_the_transaction_that_failed_with_it(doubled: Statement) -> None:
    """AUD-206: what was prepared in a transaction that is taken back stays known."""
    with pytest.raises(DataError), transaction.atomic():
        _asked(doubled, "no number", "x")
    assert _asked(doubled, 1, "x") == (2, "half of % x")


@pytest.mark.django_db(transaction=True)
def test_a_new_connection_is_told_the_statement_anew() -> None:
    """AUD-206: a server that was away, or a connection that was too old, costs one reading more."""
    statement = Statement("SELECT %s::int", name="again")
    assert _asked(statement, 1) == (1,)
    connection.close()
    assert _asked(statement, 2) == (2,)
    assert len(_kept("again")) == 1


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_server_lost_is_an_error_of_the_database() -> None:
    """AUD-206: whoever answers "not now" for a database that is away knows it, at the first question and the next."""
    question = prepared(lambda pk: Site.objects.filter(pk=pk))
    for _turn in range(2):
        connection.ensure_connection()
        connection.connection.close()  # as it looks after a crash of the server
        with pytest.raises((OperationalError, InterfaceError)):
            question(1)
        connection.close()
        question(1)


@pytest.mark.django_db(transaction=True)
def test_a_connection_lost_while_nobody_asked_is_replaced_before_the_first_question() -> None:
    """AUD-206: as a request finds it after the server was away: the check of its health comes before what it keeps."""

    @prepared
    def numbered(number: str) -> Any:
        return Site.objects.filter(number=number)

    assert numbered("01") == []
    lost = connection.connection
    with closing(psycopg2.connect(**connection.get_connection_params())) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [lost.info.backend_pid])
    connection.close_at = None  # not too old
    connection.close_if_unusable_or_obsolete()  # as at the beginning of each request

    assert numbered("01") == []
    assert connection.connection is not lost


def test_a_statement_of_many_rows_is_sent_as_a_whole(db: None) -> None:
    """AUD-206: how many rows there are changes from call to call: each would be another statement to keep."""
    statement = Statement("SELECT %s::int", name="many", is_kept=False)
    assert statement.on(connection) == "SELECT %s::int"
