"""What else must be calculated again after a save: other forms that read what changed.

A recomputation never changes a frozen or locked record: it raises "would be 3, is 2" as a finding, and is made up for
once the record is open again. In a signed record it is applied, attributed to the change that caused it, and shows as
changed since signing (DOMAIN). Edit checks still speak in a frozen record, whose queries live on; in a locked one they
are silent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_noop

import audit
from audit import clock
from audit.prepared import prepared
from trial.definition import Definition, Severity
from trial.definitions import definition_of
from trial.models import Participant, Person, Visit

from .. import effects, policies
from ..books import book_of, place_of
from ..checks import Evaluation, Fired, evaluate
from ..checks.book import Book, Rows
from ..entry import RowKey
from ..lives import Deed
from ..models import EntryState, Finding, FindingState, Record
from ..presenters import RECALCULATED, value_words
from ..settling import dated_on, settle_derived
from .findings import OF_RECALCULATION

MOST_ROUNDS = 6
"""How far one change may travel from form to form; definitions without cycles need fewer."""


def recompute_dependents(record: Record, changed_items: frozenset[str], *, by: Person) -> list[Record]:
    """Evaluate again every record of the participant that reads what this save changed; return those that changed.

    Derived values are written with a change row that names the cause; edit checks open or resolve their findings.
    """
    definition = definition_of(record.participant.version_id)
    pending = {
        form for form in definition.forms_fed_by(record.form) if _reads(definition, form, record.form, changed_items)
    }
    cause = definition.text(definition.form(record.form).label, definition.study.locales[0])
    return _recompute_forms(record.participant, definition, pending, cause, by, but=record)


CAUSES = {
    "visit.date": gettext_noop("the date of a visit"),
    "participant.status": gettext_noop("the status of the participant"),
    "participant.sex": gettext_noop("the demographics of the participant"),
    "randomization.date": gettext_noop("the randomization"),
    "consent.date": gettext_noop("the date of the consent"),
    "consent.documents": gettext_noop("the consent versions of the site"),
}
"""What a recomputation says that it follows, when no form caused it; `presenters.reason_words` translates it."""
A_CHANGE = gettext_noop("a change")
OPENED_AGAIN = gettext_noop("unfreezing or unlocking")
ALSO = {
    "participant.birth_month": frozenset({"participant.age"}),
    "participant.birth_year": frozenset({"participant.age"}),
    "visit.date": frozenset({"participant.age"}),
}
"""What expressions read that follows from another fact."""


def recompute_facts(participant: Participant, names: frozenset[str], by: Person | None, visit: Visit | None) -> None:
    """Evaluate again what reads facts that stand in no form: dates of visits, sex, birth, randomization, consent.

    Follows `trial.facts`. A visit that moved changes its own records, and which earlier record others read.
    """
    if visit is not None and not Record.objects.filter(participant=participant, visit=visit).exists():
        return
    definition = definition_of(participant.version_id)
    read = names.union(*(ALSO.get(name, frozenset()) for name in names))
    pending = {
        form_id
        for form_id, program in definition.compiled.forms.items()
        if any(ref.kind == "context" and ref.name in read for ref in program.reads)
        or ("visit.date" in names and program.reads_forms)
    }
    consent = definition.study_file.consent.form
    if "consent.date" in names:  # what is dated before it is a finding
        pending |= {form.id for form in definition.forms.values() if form.date_item and not form.standard_of_care}
    if names & {"consent.date", "consent.documents"}:
        pending.add(consent)
    cause = next((CAUSES[name] for name in CAUSES if name in names), A_CHANGE)
    _recompute_forms(participant, definition, pending, cause, by)


def _recompute_forms(
    participant: Participant,
    definition: Definition,
    pending: set[str],
    cause: str,
    by: Person | None,
    but: Record | None = None,
) -> list[Record]:
    """Evaluate again the records of some forms (`but`: not this one at first), and what reads those that change."""
    touched: list[Record] = []
    for turn in range(MOST_ROUNDS if pending else 0):
        candidates = _candidates(participant.pk, tuple(pending), but.pk if but is not None and turn == 0 else 0)
        if not candidates:
            break
        book = book_of(participant, definition, _read_by({other.form for other in candidates}, definition))
        moved: set[str] = set()
        for other in candidates:
            other.participant = participant
            if _recompute(other, book, definition, cause, by, has_findings=other.has_findings):
                moved.add(other.form)
                touched.append(other)
        pending = {fed for form in moved for fed in definition.forms_fed_by(form)}
        if not pending:
            break
    return touched


def _read_by(forms: set[str], definition: Definition) -> set[str]:
    """Some forms and what their expressions read."""
    return forms.union(*(definition.forms_read_by(form) for form in forms))


@prepared
def _candidates(participant_id: int, forms: tuple[str, ...], but: int) -> QuerySet[Any]:
    return (
        Record.objects.select_for_update(no_key=True, of=("self",))
        .filter(participant_id=participant_id, form__in=forms, removed_at=None)
        .exclude(pk=but)
        .exclude(entry_state__in=[EntryState.EXPECTED, EntryState.NOT_DONE, EntryState.NOT_APPLICABLE])
        .select_related("visit", "signature")
        .annotate(has_findings=Exists(Finding.objects.filter(record=OuterRef("pk"))))
        .order_by("pk")
    )


def _reads(definition: Definition, form: str, source: str, items: frozenset[str]) -> bool:
    """Tell whether a form's expressions read any of the changed items (or the entries of a log as such)."""
    if not items:
        return True
    return any(
        ref.form == source and (ref.kind == "rows" or ref.item in items)
        for ref in definition.compiled.forms[form].reads
    )


