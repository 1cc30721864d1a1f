"""Source verification by the plan: required values, marks taken back, what an edit undoes, counted as it goes."""

from __future__ import annotations

import datetime as dt

import pytest

import audit
from audit import clock
from audit.errors import Conflict, Refused
from audit.models import Deed
from ecrf.actions import records, verifications
from ecrf.entry import Submission, Typed
from ecrf.models import Record, Verification, VerificationTally
from ecrf.standings import plan_in_force, progress_by_site, rule_of, standings_of, tallies_for
from ecrf.verification import drawn
from ecrf.where import Where
from tests.cast import Cast
from tests.ecrf import plans
from tests.stages import staged
from trial.models import Participant

pytestmark = pytest.mark.django_db
FORM = "vitals_performance"
NONE_DRAWN = next(s for s in map("seed number {}".format, range(99)) if not drawn("01-001", seed=s, share=20))
DRAWN = next(s for s in map("seed number {}".format, range(99)) if drawn("01-001", seed=s, share=20))


@pytest.fixture(autouse=True)
def a_plan(cast: Cast) -> None:
    """Critical items; the first participant of the site is not in the sample."""
    plans.publish(cast, plans.default("sample", share="20", seed=NONE_DRAWN, forms="[consent]"))


@pytest.fixture
def participant(cast: Cast) -> Participant:
    found = cast.consented()
    assert found.code == "01-001"
    return found


@staged
def with_vitals(cast: Cast) -> Record:
    participant = Participant.objects.get(code="01-001")
    place = Where(participant, FORM, visit=cast.visit(participant, "SCR"))
    return cast.save(place, {"kps": 90, "ecog": "0", "weight": "80"})


@pytest.fixture
def record(cast: Cast, participant: Participant) -> Record:
    return with_vitals(cast)


def change(cast: Cast, record: Record, *, complete: bool = True, **said: str) -> Record:
    form = cast.definition.form(record.form)
    return records.save(
        where=Where(record.participant, record.form, visit=record.visit),
        revision=Record.objects.get(pk=record.pk).revision,
        submission=Submission(values={(form.group_of(i).id, "", i): Typed(text=text) for i, text in said.items()}),
        complete=complete,
        by=cast.theo_coordinator,
        reason="Typing error",
    )


def tally(record: Record) -> tuple[int, int, int, bool]:
    found = VerificationTally.objects.get(record=record, reveals_arm=False)
    return found.required, found.verified, found.changed, found.waiting_since is not None


def asked(cast: Cast, record: Record) -> set[str]:
    [standing] = standings_of([record], cast.definition).values()
    return {item for _row, item in standing.required}


