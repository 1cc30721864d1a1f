"""The casebook as data: what one person sees of one participant. Visits × forms, logs, what is missing, the story.

    casebook = Casebook(person, participant)
    casebook.grid, casebook.logs, casebook.missing, casebook.story, casebook.facts, casebook.actions

Nothing here goes around the selectors: a visit, a form or an item that would tell the arm to somebody who may not see
it is not read at all, so that the pages of the arms have the same shape. The number of statements does not depend on
the number of records.

A room above adds what only it knows (the arm, a randomization waiting, a serious event's clock):

    casebooks.register("randomization", panel_of)        # panel_of(casebook) -> Panel | None, in AppConfig.ready
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.db.models.functions import JSONObject
from django.urls import NoReverseMatch, reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from audit import clock
from trial.definition import Definition, Form, Item, Phase
from trial.language import ItemType, load
from trial.models import Participant, Status, StatusChange, StatusKind, Visit, VisitStatus
from trial.permissions import Permission, can
from trial.presenters import birth_words, date_words, failure_words, visit_label
from trial.selectors import visits_of
from trial.statuses import OF_A_SCREENING, is_of_earlier_screening

from .books import facts_of, place_of
from .checks.book import Book
from .eligibility import Eligibility, assess_entry, decides
from .models import UNSETTLED, WAITS_FOR_ANSWER, EntryState, Query, QueryState, Record
from .models.closures import in_force_over
from .pages import entry_title
from .permissions import hides, person_can_enter, person_can_sign
from .policies import scope_words
from .presenters import value_words
from .selectors import definition_at, records_for
from .standings import Standing, sees_plan, standings_of
from .timeline.story import Story

Words = dict[str, Any]

LOG_ROWS = 5
"""Entries of a log shown in the casebook, newest last; the others are on the log's own page."""

LOG_COLUMNS = 5
"""Columns of a log shown in the casebook; the page of the log has them all."""

SHOWN_AT_ONCE = 5
"""Steps shown at once; the others unfold."""

STORY_AT_ONCE = 3
"""Events of the story shown at once: few, so that the visits are on the first screen; the others unfold."""

SEVERE_GRADE = 3
"""From this CTCAE grade on a toxicity stands out ("severe or medically significant", CTCAE v5.0)."""

SHORT = 16
"""Values up to so many characters stay on one line."""

ASKED = (EntryState.EXPECTED, EntryState.IN_PROGRESS)
"""Entry states in which a form is still asked for."""


@dataclass(frozen=True)
class Step:
    """One thing that is missing: what to do, where, and how pressing it is (`state` as in docs/design.md)."""

    text: str
    url: str = ""
    note: str = ""
    state: str = "expected"
    order: int = 50


@dataclass(frozen=True)
class Event:
    """One event of the participant's story."""

    on: dt.date
    title: str
    text: str = ""
    url: str = ""
    state: str = ""
    icon: str = ""
    tone: str = ""
    order: int = 0


@dataclass(frozen=True)
class Action:
    """A button of the page."""

    label: str
    url: str
    icon: str = ""
    tone: str = ""
    order: int = 50


@dataclass(frozen=True)
class Panel:
    """What a room above adds to the casebook; it has already asked whether the person may see it.

    `lead` are words for the line below the code: {label, value, url}.
    """

    lead: tuple[Words, ...] = ()
    facts: tuple[Words, ...] = ()
    steps: tuple[Step, ...] = ()
    events: tuple[Event, ...] = ()
    actions: tuple[Action, ...] = ()


_panels: dict[str, Callable[[Casebook], Panel | None]] = {}


def register(name: str, make: Callable[[Casebook], Panel | None]) -> None:
    """Let a room above add to every casebook; a second registration of the name replaces the first.

    `make` asks for itself what the person may see, and costs a bounded number of statements.
    """
    _panels[name] = make


