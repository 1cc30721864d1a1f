"""Visits: planned, dated, missed, reopened, added by hand."""

from __future__ import annotations

import pytest

from audit import clock
from audit.errors import Refused
from audit.models import Deed
from ecrf.actions import data_queries, records
from ecrf.entry import Submission
from ecrf.models import EntryState
from ecrf.where import Where
from tests.cast import Cast
from tests.trial.actions.arrange import DAY, randomized, states
from trial.actions import statuses, visits
from trial.models import StatusKind, Visit, VisitStatus
from trial.selectors import visits_for, visits_of, visits_overdue

pytestmark = pytest.mark.django_db


class TestPlan:
    def test_both_arms_have_the_same_calendar_anchored_on_randomization(self, cast: Cast) -> None:
        """TRL-240: windows and dates; what is of one arm only has a twin of the same dates in the other."""
        one, other = randomized(cast, days_ago=30), randomized(cast, days_ago=30, pathway="switch")
        dates = [
            list(
                Visit.objects.filter(participant=p)
                .exclude(event="SCR")
                .order_by("planned_on", "event")
                .values_list("planned_on", "window_start", "window_end")
            )
            for p in (one, other)
        ]
        assert dates[0] == dates[1]
        assert set(states(one)) - set(states(other)) == {"SRT_PLAN"}
        m3 = cast.visit(one, "M3")
        assert (m3.window_end - m3.window_start).days == 28

    def test_visits_of_one_arm_are_shown_to_those_who_may_see_arms_only(self, cast: Cast) -> None:
        """TRL-241: no visit tells the arm to the sponsor; site staff and the named monitor see theirs."""
        participant = randomized(cast, days_ago=30)
        for person, sees in ((cast.theo_coordinator, True), (cast.mona_monitor, True), (cast.paul_sponsor, False)):
            assert visits_of(person, participant).filter(event="SRT_PLAN").exists() is sees
            assert visits_for(person).filter(event="SRT_PLAN").exists() is sees

    def test_planning_again_changes_nothing(self, cast: Cast) -> None:
        """TRL-242: safe to repeat."""
        participant = randomized(cast, days_ago=30)
        assert visits.plan(participant=participant, anchor="randomization", by=None) == []

    def test_visits_move_when_only_the_date_that_they_hang_on_moves(self, cast: Cast) -> None:
        """TRL-306: survival follow-up is planned from progression, and again when its date is corrected."""
        participant = randomized(cast, days_ago=100)
        first, corrected = clock.today() - 20 * DAY, clock.today() - 30 * DAY
        set_to = {"participant": participant, "kind": StatusKind.PROGRESSED, "by": cast.theo_coordinator}
        statuses.set_date(**set_to, on=first)
        survival = Visit.objects.filter(participant=participant, event__regex=r"^S\d+$").order_by("order")
        before = list(survival.values_list("planned_on", flat=True))
        assert before
        statuses.set_date(**set_to, on=corrected)
        assert all(new < old for new, old in zip(survival.values_list("planned_on", flat=True), before, strict=True))


