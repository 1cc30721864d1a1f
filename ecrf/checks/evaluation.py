"""Evaluate one form: what is shown, what is derived, what the edit checks say, what is still missing.

The order follows need: a derivation asks for its inputs, an input asks whether it is shown. Cycles were refused when
the definition was published. Unknown is decided per use (TRAPS 14): skip logic shows, a check stays silent and is
listed as not evaluable, a derivation stays empty.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from trial.definition import Item, Severity
from trial.language import UNKNOWN, Fault, PartialDate, Ref, Row, Value, operand, result_value

from .book import ROW_ID, Book, Entry, Reading
from .plan import PlannedCheck, PlannedItem, plan_of

RowKey = tuple[str, str, str]
"""(group id, row id, item id)."""


def range_check_id(item: str) -> str:
    """Return the id of the edit check that an item's soft limits make."""
    return f"range:{item}"


@dataclass(frozen=True)
class Fired:
    """An edit check that does not hold: which, in which row, on which items, and its words per language."""

    check_id: str
    severity: Severity
    group: str
    row: str
    items: tuple[str, ...]
    message: dict[str, str]


@dataclass(frozen=True)
class Only:
    """The part of a form that is evaluated: items, groups and edit checks; `about` are the items beside which edit
    checks may stand whose answers are then all known."""

    items: frozenset[str]
    groups: frozenset[str]
    checks: frozenset[str]
    about: frozenset[str]


@dataclass
class Evaluation:
    """What a form's expressions say of its data."""

    shown_groups: dict[str, bool] = field(default_factory=dict)
    shown: dict[RowKey, bool] = field(default_factory=dict)
    uncertain: set[RowKey] = field(default_factory=set)
    derived: dict[RowKey, Value | None] = field(default_factory=dict)
    fired: list[Fired] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    lacking: list[RowKey] = field(default_factory=list)
    unexplained: list[RowKey] = field(default_factory=list)
    """Missing codes whose item wants a reason and has none."""

    @property
    def hard(self) -> list[Fired]:
        return [f for f in self.fired if f.severity is Severity.HARD]

    @property
    def soft(self) -> list[Fired]:
        return [f for f in self.fired if f.severity is Severity.SOFT]


class _Known(dict[Ref, object]):
    """What was read from one place, found out when it is first asked for: several expressions read the same items."""

    __slots__ = ("find",)

    def __init__(self, find: Callable[[Ref], object]) -> None:
        self.find = find

    def __missing__(self, ref: Ref) -> object:
        found = self[ref] = self.find(ref)
        return found


class _Live(Reading):
    """A reading of the form being evaluated: hidden items read as unknown, derived ones are computed when asked."""

    __slots__ = ("get", "run")

    def __init__(self, run: _Run, group: str | None, index: int) -> None:
        self.book, self.entry, self.group, self.index, self.run = run.book, run.entry, group, index, run
        known = _Known(self._find)
        self.get = known.__getitem__  # type: ignore[method-assign, assignment]
        if group is not None:
            held = self.entry.operands(group, index)
            for ref, item in run.plan.plain_reads[group]:
                known[ref] = held.get(item, UNKNOWN)

    def _find(self, ref: Ref) -> object:
        item = self.run.plan.own.get(ref)
        return self.run.read_elsewhere(self, ref) if item is None else self.of(item)

    def of(self, item: PlannedItem) -> object:
        """What an expression sees of an item of the form, read from here."""
        run, group = self.run, item.group
        index = self.index if group == self.group else 0
        if item.is_conditional and run.item_shown(item, index) is False:
            return UNKNOWN
        if item.derived is not None:
            return operand(run.value(item, index))
        return run.entry.operands(group, index).get(item.id, UNKNOWN)

    def read(self, ref: Ref) -> object:
        """What the base of every context answers."""
        return Reading.get(self, ref)

    def rows(self, ref: Ref) -> Sequence[Row]:
        run = self.run
        found = run.lists.get(ref)
        if found is None:
            found = run.lists[ref] = super().rows(ref)
        return found

    def _at(self, group: str, index: int) -> Reading:
        return self.run.reading(group, index)

    def _own_rows(self, group: str) -> Sequence[int]:
        return () if self.run.group_shown(group) is False else range(self.entry.row_count(group))

    def _value(self, ref: Ref) -> Value | None:
        if not self._is_own(ref):
            return super()._value(ref)
        item = self.run.plan.items[ref.item]
        index = self.index if item.group == self.group else 0
        return self.run.value(item, index) if self.run.item_shown(item, index) is not False else None


