"""DEF-080: planned dates, windows, and what is still expected."""

from __future__ import annotations

import calendar
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trial.definition.small_study import replaced, write
from trial.definition import Definition, Offset, Phase, Window, load_folder, sections
from trial.schedule import (
    PlannedVisit,
    StatusFacts,
    WindowState,
    add_months,
    expected,
    expected_visits,
    moved,
    nearest_visit,
    plan,
    plan_visit,
    window,
    window_state,
)

SURVIVAL = """\
  - id: "S{n}"
    label: {en: "Survival {n}", fr: "Survie {n}"}
    phase: survival
    anchor: progression
    repeat: {months: [6, 12]}
    window: {before: 30, after: 30}
    forms: [end]
log_forms:"""

RANDOMIZED = StatusFacts(screened_on=date(2024, 1, 2), randomized_on=date(2024, 1, 31), pathway="path_b")


@pytest.fixture(scope="module")
def definition(tmp_path_factory: pytest.TempPathFactory) -> Definition:
    changes: dict[str, Any] = replaced("schedule.yaml", "log_forms:", SURVIVAL)
    folder: Path = write(tmp_path_factory.mktemp("study"), changes)
    found, problems = load_folder(folder, section_registry=sections.Registry())
    assert found is not None, [str(problem) for problem in problems]
    return found


def ids(planned: tuple[PlannedVisit, ...]) -> list[str]:
    return [visit.visit.id for visit in planned]


days = st.dates(min_value=date(1950, 1, 1), max_value=date(2150, 12, 31))
months = st.integers(-600, 600)


@given(days, months)
def test_months_keep_the_day_or_end_with_the_month(day: date, number: int) -> None:
    """DEF-081: the same day of the month, or the last one when the month is shorter."""
    later = add_months(day, number)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == number
    assert later.day == min(day.day, calendar.monthrange(later.year, later.month)[1])


@given(days, days, months)
def test_months_keep_the_order_of_dates(one: date, other: date, number: int) -> None:
    """DEF-082: who is randomized later is never planned earlier."""
    first, second = sorted([one, other])
    assert add_months(first, number) <= add_months(second, number)


@given(days, st.integers(0, 120))
def test_months_there_and_back_lose_at_most_the_clamp(day: date, number: int) -> None:
    """DEF-083: going back gives the same day, or an earlier one of the same month when it was clamped."""
    back = add_months(add_months(day, number), -number)
    assert (back.year, back.month) == (day.year, day.month)
    assert back <= day
    assert back == day or day.day > 28


@given(days, st.integers(-400, 400), st.integers(-60, 60), st.integers(-60, 60))
def test_offsets_add_months_first(day: date, in_days: int, in_weeks: int, in_months: int) -> None:
    """DEF-084: months, then weeks and days."""
    offset = Offset(days=in_days, weeks=in_weeks, months=in_months)
    assert moved(day, offset) == add_months(day, in_months) + timedelta(days=in_days + 7 * in_weeks)


@given(days, st.integers(0, 90), st.integers(0, 90), st.integers(-200, 200))
def test_window_state_agrees_with_the_window(planned_on: date, before: int, after: int, distance: int) -> None:
    """DEF-085: both ends of the window are on time; a day beyond is not."""
    limits = Window(before=before, after=after)
    start, end = window(planned_on, limits)
    day = planned_on + timedelta(days=distance)
    done = window_state(planned_on, limits, day, today=date(2030, 1, 1))
    open_ = window_state(planned_on, limits, None, today=day)
    inside = start <= day <= end
    assert (done is WindowState.ON_TIME) == inside == (open_ is WindowState.OPEN)
    assert (done is WindowState.EARLY) == (day < start) == (open_ is WindowState.NOT_YET)
    assert (done is WindowState.LATE) == (day > end) == (open_ is WindowState.OVERDUE)


@pytest.mark.parametrize(
    ("day", "number", "wanted"),
    [
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2023, 1, 31), 1, date(2023, 2, 28)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2024, 12, 15), 1, date(2025, 1, 15)),
        (date(2024, 1, 15), -1, date(2023, 12, 15)),
        (date(2024, 3, 31), -1, date(2024, 2, 29)),
    ],
)
def test_months_by_example(day: date, number: int, wanted: date) -> None:
    """DEF-086: the ends of months that people get wrong."""
    assert add_months(day, number) == wanted


def test_months_outside_the_calendar() -> None:
    """DEF-087: a date that the calendar does not have is an error, not another date."""
    with pytest.raises(OverflowError):
        add_months(date(9999, 12, 1), 1)


def test_plan_follows_anchor_and_pathway(definition: Definition) -> None:
    """DEF-088: what has no anchor yet is not planned, nor what another pathway has."""
    assert ids(plan(definition, StatusFacts())) == []
    assert ids(plan(definition, StatusFacts(screened_on=date(2024, 1, 2)))) == ["SCR"]
    assert ids(plan(definition, RANDOMIZED)) == ["SCR", "M3", "M6"]
    assert ids(plan(definition, replace(RANDOMIZED, pathway="path_a"))) == ["SCR", "DOSE", "M3", "M6"]
    progressed = replace(RANDOMIZED, progressed_on=date(2024, 6, 10))
    assert ids(plan(definition, progressed)) == ["SCR", "M3", "M6", "S6", "S12"]
    with pytest.raises(KeyError):
        plan(definition, replace(RANDOMIZED, pathway="nowhere"))


