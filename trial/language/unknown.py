"""UNKNOWN: the third truth value, also what an expression gives when its inputs do not decide it.

UNKNOWN has no truth: `if UNKNOWN` raises TypeError, so that nobody takes it for false by accident. Ask `is UNKNOWN`,
`is True`, `is False`. `&`, `|` and `~` on UNKNOWN follow Kleene.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Unknown(Enum):
    """The type of UNKNOWN, its only member."""

    UNKNOWN = "unknown"

    def __bool__(self) -> bool:
        raise TypeError("UNKNOWN is neither true nor false: use `is True`, `is False` or `is UNKNOWN`")

    def __repr__(self) -> str:
        return "UNKNOWN"

    __str__ = __repr__

    def __and__(self, other: bool | Unknown) -> bool | Unknown:
        return False if other is False else self

    def __or__(self, other: bool | Unknown) -> bool | Unknown:
        return True if other is True else self

    def __invert__(self) -> Unknown:
        return self

    __rand__ = __and__
    __ror__ = __or__


UNKNOWN: Final = Unknown.UNKNOWN


def kleene_and(*operands: bool | Unknown) -> bool | Unknown:
    """False if one is false; else UNKNOWN if one is unknown; else True."""
    result: bool | Unknown = True
    for operand in operands:
        if operand is False:
            return False
        if operand is not True:
            result = UNKNOWN
    return result


def kleene_or(*operands: bool | Unknown) -> bool | Unknown:
    """True if one is true; else UNKNOWN if one is unknown; else False."""
    result: bool | Unknown = False
    for operand in operands:
        if operand is True:
            return True
        if operand is not False:
            result = UNKNOWN
    return result


def kleene_not(operand: bool | Unknown) -> bool | Unknown:
    """The opposite; UNKNOWN stays UNKNOWN."""
    if operand is UNKNOWN:
        return UNKNOWN
    return operand is not True
