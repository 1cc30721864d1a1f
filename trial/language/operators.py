"""What the generated code of expressions calls: arithmetic, dates and intervals that answer UNKNOWN and never run away.

Numbers are int or Decimal. Whole numbers stay below 10**30, decimals below 10**100 and are computed with 28 significant
digits, half even, in a context of our own, so that neither a caller's decimal context nor a hostile expression changes
a result. Functions here may raise TypeError or ValueError on operands of the wrong type; the generated code turns that
into UNKNOWN.

`Span` is a number known only to lie between two limits: the count of rows when some are unknown, the days between
partial dates, `1 if a else 0` with `a` unknown. A comparison that every number of the span decides in the same way is
decided; a span that is asked for its number is UNKNOWN. That is how a score with a missing item can still say its
group.
"""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any

from trial.language.partial_dates import PartialDate, before, bounds, not_after, same_day
from trial.language.unknown import UNKNOWN, Unknown

MAX_INTEGER = 10**30
MAX_EXPONENT = 64
Number = int | Decimal
Truth = bool | Unknown

U: Any = UNKNOWN  # short, and untyped as the operands are

_CONTEXT = Context(
    prec=28,
    rounding=ROUND_HALF_EVEN,
    Emin=-99,
    Emax=99,
    capitals=1,
    clamp=0,
    flags=[],
    traps=[InvalidOperation, DivisionByZero, Overflow],
)
_HALF_UP = _CONTEXT.copy()
_HALF_UP.rounding = ROUND_HALF_UP


class Span:
    """A number that lies between `low` and `high`, both included, low < high."""

    __slots__ = ("high", "low")

    def __init__(self, low: Number, high: Number) -> None:
        self.low = low
        self.high = high

    def __repr__(self) -> str:
        return f"Span({self.low}, {self.high})"


def span(low: Any, high: Any) -> Any:
    """The number when both limits are equal, else the Span; UNKNOWN when a limit is."""
    if low is U or high is U:
        return U
    return low if low == high else Span(low, high)


def exact(number: Any) -> Any:
    """The number itself; UNKNOWN for a Span."""
    return U if number.__class__ is Span else number


def either(first: Any, second: Any) -> Any:
    """One of the two, it is not known which: the value when they agree, the Span of two numbers, else UNKNOWN."""
    if first is U or second is U:
        return U
    firsts, seconds = _limits(first), _limits(second)
    if firsts is not None and seconds is not None:
        return span(min(firsts[0], seconds[0]), max(firsts[1], seconds[1]))
    return first if first.__class__ is second.__class__ and first == second else U


def _limits(number: Any) -> tuple[Number, Number] | None:
    if number.__class__ is Span:
        return number.low, number.high
    if number.__class__ is int or number.__class__ is Decimal:
        return number, number
    return None


def _spans(left: Any, right: Any) -> tuple[tuple[Number, Number], tuple[Number, Number]] | None:
    """The limits of both when at least one is a Span."""
    if left.__class__ is Span or right.__class__ is Span:
        lefts, rights = _limits(left), _limits(right)
        if lefts is not None and rights is not None:
            return lefts, rights
    return None


# ---------------------------------------------------------------- arithmetic


def add(a: Any, b: Any) -> Any:
    if a.__class__ is int and b.__class__ is int:
        return _bounded(a + b)
    if a is U or b is U:
        return U
    if (both := _spans(a, b)) is not None:
        return span(add(both[0][0], both[1][0]), add(both[0][1], both[1][1]))
    try:
        return _CONTEXT.add(a, b)
    except ArithmeticError:
        return U


def sub(a: Any, b: Any) -> Any:
    if a.__class__ is int and b.__class__ is int:
        return _bounded(a - b)
    if a is U or b is U:
        return U
    if (both := _spans(a, b)) is not None:
        return span(sub(both[0][0], both[1][1]), sub(both[0][1], both[1][0]))
    try:
        return _CONTEXT.subtract(a, b)
    except ArithmeticError:
        return U


def mul(a: Any, b: Any) -> Any:
    if a.__class__ is int and b.__class__ is int:
        if a.bit_length() + b.bit_length() > 200:
            return U
        return _bounded(a * b)
    if a is U or b is U:
        return U
    if (both := _spans(a, b)) is not None:
        corners = [mul(left, right) for left in both[0] for right in both[1]]
        return U if U in corners else span(min(corners), max(corners))
    try:
        return _CONTEXT.multiply(a, b)
    except ArithmeticError:
        return U


