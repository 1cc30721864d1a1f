"""The way through the trial, by actions alone."""

from __future__ import annotations

from randomization.models import Allocation
from tests.cast import Cast
from trial.models import Status, Visit


def test_a_participant_goes_from_screening_to_the_visits_of_an_arm(cast: Cast) -> None:
    """TRL-001: screening, consent, baseline, signed eligibility, allocation, visits of the pathway."""
    participant = cast.randomized()

    allocation = Allocation.objects.get(participant=participant)
    assert participant.status == Status.RANDOMIZED
    assert participant.pathway == cast.definition.arms[allocation.arm].pathway
    planned = set(Visit.objects.filter(participant=participant).values_list("event", flat=True))
    assert {"SCR", "D56", "M3", "M36"} <= planned
    assert ("SRT_PLAN" in planned) == (allocation.arm == "SRT")
    assert ("SWITCH_START" in planned) == (allocation.arm == "SWITCH")
