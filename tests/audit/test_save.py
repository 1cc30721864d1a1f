"""audit.save, audit.save_many and audit.delete: the way a row is written."""

import datetime as dt
import threading
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, models, transaction

import audit
from audit import clock, selectors
from audit.context import current_author
from audit.errors import Conflict
from audit.testing import refused_by_database


def told(row):
    return [(h.history_type, h.by_id, h.by_name, h.history_change_reason) for h in selectors.history_of(row)][::-1]


def test_each_save_leaves_who_what_and_why(sample):
    """AUD-001: creation, change and removal each leave a history row with person, printed name and reason."""
    book = sample.book()
    book.title = "Oncology"
    audit.save(book, by=sample.ines, reason="Full title")
    key = book.pk
    audit.delete(book, by=sample.mona, reason="Entered twice")

    history = selectors.history_of_key(sample.Book, key)
    assert [(h.history_type, h.title, h.by_name, h.history_change_reason) for h in history] == [
        ("-", "Oncology", "Mona Monitor", "Entered twice"),
        ("~", "Oncology", "Ines Investigator", "Full title"),
        ("+", "Onco", "Mona Monitor", "arranged"),
    ]
    connection.check_constraints()


def test_the_reason_and_the_person_are_not_used_again(sample):
    """AUD-002: a save without a reason has none, even after one that had; so does a bare save of a third party."""
    book = sample.book()
    book.title = "B"
    audit.save(book, by=sample.ines, reason="Because")
    book.title = "C"
    audit.save(book, by=None)
    book.title = "D"
    book.save()

    assert told(book)[2:] == [("~", None, "", ""), ("~", None, "", "")]
    assert current_author().by_id is None


def test_the_author_is_cleared_when_the_save_fails(sample):
    """AUD-002: a save that fails leaves no person behind for the next one."""
    book = sample.book()
    book.price = "not a number"
    with pytest.raises(ValidationError):
        audit.save(book, by=sample.ines, reason="Bad")
    assert current_author().by_id is None
    assert current_author().reason == ""


def test_a_stale_instance_is_a_conflict_and_nothing_is_overwritten(sample):
    """AUD-003: what changed elsewhere since it was read is told apart by field, and stays."""
    book = sample.book()
    first, second = (sample.Book.objects.get(pk=book.pk) for _ in range(2))
    first.title = "First"
    audit.save(first, by=sample.mona)

    second.note = "Second"
    with pytest.raises(Conflict) as conflict:
        audit.save(second, by=sample.ines)

    assert set(conflict.value.fields) == {"title", "moved_at"}
    assert conflict.value.current.title == "First"
    assert sample.Book.objects.get(pk=book.pk).note == ""
    assert len(told(book)) == 2


def test_a_change_inside_json_elsewhere_is_a_conflict_too(sample):
    """AUD-003: documents are compared as they were read, also when they were changed in place since."""
    book = sample.book()
    first, second = (sample.Book.objects.get(pk=book.pk) for _ in range(2))
    first.data["grades"].append(4)
    audit.save(first, by=sample.mona)

    second.data["grades"].append(4)
    with pytest.raises(Conflict):
        audit.save(second, by=sample.ines)


def test_a_row_that_is_gone_is_a_conflict(sample):
    """AUD-003: saving or removing what someone else removed writes nothing."""
    book = sample.book()
    stale = sample.Book.objects.get(pk=book.pk)
    audit.delete(book, by=sample.mona)
    for deed in (audit.save, audit.delete):
        with pytest.raises(Conflict):
            deed(stale, by=sample.ines)


def test_a_save_that_changes_nothing_writes_nothing(sample):
    """AUD-004: no row, no history, and no new time of change."""
    book = sample.book()
    again = sample.Book.objects.get(pk=book.pk)
    audit.save(again, by=sample.ines, reason="Nothing")
    again.price = "12.10"  # the same, as a form would give it
    audit.save(again, by=sample.ines)
    assert len(told(book)) == 1


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("price", "3.456", Decimal("3.46")),
        ("price", "0.125", Decimal("0.13")),
        ("printed_on", "2026-03-02", dt.date(2026, 3, 2)),
        ("weight", "1.5", 1.5),
        ("stamp", b"\x00\xff", b"\x00\xff"),
        ("data", {"rows": ({"a": 1},), 1: "one"}, {"rows": [{"a": 1}], "1": "one"}),
        ("read_at", dt.datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=dt.UTC), None),
        ("is_lent", "True", True),
    ],
)
def test_values_as_typed_can_be_saved_twice(sample, field, value, kept):
    """AUD-005: what PostgreSQL rounds or parses is not taken for somebody else's change."""
    book = sample.book()
    setattr(book, field, value)
    audit.save(book, by=sample.mona)
    book.note = "again"
    audit.save(book, by=sample.mona)
    connection.check_constraints()
    stands = getattr(sample.Book.objects.get(pk=book.pk), field)
    assert (bytes(stands) if field == "stamp" else stands) == (value if kept is None else kept)


