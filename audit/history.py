"""History of every row, as django-simple-history writes it, with our columns and our clock."""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models.fields.files import FieldFile
from simple_history.models import HistoricalRecords

from audit import clock
from audit.appending import insert
from audit.columns import Stamped
from audit.context import Author, current_author


class HistoryRow(Stamped):
    """One state of one row: what it was, who made it so, why, when, and in which transaction."""

    class Meta:
        abstract = True


def _get_author(row: Any) -> Author | None:
    return None if row.by_id is None else Author(row.by_id, row.by_name, row.history_change_reason)


def _set_author(row: Any, by: Any) -> None:
    if by is not None:
        row.by_id = by.by_id if isinstance(by, Author) else by.pk
        row.by_name = by.by_name if isinstance(by, Author) else by.printed_name


class History(HistoricalRecords):
    """`history = History()` on the abstract audited model keeps every state of every row of its children.

    The person is a plain number and a printed name, so that history references nothing; the reason comes from
    `audit.save` alone, never from an attribute left on an instance; the order is that of `history_id`. The only
    index is (primary key, tx): the trail of a row, and the guard.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(inherit=True, bases=(HistoryRow,), **options)
        self.models: dict[type[models.Model], type[models.Model]] = {}  # model → its history model

    def finalize(self, sender: type[models.Model], **kwargs: Any) -> None:
        if not sender._meta.proxy:  # a proxy has no table of its own; audit.E006 refuses it
            super().finalize(sender, **kwargs)

    def _get_history_id_field(self) -> models.Field:
        return models.BigAutoField(primary_key=True, editable=False)

    def _get_history_change_reason_field(self) -> models.Field:
        return models.TextField(blank=True, default="")

    def _get_history_user_fields(self) -> dict[str, Any]:
        return {
            "history_user": property(_get_author, _set_author),
            "by_id": models.BigIntegerField(null=True, editable=False),
            "by_name": models.CharField(max_length=200, blank=True, default="", editable=False),
        }

    @property
    def _date_indexing(self) -> bool:
        return False

    def create_history_model(self, model: type[models.Model], inherited: bool) -> type[models.Model]:
        self.models[model] = super().create_history_model(model, inherited)
        return self.models[model]

    def copy_fields(self, model: type[models.Model]) -> dict[str, models.Field]:
        fields: dict[str, models.Field] = super().copy_fields(model)
        for field in fields.values():
            field.db_index = False  # type: ignore[attr-defined]
        return fields

    def get_meta_options(self, model: type[models.Model]) -> dict[str, Any]:
        options = super().get_meta_options(model)
        options.update(
            ordering=("-history_id",),
            get_latest_by="history_id",
            default_permissions=(),
            indexes=(models.Index(fields=(model._meta.pk.name, "tx")),),
        )
        return options

    def values_for(self, instance: models.Model, history_type: str) -> dict[str, Any]:
        """A history row that says what `instance` holds, by column; type is '+', '~' or '-'."""
        author = current_author()
        row: dict[str, Any] = {
            "history_date": clock.now(),
            "history_type": history_type,
            "history_change_reason": author.reason,
            "by_id": author.by_id,
            "by_name": author.by_name,
        }
        for field in self.fields_included(instance):
            value = getattr(instance, field.attname)
            row[field.column] = str(value) if isinstance(value, FieldFile) else value
        return row

    def create_historical_record(self, instance: models.Model, history_type: str, using: str | None = None) -> None:
        self.create_many([instance], history_type, using or instance._state.db)

    def create_many(
        self, instances: Iterable[models.Model], history_type: str, using: str | None, batch_size: int = 500
    ) -> None:
        """Tell many rows at once."""
        rows: dict[type[models.Model], list[dict[str, Any]]] = {}
        for instance in instances:
            rows.setdefault(self.models[type(instance)], []).append(self.values_for(instance, history_type))
        for model, told in rows.items():
            for start in range(0, len(told), batch_size):
                insert(model, told[start : start + batch_size], using=using)  # type: ignore[arg-type]
