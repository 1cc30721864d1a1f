"""Where on the site a record stands: the participant, the visit or the log entry, its addresses, what may be done."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.http import Http404
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from audit.errors import Refused
from trial.definition import Definition, Form, Group, Item
from trial.language import format_date
from trial.links import casebook_url, visit_anchor
from trial.models import Participant, Person, Visit
from trial.permissions import AREAS, Permission, answers, can, grants_of
from trial.presenters import visit_label
from trial.selectors import ended_delegation, participant_or_404

from . import policies, selectors
from .lives import Deed
from .models import EntryState, Record
from .permissions import (
    check_person_can_enter,
    check_person_can_enter_whole,
    hides,
    may_answer,
    person_can_enter,
    person_can_sign,
)
from .where import Where

person_can_enter_whole = answers(check_person_can_enter_whole)


@dataclass
class RecordPlace:
    """One form of one participant as a person came to it; `record` is None while nobody has saved it."""

    person: Person
    participant: Participant
    definition: Definition
    form: Form
    visit: Visit | None = None
    number: int | None = None
    record: Record | None = None
    locale: str = field(default_factory=lambda: get_language() or "en")

    @property
    def where(self) -> Where:
        """The place as actions name it."""
        return Where(participant=self.participant, form=self.form.id, visit=self.visit, number=self.number)

    @property
    def is_new_entry(self) -> bool:
        return self.form.is_log and self.number is None

    @property
    def revision(self) -> int:
        return self.record.revision if self.record is not None else 0

    @property
    def was_complete(self) -> bool:
        return self.record is not None and self.record.was_complete

    def url(self, deed: str = "") -> str:
        """The address of the page, or of what is done with it: draft, evaluate, sign, trail…"""
        known = (deed, self.number)  # an entry has its number once it is saved
        if known not in self._addresses:  # a page names some of them once for each item
            self._addresses[known] = self._address(f"_{deed}" if deed else "")
        return self._addresses[known]

    @cached_property
    def _addresses(self) -> dict[tuple[str, int | None], str]:
        return {}

    def _address(self, suffix: str) -> str:
        code = self.participant.code
        if self.visit is not None:
            return reverse(f"record{suffix}", args=[code, self.visit.pk, self.form.id])
        if self.number is None:
            return reverse(f"entry_new{suffix}", args=[code, self.form.id])
        return reverse(f"entry{suffix}", args=[code, self.form.id, self.number])

    @property
    def queries_url(self) -> str:
        return self.url("queries")

    @property
    def notes_url(self) -> str:
        return self.url("notes")

    @property
    def back_url(self) -> str:
        """The log of a log entry, else the casebook."""
        if self.form.is_log:
            return reverse("log", args=[self.participant.code, self.form.id])
        return casebook_url(self.participant, visit_anchor(self.visit) if self.visit is not None else "")

    @property
    def title(self) -> str:
        """The name of the form, with the number of a log entry."""
        label = self.definition.text(self.form.label, self.locale)
        if self.number is not None:
            return _("%(form)s, no. %(number)s") % {"form": label, "number": self.number}
        return _("%(form)s, new entry") % {"form": label} if self.form.is_log else label

    @property
    def visit_title(self) -> str:
        return visit_label(self.visit, self.definition, self.locale) if self.visit is not None else ""

    # ------------------------------------------------------------ rights

    @cached_property
    def sees_arm(self) -> bool:
        return can(self.person, Permission.ARM_VIEW, self.participant.site_id)

    def can(self, permission: Permission) -> bool:
        """Whether the person holds a permission at the participant's site."""
        return can(self.person, permission, self.participant.site_id)

    def shows(self, item: Item | Group) -> bool:
        """Whether an item or a group may be shown to this person: what would tell the arm is left out."""
        if self.sees_arm:
            return True
        if isinstance(item, Group):
            return not item.reveals_arm and any(self.shows(each) for each in item.items)
        return not self.definition.reveals_arm(self.form.id, item.id)

    def groups(self) -> list[tuple[Group, list[Item]]]:
        """The groups and items of the form that this person may see."""
        return [
            (group, [item for item in group.items if self.shows(item)])
            for group in self.form.groups
            if self.shows(group)
        ]

    def answers(self, item: Item) -> bool:
        """Whether this person answers the item; some are for a named role."""
        return may_answer(self.person, self.participant, self.form, item)

    def check_can_enter(self) -> None:
        """Raise, in words, unless the person may enter this form now."""
        check_person_can_enter(self.person, self.participant, self.form)
        if self.record is not None:
            policies.check_values_can_change(self.record)
        policies.check_form_is_open(self.participant, self.definition, self.form, self.visit, self.number)

    def refusal(self) -> Refused | None:
        """Why the person may not enter this form now; None when they may."""
        try:
            self.check_can_enter()
        except Refused as refused:
            return refused
        return None

    @property
    def can_sign(self) -> bool:
        """Whether a signature can be given to what was saved, by this person, now."""
        record = self.record
        return (
            record is not None
            and policies.allows(record, Deed.SIGN)
            and person_can_sign(self.person, record, self.definition)
        )

    @property
    def can_be_not_done(self) -> bool:
        record = self.record
        state = record.entry_state if record is not None else EntryState.EXPECTED
        return (
            not self.form.is_log
            and EntryState.NOT_DONE in policies.ENTRY[state]
            and not (record is not None and (not policies.allows(record, Deed.NOT_DONE) or has_values(record)))
            and person_can_enter_whole(self.person, self.participant, self.form)
        )

    @property
    def can_be_removed(self) -> bool:
        record = self.record
        return (
            record is not None
            and record.is_log
            and policies.allows(record, Deed.REMOVE)
            and person_can_enter_whole(self.person, self.participant, self.form)
        )

    @property
    def can_verify(self) -> bool:
        record = self.record
        return (
            record is not None
            and policies.allows(record, Deed.VERIFY)
            and has_values(record)
            and self.can(Permission.VERIFY)
        )

    @property
    def marks_to_set(self) -> list[Deed]:
        """What this person may do to the marks of the record now: review, freeze, lock, and back."""
        record = self.record
        if record is None:
            return []
        return [deed for deed, permission in MARKS.items() if self.can(permission) and policies.allows(record, deed)]


