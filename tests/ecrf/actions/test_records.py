"""Saving a form: the only way into data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils.translation import override
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import clock
from audit.errors import Refused
from audit.models import Deed
from ecrf import effects
from ecrf.actions import data_queries, drafts, laboratories, records, verifications
from ecrf.actions.records import StaleRecord
from ecrf.entry import InvalidValues, Submission, Typed
from ecrf.models import (
    UNSETTLED,
    Change,
    ChangeKind,
    Draft,
    EntryState,
    Finding,
    FindingState,
    Query,
    QueryState,
    Record,
)
from ecrf.presenters import reason_words
from ecrf.where import Where
from tests.cast import PASSWORD, Cast
from tests.trial.actions.arrange import on_day
from trial.actions import people, visits
from trial.language import ItemType, load
from trial.models import Participant, StatusChange, Visit

pytestmark = pytest.mark.django_db
LESION = {"lesion_number": "T1", "organ": "LIVER", "category": "NON_TARGET"}


def vitals_of(cast: Cast) -> Where:
    """The vital signs of a participant who has consented."""
    participant = cast.consented()
    return Where(participant, "vitals_performance", visit=cast.visit(participant, "SCR"))


def typed(**answers: str | Typed) -> Submission:
    """A submission of items of the vital signs, by item id."""
    places = {"examined_on": "performance", "kps": "performance", "ecog": "performance"}
    return Submission(
        values={
            (places.get(item, "measures"), "", item): answer if isinstance(answer, Typed) else Typed(text=answer)
            for item, answer in answers.items()
        }
    )


def today_typed() -> str:
    return clock.today().strftime("%d/%m/%Y")


class TestSave:
    def test_a_save_writes_record_changes_derivations_and_deed_together(self, cast: Cast) -> None:
        """ECRF-001: values, calculated values, one change per item and one line of the ledger."""
        where = vitals_of(cast)

        record = records.save(
            where=where,
            revision=0,
            submission=typed(examined_on=today_typed(), weight="72,5", height="180"),
            complete=False,
            by=cast.theo_coordinator,
        )

        assert record.revision == 1
        assert record.entry_state == EntryState.IN_PROGRESS
        row = record.data["measures"][0]
        assert row["weight"]["value"] == "72.5"
        assert row["weight"]["typed"] == "72,5"
        changes = {c.item: c for c in Change.objects.filter(record=record)}
        assert changes["weight"].kind == ChangeKind.ENTERED
        assert changes["weight"].by_name == "Théo Coordinator"
        assert Deed.objects.filter(verb="record.saved", target_id=str(record.pk)).count() == 1

    def test_a_unit_is_converted_and_both_values_are_kept(self, cast: Cast) -> None:
        """ECRF-002: 1.80 m is kept as typed and as 180 cm."""
        where = vitals_of(cast)

        record = records.save(
            where=where,
            revision=0,
            submission=typed(height=Typed(text="1,80", unit="m"), weight="81"),
            complete=False,
            by=cast.theo_coordinator,
        )

        row = record.data["measures"][0]
        assert (row["height"]["value"], row["height"]["original"], row["height"]["unit"]) == (180, "1.80", "m")
        assert row["bmi"]["value"] == "25.0"
        assert Change.objects.get(record=record, item="bmi").kind == ChangeKind.DERIVED

    def test_a_date_in_the_future_is_refused_and_saves_nothing(self, cast: Cast) -> None:
        """ECRF-703: tomorrow is refused in words, at its item; no record, no change, no deed; the draft stays."""
        where = vitals_of(cast)
        tomorrow = (clock.today() + dt.timedelta(days=1)).strftime("%d/%m/%Y")
        drafts.keep(where=where, base_revision=0, fields={"examined_on": tomorrow}, by=cast.theo_coordinator)
        deeds = Deed.objects.count()
        with pytest.raises(InvalidValues) as refused:
            records.save(
                where=where,
                revision=0,
                submission=typed(examined_on=tomorrow, kps="90"),
                complete=False,
                by=cast.theo_coordinator,
            )
        assert [(error.item, "future" in error.message) for error in refused.value.errors] == [("examined_on", True)]
        assert not Record.objects.filter(participant=where.participant, form="vitals_performance").exists()
        assert Deed.objects.count() == deeds
        assert Draft.objects.filter(person=cast.theo_coordinator, place=where.draft_place).exists()

    def test_a_wrong_unit_names_those_accepted_and_saves_nothing(self, cast: Cast) -> None:
        """ECRF-003: a value in pounds is refused with the units that are possible."""
        where = vitals_of(cast)

        with pytest.raises(InvalidValues) as refused:
            records.save(
                where=where,
                revision=0,
                submission=typed(weight=Typed(text="160", unit="lb"), kps="90"),
                complete=False,
                by=cast.theo_coordinator,
            )

        assert "kg" in refused.value.errors[0].message
        assert not Record.objects.filter(form="vitals_performance").exists()

    def test_every_fault_of_a_form_is_named_at_once(self, cast: Cast) -> None:
        """ECRF-004: a future date, text for a number and an unknown code come back together."""
        where = vitals_of(cast)
        tomorrow = (clock.today() + dt.timedelta(days=1)).strftime("%d/%m/%Y")

        with pytest.raises(InvalidValues) as refused:
            records.save(
                where=where,
                revision=0,
                submission=typed(examined_on=tomorrow, weight="heavy", ecog="7"),
                complete=False,
                by=cast.theo_coordinator,
            )

        assert {e.item for e in refused.value.errors} == {"examined_on", "weight", "ecog"}

    def test_a_complete_form_needs_every_required_answer(self, cast: Cast) -> None:
        """ECRF-005: what is required and missing is named; an unfinished save is possible."""
        where = vitals_of(cast)
        submission = typed(examined_on=today_typed(), kps="90", ecog="0")

        with pytest.raises(InvalidValues) as refused:
            records.save(where=where, revision=0, submission=submission, complete=True, by=cast.theo_coordinator)

        assert {"weight", "height", "sbp", "dbp", "heart_rate"} <= {e.item for e in refused.value.errors}
        records.save(where=where, revision=0, submission=submission, complete=False, by=cast.theo_coordinator)

    def test_a_missing_code_with_its_reason_completes_a_form(self, cast: Cast) -> None:
        """ECRF-006: not done is an answer, and stays apart from no answer."""
        where = vitals_of(cast)

        record = cast.save(where, {"kps": 90, "ecog": "0", "sbp": Typed(missing="ND", reason="Cuff broken")})

        assert record.data["measures"][0]["sbp"] == {"missing": "ND", "reason": "Cuff broken"}

    def test_a_hard_check_refuses_completion_in_words(self, cast: Cast) -> None:
        """ECRF-007: systolic below diastolic cannot be saved as complete."""
        where = vitals_of(cast)

        with pytest.raises(InvalidValues, match="systolic") as refused:
            cast.save(where, {"kps": 90, "ecog": "0", "sbp": "70", "dbp": "90"})

        assert refused.value.errors[0].code == "blood_pressure_order"

    def test_a_soft_check_becomes_a_query_that_closes_itself_when_the_data_become_right(self, cast: Cast) -> None:
        """ECRF-008: an unconfirmed soft finding asks the site; a correction closes it, saying so."""
        where = vitals_of(cast)
        record = cast.save(where, {"kps": 90, "ecog": "0", "sbp": "185"}, justify="")
        query = Query.objects.get(record=record, item="sbp")
        assert (query.kind, query.state) == ("automatic", QueryState.OPEN)

        record = records.save(
            where=where,
            revision=record.revision,
            submission=typed(sbp="135"),
            complete=True,
            by=cast.theo_coordinator,
            reason="Typing error",
        )

        query.refresh_from_db()
        assert query.state == QueryState.CLOSED
        assert Finding.objects.get(record=record, item="sbp").state == FindingState.RESOLVED
        assert "now satisfy" in query.messages.last().text

    def test_a_soft_check_can_be_answered_that_the_value_is_right(self, cast: Cast) -> None:
        """ECRF-009: the justification is kept and no query is opened."""
        where = vitals_of(cast)

        record = cast.save(where, {"kps": 90, "ecog": "0", "sbp": "185"}, justify="Measured twice")

        finding = Finding.objects.get(record=record, item="sbp")
        assert (finding.state, finding.justification) == (FindingState.JUSTIFIED, "Measured twice")
        assert not Query.objects.filter(record=record).exists()

    def test_a_change_after_completion_needs_its_reason(self, cast: Cast) -> None:
        """ECRF-010: old value, new value, who and why stand in the trail."""
        where = vitals_of(cast)
        record = cast.save(where, {"kps": 90, "ecog": "0", "heart_rate": "72"})

        with pytest.raises(InvalidValues) as refused:
            records.save(
                where=where, revision=1, submission=typed(heart_rate="75"), complete=True, by=cast.theo_coordinator
            )
        assert refused.value.code == "reason_needed"

        records.save(
            where=where,
            revision=1,
            submission=typed(heart_rate="75"),
            complete=True,
            by=cast.theo_coordinator,
            reason="Transcription error",
        )
        change = Change.objects.get(record=record, item="heart_rate", kind=ChangeKind.CHANGED)
        assert (change.old["value"], change.new["value"], change.reason) == (72, 75, "Transcription error")

    def test_the_second_of_two_people_sees_a_conflict_and_overwrites_nothing(self, cast: Cast) -> None:
        """ECRF-011: a stale revision is refused; the first save stands."""
        where = vitals_of(cast)
        records.save(where=where, revision=0, submission=typed(weight="70"), complete=False, by=cast.theo_coordinator)

        with pytest.raises(StaleRecord) as stale:
            records.save(
                where=where, revision=0, submission=typed(weight="90"), complete=False, by=cast.ines_investigator
            )

        assert stale.value.record.data["measures"][0]["weight"]["value"] == "70"
        assert Record.objects.get(form="vitals_performance").revision == 1

    def test_a_hidden_value_is_kept_marked_and_left_out_of_derivations(self, cast: Cast) -> None:
        """ECRF-012: skip logic never destroys what was typed."""
        participant = cast.consented()
        where = Where(participant, "medical_history", visit=cast.visit(participant, "SCR"))
        record = cast.save(
            where,
            {
                "any_history": True,
                "conditions": [{"condition": "Gout", "onset_on": "2019", "condition_ongoing": False}],
            },
        )
        row_id = record.data["conditions"][0]["_id"]
        assert "condition_treated" not in record.data["conditions"][0]

        record = records.save(
            where=where,
            revision=record.revision,
            submission=Submission(values={("summary", "", "any_history"): Typed(text="no")}),
            complete=False,
            by=cast.theo_coordinator,
            reason="Wrong participant",
        )

        row = record.data["conditions"][0]
        assert row["_id"] == row_id
        assert row["condition"]["value"] == "Gout"
        assert "condition" in row["_hidden"]

    def test_saving_the_same_answers_again_changes_nothing_but_the_revision(self, cast: Cast) -> None:
        """ECRF-013: no change rows without a change."""
        where = vitals_of(cast)
        records.save(where=where, revision=0, submission=typed(weight="70"), complete=False, by=cast.theo_coordinator)
        before = Change.objects.count()

        records.save(where=where, revision=1, submission=typed(weight="70"), complete=False, by=cast.theo_coordinator)

        assert Change.objects.count() == before

    def test_a_draft_is_gone_once_its_form_is_saved(self, cast: Cast) -> None:
        """ECRF-014: what was typed became data; the private copy goes."""
        where = vitals_of(cast)
        drafts.keep(where=where, base_revision=0, fields={"weight": "70"}, by=cast.theo_coordinator)
        drafts.keep(where=where, base_revision=0, fields={"weight": "71"}, by=cast.ines_investigator)

        records.save(where=where, revision=0, submission=typed(weight="70"), complete=False, by=cast.theo_coordinator)

        left = Draft.objects.get()
        assert left.person == cast.ines_investigator
        assert drafts.read(left) == {"weight": "71"}
        assert "weight" not in left.payload

    @pytest.mark.parametrize(
        "value",
        ["a\x00b", "\ud800", "x" * 501, "evil\u202etext"],
        ids=["NUL", "lone surrogate", "too long", "direction override"],
    )
    def test_text_that_cannot_be_kept_is_refused_with_words(self, cast: Cast, value: str) -> None:
        """ECRF-015: TRAPS 10."""
        participant = cast.consented()

        with pytest.raises(InvalidValues) as refused:
            records.save(
                where=Where(participant, "lesion"),
                revision=0,
                submission=Submission(values={("identity", "", "description"): Typed(text=value)}),
                complete=False,
                by=cast.theo_coordinator,
            )
        assert refused.value.errors[0].item == "description"

    @pytest.mark.parametrize("row", ["", "zz", "'; DROP TABLE", "n1"])
    def test_a_forged_row_is_refused(self, cast: Cast, row: str) -> None:
        """ECRF-016: a value for a row that the form does not have."""
        participant = cast.consented()
        where = Where(participant, "medical_history", visit=cast.visit(participant, "SCR"))

        with pytest.raises(InvalidValues) as refused:
            records.save(
                where=where,
                revision=0,
                submission=Submission(values={("conditions", row, "condition"): Typed(text="Gout")}),
                complete=False,
                by=cast.theo_coordinator,
            )
        assert refused.value.errors[0].code == "unknown_row"


class TestWhoAndWhen:
    def test_the_sponsor_s_roles_never_change_a_site_s_value(self, cast: Cast) -> None:
        """ECRF-020: FACTS D2, X3."""
        where = vitals_of(cast)
        for person in (cast.mona_monitor, cast.dan_data_manager, cast.sam_safety, cast.paul_sponsor, cast.adam_admin):
            with pytest.raises(Refused) as refused:
                records.save(where=where, revision=0, submission=typed(weight="70"), complete=False, by=person)
            assert refused.value.code.startswith("permission.")

    def test_another_site_s_staff_is_refused(self, cast: Cast) -> None:
        """ECRF-021: a delegation holds at its site only."""
        where = vitals_of(cast)
        with pytest.raises(Refused):
            records.save(
                where=where, revision=0, submission=typed(weight="70"), complete=False, by=cast.oscar_coordinator
            )

    def test_a_save_after_the_delegation_ended_is_refused(self, cast: Cast) -> None:
        """ECRF-022: access goes with the delegation, the draft stays."""
        where = vitals_of(cast)
        drafts.keep(where=where, base_revision=0, fields={"weight": "70"}, by=cast.theo_coordinator)
        delegation = cast.theo_coordinator.delegations.get()
        people.end_delegation(
            delegation=delegation, on=clock.today() - dt.timedelta(days=1), by=cast.adam_admin, reason="Left"
        )
        theo = type(cast.theo_coordinator).objects.get(pk=cast.theo_coordinator.pk)

        with pytest.raises(Refused):
            records.save(where=where, revision=0, submission=typed(weight="70"), complete=False, by=theo)

        assert Draft.objects.filter(person=theo).exists()

    def test_the_radiation_oncologist_answers_the_items_kept_for_that_role_and_no_others(self, cast: Cast) -> None:
        """ECRF-023: DOMAIN, "answered by a radiation oncologist"."""
        participant = cast.baseline_done()
        where = Where(participant, "eligibility", visit=cast.visit(participant, "SCR"))
        yes = Typed(text="yes")

        record = records.save(
            where=where,
            revision=0,
            submission=Submission(values={("srt", "", "i10"): yes}),
            complete=False,
            by=cast.rose_radiation,
        )
        assert record.data["srt"][0]["i10"]["value"] is True
        for person, key in (
            (cast.rose_radiation, ("inclusion", "", "i13")),
            (cast.theo_coordinator, ("srt", "", "e03")),
            (cast.ines_investigator, ("srt", "", "e03")),
        ):
            with pytest.raises(InvalidValues) as refused:
                records.save(
                    where=where, revision=1, submission=Submission(values={key: yes}), complete=False, by=person
                )
            assert refused.value.errors[0].code == "answered_by"

    def test_no_form_opens_before_consent(self, cast: Cast) -> None:
        """ECRF-024: DOMAIN, Consent."""
        participant = cast.screened()
        visits.record_date(visit=cast.visit(participant, "SCR"), on=clock.today(), by=cast.theo_coordinator)
        where = Where(participant, "vitals_performance", visit=cast.visit(participant, "SCR"))

        with pytest.raises(Refused) as refused:
            records.save(
                where=where, revision=0, submission=typed(weight="70"), complete=False, by=cast.theo_coordinator
            )
        assert refused.value.code == "consent_needed"

    def test_the_date_of_the_visit_comes_first(self, cast: Cast) -> None:
        """ECRF-025: DOMAIN, Visits."""
        participant = cast.randomized()
        where = Where(participant, "vitals_performance", visit=cast.visit(participant, "D56"))

        with pytest.raises(Refused) as refused:
            records.save(
                where=where, revision=0, submission=typed(weight="70"), complete=False, by=cast.theo_coordinator
            )
        assert refused.value.code == "visit_date_needed"

    def test_a_record_not_done_keeps_its_reason_and_can_be_filled_after_all(self, cast: Cast) -> None:
        """ECRF-026: not done settles the form; filling it later is possible."""
        where = vitals_of(cast)
        with pytest.raises(Refused, match="reason"):
            records.mark_not_done(where=where, revision=0, reason=" ", by=cast.theo_coordinator)

        record = records.mark_not_done(where=where, revision=0, reason="Refused", by=cast.theo_coordinator)
        assert (record.entry_state, record.not_done_reason) == (EntryState.NOT_DONE, "Refused")

        record = records.save(
            where=where, revision=1, submission=typed(weight="70"), complete=False, by=cast.theo_coordinator
        )
        assert (record.entry_state, record.not_done_reason) == (EntryState.IN_PROGRESS, "")

    def test_a_form_with_values_is_not_marked_as_not_done(self, cast: Cast) -> None:
        """ECRF-027: values are never thrown away on the way."""
        where = vitals_of(cast)
        records.save(where=where, revision=0, submission=typed(weight="70"), complete=False, by=cast.theo_coordinator)

        with pytest.raises(Refused, match="holds values"):
            records.mark_not_done(where=where, revision=1, reason="Refused", by=cast.theo_coordinator)


class TestLogsAndLinks:
    def test_log_entries_are_numbered_and_a_number_is_never_used_again(self, cast: Cast) -> None:
        """ECRF-030: DOMAIN, log forms."""
        participant = cast.consented()
        first = cast.save(Where(participant, "lesion"), LESION)
        records.remove_entry(record=first, revision=first.revision, reason="Twice", by=cast.theo_coordinator)

        second = cast.save(Where(participant, "lesion"), LESION | {"lesion_number": "T2"})

        assert (first.number, second.number) == (1, 2)

    def test_an_entry_that_others_point_to_is_protected(self, cast: Cast) -> None:
        """ECRF-031: a link protects what it points to, and names the form."""
        participant = cast.baseline_done()
        lesion = cast.record(participant, "lesion", number=1)

        with pytest.raises(Refused, match=r"Baseline lesions|Oligoprogression"):
            records.remove_entry(record=lesion, revision=lesion.revision, reason="Mistake", by=cast.theo_coordinator)

    def test_a_link_to_an_entry_that_does_not_exist_is_refused(self, cast: Cast) -> None:
        """ECRF-032: links offer existing entries of the same participant only."""
        participant = cast.consented()
        other = cast.consented()
        cast.save(Where(other, "lesion"), LESION)
        where = Where(participant, "oligoprogression", visit=cast.visit(participant, "SCR"))

        with pytest.raises(InvalidValues) as refused:
            records.save(
                where=where,
                revision=0,
                submission=Submission(
                    values={("progressing", "n1", "lesion"): Typed(text="1")}, rows={"progressing": ["n1"]}
                ),
                complete=False,
                by=cast.theo_coordinator,
            )
        assert refused.value.errors[0].code == "link"

    def test_a_grade_that_the_term_does_not_have_is_refused(self, cast: Cast) -> None:
        """SAF-020: CTCAE v5: alopecia ends at grade 2."""
        participant = cast.consented()
        from trial.dictionaries import dictionary_of

        alopecia = next(
            t for t in dictionary_of(cast.definition, "ctcae").search("Alopecia", "en", 5) if t.label == "Alopecia"
        )
        form = cast.definition.form("adverse_event")

        with pytest.raises(InvalidValues, match="Grade 3") as refused:
            records.save(
                where=Where(participant, "adverse_event"),
                revision=0,
                submission=Submission(
                    values={
                        (form.group_of("term").id, "", "term"): Typed(text=alopecia.code),
                        (form.group_of("grade").id, "", "grade"): Typed(text="3"),
                    }
                ),
                complete=False,
                by=cast.theo_coordinator,
            )
        assert refused.value.errors[0].code == "grade"


class TestSigning:
    def test_a_signature_holds_exactly_what_was_signed_and_breaks_visibly(self, cast: Cast) -> None:
        """ECRF-040: 21 CFR 11.50, 11.70."""
        where = vitals_of(cast)
        record = cast.save(where, {"kps": 90, "ecog": "0", "heart_rate": "72"})

        record = records.sign(record=record, password=PASSWORD, by=cast.ines_investigator)
        assert record.signature.content["data"] == record.data
        assert not record.is_changed_since_signing

        record = records.save(
            where=where,
            revision=record.revision,
            submission=typed(heart_rate="75"),
            complete=True,
            by=cast.theo_coordinator,
            reason="Typing error",
        )
        assert record.is_changed_since_signing

    def test_an_incomplete_form_a_wrong_password_and_a_wrong_role_do_not_sign(self, cast: Cast) -> None:
        """ECRF-041: each is refused, and nothing is signed."""
        where = vitals_of(cast)
        record = records.save(
            where=where, revision=0, submission=typed(weight="70"), complete=False, by=cast.theo_coordinator
        )
        with pytest.raises(Refused, match="complete"):
            records.sign(record=record, password=PASSWORD, by=cast.ines_investigator)
        record = cast.save(where, {"kps": 90, "ecog": "0"})
        with pytest.raises(Refused) as refused:
            records.sign(record=record, password="wrong", by=cast.ines_investigator)
        assert refused.value.code == "wrong_password"
        with pytest.raises(Refused) as refused:
            records.sign(record=record, password=PASSWORD, by=cast.theo_coordinator)
        assert refused.value.code.startswith("permission.")
        record.refresh_from_db()
        assert not record.is_signed

    def test_a_form_is_signed_once_as_it_stands(self, cast: Cast) -> None:
        """ECRF-042: the second signature of the same revision is refused."""
        record = cast.save(vitals_of(cast), {"kps": 90, "ecog": "0"})
        record = records.sign(record=record, password=PASSWORD, by=cast.ines_investigator)
        with pytest.raises(Refused, match="already signed"):
            records.sign(record=record, password=PASSWORD, by=cast.ines_investigator)


class TestVerification:
    def test_a_change_clears_the_verification_of_the_changed_item_only(self, cast: Cast) -> None:
        """ECRF-050: DOMAIN, marks."""
        where = vitals_of(cast)
        record = cast.save(where, {"kps": 90, "ecog": "0", "heart_rate": "72", "sbp": "130"})
        verifications.verify(record=record, values=[("", "heart_rate"), ("", "sbp")], by=cast.mona_monitor)

        records.save(
            where=where,
            revision=record.revision,
            submission=typed(heart_rate="75"),
            complete=True,
            by=cast.theo_coordinator,
            reason="Typing error",
        )

        in_force = {v.item for v in record.verifications.filter(cleared_at=None)}
        assert in_force == {"sbp"}

    def test_only_those_who_verify_verify(self, cast: Cast) -> None:
        """ECRF-051: monitor, data manager and safety officer (DOMAIN); nobody else."""
        record = cast.save(vitals_of(cast), {"kps": 90, "ecog": "0"})
        for person in (cast.theo_coordinator, cast.ines_investigator, cast.paul_sponsor, cast.aude_auditor):
            with pytest.raises(Refused):
                verifications.verify(record=record, values=[("", "kps")], by=person)


class TestRecomputation:
    def test_a_corrected_input_recalculates_other_forms_and_names_the_cause(self, cast: Cast) -> None:
        """ECRF-060: haemoglobin corrected below the limit raises the IMDC score."""
        participant = cast.baseline_done()
        imdc = cast.record(participant, "imdc", visit="SCR")
        before = imdc.data["factors"][0]["anaemia"]["value"]
        labs = cast.record(participant, "laboratory", visit="SCR")
        wanted = "16.0" if before else "10.0"

        records.save(
            where=Where(participant, "laboratory", visit=labs.visit),
            revision=labs.revision,
            submission=Submission(values={("haematology", "", "hgb"): Typed(text=wanted)}),
            complete=True,
            by=cast.theo_coordinator,
            reason="Typing error",
        )

        imdc.refresh_from_db()
        assert imdc.data["factors"][0]["anaemia"]["value"] is not before
        change = Change.objects.filter(record=imdc, item="anaemia").last()
        assert change.kind == ChangeKind.DERIVED
        assert reason_words(change.reason, cast.definition, "en") == "Recalculated after: Laboratory"
        with override("fr"):
            assert reason_words(change.reason, cast.definition, "fr") == "Recalculé après\N{NO-BREAK SPACE}: Biologie"

    def test_a_frozen_record_is_not_recalculated_but_reported(self, cast: Cast) -> None:
        """ECRF-061: "would be 3, is 2"."""
        import audit

        participant = cast.baseline_done()
        imdc = cast.record(participant, "imdc", visit="SCR")
        before = imdc.data["factors"][0]["anaemia"]["value"]
        imdc.frozen_at = clock.now()
        audit.save(imdc, by=cast.dan_data_manager)
        labs = cast.record(participant, "laboratory", visit="SCR")

        records.save(
            where=Where(participant, "laboratory", visit=labs.visit),
            revision=labs.revision,
            submission=Submission(values={("haematology", "", "hgb"): Typed(text="16.0" if before else "10.0")}),
            complete=True,
            by=cast.theo_coordinator,
            reason="Typing error",
        )

        imdc.refresh_from_db()
        assert imdc.data["factors"][0]["anaemia"]["value"] is before
        assert Finding.objects.filter(record=imdc, check_id="recompute:anaemia", state=FindingState.OPEN).exists()


class TestQueries:
    def test_a_query_goes_from_the_monitor_to_the_site_and_back(self, cast: Cast) -> None:
        """ECRF-070: open, answered, closed; every line of the thread stays."""
        where = vitals_of(cast)
        record = cast.save(where, {"kps": 90, "ecog": "0"})
        query = data_queries.ask(where=where, item="kps", text="Please check 90.", by=cast.mona_monitor)

        query = data_queries.answer(query=query, text="Confirmed.", by=cast.theo_coordinator)
        query = data_queries.close(query=query, by=cast.mona_monitor)

        assert query.state == QueryState.CLOSED
        assert [m.state for m in query.messages.all()] == ["open", "answered", "closed"]
        assert query.record == record

    def test_a_query_can_be_asked_on_a_form_that_nobody_filled(self, cast: Cast) -> None:
        """ECRF-071: the missing form itself is the question."""
        where = vitals_of(cast)
        query = data_queries.ask(where=where, text="When will this be filled?", by=cast.mona_monitor)
        assert query.record.entry_state == EntryState.EXPECTED

    def test_each_deed_belongs_to_its_role(self, cast: Cast) -> None:
        """ECRF-072: sites do not ask or close, monitors do not answer."""
        where = vitals_of(cast)
        cast.save(where, {"kps": 90, "ecog": "0"})
        with pytest.raises(Refused):
            data_queries.ask(where=where, text="?", by=cast.theo_coordinator)
        query = data_queries.ask(where=where, text="Check.", by=cast.mona_monitor)
        with pytest.raises(Refused):
            data_queries.answer(query=query, text="Mine", by=cast.mona_monitor)
        with pytest.raises(Refused):
            data_queries.close(query=query, by=cast.theo_coordinator)
        with pytest.raises(Refused):
            data_queries.answer(query=query, text="Other", by=cast.oscar_coordinator)

    def test_a_closed_query_is_not_answered_but_can_be_reopened(self, cast: Cast) -> None:
        """ECRF-073: the state table."""
        where = vitals_of(cast)
        cast.save(where, {"kps": 90, "ecog": "0"})
        query = data_queries.close(
            query=data_queries.ask(where=where, text="Check.", by=cast.mona_monitor), by=cast.mona_monitor
        )
        with pytest.raises(Refused):
            data_queries.answer(query=query, text="Late", by=cast.theo_coordinator)
        assert data_queries.reopen(query=query, text="Still wrong", by=cast.mona_monitor).state == QueryState.REOPENED


def test_a_locked_record_takes_neither_values_nor_queries_a_frozen_one_takes_queries(cast: Cast) -> None:
    """ECRF-080: DOMAIN, frozen and locked."""
    import audit

    where = vitals_of(cast)
    record = cast.save(where, {"kps": 90, "ecog": "0"})
    record.frozen_at = clock.now()
    audit.save(record, by=cast.dan_data_manager)
    with pytest.raises(Refused) as refused:
        records.save(
            where=where,
            revision=record.revision,
            submission=typed(weight="70"),
            complete=True,
            by=cast.theo_coordinator,
            reason="x",
        )
    assert refused.value.code == "frozen"
    data_queries.ask(where=where, text="Check.", by=cast.mona_monitor)

    record.refresh_from_db()
    record.locked_at = clock.now()
    audit.save(record, by=cast.dan_data_manager)
    with pytest.raises(Refused) as refused:
        data_queries.ask(where=where, text="Check.", by=cast.mona_monitor)
    assert refused.value.code == "locked"


def test_the_consent_form_makes_the_participant_and_the_demographics_name_the_person(cast: Cast) -> None:
    """TRL-010: what forms say of a participant is kept in step with them."""
    participant = cast.consented()
    assert participant.consented_on == clock.today()
    cast.fill(participant, "demographics", visit="SCR", sex="F", birth_month=5, birth_year=1961)
    participant = Participant.objects.get(pk=participant.pk)
    assert (participant.sex, participant.birth_month, participant.birth_year) == ("F", 5, 1961)


def counts() -> dict[str, int]:
    """How many rows stand in every table that a save may write."""
    models = (Record, Change, Finding, Query, Deed, Draft, StatusChange, Visit, Participant)
    return {m.__name__: m.objects.count() for m in models} | {
        f"history of {m.__name__}": m.history.count() for m in models if hasattr(m, "history")
    }


class TestTogetherOrNotAtAll:
    @pytest.fixture
    def crash(self) -> Iterator[None]:
        """A room above whose effect breaks after everything else was written."""

        def broken(record: Record, changed: frozenset[str], by: object) -> None:
            raise RuntimeError("power cut")

        effects.on_save(broken)
        yield
        effects._on_save.remove(broken)

    def test_a_crash_in_an_effect_leaves_nothing(self, cast: Cast, crash: None) -> None:
        """ECRF-090: no record, no change, no deed, no status; the draft stays for the next try."""
        participant = cast.screened()
        visits.record_date(visit=cast.visit(participant, "SCR"), on=clock.today(), by=cast.theo_coordinator)
        where = Where(participant, "consent", visit=cast.visit(participant, "SCR"))
        drafts.keep(where=where, base_revision=0, fields={"consented": "yes"}, by=cast.theo_coordinator)
        before = counts()

        with pytest.raises(RuntimeError):
            cast.fill(participant, "consent", visit="SCR")

        assert counts() == before
        assert Participant.objects.get(pk=participant.pk).consented_on is None
        connection.check_constraints()

    def test_a_crash_in_the_second_save_leaves_the_first(self, cast: Cast) -> None:
        """ECRF-091: values, revision, findings and queries as they were."""
        where = vitals_of(cast)
        record = cast.save(where, {"kps": 90, "ecog": "0", "sbp": "185"}, justify="")
        before, data = counts(), record.data

        def broken(record: Record, changed: frozenset[str], by: object) -> None:
            raise RuntimeError("power cut")

        effects.on_save(broken)
        try:
            with pytest.raises(RuntimeError):
                records.save(
                    where=where, revision=1, submission=typed(sbp="135"), complete=True, by=cast.theo_coordinator,
                    reason="Typing error",
                )  # fmt: skip
        finally:
            effects._on_save.remove(broken)
        assert counts() == before
        record.refresh_from_db()
        assert (record.revision, record.data) == (1, data)
        assert Query.objects.get(record=record).state == QueryState.OPEN

    @pytest.mark.parametrize("words", ["a\x00b", "\ud800", "x" * 301, "evil\u202etext"])
    def test_words_beside_the_data_that_cannot_be_kept_are_refused_too(self, cast: Cast, words: str) -> None:
        """ECRF-092: reasons, justifications, questions and answers go through the same door as values."""
        where = vitals_of(cast)
        record = cast.save(where, {"kps": 90, "ecog": "0", "sbp": "185"})
        theo = cast.theo_coordinator
        change = typed(sbp="186")
        key = ("measures", "", "sbp")
        query = data_queries.ask(where=where, text="Check.", by=cast.mona_monitor)
        before = counts()
        by_reason, by_value, by_check = typed(sbp="186"), typed(sbp="186"), typed(sbp="186")
        by_value.reasons[key] = words
        by_check.justifications["range:sbp", ""] = words
        long_words = words if len(words) < 300 else "x" * 1001
        for deed in (
            lambda: records.save(where=where, revision=1, submission=by_reason, complete=True, by=theo, reason=words),
            lambda: records.save(where=where, revision=1, submission=by_value, complete=True, by=theo),
            lambda: records.save(where=where, revision=1, submission=by_check, complete=True, by=theo, reason="x"),
            lambda: data_queries.ask(where=where, text=long_words, by=cast.mona_monitor),
            lambda: data_queries.answer(query=query, text=long_words, by=theo),
            lambda: data_queries.close(query=query, text=long_words, by=cast.mona_monitor),
        ):
            with pytest.raises(Refused), transaction.atomic():
                deed()
        assert counts() == before
        assert record.revision == 1
        assert change.values


BAD_WORDS = """
1e999|NaN|-0|−5|+3|0x10|1_000|1,250|1 250|٣|31/02/2026|29/02/2024|UN/UN/2020|UN/02/2020|05/05/0000|2020|01012020
99/99/9999|2020-01-01|24:61|14h30|01/01/2020 10:00|yes|oui|0|1|5|6|M|CLEAR|10000001|1.0|<script>|{{ 7 * 7 }}
'; DROP TABLE ecrf_record; --
"""
GARBAGE = st.one_of(
    st.text(max_size=30),
    st.sampled_from([word for line in BAD_WORDS.strip().splitlines() for word in line.split("|")]),
    st.sampled_from(
        ["", " ", "\x00", "\ud800", "\u202e", "\ufeff1", "9" * 40, "0." + "1" * 30, "🙂" * 400, "x" * 30_000]
    ),
    st.integers(-(10**30), 10**30).map(str),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.dates().map(lambda day: day.strftime("%d/%m/%Y")),
)
TYPED = st.builds(
    Typed,
    text=st.one_of(GARBAGE, st.lists(GARBAGE, max_size=3).map(tuple)),
    unit=st.sampled_from(["", "", "", "kg", "g/L", "lb", "\x00", "x" * 300]),
    missing=st.sampled_from(["", "", "", "ND", "UNK", "NA", "XX", "\x00"]),
    reason=st.one_of(st.just(""), GARBAGE),
)


class TestWhateverIsTyped:
    def test_garbage_in_every_type_of_item_is_kept_or_refused_in_words_and_never_half_written(self, cast: Cast) -> None:
        """ECRF-093: hypothesis over every type of item that the study has."""
        participant = cast.consented()
        visit = cast.visit(participant, "SCR")
        definition = cast.definition
        forms = [definition.form(f) for f in definition.visit("SCR").forms] + list(definition.log_forms)
        by_type: dict[ItemType, list[tuple[Any, Any]]] = {}
        for form in forms:
            for item in form.items.values():
                by_type.setdefault(item.type, []).append((form, item))
        assert set(by_type) >= set(ItemType) - {ItemType.FILE, ItemType.TIME, ItemType.VAS}
        outcomes = {"kept": 0, "refused": 0}

        def check(place: tuple[Any, Any], said: Typed, reason: str, complete: bool) -> None:
            form, item = place
            group = form.group_of(item.id)
            row = "n1" if group.repeating else ""
            where = Where(participant, form.id, visit=None if form.is_log else visit)
            held = Record.objects.filter(visit=visit, form=form.id).first() if not form.is_log else None
            submission = Submission(
                values={(group.id, row, item.id): said}, rows={group.id: ["n1"]} if group.repeating else {}
            )
            with transaction.atomic():
                before = (Record.objects.count(), Change.objects.count(), Deed.objects.count())
                try:
                    record = records.save(
                        where=where, revision=held.revision if held else 0, submission=submission,
                        complete=complete, by=cast.ines_investigator, reason=reason,
                    )  # fmt: skip
                except Refused:
                    outcomes["refused"] += 1
                    assert (Record.objects.count(), Change.objects.count(), Deed.objects.count()) == before
                else:
                    outcomes["kept"] += 1
                    record.refresh_from_db()
                    for name, rows in record.data.items():
                        for kept_row in rows:
                            for kept_item, value in kept_row.items():
                                if not kept_item.startswith("_"):
                                    load(definition.spec(form.id, kept_item), value)
                        assert name in {g.id for g in form.groups}
                transaction.set_rollback(True)

        for found in by_type.values():
            settings(max_examples=14, deadline=None, database=None)(
                given(
                    place=st.sampled_from(found), said=TYPED, reason=st.sampled_from(["", "Typing error"]),
                    complete=st.booleans(),
                )(check)
            )()  # fmt: skip
        assert outcomes["kept"] > 20
        assert outcomes["refused"] > 20

    def test_forged_places_are_refused(self, cast: Cast) -> None:
        """ECRF-094: another participant's visit, a form of another visit, a number that nobody has."""
        mine, other = cast.consented(), cast.consented()
        theirs = cast.visit(other, "SCR")
        for where in (
            Where(mine, "vitals_performance", visit=theirs),
            Where(mine, "tumour_assessment", visit=cast.visit(mine, "SCR")),
            Where(mine, "vitals_performance"),
            Where(mine, "lesion", visit=cast.visit(mine, "SCR")),
            Where(mine, "lesion", number=7),
            Where(mine, "no_such_form"),
        ):
            before = counts()
            for deed in (
                lambda where=where: records.save(
                    where=where, revision=0, submission=typed(weight="70"), complete=False, by=cast.theo_coordinator
                ),
                lambda where=where: records.mark_not_done(
                    where=where, revision=0, reason="x", by=cast.theo_coordinator
                ),
                lambda where=where: data_queries.ask(where=where, text="?", by=cast.mona_monitor),
            ):
                with pytest.raises(Refused):
                    deed()
            assert counts() == before


