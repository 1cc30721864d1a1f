"""`manage.py verify_audit`: what somebody with every right to the database did is named."""

import io

import pytest
from django.core.management import call_command
from django.db import connection

import audit
from audit import guards, verification
from audit.guards import Fault

from .conftest import address_of, connected_as


def report(**options):
    out = io.StringIO()
    code: object = 0
    try:
        call_command("verify_audit", stdout=out, no_color=True, **options)
    except SystemExit as end:
        code = end.code
    return code, out.getvalue()


@pytest.fixture
def trail(committed):
    """Two books with some history, one removed, a deed, a signature and a loan; nothing wrong."""
    first, second = committed.book(title="First"), committed.book(title="Second")
    first.note = "changed"
    audit.save(first, by=committed.ines)
    audit.delete(second, by=committed.mona, reason="twice")
    committed.Loan.objects.create(book=first, reader="Ines")
    audit.sign(first, by=committed.ines, meaning="approval", content={"a": 1}, password="right")
    committed.first = first
    return committed


def as_superuser(*statements):
    with connected_as(address_of("STRATUM_TEST_ADMIN_URL")) as cursor:
        cursor.execute("SET session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)


def test_nothing_wrong_is_no_fault(trail):
    """AUD-090: a true database verifies, says so, and ends with 0."""
    code, text = report()
    assert code == 0
    assert "No fault in" in text
    assert report(quiet=True) == (0, "")


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE sampleapp_book SET title = 'x'", "differs from history"),
        ('UPDATE sampleapp_book SET data = \'{"grades": [2, 1, 3], "hgb": "12.10"}\'', "in data"),
        ("DELETE FROM sampleapp_book", "is gone, but history"),
        ("INSERT INTO sampleapp_shelf (name, site_id) VALUES ('x', 1)", "sampleapp_shelf 1: has no history"),
        ("DELETE FROM sampleapp_historicalbook WHERE history_type = '+'", "does not begin with the creation"),
        ("DELETE FROM sampleapp_historicalbook", "has no history"),
        ("UPDATE sampleapp_historicalbook SET history_type = '+'", "is created twice"),
        (
            "INSERT INTO sampleapp_historicalbook SELECT * FROM jsonb_populate_record(NULL::sampleapp_historicalbook, "
            "(SELECT to_jsonb(h) || '{\"history_id\": 1000000}' FROM sampleapp_historicalbook h "
            "WHERE history_type = '-'))",
            "goes on after the removal",
        ),
        (
            "UPDATE sampleapp_historicalbook SET recorded_at = recorded_at - interval '2 days' "
            "WHERE history_type = '~'",
            "was recorded before",
        ),
        ("UPDATE sampleapp_historicalbook SET tx = tx + 1000000", "names a transaction that has not begun"),
        ("UPDATE audit_deed SET at = at - interval '2 days'", "is dated"),
        ("UPDATE audit_signature SET signed_at = signed_at - interval '1 day'", "is dated"),
        ("UPDATE sampleapp_historicalbook SET history_date = history_date + interval '1 hour'", "is dated"),
        ("UPDATE audit_signature SET content = '{\"a\": 2}'", "its content is not what was signed"),
        ("UPDATE sampleapp_loan SET salt = ''", "has no whole salt"),
        ("ALTER TABLE sampleapp_book DISABLE TRIGGER audit_guard", "the trigger audit_guard is disabled"),
        ("ALTER TABLE sampleapp_book ENABLE REPLICA TRIGGER audit_guard", "the trigger audit_guard is disabled"),
        ("DROP TRIGGER audit_no_truncate ON sampleapp_book", "the trigger audit_no_truncate is missing"),
        ("DROP TRIGGER audit_frozen ON audit_deed", "the trigger audit_frozen is missing"),
        (
            "DROP TRIGGER audit_refers_sampleapp_line_book_id ON sampleapp_line",
            "the trigger audit_refers_sampleapp_line_book_id is missing",
        ),
        (
            "DROP TRIGGER audit_refers_sampleapp_line_book_id ON sampleapp_line; CREATE TRIGGER "
            "audit_refers_sampleapp_line_book_id AFTER INSERT ON sampleapp_line REFERENCING NEW TABLE AS other "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_refers_sampleapp_line_book_id()",
            "the trigger audit_refers_sampleapp_line_book_id is not the generated one",
        ),
        (
            "ALTER TABLE sampleapp_book DISABLE TRIGGER audit_referred_sampleapp_line_book_id",
            "the trigger audit_referred_sampleapp_line_book_id is disabled",
        ),
        ("ALTER TABLE audit_deed ALTER tx DROP DEFAULT", "the column tx is not filled as it must be"),
        ("ALTER TABLE audit_deed ALTER salt SET DEFAULT ''", "the column salt is not filled as it must be"),
        ("ALTER TABLE audit_deed ALTER cluster SET DEFAULT 1", "the column cluster is not filled as it must be"),
        (
            "CREATE OR REPLACE FUNCTION audit_cluster() RETURNS bigint LANGUAGE sql IMMUTABLE SECURITY DEFINER "
            "SET search_path = pg_catalog, pg_temp AS 'SELECT 1::bigint'",
            "audit_cluster: the function is not the generated one",
        ),
        (
            "DROP TRIGGER audit_frozen ON audit_deed; CREATE TRIGGER audit_frozen BEFORE UPDATE ON audit_deed "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
            "the trigger audit_frozen is not the generated one",
        ),
        (
            "CREATE OR REPLACE FUNCTION audit_guard_sampleapp_book() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
            "SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NULL; END'",
            "is not the generated one",
        ),
        ("ALTER FUNCTION audit_guard_sampleapp_book() SECURITY INVOKER", "does not run as its owner"),
        ("ALTER FUNCTION audit_guard_sampleapp_book() RESET search_path", "fixed search path"),
        ("GRANT DELETE ON audit_deed TO stratum_app", "may DELETE"),
        ("GRANT UPDATE ON sampleapp_historicalbook TO PUBLIC", "may UPDATE"),
        ("GRANT TRUNCATE ON sampleapp_book TO stratum_app", "may TRUNCATE"),
        ("GRANT UPDATE (verb) ON audit_deed TO stratum_app", "may UPDATE"),
        ("GRANT INSERT ON audit_deed TO stratum_app", "may name cluster, id, recorded_at, salt, tx"),
        ("GRANT INSERT (tx) ON sampleapp_historicalbook TO PUBLIC", "may name tx"),
        ("REVOKE INSERT ON audit_deed FROM stratum_app", "may not INSERT"),
        ("REVOKE INSERT (verb) ON audit_deed FROM stratum_app", "may not name verb"),
        ("GRANT CREATE ON SCHEMA public TO stratum_app", "may CREATE in the schema"),
        ("ALTER TABLE sampleapp_book OWNER TO stratum_app", "owns, or may act as the owner of, sampleapp_book"),
    ],
)
def test_each_thing_that_is_altered_is_named(trail, statement, named):
    """AUD-091: rows, history, ledger, signatures, guards and privileges; exit code 1."""
    as_superuser(statement)
    code, text = report()
    assert code == 1
    assert named in text, text