class TestDate:
    def test_the_day_is_kept_and_a_change_asks_for_the_reason(self, cast: Cast) -> None:
        """TRL-243: the actual date comes first."""
        participant = randomized(cast, days_ago=100)
        visit = cast.visit(participant, "M3")
        visit = visits.record_date(visit=visit, on=clock.today() - 8 * DAY, by=cast.theo_coordinator)
        assert (visit.status, visit.actual_on) == (VisitStatus.DONE, clock.today() - 8 * DAY)
        with pytest.raises(Refused) as refused:
            visits.record_date(visit=visit, on=clock.today() - 7 * DAY, by=cast.theo_coordinator)
        assert refused.value.code == "reason_needed"
        visit = visits.record_date(
            visit=visit, on=clock.today() - 7 * DAY, reason="Typing error", by=cast.theo_coordinator
        )
        assert visit.actual_on == clock.today() - 7 * DAY
        deeds = Deed.objects.filter(verb="visit.dated", target_id=str(visit.pk)).count()
        visits.record_date(visit=visit, on=visit.actual_on, by=cast.theo_coordinator)
        assert Deed.objects.filter(verb="visit.dated", target_id=str(visit.pk)).count() == deeds

    def test_impossible_days_are_refused(self, cast: Cast) -> None:
        """TRL-244: the future, before the screening, after death, after withdrawal."""
        participant = randomized(cast, days_ago=100)
        visit, theo, today = cast.visit(participant, "M3"), cast.theo_coordinator, clock.today()
        with pytest.raises(Refused, match="future"):
            visits.record_date(visit=visit, on=today + DAY, by=theo)
        with pytest.raises(Refused, match="before the screening"):
            visits.record_date(visit=visit, on=participant.screened_on - DAY, by=theo)
        statuses.record_by_hand(
            participant=participant, kind=StatusKind.WITHDRAWN_VISITS, on=today - 5 * DAY, reason="Wish", by=theo
        )
        with pytest.raises(Refused, match="withdrew"):
            visits.record_date(visit=visit, on=today - 4 * DAY, by=theo)
        statuses.record(participant=participant, kind=StatusKind.DIED, on=today - 2 * DAY, by=theo)
        with pytest.raises(Refused, match="died"):
            visits.record_date(visit=visit, on=today - DAY, by=theo)
        assert visits.record_date(visit=visit, on=today - 6 * DAY, by=theo).status == VisitStatus.DONE

    def test_wrong_role_and_wrong_site(self, cast: Cast) -> None:
        """TRL-245: only site staff of the site."""
        visit = cast.visit(cast.consented(), "SCR")
        for person in (cast.mona_monitor, cast.rose_radiation, cast.oscar_coordinator):
            with pytest.raises(Refused) as refused:
                visits.record_date(visit=visit, on=clock.today(), by=person)
            assert refused.value.code == "permission.visit.record"


class TestMissed:
    def test_a_missed_visit_settles_its_forms_and_is_no_longer_overdue(self, cast: Cast) -> None:
        """TRL-246: no form of it opens, nothing of it is counted."""
        participant = randomized(cast, days_ago=120)
        visit, theo = cast.visit(participant, "D56"), cast.theo_coordinator
        assert visit in visits_overdue(theo)

        visit = visits.miss(visit=visit, reason="  Hospital elsewhere ", by=theo)

        assert (visit.status, visit.missed_reason) == (VisitStatus.MISSED, "Hospital elsewhere")
        assert visit not in visits_overdue(theo)
        where = Where(participant, "vitals_performance", visit=visit)
        for deed in (
            lambda: records.save(where=where, revision=0, submission=Submission(), complete=False, by=theo),
            lambda: records.mark_not_done(where=where, revision=0, reason="Missed", by=theo),
            lambda: visits.record_date(visit=visit, on=clock.today(), by=theo),
        ):
            with pytest.raises(Refused) as refused:
                deed()
            assert refused.value.code == "visit_missed"

    def test_what_cannot_be_missed(self, cast: Cast) -> None:
        """TRL-247: without a reason, to come, done, not expected, missed already."""
        participant = randomized(cast, days_ago=120)
        theo = cast.theo_coordinator
        d56, m36 = cast.visit(participant, "D56"), cast.visit(participant, "M36")
        for reason in (" ", "x" * 301, "a\x00"):
            with pytest.raises(Refused):
                visits.miss(visit=d56, reason=reason, by=theo)
        with pytest.raises(Refused, match="later"):
            visits.miss(visit=m36, reason="Far away", by=theo)
        with pytest.raises(Refused, match="took place"):
            visits.miss(visit=cast.visit(participant, "SCR"), reason="x", by=theo)
        visits.miss(visit=d56, reason="Far away", by=theo)
        with pytest.raises(Refused, match="already"):
            visits.miss(visit=d56, reason="Far away", by=theo)
        statuses.record(participant=participant, kind=StatusKind.DIED, on=clock.today() - 100 * DAY, by=theo)
        with pytest.raises(Refused, match="not expected"):
            visits.miss(visit=cast.visit(participant, "M3"), reason="Dead", by=theo)
        assert states(participant)["D56"] == VisitStatus.MISSED  # what was said of it stays

    def test_missed_by_mistake_is_reopened_as_planned(self, cast: Cast) -> None:
        """TRL-248: with its reason, and its forms open again once it has a date."""
        participant = randomized(cast, days_ago=120)
        theo = cast.theo_coordinator
        visit = visits.miss(visit=cast.visit(participant, "D56"), reason="Far away", by=theo)
        with pytest.raises(Refused, match="reason"):
            visits.reopen(visit=visit, reason="", by=theo)
        visit = visits.reopen(visit=visit, reason="Wrong visit", by=theo)
        assert (visit.status, visit.missed_reason) == (VisitStatus.PLANNED, "")
        with pytest.raises(Refused, match="not recorded as missed"):
            visits.reopen(visit=visit, reason="Again", by=theo)
        visits.record_date(visit=visit, on=clock.today() - 60 * DAY, by=theo)
        record = cast.fill(participant, "vitals_performance", visit="D56", complete=False)
        assert record.entry_state == EntryState.IN_PROGRESS

    def test_reopened_after_what_ended_it_the_visit_is_not_expected(self, cast: Cast) -> None:
        """TRL-249: “not missed” does not make a visit expected that is not."""
        participant = randomized(cast, days_ago=120)
        visit = visits.miss(visit=cast.visit(participant, "M3"), reason="Far away", by=cast.theo_coordinator)
        statuses.record(participant=participant, kind=StatusKind.DIED, on=clock.today() - 100 * DAY, by=None)
        visit = visits.reopen(visit=visit, reason="Had died", by=cast.theo_coordinator)
        assert visit.status == VisitStatus.NOT_APPLICABLE


