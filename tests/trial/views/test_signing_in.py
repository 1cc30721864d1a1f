"""Signing in and out, language, appearance."""

from __future__ import annotations

import logging

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.models import Deed
from audit.server import spelled_out
from tests.cast import PASSWORD
from trial.actions import people
from trial.models import Person

from .helpers import words

pytestmark = pytest.mark.django_db


def sign_in(client: Client, **posted):
    return client.post("/login/", {"username": "theo.coordinator@example.org", "password": PASSWORD, **posted})


def test_a_person_signs_in_and_lands_where_they_wanted(cast):
    """TRIAL-100: sign-in leads to the page that was asked for; the ledger has the line."""
    client = Client()
    asked = client.get("/participants/?site=01")
    assert asked.status_code == 302
    assert asked["Location"] == "/login/?next=/participants/%3Fsite%3D01"
    answer = sign_in(client, next="/participants/?site=01")
    assert (answer.status_code, answer["Location"]) == (302, "/participants/?site=01")
    assert client.get("/participants/").status_code == 200
    assert Deed.objects.filter(verb="person.signed_in", by_id=cast.theo_coordinator.pk).exists()


@pytest.mark.parametrize(
    "address", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil.example"]
)
def test_sign_in_never_leads_to_another_site(cast, address):
    """TRIAL-101: an address of elsewhere becomes the home page."""
    assert sign_in(Client(), next=address)["Location"] == "/"


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("theo.coordinator@example.org", "wrong"),
        ("nobody@example.org", PASSWORD),
        ("not an address", PASSWORD),
        ("", ""),
        ("theo.coordinator@example.org\x00", PASSWORD),
        ("x" * 400 + "@example.org", PASSWORD),
    ],
)
def test_wrong_words_do_not_let_in_and_do_not_tell_which_was_wrong(cast, username, password):
    """TRIAL-102: the same words for an unknown address and a wrong password; the password is not sent back."""
    answer = Client().post("/login/", {"username": username, "password": password})
    assert answer.status_code == 422
    assert PASSWORD not in words(answer)
    assert Client().get("/").status_code == 302


def test_unknown_address_and_wrong_password_read_the_same(cast):
    """TRIAL-102: nothing tells whether an account exists."""
    pages = [
        words(Client().post("/login/", {"username": name, "password": "wrong"}))
        for name in ("theo.coordinator@example.org", "nobody.at.all.here@example.org")
    ]
    assert all("The e-mail address or the password is not right." in page for page in pages)


def test_after_six_failures_the_page_says_to_wait(cast, settings):
    """TRIAL-103: locked out whatever the capital letters of the address, also with the right password, in words."""
    client = Client()
    for attempt in range(settings.AXES_FAILURE_LIMIT):
        name = "theo.coordinator@example.org"
        client.post("/login/", {"username": name.upper() if attempt % 2 else name, "password": "wrong"})
    answer = sign_in(client)
    assert answer.status_code == 429
    assert "Too many failed attempts" in words(answer)
    assert "15 minutes" in words(answer)
    assert client.get("/").status_code == 302


def test_a_closed_account_does_not_open(cast):
    """TRIAL-104: a closed account neither signs in nor goes on with its session."""
    client = cast.client_of(cast.theo_coordinator)
    assert client.get("/participants/").status_code == 200
    people.deactivate(person=cast.theo_coordinator, by=cast.adam_admin, reason="Left the hospital")
    assert client.get("/participants/").status_code == 302
    assert sign_in(Client()).status_code == 422


def test_a_session_ends_half_an_hour_after_the_last_request_and_is_written_once_a_minute(cast):
    """TRIAL-119: work keeps it open for hours, a pause of 30 minutes ends it; most requests write nothing."""
    with time_machine.travel("2026-03-02 09:00:00+00:00", tick=False) as clock:
        client = cast.client_of(cast.theo_coordinator)
        with spelled_out(), CaptureQueriesContext(connection) as asked:
            client.get("/participants/")
        assert not any("UPDATE" in query["sql"] for query in asked.captured_queries)
        for _turn in range(4):
            clock.shift(59)
            assert client.get("/participants/").status_code == 200  # too soon to be written
            clock.shift(30 * 60)
            assert client.get("/participants/").status_code == 200
        clock.shift(31 * 60 + 1)
        assert client.get("/participants/").status_code == 302