def reread(record: Record, change: Callable[[Rows], dict[RowKey, tuple[Any, Any]]], *, cause: str, by: Person) -> bool:
    """Apply to a record what follows from a correction outside it (a laboratory range), and to what reads it.

    `change` alters the data that it is given and tells what it altered. The promises are those of a recomputation.
    """
    definition = definition_of(record.participant.version_id)
    book = book_of(record.participant, definition, _read_by({record.form}, definition))
    judged = Finding.objects.filter(record=record).exists()
    before = record.revision
    _recompute(record, book, definition, cause, by, has_findings=judged, change=change)
    if record.revision == before:
        return False
    recompute_dependents(record, frozenset(), by=by)
    return True


def _recompute(
    record: Record,
    book: Book,
    definition: Definition,
    cause: str,
    by: Person | None,
    *,
    has_findings: bool,
    change: Callable[[Rows], dict[RowKey, tuple[Any, Any]]] = lambda data: {},
) -> bool:
    from . import broken_marks, changes, findings
    from .verifications import count

    form = definition.form(record.form)
    place = place_of(definition, record.form, record.visit, record.number)
    data = {group: [dict(row) for row in rows] for group, rows in record.data.items()}
    altered = change(data)
    entry = book.entry(place, data)
    evaluation = evaluate(book, entry)
    changed = settle_derived(form, data, evaluation)
    # What was altered and then calculated again changed from what stood first.
    changed = altered | {key: (altered.get(key, (old,))[0], new) for key, (old, new) in changed.items()}
    if not policies.allows(record, Deed.CHANGE):
        if not record.is_locked and (evaluation.fired or has_findings):
            findings.sync(record, evaluation, definition=definition, justifications={}, by=by)
        _report(record, definition, changed, cause, by)
        book.entry(place, record.data)
        return False
    standing = broken_marks.standing(record)
    is_moved = data != record.data  # also when only what is hidden changed
    was_dated_on, record.data, record.dated_on = record.dated_on, data, dated_on(definition, form, data)
    if changed:
        record.revision += 1
    why = f"{RECALCULATED}{cause}"
    if changed or is_moved or record.dated_on != was_dated_on:
        audit.save(record, by=by, reason=why)
    if changed:
        cleared = changes.append(record, changes.recalculated(changed, why), by)
        audit.deed(
            "record.recomputed", record, by=by, form=record.form, revision=record.revision, cause=cause,
            reveals_arm=record.reveals_arm,
        )  # fmt: skip
        broken_marks.tell(record, standing, cleared, by=by)
    if evaluation.fired or has_findings:
        findings.sync(record, evaluation, definition=definition, justifications={}, by=by)
    if changed:
        effects.saved(record, frozenset(key[2] for key in changed), by)  # type: ignore[arg-type]
    elif is_moved:
        count(record)  # what is hidden now is no longer to be verified
    return is_moved


def make_up(record: Record, *, by: Person) -> bool:
    """Bring the calculated values of a record up to date that a freeze or a lock had kept from changing.

    Called when the record is open again; tells whether anything changed. What reads it follows.
    """
    definition = definition_of(record.participant.version_id)
    held = Finding.objects.filter(record=record, check_id__startswith=OF_RECALCULATION, state=FindingState.OPEN)
    if not policies.allows(record, Deed.CHANGE) or not held.exists():
        return False
    revision = record.revision
    _recompute(record, book_of(record.participant, definition), definition, OPENED_AGAIN, by,
               has_findings=True)  # fmt: skip
    if record.revision == revision:
        return False
    items = record.changes.filter(revision=record.revision).values_list("item", flat=True)
    recompute_dependents(record, frozenset(items), by=by)
    return True


def _report(
    record: Record, definition: Definition, changed: dict[RowKey, tuple[Any, Any]], cause: str, by: Person | None
) -> None:
    """Raise "would be 3, is 2" on a record whose values may not change any more."""
    from . import findings

    form = definition.form(record.form)
    locale = definition.study.locales[0]
    differing = {(OF_RECALCULATION + item_id, row) for (_group, row, item_id) in changed}
    stored = Finding.objects.filter(record=record, check_id__startswith=OF_RECALCULATION)
    said = {(f.check_id, f.row): f for f in stored}
    for key, held in said.items():
        if key not in differing and held.state == FindingState.OPEN:
            findings.resolve(held, by=by)
    for (_group, row, item_id), (old, new) in changed.items():
        item = form.item(item_id)
        key = (OF_RECALCULATION + item_id, row)
        finding = said.get(key) or Finding(record=record, check_id=key[0], row=row)
        proposed = {"is": old, "would_be": new}
        if finding.pk and finding.state == FindingState.OPEN and finding.proposed == proposed:
            continue  # said already
        finding.item, finding.severity, finding.state = item_id, "soft", FindingState.OPEN
        finding.justification, finding.proposed = "", proposed
        if finding.raised_at is None or finding.resolved_at is not None:
            finding.raised_at, finding.resolved_at = clock.now(), None
        audit.save(finding, by=by)
        audit.deed(
            "record.recomputation_held",
            record,
            by=by,
            item=item_id,
            cause=cause,
            would_be=value_words(definition, form, item, new, locale),
            is_now=value_words(definition, form, item, old, locale),
            reveals_arm=record.reveals_arm or definition.reveals_arm(record.form, item_id),
        )


__all__ = ["Evaluation", "Fired", "Severity", "make_up", "recompute_dependents", "reread"]
