"""The audit trail of a value and of a record in words, and the threads of queries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from audit.models import Deed
from audit.selectors import ledger_of
from trial.definition import Item
from trial.language import ItemType
from trial.models import Role
from trial.permissions import Permission, can
from trial.presenters import visit_label

from .actions import broken_marks, data_queries
from .actions.redactions import LEAST
from .models import (
    WAITS_FOR_ANSWER,
    Change,
    ChangeKind,
    Finding,
    FindingState,
    Note,
    Query,
    QueryKind,
    QueryMessage,
    QueryState,
    Record,
    Verification,
)
from .pages import RecordPage, Words, file_url, initials, moment
from .places import RecordPlace
from .presenters import broken_words, reason_words
from .redaction_places import leaves, word_columns
from .selectors import notes_for

SYSTEM = "Stratum"
MOST_LINES = 500
"""A value with more lines than this shows the newest; a record's trail is paged."""
DEEDS_OF_THEIR_OWN = (
    "record.not_done",
    "record.removed",
    "record.signed",
    "record.reviewed",
    "record.unreviewed",
    "record.verified",
    "record.unverified",
    "record.marks_broken",
    "record.frozen",
    "record.unfrozen",
    "record.locked",
    "record.unlocked",
)
"""What happens to a record beside its values and queries; saves are told by their changes."""


def trail_of_item(page: RecordPage, item: Item, row: str) -> list[Words]:
    """Everything that happened to one value, newest first: entered, changed, calculated, asked, answered, verified."""
    record = page.record
    assert record is not None
    changes = _with_version(Change.objects.filter(record=record, item=item.id, row=row).order_by("-pk"))
    broken = broken_at(page)
    messages = QueryMessage.objects.filter(query__record=record, query__item=item.id, query__row=row)
    verifications = Verification.objects.filter(record=record, item=item.id, row=row).select_related(
        "verified_by", "cleared_by"
    )
    lines = [(c.at, c.pk, _change(page, c, with_title=False, broken=broken)) for c in changes[:MOST_LINES]]
    lines += [
        (m.at, m.pk, _said(m, page.locale) | {"redact": _of_place(page, m, {"text": _("Redact the text")})})
        for m in messages[:MOST_LINES]
    ]
    lines += _confirmed(page, item, row)
    lines += [line for v in verifications for line in _verified(v, page.locale)]
    lines += [(n.at, n.pk, _noted(page, n)) for n in _notes(page).filter(item=item.id, row=row)[:MOST_LINES]]
    return _newest_first(lines)


def _of_place(page: RecordPage, row: Any, labels: dict[str, Any]) -> list[Words]:
    return redactable(page.place.person, page.place.participant.site_id, row, labels)


def _confirmed(page: RecordPage, item: Item, row: str) -> list[tuple[dt.datetime, int, Words]]:
    """Each time that somebody said why a value is right although an edit check fired."""
    history: Any = Finding.history.model
    rows = history._base_manager.filter(record=page.record, item=item.id, row=row, state=FindingState.JUSTIFIED)
    told: set[tuple[int, str]] = set()
    lines: list[tuple[dt.datetime, int, Words]] = []
    for found in rows.order_by("history_id")[:MOST_LINES]:
        if (found.id, found.justification) in told:
            continue
        told.add((found.id, found.justification))
        words = {
            "when": moment(found.history_date, page.locale, zone=True),
            "by": found.by_name or SYSTEM,
            "initials": initials(found.by_name) if found.by_id else "",
            "kind": str(FindingState.JUSTIFIED.label),
            "note": found.justification,
            "redact": _of_place(page, found, {"justification": _("Redact the text")}),
        }
        lines.append((found.history_date, found.history_id, words))
    return lines


def trail_of_row(page: RecordPage, row: str) -> list[Words]:
    """Every change of a row of a grid and every note on it, newest first."""
    changes = _with_version(Change.objects.filter(record=page.record, row=row).order_by("-pk"))
    broken = broken_at(page)
    lines = [(c.at, c.pk, _change(page, c, broken=broken)) for c in _shown(page, changes[:MOST_LINES])]
    lines += [(n.at, n.pk, _noted(page, n)) for n in _notes(page).filter(row=row)[:MOST_LINES]]
    return _newest_first(lines)


