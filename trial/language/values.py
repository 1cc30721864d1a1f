"""Values: what a person typed, understood, kept exactly, and shown again.

A `Value` keeps the text as typed beside what was understood. Decimals are `Decimal` in the item's standard unit and
never pass through a float; in JSON they are canonical strings. Text that PostgreSQL or a browser would mangle (NUL,
lone surrogates, control and direction-override characters) is refused here, once for every door.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from enum import StrEnum
from functools import cache
from typing import Any, Protocol

from trial.language.faults import Fault, fault
from trial.language.media import size_words
from trial.language.missing import MISSING, missing_words
from trial.language.partial_dates import PartialDate
from trial.language.units import UnitRule, accepted, canonical, tidy, to_standard, unit_words
from trial.language.unknown import UNKNOWN

MAX_TEXT = 500
MAX_LONGTEXT = 20_000
MAX_TYPED = 200  # everything that is not text
MAX_DIGITS = 18
FIRST_YEAR, LAST_YEAR = 1900, 2199


class ItemType(StrEnum):
    """The types of items; calculated and read-only are flags of an item, not types."""

    TEXT = "text"
    LONGTEXT = "longtext"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    PARTIAL_DATE = "partial_date"
    TIME = "time"
    DATETIME = "datetime"
    CHOICE = "choice"
    CHOICES = "choices"
    YESNO = "yesno"
    VAS = "vas"
    TERM = "term"
    GRADE = "grade"
    LINK = "link"
    FILE = "file"


NUMERIC = frozenset({ItemType.INTEGER, ItemType.DECIMAL, ItemType.VAS, ItemType.GRADE})

Label = str | Mapping[str, str]
Python = str | int | Decimal | bool | date | PartialDate | time | datetime | tuple[str, ...]


class ItemSpec(Protocol):
    """What the language must know of an item. Any object with these attributes will do; `Spec` is a plain one."""

    @property
    def type(self) -> ItemType: ...
    @property
    def unit(self) -> str:
        """Standard unit, "" = none."""

    @property
    def units(self) -> Sequence[UnitRule]:
        """Other units accepted: (unit, factor, offset); typed × factor + offset = standard."""

    @property
    def decimals(self) -> int | None:
        """Most decimals in the standard unit, None = as many as typed."""

    @property
    def codes(self) -> Mapping[str, Label]:
        """choice, choices: code → label (a text, or locale → text), in order. Empty for other types."""

    @property
    def missing_codes(self) -> Collection[str]:
        """Missing codes that may be used."""

    @property
    def minimum(self) -> Decimal | None:
        """Hard lower limit of a number, in the standard unit."""

    @property
    def maximum(self) -> Decimal | None:
        """Hard upper limit of a number, in the standard unit."""

    @property
    def future(self) -> bool:
        """Whether a date may lie after today."""

    @property
    def max_length(self) -> int | None:
        """Most characters of a text; None = 500, or 20,000 for longtext."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A plain ItemSpec."""

    type: ItemType
    unit: str = ""
    units: Sequence[UnitRule] = ()
    decimals: int | None = None
    codes: Mapping[str, Label] = field(default_factory=dict)
    missing_codes: Collection[str] = ("ND", "UNK", "NA")
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    future: bool = False
    max_length: int | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an item, or one missing code.

    `value` is None exactly when `missing` is a code. `typed` is the text as typed. A number typed in another unit has
    `value` in the standard unit, and `original` and `unit` as typed. `extra` holds small facts kept with the value:
    the laboratory's reference range {"lo": "13", "hi": "17"}: text, whole numbers, booleans or None, never floats.
    """

    value: Python | None = None
    missing: str = ""
    reason: str = ""
    typed: str = ""
    unit: str = ""
    original: Decimal | None = None
    extra: Mapping[str, str | int | bool | None] = field(default_factory=dict, hash=False)


# ---------------------------------------------------------------- reading what was typed

_REFUSED_CATEGORIES = {"Cc", "Cs"}
# Direction overrides and isolates can make a text read otherwise than it is stored; line separators break exports.
_REFUSED_CHARACTERS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\ufeff\ufffe\uffff")
_MINUS = "\u2212"
_NUMBER = re.compile(r"([+-]?)(\d*)(?:[.,](\d+))?", re.ASCII)
# Blanks (no-break, thin, narrow too), points, commas and apostrophes are used between thousands.
_SEPARATORS = " .,'\u00a0\u2009\u202f\u2019"
_GROUPED = re.compile(rf"[+-]?\d{{1,3}}(?:[{_SEPARATORS}]\d{{3}})+(?:[.,]\d+)?", re.ASCII)
_ENGLISH_THOUSANDS = re.compile(r"[+-]?([1-9]\d{0,2}),(\d{3})", re.ASCII)

_UNKNOWN_PART = {"un", "unk"}
_SLASHED = re.compile(
    r"([0-9]{1,2}|[a-z]{2,3})([/.\-])([0-9]{1,2}|[a-z]{2,3})\2([0-9]{1,6}|[a-z]{2,3})", re.I | re.ASCII
)
_MONTH_YEAR = re.compile(r"([0-9]{1,2}|[a-z]{2,3})([/.\-])([0-9]{4})", re.I | re.ASCII)
_COMPACT = re.compile(r"(\d{2}|un)(\d{2}|un)(\d{4})", re.I | re.ASCII)
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_ISO_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_YEAR = re.compile(r"(\d{4})", re.ASCII)
_SHORT_COMPACT = re.compile(r"\d{6}", re.ASCII)
_TIME = re.compile(r"(\d{1,2})(?:[:h]|\s*h\s*)(\d{2})(?::(\d{2}))?|(\d{2})(\d{2})", re.I | re.ASCII)
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:#-]{0,99}", re.ASCII)

YES_WORDS = {"yes", "y", "true", "1", "oui", "o"}
NO_WORDS = {"no", "n", "false", "0", "non"}


def parse(
    spec: ItemSpec,
    typed: str | Sequence[str],
    *,
    unit: str = "",
    missing: str = "",
    reason: str = "",
    today: date,
    locale: str = "en",
    extra: Mapping[str, str | int | bool | None] | None = None,
) -> Value | None:
    """Understand what was typed for an item; None when nothing was.

    `typed` is one text, or the chosen codes of a multiple choice. `missing` is a missing code given instead of a value,
    with its `reason`. `today` is the last day that a date may name when the item has no future. Raises `Fault`.
    """
    reason = clean_text(reason, limit=MAX_TEXT) if reason else ""
    many = _several(typed)
    if missing:
        if many:
            raise fault("value.and_missing", missing=missing)
        if missing not in MISSING:
            raise fault("missing.unknown", missing=missing, codes=", ".join(MISSING))
        if missing not in spec.missing_codes:
            raise fault("missing.not_allowed", missing=missing)
        return Value(missing=missing, reason=reason, extra=dict(extra or {}))
    if not many:
        return None
    if spec.type is ItemType.CHOICES:
        return _parse_choices(spec, many, reason, extra)
    if len(many) > 1:
        raise fault("value.one")
    text = many[0]
    if unit and spec.type not in (ItemType.INTEGER, ItemType.DECIMAL):
        raise fault("unit.none")
    kept_unit, original = "", None
    value: Python
    match spec.type:
        case ItemType.TEXT | ItemType.TERM:
            value = text = clean_text(text, limit=spec.max_length or MAX_TEXT)
        case ItemType.LONGTEXT:
            value = text = clean_text(text, limit=spec.max_length or MAX_LONGTEXT, lines=True)
        case ItemType.CHOICE:
            if text not in spec.codes:
                raise fault("choice.unknown", typed=text)
            value = text
        case ItemType.YESNO:
            value = _parse_yesno(text)
        case ItemType.DATE:
            value = _parse_full_date(text)
            _check_not_future(spec, value, today, text)
        case ItemType.PARTIAL_DATE:
            value = _parse_date(text, partial=True)
            _check_not_future(spec, value.earliest, today, text)
        case ItemType.TIME:
            value = _parse_time(text)
        case ItemType.DATETIME:
            value = _parse_datetime(text)
            _check_not_future(spec, value.date(), today, text)
        case ItemType.LINK | ItemType.FILE:
            if not _REFERENCE.fullmatch(text):
                raise fault("reference.not", typed=text)
            value = text
        case _:
            value, kept_unit, original = _parse_measure(spec, text, unit, locale)
    return Value(value, reason=reason, typed=text, unit=kept_unit, original=original, extra=dict(extra or {}))


def clean_text(text: str, *, limit: int, lines: bool = False) -> str:
    """The text without outer blanks, line ends as \\n; Fault when too long or when it holds what cannot be kept."""
    if len(text) <= limit and text.isprintable():  # nearly all: no blank but the space, nothing that is refused
        return text.strip(" ")
    if len(text) > 2 * limit + MAX_TYPED:  # before any work on it
        raise fault("text.too_long", length=len(text), limit=limit)
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip(" \t\n\xa0")
    if len(text) > limit:
        raise fault("text.too_long", length=len(text), limit=limit)
    if text.isprintable():
        return text
    for character in text:
        if lines and character in "\n\t":
            continue
        if character == "\n":
            raise fault("text.newline")
        if character in _REFUSED_CHARACTERS or unicodedata.category(character) in _REFUSED_CATEGORIES:
            raise fault("text.control", character=f"U+{ord(character):04X}")
    return text


def _several(typed: str | Sequence[str]) -> list[str]:
    """The texts that are not blank."""
    texts = [typed] if isinstance(typed, str) else list(typed)
    if len(texts) > 1000:
        raise fault("value.one")
    found = []
    for text in texts:
        if not isinstance(text, str):
            raise fault("value.type")
        if len(text) > 2 * MAX_LONGTEXT + MAX_TYPED:
            raise fault("text.too_long", length=len(text), limit=MAX_LONGTEXT)
        if stripped := text.strip(" \t\r\n\xa0"):
            found.append(stripped)
    return found


def _short(text: str) -> str:
    return clean_text(text, limit=MAX_TYPED)


def _parse_choices(
    spec: ItemSpec, many: list[str], reason: str, extra: Mapping[str, str | int | bool | None] | None
) -> Value | None:
    chosen = {code.strip() for text in many for code in _short(text).split(",") if code.strip()}
    for code in sorted(chosen):
        if code not in spec.codes:
            raise fault("choice.unknown", typed=code)
    codes = tuple(code for code in spec.codes if code in chosen)
    if not codes:
        return None
    return Value(codes, reason=reason, typed=", ".join(codes), extra=dict(extra or {}))


def _parse_yesno(text: str) -> bool:
    word = _short(text).lower()
    if word in YES_WORDS:
        return True
    if word in NO_WORDS:
        return False
    raise fault("yesno.not", typed=text)


def parse_number(text: str, *, locale: str = "en") -> Decimal:
    """A number with decimal point or comma, exactly as typed (12.10 stays 12.10); Fault when it is not one.

    Refused: thousands separators, exponents, digits of other scripts, more than 18 digits. In English a comma before
    exactly three digits (1,250) could be a thousands separator, so it is refused with both readings.
    """
    typed = _short(text)
    plain = typed.replace(_MINUS, "-")
    match = _NUMBER.fullmatch(plain)
    if match is None or not (match[2] or match[3]):
        raise fault("number.thousands" if _GROUPED.fullmatch(plain) else "number.not", typed=typed)
    ambiguous = _ENGLISH_THOUSANDS.fullmatch(plain)
    if ambiguous and not locale.lower().startswith("fr"):
        whole, fraction = ambiguous.groups()
        raise fault("number.ambiguous", typed=typed, whole=f"{whole}{fraction}", fraction=f"{whole}.{fraction}")
    sign, whole, fraction = match[1], match[2].lstrip("0") or "0", match[3] or ""
    if len(whole) + len(fraction) > MAX_DIGITS:
        raise fault("number.too_large", typed=typed)
    number = Decimal(whole + ("." + fraction if fraction else ""))
    return -number if sign == "-" and number else number


def _parse_measure(spec: ItemSpec, text: str, unit: str, locale: str) -> tuple[int | Decimal, str, Decimal | None]:
    number = parse_number(text, locale=locale)
    decimals = -_exponent(number)
    typed = _short(text)
    standard = to_standard(number, unit, spec.unit, spec.units)
    converted = bool(unit) and unit != spec.unit
    if spec.type is not ItemType.DECIMAL and standard != standard.to_integral_value():
        raise fault("number.integer", typed=typed)
    if spec.decimals is not None and decimals > spec.decimals and not converted:
        raise fault("number.decimals", typed=typed, decimals=spec.decimals)
    if len(standard.as_tuple().digits) > MAX_DIGITS + 10:
        raise fault("number.too_large", typed=typed)
    low, high = limits_of(spec)
    if low is not None and standard < low:
        raise fault("number.low", value=_with_unit(standard, spec.unit), limit=_with_unit(low, spec.unit))
    if high is not None and standard > high:
        raise fault("number.high", value=_with_unit(standard, spec.unit), limit=_with_unit(high, spec.unit))
    kept_unit = unit or (spec.unit if spec.type in (ItemType.INTEGER, ItemType.DECIMAL) else "")
    value = standard if spec.type is ItemType.DECIMAL else int(standard)
    return value, kept_unit, number if converted else None


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def limits_of(spec: ItemSpec) -> tuple[Decimal | None, Decimal | None]:
    low, high = spec.minimum, spec.maximum
    if spec.type is ItemType.VAS:  # visual analogue scale: 0 to 100
        return (Decimal(0) if low is None else low), (Decimal(100) if high is None else high)
    if spec.type is ItemType.GRADE:  # CTCAE v5: grades 1 to 5
        return (Decimal(1) if low is None else low), (Decimal(5) if high is None else high)
    return low, high


def _with_unit(number: Decimal, unit: str) -> str:
    return f"{canonical(number)} {unit}".strip()


def _parse_full_date(text: str) -> date:
    found = _parse_date(text, partial=False)
    if found.day is None:
        raise fault("date.full")
    return found.earliest


def _parse_date(text: str, *, partial: bool) -> PartialDate:
    typed = _short(text)
    if slashed := _SLASHED.fullmatch(typed):
        parts: tuple[str, str, str] = (slashed[1], slashed[3], slashed[4])
    elif iso := _ISO.fullmatch(typed):
        parts = (iso[3], iso[2], iso[1])
    elif compact := _COMPACT.fullmatch(typed):
        parts = (compact[1], compact[2], compact[3])
    elif month_year := _MONTH_YEAR.fullmatch(typed):
        parts = ("un", month_year[1], month_year[3])
    elif iso_month := _ISO_MONTH.fullmatch(typed):
        parts = ("un", iso_month[2], iso_month[1])
    elif year := _YEAR.fullmatch(typed):
        parts = ("un", "un", year[1])
    elif _SHORT_COMPACT.fullmatch(typed):
        raise fault("date.short_year", typed=typed)
    else:
        raise fault("date.not_partial" if partial else "date.not", typed=typed)
    day_text, month_text, year_text = (part.lower() for part in parts)
    for part in (day_text, month_text, year_text):
        if not part.isdigit() and part not in _UNKNOWN_PART:
            raise fault("date.not_partial" if partial else "date.not", typed=typed)
    if year_text in _UNKNOWN_PART:
        raise fault("date.year_unknown" if partial else "date.full")
    if len(year_text) <= 2:
        raise fault("date.short_year", typed=typed)
    if len(year_text) != 4:
        raise fault("date.not_partial" if partial else "date.not", typed=typed)
    year_number = int(year_text)
    if not FIRST_YEAR <= year_number <= LAST_YEAR:
        raise fault("date.year_range", year=year_number, first=FIRST_YEAR, last=LAST_YEAR)
    month = None if month_text in _UNKNOWN_PART else int(month_text)
    day = None if day_text in _UNKNOWN_PART else int(day_text)
    if month is None and day is not None:
        raise fault("date.day_without_month" if partial else "date.full", year=year_number)
    try:
        return PartialDate(year_number, month, day)
    except ValueError:
        raise fault("date.impossible", typed=typed) from None


def _check_not_future(spec: ItemSpec, day: date, today: date, typed: str) -> None:
    if day > today and not spec.future:
        raise fault("date.future", date=_short(typed))


def _parse_time(text: str) -> time:
    typed = _short(text)
    match = _TIME.fullmatch(typed)
    if match is None:
        raise fault("time.not", typed=typed)
    try:
        return time(int(match[1] or match[4]), int(match[2] or match[5]), int(match[3] or 0))
    except ValueError:
        raise fault("time.not", typed=typed) from None


def _parse_datetime(text: str) -> datetime:
    """Wall-clock time of the study, without zone: `14/03/2026 14:30` or `2026-03-14T14:30`."""
    typed = _short(text)
    day, _, clock = typed.replace("T", " ", 1).partition(" ")
    if not clock.strip():
        raise fault("datetime.not", typed=typed)
    return datetime.combine(_parse_full_date(day), _parse_time(clock.strip()))


# ---------------------------------------------------------------- JSON


def dump(value: Value) -> dict[str, Any]:
    """The value as JSON-safe data: decimals and dates are text, no floats. `load` gives the same Value back."""
    data: dict[str, Any] = {}
    held = value.value
    if held is not None:
        data["value"] = _plain(held)
    if value.missing:
        data["missing"] = value.missing
    if value.reason:
        data["reason"] = value.reason
    if value.typed:
        data["typed"] = value.typed
    if value.unit:
        data["unit"] = value.unit
    if value.original is not None:
        data["original"] = canonical(value.original)
    if value.extra:
        data["extra"] = dict(value.extra)
    return data


def _plain(held: Python) -> str | int | bool | list[str]:
    match held:
        case bool() | int() | str():
            return held
        case Decimal():
            return canonical(held)
        case tuple():
            return list(held)
        case PartialDate():
            return held.iso()
        case _:
            return held.isoformat()


def load(spec: ItemSpec, data: Mapping[str, Any]) -> Value:
    """The Value that `dump` made, for an item of the same type; Fault `value.stored` when the data are not of that
    form."""
    try:
        held = data.get("value")
        value: Python | None = None if held is None else _REVIVERS[spec.type](held)
        missing, reason = _said(data.get("missing", "")), _said(data.get("reason", ""))
        typed, unit = _said(data.get("typed", "")), _said(data.get("unit", ""))
        extra = dict(data["extra"].items()) if "extra" in data else {}
        for item in extra.values():
            if item is not None and not isinstance(item, (str, int)):
                raise TypeError
        if (value is None) == (missing == ""):
            raise ValueError
        if missing and missing not in MISSING:
            raise ValueError
        original = data.get("original")
        return Value(value, missing, reason, typed, unit, None if original is None else _decimal(original), extra)
    except (TypeError, ValueError, AttributeError, InvalidOperation):
        raise fault("value.stored", type=str(spec.type)) from None


_BARE: Mapping[ItemType, type] = {
    **dict.fromkeys(
        (ItemType.TEXT, ItemType.LONGTEXT, ItemType.CHOICE, ItemType.TERM, ItemType.LINK, ItemType.FILE), str
    ),
    **dict.fromkeys((ItemType.INTEGER, ItemType.VAS, ItemType.GRADE), int),
    ItemType.YESNO: bool,
}
"""The types that stand in JSON as they are."""


def operand_reader(type_: ItemType) -> Callable[[Any], object]:
    """A function from what `dump` made, for items of this type, to what an expression sees of it.

    It answers `operand(load(spec, data))`, and UNKNOWN where `load` raises. Evaluating a study is mostly this, so a
    plain value comes without the Value between, and what depends on the type is settled before any data.
    """
    revive, bare, spec = _REVIVERS[type_], _BARE.get(type_), Spec(type_)

    def read(data: Any) -> object:
        held = None
        try:
            if len(data) == 2 and "value" in data and data.get("typed").__class__ is str:  # nearly all
                held = data["value"]
                return held if held.__class__ is bare else revive(held)
            for name, beside in data.items():
                if name == "value":
                    held = beside
                elif name == "extra":
                    for fact in beside.values():
                        if fact is not None and not isinstance(fact, (str, int)):
                            return UNKNOWN
                elif (name != "typed" and name != "unit") or beside.__class__ is not str:
                    return whole(data)
            return held if held.__class__ is bare else revive(held)
        except (TypeError, ValueError, AttributeError, InvalidOperation):
            return UNKNOWN

    def whole(data: Any) -> object:
        try:
            return operand(load(spec, data))
        except Fault:
            return UNKNOWN

    return read


def _yes_or_no(held: Any) -> bool:
    if not isinstance(held, bool):
        raise TypeError
    return held


def _chosen(held: Any) -> tuple[str, ...]:
    if not isinstance(held, (list, tuple)) or not all(isinstance(code, str) for code in held):
        raise TypeError
    return tuple(held)


def _whole(held: Any) -> int:
    if not isinstance(held, int) or isinstance(held, bool):
        raise TypeError
    return held


def _said(held: Any) -> str:
    if not isinstance(held, str):
        raise TypeError
    return held


def _decimal(text: Any) -> Decimal:
    if not isinstance(text, str) or not _CANONICAL.fullmatch(text):
        raise ValueError
    return Decimal(text)


# fromisoformat() refuses what is not text with TypeError, as the others do.
_REVIVERS: Mapping[ItemType, Callable[[Any], Python]] = {
    ItemType.TEXT: _said,
    ItemType.LONGTEXT: _said,
    ItemType.INTEGER: _whole,
    ItemType.DECIMAL: _decimal,
    ItemType.DATE: date.fromisoformat,
    ItemType.PARTIAL_DATE: lambda held: PartialDate.from_iso(_said(held)),
    ItemType.TIME: time.fromisoformat,
    ItemType.DATETIME: datetime.fromisoformat,
    ItemType.CHOICE: _said,
    ItemType.CHOICES: _chosen,
    ItemType.YESNO: _yes_or_no,
    ItemType.VAS: _whole,
    ItemType.TERM: _said,
    ItemType.GRADE: _whole,
    ItemType.LINK: _said,
    ItemType.FILE: _said,
}


_CANONICAL = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


# ---------------------------------------------------------------- words

_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "fr": ("janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."),
}
_YES_NO = {"en": ("Yes", "No"), "fr": ("Oui", "Non")}


def display(spec: ItemSpec, value: Value | None, locale: str = "en") -> str:
    """The value in words: `14 Mar 2026`, `13.5 g/dL (135 g/L)`, code labels, `Not done`; "" for none."""
    if value is None:
        return ""
    language = "fr" if locale.lower().startswith("fr") else "en"
    if value.missing:
        return missing_words(value.missing, language)
    held = value.value
    match held:
        case None:
            return ""
        case bool():
            return _YES_NO[language][0 if held else 1]
        case int() | Decimal():
            shown = f"{format_number(held, language)} {unit_words(spec.unit, language)}".rstrip()
            if value.original is not None:
                shown += f" ({format_number(value.original, language)} {unit_words(value.unit, language)})"
            return shown
        case datetime():
            return f"{format_date(held.date(), language)} {_format_time(held.time())}"
        case date() | PartialDate():
            return format_date(held, language)
        case time():
            return _format_time(held)
        case tuple():
            return ", ".join(_label(spec, code, language) for code in held)
        case str() if spec.type is ItemType.FILE:
            return file_words(value) or held
        case _:
            return _label(spec, held, language) if spec.type is ItemType.CHOICE else held


def file_words(value: Value) -> str:
    """The name and size of a file, as its value keeps them: `report.pdf (320 kB)`."""
    name, size = value.extra.get("name"), value.extra.get("size")
    return f"{name} ({size_words(size)})" if name and isinstance(size, int) else str(name or "")


def format_date(day: date | PartialDate, locale: str = "en") -> str:
    """`14 Mar 2026`, `14 mars 2026`, `Mar 2026`, `2026`."""
    months = _MONTHS["fr" if locale.lower().startswith("fr") else "en"]
    parts = [f"{day.year:04d}"]
    if day.month is not None:
        parts.insert(0, months[day.month - 1])
    if day.day is not None:
        parts.insert(0, str(day.day))
    return " ".join(parts)


def format_number(number: int | Decimal, locale: str = "en") -> str:
    """Plain digits with the locale's decimal sign and a hyphen-minus, no thousands separators."""
    text = str(number) if isinstance(number, int) else canonical(number)
    return text.replace(".", ",") if locale.lower().startswith("fr") else text


