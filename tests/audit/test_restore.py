"""A dump restored into a fresh cluster: still guarded, still true, and old transaction numbers open nothing."""

import io
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction

import audit
from audit import selectors
from audit.testing import refused_by_database
from config.services.bundle import new_secrets
from config.services.postgres import Postgres, binaries
from config.services.processes import server_account
from tests.conftest import _use

from .conftest import address_of, connected_as


@pytest.fixture
def second_cluster(short_tmp):
    """Another cluster, made by initdb a moment ago."""
    short_tmp.chmod(0o755)
    postgres = Postgres(
        short_tmp / "data", short_tmp / "s", new_secrets(), log=short_tmp / "postgres.log", durable=False
    )
    if postgres.account is not None:
        os.chown(short_tmp, postgres.account.pw_uid, postgres.account.pw_gid)
    postgres.start()
    yield postgres
    postgres.stop()


def tool(name: str) -> str:
    """A client program of the same PostgreSQL as the server."""
    return str(Path(binaries(server_account())) / name)


def move(source: str, target: str, dump: Path) -> None:
    """pg_dump and pg_restore, as an administrator does it; owners and privileges come along."""
    subprocess.run([tool("pg_dump"), "--format=custom", f"--file={dump}", source], check=True, capture_output=True)
    subprocess.run([tool("pg_restore"), "--exit-on-error", f"--dbname={target}", dump], check=True, capture_output=True)


@contextmanager
def using(postgres: Postgres) -> Iterator[None]:
    """Django speaks to the second cluster, as the application's role."""
    settings = connections["default"].settings_dict
    kept = {name: settings[name] for name in ("HOST", "PORT", "USER", "PASSWORD")}
    before = _use("restored")
    settings.update(HOST=str(postgres.sockets), PORT="", USER="stratum_app", PASSWORD=postgres.passwords["app"])
    try:
        yield
    finally:
        _use(before)
        settings.update(kept)


def test_a_restored_database_is_as_well_guarded_as_the_first(committed, second_cluster, tmp_path):
    """AUD-100: everything verifies; a raw change under a transaction number that history already knows is refused."""
    book = committed.book()
    book.note = "changed"
    audit.save(book, by=committed.ines)
    committed.Loan.objects.create(book=book, reader="Ines")
    audit.sign(book, by=committed.ines, meaning="approval", content={"a": 1}, password="right")
    with connected_as(address_of("STRATUM_TEST_ADMIN_URL")) as cursor:
        # Numbers that the new cluster is about to reach: more than initdb, the restore and this test use.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "INSERT INTO sampleapp_historicalbook SELECT forged.* FROM generate_series(500, 20000) AS n, "
            "(SELECT * FROM sampleapp_historicalbook ORDER BY history_id DESC LIMIT 1) AS h, "
            "jsonb_populate_record(NULL::sampleapp_historicalbook, "
            "to_jsonb(h) || jsonb_build_object('history_id', 1000 + n, 'tx', n)) AS forged"
        )
        cursor.execute("SELECT setval('sampleapp_historicalbook_history_id_seq', 100000)")
    source, dump = address_of("STRATUM_TEST_ADMIN_URL"), tmp_path / "stratum.dump"
    with connected_as(second_cluster.admin_url("postgres")) as cursor:
        cursor.execute("CREATE DATABASE restored OWNER stratum_owner")
        cursor.execute("ALTER SYSTEM SET log_statement = 'none'")
    move(source, second_cluster.admin_url("restored"), dump)
    old = selectors.history_of(book)[0]

    with using(second_cluster):
        with connection.cursor() as cursor:
            cursor.execute("SELECT (pg_control_system()).system_identifier, pg_current_xact_id()::text::bigint")
            cluster, tx = cursor.fetchone()
        assert cluster != old.cluster
        assert committed.Book.history.filter(tx__gt=tx, cluster=old.cluster).exists(), "no number would come round"

        # The row is set back to what an old transaction of the same number said: that one is of another cluster.
        with transaction.atomic(), refused_by_database("changed without history"), connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()::text::bigint")
            assert committed.Book.history.filter(tx=cursor.fetchone()[0]).exists()
            cursor.execute("UPDATE sampleapp_book SET note = note WHERE id = %s", [book.pk])

        for statement in ("DELETE FROM audit_deed", "TRUNCATE sampleapp_book CASCADE", "DROP TABLE sampleapp_loan"):
            with refused_by_database(), connection.cursor() as cursor:
                cursor.execute(statement)

        again = committed.Book.objects.get(pk=book.pk)
        again.title = "After the restore"
        audit.save(again, by=committed.mona)
        newest = selectors.history_of(book)[0]
        assert newest.cluster == cluster
        assert newest.pk > old.pk

        out = io.StringIO()
        call_command("verify_audit", stdout=out, no_color=True)
        assert "No fault" in out.getvalue()
