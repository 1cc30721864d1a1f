"""What the state of a record allows: each life as a table, and the marks beside it."""

from __future__ import annotations

from django.utils.translation import gettext as _

from audit.errors import Refused
from trial.definition import Definition, Form
from trial.models import Participant, Visit, VisitStatus

from .models import EntryState, QueryState, Record

S = EntryState
ENTRY: dict[str, frozenset[str]] = {
    S.EXPECTED: frozenset({S.IN_PROGRESS, S.COMPLETE, S.NOT_DONE, S.NOT_APPLICABLE}),
    S.IN_PROGRESS: frozenset({S.IN_PROGRESS, S.COMPLETE, S.NOT_DONE}),
    S.COMPLETE: frozenset({S.COMPLETE, S.IN_PROGRESS, S.NOT_DONE}),
    S.NOT_DONE: frozenset({S.IN_PROGRESS, S.COMPLETE}),
    S.NOT_APPLICABLE: frozenset({S.EXPECTED}),
}
"""Entry state → the states a deed may lead to."""

Q = QueryState
QUERY: dict[str, frozenset[str]] = {
    Q.OPEN: frozenset({Q.ANSWERED, Q.CLOSED, Q.CANCELLED}),
    Q.ANSWERED: frozenset({Q.REOPENED, Q.CLOSED, Q.CANCELLED}),
    Q.CLOSED: frozenset({Q.REOPENED}),
    Q.REOPENED: frozenset({Q.ANSWERED, Q.CLOSED, Q.CANCELLED}),
    Q.CANCELLED: frozenset(),
}
"""Query state → the states a deed may lead to; a cancelled one is the end, a new question is a new query."""


def check_entry_move(before: str, after: str) -> None:
    """Raise unless a record may go from one entry state to the other."""
    if after not in ENTRY[before]:
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
    """No value of a frozen or locked record changes."""
    if record.is_locked:
        raise Refused(_("This form is locked. Ask the data manager to unlock it."), code="locked")
    if record.is_frozen:
        raise Refused(_("This form is frozen. Ask the data manager to unfreeze it."), code="frozen")
    if record.removed_at is not None:
        raise Refused(_("This entry was removed."), code="removed")


def check_queries_can_change(record: Record) -> None:
    """No query of a locked record changes."""
    if record.is_locked:
        raise Refused(_("This form is locked: its queries are closed."), code="locked")


def check_form_is_open(
    participant: Participant, definition: Definition, form: Form, visit: Visit | None, number: int | None = None
) -> None:
    """Raise, saying what to do first, unless the form may be filled now.

    No form beyond the screening log opens before a valid consent; a visit's date comes before its forms; a log that
    only some pathways have takes no new entry (`number` None) elsewhere, while an entry once made can be corrected.
    """
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