def note_lines(page: RecordPage, notes: Iterable[Note], *, with_title: bool) -> list[Words]:
    """Notes as lines of a thread, in the order given; with what each is about unless all are about one item."""
    return [
        {
            "by": note.by_name,
            "initials": initials(note.by_name),
            "when": moment(note.at, page.locale, zone=True),
            "event": about(page.place, note.item, note.row) if with_title and (note.item or note.row) else "",
            "text": note.text,
            "redact": _of_place(page, note, {"text": _("Redact the text")}),
        }
        for note in notes
        if note.item == "" or _is_shown(page, note.item)
    ]


def _notes(page: RecordPage) -> QuerySet[Note]:
    return notes_for(page.place.person, page.record)


def _noted(page: RecordPage, note: Note) -> Words:
    return {
        "when": moment(note.at, page.locale, zone=True),
        "by": note.by_name,
        "initials": initials(note.by_name),
        "title": about(page.place, note.item, note.row) if note.item or note.row else "",
        "kind": _("Note"),
        "note": note.text,
        "redact": _of_place(page, note, {"text": _("Redact the text")}),
    }


def _is_shown(page: RecordPage, item: str) -> bool:
    return item in page.form.items and page.place.shows(page.form.item(item))


def changes_of_record(page: RecordPage) -> Any:
    """The changes of a record that the person may see, newest first, to be paged."""
    hidden = [item.id for item in page.form.items.values() if not page.place.shows(item)]
    return _with_version(Change.objects.filter(record=page.record).exclude(item__in=hidden).order_by("-pk"))


def _with_version(changes: QuerySet[Change]) -> QuerySet[Change]:
    """Each with its version, without the whole study that it holds: every line would read it anew."""
    return changes.select_related("version").defer("version__content")


def trail_of_record(page: RecordPage, changes: list[Change], *, first: bool, last: bool) -> list[Words]:
    """One page of a record's trail: its changes, and what else happened to it between the first and last of them."""
    record = page.record
    assert record is not None
    lines = [(c.at, c.pk, _change(page, c)) for c in changes]
    between = Q()
    if changes and not first:
        between &= Q(at__lt=changes[0].at)
    if changes and not last:
        between &= Q(at__gte=changes[-1].at)
    deeds = ledger_of(record, arms=page.place.sees_arm).filter(between, verb__in=DEEDS_OF_THEIR_OWN)
    notes = _notes(page).filter(between)
    messages = QueryMessage.objects.filter(between, query__record=record).select_related("query")
    if not page.place.sees_arm:
        messages = messages.filter(query__reveals_arm=False)
    lines += [
        (
            m.at,
            m.pk,
            _said(m, page.locale)
            | {
                "title": about(page.place, m.query.item, m.query.row),
                "redact": _of_place(page, m, {"text": _("Redact the text")}),
            },
        )
        for m in messages[:MOST_LINES]
    ]
    lines += [(n.at, n.pk, _noted(page, n)) for n in notes[:MOST_LINES] if not n.item or _is_shown(page, n.item)]
    lines += [
        (d.at, d.pk, _deed(d, page.locale) | {"redact": _of_place(page, d, {"details": _("Redact the reason")})})
        for d in deeds[:MOST_LINES]
    ]
    return _newest_first(lines)


def _shown(page: RecordPage, changes: Iterable[Change]) -> list[Change]:
    return [c for c in changes if _is_shown(page, c.item)]


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
    assert page.record is not None
    change.record = page.record
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
        "old_url": _file_url(page, item, change.old),
        "new_url": _file_url(page, item, change.new),
        "reason": reason_words(change.reason, page.definition, page.locale) if derived else change.reason,
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
        "redact": redactable(
            page.place.person,
            page.place.participant.site_id,
            change,
            {"new": _("Redact the value"), "reason": _("Redact the reason")},
        ),
    }


