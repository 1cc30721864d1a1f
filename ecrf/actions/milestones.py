"""What a saved form says of the participant: consent, identity, progression, death, end of treatment, end of study."""

from __future__ import annotations

import datetime as dt
from typing import Any

from trial.actions import participants, statuses
from trial.definition import Definition
from trial.definitions import definition_of
from trial.language import PartialDate, load
from trial.models import Person, StatusKind

from ..models import EntryState, Record

MILESTONES = {
    "progression": StatusKind.PROGRESSED,
    "death": StatusKind.DIED,
    "treatment_end": StatusKind.TREATMENT_ENDED,
    "end_of_study": StatusKind.COMPLETED,
}
"""Milestones of the study folder that change the participant's status."""


def apply(record: Record, changed: frozenset[str], by: Person) -> None:
    """Bring the participant in line with a record that was just saved or removed."""
    definition = definition_of(record.participant.version_id)
    _consent(record, definition, by)
    _identity(record, definition, by)
    for name, kind in MILESTONES.items():
        reference = definition.milestones.get(name)
        if reference is None or not reference.startswith(f"{record.form}."):
            continue
        on = _date(value_at(record, definition, reference))
        usable = record.removed_at is None and record.entry_state == EntryState.COMPLETE
        record.participant.refresh_from_db()
        record.participant = statuses.set_date(
            participant=record.participant, kind=kind, on=on if usable else None, by=by
        )


def _consent(record: Record, definition: Definition, by: Person) -> None:
    consent = definition.study_file.consent
    if record.form != consent.form or record.entry_state != EntryState.COMPLETE:
        return
    signed_on = _date(value_at(record, definition, consent.signed_on))
    if signed_on is None:
        return
    documents = consent.documents
    version = value_at(record, definition, consent.document_version) if consent.document_version else None
    participants.record_consent(
        participant=record.participant,
        document_version=str(version or documents[-1].version),
        signed_on=signed_on,
        by=by,
    )
    record.participant.refresh_from_db()


def _identity(record: Record, definition: Definition, by: Person) -> None:
    identity = definition.study_file.identity
    references = {
        name: getattr(identity, name)
        for name in ("sex", "birth_month", "birth_year", "initials")
        if getattr(identity, name)
    }
    if not any(reference.startswith(f"{record.form}.") for reference in references.values()):
        return
    found: dict[str, Any] = {}
    for name, reference in references.items():
        value = value_at(record, definition, reference)
        if name in ("birth_month", "birth_year"):
            value = int(value) if value is not None else None
        found[name] = value
    record.participant.refresh_from_db()
    record.participant = participants.identify(participant=record.participant, by=by, **found)


def value_at(record: Record, definition: Definition, reference: str) -> Any:
    """Return the Python value that a `form.item` reference has in the record, None when there is none."""
    form_id, _, item_id = reference.partition(".")
    if record.form != form_id:
        return None
    form = definition.form(form_id)
    rows = record.data.get(form.group_of(item_id).id) or [{}]
    stored = rows[0].get(item_id)
    return load(definition.spec(form_id, item_id), stored).value if stored else None


def _date(value: Any) -> dt.date | None:
    if isinstance(value, PartialDate):
        return value.earliest
    if isinstance(value, dt.datetime):
        return value.date()
    return value if isinstance(value, dt.date) else None
