"""What happens to a participant, and what is still expected afterwards."""

from __future__ import annotations

import datetime as dt

import pytest

from audit import clock
from audit.errors import Refused
from audit.models import Deed
from tests.cast import Cast
from tests.trial.actions.arrange import DAY, again, randomized, states
from trial.actions import statuses, visits
from trial.models import Participant, Status, StatusChange, StatusKind, Visit, VisitStatus
from trial.selectors import visits_due, visits_overdue

pytestmark = pytest.mark.django_db
PLANNED, NOT_APPLICABLE = VisitStatus.PLANNED, VisitStatus.NOT_APPLICABLE


def withdraw(cast: Cast, participant: Participant, kind: str, on: dt.date | None = None) -> Participant:
    return statuses.record_by_hand(
        participant=participant, kind=kind, on=on or clock.today(), reason="WISH", by=cast.theo_coordinator
    )


class TestByHand:
    def test_withdrawal_from_treatment_ends_no_visit(self, cast: Cast) -> None:
        """TRL-220: visits have the same calendar until progression, whatever happens to the treatment."""
        participant = randomized(cast, days_ago=30)
        before = states(participant)
        participant = withdraw(cast, participant, StatusKind.WITHDRAWN_TREATMENT)
        assert participant.status == Status.TREATMENT_ENDED
        assert states(participant) == before

    def test_withdrawal_from_visits_ends_what_is_to_come_and_keeps_what_was_owed(self, cast: Cast) -> None:
        """TRL-221: a visit whose window had closed stays owed; what was open or to come is not expected."""
        participant = randomized(cast, days_ago=75)  # D56 closed 5 days ago, M3 opens in some days
        participant = withdraw(cast, participant, StatusKind.WITHDRAWN_VISITS)
        found = states(participant)
        assert participant.status == Status.WITHDRAWN
        assert found["D56"] == PLANNED
        assert {found[event] for event in ("M3", "M6", "M36")} == {NOT_APPLICABLE}
        due = {v.event for v in visits_due(cast.theo_coordinator, days=2000)}
        overdue = {v.event for v in visits_overdue(cast.theo_coordinator)}
        assert due == set()
        assert overdue == {"D56", "SRT_PLAN"}

    def test_after_progression_survival_goes_on_until_a_withdrawal_from_all_contact(self, cast: Cast) -> None:
        """TRL-222: study visits end at progression, survival follow-up begins; each withdrawal has its scope."""
        participant = randomized(cast, days_ago=120)
        today = clock.today()
        participant = statuses.record(
            participant=participant, kind=StatusKind.PROGRESSED, on=today - 5 * DAY, by=cast.theo_coordinator
        )
        found = states(participant)
        assert participant.status == Status.PROGRESSED
        assert {found["M6"], found["M9"], found["M36"]} == {NOT_APPLICABLE}
        assert {found["S6"], found["S36"]} == {PLANNED}

        participant = withdraw(cast, participant, StatusKind.WITHDRAWN_VISITS)
        assert states(participant)["S6"] == PLANNED
        participant = withdraw(cast, participant, StatusKind.WITHDRAWN_CONTACT)
        assert states(participant)["S6"] == NOT_APPLICABLE

    def test_lost_and_found_again(self, cast: Cast) -> None:
        """TRL-223: a reversal restores exactly what was expected, and the row of the mistake stays."""
        participant = randomized(cast, days_ago=30)
        before = states(participant)
        participant = withdraw(cast, participant, StatusKind.LOST)
        assert (participant.status, states(participant)["M3"]) == (Status.LOST, NOT_APPLICABLE)

        participant = statuses.reverse_by_hand(
            participant=participant, kind=StatusKind.LOST, reason="Came back", by=cast.ines_investigator
        )

        assert (participant.status, participant.lost_on) == (Status.RANDOMIZED, None)
        assert states(participant) == before
        change = StatusChange.objects.get(participant=participant, kind=StatusKind.LOST)
        assert (change.reversed_reason, change.reversed_at is not None) == ("Came back", True)
        assert Deed.objects.filter(verb="participant.status_reversed").count() == 1

    def test_wrong_role_wrong_site_wrong_kind(self, cast: Cast) -> None:
        """TRL-224: only site staff; a death follows from its form."""
        participant = cast.consented()
        for person in (cast.mona_monitor, cast.oscar_coordinator, cast.rose_radiation):
            with pytest.raises(Refused) as refused:
                statuses.record_by_hand(
                    participant=participant, kind=StatusKind.LOST, on=clock.today(), reason="x", by=person
                )
            assert refused.value.code == "permission.status.record"
        with pytest.raises(Refused, match="follows from a form"):
            withdraw(cast, participant, StatusKind.DIED)
        with pytest.raises(Refused, match="follows from a form"):
            statuses.reverse_by_hand(
                participant=participant, kind=StatusKind.CONSENTED, reason="x", by=cast.theo_coordinator
            )
        with pytest.raises(Refused, match="not randomized"):
            withdraw(cast, participant, StatusKind.WITHDRAWN_TREATMENT)

    def test_wrong_day_missing_reason_and_the_second_time_are_refused(self, cast: Cast) -> None:
        """TRL-225: dates stay in order, and one change of a kind is in force."""
        participant = cast.consented()
        with pytest.raises(Refused, match="future"):
            withdraw(cast, participant, StatusKind.LOST, clock.today() + DAY)
        with pytest.raises(Refused, match="before the consent"):
            withdraw(cast, participant, StatusKind.LOST, clock.today() - DAY)
        for reason in ("", "  ", "x" * 41, "\x00"):
            with pytest.raises(Refused):
                statuses.record_by_hand(
                    participant=participant, kind=StatusKind.LOST, on=clock.today(), reason=reason,
                    by=cast.theo_coordinator,
                )  # fmt: skip
        withdraw(cast, participant, StatusKind.LOST)
        with pytest.raises(Refused, match="already recorded"):
            withdraw(cast, participant, StatusKind.LOST)
        with pytest.raises(Refused, match="is not recorded"):
            statuses.reverse_by_hand(
                participant=participant, kind=StatusKind.WITHDRAWN_CONTACT, reason="x", by=cast.theo_coordinator
            )

    def test_nobody_withdraws_before_consent(self, cast: Cast) -> None:
        """TRL-226: the screening is closed instead."""
        with pytest.raises(Refused, match="close the screening"):
            withdraw(cast, cast.screened(), StatusKind.WITHDRAWN_CONTACT)


