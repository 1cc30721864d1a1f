"""References, symbols and the two interfaces that others implement: `Scope` (publish time) and `Context` (run time)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Literal, Protocol

from trial.language.unknown import UNKNOWN
from trial.language.values import ItemSpec, ItemType

RefKind = Literal["item", "context", "parameter", "rows", "range"]

PREVIOUS = "previous"


class Kind(StrEnum):
    """What an expression works with; several item types share a kind."""

    NUMBER = "number"
    TEXT = "text"
    CODE = "code"
    CODES = "codes"
    BOOL = "bool"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    LINK = "link"
    FILE = "file"
    NOTHING = "nothing"  # the literal None


KIND_OF: Mapping[ItemType, Kind] = {
    ItemType.TEXT: Kind.TEXT,
    ItemType.LONGTEXT: Kind.TEXT,
    ItemType.INTEGER: Kind.NUMBER,
    ItemType.DECIMAL: Kind.NUMBER,
    ItemType.DATE: Kind.DATE,
    ItemType.PARTIAL_DATE: Kind.DATE,
    ItemType.TIME: Kind.TIME,
    ItemType.DATETIME: Kind.DATETIME,
    ItemType.CHOICE: Kind.CODE,
    ItemType.CHOICES: Kind.CODES,
    ItemType.YESNO: Kind.BOOL,
    ItemType.VAS: Kind.NUMBER,
    ItemType.TERM: Kind.TEXT,
    ItemType.GRADE: Kind.NUMBER,
    ItemType.LINK: Kind.LINK,
    ItemType.FILE: Kind.FILE,
}

# Names that every scope knows, and their kinds; a scope adds the codes of `participant.sex` and `participant.status`.
CONTEXT_KINDS: Mapping[str, Kind] = {
    "today": Kind.DATE,
    "participant.sex": Kind.CODE,
    "participant.birth_year": Kind.NUMBER,
    "participant.birth_month": Kind.NUMBER,
    "participant.age": Kind.NUMBER,
    "participant.status": Kind.CODE,
    "visit.date": Kind.DATE,
    "visit.id": Kind.CODE,
    "randomization.date": Kind.DATE,
}

RESERVED = frozenset({"param", "participant", "visit", "randomization", "previous", "at", "today"})
"""Words that no form may be called, and no item either for `today`."""


@dataclass(frozen=True, slots=True)
class Ref:
    """What an expression reads.

    kind "item": `item` of `form` (None = the form that the expression stands in), at `visit`: "" = the same visit, else
    the newest earlier one holding the form; "previous" = the nearest earlier visit having the form; else a visit id.
    kind "rows": the entries of log form `form` (`item` "") or the rows of repeating group `item` of `form`.
    kind "range": a laboratory limit of `item`, `name` "low" or "high"; only `explain` names these, no context is asked.
    kind "parameter": `name` of the study's parameters. kind "context": `name` such as "visit.date", "today".
    """

    kind: RefKind
    form: str | None = None
    item: str = ""
    visit: str = ""
    name: str = ""
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.kind, self.form, self.item, self.visit, self.name)))

    def __hash__(self) -> int:  # kept: a reference is looked up at every read
        return self._hash

    def __reduce__(self) -> tuple[object, ...]:  # str hashes differ between processes
        return Ref, (self.kind, self.form, self.item, self.visit, self.name)

    def __str__(self) -> str:
        """As it is written in an expression; `form[group]` for rows."""
        if self.kind == "parameter":
            return f"param.{self.name}"
        if self.kind == "context":
            return self.name
        prefix = {"": "", PREVIOUS: "previous."}.get(self.visit, f"at('{self.visit}').")
        if self.kind == "rows":
            return prefix + (f"{self.form}[{self.item}]" if self.item else f"{self.form}")
        text = prefix + (f"{self.form}.{self.item}" if self.form is not None else self.item)
        return f"{'lln' if self.name == 'low' else 'uln'}({text})" if self.kind == "range" else text


@dataclass(frozen=True, slots=True)
class Symbol:
    """What a scope says of a reference.

    `kind` of the value; `unit` (standard unit, "" = none); `codes` of the codelist (None = any text); `integer` for
    whole numbers; `partial` for partial dates; `reference` whether lln()/uln() exist; `rows` the list that it is an
    item of (a Ref of kind "rows"), None for a single value; `ref` the reference to read at run time when it is not as
    written (a scope should make it absolute, form filled in, so that `Expression.reads` means the same in every form).
    """

    kind: Kind
    unit: str = ""
    codes: frozenset[str] | None = None
    integer: bool = False
    partial: bool = False
    reference: bool = False
    rows: Ref | None = None
    ref: Ref | None = None


def symbol_of(spec: ItemSpec, *, reference: bool = False) -> Symbol:
    """The symbol of an item; `reference` when the laboratory's ranges apply to it. Add `rows`, `ref` where needed."""
    kind = KIND_OF[spec.type]
    return Symbol(
        kind,
        unit=spec.unit if kind is Kind.NUMBER else "",
        codes=frozenset(spec.codes) if kind in (Kind.CODE, Kind.CODES) else None,
        integer=kind is Kind.NUMBER and spec.type is not ItemType.DECIMAL,
        partial=spec.type is ItemType.PARTIAL_DATE,
        reference=reference,
    )


