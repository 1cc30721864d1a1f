"""The audit trail of a value and of a record in words, and the threads of queries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from audit.models import Deed
from audit.selectors import ledger_of
from trial.definition import Item
from trial.presenters import visit_label

from .actions import broken_marks, data_queries
from .models import Change, ChangeKind, Query, QueryKind, QueryMessage, QueryState, Record, Verification
from .pages import RecordPage, Words, initials, moment
from .places import RecordPlace
from .presenters import broken_words

SYSTEM = "Stratum"
MOST_LINES = 500
"""A value with more lines than this shows the newest; a record's trail is paged."""
DEEDS_OF_THEIR_OWN = (
    "record.not_done",
    "record.removed",
    "record.signed",
    "record.reviewed",
    "record.unreviewed",
    "record.marks_broken",
    "record.frozen",
    "record.unfrozen",
    "record.locked",
    "record.unlocked",
)
"""What happens to a record beside its values; saves are told by their changes, verifications by theirs."""


def trail_of_item(page: RecordPage, item: Item, row: str) -> list[Words]:
    """Everything that happened to one value, newest first: entered, changed, calculated, asked, answered, verified."""
    record = page.record
    assert record is not None
    changes = Change.objects.filter(record=record, item=item.id, row=row).order_by("-pk").select_related("version")
    broken = broken_at(page)
    messages = QueryMessage.objects.filter(query__record=record, query__item=item.id, query__row=row)
    verifications = Verification.objects.filter(record=record, item=item.id, row=row).select_related("verified_by")
    lines = [(c.at, c.pk, _change(page, c, with_title=False, broken=broken)) for c in changes[:MOST_LINES]]
    lines += [(m.at, m.pk, _said(m, page.locale)) for m in messages[:MOST_LINES]]
    lines += [line for v in verifications for line in _verified(v, page.locale)]
    return _newest_first(lines)


def trail_of_row(page: RecordPage, row: str) -> list[Words]:
    """Every change of a row of a grid, newest first."""
    changes = Change.objects.filter(record=page.record, row=row).order_by("-pk").select_related("version")
    broken = broken_at(page)
    return [_change(page, c, broken=broken) for c in _shown(page, changes[:MOST_LINES])]


def changes_of_record(page: RecordPage) -> Any:
    """The changes of a record that the person may see, newest first, to be paged."""
    hidden = [item.id for item in page.form.items.values() if not page.place.shows(item)]
    return Change.objects.filter(record=page.record).exclude(item__in=hidden).order_by("-pk")


def trail_of_record(page: RecordPage, changes: list[Change], *, first: bool, last: bool) -> list[Words]:
    """One page of a record's trail: its changes, and what else happened to it between the first and last of them."""
    record = page.record
    assert record is not None
    lines = [(c.at, c.pk, _change(page, c)) for c in changes]
    deeds = ledger_of(record, arms=page.place.sees_arm).filter(verb__in=DEEDS_OF_THEIR_OWN)
    if changes and not first:
        deeds = deeds.filter(at__lt=changes[0].at)
    if changes and not last:
        deeds = deeds.filter(at__gte=changes[-1].at)
    lines += [(d.at, d.pk, _deed(d, page.locale)) for d in deeds[:MOST_LINES]]
    return _newest_first(lines)


def _shown(page: RecordPage, changes: Iterable[Change]) -> list[Change]:
    return [c for c in changes if c.item in page.form.items and page.place.shows(page.form.item(c.item))]


def _newest_first(lines: list[tuple[dt.datetime, int, Words]]) -> list[Words]:
    return [words for _at, _pk, words in sorted(lines, key=lambda line: line[:2], reverse=True)]


def broken_at(page: RecordPage) -> dict[int, str]:
    """Which marks the change of each revision broke, in words."""
    deeds = ledger_of(page.record, arms=page.place.sees_arm).filter(verb=broken_marks.VERB)  # type: ignore[arg-type]
    found = {}
    for deed in deeds[:MOST_LINES]:
        broken = {mark: said for mark, said in deed.details["broken"].items() if mark != "verified"}
        found[int(deed.details["revision"])] = "; ".join(broken_words(broken, page.locale))
    return found


