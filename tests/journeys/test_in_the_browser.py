"""The way through the trial in a real browser, each step by the role to which it belongs."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import zipfile
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from audit import clock
from ecrf.models import Change, Query, Record
from randomization.models import Allocation
from safety.models import SafetyCase
from tests import stages
from tests.cast import PASSWORD, Cast
from trial.actions.people import set_locale
from trial.models import Participant, Person, Visit

pytestmark = pytest.mark.django_db(transaction=True)
AXE = Axe()
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture
def stage(server: Any) -> Cast:
    """The cast on the server's own database."""
    return stages.cast_of(Cast)


@pytest.fixture
def enter(page: Page) -> Callable[[Person], Page]:
    """Sign a person in through the page, in place of whoever was there."""

    def as_person(person: Person) -> Page:
        page.context.clear_cookies()
        page.goto("/login/")
        page.locator("[name=username]").fill(person.email)
        page.locator("[name=password]").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(re.compile(r"/(\?.*)?$"))
        return page

    return as_person


def looks_right(page: Page) -> None:
    """No accessibility violation (axe, WCAG 2.2 AA), tables that are tables, nothing wider than the window or than a
    telephone's."""
    size = page.viewport_size or {"width": 1280, "height": 720}
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size(size | {"height": max(height, size["height"])})  # nothing is under the bar of a form
    found = AXE.run(page, options={"runOnly": STANDARDS, "resultTypes": ["violations"]})
    problems = [
        f"{v['id']}: {v['help']} at {[n['target'] for n in v['nodes']][:3]}" for v in found.response["violations"]
    ]
    assert problems == [], page.url
    for width in (390, size["width"]):
        page.set_viewport_size(size | {"width": width})
        wide = page.evaluate(TOO_WIDE)
        assert wide <= 0, f"{page.url} is {wide} px wider than its window of {width}"
    heads = page.locator(".table thead th:visible").evaluate_all("all => all.map(e => getComputedStyle(e).display)")
    assert set(heads) <= {"table-cell"}, f"{page.url}: the heads of a table do not stand above their columns"


def walks_the_casebook(page: Page) -> None:
    """The grid is one Tab stop; arrows, Home and End walk over what can be opened, Enter opens, letters lead away."""
    stop = page.locator("[data-roving] [data-cell][tabindex='0']")
    expect(stop).to_have_count(1)
    stop.focus()

    def here() -> tuple[int, int]:
        row, column = page.evaluate(
            "[document.activeElement.closest('tr').rowIndex, document.activeElement.closest('td, th').cellIndex]"
        )
        return row, column

    first = here()
    page.keyboard.press("ArrowDown")
    assert here()[0] > first[0]
    assert here()[1] == first[1]
    expect(stop).to_have_count(1)
    page.keyboard.press("ArrowUp")
    assert here() == first
    page.keyboard.press("End")
    last = here()
    page.keyboard.press("Home")
    assert here()[0] == last[0] == first[0]
    assert here()[1] <= first[1] <= last[1]
    page.keyboard.press("?")
    expect(page.locator("#shortcuts-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    stop.focus()
    chosen = stop.get_attribute("href")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.url.endswith(str(chosen))
    page.locator("h1").click()
    page.keyboard.press("g")
    with page.expect_navigation():
        page.keyboard.press("p")
    assert page.url.endswith("/participants/")


def today() -> str:
    return clock.today().strftime("%d/%m/%Y")


def answer(page: Page, name: str, value: str) -> None:
    """Answer an item as a person does: type, choose or tick."""
    control = page.locator(f'[name="{name}"]').first
    kind = control.evaluate("e => e.type")
    if kind == "radio":
        page.locator(f'[name="{name}"][value="{value}"]').evaluate("e => e.click()")
    elif kind == "select-one":
        control.select_option(value)
    else:
        control.fill(value)
        control.blur()


def save_complete(page: Page) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name="Save complete").click()


def save_unfinished(page: Page) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name=re.compile("not finished", re.IGNORECASE)).click()


