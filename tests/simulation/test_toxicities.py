"""Adverse events as the treatments bring them."""

from __future__ import annotations

import datetime as dt
import itertools
from random import Random

from safety.dictionaries import ctcae
from simulation import toxicities

FROM, UNTIL = dt.date(2025, 1, 1), dt.date(2025, 12, 31)


def draw(seed: int, **given: object) -> list[toxicities.Event]:
    told = {"classes": {"TKI"}, "has_srt": True, "from_on": FROM, "until_on": UNTIL, "serious_rate": 1.0} | given
    return toxicities.draw(Random(seed), **told)


def test_every_event_has_a_term_of_the_dictionary_and_a_grade_that_exists() -> None:
    """SIM-010: CTCAE v5.0 gives each term its grades."""
    dictionary = ctcae.load("5.0")
    for toxicity in (*toxicities.SYSTEMIC, *toxicities.SRT, *toxicities.SERIOUS):
        term = dictionary.get(toxicity.code)
        assert term is not None, toxicity
        possible = {grade for grade, weight in enumerate(toxicity.grades, start=1) if weight}
        assert possible <= set(term.grades), toxicity


def test_events_start_within_the_time_that_they_are_drawn_for() -> None:
    """SIM-011: no event before randomization or after the last day; an end follows its start."""
    for seed in range(40):
        for event in draw(seed):
            assert FROM < event.start_on <= UNTIL
            assert event.end_on is None or event.end_on >= event.start_on


def test_srt_brings_its_events_to_its_arm_only() -> None:
    """SIM-012: nothing that only SRT causes without SRT."""
    without = [event for seed in range(60) for event in draw(seed, has_srt=False)]
    with_srt = [event for seed in range(60) for event in draw(seed)]
    assert not any(event.toxicity.causes == {"SRT"} for event in without)
    assert any(event.toxicity.causes == {"SRT"} for event in with_srt)


def test_checkpoint_inhibitors_do_not_bring_hand_foot_syndrome() -> None:
    """SIM-013: causes follow the class of the drug."""
    events = [event for seed in range(60) for event in draw(seed, classes={"ICI"}, has_srt=False)]
    assert not any(event.toxicity.code == "10054524" for event in events)


def test_the_same_event_is_not_entered_twice() -> None:
    """SIM-014: a toxicity that goes on does not begin again beside itself; it may come back after its end."""
    again = 0
    for seed in range(200):
        codes: dict[str, list[toxicities.Event]] = {}
        for event in draw(seed, classes={"TKI", "ICI"}):
            codes.setdefault(event.toxicity.code, []).append(event)
        for events in codes.values():
            for first, second in itertools.pairwise(events):
                again += 1
                assert first.end_on is not None and first.end_on < second.start_on
    assert again > 20
