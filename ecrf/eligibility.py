"""Eligibility, criterion by criterion: what the data say, what the investigator judged, what is missing. No writes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from django.db.models import QuerySet

from audit.prepared import prepared
from trial.definition import Criterion, Definition
from trial.definition.model import CriterionKind
from trial.definitions import definition_of
from trial.language import UNKNOWN, Ref
from trial.models import Participant
from trial.statuses import is_of_earlier_screening

from .books import book_of, place_of
from .checks.book import Book, Entry
from .models import EntryState, Record
from .settling import dated_on


@dataclass(frozen=True)
class Assessment:
    """One criterion as it stands: `computed` and `judged` are True, False or None (unknown or not asked)."""

    criterion: Criterion
    computed: bool | None
    judged: bool | None
    is_computed: bool
    is_judged: bool
    lacking: tuple[Ref, ...] = ()
    outdated: str = ""
    """Words of an assessment that is too old (or absent) for the criterion's validity; empty when it is valid."""

    @property
    def disagrees(self) -> bool:
        """The data say one thing and the person another: a finding, and it blocks."""
        return self.computed is not None and self.judged is not None and self.computed != self.judged

    @property
    def is_met(self) -> bool | None:
        """Whether the criterion lets the participant in; None while something is unknown. There are no waivers."""
        if self.disagrees:
            return False
        answers = [self.computed] * self.is_computed + [self.judged] * self.is_judged
        if None in answers:
            wrong = self.criterion.kind is not CriterionKind.INCLUSION
            return False if wrong in answers else None
        wanted = self.criterion.kind is CriterionKind.INCLUSION
        return all(answer is wanted for answer in answers)


@dataclass(frozen=True)
class Eligibility:
    """Every criterion of a participant, and whether all let the participant in."""

    assessments: tuple[Assessment, ...] = ()
    record: Record | None = None
    missing_forms: tuple[str, ...] = field(default=())

    @property
    def is_eligible(self) -> bool:
        return bool(self.assessments) and all(a.is_met is True for a in self.assessments)

    @property
    def failing(self) -> list[Assessment]:
        return [a for a in self.assessments if a.is_met is False]

    @property
    def undecided(self) -> list[Assessment]:
        return [a for a in self.assessments if a.is_met is None]

    @property
    def outdated(self) -> list[Assessment]:
        return [a for a in self.assessments if a.outdated]

    @property
    def is_signed(self) -> bool:
        """Signed and not changed since."""
        return self.record is not None and self.record.is_signed and not self.record.is_changed_since_signing


def assess(participant: Participant, on: dt.date, book: Book | None = None) -> Eligibility:
    """Evaluate every criterion over the participant's records as of a day (assessments too old by then are named).

    `book` saves reading the records again where the caller has just done so.
    """
    definition = definition_of(participant.version_id)
    if definition.eligibility is None:
        return Eligibility()
    record = deciding_record(participant, definition)
    found = book if book is not None else book_of(participant, definition)
    return Eligibility(tuple(_assess(c, definition, found, on) for c in definition.criteria), record)


def deciding_record(participant: Participant, definition: Definition) -> Record | None:
    """The record of the eligibility form that decides today; None while nobody has saved it."""
    if definition.eligibility is None:
        return None
    latest = _latest(participant.pk, definition.eligibility.form)
    return next((record for record in latest if decides(record, participant)), None)


@prepared
def _latest(participant_id: int, form: str) -> QuerySet[Record]:
    records = Record.objects.filter(participant_id=participant_id, form=form, removed_at=None)
    return records.select_related("visit", "signature").order_by("-pk")


def decides(record: Record, participant: Participant) -> bool:
    """Whether a record decides anything today: not when it stands at a screening that was followed by another."""
    return record.visit is None or not is_of_earlier_screening(
        record.visit, participant, definition_of(participant.version_id)
    )


def assess_entry(participant: Participant, definition: Definition, book: Book, on: dt.date) -> Eligibility:
    """Evaluate every criterion over a book that may hold unsaved answers (the eligibility page as it is typed)."""
    return Eligibility(tuple(_assess(c, definition, book, on) for c in definition.criteria))


def _assess(criterion: Criterion, definition: Definition, book: Book, on: dt.date) -> Assessment:
    outside = book.outside()
    computed: bool | None = None
    lacking: list[Ref] = []
    if criterion.expression is not None:
        expression = definition.compiled.criteria[criterion.id]
        answer = expression.evaluate(outside)
        computed = answer if isinstance(answer, bool) else None
        if computed is False and criterion.kind is CriterionKind.INCLUSION:
            # A log without entries says nothing yet: what rests on it is missing, not failed.
            lacking = [ref for ref in sorted(expression.reads, key=str) if ref.kind == "rows" and not outside.rows(ref)]
            computed = None if lacking else False
        elif computed is None:
            lacking = [
                ref for ref in sorted(expression.reads, key=str) if ref.kind == "item" and outside.get(ref) is UNKNOWN
            ]
    judged: bool | None = None
    if criterion.judged is not None:
        form, _, item = criterion.judged.partition(".")
        ref = Ref("item", form=form, item=item)
        answer = outside.get(ref)
        judged = answer if isinstance(answer, bool) else None
        if judged is None:
            lacking.append(ref)
    return Assessment(
        criterion,
        computed,
        judged,
        criterion.expression is not None,
        criterion.judged is not None,
        tuple(lacking),
        _outdated(criterion, definition, book, on),
    )


def _outdated(criterion: Criterion, definition: Definition, book: Book, on: dt.date) -> str:
    """Say when the form on which the criterion rests is absent or dated too long before `on`; "" when it is valid."""
    validity = criterion.validity
    if validity is None:
        return ""
    entries = book.log_entries(validity.form)
    dated = _date_of(definition, entries[-1]) if entries else None
    if dated is None:
        return "absent"
    return "" if (on - dated).days <= validity.days else dated.isoformat()


def _date_of(definition: Definition, entry: Entry) -> dt.date | None:
    return dated_on(definition, entry.form, entry.data) or entry.place.visit_on


__all__ = ["Assessment", "Eligibility", "EntryState", "assess", "assess_entry", "place_of"]
