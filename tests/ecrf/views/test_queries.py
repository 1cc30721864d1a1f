"""Queries on the page: asked, answered, settled; the list of those that wait."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import clock
from ecrf.actions import data_queries
from ecrf.models import Query, Record
from ecrf.where import Where
from tests.cast import Cast
from trial.models import Participant

pytestmark = pytest.mark.django_db
FORM = "vitals_performance"


@pytest.fixture
def record(cast: Cast) -> Record:
    """A form in progress of a participant at site 01."""
    participant = cast.consented()
    return cast.fill(participant, FORM, visit="SCR", weight="80", complete=False)


def url(record: Record, rest: str = "") -> str:
    return f"/participants/{record.participant.code}/visits/{record.visit_id}/forms/{record.form}/{rest}"


def where(record: Record) -> Where:
    return Where(record.participant, record.form, visit=record.visit)


def ask(cast: Cast, record: Record, item: str = "weight", text: str = "Sure?", **more: Any) -> Query:
    return data_queries.ask(where=where(record), item=item, text=text, by=more.pop("by", cast.mona_monitor), **more)


def text_of(answer: Any) -> str:
    return answer.content.decode()


def test_the_monitor_asks_about_an_item(cast: Cast, record: Record) -> None:
    """ECRF-300: the question stands beside the item, for the site to answer."""
    mona = cast.client_of(cast.mona_monitor)
    answer = mona.post(
        url(record, "queries/"), {"item": "weight", "text": "Please confirm 80.", "addressed_to": "investigator"}
    )
    assert answer.status_code == 302
    query = Query.objects.get()
    assert (query.item, query.state, query.addressed_to) == ("weight", "open", "investigator")

    page = cast.client_of(cast.theo_coordinator).get(url(record)).context["page"]
    weight = next(item for group in page.groups for item in group["fields"] if item["item"] == "weight")
    assert weight["queries"] == 1


def test_an_empty_question_is_not_asked(cast: Cast, record: Record) -> None:
    """ECRF-301: words, status 422, nothing asked."""
    answer = cast.client_of(cast.mona_monitor).post(url(record, "queries/"), {"item": "weight", "text": " "})
    assert answer.status_code == 422
    assert "Write the question" in text_of(answer)
    assert not Query.objects.exists()


def test_asking_is_for_the_monitor(cast: Cast, record: Record) -> None:
    """ECRF-302: the site does not ask itself; another site does not know the form."""
    form = {"item": "weight", "text": "Sure?"}
    refused = cast.client_of(cast.theo_coordinator).post(url(record, "queries/"), form)
    assert refused.status_code == 403
    assert cast.client_of(cast.oscar_coordinator).post(url(record, "queries/"), form).status_code == 404
    assert cast.client_of(cast.mona_monitor).post(url(record, "queries/"), {**form, "item": "no"}).status_code == 404
    assert not Query.objects.exists()


def test_a_form_that_nobody_filled_can_be_queried(cast: Cast, record: Record) -> None:
    """ECRF-303: "why is it not filled" needs no value."""
    address = f"/participants/{record.participant.code}/visits/{record.visit_id}/forms/laboratory/queries/"
    assert cast.client_of(cast.mona_monitor).post(address, {"text": "Still to come?"}).status_code == 302
    assert Query.objects.get().record.form == "laboratory"


def test_a_query_goes_its_way(cast: Cast, record: Record) -> None:
    """ECRF-304: answered by the site, reopened, answered, closed by who asks; each page offers what may be done."""
    query = ask(cast, record)
    address = f"/queries/{query.pk}/"
    theo, mona = cast.client_of(cast.theo_coordinator), cast.client_of(cast.mona_monitor)
    assert 'value="answer"' in text_of(theo.get(address))
    assert 'value="close"' not in text_of(theo.get(address))

    for browser, deed, state in (
        (theo, "answer", "answered"),
        (mona, "reopen", "reopened"),
        (theo, "answer", "answered"),
        (mona, "close", "closed"),
    ):
        answer = browser.post(address, {"deed": deed, "text": f"{deed}: words"})
        assert answer.status_code == 302, text_of(answer)
        assert Query.objects.get().state == state
    thread = text_of(theo.get(address))
    assert "reopened the query" in thread
    assert "close: words" in thread


def test_a_wrong_deed_on_a_query_says_why(cast: Cast, record: Record) -> None:
    """ECRF-305: wrong role 403, no words 422 with nothing lost, wrong state 422, wrong site and unknown deed 404."""
    query = ask(cast, record)
    address = f"/queries/{query.pk}/"
    theo, mona = cast.client_of(cast.theo_coordinator), cast.client_of(cast.mona_monitor)
    assert mona.post(address, {"deed": "answer", "text": "x"}).status_code == 403
    refused = theo.post(address, {"deed": "close", "text": "kept words"})
    assert refused.status_code == 403
    assert "kept words" in text_of(refused)
    assert theo.post(address, {"deed": "answer", "text": ""}).status_code == 422
    assert theo.post(address, {"deed": "destroy"}).status_code == 404
    mona.post(address, {"deed": "cancel", "text": "By mistake"})
    assert theo.post(address, {"deed": "answer", "text": "Late"}).status_code == 422
    assert cast.client_of(cast.oscar_coordinator).get(address).status_code == 404
    assert Query.objects.get().state == "cancelled"


def test_the_drawer_answers_with_the_drawer(cast: Cast, record: Record) -> None:
    """ECRF-306: htmx gets the fragment, with the thread as it now stands."""
    query = ask(cast, record)
    theo = cast.client_of(cast.theo_coordinator)
    htmx = {"HX-Request": "true"}
    shown = theo.get(url(record, "queries/?item=weight"), headers=htmx)
    assert "<html" not in text_of(shown)
    assert "Sure?" in text_of(shown)

    form = {"deed": "answer", "text": "Checked.", "item": "weight"}
    answer = theo.post(f"/queries/{query.pk}/", form, headers=htmx)
    assert answer.status_code == 200
    assert "<html" not in text_of(answer)
    assert "Checked." in text_of(answer)
    again = theo.post(f"/queries/{query.pk}/", form, headers=htmx)
    assert again.status_code == 422


# ---------------------------------------------------------------- the list


@pytest.fixture
def several(cast: Cast, record: Record) -> dict[str, Query]:
    """Queries of each sort at two sites."""
    now = clock.now()
    with clock.simulated(now - dt.timedelta(days=40)):
        old = ask(cast, record, item="height", text="Old one")
    answered = ask(cast, record, item="kps", text="Answered one")
    data_queries.answer(query=answered, text="Yes", by=cast.theo_coordinator)
    closed = ask(cast, record, item="ecog", text="Closed one")
    data_queries.close(query=closed, by=cast.mona_monitor)
    theirs = ask(cast, record, text="From the data manager", by=cast.dan_data_manager, addressed_to="investigator")
    return {"old": old, "answered": answered, "closed": closed, "theirs": theirs}


def listed(answer: Any) -> set[str]:
    return {row["text"] for row in answer.context["rows"]}


def test_the_list_is_narrowed_by_links(cast: Cast, several: dict[str, Query]) -> None:
    """ECRF-310: state, age, kind, whose; unknown words of the address narrow nothing."""
    mona = cast.client_of(cast.mona_monitor)
    assert listed(mona.get("/queries/")) == {"Old one", "Yes", "From the data manager"}
    assert listed(mona.get("/queries/?state=answered")) == {"Yes"}
    assert len(listed(mona.get("/queries/?state=all"))) == 4
    assert listed(mona.get("/queries/?age=31")) == {"Old one"}
    assert listed(mona.get("/queries/?age=0")) == {"Yes", "From the data manager"}
    assert listed(mona.get("/queries/?age=8")) == listed(mona.get("/queries/?age=91")) == set()
    assert listed(mona.get("/queries/?kind=automatic")) == set()
    assert listed(mona.get("/queries/?whose=asked")) == {"Old one", "Yes"}
    assert listed(mona.get("/queries/?whose=waiting")) == {"Yes"}
    assert listed(mona.get("/queries/?role=investigator")) == {"From the data manager"}
    assert listed(mona.get(f"/queries/?form={FORM}")) == listed(mona.get("/queries/"))
    assert listed(mona.get("/queries/?form=laboratory")) == set()
    assert listed(mona.get("/queries/?participant=99-999")) == set()
    unknown = "/queries/?age=x&state=%00&kind=1&whose=no&role=sponsor&order=%0a"
    assert listed(mona.get(unknown)) == listed(mona.get("/queries/"))
    assert listed(mona.get("/queries/?site=99")) == set()
    assert listed(cast.client_of(cast.ines_investigator).get("/queries/?whose=waiting")) == {"From the data manager"}


def test_the_age_is_in_days(cast: Cast, several: dict[str, Query]) -> None:
    """ECRF-311: from asked to today, or to settled."""
    rows = cast.client_of(cast.mona_monitor).get("/queries/").context["rows"]
    assert rows[0]["age"] == "40 days"
    assert rows[-1]["age"] == "today"
    newest_first = cast.client_of(cast.mona_monitor).get("/queries/?order=new").context["rows"]
    assert newest_first[-1]["age"] == "40 days"


def test_another_site_sees_none_of_them(cast: Cast, several: dict[str, Query]) -> None:
    """ECRF-312: not in the list, not in the counts."""
    page = cast.client_of(cast.oscar_coordinator).get("/queries/?state=all")
    assert listed(page) == set()
    groups = [*page.context["filters"], *page.context["more_filters"]]
    assert all(option["count"] == "0" for group in groups for option in group["options"])
    assert cast.client_of(cast.adam_admin).get("/queries/").status_code == 403


def test_the_list_is_paged_in_few_statements(cast: Cast, record: Record) -> None:
    """ECRF-313: the number of statements does not depend on the number of queries."""
    mona = cast.client_of(cast.mona_monitor)
    for number in range(30):
        ask(cast, record, text=f"Question {number}")
    mona.get("/queries/")
    with CaptureQueriesContext(connection) as statements:
        page = mona.get("/queries/?page=2")
    assert len(page.context["rows"]) == 5
    assert len(statements) <= 15
    assert "page=1" in text_of(page)


def test_what_waits_is_counted_in_the_navigation(cast: Cast, several: dict[str, Query]) -> None:
    """ECRF-314: open ones for the site, answered ones for who asked."""
    for person, waiting in ((cast.theo_coordinator, 2), (cast.mona_monitor, 1), (cast.oscar_coordinator, 0)):
        page = cast.client_of(person).get("/queries/")
        entry = next(entry for entry in page.context["navigation"] if entry["url"] == "/queries/")
        assert entry["count"] == waiting


def test_a_participant_of_another_site_is_not_queried(cast: Cast, record: Record) -> None:
    """ECRF-315: the monitor of site 01 has nothing to ask at site 02."""
    other: Participant = cast.screened(by=cast.oscar_coordinator, site=cast.other_site)
    visit = cast.visit(other, "SCR")
    address = f"/participants/{other.code}/visits/{visit.pk}/forms/consent/queries/"
    assert cast.client_of(cast.mona_monitor).get(address).status_code == 404


def test_home_tells_the_site_which_queries_to_answer(cast: Cast, record: Record) -> None:
    """ECRF-960: the open queries of the person's sites, oldest first, with their question; none of another site."""
    with clock.simulated(clock.now() - dt.timedelta(days=3)):
        first = ask(cast, record, text="Please confirm 80.")
    ask(cast, record, item="height", text="Please give the height.")

    page = text_of(cast.client_of(cast.theo_coordinator).get("/"))
    assert "Queries to answer" in page
    assert f"/queries/{first.pk}/" in page and "3 days" in page
    assert page.index("Please confirm 80.") < page.index("Please give the height.")
    assert "Please confirm 80." not in text_of(cast.client_of(cast.oscar_coordinator).get("/"))


