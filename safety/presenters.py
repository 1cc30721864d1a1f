"""Words for serious events: the term, why it is serious, where its clocks stand, where its forms are."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from ecrf.models import Record
from ecrf.presenters import value_words
from trial.definition import Definition
from trial.definitions import definition_of
from trial.language import load
from trial.links import optional_url
from trial.permissions import Permission, access_of, can
from trial.presenters import date_words

from . import clocks
from .models import SafetyCase
from .section import ClockPart, SafetySection
from .worklist import AWAITED, CANCELLED, OVERDUE, RECEIVED, REPORTED, state_of

ZONE = ZoneInfo(settings.TIME_ZONE)
ICONS = {OVERDUE: "overdue", AWAITED: "due", REPORTED: "sent", RECEIVED: "done", CANCELLED: "cancelled"}
"""The icon (docs/design.md, "States") of each state of a case."""


def state_words(state: str) -> str:
    """Name a state of a case in the language of the page."""
    return {
        OVERDUE: _("Overdue"),
        AWAITED: _("Awaited"),
        REPORTED: _("Reported"),
        RECEIVED: _("Received"),
        CANCELLED: _("Not serious after all"),
    }[state]


@dataclass(frozen=True)
class SponsorClock:
    """One of the sponsor's own clocks: what for, the last day, and what is left of it (empty once the day is over)."""

    label: str
    due_words: str
    due_at: dt.datetime
    remaining: str


@dataclass
class CaseRow:
    """One serious event as a line of the page."""

    case: SafetyCase
    state: str
    icon: str
    state_label: str
    term: str
    grade: str
    criteria: str
    event_url: str
    event_label: str
    form_url: str
    form_label: str
    form_is_new: bool
    clock: dict[str, Any] | None
    reported: str
    is_late: bool
    received: str
    sponsor_clocks: list[SponsorClock] = field(default_factory=list)
    may_receive: bool = False


def row_of(case: SafetyCase, person: Any, now: dt.datetime) -> CaseRow:
    """Bring one case ready for the page; the case comes with its participant and records."""
    locale = get_language() or "en"
    definition = definition_of(case.participant.version_id)
    section: SafetySection = definition.section("safety")
    state = state_of(case, now)
    site_id, code = case.participant.site_id, case.participant.code
    form_url, form_label, is_new = _form_of(case, person, section)
    see_sponsor = access_of(person).sites(Permission.SAFETY_VIEW) is None
    return CaseRow(
        case=case,
        state=state,
        icon=ICONS[state],
        state_label=state_words(state),
        term=_item(case.adverse_event, definition, section.items.term, locale) or _("Term not entered yet"),
        grade=_item(case.adverse_event, definition, section.items.grade, locale),
        criteria=_item(case.serious_event, definition, section.items.criteria, locale),
        event_url=optional_url("entry", code, case.adverse_event.form, case.adverse_event.number),
        event_label=_("Adverse event %(number)s") % {"number": case.adverse_event.number},
        form_url=form_url,
        form_label=form_label,
        form_is_new=is_new,
        clock=clock_of(case, now) if state in (OVERDUE, AWAITED) else None,
        reported=_reported(case),
        is_late=case.reported_at is not None and case.reported_at > case.due_at,
        received=_received(case, locale),
        sponsor_clocks=_sponsor_clocks(case, definition, section, now, locale) if see_sponsor else [],
        may_receive=state in (OVERDUE, AWAITED, REPORTED)
        and case.received_at is None
        and can(person, Permission.SAFETY_RECEIVE, site_id),
    )


def clock_of(case: SafetyCase, now: dt.datetime) -> dict[str, Any]:
    """The parameters of `_components/clock.html` for the report that the site owes."""
    return {
        "due": timezone.localtime(case.due_at),
        "now": timezone.localtime(now),
        "remaining": duration(case.due_at - now),
        "late": now > case.due_at,
        "label": _("Serious event form due"),
        "warn_hours": 6,
    }


def duration(length: dt.timedelta) -> str:
    """Write a length of time as the running clock does: `05:12:40`, `1 d 02:00:00`; without its sign."""
    seconds = int(abs(length.total_seconds()))
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    words = f"{hours:02d}:{minutes:02d}:{seconds:02d}"
    return _("%(days)s d %(time)s") % {"days": days, "time": words} if days else words


