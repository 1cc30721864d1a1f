"""Redaction: two persons and a reason take a name out of everything; nothing else of history ever moves."""

from __future__ import annotations

import subprocess
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction

import audit
from audit import clock, door, verification
from audit.door import MARK, Spot
from audit.errors import Refused
from audit.models import Deed, RedactedRow, Redaction, RedactionState, Signature
from audit.testing import refused_by_database
from config.services.postgres import binaries
from config.services.processes import server_account
from ecrf.actions import data_queries, drafts, records, redactions
from ecrf.entry import Submission, Typed
from ecrf.models import Change, Draft, Finding, QueryMessage, Record
from ecrf.redaction_places import find
from ecrf.where import Where
from tests import stages
from tests.audit.conftest import address_of, connected_as
from tests.cast import PASSWORD, Cast
from trial.actions import people, statuses, visits
from trial.models import Participant, Person, Role, StatusChange, StatusKind

NAME = "Zébulon Quintard"
FORM = "medical_history"
REASON = "The name of a person was typed"

pytestmark = pytest.mark.django_db


@pytest.fixture
def dora(cast: Cast) -> Person:
    """A second data manager."""
    return second_data_manager(cast)


def second_data_manager(cast: Cast) -> Person:
    person = people.create(
        email="dora.second@example.org", given_name="Dora", family_name="Second", password=PASSWORD, by=None
    )
    people.delegate(person=person, role=Role.DATA_MANAGER, site=None, starts_on=cast.opened_on, by=None, sees_arm=True)
    return person


def told_everywhere(cast: Cast) -> Record:
    """A record whose participant's name stands in a value, notes, queries, reasons, a signature and a draft."""
    participant = cast.consented()
    where = Where(participant, FORM, visit=cast.visit(participant, "SCR"))
    said = {"any_history": True, "conditions": [{"condition": f"Asthma, says {NAME}", "condition_ongoing": True}]}
    record = cast.save(where, said)
    row = record.data["conditions"][0]["_id"]
    query = data_queries.ask(
        where=where, item="condition", row=row, text=f"Is {NAME} the patient?", by=cast.mona_monitor
    )
    data_queries.answer(query=query, text=f"Yes, {NAME}\nis.", by=cast.theo_coordinator)
    records.sign(record=Record.objects.get(pk=record.pk), password=PASSWORD, by=cast.ines_investigator)
    record = records.save(
        where=where,
        revision=1,
        submission=Submission(values={("conditions", row, "condition"): Typed(f"Asthma ({NAME})")}),
        complete=True,
        by=cast.theo_coordinator,
        reason=f"Told by {NAME}",
    )
    drafts.keep(where=where, base_revision=2, fields={"x": f"and {NAME}", "y": ["1"]}, by=cast.theo_coordinator)
    visit = visits.add_on_demand(participant=participant, event="UNS", on=clock.today(), by=cast.theo_coordinator)
    visits.record_date(visit=visit, on=clock.today(), by=cast.theo_coordinator)
    statuses.record_by_hand(
        participant=participant, kind=StatusKind.LOST, on=clock.today(), reason="Moved", detail=f"{NAME} moved",
        by=cast.theo_coordinator,
    )  # fmt: skip
    return record


def first_text(record: Record) -> Spot:
    """The value as it was entered first."""
    change = Change.objects.filter(record=record, item="condition").order_by("pk")[0]
    return Spot("ecrf_change", change.pk, "new", ("value",))


def proposed(cast: Cast, record: Record, words: str = NAME) -> Redaction:
    return redactions.propose(spot=first_text(record), words=words, reason=REASON, by=cast.dan_data_manager)


def everything(participant: Participant) -> dict[str, int]:
    return find(participant, NAME).counts()


def faults() -> list[str]:
    """What the verification says; a test that never commits is one transaction that goes on."""
    said = [str(fault) for _name, found in verification.verify() for fault in found]
    return [fault for fault in said if "has not begun" not in fault]


# ---------------------------------------------------------------- it works