def _change(
    page: RecordPage, change: Change, *, with_title: bool = True, broken: dict[int, str] | None = None
) -> Words:
    item = page.form.items.get(change.item)
    old = page.display(item, change.old) if item is not None else ""
    new = page.display(item, change.new) if item is not None else ""
    derived = change.kind == ChangeKind.DERIVED
    # A range of reference follows the date of the form: the value itself stays what was entered.
    ranged = derived and item is not None and not item.is_derived
    return {
        "when": moment(change.at, page.locale, zone=True),
        "by": _("Calculated after a save by %(name)s") % {"name": change.by_name} if derived else change.by_name,
        "initials": "" if derived else initials(change.by_name),
        "title": page.definition.text(item.label, page.locale) if with_title and item is not None else "",
        "old": old,
        "new": new,
        "reason": change.reason,
        "kind": _("Range of reference of that day") if ranged else ChangeKind(change.kind).label,
        "note": " · ".join(
            filter(
                None,
                (
                    _("version %(number)s") % {"number": change.version.number},
                    (broken or {}).get(change.revision, ""),
                ),
            )
        ),
    }


def _said(message: QueryMessage, locale: str) -> Words:
    return {
        "when": moment(message.at, locale, zone=True),
        "by": message.by_name,
        "initials": initials(message.by_name) if message.by_id else "",
        "kind": _QUERY_WORDS[message.state],
        "note": message.text,
    }


def _verified(verification: Verification, locale: str) -> list[tuple[dt.datetime, int, Words]]:
    name = verification.verified_by.printed_name
    lines: list[tuple[dt.datetime, int, Words]] = [
        (
            verification.verified_at,
            verification.pk,
            {
                "when": moment(verification.verified_at, locale, zone=True),
                "by": name,
                "initials": initials(name),
                "kind": _("Verified at source"),
            },
        )
    ]
    if verification.cleared_at is not None:
        words = {
            "when": moment(verification.cleared_at, locale, zone=True),
            "by": SYSTEM,
            "kind": _("Verification cleared by a change"),
        }
        lines.append((verification.cleared_at, verification.pk, words))
    return lines


def _deed(deed: Deed, locale: str) -> Words:
    return {
        "when": moment(deed.at, locale, zone=True),
        "by": deed.by_name or SYSTEM,
        "initials": initials(deed.by_name) if deed.by_id else "",
        "kind": str(deed.label),
        "reason": deed.details.get("reason", ""),
        "note": "; ".join(broken_words(deed.details.get("broken", {}), locale)),
    }


_QUERY_WORDS: dict[str, Any] = {
    QueryState.OPEN: _lazy("Query asked"),
    QueryState.ANSWERED: _lazy("Query answered"),
    QueryState.CLOSED: _lazy("Query closed"),
    QueryState.CANCELLED: _lazy("Query cancelled"),
}
_EVENTS: dict[str, Any] = {
    QueryState.OPEN: _lazy("asked"),
    QueryState.ANSWERED: _lazy("answered"),
    QueryState.CLOSED: _lazy("closed the query"),
    QueryState.CANCELLED: _lazy("cancelled the query"),
}

# ---------------------------------------------------------------- queries


def thread(query: Query, locale: str, person: Any) -> Words:
    """One query with its lines, and what the person may do with it now."""
    lines = []
    for number, message in enumerate(query.messages.all()):
        reopened = message.state == QueryState.OPEN and number > 0
        lines.append(
            {
                "by": message.by_name,
                "initials": initials(message.by_name) if message.by_id else "·",
                "when": moment(message.at, locale, zone=True),
                "event": _("reopened the query") if reopened else _EVENTS[message.state],
                "text": message.text,
            }
        )
    return {
        "query": query,
        "lines": lines,
        "state": query.state,
        "kind": QueryKind(query.kind).label,
        "may": data_queries.may(query, person),
    }


def about(place: RecordPlace, item_id: str, row: str) -> str:
    """What a query is about, in words: the item with its row, or the whole form."""
    if item_id and item_id in place.form.items:
        item = place.form.item(item_id)
        label = place.definition.text(item.label, place.locale)
        group = place.form.group_of(item_id)
        if group.repeating and row:
            rows = [r["_id"] for r in (place.record.data.get(group.id, []) if place.record else [])]
            number = rows.index(row) + 1 if row in rows else "–"
            return _("%(item)s, row %(number)s") % {"item": label, "number": number}
        return label
    return _("The whole form") if not row else _("One row")


def record_words(record: Record, definition: Any, locale: str) -> tuple[str, str]:
    """A record in words: the form (with its number), and the visit."""
    form = definition.forms.get(record.form)
    label = definition.text(form.label, locale) if form is not None else record.form
    if record.number is not None:
        label = f"{label} {record.number}"
    return label, visit_label(record.visit, definition, locale) if record.visit is not None else ""