@dataclass(frozen=True, slots=True)
class NotFound:
    """A reference that does not exist: `what` ("item", "form", "visit", "parameter", "name"), the part that failed, and
    the names that do exist, for "did you mean"."""

    what: str
    name: str
    candidates: tuple[str, ...] = ()


class Scope(Protocol):
    """What names mean where the expression stands; `trial.definition` implements it once per form and group."""

    def resolve(self, ref: Ref) -> Symbol | NotFound:
        """The symbol of a reference of kind "item", "context" or "parameter".

        A bare `size` arrives as Ref("item", form=None, item="size"); `lab.hgb` with form="lab"; `at('SCR').lab.hgb`
        and `previous.lab.hgb` with `visit` set. An item of a repeating group read from the same row (bare, expression
        inside the group) has `rows=None`; read from elsewhere, or written `form.item`, it has `rows` set.
        """

    def rows(self, name: str) -> Ref | None:
        """The list that a bare name means in `count(name)`: a log form, a repeating group, a form with one; or None."""


class Row(Protocol):
    """One row of a list, or the place itself: reads by reference. All three must be quick and must not raise."""

    def get(self, ref: Ref) -> object:
        """The Python value (int, Decimal, str, bool, date, PartialDate, time, datetime, tuple of codes) or UNKNOWN.

        `trial.language.operand(value)` makes it from a stored Value.
        """

    def missing(self, ref: Ref) -> str:
        """The missing code of an item, or ""."""

    def reference(self, ref: Ref, side: Literal["low", "high"]) -> object:
        """The laboratory's reference limit for the item in the standard unit (Decimal or int), or UNKNOWN."""


class Context(Row, Protocol):
    """Where an expression is evaluated: one participant, one visit or log entry, one form, perhaps one row."""

    def rows(self, ref: Ref) -> Sequence[Row]:
        """The rows of a list in their order; empty when there is none."""


@dataclass(slots=True)
class DictContext:
    """A Context over plain dicts, for tests and simple callers. Keys are Refs, or their text (`"lab.hgb"`).

    `lists` maps a rows reference to dicts, one per row, whose keys are item references as in `Symbol.ref` or as
    written; the key "missing" of a row may hold a dict of its missing codes.
    """

    values: Mapping[Ref | str, object] = field(default_factory=dict)
    lists: Mapping[Ref | str, Sequence[Mapping[Ref | str, object]]] = field(default_factory=dict)
    missing_codes: Mapping[Ref | str, str] = field(default_factory=dict)
    ranges: Mapping[Ref | str, tuple[object, object]] = field(default_factory=dict)
    today: date | None = None

    def get(self, ref: Ref) -> object:
        values = self.values
        if ref in values:
            return values[ref]
        if self.today is not None and ref.name == "today":
            return self.today
        return values.get(str(ref), UNKNOWN)

    def missing(self, ref: Ref) -> str:
        return self.missing_codes.get(ref) or self.missing_codes.get(str(ref), "")

    def reference(self, ref: Ref, side: Literal["low", "high"]) -> object:
        found = self.ranges.get(ref) or self.ranges.get(str(ref))
        return UNKNOWN if found is None else found[0 if side == "low" else 1]

    def rows(self, ref: Ref) -> Sequence[Row]:
        found = self.lists.get(ref)
        if found is None:
            found = self.lists.get(str(ref), ())
        return [DictContext(row, missing_codes=_codes(row)) for row in found]


def _codes(row: Mapping[Ref | str, object]) -> Mapping[Ref | str, str]:
    found = row.get("missing")
    return found if isinstance(found, Mapping) else {}


@dataclass(slots=True)
class DictScope:
    """A Scope over plain dicts, for tests and simple callers: reference as text → symbol; list name → rows Ref."""

    symbols: Mapping[str, Symbol]
    lists: Mapping[str, Ref] = field(default_factory=dict)

    def resolve(self, ref: Ref) -> Symbol | NotFound:
        text = str(ref)
        if text in self.symbols:
            return self.symbols[text]
        if ref.kind == "context" and ref.name in CONTEXT_KINDS:
            return Symbol(CONTEXT_KINDS[ref.name])
        return NotFound(ref.kind, text, tuple(self.symbols))

    def rows(self, name: str) -> Ref | None:
        return self.lists.get(name)


def closest(name: str, candidates: Iterable[str]) -> str:
    """The candidate that the writer probably meant, or ""."""
    found = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.6)
    return found[0] if found else ""