@pytest.mark.django_db(transaction=True)
@pytest.mark.template("cast")
def test_the_text_is_nowhere_in_the_database_and_nothing_else_changed(short_tmp: Path) -> None:
    """ECRF-410: value, history, changes, queries, reasons, ledger, signature and draft, searched in a dump."""
    cast = stages.cast_of(Cast)
    dora = second_data_manager(cast)
    record = told_everywhere(cast)
    other = cast.fill(record.participant, "demographics", visit="SCR")
    assert NAME in dumped(short_tmp)
    before = Record.objects.get(pk=record.pk)
    assert before.signature_id is not None
    signature = Signature.objects.get(pk=before.signature_id)

    redaction = redactions.approve(redaction=proposed(cast, record), password=PASSWORD, by=dora)

    text = dumped(short_tmp)
    assert NAME not in text and "Quintard" not in text
    after = Record.objects.get(pk=record.pk)
    assert after.data["conditions"][0]["condition"]["value"] == f"Asthma ({MARK})"
    assert (after.revision, after.signature_id, after.entry_state) == (2, before.signature_id, before.entry_state)
    assert {g: rows for g, rows in after.data.items() if g != "conditions"} == {
        g: rows for g, rows in before.data.items() if g != "conditions"
    }
    assert Record.objects.get(pk=other.pk).data == other.data
    messages = list(QueryMessage.objects.order_by("pk").values_list("text", flat=True))
    assert [m for m in messages if MARK in m] == [f"Is {MARK} the patient?", f"Yes, {MARK}\nis."]
    assert StatusChange.objects.get(kind=StatusKind.LOST).detail == f"{MARK} moved"
    assert Change.objects.get(record=record, revision=2, item="condition").reason == f"Told by {MARK}"
    assert f"Asthma, says {MARK}" in str(Signature.objects.get(pk=signature.pk).content)
    assert Signature.objects.get(pk=signature.pk).content_hash == signature.content_hash
    assert drafts.read(Draft.objects.get()) == {"x": f"and {MARK}", "y": ["1"]}
    deed = Deed.objects.get(verb="redaction.applied")
    assert (deed.by_name, deed.participant_code, deed.details["reason"]) == (
        "Dora Second", record.participant.code, REASON,
    )  # fmt: skip
    assert redaction.state == RedactionState.APPLIED
    assert faults() == []
    said = StringIO()
    call_command("verify_audit", stdout=said)
    assert f"redaction {redaction.pk}: {record.participant.code}" in said.getvalue()
    assert "proposed by Dan Manager, approved by Dora Second" in said.getvalue()


def dumped(folder: Path) -> str:
    """The whole database as text."""
    tool = str(Path(binaries(server_account())) / "pg_dump")
    done = subprocess.run([tool, "--inserts", address_of("STRATUM_TEST_ADMIN_URL")], check=True, capture_output=True)
    return done.stdout.decode()


def test_a_codelist_value_that_reads_the_same_stays(cast: Cast, dora: Person) -> None:
    """ECRF-411: only words are redacted: a code that is spelled like them is another value."""
    participant = cast.consented()
    where = Where(participant, FORM, visit=cast.visit(participant, "SCR"))
    record = cast.save(where, {"any_history": True, "conditions": [{"condition": "true, says her son"}]})
    redaction = proposed(cast, record, "true")
    redactions.approve(redaction=redaction, password=PASSWORD, by=dora)
    after = Record.objects.get(pk=record.pk).data
    assert after["conditions"][0]["condition"]["value"] == f"{MARK}, says her son"
    assert after["summary"] == record.data["summary"]
    connection.check_constraints()


def test_the_text_may_hold_quotes_lines_and_percent_signs(cast: Cast, dora: Person) -> None:
    """ECRF-412: whatever was typed can be taken out."""
    participant = cast.consented()
    where = Where(participant, FORM, visit=cast.visit(participant, "SCR"))
    words = 'O\'Hara "100 %" \\ {x}'
    record = cast.save(where, {"any_history": True, "conditions": [{"condition": f"of {words}."}]})
    redactions.approve(redaction=proposed(cast, record, words), password=PASSWORD, by=dora)
    assert Record.objects.get(pk=record.pk).data["conditions"][0]["condition"]["value"] == f"of {MARK}."
    assert find(participant, words).counts() == {"rows": 0, "history": 0, "ledger": 0, "drafts": 0}


def test_a_second_redaction_of_the_same_text_keeps_the_first_commitment(cast: Cast, dora: Person) -> None:
    """ECRF-413: seals speak of what was first written; the row stays provable after each redaction."""
    record = told_everywhere(cast)
    spot = first_text(record)
    redactions.approve(redaction=proposed(cast, record), password=PASSWORD, by=dora)
    first = RedactedRow.objects.get(table=spot.table, key=spot.key)
    second = redactions.propose(spot=spot, words="Asthma", reason="Also", by=dora)
    redactions.approve(redaction=second, password=PASSWORD, by=cast.dan_data_manager)
    now = RedactedRow.objects.get(table=spot.table, key=spot.key)
    assert now.columns["new"]["before"] == first.columns["new"]["before"]
    assert now.columns["new"]["redactions"] == [second.pk - 1, second.pk]
    assert "new" not in now.salts and "old" in now.salts
    assert faults() == []


