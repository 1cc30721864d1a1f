"""Units: an item has one standard unit and may accept others, each with a factor and an offset."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal

from trial.language.faults import fault

UnitRule = tuple[str, Decimal, Decimal]
"""(unit, factor, offset): typed × factor + offset = value in the standard unit."""

# 40 digits hold the product of two numbers of 20 digits exactly.
_EXACT = Context(prec=40)


_WORDS = {"fr": {"days": "jours", "weeks": "semaines", "months": "mois", "years": "ans"}}


def unit_words(unit: str, locale: str = "en") -> str:
    """The unit as it is shown; those that are words and not symbols are said in the language of the page."""
    return _WORDS.get(locale[:2].lower(), {}).get(unit, unit)


def accepted(standard: str, units: Sequence[UnitRule]) -> list[str]:
    """The units that may be typed, the standard one first."""
    return ([standard] if standard else []) + [unit for unit, _, _ in units if unit != standard]


def to_standard(number: Decimal, unit: str, standard: str, units: Sequence[UnitRule]) -> Decimal:
    """The number in the standard unit; `unit` "" or the standard one leaves it as it is. Fault if not accepted."""
    if not unit or unit == standard:
        return number
    for name, factor, offset in units:
        if name == unit:
            return tidy(_EXACT.add(_EXACT.multiply(number, factor), offset))
    names = accepted(standard, units)
    if not names:
        raise fault("unit.none")
    raise fault("unit.unknown", unit=unit, units=", ".join(names))


def tidy(number: Decimal) -> Decimal:
    """The same number without trailing zeros, exponent or negative zero."""
    if not number:
        return Decimal(0)
    number = number.normalize(_EXACT)
    exponent = number.as_tuple().exponent
    return number.quantize(Decimal(1), context=_EXACT) if isinstance(exponent, int) and exponent > 0 else number


def canonical(number: Decimal) -> str:
    """The decimal as text: digits, a point, a minus; never an exponent. `Decimal(canonical(d))` is `d`, digit by
    digit."""
    text = format(number, "f")
    return text[1:] if text.startswith("-") and not number else text