class Casebook:
    """One participant's records as one person may see them; everything is read once, when it is first asked for."""

    def __init__(self, person: Any, participant: Participant, *, all_visits: bool = False) -> None:
        self.person = person
        self.participant = participant
        self.all_visits = all_visits
        self.definition: Definition = definition_at(participant)
        self.locale = get_language() or "en"
        self.today = clock.today()

    # ------------------------------------------------------------ what is read

    def may(self, permission: Permission) -> bool:
        """Whether the person holds the permission at the participant's site."""
        return can(self.person, permission, self.participant.site_id)

    @property
    def sees_arm(self) -> bool:
        return self.may(Permission.ARM_VIEW)

    @cached_property
    def visits(self) -> list[Visit]:
        """The visits that this person may see, by date (done or planned), then in the order of the visit plan."""
        visits = list(visits_of(self.person, self.participant))
        for visit in visits:
            visit.participant = self.participant
        return sorted(visits, key=lambda v: (v.actual_on or v.planned_on or dt.date.max, v.order, v.occurrence))

    @cached_property
    def _visit_of(self) -> dict[int, Visit]:
        return {visit.pk: visit for visit in self.visits}

    @cached_property
    def records(self) -> list[Record]:
        """The records in use that this person may see, oldest first, each with its queries that are not settled."""
        found: list[Record] = []
        asked = Query.objects.filter(record=OuterRef("pk"), state__in=UNSETTLED).order_by()
        unsettled = ArraySubquery(asked.values(place=JSONObject(item="item", state="state")))
        records = records_for(self.person, self.participant).filter(removed_at=None).annotate(unsettled=unsettled)
        for record in records.order_by("pk"):
            visit = self._visit_of.get(record.visit_id) if record.visit_id is not None else None
            if record.visit_id is not None and visit is None:
                continue
            if record.form not in self.definition.forms or self._hides(record.form, visit):
                continue
            record.participant, record.visit = self.participant, visit
            found.append(record)
        return found

    @cached_property
    def _record_at(self) -> dict[tuple[int, str], Record]:
        return {(r.visit_id, r.form): r for r in self.records if r.visit_id is not None}

    @cached_property
    def entries(self) -> dict[str, list[Record]]:
        """The entries in use of each log, in the order of their numbers."""
        found: dict[str, list[Record]] = {}
        for record in self.records:
            if record.number is not None:
                found.setdefault(record.form, []).append(record)
        return {form: sorted(records, key=lambda r: r.number or 0) for form, records in found.items()}

    @cached_property
    def _queries(self) -> dict[int, Counter[str]]:
        """Per record the number of open and of answered queries about what this person may see."""
        counts: dict[int, Counter[str]] = {}
        for record in self.records:
            for asked in record.__dict__["unsettled"]:
                if not asked["item"] or self.shows_item(record.form, asked["item"]):
                    counts.setdefault(record.pk, Counter())[asked["state"]] += 1
        return counts

    def queries_of(self, record: Record) -> int:
        """How many queries of a record are not settled, of those that this person may see."""
        return sum(self._queries.get(record.pk, Counter()).values())

    @cached_property
    def standings(self) -> dict[int, Standing]:
        """How the source verification of each record stands, of what this person may see."""
        return standings_of(self.records, self.definition, self.shows_item)

    @cached_property
    def sees_plan(self) -> bool:
        """Whether the person may know what the plan of source verification asks for."""
        return sees_plan(self.person, self.participant.site_id)

    @cached_property
    def status_changes(self) -> list[StatusChange]:
        """What happened to the participant and was not taken back, in order."""
        return list(StatusChange.objects.filter(participant=self.participant, reversed_at=None).order_by("on", "pk"))

    @cached_property
    def _added(self) -> list[Panel]:
        made = [make(self) for _name, make in sorted(_panels.items())]
        return [panel for panel in made if panel is not None]

    def _hides(self, form: str, visit: Visit | None = None) -> bool:
        return hides(self.person, self.definition, self.participant, form, visit.event if visit else None)

    def shows_item(self, form: str, item: str) -> bool:
        return self.sees_arm or not self.definition.reveals_arm(form, item)

    def text(self, label: Any) -> str:
        """The words of a label of the study in the page's language."""
        return self.definition.text(label, self.locale)

    # ------------------------------------------------------------ where the participant stands

    @property
    def is_in_screening(self) -> bool:
        return self.participant.status in (Status.SCREENING, Status.ENROLLED)

    @cached_property
    def eligibility(self) -> Eligibility | None:
        """Every criterion as of today, while the participant may still be randomized; None before and after."""
        if self.definition.eligibility is None or self.participant.consented_on is None or not self.is_in_screening:
            return None
        held = (EntryState.NOT_DONE, EntryState.NOT_APPLICABLE)
        book = Book(
            self.definition,
            facts_of(self.participant),
            [
                (place_of(self.definition, r.form, r.visit, r.number), r.data)
                for r in self.records
                if r.entry_state not in held
            ],
        )
        found = assess_entry(self.participant, self.definition, book, self.today)
        form = self.definition.eligibility.form
        forms = [r for r in self.records if r.form == form and decides(r, self.participant)]
        return Eligibility(found.assessments, forms[-1] if forms else None)

    @cached_property
    def facts(self) -> list[Words]:
        """Who this is: site, sex, month and year of birth, dates; what rooms above add comes last."""
        participant = self.participant
        facts: list[Words] = [
            {"label": _("Site"), "value": f"{participant.site.number} · {participant.site.name}"},
            {"label": _("Sex"), "value": sex_words(participant, self.definition, self.locale)},
            {"label": _("Born"), "value": birth_words(participant, self.locale)},
        ]
        for label, on in (
            (_("Consent"), participant.consented_on),
            (_("Randomized"), participant.randomized_on),
            (_("Registered"), participant.registered_on),
            (_("Progression"), participant.progressed_on),
            (_("Death"), participant.died_on),
        ):
            if on is not None:
                facts.append({"label": label, "value": date_words(on, self.locale)})
        for closure in in_force_over(participant):
            facts.append(
                {
                    "label": _("Freeze and lock"),
                    "value": f"{closure.get_kind_display()} · {scope_words(closure, participant, None)}",
                    "state": str(closure.kind),
                }
            )
        for panel in self._added:
            facts.extend(panel.facts)
        return facts

    def is_closed(self, visit: Visit | None = None) -> bool:
        """Whether nothing can be begun or changed here: a visit, or all of the participant, is frozen or locked."""
        return bool(in_force_over(self.participant, visit))

    @property
    def lead(self) -> list[Words]:
        """What stands below the code: for those who may see it, the arm."""
        return [words for panel in self._added for words in panel.lead]

    @property
    def status_words(self) -> str:
        """The status with its date: `Randomized since 14 Sep 2026`."""
        label = str(Status(self.participant.status).label)
        on = self._status_on
        if on is None:
            return label
        return _("%(status)s · %(date)s") % {"status": label, "date": date_words(on, self.locale)}

    @property
    def _status_on(self) -> dt.date | None:
        participant = self.participant
        by_status = {
            Status.SCREENING: participant.screened_on,
            Status.SCREEN_FAILURE: participant.failed_on,
            Status.ENROLLED: participant.enrolled_on,
            Status.RANDOMIZED: participant.randomized_on,
            Status.REGISTERED: participant.registered_on,
            Status.TREATMENT_ENDED: participant.treatment_ended_on or participant.withdrawn_treatment_on,
            Status.PROGRESSED: participant.progressed_on,
            Status.WITHDRAWN: participant.withdrawn_contact_on or participant.withdrawn_visits_on,
            Status.LOST: participant.lost_on,
            Status.DIED: participant.died_on,
            Status.COMPLETED: participant.completed_on,
        }
        return by_status.get(Status(self.participant.status))

    @cached_property
    def actions(self) -> list[Words]:
        """The buttons that this person may press now, most important first."""
        participant, code = self.participant, self.participant.code
        found: list[Action] = []
        if self.definition.eligibility is not None and participant.consented_on is not None:
            found.append(Action(_("Eligibility"), reverse("eligibility", args=[code]), icon="list", order=40))
        if self.sees_plan and participant.consented_on is not None:
            url = reverse("participant_verification", args=[code])
            found.append(Action(_("Source verification"), url, icon="state-verified", order=45))
        if self.may(Permission.SIGN_RECORD) and self.records:
            found.append(Action(_("Sign…"), address("casebook_sign", code), icon="state-signed", order=45))
        if self.may(Permission.FREEZE) or self.may(Permission.LOCK):
            found.append(
                Action(_("Freeze and lock"), address("participant_closure", code), icon="state-locked", order=65)
            )
        if self.may(Permission.VISIT_RECORD) and self._can_add_visit:
            found.append(Action(_("Add a visit"), address("visit_add", code), icon="plus", order=50))
        if self.may(Permission.STATUS_RECORD) and participant.consented_on and participant.failed_on is None:
            found.append(Action(_("Status"), address("participant_status", code), icon="flag", order=60))
        if self.may(Permission.PARTICIPANT_SCREEN) and self.is_in_screening:
            found.append(
                Action(_("Close screening"), address("screening_close", code), icon="x", tone="quiet", order=70)
            )
        if self.may(Permission.PARTICIPANT_SCREEN) and participant.failed_on is not None:
            found.append(Action(_("Screen again"), address("screening_again", code), icon="plus", order=70))
        for panel in self._added:
            found.extend(panel.actions)
        return [vars(action) for action in sorted(found, key=lambda a: a.order) if action.url]

    @property
    def _can_add_visit(self) -> bool:
        """As `trial.actions.visits.on_demand_visits`, over the visits already read."""
        participant = self.participant
        if participant.consented_on is None or participant.failed_on is not None or self.is_closed():
            return False
        held = {visit.event for visit in self.visits}
        return any(
            visit.on_demand and (visit.unscheduled or visit.id not in held)
            for visit in self.definition.visits_for(participant.pathway or None)
        )

    # ------------------------------------------------------------ visits × forms

    @cached_property
    def shown_visits(self) -> list[Visit]:
        """The columns of the grid: without those no longer expected that hold nothing, unless all are wanted."""
        if self.all_visits:
            return self.visits
        holding = {record.visit_id for record in self.records}
        return [v for v in self.visits if v.status != VisitStatus.NOT_APPLICABLE or v.pk in holding]

    @property
    def unexpected_visits(self) -> int:
        """How many visits are no longer expected and left out of the grid."""
        return len(self.visits) - len(self.shown_visits)

    @cached_property
    def current_visit(self) -> Visit | None:
        """The visit to attend to: the longest overdue or due one without a date, else the next one planned."""
        planned = [v for v in self.visits if v.status == VisitStatus.PLANNED]
        pressing = [v for v in planned if self.visit_state(v) in ("overdue", "due")]
        return next(iter(pressing or planned), None)

    def visit_state(self, visit: Visit) -> str:
        """The visit in one word of docs/design.md: planned, due, overdue, done, missed, not_applicable."""
        if visit.status != VisitStatus.PLANNED:
            return str(visit.status)
        if visit.window_end is not None and visit.window_end < self.today:
            return "overdue"
        if visit.window_start is not None and visit.window_start <= self.today:
            return "due"
        return "planned"

    def visit_title(self, visit: Visit) -> str:
        """The name of the visit as the visit plan has it."""
        return visit_label(visit, self.definition, self.locale)

    def visit_state_words(self, visit: Visit) -> str:
        """The state in the few words that fit the head of a column, with what its window says."""
        state = self.visit_state(visit)
        if state == "overdue" and visit.window_end is not None:
            days = (self.today - visit.window_end).days
            return ngettext("Overdue %(days)s day", "Overdue %(days)s days", days) % {"days": days}
        if state == "due" and visit.window_end is not None:
            days = (visit.window_end - self.today).days
            if days == 0:
                return _("Due, last day")
            return ngettext("Due, %(days)s day left", "Due, %(days)s days left", days) % {"days": days}
        if state == "done" and self.definition.visit(visit.event).unscheduled:
            return _("Done, unscheduled")
        if state == "done" and self._window_remark(visit):
            return self._window_remark(visit)
        return str(VisitStatus(visit.status).label)

    def _window_remark(self, visit: Visit) -> str:
        if visit.actual_on is None or visit.window_start is None or visit.window_end is None:
            return ""
        if visit.actual_on < visit.window_start:
            days = (visit.window_start - visit.actual_on).days
            return ngettext("Done %(days)s day early", "Done %(days)s days early", days) % {"days": days}
        if visit.actual_on > visit.window_end:
            days = (visit.actual_on - visit.window_end).days
            return ngettext("Done %(days)s day late", "Done %(days)s days late", days) % {"days": days}
        return ""

    def visit_dates(self, visit: Visit) -> str:
        """The day it took place, or the planned day with its window: `14 Dec 2026 ± 14 d`."""
        if visit.actual_on is not None:
            return date_words(visit.actual_on, self.locale)
        if visit.planned_on is None:
            return ""
        day = date_words(visit.planned_on, self.locale).replace(" ", "\N{NO-BREAK SPACE}")  # a column breaks after it
        if visit.window_start is None or visit.window_end is None:
            return day
        before, after = (visit.planned_on - visit.window_start).days, (visit.window_end - visit.planned_on).days
        if before == after:
            return _("%(day)s ± %(n)s d") % {"day": day, "n": before} if before else day
        return _("%(day)s −%(before)s +%(after)s d") % {"day": day, "before": before, "after": after}

    def visit_url(self, visit: Visit) -> str:
        """The page of the visit (date, missed) for those who record visits."""
        if not self.may(Permission.VISIT_RECORD):
            return ""
        return address("visit", self.participant.code, visit.pk)

    @cached_property
    def visit_forms(self) -> dict[int, list[Form]]:
        """The forms of each visit that this person may see, in the order of the visit plan."""
        found = {}
        for visit in self.visits:
            ids = self.definition.visit(visit.event).forms
            found[visit.pk] = [self.definition.form(form) for form in ids if not self._hides(form, visit)]
        return found

    def state_of(self, visit: Visit, form: str) -> str:
        """The entry state of a form at a visit; one that nobody saved is settled by its visit.

        A missed visit settles its forms at once; what is no longer expected is not asked.
        """
        record = self._record_at.get((visit.pk, form))
        if record is not None and record.entry_state != EntryState.EXPECTED:
            return str(record.entry_state)
        if visit.status == VisitStatus.MISSED:
            return str(EntryState.NOT_DONE)
        if visit.status == VisitStatus.NOT_APPLICABLE or self._is_closed(visit):
            return str(EntryState.NOT_APPLICABLE)
        return str(EntryState.EXPECTED)

    def _is_closed(self, visit: Visit) -> bool:
        """Whether nothing new is asked at this visit although it took place: its screening ended without inclusion."""
        if is_of_earlier_screening(visit, self.participant, self.definition):
            return True
        return self.participant.failed_on is not None and self.definition.visit(visit.event).phase is Phase.SCREENING

    @cached_property
    def grid(self) -> Words:
        """What `_components/casebook.html` reads: visits as columns, forms as rows in sections."""
        columns = [
            {
                "label": self.visit_title(visit),
                "date": self.visit_dates(visit),
                "state": self.visit_state(visit),
                "state_label": self.visit_state_words(visit),
                "url": self.visit_url(visit),
                "current": visit is self.current_visit,
            }
            for visit in self.shown_visits
        ]
        sections = []
        for label, forms in self._sections():
            rows = []
            for form in forms:
                cells = [self._cell(visit, form) for visit in self.shown_visits]
                if any(cells):
                    rows.append({"label": self.text(form.label), "cells": cells})
            if rows:
                sections.append({"label": label, "rows": rows})
        self._place_tab_stop(sections)
        label = _("Casebook of %(code)s: visits and forms") % {"code": self.participant.code}
        return {"label": label, "visits": columns, "sections": sections}

    @property
    def cards(self) -> list[Words]:
        """The same by visit, for a narrow window: each with its forms; open where something is asked."""
        found = []
        for at, visit in enumerate(self.grid["visits"]):
            forms = [
                {"label": row["label"], "cell": row["cells"][at]}
                for section in self.grid["sections"]
                for row in section["rows"]
                if row["cells"][at]
            ]
            settled = sum(form["cell"]["state"] not in ASKED for form in forms)
            is_asked = visit["state"] == "done" and settled < len(forms)
            found.append(
                visit
                | {
                    "forms": forms,
                    "settled": _("%(n)s of %(all)s settled") % {"n": settled, "all": len(forms)} if forms else "",
                    "queries": sum(form["cell"]["queries"] for form in forms),
                    "is_open": bool(forms) and (is_asked or bool(visit["current"])),
                }
            )
        return found

    def _sections(self) -> list[tuple[str, list[Form]]]:
        """The visit forms in sections, by the phases of the visits that hold them."""
        titles = {
            "screening": _("Screening"),
            "study": _("Treatment and follow-up"),
            "survival": _("Survival follow-up"),
            "event": _("Events"),
        }
        found: dict[str, list[Form]] = {key: [] for key in titles}
        for form in self.definition.forms.values():
            if form.is_log:
                continue
            phases = {visit.phase for visit in self.definition.visits_with(form.id)}
            for key, phase in (("study", Phase.STUDY), ("screening", Phase.SCREENING), ("survival", Phase.SURVIVAL)):
                if phase in phases:
                    found[key].append(form)
                    break
            else:
                found["event"].append(form)
        order = list(titles)
        if self.participant.day_zero_on is not None:  # the screening is history: what goes on comes first
            order = ["study", "event", "survival", "screening"]
        return [(titles[key], found[key]) for key in order]

    def _cell(self, visit: Visit, form: Form) -> Words:
        if form not in self.visit_forms[visit.pk]:
            return {}
        record = self._record_at.get((visit.pk, form.id))
        state = self.state_of(visit, form.id)
        marks = self._marks(record) if record is not None else []
        queries = sum(self._queries.get(record.pk, Counter()).values()) if record is not None else 0
        url, remark = self._cell_url(visit, form, record, state)
        parts = [_STATE_WORDS[state](), *(_MARK_WORDS[mark]() for mark in marks)]
        if queries:
            parts.append(ngettext("%(n)s open query", "%(n)s open queries", queries) % {"n": queries})
        if remark:
            parts.append(remark)
        label = _("%(form)s, %(visit)s: %(state)s") % {
            "form": self.text(form.label),
            "visit": self.visit_title(visit),
            "state": ", ".join(parts),
        }
        return {"url": url, "state": state, "label": label, "marks": marks, "queries": queries}

    def _cell_url(self, visit: Visit, form: Form, record: Record | None, state: str) -> tuple[str, str]:
        """Where a cell leads, and why when it is not the form itself."""
        code = self.participant.code
        if record is None and state == EntryState.EXPECTED:
            if self.participant.consented_on is None and form.id != self.definition.study_file.consent.form:
                return "", _("opens after the consent")
            if visit.actual_on is None:
                return self.visit_url(visit), _("the visit has no date yet")
        if record is None and state in (EntryState.NOT_APPLICABLE, EntryState.NOT_DONE):
            return "", visit.missed_reason if visit.status == VisitStatus.MISSED else ""
        return reverse("record", args=[code, visit.pk, form.id]), ""

    def _marks(self, record: Record) -> list[str]:
        marks = []
        verified = self.standings[record.pk].mark(sees_plan=self.sees_plan)
        if verified:
            marks.append(verified)
        if record.is_reviewed:
            marks.append("reviewed")
        if record.is_signed:
            marks.append("signed_changed" if record.is_changed_since_signing else "signed")
        if record.is_locked:
            marks.append("locked")
        elif record.is_frozen:
            marks.append("frozen")
        return marks

    def _place_tab_stop(self, sections: list[Words]) -> None:
        """Put the grid's one Tab stop on the first form still asked for, else on the first cell with a link."""
        cells = [cell for section in sections for row in section["rows"] for cell in row["cells"] if cell.get("url")]
        asked = [cell for cell in cells if cell["state"] in ASKED]
        for cell in (asked or cells)[:1]:
            cell["start"] = True

    # ------------------------------------------------------------ logs

    @cached_property
    def logs(self) -> list[Words]:
        """The logs that this person may see: count, latest entries as a compact table, and where to add one.

        Logs of the allocated treatment (those that reveal the arm) wait for the randomization; those of another
        pathway are not offered.
        """
        waits = self.participant.day_zero_on is None
        return [
            self._log(form)
            for form in self.definition.log_forms
            if not self._hides(form.id)
            and (form.id in self.entries or form.is_for(self.participant.pathway))
            and not (waits and self.definition.reveals_arm(form.id) and form.id not in self.entries)
        ]

    @property
    def logs_filled(self) -> list[Words]:
        return [log for log in self.logs if log["count"]]

    @property
    def logs_empty(self) -> list[Words]:
        return [log for log in self.logs if not log["count"]]

    def _log(self, form: Form) -> Words:
        code, entries = self.participant.code, self.entries.get(form.id, [])
        columns = [form.item(item) for item in form.columns if item in form.items and self.shows_item(form.id, item)][
            :LOG_COLUMNS
        ]
        shown = entries[-LOG_ROWS:]
        return {
            "id": form.id,
            "label": self.text(form.label),
            "count": len(entries),
            "queries": sum(sum(self._queries.get(e.pk, Counter()).values()) for e in entries),
            "earlier": len(entries) - len(shown),
            "url": reverse("log", args=[code, form.id]),
            "add_url": reverse("entry_new", args=[code, form.id]) if self._can_add_entry(form) else "",
            "columns": [self.text(item.label) for item in columns],
            "rows": [self._log_row(form, entry, columns) for entry in shown],
        }

    def _log_row(self, form: Form, entry: Record, columns: Iterable[Item]) -> Words:
        return {
            "number": entry.number,
            "url": reverse("entry", args=[self.participant.code, form.id, entry.number]),
            "cells": [self._log_cell(entry, form, item) for item in columns],
            "state": str(entry.entry_state),
            "marks": self._marks(entry),
            "queries": sum(self._queries.get(entry.pk, Counter()).values()),
        }

    def _log_cell(self, entry: Record, form: Form, item: Item) -> Words:
        text = self.value_of(entry, form, item)
        return {"label": self.text(item.label), "text": text, "short": len(text) <= SHORT}

    def value_of(self, record: Record, form: Form, item: Item) -> str:
        """One value as people read it; a link by the words of what it points to."""
        rows = record.data.get(form.group_of(item.id).id) or [{}]
        stored = rows[0].get(item.id)
        if item.type is ItemType.LINK and item.link and stored is not None:
            number = str(load(self.definition.spec(form.id, item.id), stored).value or "")
            for target in self.entries.get(item.link, ()):
                if str(target.number) == number:
                    return entry_title(
                        self.definition, self.definition.form(item.link), target.number or 0, target.data, self.locale
                    )
        return value_words(self.definition, form, item, stored, self.locale)

    def _can_add_entry(self, form: Form) -> bool:
        return (
            self.participant.consented_on is not None
            and self.participant.failed_on is None
            and form.is_for(self.participant.pathway)
            and not self.is_closed()
            and person_can_enter(self.person, self.participant, form)
        )

    # ------------------------------------------------------------ what is missing

    @cached_property
    def missing(self) -> list[Step]:
        """What is still asked for, most pressing first: dates of visits, forms, entries, queries, signatures."""
        steps = [
            *self._missing_visits(),
            *self._missing_forms(),
            *self._missing_entries(),
            *self._missing_answers(),
            *self._missing_signatures(),
            *self._missing_eligibility(),
        ]
        for panel in self._added:
            steps.extend(panel.steps)
        return sorted(steps, key=lambda step: step.order)

    @property
    def missing_first(self) -> list[Step]:
        return self.missing[:SHOWN_AT_ONCE]

    @property
    def missing_then(self) -> list[Step]:
        return self.missing[SHOWN_AT_ONCE:]

    def _missing_visits(self) -> Iterable[Step]:
        for visit in self.visits:
            state = self.visit_state(visit)
            if state not in ("due", "overdue") or self.is_closed(visit):
                continue
            yield Step(
                _("%(visit)s: record the date of the visit") % {"visit": self.visit_title(visit)},
                self.visit_url(visit),
                f"{self.visit_dates(visit)} · {self.visit_state_words(visit)}",
                state,
                order=10 if state == "overdue" else 20,
            )

    def _missing_forms(self) -> Iterable[Step]:
        for visit in self.visits:
            if visit.status != VisitStatus.DONE or self.is_closed(visit):
                continue
            forms = [form for form in self.visit_forms[visit.pk] if self.state_of(visit, form.id) in ASKED]
            if self.participant.consented_on is None:
                forms = [form for form in forms if form.id == self.definition.study_file.consent.form]
            if not forms:
                continue
            begun = any(self.state_of(visit, form.id) == EntryState.IN_PROGRESS for form in forms)
            mine = [form for form in forms if person_can_enter(self.person, self.participant, form)]
            first = (mine or forms)[0]
            names = ", ".join(self.text(form.label) for form in forms[:4])
            if len(forms) > 4:
                names = _("%(names)s and %(n)s more") % {"names": names, "n": len(forms) - 4}
            words = ngettext("%(visit)s: %(n)s form to complete", "%(visit)s: %(n)s forms to complete", len(forms))
            yield Step(
                words % {"visit": self.visit_title(visit), "n": len(forms)},
                reverse("record", args=[self.participant.code, visit.pk, first.id]),
                names,
                "in_progress" if begun else "expected",
                order=30,
            )

    def _missing_entries(self) -> Iterable[Step]:
        for form in self.definition.log_forms:
            unfinished = [e for e in self.entries.get(form.id, ()) if e.entry_state == EntryState.IN_PROGRESS]
            if not unfinished:
                continue
            words = {"form": self.text(form.label), "number": unfinished[0].number, "n": len(unfinished)}
            if len(unfinished) == 1:
                text, url = _("%(form)s, no. %(number)s: not finished"), self.record_url(unfinished[0])
            else:
                text = _("%(form)s: %(n)s entries not finished")
                url = reverse("log", args=[self.participant.code, form.id])
            yield Step(text % words, url, "", "in_progress", order=35)

    def _missing_answers(self) -> Iterable[Step]:
        total: Counter[str] = Counter()
        for counts in self._queries.values():
            total.update(counts)
        url = f"{address('queries')}?participant={self.participant.code}" if address("queries") else ""
        n = sum(total[state] for state in WAITS_FOR_ANSWER)
        if n:
            words = ngettext("%(n)s query to answer", "%(n)s queries to answer", n) % {"n": n}
            yield Step(words, url, "", "open", order=25)
        if total[QueryState.ANSWERED] and self.may(Permission.QUERY_ASK):
            n = total[QueryState.ANSWERED]
            words = ngettext("%(n)s answered query to settle", "%(n)s answered queries to settle", n) % {"n": n}
            yield Step(words, url, "", "answered", order=26)

    def _missing_signatures(self) -> Iterable[Step]:
        judged = self.definition.eligibility.form if self.definition.eligibility else ""
        for record in self.records:
            if not record.is_changed_since_signing or record.form == judged or record.is_locked:
                continue
            yield Step(
                _("%(form)s: changed since signing, to be signed again") % {"form": self._record_title(record)},
                self.record_url(record),
                "",
                "signed_changed",
                order=40,
            )
        unsigned = [
            r
            for r in self.records
            if self.definition.form(r.form).sign
            and r.form != judged
            and r.entry_state == EntryState.COMPLETE
            and not r.is_signed
            and not r.is_locked
            and person_can_sign(self.person, r, self.definition)
        ]
        if unsigned:
            names = ", ".join(self._record_title(record) for record in unsigned[:3])
            words = ngettext("%(n)s form to sign", "%(n)s forms to sign", len(unsigned)) % {"n": len(unsigned)}
            yield Step(words, self.record_url(unsigned[0]), names, "complete", order=45)

    def _missing_eligibility(self) -> Iterable[Step]:
        found = self.eligibility
        if found is None or found.is_signed:
            return
        url = reverse("eligibility", args=[self.participant.code])
        met = sum(a.is_met is True for a in found.assessments)
        note = _("%(met)s of %(all)s criteria met") % {"met": met, "all": len(found.assessments)}
        if found.failing:
            ids = ", ".join(a.criterion.id for a in found.failing)
            yield Step(_("Not eligible: %(ids)s") % {"ids": ids}, url, note, "not_met", order=28)
        elif found.is_eligible and found.record is not None and found.record.entry_state == EntryState.COMPLETE:
            yield Step(_("Eligibility is ready to be signed by an investigator"), url, note, "ready", order=28)
        else:
            yield Step(_("Eligibility is not decided yet"), url, note, "unknown", order=60)

    def record_url(self, record: Record) -> str:
        """The address of a record's page."""
        if record.visit_id is not None:
            return reverse("record", args=[self.participant.code, record.visit_id, record.form])
        return reverse("entry", args=[self.participant.code, record.form, record.number])

    def _record_title(self, record: Record) -> str:
        label = self.text(self.definition.form(record.form).label)
        if record.visit is not None:
            return f"{label} ({self.visit_title(record.visit)})"
        return _("%(form)s, no. %(number)s") % {"form": label, "number": record.number}

    # ------------------------------------------------------------ the story

    @cached_property
    def story(self) -> list[Words]:
        """What happened to the participant, newest first, as `_components/timeline.html` reads it."""
        events = [*self._status_events(), *self._record_events()]
        for panel in self._added:
            events.extend(panel.events)
        events.sort(key=lambda event: (event.on, event.order), reverse=True)
        return [vars(event) | {"date": date_words(event.on, self.locale)} for event in events]

    @cached_property
    def timeline(self) -> Story:
        """The story as a picture, by the lanes of the study's text."""
        return Story(self)

    @property
    def story_now(self) -> list[Words]:
        return self.story[:STORY_AT_ONCE]

    @property
    def story_before(self) -> list[Words]:
        return self.story[STORY_AT_ONCE:]

    def _status_events(self) -> Iterable[Event]:
        added = {event.state for panel in self._added for event in panel.events}
        for order, change in enumerate(self.status_changes):
            state = _STATUS_ICONS.get(change.kind, "done")
            if state in added:
                continue
            title, detail = self.words_of_change(change)
            yield Event(change.on, title, detail, state=state, order=order)

    def words_of_change(self, change: StatusChange) -> tuple[str, str]:
        """What happened to the participant, and why, in words."""
        title, why = str(StatusKind(change.kind).label), change.detail or change.reason
        if change.kind == StatusKind.FAILED:
            why = failure_words(change.reason, change.detail, self.definition, self.locale)
        if self.participant.screening > 1 and change.kind in OF_A_SCREENING:
            title = _("%(what)s (screening %(n)s)") % {"what": title, "n": change.screening}
        return title, why

    def _record_events(self) -> Iterable[Event]:
        for record in self.records:
            form = self.definition.form(record.form)
            if record.dated_on is None or record.entry_state in (EntryState.NOT_DONE, EntryState.NOT_APPLICABLE):
                continue
            icon = self._icon_of(form, record)
            if not icon:
                continue
            title = self.text(form.label)
            text = self._record_words(form, record) if form.is_log else self.visit_title(record.visit)  # type: ignore[arg-type]
            tone = "accent"
            if str(form.domain) == "AE":
                tone = "danger" if self._grade(form, record) >= SEVERE_GRADE else "warn"
            yield Event(record.dated_on, title, text, self.record_url(record), icon=icon, tone=tone, order=100)

    def _icon_of(self, form: Form, record: Record) -> str:
        """Which records are part of the story, by their CDASH domain; "" for those that are not.

        Treatments (EX, PR), toxicities (AE) and, of the concomitant domain (CM), coded regimens: what is typed as free
        text there is a concomitant medication. Of the visit forms, imaging after screening.
        """
        if form.is_log:
            first = form.item(form.title_items[0]) if form.title_items else None
            if form.domain == "CM" and (first is None or first.type is not ItemType.CHOICE):
                return ""
            return {"AE": "pulse", "EX": "drug", "PR": "target", "CM": "drug"}.get(str(form.domain), "")
        is_study = record.visit is not None and self.definition.visit(record.visit.event).phase is not Phase.SCREENING
        return "search" if form.area == "imaging" and is_study else ""

    def _record_words(self, form: Form, record: Record) -> str:
        words = []
        for item_id in form.title_items:
            item = form.item(item_id)
            if item_id != form.date_item and self.shows_item(form.id, item_id):
                value = self.value_of(record, form, item)
                words.append(_("grade %(grade)s") % {"grade": value} if item.type is ItemType.GRADE else value)
        return ", ".join(word for word in words if word)

    def _grade(self, form: Form, record: Record) -> int:
        for item in form.items.values():
            if item.type is not ItemType.GRADE:
                continue
            rows = record.data.get(form.group_of(item.id).id) or [{}]
            stored = rows[0].get(item.id)
            value = load(self.definition.spec(form.id, item.id), stored).value if stored else None
            if isinstance(value, int):
                return value
        return 0


