"""Notes on an item, a row or a form: for whoever reads it next, without asking the site anything."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from trial.definitions import definition_of
from trial.free_text import kept
from trial.locks import lock_participant
from trial.models import Person
from trial.permissions import Permission, can

from ..checks.book import ROW_ID
from ..models import Note
from ..permissions import check_person_can_note, check_person_can_see
from ..where import Where, find, form_at, new_record, visit_at

MOST_WORDS = 1000
"""Characters of one note."""


@transaction.atomic
def add(*, where: Where, text: str, by: Person, item: str = "", row: str = "") -> Note:
    """Put a note on a value, a row or a whole form, filled or not. It stays as it is; another note may follow it."""
    participant = lock_participant(where.participant.pk)
    definition = definition_of(participant.version_id)
    text = kept(text, limit=MOST_WORDS, needed=_("Write the note."))
    form = form_at(definition, where)
    check_person_can_note(by, participant)
    visit = visit_at(where, participant)
    check_person_can_see(by, participant, definition, form.id, visit.event if visit else None)
    if item and (
        item not in form.items
        or (definition.reveals_arm(form.id, item) and not can(by, Permission.ARM_VIEW, participant.site_id))
    ):
        raise Refused(_("There is no such item."))
    record = find(where, lock=True)
    if record is None:
        if form.is_log:
            raise Refused(_("There is no such entry."))
        record = audit.save(new_record(participant, definition, where), by=by)
    group = form.group_of(item) if item else None
    known = {held.get(ROW_ID) for rows in record.data.values() for held in rows}
    if (row and row not in known) or (group is not None and group.repeating and not row):
        raise Refused(_("This row does not exist any more."))
    record.participant = participant
    if record.is_locked:
        raise Refused(_("This form is locked: no note can be added."), code="locked")
    note = Note.objects.create(
        record=record,
        participant=participant,
        row=row,
        item=item,
        text=text,
        by_id=by.pk,
        by_name=by.printed_name,
        at=clock.now(),
        reveals_arm=record.reveals_arm or bool(item and definition.reveals_arm(form.id, item)),
    )
    audit.deed(
        "note.added", note, by=by, form=record.form, number=record.number, item=item, row=row,
        reveals_arm=note.reveals_arm,
    )  # fmt: skip
    return note
