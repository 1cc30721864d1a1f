"""The confirmation of a registration on paper: says who follows which visit plan, and that nobody was randomized."""

from __future__ import annotations

import pytest

from audit.models import Deed
from randomization.actions import allocations
from randomization.models import Registration
from tests.cast import PASSWORD, Cast
from tests.randomization.conftest import ended, undelegated
from tests.randomization.test_commitment_pdf import text_of
from trial.actions import people
from trial.models import Participant

pytestmark = pytest.mark.django_db


def registered(cast: Cast) -> Participant:
    """A participant who is registered after randomization ended."""
    ended(cast)
    participant = cast.eligible()
    allocations.register(participant=participant, password=PASSWORD, by=cast.theo_coordinator)
    return participant


def test_the_paper_says_who_was_registered_to_what_and_that_nobody_was_randomized(cast: Cast) -> None:
    """RND-525: code, site, arm's visit plan, who and when with the signature; no number, no stratum, no list."""
    participant = registered(cast)
    client = cast.client_of(cast.theo_coordinator)
    page = client.get(f"/participants/{participant.code}/registration/").content.decode()
    assert f"/participants/{participant.code}/registration.pdf" in page
    answer = client.get(f"/participants/{participant.code}/registration.pdf")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    assert f"{participant.code}-registration.pdf" in answer["Content-Disposition"]
    words = text_of(answer.content)
    signature = Registration.objects.get().signature
    for wanted in (
        "Confirmation of registration",
        participant.code,
        "Stereotactic radiotherapy",
        "Registered, not randomized",
        cast.theo_coordinator.printed_name,
        signature.by_name,
        "confirmed by typing the password again",
        "does not count among the randomized",
    ):
        assert wanted in words, wanted
    for unwanted in ("Randomization number", "R0001", "Strata", "Commitment"):
        assert unwanted not in words, unwanted
    printed = Deed.objects.get(verb="registration.viewed")
    assert (printed.by_id, printed.target_id) == (cast.theo_coordinator.pk, str(Registration.objects.get().pk))


def test_it_is_printed_in_the_language_of_the_page(cast: Cast) -> None:
    """RND-525: in French for who reads French."""
    participant = registered(cast)
    people.set_locale(person=cast.theo_coordinator, locale="fr", by=cast.theo_coordinator)
    client = cast.client_of(cast.theo_coordinator)
    answer = client.get(f"/participants/{participant.code}/registration.pdf")
    words = text_of(answer.content)
    assert "Confirmation d’enregistrement" in words and "non randomisé" in words


def test_who_may_take_it_and_when(cast: Cast) -> None:
    """RND-526: those who may see the arm; not found for the others and before there is a registration; no deed."""
    waiting = cast.consented()
    theo = cast.client_of(cast.theo_coordinator)
    assert theo.get(f"/participants/{waiting.code}/registration.pdf").status_code == 404
    participant = registered(cast)
    address = f"/participants/{participant.code}/registration.pdf"
    for person in (cast.paul_sponsor, cast.aude_auditor, cast.oscar_coordinator, cast.stella_statistician):
        assert cast.client_of(person).get(address).status_code == 404, person
    assert not Deed.objects.filter(verb="registration.viewed").exists()
    for person in (undelegated(cast), cast.mona_monitor):
        assert cast.client_of(person).get(address).status_code == 200
