"""What the state of a record allows: the tables of `lives`, asked together, and what stands around a record."""

from __future__ import annotations

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from audit.errors import Refused
from trial.definition import Definition, Form
from trial.definitions import definition_of
from trial.models import Participant, Site, Visit, VisitStatus
from trial.presenters import visit_label

from . import lives
from .lives import QUERY, Deed
from .models import Closure, ClosureKind, ClosureScope, EntryState, QueryState, Record
from .models.closures import in_force_at, in_force_over

ENTRY: dict[str, frozenset[str]] = {
    state: frozenset(
        lives.ENTRY.moves[(state, deed)]
        for deed in (Deed.SAVE, Deed.COMPLETE, Deed.NOT_DONE)
        if (state, deed) in lives.ENTRY.moves
    )
    for state in lives.ENTRY.states
}
"""Entry state → the states a save or “not done” may lead to."""

_DEED_OF_STATE = {
    EntryState.IN_PROGRESS: Deed.SAVE,
    EntryState.COMPLETE: Deed.COMPLETE,
    EntryState.NOT_DONE: Deed.NOT_DONE,
}


def states_of(record: Record) -> dict[str, str]:
    """Return where a record stands in each table of `lives` but the one of single values (verified)."""
    changed = "changed"
    return {
        "use": "removed" if record.removed_at is not None else "in_use",
        "locked": "locked" if record.is_locked else "open",
        "frozen": "frozen" if record.is_frozen else "open",
        "entry": record.entry_state,
        "reviewed": "reviewed" if record.is_reviewed else (changed if record.reviewed_at else "not_reviewed"),
        "signed": changed if record.is_changed_since_signing else ("signed" if record.is_signed else "unsigned"),
    }


OWN_MARKS = {Deed.FREEZE: "frozen", Deed.UNFREEZE: "frozen", Deed.LOCK: "locked", Deed.UNLOCK: "locked"}
"""Deeds that set or lift the record's own mark: a closure around it neither stands for the mark nor is lifted so."""


def check_deed(record: Record, deed: Deed) -> None:
    """Raise, in the words of the first table that refuses, unless the record as it stands allows the deed."""
    for name, state in states_of(record).items():
        if OWN_MARKS.get(deed) == name:
            own = record.frozen_at if name == "frozen" else record.locked_at
            closure = next((c for c in record.closures if c.kind == name), None)
            if closure is not None and own is None and deed in (Deed.UNFREEZE, Deed.UNLOCK):
                scope = scope_words(closure, record.participant, record.visit)
                words = _("%(scope)s is closed, and this form with it. Open it there, on the page “Freeze and lock”.")
                raise Refused(words % {"scope": scope}, code=name)
            state = name if own is not None else "open"
        refused = lives.LIVES[name].refusal(state, deed)
        if refused is None:
            continue
        if name in ("frozen", "locked") and deed not in OWN_MARKS:
            _check_no_closure(record.closures, name, record.participant, record.visit)
        raise Refused(*refused)


def allows(record: Record, deed: Deed) -> bool:
    """Answer what `check_deed` would raise about."""
    try:
        check_deed(record, deed)
    except Refused:
        return False
    return True


def _check_no_closure(closures: list[Closure], kind: str, participant: Participant, visit: Visit | None) -> None:
    found = next((c for c in closures if c.kind == kind), None)
    if found is not None:
        raise _closed(found, participant, visit)


def _closed(closure: Closure, participant: Participant | None, visit: Visit | None) -> Refused:
    scope = scope_words(closure, participant, visit)
    if closure.kind == ClosureKind.LOCKED:
        words = _("%(scope)s is locked: nothing in it changes. Ask the data manager to unlock it.")
    else:
        words = _("%(scope)s is frozen: no value in it changes. Ask the data manager to unfreeze it.")
    return Refused(words % {"scope": scope}, code=str(closure.kind))


