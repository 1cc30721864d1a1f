"""Strata: their labels, their combinations, and the proof that every participant falls in exactly one.

A factor has levels, each with a condition over items. Whoever knows the study's items and expressions hands over the
cases to try (every combination of the codes of the items that the conditions read; for numbers, `representatives`) and
a function that evaluates a condition; here it is proved that exactly one level holds in each case.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from randomization.algorithms.faults import Fault

UNSTRATIFIED = "all"  # the label of the one stratum of a trial without strata
MAX_CASES = 200_000
MAX_STRATA = 10_000
_WORD = re.compile(r"[A-Za-z0-9_.+-]{1,64}\Z")
_EXAMPLES = 3

Case = TypeVar("Case")


@dataclass(frozen=True, slots=True)
class Factor:
    """A stratification factor: its id and its level codes."""

    id: str
    levels: tuple[str, ...]


def label(values: Mapping[str, str]) -> str:
    """The canonical label of a stratum, factors in the order of their ids: `ici=Y|imdc=FAV|lesions=1`.

    Raises ValueError when an id or a code holds anything but letters, digits and `_ . + -`.
    """
    for factor, code in values.items():
        if not _WORD.match(factor) or not _WORD.match(code):
            raise ValueError(f"{factor!r} = {code!r} cannot stand in a stratum label: use letters, digits, _ . + -")
    return "|".join(f"{factor}={values[factor]}" for factor in sorted(values)) or UNSTRATIFIED


def parse_label(text: str) -> dict[str, str]:
    """The factor levels of a canonical label; ValueError when it is not one."""
    if text == UNSTRATIFIED:
        return {}
    values: dict[str, str] = {}
    for part in text.split("|"):
        factor, _, code = part.partition("=")
        if factor in values:
            raise ValueError(f"{text!r} is not a stratum label: {factor} stands there twice.")
        values[factor] = code
    if label(values) != text:
        raise ValueError(f"{text!r} is not a stratum label in canonical form: write {label(values)}.")
    return values


def faults(factors: Sequence[Factor]) -> list[Fault]:
    """Every fault of the factors themselves: ids, codes, levels given twice, too many strata."""
    found: list[Fault] = []
    seen: set[str] = set()
    count = 1
    for factor in factors:
        place = f"strata › {factor.id}"
        if not _WORD.match(factor.id):
            found.append(Fault("RND201", "strata", f"{factor.id!r} is not a factor id.", "Use letters, digits and _."))
        if factor.id in seen:
            found.append(Fault("RND202", place, "The factor is given twice.", "Give each factor once."))
        seen.add(factor.id)
        if len(factor.levels) < 2:
            found.append(Fault("RND203", place, f"It has {len(factor.levels)} level.", "Give two levels or more."))
        for code in sorted({code for code in factor.levels if factor.levels.count(code) > 1}):
            found.append(Fault("RND204", place, f"Level {code} is given twice.", "Give each level once."))
        for code in factor.levels:
            if not _WORD.match(code):
                found.append(Fault("RND205", place, f"{code!r} is not a level code.", "Use letters, digits, _ . + -"))
        count *= max(1, len(factor.levels))
    if count > MAX_STRATA:
        found.append(Fault("RND206", "strata", f"They make {count} strata.", f"Keep them to {MAX_STRATA}."))
    return found


def combinations(factors: Sequence[Factor]) -> list[str]:
    """The canonical labels of all strata, each once, in the order of the factors and levels given."""
    ids = [factor.id for factor in factors]
    return [label(dict(zip(ids, codes, strict=True))) for codes in itertools.product(*(f.levels for f in factors))]


def cases(domains: Mapping[str, Sequence[object]]) -> list[dict[str, object]]:
    """Every combination of the possible values of some items.

    ValueError when there would be more than `MAX_CASES`: a proof that samples would be none.
    """
    count = 1
    for values in domains.values():
        count *= len(values)
    if count > MAX_CASES:
        raise ValueError(f"{count} combinations are too many to prove; at most {MAX_CASES}.")
    names = list(domains)
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*domains.values())]


def representatives(
    thresholds: Iterable[Decimal | int], *, low: Decimal | int, high: Decimal | int, step: Decimal | int
) -> list[Decimal]:
    """Values of a numeric item that stand for all: both ends, each threshold, and its neighbours one `step` away.

    `step` is the item's smallest difference (1 for integers, 0.1 for one decimal). Where conditions compare the item
    with the thresholds only, they cannot change between two neighbouring representatives, so these prove the range.
    """
    lowest, highest, width = Decimal(low), Decimal(high), Decimal(step)
    if width <= 0 or lowest > highest:
        raise ValueError("Give a positive step and a range whose low end is not above its high end.")
    found = {lowest, highest}
    for threshold in thresholds:
        # The grid value at or below the threshold, and its two neighbours, whether or not the threshold is on the grid.
        at = lowest + (Decimal(threshold) - lowest) // width * width
        found.update(value for value in (at - width, at, at + width, at + 2 * width) if lowest <= value <= highest)
    return sorted(found)


def prove(
    factor: Factor,
    cases: Iterable[Case],
    holds: Callable[[str, Case], bool | None],
    *,
    eligible: Callable[[Case], bool | None] | None = None,
) -> list[Fault]:
    """Prove that in every case exactly one level of the factor holds; an empty list is the proof.

    `holds(level code, case)` answers True, False, or None for unknown; `eligible(case)` may leave out the cases that
    can never be eligible, and only a definite False does. Faults: a gap (no level holds), an overlap (more than one),
    an undecided level, and a level that holds in no case; each with examples.
    """
    gaps: list[Case] = []
    overlaps: dict[tuple[str, ...], list[Case]] = {}
    undecided: dict[str, list[Case]] = {}
    reached: set[str] = set()
    tried = 0
    for case in cases:
        if eligible is not None and eligible(case) is False:
            continue
        tried += 1
        answers = {code: holds(code, case) for code in factor.levels}
        true = tuple(code for code in factor.levels if answers[code] is True)
        unknown = [code for code in factor.levels if answers[code] is None]
        reached.update(true)
        for code in unknown:
            undecided.setdefault(code, []).append(case)
        if len(true) > 1:
            overlaps.setdefault(true, []).append(case)
        elif not true and not unknown:
            gaps.append(case)
    place = f"strata › {factor.id}"
    if not tried:
        return [Fault("RND210", place, "No case was tried, so nothing is proved.", "Let the items have codes.")]
    found: list[Fault] = []
    if gaps:
        found.append(
            Fault("RND211", place, f"No level holds when {_examples(gaps)}.", "Add a level, or widen a condition.")
        )
    for codes, where in overlaps.items():
        found.append(
            Fault("RND212", place, f"Levels {', '.join(codes)} all hold when {_examples(where)}.", "Keep one of them.")
        )
    for code, where in undecided.items():
        found.append(
            Fault("RND213", f"{place} › {code}", f"It is undecided when {_examples(where)}.", "Let it cover this case.")
        )
    for code in factor.levels:
        if code not in reached and code not in undecided:
            found.append(
                Fault("RND214", f"{place} › {code}", "It holds in no case.", "Correct its condition, or remove it.")
            )
    return found


def _examples(where: Sequence[object]) -> str:
    """The first few cases in words, and how many more there are."""
    words = [
        ", ".join(f"{name} = {value}" for name, value in case.items()) if isinstance(case, Mapping) else str(case)
        for case in where[:_EXAMPLES]
    ]
    more = len(where) - _EXAMPLES
    return "; or ".join(words) + (f"; and in {more} more cases" if more > 0 else "")