class TestAdded:
    def test_an_unscheduled_visit_any_number_of_times_an_event_once(self, cast: Cast) -> None:
        """TRL-250: occurrences are numbered."""
        participant = randomized(cast, days_ago=60)
        theo, today = cast.theo_coordinator, clock.today()
        added = [
            visits.add_on_demand(participant=participant, event="UNS", on=today - n * DAY, by=theo) for n in (9, 4)
        ]
        assert [v.occurrence for v in added] == [1, 2]
        visits.add_on_demand(participant=participant, event="PROG", on=today, by=theo)
        for event in ("PROG", "M3", "NONE"):
            with pytest.raises(Refused, match="cannot be added"):
                visits.add_on_demand(participant=participant, event=event, on=today, by=theo)

    def test_none_before_consent_or_after_a_failure(self, cast: Cast) -> None:
        """TRL-251: wrong state."""
        assert visits.on_demand_visits(cast.screened()) == []

    def test_after_a_withdrawal_what_became_of_the_participant_is_still_recorded(self, cast: Cast) -> None:
        """TRL-252: a death, a progression, the end of the study; no visit that the withdrawal excludes."""
        participant = randomized(cast, days_ago=60)
        theo, today = cast.theo_coordinator, clock.today()
        participant = statuses.record_by_hand(
            participant=participant, kind=StatusKind.WITHDRAWN_CONTACT, on=today - 20 * DAY, reason="Wish", by=theo
        )
        for event in ("DEATH", "EOS", "PROG"):
            visits.add_on_demand(participant=participant, event=event, on=today, by=theo)
        with pytest.raises(Refused, match="withdrew"):
            visits.add_on_demand(participant=participant, event="UNS", on=today, by=theo)
        visits.add_on_demand(participant=participant, event="UNS", on=today - 30 * DAY, by=theo)  # entered late

    def test_days_outside_the_participation_are_refused(self, cast: Cast) -> None:
        """TRL-253: future, before screening, after death."""
        participant = randomized(cast, days_ago=60)
        theo, today = cast.theo_coordinator, clock.today()
        statuses.record(participant=participant, kind=StatusKind.DIED, on=today - 2 * DAY, by=theo)
        for day in (today + DAY, today - DAY, participant.screened_on - DAY):
            with pytest.raises(Refused):
                visits.add_on_demand(participant=participant, event="UNS", on=day, by=theo)
        assert not Visit.objects.filter(event="UNS").exists()


def test_a_query_on_a_form_to_come_does_not_make_its_visit_look_filled(cast: Cast) -> None:
    """TRL-254: a record that nobody filled holds nothing: the last measured values stay the last."""
    participant = randomized(cast, days_ago=120)
    cast.fill(participant, "vitals_performance", visit="SCR")
    visit = cast.visit(participant, "M36")
    data_queries.ask(where=Where(participant, "vitals_performance", visit=visit), text="?", by=cast.mona_monitor)
    from ecrf.books import book_of
    from trial.language import Ref

    book = book_of(participant, cast.definition)
    assert book.outside().get(Ref("item", form="vitals_performance", item="kps")) in (80, 90, 100)