class _Run:
    """One evaluation: what it found out so far. Whatever does not depend on the row is read once per run."""

    __slots__ = (
        "_derived",
        "_elsewhere",
        "_group_shown",
        "_readings",
        "_shown",
        "book",
        "entry",
        "lists",
        "plan",
        "single",
    )

    def __init__(self, book: Book, entry: Entry) -> None:
        self.book = book
        self.entry = entry
        self.plan = plan_of(book.definition, entry.form.id)
        self.lists: dict[Ref, Sequence[Row]] = {}
        self._group_shown: dict[str, bool | object] = {}
        self._shown: dict[tuple[str, int, str], bool | object] = {}
        self._derived: dict[tuple[str, int, str], Value | None] = {}
        self._elsewhere: dict[Ref, object] = {}
        self._readings: dict[tuple[str | None, int], _Live] = {}
        self.single = _Live(self, None, 0)

    def reading(self, group: str | None, index: int) -> _Live:
        """The reading of a row; all places outside repeating groups read the same."""
        if group not in self.plan.repeating:
            return self.single
        found = self._readings.get((group, index))
        if found is None:
            found = self._readings[group, index] = _Live(self, group, index)
        return found

    def read_elsewhere(self, reading: _Live, ref: Ref) -> object:
        """What is read of other records, of the participant and of the study: the same from every row."""
        found = self._elsewhere.get(ref)
        if found is None:
            if ref.kind == "item" and reading._is_own(ref):  # not read by the form's own expressions: not kept
                return operand(reading._value(ref))
            found = self._elsewhere[ref] = reading.read(ref)
        return found

    def group_shown(self, group: str) -> bool | object:
        found = self._group_shown.get(group)
        if found is None:
            condition = self.plan.conditions.get(group)
            found = self._group_shown[group] = True if condition is None else condition(self.single)
        return found

    def item_shown(self, item: PlannedItem, index: int) -> bool | object:
        """True, False, or UNKNOWN (shown, and marked)."""
        if not item.is_conditional:
            return True
        if item.shown_when is None:
            return self.group_shown(item.group)
        key = (item.group, index, item.id)
        shown = self._shown.get(key)
        if shown is None:
            outer = self.group_shown(item.group)
            if outer is False:
                shown = False
            else:
                own = item.shown_when(self.reading(item.group, index) if item.is_repeated else self.single)
                shown = False if own is False else (UNKNOWN if UNKNOWN in (outer, own) else True)
            self._shown[key] = shown
        return shown

    def is_shown(self, item: PlannedItem, index: int) -> bool:
        return self.item_shown(item, index) is not False

    def value(self, item: PlannedItem, index: int) -> Value | None:
        if item.derived is None:
            return self.entry.value(item.group, index, item.id)
        key = (item.group, index, item.id)
        if key not in self._derived:
            reading = self.reading(item.group, index) if item.is_repeated else self.single
            try:
                self._derived[key] = result_value(item.spec, item.derived(reading))
            except Fault:
                self._derived[key] = None
        return self._derived[key]


def evaluate(book: Book, entry: Entry, only: Only | None = None) -> Evaluation:
    """Evaluate the form of an entry whose data stand in the book, whole or `only` a part of it.

    Never raises for the data's sake. What is evaluated of a part is as the whole would say it.
    """
    run = _Run(book, entry)
    found = Evaluation()
    data = entry.data
    for group in run.plan.groups:
        group_id, wanted = group.id, group.items
        if only is not None:
            wanted = tuple(item for item in wanted if item.id in only.about)
            if not wanted and group_id not in only.groups:
                continue
        outer = True if group.shown_when is None else run.group_shown(group_id)
        found.shown_groups[group_id] = outer is not False
        rows: Sequence[Mapping[str, Any]] = data.get(group_id, ())
        for index in range(len(rows)) if group.is_repeating else (0,):
            row_id = rows[index].get(ROW_ID, "") if index < len(rows) else ""
            if outer is True and not row_id and only is None and group.all_shown:
                found.shown.update(group.all_shown)
                _look_at_row(run, found, group.told, True, index, "", is_told=False)
            else:
                _look_at_row(run, found, wanted, outer, index, row_id)
        if group.is_repeating and outer is not False and len(rows) < group.min_rows:
            found.lacking.append((group_id, "", ""))
    if only is None or entry.form.date_item in only.about:
        _ask_consent(run, found)
    _ask_consent_version(run, found, only)
    single = run.single
    for check in run.plan.checks:
        if only is not None and check.check.id not in only.checks:
            continue
        if check.group is not None or check.hidden_with:
            _ask(run, check, found)
        elif (answer := check.rule(single)) is not True:  # most are asked once and hold
            _take(found, check, answer, "")
    return found


_NO_ROW: Mapping[str, Any] = {}


