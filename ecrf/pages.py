"""The record page in words: definition, values and evaluation as the dicts of docs/design.md, "Record page"."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from django.conf import settings
from django.db.models import CharField, QuerySet
from django.db.models import Value as Literal
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audit import clock
from audit.prepared import prepared
from audit.selectors import ledger_of
from trial.definition import Definition, Form, Group, Item
from trial.dictionaries import dictionary_of
from trial.language import (
    MEDIA_TYPES,
    Fault,
    ItemType,
    PartialDate,
    Ref,
    Value,
    display,
    dump,
    format_date,
    format_number,
    load,
    missing_inputs,
    missing_words,
    parse,
    size_words,
    unit_words,
)
from trial.links import casebook_url
from trial.models import Participant, Visit, VisitStatus
from trial.permissions import Permission, access_of

from . import measurements
from .actions import broken_marks, drafts, files
from .books import book_of, place_of
from .checks import Book, Changed, Entry, Evaluation, Fired, Only, dependents, evaluate
from .checks.book import HIDDEN, ROW_ID, Reading, Rows
from .entry import FieldError, FileFacts, RowKey
from .laboratory import HIGH, LOW, NORMAL, baseline_of, grade_of, result_of, with_range
from .models import (
    UNSETTLED,
    Change,
    ClosureKind,
    Draft,
    EntryState,
    Finding,
    FindingState,
    Query,
    Record,
    Verification,
)
from .permissions import person_can_note
from .places import RecordPlace
from .policies import scope_words
from .posted import (
    WHOLE,
    Fields,
    answer_name,
    fields_of_data,
    fields_of_draft,
    fields_of_value,
    item_named,
    name_of,
    submission_of,
    text_of,
    understand,
)
from .presenters import broken_words, check_message, fired_message, held_back_words, value_words
from .selectors import draft_of, laboratory_ranges, notes_of, saved_by
from .settling import dated_on
from .standings import Standing, is_owed, plan_in_force, rule_of, sees_plan
from .verification import filled_values, required_values

Words = dict[str, Any]
BLANK = "__ROW__"
KNOWN = "known"
"""How the id of a row begins that was made for an entry of a log."""
MOST_SEGMENTS = 4
"""More options than this do not fit side by side."""

REASONS = {
    "typing": gettext_lazy("Typing error"),
    "source": gettext_lazy("Source document corrected or completed"),
    "new": gettext_lazy("New information"),
    "query": gettext_lazy("Answer to a query"),
    "place": gettext_lazy("Entered in the wrong place"),
    "other": gettext_lazy("Other reason, in words"),
}
"""Why a value changes after the form was complete, offered as a short list."""


def moment(at: dt.datetime | None, locale: str, *, zone: bool = False) -> str:
    """A time in the trial's time zone: `14 Mar 2026, 10:12`, with the zone's letters where they count."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    words = f"{format_date(local.date(), locale)}, {local:%H:%M}"
    return f"{words} {local:%Z}" if zone else words


def initials(name: str) -> str:
    """Two letters for a name."""
    parts = [part for part in name.replace("-", " ").split() if part]
    return "".join(part[0].upper() for part in (parts[:1] + parts[-1:] if len(parts) > 1 else parts))


def reason_of(choice: str, text: str) -> str:
    """The reason in words, from the short list and the free text; empty when none was given."""
    text = text.strip()
    if choice in REASONS and choice != "other":
        return f"{REASONS[choice]}: {text}" if text else str(REASONS[choice])
    return text


# ---------------------------------------------------------------- links


@dataclass
class Links:
    """The log entries of a participant that link items may point to, named by their title items."""

    book: Book
    locale: str

    def titles(self, form_id: str) -> dict[str, str]:
        """Number → words of every entry in use of a log form."""
        definition = self.book.definition
        if form_id not in definition.forms:
            return {}
        form = definition.form(form_id)
        return {
            str(entry.place.number): entry_title(definition, form, entry.place.number or 0, entry.data, self.locale)
            for entry in self.book.log_entries(form_id)
            if entry.place.number
        }


def entry_title(definition: Definition, form: Form, number: int, data: Rows, locale: str) -> str:
    """A log entry in words: `3. Fatigue, 2, 14 Mar 2026`."""
    words = title_words(definition, form, data, locale)
    if form.title_items and form.item(form.title_items[0]).unique and words:
        return words  # its own number (T1, NEW1) is the one that people speak of
    return f"{number}. {words}" if words else str(number)


def title_words(definition: Definition, form: Form, data: Rows, locale: str) -> str:
    """What a log entry is about, from its title items."""
    words = []
    for item_id in form.title_items:
        item = form.item(item_id)
        rows = data.get(form.group_of(item_id).id) or [{}]
        if item.type is not ItemType.LINK and rows[0].get(item_id) is not None:
            words.append(value_words(definition, form, item, rows[0][item_id], locale))
    return ", ".join(words)


# ---------------------------------------------------------------- the page


class Beside(NamedTuple):
    """One thing beside a record: a finding, a query, a verification or a note."""

    what: str
    row: str
    item: str
    state: str
    check: str
    words: str


def _said(word: str) -> Literal:
    return Literal(word, output_field=CharField())


@prepared
def _beside(record_id: int, arm_seen: bool) -> QuerySet[Finding, Any]:
    held = [FindingState.OPEN, FindingState.JUSTIFIED]
    findings = Finding.objects.filter(record_id=record_id, state__in=held).order_by()
    queries = Query.objects.filter(record_id=record_id).order_by()
    verifications = Verification.objects.filter(record_id=record_id, cleared_at=None).order_by()
    notes = notes_of(record_id, arm_seen).order_by()
    nothing = _said("")
    return findings.values_list(_said("finding"), "row", "item", "state", "check_id", "justification").union(
        queries.values_list(_said("query"), "row", "item", "state", nothing, nothing),
        verifications.values_list(_said("verified"), "row", "item", nothing, nothing, nothing),
        notes.values_list(_said("note"), "row", "item", nothing, nothing, nothing),
        all=True,
    )


