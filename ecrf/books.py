"""From the database to the pure checks: a participant's records as a `Book`."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from django.db.models import QuerySet

from audit import clock
from audit.prepared import prepared
from trial.consents import documents_at
from trial.definition import Definition
from trial.models import Participant, Visit

from .checks import Book, Entry, Facts, Place
from .models import EntryState, Record


def facts_of(participant: Participant) -> Facts:
    """Return what expressions may know of the participant today."""
    return Facts(
        today=clock.today(),
        sex=participant.sex,
        birth_month=participant.birth_month,
        birth_year=participant.birth_year,
        status=participant.status,
        randomized_on=participant.day_zero_on,
        consented_on=participant.consented_on,
        screening=participant.screening,
        consent_documents=cache(lambda: documents_at(participant)),
    )


def place_of(definition: Definition, form: str, visit: Visit | None, number: int | None) -> Place:
    """Return where a form stands, for the checks."""
    if visit is None:
        return Place(form=form, number=number or 0)
    return Place(
        form=form,
        visit=visit.event,
        order=visit.order,
        occurrence=visit.occurrence,
        visit_on=visit.actual_on or visit.planned_on,
    )


def book_of(participant: Participant, definition: Definition, forms: Collection[str] | None = None) -> Book:
    """Read the participant's records of some forms (all by default) in one query.

    Entries removed, not done or not yet filled are left out: they hold no value.
    """
    rows = _entries(participant.pk, None if forms is None else tuple(forms))
    entries = [
        (
            Place(form=form, number=number or 0)
            if visit is None
            else Place(form=form, visit=event, order=order, occurrence=occurrence, visit_on=actual_on or planned_on),
            data,
        )
        for form, number, visit, event, order, occurrence, actual_on, planned_on, data in rows
    ]
    return Book(definition, facts_of(participant), entries)


@prepared
def _entries(participant_id: int, forms: tuple[str, ...] | None) -> QuerySet[Record, Any]:
    """Plain values: a book is read at every save, and no row of it is written."""
    records = Record.objects.filter(participant_id=participant_id, removed_at=None).exclude(
        entry_state__in=[EntryState.EXPECTED, EntryState.NOT_DONE, EntryState.NOT_APPLICABLE]
    )
    if forms is not None:
        records = records.filter(form__in=forms)
    return records.values_list(
        "form",
        "number",
        "visit_id",
        "visit__event",
        "visit__order",
        "visit__occurrence",
        "visit__actual_on",
        "visit__planned_on",
        "data",
    )


def book_around(
    participant: Participant, definition: Definition, form: str, visit: Visit | None, number: int | None
) -> tuple[Book, Entry]:
    """Return the book that the form's expressions need and the form's own entry in it."""
    book = book_of(participant, definition, {form} | definition.forms_read_by(form))
    return book, book.entry(place_of(definition, form, visit, number))
