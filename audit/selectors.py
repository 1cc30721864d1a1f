"""Reads of the floor: the ledger and the history of a row, a page at a time.

The floor knows no rights: a room above decides who may read, and says with `arms` whether lines that reveal an arm
belong to the answer. They are left out without a trace, so that counts and pages look the same.
"""

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import QuerySet

from audit.models import AuditedModel, Deed, Signature

PAGE_SIZE = 50
MAX_PAGE_SIZE = 500


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first; `older` is what to pass as `before` for the next page, None on the last."""

    rows: list[Any]
    older: int | None


def ledger(*, arms: bool) -> QuerySet[Deed]:
    """All deeds, newest first."""
    deeds = Deed.objects.order_by("-id")
    return deeds if arms else deeds.filter(reveals_arm=False)


def ledger_of(target: models.Model, *, arms: bool) -> QuerySet[Deed]:
    """Deeds on one thing."""
    return ledger(arms=arms).filter(target_table=target._meta.db_table, target_id=str(target.pk))


def ledger_of_participant(code: str, *, arms: bool) -> QuerySet[Deed]:
    """Deeds about one participant and everything that is theirs."""
    return ledger(arms=arms).filter(participant_code=code)


def ledger_of_site(site_id: int, *, arms: bool) -> QuerySet[Deed]:
    """Deeds about one site and everything that is its."""
    return ledger(arms=arms).filter(site_id=site_id)


def ledger_of_person(person_id: int, *, arms: bool) -> QuerySet[Deed]:
    """What one person did."""
    return ledger(arms=arms).filter(by_id=person_id)


def page(rows: QuerySet[Any], *, before: int | None = None, size: int = PAGE_SIZE) -> Page:
    """One page of a ledger or history, by number and not by offset: page 1,000 costs what page 1 costs."""
    size = max(1, min(size, MAX_PAGE_SIZE))
    key = rows.model._meta.pk.name
    if before is not None:
        rows = rows.filter(**{f"{key}__lt": before})
    found = list(rows.order_by(f"-{key}")[: size + 1])
    return Page(found[:size], found[size - 1].pk if len(found) > size else None)


def history_of(instance: AuditedModel) -> QuerySet[Any]:
    """Every state of one row, newest first (`history_id`, never the date)."""
    return history_of_key(type(instance), instance.pk)


def history_of_key(model: type[AuditedModel], key: Any) -> QuerySet[Any]:
    """Every state of the row with this key, newest first; also when the row is gone."""
    history = model.history.model
    return history._base_manager.filter(**{model._meta.pk.attname: key}).order_by("-history_id")


def signatures_of(target: models.Model) -> QuerySet[Signature]:
    """Signatures under one thing, newest first."""
    return Signature.objects.filter(target_table=target._meta.db_table, target_id=str(target.pk)).order_by("-id")


def is_simulated_database() -> bool:
    """Was this database ever filled with simulated data? Once marked, always marked."""
    return Deed.objects.filter(verb="simulation.run").exists()
