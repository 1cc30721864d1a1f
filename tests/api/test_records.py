"""Records, queries and eligibility, each: works; wrong role; wrong site; wrong state; stale; second try; bad input."""

from __future__ import annotations

from typing import Any

import audit
from audit import clock
from audit.models import Deed
from ecrf.actions import data_queries, drafts
from ecrf.models import Change, Draft, Query, Record
from ecrf.where import Where
from tests.cast import Cast
from trial.models import Participant


def _form(cast: Cast, participant: Participant, form: str) -> str:
    return f"participants/{participant.code}/visits/{cast.visit(participant, 'SCR').pk}/forms/{form}/"


def _values(body: Any) -> dict[str, Any]:
    return {value["item"]: value for value in body["values"]}


def _vitals(**change: str) -> list[dict[str, str]]:
    said = {"weight": "71,5", "height": "175", **change}
    return [{"item": item, "typed": typed} for item, typed in said.items()]


# --- Reading


def test_a_form_that_nobody_saved_has_revision_0(api: Any, cast: Cast) -> None:
    """API-040: a program learns what to name in its first save."""
    participant = cast.consented()
    found = api(cast.theo_coordinator).get(_form(cast, participant, "vitals_performance")).body
    assert (found["revision"], found["entry_state"], found["values"]) == (0, "expected", [])
    assert found["version"] == cast.version.number
    assert not Record.objects.filter(form="vitals_performance").exists()


def test_a_record_says_values_as_understood_and_as_typed(api: Any, cast: Cast) -> None:
    """API-040: decimals are text, never floats; what was typed stands beside it."""
    participant = cast.consented()
    address = _form(cast, participant, "vitals_performance")
    saved = api(cast.theo_coordinator).put(address, {"revision": 0, "values": _vitals()})
    assert saved.status == 200
    assert (saved.body["revision"], saved.body["entry_state"]) == (1, "in_progress")
    weight = _values(saved.body)["weight"]
    assert (weight["value"], weight["typed"]) == ("71.5", "71,5")
    bmi = next(value for value in saved.body["values"] if value["derived"])
    assert bmi["typed"] == ""
    assert bmi["value"]
    assert api(cast.mona_monitor).get(address).body == saved.body


def test_who_sends_many_forms_may_have_the_answer_without_values(api: Any, cast: Cast) -> None:
    """API-040: `Prefer: return=minimal` is answered with the line of the record, and says so (RFC 7240)."""
    participant = cast.consented()
    client, address = api(cast.theo_coordinator), _form(cast, participant, "vitals_performance")
    sent = {"revision": 0, "values": _vitals()}
    short = client.put(address, sent, HTTP_PREFER="respond-async, Return = minimal; strict")
    assert (short.status, short.body["revision"], short.headers["Preference-Applied"]) == (200, 1, "return=minimal")
    assert "values" not in short.body
    assert "findings" not in short.body
    whole = client.put(address, {"revision": 1, "values": _vitals(weight="72")}, HTTP_PREFER="return=representation")
    assert "Preference-Applied" not in whole.headers
    assert short.headers["Vary"].split(", ")[0] == whole.headers["Vary"].split(", ")[0] == "Prefer"
    assert whole.body == client.get(address).body
    assert short.queries < whole.queries
    entry = client.post(
        f"participants/{participant.code}/log/lesion/",
        {"values": [{"item": "organ", "typed": "BONE"}]},
        HTTP_PREFER="return=minimal",
    )
    assert (entry.status, entry.body["number"]) == (201, 1)
    stale = client.put(address, sent, HTTP_PREFER="return=minimal")
    assert stale.status == 409
    assert stale.body["current"]["values"]


def test_what_was_read_can_be_sent_again(api: Any, cast: Cast) -> None:
    """API-040: every value typed as it was read says the same: nothing changes."""
    participant = cast.baseline_done()
    client = api(cast.theo_coordinator)
    visit = cast.visit(participant, "SCR").pk
    before = Change.objects.count()
    for line in client.get(f"participants/{participant.code}/records/?visit={visit}").body["results"]:
        address = _form(cast, participant, line["form"])
        read = client.get(address).body
        sent = [
            {name: value[name] for name in ("item", "row", "typed", "unit", "missing", "reason")}
            for value in read["values"]
            if not value["derived"]
        ]
        body = {"revision": read["revision"], "values": sent, "rows": read["rows"], "complete": True, "reason": "Sent"}
        answer = client.put(address, body)
        assert answer.status == 200, (line["form"], answer.body)
        assert answer.body["values"] == read["values"]
    assert Change.objects.count() == before