def redactable(person: Any, site_id: int, row: Any, labels: dict[str, Any]) -> list[Words]:
    """Links to propose a redaction, one per text of the row in one of these columns, for those who may propose it."""
    if not can(person, Permission.REDACTION_PROPOSE, site_id):
        return []
    found: dict[Any, Words] = {}
    for column in word_columns(row.__class__):
        texts = sorted(leaves(row, column), key=_value_first) if column.name in labels else []
        for path, words in texts:
            if len(words.strip()) >= LEAST and labels[column.name] not in found:
                where = {
                    "table": row._meta.db_table, "key": row.pk, "column": column.attname, "path": "/".join(path),
                }  # fmt: skip
                url = f"{reverse('redaction_new')}?{urlencode(where)}"
                found[labels[column.name]] = {"label": labels[column.name], "url": url}
    return list(found.values())


def _value_first(leaf: tuple[tuple[str, ...], str]) -> bool:
    """Of a value and of what was typed for it, the value leads; the redaction takes both."""
    return leaf[0][-1:] != ("value",)


def _file_url(page: RecordPage, item: Item | None, stored: Any) -> str:
    """Where a file that stood, or stands, can be opened: a replaced one is kept."""
    if item is None or item.type is not ItemType.FILE or not stored or stored.get("missing"):
        return ""
    return file_url(page.place.participant, str(stored["value"]))


def _said(message: QueryMessage, locale: str) -> Words:
    return {
        "when": moment(message.at, locale, zone=True),
        "by": message.by_name,
        "initials": initials(message.by_name) if message.by_id else "",
        "kind": _QUERY_WORDS[message.state],
        "note": line_words(message, locale),
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
        by = verification.cleared_by.printed_name if verification.cleared_by is not None else ""
        words = {
            "when": moment(verification.cleared_at, locale, zone=True),
            "by": by or SYSTEM,
            "initials": initials(by) if by else "",
            "kind": _("Verification taken back") if by else _("Verification cleared by a change"),
            "reason": verification.cleared_reason,
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
    QueryState.REOPENED: _lazy("Query reopened"),
    QueryState.CANCELLED: _lazy("Query cancelled"),
}
_EVENTS: dict[str, Any] = {
    QueryState.OPEN: _lazy("asked"),
    QueryState.ANSWERED: _lazy("answered"),
    QueryState.CLOSED: _lazy("closed the query"),
    QueryState.REOPENED: _lazy("reopened the query"),
    QueryState.CANCELLED: _lazy("cancelled the query"),
}

# ---------------------------------------------------------------- queries


def thread(query: Query, locale: str, person: Any) -> Words:
    """One query with its lines, and what the person may do with it now."""
    lines: list[Words] = []
    before = ""
    for message in query.messages.all():
        lines.append(
            {
                "by": message.by_name,
                "initials": initials(message.by_name) if message.by_id else "·",
                "when": moment(message.at, locale, zone=True),
                "event": _event(message, before),
                "text": line_words(message, locale),
                "redact": redactable(person, query.participant.site_id, message, {"text": _("Redact the text")}),
            }
        )
        before = message.state
    return {
        "query": query,
        "lines": lines,
        "state": query.state,
        "kind": QueryKind(query.kind).label,
        "addressed_to": role_words(query.addressed_to),
        "may": data_queries.may(query, person),
    }


def _event(message: QueryMessage, before: str) -> str:
    """What a line did; `before` is the state that the line above led to, empty for the first."""
    if before in WAITS_FOR_ANSWER and message.state in WAITS_FOR_ANSWER:
        return _("asked another role: %(role)s") % {"role": role_words(message.addressed_to)}
    if before and message.state == QueryState.OPEN:
        return str(_EVENTS[QueryState.REOPENED])
    if not before and message.addressed_to:
        return _("asked: %(role)s") % {"role": role_words(message.addressed_to)}
    return str(_EVENTS[message.state])


def role_words(role: str) -> str:
    """A role in words; one that is no more, as it was kept."""
    return str(Role(role).label) if role in Role.values else role


def line_words(message: QueryMessage, locale: str) -> str:
    """A line of a thread as it is read: people's words as they wrote them, the system's in the page's language."""
    if message.words:
        return str(message.words.get(locale) or message.words.get(locale[:2]) or message.text)
    return message.text if message.by_id is not None or not message.text else _(message.text)


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