_STATUS_ICONS: dict[str, str] = {
    StatusKind.SCREENED: "screening",
    StatusKind.CONSENTED: "signed",
    StatusKind.FAILED: "screen_failure",
    StatusKind.ENROLLED: "enrolled",
    StatusKind.RANDOMIZED: "randomized",
    StatusKind.REGISTERED: "registered",
    StatusKind.TREATMENT_ENDED: "treatment_ended",
    StatusKind.PROGRESSED: "progressed",
    StatusKind.WITHDRAWN_TREATMENT: "withdrawn",
    StatusKind.WITHDRAWN_VISITS: "withdrawn",
    StatusKind.WITHDRAWN_CONTACT: "withdrawn",
    StatusKind.LOST: "lost",
    StatusKind.DIED: "died",
    StatusKind.COMPLETED: "completed",
}

_STATE_WORDS: dict[str, Callable[[], str]] = {
    "expected": lambda: _("expected"),
    "in_progress": lambda: _("in progress"),
    "complete": lambda: _("complete"),
    "not_done": lambda: _("not done"),
    "not_applicable": lambda: _("not applicable"),
}

_MARK_WORDS: dict[str, Callable[[], str]] = {
    "verified": lambda: _("verified at source"),
    "partly_verified": lambda: _("partly verified"),
    "to_verify": lambda: _("to verify at source"),
    "reviewed": lambda: _("reviewed"),
    "signed": lambda: _("signed"),
    "signed_changed": lambda: _("changed since signing"),
    "frozen": lambda: _("frozen"),
    "locked": lambda: _("locked"),
}


def sex_words(participant: Participant, definition: Definition, locale: str) -> str:
    """The participant's sex in the study's words; empty before it is known."""
    reference = definition.study_file.identity.sex
    if not participant.sex or reference is None:
        return participant.sex
    form_id, _dot, item_id = reference.partition(".")
    label = definition.spec(form_id, item_id).codes.get(participant.sex)
    return participant.sex if label is None else label if isinstance(label, str) else definition.text(label, locale)


def address(name: str, *parts: Any) -> str:
    """The address of a page by its name; empty when no room has such a page."""
    try:
        return reverse(name, args=list(parts))
    except NoReverseMatch:
        return ""
