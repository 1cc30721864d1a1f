"""The CTCAE v5.0 grade that a laboratory value reaches by itself: limits as numbers, no text of the publication.

Source of every number: National Cancer Institute, Common Terminology Criteria for Adverse Events v5.0, 27 November
2017: "Investigations", "Blood and lymphatic system disorders", "Metabolism and nutrition disorders". Analytes are named
by CDISC LBTESTCD (CACORR, calcium corrected for albumin, is ours). What a value cannot tell (symptoms, a transfusion,
an admission) can only raise the grade: the grade here is the least that the value supports, and grades that need more
than a value are not given at all.

Plain Python: value, limits of the laboratory and baseline are arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

VERSION = "5.0"
Steps = tuple[tuple[int, Decimal], ...]
"""(grade, limit) from the mildest: the grade is reached beyond its limit."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with the laboratory's limits of its day, all in one unit."""

    value: Decimal
    low: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """How one term grades one analyte.

    `absolute`: unit → steps in that unit. `of_uln`: multiples of the upper limit. `of_baseline`: multiples of the
    baseline value; they stand in place of `of_uln` when the baseline was abnormal, or (`either`) beside it.
    """

    analyte: str
    term: str
    side: Literal["low", "high"]
    absolute: Mapping[str, Steps] = field(default_factory=dict, hash=False)
    of_uln: Steps = ()
    of_baseline: Steps = ()
    either: bool = False
    baseline_from: Decimal | None = None
    """First multiple of the baseline that is grade 1, itself included."""


def _steps(first: int, *limits: str) -> Steps:
    return tuple((grade, Decimal(limit)) for grade, limit in enumerate(limits, start=first))


def _counts(*limits: str) -> dict[str, Steps]:
    """Limits of a cell count, given in 10⁹/L, in every unit that forms use."""
    per_litre = _steps(2, *limits)
    per_microlitre = tuple((grade, limit * 1000) for grade, limit in per_litre)
    return {"G/L": per_litre, "10⁹/L": per_litre, "10*9/L": per_litre, "/mm³": per_microlitre, "/µL": per_microlitre}


def _enzyme(analyte: str, term: str, first: str, second: str, start: str) -> Rule:
    multiples = _steps(2, second, "5", "20") if first == second else _steps(2, first, second, "20")
    return Rule(
        analyte, term, "high", of_uln=multiples, of_baseline=multiples, baseline_from=Decimal(start)
    )  # fmt: skip


RULES: tuple[Rule, ...] = (
    Rule(
        "HGB", "10002272", "low",
        {"g/dL": _steps(2, "10", "8"), "g/L": _steps(2, "100", "80"), "mmol/L": _steps(2, "6.2", "4.9")},
    ),
    Rule("WBC", "10049182", "low", _counts("3", "2", "1")),
    Rule("NEUT", "10029366", "low", _counts("1.5", "1", "0.5")),
    Rule("LYM", "10025256", "low", _counts("0.8", "0.5", "0.2")),
    Rule("PLAT", "10035528", "low", _counts("75", "50", "25")),
    _enzyme("ALT", "10001551", "3", "5", "1.5"),
    _enzyme("AST", "10003481", "3", "5", "1.5"),
    _enzyme("ALP", "10001675", "2.5", "5", "2"),
    _enzyme("GGT", "10056910", "2.5", "5", "2"),
    Rule(
        "BILI", "10005364", "high",
        of_uln=_steps(2, "1.5", "3", "10"), of_baseline=_steps(1, "1", "1.5", "3", "10"),
    ),
    Rule(
        "CREAT", "10011368", "high",
        of_uln=_steps(2, "1.5", "3", "6"), of_baseline=_steps(2, "1.5", "3"), either=True,
    ),
    Rule("LDH", "10005630", "high"),
    Rule(
        "CACORR", "10020587", "high",
        {"mmol/L": _steps(2, "2.9", "3.1", "3.4"), "mg/dL": _steps(2, "11.5", "12.5", "13.5")},
    ),
    Rule(
        "CACORR", "10020949", "low",
        {"mmol/L": _steps(2, "2", "1.75", "1.5"), "mg/dL": _steps(2, "8", "7", "6")},
    ),
    Rule("ALB", "10020943", "low", {"g/L": _steps(2, "30", "20"), "g/dL": _steps(2, "3", "2")}),
    Rule("K", "10020647", "high", {"mmol/L": _steps(2, "5.5", "6", "7")}),
    Rule("K", "10021018", "low", {"mmol/L": _steps(3, "3", "2.5")}),
    Rule("SODIUM", "10020680", "high", {"mmol/L": _steps(2, "150", "155", "160")}),
    Rule("SODIUM", "10021038", "low", {"mmol/L": _steps(2, "130", "125", "120")}),
)  # fmt: skip
BY_ANALYTE: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {rule.analyte: tuple(other for other in RULES if other.analyte == rule.analyte) for rule in RULES}
)


@dataclass(frozen=True, slots=True)
class Grade:
    """A grade of a term (its MedDRA code); 0 when the value reaches none."""

    term: str
    grade: int


def grade(analyte: str, unit: str, now: Measured, baseline: Measured | None = None) -> Grade | None:
    """The highest grade that a value reaches under the rules of its analyte, 0 when it reaches none.

    None when no rule speaks of the analyte in this unit, or when a limit that decides is not known. Without a
    baseline, or with one whose limits are not known, the rules for a normal baseline hold: the higher grade of both.
    """
    found: list[Grade] = []
    for rule in BY_ANALYTE.get(analyte, ()):
        reached = _reached(rule, unit, now, baseline)
        if reached is not None:
            found.append(Grade(rule.term, reached))
    return max(found, key=lambda each: each.grade, default=None)


def _reached(rule: Rule, unit: str, now: Measured, baseline: Measured | None) -> int | None:
    if rule.absolute and unit not in rule.absolute:
        return None
    limit = now.high if rule.side == "high" else now.low
    steps = rule.absolute.get(unit, ())
    own = _beyond(rule.side, now.value, steps)
    was_abnormal = _is_abnormal(rule, baseline)
    if baseline is not None and was_abnormal and rule.of_baseline and not rule.either:
        multiples = tuple((g, multiple * baseline.value) for g, multiple in rule.of_baseline)
        reached = _beyond(rule.side, now.value, multiples)
        starts = rule.baseline_from is not None and now.value >= rule.baseline_from * baseline.value
        return max(reached, 1 if starts else 0)
    if rule.of_uln and now.high is not None:
        own = max(own, _beyond(rule.side, now.value, tuple((g, m * now.high) for g, m in rule.of_uln)))
    if rule.either and baseline is not None:
        own = max(own, _beyond(rule.side, now.value, tuple((g, m * baseline.value) for g, m in rule.of_baseline)))
    if own:
        return own
    if limit is None:
        return None
    return _beyond(rule.side, now.value, ((1, limit),))


def _is_abnormal(rule: Rule, baseline: Measured | None) -> bool:
    if baseline is None:
        return False
    limit = baseline.high if rule.side == "high" else baseline.low
    return limit is not None and _beyond(rule.side, baseline.value, ((1, limit),)) == 1


def _beyond(side: str, value: Decimal, steps: Steps) -> int:
    """The highest grade whose limit the value passes."""
    passed = [g for g, limit in steps if (value > limit if side == "high" else value < limit)]
    return max(passed, default=0)


__all__ = ["BY_ANALYTE", "RULES", "VERSION", "Grade", "Measured", "Rule", "grade"]