def short_duration(length: dt.timedelta) -> str:
    """Write a length of time for reading: `3 h 10 min`, `2 d 4 h`, `25 min`."""
    minutes = int(abs(length.total_seconds())) // 60
    days, minutes = divmod(minutes, 1440)
    hours, minutes = divmod(minutes, 60)
    if days:
        return _("%(days)s d %(hours)s h") % {"days": days, "hours": hours}
    if hours:
        return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": f"{minutes:02d}"}
    return _("%(minutes)s min") % {"minutes": minutes}


def _item(record: Record | None, definition: Definition, reference: str, locale: str) -> str:
    """Write the value that a `form.item` reference has in a record; empty when there is none."""
    form_id, _dot, item_id = reference.partition(".")
    if record is None or record.form != form_id:
        return ""
    form = definition.form(form_id)
    rows = record.data.get(form.group_of(item_id).id) or [{}]
    return value_words(definition, form, form.item(item_id), rows[0].get(item_id), locale)


def _form_of(case: SafetyCase, person: Any, section: SafetySection) -> tuple[str, str, bool]:
    """Where the serious event form is; for those who enter it and while there is none, where to write it."""
    code = case.participant.code
    if case.serious_event is not None:
        number = case.serious_event.number
        label = _("Serious event form %(number)s") % {"number": number}
        return optional_url("entry", code, section.forms.serious, number), label, False
    if not can(person, Permission.ENTER_SAFETY, case.participant.site_id) or case.state == "cancelled":
        return "", "", False
    url = optional_url("entry_new", code, section.forms.serious)
    item = (section.items.linked_event or "").partition(".")[2]
    if url and item:
        url += "?" + urlencode({item: case.adverse_event.number})
    return url, _("Write the serious event form"), True


def _reported(case: SafetyCase) -> str:
    """How long the report took, in words; empty before it."""
    if case.reported_at is None:
        return ""
    took = short_duration(case.reported_at - case.aware_at)
    if case.reported_at <= case.due_at:
        return _("Reported after %(took)s") % {"took": took}
    late = short_duration(case.reported_at - case.due_at)
    return _("Reported after %(took)s, %(late)s too late") % {"took": took, "late": late}


def _received(case: SafetyCase, locale: str) -> str:
    if case.received_at is None:
        return ""
    local = timezone.localtime(case.received_at)
    day = date_words(local.date(), locale)
    by = case.received_by.printed_name if case.received_by is not None else ""
    return _("Day 0: %(day)s, %(time)s, %(by)s") % {"day": day, "time": f"{local:%H:%M}", "by": by}


def _sponsor_clocks(
    case: SafetyCase, definition: Definition, section: SafetySection, now: dt.datetime, locale: str
) -> list[SponsorClock]:
    if case.received_at is None or case.state == "cancelled":
        return []
    facts = clocks.Facts(moments={"received_at": case.received_at}, flags=_criteria(case, definition, section))
    found = []
    for part in section.sponsor_clocks():
        if not _applies(part, facts.flags):
            continue
        state = clocks.due(_clock(part), facts, now, zone=ZONE)
        if state.due_at is None or state.due_on is None:
            continue
        found.append(
            SponsorClock(
                label=definition.text(part.label, locale),
                due_words=date_words(state.due_on, locale),
                due_at=timezone.localtime(state.due_at),
                remaining=duration(state.remaining) if state.remaining is not None else "",
            )
        )
    return found


def _clock(part: ClockPart) -> clocks.Clock:
    return clocks.Clock(part.id, start=part.from_, stop="submitted_at", hours=part.hours, days=part.days)


def _applies(part: ClockPart, criteria: Any) -> bool:
    if part.if_any and not set(part.if_any) & set(criteria):
        return False
    return not set(part.if_none) & set(criteria)


def _criteria(case: SafetyCase, definition: Definition, section: SafetySection) -> frozenset[str]:
    """The codes of seriousness that the serious event form names; none while there is no form."""
    form_id, _dot, item_id = section.items.criteria.partition(".")
    record = case.serious_event
    if record is None or record.form != form_id:
        return frozenset()
    rows = record.data.get(definition.form(form_id).group_of(item_id).id) or [{}]
    stored = rows[0].get(item_id)
    value = load(definition.spec(form_id, item_id), stored).value if stored else None
    return frozenset(value) if isinstance(value, tuple) else frozenset()
