"""Who is screened where and when, and what becomes of them."""

from __future__ import annotations

import datetime as dt
import statistics
from collections import Counter
from random import Random

import pytest

from simulation.fates import BEFORE_CONSENT, MEDIAN_PFS_MONTHS, MONTH, Ending, Kind, draw_fates, pfs_days, quantiles
from simulation.house import SITES, places_of, start_of

END = dt.date(2026, 3, 2)


def draw(randomized: int = 95, seed: int = 1, end: dt.date = END) -> list:
    places = places_of(end, len(SITES))
    return draw_fates(Random(seed), seed=seed, places=places, randomized=randomized, end_on=end)


def test_median_progression_free_time_of_a_large_sample_is_that_of_the_facts() -> None:
    """SIM-001: 8.6 months [FACTS 1.6], over 20,000 independent draws."""
    rng = Random(5)
    months = [pfs_days(rng.uniform(1e-6, 1 - 1e-6)) / MONTH for _ in range(20_000)]
    assert statistics.median(months) == pytest.approx(MEDIAN_PFS_MONTHS, abs=0.2)


@pytest.mark.parametrize("seed", range(5))
def test_a_small_trial_is_near_the_median_too(seed: int) -> None:
    """SIM-002: quantiles are stratified, so that 95 participants are near 8.6 months whatever the seed."""
    months = [pfs_days(quantile) / MONTH for quantile in quantiles(Random(seed), 95)]
    assert statistics.median(months) == pytest.approx(MEDIAN_PFS_MONTHS, abs=0.3)


@pytest.mark.parametrize("seed", [2026, *range(4)])
def test_the_demo_as_it_is_seen_is_near_the_median(seed: int) -> None:
    """SIM-006: Kaplan-Meier over 95 participants whose follow-up ends with the simulation."""
    followed = [
        ((min(fate.ends_on, END) - fate.target_on).days / MONTH, fate.ends_on <= END and fate.leaves_on is None)
        for fate in draw(seed=seed)
        if fate.kind is Kind.RANDOMIZED
    ]
    assert median_survival(followed) == pytest.approx(MEDIAN_PFS_MONTHS, abs=1.8)


def median_survival(followed: list[tuple[float, bool]]) -> float:
    """Kaplan and Meier's median of (time, whether the event was seen)."""
    surviving = 1.0
    for at_risk, (time, is_event) in zip(range(len(followed), 0, -1), sorted(followed), strict=True):
        if is_event:
            surviving *= 1 - 1 / at_risk
            if surviving <= 0.5:
                return time
    return float("inf")


def test_some_leave_before_progression() -> None:
    """SIM-007: deaths without progression, losses and withdrawals happen within the simulation."""
    endings = Counter(fate.ending for fate in draw() if fate.ends_on <= END)
    assert min(endings[ending] for ending in Ending) >= 3


def test_visits_of_the_first_site_are_due_and_overdue_at_the_end() -> None:
    """SIM-008: two people whose visit is planned within the next days, two whose site has not entered theirs."""
    home = [fate for fate in draw() if fate.site == "01" and fate.kind is Kind.RANDOMIZED]
    planned = [fate.target_on + dt.timedelta(days=56) for fate in home]
    assert any(END <= day <= END + dt.timedelta(days=7) for day in planned)
    assert sum(fate.forgets_visit for fate in home) == 2


def test_the_demo_has_the_numbers_that_it_promises() -> None:
    """SIM-003: 95 randomized at 18 sites, 30 screen failures, 6 in screening, 2 ready at the first site."""
    fates = draw()
    kinds = Counter(fate.kind for fate in fates)
    assert kinds == {Kind.RANDOMIZED: 95, Kind.FAILED: 30, Kind.SCREENING: 6, Kind.READY: 2}
    assert len({fate.site for fate in fates if fate.kind is Kind.RANDOMIZED}) == len(SITES)
    assert {fate.site for fate in fates if fate.kind is Kind.READY} == {"01"}
    assert all(fate.flaw is not None for fate in fates if fate.kind is Kind.FAILED)
    assert any(fate.flaw in BEFORE_CONSENT for fate in fates)


@pytest.mark.parametrize("seed", range(8))
def test_nobody_is_screened_before_the_site_opens_or_after_the_end(seed: int) -> None:
    """SIM-004: dates stay within what is possible."""
    opened = {place.number: place.opened_on for place in places_of(END, len(SITES))}
    assert min(opened.values()) >= start_of(END)
    for fate in draw(40, seed):
        assert opened[fate.site] <= fate.screened_on <= fate.target_on <= END


def test_the_same_seed_draws_the_same_people_and_another_seed_others() -> None:
    """SIM-005: determinism of the plan."""
    assert draw(seed=3) == draw(seed=3)
    assert draw(seed=3) != draw(seed=4)


@pytest.mark.parametrize("days", range(7))
def test_who_is_ready_became_so_on_a_working_day_before_the_end(days: int) -> None:
    """SIM-009: a demo started on a Monday, or in the night, has its two people to randomize as well."""
    end = END + dt.timedelta(days=days)
    targets = [fate.target_on for fate in draw(end=end) if fate.kind is Kind.READY]
    assert len(targets) == 2
    assert all(target < end and target.weekday() < 5 for target in targets)