@dataclass
class RecordPage:
    """One record as a person sees it: what stands in the fields, what follows from it, and what it says.

    `fields` are what stands in the controls (stored values, a draft, or what was just posted); `errors` what was
    refused; `entering` says whether there are controls at all.
    """

    place: RecordPlace
    fields: Fields
    whole: bool = False
    errors: Sequence[FieldError] = ()
    entering: bool = False
    draft: Draft | None = None
    revision_read: int | None = None
    typed: Fields | None = None
    """Of `fields`, those that may differ from what is stored; None when that is not known."""
    typed_over: Fields = field(default_factory=dict)
    """What the page adds to what is stored: known entries as rows, the draft."""
    changed: Sequence[str] = ()
    """The controls that changed since the page was last evaluated: what is said of it keeps to what follows."""
    faults: dict[RowKey, str] = field(default_factory=dict)
    """Why what stands in a control cannot be understood; filled with `entry`."""

    # ------------------------------------------------------------ what is known

    @property
    def definition(self) -> Definition:
        return self.place.definition

    @property
    def form(self) -> Form:
        return self.place.form

    @property
    def record(self) -> Record | None:
        return self.place.record

    @property
    def locale(self) -> str:
        return self.place.locale

    @property
    def revision(self) -> int:
        """The revision that this page was made from: an older one when a draft was begun before another's save."""
        if self.revision_read is not None:
            return self.revision_read
        return self.draft.base_revision if self.draft is not None else self.place.revision

    @property
    def is_outdated(self) -> bool:
        """Whether somebody saved the record after the draft was begun."""
        return self.entering and self.revision != self.place.revision

    @cached_property
    def stored(self) -> Rows:
        return self.record.data if self.record is not None else {}

    @cached_property
    def book(self) -> Book:
        return book_for(self.place)

    @cached_property
    def links(self) -> Links:
        return Links(self.book, self.locale)

    @cached_property
    def _titles(self) -> dict[str, dict[str, str]]:
        return {item.link: self.links.titles(item.link) for item in self.form.items.values() if item.link}

    @cached_property
    def files(self) -> dict[tuple[str, str], FileFacts]:
        """The files that this person uploaded here and has not saved yet."""
        if not self.takes_files or (self.draft is None and not self.whole):
            return {}
        return files.pending(self.place.person, self.place.where)

    @cached_property
    def ranges(self) -> dict[str, tuple[str, str]]:
        if not any(item.analyte for item in self.form.items.values()):
            return {}
        return laboratory_ranges(self.place.participant, self.day)

    @property
    def day(self) -> dt.date | None:
        """The day of the form: as typed, as stored, or the visit's; the ranges of that day apply."""
        name, stored = self.form.date_item, self.record.dated_on if self.record is not None else None
        typed = self.fields.get(name, "") if name and self.entering else ""
        if name and typed:
            try:
                value = parse(self.definition.spec(self.form.id, name), typed, today=clock.today())
            except Fault:
                value = None
            held = value.value if value is not None else None
            if isinstance(held, PartialDate):
                return held.earliest
            if isinstance(held, dt.date):
                return held.date() if isinstance(held, dt.datetime) else held
        return stored or (self.place.visit.actual_on if self.place.visit is not None else None)

    @cached_property
    def entry(self) -> Entry:
        """The entry with what stands in the fields, as far as it can be understood."""
        data = self.stored
        if self.entering:
            typed = self.fields if self.typed is None else self.typed
            submission = submission_of(self.place, typed, whole=self.whole and self.typed is None)
            merged, self.faults = understand(
                self.place,
                self.stored,
                submission,
                today=clock.today(),
                is_linked=lambda form, number: number in self._titles.get(form, {}),
                ranges=self.ranges,
                files=self.files,
            )
            data = merged.data
        place = place_of(self.definition, self.form.id, self.place.visit, self.place.number)
        return self.book.entry(place, {group: [dict(row) for row in rows] for group, rows in data.items()})

    @cached_property
    def only(self) -> Only | None:
        """The part of the form that follows from what changed; None for the whole form."""
        if not self.changed:
            return None
        items, rows_of = set(), set()
        for name in self.changed:
            group, _mark, part = name.rpartition("__")
            if part in ("rows", "removed"):
                rows_of |= {each.id for each in self.form.groups if each.id == group and each.repeating}
            named = item_named(self.form, group if part in ("unit", "missing", "reason", "remove") else name)
            if named is not None:
                items.add(named[2].id)
        return dependents(self.definition, self.form, Changed(frozenset(items), frozenset(rows_of)))

    @cached_property
    def evaluation(self) -> Evaluation:
        found = evaluate(self.book, self.entry, self.only)
        rows = {(group, row.get(ROW_ID, "")): row for group, held in self.entry.data.items() for row in held}
        for (group, row_id, item), value in found.derived.items():
            row = rows.get((group, row_id))
            if row is not None and value is not None:
                row[item] = self._ranged(item, dump(value), row.get(item))
        return found

    def _ranged(self, item: str, dumped: dict[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
        """A derived value with the range under which it was read first, else with that of its day."""
        analyte = self.form.item(item).analyte
        if not analyte:
            return dumped
        held = (before or {}).get("extra")
        return {**dumped, "extra": held} if held else with_range(dumped, self.ranges.get(analyte, ("", "")))

    @cached_property
    def previous(self) -> Entry | None:
        """The nearest earlier record of the form, where an item shows its value."""
        if self.place.visit is None or not any(item.show_previous for item in self.form.items.values()):
            return None
        return self.book.find(self.form.id, "previous", self.entry.place)

    @cached_property
    def _beside(self) -> list[Beside]:
        """Findings in force, queries, verifications and notes of the record, in one statement."""
        record = self.record
        if record is None:
            return []
        return [Beside(*row) for row in _beside(record.pk, self.place.sees_arm)]

    @cached_property
    def justified(self) -> dict[tuple[str, str], str]:
        """Why values that a soft edit check speaks of are right, by (check, row)."""
        return {
            (each.check, each.row): each.words
            for each in self._beside
            if each.what == "finding" and each.state == FindingState.JUSTIFIED
        }

    @cached_property
    def verified(self) -> set[tuple[str, str]]:
        """The (row, item) of the values verified at source."""
        return {(each.row, each.item) for each in self._beside if each.what == "verified"}

    @cached_property
    def standing(self) -> Standing:
        """How the source verification of this record stands, of what the person may see."""
        record, place = self.record, self.place
        if record is None:
            return Standing()
        filled = frozenset(v for v in filled_values(self.form, record.data) if place.shows(self.form.item(v[1])))
        required: frozenset[tuple[str, str]] = frozenset()
        if is_owed(record) and (self.verified or self.sees_plan):
            record.participant, record.visit = place.participant, place.visit
            _version, plan = plan_in_force()
            rule = rule_of(record, plan)
            required = required_values(rule, self.form, place.participant.code, record.data) & filled
        return Standing(filled, required, filled & self.verified)

    @cached_property
    def sees_plan(self) -> bool:
        """Whether the person may know what the plan of source verification asks for."""
        return sees_plan(self.place.person, self.place.participant.site_id)

    @cached_property
    def queries(self) -> dict[tuple[str, str], list[str]]:
        """The states of the queries of each (row, item) that the person may see."""
        found: dict[tuple[str, str], list[str]] = {}
        for each in self._beside:
            known = each.item in self.form.items and self.place.shows(self.form.item(each.item))
            if each.what == "query" and (each.item == "" or known):
                found.setdefault((each.row, each.item), []).append(each.state)
        return found

    @cached_property
    def notes(self) -> Counter[tuple[str, str]]:
        """How many notes stand on each (row, item) that the person may see; ("", "") are those on the form."""
        return Counter(
            (each.row, each.item)
            for each in self._beside
            if each.what == "note"
            and (each.item == "" or (each.item in self.form.items and self.place.shows(self.form.item(each.item))))
        )

    @cached_property
    def _may_note(self) -> bool:
        locked = self.record is not None and self.record.is_locked
        return not locked and person_can_note(self.place.person, self.place.participant)

    @property
    def note_count(self) -> int:
        return self.notes.total()

    @property
    def may_see_notes(self) -> bool:
        return self._may_note or bool(self.notes)

    @property
    def open_queries(self) -> int:
        return sum(_is_open(state) for states in self.queries.values() for state in states)

    @cached_property
    def changed_since_signing(self) -> list[str]:
        """The names of the items that changed after the signature."""
        record = self.record
        if record is None or not record.is_changed_since_signing:
            return []
        items = Change.objects.filter(record=record, revision__gt=record.signed_revision or 0).order_by("pk")
        changed = dict.fromkeys(items.values_list("item", flat=True))
        known = [self.form.item(item) for item in changed if item in self.form.items]
        return [self._label(item) for item in known if self.place.shows(item)]

    # ------------------------------------------------------------ groups, rows, items

    @cached_property
    def _errors(self) -> dict[RowKey, list[str]]:
        found: dict[RowKey, list[str]] = {}
        for error in self.errors:
            found.setdefault(error.key, []).append(error.message)
        return found

    @cached_property
    def _fired(self) -> dict[tuple[str, str], list[Fired]]:
        """What edit checks say, by the (row, item) beside which it stands; ("", "") for what has no place."""
        found: dict[tuple[str, str], list[Fired]] = {}
        for fired in self.evaluation.fired:
            items = [self.form.item(item) for item in fired.items]
            if not all(self.place.shows(item) for item in items):
                continue
            row = fired.row if self.form.group_of(items[0].id).repeating else ""
            key = (self.form.group_of(items[0].id).id, row, items[0].id)
            here = self.evaluation.shown.get(key, False)
            found.setdefault((row, items[0].id) if here else ("", ""), []).append(fired)
        return found

    @cached_property
    def groups(self) -> list[Words]:
        """Every group of the form as `_components/group.html` reads it."""
        return [self._group(group, items) for group, items in self.place.groups()]

    @property
    def form_findings(self) -> list[Words]:
        """What edit checks say of no single item, and criteria on which data and judgment disagree."""
        held = [
            {
                "severity": "soft",
                "message": _labelled(
                    self._label(self.form.item(f.item)),
                    check_message(self.definition, self.form, f.check, self.locale),
                ),
            }
            for f in self._beside
            if f.what == "finding" and f.check.startswith("criterion:") and f.item in self.form.items
            if f.state == FindingState.OPEN and self.place.shows(self.form.item(f.item))
        ]
        return [{"about": f.items[0]} | self.finding(f) for f in self._fired.get(("", ""), [])] + held

    @cached_property
    def held_back(self) -> list[str]:
        """“Would be 3, is 2” for each calculated value that a freeze or a lock keeps from changing."""
        if not any(each.check.startswith("recompute:") for each in self._beside):
            return []
        held = Finding.objects.filter(record=self.record, check_id__startswith="recompute:", state=FindingState.OPEN)
        return [
            _labelled(self._label(self.form.item(f.item)), held_back_words(self.definition, self.form, f, self.locale))
            for f in held.order_by("pk")
            if f.item in self.form.items and self.place.shows(self.form.item(f.item))
        ]

    def _group(self, group: Group, items: list[Item]) -> Words:
        words: Words = {
            "name": group.id,
            "title": self.definition.text(group.label, self.locale),
            "note": self.definition.text(group.hint, self.locale),
            "shown": self.evaluation.shown_groups.get(group.id, True),
            "repeating": group.repeating,
            "errors": self._errors.get((group.id, "", ""), []),
        }
        if not group.repeating:
            return words | {"fields": [self.item(group, "", item) for item in items]}
        removed = set(self.fields.get(f"{group.id}__removed", []))
        rows = [str(row) for row in self.fields.get(f"{group.id}__rows", [])]
        enters = self.entering and any(self.place.answers(item) for item in items)
        made = []
        for number, row in enumerate(rows, start=1):
            made.append(self._row(group, row, number, items, removed=row in removed))
        return words | {
            "columns": [
                {
                    "label": self._label(item),
                    "required": item.required and self.entering,
                    "unit": _only_unit(item, self.locale),
                }
                for item in items
            ],
            "rows": made,
            "blank": self._row(group, BLANK, 0, items, removed=False) if enters else None,
            "max_rows": group.max_rows,
            "readonly": not enters,
            "unlisted": self._unlisted(group) if enters else [],
        }

    def _unlisted(self, group: Group) -> list[str]:
        """The entries known by now that have no row here, by their titles."""
        titles = self.links.titles(group.rows_from) if group.rows_from else {}
        return [titles.get(number, number) for number in unlisted_entries(self, group, self.fields)]

    def _row(self, group: Group, row: str, number: int, items: list[Item], *, removed: bool) -> Words:
        saved = self.record is not None and any(r[ROW_ID] == row for r in self.stored.get(group.id, []))
        queries = sum(_is_open(state) for (at, _item), states in self.queries.items() if at == row for state in states)
        notes = sum(count for (at, _item), count in self.notes.items() if at == row)
        return {
            "id": row,
            "number": number or "",
            "removed": removed,
            "fields": [self.item(group, row, item) for item in items],
            "errors": self._errors.get((group.id, row, ""), []),
            "trail_url": f"{self.place.url('trail')}?row={row}" if saved and self._reads_trail else "",
            "query_url": f"{self.place.url('queries')}?row={row}" if saved and self._asks(row, "") else "",
            "queries": queries,
            "note_url": f"{self.place.notes_url}?row={row}" if saved and (self._may_note or notes) else "",
            "notes": notes,
        }

    @cached_property
    def _reads_trail(self) -> bool:
        return self.place.can(Permission.AUDIT_VIEW)

    @cached_property
    def _may_ask(self) -> bool:
        return self.place.can(Permission.QUERY_ASK)

    def _asks(self, row: str, item: str) -> bool:
        """Whether the drawer of queries has anything for this person."""
        if self._may_ask or (row, item) in self.queries:
            return True
        return bool(row) and not item and any(at == row for at, _item in self.queries)

    def _label(self, item: Item) -> str:
        return self.definition.text(item.label, self.locale)

    def item(self, group: Group, row: str, item: Item) -> Words:
        """One item as `_components/item.html` reads it."""
        key = (group.id, row, item.id)
        name = name_of(group, row, item.id)
        stored = self._stored_value(self.entry.data, key)
        readonly = not self.entering or not self.place.answers(item)
        saved = self.record is not None and not self.place.is_new_entry and row != BLANK
        words: Words = {
            "name": name,
            "id": f"f-{name}",
            "item": item.id,
            "row": row,
            "type": str(item.type),
            "label": self._label(item),
            "hint": self.definition.text(item.hint, self.locale) if self.entering else "",
            "required": item.required and self.entering,
            "shown": self.evaluation.shown.get(key, True),
            "unknown": self.entering and key in self.evaluation.uncertain,
            "errors": self._errors.get(key, []),
            "findings": [self.finding(fired) for fired in self._fired.get((row, item.id), [])],
            "reference": self._reference(item, stored),
            "previous": self._previous(group, key, item),
        }
        if item.compares_with and row != BLANK:
            words["earlier"] = [vars(line) for line in self.earlier(group, key, item)]
        elif item.compares_with:
            words["earlier"] = []  # of a row that is not about any entry yet
        if (row, item.id) in self.verified:
            words |= {"state": "verified", "state_label": _("Verified at source")}
        elif self.sees_plan and (row, item.id) in self.standing.required:
            words |= {"state": "to_verify", "state_label": _("To verify at source, by the plan")}
        if not group.repeating and self.place.can_verify and (row, item.id) in self.standing.filled - self.verified:
            words["verify"] = f"{row}|{item.id}"
        if saved and not group.repeating:
            states = self.queries.get((row, item.id), [])
            words["queries"] = sum(_is_open(state) for state in states)
            if self._asks(row, item.id):
                words["query_url"] = f"{self.place.url('queries')}?item={item.id}"
            words["notes"] = self.notes[row, item.id]
            if self._may_note or words["notes"]:
                words["note_url"] = f"{self.place.notes_url}?item={item.id}"
            if self._reads_trail:
                words["trail_url"] = f"{self.place.url('trail')}?item={item.id}"
        words |= self._flag(item, stored)
        if item.is_derived:
            return words | self._derived(key, item)
        if item.type is ItemType.FILE:
            words |= self._file(stored)
        if readonly:
            return words | {"readonly": True, "display": self.display(item, stored), "required": False,
                            "type": str(item.type)}  # fmt: skip
        words |= self._control(item, name, stored, row)
        if item.link and item.link == group.rows_from:
            words |= self._fixed(group, row, item, str(words["value"]))
        return words

    def _fixed(self, group: Group, row: str, item: Item, number: str) -> Words:
        """A row made for a known entry is about that entry for good; a row added by hand chooses one."""
        stored = self._stored_value(self.stored, (group.id, row, item.id)) or {}
        title = self._titles.get(item.link or "", {}).get(number, "")
        if not title or not (row.startswith(KNOWN) or stored.get("value") == number):
            return {}
        return {"fixed": title, "missing_codes": []}

    def _file(self, stored: Mapping[str, Any] | None) -> Words:
        """Where the file of an item can be opened."""
        if stored is None or stored.get("missing"):
            return {}
        key = str(stored["value"])
        return {"file_url": file_url(self.place.participant, key)}

    def finding(self, fired: Fired) -> Words:
        """What one edit check says, with the field in which a soft one is confirmed."""
        message = fired_message(fired, self.definition, self.locale)
        name = answer_name(fired.check_id, fired.row)
        answer = self.justified.get((fired.check_id, fired.row), "")
        words: Words = {"severity": str(fired.severity), "message": message}
        if fired.severity == "soft" and self.entering:
            return words | {"answer_name": name, "answer": self.fields.get(name, answer)}
        if answer:
            words["message"] = _("%(message)s Confirmed: “%(answer)s”") % {"message": message, "answer": answer}
        return words

    # ------------------------------------------------------------ values in words

    def _stored_value(self, data: Rows, key: RowKey) -> Mapping[str, Any] | None:
        group, row_id, item = key
        for row in data.get(group, []):
            if row.get(ROW_ID, "") == row_id:
                return row.get(item)
        return None

    def display(self, item: Item, stored: Mapping[str, Any] | None) -> str:
        """A stored value as a reader sees it: links by their titles, missing codes with their reason."""
        if stored is None:
            return ""
        if stored.get("missing"):
            words = missing_words(stored["missing"], self.locale)
            return f"{words} ({stored['reason']})" if stored.get("reason") else words
        if item.link:
            return self._titles.get(item.link, {}).get(str(stored["value"]), str(stored["value"]))
        return value_words(self.definition, self.form, item, stored, self.locale)

    def _derived(self, key: RowKey, item: Item) -> Words:
        value = self.evaluation.derived.get(key)
        if not self.entering and self.record is not None:  # as saved and signed: a freeze may hold a new value back
            stored = self._stored_value(self.stored, key)
            value = load(self.definition.spec(self.form.id, item.id), stored) if stored is not None else None
        return {
            "derived": True,
            "display": self.derived_text(item, value),
            "unit": unit_words(item.unit or "", self.locale),
            "derived_reason": "" if value is not None else self.derived_reason(key),
        }

    def derived_text(self, item: Item, value: Value | None) -> str:
        """A calculated value without its unit, which stands beside it."""
        if value is None:
            return ""
        if isinstance(value.value, int | Decimal) and not isinstance(value.value, bool):
            return format_number(value.value, self.locale)
        return display(self.definition.spec(self.form.id, item.id), value, self.locale)

    def derived_reason(self, key: RowKey) -> str:
        """Why a calculated value is empty: the items that are not known yet."""
        group, row_id, item = key
        expression = self.definition.compiled.forms[self.form.id].derived.get(item)
        rows = self.entry.data.get(group, [])
        index = next((i for i, row in enumerate(rows) if row.get(ROW_ID, "") == row_id), 0)
        if expression is None or not self.evaluation.shown.get(key, True):
            return ""
        lacking = missing_inputs(expression, Reading(self.book, self.entry, group, index))
        names = dict.fromkeys(name for name in map(self._ref_label, lacking) if name)
        return _("needs %(items)s") % {"items": ", ".join(names)} if names else ""

    def _ref_label(self, ref: Ref) -> str:
        form_id = ref.form or self.form.id
        if ref.kind not in ("item", "range") or form_id not in self.definition.forms:
            return ""
        if not self.place.sees_arm and self.definition.reveals_arm(form_id, ref.item):
            return ""
        form = self.definition.form(form_id)
        if ref.item not in form.items:
            return ""
        label = self._label(form.item(ref.item))
        if ref.kind == "range":
            label = _("reference range of %(item)s") % {"item": label}
        if form_id == self.form.id:
            return label
        return f"{label} ({self.definition.text(form.label, self.locale)})"

    def _reference(self, item: Item, stored: Mapping[str, Any] | None) -> str:
        extra = (stored or {}).get("extra") or {}
        low, high = self.ranges.get(item.analyte or "", ("", ""))
        low, high = str(extra.get("lo") or low or ""), str(extra.get("hi") or high or "")
        if not (low or high):
            return ""
        return range_words(low, high, item.unit or "", self.locale)

    def _flag(self, item: Item, stored: Mapping[str, Any] | None) -> Words:
        """Low, normal or high against the laboratory's range, and the toxicity grade that the value reaches."""
        result = result_of(stored) if item.analyte else None
        if result is None:
            return {}
        name, label = _FLAGS.get(result.flag, ("", ""))
        anchor = self.place.participant.day_zero_on
        graded = grade_of(self.definition, item, result, baseline_of(self.book, self.entry, item, anchor))
        if graded is not None and graded.grade:  # also where no range is known, when the number itself decides
            term = self.definition.text(graded.label, self.locale)
            words = _("%(term)s, grade %(grade)s") % {"term": term, "grade": graded.grade}
            return {"flag": name or "graded", "flag_label": f"{label} – {words}" if label else words}
        return {"flag": name, "flag_label": label} if name else {}

    def _previous(self, group: Group, key: RowKey, item: Item) -> str:
        """The value at the visit before; in rows made from a log, of the row about the same entry."""
        if self.previous is None or not item.show_previous:
            return ""
        rows = self.previous.data.get(group.id, [])
        if not group.repeating:
            row = rows[0] if rows else {}
        else:
            link = next((each for each in group.items if each.link), None)
            mine = self._stored_value(self.entry.data, (group.id, key[1], link.id)) if link is not None else None
            wanted = (mine or {}).get("value")
            row = next(
                (r for r in rows if link is not None and wanted and r.get(link.id, {}).get("value") == wanted), {}
            )
        stored = row.get(item.id)
        if stored is None or item.id in row.get(HIDDEN, ()):
            return ""
        words = self.display(item, stored)
        on = self.previous.place.visit_on
        return f"{words} ({format_date(on, self.locale)})" if on else words

    @cached_property
    def _measured(self) -> dict[str, dict[str, list[measurements.Measurement]]]:
        """Per item that is compared, what was measured before of each log entry."""

        def sees(form: str, item: str, visit: str) -> bool:
            return self.place.sees_arm or not self.definition.reveals_arm(form, item, visit_id=visit)

        return {
            item.id: measurements.earlier_of(self.book, self.definition, self.form, item, self.entry.place, sees)
            for item in self.form.items.values()
            if item.compares_with
        }

    def earlier(self, group: Group, key: RowKey, item: Item) -> list[measurements.Line]:
        """The earlier measurements of the entry that a row is about, with the change since each."""
        link = next(each for each in group.items if each.link)
        about = self._stored_value(self.entry.data, (group.id, key[1], link.id)) or {}
        stored = self._stored_value(self.entry.data, key) or {}
        now = stored.get("value") if self.evaluation.shown.get(key, True) else None
        measured = self._measured[item.id].get(str(about.get("value")), [])
        return measurements.lines(measured, Decimal(str(now)) if now is not None else None, item, self.locale)

    # ------------------------------------------------------------ controls

    def _control(self, item: Item, name: str, stored: Mapping[str, Any] | None, row: str) -> Words:
        value = self.fields.get(name, "")
        missing = str(self.fields.get(f"{name}__missing", ""))
        words: Words = {
            "value": value if isinstance(value, str) else "",
            "max_length": item.max_length if item.type in (ItemType.TEXT, ItemType.LONGTEXT) else None,
            "missing_codes": [
                {"value": code.value, "label": missing_words(code.value, self.locale), "selected": code == missing}
                for code in item.missing
            ],
            "missing": missing,
            "missing_reason": self.fields.get(f"{name}__reason", ""),
        }
        if item.type in (ItemType.DATE, ItemType.PARTIAL_DATE, ItemType.DATETIME) and stored and not missing:
            words["display"] = self.display(item, stored)
        if item.type in (ItemType.INTEGER, ItemType.DECIMAL):
            words |= self._units(item, name)
            if item.units:
                words["display"] = self._converted(item, stored)
        if item.type is ItemType.TERM:
            words["list_id"] = f"terms-{item.dictionary}"
        if item.type is ItemType.FILE:
            accepted = [MEDIA_TYPES[word] for word in item.accepted]
            words |= {
                "display": self.display(item, stored) if not missing else "",
                "removed": bool(self.fields.get(f"{name}__remove")),
                "accept": ",".join(suffix for media in accepted for suffix in media.suffixes),
                "accept_words": _("%(types)s, at most %(size)s")
                % {"types": ", ".join(media.label for media in accepted), "size": size_words(settings.FILE_MAX_BYTES)},
            }
        if item.type is ItemType.VAS:
            spec = self.definition.spec(self.form.id, item.id)
            words |= {"min": spec.minimum, "max": spec.maximum}
        options = self.options(item, name, row)
        if options is not None:
            words |= {"options": options, "layout": _layout(item, options)}
        elif item.layout is not None:
            words["layout"] = str(item.layout)
        return words

    def _converted(self, item: Item, stored: Mapping[str, Any] | None) -> str:
        """A value typed in another unit, in the standard one: `= 13.5 g/dL`; empty where nothing was converted."""
        if stored is None or "original" not in stored:
            return ""
        number = load(self.definition.spec(self.form.id, item.id), stored).value
        assert isinstance(number, int | Decimal)
        return f"= {format_number(number, self.locale)} {unit_words(item.unit or '', self.locale)}"

    def _units(self, item: Item, name: str) -> Words:
        if not item.units:
            return {"unit": unit_words(item.unit or "", self.locale)}
        chosen = self.fields.get(f"{name}__unit") or item.unit
        names = dict.fromkeys([item.unit or "", *(unit.unit for unit in item.units)])
        return {"units": [{"value": unit, "label": unit, "selected": unit == chosen} for unit in names if unit]}

    def options(self, item: Item, name: str, row: str) -> list[Words] | None:
        """What an item offers to choose from; None when it is not chosen."""
        chosen = self.fields.get(name, "")
        picked = set(chosen) if isinstance(chosen, list) else {str(chosen)}
        found: list[tuple[str, str, str]]
        if item.type is ItemType.YESNO:
            found = [("yes", _("Yes"), ""), ("no", _("No"), "")]
        elif item.type in (ItemType.CHOICE, ItemType.CHOICES):
            codelist, text = self.definition.codelist(item.codelist or ""), self.definition.text
            found = [
                (entry.code, text(entry.label, self.locale), text(entry.hint, self.locale))
                for entry in codelist.codes
                if not entry.retired or entry.code in picked
            ]
        elif item.type is ItemType.GRADE:
            found = [(str(grade), str(grade), words) for grade, words in self.grades(item, row)]
        elif item.type is ItemType.LINK:
            titles = self._titles.get(item.link or "", {})
            found = [(number, title, "") for number, title in titles.items()]
        else:
            return None
        return [{"value": v, "label": label, "hint": hint, "selected": v in picked} for v, label, hint in found]

    def grades(self, item: Item, row: str) -> list[tuple[int, str]]:
        """The grades that exist for the chosen term, with their words if the dictionary has some; else all."""
        term_item = self.form.item(item.grade_of or "")
        group = self.form.group_of(term_item.id)
        stored = self._stored_value(self.entry.data, (group.id, row if group.repeating else "", term_item.id))
        if not stored or stored.get("missing"):
            return [(grade, "") for grade in range(1, 6)]
        term = dictionary_of(self.definition, term_item.dictionary or "").get(stored["value"])
        if term is None:
            return [(grade, "") for grade in range(1, 6)]
        words = getattr(term, "descriptions", {})
        return [(grade, words.get(grade, "")) for grade in term.grades]

    @property
    def term_lists(self) -> list[Words]:
        """One `<datalist>` for each dictionary that the form draws terms from."""
        if not self.entering:
            return []
        found = []
        for name in dict.fromkeys(item.dictionary for item in self.form.items.values() if item.type is ItemType.TERM):
            dictionary = dictionary_of(self.definition, name or "")
            terms: Iterable[Any] = dictionary if isinstance(dictionary, Iterable) else ()
            found.append({"id": f"terms-{name}", "terms": sorted(term.label_in(self.locale) for term in terms)})
        return found

    # ------------------------------------------------------------ marks and facts

    @property
    def is_known(self) -> bool:
        """Whether what stands in the fields is what is stored with the person's draft over it, and nothing else."""
        return self.entering and (not self.whole or self.draft is not None) and not self.is_outdated

    @property
    def takes_files(self) -> bool:
        """Whether a file can be chosen on the page."""
        return self.entering and any(item.type is ItemType.FILE for item in self.form.items.values())

    @property
    def has_rows(self) -> bool:
        """Whether the page shows a grid, which needs its whole width."""
        return any(group.repeating for group, _items in self.place.groups())

    @property
    def hint(self) -> str:
        return self.definition.text(self.form.hint, self.locale)

    @property
    def entry_words(self) -> str:
        """What a log entry is about, from its title items."""
        place = self.place
        if (
            place.number is None
            or self.record is None
            or not all(place.shows(self.form.item(item)) for item in self.form.title_items)
        ):
            return ""
        return title_words(self.definition, self.form, self.record.data, self.locale)

    @property
    def may_see_queries(self) -> bool:
        return self._may_ask or bool(self.queries)

    @property
    def may_read_trail(self) -> bool:
        return self._reads_trail and self.record is not None

    @property
    def kept(self) -> str:
        """The words of the status line: when the draft was kept."""
        if self.draft is None:
            return ""
        return _("Draft kept %(time)s") % {"time": f"{timezone.localtime(self.draft.kept_at):%H:%M}"}

    @property
    def last_field(self) -> str:
        """The field in which the person was when the draft was kept; empty when nothing was brought back."""
        if self.draft is None or self.revision_read is not None:
            return ""
        return str(self.fields.get(drafts.AT, ""))

    @property
    def entry_state(self) -> str:
        if self.record is not None:
            return str(self.record.entry_state)
        return str(EntryState.IN_PROGRESS if self.place.is_new_entry else EntryState.EXPECTED)

    @cached_property
    def marks(self) -> list[Words]:
        """The state of entry and the marks beside it, as states of the tag `state`."""
        record = self.record
        if record is None:
            return [] if self.place.is_new_entry else [{"state": self.entry_state, "label": ""}]
        marks = [{"state": self.entry_state, "label": ""}]
        if record.removed_at is not None:
            marks = [{"state": "cancelled", "label": _("Removed")}]
        if record.is_signed:
            marks.append({"state": "signed_changed" if record.is_changed_since_signing else "signed", "label": ""})
        verified = self.standing.mark(sees_plan=self.sees_plan)
        if verified:
            marks.append({"state": verified, "label": ""})
        if record.is_reviewed:
            marks.append({"state": "reviewed", "label": ""})
        if record.is_frozen:
            marks.append({"state": "frozen", "label": self._closed_with(ClosureKind.FROZEN, record.frozen_at)})
        if record.is_locked:
            marks.append({"state": "locked", "label": self._closed_with(ClosureKind.LOCKED, record.locked_at)})
        return marks

    def _closed_with(self, kind: ClosureKind, own: dt.datetime | None) -> str:
        """With what the record is frozen or locked, when it has no mark of its own: `Locked · Site 07`."""
        closure = next((c for c in self.record.closures if c.kind == kind), None) if self.record and not own else None
        if closure is None:
            return ""
        return f"{kind.label} · {scope_words(closure, self.place.participant, self.place.visit)}"

    @cached_property
    def breaks(self) -> list[str]:
        """What a change of a value would do to the marks that stand: said before anything is saved."""
        record = self.record
        if record is None or not self.entering:
            return []
        found = []
        if record.signature is not None and not record.is_changed_since_signing:
            found.append(
                _("It is signed by %(name)s: it will show as changed since signing, with the values that you change.")
                % {"name": record.signature.by_name}
            )
        if record.is_reviewed:
            found.append(_("The data manager has reviewed it: the review will have to be done again."))
        if self.verified:
            count = len(self.verified)
            found.append(
                ngettext(
                    "%(n)s value is verified at source: if you change it, it will have to be verified again.",
                    "%(n)s values are verified at source: those that you change will have to be verified again.",
                    count,
                )
                % {"n": count}
            )
        return found

    @cached_property
    def broken(self) -> list[Words]:
        """Which change broke which mark, newest first, for the marks that are broken now."""
        record = self.record
        if record is None or not (record.is_changed_since_signing or record.is_changed_since_review):
            return []
        deeds = ledger_of(record, arms=self.place.sees_arm).filter(verb=broken_marks.VERB)[:5]
        marks = {"signed": record.is_changed_since_signing, "reviewed": record.is_changed_since_review}
        return [
            {"text": words, "when": moment(deed.at, self.locale), "by": deed.by_name}
            for deed in deeds
            for words in broken_words({k: v for k, v in deed.details["broken"].items() if marks.get(k)}, self.locale)
        ]

    @cached_property
    def facts(self) -> list[Words]:
        """What stands beside the form: when it was saved and signed, how much is verified."""
        record = self.record
        if record is None or record.revision == 0:
            return []
        saved = saved_by(record)
        facts: list[Words] = []
        if saved is not None:
            facts.append({"label": _("Last saved"), "value": moment(saved[0], self.locale), "note": saved[1]})
        if record.not_done_reason:
            facts.append({"label": _("Not done because"), "value": record.not_done_reason})
        if record.signature is not None:
            facts.append(
                {
                    "label": _("Signed"),
                    "value": moment(record.signature.signed_at, self.locale),
                    "note": record.signature.by_name,
                }
            )
        if record.reviewed_at is not None:
            note = _("Changed since the review") if record.is_changed_since_review else ""
            facts.append({"label": _("Reviewed"), "value": moment(record.reviewed_at, self.locale), "note": note})
        standing = self.standing
        if standing.required and self.sees_plan:
            done = len(standing.required & standing.verified)
            words = {"label": _("Verified at source"), "value": f"{done} / {len(standing.required)}"}
            facts.append(words | {"note": _("of what the plan asks for")})
        elif standing.filled and (standing.verified or self.place.can(Permission.VERIFY)):
            words = {"label": _("Verified at source"), "value": f"{len(standing.verified)} / {len(standing.filled)}"}
            facts.append(words | ({"note": _("the plan asks for nothing here")} if self.sees_plan else {}))
        return facts

    # ------------------------------------------------------------ errors

    @property
    def error_list(self) -> list[Words]:
        """The errors for the summary, each with the field to go to."""
        found = []
        for error in self.errors:
            group = next((g for g in self.form.groups if g.id == error.group), None)
            if group is not None and error.item in self.form.items:
                label = self._label(self.form.item(error.item))
                if group.repeating:
                    rows = list(self.fields.get(f"{group.id}__rows", []))
                    number = rows.index(error.row) + 1 if error.row in rows else ""
                    label = _("%(label)s, row %(number)s") % {"label": label, "number": number}
                target = f"f-{name_of(group, error.row, error.item)}"
                found.append({"text": _labelled(label, error.message), "target": target})
            elif group is not None:
                title = self.definition.text(group.label, self.locale)
                found.append({"text": _labelled(title, error.message), "target": f"group_{group.id}"})
            else:
                found.append({"text": error.message, "target": ""})
        return found

    # ------------------------------------------------------------ the answer to a changed field

    def evaluated(self) -> Words:
        """What the page must know after fields changed: see docs/design.md, "Evaluate"."""
        shown: dict[str, bool | None] = {}
        derived: dict[str, str] = {}
        reasons: dict[str, str] = {}
        options: dict[str, list[Words]] = {}
        earlier: dict[str, list[Words]] = {}
        flags: dict[str, list[str]] = {}
        echoes: dict[str, str] = {}
        program, only = self.definition.compiled.forms[self.form.id], self.only
        for group, items in self.place.groups():
            rows = [str(row) for row in self.fields.get(f"{group.id}__rows", [])] if group.repeating else [""]
            followed = [item for item in items if only is None or item.id in only.items]
            for row in rows if followed else []:
                for item in followed:
                    key = (group.id, row, item.id)
                    name = name_of(group, row, item.id)
                    if item.id in program.items_shown_when or not group.repeating:
                        visible = self.evaluation.shown.get(key, True)
                        shown[name] = None if visible and key in self.evaluation.uncertain else visible
                    if item.is_derived:
                        value = self.evaluation.derived.get(key)
                        derived[name] = self.derived_text(item, value)
                        if value is None:
                            reasons[name] = self.derived_reason(key)
                    if item.compares_with:
                        earlier[name] = [vars(line) for line in self.earlier(group, key, item)]
                    if item.type is ItemType.GRADE and self._is_near(group, row):
                        options[name] = [
                            {"value": option["value"], "label": option["label"], "hint": option["hint"]}
                            for option in self.options(item, name, row) or []
                        ]
                    if item.analyte and not group.repeating:
                        flag = self._flag(item, self._stored_value(self.entry.data, key))
                        flags[name] = [flag.get("flag", ""), str(flag.get("flag_label", ""))]
                    if item.units and not group.repeating:
                        echoes[name] = self._converted(item, self._stored_value(self.entry.data, key))
            if only is None or followed or group.id in only.groups:
                shown.setdefault(group.id, self.evaluation.shown_groups.get(group.id, True))
        about = None if only is None else only.about
        findings = [
            {"item": item, "row": row, "about": fired.items[0]} | self.finding(fired)
            for (row, item), several in self._fired.items()
            for fired in several
            if about is None or fired.items[0] in about
        ]
        found: Words = {
            "shown": shown,
            "derived": derived,
            "reasons": {name: words for name, words in reasons.items() if words},
            "findings": findings,
            "options": options,
            "earlier": earlier,
            "flags": flags,
            "echoes": echoes,
            "faults": {
                name_of(self.form.group_of(key[2]), key[1], key[2]): words
                for key, words in self.faults.items()
                if key[2] in self.form.items and self.place.answers(self.form.item(key[2]))
            },
        }
        return (
            found
            if about is None
            else found | {"about": sorted(i for i in about if self.place.shows(self.form.item(i)))}
        )

    def _is_near(self, group: Group, row: str) -> bool:
        """Whether a control that changed may decide what a row offers: one of its own row, or of no row."""
        left = [item_named(self.form, name) for name in self.changed]
        return not (group.repeating and left) or any(
            each is None or each[0].id != group.id or each[1] == row for each in left
        )


def range_words(low: str, high: str, unit: str, locale: str) -> str:
    """A range of reference in words: `13,0 – 17,0 g/dL`, `≤ 40 UI/L`."""
    low, high = (text.replace(".", ",") if locale.startswith("fr") else text for text in (low, high))
    words = f"{low} – {high}" if low and high else (f"≥ {low}" if low else f"≤ {high}")
    return f"{words} {unit_words(unit, locale)}" if unit else words


def file_url(participant: Participant, key: str) -> str:
    """Where a file is given to those who may see it."""
    return reverse("file", args=[participant.code, key])


_FLAGS: dict[str, tuple[str, Any]] = {
    LOW: ("low", gettext_lazy("Below the range")),
    NORMAL: ("normal", gettext_lazy("Within the range")),
    HIGH: ("high", gettext_lazy("Above the range")),
}


def _labelled(label: str, text: object) -> str:
    return _("%(label)s: %(text)s") % {"label": label, "text": text}


def _is_open(state: str) -> bool:
    return state in UNSETTLED


def _only_unit(item: Item, locale: str) -> str:
    return unit_words(item.unit or "", locale) if not item.units else ""


def _layout(item: Item, options: list[Words]) -> str:
    """How choices are laid out: side by side while they are few, else a list or a menu."""
    if item.type is ItemType.CHOICES:
        return "wide" if item.layout == "wide" else ""
    if item.type is ItemType.YESNO:
        return ""
    if item.type is ItemType.GRADE:
        return "radio" if any(option["hint"] for option in options) else ""
    if len(options) > MOST_SEGMENTS:
        return "radio" if item.layout in ("radio", "wide") else "select"
    return str(item.layout or "")


# ---------------------------------------------------------------- making pages


def book_for(place: RecordPlace) -> Book:
    """The records that the form's expressions and its links need, in one query."""
    form, definition = place.form, place.definition
    linked = {item.link for item in form.items.values() if item.link}
    compared = {other.partition(".")[0] for item in form.items.values() for other in item.compares_with}
    return book_of(place.participant, definition, {form.id} | definition.forms_read_by(form.id) | linked | compared)


def stored_page(place: RecordPlace) -> RecordPage:
    """The record as it is stored, to be read."""
    data: Rows = place.record.data if place.record is not None else {}
    return RecordPage(place, fields_of_data(place.definition, place.form, data, place.locale))


def entry_page(place: RecordPlace) -> RecordPage:
    """The record as the person finds it to fill: stored values, rows of known entries, their own draft over them."""
    page = stored_page(place)
    page.entering = True
    page.typed_over = known_rows(page)
    page.draft = draft_of(place.person, place.participant, place.where.draft_place)
    if page.draft is not None:
        page.typed_over |= fields_of_draft(place.form, drafts.read(page.draft))
    page.fields = page.fields | page.typed_over
    return page


def known_rows(page: RecordPage) -> Fields:
    """Rows for the log entries that a group is about, where nobody has entered rows yet.

    A tumour assessment opens with the lesions known by then, their category and organ (`opens_with`) as their entries
    have them. Row ids are made of the numbers, so that the same row keeps its id while nothing is saved.
    """
    found: Fields = {}
    for group, items in page.place.groups():
        if not page.stored.get(group.id) and (numbers := unlisted_entries(page, group, {})):
            found |= rows_of_entries(page, group, items, numbers)
    return found


def unlisted_entries(page: RecordPage, group: Group, fields: Fields) -> list[str]:
    """The numbers of the entries known at the time of the form that a group about them has no row for.

    Only while the form is not complete: what was said then of the entries of that time stays as it was.
    """
    link = next((item for item in group.items if group.rows_from and item.link == group.rows_from), None)
    record = page.record
    if link is None or not page.place.shows(link):
        return []
    if record is not None and record.entry_state not in (EntryState.EXPECTED, EntryState.IN_PROGRESS):
        return []
    log = page.definition.form(group.rows_from or "")
    days = [on for on in (page.day, *_days_of(page.place.visit)) if on is not None]
    listed = {str(fields.get(name_of(group, str(row), link.id))) for row in fields.get(f"{group.id}__rows", [])}
    found = []
    for entry in page.book.log_entries(log.id):
        since = dated_on(page.definition, log, entry.data)
        is_later = bool(days) and since is not None and since > max(days)
        if entry.place.number and str(entry.place.number) not in listed and not is_later:
            found.append(str(entry.place.number))
    return found[: max(group.max_rows - len(fields.get(f"{group.id}__rows", [])), 0)]


def _days_of(visit: Visit | None) -> tuple[dt.date | None, ...]:
    """Until when something seen may belong to a visit: its day, and the end of its window."""
    return (visit.actual_on, visit.window_end) if visit is not None else ()


def rows_of_entries(page: RecordPage, group: Group, items: Sequence[Item], numbers: Sequence[str]) -> Fields:
    """Fields of a new row for each entry, begun with what is known of it."""
    log = page.definition.form(group.rows_from or "")
    entries = {str(entry.place.number): entry for entry in page.book.log_entries(log.id)}
    found: Fields = {f"{group.id}__rows": [f"{KNOWN}{number}" for number in numbers]}
    for number in numbers:
        for item in items:
            name = name_of(group, f"{KNOWN}{number}", item.id)
            if item.link == group.rows_from:
                found[name] = number
            elif item.opens_with is not None and page.place.answers(item):
                source = item.opens_with.partition(".")[2]
                rows = entries[number].data.get(log.group_of(source).id) or [{}]
                stored = rows[0].get(source)
                if stored is not None and source not in rows[0].get(HIDDEN, ()) and not stored.get("missing"):
                    found |= fields_of_value(page.definition, page.form, item, name, stored, page.locale)
    return found


def posted_page(
    place: RecordPlace, fields: Fields, errors: Sequence[FieldError] = (), revision: int | None = None
) -> RecordPage:
    """The record with what was just posted: nothing that was typed is lost."""
    return RecordPage(place, fields, whole=True, errors=errors, entering=True, revision_read=revision)


def changed_page(place: RecordPlace, fields: Fields, changed: Sequence[str]) -> RecordPage:
    """The record with what changed on the page since it was made, over the draft and what is stored.

    Only what was typed is read: what is stored was understood when it was saved.
    """
    page = entry_page(place)
    typed = page.typed_over | fields
    page.fields, page.typed, page.whole, page.changed = page.fields | fields, typed, True, changed
    return page


def crumbs(place: RecordPlace, last: str = "") -> list[Words]:
    """The way from the list of participants to the page."""
    code = place.participant.code
    items: list[Words] = [
        {"label": _("Participants"), "url": reverse("participants")},
        {"label": code, "url": casebook_url(place.participant)},
    ]
    if place.visit is not None:
        items.append({"label": place.visit_title, "url": reverse("visit", args=[code, place.visit.pk])})
    else:
        label = place.definition.text(place.form.label, place.locale)
        items.append({"label": label, "url": reverse("log", args=[code, place.form.id])})
    here = place.title
    if place.form.is_log:
        here = _("No. %(number)s") % {"number": place.number} if place.number else _("New entry")
    items.append({"label": here, "url": place.url() if last else ""})
    return items + ([{"label": last}] if last else [])


def visit_date_words(place: RecordPlace) -> str:
    """The day of the visit in words, marked while it is only planned."""
    visit = place.visit
    if visit is None:
        return ""
    if visit.actual_on:
        return format_date(visit.actual_on, place.locale)
    if visit.status == VisitStatus.MISSED:
        return _("missed")
    return _("planned %(date)s") % {"date": format_date(visit.planned_on, place.locale)} if visit.planned_on else ""


# ---------------------------------------------------------------- logs


@dataclass
class LogPage:
    """A log form as a table: one line per entry with its state, queries and signature."""

    participant: Participant
    definition: Definition
    form: Form
    person: Any
    records: Sequence[Record]
    locale: str
    queries: Counter[int] = field(default_factory=Counter)
    standings: dict[int, Standing] = field(default_factory=dict)

    @cached_property
    def _shown(self) -> list[Item]:
        sees_arm = access_of(self.person).has(Permission.ARM_VIEW, self.participant.site_id)
        ids = self.form.columns or self.form.title_items or tuple(self.form.items)[:4]
        return [self.form.item(i) for i in ids if sees_arm or not self.definition.reveals_arm(self.form.id, i)]

    @property
    def columns(self) -> list[str]:
        return [self.definition.text(item.label, self.locale) for item in self._shown]

    @property
    def heads(self) -> list[tuple[str, str]]:
        """The columns by which the table can be sorted: item and words."""
        return [(item.id, self.definition.text(item.label, self.locale)) for item in self._shown]

    filters: ClassVar[list[tuple[str, Any]]] = [
        ("open", gettext_lazy("With open queries")),
        ("in_progress", gettext_lazy("Not finished")),
        ("signed_changed", gettext_lazy("Changed since signing")),
        ("removed", gettext_lazy("Removed")),
    ]
    """What the table can be narrowed to: a word of the address and words for people."""

    @property
    def counts(self) -> dict[str, int]:
        """How many entries each filter leaves."""
        return {name: len(self.only(name)) for name, _label in self.filters}

    def only(self, name: str) -> list[Record]:
        """The entries that a filter leaves; all for a word that is none."""
        keep: dict[str, Callable[[Record], bool]] = {
            "open": lambda record: bool(self.queries[record.pk]),
            "in_progress": lambda record: record.entry_state == EntryState.IN_PROGRESS and record.removed_at is None,
            "signed_changed": lambda record: record.is_changed_since_signing,
            "removed": lambda record: record.removed_at is not None,
        }
        return [record for record in self.records if name not in keep or keep[name](record)]

    def sorted(self, records: Sequence[Record], by: str) -> list[Record]:
        """The entries by a column (`-` first: descending); what is empty comes last, equals stay in number order."""
        name = by.removeprefix("-")
        item = next((item for item in self._shown if item.id == name), None)

        def key(record: Record) -> Any:
            if item is not None:
                rows = record.data.get(self.form.group_of(item.id).id) or [{}]
                return _sort_key(item, rows[0].get(item.id), self._cell(record, item))
            if name == "queries":
                return self.queries[record.pk]
            return str(record.entry_state) if name == "state" else record.number

        known = [record for record in records if key(record) is not None]
        unknown = [record for record in records if key(record) is None]
        return [*sorted(known, key=key, reverse=by.startswith("-")), *unknown]

    @cached_property
    def _titles(self) -> dict[str, dict[str, str]]:
        linked = {item.link for item in self._shown if item.link}
        if not linked:
            return {}
        links = Links(book_of(self.participant, self.definition, linked), self.locale)
        return {form: links.titles(form) for form in linked}

    @property
    def entries(self) -> list[Words]:
        """The lines, in the order of the numbers."""
        return self.lines(self.records)

    def lines(self, records: Iterable[Record]) -> list[Words]:
        """The lines of some entries."""
        return [self._entry(record) for record in records]

    def _cell(self, record: Record, item: Item) -> str:
        rows = record.data.get(self.form.group_of(item.id).id) or [{}]
        stored = rows[0].get(item.id)
        if stored is not None and item.link and not stored.get("missing"):
            return self._titles.get(item.link, {}).get(str(stored["value"]), str(stored["value"]))
        return value_words(self.definition, self.form, item, stored, self.locale)

    def _entry(self, record: Record) -> Words:
        cells = [self._cell(record, item) for item in self._shown]
        state = "cancelled" if record.removed_at is not None else str(record.entry_state)
        marks = []
        if record.is_signed:
            marks.append("signed_changed" if record.is_changed_since_signing else "signed")
        standing = self.standings.get(record.pk, Standing())
        verified = standing.mark(sees_plan=sees_plan(self.person, self.participant.site_id))
        marks += [verified] if verified else []
        marks += ["reviewed"] * record.is_reviewed
        marks += ["frozen"] * record.is_frozen + ["locked"] * record.is_locked
        return {
            "number": record.number,
            "url": reverse("entry", args=[self.participant.code, self.form.id, record.number]),
            "cells": list(zip(self.columns, cells, strict=True)),
            "state": state,
            "state_label": _("Removed") if record.removed_at is not None else "",
            "marks": marks,
            "queries": self.queries[record.pk],
            "removed": record.removed_reason if record.removed_at is not None else "",
        }


def _sort_key(item: Item, stored: Mapping[str, Any] | None, words: str) -> Any:
    """A value as it is sorted: numbers and grades by size, dates in time, everything else by its words; None last."""
    if stored is None or stored.get("missing") or not words:
        return None
    if item.type in (ItemType.INTEGER, ItemType.DECIMAL, ItemType.VAS, ItemType.GRADE):
        return Decimal(str(stored["value"]))
    if item.type in (ItemType.DATE, ItemType.PARTIAL_DATE, ItemType.DATETIME, ItemType.TIME):
        return str(stored["value"])
    return words.casefold()


__all__ = [
    "REASONS",
    "WHOLE",
    "Links",
    "LogPage",
    "RecordPage",
    "crumbs",
    "entry_page",
    "entry_title",
    "moment",
    "posted_page",
    "reason_of",
    "stored_page",
    "text_of",
]