def test_home_tells_the_monitor_which_answers_to_read(cast: Cast, record: Record) -> None:
    """ECRF-961: an answer waits for those who ask; the open query does not; who has no part in queries has no panel."""
    mona = cast.client_of(cast.mona_monitor)
    query = ask(cast, record)
    assert "No query waits for you." in text_of(mona.get("/"))
    data_queries.answer(query=query, text="Confirmed at source.", by=cast.theo_coordinator)
    page = text_of(mona.get("/"))
    assert "Answers to read" in page and "Confirmed at source." in page
    assert "Answers to read" not in text_of(cast.client_of(cast.adam_admin).get("/"))


# ---------------------------------------------------------------- asked of a role, several at once


def test_the_form_offers_roles_and_says_where_nobody_holds_one(cast: Cast, record: Record) -> None:
    """ECRF-316: only offered roles; a forged one is refused in words, with the question kept."""
    mona = cast.client_of(cast.mona_monitor)
    offered = mona.get(url(record, "queries/?item=weight")).context["addressees"]
    labels = {option["value"]: str(option["label"]) for option in offered}
    assert "nobody at this site" not in labels["coordinator"]
    assert {"coordinator", "investigator", "radiation_oncologist", "data_manager", "safety_officer"} <= set(labels)
    assert "sponsor" not in labels
    forged = mona.post(url(record, "queries/"), {"item": "weight", "text": "Kept words?", "addressed_to": "sponsor"})
    assert forged.status_code == 422
    assert "Kept words?" in text_of(forged)
    assert not Query.objects.exists()