class TestByThePlan:
    def test_the_plan_s_values_are_verified_at_once_and_no_others(self, cast: Cast, record: Record) -> None:
        """ECRF-316: who, when, at which revision; what the plan does not ask for stays as it is."""
        critical = {i.id for i in cast.definition.form(FORM).items.values() if i.critical}
        assert asked(cast, record) == critical == {"kps", "ecog"}
        assert tally(record) == (2, 0, 0, True)
        done = verifications.verify_required(record=record, by=cast.mona_monitor)
        assert {(v.item, v.verified_by, v.revision) for v in done} == {
            ("kps", cast.mona_monitor, 1),
            ("ecog", cast.mona_monitor, 1),
        }
        assert tally(record) == (2, 2, 0, False)
        assert verifications.verify_required(record=record, by=cast.mona_monitor) == []

    def test_a_drawn_participant_is_verified_in_full(self, cast: Cast, record: Record) -> None:
        """ECRF-316: every value that was entered; a later version of the plan counts for what stands already."""
        plans.publish(cast, plans.default("sample", share="20", seed=DRAWN))
        everything = {i.id for i in cast.definition.form(FORM).items.values() if not i.is_derived}
        filled = {item for rows in record.data.values() for row in rows for item in row}
        assert asked(cast, record) == everything & filled
        assert verifications.recount() >= 1
        assert tally(record)[0] == len(everything & filled)
        assert verifications.recount() == 0

    def test_the_level_of_the_form_asks_for_the_whole_form(self, cast: Cast, record: Record) -> None:
        """ECRF-316: one critical item asks for all values of its form."""
        plans.publish(cast, plans.default("critical", level="form"))
        assert "weight" in asked(cast, record)

    def test_without_a_plan_nothing_is_asked_for_and_everything_may_be_verified(
        self, cast: Cast, record: Record
    ) -> None:
        """ECRF-316: a study folder without verification.yaml."""
        plans.publish(cast, None)
        assert plan_in_force()[1] is None
        assert asked(cast, record) == set()
        assert len(verifications.verify(record=record, values=[("", "weight")], by=cast.mona_monitor)) == 1
        verifications.recount()
        assert tally(record) == (0, 0, 0, False)

    def test_the_day_of_the_data_decides(self, cast: Cast, record: Record) -> None:
        """ECRF-316: a stricter part of the plan asks for nothing that was entered for an earlier day."""
        tomorrow = clock.today() + dt.timedelta(days=1)
        text = plans.default("critical") + f"  - {{from: {tomorrow}, strategy: all, {plans.LABEL}}}\n"
        plans.publish(cast, text)
        assert asked(cast, record) == {"kps", "ecog"}
        own = f'sites:\n  - {{site: "01", from: 2021-01-01, strategy: all, {plans.LABEL}}}\n'
        plans.publish(cast, text + own)
        assert "weight" in asked(cast, record)
        record.visit.actual_on = dt.date(2020, 12, 1)
        assert asked(cast, record) == {"kps", "ecog"}
        rule = rule_of(record, plan_in_force()[1])
        assert rule is not None and rule.strategy == "critical"

    def test_nothing_waits_in_a_form_that_is_not_complete(self, cast: Cast, participant: Participant) -> None:
        """ECRF-316: it may be verified, but is not owed; completing it owes."""
        place = Where(participant, FORM, visit=cast.visit(participant, "SCR"))
        record = cast.save(place, {"kps": 90, "ecog": "0"}, complete=False)
        assert tally(record) == (0, 0, 0, False)
        assert len(verifications.verify(record=record, values=[("", "kps")], by=cast.mona_monitor)) == 1
        record = cast.save(place, {"kps": 90, "ecog": "0"})
        assert tally(record) == (2, 1, 0, True)


class TestWhatUndoesIt:
    def test_an_edit_undoes_the_verification_of_what_it_changed_and_only_that(self, cast: Cast, record: Record) -> None:
        """ECRF-317: the other value stays verified; the changed one waits again, and says that it changed."""
        verifications.verify_required(record=record, by=cast.mona_monitor)
        change(cast, record, weight="81")
        assert tally(record) == (2, 2, 0, False)
        change(cast, record, kps="80")
        assert tally(record) == (2, 1, 1, True)
        cleared = Verification.objects.exclude(cleared_at=None).get()
        assert (cleared.item, cleared.cleared_by, cleared.cleared_reason) == ("kps", None, "")
        fresh = Record.objects.get(pk=record.pk)
        verifications.verify_required(record=fresh, by=cast.mona_monitor)
        assert tally(record) == (2, 2, 0, False)

    def test_a_value_saved_again_as_it_was_stays_verified(self, cast: Cast, record: Record) -> None:
        """ECRF-317: nothing changed, nothing is undone."""
        verifications.verify_required(record=record, by=cast.mona_monitor)
        change(cast, record, kps="90", ecog="0")
        assert not Verification.objects.exclude(cleared_at=None).exists()

    def test_a_removed_row_and_a_cleared_value_undo_theirs_alone(self, cast: Cast, record: Record) -> None:
        """ECRF-317: what is gone is neither verified nor asked for."""
        verifications.verify(record=record, values=[("", "weight"), ("", "kps")], by=cast.mona_monitor)
        change(cast, record, complete=False, weight="")
        held = Verification.objects.filter(cleared_at=None).values_list("item", flat=True)
        assert list(held) == ["kps"]

    def test_a_removed_entry_waits_no_more(self, cast: Cast, participant: Participant) -> None:
        """ECRF-317: out of use, out of the plan."""
        lesion = cast.save(Where(participant, "lesion"), {"lesion_number": "T1", "organ": "LUNG"})
        assert tally(lesion)[0] > 0
        records.remove_entry(record=lesion, revision=lesion.revision, reason="Twice", by=cast.theo_coordinator)
        assert tally(lesion) == (0, 0, 0, False)

    def test_the_monitor_takes_a_verification_back_with_a_reason(self, cast: Cast, record: Record) -> None:
        """ECRF-318: who and why stay in the trail; it does not count as changed."""
        verifications.verify_required(record=record, by=cast.mona_monitor)
        [back] = verifications.unverify(
            record=record, values=[("", "kps")], reason="Wrong document", by=cast.mona_monitor
        )
        assert (back.cleared_by, back.cleared_reason) == (cast.mona_monitor, "Wrong document")
        assert tally(record) == (2, 1, 0, True)
        assert Deed.objects.get(verb="record.unverified").details["reason"] == "Wrong document"
        with pytest.raises(Refused, match="at least one"):
            verifications.unverify(record=record, values=[("", "kps")], reason="Again", by=cast.mona_monitor)

    def test_taking_back_is_refused_to_others_without_reason_and_on_an_old_page(
        self, cast: Cast, record: Record
    ) -> None:
        """ECRF-318: wrong role, no words, stale revision: nothing changes."""
        verifications.verify_required(record=record, by=cast.mona_monitor)
        for person in (cast.theo_coordinator, cast.paul_sponsor, cast.oscar_coordinator):
            with pytest.raises(Refused, match="Only the monitor"):
                verifications.unverify(record=record, values=[("", "kps")], reason="No", by=person)
            with pytest.raises(Refused, match="Only the monitor"):
                verifications.verify_required(record=record, by=person)
        with pytest.raises(Refused, match="Say why"):
            verifications.unverify(record=record, values=[("", "kps")], reason=" ", by=cast.mona_monitor)
        change(cast, record, weight="82")
        with pytest.raises(Conflict):
            verifications.unverify(record=record, values=[("", "kps")], reason="Late", by=cast.mona_monitor)
        assert Verification.objects.filter(cleared_at=None).count() == 2


