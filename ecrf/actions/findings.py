"""Keeping findings and their automatic queries in line with what the checks say now."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext_noop

import audit
from audit import clock
from audit.prepared import prepared
from trial.actions import notices
from trial.definition import Definition
from trial.models import Participant, Person, Role
from trial.permissions import Permission, access_of

from ..addressees import ADDRESSEES
from ..checks import Evaluation, Fired
from ..models import (
    UNSETTLED,
    Change,
    EntryState,
    Finding,
    FindingState,
    Query,
    QueryKind,
    QueryMessage,
    QueryState,
    Record,
)
from ..presenters import fired_message

OF_RECALCULATION = "recompute:"
"""Findings about calculated values that a freeze or a lock keeps from changing; `actions.recomputation` keeps them."""
OF_CRITERIA = "criterion:"
"""Findings about criteria of eligibility rest on every form; `actions.eligibility` keeps them."""

NOW_RIGHT = gettext_noop("The data now satisfy the edit check.")
ENTRY_REMOVED = gettext_noop("The entry was removed.")
FORM_NOT_DONE = gettext_noop("The form was recorded as not done.")
"""Why an automatic query closed itself; kept in English, shown in the reader's language."""

QUERY_ASKED = "query_asked"
"""Kind of the notice to the role of which a query was asked."""


def sync(
    record: Record,
    evaluation: Evaluation,
    *,
    definition: Definition,
    justifications: dict[tuple[str, str], str],
    by: Person | None,
    is_first: bool = False,
) -> None:
    """Bring the record's findings in line with its evaluation (`is_first`: the record was just made).

    A check that fires opens its finding (justified at once where the person says why the value is right); one that no
    longer fires resolves it, and its automatic query closes itself, saying so. A complete record's open finding
    becomes a query to the site; one that returns opens its query again, so that there is one thread.
    """
    fired = {(f.check_id, f.row): f for f in evaluation.fired}
    held = {} if is_first else {(f.check_id, f.row): f for f in _findings(record)}
    if not fired and not held:
        return
    for key, now in fired.items():
        finding = held.get(key) or Finding(record=record, check_id=now.check_id, row=now.row)
        returned = finding.state == FindingState.RESOLVED
        _raise(finding, now, justifications.get(key, ""), by)
        if record.entry_state == EntryState.COMPLETE and finding.state == FindingState.OPEN:
            _ask(finding, now, definition=definition, by=by, returned=returned)
        elif finding.state == FindingState.JUSTIFIED:
            _close(finding, text=finding.justification, by=by)
    kept = (OF_CRITERIA, OF_RECALCULATION) if record.is_frozen else (OF_CRITERIA,)
    for key, finding in held.items():
        if key not in fired and not key[0].startswith(kept):
            resolve(finding, by=by)


def _findings(record: Record) -> list[Finding]:
    found = _of_record(record.pk)
    for finding in found:
        finding.record = record
    return found


@prepared
def _of_record(record_id: int) -> QuerySet[Finding]:
    return Finding.objects.filter(record_id=record_id)


def confirm(
    record: Record,
    evaluation: Evaluation,
    justifications: dict[tuple[str, str], str],
    *,
    by: Person,
) -> bool:
    """Keep why values that stand are right, where no value changes; tell whether anything was confirmed anew."""
    asked = [f for f in evaluation.fired if justifications.get((f.check_id, f.row), "").strip()]
    held = {(f.check_id, f.row): f for f in _findings(record)} if asked else {}
    is_new = False
    for now in asked:
        finding = held.get((now.check_id, now.row)) or Finding(record=record, check_id=now.check_id, row=now.row)
        before = (finding.pk, finding.state, finding.justification)
        _raise(finding, now, justifications[(now.check_id, now.row)], by)
        if finding.state == FindingState.JUSTIFIED and before != (finding.pk, finding.state, finding.justification):
            _close(finding, text=finding.justification, by=by)
            is_new = True
    return is_new


def resolve_all(record: Record, *, by: Person | None) -> None:
    """Resolve every finding of a record that no longer holds data, its queries saying why."""
    words = ENTRY_REMOVED if record.removed_at is not None else FORM_NOT_DONE
    for finding in _findings(record):
        resolve(finding, by=by, words=words)


def resolve(finding: Finding, *, by: Person | None, words: str = NOW_RIGHT) -> None:
    """Say that the check no longer has anything to say; its automatic query closes itself, in `words`."""
    if finding.state == FindingState.RESOLVED:
        return
    finding.state = FindingState.RESOLVED
    finding.resolved_at = clock.now()
    audit.save(finding, by=by)
    _close(finding, text="", by=by, words=words)