def test_the_password_is_in_no_log(cast, caplog):
    """TRIAL-105: neither a right nor a wrong password is logged."""
    with caplog.at_level(logging.DEBUG):
        sign_in(Client())
        sign_in(Client(), password="a wrong password 123")
    assert PASSWORD not in caplog.text
    assert "a wrong password 123" not in caplog.text


def test_sign_out_ends_the_session_and_takes_a_post(cast):
    """TRIAL-106: sign-out by POST only; the ledger has the line."""
    client = cast.client_of(cast.theo_coordinator)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/")["Location"] == "/login/"
    assert client.get("/").status_code == 302
    assert Deed.objects.filter(verb="person.signed_out", by_id=cast.theo_coordinator.pk).count() == 1


def test_recognizing_somebody_takes_one_query(cast, django_assert_num_queries):
    """TRIAL-107: person and credential come in one statement."""
    from trial.auth import Backend

    with django_assert_num_queries(1):
        person = Backend().get_user(cast.theo_coordinator.pk)
        assert person is not None
        person.get_session_auth_hash()


def test_language_is_kept_with_the_account(cast):
    """TRIAL-108: a signed-in person's choice holds on every machine; the pages change."""
    client = cast.client_of(cast.theo_coordinator)
    answer = client.post("/language/", {"language": "fr", "next": "/participants/"})
    assert answer["Location"] == "/participants/"
    assert Person.objects.get(pk=cast.theo_coordinator.pk).locale == "fr"
    assert '<html lang="fr"' in words(cast.client_of(Person.objects.get(pk=cast.theo_coordinator.pk)).get("/"))
    assert cast.theo_coordinator.history.first().by_id == cast.theo_coordinator.pk


def test_language_before_sign_in_is_a_cookie(cast):
    """TRIAL-108: before sign-in the choice is a cookie, and nothing is written."""
    client = Client()
    assert client.post("/language/", {"language": "fr", "next": "https://evil.example/"})["Location"] == "/"
    assert '<html lang="fr"' in words(client.get("/login/"))
    assert client.post("/language/", {"language": "xx"}).status_code == 302
    assert '<html lang="fr"' in words(client.get("/login/"))
    assert client.get("/language/").status_code == 405


@pytest.mark.parametrize(("chosen", "shown"), [("dark", "dark"), ("light", "light"), ('"><script>', "system")])
def test_theme_is_a_cookie(cast, chosen, shown):
    """TRIAL-109: the appearance is kept; an unknown one is not."""
    client = Client()
    assert client.post("/theme/", {"theme": chosen, "next": "/login/"})["Location"] == "/login/"
    assert f'data-theme="{shown}"' in words(client.get("/login/"))
    client.cookies["theme"] = chosen
    assert f'data-theme="{shown}"' in words(client.get("/login/"))


def test_keepalive_says_nothing(cast):
    """TRIAL-110: 204 for a session, a way to sign in for none."""
    client = cast.client_of(cast.theo_coordinator)
    assert client.post("/keepalive/").status_code == 204
    assert client.get("/keepalive/").status_code == 405
    assert Client().post("/keepalive/").status_code == 302


def test_an_ended_session_tells_each_asker_in_its_way(cast):
    """TRIAL-111: a page is led to sign-in and back to a page, htmx is told to load it, a script gets 401."""
    client = Client()
    posted = client.post("/participants/screen/", {}, headers={"referer": "http://testserver/participants/screen/"})
    assert posted["Location"] == "/login/?next=/participants/screen/"
    elsewhere = client.post("/notices/seen/", {}, headers={"referer": "https://evil.example/x"})
    assert elsewhere["Location"] == "/login/?next=/"
    htmx = client.get("/participants/", headers={"hx-request": "true"})
    assert htmx.status_code == 204
    assert htmx["HX-Redirect"].startswith("/login/?next=")
    script = client.post("/keepalive/", "{}", content_type="application/json")
    assert script.status_code == 401
    assert script.json()["code"] == "signed_out"


