"""While a form is typed: the draft, the evaluation, and both in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import expect

import audit
from ecrf.actions import drafts
from ecrf.models import Draft, Record
from ecrf.where import Where
from tests.cast import Cast
from trial.models import Participant, Person

pytestmark = pytest.mark.django_db
FORM = "vitals_performance"


@pytest.fixture
def consented(cast: Cast) -> Participant:
    """A participant whose screening visit is dated and who has consented."""
    return cast.consented()


def url(cast: Cast, participant: Participant, rest: str = "", form: str = FORM) -> str:
    return f"/participants/{participant.code}/visits/{cast.visit(participant, 'SCR').pk}/forms/{form}/{rest}"


def keep(browser: Client, address: str, fields: dict[str, Any], revision: int = 0) -> Any:
    """Send a draft as the page does."""
    body = {"revision": revision, "fields": fields}
    return browser.post(f"{address}draft/", body, content_type="application/json")


def test_a_draft_is_kept_and_brought_back(cast: Cast, consented: Participant) -> None:
    """ECRF-200: it is in the fields of its author's next visit to the page, encrypted in the database."""
    theo = cast.client_of(cast.theo_coordinator)
    answer = keep(theo, url(cast, consented), {"weight": "80,5"})
    assert answer.status_code == 200
    assert set(answer.json()) == {"kept"}

    page = theo.get(url(cast, consented))
    assert 'value="80,5"' in page.content.decode()
    assert "was brought back" in page.content.decode()
    assert "80,5" not in Draft.objects.get().payload
    assert not Record.objects.filter(form=FORM).exists()


def test_a_page_sends_what_changed_since(cast: Cast, consented: Participant) -> None:
    """ECRF-201: later fields are laid over the earlier ones of the same draft."""
    theo = cast.client_of(cast.theo_coordinator)
    keep(theo, url(cast, consented), {"weight": "80", "height": "170"})
    keep(theo, url(cast, consented), {"height": ""})
    assert drafts.read(Draft.objects.get()) == {"weight": "80", "height": ""}


def test_a_draft_is_private(cast: Cast, consented: Participant) -> None:
    """ECRF-202: nobody else of the site sees it."""
    keep(cast.client_of(cast.theo_coordinator), url(cast, consented), {"weight": "80,5"})
    page = cast.client_of(cast.ines_investigator).get(url(cast, consented))
    assert "80,5" not in page.content.decode()


def test_a_draft_is_thrown_away_by_its_author(cast: Cast, consented: Participant) -> None:
    """ECRF-203: the button of the page; another person's draft stays."""
    theo, ines = cast.client_of(cast.theo_coordinator), cast.client_of(cast.ines_investigator)
    keep(theo, url(cast, consented), {"weight": "80"})
    keep(ines, url(cast, consented), {"weight": "81"})
    answer = theo.post(url(cast, consented, "draft/"), {"discard": "1"})
    assert answer.headers["Location"] == url(cast, consented)
    assert [draft.person for draft in Draft.objects.all()] == [cast.ines_investigator]


def test_a_draft_of_an_older_revision_says_so_and_is_kept(cast: Cast, consented: Participant) -> None:
    """ECRF-204: another save came first: 409 with words; the typing comes back and Save shows both versions."""
    theo = cast.client_of(cast.theo_coordinator)
    cast.fill(consented, FORM, visit="SCR", weight="80", complete=False, by=cast.ines_investigator)

    answer = keep(theo, url(cast, consented), {"weight": "84"}, revision=0)
    assert answer.status_code == 409
    assert "both versions" in answer.json()["message"]

    page = theo.get(url(cast, consented))
    assert page.context["page"].revision == 0
    assert "Someone else has saved this form since" in page.content.decode()
    saved = theo.post(url(cast, consented), {"revision": "0", "whole_form": "1", "weight": "84", "save": "in_progress"})
    assert saved.status_code == 409


def test_an_old_tab_does_not_replace_a_newer_draft(cast: Cast, consented: Participant) -> None:
    """ECRF-205: a draft begun on a newer revision stays as it is."""
    theo = cast.client_of(cast.theo_coordinator)
    cast.fill(consented, FORM, visit="SCR", weight="80", complete=False)
    keep(theo, url(cast, consented), {"weight": "85"}, revision=1)
    assert keep(theo, url(cast, consented), {"weight": "70"}, revision=0).status_code == 409
    assert drafts.read(Draft.objects.get()) == {"weight": "85"}


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"revision": "1", "fields": {}}', '{"revision": 9, "fields": {}}'])
def test_what_is_no_draft_is_refused(cast: Cast, consented: Participant, body: str) -> None:
    """ECRF-206: bad input gets words and leaves nothing."""
    theo = cast.client_of(cast.theo_coordinator)
    answer = theo.post(url(cast, consented, "draft/"), body, content_type="application/json")
    assert answer.status_code == 422
    assert answer.json()["message"]
    assert not Draft.objects.exists()


