"""Per status: what is still expected, reminded and counted; DOMAIN, Participants: nothing else ever is."""

from __future__ import annotations

import pytest

from audit import clock
from ecrf.casebooks import Casebook
from tests.cast import Cast
from tests.trial.actions.arrange import DAY, again, on_day, randomized
from trial import listings
from trial.actions import notices, participants, statuses
from trial.models import Notice, Participant, StatusKind, Visit, VisitStatus
from trial.selectors import visits_due, visits_overdue

pytestmark = pytest.mark.django_db
S = StatusKind
LATER = 500
"""Days after which every visit of the first year would be long overdue."""

GOES_ON = {S.WITHDRAWN_TREATMENT: "study", S.TREATMENT_ENDED: "study", S.PROGRESSED: "survival"}
ENDS = (S.WITHDRAWN_VISITS, S.WITHDRAWN_CONTACT, S.LOST, S.DIED, S.COMPLETED)


def to_come(cast: Cast, participant: Participant) -> set[str]:
    """The phases of the visits that are still planned after today."""
    events = Visit.objects.filter(
        participant=participant, status=VisitStatus.PLANNED, window_end__gt=clock.today()
    ).values_list("event", flat=True)
    return {str(cast.definition.visit(event).phase) for event in events}


def counted_later(cast: Cast, participant: Participant, after: object) -> set[str]:
    """Every visit, not yet overdue when the status was recorded, that pages and reminders would name much later."""
    with on_day(clock.today() + LATER * DAY):
        notices.owe_reminders()
        waiting = [*visits_overdue(cast.theo_coordinator), *visits_due(cast.theo_coordinator, LATER)]
        waiting += list(listings.visits_waiting(cast.theo_coordinator, overdue=True))
        reminded = Notice.objects.filter(participant=participant, visit__isnull=False).values_list("visit", flat=True)
        missing = " ".join(step.text for step in Casebook(cast.theo_coordinator, again(participant)).missing)
    found = {visit.event for visit in waiting if visit.window_end and visit.window_end >= after}  # type: ignore[operator]
    found |= set(Visit.objects.filter(pk__in=reminded, window_end__gte=after).values_list("event", flat=True))
    return found | ({"casebook"} if "Month 6" in missing else set())


@pytest.mark.parametrize("kind", ENDS)
def test_what_has_ended_is_never_expected_reminded_or_counted(cast: Cast, kind: str) -> None:
    """TRI-330: and everything comes back when the status was a mistake."""
    participant = randomized(cast, days_ago=100)
    today = clock.today()
    before = to_come(cast, participant)
    assert "study" in before
    statuses.record(participant=participant, kind=kind, on=today, by=cast.theo_coordinator)
    assert "study" not in to_come(cast, participant)
    assert counted_later(cast, participant, today) == set()
    statuses.reverse(participant=participant, kind=kind, reason="Recorded by mistake", by=cast.theo_coordinator)
    assert to_come(cast, participant) == before
    assert "M6" in counted_later(cast, participant, today)


@pytest.mark.parametrize(("kind", "phase"), GOES_ON.items())
def test_what_goes_on_is_still_expected(cast: Cast, kind: str, phase: str) -> None:
    """TRI-331: treatment that stops ends no visit; after progression survival follow-up takes the place of visits."""
    participant = randomized(cast, days_ago=100)
    statuses.record(participant=participant, kind=kind, on=clock.today(), by=cast.theo_coordinator)
    assert to_come(cast, participant) == {phase}
    assert counted_later(cast, participant, clock.today()) - {"casebook"}
    statuses.reverse(participant=participant, kind=kind, reason="Recorded by mistake", by=cast.theo_coordinator)
    assert to_come(cast, participant) == {"study"}


def test_after_a_screen_failure_nothing_is_expected(cast: Cast) -> None:
    """TRI-332: nor reminded; reopened, the screening is expected again."""
    participant = cast.screened()
    participants.fail_screening(participant=participant, reason="REFUSED", by=cast.theo_coordinator)
    assert not Visit.objects.filter(participant=participant, status=VisitStatus.PLANNED).exists()
    assert counted_later(cast, participant, clock.today() - LATER * DAY) == set()
    participants.reopen_screening(participant=participant, reason="Wrong person", by=cast.theo_coordinator)
    assert Visit.objects.filter(participant=participant, event="SCR", status=VisitStatus.PLANNED).exists()
