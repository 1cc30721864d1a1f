"""For tests: what PostgreSQL refuses at commit is refused inside a test that never commits."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, IntegrityError, connection, transaction

DENIED = ("permission denied", "must be owner")  # what PostgreSQL says to a role without the privilege


class NotRefused(AssertionError):  # noqa: N818 (says what happened)
    """The database let it through."""


@contextmanager
def refused_by_database(match: str = "") -> Iterator[None]:
    """Assert that the database refuses what happens inside: at once (privilege, trigger) or at commit (guard).

    `match` must stand in the message. What happened inside is undone, so that the test can go on.
    """
    refused: DatabaseError | None = None
    try:
        with transaction.atomic():
            yield
            connection.check_constraints()
            transaction.set_rollback(True)
    except DatabaseError as error:
        refused = error
    if refused is None:
        raise NotRefused("The database did not refuse it.")
    if match and match not in str(refused):
        raise NotRefused(f"The database refused it, but not with {match!r}: {refused}") from refused
    if not isinstance(refused, IntegrityError) and not any(words in str(refused) for words in DENIED):
        raise NotRefused(f"It failed for another reason: {refused}") from refused