def test_expressions_are_not_values(sample):
    """AUD-006: F() and Now() are refused before anything is written; a database default is a value."""
    book = sample.book()
    assert book.pages == 100
    book.pages = models.F("pages") + 1
    with pytest.raises(TypeError, match="plain values"):
        audit.save(book, by=sample.mona)
    with pytest.raises(TypeError, match="plain values"):
        audit.save(sample.Book(title=models.functions.Now()), by=sample.mona)


def test_only_audited_rows_are_saved(sample):
    """AUD-006: exempt and append-only rows do not come by this door."""
    for row in (sample.Sketch(text="x"), sample.Loan(reader="x")):
        with pytest.raises(TypeError, match="not audited"):
            audit.save(row, by=sample.mona)


def test_deferred_columns_do_not_make_a_hole_in_history(sample):
    """AUD-007: a row read in part is written in part and told whole."""
    book = sample.book(note="kept")
    part = sample.Book.objects.only("title").get(pk=book.pk)
    part.title = "Changed"
    audit.save(part, by=sample.mona)
    newest = selectors.history_of(book)[0]
    assert (newest.title, newest.note, newest.data) == ("Changed", "kept", book.data)
    connection.check_constraints()


def test_many_rows_are_written_in_few_statements(sample, django_assert_max_num_queries):
    """AUD-008: new and changed rows of two models, with history, in a number of statements that does not grow."""
    shelf = audit.save(sample.Shelf(name="A"), by=sample.mona)
    old = audit.save_many([sample.Book(title=str(n)) for n in range(60)], by=sample.mona)
    for book in old:
        book.shelf, book.title = shelf, f"{book.title}!"
    new = [sample.Leaf(book=book, number=1) for book in old]

    with django_assert_max_num_queries(12):
        audit.save_many([*old, *new], by=sample.ines, reason="Sorted")

    connection.check_constraints()
    assert told(old[7]) == [("+", 11, "Mona Monitor", ""), ("~", 12, "Ines Investigator", "Sorted")]
    assert told(new[7]) == [("+", 12, "Ines Investigator", "Sorted")]
    old[3].note = "one by one again"
    audit.save(old[3], by=sample.mona)


def test_many_rows_conflict_as_one_does_and_leave_nothing(sample):
    """AUD-008: one stale row among many refuses all of them; the same row twice is a bug."""
    books = audit.save_many([sample.Book(title=str(n)) for n in range(3)], by=sample.mona)
    other = sample.Book.objects.get(pk=books[1].pk)
    other.note = "elsewhere"
    audit.save(other, by=sample.ines)
    for book in books:
        book.title += "!"
    with pytest.raises(Conflict), transaction.atomic():
        audit.save_many(books, by=sample.mona)
    assert [len(told(book)) for book in books] == [1, 2, 1]
    with pytest.raises(ValueError, match="twice"):
        audit.save_many([books[0], books[0]], by=sample.mona)


def test_what_goes_with_its_parent_is_told_with_the_same_reason(sample):
    """AUD-009: a cascade names the person and the reason on each row."""
    book = sample.book()
    leaf = audit.save(sample.Leaf(book=book, number=1), by=sample.mona)
    key = leaf.pk
    audit.delete(book, by=sample.ines, reason="Withdrawn")
    connection.check_constraints()
    newest = selectors.history_of_key(sample.Leaf, key)[0]
    assert (newest.history_type, newest.by_name, newest.history_change_reason) == (
        "-",
        "Ines Investigator",
        "Withdrawn",
    )


def test_references_and_uuids_as_keys_are_guarded_like_numbers(sample):
    """AUD-010: a OneToOne key has its history and its guard."""
    spine = audit.save(sample.Spine(book=sample.book(), colour="red"), by=sample.mona)
    spine.colour = "blue"
    audit.save(spine, by=sample.mona)
    connection.check_constraints()
    assert [h.colour for h in selectors.history_of(spine)] == ["blue", "red"]
    with refused_by_database("not what its newest history row says (colour)"):
        sample.Spine.objects.filter(pk=spine.pk).update(colour="green")


def test_a_bare_save_in_autocommit_is_one_transaction(committed):
    """AUD-011: third parties that call save() are neither refused nor untold."""
    assert not connection.in_atomic_block
    shelf = committed.Shelf(name="A")
    shelf.save()
    shelf.name = "B"
    shelf.save(update_fields=["name"])
    committed.Shelf.objects.create(name="C")
    shelf.delete()
    assert committed.Shelf.history.count() == 4


