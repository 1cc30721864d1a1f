"""Pages around an inclusion: registration, one code for one person, errors, treatment received, strata that differ."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import audit
from audit import clock
from randomization.actions import allocations
from randomization.models import IdentityCheck, RandomizedInError, Registration, TreatmentReceived
from tests.cast import PASSWORD, Cast
from tests.randomization.conftest import change, ended, undelegated
from tests.randomization.marked import revealing_words
from trial.models import Participant

pytestmark = pytest.mark.django_db
MOST_STATEMENTS = 15


def url(participant: Participant, page: str) -> str:
    return f"/participants/{participant.code}/{page}/"


def words_of(answer: object) -> str:
    return " ".join(answer.content.decode().split())  # type: ignore[attr-defined]


def page(client: Client, address: str) -> str:
    """The words of a page that costs no more than it may."""
    with CaptureQueriesContext(connection) as statements:
        answer = client.get(address)
    assert answer.status_code == 200, address
    assert len(statements) <= MOST_STATEMENTS, (address, len(statements))
    return words_of(answer)


def test_after_the_amendment_a_participant_is_registered_from_the_casebook(cast: Cast) -> None:
    """RND-740: who is under the old version is moved, then registered with the password; never called randomized."""
    participant = cast.eligible()
    ended(cast)
    client = cast.client_of(cast.theo_coordinator)
    words = page(client, url(participant, "randomize"))
    assert "An amendment that changes randomization is in force" in words and url(participant, "version") in words
    assert 'type="password"' not in words
    assert "Move to version" in page(client, url(participant, "version"))
    assert client.post(url(participant, "version")).status_code == 302
    assert url(participant, "register") in page(client, f"/participants/{participant.code}/")
    words = page(client, url(participant, "randomize"))
    assert "Randomization has ended" in words and url(participant, "register") in words
    words = page(client, url(participant, "register"))
    assert participant.code in words and 'type="password"' in words and "Not randomized" in words
    assert client.post(url(participant, "register"), {"password": "wrong"}).status_code == 422
    assert not Registration.objects.exists()
    for _time in range(2):
        answer = client.post(url(participant, "register"), {"password": PASSWORD})
        assert (answer.status_code, answer["Location"]) == (302, url(participant, "registration"))
    assert Registration.objects.count() == 1
    words = page(client, url(participant, "registration"))
    assert "not randomized" in words and "Next visits" in words and "Stereotactic radiotherapy" in words
    assert "Registered for" in words and ">Allocated<" not in words
    assert "Registered, not randomized" in page(client, f"/participants/{participant.code}/")
    for person, status in ((undelegated(cast), 403), (cast.oscar_coordinator, 404), (cast.stella_statistician, 404)):
        assert cast.client_of(person).get(url(participant, "register")).status_code == status
    assert cast.client_of(cast.paul_sponsor).get(url(participant, "registration")).status_code == 404


def test_who_makes_sure_of_the_person_is_not_told_who_the_other_is(cast: Cast) -> None:
    """RND-741: a step on the investigator's casebook, a page with words, written down; the coordinator may not."""
    participant = cast.eligible()
    cast.list_in_use()
    other = cast.screened(by=cast.oscar_coordinator, site=cast.other_site)
    for name in ("sex", "birth_month", "birth_year", "consented_on"):
        setattr(other, name, getattr(participant, name))
    other.randomized_on = clock.today()
    audit.save(other, by=None)
    theo, ines = cast.client_of(cast.theo_coordinator), cast.client_of(cast.ines_investigator)
    words = page(theo, url(participant, "randomize"))
    assert "may already be in the trial under another code" in words and other.code not in words
    assert theo.get(url(participant, "identity")).status_code == 403
    assert url(participant, "identity") in page(ines, f"/participants/{participant.code}/")
    words = page(ines, url(participant, "identity"))
    assert other.code not in words and cast.other_site.name not in words
    assert ines.post(url(participant, "identity"), {"how": ""}).status_code == 422
    assert ines.post(url(participant, "identity"), {"how": "Asked the patient"}).status_code == 302
    assert IdentityCheck.objects.get().checked_by == cast.ines_investigator
    assert "another code" not in page(theo, url(participant, "randomize"))


