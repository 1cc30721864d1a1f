"""Review, freeze and lock of one record; a save that changes nothing; which marks a change breaks."""

from __future__ import annotations

import pytest

from audit.errors import Refused
from audit.models import Deed
from ecrf.actions import data_queries, drafts, marks, records, verifications
from ecrf.actions.records import StaleRecord
from ecrf.entry import Submission, Typed
from ecrf.models import Change, Draft, Finding, FindingState, Record
from ecrf.where import Where
from tests.cast import PASSWORD, Cast
from trial.models import Participant

pytestmark = pytest.mark.django_db


def vitals(cast: Cast) -> Record:
    """A complete form of a participant who has consented."""
    participant = cast.consented()
    return cast.fill(participant, "vitals_performance", visit="SCR")


def kps(record: Record, text: str) -> Submission:
    return Submission(values={("performance", "", "kps"): Typed(text=text)})


def where_of(record: Record) -> Where:
    return Where(record.participant, record.form, visit=record.visit, number=record.number)


def change(cast: Cast, record: Record, text: str = "60") -> Record:
    return records.save(
        where=where_of(record),
        revision=record.revision,
        submission=kps(record, text),
        complete=True,
        by=cast.theo_coordinator,
        reason="Typing error",
    )


def again(record: Record) -> Record:
    return Record.objects.select_related("participant__site", "visit", "signature").get(pk=record.pk)


def told(record: Record, verb: str) -> int:
    return Deed.objects.filter(verb=verb, target_table="ecrf_record", target_id=str(record.pk)).count()


class TestReview:
    def test_a_review_holds_for_the_form_as_it_was_read(self, cast: Cast) -> None:
        """ECRF-205: a change ends the review and shows it as changed since; a second review takes its place."""
        record = marks.review(record=vitals(cast), by=cast.dan_data_manager)
        assert record.is_reviewed and told(record, "record.reviewed") == 1
        changed = again(change(cast, record))
        assert not changed.is_reviewed and changed.is_changed_since_review
        assert marks.review(record=changed, by=cast.dan_data_manager).is_reviewed

    def test_only_the_data_manager_reviews(self, cast: Cast) -> None:
        """ECRF-205: not the site, the monitor, the sponsor or the auditor."""
        record = vitals(cast)
        for person in (
            cast.theo_coordinator, cast.ines_investigator, cast.mona_monitor, cast.paul_sponsor, cast.aude_auditor,
        ):  # fmt: skip
            for deed in (marks.review, marks.unreview):
                with pytest.raises(Refused, match="Only the data manager reviews"):
                    deed(record=record, by=person)
        assert told(record, "record.reviewed") == 0

    def test_a_form_that_changed_under_the_reader_is_not_reviewed(self, cast: Cast) -> None:
        """ECRF-206: the revision that was read is the one reviewed."""
        record = vitals(cast)
        read = again(record)
        change(cast, record)
        with pytest.raises(StaleRecord):
            marks.review(record=read, by=cast.dan_data_manager)

    def test_an_unfinished_form_is_not_reviewed_and_a_review_can_be_taken_back(self, cast: Cast) -> None:
        """ECRF-207."""
        participant = cast.consented()
        begun = cast.fill(participant, "vitals_performance", visit="SCR", complete=False)
        with pytest.raises(Refused, match="Only a complete form"):
            marks.review(record=begun, by=cast.dan_data_manager)
        done = cast.save(where_of(begun), {})
        reviewed = marks.review(record=done, by=cast.dan_data_manager)
        back = marks.unreview(record=reviewed, reason="Wrong form", by=cast.dan_data_manager)
        assert back.reviewed_at is None
        with pytest.raises(Refused, match="not reviewed"):
            marks.unreview(record=back, by=cast.dan_data_manager)


