"""Every door is tried: by nobody, by somebody without a role, by each role; no page takes many statements."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests.stages import staged
from trial import urls
from trial.actions import people

from .helpers import MOST_QUERIES, bare, counted_again, words

pytestmark = pytest.mark.django_db

OPEN = {"sign_in", "sign_out", "language", "theme"}
POST_ONLY = {
    "sign_out", "keepalive", "language", "theme", "notices_seen", "delegation_new", "person_password", "person_close",
}  # fmt: skip


def addresses(cast, participant) -> dict[str, str]:
    visit = cast.visit(participant, "SCR")
    delegation = cast.theo_coordinator.delegations.get()
    words_of = {
        "code": participant.code,
        "visit_id": visit.pk,
        "person_id": cast.theo_coordinator.pk,
        "delegation_id": delegation.pk,
        "number": "01",
        "form_id": "laboratory",
        "item_id": "hgb",
    }
    found = {}
    for pattern in urls.urlpatterns:
        wanted = {name: words_of[name] for name in pattern.pattern.converters}
        assert pattern.name
        found[pattern.name] = reverse(pattern.name, kwargs=wanted)
    return found


def test_nobody_sees_anything_before_signing_in(cast):
    """TRIAL-130: every page but sign-in leads to sign-in, GET and POST."""
    for name, address in addresses(cast, cast.screened()).items():
        if name in OPEN:
            continue
        for answer in (Client().get(address), Client().post(address)):
            assert answer.status_code == 302, name
            assert answer["Location"].startswith("/login/"), name


def test_somebody_without_a_role_sees_nothing_of_the_study(cast):
    """TRIAL-131: home, reminders and account; all else is refused or not found."""
    stranger = people.create(
        email="new@example.org", given_name="New", family_name="Comer", password=cast.PASSWORD, by=cast.adam_admin
    )
    client = cast.client_of(stranger)
    for name, address in addresses(cast, cast.screened()).items():
        if name in OPEN or name in POST_ONLY:
            continue
        expected = {200} if name in ("home", "notices", "account") else {403, 404}
        expected = {302} if name == "policy" else expected  # nothing to accept: on to the home page
        assert client.get(address).status_code in expected, name
    assert "You have no role in this study yet" in words(client.get("/"))


def test_a_participant_of_another_site_is_not_found(cast):
    """TRIAL-132: exactly as a code that nobody has, for reading and writing."""
    participant = cast.screened()
    client = cast.client_of(cast.oscar_coordinator)
    made_up = "01-999"
    for name, address in addresses(cast, participant).items():
        if participant.code not in address:
            continue
        for method in (client.get, client.post):
            answer, unknown = method(address), method(address.replace(participant.code, made_up))
            assert answer.status_code == unknown.status_code == 404, name
            assert bare(answer, participant.code) == bare(unknown, made_up), name


def test_people_are_managed_by_the_administrator_alone(cast):
    """TRIAL-133: every other role is refused, in words, for reading and writing."""
    pages = ("people", "person_new", "person", "delegation_new", "person_password", "person_close", "delegation_end")
    found = addresses(cast, cast.screened())
    for person in (cast.theo_coordinator, cast.dan_data_manager, cast.paul_sponsor, cast.aude_auditor):
        client = cast.client_of(person)
        for name in pages:
            answer = client.post(found[name]) if name in POST_ONLY else client.get(found[name])
            assert answer.status_code == 403, (person, name)
            assert "Only an administrator manages people." in words(answer)


def test_the_administrator_reads_no_participant(cast):
    """TRIAL-134: an administrator manages people and sees no participant."""
    participant = cast.screened()
    client = cast.client_of(cast.adam_admin)
    assert client.get("/participants/").status_code == 403
    assert client.get("/screening/").status_code == 403
    assert client.get(f"/participants/{participant.code}/status/").status_code == 404
    assert participant.code not in words(client.get("/sites/01/"))


@staged
def one_consented_among_many(cast):
    participant = cast.consented()
    for _n in range(12):
        cast.screened()
    return participant


@pytest.mark.parametrize(
    "who", ["theo_coordinator", "mona_monitor", "dan_data_manager", "paul_sponsor", "adam_admin", "stella_statistician"]
)
def test_no_page_takes_many_statements(cast, who):
    """TRIAL-135: at most 15 statements on every page that opens, also with many participants."""
    participant = one_consented_among_many(cast)
    client = cast.client_of(getattr(cast, who))
    for name, address in addresses(cast, participant).items():
        if name in OPEN or name in POST_ONLY:
            continue
        if client.get(address).status_code == 200:
            answer, count = counted_again(client, address)
            assert answer.status_code == 200, name
            assert count <= MOST_QUERIES, (name, count)


def test_the_frame_takes_three_statements(cast, django_assert_max_num_queries, rf):
    """TRIAL-136: navigation with counts, acronym, roles and initials: three statements together."""
    from trial.context_processors import frame
    from trial.models import Person

    request = rf.get("/participants/")
    request.user = Person.objects.get(pk=cast.theo_coordinator.pk)
    with django_assert_max_num_queries(3):
        found = frame(request)
        navigation = list(found["navigation"])
        said = (str(found["study_acronym"]), bool(found["simulated"]), list(found["person_roles"]))
    assert said == ("GETUG-StORM-01", False, ["Site coordinator"])
    assert str(found["person_initials"]) == "TC"
    assert found["idle_seconds"] == 1800
    current = [item["url"] for item in navigation if item["current"]]
    assert current == ["/participants/"]
    assert "/people/" not in [item["url"] for item in navigation]


def test_error_pages_say_what_to_do(cast):
    """TRIAL-137: unknown address, forbidden, failed and stale pages have their words."""
    client = cast.client_of(cast.theo_coordinator)
    missing = client.get("/no/such/page/")
    assert missing.status_code == 404
    assert "There is nothing at this address" in words(missing)
    strict = Client(enforce_csrf_checks=True)
    stale = strict.post("/login/", {"username": "a@example.org", "password": "x"})
    assert stale.status_code == 403
    assert "This page was open too long" in words(stale)


def test_a_bug_shows_a_page_without_the_database(cast, monkeypatch):
    """TRIAL-137: a failure gives the plain page, 500."""
    from trial import home_panels

    def broken(person):
        raise RuntimeError("a value that must not be shown")

    monkeypatch.setattr(home_panels, "panels_for", broken)
    client = cast.client_of(cast.theo_coordinator)
    client.raise_request_exception = False
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Something failed on our side" in words(answer)
    assert "must not be shown" not in words(answer)
