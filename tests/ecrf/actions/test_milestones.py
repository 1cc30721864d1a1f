"""What a form says of the participant: death, progression, end of treatment and of the study; withdrawal's scope."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from audit import clock
from audit.errors import Refused
from ecrf.actions import data_queries, records
from ecrf.entry import Submission, Typed
from ecrf.models import ChangeKind, EntryState, QueryState, Record
from ecrf.where import Where
from safety.models import SafetyCase
from tests.cast import Cast
from tests.trial.actions.arrange import DAY, again, randomized, states
from trial.actions import statuses, visits
from trial.models import Participant, Status, StatusChange, StatusKind, VisitStatus
from trial.selectors import visits_overdue

pytestmark = pytest.mark.django_db


def tell(cast: Cast, participant: Participant, event: str, form: str, on: dt.date, **said: Any) -> Record:
    """Add the visit of an event and complete its form."""
    visit = visits.add_on_demand(participant=participant, event=event, on=on, by=cast.theo_coordinator)
    return cast.save(Where(participant, form, visit=visit), said)


def died(cast: Cast, participant: Participant, on: dt.date) -> Record:
    return tell(cast, participant, "DEATH", "death", on, died_on=on, cause="DISEASE", autopsy=False)


def correct(cast: Cast, record: Record, *, complete: bool = False, reason: str = "Wrong person", **said: str) -> Record:
    record = Record.objects.select_related("visit", "participant").get(pk=record.pk)
    group_of = cast.definition.form(record.form).group_of
    return records.save(
        where=Where(record.participant, record.form, visit=record.visit),
        revision=record.revision,
        submission=Submission(values={(group_of(i).id, "", i): Typed(text=text) for i, text in said.items()}),
        complete=complete,
        by=cast.theo_coordinator,
        reason=reason,
    )


class TestDeath:
    def test_the_form_records_it_and_a_correction_restores_what_was_expected(self, cast: Cast) -> None:
        """ECRF-100: DOMAIN: a death entered by mistake can be reversed with a reason."""
        participant = randomized(cast, days_ago=100)
        before = states(participant)
        record = died(cast, participant, clock.today() - 25 * DAY)
        participant = again(participant)
        assert (participant.status, participant.died_on) == (Status.DIED, clock.today() - 25 * DAY)
        assert states(participant)["M3"] == VisitStatus.NOT_APPLICABLE
        assert {v.event for v in visits_overdue(cast.theo_coordinator)} == {"D56", "SRT_PLAN"}  # closed while alive

        correct(cast, record, died_on="")

        participant = again(participant)
        assert (participant.status, participant.died_on) == (Status.RANDOMIZED, None)
        assert {event: state for event, state in states(participant).items() if event != "DEATH"} == before
        change = StatusChange.objects.get(participant=participant, kind=StatusKind.DIED)
        assert change.reversed_reason == "Wrong person"

    def test_while_another_answer_is_corrected_the_participant_stays_dead(self, cast: Cast) -> None:
        """ECRF-101: nobody is reminded of the visits of a dead participant because a form is “not finished”."""
        participant = randomized(cast, days_ago=100)
        record = died(cast, participant, clock.today() - 30 * DAY)
        correct(cast, record, autopsy="yes")
        assert again(participant).status == Status.DIED
        moved = clock.today() - 50 * DAY
        correct(cast, record, died_on=moved.strftime("%d/%m/%Y"), reason="Certificate")
        assert again(participant).died_on == moved
        assert [c.reversed_reason for c in StatusChange.objects.filter(kind=StatusKind.DIED).order_by("pk")] == [
            "Certificate", "",
        ]  # fmt: skip

    def test_an_unfinished_form_kills_nobody(self, cast: Cast) -> None:
        """ECRF-102: what was never complete says nothing yet."""
        participant = randomized(cast, days_ago=100)
        visit = visits.add_on_demand(participant=participant, event="DEATH", on=clock.today(), by=cast.theo_coordinator)
        cast.save(
            Where(participant, "death", visit=visit), {"died_on": clock.today(), "cause": "DISEASE"}, complete=False
        )
        assert again(participant).status == Status.RANDOMIZED

    def test_the_end_of_a_form_entered_by_mistake_is_not_done(self, cast: Cast) -> None:
        """ECRF-103: cleared, then not done with its reason: nothing of it is expected."""
        participant = randomized(cast, days_ago=100)
        record = died(cast, participant, clock.today())
        filled = [item for rows in record.data.values() for row in rows for item in row if not item.startswith("_")]
        record = correct(cast, record, **dict.fromkeys(filled, ""))
        record = records.mark_not_done(
            where=Where(participant, "death", visit=record.visit), revision=record.revision,
            reason="Entered for another participant", by=cast.theo_coordinator,
        )  # fmt: skip
        assert record.entry_state == EntryState.NOT_DONE
        assert again(participant).died_on is None


class TestProgression:
    def test_study_visits_end_and_survival_follow_up_begins(self, cast: Cast) -> None:
        """ECRF-104: DOMAIN, Visits; moved and reversed through the form."""
        participant = randomized(cast, days_ago=100)
        today = clock.today()
        record = tell(
            cast, participant, "PROG", "progression", today, progressed_on=today - 2 * DAY, basis="CLINICAL",
            still_oligo=False, events=[{"event_type": "SYMPTOMATIC", "event_on": today - 2 * DAY}],
        )  # fmt: skip
        participant = again(participant)
        assert (participant.status, participant.progressed_on) == (Status.PROGRESSED, today - 2 * DAY)
        found = states(participant)
        assert (found["M6"], found["S6"], found["D56"]) == (
            VisitStatus.NOT_APPLICABLE, VisitStatus.PLANNED, VisitStatus.PLANNED,
        )  # fmt: skip
        correct(cast, record, progressed_on="")
        found = states(again(participant))
        assert (found["M6"], found["S6"]) == (VisitStatus.PLANNED, VisitStatus.NOT_APPLICABLE)


class TestAfterWithdrawalAndDeath:
    def test_safety_is_still_reported(self, cast: Cast) -> None:
        """ECRF-105: DOMAIN, Consent: the event and the serious event forms stay open, and the clock runs."""
        participant = randomized(cast, days_ago=100)
        statuses.record_by_hand(
            participant=participant, kind=StatusKind.WITHDRAWN_CONTACT, on=clock.today() - 20 * DAY, reason="Wish",
            by=cast.theo_coordinator,
        )  # fmt: skip
        died(cast, participant, clock.today() - 10 * DAY)
        participant = again(participant)
        event = cast.save(Where(participant, "adverse_event"), {"serious": True}, complete=False)
        assert event.number == 1
        assert SafetyCase.objects.get(adverse_event=event).due_at > clock.now()
        serious = cast.save(Where(participant, "serious_adverse_event"), {}, complete=False)
        assert serious.number == 1

    def test_earlier_data_are_completed_corrected_and_queried(self, cast: Cast) -> None:
        """ECRF-106: DOMAIN, Consent: a withdrawal closes no form of a visit that took place."""
        participant = randomized(cast, days_ago=100)
        visits.record_date(visit=cast.visit(participant, "D56"), on=clock.today() - 45 * DAY, by=cast.theo_coordinator)
        first = cast.fill(participant, "vitals_performance", visit="SCR")
        statuses.record_by_hand(
            participant=participant, kind=StatusKind.WITHDRAWN_CONTACT, on=clock.today() - 20 * DAY, reason="Wish",
            by=cast.theo_coordinator,
        )  # fmt: skip
        corrected = correct(cast, first, complete=True, reason="Typing error", heart_rate="71")
        assert corrected.changes.filter(kind=ChangeKind.CHANGED, item="heart_rate").exists()
        late = cast.fill(participant, "laboratory", visit="D56")
        assert late.entry_state == EntryState.COMPLETE
        query = data_queries.ask(
            where=Where(participant, "laboratory", visit=late.visit), text="Fasting?", by=cast.mona_monitor
        )
        assert data_queries.answer(query=query, text="Yes", by=cast.theo_coordinator).state == QueryState.ANSWERED
        with pytest.raises(Refused, match="withdrew"):
            visits.record_date(visit=cast.visit(participant, "M3"), on=clock.today(), by=cast.theo_coordinator)


def test_the_end_of_treatment_ends_no_visit(cast: Cast) -> None:
    """ECRF-107: DOMAIN, Visits: they go on after treatment stops until progression."""
    participant = randomized(cast, days_ago=100)
    before = states(participant)
    on = clock.today() - DAY
    tell(
        cast, participant, "EOT", "end_of_treatment", clock.today(), ended_on=on, end_reason="PHYSICIAN", decided_on=on
    )
    participant = again(participant)
    assert (participant.status, participant.treatment_ended_on) == (Status.TREATMENT_ENDED, on)
    assert {event: state for event, state in states(participant).items() if event != "EOT"} == before
