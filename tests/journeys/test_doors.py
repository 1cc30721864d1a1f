"""Every door is tried by a stranger: all addresses, walked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from ecrf.models import Query
from tests.cast import Cast

pytestmark = pytest.mark.django_db

OPEN = {
    "healthz", "sign_in", "language", "theme", "keepalive", "sign_out", "jsi18n",
}  # fmt: skip
"""Addresses that a person who is not signed in may use."""


def addresses(patterns: list[Any] | None = None, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (name, route) of every address of the site."""
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield str(pattern.name or ""), route


def filled(route: str, values: dict[str, str]) -> str | None:
    """Fill the placeholders of a route; None when one is not known."""
    path = route
    for part in route.split("<")[1:]:
        placeholder = part.split(">")[0]
        name = placeholder.split(":")[-1]
        if name not in values:
            return None
        path = path.replace(f"<{placeholder}>", values[name])
    return "/" + path.lstrip("^").rstrip("$")


@pytest.fixture
def places(cast: Cast) -> dict[str, str]:
    """Real ids of site 01 for every placeholder."""
    participant = cast.randomized()
    lesion = cast.record(participant, "lesion", number=1)
    visit = cast.visit(participant, "SCR")
    from ecrf.actions import data_queries
    from ecrf.where import Where

    query = data_queries.ask(where=Where(participant, "lesion", number=1), text="Please check.", by=cast.mona_monitor)
    assert Query.objects.filter(pk=query.pk).exists()
    return {
        "code": participant.code,
        "visit_id": str(visit.pk),
        "form": "vitals_performance",
        "form_id": "vitals_performance",
        "number": "1",
        "record_id": str(lesion.pk),
        "query_id": str(query.pk),
        "person_id": str(cast.theo_coordinator.pk),
        "delegation_id": str(cast.theo_coordinator.delegations.get().pk),
        "id": "1",
        "pk": "1",
        "case_id": "1",
        "list_id": "1",
        "export_id": "1",
        "notice_id": "1",
        "redaction_id": "1",
        "key": "0" * 32,
        "range_id": "1",
        "dictionary": "ctcae",
        "item": "kps",
        "item_id": "kps",
        "row": "",
        "rest": "nothing-here/",
    }


def test_every_address_can_be_walked(places: dict[str, str]) -> None:
    """SEC-001: a new placeholder must be known to these tests."""
    unknown = [route for _name, route in addresses() if "(?P" not in route and filled(route, places) is None]
    assert unknown == []


def test_nobody_enters_without_signing_in(places: dict[str, str]) -> None:
    """SEC-002: without a session every address but the open ones asks to sign in, by any method."""
    client = Client()
    entered = []
    for name, route in addresses():
        path = filled(route, places)
        if name in OPEN or path is None or "(?P" in route:
            continue
        for method in (client.get, client.post):
            response = method(path)
            if response.status_code not in (301, 302, 401, 403, 404, 405):
                entered.append((name, path, response.status_code))
            elif response.status_code in (301, 302) and "/login" not in response["Location"]:
                entered.append((name, path, response["Location"]))
    assert entered == []


def test_another_site_s_participant_is_not_found(cast: Cast, places: dict[str, str]) -> None:
    """SEC-003: for staff of site 02 a participant of site 01 is exactly like one that nobody has."""
    client = cast.client_of(cast.oscar_coordinator)
    found = []
    for name, route in addresses():
        path = filled(route, places)
        if path is None or ("<str:code>" not in route and "<code>" not in route):
            continue
        nobody = filled(route, places | {"code": "01-999"})
        for method in ("get", "post"):
            response = getattr(client, method)(path)
            other = getattr(client, method)(nobody)
            if response.status_code != 404 and response.status_code != 405:
                found.append((name, method, response.status_code))
            elif response.status_code != other.status_code:
                found.append((name, method, f"{response.status_code} is not {other.status_code}"))
    assert found == []


def test_no_page_loosens_the_content_security_policy(cast: Cast, places: dict[str, str]) -> None:
    """SEC-004: strict policy, no framing and no caching on every page of a signed-in person."""
    client = cast.client_of(cast.theo_coordinator)
    for _name, route in addresses():
        path = filled(route, places)
        if path is None or "(?P" in route or "logout" in route:
            continue
        response = client.get(path)
        if response.status_code != 200 or not response["Content-Type"].startswith("text/html"):
            continue
        policy = response.headers.get("Content-Security-Policy", "")
        assert "default-src 'self'" in policy, path
        assert "unsafe" not in policy, path
        if not path.startswith("/static"):
            assert "no-store" in response.headers.get("Cache-Control", ""), path
