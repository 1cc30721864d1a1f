"""The pages of randomization: confirm, one irreversible step, the result."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Deed
from randomization.models import Allocation
from tests.cast import PASSWORD, Cast
from tests.randomization.conftest import undelegated
from trial.models import Participant

pytestmark = pytest.mark.django_db
MOST_STATEMENTS = 15


def url(participant: Participant, page: str = "randomize") -> str:
    return f"/participants/{participant.code}/{page}/"


def words_of(answer: object) -> str:
    return " ".join(answer.content.decode().split())


def test_the_page_shows_what_will_be_frozen_and_allocates_nothing(cast: Cast) -> None:
    """RND-701: code, month and year of birth, site, strata, who; a GET, however often, gives no slot."""
    participant = cast.eligible()
    cast.list_in_use()
    client = cast.client_of(cast.theo_coordinator)
    with CaptureQueriesContext(connection) as statements:
        answer = client.get(url(participant))
    assert len(statements) <= MOST_STATEMENTS
    words = words_of(answer)
    for expected in (participant.code, str(participant.birth_year), "Centre des Tilleuls", "Théo Coordinator"):
        assert expected in words
    assert "Checkpoint inhibitor (ICI) in the ongoing regimen" in words
    assert "Signed" not in words or "Inès Investigator" in words
    assert 'type="password"' in words and "data-once" in words
    client.get(url(participant))
    client.head(url(participant))
    assert not Allocation.objects.exists()


def test_the_password_allocates_and_the_result_shows_the_arm(cast: Cast) -> None:
    """RND-702: arm, number, time, strata, who, next visits."""
    participant = cast.eligible()
    cast.list_in_use()
    client = cast.client_of(cast.theo_coordinator)
    answer = client.post(url(participant), {"password": PASSWORD}, follow=True)
    assert answer.redirect_chain == [(url(participant, "allocation"), 302)]
    allocation = Allocation.objects.get(participant=participant)
    words = words_of(answer)
    assert cast.definition.arms[allocation.arm].label["en"] in words
    assert "R0001" in words and "Next visits" in words and allocation.allocation_list.commitment in words
    with CaptureQueriesContext(connection) as statements:
        client.get(url(participant, "allocation"))
    assert len(statements) <= MOST_STATEMENTS


def test_a_second_post_and_a_second_coordinator_get_the_same_allocation(cast: Cast) -> None:
    """RND-703: a double click, and a colleague with the page still open."""
    participant = cast.eligible()
    cast.list_in_use()
    colleague = undelegated(cast)
    from trial.actions import people

    people.delegate(
        person=colleague, role="coordinator", site=cast.site, starts_on=cast.opened_on, may_randomize=True, by=None
    )
    first = cast.client_of(cast.theo_coordinator)
    second = cast.client_of(colleague)
    assert second.get(url(participant)).status_code == 200
    for client in (first, first, second):
        answer = client.post(url(participant), {"password": PASSWORD})
        assert (answer.status_code, answer["Location"]) == (302, url(participant, "allocation"))
    assert second.get(url(participant))["Location"] == url(participant, "allocation")
    assert Allocation.objects.count() == 1
    assert Deed.objects.filter(verb="participant.randomized").count() == 1


def test_a_wrong_password_is_told_and_leaves_a_line_of_the_ledger(cast: Cast) -> None:
    """RND-704: words on the same page, nothing allocated, and the password is not written back."""
    participant = cast.eligible()
    cast.list_in_use()
    answer = cast.client_of(cast.theo_coordinator).post(url(participant), {"password": "guessed-wrong"})
    assert answer.status_code == 422
    assert "The password is not right" in words_of(answer)
    assert "guessed-wrong" not in words_of(answer)
    assert not Allocation.objects.exists()
    refused = Deed.objects.get(verb="signature.refused")
    assert refused.by_id == cast.theo_coordinator.pk and refused.participant_code == participant.code


def test_an_empty_password_is_told(cast: Cast) -> None:
    """RND-705: the field says so."""
    participant = cast.eligible()
    cast.list_in_use()
    answer = cast.client_of(cast.theo_coordinator).post(url(participant), {})
    assert answer.status_code == 422
    assert not Allocation.objects.exists()


def test_every_reason_stands_on_the_page_with_what_to_do(cast: Cast) -> None:
    """RND-706: no password is asked; each reason has its remedy, with a link to where."""
    participant = cast.consented()
    client = cast.client_of(cast.theo_coordinator)
    with CaptureQueriesContext(connection) as statements:
        answer = client.get(url(participant))
    assert len(statements) <= MOST_STATEMENTS
    words = words_of(answer)
    assert 'type="password"' not in words
    assert "Eligibility is not signed by an investigator." in words and url(participant, "eligibility") in words
    visit = cast.visit(participant, "SCR")
    for form in ("systemic_ongoing", "imdc", "oligoprogression"):
        assert f"/participants/{participant.code}/visits/{visit.pk}/forms/{form}/" in words
    assert "No allocation list is in use." in words


def test_a_gate_that_closes_meanwhile_is_told_when_posting(cast: Cast) -> None:
    """RND-707: the page was open, then randomization was held."""
    participant = cast.eligible()
    cast.hold(cast.list_in_use())
    answer = cast.client_of(cast.theo_coordinator).post(url(participant), {"password": PASSWORD})
    assert answer.status_code == 422
    assert "Randomization is on hold." in words_of(answer)
    assert not Allocation.objects.exists()


def test_strangers_get_not_found_and_colleagues_without_delegation_are_refused(cast: Cast) -> None:
    """RND-708: another site, a forged code, no delegation, and people who are not signed in."""
    participant = cast.eligible()
    cast.list_in_use()
    other = cast.client_of(cast.oscar_coordinator)
    for page in ("randomize", "allocation"):
        assert other.get(url(participant, page)).status_code == 404
        assert cast.client_of(cast.theo_coordinator).get(f"/participants/99-999/{page}/").status_code == 404
    assert other.post(url(participant), {"password": PASSWORD}).status_code == 404
    assert cast.client_of(cast.theo_coordinator).post(url(participant).replace("01-", "02-"), {}).status_code == 404
    for person in (undelegated(cast), cast.ines_investigator, cast.mona_monitor, cast.paul_sponsor):
        client = cast.client_of(person)
        assert client.get(url(participant)).status_code == 403
        assert client.post(url(participant), {"password": PASSWORD}).status_code == 403
    for person in (cast.stella_statistician, cast.bruno_blinded, cast.adam_admin):
        assert cast.client_of(person).get(url(participant)).status_code == 404
    assert not Allocation.objects.exists()


def test_only_those_who_may_see_the_arm_see_the_result(cast: Cast) -> None:
    """RND-709: site staff and their monitor; for the sponsor without the right, the statisticians and others: 404."""
    participant = cast.randomized()
    page = url(participant, "allocation")
    for person in (cast.theo_coordinator, cast.ines_investigator, cast.mona_monitor, cast.dan_data_manager):
        assert cast.client_of(person).get(page).status_code == 200
    for person in (
        cast.paul_sponsor,
        cast.aude_auditor,
        cast.bruno_blinded,
        cast.stella_statistician,
        cast.adam_admin,
        cast.oscar_coordinator,
    ):
        assert cast.client_of(person).get(page).status_code == 404