def _raise(finding: Finding, now: Fired, justification: str, by: Person | None) -> None:
    state = FindingState.OPEN
    words = justification.strip()[:300]
    if now.severity == "soft" and (words or (finding.state == FindingState.JUSTIFIED and finding.pk)):
        state = FindingState.JUSTIFIED
        words = words or finding.justification
    wanted = (now.items[0] if now.items else "", str(now.severity), state, words if state == "justified" else "")
    if finding.pk and (finding.item, finding.severity, finding.state, finding.justification) == wanted:
        return
    if not finding.pk or finding.state == FindingState.RESOLVED:
        finding.raised_at = clock.now()
        finding.resolved_at = None
    finding.item, finding.severity, finding.state, finding.justification = wanted
    audit.save(finding, by=by)


def _ask(finding: Finding, now: Fired, *, definition: Definition, by: Person | None, returned: bool) -> None:
    """Ask the site about an open finding, once; again, in the same thread, when it returned."""
    record = finding.record
    query = Query.objects.filter(finding=finding).order_by("-pk").first()
    if query is None:
        query, verb, state = (
            Query(record=record, finding=finding, kind=QueryKind.AUTOMATIC),
            "query.asked",
            QueryState.OPEN,
        )
        query.participant, query.opened_at = record.participant, clock.now()
        query.addressed_to = _addressee(definition, record, now)
    elif query.state == QueryState.CLOSED and (returned or not _was_settled_by_a_person(query, finding, now)):
        verb, state = "query.reopened", QueryState.REOPENED
    else:
        return
    query.state, query.settled_at = state, None
    query.row, query.item = finding.row, finding.item
    query.reveals_arm = record.reveals_arm or any(definition.reveals_arm(record.form, item) for item in now.items)
    audit.save(query, by=by)
    text = fired_message(now, definition, definition.study.locales[0])
    say(query, state, text, by=None, addressed_to=query.addressed_to, words=now.message)
    audit.deed(verb, query, by=None, check=finding.check_id, reveals_arm=query.reveals_arm)
    if by is None or not any(
        access_of(by).has_role(role, record.participant.site_id) for role in ADDRESSEES[query.addressed_to]
    ):  # who saved the form has just read it there
        tell(query, by=by)


def _addressee(definition: Definition, record: Record, now: Fired) -> str:
    """The role for which the item is kept, where it is; else who fills the forms."""
    form = definition.form(record.form)
    reserved = [str(role) for item in now.items for role in form.item(item).answered_by if role in ADDRESSEES]
    return reserved[0] if reserved else str(Role.COORDINATOR)


def _was_settled_by_a_person(query: Query, finding: Finding, now: Fired) -> bool:
    """Whether a person closed the question about these very values: it is not asked again until they change."""
    last = query.messages.last()
    if last is None or last.by_id is None or last.at < finding.raised_at:
        return False
    record = finding.record
    return not Change.objects.filter(
        record=record, revision=record.revision, row__in={finding.row, ""}, item__in=now.items
    ).exists()


def _close(finding: Finding, *, text: str, by: Person | None, words: str = NOW_RIGHT) -> None:
    for query in Query.objects.filter(finding=finding, state__in=UNSETTLED):
        query.state = QueryState.CLOSED
        query.settled_at = clock.now()
        audit.save(query, by=by)
        say(query, QueryState.CLOSED, text or words, by=by if text else None)
        audit.deed("query.closed", query, by=by, automatic=True, check=finding.check_id, reveals_arm=query.reveals_arm)


def say(
    query: Query,
    state: str,
    text: str,
    *,
    by: Person | None,
    addressed_to: str = "",
    words: dict[str, str] | None = None,
) -> None:
    """Add a line to the thread of a query; without a person it is the system's (`words`: in each language)."""
    QueryMessage.objects.create(
        query=query,
        state=state,
        addressed_to=addressed_to,
        text=text[:1000],
        words=words or {},
        by_id=by.pk if by else None,
        by_name=by.printed_name if by else "Stratum",
        at=clock.now(),
    )


def tell(query: Query, *, by: Person | None) -> None:
    """Owe a notice to everybody at the site who holds the role of which the query was asked, once for each asking.

    It says that there is a query, whose and where to read it; the question itself stays in the application.
    """
    participant: Participant = query.participant
    people = notices.people_holding([str(role) for role in ADDRESSEES[query.addressed_to]], participant.site_id)
    if query.reveals_arm:
        people = {person for person in people if access_of(person).has(Permission.ARM_VIEW, participant.site_id)}
    notices.owe(
        kind=QUERY_ASKED,
        people=[p for p in sorted(people, key=lambda each: each.pk) if by is None or p.pk != by.pk],
        key=f"query:{query.pk}:{query.messages.count()}",
        participant=participant,
        context={"site": participant.site.number, "code": participant.code, "date": clock.today().isoformat()},
        url=f"/queries/{query.pk}/",
        reveals_arm=query.reveals_arm,
        by=by,
    )