def test_the_query_is_passed_on_from_its_page(cast: Cast, record: Record) -> None:
    """ECRF-316: by who may; the thread says of whom it is asked now."""
    query = ask(cast, record)
    theo = cast.client_of(cast.theo_coordinator)
    form = {"deed": "readdress", "addressed_to": "radiation_oncologist", "text": "Yours"}
    assert theo.post(f"/queries/{query.pk}/", form).status_code == 302
    page = text_of(theo.get(f"/queries/{query.pk}/"))
    assert "asked another role: Radiation oncologist" in page
    assert cast.client_of(cast.paul_sponsor).post(f"/queries/{query.pk}/", form).status_code == 403
    assert theo.post(f"/queries/{query.pk}/", {**form, "addressed_to": "x"}).status_code == 422


def test_several_are_settled_with_one_text(cast: Cast, several: dict[str, Query]) -> None:
    """ECRF-317: what could be done is done, what was refused stands above the list with why, still picked."""
    mona = cast.client_of(cast.mona_monitor)
    picked = [several[name].pk for name in ("old", "answered", "closed")]
    answer = mona.post("/queries/?state=all", {"query": picked, "deed": "close", "text": "Seen on site."})
    assert answer.status_code == 422
    assert "1 query was left as it is" in text_of(answer)
    assert [line["url"] for line in answer.context["not_done"]] == [f"/queries/{several['closed'].pk}/"]
    assert [row["id"] for row in answer.context["rows"] if row["picked"]] == [several["closed"].pk]
    assert "Seen on site." in text_of(answer)
    states = {name: Query.objects.get(pk=query.pk).state for name, query in several.items()}
    assert states == {"old": "closed", "answered": "closed", "closed": "closed", "theirs": "open"}

    again = mona.post("/queries/?state=all", {"query": picked, "deed": "reopen", "text": "Once more"})
    assert (again.status_code, again["Location"]) == (302, "/queries/?state=all")
    assert Query.objects.filter(state="reopened").count() == 3


