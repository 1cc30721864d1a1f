"""The page that shows and tries the API, in a real browser under the strict policy."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests import stages
from tests.cast import Cast

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.template("cast")]


def test_the_api_page_works_and_breaks_no_policy(page: Page, server: Any, redis: Any) -> None:
    """API-011: Swagger reads the schema and asks an address, and the browser blocks nothing of it."""
    cast = stages.cast_of(Cast)
    cookie = cast.client_of(cast.theo_coordinator).cookies["stratum_session"].value
    page.context.add_cookies([{"name": "stratum_session", "value": cookie, "url": server.url}])
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto("/api/docs/")
    expect(page.locator(".opblock").first).to_be_visible()
    page.locator("#operations-me-me").get_by_role("button").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator("#operations-me-me .live-responses-table")).to_contain_text("Théo Coordinator")
    assert said == []