class TestLinksAndRows:
    def test_a_link_has_one_way_to_be_written(self, cast: Cast) -> None:
        """ECRF-033: “01” would slip past the protection of entry 1."""
        participant = cast.consented()
        lesion = cast.save(Where(participant, "lesion"), LESION)
        where = Where(participant, "oligoprogression", visit=cast.visit(participant, "SCR"))

        def link(text: str) -> Record:
            return records.save(
                where=where, revision=0, complete=False, by=cast.theo_coordinator,
                submission=Submission(
                    values={("progressing", "n1", "lesion"): Typed(text=text)}, rows={"progressing": ["n1"]}
                ),
            )  # fmt: skip

        for text in ("01", "1.0", "2", "-1", "1 OR 1"):
            with pytest.raises(InvalidValues):
                link(text)
        link("1")
        with pytest.raises(Refused, match="Oligoprogression"):
            records.remove_entry(record=lesion, revision=1, reason="Twice", by=cast.theo_coordinator)

    def test_a_removed_entry_leaves_no_question_and_is_neither_signed_nor_verified(self, cast: Cast) -> None:
        """ECRF-034: out of use; its findings and automatic queries end with it."""
        participant = cast.consented()
        event = cast.save(Where(participant, "adverse_event"), {"serious": False}, justify="", complete=False)
        record = records.remove_entry(record=event, revision=1, reason="Twice", by=cast.theo_coordinator)
        assert not Finding.objects.filter(record=record).exclude(state=FindingState.RESOLVED).exists()
        with pytest.raises(Refused, match="removed"):
            records.sign(record=record, password=PASSWORD, by=cast.ines_investigator)
        with pytest.raises(Refused, match="removed"):
            verifications.verify(record=record, values=[("", "term")], by=cast.mona_monitor)
        with pytest.raises(Refused, match="removed"):
            cast.save(Where(participant, "adverse_event", number=1), {"serious": True})


