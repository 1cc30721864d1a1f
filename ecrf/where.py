"""The place of a record as the actions name it, and what stands there."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audit.errors import Refused
from audit.prepared import prepared
from trial.definition import Definition, Form
from trial.models import Participant, Visit

from .models import Record


@dataclass(frozen=True)
class Where:
    """The place of a record: a visit's form, a log entry by number, or (number None) a new log entry."""

    participant: Participant
    form: str
    visit: Visit | None = None
    number: int | None = None

    @property
    def draft_place(self) -> str:
        """The name under which drafts of this place are kept."""
        if self.visit is not None:
            return f"visit/{self.visit.pk}/{self.form}"
        return f"log/{self.form}/{self.number or 'new'}"


def find(where: Where, *, lock: bool = False) -> Record | None:
    """Return the record at a place, None while nobody saved it. Raises Refused for an entry that a log never had."""
    if where.visit is not None:
        return _at_visit.first(where.visit.pk, where.form, lock)
    if where.number is None:
        return None
    found = _in_log(where.participant.pk, where.form, where.number, lock)
    if not found:
        raise Refused(_("There is no such entry."), code="unknown_entry")
    return found[0]


def form_at(definition: Definition, where: Where) -> Form:
    """Return the form of a place. Raises Refused when the study, or the visit, has no such form."""
    form = definition.forms.get(where.form)
    if form is None or form.is_log != (where.visit is None):
        raise Refused(_("There is no such form here."), code="unknown_form")
    if where.visit is not None and form.id not in definition.visit(where.visit.event).forms:
        raise Refused(_("This visit has no such form."), code="unknown_form")
    return form


def visit_at(where: Where, participant: Participant) -> Visit | None:
    """Return the visit of the place as it now stands; refused when it is not the participant's."""
    if where.visit is None:
        return None
    found = _visits(where.visit.pk, participant.pk)
    if not found:
        raise Refused(_("There is no such form here."), code="unknown_form")
    return found[0]


def new_record(participant: Participant, definition: Definition, where: Where) -> Record:
    """Return the record of a place where nobody saved one, not yet written."""
    return Record(
        participant=participant,
        visit=where.visit,
        form=where.form,
        version_id=participant.version_id,
        reveals_arm=definition.reveals_arm(where.form, visit_id=where.visit.event if where.visit else None),
    )


@prepared
def _visits(pk: int, participant_id: int) -> QuerySet[Visit]:
    return Visit.objects.filter(pk=pk, participant_id=participant_id)


@prepared
def _at_visit(visit_id: int, form: str, lock: bool) -> QuerySet[Record]:
    return _maybe_locked(lock).filter(visit_id=visit_id, form=form)[:1]


@prepared
def _in_log(participant_id: int, form: str, number: int, lock: bool) -> QuerySet[Record]:
    return _maybe_locked(lock).filter(participant_id=participant_id, form=form, number=number)[:1]


def _maybe_locked(lock: bool) -> QuerySet[Record]:
    records = Record.objects.all()
    return records.select_for_update(no_key=True, of=("self",)) if lock else records


__all__ = ["Where", "find", "form_at", "new_record", "visit_at"]