def test_the_records_of_a_participant(api: Any, cast: Cast) -> None:
    """API-041."""
    participant = cast.baseline_done()
    client = api(cast.mona_monitor)
    everything = client.get(f"participants/{participant.code}/records/?limit=200").body
    assert everything["count"] == Record.objects.filter(participant=participant).count()
    lesions = client.get(f"participants/{participant.code}/records/?form=lesion").body["results"]
    assert [line["number"] for line in lesions] == list(range(1, len(lesions) + 1))
    assert lesions[0]["visit"] is None
    complete = client.get(f"participants/{participant.code}/records/?state=complete").body["count"]
    assert complete == everything["count"]
    assert client.get(f"participants/{participant.code}/records/?state=happy").status == 422
    assert client.get(f"participants/{participant.code}/records/?visit={10**30}").status == 422


def test_a_form_that_is_not_there(api: Any, cast: Cast) -> None:
    """API-042: unknown forms, forms of other visits, entries that do not exist, a log's form at a visit."""
    participant = cast.consented()
    client = api(cast.theo_coordinator)
    for form in ("nothing", "death", "adverse_event", "%00", "..", "a" * 300):
        assert client.get(_form(cast, participant, form), valid=False).status == 404, form
        assert client.put(_form(cast, participant, form), {"revision": 0}, valid=False).status == 404, form
    for entry in ("lesion/1", f"lesion/{10**30}", "consent/1", "nothing/1"):
        assert client.get(f"participants/{participant.code}/log/{entry}/").status == 404, entry


# --- Saving


def test_a_save_is_one_save_with_its_deed_and_its_changes(api: Any, cast: Cast) -> None:
    """API-043: the same action as the page's."""
    participant = cast.consented()
    client = api(cast.theo_coordinator)
    deeds = Deed.objects.filter(verb="record.saved").count()
    client.put(_form(cast, participant, "vitals_performance"), {"revision": 0, "values": _vitals()})
    record = cast.record(participant, "vitals_performance", visit="SCR")
    assert record.data["measures"][0]["weight"]["value"] == "71.5"
    assert Deed.objects.filter(verb="record.saved").count() == deeds + 1
    typed = set(Change.objects.filter(record=record).exclude(kind="derived").values_list("item", flat=True))
    assert typed == {"weight", "height"}


def test_items_that_are_not_named_stay(api: Any, cast: Cast) -> None:
    """API-043."""
    participant = cast.consented()
    client, address = api(cast.theo_coordinator), _form(cast, participant, "vitals_performance")
    client.put(address, {"revision": 0, "values": _vitals()})
    answer = client.put(address, {"revision": 1, "values": [{"item": "weight", "typed": ""}]})
    assert "weight" not in _values(answer.body)
    assert _values(answer.body)["height"]["value"] in ("175", 175)


def test_a_missing_code_with_its_reason(api: Any, cast: Cast) -> None:
    """API-043."""
    participant = cast.consented()
    sent = [{"item": "weight", "missing": "ND", "reason": "Scales broken"}]
    answer = api(cast.theo_coordinator).put(
        _form(cast, participant, "vitals_performance"), {"revision": 0, "values": sent}
    )
    weight = _values(answer.body)["weight"]
    assert (weight["value"], weight["missing"], weight["reason"]) == (None, "ND", "Scales broken")


def test_every_wrong_value_is_named_and_nothing_is_saved(api: Any, cast: Cast) -> None:
    """API-044."""
    participant = cast.consented()
    sent = [
        {"item": "weight", "typed": "heavy"},
        {"item": "height", "typed": "17"},
        {"item": "nothing", "typed": "1"},
        {"item": "kps", "row": "forged", "typed": "90"},
        {"item": "examined_on", "typed": "01/01/2999"},
        {"item": "heart_rate", "typed": ["1", "2"]},
        {"item": "temperature", "typed": "37", "unit": "parsec"},
        {"item": "sbp", "missing": "NA", "typed": "120"},
    ]
    answer = api(cast.theo_coordinator).put(
        _form(cast, participant, "vitals_performance"), {"revision": 0, "values": sent, "complete": True}
    )
    assert (answer.status, answer.code) == (422, "invalid_values")
    named = {fault["item"] for fault in answer.body["values"]}
    assert {"weight", "nothing", "kps", "examined_on", "heart_rate", "temperature", "sbp"} <= named
    assert all(fault["message"] for fault in answer.body["values"])
    assert not Record.objects.filter(form="vitals_performance").exists()


