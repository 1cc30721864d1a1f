"""Saving a form, the only way into data; and what else can happen to a record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import get_language
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Conflict, Refused
from trial.definition import Definition, Form, Item
from trial.definitions import definition_of
from trial.free_text import kept
from trial.language import ItemType
from trial.locks import lock_participant
from trial.models import Participant, Person

from .. import effects, policies
from ..books import book_of, place_of
from ..checks import Evaluation, evaluate
from ..checks.book import HIDDEN, ROW_ID
from ..entry import NO_FILES, FieldError, InvalidValues, Merged, Submission, entered_values, merge
from ..links import why_not_removed
from ..lives import Deed
from ..models import EntryState, Record
from ..permissions import (
    check_person_can_enter,
    check_person_can_enter_whole,
    check_person_can_see,
    check_person_can_sign,
    may_answer,
)
from ..presenters import fired_message, value_words
from ..settling import dated_on, ranges_of, settle_derived, settle_ranges
from ..where import Where, find, form_at, new_record, visit_at
from . import broken_marks, changes, drafts, files, findings
from .recomputation import recompute_dependents


class StaleRecord(Conflict):
    """Somebody saved the record after this person read it; both versions are shown, nothing is overwritten unseen."""

    def __init__(self, record: Record, revision_read: int) -> None:
        super().__init__(_("Someone else saved this form while you were working on it. Choose what to keep."))
        self.record = record
        self.revision_read = revision_read


def save(
    *,
    where: Where,
    revision: int,
    submission: Submission,
    complete: bool,
    by: Person,
    reason: str = "",
) -> Record:
    """Save what was typed into a form: values, derivations, checks, changes, history and deed in one transaction.

    `revision` is the one that the person read (0 for a record that nobody saved). Raises `StaleRecord` when another
    save came first, `InvalidValues` with every fault, `Refused` when the person may not or the state does not allow
    it; in each case nothing is saved and the draft stays.
    """
    reason = kept(reason)
    submission = _with_kept_words(submission)
    try:
        with transaction.atomic():
            return _save(where, revision, submission, complete, by, reason)
    except IntegrityError:
        record = find(where, lock=False)
        if record is not None and record.revision != revision:
            raise StaleRecord(record, revision) from None
        raise


def _save(where: Where, revision: int, submission: Submission, complete: bool, by: Person, reason: str) -> Record:
    participant = lock_participant(where.participant.pk)
    if Participant.site.is_cached(where.participant) and participant.site_id == where.participant.site_id:
        participant.site = where.participant.site  # not joined: a join is as old as the wait for the lock
    definition = definition_of(participant.version_id)
    form = form_at(definition, where)
    check_person_can_enter(by, participant, form)
    visit = visit_at(where, participant)
    check_person_can_see(by, participant, definition, form.id, visit.event if visit else None)
    policies.check_form_is_open(participant, definition, form, visit, where.number)
    record = find(where, lock=True) or new_record(participant, definition, where)
    record.participant, record.visit = participant, visit
    policies.check_values_can_change(record)
    if record.revision != revision:
        raise StaleRecord(record, revision)

    book = book_of(participant, definition, {form.id} | definition.forms_read_by(form.id) | _linked_forms(form))
    ranges = ranges_of(definition, form, record, submission, visit)
    linked = _linked_entries(participant, form)
    merged = merge(
        definition=definition,
        form=form,
        data=record.data,
        submission=submission,
        today=clock.today(),
        locale=get_language() or "en",
        may_answer=_answers(by, participant, form),
        is_linked=lambda log_form, number: number in linked.get(log_form, ()),
        ranges=ranges,
        files=files.pending(by, where) if form_takes_files(form) else NO_FILES,
    )
    _check_reasons(record, merged, submission, reason)
    _check_unique(definition, form, record, merged)
    if record.number is None and form.is_log:
        record.number = _next_number(participant, form.id)  # known to the evaluation: the newest entry is the last
    place = place_of(definition, form.id, visit, record.number)
    ranged = settle_ranges(form, merged, ranges)
    entry = book.entry(place, merged.data)
    evaluation = evaluate(book, entry)
    is_redated = any(item == form.date_item for _group, _row, item in merged.changed)
    derived = settle_derived(form, entry.data, evaluation, ranges, is_redated=is_redated) | ranged
    state = EntryState.COMPLETE if complete else EntryState.IN_PROGRESS
    is_new = record._state.adding
    is_moved = record.entry_state != state  # completing a form has effects even when no value changes with it
    policies.check_entry_move(record.entry_state, state)
    if complete:
        _check_complete(definition, form, evaluation, submission)
    if not (is_new or is_moved) and entry.data == record.data:
        return _leave_as_it_is(record, where, evaluation, submission, by)

    standing = broken_marks.standing(record)
    record.data = entry.data
    record.entry_state = state
    record.was_complete = record.was_complete or complete
    record.not_done_reason = ""
    record.dated_on = dated_on(definition, form, entry.data)
    record.revision += 1
    audit.save(record, by=by, reason=reason)
    if form_takes_files(form):
        files.attach(
            record=record,
            values={key: new for key, (_old, new) in merged.changed.items() if form.item(key[2]).type is ItemType.FILE},
            where=where,
            by=by,
            reveals={item: definition.reveals_arm(form.id, item) for item in form.items},
        )
        files.forget(person=by, participant=participant, place=where.draft_place)
    cleared = changes.write(record, merged, derived, submission, reason, by)
    findings.sync(
        record, evaluation, definition=definition, justifications=submission.justifications, by=by, is_first=is_new
    )
    drafts.forget(where=where, by=by)
    audit.deed(
        "record.saved",
        record,
        by=by,
        form=form.id,
        visit=visit.event if visit else "",
        number=record.number,
        revision=record.revision,
        state=str(state),
        changed=len(merged.changed) + len(derived),
        reason=reason,
        reveals_arm=record.reveals_arm,
    )
    broken_marks.tell(record, standing, cleared, by=by)
    changed_items = frozenset(key[2] for key in merged.changed) | frozenset(key[2] for key in derived)
    has_changed = bool(changed_items or merged.removed_rows)
    if has_changed or is_moved:
        effects.saved(record, changed_items, by)
    if has_changed or (is_new and form.is_log):
        _recompute_others(record, changed_items, by)
    return record


def _answers(by: Person, participant: Participant, form: Form) -> Callable[[Item], bool]:
    """Tell whether the person may answer an item of the form; each is asked once, though rows may hold it often."""
    known: dict[str, bool] = {}

    def answers(item: Item) -> bool:
        if item.id not in known:
            known[item.id] = may_answer(by, participant, form, item)
        return known[item.id]

    return answers


def _leave_as_it_is(record: Record, where: Where, evaluation: Evaluation, submission: Submission, by: Person) -> Record:
    """A save that changes no value leaves revision, signature and review as they are; values may still be confirmed."""
    if findings.confirm(record, evaluation, submission.justifications, by=by):
        audit.deed(
            "record.confirmed", record, by=by, form=record.form, revision=record.revision,
            reveals_arm=record.reveals_arm,
        )  # fmt: skip
    drafts.forget(where=where, by=by)
    return record


@transaction.atomic
def mark_not_done(*, where: Where, revision: int, reason: str, by: Person) -> Record:
    """Record that the form was not done, with the reason: it is settled and no longer counted as missing."""
    participant = lock_participant(where.participant.pk)
    definition = definition_of(participant.version_id)
    form = form_at(definition, where)
    check_person_can_enter_whole(by, participant, form)
    visit = visit_at(where, participant)
    check_person_can_see(by, participant, definition, form.id, visit.event if visit else None)
    if form.is_log:
        raise Refused(_("An entry of a log is removed, not marked as not done."))
    reason = kept(reason, needed=_("Give the reason why this form was not done."))
    policies.check_form_is_open(participant, definition, form, visit)
    record = find(where, lock=True) or new_record(participant, definition, where)
    record.participant = participant
    policies.check_values_can_change(record)
    if record.revision != revision:
        raise StaleRecord(record, revision)
    policies.check_entry_move(record.entry_state, EntryState.NOT_DONE)
    if entered_values(form, record.data):
        raise Refused(_("This form holds values. Clear them first, or correct them."), code="has_values")
    cleared = {
        (group, row.get(ROW_ID, ""), item): (old, None)
        for group, rows in record.data.items()
        for row in rows
        for item, old in row.items()
        if item not in (ROW_ID, HIDDEN)
    }  # what was calculated from other forms goes with the form
    standing = broken_marks.standing(record)
    record.data = {}
    record.dated_on = None
    record.entry_state = EntryState.NOT_DONE
    record.not_done_reason = reason
    record.revision += 1
    audit.save(record, by=by, reason=reason)
    unverified = changes.append(record, changes.recalculated(cleared, reason), by)
    findings.resolve_all(record, by=by)
    drafts.forget(where=where, by=by)
    files.forget(person=by, participant=participant, place=where.draft_place)
    audit.deed("record.not_done", record, by=by, form=record.form, reason=reason, reveals_arm=record.reveals_arm)
    broken_marks.tell(record, standing, unverified, by=by)
    changed_items = frozenset(key[2] for key in cleared)
    effects.saved(record, changed_items, by)
    if changed_items:
        _recompute_others(record, changed_items, by)
    return record


@transaction.atomic
def remove_entry(*, record: Record, revision: int, reason: str, by: Person) -> Record:
    """Take an entry of a log out of use; it stays readable, its number is never used again.

    Refused while another record of the participant points to it.
    """
    participant = lock_participant(record.participant_id)
    definition = definition_of(participant.version_id)
    current = Record.objects.select_for_update(no_key=True, of=("self",)).get(pk=record.pk)
    current.participant = participant
    check_person_can_enter_whole(by, participant, definition.form(current.form))
    policies.check_values_can_change(current)
    if current.revision != revision:
        raise StaleRecord(current, revision)
    if not current.is_log:
        raise Refused(_("Only entries of a log can be removed."))
    reason = kept(reason, needed=_("Give the reason why this entry is removed."))
    held = why_not_removed(current, by=by)
    if held:
        raise Refused(held, code="linked")
    standing = broken_marks.standing(current)
    current.removed_at = clock.now()
    current.removed_reason = reason
    current.revision += 1
    audit.save(current, by=by, reason=reason)
    audit.deed(
        "record.removed", current, by=by, form=current.form, number=current.number, reason=reason,
        reveals_arm=current.reveals_arm,
    )  # fmt: skip
    broken_marks.tell(current, standing, 0, by=by)
    findings.resolve_all(current, by=by)
    effects.saved(current, frozenset(), by)
    _recompute_others(current, frozenset(), by)
    return current


@transaction.atomic
def sign(*, record: Record, password: str, by: Person, statement: str = "") -> Record:
    """Put the signer's name to a complete record exactly as shown (21 CFR 11.50, 11.70). Open queries warn only."""
    participant = lock_participant(record.participant_id)
    definition = definition_of(participant.version_id)
    current = Record.objects.select_for_update(no_key=True, of=("self",)).get(pk=record.pk)
    current.participant = participant
    check_person_can_sign(by, current, definition)
    check_person_can_see(by, participant, definition, current.form, current.visit.event if current.visit else None)
    if current.revision != record.revision:
        raise StaleRecord(current, record.revision)
    policies.check_deed(current, Deed.SIGN)
    if definition.form(current.form).open_queries_block_signing and any(q.is_open for q in current.queries.all()):
        raise Refused(_("This form has open queries: it is signed once they are closed."), code="open_queries")
    effects_before_signing(current, by)
    signature = audit.sign(
        current,
        by=by,
        meaning="investigator_approval",
        statement=statement,
        content={"form": current.form, "revision": current.revision, "data": current.data},
        password=password,
        reveals_arm=current.reveals_arm,
    )
    current.signature = signature
    current.signed_revision = current.revision
    audit.save(current, by=by)
    audit.deed(
        "record.signed", current, by=by, form=current.form, revision=current.revision, reveals_arm=current.reveals_arm
    )
    effects.signed(current, by)
    return current


