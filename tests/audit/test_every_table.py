"""Every table of every app, walked: each way around the audit trail is tried on each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from django.db import DatabaseError, connection, models, transaction

from audit import guards
from audit.tables import Kind, Table, all_tables
from tests import harness
from tests.conftest import _use

from .conftest import address_of

# A value for a column that must have one, by type.
VALUES = {
    "bigint": "1",
    "integer": "1",
    "smallint": "1",
    "boolean": "false",
    "jsonb": "'{}'",
    "date": "'2026-03-02'",
    "timestamp with time zone": "now()",
    "time without time zone": "'10:00'",
    "uuid": "gen_random_uuid()",
    "bytea": "'\\x00'",
    "inet": "'192.0.2.7'",
    "numeric": "1",
    "double precision": "1",
    "interval": "'1 day'",
}
KEYS = {"bigint": "424242", "integer": "424242", "uuid": "'00000000-0000-4000-8000-000000424242'"}


@pytest.fixture(scope="module")
def one_row_each(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A clone in which a superuser put one row, with its history, into every table, past every rule of its content.

    What is tried here are the guards: checks, references and unique keys of the rooms above would only be in the way
    of a row that no room made.
    """
    name = f"every_table_{os.getpid()}"
    harness.clone(name, template=harness.MIGRATED)
    with closing(psycopg2.connect(address_of("STRATUM_TEST_ADMIN_URL", name))) as admin:
        admin.autocommit = True
        with admin.cursor() as cursor:
            cursor.execute(
                "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname) "
                "FROM pg_constraint WHERE contype IN ('c', 'f', 'u', 'x') AND connamespace = 'public'::regnamespace "
                "AND conrelid <> 0 AND conparentid = 0 ORDER BY contype = 'u'"
            )
            for (statement,) in cursor.fetchall():
                cursor.execute(statement)
            cursor.execute(
                "SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index JOIN pg_class ON oid = indexrelid "
                "WHERE indisunique AND NOT indisprimary AND relnamespace = 'public'::regnamespace"
            )
            for (statement,) in cursor.fetchall():
                cursor.execute(statement)
            cursor.execute("SET session_replication_role = replica")
            for table in all_tables():
                if table.model._meta.app_label not in ("auth", "contenttypes"):  # migrate filled them
                    insert(cursor, table.name, {})
    with django_db_blocker.unblock():
        before = _use(name)
        try:
            yield
        finally:
            _use(before)
    harness.drop(name)


def insert(cursor: Any, table: str, given: dict[str, str]) -> None:
    """One row with a value in every column that must have one and has no default."""
    cursor.execute(
        """
        SELECT attname, format_type(atttypid, NULL), attidentity <> '' OR atthasdef FROM pg_attribute
         WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attnotnull
        """,
        [f'public."{table}"'],
    )
    values = {name: VALUES.get(kind, "'x'") for name, kind, has_default in cursor.fetchall() if not has_default} | given
    columns = ", ".join(f'"{name}"' for name in values)
    body = f"({columns}) VALUES ({', '.join(values.values())})" if values else "DEFAULT VALUES"
    cursor.execute(f'INSERT INTO public."{table}" {body}')


def ways_around(table: Table) -> Iterator[tuple[str, Any]]:
    """(what is tried, how) for one table."""
    manager, key = table.model._base_manager, table.key  # as anybody could by hand

    def sql(statement: str) -> Any:
        return lambda: connection.cursor().execute(statement.format(t=f'public."{table.name}"', k=f'"{key}"'))

    def insert_by_hand() -> None:
        with connection.cursor() as cursor:
            kind = guards.columns_of(cursor, table.name)[key]
            insert(cursor, table.name, {key: KEYS.get(kind, "'424242'")})

    def copy_in_bulk() -> None:
        row = table.model._base_manager.get_queryset().defer(None)[0]
        row.pk = None if table.model._meta.pk.get_internal_type().endswith("AutoField") else row.pk
        if row.pk is not None:
            from uuid import uuid4

            row.pk = uuid4() if table.model._meta.pk.get_internal_type() == "UUIDField" else 424243
        row._state.adding = True
        manager.bulk_create([row])

    field = next(f for f in table.model._meta.concrete_fields if not (f.primary_key or f.generated))
    yield "TRUNCATE", sql("TRUNCATE {t} CASCADE")
    yield "SQL UPDATE", sql("UPDATE {t} SET {k} = {k}")
    yield "SQL DELETE", sql("DELETE FROM {t}")
    yield ".update()", lambda: manager.update(**{field.name: models.F(field.name)})
    yield "raw delete", lambda: manager.all()._raw_delete(connection.alias)
    yield "ALTER TABLE DISABLE TRIGGER", sql("ALTER TABLE {t} DISABLE TRIGGER USER")
    yield "DROP TABLE", sql("DROP TABLE {t} CASCADE")
    yield "ALTER TABLE", sql("ALTER TABLE {t} ADD COLUMN more int")
    yield "CREATE RULE", sql("CREATE RULE none AS ON UPDATE TO {t} DO INSTEAD NOTHING")
    if table.kind is Kind.AUDITED:
        yield "SQL INSERT", insert_by_hand
        yield "bulk_create", copy_in_bulk
        yield "save_without_historical_record", lambda: manager.all()[0].save_without_historical_record()
        yield "DROP TRIGGER", sql("DROP TRIGGER audit_guard ON {t}")


# What the application does to tables without history is its business; that it owns none of them is not.
FREE = {"SQL UPDATE": "UPDATE", ".update()": "UPDATE", "SQL DELETE": "DELETE", "raw delete": "DELETE"}


def test_no_way_around_the_audit_trail_on_any_table(one_row_each):
    """AUD-080: on every audited, history and append-only table each way is refused; each table had a row to lose."""
    tables = all_tables()
    let_through: list[str] = []
    tried = 0
    for table in tables:
        if table.model._meta.app_label != "auth":
            assert table.model._base_manager.exists(), f"{table.name} had no row to try"
        for way, attempt in ways_around(table):
            if table.kind is Kind.EXEMPT and FREE.get(way) in table.exemption.privileges:
                continue
            tried += 1
            try:
                with transaction.atomic():
                    attempt()
                    connection.check_constraints()
                let_through.append(f"{way} on {table.name}")
            except DatabaseError as error:
                words = str(error)
                if not any(told in words for told in ("audit:", "permission denied", "must be owner")):
                    let_through.append(f"{way} on {table.name} failed for another reason: {words.splitlines()[0]}")
    assert let_through == []
    assert {table.kind for table in tables} == set(Kind) - {Kind.UNLISTED}
    assert tried > 9 * 30


def test_guards_compare_every_column_of_every_model(one_row_each):
    """AUD-081: no column of an audited model is left out of its guard (a guard that lags behind would see nothing)."""
    with connection.cursor() as cursor:
        wanted = guards.plan(cursor)
        standing = guards._functions(cursor, wanted.schema)
        for table in all_tables():
            if table.kind is not Kind.AUDITED:
                continue
            source = standing[guards._short(f"audit_guard_{table.name}")][0]
            for field in table.model._meta.concrete_fields:
                assert f'r."{field.column}"' in source, f"{table.name}.{field.column}"
                assert f'h."{field.column}"' in source, f"{table.name}.{field.column}"


def test_the_application_s_role_has_what_it_needs_and_nothing_more(one_row_each):
    """AUD-082: guards, triggers and privileges are as generated in a freshly migrated database."""
    with connection.cursor() as cursor:
        assert [str(fault) for fault in guards.faults(cursor)] == []
        cursor.execute("SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == ("stratum_app", False)
