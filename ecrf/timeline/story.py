"""A casebook read into lanes: what the study's text declares, of what this person may see, and nothing else.

Costs no statement of its own: records, visits and changes of status are those that the casebook has read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from trial.definition import Form, Item
from trial.language import PartialDate, Value, format_date, load
from trial.models import StatusKind, VisitStatus
from trial.presenters import date_words

from ..checks.book import HIDDEN
from ..models import EntryState, Record
from .drawing import draw
from .layout import DAY, Lane, Mark, Picture, lay_out
from .section import NAME, LanePart, SourceKind, SourcePart

if TYPE_CHECKING:
    from ..casebooks import Casebook

WIDE, SLIM = 1100, 342
"""Widths of the two drawings of a page: for a window of 1280 pixels, and for a telephone of 390."""
BEFORE = dt.timedelta(days=60)
"""How long before the screening the picture begins: what is older is cut, or only in the table."""
AFTER = dt.timedelta(days=14)
GRAVE = (StatusKind.PROGRESSED, StatusKind.DIED)
NOTHING_SAID = (EntryState.EXPECTED, EntryState.NOT_DONE, EntryState.NOT_APPLICABLE)


@dataclass(frozen=True)
class Line:
    """One line of the table beside the picture."""

    on: dt.date | None
    lane: str
    when: str
    text: str
    note: str
    url: str


@dataclass(frozen=True)
class _When:
    """A date as far as it is known: the days that it can be, and its words."""

    earliest: dt.date
    latest: dt.date
    words: str


class Story:
    """The timeline of one casebook: two drawings of the same lanes, and the same as lines of a table."""

    def __init__(self, casebook: Casebook) -> None:
        self.casebook = casebook
        self.definition = casebook.definition
        self.locale = casebook.locale
        participant = casebook.participant
        ends = [on for on in (participant.died_on, participant.completed_on, participant.failed_on) if on is not None]
        self.is_over = bool(ends)
        self.until: dt.date = min(ends) if ends else casebook.today
        self._lines: list[Line] = []

    @cached_property
    def lanes(self) -> list[Lane]:
        """Every lane with anything in it, in the order of the study's text."""
        section = self.definition.section(NAME)
        found = []
        for part in section.lanes if section is not None else ():
            label = self.casebook.text(part.label)
            marks = tuple(self._marks(part, label))
            if marks:
                found.append(Lane(part.id, label, marks))
        return found

    @property
    def lines(self) -> list[Line]:
        """The same in words, oldest first; what has no date at the end."""
        _read = self.lanes
        return sorted(self._lines, key=lambda line: (line.on is None, line.on or dt.date.min))

    @property
    def is_empty(self) -> bool:
        return not self.lines

    @property
    def wide(self) -> SafeString:
        """The drawing for a wide window."""
        return self._drawn("story-wide", WIDE)

    @property
    def slim(self) -> SafeString:
        """The drawing for a narrow window: lane names above their lanes."""
        return self._drawn("story-slim", SLIM)

    @property
    def earlier(self) -> int:
        """How many lines are older than the picture."""
        return self._picture(WIDE).earlier

    def _picture(self, width: int) -> Picture:
        first = self.casebook.participant.screened_on - BEFORE
        days = [mark.last for lane in self.lanes for mark in lane.marks]
        last = max([self.until, *days]) + AFTER
        today = None if self.is_over else self.casebook.today
        return lay_out(self.lanes, first=first, last=last, width=width, month_words=self._month, today=today)

    def _month(self, day: dt.date) -> str:
        return format_date(PartialDate(day.year, day.month), self.locale)

    def _drawn(self, name: str, width: int) -> SafeString:
        count = len(self.lines)
        words = ngettext("%(n)s event in %(lanes)s", "%(n)s events in %(lanes)s", count)
        lanes = ", ".join(lane.label for lane in self.lanes)
        description = words % {"n": count, "lanes": lanes}
        title = _("Timeline of %(code)s") % {"code": self.casebook.participant.code}
        picture = self._picture(width)
        return mark_safe(draw(picture, name=name, title=title, description=description))  # noqa: S308 - drawing escapes

    # ------------------------------------------------------------ marks

    def _marks(self, part: LanePart, label: str) -> Iterable[Mark]:
        if part.visits:
            yield from self._visits(label)
        for change in self.casebook.status_changes if part.statuses else ():
            if change.kind in part.statuses:
                words, why = self.casebook.words_of_change(change)
                when = date_words(change.on, self.locale)
                self._lines.append(Line(change.on, label, when, words, why, ""))
                yield _day(change.on, words, f"{words}, {when}", is_alert=change.kind in GRAVE)
        for source in part.sources:
            form = self.definition.forms.get(source.form)
            if form is not None and self._shows(form, source):
                for record in self.casebook.records:
                    if record.form == form.id and record.entry_state not in NOTHING_SAID:
                        yield from self._of_record(source, form, record, label)

    def _shows(self, form: Form, source: SourcePart) -> bool:
        """Whether the source tells nothing that this person may not know; its texts are looked at one by one."""
        kept = [item for item in source.items() if item not in source.text and item in form.items]
        return all(self.casebook.shows_item(form.id, item) for item in kept)

    def _visits(self, label: str) -> Iterable[Mark]:
        for visit in self.casebook.visits:
            is_missed = visit.status == VisitStatus.MISSED
            on = visit.actual_on or (visit.planned_on if is_missed else None)
            if on is None:
                continue
            title = self.casebook.visit_title(visit)
            note = _("missed") if is_missed else ""
            words = f"{title}, {date_words(on, self.locale)}" + (f", {note}" if note else "")
            url = self.casebook.visit_url(visit)
            self._lines.append(Line(on, label, date_words(on, self.locale), title, note, url))
            yield _day(on, title, words, url=url, is_alert=is_missed)

    def _of_record(self, source: SourcePart, form: Form, record: Record, label: str) -> Iterable[Mark]:
        if source.only_if is not None and self._held(form, record, source.only_if) is not True:
            return
        url = self.casebook.record_url(record)
        named = [form.item(item) for item in source.text if self.casebook.shows_item(form.id, item)]
        text = ", ".join(filter(None, (self._named(record, form, item) for item in named)))
        text = text or self.casebook.text(form.label)
        grade = self._held(form, record, source.grade) if source.grade else None
        code = self._held(form, record, source.code) if source.code else None
        notes = []
        if isinstance(grade, int):
            notes.append(_("grade %(grade)s") % {"grade": grade})
        if source.code and code is not None:
            notes.append(self.casebook.value_of(record, form, form.item(source.code)))
        note = ", ".join(dict.fromkeys(note for note in notes if note not in text))
        begin = self._when(form, record, source.from_)
        if begin is None:
            self._lines.append(Line(None, label, _("date not known"), text, note, url))
            return
        end, is_open = self._end(source, form, record)
        if source.kind is SourceKind.POINT:
            when = begin.words
        else:
            last = end.words if end is not None else (_("ongoing") if is_open else _("end not known"))
            when = f"{begin.words} – {last}"
        self._lines.append(Line(begin.earliest, label, when, text, note, url))
        title = ", ".join(filter(None, (text, note, when)))
        shown = str(code) if code is not None else text
        is_alert = code is not None and str(code) in source.alert
        grade = grade if isinstance(grade, int) else None
        if source.kind is SourceKind.POINT:
            day = begin.earliest if begin.earliest == begin.latest else None
            yield Mark(
                begin.earliest, begin.latest, day, day,
                is_span=False, text=shown, title=title, url=url, grade=grade, is_alert=is_alert,
            )  # fmt: skip
            return
        until = max(self.until, begin.latest)
        first, last_day = begin.earliest, max(end.latest if end is not None else until, begin.earliest)
        sure_end = end.earliest if end is not None else (until if is_open else begin.latest)
        yield Mark(
            first, last_day, *_certain(begin.latest, sure_end),
            is_open=is_open and not self.is_over, text=shown, title=title, url=url, grade=grade, is_alert=is_alert,
            holds=self._holds(source, form, record),
        )  # fmt: skip

    def _named(self, record: Record, form: Form, item: Item) -> str:
        """A value in the picture; what a link points to by its own short number (T1) where it has one."""
        words = self.casebook.value_of(record, form, item)
        log = self.definition.forms.get(item.link or "")
        if log is not None and log.title_items and log.item(log.title_items[0]).unique:
            return words.partition(", ")[0]
        return words

    def _end(self, source: SourcePart, form: Form, record: Record) -> tuple[_When | None, bool]:
        """When it ended, and whether it goes on: said so, or nothing was said of an end."""
        end = self._when(form, record, source.to) if source.to else None
        if source.ongoing is not None:
            goes_on = self._held(form, record, source.ongoing)
            return (None, True) if goes_on is True else (end, end is None and goes_on is None)
        return end, end is None and not self._is_missing(form, record, source.to)

    def _holds(self, source: SourcePart, form: Form, record: Record) -> tuple[tuple[dt.date, dt.date | None], ...]:
        """The pauses, from the day after the last dose to the day of the restart, in order."""
        if source.pauses is None:
            return ()
        pauses, moments = source.pauses, []
        for row in record.data.get(form.group_of(pauses.on).id, []):
            on, kind = self._value(form, row, pauses.on), self._value(form, row, pauses.kind)
            if on is not None and kind is not None and (day := _span(on.value)) is not None:
                moments.append((day[0], str(kind.value)))
        found: list[tuple[dt.date, dt.date | None]] = []
        held: dt.date | None = None
        for day_, kind_ in sorted(moments):
            if kind_ in pauses.begin and held is None:
                held = day_ + DAY
            elif kind_ in pauses.end and held is not None:
                found.append((held, max(day_, held)))
                held = None
        return (*found, (held, None)) if held is not None else tuple(found)

    # ------------------------------------------------------------ values

    def _row(self, form: Form, record: Record, item: str) -> dict[str, Any]:
        rows = record.data.get(form.group_of(item).id) or [{}]
        return rows[0]

    def _value(self, form: Form, row: dict[str, Any], item: str) -> Value | None:
        stored = row.get(item)
        if stored is None or item in row.get(HIDDEN, ()):
            return None
        return load(self.definition.spec(form.id, item), stored)

    def _held(self, form: Form, record: Record, item: str) -> Any:
        value = self._value(form, self._row(form, record, item), item)
        return value.value if value is not None else None

    def _is_missing(self, form: Form, record: Record, item: str | None) -> bool:
        """Whether the item was answered with why there is no value."""
        value = self._value(form, self._row(form, record, item), item) if item else None
        return value is not None and value.missing != ""

    def _when(self, form: Form, record: Record, item: str) -> _When | None:
        span = _span(held := self._held(form, record, item))
        if span is None:
            return None
        day = held.date() if isinstance(held, dt.datetime) else held
        return _When(*span, words=format_date(day, self.locale))


def _span(held: Any) -> tuple[dt.date, dt.date] | None:
    """The first and the last day that a date can be."""
    if isinstance(held, PartialDate):
        return held.earliest, held.latest
    if isinstance(held, dt.datetime):
        return held.date(), held.date()
    return (held, held) if isinstance(held, dt.date) else None


def _certain(begin: dt.date, end: dt.date) -> tuple[dt.date | None, dt.date | None]:
    """The days that are certain of what had begun by a day and went on to another; none when these are crossed."""
    return (begin, end) if begin <= end else (None, None)


def _day(on: dt.date, text: str, title: str, *, url: str = "", is_alert: bool = False) -> Mark:
    return Mark(on, on, on, on, is_span=False, text=text, title=title, url=url, is_alert=is_alert)