def test_an_incomplete_form_cannot_be_complete(api: Any, cast: Cast) -> None:
    """API-044: what lacks is named; the same values can be saved as not finished."""
    participant = cast.consented()
    client, address = api(cast.theo_coordinator), _form(cast, participant, "vitals_performance")
    answer = client.put(address, {"revision": 0, "values": _vitals(), "complete": True})
    assert (answer.status, answer.code) == (422, "incomplete")
    assert {"kps"} <= {fault["item"] for fault in answer.body["values"]}
    assert client.put(address, {"revision": 0, "values": _vitals()}).status == 200


def test_a_change_after_completion_needs_its_reason(api: Any, cast: Cast) -> None:
    """API-045: one for the save, or one for each value."""
    participant = cast.baseline_done()
    client, address = api(cast.theo_coordinator), _form(cast, participant, "vitals_performance")
    revision = client.get(address).body["revision"]
    body: dict[str, Any] = {"revision": revision, "values": _vitals(weight="80"), "complete": True}
    body["values"] = [value for value in body["values"] if value["item"] == "weight"]
    refused = client.put(address, body)
    assert (refused.status, refused.code) == (422, "reason_needed")
    body["values"][0]["why"] = "Typing error"
    assert client.put(address, body).status == 200
    assert Change.objects.filter(item="weight").latest("pk").reason == "Typing error"


def test_rows_are_added_kept_and_removed(api: Any, cast: Cast) -> None:
    """API-046: a repeating group by the ids of its rows; forged or doubled ones are named."""
    participant = cast.consented()
    client, address = api(cast.theo_coordinator), _form(cast, participant, "medical_history")
    items = [i for g in cast.definition.form("medical_history").groups if g.repeating for i in g.items]
    group = cast.definition.form("medical_history").group_of(items[0].id)
    text = next(item.id for item in items if item.id == "condition")
    sent = [{"item": text, "row": row, "typed": row.upper()} for row in ("a", "b")]
    made = client.put(address, {"revision": 0, "rows": [{"group": group.id, "ids": ["a", "b"]}], "values": sent})
    assert made.body["rows"] == [{"group": group.id, "ids": ["a", "b"]}]
    less = client.put(address, {"revision": 1, "rows": [{"group": group.id, "ids": ["b"]}]})
    assert [value["row"] for value in less.body["values"] if value["item"] == text] == ["b"]
    for ids in (["b", "b"], ["B!"], [""], ["b" * 33], [None]):
        assert client.put(address, {"revision": 2, "rows": [{"group": group.id, "ids": ids}]}).status == 422, ids
    for wrong in ("nothing", "identity"):
        assert client.put(address, {"revision": 2, "rows": [{"group": wrong, "ids": ["x"]}]}).status == 422


def test_an_entry_is_added_to_a_log_and_changed(api: Any, cast: Cast) -> None:
    """API-047: it gets the next number, for ever."""
    participant = cast.baseline_done()
    client = api(cast.theo_coordinator)
    held = Record.objects.filter(participant=participant, form="lesion").count()
    values = [{"item": "lesion_number", "typed": "T9"}]
    made = client.post(f"participants/{participant.code}/log/lesion/", {"values": values})
    assert (made.status, made.body["number"], made.body["revision"]) == (201, held + 1, 1)
    address = f"participants/{participant.code}/log/lesion/{held + 1}/"
    changed = client.put(address, {"revision": 1, "values": [{"item": "description", "typed": "Left lung"}]})
    assert (changed.status, changed.body["revision"]) == (200, 2)
    assert client.get(address).body == changed.body
    assert client.post(f"participants/{participant.code}/log/consent/", {}).status == 404


def test_the_trap_of_two_people(api: Any, cast: Cast) -> None:
    """API-048: the second save gets both versions, item by item; nothing is overwritten unseen."""
    participant = cast.consented()
    address = _form(cast, participant, "vitals_performance")
    theo, ines = api(cast.theo_coordinator), api(cast.ines_investigator)
    theo.put(address, {"revision": 0, "values": _vitals()})
    assert ines.put(address, {"revision": 1, "values": _vitals(weight="72")}).status == 200
    answer = theo.put(address, {"revision": 1, "values": _vitals(weight="73", height="176")})
    assert (answer.status, answer.code) == (409, "conflict")
    assert answer.body["current"] == theo.get(address).body
    assert answer.body["revision_read"] == 1
    (clash,) = answer.body["clashes"]
    assert clash["item"] == "weight"
    assert (clash["read"]["value"], clash["current"]["value"], clash["yours"]["typed"]) == ("71.5", "72", "73")
    assert clash["changed_by"] == "Inès Investigator"
    record = cast.record(participant, "vitals_performance", visit="SCR")
    assert record.revision == 2
    chosen = theo.put(address, {"revision": answer.body["current"]["revision"], "values": _vitals(weight="73")})
    assert chosen.status == 200


