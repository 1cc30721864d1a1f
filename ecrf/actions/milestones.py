"""What a saved form says of the participant: consent, identity, progression, death, end of treatment, end of study."""

from __future__ import annotations

import datetime as dt
from typing import Any

from trial.actions import participants, statuses
from trial.definition import Definition
from trial.definitions import definition_of
from trial.language import PartialDate, load
from trial.models import Person, StatusKind

from ..checks.book import HIDDEN
from ..models import Change, EntryState, Record

MILESTONES = {
    "progression": StatusKind.PROGRESSED,
    "death": StatusKind.DIED,
    "treatment_end": StatusKind.TREATMENT_ENDED,
    "end_of_study": StatusKind.COMPLETED,
}
"""Milestones of the study folder that change the participant's status."""


def apply(record: Record, changed: frozenset[str], by: Person) -> None:
    """Bring the participant in line with a record that was just saved, not done or removed.

    A form counts once it has been complete, and for as long as its date stands: while somebody corrects another answer
    of a death form, the participant does not come back to life. Taking the date out, or the record, reverses it.
    """
    definition = definition_of(record.participant.version_id)
    _consent(record, definition, by)
    _identity(record, definition, by)
    for name, kind in MILESTONES.items():
        reference = definition.milestones.get(name)
        if reference is None or not reference.startswith(f"{record.form}."):
            continue
        dates = [_date(value_at(other, definition, reference)) for other in _those_that_count(record)]
        record.participant.refresh_from_db()
        record.participant = statuses.set_date(
            participant=record.participant,
            kind=kind,
            on=min((date for date in dates if date is not None), default=None),
            by=by,
            reason=_reason(record, reference),
        )


def _those_that_count(record: Record) -> list[Record]:
    """Return the participant's records of the form that say something, this one as it was just written."""
    records = Record.objects.filter(participant=record.participant, form=record.form).exclude(pk=record.pk)
    return [r for r in (record, *records) if _counts(r)]


def _counts(record: Record) -> bool:
    return (
        record.removed_at is None
        and record.was_complete
        and record.entry_state in (EntryState.COMPLETE, EntryState.IN_PROGRESS)
    )


def _reason(record: Record, reference: str) -> str:
    """Return why the record was changed, in the words of the person who did."""
    if record.removed_at is not None or record.entry_state == EntryState.NOT_DONE:
        return record.removed_reason or record.not_done_reason
    now = Change.objects.filter(record=record, revision=record.revision).exclude(reason="")
    found = now.filter(item=reference.partition(".")[2]).first() or now.first()
    return found.reason if found is not None else ""


def _consent(record: Record, definition: Definition, by: Person) -> None:
    """Follow the consent form: the consent it says now, in place of the one it said before this save.

    Somebody who is screened again fills the form again: each version counts from the day on which it was first signed.
    """
    consent = definition.study_file.consent
    if record.form != consent.form or not record.was_complete:
        return
    before, now = _consent_before(record, definition), _consent_now(record, definition)
    reason = _reason(record, consent.signed_on)
    said = [_consent_now(other, definition) for other in _those_that_count(record)]
    first: dict[str, dt.date] = {}
    for version, signed_on in filter(None, said):
        first[version] = min(signed_on, first.get(version, signed_on))
    for version in dict.fromkeys(filter(None, (now[0] if now is not None else None, before))):
        if version in first:
            participants.record_consent(
                participant=record.participant, document_version=version, signed_on=first[version], by=by, reason=reason
            )
        else:
            participants.take_back_consent(
                participant=record.participant, document_version=version, by=by, reason=reason
            )
    record.participant.refresh_from_db()
    _read_again(record)


def _read_again(record: Record) -> None:
    """Take over what a recomputation wrote into this very record, because a fact about the participant changed."""
    participant, visit = record.participant, record.visit
    record.refresh_from_db()
    record.participant, record.visit = participant, visit


def _consent_now(record: Record, definition: Definition) -> tuple[str, dt.date] | None:
    consent = definition.study_file.consent
    signed_on = _date(value_at(record, definition, consent.signed_on)) if _counts(record) else None
    if signed_on is None:
        return None
    version = value_at(record, definition, consent.document_version) if consent.document_version else None
    return str(version or consent.documents[-1].version), signed_on


def _consent_before(record: Record, definition: Definition) -> str | None:
    """Return the version of the document that the form named before this save; it may have named none."""
    consent = definition.study_file.consent
    reference = consent.document_version
    if reference is None:
        return consent.documents[-1].version
    item = reference.partition(".")[2]
    change = Change.objects.filter(record=record, revision=record.revision, item=item).first()
    if change is not None:
        return str(change.old["value"]) if change.old and "value" in change.old else None
    version = _stored(record, definition, reference)
    return str(version) if version is not None else None


def _identity(record: Record, definition: Definition, by: Person) -> None:
    identity = definition.study_file.identity
    references = {
        name: getattr(identity, name)
        for name in ("sex", "birth_month", "birth_year", "initials")
        if getattr(identity, name)
    }
    if not any(reference.startswith(f"{record.form}.") for reference in references.values()):
        return
    record.participant.refresh_from_db()
    found: dict[str, Any] = {}
    for name, reference in references.items():
        if not reference.startswith(f"{record.form}."):  # another form says it
            found[name] = getattr(record.participant, name)
            continue
        value = value_at(record, definition, reference)
        if name in ("birth_month", "birth_year"):
            value = int(value) if value is not None else None
        found[name] = value
    record.participant = participants.identify(participant=record.participant, by=by, **found)
    _read_again(record)


def value_at(record: Record, definition: Definition, reference: str) -> Any:
    """Return the Python value of a `form.item` reference in the record; None when there is none, or it is hidden."""
    return _stored(record, definition, reference, hidden=False)


def _stored(record: Record, definition: Definition, reference: str, *, hidden: bool = True) -> Any:
    form_id, _, item_id = reference.partition(".")
    if record.form != form_id:
        return None
    form = definition.form(form_id)
    row = (record.data.get(form.group_of(item_id).id) or [{}])[0]
    if not hidden and item_id in row.get(HIDDEN, ()):
        return None
    stored = row.get(item_id)
    return load(definition.spec(form_id, item_id), stored).value if stored else None


def _date(value: Any) -> dt.date | None:
    if isinstance(value, PartialDate):
        return value.earliest
    if isinstance(value, dt.datetime):
        return value.date()
    return value if isinstance(value, dt.date) else None
