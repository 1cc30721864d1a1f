"""What every address does: who may ask, how, and what it says of a request that makes no sense."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from redis.exceptions import ConnectionError as RedisConnectionError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from tests.api.conftest import PREFIX, Api, schema
from tests.cast import Cast
from trial.api import access
from trial.api.access import Page, Throttle

READS = [
    "me/", "study/", "study/forms/", "study/forms/laboratory/", "study/visits/", "participants/", "queries/",
    "participants/01-001/", "participants/01-001/visits/", "participants/01-001/records/", "queries/1/",
    "participants/01-001/visits/1/", "participants/01-001/visits/1/forms/laboratory/",
    "participants/01-001/log/adverse_event/1/", "participants/01-001/eligibility/", "participants/01-001/allocation/",
    "participants/01-001/registration/",
]  # fmt: skip
WRITES = [
    ("POST", "participants/"), ("PATCH", "participants/01-001/visits/1/"), ("POST", "queries/1/answer/"),
    ("PUT", "participants/01-001/visits/1/forms/laboratory/"), ("POST", "participants/01-001/log/adverse_event/"),
    ("PUT", "participants/01-001/log/adverse_event/1/"), ("POST", "participants/01-001/allocation/"),
    ("POST", "participants/01-001/registration/"),
    ("POST", "participants/01-001/visits/1/forms/laboratory/files/"),
    ("POST", "participants/01-001/log/adverse_event/files/"),
    ("POST", "participants/01-001/log/adverse_event/1/files/"),
]  # fmt: skip


def test_the_lists_above_hold_every_address() -> None:
    """API-001: a new address is tried by a stranger too."""
    known = {("GET", len(address.split("/"))) for address in READS} | {(m, len(a.split("/"))) for m, a in WRITES}
    for address, methods in schema()["paths"].items():
        for method in set(methods) & {"get", "post", "put", "patch", "delete"}:
            assert (method.upper(), len(address.removeprefix(PREFIX).split("/"))) in known, address
    count = sum(len(set(m) & {"get", "post", "put", "patch", "delete"}) for m in schema()["paths"].values())
    assert count == len(READS) + len(WRITES)


def test_an_address_that_does_not_exist_is_json_too(nobody: Api, api: Any, cast: Cast) -> None:
    """API-004."""
    for address in ("nothing/", "participants", "participants/01-001/nothing/", ""):
        assert nobody.get(address, valid=False).status == 404
        assert api(cast.theo_coordinator).post(address, {}, valid=False).code == "not_found"


@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/json"])
def test_who_is_not_signed_in_gets_401_in_json_and_no_redirect(nobody: Api, accept: str) -> None:
    """API-002: a program is told that nobody is signed in, whatever it accepts."""
    for address in READS:
        answer = nobody.get(address, HTTP_ACCEPT=accept)
        assert (answer.status, answer.code) == (401, "signed_out"), address
        assert answer.headers["WWW-Authenticate"] == "Session"


def test_nothing_is_written_for_who_is_not_signed_in(nobody: Api) -> None:
    """API-002."""
    for method, address in WRITES:
        assert nobody.ask(method, address, {}).status == 401


def test_a_write_needs_the_csrf_token(cast: Cast, redis: Any) -> None:
    """API-003: a page elsewhere cannot write in the person's name."""
    signed_in = cast.client_of(cast.theo_coordinator)
    client = Client(enforce_csrf_checks=True)
    client.cookies = signed_in.cookies
    for method, address in WRITES:
        answer = client.generic(method, PREFIX + address, b"{}", content_type="application/json")
        assert answer.status_code == 403, address
        assert answer.json()["code"] == "csrf"


def test_a_body_that_makes_no_sense_is_named_and_does_nothing(api: Any, cast: Cast) -> None:
    """API-005."""
    client = api(cast.theo_coordinator)
    for body, status in [
        (b"{", 400),
        (b'{"site": NaN}', 400),
        (b"[" * 100_000, 400),
        (b"\xff\xfe", 400),
        (b"[]", 422),
        (b"null", 422),
        (b'"text"', 422),
        (b"{}", 422),
        (b'{"site": "\\u0000"}', 422),
        (b'{"site": "\\ud800"}', 422),
        (b'{"site": {"a": 1}}', 422),
        (b'{"site": "99"}', 422),
        (b'{"site": "01", "screened_on": "31/02/2026"}', 422),
        (b'{"site": "01", "screened_on": "2999-01-01"}', 422),
    ]:
        answer = client.post("participants/", body)
        assert answer.status == status, body[:80]
        assert answer.body["message"]
    assert client.get("participants/").body["count"] == 0


def test_every_fault_of_a_request_is_named_with_its_place(api: Any, cast: Cast) -> None:
    """API-005."""
    participant = cast.consented()
    visit = cast.visit(participant, "SCR")
    body = {"revision": -1, "values": [{"item": "weight"}, {"row": "x", "typed": {}}], "complete": "perhaps"}
    answer = api(cast.theo_coordinator).put(
        f"participants/{participant.code}/visits/{visit.pk}/forms/vitals_performance/", body
    )
    assert answer.status == 422
    assert {"revision", "values.1.item", "values.1.typed", "complete"} == {e["field"] for e in answer.body["errors"]}