def effects_before_signing(record: Record, by: Person) -> None:
    """Refuse a signature that its form's own rule forbids (eligibility is signed only when judged as a whole)."""
    from .eligibility import check_can_be_signed

    check_can_be_signed(record)


def _next_number(participant: Participant, form: str) -> int:
    """Return the next number of a log; the participant is locked, and removed entries keep theirs."""
    used = Record.objects.filter(participant=participant, form=form).aggregate(last=Max("number"))["last"]
    return (used or 0) + 1


def _linked_entries(participant: Participant, form: Form) -> dict[str, set[str]]:
    """Return, per log form that this form points to, the numbers of its entries in use: one query for all links."""
    wanted = _linked_forms(form)
    found: dict[str, set[str]] = {name: set() for name in wanted}
    if wanted:
        rows = Record.objects.filter(participant=participant, form__in=wanted, removed_at=None)
        for name, number in rows.values_list("form", "number"):
            found[name].add(str(number))
    return found


def _with_kept_words(submission: Submission) -> Submission:
    """The submission with its reasons as they are kept; refused when one cannot be."""
    return replace(
        submission,
        reasons={key: kept(words) for key, words in submission.reasons.items()},
        removals={key: kept(words) for key, words in submission.removals.items()},
        justifications={key: kept(words) for key, words in submission.justifications.items()},
    )


