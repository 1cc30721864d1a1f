"""Records, queries and eligibility as the API says them, without what would tell an arm to this person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from audit.prepared import prepared
from trial.api.problems import more
from trial.definition import Group, Item
from trial.language import ItemType, Value, load
from trial.models import Person, Version, Visit

from ..actions import data_queries
from ..checks.book import HIDDEN, ROW_ID, Rows
from ..conflicts import before
from ..eligibility import Eligibility
from ..entry import InvalidValues, RowKey, Submission, Typed
from ..models import Change, ChangeKind, FindingState, Query, Record, Upload
from ..pages import file_url
from ..places import RecordPlace
from ..posted import term_code
from ..presenters import held_back_words, words_of

Shape = dict[str, Any]


@more.register
def _faults(refused: InvalidValues) -> Shape:
    """Every fault of the values that were sent."""
    names = ("group", "row", "item", "code", "message")
    return {"values": [{name: str(getattr(error, name)) for name in names} for error in refused.errors]}


# --- Records -------------------------------------------------------------------------------------------------------


def lines(found: Iterable[Record], code: str, versions: dict[int, int]) -> list[Shape]:
    """Records of one participant without their values; their visits are at hand."""
    return [_line(record, code, versions[record.version_id]) for record in found]


def _line(record: Record, code: str, version: int) -> Shape:
    return {
        "participant": code,
        "form": record.form,
        "visit": _visit(record.visit),
        "number": record.number,
        "version": version,
        "revision": record.revision,
        "entry_state": record.entry_state,
        "dated_on": record.dated_on,
        "not_done_reason": record.not_done_reason,
        "removed_reason": record.removed_reason,
        "signed": record.is_signed,
        "changed_since_signing": record.is_changed_since_signing,
        "reviewed": record.is_reviewed,
        "changed_since_review": record.is_changed_since_review,
        "frozen": record.is_frozen,
        "locked": record.is_locked,
    }


def _visit(visit: Visit | None) -> Shape | None:
    return {"id": visit.pk, "event": visit.event, "occurrence": visit.occurrence} if visit is not None else None


def record(place: RecordPlace) -> Shape:
    """The form at a place with values and findings; one that nobody saved yet has revision 0 and no value."""
    held = place.record
    row = held or Record(
        participant=place.participant, visit=place.visit, form=place.form.id, version_id=place.participant.version_id
    )
    return {
        **_line(row, place.participant.code, _version_number(row.version_id)[0]),
        "rows": _rows(place, row.data),
        "values": _values(place, row.data),
        "findings": _findings(place, held) if held is not None else [],
    }


def line(place: RecordPlace) -> Shape:
    """The saved form at a place without its values."""
    assert place.record is not None
    return _line(place.record, place.participant.code, _version_number(place.record.version_id)[0])


@prepared
def _version_number(version_id: int) -> Any:
    return Version.objects.filter(pk=version_id).values_list("number", flat=True)


def _rows(place: RecordPlace, data: Rows) -> list[Shape]:
    return [
        {"group": group.id, "ids": [row[ROW_ID] for row in data.get(group.id, [])]}
        for group, _items in place.groups()
        if group.repeating
    ]


def _values(place: RecordPlace, data: Rows) -> list[Shape]:
    return [
        _value(place, group, row, item)
        for group, items in place.groups()
        for row in data.get(group.id, [])
        for item in items
        if item.id in row
    ]


def _value(place: RecordPlace, group: Group, row: dict[str, Any], item: Item) -> Shape:
    stored = row[item.id]
    value = load(place.definition.spec(place.form.id, item.id), stored)
    return {
        "group": group.id,
        "row": row.get(ROW_ID, ""),
        "item": item.id,
        "value": stored.get("value"),
        "typed": value.typed,
        "unit": value.unit,
        "missing": value.missing,
        "reason": value.reason,
        "words": words_of(place.definition, place.form, item, value, place.locale),
        "derived": item.is_derived,
        "hidden": item.id in row.get(HIDDEN, ()),
        "file": _file(place, value) if item.type is ItemType.FILE and not value.missing else None,
    }


def _file(place: RecordPlace, value: Value) -> Shape:
    facts = value.extra
    return {
        "name": facts.get("name", ""),
        "media_type": facts.get("media", ""),
        "size": facts.get("size", 0),
        "sha256": facts.get("sha256", ""),
        "url": file_url(place.participant, str(value.value)),
    }


def uploaded(place: RecordPlace, held: Upload) -> Shape:
    """A file in the person's draft."""
    return {
        "key": held.key,
        "name": held.name,
        "media_type": held.media_type,
        "size": held.size,
        "sha256": held.sha256,
        "url": file_url(place.participant, held.key),
    }