def test_a_role_that_became_powerful_is_named(trail):
    """AUD-092: a superuser is not bound by anything here, so the application's role must not be one."""
    with connected_as(address_of("STRATUM_TEST_ADMIN_URL")) as cursor, connection.cursor() as ours:
        try:
            cursor.execute("ALTER ROLE stratum_app CREATEROLE BYPASSRLS")
            cursor.execute("GRANT stratum_owner TO stratum_app")
            faults = [str(fault) for fault in guards.faults(ours)]
        finally:
            cursor.execute("ALTER ROLE stratum_app NOCREATEROLE NOBYPASSRLS")
            cursor.execute("REVOKE stratum_owner FROM stratum_app")
    assert "stratum_app: the application's role has CREATEROLE" in faults
    assert "stratum_app: the application's role has BYPASSRLS" in faults
    assert any("may act as the owner of" in fault for fault in faults)


def test_the_guards_come_back_with_the_next_migrate(trail):
    """AUD-093: install repairs what verify_audit found, and nothing else."""
    from .conftest import owner_connection

    as_superuser(
        "DROP TRIGGER audit_guard ON sampleapp_book",
        "ALTER TABLE sampleapp_historicalbook DISABLE TRIGGER audit_frozen",
        "ALTER TABLE sampleapp_historicalbook ALTER recorded_at SET DEFAULT now()",
        "GRANT ALL ON audit_deed TO PUBLIC",
        "GRANT INSERT (salt) ON sampleapp_loan TO stratum_app",
    )
    assert report()[0] == 1
    with owner_connection():
        guards.install(connection)
    assert report()[0] == 0


def test_in_a_simulated_database_dates_may_differ(trail):
    """AUD-094: simulated data are dated in the past, and the database is marked for ever."""
    import datetime as dt

    from audit import clock, selectors

    with clock.simulated(dt.datetime(2024, 1, 1, tzinfo=dt.UTC)):
        trail.book(title="Past")
    assert report()[0] == 1
    assert not selectors.is_simulated_database()
    audit.deed("simulation.run", by=None, seed=1)
    assert selectors.is_simulated_database()
    assert report()[0] == 0


def test_rooms_above_add_their_own_checks(trail, monkeypatch):
    """AUD-095: a registered verification runs with the others, and its faults count."""
    monkeypatch.setattr(verification, "_verifiers", {})
    verification.register("books have titles", lambda _cursor: [Fault("sampleapp_book 1", "has no title")])
    with pytest.raises(ValueError, match="already"):
        verification.register("books have titles", lambda _cursor: [])
    code, text = report()
    assert code == 1
    assert "✗ books have titles: 1" in text
    assert "sampleapp_book 1: has no title" in text