def form_takes_files(form: Form) -> bool:
    """Tell whether a form has an item that holds a file."""
    return any(item.type is ItemType.FILE for item in form.items.values())


def _linked_forms(form: Form) -> set[str]:
    return {item.link for item in form.items.values() if item.link}


def _check_reasons(record: Record, merged: Merged, submission: Submission, reason: str) -> None:
    """A change after the record was complete needs its reason: one for the save, or one per value."""
    if not record.was_complete or reason.strip():
        return
    errors = [
        FieldError(*key, _("Give the reason for this change."), "reason_needed")
        for key in merged.changed
        if not submission.reasons.get(key, "").strip()
    ]
    errors += [
        FieldError(group, row[ROW_ID], "", _("Give the reason for removing this row."), "reason_needed")
        for group, row in merged.removed_rows
        if not submission.removals.get((group, row[ROW_ID]), "").strip()
    ]
    if errors:
        raise InvalidValues(errors, code="reason_needed")


def _check_unique(definition: Definition, form: Form, record: Record, merged: Merged) -> None:
    """What is unique in a log is never used twice for a participant, also not after its entry was removed."""
    wanted = {key: new for key, (_old, new) in merged.changed.items() if form.item(key[2]).unique and new is not None}
    wanted = {key: new for key, new in wanted.items() if "value" in new}
    if not wanted:
        return
    errors = []
    others = Record.objects.filter(participant_id=record.participant_id, form=form.id).exclude(pk=record.pk)
    for number, removed_at, data in others.order_by("number").values_list("number", "removed_at", "data"):
        for key, new in wanted.items():
            held = next((row.get(key[2]) for row in data.get(key[0], ())), None) or {}
            if "value" not in held or _folded(held["value"]) != _folded(new["value"]):
                continue
            words = _("“%(value)s” is already that of entry no. %(number)s.")
            if removed_at is not None:
                words = _("“%(value)s” was that of entry no. %(number)s, which was removed: it is not used again.")
            shown = value_words(definition, form, form.item(key[2]), new, get_language() or "en")
            errors.append(FieldError(*key, words % {"value": shown, "number": number}, "not_unique"))
    if errors:
        raise InvalidValues(errors, code="not_unique")