# ---------------------------------------------------------------- refused


def test_one_person_alone_cannot(cast: Cast, dora: Person) -> None:
    """ECRF-414: the one who proposed does not approve, whatever their roles."""
    record = told_everywhere(cast)
    redaction = proposed(cast, record)
    before = everything(record.participant)
    with pytest.raises(Refused, match="another person"):
        redactions.approve(redaction=redaction, password=PASSWORD, by=cast.dan_data_manager)
    assert everything(record.participant) == before


@pytest.mark.parametrize("who", ["theo_coordinator", "ines_investigator", "mona_monitor", "adam_admin", "aude_auditor"])
def test_only_a_data_manager_or_the_sponsor_approves(cast: Cast, who: str) -> None:
    """ECRF-415: wrong role."""
    record = told_everywhere(cast)
    redaction = proposed(cast, record)
    with pytest.raises(Refused, match="Only a data manager or the sponsor"):
        redactions.approve(redaction=redaction, password=PASSWORD, by=getattr(cast, who))


def test_the_sponsor_approves_what_the_monitor_proposed(cast: Cast) -> None:
    """ECRF-416: another pair that may."""
    record = told_everywhere(cast)
    redaction = redactions.propose(spot=first_text(record), words=NAME, reason=REASON, by=cast.mona_monitor)
    redactions.approve(redaction=redaction, password=PASSWORD, by=cast.paul_sponsor)
    assert everything(record.participant) == {"rows": 0, "history": 0, "ledger": 0, "drafts": 0}


def test_a_monitor_of_another_site_proposes_nothing(cast: Cast) -> None:
    """ECRF-417: wrong site."""
    record = told_everywhere(cast)
    person = people.create(email="m2@example.org", given_name="Max", family_name="Monitor", password=PASSWORD, by=None)
    people.delegate(person=person, role=Role.MONITOR, site=cast.other_site, starts_on=cast.opened_on, by=None)
    with pytest.raises(Refused, match="propose a redaction"):
        redactions.propose(spot=first_text(record), words=NAME, reason=REASON, by=person)


def test_a_wrong_password_redacts_nothing(cast: Cast, dora: Person) -> None:
    """ECRF-418: and the try stands in the ledger."""
    record = told_everywhere(cast)
    redaction = proposed(cast, record)
    with pytest.raises(Refused, match="password"):
        redactions.approve(redaction=redaction, password="not this one", by=dora)
    assert Redaction.objects.get().state == RedactionState.PROPOSED
    assert everything(record.participant)["rows"] > 0


def test_a_second_try_is_refused(cast: Cast, dora: Person) -> None:
    """ECRF-419: proposed twice, approved twice, approved after it was declined."""
    record = told_everywhere(cast)
    redaction = proposed(cast, record)
    with pytest.raises(Refused, match="already proposed"):
        proposed(cast, record)
    redactions.approve(redaction=redaction, password=PASSWORD, by=dora)
    with pytest.raises(Refused, match="already decided"):
        redactions.approve(redaction=redaction, password=PASSWORD, by=dora)
    with pytest.raises(Refused, match="not in the text"):
        proposed(cast, record)
    again = redactions.propose(spot=first_text(record), words="Asthma", reason="Also", by=dora)
    redactions.decline(redaction=again, reason="It is no name", by=cast.dan_data_manager)
    with pytest.raises(Refused, match="already decided"):
        redactions.approve(redaction=again, password=PASSWORD, by=cast.dan_data_manager)


def test_what_is_proposed_must_be_there_and_the_reason_must_not_tell_it(cast: Cast) -> None:
    """ECRF-420: bad input."""
    record = told_everywhere(cast)
    spot = first_text(record)
    by = cast.dan_data_manager
    for words, reason, match in [
        ("Nobody", REASON, "not in the text"),
        ("Zé", REASON, "at least 3"),
        (NAME, "", "reason"),
        (NAME, f"{NAME} was typed", "do not write the words"),
    ]:
        with pytest.raises(Refused, match=match):
            redactions.propose(spot=spot, words=words, reason=reason, by=by)
    for wrong in [
        Spot("ecrf_change", 10**9, "new", ("value",)),
        Spot("ecrf_change", spot.key, "by_name"),
        Spot("ecrf_change", spot.key, "new", ("nothing",)),
        Spot("ecrf_record", record.pk, "data", ("conditions", "0", "condition", "value")),
        Spot("trial_person", by.pk, "given_name"),
    ]:
        with pytest.raises(Refused, match="no such text"):
            redactions.propose(spot=wrong, words=NAME, reason=REASON, by=by)
    assert not Redaction.objects.exists()