class TestNotDone:
    def test_a_form_of_calculated_values_alone_can_be_not_done(self, cast: Cast) -> None:
        """ECRF-028: nobody entered what is calculated; it goes with the form, and the trail says so."""
        participant = cast.baseline_done()
        imdc = cast.record(participant, "imdc", visit="SCR")
        where = Where(participant, "imdc", visit=imdc.visit)
        entered = ("assessed_on", "agrees", "disagreement")
        records.save(
            where=where, revision=imdc.revision, complete=False, by=cast.theo_coordinator, reason="Not asked",
            submission=Submission(values={("confirmation", "", item): Typed() for item in entered}),
        )  # fmt: skip
        record = records.mark_not_done(where=where, revision=2, reason="Not asked", by=cast.theo_coordinator)
        assert (record.entry_state, record.data) == (EntryState.NOT_DONE, {})
        gone = Change.objects.filter(record=record, revision=3, kind=ChangeKind.DERIVED, new__isnull=True)
        assert {"risk_group", "score"} <= set(gone.values_list("item", flat=True))
        record = records.save(
            where=where, revision=3, complete=False, by=cast.theo_coordinator, reason="Asked after all",
            submission=Submission(values={("confirmation", "", "agrees"): Typed(text="yes")}),
        )  # fmt: skip
        assert record.data["result"][0]["risk_group"]["value"] in ("FAV", "INT")