def _findings(place: RecordPlace, held: Record) -> list[Shape]:
    checks = {check.id: check.items for check in place.form.checks}
    shapes = []
    for finding in held.findings.exclude(state=FindingState.RESOLVED).order_by("pk"):
        items = checks.get(finding.check_id, (finding.item,) if finding.item else ())
        if not all(name in place.form.items and place.shows(place.form.item(name)) for name in items):
            continue
        shapes.append(
            {
                "check": finding.check_id,
                "row": finding.row,
                "item": finding.item,
                "severity": finding.severity,
                "state": finding.state,
                "message": held_back_words(place.definition, place.form, finding, place.locale),
                "justification": finding.justification,
            }
        )
    return shapes


# --- Saving --------------------------------------------------------------------------------------------------------


def submission(place: RecordPlace, sent: Shape) -> Submission:
    """What a save brings, from what was sent. An item that the person may not see is no item of the form."""
    found = Submission(
        rows={each["group"]: list(each["ids"]) for each in sent.get("rows", ())},
        removals={(each["group"], each["row"]): each["reason"] for each in sent.get("removals", ())},
        justifications={(each["check"], each["row"]): each["text"] for each in sent.get("justifications", ())},
    )
    known: dict[str, tuple[Item | None, str]] = {}  # rows name the same items again and again
    for value in sent.get("values", ()):
        name, text = value["item"], value["typed"]
        if name not in known:
            item = _item(place, name)
            known[name] = item, (place.form.group_of(item.id).id if item is not None else "")
        item, group = known[name]
        key = (group, value["row"], name)
        if item is not None and item.dictionary and isinstance(text, str):
            text = term_code(place.definition, item, text, place.locale)
        found.values[key] = Typed(text=text, unit=value["unit"], missing=value["missing"], reason=value["reason"])
        if value["why"]:
            found.reasons[key] = value["why"]
    return found


def _item(place: RecordPlace, name: str) -> Item | None:
    item = place.form.items.get(name)
    return item if item is not None and place.shows(item) else None


def _key(place: RecordPlace, value: Shape) -> RowKey:
    item = _item(place, value["item"])
    return (place.form.group_of(item.id).id if item is not None else "", value["row"], value["item"])


def stale(place: RecordPlace, revision_read: int, sent: Shape) -> Shape:
    """Both versions: the record as it stands, and each value sent that somebody else changed since it was read."""
    held = place.record
    if held is None:  # a revision that never was
        return {"revision_read": revision_read, "current": record(place), "clashes": []}
    changes = list(Change.objects.filter(record=held, revision__gt=revision_read).order_by("pk"))
    read = before(held.data, changes)
    theirs = {(c.group, c.row, c.item): c for c in changes if c.kind != ChangeKind.DERIVED}
    clashes = []
    for value in sent.get("values", ()):
        key = _key(place, value)
        if key in theirs:
            clashes.append(
                {
                    "group": key[0],
                    "row": key[1],
                    "item": key[2],
                    "read": _value_at(place, read, key),
                    "current": _value_at(place, held.data, key),
                    "yours": value,
                    "changed_by": theirs[key].by_name,
                    "changed_at": theirs[key].at,
                }
            )
    return {"revision_read": revision_read, "current": record(place), "clashes": clashes}


def _value_at(place: RecordPlace, data: Rows, key: RowKey) -> Shape | None:
    group = place.form.group(key[0])
    for row in data.get(group.id, []):
        if row.get(ROW_ID, "") == key[1] and key[2] in row:
            return _value(place, group, row, place.form.item(key[2]))
    return None


# --- Queries -------------------------------------------------------------------------------------------------------


def queries(found: Iterable[Query], person: Person) -> list[Shape]:
    """Queries with their threads; records, visits, participants and messages are at hand."""
    return [
        {
            "id": query.pk,
            "participant": query.participant.code,
            "site": query.participant.site.number,
            "form": query.record.form,
            "visit": _visit(query.record.visit),
            "number": query.record.number,
            "row": query.row,
            "item": query.item,
            "kind": query.kind,
            "state": query.state,
            "addressed_to": query.addressed_to,
            "opened_at": query.opened_at,
            "opened_by": query.opened_by.printed_name if query.opened_by is not None else "",
            "settled_at": query.settled_at,
            "may": sorted(data_queries.may(query, person)),
            "messages": [
                {"state": line.state, "text": line.text, "by": line.by_name, "at": line.at}
                for line in query.messages.all()
            ],
        }
        for query in found
    ]


# --- Eligibility ---------------------------------------------------------------------------------------------------


def eligibility(found: Eligibility, form: str | None) -> Shape:
    """Every criterion as it stands."""
    return {
        "eligible": found.is_eligible,
        "signed": found.is_signed,
        "changed_since_signing": found.record is not None and found.record.is_changed_since_signing,
        "form": form,
        "criteria": [
            {
                "id": each.criterion.id,
                "kind": str(each.criterion.kind),
                "text": each.criterion.text,
                "met": each.is_met,
                "computed": each.computed,
                "judged": each.judged,
                "disagrees": each.disagrees,
                "lacking": [
                    ".".join(part for part in (ref.form, ref.item) if part) or ref.name for ref in each.lacking
                ],
                "outdated": bool(each.outdated),
            }
            for each in found.assessments
        ],
    }
