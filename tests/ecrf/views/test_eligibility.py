"""Eligibility, criterion by criterion, and its signature."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import clock
from audit.models import Deed, Signature
from ecrf.criteria import EligibilityPage
from ecrf.where import Where
from tests.cast import PASSWORD, Cast
from tests.randomization.conftest import change
from trial.actions import visits
from trial.models import Participant, Person, Status

pytestmark = pytest.mark.django_db
MOST_STATEMENTS = 15


def url(participant: Participant) -> str:
    return f"/participants/{participant.code}/eligibility/"


def words_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def page_of(person: Person, participant: Participant) -> EligibilityPage:
    return EligibilityPage(person, Participant.objects.select_related("site").get(pk=participant.pk))


def criteria(page: EligibilityPage) -> dict[str, dict[str, Any]]:
    return {criterion["id"]: criterion for section in page.sections for criterion in section["criteria"]}


def revision(cast: Cast, participant: Participant) -> int:
    return cast.record(participant, "eligibility", visit="SCR").revision


def test_each_criterion_says_what_was_read_and_what_is_missing(cast: Cast) -> None:
    """ECRF-300: text, values with their forms, whose answer is due, and a link to what is missing."""
    participant = cast.consented()
    cast.fill(participant, "demographics", visit="SCR")
    client = cast.client_of(cast.theo_coordinator)
    with CaptureQueriesContext(connection) as statements:
        words = words_of(client.get(url(participant)))
    assert len(statements) <= MOST_STATEMENTS
    assert "Aged 18 or over" in words and "Each must be false." in words
    found = criteria(page_of(cast.theo_coordinator, participant))
    forms = f"/participants/{participant.code}/visits/{cast.visit(participant, 'SCR').pk}/forms/"
    assert found["I01"]["state"] == "met"
    (age,) = found["I01"]["computed"]["values"]
    assert age["known"] and age["url"] == f"{forms}demographics/" and "years" in age["value"]
    assert found["I03"]["state"] == "unknown"
    assert found["I03"]["lacking"] == [{"label": "IMDC group at inclusion (IMDC score)", "url": f"{forms}imdc/"}]
    assert found["I10"]["judged"]["is_due"] and found["I10"]["judged"]["due_from"] == "Radiation oncologist"
    assert found["I10"]["judged"]["url"] == f"{forms}eligibility/"
    limits = {value["label"]: value["value"] for value in found["I09"]["computed"]["values"]}
    assert limits["Largest progressing lesion, at most (mm)"] == "40"


def test_an_empty_log_is_missing_not_failed(cast: Cast) -> None:
    """ECRF-301: an inclusion criterion over a log without entries is not decided, and says which log."""
    found = criteria(page_of(cast.theo_coordinator, cast.consented()))
    assert found["I04"]["state"] == "unknown"
    assert [lack["label"] for lack in found["I04"]["lacking"]] == ["Lesions"]


def test_judged_answers_show_who_gave_them(cast: Cast) -> None:
    """ECRF-302: the radiation oncologist for SRT, the investigator for the rest; all fulfilled, ready to sign."""
    participant = cast.judged()
    page = page_of(cast.ines_investigator, participant)
    found = criteria(page)
    assert found["I10"]["judged"]["by"].startswith("Rose Radiation")
    assert found["I13"]["judged"]["by"].startswith("Inès Investigator")
    assert {criterion["state"] for criterion in found.values()} == {"met"}
    assert found["E01"]["state_label"] == "Absent" and found["I01"]["state_label"] == "Met"
    assert page.verdict.state == "ready" and page.obstacles == []


def test_an_investigator_signs_with_the_password(cast: Cast) -> None:
    """ECRF-303: the participant becomes eligible; the page says who signed; a second signature is refused."""
    participant = cast.judged()
    client = cast.client_of(cast.ines_investigator)
    assert 'type="password"' in words_of(client.get(url(participant)))
    said = {"password": PASSWORD, "revision": revision(cast, participant)}
    answer = client.post(url(participant), said)
    assert (answer.status_code, answer["Location"]) == (302, url(participant))
    participant.refresh_from_db()
    assert participant.status == Status.ENROLLED
    signature = Signature.objects.get()
    assert signature.by_id == cast.ines_investigator.pk and "every criterion" in signature.statement
    words = words_of(client.get(url(participant)))
    assert "Signed by Inès Investigator" in words and 'type="password"' not in words
    again = client.post(url(participant), said)
    assert again.status_code == 422 and "already signed" in words_of(again)
    assert Signature.objects.count() == 1


def test_a_wrong_password_signs_nothing(cast: Cast) -> None:
    """ECRF-304: words on the page, a line of the ledger, the participant stays in screening."""
    participant = cast.judged()
    client = cast.client_of(cast.ines_investigator)
    answer = client.post(url(participant), {"password": "wrong-one", "revision": revision(cast, participant)})
    assert answer.status_code == 422
    assert "The password is not right" in words_of(answer) and "wrong-one" not in words_of(answer)
    participant.refresh_from_db()
    assert participant.status == Status.SCREENING and not Signature.objects.exists()
    assert Deed.objects.filter(verb="signature.refused").count() == 1


def test_answers_that_changed_meanwhile_are_read_again_before_signing(cast: Cast) -> None:
    """ECRF-305: the page was open with another revision: conflict, and the next try signs what is shown now."""
    participant = cast.judged()
    client = cast.client_of(cast.ines_investigator)
    old = revision(cast, participant)
    change(cast, participant, "eligibility", {"i14": "no"}, by=cast.ines_investigator)
    answer = client.post(url(participant), {"password": PASSWORD, "revision": old})
    assert answer.status_code == 409
    assert "changed while you were reading" in words_of(answer)
    assert f'name="revision" value="{revision(cast, participant)}"' in words_of(answer)
    assert not Signature.objects.exists()


def test_who_may_not_sign_sees_why(cast: Cast) -> None:
    """ECRF-306: coordinator, monitor and sponsor get no form, and are refused when they post; strangers 404."""
    participant = cast.judged()
    said = {"password": PASSWORD, "revision": revision(cast, participant)}
    for person in (cast.theo_coordinator, cast.rose_radiation, cast.mona_monitor, cast.paul_sponsor):
        client = cast.client_of(person)
        words = words_of(client.get(url(participant)))
        assert "Only an investigator of this site can sign eligibility." in words and 'type="password"' not in words
        assert client.post(url(participant), said).status_code == 403
    for person in (cast.oscar_coordinator, cast.olga_investigator, cast.adam_admin, cast.bruno_blinded):
        client = cast.client_of(person)
        assert client.get(url(participant)).status_code == 404
        assert client.post(url(participant), said).status_code == 404
    assert not Signature.objects.exists()


def test_a_criterion_that_is_not_met_cannot_be_signed_away(cast: Cast) -> None:
    """ECRF-307: the exclusion is present, the verdict says so, there are no waivers."""
    participant = cast.judged()
    change(cast, participant, "eligibility", {"e06": "yes"}, by=cast.ines_investigator)
    page = page_of(cast.ines_investigator, participant)
    assert criteria(page)["E06"]["state_label"] == "Present"
    assert page.verdict.title == "Not eligible: E06" and page.verdict.text == "There are no waivers."
    client = cast.client_of(cast.ines_investigator)
    assert 'type="password"' not in words_of(client.get(url(participant)))
    answer = client.post(url(participant), {"password": PASSWORD, "revision": revision(cast, participant)})
    assert answer.status_code == 422 and "There are no waivers" in words_of(answer)


def test_data_and_judgement_that_disagree_block(cast: Cast) -> None:
    """ECRF-308: the CT scans are 59 days apart or so, the person says no: a disagreement, not an average."""
    participant = cast.judged()
    change(cast, participant, "eligibility", {"i07": "no"}, by=cast.ines_investigator)
    found = criteria(page_of(cast.ines_investigator, participant))["I07"]
    assert found["disagrees"] and found["state"] == "not_met" and found["state_label"] == "Disagreement"
    assert "The data and the judged answer disagree" in words_of(
        cast.client_of(cast.ines_investigator).get(url(participant))
    )


def test_assessments_grow_too_old_until_randomization_and_not_after(cast: Cast) -> None:
    """ECRF-309: 29 days later the laboratory no longer counts; once randomized, the day of randomization decides."""
    waiting = cast.eligible()
    done = cast.randomized()
    with clock.simulated(clock.now() + dt.timedelta(days=29)):
        page = page_of(cast.ines_investigator, waiting)
        assert "29 days old; at most 28 days" in criteria(page)["I03"]["outdated"]
        assert page.verdict.tone == "warn" and "I03" in page.verdict.title
        page = page_of(cast.ines_investigator, done)
        assert page.eligibility.outdated == [] and page.verdict.state == "signed"


def test_what_was_measured_after_randomization_decides_nothing(cast: Cast) -> None:
    """ECRF-310: the page of a randomized participant reads the screening, not the newest performance status."""
    participant = cast.randomized()
    before = criteria(page_of(cast.ines_investigator, participant))["I12"]["computed"]["values"]
    visit = visits.add_on_demand(participant=participant, event="UNS", on=clock.today(), by=cast.theo_coordinator)
    cast.save(Where(participant, "vitals_performance", visit=visit), {"ecog": "3", "kps": 40}, complete=False)
    found = criteria(page_of(cast.ines_investigator, participant))["I12"]
    assert found["state"] == "met" and found["computed"]["values"] == before
