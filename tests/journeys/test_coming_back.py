"""Drafts in a real browser: a closed page, a cut network, an ended session, two people on one form."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import BrowserContext, Page, expect

from ecrf.actions import drafts
from ecrf.models import Draft
from ecrf.where import Where
from tests import stages
from tests.cast import PASSWORD, Cast
from trial.models import Participant, Person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.template("cast", "consented")]
FORM = "vitals_performance"


@pytest.fixture
def stage(server: Any) -> Cast:
    """The cast on the server's own database."""
    return stages.cast_of(Cast)


def path(cast: Cast, participant: Participant) -> str:
    return f"/participants/{participant.code}/visits/{cast.visit(participant, 'SCR').pk}/forms/{FORM}/"


def enter(context: BrowserContext, server: Any, cast: Cast, person: Person) -> None:
    session = cast.client_of(person).cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": server.url}])


def leave_field(page: Page, name: str, value: str, *, to: str) -> None:
    page.fill(f"#f-{name}", value)
    page.locator(f"#f-{to}").focus()


def status_is(page: Page, state: str) -> None:
    expect(page.locator("[data-draft-status]")).to_have_attribute("data-draft", state)


def kept() -> dict[str, Any]:
    return drafts.read(Draft.objects.get())


def test_a_closed_page_opens_again_where_the_person_was(stage: Cast, server: Any, context: BrowserContext) -> None:
    """ECRF-500: leaving a field keeps it at once, typing a little later; the page comes back at the last field."""
    participant = stage.consented()
    enter(context, server, stage, stage.theo_coordinator)
    page = context.new_page()
    page.goto(path(stage, participant))
    leave_field(page, "height", "171", to="weight")
    status_is(page, "kept")
    assert kept()["height"] == "171"
    page.locator("#f-weight").press_sequentially("81,4")
    status_is(page, "unsent")
    status_is(page, "kept")
    page.close(run_before_unload=False)

    page = context.new_page()
    page.goto(path(stage, participant))
    assert (page.input_value("#f-height"), page.input_value("#f-weight")) == ("171", "81,4")
    expect(page.locator("#f-weight")).to_be_focused()
    expect(page.get_by_role("link", name="Go on where you were")).to_have_attribute("href", "#f-weight")
    assert not stage._held(Where(participant, FORM, visit=stage.visit(participant, "SCR")))


def test_typing_without_a_pause_is_kept_and_judged_in_its_field(
    stage: Cast, server: Any, context: BrowserContext
) -> None:
    """ECRF-504: a draft every five seconds however fast one types; what cannot be a value is said as the field is
    left; a text too long to be sent stays on the page, and Save says which."""
    participant = stage.consented()
    enter(context, server, stage, stage.theo_coordinator)
    page = context.new_page()
    page.clock.install()
    page.goto(path(stage, participant))
    page.locator("#f-weight").focus()
    for digit in "81,4":
        page.keyboard.press(digit)
        page.clock.run_for(2000)
    status_is(page, "kept")
    assert kept()["weight"].startswith("81,")

    leave_field(page, "weight", "heavy", to="height")
    wrong = page.locator("[data-field=weight] .error")
    expect(wrong).to_have_text("“heavy” is not a number.")
    leave_field(page, "weight", "81,4", to="height")
    expect(wrong).to_have_count(0)

    page.locator("#f-height").evaluate("(control) => { control.value = '1'.repeat(300000); }")
    page.get_by_role("button", name="Save as not finished").last.click()
    long = page.locator("[data-field=height] .error")
    expect(long).to_contain_text("too long to be sent")
    leave_field(page, "weight", "light", to="height")
    expect(wrong).to_have_text("“light” is not a number.")
    expect(long).to_contain_text("too long to be sent")  # the answer was about the others alone
    leave_field(page, "height", "171", to="weight")
    expect(long).to_have_count(0)
    assert page.url.endswith(path(stage, participant))


def test_a_cut_network_loses_nothing(stage: Cast, server: Any, context: BrowserContext) -> None:
    """ECRF-501: what is typed offline stays on the page, and is kept when the network is back."""
    participant = stage.consented()
    enter(context, server, stage, stage.theo_coordinator)
    page = context.new_page()
    page.goto(path(stage, participant))
    context.set_offline(True)
    leave_field(page, "height", "168", to="weight")
    status_is(page, "offline")
    context.set_offline(False)
    status_is(page, "kept")
    assert kept()["height"] == "168"


def test_an_ended_session_is_taken_up_in_another_tab(stage: Cast, server: Any, context: BrowserContext) -> None:
    """ECRF-502: Save does not leave the page while signed out; signing in leads back, and both tabs go on."""
    participant = stage.consented()
    enter(context, server, stage, stage.theo_coordinator)
    page = context.new_page()
    page.goto(path(stage, participant))
    leave_field(page, "height", "171", to="weight")
    status_is(page, "kept")
    page.wait_for_load_state("networkidle")  # an answer on its way would bring the session's cookie back
    context.clear_cookies()
    leave_field(page, "weight", "80", to="temperature")
    status_is(page, "signed-out")
    page.get_by_role("button", name="Save as not finished").last.click()
    status_is(page, "signed-out")
    assert page.url.endswith(path(stage, participant))
    assert page.input_value("#f-weight") == "80"

    with context.expect_page() as opened:
        page.locator("[data-draft-status] a").click()
    other = opened.value
    other.locator("[name=username]").fill(stage.theo_coordinator.email)
    other.locator("[name=password]").fill(PASSWORD)
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url(re.compile(re.escape(path(stage, participant))))
    assert other.input_value("#f-height") == "171"
    other.close(run_before_unload=False)

    page.locator("#f-weight").focus()
    leave_field(page, "weight", "80,5", to="temperature")
    status_is(page, "kept")
    assert kept()["weight"] == "80,5"
    page.get_by_role("button", name="Save as not finished").last.click()
    page.wait_for_url(lambda address: "/forms/" not in address)
    assert stage.record(participant, FORM, visit="SCR").data["measures"][0]["weight"]["typed"] == "80,5"


def test_two_people_on_one_form_see_both_versions(stage: Cast, server: Any, context: BrowserContext) -> None:
    """ECRF-503: the second is told while typing, sees both values beside each other and chooses."""
    participant = stage.consented()
    enter(context, server, stage, stage.theo_coordinator)
    page = context.new_page()
    page.goto(path(stage, participant))
    where = Where(participant, FORM, visit=stage.visit(participant, "SCR"))
    stage.save(where, {"height": "171", "weight": "80"}, by=stage.ines_investigator, complete=False)
    leave_field(page, "weight", "82", to="temperature")
    expect(page.locator("[data-draft-status]")).to_contain_text("Someone else saved this form")
    page.get_by_role("button", name="Save as not finished").last.click()
    expect(page.get_by_role("heading", name="Two versions of this form")).to_be_visible()
    row = page.locator("tr", has_text="Weight")
    expect(row).to_contain_text("Inès Investigator")
    expect(row).to_contain_text("82")
    row.locator("input[value=mine]").check(force=True)
    for choice in page.locator("input[value=theirs]").all():
        if not page.locator(f"input[name='{choice.get_attribute('name')}']:checked").count():
            choice.check(force=True)
    page.get_by_role("button", name="Save as not finished").last.click()
    page.wait_for_url(lambda address: "/forms/" not in address)
    held = stage.record(participant, FORM, visit="SCR").data["measures"][0]
    assert (held["weight"]["value"], held["height"]["value"]) == ("82", 171)