class TestLaboratoryRanges:
    def test_a_value_has_the_range_of_its_own_day(self, cast: Cast) -> None:
        """ECRF-062: each site's dated ranges: a later range never rewrites, a corrected day takes its own."""
        participant = cast.consented()
        cast.fill(participant, "demographics", visit="SCR")
        today = clock.today()
        laboratories.set_ranges(
            site=cast.site, from_on=today - dt.timedelta(days=5), by=cast.theo_coordinator,
            ranges=[laboratories.Range("HGB", sex, "g/dL", "10", "20") for sex in ("M", "F", "")],
        )  # fmt: skip
        where = Where(participant, "laboratory", visit=cast.visit(participant, "SCR"))
        form = cast.definition.form("laboratory")

        def save(revision: int, **said: str) -> dict[str, Any]:
            record = records.save(
                where=where, revision=revision, complete=False, by=cast.theo_coordinator,
                submission=Submission(
                    values={(form.group_of(i).id, "", i): Typed(text=text) for i, text in said.items()}
                ),
            )  # fmt: skip
            return dict(record.data["haematology"][0]["hgb"]["extra"])

        old_day = (today - dt.timedelta(days=30)).strftime("%d/%m/%Y")
        under_old = save(0, sampled_on=old_day, hgb="13.1")
        assert under_old != {"lo": "10", "hi": "20"}
        assert save(1, neutrophils="4.0") == under_old
        assert save(2, sampled_on=today_typed()) == {"lo": "10", "hi": "20"}
        change = Change.objects.filter(item="hgb").last()
        assert change is not None
        assert (change.kind, change.old["extra"], change.new["extra"]["lo"]) == (ChangeKind.DERIVED, under_old, "10")


