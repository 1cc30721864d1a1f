"""Allocation over the API, and that nobody without the right learns an arm from any answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from audit.models import Deed
from ecrf.actions import data_queries
from ecrf.models import Query, Record
from ecrf.where import Where
from randomization.models import Allocation, Slot
from tests.cast import Cast
from tests.randomization.conftest import one_of_each_arm
from tests.stages import staged
from trial.actions import visits
from trial.models import Participant, Person, Visit

HIDDEN = "MARKERARM"


def _address(participant: Participant) -> str:
    return f"participants/{participant.code}/allocation/"


def test_a_participant_is_allocated_once_and_the_answer_is_the_same_twice(api: Any, cast: Cast) -> None:
    """API-080: a double click, a retry after a lost answer and a second coordinator get the same allocation."""
    participant = cast.eligible()
    cast.list_in_use()
    client = api(cast.theo_coordinator)
    assert client.get(_address(participant)).status == 404
    first = client.post(_address(participant), {"password": cast.PASSWORD})
    assert (first.status, first.body["number"]) == (200, 1)
    second = client.post(_address(participant), {"password": cast.PASSWORD})
    assert (second.status, second.body) == (200, first.body)
    assert client.get(_address(participant)).body == first.body
    allocation = Allocation.objects.get()
    assert first.body["arm"] == allocation.arm
    assert {level["factor"]: level["level"] for level in first.body["strata"]} == allocation.strata
    assert Deed.objects.filter(verb="participant.randomized").count() == 1


def test_every_reason_against_an_allocation_is_said_at_once(api: Any, cast: Cast) -> None:
    """API-081."""
    participant = cast.consented()
    answer = api(cast.theo_coordinator).post(_address(participant), {"password": cast.PASSWORD})
    assert (answer.status, answer.code) == (422, "gate")
    codes = {reason["code"] for reason in answer.body["reasons"]}
    assert {"unsigned", "undecided", "no_list", "stratum"} <= codes
    assert all(reason["message"] for reason in answer.body["reasons"])
    assert not Allocation.objects.exists()


def test_a_list_on_hold_allocates_nobody(api: Any, cast: Cast) -> None:
    """API-081: wrong state."""
    participant = cast.eligible()
    cast.hold(cast.list_in_use())
    answer = api(cast.theo_coordinator).post(_address(participant), {"password": cast.PASSWORD})
    assert [reason["code"] for reason in answer.body["reasons"]] == ["hold"]


def test_the_password_must_be_right(api: Any, cast: Cast) -> None:
    """API-082: nothing is allocated, nothing is lost, and the attempt stands in the ledger."""
    participant = cast.eligible()
    cast.list_in_use()
    client = api(cast.theo_coordinator)
    bodies: list[object] = [{}, {"password": ""}, {"password": None}, {"password": "x" * 201}, {"password": "\x00"}, []]
    for body in bodies:
        assert client.post(_address(participant), body).status == 422, body
    wrong = client.post(_address(participant), {"password": "not this one"})
    assert (wrong.status, wrong.code) == (422, "wrong_password")
    assert not Allocation.objects.exists()
    assert "not this one" not in json.dumps(wrong.body)


def test_only_whom_it_is_delegated_to_randomizes(api: Any, cast: Cast) -> None:
    """API-083."""
    participant = cast.eligible()
    cast.list_in_use()
    for person in (cast.ines_investigator, cast.mona_monitor, cast.paul_sponsor, cast.dan_data_manager):
        answer = api(person).post(_address(participant), {"password": cast.PASSWORD})
        assert (answer.status, answer.code) == (403, "permission.participant.randomize")
    for person in (cast.oscar_coordinator, cast.stella_statistician, cast.adam_admin):
        assert api(person).post(_address(participant), {"password": cast.PASSWORD}).status == 404
    assert not Allocation.objects.exists()


def test_an_allocation_says_nothing_of_its_slot(api: Any, cast: Cast) -> None:
    """API-084: no payload, no position, no salt, no proof, no list."""
    participant = cast.randomized()
    body = api(cast.theo_coordinator).get(_address(participant)).body
    allocation = Allocation.objects.get()
    text = json.dumps(body)
    assert allocation.salt_of_slot not in text
    assert not any(slot.payload in text for slot in Slot.objects.all()[:5])
    assert set(body) == {
        "participant", "number", "arm", "arm_label", "strata", "allocated_at", "allocated_by",
    }  # fmt: skip


# --- Nobody learns an arm --------------------------------------------------------------------------------------------


@pytest.fixture
def both_arms(cast: Cast) -> dict[str, Participant]:
    """A participant of each arm, with markers in what only their arm has: a record, a value, a query."""
    found = marked_by_arm(cast)
    assert Record.objects.filter(reveals_arm=True).count() >= 2
    assert Query.objects.filter(reveals_arm=True).count() >= 2
    return found


@staged
def marked_by_arm(cast: Cast) -> dict[str, Participant]:
    found: dict[str, Participant] = one_of_each_arm(cast)
    for participant in found.values():
        _mark(cast, participant)
    return found


def _mark(cast: Cast, participant: Participant) -> None:
    hidden = Visit.objects.filter(participant=participant, reveals_arm=True, planned_on__isnull=False).first()
    assert hidden is not None
    visits.record_date(visit=hidden, on=participant.randomized_on, by=cast.theo_coordinator)
    form = next(f for f in cast.definition.visit(hidden.event).forms if cast.definition.reveals_arm(f))
    where = Where(participant, form, visit=hidden)
    cast.save(where, {}, complete=False)
    log = "protocol_deviation"
    texts = [i.id for i in cast.definition.form(log).items.values() if i.type in ("text", "longtext")]
    cast.save(Where(participant, log), dict.fromkeys(texts, HIDDEN), complete=False)
    data_queries.ask(where=where, text=f"{HIDDEN}?", by=cast.mona_monitor)
    data_queries.ask(where=Where(participant, "demographics", visit=cast.visit(participant, "SCR")), text="Age?",
                     item="sex", by=cast.mona_monitor)  # fmt: skip


def _addresses(participant: Participant) -> list[str]:
    """Every address below a participant that exists, each once, those that would tell the arm included."""
    return list(dict.fromkeys(_walked(participant)))


def _walked(participant: Participant) -> Iterator[str]:
    base = f"participants/{participant.code}/"
    yield from (base, f"{base}visits/", f"{base}records/?limit=200", f"{base}eligibility/", f"{base}allocation/")
    for visit in Visit.objects.filter(participant=participant):
        yield f"{base}visits/{visit.pk}/"
        yield f"{base}records/?visit={visit.pk}"
    for record in Record.objects.filter(participant=participant):
        if record.visit_id:
            yield f"{base}visits/{record.visit_id}/forms/{record.form}/"
        else:
            yield f"{base}log/{record.form}/{record.number}/"
        yield f"{base}records/?form={record.form}"
    for query in Query.objects.filter(participant=participant):
        yield f"queries/{query.pk}/"
    yield f"queries/?participant={participant.code}"


def _words(body: Any) -> Iterator[str]:
    """Every text of an answer; the names of its fields are the schema's, whoever asks."""
    if isinstance(body, dict):
        for name, inner in body.items():
            if name not in ("area", "permission", "code", "codes"):  # `srt` is the name of an area too
                yield from _words(inner)
    elif isinstance(body, list):
        for inner in body:
            yield from _words(inner)
    elif isinstance(body, str):
        yield body