def test_a_proposal_is_void_once_another_redaction_moved_its_text(cast: Cast, dora: Person) -> None:
    """ECRF-421: never other words than those that were seen."""
    record = told_everywhere(cast)
    message = QueryMessage.objects.order_by("pk")[0]
    spot = Spot("ecrf_querymessage", message.pk, "text")
    later = redactions.propose(spot=spot, words="patient", reason="Also", by=cast.dan_data_manager)
    redactions.approve(redaction=proposed(cast, record), password=PASSWORD, by=dora)
    with pytest.raises(Refused, match="has changed since"):
        redactions.approve(redaction=later, password=PASSWORD, by=dora)


# ---------------------------------------------------------------- the database's own door


def test_a_crash_in_the_middle_leaves_nothing_half_done(cast: Cast, dora: Person, monkeypatch: Any) -> None:
    """ECRF-422: one place that cannot be redacted, and nothing was."""
    record = told_everywhere(cast)
    redaction = proposed(cast, record)
    before = everything(record.participant)
    row = Record.objects.get(pk=record.pk).data
    real = find(record.participant, NAME)
    real.spots.append(Spot("ecrf_change", 10**9, "reason"))
    monkeypatch.setattr(redactions, "find", lambda _participant, _words: real)
    with pytest.raises(IntegrityError, match="does not hold the text"), transaction.atomic():
        redactions.approve(redaction=redaction, password=PASSWORD, by=dora)
    assert everything(record.participant) == before
    assert Record.objects.get(pk=record.pk).data == row
    assert not RedactedRow.objects.exists()
    assert Redaction.objects.get().state == RedactionState.PROPOSED


def test_the_door_stays_shut_without_two_persons_in_this_transaction(cast: Cast, dora: Person) -> None:
    """ECRF-423: called by hand, before the approval, without a signature, for other words, or a second time."""
    record = told_everywhere(cast)
    redaction, spot = proposed(cast, record), first_text(record)
    with refused_by_database("not approved by a second person"):
        door.redact(redaction, NAME, [spot])
    with refused_by_database("not approved by a second person"):
        redaction.state, redaction.decided_by_id = RedactionState.APPLIED, dora.pk
        redaction.decided_at = clock.now()
        audit.save(redaction, by=dora)
        door.redact(redaction, NAME, [spot])  # no signature
    with refused_by_database("redaction_applied_by_a_second_person"):
        alone = Redaction.objects.get()
        alone.state, alone.decided_by_id = RedactionState.APPLIED, alone.proposed_by_id
        audit.save(alone, by=cast.dan_data_manager)
    approved = redactions.approve(redaction=Redaction.objects.get(), password=PASSWORD, by=dora)
    with refused_by_database("not approved by a second person"):
        door.redact(approved, "Asthma", [spot])


@pytest.mark.parametrize(
    ("words", "place", "says"),
    [
        ("Asthma", None, "not the text"),
        (NAME, {"column": "by_name"}, "no text that can be redacted"),
        (NAME, {"column": "at"}, "no text that can be redacted"),
        (NAME, {"table": "ecrf_record"}, "no text that can be redacted"),
        (NAME, {"path": []}, "no text that can be redacted"),
        (NAME, {"path": ["reason"]}, "does not hold the text"),
        (NAME, {"table": "audit_historicalredaction"}, "no text that can be redacted"),
    ],
)
def test_the_door_replaces_that_text_alone(
    cast: Cast, dora: Person, words: str, place: dict[str, Any] | None, says: str
) -> None:
    """ECRF-424: other words, other columns, other tables."""
    record = told_everywhere(cast)
    redaction, spot = proposed(cast, record), first_text(record)
    with refused_by_database(says):
        audit.sign(redaction, by=dora, meaning="redaction_approval", content={}, password=PASSWORD)
        redaction.state, redaction.decided_by_id = RedactionState.APPLIED, dora.pk
        redaction.decided_by_name, redaction.decided_at = dora.printed_name, clock.now()
        audit.save(redaction, by=dora)
        wrong = spot.plain() | (place or {})
        door.redact(redaction, words, [Spot(wrong["table"], wrong["key"], wrong["column"], tuple(wrong["path"]))])


