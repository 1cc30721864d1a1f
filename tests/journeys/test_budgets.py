"""Pages cost the same whatever the number of participants: at most 15 statements each."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.cast import Cast
from trial.models import Participant

pytestmark = pytest.mark.django_db
MOST = 15

PAGES: dict[str, tuple[str, Callable[[Participant, Cast], list[object]]]] = {
    "home": ("theo_coordinator", lambda p, c: []),
    "participants": ("theo_coordinator", lambda p, c: []),
    "screening_log": ("theo_coordinator", lambda p, c: []),
    "notices": ("theo_coordinator", lambda p, c: []),
    "casebook": ("theo_coordinator", lambda p, c: [p.code]),
    "eligibility": ("ines_investigator", lambda p, c: [p.code]),
    "participant_status": ("theo_coordinator", lambda p, c: [p.code]),
    "visit": ("theo_coordinator", lambda p, c: [p.code, c.visit(p, "SCR").pk]),
    "record": ("theo_coordinator", lambda p, c: [p.code, c.visit(p, "SCR").pk, "laboratory"]),
    "log": ("theo_coordinator", lambda p, c: [p.code, "lesion"]),
    "entry": ("theo_coordinator", lambda p, c: [p.code, "lesion", 1]),
    "allocation": ("theo_coordinator", lambda p, c: [p.code]),
    "queries": ("mona_monitor", lambda p, c: []),
    "safety": ("sam_safety", lambda p, c: []),
    "audit_trail": ("aude_auditor", lambda p, c: []),
    "exports": ("paul_sponsor", lambda p, c: []),
    "lists": ("stella_statistician", lambda p, c: []),
    "differences": ("dan_data_manager", lambda p, c: []),
    "consort": ("bruno_blinded", lambda p, c: []),
    "treatment": ("theo_coordinator", lambda p, c: [p.code]),
    "sites": ("paul_sponsor", lambda p, c: []),
    "people": ("adam_admin", lambda p, c: []),
    "study": ("theo_coordinator", lambda p, c: []),
}
"""Page → who opens it and its arguments."""


def cost(cast: Cast, name: str, participant: Participant) -> int:
    """Return how many statements a page needs, signed in, the second time."""
    who, arguments = PAGES[name]
    client = cast.client_of(getattr(cast, who))
    address = reverse(name, args=arguments(participant, cast))
    assert client.get(address).status_code == 200, name
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address).status_code == 200
    return len([q for q in captured.captured_queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))])


@pytest.fixture
def participant(cast: Cast) -> Participant:
    return cast.randomized()


def test_no_page_costs_more_when_there_are_more_participants(cast: Cast, participant: Participant) -> None:
    """SPD-001: ten participants against two hundred."""
    for _ in range(9):
        cast.screened()
    few = {name: cost(cast, name, participant) for name in PAGES}
    for _ in range(190):
        cast.screened()
    many = {name: cost(cast, name, participant) for name in PAGES}

    assert {name: n for name, n in few.items() if n > MOST} == {}
    assert {name: (few[name], n) for name, n in many.items() if n > few[name]} == {}
