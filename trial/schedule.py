"""When visits are planned, when they are on time, and which are still expected. Pure: every date is an argument.

A visit's planned date is its anchor plus its offset (months first, clamped to the end of the month, then weeks and
days). Its window reaches `before` and `after` days around it, both ends included.

What is expected follows DOMAIN, "Participants": the status with its dates says what is still expected, and nothing
that is not expected is ever counted as missing, overdue or reminded.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from trial.definition import Definition, Offset, Phase, VisitDefinition, Window

SCREENING, RANDOMIZATION, PROGRESSION = "screening", "randomization", "progression"


@dataclass(frozen=True, slots=True)
class StatusFacts:
    """What has happened to a participant, by date; None for what has not.

    Screening dates are those of the latest screening: screening again after a failure begins with None.
    `pathway` is the pathway allocated; `anchors` are dates of milestones of the study other than progression, by name.
    """

    screened_on: date | None = None
    screen_failed_on: date | None = None
    randomized_on: date | None = None
    progressed_on: date | None = None
    withdrawn_from_visits_on: date | None = None
    withdrawn_from_all_contact_on: date | None = None
    lost_on: date | None = None
    died_on: date | None = None
    completed_on: date | None = None
    pathway: str | None = None
    anchors: Mapping[str, date] = field(default_factory=dict)

    def anchor(self, name: str) -> date | None:
        """The date of an anchor, or None when it has not happened or there is none."""
        own = {SCREENING: self.screened_on, RANDOMIZATION: self.randomized_on, PROGRESSION: self.progressed_on}
        return own[name] if own.get(name) is not None else self.anchors.get(name)

    def end_of_phase(self, phase: Phase) -> date | None:
        """The day on which a phase ended for the participant: nothing planned after it is expected; None if it goes on.

        Screening ends with allocation or failure, study with progression or withdrawal from visits, survival with
        withdrawal from all contact; each also with loss to follow-up, death and the end of the study.
        """
        always = (self.withdrawn_from_all_contact_on, self.lost_on, self.died_on, self.completed_on)
        ends: tuple[date | None, ...] = ()
        if phase is Phase.SCREENING:
            ends = (*always, self.randomized_on, self.screen_failed_on, self.withdrawn_from_visits_on)
        elif phase is Phase.STUDY:
            ends = (*always, self.progressed_on, self.withdrawn_from_visits_on, self.screen_failed_on)
        elif phase is Phase.SURVIVAL:
            ends = (*always, self.screen_failed_on)
        return min((end for end in ends if end is not None), default=None)


@dataclass(frozen=True, slots=True)
class PlannedVisit:
    """A visit with its dates: planned, first and last day of its window."""

    visit: VisitDefinition
    planned_on: date
    window_start: date
    window_end: date


class WindowState(StrEnum):
    """Where a visit stands against its window."""

    NOT_YET = "not_yet"  # no actual date, the window has not opened
    OPEN = "open"  # no actual date, the window is open
    OVERDUE = "overdue"  # no actual date, the window has closed
    EARLY = "early"  # done before the window
    ON_TIME = "on_time"
    LATE = "late"  # done after the window


def add_months(day: date, months: int) -> date:
    """The same day some months later (or earlier), or the last day of that month when it is shorter.

    Raises OverflowError outside the years 1 to 9999.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    month += 1
    if not date.min.year <= year <= date.max.year:
        raise OverflowError("date value out of range")
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def moved(day: date, offset: Offset) -> date:
    """The date at an offset: months first, clamped to the end of the month, then weeks and days."""
    return add_months(day, offset.months) + timedelta(weeks=offset.weeks, days=offset.days)


def window(planned_on: date, visit_window: Window) -> tuple[date, date]:
    """First and last day on which a visit planned for that day is on time."""
    return planned_on - timedelta(days=visit_window.before), planned_on + timedelta(days=visit_window.after)


def plan_visit(visit: VisitDefinition, facts: StatusFacts) -> PlannedVisit | None:
    """A visit with its dates, or None when its anchor has not happened or it has none."""
    if visit.on_demand:
        return None
    anchor = facts.anchor(visit.anchor)
    if anchor is None:
        return None
    planned_on = moved(anchor, visit.offset)
    start, end = window(planned_on, visit.window)
    return PlannedVisit(visit, planned_on, start, end)


def plan(definition: Definition, facts: StatusFacts) -> tuple[PlannedVisit, ...]:
    """Every visit that can be dated by now, of everybody and of the participant's pathway, by date, then by plan.

    Whether it is still expected is another question (`expected`). Raises KeyError for an unknown pathway.
    """
    found = (plan_visit(visit, facts) for visit in definition.visits_for(facts.pathway))
    return tuple(sorted((p for p in found if p is not None), key=lambda p: (p.planned_on, p.visit.order)))


def expected(visit: VisitDefinition, facts: StatusFacts, *, planned_on: date | None = None) -> bool:
    """Whether a visit that has not taken place is still asked for.

    Never: what is added by hand or by an event, what is of another pathway, what has no date yet. When the visit's
    phase has ended for the participant, only what should have been done before: a visit of the study or of survival
    follow-up whose window had closed on an earlier day stays owed; one whose window was still open, or to come, is
    not. Screening is settled as a whole by allocation or failure. `planned_on` is the stored planned date, if any.
    """
    if visit.on_demand or visit.phase is Phase.EVENT or (visit.pathways and facts.pathway not in visit.pathways):
        return False
    planned = plan_visit(visit, facts)
    if planned is None:
        return False
    end = facts.end_of_phase(visit.phase)
    if end is None:
        return True
    if visit.phase is Phase.SCREENING:
        return False
    window_end = window(planned_on, visit.window)[1] if planned_on is not None else planned.window_end
    return window_end < end


def expected_visits(definition: Definition, facts: StatusFacts) -> tuple[PlannedVisit, ...]:
    """The planned visits that are still asked for, by date."""
    return tuple(planned for planned in plan(definition, facts) if expected(planned.visit, facts))


def window_state(planned_on: date, visit_window: Window, actual_on: date | None, *, today: date) -> WindowState:
    """Where a visit stands against its window: by its actual date when it has one, else by today."""
    start, end = window(planned_on, visit_window)
    if actual_on is not None:
        if actual_on < start:
            return WindowState.EARLY
        return WindowState.LATE if actual_on > end else WindowState.ON_TIME
    if today < start:
        return WindowState.NOT_YET
    return WindowState.OVERDUE if today > end else WindowState.OPEN


def nearest_visit(planned: Iterable[PlannedVisit], day: date) -> PlannedVisit | None:
    """The planned visit in whose window a day falls, the closest when there are several; None when there is none."""
    fitting = [p for p in planned if p.window_start <= day <= p.window_end]
    return min(fitting, key=lambda p: (abs((p.planned_on - day).days), p.planned_on, p.visit.order), default=None)
