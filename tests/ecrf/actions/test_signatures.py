"""Signing a visit or the casebook: one signature over every form that was shown."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import audit
from audit import verification
from audit.errors import Refused
from audit.models import Deed, Signature
from ecrf import signed_contents
from ecrf.actions import data_queries, marks, records, signatures
from ecrf.actions.signatures import ChangedMeanwhile
from ecrf.entry import Submission, Typed
from ecrf.models import Record
from ecrf.signing import SigningPage
from ecrf.where import Where
from tests.cast import PASSWORD, Cast
from trial.models import Participant

pytestmark = pytest.mark.django_db


@pytest.fixture
def participant(cast: Cast) -> Participant:
    """Consented; vitals and laboratory complete, medical history begun."""
    found = cast.consented()
    for form in ("demographics", "vitals_performance", "laboratory"):
        cast.fill(found, form, visit="SCR")
    cast.fill(found, "medical_history", visit="SCR", complete=False)
    return Participant.objects.select_related("site").get(pk=found.pk)


def correct(cast: Cast, record: Record, group: str, item: str, text: str, reason: str = "Typing error") -> Record:
    """Correct one value of a complete form."""
    record.refresh_from_db()
    return records.save(
        where=Where(record.participant, record.form, visit=record.visit),
        revision=record.revision,
        submission=Submission(values={(group, "", item): Typed(text=text)}),
        complete=True,
        by=cast.theo_coordinator,
        reason=reason,
    )


def read_of(cast: Cast, participant: Participant, visit: object = None) -> dict[int, int]:
    page = SigningPage(cast.ines_investigator, participant, visit)  # type: ignore[arg-type]
    pairs = (each["read"].split(".") for each in page.to_sign)
    return {int(record): int(revision) for record, revision in pairs}


def sign(cast: Cast, participant: Participant, **words: object) -> signatures.Signed:
    given = {
        "read": read_of(cast, participant),
        "password": PASSWORD,
        "by": cast.ines_investigator,
        "statement": "I read",
    }
    return signatures.sign(participant=participant, **(given | words))  # type: ignore[arg-type]


def test_one_signature_covers_every_complete_form(cast: Cast, participant: Participant) -> None:
    """ECRF-250: each form points to it at its revision; what is not complete is left; one ledger line for each."""
    done = sign(cast, participant)
    signed = Record.objects.filter(signature=done.signature)
    assert {r.form for r in signed} == {"consent", "demographics", "vitals_performance", "laboratory"}
    assert all(r.signed_revision == r.revision and r.is_signed for r in signed)
    assert not Record.objects.get(participant=participant, form="medical_history").is_signed
    assert Signature.objects.count() == 1
    assert Deed.objects.filter(verb="record.signed").count() == 4
    assert Deed.objects.filter(verb="casebook.signed", participant_code=participant.code).count() == 1
    content = done.signature.content
    assert {each["record"] for each in content["records"]} == {r.pk for r in signed}
    for each in content["records"]:
        assert each["sha256"] == audit.content_hash(Record.objects.get(pk=each["record"]).data)
    assert done.signature.statement == "I read"
    connection.check_constraints()


def test_the_audit_finds_a_signed_form_that_never_was(cast: Cast, participant: Participant) -> None:
    """ECRF-251: `verify_audit` compares what was signed with history: clean after later changes, a fault otherwise."""
    sign(cast, participant)
    vitals = cast.record(participant, "vitals_performance", visit="SCR")
    records.sign(
        record=correct(cast, cast.record(participant, "vitals_performance", visit="SCR"), "measures", "weight", "71.5"),
        password=PASSWORD,
        by=cast.ines_investigator,
    )
    with connection.cursor() as cursor:
        assert list(signed_contents.verify(cursor)) == []
        forged = audit.sign(
            participant,
            by=cast.ines_investigator,
            meaning=signatures.MEANING,
            password=PASSWORD,
            content={"records": [signatures.content_of(vitals) | {"sha256": "0" * 64}]},
        )
        faults = list(signed_contents.verify(cursor))
    assert [str(f.where) for f in faults] == [f"audit_signature {forged.pk}"]
    assert "signed forms hold what was signed" in verification._verifiers


def test_what_changed_is_listed_from_what_was_signed_to_what_stands(cast: Cast) -> None:
    """ECRF-252: item, old, new, who, why; each value once; calculated ones too, with the save that caused them."""
    participant = cast.baseline_done()
    sign(cast, participant, read=read_of(cast, participant))
    labs = cast.record(participant, "laboratory", visit="SCR")
    was = labs.data["haematology"][0]["hgb"]["value"]
    anaemia = cast.record(participant, "imdc", visit="SCR").data["factors"][0]["anaemia"]["value"]
    wanted = "16.0" if anaemia else "10.0"
    for text, reason in (("13.3", "First reading"), (wanted, "Second reading")):
        correct(cast, labs, "haematology", "hgb", text, reason)
    page = SigningPage(cast.ines_investigator, participant)
    by_form = {each["label"]: each for each in page.to_sign}
    changed = by_form[cast.definition.text(cast.definition.form("laboratory").label, "en")]
    hgb = next(c for c in changed["changes"] if c["label"] == "Haemoglobin")
    assert was in hgb["old"] and hgb["new"].startswith(wanted)
    assert (hgb["by"], hgb["reason"]) == ("Théo Coordinator", "First reading; Second reading")
    score = by_form[cast.definition.text(cast.definition.form("imdc").label, "en")]
    assert any("Calculated after a save by Théo Coordinator" in c["by"] for c in score["changes"])
    assert set(read_of(cast, participant)) == {
        r.pk for r in Record.objects.filter(participant=participant) if r.is_changed_since_signing
    }


def test_all_or_none_when_something_changed_while_reading(cast: Cast, participant: Participant) -> None:
    """ECRF-253: the form is named; nothing is signed."""
    read = read_of(cast, participant)
    vitals = cast.record(participant, "vitals_performance", visit="SCR")
    correct(cast, vitals, "measures", "weight", "71.5")
    with pytest.raises(ChangedMeanwhile, match="Performance status and vital signs"):
        sign(cast, participant, read=read)
    assert not Signature.objects.exists()


def test_what_was_not_shown_or_may_not_be_signed_is_refused(cast: Cast, participant: Participant) -> None:
    """ECRF-254: another participant's form, an unfinished one, one that is signed, none at all, a forged id."""
    other = cast.consented()
    foreign = Record.objects.get(participant=other, form="consent")
    begun = Record.objects.get(participant=participant, form="medical_history")
    read = read_of(cast, participant)
    for extra, words in (
        ({foreign.pk: foreign.revision}, "nothing to sign"),
        ({begun.pk: begun.revision}, "Only a complete form"),
        ({999_999: 1}, "nothing to sign"),
    ):
        with pytest.raises(Refused, match=words):
            sign(cast, participant, read=read | extra)
    with pytest.raises(Refused, match="nothing to sign"):
        sign(cast, participant, read={})
    assert not Record.objects.exclude(signature=None).exists()
    sign(cast, participant, read=read)
    with pytest.raises(Refused, match="already signed as it stands"):
        sign(cast, participant, read=read)


