"""What PostgreSQL refuses to the application, whatever the code above does."""

import itertools

import psycopg2
import pytest
from django.db import DataError, connection, transaction

import audit
from audit import guards, selectors, server
from audit.models import HISTORY, Deed
from audit.testing import refused_by_database

from .conftest import Meanwhile, address_of, connected_as, owner_connection


def run(sql, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def elsewhere(sample, **values):
    """A book whose history was written by another, finished transaction."""
    return sample.book(**values)


@pytest.mark.parametrize(
    "change",
    [
        lambda s, b: s.Book.objects.filter(pk=b.pk).update(title="x"),
        lambda s, b: s.Book.objects.bulk_create([s.Book(title="x")]),
        lambda s, b: run("UPDATE sampleapp_book SET title = 'x' WHERE id = %s", b.pk),
        lambda s, b: run("DELETE FROM sampleapp_book WHERE id = %s", b.pk),
        lambda s, b: run("INSERT INTO sampleapp_shelf (name, site_id) VALUES ('x', 1)"),
        lambda s, b: s.Book(title="x").save_without_historical_record(),
        lambda s, b: run("UPDATE sampleapp_book SET id = id + 1000 WHERE id = %s", b.pk),
        lambda s, b: run(
            "INSERT INTO sampleapp_shelf (id, name, site_id) VALUES (9, 'x', 1) "
            "ON CONFLICT (id) DO UPDATE SET name = 'y'"
        ),
        lambda s, b: run(
            "MERGE INTO sampleapp_book b USING (SELECT 1) x ON b.id = %s WHEN MATCHED THEN UPDATE SET note = 'x'", b.pk
        ),
        lambda s, b: run("WITH gone AS (DELETE FROM sampleapp_book WHERE id = %s RETURNING id) SELECT 1", b.pk),
    ],
    ids=["update", "bulk_create", "SQL update", "SQL delete", "SQL insert", "skip", "key", "upsert", "merge", "cte"],
)
def test_a_row_changed_without_history_does_not_commit(committed, change):
    """AUD-020: every way past audit.save is refused at commit, and what stood before stands."""
    book = elsewhere(committed)
    with refused_by_database("audit:"):
        change(committed, book)
    with pytest.raises(Exception, match="audit:"), transaction.atomic():  # the same with a real commit
        change(committed, book)
    assert committed.Book.objects.get().title == "Onco"
    assert committed.Shelf.objects.count() == 0


@pytest.mark.parametrize(
    ("assignment", "named"),
    [
        ('data = \'{"grades": [3, 2, 1], "hgb": "12.10"}\'', "data"),
        ("data = data - 'hgb'", "data"),
        ("data = '{}'", "data"),
        ("data = jsonb_set(data, '{hgb}', '12.1')", "data"),
        ("title = 'onco'", "title"),
        ("title = 'Onco '", "title"),
        ("note = NULLIF(note, '') || ''", "null value"),
        ("price = NULL", "price"),
        ("price = 12.11", "price"),
        ("stamp = '\\x00'", "stamp"),
        ("is_lent = NOT is_lent", "is_lent"),
        ("weight = 0", "weight"),
        ("moved_at = moved_at + interval '1 microsecond'", "moved_at"),
        ("pages = pages + 1", "pages"),
    ],
)
def test_a_change_after_the_save_in_the_same_transaction_is_seen(sample, assignment, named):
    """AUD-021: equality is exact: order in arrays, keys, scale of numbers, case, blanks, null and microseconds."""
    book = sample.book()
    with refused_by_database(named):
        run(f"UPDATE sampleapp_book SET {assignment} WHERE id = %s".replace("\\x", "\\\\x"), book.pk)


def test_numbers_in_json_are_compared_with_their_scale(sample):
    """AUD-021: 12.10 and 12.1 are the same number and not the same value."""
    book = sample.book()
    run("UPDATE sampleapp_book SET data = '{\"hgb\": 12.10}' WHERE id = %s", book.pk)
    fields = HISTORY.models[sample.Book]._meta.concrete_fields
    columns = ", ".join(f'"{field.column}"' for field in fields if not (field.generated or field.primary_key))
    with refused_by_database("(data)"):
        run(
            f"INSERT INTO sampleapp_historicalbook ({columns}) SELECT {columns} "
            "FROM jsonb_populate_record(NULL::sampleapp_historicalbook, "
            "(SELECT to_jsonb(b) FROM sampleapp_book b WHERE id = %s) || "
            '\'{"data": {"hgb": 12.1}, "history_date": "2026-01-01", "history_type": "~", "history_change_reason": "", '
            '"by_name": ""}\')',
            book.pk,
        )


@pytest.mark.parametrize("is_checked_before", [False, True])
@pytest.mark.parametrize("assignment", ["title = 'x'", "data = '{}'", "price = 12.11"])
def test_a_new_row_is_compared_with_its_line_of_history(committed, is_checked_before, assignment):
    """AUD-021: also when both were looked at before, in the middle of the transaction, and then one was changed."""
    with refused_by_database("is not what its newest history row says"):
        book = committed.book()
        if is_checked_before:
            connection.check_constraints()
        run(f"UPDATE sampleapp_book SET {assignment} WHERE id = %s", book.pk)
    with refused_by_database("is not what its newest history row says"):
        book = committed.book()
        if is_checked_before:
            connection.check_constraints()
        forge(book, title="Never so")
    with refused_by_database("is not what its newest history row says"):  # inserted by hand, with another's history
        other = committed.Book(title="Other", data={}, price="1.00")
        other.save_without_historical_record()
        forge(other, title="Never so")


def test_saved_then_deleted_by_hand_is_refused(sample):
    """AUD-022: a save earlier in the transaction does not cover a raw removal."""
    book = sample.book()
    with refused_by_database("is gone but its history says that it stands"):
        run("DELETE FROM sampleapp_book WHERE id = %s", book.pk)


def test_removed_in_history_but_standing_is_refused(sample):
    """AUD-022: history that says deleted needs the row to be gone."""
    book = sample.book()
    with refused_by_database("stands but its history says deleted"):
        forge(book, history_type="-")


def forge(row, **values):
    """Insert a history row by hand: what the row holds, changed by `values`, as the application's role."""
    forged = HISTORY.models[type(row)](**HISTORY.values_for(row, values.pop("history_type", "~")))
    for name, value in values.items():
        setattr(forged, name, value)
    forged.save(force_insert=True)
    return forged


def test_a_forged_history_row_is_refused(committed):
    """AUD-023: history cannot say what the row never was, in this transaction or with another's number."""
    book = elsewhere(committed)
    with refused_by_database("(title)"):
        forge(book, title="Never so", history_date="2020-01-01T00:00Z")
    with refused_by_database("(title)"):
        forge(book, title="Never so", tx=1, cluster=1)
    with refused_by_database("permission denied"):
        forge(book, title="Never so", history_id=1_000_000)


def test_stamps_and_numbers_are_the_database_s_whatever_is_sent(committed):
    """AUD-024: cluster, transaction, time, salt and number cannot be chosen, so nothing can be slipped in before."""
    book = elsewhere(committed)
    first = selectors.history_of(book)[0]
    with transaction.atomic():
        forged = forge(book, cluster=1, tx=1, recorded_at="2020-01-01T00:00Z", salt=b"x")
    rows = list(selectors.history_of(book))
    assert forged.pk == rows[0].pk > first.pk
    assert rows[0].cluster == first.cluster
    assert rows[0].tx > first.tx
    assert rows[0].recorded_at > first.recorded_at
    assert len({bytes(row.salt) for row in rows}) == len(rows)
    assert {len(bytes(row.salt)) for row in rows} == {32}


STAMPED = {"sampleapp_historicalbook": "history_id", "sampleapp_loan": "id", "audit_deed": "id"}


@pytest.mark.parametrize(("table", "key"), STAMPED.items())
@pytest.mark.parametrize("column", ["cluster", "tx", "recorded_at", "salt", "number"])
def test_an_insert_that_names_a_stamp_or_a_number_is_refused(committed, table, key, column):
    """AUD-024: history, ledger and other write-once tables: not even as DEFAULT, nor with a COPY or a CTE."""
    import io

    named = key if column == "number" else column
    ways = (
        f"INSERT INTO {table} ({named}) VALUES (DEFAULT)",
        f"INSERT INTO {table} ({named}) OVERRIDING SYSTEM VALUE SELECT {named} FROM {table}",
        f"WITH more AS (INSERT INTO {table} ({named}) VALUES (NULL) RETURNING 1) SELECT * FROM more",
        f"INSERT INTO {table} SELECT * FROM {table}",
    )
    for way in ways:
        with refused_by_database("permission denied"):
            run(way)
    with (
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
        connected_as(address_of("DATABASE_URL")) as cursor,
    ):
        cursor.copy_expert(f"COPY {table} ({named}) FROM STDIN", io.StringIO("1\n"))


def test_history_written_while_another_changes_the_row_is_refused(committed):
    """AUD-025: history for a row that another open transaction changes waits for it, and is then seen as false."""
    book = elsewhere(committed)
    stale = committed.Book.objects.get(pk=book.pk)
    with transaction.atomic():
        book.title = "New"
        audit.save(book, by=committed.mona)
        forging = Meanwhile(lambda: forge(stale))
        assert forging.waits()
    assert "not what its newest history row says" in forging.ends()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sampleapp_historicalbook SET title = 'x'",
        "DELETE FROM sampleapp_historicalbook",
        "TRUNCATE sampleapp_historicalbook",
        "TRUNCATE sampleapp_book CASCADE",
        "UPDATE audit_deed SET verb = 'x'",
        "DELETE FROM audit_deed",
        "TRUNCATE audit_deed",
        "UPDATE audit_signature SET meaning = 'x'",
        "DELETE FROM audit_signature",
        "UPDATE sampleapp_loan SET reader = 'x'",
        "DELETE FROM sampleapp_loan",
        "ALTER TABLE sampleapp_book DISABLE TRIGGER ALL",
        "ALTER TABLE sampleapp_book DISABLE TRIGGER audit_guard",
        "DROP TRIGGER audit_guard ON sampleapp_book",
        "DROP FUNCTION audit_guard_sampleapp_book CASCADE",
        "ALTER FUNCTION audit_guard_sampleapp_book SECURITY INVOKER",
        "ALTER TABLE sampleapp_historicalbook DROP COLUMN tx",
        "DROP TABLE sampleapp_historicalbook",
        "CREATE RULE none AS ON UPDATE TO sampleapp_book DO INSTEAD NOTHING",
        "CREATE TRIGGER mine AFTER INSERT ON sampleapp_book FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
        "CREATE TABLE mine (id int)",
        "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "SET session_replication_role = replica",
        "SET ROLE stratum_owner",
        "SELECT setval('sampleapp_historicalbook_history_id_seq', 1)",
        "ALTER SEQUENCE sampleapp_historicalbook_history_id_seq RESTART",
    ],
)
def test_the_application_s_role_cannot_remove_the_guarantees(sample, statement):
    """AUD-026: no UPDATE, DELETE, TRUNCATE of what is written once; no trigger, function, table or role is its own."""
    sample.book()
    with refused_by_database():
        run(statement)