def scope_words(closure: Closure, participant: Participant | None, visit: Visit | None) -> str:
    """Name what a closure closes: “Participant 07-003”, “The visit Month 3”."""
    if closure.scope == ClosureScope.STUDY:
        return _("The study")
    if closure.scope == ClosureScope.SITE:
        number = participant.site.number if participant is not None else closure.site.number  # type: ignore[union-attr]
        return _("Site %(number)s") % {"number": number}
    assert participant is not None
    if closure.scope == ClosureScope.PARTICIPANT or visit is None:
        return _("Participant %(code)s") % {"code": participant.code}
    label = visit_label(visit, definition_of(participant.version_id), get_language() or "en")
    return _("The visit “%(visit)s”") % {"visit": label}


def check_entry_move(before: str, after: str) -> None:
    """Raise unless a save or “not done” may bring a record from one entry state to the other."""
    deed = _DEED_OF_STATE.get(EntryState(after))
    if deed is not None:
        lives.ENTRY.after(before, deed)
    else:
        raise Refused(
            _("A form that is “%(before)s” cannot become “%(after)s”.")
            % {"before": EntryState(before).label, "after": EntryState(after).label}
        )


def check_query_move(before: str, after: str) -> None:
    """Raise unless a query may go from one state to the other."""
    if after not in QUERY[before]:
        raise Refused(
            _("A query that is “%(before)s” cannot become “%(after)s”.")
            % {"before": QueryState(before).label, "after": QueryState(after).label}
        )


def check_values_can_change(record: Record) -> None:
    """No value of a removed, frozen or locked record changes."""
    states = states_of(record)
    for name in ("use", "locked", "frozen"):
        refused = lives.LIVES[name].refusal(states[name], Deed.SAVE)
        if refused is not None:
            _check_no_closure(record.closures, name, record.participant, record.visit)
            raise Refused(*refused)


def check_queries_can_change(record: Record) -> None:
    """No query of a locked record changes."""
    refused = lives.LOCKED.refusal(states_of(record)["locked"], Deed.SETTLE)
    if refused is not None:
        _check_no_closure(record.closures, ClosureKind.LOCKED, record.participant, record.visit)
        raise Refused(*refused)


def check_scope_is_open(participant: Participant, visit: Visit | None = None) -> None:
    """Nothing new begins, and no value changes, in a frozen or locked visit, participant, site or study."""
    for kind in (ClosureKind.LOCKED, ClosureKind.FROZEN):
        _check_no_closure(in_force_over(participant, visit), kind, participant, visit)


def barrier(site: Site, participant: Participant | None, visit: Visit | None) -> None:
    """What `trial.barriers` asks: the trial's own writers stop where the eCRF is frozen or locked."""
    if participant is not None:
        check_scope_is_open(participant, visit)
        return
    for closure in in_force_at(site):
        raise _closed(closure, None, None)


def check_form_is_open(
    participant: Participant, definition: Definition, form: Form, visit: Visit | None, number: int | None = None
) -> None:
    """Raise, saying what to do first, unless the form may be filled now.

    No form beyond the screening log opens before a valid consent; a visit's date comes before its forms; a log that
    only some pathways have takes no new entry (`number` None) elsewhere, while an entry once made can be corrected;
    nothing is begun in what is frozen or locked.
    """
    check_scope_is_open(participant, visit)
    is_consent = form.id == definition.study_file.consent.form
    if participant.consented_on is None and not is_consent:
        raise Refused(_("Record the consent first: no other form opens before it."), code="consent_needed")
    if visit is None and number is None and not form.is_for(participant.pathway):
        raise Refused(_("This log is not part of this participant's visit plan."), code="not_in_plan")
    if visit is not None:
        if visit.status == VisitStatus.MISSED:
            raise Refused(_("This visit is recorded as missed. Reopen the visit first."), code="visit_missed")
        if visit.actual_on is None:
            raise Refused(_("Record the date of the visit first."), code="visit_date_needed")