def _look_at_row(
    run: _Run,
    found: Evaluation,
    items: Iterable[PlannedItem],
    outer: bool | object,
    index: int,
    row_id: str,
    *,
    is_told: bool = True,
) -> None:
    """What is said of the items of one row by themselves; `is_told` whether it is also said that they are shown."""
    held_by: dict[str, object] | None = None
    for item in items:
        item_id = item.id
        key = (item.group, row_id, item_id)
        shown = outer if item.shown_when is None else run.item_shown(item, index)
        if is_told:
            found.shown[key] = shown is not False
            if shown is UNKNOWN:
                found.uncertain.add(key)
        if item.is_derived:
            found.derived[key] = run.value(item, index) if shown is not False else None
        elif item.is_asked and shown is not False:
            if held_by is None:
                held_by = run.entry.operands(item.group, index)
            held = held_by.get(item_id, UNKNOWN)
            if held is UNKNOWN:  # empty, a missing code, or what another version of the definition wrote
                value = run.value(item, index)
                if value is None:
                    if item.is_required:
                        found.lacking.append(key)
                elif item.item.missing_reason and value.missing and not value.reason.strip():
                    found.unexplained.append(key)
            elif item.soft is not None:
                low, high = item.soft
                words = _soft_range(item.item, held, low, high)
                if words is not None:
                    check_id = range_check_id(item_id)
                    found.fired.append(Fired(check_id, Severity.SOFT, item.group, row_id, (item_id,), words))


def _ask(run: _Run, planned: PlannedCheck, found: Evaluation) -> None:
    group = planned.group
    rows: Sequence[Mapping[str, Any]] = run.entry.data.get(group, ()) if group else (_NO_ROW,)
    for index, row in enumerate(rows):
        hidden_with = planned.hidden_with
        if hidden_with and not any(run.is_shown(item, index if item.group == group else 0) for item in hidden_with):
            continue
        answer = planned.rule(run.reading(group, index))
        if answer is not True:
            _take(found, planned, answer, row.get(ROW_ID, ""))


def _take(found: Evaluation, planned: PlannedCheck, answer: object, row_id: str) -> None:
    """Keep the answer of a check that does not hold, or cannot be evaluated."""
    check = planned.check
    if answer is UNKNOWN:
        found.silent.append(check.id)
    elif answer is False:
        found.fired.append(Fired(check.id, check.severity, planned.holder, row_id, check.items, check.message))


def _ask_consent(run: _Run, found: Evaluation) -> None:
    """Study procedures dated before consent raise a finding; what is standard of care may be earlier (DOMAIN)."""
    form, consented_on = run.plan.form, run.book.facts.consented_on
    if consented_on is None or form.date_item is None or form.standard_of_care:
        return
    item = run.plan.items[form.date_item]
    if item.item.standard_of_care or form.id == run.book.definition.study_file.consent.form:
        return
    day = run.single.of(item)
    if isinstance(day, PartialDate):
        day = day.latest
    if isinstance(day, dt.datetime):
        day = day.date()
    if isinstance(day, dt.date) and day < consented_on:
        words = {
            "en": "This date is before the consent. Correct it, or say why it may be earlier.",
            "fr": "Cette date est antérieure au consentement. Corrigez-la ou expliquez pourquoi elle peut l’être.",
        }
        found.fired.append(Fired(f"consent:{item.id}", Severity.SOFT, item.group, "", (item.id,), words))


def _ask_consent_version(run: _Run, found: Evaluation, only: Only | None) -> None:
    """A consent signed under a version that was not in force at the site on that day is a finding (DOMAIN)."""
    consent = run.book.definition.study_file.consent
    if run.plan.form.id != consent.form or consent.document_version is None:
        return
    item, dated = (run.plan.items[each.partition(".")[2]] for each in (consent.document_version, consent.signed_on))
    if only is not None and item.id not in only.about:
        return
    reading = run.single
    version, day = reading.of(item), reading.of(dated)  # unknown when hidden
    if not isinstance(version, str) or not isinstance(day, dt.date):
        return
    documents = run.book.facts.consent_documents()
    begun = [known for known, from_on in documents if from_on <= day]
    if not documents or (begun and begun[-1] == version):
        return
    words = {
        "en": "This version was not in force at the site on the day of the signature. Correct it, or say why.",
        "fr": "Cette version n’était pas en vigueur dans le centre le jour de la signature. Corrigez ou justifiez.",
    }
    found.fired.append(Fired(f"consent_version:{item.id}", Severity.SOFT, item.group, "", (item.id,), words))


def _soft_range(item: Item, held: object, low: Decimal | None, high: Decimal | None) -> dict[str, str] | None:
    """The words of a number outside its soft limits; None for one inside, and for what is no number."""
    if isinstance(held, bool) or not isinstance(held, int | Decimal):
        return None
    unit = f" {item.unit}" if item.unit else ""
    if low is not None and held < low:
        return {
            "en": f"This value is unusually low (below {low}{unit}). Correct it or confirm it.",
            "fr": f"Valeur anormalement basse (moins de {_fr(low)}{unit}). Corrigez-la ou confirmez-la.",
        }
    if high is not None and held > high:
        return {
            "en": f"This value is unusually high (above {high}{unit}). Correct it or confirm it.",
            "fr": f"Valeur anormalement élevée (plus de {_fr(high)}{unit}). Corrigez-la ou confirmez-la.",
        }
    return None


def _fr(number: object) -> str:
    return str(number).replace(".", ",")


__all__ = ["Evaluation", "Fired", "Only", "Row", "RowKey", "evaluate", "range_check_id"]
