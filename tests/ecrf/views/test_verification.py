"""Source verification on the pages: progress by site and participant, the round, marks on forms and casebook."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ecrf.actions import verifications
from ecrf.models import Record, Verification
from ecrf.verification import drawn
from ecrf.where import Where
from tests.cast import Cast
from tests.ecrf import plans
from tests.stages import staged
from trial.models import Participant

pytestmark = pytest.mark.django_db
FORM = "vitals_performance"
MOST_STATEMENTS = 15
SEED = next(s for s in map("seed number {}".format, range(99)) if not drawn("01-001", seed=s, share=20))


@pytest.fixture
def participant(cast: Cast) -> Participant:
    """A participant of site 01 with two complete forms; the plan asks for consent in full and critical items."""
    plans.publish(cast, plans.default("sample", share="20", seed=SEED, forms="[consent]"))
    return with_two_forms(cast)


@staged
def with_two_forms(cast: Cast) -> Participant:
    found = cast.consented()
    cast.fill(found, FORM, visit="SCR", kps=90, ecog="0", weight="80")
    return found


@pytest.fixture
def mona(cast: Cast) -> Client:
    return cast.client_of(cast.mona_monitor)


def verify_url(cast: Cast, participant: Participant, form: str = FORM, rest: str = "verify/") -> str:
    return f"/participants/{participant.code}/visits/{cast.visit(participant, 'SCR').pk}/forms/{form}/{rest}"


def text_of(answer: Any) -> str:
    return answer.content.decode()


def test_progress_by_site_and_by_participant(cast: Cast, participant: Participant, mona: Client) -> None:
    """ECRF-319: asked for, verified, changed, waiting, oldest; from the site to the participant to the form."""
    page = mona.get("/verification/")
    [row] = page.context["rows"]
    consent = cast.record(participant, "consent", visit="SCR")
    before = row["required"]
    assert (row["number"], row["verified"], row["waiting"], row["oldest"]) == ("01", 0, 2, "today")
    assert "A plan" in text_of(page)

    verifications.verify_required(record=consent, by=cast.mona_monitor)
    [row] = mona.get("/verification/").context["rows"]
    assert (row["required"], row["waiting"], row["verified"] > 0) == (before, 1, True)
    [person] = mona.get("/verification/?site=01").context["rows"]
    assert (person["code"], person["required"], person["waiting"]) == (participant.code, before, 1)

    page = mona.get(person["url"])
    lines = {line["form"]: line for line in page.context["lines"]}
    label = cast.definition.form("consent").label["en"]
    assert lines[label]["state"] == "verified"
    assert lines[cast.definition.form(FORM).label["en"]]["state"] == "to_verify"
    assert page.context["first_url"] == verify_url(cast, participant) + "?run=1"


def test_only_those_who_may_know_the_plan_see_it(cast: Cast, participant: Participant) -> None:
    """ECRF-319: the site would learn who is in the sample; another site's participant does not exist."""
    address = f"/participants/{participant.code}/verification/"
    for person, status in (
        (cast.mona_monitor, 200),
        (cast.dan_data_manager, 200),
        (cast.aude_auditor, 200),
        (cast.theo_coordinator, 403),
        (cast.ines_investigator, 403),
        (cast.paul_sponsor, 403),
    ):
        client = cast.client_of(person)
        assert client.get("/verification/").status_code == status, person
        assert client.get(address).status_code == status, person
    oscar = cast.client_of(cast.oscar_coordinator)
    assert oscar.get(address).status_code == 404
    assert oscar.get(address + "next/").status_code == 404
    mona = cast.client_of(cast.mona_monitor)
    assert mona.get("/verification/?site=02").status_code == 404
    assert mona.get("/verification/?site=zz").status_code == 404
    form = text_of(cast.client_of(cast.theo_coordinator).get(verify_url(cast, participant, rest="")))
    assert "To verify" not in form
    assert "verify-at-source" not in form
    casebook = text_of(cast.client_of(cast.theo_coordinator).get(f"/participants/{participant.code}/"))
    assert "to verify at source" not in casebook


def test_a_monitor_goes_through_a_participant_without_returning_to_lists(
    cast: Cast, participant: Participant, mona: Client
) -> None:
    """ECRF-319: on a round the next form follows; after the last one, the participant who waits longest."""
    other = cast.consented(cast.screened())
    first = mona.get(f"/participants/{participant.code}/verification/").context["first_url"]
    assert "/forms/consent/" in first
    seen = []
    for _step in range(2):
        record = mona.get(first).context["place"].record
        seen.append(record.form)
        answer = mona.post(first, {"revision": record.revision, "required": "1"})
        assert answer.status_code == 302
        first = mona.get(answer["Location"])["Location"]
    assert seen == ["consent", FORM]
    assert first == f"/participants/{other.code}/verification/"
    assert not Verification.objects.filter(record__participant=other).exists()
    [row] = mona.get("/verification/").context["rows"]
    assert row["waiting"] == 1


def test_a_round_stays_on_a_form_with_something_left(cast: Cast, participant: Participant, mona: Client) -> None:
    """ECRF-319: item by item; the page comes again until the plan is satisfied."""
    address = verify_url(cast, participant) + "?run=1"
    answer = mona.post(address, {"revision": 1, "value": ["|kps"]})
    assert answer["Location"] == address
    page = mona.get(address)
    assert (page.context["required"], page.context["required_left"]) == (2, 1)
    answer = mona.post(address, {"revision": 1, "value": ["|ecog"]})
    assert "/verification/next/" in answer["Location"]