class TestSettledQueries:
    def test_a_query_closed_by_a_person_is_not_asked_again_until_the_value_changes(self, cast: Cast) -> None:
        """ECRF-074: the monitor has the last word about these values."""
        where = vitals_of(cast)
        record = cast.save(where, {"kps": 90, "ecog": "0", "sbp": "185", "heart_rate": "72"}, justify="")
        data_queries.close(query=Query.objects.get(record=record), text="Seen", by=cast.mona_monitor)

        def change(revision: int, **said: str) -> int:
            records.save(
                where=where, revision=revision, submission=typed(**said), complete=True, by=cast.theo_coordinator,
                reason="Typing error",
            )  # fmt: skip
            return Query.objects.filter(record=record, state__in=UNSETTLED).count()

        assert change(1, heart_rate="75") == 0
        assert change(2, sbp="190") == 1


def test_a_specialist_signs_the_forms_of_the_speciality_only(cast: Cast) -> None:
    """ECRF-043: the radiation oncologist signs SRT; consent and vital signs are the investigator's."""
    where = vitals_of(cast)
    record = cast.save(where, {"kps": 90, "ecog": "0"})
    consent = cast.record(where.participant, "consent", visit="SCR")
    for other in (record, consent):
        for person in (cast.rose_radiation, cast.raoul_radiologist):
            with pytest.raises(Refused, match="investigator"):
                records.sign(record=other, password=PASSWORD, by=person)
    lesion = cast.save(Where(where.participant, "lesion"), LESION)
    assert records.sign(record=lesion, password=PASSWORD, by=cast.raoul_radiologist).is_signed


def test_before_the_visit_nothing_of_it_is_not_done(cast: Cast) -> None:
    """ECRF-029: a form is settled when its visit took place, or with it when it is missed; never before consent."""
    participant = cast.screened()
    where = Where(participant, "vitals_performance", visit=cast.visit(participant, "SCR"))
    with pytest.raises(Refused) as refused:
        records.mark_not_done(where=where, revision=0, reason="x", by=cast.theo_coordinator)
    assert refused.value.code == "consent_needed"
    with on_day(clock.today()):
        assert not Record.objects.exists()