def test_two_writers_at_the_same_time_do_not_lose_a_change(committed):
    """AUD-012: the second waits for the first, then is told of the conflict."""
    book = committed.book()
    mine, theirs = (committed.Book.objects.get(pk=book.pk) for _ in range(2))
    locked, outcome = threading.Event(), []

    def second():
        locked.wait(5)
        try:
            theirs.note = "theirs"
            audit.save(theirs, by=committed.ines)
            outcome.append("saved")
        except Conflict as conflict:
            outcome.append(conflict.fields)
        finally:
            connection.close()

    thread = threading.Thread(target=second)
    thread.start()
    with transaction.atomic():
        mine.title = "mine"
        audit.save(mine, by=committed.mona)
        locked.set()
        thread.join(0.5)
        assert thread.is_alive(), "the second writer did not wait"
    thread.join(5)
    assert outcome == [("title", "moved_at")]


def test_history_carries_business_time_and_the_true_time(sample):
    """AUD-013: a simulated clock moves history_date; recorded_at, cluster, tx and salt are the database's."""
    then = dt.datetime(2024, 5, 6, 7, 8, tzinfo=dt.UTC)
    with clock.simulated(then):
        book = sample.book()
    row = selectors.history_of(book)[0]
    assert row.history_date == then
    assert abs((row.recorded_at - dt.datetime.now(dt.UTC)).total_seconds()) < 60
    with connection.cursor() as cursor:
        cursor.execute("SELECT (pg_control_system()).system_identifier, pg_current_xact_id()::text::bigint")
        assert (row.cluster, row.tx) == cursor.fetchone()
    assert len(bytes(row.salt)) == 32


def test_a_row_and_its_history_are_written_by_one_statement(sample, django_assert_num_queries):
    """AUD-207: a new row takes one, a changed one a locked look before it, many new rows one; every type is kept."""
    shelf = sample.Shelf(name="Étagère")
    with django_assert_num_queries(1):
        audit.save(shelf, by=sample.ines, reason="New")
    book = sample.Book(
        shelf=shelf, title="T", note="é\n%s %%", data={"a": [1, None, "é"]}, price=Decimal("12.345"), weight=0.1,
        printed_on=dt.date(2026, 3, 1), read_at=clock.now(), cover="a.png", stamp=b"\x00\xff", pages=3,
    )  # fmt: skip
    with django_assert_num_queries(1):
        audit.save(book, by=sample.ines, reason="New")
    book.title, book.data, book.stamp, book.printed_on = "U", {}, b"", None
    with django_assert_num_queries(2):
        audit.save(book, by=sample.mona)
    leaves = [sample.Leaf(book=book, number=number) for number in range(3)]
    with django_assert_num_queries(1):
        audit.save_many(leaves, by=sample.ines)
    assert told(book) == [
        ("+", sample.ines.pk, "Ines Investigator", "New"),
        ("~", sample.mona.pk, "Mona Monitor", ""),
    ]
    first = selectors.history_of(book).last()
    assert (first.note, first.data, first.price, bytes(first.stamp)) == (
        "é\n%s %%", {"a": [1, None, "é"]}, Decimal("12.35"), b"\x00\xff"
    )  # fmt: skip
    assert [told(leaf)[0][0] for leaf in leaves] == ["+"] * 3
    for row in (shelf, book, *leaves):
        again = type(row).objects.get(pk=row.pk)
        audit.save(again, by=None)  # as it was read: nothing to write
    assert len(told(book)) == 2
    connection.check_constraints()


def test_who_listens_for_saves_hears_of_each_once_and_its_history_is_not_told_twice(sample):
    """AUD-207: Django's signals are sent as `Model.save` sends them; what is new says so."""
    heard = []

    def hear(sender, instance, created, update_fields, **_told):
        heard.append((instance.pk is not None, created, update_fields))

    models.signals.post_save.connect(hear, sender=sample.Shelf)
    try:
        shelf = audit.save(sample.Shelf(name="A"), by=sample.ines)
        shelf.name = "B"
        audit.save(shelf, by=sample.ines)
        audit.save(shelf, by=sample.ines)
    finally:
        models.signals.post_save.disconnect(hear, sender=sample.Shelf)
    assert heard == [(True, True, None), (True, False, frozenset({"name"}))]
    assert [line[0] for line in told(shelf)] == ["+", "~"]


def test_a_row_takes_the_key_of_one_that_was_saved_after_it_was_named(sample):
    """AUD-207: as Django does; a row that was never saved is an error that names it."""
    shelf = sample.Shelf(name="Later")
    book = sample.Book(shelf=shelf, title="T", pages=1)
    with pytest.raises(ValueError, match="shelf"):
        audit.save(book, by=sample.ines)
    audit.save(shelf, by=sample.ines)
    assert audit.save(book, by=sample.ines).shelf_id == shelf.pk