def test_the_application_s_role_cannot_give_itself_more(sample):
    """AUD-026: GRANT by a role without the right to grant changes nothing (PostgreSQL only warns)."""
    run("GRANT ALL ON sampleapp_historicalbook, audit_deed TO PUBLIC, stratum_app")
    with connection.cursor() as cursor:
        assert guards.faults(cursor) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sampleapp_historicalbook SET title = 'x'",
        "UPDATE sampleapp_historicalbook SET title = 'x' WHERE false",
        "DELETE FROM audit_deed",
        "TRUNCATE audit_signature CASCADE",
        "TRUNCATE sampleapp_book CASCADE",
        "UPDATE sampleapp_book SET title = 'x'",
    ],
)
def test_the_owner_is_refused_too_by_the_triggers(committed, statement):
    """AUD-027: a slip in a migration is refused as the application's would be."""
    committed.book()
    with (
        connected_as(address_of("DATABASE_OWNER_URL")) as cursor,
        pytest.raises(psycopg2.errors.IntegrityConstraintViolation, match="audit:"),
    ):
        cursor.execute(statement)


def test_search_path_and_temporary_tables_do_not_fool_the_guard(committed):
    """AUD-028: the guard looks at the real tables, whatever the session calls by their names."""
    book = elsewhere(committed)
    with refused_by_database():
        run("CREATE TEMP TABLE sampleapp_historicalbook (LIKE public.sampleapp_historicalbook INCLUDING ALL)")
        run("SET LOCAL search_path = pg_temp, public")
        run(
            "INSERT INTO pg_temp.sampleapp_historicalbook "
            "(id, title, history_id, history_date, history_type, tx, cluster) "
            "VALUES (%s, 'x', 1, now(), '~', pg_current_xact_id()::text::bigint, "
            "(pg_control_system()).system_identifier)",
            book.pk,
        )
        run("UPDATE public.sampleapp_book SET title = 'x' WHERE id = %s", book.pk)


