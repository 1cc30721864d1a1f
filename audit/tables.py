"""Which kind of table every model is: audited, history, append-only, exempt, or (a fault) unlisted."""

from dataclasses import dataclass
from enum import StrEnum

from django.apps import apps
from django.db import models

from audit.exempt import Exemption, exemption_of
from audit.history import HistoryRow
from audit.models import HISTORY, AppendOnlyModel, AuditedModel


class Kind(StrEnum):
    """How a table is protected."""

    AUDITED = "audited"
    HISTORY = "history"
    APPEND_ONLY = "append-only"
    EXEMPT = "exempt"
    UNLISTED = "unlisted"


@dataclass(frozen=True, slots=True)
class Table:
    """One model's table; `history` is set for audited ones, `exemption` for exempt ones."""

    model: type[models.Model]
    kind: Kind
    history: type[models.Model] | None = None
    exemption: Exemption | None = None

    @property
    def name(self) -> str:
        """The table's name in the database."""
        return self.model._meta.db_table

    @property
    def key(self) -> str:
        """The column of the primary key."""
        column = self.model._meta.pk.column
        assert column is not None
        return column


def describe(model: type[models.Model]) -> Table:
    """The table of one model."""
    if issubclass(model, HistoryRow):
        return Table(model, Kind.HISTORY)
    if issubclass(model, AuditedModel):
        return Table(model, Kind.AUDITED, history=HISTORY.models[model])
    if issubclass(model, AppendOnlyModel):
        return Table(model, Kind.APPEND_ONLY)
    exemption = exemption_of(model)
    if exemption is not None:
        return Table(model, Kind.EXEMPT, exemption=exemption)
    return Table(model, Kind.UNLISTED)


def all_tables() -> list[Table]:
    """Every table that a model of any installed app stands for, by name."""
    found = [
        describe(model)
        for model in apps.get_models(include_auto_created=True, include_swapped=False)
        if model._meta.managed and not model._meta.proxy
    ]
    return sorted(found, key=lambda table: table.name)


def of_kind(*kinds: Kind) -> list[Table]:
    """The tables of these kinds, by name."""
    return [table for table in all_tables() if table.kind in kinds]