def _format_time(clock: time) -> str:
    return clock.strftime("%H:%M:%S" if clock.second else "%H:%M")


def _label(spec: ItemSpec, code: str, language: str) -> str:
    label = spec.codes.get(code)
    if label is None:
        return code
    if isinstance(label, str):
        return label
    return label.get(language) or label.get("en") or code


# ---------------------------------------------------------------- to and from expressions


def operand(value: Value | None) -> object:
    """What an expression sees of a stored value: the Python value, or UNKNOWN when there is none or a missing code."""
    if value is None or value.value is None:
        return UNKNOWN
    return value.value


_RESULT = Context(prec=40, rounding=ROUND_HALF_UP)
_NEVER_ROUNDED = 10**30
"""Whole numbers below it are kept as they are: expressions give no larger ones."""


@cache
def _quantum(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)


def result_value(spec: ItemSpec, result: object) -> Value | None:
    """The Value to store for the result of a derivation; None for UNKNOWN.

    Decimals are rounded half up to the item's `decimals` (10 when it says none), whole numbers half up. Raises Fault
    `value.type` when the result does not fit the item's type. Limits and `future` are not applied: a derived value out
    of range is for a check to say.
    """
    if result is UNKNOWN or result is None:
        return None
    value = _fitting(spec, result)
    if value is None:
        return None
    unit = spec.unit if spec.type in (ItemType.INTEGER, ItemType.DECIMAL) else ""
    return Value(value, unit=unit)


