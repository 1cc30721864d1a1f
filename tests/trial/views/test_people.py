"""People: accounts, delegations, own account."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client

from audit import clock
from audit.models import Deed
from tests.cast import PASSWORD
from trial.models import Delegation, Person

from .helpers import words

pytestmark = pytest.mark.django_db
TODAY = "%d/%m/%Y"


def test_the_list_finds_people_by_name_role_and_site(cast):
    """TRIAL-210: roles in force; filters are links; closed accounts apart."""
    client = cast.client_of(cast.adam_admin)
    page = words(client.get("/people/"))
    assert "Théo Coordinator" in page
    assert "Site coordinator · 01" in page
    assert "Théo" not in words(client.get("/people/?role=monitor"))
    found = words(client.get("/people/?role=coordinator&site=02"))
    assert "Oscar Other" in found
    assert "Théo Coordinator" not in found
    assert "Mona Monitor" in words(client.get("/people/?q=mona"))
    assert "Nobody fits" in words(client.get("/people/?closed=1"))


def test_an_account_is_opened_and_given_a_role(cast):
    """TRIAL-211: the person signs in with the first password and has the role from its date."""
    client = cast.client_of(cast.adam_admin)
    typed = {
        "given_name": "Nora",
        "family_name": "New",
        "email": "Nora@Example.org",
        "locale": "fr",
        "password": PASSWORD,
    }
    answer = client.post("/people/new/", typed)
    made = Person.objects.get(email="nora@example.org")
    assert answer["Location"] == f"/people/{made.pk}/"
    given = {
        "role": "coordinator",
        "site": cast.site.pk,
        "starts_on": clock.today().strftime(TODAY),
        "may_randomize": "on",
    }
    assert client.post(f"/people/{made.pk}/delegate/", given).status_code == 302
    delegation = Delegation.objects.get(person=made)
    assert (delegation.may_randomize, delegation.site, delegation.starts_on) == (True, cast.site, clock.today())
    fresh = Client()
    assert fresh.post("/login/", {"username": "nora@example.org", "password": PASSWORD}).status_code == 302
    assert fresh.post("/policy/", {"accepted": "on"}).status_code == 302
    assert fresh.get("/participants/").status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "theo.coordinator@example.org"},
        {"email": "no address"},
        {"password": "short"},
        {"given_name": ""},
        {"locale": "xx"},
    ],
)
def test_an_account_that_cannot_be_keeps_what_was_typed(cast, wrong):
    """TRIAL-212: address taken, weak password, missing name; the password is not sent back."""
    typed = {
        "given_name": "Nora",
        "family_name": "Newcomer",
        "email": "n@example.org",
        "locale": "en",
        "password": PASSWORD,
    }
    before = Person.objects.count()
    answer = cast.client_of(cast.adam_admin).post("/people/new/", typed | {"password": PASSWORD} | wrong)
    assert answer.status_code == 422
    assert "Newcomer" in words(answer)
    assert PASSWORD not in words(answer)
    assert Person.objects.count() == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"site": ""},
        {"role": "data_manager"},
        {"role": "administrator", "site": ""},
        {"role": "radiologist", "may_randomize": "on"},
        {"starts_on": ""},
        {"ends_on": "01/01/2000"},
        {"role": "emperor"},
    ],
)
def test_a_role_that_cannot_be_is_refused_in_words(cast, wrong):
    """TRIAL-213: each rule of the delegation log says so on the page; nothing is written."""
    given = {"role": "coordinator", "site": cast.site.pk, "starts_on": clock.today().strftime(TODAY)} | wrong
    person = cast.ines_investigator
    before = Delegation.objects.count()
    answer = cast.client_of(cast.adam_admin).post(f"/people/{person.pk}/delegate/", given)
    assert answer.status_code == 422
    assert "Please correct what follows" in words(answer)
    assert Delegation.objects.count() == before


def test_nobody_delegates_to_themselves(cast):
    """TRIAL-214: neither form nor forged post."""
    client = cast.client_of(cast.adam_admin)
    address = f"/people/{cast.adam_admin.pk}/"
    assert "Nobody gives a role to themselves" in words(client.get(address))
    given = {"role": "administrator", "site": "", "starts_on": clock.today().strftime(TODAY)}
    assert client.post(f"{address}delegate/", given).status_code == 422
    assert client.post(f"{address}close/", {"reason": "x"}).status_code == 422
    assert Person.objects.get(pk=cast.adam_admin.pk).is_active


def test_a_delegation_ends_on_a_day_with_its_reason(cast):
    """TRIAL-215: the right ends with the day; the second end is refused in words; a date is needed."""
    delegation = cast.theo_coordinator.delegations.get()
    client = cast.client_of(cast.adam_admin)
    address = f"/delegations/{delegation.pk}/end/"
    yesterday = (clock.today() - dt.timedelta(days=1)).strftime(TODAY)
    assert client.post(address, {"on": yesterday, "reason": ""}).status_code == 422
    assert client.post(address, {"on": "01/01/1999", "reason": "x"}).status_code == 422
    assert (
        client.post(address, {"on": yesterday, "reason": "Left"})["Location"] == f"/people/{cast.theo_coordinator.pk}/"
    )
    assert Deed.objects.filter(verb="delegation.ended", details__reason="Left").exists()
    assert cast.client_of(cast.theo_coordinator).get("/participants/").status_code == 403
    assert client.post(address, {"on": yesterday, "reason": "again"}).status_code == 422


def test_an_account_is_closed_with_its_reason(cast):
    """TRIAL-216: no more sign-in; the page says closed and offers nothing more."""
    client = cast.client_of(cast.adam_admin)
    address = f"/people/{cast.theo_coordinator.pk}/"
    assert client.post(f"{address}close/", {"reason": ""}).status_code == 422
    assert client.post(f"{address}close/", {"reason": "Left the hospital"}).status_code == 302
    page = words(client.get(address))
    assert "Account closed" in page
    assert "Delegate a role" not in page
    assert "Théo Coordinator" in words(client.get("/people/?closed=1"))


def test_the_administrator_sets_a_lost_password(cast):
    """TRIAL-217: the person signs in with the new one; a weak one is refused."""
    client = cast.client_of(cast.adam_admin)
    address = f"/people/{cast.theo_coordinator.pk}/password/"
    assert client.post(address, {"password": "123"}).status_code == 422
    assert client.post(address, {"password": "a new long phrase 42"}).status_code == 302
    name = "theo.coordinator@example.org"
    assert Client().post("/login/", {"username": name, "password": "a new long phrase 42"}).status_code == 302
    assert Client().post("/login/", {"username": name, "password": PASSWORD}).status_code == 422


def test_a_person_changes_their_password_and_stays_signed_in(cast):
    """TRIAL-218: after the present one; other sessions end; the ledger has the line, the page never the words."""
    here, there = cast.client_of(cast.theo_coordinator), cast.client_of(cast.theo_coordinator)
    new = "another long phrase 43"
    posted = {"deed": "password", "current": PASSWORD, "password": new, "again": new}
    assert here.post("/account/", posted).status_code == 302
    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 302
    assert Deed.objects.filter(verb="person.password_changed", by_id=cast.theo_coordinator.pk).exists()


@pytest.mark.parametrize(
    "wrong",
    [{"current": "wrong"}, {"again": "something else 99"}, {"password": "short", "again": "short"}, {"current": ""}],
)
def test_a_password_that_cannot_be_changes_nothing(cast, wrong):
    """TRIAL-219: wrong present one, two different new ones, a weak one."""
    new = "another long phrase 43"
    posted = {"deed": "password", "current": PASSWORD, "password": new, "again": new} | wrong
    answer = cast.client_of(cast.theo_coordinator).post("/account/", posted)
    assert answer.status_code == 422
    assert new not in words(answer)
    assert Person.objects.get(pk=cast.theo_coordinator.pk).check_password(PASSWORD)


def test_a_person_changes_their_language(cast):
    """TRIAL-220: on the account page too; an unknown one is refused."""
    client = cast.client_of(cast.theo_coordinator)
    assert client.post("/account/", {"deed": "locale", "locale": "fr"}).status_code == 302
    assert '<html lang="fr"' in words(client.get("/account/"))
    assert client.post("/account/", {"deed": "locale", "locale": "xx"}).status_code == 422
