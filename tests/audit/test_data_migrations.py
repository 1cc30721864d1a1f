"""audit.migrations: the only way in which a data migration moves rows."""

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.migrations.state import ProjectState

from audit.migrations import add_rows, change_rows, remove_rows
from audit.testing import refused_by_database

from .conftest import owner_connection


@pytest.fixture
def old_apps(committed):
    """Models as a migration sees them: without our methods and signals."""
    with owner_connection():
        yield ProjectState.from_apps(apps).apps


def told(committed, model="Book"):
    history = getattr(committed, model).history.order_by("history_id")
    return [(row.history_type, row.history_change_reason, row.by_name) for row in history]


def test_rows_are_changed_with_history(committed, old_apps):
    """AUD-110: each changed row has a history row with the reason; rows left alone have none; twice is once."""
    books = [committed.book(title=title) for title in ("a", "b", "C")]

    def capitals(book):
        book.title = book.title.upper()
        book.data["seen"] = True

    count = [
        change_rows(old_apps, "sampleapp.Book", capitals, reason="Titles in capitals", by_name="0007") for _ in range(2)
    ]
    assert count == [3, 0]
    assert told(committed)[3:] == [("~", "Titles in capitals", "0007")] * 3
    assert [book.title for book in committed.Book.objects.order_by("id")] == ["A", "B", "C"]
    only = {"title": "C"}
    assert change_rows(old_apps, "sampleapp.Book", lambda book: setattr(book, "note", "x"), where=only, reason="n") == 1
    assert committed.Book.objects.get(note="x").pk == books[2].pk


def test_rows_are_added_and_removed_with_history(committed, old_apps):
    """AUD-111: the same for new rows and for those that go."""
    assert add_rows(old_apps, "sampleapp.Shelf", [{"name": str(n)} for n in range(3)], reason="The first three") == 3
    assert remove_rows(old_apps, "sampleapp.Shelf", where={"name__in": ["1", "2"]}, reason="Never used") == 2
    assert [kind for kind, _reason, _by in told(committed, "Shelf")] == ["+", "+", "+", "-", "-"]
    assert committed.Shelf.objects.get().name == "0"


def test_all_or_nothing(committed, old_apps):
    """AUD-112: a change that fails at the third row leaves none changed."""
    for title in ("a", "b", "c"):
        committed.book(title=title)

    def fail(book):
        book.title = {"a": "A", "b": "B"}[book.title]

    with pytest.raises(KeyError):
        change_rows(old_apps, "sampleapp.Book", fail, reason="Fails")
    assert len(told(committed)) == 3
    assert sorted(committed.Book.objects.values_list("title", flat=True)) == ["a", "b", "c"]


def test_the_usual_data_migration_is_refused(committed, old_apps):
    """AUD-113: models of a migration write no history, and the owner is guarded like everybody else."""
    committed.book()
    book = old_apps.get_model("sampleapp", "Book")
    with pytest.raises(IntegrityError, match="changed without history"), transaction.atomic():
        book.objects.update(title="x")
    with refused_by_database():
        book.objects.create(title="y")


def test_rows_move_although_the_standing_guard_knows_a_column_that_is_gone(committed, old_apps):
    """AUD-114: DDL earlier in the same migrate does not get in the way; the guard is brought up to date first."""
    committed.book()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE sampleapp_book ADD COLUMN shade text")
        cursor.execute("ALTER TABLE sampleapp_historicalbook ADD COLUMN shade text")
        from audit import guards

        guards.install(connection)
        cursor.execute("ALTER TABLE sampleapp_book DROP COLUMN shade")
    changed = change_rows(
        old_apps, "sampleapp.Book", lambda book: setattr(book, "title", book.title + "!"), reason="Louder"
    )
    assert changed == 1
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE sampleapp_book ADD COLUMN later int")  # no pending trigger events
