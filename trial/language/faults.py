"""Faults: what is wrong with a typed value or an expression, as a stable code, an English template and its params.

`Fault.message` is a `str.format` template and the msgid of the translation; the rooms above show
`gettext(fault.message).format(**fault.params)`, which is what `Fault.text(gettext)` does. Every template stands in
`MESSAGES`, so that one pass of makemessages finds them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType


def gettext_noop(message: str) -> str:
    """Mark a msgid for extraction without importing Django."""
    return message


MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        # Values
        "text.too_long": gettext_noop("This text has {length} characters; at most {limit} are kept."),
        "text.control": gettext_noop("This text holds a character that cannot be kept ({character}). Remove it."),
        "text.newline": gettext_noop("This text must stay on one line."),
        "value.one": gettext_noop("Give one value only."),
        "value.type": gettext_noop("This value does not fit the type of the item."),
        "value.stored": gettext_noop("The stored value cannot be read as {type}."),
        "value.and_missing": gettext_noop("Give either a value or “{missing}”, not both."),
        "missing.unknown": gettext_noop("“{missing}” is not a missing-value code. Use one of: {codes}."),
        "missing.not_allowed": gettext_noop("“{missing}” may not be used for this item."),
        "number.not": gettext_noop("“{typed}” is not a number."),
        "number.integer": gettext_noop("“{typed}” is not a whole number."),
        "number.thousands": gettext_noop("Write “{typed}” without thousands separators."),
        "number.ambiguous": gettext_noop("“{typed}” can be read in two ways. Write {whole} or {fraction}."),
        "number.decimals": gettext_noop("“{typed}” has more than {decimals} decimals."),
        "number.too_large": gettext_noop("“{typed}” has too many digits."),
        "number.low": gettext_noop("{value} is below the lowest possible value, {limit}."),
        "number.high": gettext_noop("{value} is above the highest possible value, {limit}."),
        "unit.unknown": gettext_noop("The unit “{unit}” is not accepted here. Use one of: {units}."),
        "unit.none": gettext_noop("This item has no unit."),
        "date.not": gettext_noop("“{typed}” is not a date. Write it as 14/03/2026."),
        "date.not_partial": gettext_noop("“{typed}” is not a date. Write it as 14/03/2026, UN/03/2026 or UN/UN/2026."),
        "date.impossible": gettext_noop("“{typed}” does not exist in the calendar."),
        "date.short_year": gettext_noop("Write the year of “{typed}” with four digits."),
        "date.full": gettext_noop("A full date is needed here: day, month and year."),
        "date.year_unknown": gettext_noop("At least the year is needed. If it is not known, choose “Unknown”."),
        "date.day_without_month": gettext_noop("A day without its month cannot be kept. Write UN/UN/{year}."),
        "date.year_range": gettext_noop("The year {year} is not between {first} and {last}."),
        "date.future": gettext_noop("{date} is in the future."),
        "time.not": gettext_noop("“{typed}” is not a time. Write it as 14:30."),
        "datetime.not": gettext_noop("“{typed}” is not a date and time. Write it as 14/03/2026 14:30."),
        "choice.unknown": gettext_noop("“{typed}” is not one of the choices."),
        "yesno.not": gettext_noop("“{typed}” is neither yes nor no."),
        "reference.not": gettext_noop("“{typed}” does not name an entry."),
        "file.empty": gettext_noop("This file is empty. Choose another one."),
        "file.too_large": gettext_noop("This file has {size}; at most {limit} are kept. Reduce it or split it."),
        "file.not": gettext_noop(
            "This file is not what its name says, or of a type that cannot be kept. Choose one of: {wanted}."
        ),
        "file.not_accepted": gettext_noop("This is a file of type {type}. This item takes: {wanted}."),
        # Expressions
        "expression.empty": gettext_noop("The expression is empty."),
        "expression.too_long": gettext_noop("The expression has {length} characters; at most {limit} are accepted."),
        "expression.too_deep": gettext_noop("The expression is nested more than {limit} levels deep."),
        "expression.syntax": gettext_noop("The expression cannot be read: {detail}."),
        "expression.forbidden": gettext_noop("“{construct}” is not part of the expression language."),
        "expression.name": gettext_noop("There is no {what} “{name}”."),
        "expression.function": gettext_noop("There is no function “{name}”."),
        "expression.arguments": gettext_noop("{name}() takes {expected}."),
        "expression.type": gettext_noop("{place} needs {expected}, but this is {found}."),
        "expression.compare": gettext_noop("{left} cannot be compared with {right}."),
        "expression.order": gettext_noop("{kind} has no order: use == or in, not {operator}."),
        "expression.branches": gettext_noop("The alternatives are of different types: {left} and {right}."),
        "expression.unit": gettext_noop("Different units meet here: {left} and {right}."),
        "expression.code": gettext_noop("“{name}” is not a code of this list. The codes are: {codes}."),
        "expression.list": gettext_noop(
            "“{name}” is a list: use it inside count, any, all, sum, min, max, first or last."
        ),
        "expression.two_lists": gettext_noop(
            "{name}() reads two lists, {left} and {right}; it can go through one only."
        ),
        "expression.no_list": gettext_noop("{name}() needs an item of a log form or of a repeating group."),
        "expression.range": gettext_noop("“{name}” has no laboratory reference range."),
        "expression.reference": gettext_noop("{name}() needs the name of an item."),
        "expression.number": gettext_noop("The number “{name}” is too large or has too many digits."),
        "expression.result": gettext_noop("The expression gives {found}, but {expected} is needed here."),
        "expression.result_unit": gettext_noop("The expression gives {found}, but the item is kept in {expected}."),
        "expression.cycle": gettext_noop("These depend on each other: {names}."),
    }
)


class Fault(ValueError):  # noqa: N818 - a fault is the word of the house, and the object carries several facts
    """One thing that is wrong, in words that can be translated.

    Attributes: `code` (a key of MESSAGES), `message` (English template), `params` (what fills it), and, for
    expressions, `column` (0-based character in the source, or None) and `suggestion` (a name that exists, or "").
    """

    def __init__(
        self,
        code: str,
        message: str = "",
        params: Mapping[str, object] | None = None,
        *,
        column: int | None = None,
        suggestion: str = "",
    ) -> None:
        self.code = code
        self.message = message or MESSAGES[code]
        self.params: dict[str, object] = dict(params or {})
        self.column = column
        self.suggestion = suggestion
        super().__init__(code)

    def text(self, translate: Callable[[str], str] = str) -> str:
        """The message filled in, through a translator such as gettext."""
        return translate(self.message).format(**self.params)

    def __str__(self) -> str:
        hint = f" Did you mean “{self.suggestion}”?" if self.suggestion else ""
        return self.text() + hint

    def __repr__(self) -> str:
        return f"Fault({self.code!r}, {self.params!r})"

    def __reduce__(self) -> tuple[object, ...]:
        state = {"column": self.column, "suggestion": self.suggestion}
        return Fault, (self.code, self.message, self.params), state


def fault(code: str, **params: object) -> Fault:
    """A Fault of the catalogue with its params; long typed text is cut so that a message stays readable."""
    return Fault(code, params={name: _short(value) for name, value in params.items()})


def _short(value: object) -> object:
    if not isinstance(value, str):
        return value
    if len(value) > 200:
        value = value[:199] + "…"
    if value.isprintable():
        return value
    # What was refused must not break the page or the log that says so; no-break blanks become plain ones.
    return "".join(each if each.isprintable() else " " if each.isspace() else "\ufffd" for each in value)