MARKS = {
    Deed.REVIEW: Permission.REVIEW,
    Deed.UNREVIEW: Permission.REVIEW,
    Deed.FREEZE: Permission.FREEZE,
    Deed.UNFREEZE: Permission.FREEZE,
    Deed.LOCK: Permission.LOCK,
    Deed.UNLOCK: Permission.LOCK,
}
"""Deeds on a record's own marks, and the permission that each asks for."""


def has_values(record: Record) -> bool:
    """Whether the record holds any value."""
    return any(not name.startswith("_") for rows in record.data.values() for row in rows for name in row)


def place_or_404(
    person: Any,
    code: str,
    form: str,
    visit_id: int | None = None,
    number: int | None = None,
    *,
    for_page: bool = True,
) -> RecordPlace:
    """Find a form of a participant for a person; not found for everybody who may not see it.

    For a page, with what pages show beside the form: who saved it last, what else is pending for the participant.
    """
    participant = participant_or_404(person, code, for_page=for_page)
    definition = selectors.definition_at(participant)
    found = definition.forms.get(form)
    if found is None or found.is_log != (visit_id is None):
        raise Http404("No such form.")
    visit = selectors.visit_or_404(person, participant, visit_id) if visit_id is not None else None
    record = None
    if visit is not None or number is not None:
        record = selectors.record_at(person, participant, form, visit, number, for_page=for_page)
    elif hides(person, definition, participant, form) or not can(person, Permission.RECORD_VIEW, participant.site_id):
        raise Http404("No such form.")
    return RecordPlace(person, participant, definition, found, visit, number, record)


def ended_place(
    person: Person, code: str, form: str, visit_id: int | None = None, number: int | None = None
) -> tuple[RecordPlace, Refused] | None:
    """The form that a person had open when their delegation at its site ended, and what to tell them.

    Nothing of it may be shown to them; what they typed can still be kept for them. None for everybody else, and for
    forms that the delegation did not let them enter.
    """
    participant = Participant.objects.select_related("site").filter(code=code).first()
    delegation = ended_delegation(person, participant) if participant is not None else None
    if participant is None or delegation is None or delegation.ends_on is None:
        return None
    definition = selectors.definition_at(participant)
    found = definition.forms.get(form)
    if found is None or found.is_log != (visit_id is None) or AREAS[str(found.area)] not in grants_of(delegation):
        return None
    visit = Visit.objects.filter(pk=visit_id, participant=participant).first() if visit_id is not None else None
    if visit is None and visit_id is not None:
        return None
    place = RecordPlace(person, participant, definition, found, visit, number)
    words = _(
        "Your delegation at site %(site)s ended on %(date)s: nothing was saved. "
        "What you typed is kept for you as a draft and comes back if the delegation is renewed."
    ) % {"site": participant.site.number, "date": format_date(delegation.ends_on, place.locale)}
    return place, Refused(words, code="permission.ended")


def next_url(place: RecordPlace) -> str:
    """Where to go after a form is complete: the next form of the visit to fill, a new entry of the log, or back."""
    if place.visit is None:
        return reverse("entry_new", args=[place.participant.code, place.form.id])
    forms = list(place.definition.visit(place.visit.event).forms)
    at = forms.index(place.form.id)
    states = dict(
        selectors.records_for(place.person, place.participant)
        .filter(visit=place.visit)
        .values_list("form", "entry_state")
    )
    for form_id in forms[at + 1 :] + forms[:at]:
        form = place.definition.forms.get(form_id)
        if (
            form is not None
            and states.get(form_id, EntryState.EXPECTED) in (EntryState.EXPECTED, EntryState.IN_PROGRESS)
            and not hides(place.person, place.definition, place.participant, form_id, place.visit.event)
            and person_can_enter(place.person, place.participant, form)
        ):
            return reverse("record", args=[place.participant.code, place.visit.pk, form_id])
    return place.back_url
