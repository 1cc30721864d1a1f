"""Migrations of the floor, and the way in which any data migration moves rows of audited tables.

A data migration that uses `apps.get_model(...).objects.update(...)` is refused at commit: models of a migration have
no signals, so nothing would write history. Use these, in a migration of its own (data and DDL in one migration end
in "pending trigger events"), and write it so that it is safe to run twice.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

BATCH = 500


def change_rows(
    apps: Any,
    label: str,
    change: Callable[[Any], object],
    *,
    reason: str,
    where: dict[str, Any] | None = None,
    by_name: str = "migration",
    using: str = "default",
) -> int:
    """Change rows of one audited model, with history; the number of rows that changed.

    `label` is "trial.Site"; `change` gets each row (filtered by `where`) and sets attributes; rows that it leaves as
    they are get no history. All or nothing: it ends with every guard having looked.
    """
    model = apps.get_model(label)

    def work() -> int:
        rows = model._base_manager.using(using).filter(**(where or {})).order_by("pk").select_for_update(no_key=True)
        fields = [field for field in model._meta.concrete_fields if not field.primary_key]
        changed, touched = [], set()
        for row in rows:
            before = {field.attname: _still(getattr(row, field.attname)) for field in fields}
            change(row)
            names = [field.name for field in fields if before[field.attname] != _still(getattr(row, field.attname))]
            if names:
                changed.append(row)
                touched.update(names)
        if changed:
            model._base_manager.using(using).bulk_update(changed, sorted(touched), batch_size=BATCH)
            _tell(apps, model, changed, "~", reason, by_name, using)
        return len(changed)

    return _all_or_nothing(model, work, using)


def add_rows(
    apps: Any, label: str, rows: Iterable[dict[str, Any]], *, reason: str, by_name: str = "migration", using: str = "default"
) -> int:
    """Add rows to one audited model, with history; the number of rows added."""
    model = apps.get_model(label)

    def work() -> int:
        added = model._base_manager.using(using).bulk_create([model(**row) for row in rows], batch_size=BATCH)
        _tell(apps, model, added, "+", reason, by_name, using)
        return len(added)

    return _all_or_nothing(model, work, using)


def remove_rows(
    apps: Any, label: str, *, where: dict[str, Any], reason: str, by_name: str = "migration", using: str = "default"
) -> int:
    """Remove rows of one audited model, told as deleted; the number of rows removed."""
    model = apps.get_model(label)

    def work() -> int:
        gone = list(model._base_manager.using(using).filter(**where).order_by("pk").select_for_update())
        _tell(apps, model, gone, "-", reason, by_name, using)
        model._base_manager.using(using).filter(pk__in=[row.pk for row in gone]).delete()
        return len(gone)

    return _all_or_nothing(model, work, using)


def _all_or_nothing(model: Any, work: Callable[[], int], using: str) -> int:
    from django.db import connections, transaction

    from audit.guards import Guarded, install_guard

    connection = connections[using]
    with transaction.atomic(using=using):
        # An earlier migration of this run may have dropped or added a column that the standing guard does not know.
        table = model._meta.db_table
        install_guard(connection, Guarded(table, _history_of(model)._meta.db_table, model._meta.pk.column))
        count = work()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    return count


def _history_of(model: Any) -> Any:
    return model._meta.apps.get_model(model._meta.app_label, f"Historical{model._meta.object_name}")


def _tell(apps: Any, model: Any, rows: Iterable[Any], kind: str, reason: str, by_name: str, using: str) -> None:
    from audit import clock

    history = apps.get_model(model._meta.app_label, f"Historical{model._meta.object_name}")
    names = [field.attname for field in model._meta.concrete_fields]
    told = (
        history(
            history_date=clock.now(),
            history_type=kind,
            history_change_reason=reason,
            by_name=by_name,
            **{name: getattr(row, name) for name in names},
        )
        for row in rows
    )
    while batch := list(islice(told, BATCH)):
        history._base_manager.using(using).bulk_create(batch)


def _still(value: Any) -> Any:
    from audit.models import freeze

    return freeze(value)
