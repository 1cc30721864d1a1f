"""Registration without randomization over the API: the gate, the action and the rights of the page."""

from __future__ import annotations

import json
from typing import Any

from audit.models import Deed
from randomization.models import Allocation, Registration
from tests.api.conftest import schema
from tests.cast import Cast
from tests.randomization.conftest import ended, undelegated
from trial.models import Participant


def _address(participant: Participant) -> str:
    return f"participants/{participant.code}/registration/"


def test_a_participant_is_registered_once_and_the_answer_is_the_same_twice(api: Any, cast: Cast) -> None:
    """API-087: a retry after a lost answer gets the same registration; nobody is randomized by it."""
    ended(cast)
    participant = cast.eligible()
    client = api(cast.theo_coordinator)
    assert client.get(_address(participant)).status == 404
    first = client.post(_address(participant), {"password": cast.PASSWORD})
    assert (first.status, first.body["participant"], first.body["randomized"]) == (200, participant.code, False)
    assert (first.body["arm"], first.body["registered_by"]) == ("SRT", cast.theo_coordinator.printed_name)
    second = client.post(_address(participant), {"password": "not even this one"})
    assert (second.status, second.body) == (200, first.body)
    assert client.get(_address(participant)).body == first.body
    participant.refresh_from_db()
    assert first.body["registered_on"] == f"{participant.registered_on:%Y-%m-%d}"
    assert Registration.objects.count() == 1 and not Allocation.objects.exists()
    assert Deed.objects.filter(verb="participant.registered").count() == 1
    assert api(cast.theo_coordinator).get(f"participants/{participant.code}/allocation/").status == 404


def test_nobody_is_registered_while_the_study_randomizes(api: Any, cast: Cast) -> None:
    """API-088: wrong state; every reason at once, as the page says them."""
    participant = cast.judged()
    answer = api(cast.theo_coordinator).post(_address(participant), {"password": cast.PASSWORD})
    assert (answer.status, answer.code) == (422, "gate")
    assert {reason["code"] for reason in answer.body["reasons"]} == {"not_closed", "unsigned"}
    assert not Registration.objects.exists()


def test_registering_asks_for_the_delegation_and_for_the_password(api: Any, cast: Cast) -> None:
    """API-089: wrong role, wrong site, wrong password; nothing is written and no password comes back."""
    ended(cast)
    participant = cast.eligible()
    for person in (undelegated(cast), cast.ines_investigator, cast.mona_monitor, cast.dan_data_manager):
        answer = api(person).post(_address(participant), {"password": cast.PASSWORD})
        assert (answer.status, answer.code) == (403, "permission.participant.randomize")
    for person in (cast.oscar_coordinator, cast.stella_statistician, cast.adam_admin):
        assert api(person).post(_address(participant), {"password": cast.PASSWORD}).status == 404
    wrong = api(cast.theo_coordinator).post(_address(participant), {"password": "not this one"})
    assert (wrong.status, wrong.code) == (422, "wrong_password")
    assert "not this one" not in json.dumps(wrong.body)
    assert not Registration.objects.exists()


def test_a_registration_is_not_there_for_who_may_not_see_arms(api: Any, cast: Cast) -> None:
    """API-089: it names the arm whose visit plan is followed."""
    ended(cast)
    participant = cast.eligible()
    client = api(cast.theo_coordinator)
    client.post(_address(participant), {"password": cast.PASSWORD})
    for person in (cast.paul_sponsor, cast.aude_auditor):
        answer = api(person).get(_address(participant))
        assert answer.status == 404 and "SRT" not in json.dumps(answer.body)
    assert api(cast.dan_data_manager).get(_address(participant)).status == 200
    assert client.get(_address(participant)).queries <= 15


def test_the_schema_says_how_a_registration_is_asked_for() -> None:
    """API-087: documented beside the allocation."""
    told = schema()["paths"]["/api/v1/participants/{code}/registration/"]
    assert {"get", "post"} <= set(told)
    assert told["post"]["operationId"] == "register" and "422" in told["post"]["responses"]