def test_deferring_and_undeferring_makes_no_difference(committed):
    """AUD-028: checked at once, a change is refused whichever of row and history comes first."""
    book = elsewhere(committed)
    with refused_by_database():
        run("SET CONSTRAINTS ALL IMMEDIATE")
        run("UPDATE sampleapp_book SET title = 'x' WHERE id = %s", book.pk)
    with refused_by_database():
        run("SET CONSTRAINTS ALL IMMEDIATE")
        forge(book, title="x")


def test_a_rolled_back_savepoint_takes_its_history_with_it(sample):
    """AUD-029: half a deed that was undone leaves neither row nor history, and the rest commits."""
    book = sample.book()

    def half() -> None:
        with transaction.atomic():
            book.title = "Undone"
            audit.save(book, by=sample.mona)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    connection.check_constraints()
    stands = sample.Book.objects.get(pk=book.pk)
    assert stands.title == "Onco"
    stands.title = "Done"
    audit.save(stands, by=sample.mona)
    connection.check_constraints()


def test_installing_again_changes_nothing(committed):
    """AUD-030: a migrate without changes takes no lock on any table."""
    with owner_connection():
        assert guards.install(connection) == 0


def test_a_new_column_is_guarded_after_the_next_migrate(committed):
    """AUD-030: the guard follows the columns, and says so when history lacks one."""
    with owner_connection():
        run("ALTER TABLE sampleapp_shelf ADD COLUMN color text")
        with pytest.raises(guards.GuardError, match="has no column color"):
            guards.install(connection)
        run("ALTER TABLE sampleapp_historicalshelf ADD COLUMN color text")
        assert guards.install(connection) == 2  # the guard, and what an INSERT into its history may name
    shelf = audit.save(committed.Shelf(name="A"), by=committed.mona)
    with refused_by_database("changed without history"):
        run("UPDATE sampleapp_shelf SET color = 'red' WHERE id = %s", shelf.pk)
    with transaction.atomic(), refused_by_database("(color)"):
        shelf.name = "B"
        audit.save(shelf, by=committed.mona)
        run("UPDATE sampleapp_shelf SET color = 'red' WHERE id = %s", shelf.pk)