def _folded(value: Any) -> Any:
    """Text as it is compared: neither capitals nor blanks make another number of it."""
    return "".join(value.split()).casefold() if isinstance(value, str) else value


def _check_complete(definition: Definition, form: Form, evaluation: Evaluation, submission: Submission) -> None:
    locale = get_language() or "en"
    errors = [
        FieldError(
            group,
            row,
            item,
            _("Answer this, or say why it is missing.") if item else _("Add at least one row here."),
            "required",
        )
        for group, row, item in evaluation.lacking
    ]
    errors += [
        FieldError(*key, _("Say in words why there is no value."), "missing_reason") for key in evaluation.unexplained
    ]
    errors += [
        FieldError(f.group, f.row, f.items[0], fired_message(f, definition, locale), f.check_id)
        for f in evaluation.hard
    ]
    if errors:
        raise InvalidValues(errors, code="incomplete")


def _recompute_others(record: Record, changed_items: frozenset[str], by: Person) -> None:
    """Bring the participant's other records up to date; this one too, where they feed it in turn."""
    touched = recompute_dependents(record, changed_items, by=by)
    if any(other.pk == record.pk for other in touched):
        participant, visit = record.participant, record.visit
        record.refresh_from_db()
        record.participant, record.visit = participant, visit


__all__ = ["StaleRecord", "form_takes_files", "mark_not_done", "remove_entry", "save", "sign"]