def test_a_flag_takes_two_steps_and_is_seen_wherever_the_participant_is(cast: Cast) -> None:
    """RND-742: reason, then password; on the allocation page, on the casebook, also of those who see no arm."""
    participant = cast.randomized()
    ines = cast.client_of(cast.ines_investigator)
    address = url(participant, "in-error")
    assert address in page(ines, url(participant, "allocation"))
    said = {"reason": "not_eligible", "detail": "ECOG was 3"}
    assert ines.post(address, {"reason": "not_eligible", "detail": ""}).status_code == 422
    words = words_of(ines.post(address, said))
    assert "Second step" in words and "ECOG was 3" in words and 'type="password"' in words
    assert not RandomizedInError.objects.exists()
    assert ines.post(address, {**said, "step": "confirm", "password": "wrong"}).status_code == 422
    assert ines.post(address, {**said, "step": "confirm", "password": PASSWORD}).status_code == 302
    assert RandomizedInError.objects.count() == 1
    for person in (cast.theo_coordinator, cast.ines_investigator, cast.paul_sponsor):
        assert "Randomized in error" in page(cast.client_of(person), f"/participants/{participant.code}/")
    words = page(cast.client_of(cast.theo_coordinator), url(participant, "allocation"))
    assert "Was not eligible" in words and "ECOG was 3" in words and "Inès Investigator" in words
    assert "Take the flag back" in page(ines, address)
    assert ines.post(address, {"reason": "Read wrongly"}).status_code == 302
    assert "Taken back:" in page(ines, url(participant, "allocation"))
    for person, status in ((cast.theo_coordinator, 403), (cast.olga_investigator, 404), (cast.bruno_blinded, 404)):
        assert cast.client_of(person).get(address).status_code == status
    assert ines.get(url(cast.screened(), "in-error")).status_code == 404


def test_the_treatment_received_is_recorded_by_the_site_and_hidden_from_who_sees_no_arm(cast: Cast) -> None:
    """RND-743: why it differs is asked; a change asks its reason; the sponsor without arms finds nothing."""
    participant = cast.randomized()
    arm = participant.allocation.arm
    theo = cast.client_of(cast.theo_coordinator)
    address = url(participant, "treatment")
    assert address in page(theo, url(participant, "allocation"))
    page(theo, address)
    assert theo.post(address, {"received": "-"}).status_code == 422
    today = clock.today().strftime("%d/%m/%Y")
    assert theo.post(address, {"received": arm, "started_on": today}).status_code == 302
    assert TreatmentReceived.objects.get().received == arm
    assert "Reason for the change" in page(theo, address)
    answer = theo.post(address, {"received": "-", "why": "death", "reason": "Wrong participant"})
    assert answer.status_code == 302
    words = page(theo, url(participant, "allocation"))
    assert "Death before the start" in words
    assert cast.client_of(cast.mona_monitor).get(address).status_code == 403
    for person in (cast.paul_sponsor, cast.oscar_coordinator, cast.stella_statistician, cast.aude_auditor):
        assert cast.client_of(person).get(address).status_code == 404


def test_strata_that_differ_are_counted_without_any_arm(marked_cast: Cast) -> None:
    """RND-744: statisticians get counts, the data manager participants; no word of an arm or a visit plan."""
    cast = marked_cast
    participant = cast.randomized()
    was_ici = participant.allocation.strata["ici"] == "Y"
    said = {"regimen": "SUNI", "regimen_class": "TKI"} if was_ici else {"regimen": "NIVO", "regimen_class": "ICI"}
    change(cast, participant, "systemic_ongoing", said)
    address = "/randomization/differences/"
    told = revealing_words(cast.version)
    for person, sees in (
        (cast.bruno_blinded, False),
        (cast.stella_statistician, False),
        (cast.dan_data_manager, True),
        (cast.aude_auditor, True),
    ):
        words = page(cast.client_of(person), address)
        assert "With ICI" in words and "Without ICI" in words
        assert (participant.code in words) is sees
        assert not [word for word in told if word in words]
    for person in (
        cast.theo_coordinator,
        cast.ines_investigator,
        cast.mona_monitor,
        cast.paul_sponsor,
        cast.adam_admin,
    ):
        assert cast.client_of(person).get(address).status_code == 403
    assert "frozen: " in page(cast.client_of(cast.theo_coordinator), url(participant, "allocation"))


def test_an_allocated_participant_is_never_registered(cast: Cast) -> None:
    """RND-745: the page leads nowhere, the action refuses, the database has a constraint."""
    participant = cast.randomized()
    client = cast.client_of(cast.theo_coordinator)
    words = words_of(client.post(url(participant, "register"), {"password": PASSWORD}))
    assert "already randomized" in words
    with pytest.raises(allocations.GateClosed):
        allocations.register(participant=participant, password=PASSWORD, by=cast.theo_coordinator)