def test_a_missing_role_is_said_with_its_remedy(committed, settings):
    """AUD-031: a cluster without the application's role is refused at migrate, not found out at the first request."""
    settings.STRATUM_APP_ROLE = "nobody_here"
    with owner_connection(), pytest.raises(guards.GuardError, match="CREATE ROLE nobody_here"):
        guards.install(connection)


def test_append_only_rows_are_stamped_and_frozen(sample):
    """AUD-032: a room above gets the same protection by inheriting AppendOnlyModel."""
    from audit.errors import AppendOnly

    loan = sample.Loan.objects.create(book=sample.book(), reader="Ines", cluster=1, tx=1, salt=b"")
    assert loan.tx != 1
    assert len(bytes(loan.salt)) == 32
    loan.reader = "Other"
    for change in (loan.save, loan.delete):
        with pytest.raises(AppendOnly):
            change()
    with refused_by_database():
        sample.Loan.objects.update(reader="Other")
    many = sample.Loan.objects.bulk_create([sample.Loan(book=loan.book, reader=str(n), tx=1) for n in range(3)])
    assert {row.tx for row in sample.Loan.objects.filter(pk__in=[row.pk for row in many])} == {loan.tx}


def test_many_append_only_rows_travel_in_one_statement(sample, django_assert_num_queries):
    """AUD-115: what is sent is what stands, stamped by the database; another model among them is refused."""
    book = sample.book()
    words = ['plain "quoted" words', "accents é – and \\ backslash", "", "a" * 40]
    with django_assert_num_queries(1):
        audit.append([sample.Loan(book=book, reader=word, tx=1) for word in words])
    rows = sample.Loan.objects.order_by("pk")
    assert [row.reader for row in rows] == words
    assert {row.book_id for row in rows} == {book.pk}
    assert 1 not in {row.tx for row in rows}
    assert len({bytes(row.salt) for row in rows}) == len(words)
    with pytest.raises(ValueError, match="One model"):
        audit.append([sample.Loan(book=book, reader="Ines"), Deed(verb="x")])
    with django_assert_num_queries(0):
        audit.append([])


