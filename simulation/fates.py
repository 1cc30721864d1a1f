"""Who is screened where and when, and what becomes of them: drawn once from the seed, before anything is written. Pure.

Accrual is a Poisson process per site given its total: the moments are uniform over the time that a site is open,
weighted by its size. Progression-free times follow a Weibull distribution whose median is that of FACTS 1.6; their
quantiles are stratified over the participants, so that even a small trial is near it.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

MEDIAN_PFS_MONTHS = 8.6  # oligoprogressive subgroup of the GETUG retrospective [FACTS 1.6: urotoday-Meyer]
SHAPE = 1.15  # hazard rising slightly with time; only the median has a source
MONTH = 30.4375  # days
FAILURES_PER_RANDOMIZED = 30 / 95
SCREENING_PER_RANDOMIZED = 6 / 95
READY = 2
LAST_RANDOMIZATION = 3  # days before the end, so that nobody hangs between eligible and randomized by chance


class Kind(StrEnum):
    """How far a participant comes by the end of the simulation."""

    RANDOMIZED = "randomized"
    FAILED = "failed"
    SCREENING = "screening"
    READY = "ready"


class Ending(StrEnum):
    """How the visits of somebody who is randomized end, if they end before the simulation."""

    PROGRESSION = "progression"
    DEATH = "death"  # without progression
    LOSS = "loss"
    WITHDRAWAL = "withdrawal"


class Flaw(StrEnum):
    """Why a person is not included, and at which step it shows."""

    REFUSED = "refused"  # before consent
    NOT_REACHED = "not_reached"  # before consent
    OTHER_TRIAL = "other_trial"  # before consent
    HISTOLOGY = "histology"  # with the histories
    WITHDREW = "withdrew"  # with the histories
    POOR_PROGNOSIS = "poor_prognosis"  # with the laboratory
    LARGE_LESION = "large_lesion"  # with the imaging
    MANY_LESIONS = "many_lesions"  # with the imaging
    BRAIN = "brain"  # with the imaging
    NOT_FOR_SRT = "not_for_srt"  # with the eligibility


BEFORE_CONSENT = (Flaw.REFUSED, Flaw.NOT_REACHED, Flaw.OTHER_TRIAL)
FLAWS: tuple[tuple[Flaw, float], ...] = (
    (Flaw.REFUSED, 5),
    (Flaw.NOT_REACHED, 1),
    (Flaw.OTHER_TRIAL, 2),
    (Flaw.HISTOLOGY, 3),
    (Flaw.WITHDREW, 2),
    (Flaw.POOR_PROGNOSIS, 5),
    (Flaw.LARGE_LESION, 3),
    (Flaw.MANY_LESIONS, 4),
    (Flaw.BRAIN, 3),
    (Flaw.NOT_FOR_SRT, 3),
)
"""How often each reason comes, of 31."""


@dataclass(frozen=True)
class Place:
    """A site as the simulation needs it: its number, its share of the accrual, and the day it opens."""

    number: str
    weight: float
    opened_on: dt.date


@dataclass(frozen=True)
class Fate:
    """One person: where, when, how far, and the seed of everything else about them."""

    site: str
    kind: Kind
    screened_on: dt.date
    target_on: dt.date  # day of randomization, of failure, or of the last step in screening
    seed: str
    quantile: float = 0.5  # of the progression-free time
    flaw: Flaw | None = None
    ending: Ending = Ending.PROGRESSION
    leaves_on: dt.date | None = None  # day of a loss or withdrawal
    forgets_visit: bool = False  # the site has not yet entered the visit that was due last

    @property
    def ends_on(self) -> dt.date:
        """The last day of visits: progression, or death without it, or the day of leaving."""
        return self.leaves_on or self.target_on + dt.timedelta(days=pfs_days(self.quantile))


def pfs_days(quantile: float) -> int:
    """The progression-free time, in days, at a quantile (0 to 1, both left out) of its distribution; at least 21."""
    months = MEDIAN_PFS_MONTHS * (-math.log1p(-quantile) / math.log(2)) ** (1 / SHAPE)
    return max(21, round(months * MONTH))


def quantiles(rng: Random, count: int) -> list[float]:
    """One quantile from each of `count` equal parts of 0 to 1, in random order."""
    places = list(range(count))
    rng.shuffle(places)
    return [(place + 0.02 + 0.96 * rng.random()) / count for place in places]


def draw_fates(rng: Random, *, seed: int, places: list[Place], randomized: int, end_on: dt.date) -> list[Fate]:
    """Draw everybody of the trial; the first place is the demo's own site and gets the two who are ready.

    Every place gets at least one participant who is randomized, if there are enough.
    """
    fates = []
    shares = _share(rng, places, randomized, end_on)
    targets = [
        _day(rng, place.opened_on + dt.timedelta(days=16), end_on - dt.timedelta(days=LAST_RANDOMIZATION))
        for place in shares
    ]
    times = quantiles(rng, randomized)
    forgetting = _bring_visits_to_the_end(shares, targets, times, places[0], end_on)
    for number, place in enumerate(shares):
        screened = max(place.opened_on, targets[number] - dt.timedelta(days=rng.randrange(12, 25)))
        fates.append(
            Fate(
                place.number,
                Kind.RANDOMIZED,
                screened,
                targets[number],
                f"{seed}/r{number}",
                times[number],
                forgets_visit=number in forgetting,
            )
        )
    _let_some_leave(rng, fates, end_on)
    failures = round(randomized * FAILURES_PER_RANDOMIZED)
    for number, place in enumerate(_share(rng, places, failures, end_on, everyone=False)):
        flaw = rng.choices([f for f, _ in FLAWS], [w for _, w in FLAWS])[0]
        screened = _day(rng, place.opened_on, end_on - dt.timedelta(days=24))
        target = screened + dt.timedelta(days=rng.randrange(1, 6) if flaw in BEFORE_CONSENT else rng.randrange(12, 21))
        fates.append(Fate(place.number, Kind.FAILED, screened, target, f"{seed}/f{number}", flaw=flaw))
    for number in range(READY):
        screened = end_on - dt.timedelta(days=17 + 2 * number)
        target = _weekday(end_on - dt.timedelta(days=1 + number))  # nobody signs at a weekend: the end may be a Monday
        fates.append(Fate(places[0].number, Kind.READY, screened, target, f"{seed}/y{number}"))
    waiting = max(1, round(randomized * SCREENING_PER_RANDOMIZED))
    for number, place in enumerate(_share(rng, places, waiting, end_on, everyone=False)):
        screened = end_on - dt.timedelta(days=rng.randrange(2, 15))
        fates.append(Fate(place.number, Kind.SCREENING, screened, end_on, f"{seed}/s{number}"))
    return sorted(fates, key=lambda fate: (fate.screened_on, fate.site, fate.seed))


DUE = ((56, 3, False), (56, -17, True), (91, 5, False), (91, -16, True))
"""For some people of the first site: days from randomization to a visit, days from the end to that visit's planned
date, and whether the site has not entered it although its window has closed."""


def _bring_visits_to_the_end(
    shares: list[Place], targets: list[dt.date], times: list[float], home: Place, end_on: dt.date
) -> set[int]:
    """Move randomizations at the first site so that visits are due this week or overdue; return who is overdue.

    Those people must not have progressed by then: they swap their quantile for a higher one.
    """
    forgetting: set[int] = set()
    movable = [number for number, place in enumerate(shares) if place is home]
    later = [number for number, quantile in enumerate(times) if quantile > 0.55 and number not in movable]
    for number, (days, distance, forgets) in zip(movable, DUE, strict=False):
        target = end_on + dt.timedelta(days=distance - days)
        targets[number] = target - dt.timedelta(days=max(0, target.weekday() - 4))
        if times[number] <= 0.55 and later:
            other = later.pop()
            times[number], times[other] = times[other], times[number]
        if forgets:
            forgetting.add(number)
    return forgetting


LEAVING = ((Ending.DEATH, 0.04), (Ending.LOSS, 0.03), (Ending.WITHDRAWAL, 0.04))
"""Share of those randomized, at least one of each in a trial of 20 or more."""
STAYS = 150  # days of visits without which nobody is chosen to leave


def _let_some_leave(rng: Random, fates: list[Fate], end_on: dt.date) -> None:
    """Choose who dies without progression, is lost, or withdraws, among those who are followed long enough."""
    lasting = [
        number
        for number, fate in enumerate(fates)
        if not fate.forgets_visit and (min(fate.ends_on, end_on) - fate.target_on).days > STAYS
    ]
    progressing = [number for number in lasting if fates[number].ends_on < end_on]
    for ending, share in LEAVING:
        for _ in range(round(share * len(fates)) or len(fates) // 20):
            among = progressing if ending is Ending.DEATH else lasting
            if not among:
                return
            number = among[rng.randrange(len(among))]
            lasting = [n for n in lasting if n != number]
            progressing = [n for n in progressing if n != number]
            fate = fates[number]
            last = (min(fate.ends_on, end_on) - fate.target_on).days
            leaves = (
                None if ending is Ending.DEATH else fate.target_on + dt.timedelta(days=rng.randrange(60, last - 40))
            )
            fates[number] = replace(fate, ending=ending, leaves_on=leaves)


def _share(rng: Random, places: list[Place], count: int, end_on: dt.date, *, everyone: bool = True) -> list[Place]:
    """Deal `count` people to the sites, by size and by how long each is open."""
    first = places[:count] if everyone else []
    weights = [place.weight * max(1, (end_on - place.opened_on).days) for place in places]
    return [*first, *rng.choices(places, weights, k=count - len(first))]


def _day(rng: Random, first: dt.date, last: dt.date) -> dt.date:
    """A weekday between two days, uniformly; the last weekday before `last` when there is no room."""
    day = first + dt.timedelta(days=rng.randrange(max(1, (last - first).days + 1)))
    return _weekday(min(day, last))


def _weekday(day: dt.date) -> dt.date:
    """The day, or the Friday before it when it is a weekend."""
    return day - dt.timedelta(days=max(0, day.weekday() - 4))