def test_planned_dates_and_windows(definition: Definition) -> None:
    """DEF-089: M3 of 31 January is 30 April, two weeks around."""
    m3 = plan_visit(definition.visit("M3"), RANDOMIZED)
    assert m3 is not None
    assert (m3.planned_on, m3.window_start, m3.window_end) == (
        date(2024, 4, 30),
        date(2024, 4, 16),
        date(2024, 5, 14),
    )
    assert plan_visit(definition.visit("END"), RANDOMIZED) is None


def test_a_milestone_can_be_an_anchor(definition: Definition) -> None:
    """DEF-090: a visit that counts from a milestone of the study is dated by it."""
    visit = definition.visit("M3").model_copy(update={"anchor": "surgery"})
    assert plan_visit(visit, RANDOMIZED) is None
    planned = plan_visit(visit, replace(RANDOMIZED, anchors={"surgery": date(2024, 2, 10)}))
    assert planned is not None
    assert planned.planned_on == date(2024, 5, 10)


PROGRESSED = replace(RANDOMIZED, progressed_on=date(2024, 6, 10))


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (StatusFacts(), []),
        (StatusFacts(screened_on=date(2024, 1, 2)), ["SCR"]),
        (StatusFacts(screened_on=date(2024, 1, 2), screen_failed_on=date(2024, 1, 20)), []),
        (RANDOMIZED, ["M3", "M6"]),
        # M3's window closed on 14 May, before progression, so it stays owed; M6 (31 July) is not asked for.
        (PROGRESSED, ["M3", "S6", "S12"]),
        # M3's window was still open on the day of progression.
        (replace(RANDOMIZED, progressed_on=date(2024, 5, 14)), ["S6", "S12"]),
        (replace(RANDOMIZED, progressed_on=date(2024, 5, 15)), ["M3", "S6", "S12"]),
        (replace(RANDOMIZED, withdrawn_from_visits_on=date(2024, 3, 1)), []),
        (replace(PROGRESSED, withdrawn_from_visits_on=date(2024, 3, 1)), ["S6", "S12"]),
        (replace(PROGRESSED, withdrawn_from_all_contact_on=date(2024, 7, 1)), ["M3"]),
        (replace(PROGRESSED, lost_on=date(2024, 7, 1)), ["M3"]),
        # S6 is planned on 10 December with 30 days around.
        (replace(PROGRESSED, died_on=date(2025, 1, 9)), ["M3"]),
        (replace(PROGRESSED, died_on=date(2025, 1, 10)), ["M3", "S6"]),
        (replace(RANDOMIZED, died_on=date(2024, 2, 1)), []),
        (replace(RANDOMIZED, completed_on=date(2024, 2, 1)), []),
    ],
)
def test_what_is_still_expected(definition: Definition, facts: StatusFacts, wanted: list[str]) -> None:
    """DEF-091: each status with its date says what is still asked for."""
    assert ids(expected_visits(definition, facts)) == wanted


ends = st.sampled_from(
    ["progressed_on", "withdrawn_from_visits_on", "withdrawn_from_all_contact_on", "lost_on", "died_on", "completed_on"]
)


@given(st.dictionaries(ends, st.dates(date(2024, 1, 31), date(2026, 12, 31)), max_size=4), ends)
def test_one_more_end_never_adds_to_its_phase(definition: Definition, happened: dict[str, date], another: str) -> None:
    """DEF-092: another reason to stop never makes a visit of the study expected that was not."""
    before = replace(RANDOMIZED, **cast(dict[str, Any], happened))
    after = replace(before, **cast(dict[str, Any], {another: date(2024, 2, 1)}))
    for visit in definition.visits:
        if visit.phase is Phase.STUDY:
            assert expected(visit, after) <= expected(visit, before)


@given(st.dictionaries(ends, st.dates(date(2024, 1, 31), date(2026, 12, 31)), max_size=4))
def test_only_planned_visits_are_expected(definition: Definition, happened: dict[str, date]) -> None:
    """DEF-093: what cannot be dated, belongs to another pathway or is added by hand is never missing."""
    facts = replace(RANDOMIZED, **cast(dict[str, Any], happened))
    planned = set(ids(plan(definition, facts)))
    for visit in definition.visits:
        if expected(visit, facts):
            assert visit.id in planned
            assert visit.phase is not Phase.EVENT
            assert visit.id != "DOSE"


def test_a_stored_planned_date_counts(definition: Definition) -> None:
    """DEF-094: a visit that was planned otherwise is judged by the date that was agreed."""
    m3 = definition.visit("M3")
    assert expected(m3, PROGRESSED)
    assert not expected(m3, PROGRESSED, planned_on=date(2024, 6, 1))


def test_the_visit_of_a_day(definition: Definition) -> None:
    """DEF-095: a date falls in the window of the nearest visit, or of none."""
    planned = plan(definition, RANDOMIZED)
    found = nearest_visit(planned, date(2024, 5, 2))
    assert found is not None
    assert found.visit.id == "M3"
    assert nearest_visit(planned, date(2024, 6, 15)) is None