def test_a_wrong_password_signs_nothing(cast: Cast, participant: Participant) -> None:
    """ECRF-255."""
    with pytest.raises(Refused, match="password is not right"):
        sign(cast, participant, password="guess")
    assert not Signature.objects.exists()


def test_only_those_to_whom_signing_is_delegated(cast: Cast, participant: Participant) -> None:
    """ECRF-256: not the coordinator, the monitor, the data manager or another site's investigator."""
    read = read_of(cast, participant)
    for person in (cast.theo_coordinator, cast.mona_monitor, cast.dan_data_manager, cast.olga_investigator):
        with pytest.raises(Refused):
            sign(cast, participant, read=read, by=person)
    assert not Signature.objects.exists()


def test_a_visit_is_signed_without_the_logs_and_other_visits(cast: Cast, participant: Participant) -> None:
    """ECRF-257."""
    event = cast.save_event(participant)
    cast.save(Where(participant, "adverse_event", number=event.number), {}, reason="Complete")
    visit = cast.visit(participant, "SCR")
    visit.participant = participant
    done = sign(cast, participant, visit=visit, read=read_of(cast, participant, visit))
    assert {r.visit_id for r in done.records} == {visit.pk}
    assert not Record.objects.get(participant=participant, form="adverse_event").is_signed
    with pytest.raises(Refused, match="nothing to sign"):
        sign(cast, participant, visit=visit, read=read_of(cast, participant))


def test_queries_warn_and_locked_forms_and_eligibility_are_left_out(cast: Cast) -> None:
    """ECRF-258: open queries are shown; a locked form is not signed; eligibility has its own page."""
    participant = cast.judged()
    where = Where(participant, "vitals_performance", visit=cast.visit(participant, "SCR"))
    data_queries.ask(where=where, item="kps", text="Sure?", by=cast.mona_monitor)
    marks.lock(record=cast.record(participant, "laboratory", visit="SCR"), by=cast.dan_data_manager)
    page = SigningPage(cast.ines_investigator, participant)
    assert [each["queries"] for each in page.with_queries] == [1]
    out = {each["label"]: each["why"] for each in page.left_out}
    label = {f: cast.definition.text(cast.definition.form(f).label, "en") for f in ("laboratory", "eligibility")}
    assert "locked" in out[label["laboratory"]] and "own page" in out[label["eligibility"]]
    assert sign(cast, participant).records


def test_signing_costs_the_same_for_reading_one_form_or_many(cast: Cast, participant: Participant) -> None:
    """ECRF-259: the page reads once, whatever the number of forms and changes."""

    def cost() -> int:
        with CaptureQueriesContext(connection) as taken:
            page = SigningPage(cast.ines_investigator, participant)
            json.dumps([page.to_sign, page.unfinished, page.left_out, page.signed], default=str)
        return len(taken)

    sign(cast, participant)
    vitals = cast.record(participant, "vitals_performance", visit="SCR")
    correct(cast, vitals, "measures", "weight", "71.5")
    few = cost()
    labs = cast.record(participant, "laboratory", visit="SCR")
    correct(cast, labs, "haematology", "hgb", "13.3")
    for _n in range(3):
        cast.save_event(participant)
    assert cost() <= few <= 12