# ---------------------------------------------------------------- the rules of the account

NEW = "nora@example.org"


@pytest.fixture
def newcomer(cast) -> Person:
    """Somebody who signs in for the first time."""
    person = people.create(email=NEW, given_name="Nora", family_name="New", password=PASSWORD, by=cast.adam_admin)
    people.delegate(person=person, role="coordinator", site=cast.site, starts_on=cast.opened_on, by=cast.adam_admin)
    return person


def accepted(person: Person):
    return Deed.objects.filter(verb="person.policy_accepted", by_id=person.pk)


def test_the_first_sign_in_leads_to_the_rules_and_from_there_to_the_page(cast, newcomer):
    """TRIAL-300: nothing opens before the rules are accepted; then the page that was asked for; told once."""
    client = Client()
    assert sign_in(client, username=NEW, next="/participants/").status_code == 302
    answer = client.get("/participants/?site=01")
    assert (answer.status_code, answer["Location"]) == (302, "/policy/?next=/participants/%3Fsite%3D01")
    page = client.get(answer["Location"])
    assert page.status_code == 200
    assert "Rules of your account" in words(page)
    unticked = client.post("/policy/", {"next": "/participants/"})
    assert unticked.status_code == 422
    assert "Tick the box" in words(unticked)
    assert not accepted(newcomer).exists()
    assert client.get("/participants/").status_code == 302

    done = client.post("/policy/", {"accepted": "on", "next": "/participants/?site=01"})
    assert (done.status_code, done["Location"]) == (302, "/participants/?site=01")
    assert client.get("/participants/").status_code == 200
    assert accepted(newcomer).get().details == {"version": "1"}

    again = Client()
    sign_in(again, username=NEW)
    assert again.get("/participants/").status_code == 200
    assert again.get("/policy/")["Location"] == "/"
    assert accepted(newcomer).count() == 1


def test_no_other_door_opens_before_the_rules_are_accepted(cast, newcomer):
    """TRIAL-301: htmx is sent to the rules, a program is refused in words, nothing is written; signing out works."""
    participant = cast.screened()
    client = Client()
    sign_in(client, username=NEW)
    fragment = client.get("/participants/", headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment["HX-Redirect"]) == (204, "/policy/?next=/")
    refused = client.get("/api/v1/participants/", headers={"accept": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission.policy_to_accept")
    before = Deed.objects.count()
    posted = client.post(f"/screening/{participant.code}/close/", {"reason": "OTHER", "detail": "x"})
    assert (posted.status_code, posted["Location"].partition("?")[0]) == (302, "/policy/")
    assert Deed.objects.count() == before
    assert client.post("/logout/")["Location"] == "/login/"


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example"])
def test_the_rules_never_lead_to_another_site(cast, newcomer, address):
    """TRIAL-302: an address of elsewhere becomes the home page."""
    client = Client()
    sign_in(client, username=NEW)
    assert client.post("/policy/", {"accepted": "on", "next": address})["Location"] == "/"


def test_changed_rules_are_accepted_again(cast, newcomer, monkeypatch):
    """TRIAL-303: a new version of the rules asks everybody at the next sign-in; both lines stay."""
    people.accept_policy(person=newcomer)
    monkeypatch.setattr("trial.policy.VERSION", "2")
    client = Client()
    sign_in(client, username=NEW)
    assert client.get("/").status_code == 302
    client.post("/policy/", {"accepted": "on"})
    assert client.get("/").status_code == 200
    assert [deed.details["version"] for deed in accepted(newcomer).order_by("pk")] == ["1", "2"]
