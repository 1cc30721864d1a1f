"""Adverse events as treatments bring them: drawn for one participant at randomization. Pure.

Codes are those of the shipped CTCAE v5.0 working set. Frequencies, grades and durations are domain knowledge, for the
simulation only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Toxicity:
    """One sort of event: its term, how often, the weights of grades 1 to 3, what causes it, how many days it lasts."""

    code: str
    words: str
    weight: float
    grades: tuple[float, float, float]
    causes: frozenset[str]  # classes of drugs, or "SRT"; empty: nothing that is given
    days: tuple[int, int]


def _t(
    code: str,
    words: str,
    weight: float,
    grades: tuple[float, float, float],
    causes: str,
    days: tuple[int, int] = (10, 70),
) -> Toxicity:
    return Toxicity(code, words, weight, grades, frozenset(causes.split()), days)


SYSTEMIC: tuple[Toxicity, ...] = (
    _t("10016256", "Tiredness, worse in the afternoon", 6, (6, 4, 1), "TKI ICI MTOR HIF2A", (20, 120)),
    _t("10012727", "Loose stools several times a day", 4, (5, 4, 1), "TKI ICI"),
    _t("10020772", "High blood pressure at home measurements", 4, (2, 5, 3), "TKI", (20, 150)),
    _t("10054524", "Hand-foot syndrome", 3, (5, 4, 1), "TKI", (20, 90)),
    _t("10028813", "Nausea after meals", 3, (6, 3, 0.4), "TKI MTOR HIF2A", (4, 30)),
    _t("10028130", "Sore mouth", 2.5, (5, 4, 0.6), "TKI MTOR", (8, 40)),
    _t("10021114", "Raised TSH, thyroid hormone started", 2, (3, 5, 0.1), "ICI TKI", (60, 300)),
    _t("10003239", "Joint pain", 2, (6, 3, 0.3), "ICI", (20, 120)),
    _t("10037868", "Rash of the trunk", 1.5, (5, 4, 0.6), "ICI"),
    _t("10037087", "Itching of arms and back", 1.5, (6, 3, 0.2), "ICI"),
    _t("10002646", "Loss of appetite", 1.8, (6, 3, 0.4), "TKI"),
    _t("10047900", "Loss of weight", 1, (5, 3, 0.2), "TKI"),
    _t("10037032", "Protein in the urine", 1.2, (5, 4, 0.4), "TKI", (30, 120)),
    _t("10001551", "Raised transaminases", 1.4, (5, 3, 1), "TKI ICI"),
    _t("10024574", "Raised lipase without symptoms", 0.8, (4, 3, 2), "TKI ICI", (7, 30)),
    _t("10002272", "Anaemia", 1.5, (4, 4, 0.8), "HIF2A MTOR", (20, 120)),
    _t("10011368", "Raised creatinine", 1, (5, 3, 0.2), "TKI", (14, 90)),
    _t("10003988", "Back pain", 1.4, (5, 4, 0.4), ""),
    _t("10011224", "Dry cough", 1.4, (6, 3, 0.2), ""),
    _t("10016750", "Pain in the flank", 0.6, (5, 3, 0.3), "", (4, 40)),
)
"""What systemic treatments bring, and what comes by itself."""

SRT: tuple[Toxicity, ...] = (
    _t("10016256", "Tiredness in the weeks after radiotherapy", 5, (6, 3, 0.3), "SRT", (10, 50)),
    _t("10061103", "Redness of the irradiated skin", 3, (7, 3, 0.2), "SRT", (10, 40)),
    _t("10035742", "Infiltrate around the treated lesion, cough", 2, (5, 3, 0.8), "SRT", (30, 120)),
    _t("10008496", "Pain of the chest wall", 1.5, (5, 3, 0.4), "SRT", (20, 150)),
    _t("10015461", "Pain on swallowing", 1, (5, 3, 0.2), "SRT", (8, 30)),
    _t("10028813", "Nausea on the day of a fraction", 1, (7, 2, 0.1), "SRT", (1, 6)),
)
"""What SRT brings, in the weeks after it."""

SERIOUS: tuple[Toxicity, ...] = (
    _t("10061229", "Lung infection with fever, treated in hospital", 3, (0, 0, 1), "", (7, 21)),
    _t("10009887", "Colitis with bloody stools, treated in hospital", 2, (0, 0, 1), "ICI", (14, 45)),
    _t("10043565", "Pulmonary embolism", 2, (0, 0, 1), "TKI", (20, 60)),
    _t("10035742", "Pneumonitis needing oxygen", 2, (0, 0, 1), "ICI SRT", (20, 60)),
    _t("10012727", "Diarrhoea with dehydration", 2, (0, 0, 1), "TKI ICI", (5, 15)),
    _t("10020772", "Hypertensive crisis, observed in hospital", 1.5, (0, 0, 1), "TKI", (2, 8)),
    _t("10001367", "Adrenal crisis", 1, (0, 0, 1), "ICI", (10, 40)),
    _t("10041569", "Fracture of a vertebra", 1, (0, 0, 1), "", (20, 80)),
)
"""What brings a participant to hospital."""


@dataclass
class Event:
    """One adverse event of one participant; `end_on` None for one that goes on to the end."""

    toxicity: Toxicity
    grade: int
    start_on: dt.date
    end_on: dt.date | None
    serious: bool = False
    number: int | None = None  # of its log entry, once it is entered
    is_closed: bool = False


def draw(
    rng: Random, *, classes: Collection[str], has_srt: bool, from_on: dt.date, until_on: dt.date, serious_rate: float
) -> list[Event]:
    """Draw the events of one participant between two days, in the order of their start.

    `classes` are those of the drugs that are given; `serious_rate` is the expected number of serious events a year.
    """
    given = set(classes) | ({"SRT"} if has_srt else set())
    days = (until_on - from_on).days
    events: list[Event] = []

    def add(kinds: tuple[Toxicity, ...], count: int, first: int, last: int, *, serious: bool = False) -> None:
        fitting = [t for t in kinds if t.weight and (not t.causes or t.causes & given)]
        for _ in range(count):
            toxicity = rng.choices(fitting, [t.weight for t in fitting])[0]
            start = from_on + dt.timedelta(days=rng.randrange(first, max(first + 1, last)))
            if start > until_on:
                continue
            grade = 1 + rng.choices((0, 1, 2), toxicity.grades)[0]
            end = start + dt.timedelta(days=rng.randrange(*toxicity.days))
            events.append(Event(toxicity, grade, start, end if rng.random() < 0.88 else None, serious))

    add(SYSTEMIC, _poisson(rng, 0.9 + 2.2 * min(days, 365) / 365), 4, min(days, 400))
    if has_srt:
        add(SRT, _poisson(rng, 1.1), 20, 75)
    add(SERIOUS, _poisson(rng, serious_rate * days / 365.25), 10, days, serious=True)
    return sorted(_one_at_a_time(events), key=lambda event: (event.start_on, event.toxicity.code, event.grade))


def _one_at_a_time(events: list[Event]) -> list[Event]:
    """Leave out what would go on beside the same toxicity (a serious one stays): an event is one entry."""
    kept: list[Event] = []
    for event in sorted(events, key=lambda event: not event.serious):
        if not any(_overlap(event, other) for other in kept if other.toxicity.code == event.toxicity.code):
            kept.append(event)
    return kept


def _overlap(one: Event, other: Event) -> bool:
    return one.start_on <= (other.end_on or dt.date.max) and other.start_on <= (one.end_on or dt.date.max)


def _poisson(rng: Random, mean: float) -> int:
    """A Poisson number, by counting exponential waits."""
    count, waited = 0, rng.expovariate(1.0)
    while waited < mean:
        count += 1
        waited += rng.expovariate(1.0)
    return count