def test_the_record_page_shows_what_the_plan_asks_for_and_takes_it_item_by_item(
    cast: Cast, participant: Participant, mona: Client
) -> None:
    """ECRF-318: a mark beside each item, a button for it alone; after it, who verified it stands in its trail."""
    address = verify_url(cast, participant, rest="")
    page = mona.get(address).context["page"]
    items = {item["item"]: item for group in page.groups for item in group.get("fields", [])}
    assert (items["kps"]["state"], items["kps"]["verify"]) == ("to_verify", "|kps")
    assert (items["weight"].get("state"), items["weight"]["verify"]) == (None, "|weight")
    assert "verify" not in items["bmi"]
    assert 'form="verify-at-source"' in text_of(mona.get(address))

    answer = mona.post(address + "verify/", {"revision": 1, "value": "|kps"})
    assert answer["Location"] == address
    page = mona.get(address).context["page"]
    items = {item["item"]: item for group in page.groups for item in group.get("fields", [])}
    assert (items["kps"]["state"], "verify" in items["kps"]) == ("verified", False)
    trail = text_of(mona.get(address + "trail/?item=kps"))
    assert "Verified at source" in trail
    assert "Mona Monitor" in trail


def test_a_verification_is_taken_back_on_the_page(cast: Cast, participant: Participant, mona: Client) -> None:
    """ECRF-318: with a reason; without one nothing happens and what was typed stays."""
    address = verify_url(cast, participant)
    mona.post(address, {"revision": 1, "required": "1"})
    refused = mona.post(address, {"revision": 1, "take_back": "1", "held": "|kps", "reason": ""})
    assert refused.status_code == 422
    assert "Say why" in text_of(refused)
    assert (
        mona.post(address, {"revision": 1, "take_back": "1", "held": "|kps", "reason": "Wrong page"}).status_code == 302
    )
    assert Verification.objects.exclude(cleared_at=None).get().item == "kps"
    assert "Wrong page" in text_of(mona.get(verify_url(cast, participant, rest="trail/?item=kps")))
    assert cast.client_of(cast.theo_coordinator).post(address, {"revision": 1, "required": "1"}).status_code == 403


def test_the_casebook_shows_verification_at_a_glance(cast: Cast, participant: Participant, mona: Client) -> None:
    """ECRF-318: none, partly, fully by the plan, and nothing where the plan asks for nothing."""
    cast.fill(participant, "medical_history", visit="SCR")

    def marks() -> dict[str, list[str]]:
        casebook = mona.get(f"/participants/{participant.code}/").context["casebook"]
        rows = [row for section in casebook.grid["sections"] for row in section["rows"]]
        return {row["label"]: row["cells"][0].get("marks", []) for row in rows if row["cells"][0]}

    vitals = cast.definition.form(FORM).label["en"]
    assert marks()[vitals] == ["to_verify"]
    mona.post(verify_url(cast, participant), {"revision": 1, "value": "|kps"})
    assert marks()[vitals] == ["partly_verified"]
    mona.post(verify_url(cast, participant), {"revision": 1, "value": "|ecog"})
    found = marks()
    assert found[vitals] == ["verified"]
    assert found[cast.definition.form("medical_history").label["en"]] == []
    theo = cast.client_of(cast.theo_coordinator).get(f"/participants/{participant.code}/").context["casebook"]
    shown = [cell.get("marks") for s in theo.grid["sections"] for row in s["rows"] for cell in row["cells"]]
    assert ["verified"] in shown
    assert ["to_verify"] not in shown


def test_a_study_without_a_plan_says_so(cast: Cast, participant: Participant, mona: Client) -> None:
    """ECRF-318: nothing is asked for; verifying is still possible."""
    plans.publish(cast, None)
    assert "no plan" in text_of(mona.get("/verification/"))
    assert mona.get("/verification/?site=01").status_code == 200
    assert mona.post(verify_url(cast, participant), {"revision": 1, "whole": "1"}).status_code == 302
    assert Verification.objects.exists()


def test_the_pages_cost_few_statements_whatever_the_number(cast: Cast, participant: Participant, mona: Client) -> None:
    """ECRF-319: by site, by participant, the round and the form; the same with more participants and entries."""
    cast.save(Where(participant, "lesion"), {"lesion_number": "T9", "organ": "LUNG"})
    pages = (
        "/verification/",
        "/verification/?site=01",
        f"/participants/{participant.code}/verification/",
        f"/participants/{participant.code}/verification/next/",
        verify_url(cast, participant),
        verify_url(cast, participant, rest=""),
        f"/participants/{participant.code}/log/lesion/",
    )

    def costs() -> list[int]:
        found = []
        for address in pages:
            mona.get(address)
            with CaptureQueriesContext(connection) as statements:
                mona.get(address)
            found.append(len(statements))
        return found

    before = costs()
    assert max(before) <= MOST_STATEMENTS, dict(zip(pages, before, strict=True))
    for _more in range(3):
        cast.consented(cast.screened())
    for number in range(1, 5):
        entry = cast.save(Where(participant, "lesion"), {"lesion_number": f"T{number}", "organ": "LUNG"})
        verifications.verify(record=entry, values=[("", "organ")], by=cast.mona_monitor)
    assert Record.objects.filter(form="lesion").count() == 5
    assert costs() == before