def test_the_first_save_of_two_and_a_forged_revision(api: Any, cast: Cast) -> None:
    """API-048."""
    participant = cast.consented()
    client, address = api(cast.theo_coordinator), _form(cast, participant, "vitals_performance")
    assert client.put(address, {"revision": 5, "values": _vitals()}).status == 409
    client.put(address, {"revision": 0, "values": _vitals()})
    assert client.put(address, {"revision": 0, "values": _vitals(weight="90")}).status == 409
    assert client.put(address, {"revision": 99, "values": _vitals(weight="90")}).status == 409
    for revision in (-1, "x", None, 10**30, 1.5):
        assert client.put(address, {"revision": revision}).status == 422, revision


def test_who_may_not_enter_does_not_save(api: Any, cast: Cast) -> None:
    """API-049: a sponsor's role never changes a site's value."""
    participant = cast.consented()
    address = _form(cast, participant, "vitals_performance")
    for person in (cast.mona_monitor, cast.dan_data_manager, cast.paul_sponsor, cast.aude_auditor, cast.rose_radiation):
        answer = api(person).put(address, {"revision": 0, "values": _vitals()})
        assert (answer.status, answer.code) == (403, "permission.record.enter.general")
    assert api(cast.oscar_coordinator).put(address, {"revision": 0, "values": _vitals()}).status == 404
    assert not Record.objects.filter(form="vitals_performance").exists()


def test_an_item_reserved_to_another_role_is_named(api: Any, cast: Cast) -> None:
    """API-049: every progressing lesion treatable by SRT is answered by a radiation oncologist."""
    participant = cast.baseline_done()
    items = cast.definition.form("eligibility").items.values()
    (reserved,) = [item.id for item in items if "radiation_oncologist" in item.answered_by][:1]
    sent = [{"item": reserved, "typed": "yes"}]
    address = _form(cast, participant, "eligibility")
    answer = api(cast.theo_coordinator).put(address, {"revision": 0, "values": sent})
    assert [(f["item"], f["code"]) for f in answer.body["values"]] == [(reserved, "answered_by")]
    assert api(cast.rose_radiation).put(address, {"revision": 0, "values": sent}).status == 200


def test_the_state_must_allow_it(api: Any, cast: Cast) -> None:
    """API-050: before consent, without the day of the visit, frozen."""
    participant = cast.screened()
    client = api(cast.theo_coordinator)
    early = client.put(_form(cast, participant, "vitals_performance"), {"revision": 0, "values": _vitals()})
    assert (early.status, early.code) == (422, "consent_needed")
    undated = client.put(_form(cast, participant, "consent"), {"revision": 0})
    assert (undated.status, undated.code) == (422, "visit_date_needed")
    cast.consented(participant)
    client.put(_form(cast, participant, "vitals_performance"), {"revision": 0, "values": _vitals()})
    record = cast.record(participant, "vitals_performance", visit="SCR")
    record.frozen_at = clock.now()
    audit.save(record, by=cast.dan_data_manager)
    frozen = client.put(_form(cast, participant, "vitals_performance"), {"revision": 1, "values": _vitals()})
    assert (frozen.status, frozen.code) == (422, "frozen")


def test_a_soft_check_becomes_a_finding_or_is_justified(api: Any, cast: Cast) -> None:
    """API-051."""
    participant = cast.consented()
    client, address = api(cast.theo_coordinator), _form(cast, participant, "vitals_performance")
    odd = client.put(address, {"revision": 0, "values": [{"item": "sbp", "typed": "215"}]})
    (finding,) = odd.body["findings"]
    assert (finding["item"], finding["severity"], finding["state"]) == ("sbp", "soft", "open")
    said = [{"check": finding["check"], "row": finding["row"], "text": "Measured twice"}]
    sure = client.put(address, {"revision": 1, "justifications": said})
    assert [(f["state"], f["justification"]) for f in sure.body["findings"]] == [("justified", "Measured twice")]


def test_a_draft_is_not_data(api: Any, cast: Cast) -> None:
    """API-052: what somebody is typing is nowhere in the API; a save ends the person's draft."""
    participant = cast.consented()
    where = Where(participant, "vitals_performance", visit=cast.visit(participant, "SCR"))
    drafts.keep(where=where, base_revision=0, fields={"weight": "MARKER-999"}, by=cast.theo_coordinator)
    client, address = api(cast.theo_coordinator), _form(cast, participant, "vitals_performance")
    assert "MARKER" not in str(client.get(address).body)
    client.put(address, {"revision": 0, "values": _vitals()})
    assert not Draft.objects.exists()


