"""Queries: asked, answered, closed, reopened, cancelled; every line of a thread stays."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from trial.definitions import definition_of
from trial.free_text import kept
from trial.models import Participant, Person
from trial.permissions import Permission, access_of, can, check

from .. import policies
from ..checks.book import ROW_ID
from ..lives import Deed
from ..models import Query, QueryKind, QueryState, Record
from ..permissions import check_person_can_see
from .findings import say
from .records import Where, _find, _form, _new, _visit

MOST_WORDS = 1000
"""Characters of one line of a thread."""


@transaction.atomic
def ask(
    *, where: Where, text: str, by: Person, item: str = "", row: str = "", addressed_to: str = "coordinator"
) -> Query:
    """Ask the site about a value, a row or a whole form, filled or not."""
    participant = Participant.objects.select_for_update(no_key=True, of=("self",)).get(pk=where.participant.pk)
    check(by, Permission.QUERY_ASK, participant.site_id)
    definition = definition_of(participant.version_id)
    text = kept(text, limit=MOST_WORDS, needed=_("Write the question."))
    form = _form(definition, where)
    if item and item not in form.items:
        raise Refused(_("There is no such item."))
    visit = _visit(where, participant)
    check_person_can_see(by, participant, definition, form.id, visit.event if visit else None)
    if item and definition.reveals_arm(form.id, item) and not can(by, Permission.ARM_VIEW, participant.site_id):
        raise Refused(_("There is no such item."))
    record = _find(where, lock=True)
    if record is None:
        if form.is_log:
            raise Refused(_("There is no such entry."))
        record = audit.save(_new(participant, definition, where), by=by)
    if row and not any(held.get(ROW_ID) == row for rows in record.data.values() for held in rows):
        raise Refused(_("This row does not exist any more."))
    record.participant = participant
    policies.check_deed(record, Deed.ASK)
    query = audit.save(
        Query(
            record=record,
            participant=participant,
            kind=QueryKind.MANUAL,
            row=row,
            item=item,
            addressed_to=addressed_to,
            opened_at=clock.now(),
            opened_by=by,
            reveals_arm=record.reveals_arm or bool(item and definition.reveals_arm(record.form, item)),
        ),
        by=by,
    )
    say(query, QueryState.OPEN, text, by=by)
    audit.deed("query.asked", query, by=by, form=record.form, item=item, reveals_arm=query.reveals_arm)
    return query


@transaction.atomic
def answer(*, query: Query, text: str, by: Person) -> Query:
    """Answer a query for the site; the one who may close it sees the answer."""
    query = _locked(query)
    check(by, Permission.QUERY_ANSWER, query.participant.site_id)
    text = kept(text, limit=MOST_WORDS, needed=_("Write the answer."))
    return _move(query, QueryState.ANSWERED, text, by, "query.answered")


@transaction.atomic
def close(*, query: Query, text: str = "", by: Person) -> Query:
    """Close a query that is settled."""
    query = _locked(query)
    check(by, Permission.QUERY_ASK, query.participant.site_id)
    return _move(query, QueryState.CLOSED, kept(text, limit=MOST_WORDS), by, "query.closed")


@transaction.atomic
def reopen(*, query: Query, text: str, by: Person) -> Query:
    """Open a query again, because the answer does not settle it."""
    query = _locked(query)
    check(by, Permission.QUERY_ASK, query.participant.site_id)
    text = kept(text, limit=MOST_WORDS, needed=_("Say why the query is opened again."))
    return _move(query, QueryState.OPEN, text, by, "query.reopened")


@transaction.atomic
def cancel(*, query: Query, text: str, by: Person) -> Query:
    """Cancel a query that was asked by mistake; only people who ask queries do."""
    query = _locked(query)
    check(by, Permission.QUERY_ASK, query.participant.site_id)
    if query.kind == QueryKind.AUTOMATIC:
        raise Refused(_("A query of an edit check closes when the data become right, or when the value is confirmed."))
    text = kept(text, limit=MOST_WORDS, needed=_("Say why the query is cancelled."))
    return _move(query, QueryState.CANCELLED, text, by, "query.cancelled")


def may(query: Query, person: Person) -> set[str]:
    """Return what the person may do with the query now: answer, close, reopen, cancel."""
    access, site = access_of(person), query.participant.site_id
    found: set[str] = set()
    around = getattr(query, "in_locked_scope", None)  # lists ask it for all of their queries in one statement
    is_locked = query.record.is_locked if around is None else query.record.locked_at is not None or around
    if is_locked:
        return found
    if access.has(Permission.QUERY_ANSWER, site) and query.state == QueryState.OPEN:
        found.add("answer")
    if access.has(Permission.QUERY_ASK, site):
        if query.is_open:
            found |= {"close"} | ({"cancel"} if query.kind == QueryKind.MANUAL else set())
        if query.state in (QueryState.ANSWERED, QueryState.CLOSED):
            found.add("reopen")
    return found


def _locked(query: Query) -> Query:
    participant = (
        Participant.objects.select_for_update(no_key=True, of=("self",))
        .select_related("site")
        .get(pk=query.participant_id)
    )  # a lock of the form or of anything around it waits, or is seen
    rows = Query.objects.select_for_update(no_key=True, of=("self",)).select_related("record__visit")
    current = rows.get(pk=query.pk)
    current.participant = current.record.participant = participant
    return current


def _move(query: Query, state: str, text: str, by: Person, verb: str) -> Query:
    policies.check_queries_can_change(query.record)
    policies.check_query_move(query.state, state)
    query.state = state
    query.settled_at = clock.now() if state in (QueryState.CLOSED, QueryState.CANCELLED) else None
    audit.save(query, by=by)
    say(query, state, text, by=by)
    audit.deed(verb, query, by=by, form=query.record.form, item=query.item, reveals_arm=query.reveals_arm)
    return query


__all__ = ["Record", "Where", "answer", "ask", "cancel", "close", "may", "reopen"]
