"""Queries: asked, answered, closed, reopened, cancelled, asked of another role; every line of a thread stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from trial.definition import Definition, Form
from trial.definitions import definition_of
from trial.free_text import kept
from trial.locks import lock_participant
from trial.models import Person, Role
from trial.permissions import Permission, access_of, can, check

from .. import policies
from ..addressees import ADDRESSEES
from ..checks.book import ROW_ID
from ..lives import Deed
from ..models import Query, QueryKind, QueryState, Record
from ..permissions import check_person_can_answer, check_person_can_readdress, check_person_can_see, person_can_answer
from ..where import Where, find, form_at, new_record, visit_at
from .findings import say, tell

MOST_WORDS = 1000
"""Characters of one line of a thread."""

MOST_AT_ONCE = 200
"""Queries that one bulk deed takes; a page of the worklist holds fewer."""


@transaction.atomic
def ask(
    *, where: Where, text: str, by: Person, item: str = "", row: str = "", addressed_to: str = Role.COORDINATOR
) -> Query:
    """Ask a role about a value, a row or a whole form, filled or not; whoever holds it there is told."""
    participant = lock_participant(where.participant.pk)
    check(by, Permission.QUERY_ASK, participant.site_id)
    definition = definition_of(participant.version_id)
    text = kept(text, limit=MOST_WORDS, needed=_("Write the question."))
    check_addressee(addressed_to)
    form = form_at(definition, where)
    if item and item not in form.items:
        raise Refused(_("There is no such item."))
    visit = visit_at(where, participant)
    check_person_can_see(by, participant, definition, form.id, visit.event if visit else None)
    record = find(where, lock=True)
    if record is None and form.is_log:
        raise Refused(_("There is no such entry."))
    reveals = _check_place(definition, form, record, item, row)
    if reveals and not can(by, Permission.ARM_VIEW, participant.site_id):
        raise Refused(_("There is no such item."))
    if record is None:
        record = audit.save(new_record(participant, definition, where), by=by)
    record.participant = participant
    policies.check_deed(record, Deed.ASK)
    query = audit.save(
        Query(
            record=record,
            participant=participant,
            kind=QueryKind.MANUAL,
            row=row,
            item=item,
            addressed_to=str(addressed_to),
            opened_at=clock.now(),
            opened_by=by,
            reveals_arm=record.reveals_arm or reveals,
        ),
        by=by,
    )
    say(query, QueryState.OPEN, text, by=by, addressed_to=query.addressed_to)
    audit.deed(
        "query.asked",
        query,
        by=by,
        form=record.form,
        item=item,
        addressed_to=query.addressed_to,
        reveals_arm=query.reveals_arm,
    )
    tell(query, by=by)
    return query


def check_addressee(role: str) -> None:
    """Raise unless queries are asked of this role."""
    if role not in ADDRESSEES:
        raise Refused(_("A query is asked of one of: %(roles)s.") % {"roles": ", ".join(addressee_words())})


def addressee_words() -> list[str]:
    """The roles of which a query may be asked, in words."""
    return [str(Role(role).label) for role in ADDRESSEES]


def _check_place(definition: Definition, form: Form, record: Record | None, item: str, row: str) -> bool:
    """Raise unless the row and the item are of one place; tell whether what is asked about reveals the arm."""
    if row:
        holding = [
            group
            for group, rows in (record.data if record is not None else {}).items()
            if any(held.get(ROW_ID) == row for held in rows)
        ]
        if not holding or (item and form.group_of(item).id not in holding):
            raise Refused(_("This row does not exist any more."))
        if not item:
            group = form.group(holding[0])
            return group.reveals_arm or all(definition.reveals_arm(form.id, each.id) for each in group.items)
    return bool(item) and definition.reveals_arm(form.id, item)


@transaction.atomic
def answer(*, query: Query, text: str, by: Person) -> Query:
    """Answer a query for whom it was asked; the one who may close it sees the answer."""
    query = _locked(query)
    check_person_can_answer(by, query)
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
    """Open a query again, because the answer does not settle it; whoever it is asked of is told again."""
    query = _locked(query)
    check(by, Permission.QUERY_ASK, query.participant.site_id)
    text = kept(text, limit=MOST_WORDS, needed=_("Say why the query is opened again."))
    query = _move(query, QueryState.REOPENED, text, by, "query.reopened")
    tell(query, by=by)
    return query


@transaction.atomic
def cancel(*, query: Query, text: str, by: Person) -> Query:
    """Cancel a query that was asked by mistake; only people who ask queries do."""
    query = _locked(query)
    check(by, Permission.QUERY_ASK, query.participant.site_id)
    if query.kind == QueryKind.AUTOMATIC:
        raise Refused(_("A query of an edit check closes when the data become right, or when the value is confirmed."))
    text = kept(text, limit=MOST_WORDS, needed=_("Say why the query is cancelled."))
    return _move(query, QueryState.CANCELLED, text, by, "query.cancelled")


@transaction.atomic
def readdress(*, query: Query, addressed_to: str, text: str = "", by: Person) -> Query:
    """Ask another role instead; the state stays, the thread says it, and the role is told."""
    query = _locked(query)
    check_person_can_readdress(by, query)
    check_addressee(addressed_to)
    text = kept(text, limit=MOST_WORDS)
    policies.check_queries_can_change(query.record)
    if not query.waits_for_answer:
        raise Refused(_("Only a query that waits for an answer can be asked of another role."), code="state")
    if query.addressed_to == addressed_to:
        raise Refused(_("This query is already asked of: %(role)s.") % {"role": Role(addressed_to).label}, code="same")
    query.addressed_to = str(addressed_to)
    audit.save(query, by=by)
    say(query, query.state, text, by=by, addressed_to=query.addressed_to)
    audit.deed(
        "query.readdressed",
        query,
        by=by,
        form=query.record.form,
        item=query.item,
        addressed_to=query.addressed_to,
        reveals_arm=query.reveals_arm,
    )
    tell(query, by=by)
    return query


# ---------------------------------------------------------------- several at once


@dataclass
class Outcome:
    """What became of a bulk deed: the queries for which it was done, and the others with the words of the refusal."""

    done: list[Query] = field(default_factory=list)
    refused: list[tuple[Query, str]] = field(default_factory=list)


AT_ONCE: dict[str, Callable[..., Query]] = {
    "close": close,
    "reopen": reopen,
    "cancel": cancel,
    "readdress": readdress,
}
"""What is done with several queries and one text. Answering is not: an answer speaks of one value."""


def settle_several(*, queries: Iterable[Query], deed: str, text: str, by: Person, addressed_to: str = "") -> Outcome:
    """Close, reopen, cancel or readdress several queries with one text; each is checked for itself.

    One transaction for each query, not one for all: each query is a matter of its own with a participant of its own,
    so that one that somebody else has just settled, or that stands on a locked form, holds up none of the others, and
    no participant stays locked longer than its own query takes. What was refused is told with its reason; what was
    done stays done. Raises `Refused` before anything is done for a deed that is not for several, and for too many.
    """
    act = AT_ONCE.get(deed)
    if act is None:
        raise Refused(_("This is not done with several queries at once."), code="deed")
    wanted = list(queries)
    if len(wanted) > MOST_AT_ONCE:
        raise Refused(_("At most %(n)s queries at once.") % {"n": MOST_AT_ONCE}, code="too_many")
    more = {"addressed_to": addressed_to} if deed == "readdress" else {}
    if more:
        check_addressee(addressed_to)
    found = Outcome()
    for query in wanted:
        try:
            found.done.append(act(query=query, text=text, by=by, **more))
        except Refused as refused:
            found.refused.append((query, str(refused)))
    return found


def may(query: Query, person: Person) -> set[str]:
    """Return what the person may do with the query now: answer, close, reopen, cancel, readdress."""
    access, site = access_of(person), query.participant.site_id
    found: set[str] = set()
    around = getattr(query, "in_locked_scope", None)  # lists ask it for all of their queries in one statement
    is_locked = query.record.is_locked if around is None else query.record.locked_at is not None or around
    if is_locked:
        return found
    answers, asks = person_can_answer(person, query), access.has(Permission.QUERY_ASK, site)
    if answers and query.waits_for_answer:
        found.add("answer")
    if (answers or asks) and query.waits_for_answer:
        found.add("readdress")
    if asks:
        if query.is_open:
            found |= {"close"} | ({"cancel"} if query.kind == QueryKind.MANUAL else set())
        if query.state in (QueryState.ANSWERED, QueryState.CLOSED):
            found.add("reopen")
    return found


def _locked(query: Query) -> Query:
    participant = lock_participant(
        query.participant_id
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
    say(query, state, text, by=by, addressed_to=query.addressed_to if state == QueryState.REOPENED else "")
    audit.deed(verb, query, by=by, form=query.record.form, item=query.item, reveals_arm=query.reveals_arm)
    return query


__all__ = [
    "AT_ONCE",
    "Outcome",
    "Record",
    "Where",
    "answer",
    "ask",
    "cancel",
    "close",
    "may",
    "readdress",
    "reopen",
    "settle_several",
]