def test_a_draft_with_strange_fields_opens_the_page(cast: Cast, consented: Participant) -> None:
    """ECRF-207: names and values that no control has do no harm."""
    theo = cast.client_of(cast.theo_coordinator)
    strange = {"weight": ["80"], "nothing": {"a": 1}, "x.y.z": 3, "__rows": "r1", "height": None, "kps": "\x00"}
    assert keep(theo, url(cast, consented), strange).status_code == 200
    assert theo.get(url(cast, consented)).status_code == 200


def test_readers_keep_no_draft(cast: Cast, consented: Participant) -> None:
    """ECRF-208: wrong role 403, wrong site 404, an ended session 401."""
    assert keep(cast.client_of(cast.mona_monitor), url(cast, consented), {"weight": "1"}).status_code == 403
    assert keep(cast.client_of(cast.oscar_coordinator), url(cast, consented), {"weight": "1"}).status_code == 404
    ended = keep(Client(), url(cast, consented), {"weight": "1"})
    assert ended.status_code == 401
    assert ended.json()["message"]
    assert not Draft.objects.exists()


def test_nobody_is_signed_in_and_evaluates(cast: Cast, consented: Participant) -> None:
    """ECRF-209: an ended session answers the script 401 in JSON."""
    answer = Client().post(url(cast, consented, "evaluate/"), {}, headers={"Accept": "application/json"})
    assert answer.status_code == 401


# ---------------------------------------------------------------- evaluation


def evaluate(browser: Client, address: str, fields: dict[str, Any]) -> Any:
    form = {"revision": "0", "whole_form": "1", **fields}
    return browser.post(f"{address}evaluate/", form, headers={"Accept": "application/json"})


def test_calculated_values_follow_the_typing(cast: Cast, consented: Participant) -> None:
    """ECRF-210: the index needs both; until then it says what is lacking; nothing is saved."""
    theo = cast.client_of(cast.theo_coordinator)
    answer = evaluate(theo, url(cast, consented), {"weight": "80", "height": "200"})
    assert answer.json()["derived"]["bmi"] == "20.0"

    answer = evaluate(theo, url(cast, consented), {"weight": "eighty", "height": "200"})
    assert answer.json()["derived"]["bmi"] == ""
    assert "Weight" in answer.json()["reasons"]["bmi"]
    assert not Record.objects.filter(form=FORM).exists()


def test_skip_logic_and_findings_follow_the_typing(cast: Cast, consented: Participant) -> None:
    """ECRF-211: shown, hidden or not yet known; hard and soft findings beside their items."""
    theo = cast.client_of(cast.theo_coordinator)
    address = f"/participants/{consented.code}/log/adverse_event/new/"
    unknown = evaluate(theo, address, {"ongoing": ""}).json()["shown"]
    hidden = evaluate(theo, address, {"ongoing": "yes"}).json()["shown"]
    shown = evaluate(theo, address, {"ongoing": "no"}).json()["shown"]
    assert (unknown["end_on"], hidden["end_on"], shown["end_on"]) == (None, False, True)

    fields = {"ongoing": "no", "start_on": "14/03/2025", "end_on": "13/03/2025", "grade": "4", "serious": "no"}
    findings = evaluate(theo, address, fields).json()["findings"]
    told = {finding["item"]: finding for finding in findings}
    assert told["end_on"]["severity"] == "hard"
    assert "answer_name" not in told["end_on"]
    assert told["serious"]["answer_name"] == "confirm__grade_4_serious"


def test_grades_follow_the_term(cast: Cast, consented: Participant) -> None:
    """ECRF-212: after the term is chosen only its grades are offered."""
    theo = cast.client_of(cast.theo_coordinator)
    address = f"/participants/{consented.code}/log/adverse_event/new/"
    every = evaluate(theo, address, {"term": ""}).json()["options"]["grade"]
    fatigue = evaluate(theo, address, {"term": "Fatigue"}).json()["options"]["grade"]
    assert [option["value"] for option in every] == ["1", "2", "3", "4", "5"]
    assert [option["value"] for option in fatigue] == ["1", "2", "3"]


def on_pathway(participant: Participant, pathway: str) -> Participant:
    """The participant, as if allocated to the pathway: its logs take entries."""
    participant.pathway = pathway
    return participant