def test_a_body_that_is_too_large_is_not_read(api: Any, cast: Cast, settings: Any) -> None:
    """API-006."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    answer = api(cast.theo_coordinator).post("participants/", {"site": "0" * 2_000})
    assert (answer.status, answer.code) == (413, "too_large")


def test_only_json_is_taken(api: Any, cast: Cast) -> None:
    """API-006."""
    form = api(cast.theo_coordinator).post(
        "participants/", b"site=01", content_type="application/x-www-form-urlencoded"
    )
    assert form.status == 415


def test_a_method_that_an_address_does_not_have(api: Any, cast: Cast) -> None:
    """API-006."""
    answer = api(cast.theo_coordinator).ask("DELETE", "participants/", valid=False)
    assert (answer.status, answer.code) == (405, "method_not_allowed")


def test_a_page_is_bounded_whatever_is_asked(api: Any, cast: Cast) -> None:
    """API-007."""
    for _ in range(3):
        cast.screened()
    client = api(cast.theo_coordinator)
    for query in ("limit=0", "limit=-1", "limit=x", "offset=-5", f"offset={10**30}", f"limit={10**30}"):
        answer = client.get(f"participants/?{query}")
        assert (answer.status, answer.body["count"]) == (200, 3), query


def test_no_page_is_longer_than_200_rows() -> None:
    """API-007."""
    asked = Request(APIRequestFactory().get("/", {"limit": "1000000"}))
    assert Page().get_limit(asked) == 200


def test_pages_follow_each_other(api: Any, cast: Cast) -> None:
    """API-007."""
    codes = [cast.screened().code for _ in range(5)]
    client = api(cast.theo_coordinator)
    first = client.get("participants/?limit=2").body
    assert [row["code"] for row in first["results"]] == codes[:2]
    second = client.get(first["next"].split(PREFIX)[1]).body
    assert [row["code"] for row in second["results"]] == codes[2:4]
    assert len(client.get(second["next"].split(PREFIX)[1]).body["results"]) == 1


# --- How often


def test_a_minute_holds_so_many_requests(api: Any, cast: Cast, monkeypatch: Any) -> None:
    """API-008: one person's program cannot keep the others waiting; they are not held up by it."""
    monkeypatch.setitem(Throttle.RATES, "read", 3)
    client = api(cast.theo_coordinator)
    statuses = [client.get("me/").status for _ in range(5)]
    assert statuses[:3] == [200, 200, 200]
    assert 429 in statuses  # the fourth, unless a minute began in between
    assert api(cast.ines_investigator).get("me/").status == 200
    late = client.get("me/")
    if late.status == 429:
        assert 0 <= int(late.headers["Retry-After"]) <= 60


def test_a_password_cannot_be_guessed_quickly(api: Any, cast: Cast, monkeypatch: Any) -> None:
    """API-008."""
    monkeypatch.setitem(Throttle.RATES, "password", 2)
    participant = cast.screened()
    client = api(cast.theo_coordinator)
    statuses = [client.post(f"participants/{participant.code}/allocation/", {"password": "x"}).status for _ in range(5)]
    assert 429 in statuses
    assert client.get("me/").status == 200


def test_without_redis_the_api_goes_on(api: Any, cast: Cast, monkeypatch: Any) -> None:
    """API-009: Redis may be lost at any moment."""

    class Lost:
        def incr(self, *args: Any, **words: Any) -> None:
            raise RedisConnectionError

    monkeypatch.setattr(access, "cache", Lost())
    assert api(cast.theo_coordinator).get("me/").status == 200


# --- The schema and its page


def test_the_schema_is_valid_and_complete(tmp_path: Any) -> None:
    """API-010: generated without a warning, and valid OpenAPI 3.1."""
    call_command("spectacular", "--fail-on-warn", "--validate", "--file", str(tmp_path / "schema.yaml"))


def test_the_schema_is_served_to_who_is_signed_in(cast: Cast, redis: Any) -> None:
    """API-010."""
    assert Client().get(PREFIX + "schema/").status_code == 401
    answer = cast.client_of(cast.paul_sponsor).get(PREFIX + "schema/?format=json")
    assert json.loads(answer.content)["paths"].keys() == schema()["paths"].keys()


def test_the_page_has_nothing_inline_and_nothing_foreign(cast: Cast, redis: Any) -> None:
    """API-011: the strict policy holds on the page too."""
    client = cast.client_of(cast.theo_coordinator)
    page = client.get("/api/docs/").content.decode()
    assert "<style" not in page
    assert "<script>" not in page
    assert "http://" not in page
    assert "https://" not in page
    script = client.get("/api/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert "SwaggerUIBundle" in script.content.decode()


def test_the_page_asks_to_sign_in(db: None) -> None:
    """API-011: a person is led to the sign-in page."""
    assert Client().get("/api/docs/").status_code == 302
