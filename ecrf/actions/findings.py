"""Keeping findings and their automatic queries in line with what the checks say now."""

from __future__ import annotations

import audit
from audit import clock
from trial.definition import Definition
from trial.models import Person

from ..checks import Evaluation, Fired
from ..models import Change, EntryState, Finding, FindingState, Query, QueryKind, QueryMessage, QueryState, Record
from ..presenters import fired_message

OF_RECALCULATION = "recompute:"
"""Findings about calculated values that a freeze or a lock keeps from changing; `actions.recomputation` keeps them."""
OF_CRITERIA = "criterion:"
"""Findings about criteria of eligibility rest on every form; `actions.eligibility` keeps them."""


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
    becomes a query to the site.
    """
    fired = {(f.check_id, f.row): f for f in evaluation.fired}
    held = {} if is_first else {(f.check_id, f.row): f for f in Finding.objects.filter(record=record)}
    if not fired and not held:
        return
    for key, now in fired.items():
        finding = held.get(key) or Finding(record=record, check_id=now.check_id, row=now.row)
        _raise(finding, now, justifications.get(key, ""), by)
        if record.entry_state == EntryState.COMPLETE and finding.state == FindingState.OPEN:
            _ask(finding, now, definition=definition, by=by)
        elif finding.state == FindingState.JUSTIFIED:
            _close(finding, text=finding.justification, by=by)
    kept = (OF_CRITERIA, OF_RECALCULATION) if record.is_frozen else (OF_CRITERIA,)
    for key, finding in held.items():
        if key not in fired and not key[0].startswith(kept):
            resolve(finding, by=by)


def confirm(
    record: Record,
    evaluation: Evaluation,
    justifications: dict[tuple[str, str], str],
    *,
    by: Person,
) -> bool:
    """Keep why values that stand are right, where no value changes; tell whether anything was confirmed anew."""
    asked = [f for f in evaluation.fired if justifications.get((f.check_id, f.row), "").strip()]
    held = {(f.check_id, f.row): f for f in Finding.objects.filter(record=record)} if asked else {}
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
    """Resolve every finding of a record that no longer holds data."""
    for finding in Finding.objects.filter(record=record):
        resolve(finding, by=by)


def resolve(finding: Finding, *, by: Person | None) -> None:
    """Say that the check no longer has anything to say; its automatic query closes itself."""
    if finding.state == FindingState.RESOLVED:
        return
    finding.state = FindingState.RESOLVED
    finding.resolved_at = clock.now()
    audit.save(finding, by=by)
    _close(finding, text="", by=by)


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


def _ask(finding: Finding, now: Fired, *, definition: Definition, by: Person | None) -> None:
    """Ask the site about an open finding, once."""
    record = finding.record
    query = Query.objects.filter(finding=finding).order_by("-pk").first()
    if query is not None and (query.is_open or _was_settled_by_a_person(query, finding, now)):
        return
    query = audit.save(
        Query(
            record=record,
            participant=record.participant,
            finding=finding,
            kind=QueryKind.AUTOMATIC,
            row=finding.row,
            item=finding.item,
            opened_at=clock.now(),
            reveals_arm=record.reveals_arm or any(definition.reveals_arm(record.form, item) for item in now.items),
        ),
        by=by,
    )
    say(query, QueryState.OPEN, fired_message(now, definition, definition.study.locales[0]), by=None)
    audit.deed("query.asked", query, by=None, check=finding.check_id, reveals_arm=query.reveals_arm)


def _was_settled_by_a_person(query: Query, finding: Finding, now: Fired) -> bool:
    """Whether a person closed the question about these very values: it is not asked again until they change."""
    if query.opened_at < finding.raised_at:
        return False
    record = finding.record
    return not Change.objects.filter(
        record=record, revision=record.revision, row__in={finding.row, ""}, item__in=now.items
    ).exists()


def _close(finding: Finding, *, text: str, by: Person | None) -> None:
    for query in Query.objects.filter(finding=finding, state__in=[QueryState.OPEN, QueryState.ANSWERED]):
        query.state = QueryState.CLOSED
        query.settled_at = clock.now()
        audit.save(query, by=by)
        say(query, QueryState.CLOSED, text or "The data now satisfy the edit check.", by=by if text else None)
        audit.deed("query.closed", query, by=by, automatic=True, check=finding.check_id, reveals_arm=query.reveals_arm)


def say(query: Query, state: str, text: str, *, by: Person | None) -> None:
    """Add a line to the thread of a query; without a person it is the system's."""
    QueryMessage.objects.create(
        query=query,
        state=state,
        text=text[:1000],
        by_id=by.pk if by else None,
        by_name=by.printed_name if by else "Stratum",
        at=clock.now(),
    )