class TestFreezeAndLock:
    def test_a_frozen_form_takes_queries_and_signatures_but_no_value(self, cast: Cast) -> None:
        """ECRF-210: no save, not done or removal; queries, verification, review and signature go on."""
        record = marks.freeze(record=vitals(cast), by=cast.dan_data_manager)
        with pytest.raises(Refused) as refused:
            change(cast, record)
        assert refused.value.code == "frozen"
        query = data_queries.ask(where=where_of(record), item="kps", text="Sure?", by=cast.mona_monitor)
        query = data_queries.answer(query=query, text="Yes.", by=cast.theo_coordinator)
        data_queries.close(query=query, by=cast.mona_monitor)
        assert verifications.verify(record=record, values=[("", "kps")], by=cast.mona_monitor)
        assert marks.review(record=again(record), by=cast.dan_data_manager).is_reviewed
        assert records.sign(record=again(record), password=PASSWORD, by=cast.ines_investigator).is_signed
        with pytest.raises(Refused, match="already frozen"):
            marks.freeze(record=again(record), by=cast.dan_data_manager)

    def test_a_locked_form_takes_nothing_but_unlock(self, cast: Cast) -> None:
        """ECRF-211: neither values nor queries, verification, review or signature."""
        record = vitals(cast)
        query = data_queries.ask(where=where_of(record), item="kps", text="Sure?", by=cast.mona_monitor)
        data_queries.close(query=query, by=cast.mona_monitor)
        record = marks.lock(record=again(record), reason="Cleaned", by=cast.dan_data_manager)
        assert record.is_locked and told(record, "record.locked") == 1
        attempts = (
            lambda: change(cast, record),
            lambda: data_queries.ask(where=where_of(record), text="?", by=cast.mona_monitor),
            lambda: data_queries.reopen(query=query, text="?", by=cast.mona_monitor),
            lambda: verifications.verify(record=record, values=[("", "kps")], by=cast.mona_monitor),
            lambda: records.sign(record=record, password=PASSWORD, by=cast.ines_investigator),
            lambda: marks.review(record=record, by=cast.dan_data_manager),
            lambda: marks.freeze(record=record, by=cast.dan_data_manager),
        )
        for attempt in attempts:
            with pytest.raises(Refused) as refused:
                attempt()
            assert refused.value.code == "locked"
        opened = marks.unlock(record=record, reason="Wrong weight", by=cast.dan_data_manager)
        assert not opened.is_locked
        assert change(cast, opened).revision == opened.revision + 1

    def test_opening_again_asks_why(self, cast: Cast) -> None:
        """ECRF-212: unfreeze and unlock without a reason are refused; the reason stands in history and ledger."""
        record = marks.freeze(record=vitals(cast), by=cast.dan_data_manager)
        with pytest.raises(Refused, match="Give the reason"):
            marks.unfreeze(record=record, reason="  ", by=cast.dan_data_manager)
        record = marks.unfreeze(record=record, reason="Late source", by=cast.dan_data_manager)
        assert record.history.first().history_change_reason == "Late source"
        assert Deed.objects.get(verb="record.unfrozen").details["reason"] == "Late source"
        record = marks.lock(record=record, by=cast.dan_data_manager)
        with pytest.raises(Refused, match="Give the reason"):
            marks.unlock(record=record, reason="", by=cast.dan_data_manager)
        with pytest.raises(Refused, match=r"is locked"):
            marks.unfreeze(record=record, reason="x", by=cast.dan_data_manager)

    def test_queries_that_are_not_settled_block_locking_not_freezing(self, cast: Cast) -> None:
        """ECRF-213: every one is named at once, with its place; answered ones count."""
        record = vitals(cast)
        first = data_queries.ask(where=where_of(record), item="kps", text="Sure?", by=cast.mona_monitor)
        data_queries.answer(query=first, text="Yes", by=cast.theo_coordinator)
        second = data_queries.ask(where=where_of(record), item="ecog", text="Sure?", by=cast.mona_monitor)
        marks.freeze(record=again(record), by=cast.dan_data_manager)
        with pytest.raises(Refused) as refused:
            marks.lock(record=again(record), by=cast.dan_data_manager)
        words = str(refused.value)
        assert "2 queries are not settled" in words
        form = cast.definition.form("vitals_performance")
        for item in ("kps", "ecog"):
            assert cast.definition.text(form.item(item).label, "en") in words
        assert record.participant.code in words and "Screening" in words
        for query in (first, second):
            data_queries.close(query=query, by=cast.mona_monitor)
        assert marks.lock(record=again(record), by=cast.dan_data_manager).is_locked

    def test_only_the_data_manager_freezes_and_locks(self, cast: Cast) -> None:
        """ECRF-214: wrong roles, and staff of another site."""
        record = vitals(cast)
        for person in (
            cast.theo_coordinator, cast.ines_investigator, cast.mona_monitor, cast.paul_sponsor, cast.olga_investigator,
        ):  # fmt: skip
            for deed in (marks.freeze, marks.unfreeze, marks.lock, marks.unlock):
                with pytest.raises(Refused, match="Only the data manager"):
                    deed(record=record, reason="x", by=person)
        assert not again(record).is_frozen