def test_everything_else_that_touches_history_is_still_refused(cast: Cast, dora: Person) -> None:
    """ECRF-425: also in the transaction of a redaction, on the very rows that it redacted."""
    record = told_everywhere(cast)
    redactions.approve(redaction=proposed(cast, record), password=PASSWORD, by=dora)
    for statement in [
        "UPDATE ecrf_change SET reason = 'x'",
        "UPDATE ecrf_historicalrecord SET data = data",
        "UPDATE audit_deed SET details = '{}'",
        "UPDATE ecrf_querymessage SET text = 'x'",
        "DELETE FROM ecrf_change",
        "TRUNCATE ecrf_change",
        "UPDATE audit_redactedrow SET is_open = true",
        "INSERT INTO audit_redactedrow VALUES (99, 'ecrf_change', 1, '{}', '{}', true, 1, 1)",
    ]:
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
@pytest.mark.template("cast")
def test_tampering_after_a_redaction_is_told_as_tampering() -> None:
    """ECRF-426: a redaction is no cloak: the row must stand as the redaction left it."""
    cast = stages.cast_of(Cast)
    record = told_everywhere(cast)
    redactions.approve(redaction=proposed(cast, record), password=PASSWORD, by=second_data_manager(cast))
    spot = first_text(record)
    assert faults() == []
    with connected_as(address_of("STRATUM_TEST_ADMIN_URL")) as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE ecrf_change SET new = %s WHERE id = %s", ['{"value": "Asthma"}', spot.key])
        cursor.execute("UPDATE audit_signature SET content = content || '{\"form\": \"x\"}' WHERE meaning LIKE 'inv%%'")
    assert f"ecrf_change {spot.key}: new was altered after its redaction" in faults()
    assert any("content was altered after its redaction" in fault for fault in faults())


def test_a_confirmed_value_is_redacted_too(cast: Cast, dora: Person) -> None:
    """ECRF-427: the words that answer an edit check, in the finding and in the query that they closed."""
    participant = cast.consented()
    where = Where(participant, "vitals_performance", visit=cast.visit(participant, "SCR"))
    record = cast.save(where, {"sbp": "210", "kps": "90"}, justify=f"Seen by {NAME}")
    finding = Finding.objects.filter(record=record).exclude(justification="")[0]
    history = Finding.history.model.objects.filter(id=finding.pk).latest("history_id")
    spot = Spot("ecrf_historicalfinding", history.history_id, "justification")
    redaction = redactions.propose(spot=spot, words=NAME, reason=REASON, by=cast.dan_data_manager)
    redactions.approve(redaction=redaction, password=PASSWORD, by=dora)
    finding.refresh_from_db()
    assert finding.justification == f"Seen by {MARK}"
    assert faults() == []


def test_the_list_kept_with_the_backups_leads_back_to_each_text(cast: Cast, dora: Person) -> None:
    """ECRF-434: after a restore each redaction is proposed again from the list, which never holds the text."""
    record = told_everywhere(cast)
    spot = first_text(record)
    redactions.approve(redaction=proposed(cast, record), password=PASSWORD, by=dora)
    said = StringIO()
    call_command("redactions", stdout=said)
    _heading, line = said.getvalue().splitlines()
    assert NAME not in line
    assert f"/redactions/new/?table=ecrf_change&key={spot.key}&column=new&path=value" in line
    assert line.split(",")[1] == record.participant.code


def test_what_was_signed_is_shown_to_holders_of_the_arm_only(cast: Cast) -> None:
    """ECRF-443: a signature holds a whole form: in doubt it tells the arm."""
    record = told_everywhere(cast)
    signature = Record.objects.select_related("signature").get(pk=record.pk).signature
    assert signature is not None
    path = ("data", "conditions", "0", "condition", "value")
    spot = Spot("audit_signature", signature.pk, "content", path)
    blind = people.create(email="b2@example.org", given_name="Bea", family_name="Blind", password=PASSWORD, by=None)
    people.delegate(person=blind, role=Role.DATA_MANAGER, site=None, starts_on=cast.opened_on, by=None)
    with pytest.raises(Refused, match="no such text"):
        redactions.propose(spot=spot, words=NAME, reason=REASON, by=blind)
    assert redactions.propose(spot=spot, words=NAME, reason=REASON, by=cast.dan_data_manager).reveals_arm