class TestFromForms:
    def test_death_ends_everything_to_come_and_a_correction_restores_it(self, cast: Cast) -> None:
        """TRL-227: recorded, moved and taken back, each settling the visits once."""
        participant = randomized(cast, days_ago=200)
        before = states(participant)
        today = clock.today()

        participant = statuses.set_date(
            participant=participant, kind=StatusKind.DIED, on=today - 100 * DAY, by=cast.ines_investigator
        )
        assert participant.status == Status.DIED
        assert states(participant)["M3"] == NOT_APPLICABLE
        assert states(participant)["D56"] == PLANNED  # its window closed before the death: still owed

        history = Visit.history.filter(event="M36").count()
        participant = statuses.set_date(
            participant=participant, kind=StatusKind.DIED, on=today - 60 * DAY, by=cast.ines_investigator,
            reason="Date of the certificate",
        )  # fmt: skip
        assert participant.died_on == today - 60 * DAY
        assert states(participant)["M3"] == PLANNED
        assert Visit.history.filter(event="M36").count() == history  # it moved from dead to dead
        assert StatusChange.objects.filter(kind=StatusKind.DIED, reversed_reason="Date of the certificate").exists()

        participant = statuses.set_date(
            participant=participant, kind=StatusKind.DIED, on=None, by=cast.ines_investigator, reason="Wrong person"
        )
        assert (participant.status, participant.died_on) == (Status.RANDOMIZED, None)
        assert states(participant) == before
        assert statuses.set_date(participant=participant, kind=StatusKind.DIED, on=None, by=None) == participant

    def test_nothing_happens_after_death(self, cast: Cast) -> None:
        """TRL-228: a later date is refused in words, an earlier one is still recorded."""
        participant = randomized(cast, days_ago=60)
        died_on = clock.today() - 10 * DAY
        participant = statuses.record(participant=participant, kind=StatusKind.DIED, on=died_on, by=None)
        with pytest.raises(Refused, match="died before"):
            statuses.record(participant=participant, kind=StatusKind.PROGRESSED, on=died_on + DAY, by=None)
        participant = statuses.record(participant=participant, kind=StatusKind.PROGRESSED, on=died_on - DAY, by=None)
        assert participant.status == Status.DIED
        assert set(Visit.objects.filter(event__startswith="S", occurrence=1).exclude(event__in=["SCR", "SRT_PLAN"])
                   .values_list("status", flat=True)) == {NOT_APPLICABLE}  # fmt: skip

    def test_nothing_but_a_consent_is_dated_before_the_screening(self, cast: Cast) -> None:
        """TRL-229: dates stay in order."""
        participant = cast.screened()
        yesterday = clock.today() - DAY
        with pytest.raises(Refused, match="before the screening"):
            statuses.record(participant=participant, kind=StatusKind.DIED, on=yesterday, by=None)
        statuses.record(participant=participant, kind=StatusKind.CONSENTED, on=yesterday, by=None)

    def test_a_progression_that_moves_moves_the_survival_visits(self, cast: Cast) -> None:
        """TRL-230: survival follow-up is anchored on progression; taken back, none of it is expected."""
        participant = randomized(cast, days_ago=120)
        today = clock.today()
        statuses.set_date(participant=participant, kind=StatusKind.PROGRESSED, on=today - 9 * DAY, by=None)
        first = cast.visit(participant, "S6").planned_on
        statuses.set_date(participant=participant, kind=StatusKind.PROGRESSED, on=today - 2 * DAY, by=None)
        assert first is not None
        assert cast.visit(participant, "S6").planned_on > first
        statuses.set_date(participant=participant, kind=StatusKind.PROGRESSED, on=None, by=None)
        found = states(participant)
        assert (found["S6"], found["M6"], found["M36"]) == (NOT_APPLICABLE, PLANNED, PLANNED)

    def test_a_screening_cannot_be_taken_back(self, cast: Cast) -> None:
        """TRL-231: a screening stays on the log."""
        with pytest.raises(Refused, match="stays on the log"):
            statuses.reverse(participant=cast.screened(), kind=StatusKind.SCREENED, reason="x", by=None)

    def test_a_failure_on_the_way_leaves_nothing(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        """TRL-232: status, change, visits and deed together or not at all."""
        participant = cast.consented()
        monkeypatch.setattr(visits, "follow", lambda **said: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            withdraw(cast, participant, StatusKind.LOST)
        monkeypatch.undo()
        assert again(participant).lost_on is None
        assert not StatusChange.objects.filter(kind=StatusKind.LOST).exists()
        assert not Deed.objects.filter(verb="participant.status_recorded", details__kind="lost").exists()