def test_rows_are_evaluated_one_by_one(cast: Cast, consented: Participant) -> None:
    """ECRF-213: names of cells are GROUP.ROW.ITEM; a row marked as removed no longer counts."""
    theo = cast.client_of(cast.theo_coordinator)
    audit.save(on_pathway(consented, "srt"), by=None)
    rows = {
        "fraction_rows__rows": ["n1", "n2"],
        "fraction_rows.n1.delivered": "yes", "fraction_rows.n1.fraction_dose": "8",
        "fraction_rows.n2.delivered": "no", "fraction_rows.n2.fraction_dose": "8",
    }  # fmt: skip
    address = f"/participants/{consented.code}/log/srt_fractions/new/"
    answer = evaluate(theo, address, rows).json()
    assert answer["shown"]["fraction_rows.n1.fraction_dose"] is True
    assert answer["shown"]["fraction_rows.n2.fraction_dose"] is False
    assert answer["derived"]["delivered_count"] == "1"

    answer = evaluate(theo, address, {**rows, "fraction_rows__removed": ["n1"]}).json()
    assert answer["derived"]["delivered_count"] == "0"


def test_readers_evaluate_nothing(cast: Cast, consented: Participant) -> None:
    """ECRF-214: wrong role 403, wrong site 404."""
    assert evaluate(cast.client_of(cast.mona_monitor), url(cast, consented), {}).status_code == 403
    assert evaluate(cast.client_of(cast.oscar_coordinator), url(cast, consented), {}).status_code == 404


# ---------------------------------------------------------------- in a browser


def sign_in(context: Any, server: Any, cast: Cast, person: Person) -> None:
    session = cast.client_of(person).cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": server.url}])


def test_typing_is_kept_evaluated_and_saved(cast: Cast, server: Any, context: Any) -> None:
    """ECRF-220: without pressing anything the typing is a draft and the index is calculated; then it is saved."""
    participant = cast.consented()
    sign_in(context, server, cast, cast.theo_coordinator)
    page = context.new_page()
    page.goto(url(cast, participant))
    page.fill("#f-height", "200")
    page.fill("#f-weight", "80")
    page.locator("#f-kps").focus()
    expect(page.locator("[data-derived=bmi]")).to_have_text("20.0")
    page.wait_for_selector("[data-draft-status][data-draft=kept]")

    page.goto(url(cast, participant))
    assert page.input_value("#f-weight") == "80"
    assert page.locator("text=was brought back").count() == 1
    page.click("button:has-text('Save as not finished'):not(.visually-hidden)")
    page.wait_for_url(lambda address: "/forms/" not in address)
    assert cast.record(participant, FORM, visit="SCR").revision == 1
    assert not Draft.objects.exists()


def test_the_browser_offers_the_grades_of_the_term(cast: Cast, server: Any, context: Any) -> None:
    """ECRF-221: the buttons of the grades are made anew when another term is chosen."""
    participant = cast.consented()
    sign_in(context, server, cast, cast.theo_coordinator)
    page = context.new_page()
    page.goto(f"/participants/{participant.code}/log/adverse_event/new/")
    assert page.locator("input[name=grade]").count() == 5
    page.fill("#f-term", "Fatigue")
    page.locator("#f-verbatim").focus()
    expect(page.locator("input[name=grade]")).to_have_count(3)
    page.locator("label:has(input[name=grade][value='3'])").click()
    page.fill("#f-term", "Nausea")
    page.locator("#f-verbatim").focus()
    expect(page.locator("[data-draft-status]")).to_have_attribute("data-draft", "kept")
    expect(page.locator("input[name=grade][value='3']")).to_be_checked()


def test_a_row_is_added_and_taken_away_in_the_browser(cast: Cast, server: Any, context: Any) -> None:
    """ECRF-222: the buttons of the grid stay on the page where scripts run."""
    participant = audit.save(on_pathway(cast.consented(), "srt"), by=None)
    sign_in(context, server, cast, cast.theo_coordinator)
    page = context.new_page()
    page.goto(f"/participants/{participant.code}/log/srt_fractions/new/")
    page.click("[data-grid-add]")
    page.click("[data-grid-add]")
    assert page.locator("[data-grid-rows] > tr").count() == 2
    page.locator("[data-grid-remove]").first.click()
    assert page.locator("[data-grid-rows] > tr").count() == 1
    assert page.url.endswith("/log/srt_fractions/new/")


def test_the_drawer_asks_and_answers_queries(cast: Cast, server: Any, context: Any) -> None:
    """ECRF-223: the thread opens beside the form and stays there."""
    participant = cast.consented()
    cast.save(Where(participant, FORM, visit=cast.visit(participant, "SCR")), {"weight": "80"}, complete=False)
    sign_in(context, server, cast, cast.mona_monitor)
    page = context.new_page()
    page.goto(url(cast, participant))
    page.click("a.tool[href$='queries/?item=weight']")
    page.fill("#query-text", "Please confirm the weight.")
    page.click("#side-dialog button:has-text('Ask')")
    page.wait_for_selector("#side-dialog .thread__text:has-text('Please confirm the weight.')")
    page.click("#side-dialog button:has-text('Close'):visible >> nth=-1")
    page.wait_for_selector("#side-dialog [data-state=closed]")