def test_a_bulk_deed_that_cannot_be_says_why_and_changes_nothing(cast: Cast, several: dict[str, Query]) -> None:
    """ECRF-317: nothing picked, a deed that is not for several, no words, another site's, no right."""
    mona = cast.client_of(cast.mona_monitor)
    before = list(Query.objects.order_by("pk").values_list("pk", "state", "addressed_to"))
    old = several["old"].pk
    for form, status in (
        ({"deed": "close"}, 422),
        ({"deed": "answer", "query": old, "text": "x"}, 422),
        ({"deed": "cancel", "query": old, "text": " "}, 422),
        ({"deed": "readdress", "query": old, "addressed_to": "sponsor"}, 422),
        ({"deed": "close", "query": ["x", "9" * 30, "-1"]}, 422),
    ):
        assert mona.post("/queries/", form).status_code == status, form
    assert cast.client_of(cast.theo_coordinator).post("/queries/", {"deed": "close", "query": old}).status_code == 422
    assert cast.client_of(cast.oscar_coordinator).post("/queries/", {"deed": "close", "query": old}).status_code == 422
    assert list(Query.objects.order_by("pk").values_list("pk", "state", "addressed_to")) == before


def test_all_of_a_page_are_selected_without_a_script(cast: Cast, several: dict[str, Query]) -> None:
    """ECRF-317: a link; who neither asks nor answers is offered nothing to select."""
    mona = cast.client_of(cast.mona_monitor)
    assert all(row["picked"] for row in mona.get("/queries/?select=all").context["rows"])
    assert not any(row["picked"] for row in mona.get("/queries/").context["rows"])
    assert 'name="query"' not in text_of(cast.client_of(cast.paul_sponsor).get("/queries/"))
    theo = cast.client_of(cast.theo_coordinator).get("/queries/")
    assert [deed["value"] for deed in theo.context["deeds"]] == ["readdress"]


def test_each_filter_counts_what_it_would_show(cast: Cast, several: dict[str, Query]) -> None:
    """ECRF-318: the number beside a filter is the number of rows behind it."""
    mona = cast.client_of(cast.mona_monitor)
    shown: dict[str, int] = {}  # several filters, and those of several pages, lead to the same rows
    for start in ("/queries/", "/queries/?state=all", "/queries/?role=coordinator", "/queries/?whose=asked&state=all"):
        page = mona.get(start)
        for group in [*page.context["filters"], *page.context["more_filters"]]:
            for option in group["options"]:
                address = option["url"]
                if address not in shown:
                    shown[address] = mona.get(address).context["listed"].paginator.count
                assert str(shown[address]) == option["count"], (start, group["label"], option["label"])


def test_the_casebook_s_link_narrows_to_the_participant(cast: Cast, several: dict[str, Query]) -> None:
    """ECRF-318: `?participant=` and what it shows."""
    code = several["old"].participant.code
    mona = cast.client_of(cast.mona_monitor)
    assert len(listed(mona.get(f"/queries/?participant={code}"))) == 3
    assert listed(mona.get("/queries/?participant=01-999")) == set()
