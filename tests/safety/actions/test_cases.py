"""Serious adverse events: opened by the event, met by the form, received by the sponsor; what is told to whom."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from audit import clock
from audit.errors import Refused
from audit.models import Deed
from ecrf.actions import records
from ecrf.entry import Submission, Typed
from ecrf.models import Record
from ecrf.where import Where
from safety.actions import cases
from safety.models import CaseState, SafetyCase
from trial.models import Notice, Participant

pytestmark = pytest.mark.django_db
PARIS = ZoneInfo("Europe/Paris")
ANEMIA = "10002272"


def event(cast: Any, participant: Participant, **said: Any) -> Record:
    """An adverse event, saved by the coordinator as not finished."""
    answers = {"term": ANEMIA, "grade": "3", "serious": True, "ongoing": True, "outcome": "NOT_RECOVERED", **said}
    return cast.save(Where(participant, "adverse_event"), answers, complete=False)


def form(cast: Any, participant: Participant, *, complete: bool = True, of: int = 1, **said: Any) -> Record:
    """A serious event form about adverse event `of`; the site knew of it at this moment unless said otherwise."""
    answers = {
        "event": str(of), "report_type": "INITIAL", "aware_at": clock.now().astimezone(PARIS),
        "serious_on": clock.today(), "criteria": ("OTHER",), "sae_outcome": "RECOVERING",
        "narrative": "Fatigue for some days, then a blood count far below the usual one; transfused, watched, better.",
        **said,
    }  # fmt: skip
    return cast.save(Where(participant, "serious_adverse_event"), answers, complete=complete)


def change(cast: Any, record: Record, *, complete: bool | None = None, **said: str) -> Record:
    """Save a record again with other answers, through the same door; complete or not as before unless said."""
    participant = Participant.objects.select_related("site").get(pk=record.participant_id)
    definition_form = cast.definition.form(record.form)
    where = Where(participant, record.form, number=record.number)
    held = cast.record(participant, record.form, number=record.number)
    values = {(definition_form.group_of(item).id, "", item): Typed(text=text) for item, text in said.items()}
    submission = Submission(values=values)
    submission.justifications = {(check.id, ""): "Checked against the file" for check in definition_form.checks}
    return records.save(
        where=where,
        revision=held.revision,
        submission=submission,
        complete=held.entry_state == "complete" if complete is None else complete,
        by=cast.theo_coordinator,
        reason="Corrected after a call",
    )


def the_case(participant: Participant) -> SafetyCase:
    return SafetyCase.objects.select_related("participant__site", "serious_event").get(participant=participant)


def deeds(case: SafetyCase) -> list[str]:
    rows = Deed.objects.filter(target_table="safety_safetycase", target_id=str(case.pk)).order_by("pk")
    return list(rows.values_list("verb", flat=True))


@pytest.fixture
def cast(frozen_clock, cast) -> Any:
    """The cast, at a moment that stands still."""
    return cast


@pytest.fixture
def participant(cast) -> Participant:
    return cast.consented()


def test_a_serious_event_opens_a_case_and_starts_24_hours(cast, participant, frozen_clock) -> None:
    """SAF-001: the clock runs from the moment the site says that the event is serious."""
    record = event(cast, participant)
    case = the_case(participant)
    assert (case.state, case.adverse_event_id) == (CaseState.AWAITED, record.pk)
    assert case.aware_at == clock.now()
    assert case.due_at - case.aware_at == dt.timedelta(hours=24)
    assert deeds(case) == ["safety.case_opened"]


def test_an_event_that_is_not_serious_opens_nothing(cast, participant) -> None:
    """SAF-002: no case without seriousness."""
    event(cast, participant, serious=False)
    assert not SafetyCase.objects.exists()


def test_a_second_save_does_not_open_a_second_case(cast, participant, frozen_clock) -> None:
    """SAF-003: saving again keeps the case, its clock and its notices."""
    record = event(cast, participant)
    before, notices = the_case(participant), Notice.objects.filter(kind="safety_case").count()
    frozen_clock.shift(3600)
    change(cast, record, grade="2")
    after = the_case(participant)
    assert (after.pk, after.due_at) == (before.pk, before.due_at)
    assert Notice.objects.filter(kind="safety_case").count() == notices
    assert deeds(after) == ["safety.case_opened"]


def test_two_events_are_two_cases(cast, participant) -> None:
    """SAF-004: each serious event has its own clock."""
    event(cast, participant)
    event(cast, participant, term="10016256", grade="3")
    assert SafetyCase.objects.filter(participant=participant).count() == 2


def test_the_form_says_since_when_the_site_knew(cast, participant, frozen_clock) -> None:
    """SAF-005: the time of awareness on the form moves the clock; a form not finished does not meet it."""
    event(cast, participant)
    aware_at = clock.now() - dt.timedelta(hours=5)
    record = form(cast, participant, aware_at=aware_at.astimezone(PARIS), complete=False)
    case = the_case(participant)
    assert (case.serious_event_id, case.state, case.reported_at) == (record.pk, CaseState.AWAITED, None)
    assert case.aware_at == aware_at
    assert case.due_at == aware_at + dt.timedelta(hours=24)


@pytest.mark.parametrize(("hours", "late"), [(23, False), (30, True)])
def test_the_complete_form_meets_the_clock_in_time_or_late(cast, participant, frozen_clock, hours, late) -> None:
    """SAF-006: completion is the report; the ledger says whether it came late."""
    event(cast, participant)
    aware_at = clock.now()
    frozen_clock.shift(hours * 3600)
    form(cast, participant, aware_at=aware_at.astimezone(PARIS))
    case = the_case(participant)
    assert (case.state, case.reported_at) == (CaseState.REPORTED, clock.now())
    assert Deed.objects.get(verb="safety.case_reported").details["late"] is late


def test_completing_without_changing_a_value_is_the_report_too(cast, participant, frozen_clock) -> None:
    """SAF-007: what was saved as not finished and is then completed unchanged counts as reported."""
    event(cast, participant)
    record = form(cast, participant, complete=False)
    assert the_case(participant).state == CaseState.AWAITED
    change(cast, record, complete=True)
    assert the_case(participant).state == CaseState.REPORTED


def test_24_hours_are_24_hours_on_the_night_the_clocks_change(cast, frozen_clock) -> None:
    """SAF-008: elapsed hours, also when the day has 23 of them (29 March 2026 in Paris)."""
    frozen_clock.move_to(dt.datetime(2026, 3, 28, 11, 0, tzinfo=dt.UTC))
    participant = cast.consented()
    event(cast, participant)
    form(cast, participant, aware_at=dt.datetime(2026, 3, 28, 12, 0, tzinfo=PARIS), complete=False)
    case = the_case(participant)
    assert case.due_at.astimezone(PARIS) == dt.datetime(2026, 3, 29, 13, 0, tzinfo=PARIS)
    assert case.due_at - case.aware_at == dt.timedelta(hours=24)


def test_no_longer_serious_cancels_and_serious_again_reopens(cast, participant, frozen_clock) -> None:
    """SAF-009: a correction ends the clock, another one starts where it stood."""
    record = event(cast, participant)
    due_at = the_case(participant).due_at
    change(cast, record, serious="no")
    assert the_case(participant).state == CaseState.CANCELLED
    frozen_clock.shift(3600)
    change(cast, record, serious="yes")
    case = the_case(participant)
    assert (case.state, case.due_at) == (CaseState.AWAITED, due_at)
    assert deeds(case) == ["safety.case_opened", "safety.case_cancelled", "safety.case_reopened"]


def test_a_reported_case_stays_reported_when_the_event_is_downgraded(cast, participant, frozen_clock) -> None:
    """SAF-010: what the sponsor was told is not untold by a correction of the event."""
    record = event(cast, participant)
    form(cast, participant)
    change(cast, record, serious="no")
    assert the_case(participant).state == CaseState.REPORTED


def test_a_removed_event_ends_its_clock(cast, participant) -> None:
    """SAF-011: an event entered by mistake owes no report."""
    record = event(cast, participant)
    records.remove_entry(record=record, revision=record.revision, reason="Other patient", by=cast.theo_coordinator)
    assert the_case(participant).state == CaseState.CANCELLED


def test_a_removed_form_owes_the_report_again(cast, participant, frozen_clock) -> None:
    """SAF-012: a form entered by mistake does not count as the report."""
    event(cast, participant)
    record = form(cast, participant)
    records.remove_entry(record=record, revision=record.revision, reason="Other patient", by=cast.theo_coordinator)
    case = the_case(participant)
    assert (case.state, case.serious_event, case.reported_at) == (CaseState.AWAITED, None, None)
    assert deeds(case)[-1] == "safety.case_form_withdrawn"
    form(cast, participant)
    assert the_case(participant).state == CaseState.REPORTED


def test_a_form_that_turns_to_another_event_frees_the_first(cast, participant, frozen_clock) -> None:
    """SAF-013: the report belongs to the event that the form names now."""
    event(cast, participant)
    event(cast, participant, term="10016256", grade="3")
    record = form(cast, participant)
    change(cast, record, event="2")
    first, second = SafetyCase.objects.order_by("adverse_event__number")
    assert (first.state, first.serious_event_id) == (CaseState.AWAITED, None)
    assert second.state == CaseState.REPORTED


def test_a_form_written_before_the_event_was_said_to_be_serious_counts(cast, participant, frozen_clock) -> None:
    """SAF-014: the order in which the two forms are filled does not matter."""
    record = event(cast, participant, serious=False)
    aware_at = clock.now()
    form(cast, participant)
    assert not SafetyCase.objects.exists()
    frozen_clock.shift(600)
    change(cast, record, serious="yes")
    case = the_case(participant)
    assert (case.state, case.aware_at) == (CaseState.REPORTED, aware_at)


def test_a_follow_up_form_leaves_the_case_alone(cast, participant, frozen_clock) -> None:
    """SAF-015: a later form about the same event is a follow-up, not another report."""
    event(cast, participant)
    first = form(cast, participant)
    before = the_case(participant)
    frozen_clock.shift(86_400)
    form(cast, participant, report_type="FOLLOW_UP")
    after = the_case(participant)
    assert (after.serious_event_id, after.reported_at) == (first.pk, before.reported_at)


def test_notices_go_to_the_site_and_the_safety_officer_without_clinical_data(cast, participant) -> None:
    """SAF-020: who must act is told at once; the message names no term, no grade, no arm."""
    event(cast, participant)
    told = {n.person.printed_name for n in Notice.objects.filter(kind="safety_case").select_related("person")}
    assert told == {"Inès Investigator", "Théo Coordinator", "Sam Safety"}
    for notice in Notice.objects.filter(kind="safety_case"):
        assert set(notice.context) == {"site", "code", "date"}
        assert not notice.reveals_arm
        assert ANEMIA not in str(notice.context) and "Anemia" not in str(notice.context)


def test_the_report_is_told_to_the_safety_officer_once(cast, participant, frozen_clock) -> None:
    """SAF-021: completion owes one notice to the sponsor, however often the form is saved again."""
    event(cast, participant)
    record = form(cast, participant)
    change(cast, record, sae_outcome="NOT_RECOVERED")
    told = [n.person.printed_name for n in Notice.objects.filter(kind="safety_reported").select_related("person")]
    assert told == ["Sam Safety"]


# ---------------------------------------------------------------- receipt


def test_the_safety_officer_receives_day_0(cast, participant, frozen_clock) -> None:
    """SAF-030: receipt keeps who and when."""
    event(cast, participant)
    form(cast, participant)
    cases.receive(case=the_case(participant), by=cast.sam_safety)
    case = the_case(participant)
    assert (case.received_at, case.received_by) == (clock.now(), cast.sam_safety)
    assert deeds(case)[-1] == "safety.case_received"


@pytest.mark.parametrize(
    "who", ["ines_investigator", "theo_coordinator", "mona_monitor", "dan_data_manager", "aude_auditor"]
)
def test_nobody_else_receives(cast, participant, who: str) -> None:
    """SAF-031: receipt belongs to the safety officer."""
    event(cast, participant)
    with pytest.raises(Refused) as refused:
        cases.receive(case=the_case(participant), by=getattr(cast, who))
    assert refused.value.code == "permission.safety.receive"
    assert the_case(participant).received_at is None


def test_a_case_is_received_once(cast, participant, frozen_clock) -> None:
    """SAF-032: day 0 does not move."""
    event(cast, participant)
    cases.receive(case=the_case(participant), by=cast.sam_safety)
    first = the_case(participant).received_at
    frozen_clock.shift(3600)
    with pytest.raises(Refused, match="already received"):
        cases.receive(case=the_case(participant), by=cast.sam_safety)
    assert the_case(participant).received_at == first


def test_a_cancelled_case_is_not_received(cast, participant) -> None:
    """SAF-033: what is not serious after all starts no clock of the sponsor."""
    record = event(cast, participant)
    change(cast, record, serious="no")
    with pytest.raises(Refused, match="no longer serious"):
        cases.receive(case=the_case(participant), by=cast.sam_safety)