def _secrets(cast: Cast) -> set[str]:
    definition = cast.definition
    found = {arm.id for arm in definition.study_file.arms} | set(definition.pathways)
    found |= {words for arm in definition.study_file.arms for words in arm.label.values()}
    found |= {visit.id for visit in definition.visits if definition.reveals_arm(visit_id=visit.id)}
    for form in definition.forms.values():
        if definition.reveals_arm(form.id):
            found.add(form.id)
        found |= {item for item in form.items if definition.reveals_arm(form.id, item)}
    shared = {item for f in definition.forms.values() for item in f.items if not definition.reveals_arm(f.id, item)}
    shared |= {group.id for form in definition.forms.values() for group in form.groups}
    return found - shared


def _without_the_right(cast: Cast) -> list[Person]:
    return [cast.paul_sponsor, cast.aude_auditor, cast.bruno_blinded, cast.adam_admin]


def test_no_answer_tells_an_arm_to_who_may_not_see_it(api: Any, cast: Cast, both_arms: dict[str, Participant]) -> None:
    """API-085: every address, those of what only one arm has included."""
    secrets = _secrets(cast)
    assert len(secrets) > 20
    general = ["me/", "study/", "study/forms/", "study/visits/", "participants/?limit=200", "queries/?limit=200"]
    general += [f"study/forms/{form}/" for form in cast.definition.forms]
    below = [address for participant in both_arms.values() for address in _addresses(participant)]
    for person in _without_the_right(cast):
        client = api(person)
        for address in [*general, *below]:
            body = client.get(address).body
            assert HIDDEN not in json.dumps(body), address
            told = set(_words(body)) & secrets
            assert not told, (address, told)


def test_who_may_see_arms_does(api: Any, cast: Cast, both_arms: dict[str, Participant]) -> None:
    """API-085: the search above would find what it looks for."""
    secrets = _secrets(cast)
    for arm, participant in both_arms.items():
        client = api(cast.theo_coordinator)
        found = [client.get(address).body for address in _addresses(participant)]
        told = {word for body in found for word in _words(body)} & secrets
        assert arm in told
        assert len(told) > 5
        assert HIDDEN in json.dumps(found)


def test_both_arms_have_answers_of_the_same_shape(api: Any, cast: Cast, both_arms: dict[str, Participant]) -> None:
    """API-086: who may not see an arm cannot count it out either: as many visits, of the same names and forms."""
    shapes = []
    for participant in both_arms.values():
        client = api(cast.paul_sponsor)
        plan = client.get(f"participants/{participant.code}/visits/?limit=200").body
        asked = client.get(f"queries/?participant={participant.code}").body
        shapes.append(
            (
                plan["count"],
                [(visit["event"], visit["forms"], visit["status"]) for visit in plan["results"]],
                asked["count"],
            )
        )
    assert shapes[0] == shapes[1]


def test_an_allocation_that_may_not_be_seen_looks_as_none(
    api: Any, cast: Cast, both_arms: dict[str, Participant]
) -> None:
    """API-086."""
    waiting = cast.consented()
    for person in (cast.paul_sponsor, cast.aude_auditor):
        client = api(person)
        assert client.get(_address(waiting)).status == 404
        for participant in both_arms.values():
            assert client.get(_address(participant)).body == client.get(_address(waiting)).body