class TestCounting:
    def test_the_tallies_say_what_the_records_say(self, cast: Cast, participant: Participant) -> None:
        """ECRF-319: after a whole baseline with changes, recalculations and verifications nothing has drifted."""
        participant = cast.baseline_done(participant)
        everything = list(Record.objects.filter(participant=participant).select_related("participant__site", "visit"))
        for record in everything[::2]:
            verifications.verify_required(record=record, by=cast.mona_monitor)
        record = cast.record(participant, "laboratory", visit="SCR")
        change(cast, record, hgb="16.0")
        everything = list(Record.objects.filter(participant=participant).select_related("participant__site", "visit"))
        standings = standings_of(everything, cast.definition)
        for record in everything:
            counted = VerificationTally.objects.filter(record=record)
            standing = standings[record.pk]
            assert sum(t.required for t in counted) == len(standing.required), record
            assert sum(t.verified for t in counted) == len(standing.required & standing.verified), record
            assert sum(t.changed for t in counted) == len(standing.required & standing.changed), record
        assert verifications.recount() == 0

    def test_progress_by_site_is_scoped_to_those_who_may_know_the_plan(self, cast: Cast, record: Record) -> None:
        """ECRF-319: the monitor of the site and the data manager; the site itself and other sites learn nothing."""
        [mine] = progress_by_site(cast.mona_monitor)
        assert (mine["participant__site_id"], mine["sum_required"] > 2, mine["waiting"]) == (cast.site.pk, True, 2)
        assert mine["oldest"] is not None
        assert list(progress_by_site(cast.dan_data_manager)) == [mine]
        for person in (cast.theo_coordinator, cast.ines_investigator, cast.oscar_coordinator, cast.adam_admin):
            assert list(progress_by_site(person)) == []

    def test_what_reveals_the_arm_is_counted_apart(self, cast: Cast, participant: Participant) -> None:
        """ECRF-319: who may not see arms counts without the items that tell it."""
        plans.publish(cast, plans.default("all"))
        event = cast.save(
            Where(participant, "adverse_event"), {"serious": False, "relation_srt": "RELATED"}, complete=False
        )
        event.entry_state = "complete"
        audit.save(event, by=cast.theo_coordinator)
        verifications.count(event)
        rows = {t.reveals_arm: t.required for t in VerificationTally.objects.filter(record=event)}
        assert set(rows) == {False, True}
        assert rows[True] >= 1
        monitor = cast._person("Blind", "Monitor", "monitor", cast.site)
        assert not tallies_for(monitor).filter(reveals_arm=True).exists()
        assert tallies_for(cast.mona_monitor).filter(reveals_arm=True).exists()