def unscheduled(page: Page, participant: Participant) -> Visit:
    """Add a visit of today that the plan does not date."""
    page.goto(f"/participants/{participant.code}/visits/add/")
    looks_right(page)
    page.get_by_label(re.compile("Unscheduled")).check(force=True)
    page.locator("[name=on]").fill(today())
    page.get_by_role("button", name=re.compile("Add")).last.click()
    page.wait_for_url(re.compile(rf"/participants/{participant.code}/(?!visits/add)"))
    return participant.visits.get(event="UNS")


@pytest.mark.template("cast", "baseline_done")
def test_long_words_stay_inside_a_telephone(stage: Cast, enter: Callable[[Person], Page]) -> None:
    """TRL-025: in French, with a laboratory value that is a toxicity, and criteria with their names."""
    participant = stage.baseline_done()
    stage.fill(participant, "laboratory", visit="SCR", hgb="9.1", creatinine="190")
    set_locale(person=stage.theo_coordinator, locale="fr", by=stage.theo_coordinator)
    page = enter(stage.theo_coordinator)
    page.set_viewport_size({"width": 390, "height": 844})
    visit = stage.visit(participant, "SCR")
    for address in (f"visits/{visit.pk}/forms/laboratory/", "eligibility/", ""):
        page.goto(f"/participants/{participant.code}/{address}")
        assert page.evaluate(TOO_WIDE) <= 0, page.url
    page.goto(f"/participants/{participant.code}/visits/{visit.pk}/forms/laboratory/")
    flags = page.locator(".flag[data-flag=low], .flag[data-flag=high]")
    expect(flags.filter(has_text="grade")).to_have_count(2)


@pytest.mark.template("cast", "list_in_use")
def test_from_screening_to_randomization(stage: Cast, enter: Callable[[Person], Page]) -> None:
    """TRL-002: screening, consent, eligibility signed, the careful step, the arm, its visits, the PDF."""
    stage.list_in_use()
    page = enter(stage.theo_coordinator)
    looks_right(page)
    page.goto("/participants/screen/")
    looks_right(page)
    with page.expect_navigation():
        page.get_by_role("button", name="Open the screening").click()
    looks_right(page)

    participant = Participant.objects.get(code="01-001")
    visit = stage.visit(participant, "SCR")
    if visit.actual_on is None:
        page.goto(f"/participants/01-001/visits/{visit.pk}/")
        looks_right(page)
        page.locator("[name=on], [name=actual_on]").first.fill(today())
        page.get_by_role("button", name=re.compile("Save|Record")).first.click()
        page.wait_for_load_state()
    page.goto(f"/participants/01-001/visits/{visit.pk}/forms/vitals_performance/")
    expect(page.locator("main")).to_contain_text("consent")
    page.goto(f"/participants/01-001/visits/{visit.pk}/forms/consent/")
    looks_right(page)
    answer(page, "informed_on", today())
    answer(page, "consented", "yes")
    expect(page.locator('[name="signed_on"]')).to_be_visible()
    answer(page, "signed_on", today())
    answer(page, "document_version", "1.0")
    answer(page, "informed_by", "INV")
    answer(page, "physician_signed_on", today())
    for item in ("copy_given", "consents_data_reuse", "consents_images", "consents_samples", "informs_gp"):
        answer(page, item, "yes")
    save_complete(page)
    participant.refresh_from_db()
    assert participant.consented_on == clock.today()

    stage.baseline_done(participant)
    page.goto("/participants/01-001/")
    looks_right(page)
    page.goto("/participants/01-001/eligibility/")
    looks_right(page)
    expect(page.locator("main")).to_contain_text("Every progressing lesion can be treated by SRT")

    form = f"/participants/01-001/visits/{visit.pk}/forms/eligibility/"
    page = enter(stage.rose_radiation)
    page.goto(form)
    looks_right(page)
    expect(page.locator('[name="i07"]')).to_have_count(0)  # a radiologist's or an investigator's to answer
    answer(page, "i10", "yes")
    answer(page, "e03", "no")
    save_unfinished(page)
    page = enter(stage.ines_investigator)
    page.goto("/participants/01-001/eligibility/")
    expect(page.get_by_role("button", name=re.compile("Sign"))).to_have_count(0)  # not before all is answered
    page.goto(form)
    answer(page, "assessed_on", today())
    for item in ("i07", "i11", "i13", "i14"):
        answer(page, item, "yes")
    for item in ("e01", "e04", "e05", "e06", "e07", "e08"):
        if page.locator(f'[name="{item}"]').count():
            answer(page, item, "no")
    save_complete(page)
    page.goto("/participants/01-001/eligibility/")
    looks_right(page)
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name=re.compile("Sign")).last.click()
    page.wait_for_load_state()
    assert Record.objects.get(participant=participant, form="eligibility").is_signed

    page = enter(stage.theo_coordinator)
    page.goto("/participants/01-001/randomize/")
    looks_right(page)
    expect(page.locator("main")).to_contain_text("01-001")
    page.locator("[name=password]").fill("not the password")
    page.get_by_role("button", name=re.compile("Randomize")).last.click()
    expect(page.locator("main")).to_contain_text(re.compile("password", re.IGNORECASE))
    assert not Allocation.objects.exists()
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name=re.compile("Randomize")).last.click()
    page.wait_for_url(re.compile("/allocation/"))
    looks_right(page)
    allocation = Allocation.objects.get(participant=participant)
    arm = stage.definition.text(stage.definition.arms[allocation.arm].label, "en")
    expect(page.locator("main")).to_contain_text(arm)

    pdf = page.request.get("/participants/01-001/allocation.pdf")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.body().startswith(b"%PDF")

    page.goto("/participants/01-001/")
    own = "SRT planning" if allocation.arm == "SRT" else "Start of the new line"
    expect(page.locator("main")).to_contain_text(own)
    expect(page.locator("main")).to_contain_text("Month 3")
    walks_the_casebook(page)