def test_append_only_rows_may_be_sent_as_plain_values(sample, django_assert_num_queries):
    """AUD-115: values by column stand as rows of the model would, stamped by the database; others are refused."""
    book = sample.book()
    words = ['plain "quoted" words', "accents é – and \\ backslash", ""]
    with django_assert_num_queries(1):
        audit.append_columns(sample.Loan, {"book_id": [book.pk] * 3, "reader": words})
    rows = sample.Loan.objects.order_by("pk")
    assert [row.reader for row in rows] == words
    assert {row.book_id for row in rows} == {book.pk}
    assert all(row.tx for row in rows)
    assert len({bytes(row.salt) for row in rows}) == len(words)
    for stamp in ("tx", "salt", "id", "nonsense"):
        with pytest.raises(ValueError, match=stamp):
            audit.append_columns(sample.Loan, {"book_id": [book.pk], "reader": ["Ines"], stamp: [1]})
    with pytest.raises(ValueError, match="salt"):
        audit.append_columns(sample.Loan, {"reader": ["Ines"]}, alike={"book_id": book.pk, "salt": b""})
    with pytest.raises(ValueError, match="equally long"):
        audit.append_columns(sample.Loan, {"book_id": [book.pk], "reader": ["Ines", "Marc"]})
    with django_assert_num_queries(0):
        audit.append_columns(sample.Loan, {"book_id": [], "reader": []})
        audit.append_columns(sample.Loan, {})


def test_what_is_alike_in_many_rows_is_sent_once(sample, django_assert_num_queries):
    """AUD-115: a value named once stands in every row, and what nobody names is the default."""
    book = sample.book()
    with server.spelled_out(), django_assert_num_queries(1) as sent:
        audit.append_columns(sample.Loan, {"reader": ["Inès", "Marc"]}, alike={"book_id": book.pk})
    assert sent.captured_queries[0]["sql"].count("book_id") == 1
    audit.append_columns(sample.Loan, {"book_id": [book.pk]})
    found = sample.Loan.objects.order_by("pk").values_list("reader", "book_id", "is_late", "facts")
    assert list(found) == [(reader, book.pk, False, None) for reader in ("Inès", "Marc", "")]


FACTS = [
    [None], [None, {"a": None}], [1], [1, True], [True, 1], [0, False], [1, 1.0], ["x"], ["x", "y"], ["", None],
    [{"n": 1}], [{"n": 1}, {"n": True}], [[1, 2], [1, 2, 3]],
]  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 40])
def test_what_many_rows_have_in_common_is_found_and_sent_once(sample, django_assert_num_queries, count):
    """AUD-115: whatever is the same in all of them; 1, true and 1.0 are three values, as they were sent."""
    book = sample.book()
    for facts, late in itertools.product(FACTS, ([False], [True], [False, True])):
        columns = {
            "reader": [f"Reader {n % 3 if count == 40 else 0}" for n in range(count)],
            "facts": [facts[n % len(facts)] for n in range(count)],
            "is_late": [late[n % len(late)] for n in range(count)],
        }
        with django_assert_num_queries(1):
            audit.append_columns(sample.Loan, columns, alike={"book_id": book.pk})
        found = sample.Loan.objects.order_by("-pk").values_list(*columns)[:count]
        assert [repr(row) for row in reversed(found)] == [repr(row) for row in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_text_that_is_too_long_is_refused_and_never_cut(sample, count):
    """AUD-115: sent in a row, for every row or found to be the same in all."""
    book = sample.book()
    with pytest.raises(DataError, match="too long"), transaction.atomic():
        audit.append_columns(sample.Loan, {"book_id": [book.pk] * count, "reader": ["x" * 41] * count})
    with pytest.raises(DataError, match="too long"), transaction.atomic():
        audit.append_columns(sample.Loan, {"book_id": [book.pk] * count}, alike={"reader": "x" * 41})


def test_what_json_has_no_word_for_is_refused_by_name(sample):
    """AUD-115: nothing is written as somebody's idea of a text."""
    with pytest.raises(TypeError, match="object is no plain value"):
        audit.append_columns(sample.Loan, {"book_id": [sample.book().pk], "facts": [object()]})