def div(a: Any, b: Any) -> Any:
    if a is U or b is U or b.__class__ is Span:
        return U
    if a.__class__ is Span:
        ends = [div(a.low, b), div(a.high, b)]
        return U if U in ends else span(min(ends), max(ends))
    try:
        return _CONTEXT.divide(a, b)
    except ArithmeticError:
        return U


def floordiv(a: Any, b: Any) -> Any:
    """Rounded towards minus infinity, for decimals too (as for whole numbers in Python)."""
    if a is U or b is U:
        return U
    try:
        if a.__class__ is int and b.__class__ is int:
            return _bounded(a // b)
        quotient = _CONTEXT.divide_int(a, b)
        if _CONTEXT.remainder(a, b) and (a < 0) != (b < 0):
            quotient = _CONTEXT.subtract(quotient, 1)
        return quotient
    except ArithmeticError:
        return U


def mod(a: Any, b: Any) -> Any:
    """The remainder that goes with floordiv: it has the sign of b."""
    if a is U or b is U:
        return U
    try:
        if a.__class__ is int and b.__class__ is int:
            return _bounded(a % b)
        rest = _CONTEXT.remainder(a, b)
        return _CONTEXT.add(rest, b) if rest and (rest < 0) != (b < 0) else rest
    except ArithmeticError:
        return U


def power(a: Any, b: Any) -> Any:
    """a ** b with |b| ≤ 64; UNKNOWN beyond, for 0 ** 0, and for a root of a negative number."""
    if a is U or b is U:
        return U
    try:
        if not -MAX_EXPONENT <= b <= MAX_EXPONENT:
            return U
        if a.__class__ is int and b.__class__ is int and b > 0:
            return U if a.bit_length() * b > 200 else _bounded(a**b)
        result = _CONTEXT.power(a, b)
        return result if result.is_finite() else U  # 0 ** −1 is Infinity there, without a signal
    except ArithmeticError:
        return U


def neg(a: Any) -> Any:
    return sub(0, a)


def absolute(a: Any) -> Any:
    return U if a is U else a if a >= 0 else sub(0, a)


def rounded(a: Any, places: Any) -> Any:
    """Half up, away from zero (2.5 → 3, −2.5 → −3); `places` 0 to 10; a whole number when it is 0."""
    if a is U or places is U or not 0 <= places <= 10 or places != int(places):
        return U
    try:
        result = _HALF_UP.quantize(a if a.__class__ is Decimal else Decimal(a), Decimal(1).scaleb(-int(places)))
    except ArithmeticError:
        return U
    return int(result) if not places else result


def _bounded(number: int) -> Any:
    return number if -MAX_INTEGER < number < MAX_INTEGER else U


# ---------------------------------------------------------------- comparisons where an operand may be a Span


def number_lt(a: Any, b: Any) -> Truth:
    if a is U or b is U:
        return UNKNOWN
    both = _spans(a, b)
    if both is None:
        return bool(a < b)
    (a_low, a_high), (b_low, b_high) = both
    return True if a_high < b_low else False if a_low >= b_high else UNKNOWN


def number_le(a: Any, b: Any) -> Truth:
    if a is U or b is U:
        return UNKNOWN
    both = _spans(a, b)
    if both is None:
        return bool(a <= b)
    (a_low, a_high), (b_low, b_high) = both
    return True if a_high <= b_low else False if a_low > b_high else UNKNOWN


def number_eq(a: Any, b: Any) -> Truth:
    if a is U or b is U:
        return UNKNOWN
    both = _spans(a, b)
    if both is None:
        return bool(a == b)
    (a_low, a_high), (b_low, b_high) = both
    return False if a_high < b_low or b_high < a_low else UNKNOWN


def negate(a: Any) -> Truth:
    return False if a is True else True if a is False else U


# ---------------------------------------------------------------- dates


def day_of(moment: Any) -> Any:
    """The day of a date-time; a date as it is."""
    if moment is U:
        return U
    return moment.date() if isinstance(moment, datetime) else moment


def date_lt(a: Any, b: Any) -> Truth:
    if a is U or b is U:
        return UNKNOWN
    return before(a, b)


def date_le(a: Any, b: Any) -> Truth:
    if a is U or b is U:
        return UNKNOWN
    return not_after(a, b)


def date_eq(a: Any, b: Any) -> Truth:
    if a is U or b is U:
        return UNKNOWN
    return same_day(a, b)


def make_date(year: Any, month: Any, day: Any) -> Any:
    """The date, or UNKNOWN when the calendar has none."""
    if year is U or month is U or day is U:
        return U
    parts = [int(part) for part in (year, month, day)]
    if parts != [year, month, day]:
        return U
    try:
        return date(*parts)
    except (ValueError, OverflowError):
        return U


def year_of(day: Any) -> Any:
    return U if day is U else day.year


def add_days(day: Any, days: Any) -> Any:
    """The day so many days later (earlier when negative); UNKNOWN for a partial date or a fraction of a day."""
    if day is U or days is U or days != int(days):
        return U
    if isinstance(day, PartialDate):
        if not day.is_full:
            return U
        day = day.earliest
    try:
        return day + timedelta(days=int(days))
    except OverflowError:
        return U


def add_months(day: Any, months: Any) -> Any:
    """The same day so many months later, or that month's last day; a partial date keeps what is known of it."""
    if day is U or months is U or months != int(months) or abs(months) > 12_000:
        return U
    if isinstance(day, PartialDate) and day.month is None:
        return PartialDate(day.year + int(months) // 12) if months % 12 == 0 else U
    index = day.year * 12 + day.month - 1 + int(months)
    year, month = index // 12, index % 12 + 1
    if not 1 <= year <= 9999:
        return U
    if day.day is None:
        return PartialDate(year, month)
    last = min(day.day, calendar.monthrange(year, month)[1])
    return PartialDate(year, month, last) if isinstance(day, PartialDate) else day.replace(year, month, last)


def _months(a: date, b: date) -> int:
    """Completed months from a to b: the largest n with add_months(a, n) ≤ b; the opposite when b lies before a."""
    if b < a:
        return -_months(b, a)
    months = (b.year - a.year) * 12 + b.month - a.month
    anchor = add_months(a, months)
    return months if anchor is not U and anchor <= b else months - 1


def _years(a: date, b: date) -> int:
    months = _months(a, b)
    return months // 12 if months >= 0 else -(-months // 12)


def days_between(a: Any, b: Any) -> Any:
    """b − a in days; a Span when a date is partial."""
    if a.__class__ is date and b.__class__ is date:
        return (b - a).days
    if a is U or b is U:
        return U
    (a_first, a_last), (b_first, b_last) = bounds(day_of(a)), bounds(day_of(b))
    return span((b_first - a_last).days, (b_last - a_first).days)


def months_between(a: Any, b: Any) -> Any:
    """Completed months from a to b; a Span when a date is partial."""
    if a is U or b is U:
        return U
    (a_first, a_last), (b_first, b_last) = bounds(day_of(a)), bounds(day_of(b))
    return span(_months(a_last, b_first), _months(a_first, b_last))


def years_between(a: Any, b: Any) -> Any:
    """Completed years from a to b; a Span when a date is partial."""
    if a is U or b is U:
        return U
    (a_first, a_last), (b_first, b_last) = bounds(day_of(a)), bounds(day_of(b))
    return span(_years(a_last, b_first), _years(a_first, b_last))


# ---------------------------------------------------------------- smallest and largest


def _less(a: Any, b: Any) -> Truth:
    if isinstance(a, PartialDate) or isinstance(b, PartialDate):
        return before(a, b)
    if a.__class__ is Span or b.__class__ is Span:
        return number_lt(a, b)
    return bool(a < b)


def smaller(a: Any, b: Any) -> Any:
    """The smaller of two; UNKNOWN when one is, or when partial dates do not decide it."""
    if a is U or b is U:
        return U
    if (both := _spans(a, b)) is not None:
        return span(min(both[0][0], both[1][0]), min(both[0][1], both[1][1]))
    less = _less(b, a)
    return U if less is U else b if less else a


def larger(a: Any, b: Any) -> Any:
    """The larger of two; UNKNOWN when one is, or when partial dates do not decide it."""
    if a is U or b is U:
        return U
    if (both := _spans(a, b)) is not None:
        return span(max(both[0][0], both[1][0]), max(both[0][1], both[1][1]))
    less = _less(a, b)
    return U if less is U else b if less else a


def both_hold(a: Any, b: Any) -> Truth:
    """Kleene and."""
    return False if a is False or b is False else True if a is True and b is True else U


def holds_unless(condition: Any, filter_: Any) -> Truth:
    """Kleene `condition or not filter_`."""
    return True if condition is True or filter_ is False else False if condition is False and filter_ is True else U