@pytest.mark.template("cast", "randomized")
def test_a_toxicity_is_typed_and_its_clock_starts(stage: Cast, enter: Callable[[Person], Page]) -> None:
    """TRL-004: none since the last visit is an answer of its own; a serious event opens its form and its clock."""
    participant = stage.randomized()
    home = f"/participants/{participant.code}"
    page = enter(stage.ines_investigator)
    visit = unscheduled(page, participant)
    page.goto(f"{home}/visits/{visit.pk}/forms/ae_check/")
    looks_right(page)
    expect(page.locator("main")).to_contain_text("No adverse event")

    page.goto(f"{home}/log/adverse_event/new/")
    looks_right(page)
    term = page.locator('[name="term"]')
    term.press_sequentially("Anem", delay=30)
    expect(page.locator(f'#{term.get_attribute("list")} option[value="Anemia"]')).to_have_count(1)
    term.fill("Alopecia")
    term.blur()
    expect(page.locator('[name="grade"][value="2"]')).to_have_count(1)
    expect(page.locator('[name="grade"][value="3"]')).to_have_count(0)  # alopecia has two grades in CTCAE v5
    term.fill("Anemia")
    term.blur()
    expect(page.locator('[name="grade"][value="5"]')).to_have_count(1)
    answer(page, "verbatim", "Anémie")
    answer(page, "grade", "3")
    answer(page, "start_on", today())
    answer(page, "ongoing", "yes")
    expect(page.locator('[name="end_on"]')).not_to_be_visible()
    answer(page, "serious", "yes")
    answer(page, "relation_srt", "NOT_RELATED")
    answer(page, "action_srt", "NONE")
    answer(page, "treatment_given", "no")
    answer(page, "outcome", "RECOVERING")
    save_unfinished(page)
    event = Record.objects.get(participant=participant, form="adverse_event")
    assert event.data["event"][0]["grade"]["value"] in ("3", 3)
    looks_right(page)

    case = SafetyCase.objects.get(participant=participant)
    assert case.due_at is None or case.due_at > clock.now()
    page.goto("/safety/")
    looks_right(page)
    page.locator('main a[href*="/serious_adverse_event/"]').first.click()
    page.wait_for_load_state()
    looks_right(page)
    answer(page, "aware_at", clock.now().astimezone(ZoneInfo("Europe/Paris")).strftime("%d/%m/%Y 00:01"))
    answer(page, "serious_on", today())
    page.locator('[name="criteria"][value="HOSP"]').check(force=True)
    expect(page.locator('[name="admitted_on"]')).to_be_visible()
    save_unfinished(page)
    case.refresh_from_db()
    assert case.due_at == case.aware_at + dt.timedelta(hours=24)
    page = enter(stage.sam_safety)
    page.goto("/safety/")
    looks_right(page)
    expect(page.locator("main")).to_contain_text(participant.code)
    expect(page.locator("main")).to_contain_text("Anemia")