# --- Queries


def _query(cast: Cast, participant: Participant, text: str = "Please confirm.") -> Query:
    where = Where(participant, "demographics", visit=cast.visit(participant, "SCR"))
    return data_queries.ask(where=where, text=text, item="sex", by=cast.mona_monitor)


def test_queries_are_listed_and_answered(api: Any, cast: Cast) -> None:
    """API-060."""
    participant = cast.consented()
    query = _query(cast, participant)
    client = api(cast.theo_coordinator)
    (found,) = client.get("queries/?state=open").body["results"]
    assert (found["id"], found["participant"], found["item"], found["may"]) == (
        query.pk, participant.code, "sex", ["answer", "readdress"],
    )  # fmt: skip
    assert found["messages"][0]["text"] == "Please confirm."
    answered = client.post(f"queries/{query.pk}/answer/", {"text": "Confirmed."})
    assert (answered.status, answered.body["state"]) == (200, "answered")
    assert answered.body["messages"][-1]["by"] == "Théo Coordinator"
    assert client.get("queries/?state=open").body["count"] == 0
    assert client.get(f"queries/?participant={participant.code}").body["count"] == 1
    again = client.post(f"queries/{query.pk}/answer/", {"text": "Confirmed."})
    assert again.status == 422
    assert len(client.get(f"queries/{query.pk}/").body["messages"]) == 2


def test_queries_are_answered_by_site_staff_of_the_site(api: Any, cast: Cast) -> None:
    """API-060."""
    query = _query(cast, cast.consented())
    for person in (cast.mona_monitor, cast.dan_data_manager, cast.paul_sponsor, cast.aude_auditor):
        answer = api(person).post(f"queries/{query.pk}/answer/", {"text": "Yes"})
        assert (answer.status, answer.code) == (403, "permission.query.answer")
    assert api(cast.oscar_coordinator).post(f"queries/{query.pk}/answer/", {"text": "Yes"}).status == 404
    assert api(cast.oscar_coordinator).get("queries/").body["count"] == 0
    assert api(cast.adam_admin).get("queries/").code == "permission.record.view"
    for text in ("", "   ", "x" * 1_001, None, "\x00"):
        assert api(cast.theo_coordinator).post(f"queries/{query.pk}/answer/", {"text": text}).status == 422
    query.refresh_from_db()
    assert query.state == "open"


def test_queries_of_an_unknown_participant(api: Any, cast: Cast) -> None:
    """API-060."""
    client = api(cast.theo_coordinator)
    assert client.get("queries/?participant=01-999").status == 404
    assert client.get("queries/?participant=%00").status == 422
    assert client.get("queries/?state=happy").status == 422
    assert client.get(f"queries/{10**30}/").status == 404


# --- Eligibility


def test_eligibility_says_what_is_met_and_what_lacks(api: Any, cast: Cast) -> None:
    """API-061."""
    participant = cast.consented()
    early = api(cast.theo_coordinator).get(f"participants/{participant.code}/eligibility/").body
    assert not early["eligible"]
    assert [c["id"] for c in early["criteria"]] == [c.id for c in cast.definition.criteria]
    assert all(c["lacking"] for c in early["criteria"] if c["met"] is None)
    cast.eligible(participant)
    ready = api(cast.mona_monitor).get(f"participants/{participant.code}/eligibility/").body
    assert (ready["eligible"], ready["signed"], ready["changed_since_signing"]) == (True, True, False)
    assert all(c["met"] for c in ready["criteria"])


def test_a_signature_is_said_with_what_changed_since(api: Any, cast: Cast) -> None:
    """API-061."""
    participant = cast.eligible()
    record = cast.record(participant, "eligibility", visit="SCR")
    address = _form(cast, participant, "eligibility")
    client = api(cast.ines_investigator)
    assert client.get(address).body["signed"]
    body = {"revision": record.revision, "complete": True, "reason": "Typing error", "values": [
        {"item": "assessed_on", "typed": clock.today().strftime("%d/%m/%Y")},
        {"item": "e08", "typed": "yes"},
    ]}  # fmt: skip
    changed = client.put(address, body)
    assert changed.status == 200, changed.body
    assert changed.body["changed_since_signing"]
    assert not client.get(f"participants/{participant.code}/eligibility/").body["signed"]