def _fitting(spec: ItemSpec, result: object) -> Python | None:
    """The result as the item's type keeps it; None when a full date is wanted and the result is partial."""
    type_ = spec.type
    match result:
        case bool() if type_ is ItemType.YESNO:
            return result
        case int() | Decimal() if type_ in NUMERIC and not isinstance(result, bool):
            if type_ is not ItemType.DECIMAL and isinstance(result, int) and abs(result) < _NEVER_ROUNDED:
                return result
            return _rounded(spec, Decimal(result))
        case datetime():
            if type_ is ItemType.DATETIME:
                return result
        case date() if type_ is ItemType.DATE:
            return result
        case date() if type_ is ItemType.PARTIAL_DATE:
            return PartialDate.of(result)
        case PartialDate() if type_ is ItemType.PARTIAL_DATE:
            return result
        case PartialDate() if type_ is ItemType.DATE:
            return result.earliest if result.is_full else None
        case time() if type_ is ItemType.TIME:
            return result
        case str() if type_ is ItemType.CHOICE and result in spec.codes:
            return result
        case tuple() if type_ is ItemType.CHOICES and all(code in spec.codes for code in result):
            return result
        case str() if type_ is ItemType.LONGTEXT:
            return clean_text(result, limit=spec.max_length or MAX_LONGTEXT, lines=True)
        case str() if type_ in (ItemType.TEXT, ItemType.TERM, ItemType.LINK):
            return clean_text(result, limit=spec.max_length or MAX_TEXT)
    raise fault("value.type")


def _rounded(spec: ItemSpec, number: Decimal) -> int | Decimal:
    places = 0 if spec.type is not ItemType.DECIMAL else 10 if spec.decimals is None else spec.decimals
    try:
        rounded = number.quantize(_quantum(places), context=_RESULT)
    except InvalidOperation:
        raise fault("value.type") from None
    if spec.type is not ItemType.DECIMAL:
        return int(rounded)
    if spec.decimals is None or not rounded:
        return tidy(rounded)
    return rounded


__all__ = [
    "Fault",
    "ItemSpec",
    "ItemType",
    "Spec",
    "UnitRule",
    "Value",
    "accepted",
    "clean_text",
    "display",
    "dump",
    "format_date",
    "format_number",
    "load",
    "operand",
    "operand_reader",
    "parse",
    "parse_number",
    "result_value",
]
