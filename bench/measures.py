"""A measure, a table of them, and the file that others read."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

MEASURED: dict[str, str] = {
    "pages": "pages of the journey",
    "saving": "a form of 60 items",
    "allocating": "allocating",
    "listing": "a long list",
    "simulating": "simulating",
    "expressions": "expressions",
    "checking": "all checks",
    "memory": "memory",
    "exporting": "exporting",
    "submitting": "whole forms, alone and beside exports",
    "growth": "growth from few to many participants",
}
"""Method of `bench.run.Bench` → what it measures, in the order in which they run."""


@dataclass(frozen=True)
class Measure:
    """One number: what it is, in which unit, what it should be, and whether it is.

    `aim` is None where nothing was promised; `ok` is then true.
    """

    name: str
    value: float
    unit: str
    aim: float | None
    ok: bool


def at_most(name: str, value: float, unit: str, aim: float | None = None) -> Measure:
    """A measure that should not be above its aim."""
    return Measure(name, _round(value), unit, aim, aim is None or value <= aim)


def at_least(name: str, value: float, unit: str, aim: float | None = None) -> Measure:
    """A measure that should not be below its aim."""
    return Measure(name, _round(value), unit, aim, aim is None or value >= aim)


def _round(value: float) -> float:
    return round(value) if abs(value) >= 1_000 else float(f"{value:.3g}")


def milliseconds(deed: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    deed()
    return (time.perf_counter() - began) * 1_000


def medians(deeds: Mapping[str, Callable[[], object]], rounds: int, *, warm: int | None = None) -> dict[str, float]:
    """The median time of each deed in ms: one of each per round, in turn, so that a slow moment meets all alike.

    The first `warm` rounds (two, or one where one is measured) fill caches and are not counted.
    """
    warm = min(2, rounds) if warm is None else warm
    taken: dict[str, list[float]] = {name: [] for name in deeds}
    for number in range(warm + rounds):
        for name, deed in deeds.items():
            found = milliseconds(deed)
            if number >= warm:
                taken[name].append(found)
    return {name: statistics.median(times) for name, times in taken.items()}


def table(measures: Sequence[Measure]) -> str:
    """The measures in columns; what misses its aim is marked."""
    width = max(len(measure.name) for measure in measures)
    lines = [f"  {'':{width}}  {'measured':>12}  {'aim':>8}"]
    for measure in measures:
        aim = f"{measure.aim:g}" if measure.aim is not None else ""
        mark = "" if measure.ok else "   MISSED"
        lines.append(f"  {measure.name:{width}}  {measure.value:>12,.6g}  {aim:>8}  {measure.unit}{mark}")
    return "\n".join(lines)


def write(measures: Sequence[Measure], path: Path) -> None:
    """Write the measures as a JSON list of {name, value, unit, aim, ok}; the file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps([asdict(measure) for measure in measures], indent=1, ensure_ascii=False) + "\n")
    fresh.replace(path)