class TestNothingChanged:
    def test_a_save_that_changes_nothing_breaks_nothing(self, cast: Cast) -> None:
        """ECRF-220: same revision, signature and review; no deed, no change, no history row; the draft is gone."""
        record = vitals(cast)
        record = records.sign(record=record, password=PASSWORD, by=cast.ines_investigator)
        record = marks.review(record=record, by=cast.dan_data_manager)
        deeds, history = Deed.objects.count(), record.history.count()
        stands = record.data["performance"][0]["kps"]["typed"]
        drafts.keep(
            where=where_of(record), base_revision=record.revision, fields={"kps": "1"}, by=cast.theo_coordinator
        )
        saved = change(cast, record, stands)
        assert saved.revision == record.revision
        assert not again(saved).is_changed_since_signing and again(saved).is_reviewed
        assert (Deed.objects.count(), record.history.count()) == (deeds, history)
        assert not Draft.objects.exists()

    def test_finishing_or_reopening_a_form_is_a_change(self, cast: Cast) -> None:
        """ECRF-221: complete → not finished leaves values alone but breaks the signature."""
        record = records.sign(record=vitals(cast), password=PASSWORD, by=cast.ines_investigator)
        saved = records.save(
            where=where_of(record), revision=record.revision, submission=Submission(), complete=False,
            by=cast.theo_coordinator,
        )  # fmt: skip
        assert saved.revision == record.revision + 1 and again(saved).is_changed_since_signing

    def test_a_value_can_be_confirmed_without_a_change(self, cast: Cast) -> None:
        """ECRF-222: “the value is right, because…” keeps the revision; the query of the check closes."""
        participant = cast.consented()
        where = Where(participant, "vitals_performance", visit=cast.visit(participant, "SCR"))
        record = cast.save(where, {"weight": "210", "kps": 90, "ecog": "0"}, justify="")
        finding = Finding.objects.filter(record=record, state=FindingState.OPEN).first()
        assert finding is not None and finding.queries.get().is_open
        saved = records.save(
            where=where,
            revision=record.revision,
            submission=Submission(justifications={(finding.check_id, finding.row): "Weighed twice."}),
            complete=True,
            by=cast.theo_coordinator,
        )
        finding.refresh_from_db()
        assert saved.revision == record.revision
        assert (finding.state, finding.justification) == (FindingState.JUSTIFIED, "Weighed twice.")
        assert not finding.queries.get().is_open
        assert told(record, "record.confirmed") == 1