@pytest.mark.template("cast", "randomized")
def test_a_visit_a_query_and_a_dataset(stage: Cast, enter: Callable[[Person], Page]) -> None:
    """TRL-003: derived value, check that fires, skip logic, query, audit trail of a value, export."""
    participant = stage.randomized()
    page = enter(stage.theo_coordinator)

    visit = unscheduled(page, participant)

    page.goto(f"/participants/{participant.code}/visits/{visit.pk}/forms/vitals_performance/")
    looks_right(page)
    expect(page.locator('[name="height"]')).not_to_be_visible()
    answer(page, "examined_on", today())
    answer(page, "kps", "90")
    answer(page, "ecog", "2")
    expect(page.locator("main")).to_contain_text("Karnofsky and ECOG do not match")
    answer(page, "ecog", "0")
    expect(page.locator("main")).not_to_contain_text("Karnofsky and ECOG do not match")
    answer(page, "weight", "81,4")
    expect(page.locator('[data-derived="bmi"]')).to_contain_text(re.compile(r"\d\d[.,]\d"))
    answer(page, "sbp", "131")
    answer(page, "dbp", "78")
    answer(page, "heart_rate", "72")
    save_complete(page)
    record = Record.objects.get(visit=visit, form="vitals_performance")
    assert record.data["measures"][0]["weight"]["typed"] == "81,4"

    page = enter(stage.mona_monitor)
    page.goto(f"/participants/{participant.code}/visits/{visit.pk}/forms/vitals_performance/")
    looks_right(page)
    expect(page.get_by_role("button", name="Save complete")).to_have_count(0)
    page.goto(f"/participants/{participant.code}/visits/{visit.pk}/forms/vitals_performance/trail/?item=weight")
    looks_right(page)
    change = Change.objects.get(record=record, item="weight")
    expect(page.locator("main")).to_contain_text(change.by_name)
    expect(page.locator("main")).to_contain_text("81.4")

    page.goto(f"/participants/{participant.code}/visits/{visit.pk}/forms/vitals_performance/queries/?item=weight")
    looks_right(page)
    page.locator("textarea").first.fill("Please check the weight against the file.")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator(".thread").first).to_contain_text("Please check the weight")
    query = Query.objects.get(record=record, item="weight")
    page.goto("/queries/")
    looks_right(page)
    expect(page.locator("main")).to_contain_text(participant.code)

    page = enter(stage.theo_coordinator)
    page.goto(f"/queries/{query.pk}/")
    looks_right(page)

    page = enter(stage.paul_sponsor)
    page.goto("/exports/")
    looks_right(page)
    page.get_by_role("link", name="New export").first.click()
    looks_right(page)
    page.locator("main form").get_by_role("button").last.click()
    page.wait_for_url("**/exports/**")
    looks_right(page)
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("Download")).first.click()
    archive = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    rows = list(csv.DictReader(io.StringIO(archive.read("vitals_performance.csv").decode())))
    assert any(row["USUBJID"] == participant.code and row["WEIGHT"] == "81.4" for row in rows)
    everything = b"".join(archive.read(name) for name in archive.namelist())
    assert b"SWITCH" not in everything
    assert b"srt_course" not in everything
    assert "dictionary.csv" in archive.namelist()
