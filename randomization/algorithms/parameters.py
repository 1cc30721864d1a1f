"""Confidential parameters of a list, typed: what each scheme wants, how it is read, and every fault without its value.

A parameter is plain JSON, so that it can be sealed: whole numbers, and probabilities as exact fractions in text
("2/3", "4/5"), never floats. `Parameter.faults` checks what is given; a fault names the place and what is allowed,
never what was given, because a fault may be logged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from randomization.algorithms.faults import Fault

MAX_DENOMINATOR = 10_000
"""Probabilities are fractions of at most this denominator: four decimals are more than any protocol states."""
_FRACTION = re.compile(r"(\d{1,5})/(\d{1,5})|[01]?[.,](\d{1,4})")


class Type(StrEnum):
    """How a parameter is typed and kept."""

    COUNTS = "counts"  # several whole numbers
    COUNT = "count"  # one whole number
    PROBABILITY = "probability"  # an exact fraction between 0 and 1
    CHOICE = "choice"  # one of a few words
    WEIGHTS = "weights"  # a whole number for each factor


@dataclass(frozen=True, slots=True)
class Parameter:
    """One confidential parameter: its name among the sealed ones, its type, and the limits of a number."""

    name: str
    type: Type
    low: int = 1
    high: int = 1_000
    choices: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The words by which a fault names it."""
        return self.name.replace("_", " ")

    def faults(self, value: object, factors: Sequence[str] = ()) -> list[Fault]:
        """Every fault of one value; `factors` are those that weights are wanted for. Block sizes check themselves."""
        if value is None:
            return [Fault("RND131", self.place, "It is not given.", "Give it.", {"name": self.name})]
        if self.type is Type.COUNT:
            return self._count(value, self.place)
        if self.type is Type.PROBABILITY:
            return [] if probability(value) is not None else [self._no_probability()]
        if self.type is Type.CHOICE:
            if value in self.choices:
                return []
            words = ", ".join(self.choices)
            return [Fault("RND134", self.place, "It is none of the choices.", f"Use one of: {words}.")]
        if self.type is Type.WEIGHTS:
            return self._weights(value, factors)
        return []

    def _count(self, value: object, place: str) -> list[Fault]:
        if isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high:
            return []
        limits = {"low": self.low, "high": self.high}
        remedy = f"Use a whole number, {self.low} to {self.high}."
        return [Fault("RND132", place, "It is not a whole number in the range allowed.", remedy, limits)]

    def _no_probability(self) -> Fault:
        return Fault(
            "RND133",
            self.place,
            "It is not a probability between 0 and 1.",
            f"Write a fraction such as 2/3, or at most four decimals (denominator up to {MAX_DENOMINATOR}).",
        )

    def _weights(self, value: object, factors: Sequence[str]) -> list[Fault]:
        if not isinstance(value, Mapping):
            return [Fault("RND131", self.place, "It is not given.", "Give it.", {"name": self.name})]
        found: list[Fault] = []
        for factor in factors:
            place = f"{self.place} › {factor}"
            if factor not in value:
                found.append(Fault("RND135", place, "The factor has no weight.", "Give it one.", {"factor": factor}))
            else:
                found.extend(self._count(value[factor], place))
        if set(value) - set(factors):
            found.append(Fault("RND136", self.place, "A weight is given for no factor.", "Leave it out."))
        return found


def probability(value: object) -> Fraction | None:
    """The exact fraction of a typed probability strictly between 0 and 1, or None when it is not one."""
    if not isinstance(value, str):
        return None
    found = _FRACTION.fullmatch(value.strip())
    if found is None:
        return None
    top, bottom, decimals = found.groups()
    if decimals is not None:
        if value.strip().startswith("1"):
            return None
        fraction = Fraction(int(decimals), 10 ** len(decimals))
    elif int(bottom) == 0:
        return None
    else:
        fraction = Fraction(int(top), int(bottom))
    if not 0 < fraction < 1 or fraction.denominator > MAX_DENOMINATOR:
        return None
    return fraction


__all__ = ["MAX_DENOMINATOR", "Parameter", "Type", "probability"]
