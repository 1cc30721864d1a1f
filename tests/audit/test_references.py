"""References that many rows share are looked up once for a statement, and hold as foreign keys do."""

import pytest
from django.core import checks as django_checks
from django.db import IntegrityError, connection, models, transaction

import audit
from audit.checks import check_tables
from audit.testing import refused_by_database

from .conftest import Meanwhile

NOWHERE = 424_242


def remove(book):
    """Past Django, which protects the row by itself; the history says so, and only the reference stands against it."""
    from audit.context import writing_as
    from audit.models import HISTORY

    with writing_as(None, "gone"), connection.cursor() as cursor:
        HISTORY.create_many([book], "-", "default")
        cursor.execute("DELETE FROM sampleapp_book WHERE id = %s", [book.pk])


@pytest.mark.parametrize(
    "write",
    [
        lambda s, keys: audit.append_columns(s.Line, {"book_id": keys, "text": ["x"] * len(keys)}),
        lambda s, keys: audit.append([s.Line(book_id=key) for key in keys]),
        lambda s, keys: s.Line.objects.bulk_create([s.Line(book_id=key) for key in keys]),
        lambda s, keys: [s.Line.objects.create(book_id=key) for key in keys],
    ],
    ids=["columns", "rows", "bulk_create", "create"],
)
def test_a_row_that_names_no_parent_is_refused(committed, write):
    """AUD-209: however it is written, and however many others are right; nothing of the statement stands."""
    book = committed.book()
    for keys in ([NOWHERE], [book.pk, NOWHERE], [book.pk] * 40 + [NOWHERE], [NOWHERE, None]):
        with (
            pytest.raises(IntegrityError, match="names a row of sampleapp_book that does not exist"),
            transaction.atomic(),
        ):
            write(committed, keys)
    assert committed.Line.objects.count() == 0
    write(committed, [book.pk] * 40 + [None])
    assert committed.Line.objects.count() == 41


def test_a_parent_of_the_same_transaction_is_there(committed):
    """AUD-209: as everywhere, the row first and then what is written about it."""
    with transaction.atomic():
        book = committed.book()
        audit.append_columns(committed.Line, {"book_id": [book.pk]})
    assert committed.Line.objects.get().book == book


def test_a_parent_that_is_named_is_not_removed(committed):
    """AUD-210: neither through Django nor past it; one that nobody names is."""
    book, other = committed.book(), committed.book(title="Other")
    audit.append_columns(committed.Line, {"book_id": [book.pk] * 3})
    with pytest.raises(models.ProtectedError):
        audit.delete(book, by=committed.mona, reason="no more")
    with refused_by_database("is named by rows of sampleapp_line"):
        remove(book)
    audit.delete(other, by=committed.mona, reason="no more")
    assert list(committed.Book.objects.all()) == [book]


def test_a_row_waits_for_who_removes_its_parent(committed):
    """AUD-210: and is refused once that is done; nothing hangs in the air."""
    book = committed.book()
    with transaction.atomic():
        remove(book)
        adding = Meanwhile(lambda: audit.append_columns(committed.Line, {"book_id": [book.pk]}))
        assert adding.waits()
    assert "does not exist" in adding.ends()
    assert committed.Line.objects.count() == 0


def test_who_removes_a_parent_waits_for_its_rows(committed):
    """AUD-210: and is refused once they are written."""
    book = committed.book()
    with transaction.atomic():
        audit.append_columns(committed.Line, {"book_id": [book.pk]})
        removing = Meanwhile(lambda: remove(book))
        assert removing.waits()
    assert "is named by rows" in removing.ends()
    assert committed.Book.objects.filter(pk=book.pk).exists()


def test_what_cannot_be_shared_is_a_fault_of_the_code(sample, monkeypatch):
    """AUD-211: a foreign key of its own, no index, or a parent without history is named by the checks."""

    def faults():
        return {
            (fault.id, fault.obj._meta.model_name) for fault in check_tables() if isinstance(fault, django_checks.Error)
        }

    assert faults() == set()
    monkeypatch.setattr(sample.Loan, "shared_references", ("book",))
    monkeypatch.setattr(sample.Line._meta.get_field("book"), "db_index", False)
    assert faults() == {("audit.E007", "loan"), ("audit.E008", "line")}


def test_a_change_names_a_record_that_stands(db):
    """AUD-209: the changes of a form are such rows."""
    from ecrf.models import Change

    assert Change.shared_references == ("record",)
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = 'ecrf_change'::regclass AND NOT tgisinternal")
        assert ("audit_refers_ecrf_change_record_id",) in cursor.fetchall()
