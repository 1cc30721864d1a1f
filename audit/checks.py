"""System checks: every table is listed, and audited models do nothing that their history could not follow."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core import checks
from django.db import models

from audit.models import AuditedModel
from audit.tables import Kind, Table, all_tables


@checks.register(checks.Tags.models)
def check_tables(app_configs: Any = None, **_kwargs: Any) -> list[checks.CheckMessage]:
    """Each concrete model is audited, append-only or exempt with a reason; audited ones keep to the rules."""
    labels = None if app_configs is None else {config.label for config in app_configs}
    found: list[checks.CheckMessage] = []
    for table in all_tables():
        if labels is not None and table.model._meta.app_label not in labels:
            continue
        if table.kind is Kind.UNLISTED:
            found.append(
                checks.Error(
                    f"{table.model._meta.label} is neither audited, nor append-only, nor exempt.",
                    hint="Inherit AuditedModel or AppendOnlyModel, or give a reason with audit.exempt.register.",
                    obj=table.model,
                    id="audit.E001",
                )
            )
        elif table.kind is Kind.AUDITED:
            found += _check_audited(table)
        elif table.kind is Kind.APPEND_ONLY:
            found += _check_shared_references(table)
    for model in apps.get_models():
        if model._meta.proxy and issubclass(model, AuditedModel):
            found.append(
                checks.Error(
                    f"{model._meta.label} is a proxy of an audited model, whose saves leave no history.",
                    hint="Give the model itself another manager or method.",
                    obj=model,
                    id="audit.E006",
                )
            )
    return found


def _check_shared_references(table: Table) -> Iterator[checks.CheckMessage]:
    options = table.model._meta
    indexed = {tuple(index.fields)[:1] for index in options.indexes}
    for name in getattr(table.model, "shared_references", ()):
        field: Any = options.get_field(name)
        if field.db_constraint or not issubclass(field.related_model, AuditedModel):
            yield checks.Error(
                f"{options.label}.{name} is no reference to an audited row without a constraint of its own.",
                hint="Give it db_constraint=False, or take it out of shared_references.",
                obj=table.model,
                id="audit.E007",
            )
        elif not (field.db_index or (name,) in indexed):
            yield checks.Error(
                f"{options.label}.{name} has no index, and removing a parent would read the whole table.",
                hint="Add an index that begins with it.",
                obj=table.model,
                id="audit.E008",
            )


def _check_audited(table: Table) -> Iterator[checks.CheckMessage]:
    options = table.model._meta
    if options.parents:
        yield checks.Error(
            f"{options.label} inherits another table.",
            hint="Half of its row would be in a table with another history: use an abstract parent or a OneToOneField.",
            obj=table.model,
            id="audit.E002",
        )
    for many in options.local_many_to_many:
        yield checks.Error(
            f"{options.label}.{many.name} is a ManyToManyField, whose add() leaves no history.",
            hint="Write the through model as an audited model.",
            obj=table.model,
            id="audit.E003",
        )
    for field in options.concrete_fields:
        if field.remote_field and getattr(field.remote_field, "on_delete", None) in _SILENT:
            yield checks.Error(
                f"{options.label}.{field.name} changes rows without history when its target goes.",
                hint="Use PROTECT.",
                obj=table.model,
                id="audit.E004",
            )
        if isinstance(field, models.GeneratedField):
            yield checks.Error(
                f"{options.label}.{field.name} is computed by the database, after the history row was written.",
                hint="Compute it in the action.",
                obj=table.model,
                id="audit.E005",
            )


# SET(…) makes a new function each time, told by its name.
class _Silent:
    def __contains__(self, on_delete: Any) -> bool:
        return (
            on_delete in (models.SET_NULL, models.SET_DEFAULT) or getattr(on_delete, "__name__", "") == "set_on_delete"
        )


_SILENT = _Silent()
