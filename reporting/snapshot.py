"""One unchanging view of the database for as long as a dataset is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def snapshot() -> Iterator[None]:
    """Read everything inside as of one moment; PostgreSQL refuses to write anything meanwhile.

    A long reading transaction that wrote would hold back the seals; this one cannot. It begins its own transaction:
    inside another one, RuntimeError is raised.
    """
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
