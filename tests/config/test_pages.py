"""What every answer carries, and whose address it believes."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from config.middleware import ClientAddressMiddleware, NoStoreMiddleware
from config.services.bundle import ROOT


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/healthz", "/there/is/no/such/page"])
def test_policy_allows_nothing_inline_and_nothing_foreign(client, redis, address: str) -> None:
    policy = client.get(address)["Content-Security-Policy"]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";") if rule.strip()}
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "*" not in policy
    assert rules["default-src"] == rules["script-src"] == rules["style-src"] == ["'self'"]
    assert rules["frame-ancestors"] == rules["base-uri"] == rules["object-src"] == ["'none'"]
    assert rules["form-action"] == ["'self'"]


@pytest.mark.django_db
def test_other_headers(client, redis) -> None:
    answer = client.get("/healthz")
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"


def test_a_view_may_allow_its_own_caching() -> None:
    def view(request):
        return HttpResponse(headers={"Cache-Control": "private, max-age=60"})

    assert NoStoreMiddleware(view)(RequestFactory().get("/"))["Cache-Control"] == "private, max-age=60"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "203.0.113.9", "127.0.0.1"),  # no proxy of ours: whatever the client claims is ignored
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "10.0.0.1, 203.0.113.9", "203.0.113.9"),  # the first part is made up by the client
        (2, "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        (2, "203.0.113.9", "127.0.0.1"),  # fewer than our own proxies write: not believed
        (1, "", "127.0.0.1"),
    ],
)
def test_address_of_the_person(settings, proxies: int, forwarded: str, expected: str) -> None:
    settings.TRUSTED_PROXIES = proxies
    seen: list[str] = []

    def view(request):
        seen.append(request.META["REMOTE_ADDR"])
        return HttpResponse()

    ClientAddressMiddleware(view)(RequestFactory().get("/", HTTP_X_FORWARDED_FOR=forwarded))
    assert seen == [expected]


def test_a_component_has_its_own_class() -> None:
    """Two style sheets that dress the same bare class dress each other's pages."""
    homes = defaultdict(set)
    for sheet in (ROOT / "static" / "css").glob("*.css"):
        plain = re.sub(r"/\*.*?\*/", "", sheet.read_text(), flags=re.DOTALL)
        for name in re.findall(r"^  (\.[a-z0-9_-]+) \{$", plain, flags=re.MULTILINE):
            homes[name].add(sheet.name)
    assert len(homes) > 300
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def test_the_cells_of_a_table_are_cells() -> None:
    """A head that is not a table cell puts every column out of place."""
    for sheet in (ROOT / "static" / "css").glob("*.css"):
        wide = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", sheet.read_text())
        for selectors, body in re.findall(r"([^{};]+)\{([^{}]*)\}", wide):
            if "display:" in body:
                assert not re.search(r"(^|,)\s*\.(table|rows__table|casebook__table)\s+t[hd]\s*(,|$)", selectors), (
                    selectors
                )