class TestBrokenMarks:
    def test_the_change_that_breaks_marks_names_them(self, cast: Cast) -> None:
        """ECRF-225: signature, review and verification; only the first change breaks, and only what it changes."""
        record = vitals(cast)
        verifications.verify(record=record, values=[("", "kps"), ("", "ecog")], by=cast.mona_monitor)
        record = records.sign(record=again(record), password=PASSWORD, by=cast.ines_investigator)
        record = marks.review(record=again(record), by=cast.dan_data_manager)
        record = again(change(cast, record, "60"))
        deed = Deed.objects.get(verb="record.marks_broken")
        assert deed.by_name == "Théo Coordinator"
        assert deed.details["revision"] == record.revision
        assert deed.details["broken"]["signed"]["by"] == "Inès Investigator"
        assert set(deed.details["broken"]) == {"signed", "reviewed", "verified"}
        assert deed.details["broken"]["verified"] == 1
        change(cast, record, "70")
        assert Deed.objects.filter(verb="record.marks_broken").count() == 1

    def test_a_recalculation_breaks_the_marks_of_the_form_that_it_changes(self, cast: Cast) -> None:
        """ECRF-226: the signed score shows as changed since signing, with the calculated items, by the cause."""
        participant = cast.baseline_done()
        imdc = cast.record(participant, "imdc", visit="SCR")
        imdc = records.sign(record=imdc, password=PASSWORD, by=cast.ines_investigator)
        _move_haemoglobin(cast, participant)
        imdc = again(imdc)
        assert imdc.is_changed_since_signing
        changed = Change.objects.filter(record=imdc, revision__gt=imdc.signed_revision).values_list("item", flat=True)
        assert "anaemia" in set(changed)
        assert Deed.objects.filter(verb="record.marks_broken", target_id=str(imdc.pk)).count() == 1


def _move_haemoglobin(cast: Cast, participant: Participant, *, low: bool | None = None) -> None:
    """Correct the haemoglobin to the other side of the limit that the score asks about."""
    imdc = cast.record(participant, "imdc", visit="SCR")
    now = imdc.data["factors"][0]["anaemia"]["value"] if low is None else not low
    labs = cast.record(participant, "laboratory", visit="SCR")
    records.save(
        where=Where(participant, "laboratory", visit=labs.visit),
        revision=labs.revision,
        submission=Submission(values={("haematology", "", "hgb"): Typed(text="16.0" if now else "10.0")}),
        complete=True,
        by=cast.theo_coordinator,
        reason="Typing error",
    )


class TestRecalculationHeldBack:
    def test_a_frozen_form_says_what_it_would_be_and_is_and_makes_up_for_it_when_opened(self, cast: Cast) -> None:
        """ECRF-230: nothing changes while frozen; “would be, is”; unfreezing brings it up to date, with a trail."""
        participant = cast.baseline_done()
        imdc = marks.freeze(record=cast.record(participant, "imdc", visit="SCR"), by=cast.dan_data_manager)
        before, revision = imdc.data["factors"][0]["anaemia"]["value"], imdc.revision
        _move_haemoglobin(cast, participant)
        imdc = again(imdc)
        assert (imdc.data["factors"][0]["anaemia"]["value"], imdc.revision) == (before, revision)
        finding = Finding.objects.get(record=imdc, check_id="recompute:anaemia")
        assert finding.proposed["is"]["value"] is before and finding.proposed["would_be"]["value"] is not before

        marks.unfreeze(record=imdc, reason="To be brought up to date", by=cast.dan_data_manager)

        imdc = again(imdc)
        assert imdc.data["factors"][0]["anaemia"]["value"] is not before
        finding.refresh_from_db()
        assert finding.state == FindingState.RESOLVED
        assert Change.objects.filter(record=imdc, item="anaemia").last().by_name == "Dan Manager"

    def test_an_input_that_goes_back_resolves_it(self, cast: Cast) -> None:
        """ECRF-231: once the inputs agree again nothing is held back, and no second finding is made."""
        participant = cast.baseline_done()
        imdc = cast.record(participant, "imdc", visit="SCR")
        was = imdc.data["factors"][0]["anaemia"]["value"]
        marks.lock(record=imdc, by=cast.dan_data_manager)
        _move_haemoglobin(cast, participant)
        finding = Finding.objects.get(record=imdc, check_id="recompute:anaemia")
        assert finding.state == FindingState.OPEN
        _move_haemoglobin(cast, participant, low=was)
        finding.refresh_from_db()
        assert finding.state == FindingState.RESOLVED
        assert again(imdc).revision == imdc.revision
