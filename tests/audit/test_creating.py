"""Migrations that create tables in one step write the very statements that Django's own way writes."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, migrations, models
from django.db.migrations.executor import MigrationExecutor

from audit.creating import CreatingMigration

ROOMS = ["audit", "trial", "ecrf", "safety", "randomization", "reporting"]


@pytest.fixture
def executor(db: None) -> MigrationExecutor:
    return MigrationExecutor(connection)


def statements(executor: MigrationExecutor, migration: Any, way: type[migrations.Migration]) -> list[str]:
    """What a migration would send to PostgreSQL, applied in a way of applying."""
    state = executor.loader.project_state([(migration.app_label, migration.name)], at_end=False)
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        way.apply(migration, state, editor)
    return [text for text in editor.collected_sql if not text.startswith("--")]


@pytest.mark.parametrize("room", ["audit", "reporting"])
def test_the_statements_are_those_of_django(executor: MigrationExecutor, room: str) -> None:
    """AUD-208: tables, indexes, constraints and references, in the same order."""
    migration = executor.loader.get_migration(room, "0001_initial")
    made = statements(executor, migration, CreatingMigration)
    assert made == statements(executor, migration, migrations.Migration)
    assert sum("CREATE TABLE" in text for text in made) == len(migration.operations)


def test_every_room_begins_with_one(executor: MigrationExecutor) -> None:
    """AUD-208: whoever writes a first migration anew gives it its base again; without, a fresh demo waits for it."""
    for room in ROOMS:
        assert isinstance(executor.loader.get_migration(room, "0001_initial"), CreatingMigration), room


def test_another_operation_is_refused_with_the_remedy(executor: MigrationExecutor) -> None:
    """AUD-208: its statements could need the state before it."""

    class Mixed(CreatingMigration):
        operations = [
            migrations.CreateModel("Plain", [("id", models.BigAutoField(primary_key=True))]),
            migrations.RemoveField("Plain", "id"),
        ]

    with pytest.raises(TypeError, match="put into a migration of its own"):
        Mixed("0001_mixed", "audit").apply(executor.loader.project_state(), None)


def test_its_sql_can_be_read_before_it_runs(db: None) -> None:
    """AUD-208: `sqlmigrate` says what each table needs."""
    said = StringIO()
    call_command("sqlmigrate", "reporting", "0001", stdout=said)
    assert said.getvalue().count("-- Create model") == 2
    assert "CREATE TABLE" in said.getvalue()
