"""Evaluate one form: what is shown, what is derived, what the edit checks say, what is still missing.

The order follows need: a derivation asks for its inputs, an input asks whether it is shown. Cycles were refused when
the definition was published. Unknown is decided per use (TRAPS 14): skip logic shows, a check stays silent and is
listed as not evaluable, a derivation stays empty.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from trial.definition import Check, Item, Severity
from trial.language import UNKNOWN, Fault, PartialDate, Ref, Row, Value, operand, result_value

from .book import ROW_ID, Book, Entry, Reading

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


class _Live(Reading):
    """A reading of the form being evaluated: hidden items read as unknown, derived ones are computed when asked."""

    __slots__ = ("run",)

    def __init__(self, run: _Run, group: str | None, index: int) -> None:
        super().__init__(run.book, run.entry, group, index)
        self.run = run

    def _at(self, group: str, index: int) -> Reading:
        return self.run.reading(group, index)

    def _own_rows(self, group: str) -> Sequence[int]:
        return () if self.run.group_shown(group) is False else range(self.entry.row_count(group))

    def _value(self, ref: Ref) -> Value | None:
        if not self._is_own(ref):
            return super()._value(ref)
        group = self.entry.form.group_of(ref.item).id
        index = self.index if group == self.group else 0
        if not self.run.is_shown(group, index, ref.item):
            return None
        return self.run.value(group, index, ref.item)


class _Run:
    def __init__(self, book: Book, entry: Entry) -> None:
        self.book = book
        self.entry = entry
        self.form = entry.form
        self.program = book.definition.compiled.forms[entry.form.id]
        self._group_shown: dict[str, bool | object] = {}
        self._shown: dict[tuple[str, int, str], bool | object] = {}
        self._derived: dict[tuple[str, int, str], Value | None] = {}
        self._readings: dict[tuple[str | None, int], _Live] = {}

    def reading(self, group: str | None, index: int) -> _Live:
        key = (group, index)
        if key not in self._readings:
            self._readings[key] = _Live(self, group, index)
        return self._readings[key]

    def group_shown(self, group: str) -> bool | object:
        if group not in self._group_shown:
            expression = self.program.groups_shown_when.get(group)
            self._group_shown[group] = True if expression is None else expression.evaluate(self.reading(None, 0))
        return self._group_shown[group]

    def item_shown(self, group: str, index: int, item: str) -> bool | object:
        """True, False, or UNKNOWN (shown, and marked)."""
        key = (group, index, item)
        if key not in self._shown:
            outer = self.group_shown(group)
            if outer is False:
                self._shown[key] = False
            else:
                expression = self.program.items_shown_when.get(item)
                own = True if expression is None else expression.evaluate(self.reading(group, index))
                self._shown[key] = False if own is False else (UNKNOWN if UNKNOWN in (outer, own) else True)
        return self._shown[key]

    def is_shown(self, group: str, index: int, item: str) -> bool:
        return self.item_shown(group, index, item) is not False

    def value(self, group: str, index: int, item: str) -> Value | None:
        expression = self.program.derived.get(item)
        if expression is None:
            return self.entry.value(group, index, item)
        key = (group, index, item)
        if key not in self._derived:
            spec = self.book.definition.spec(self.form.id, item)
            try:
                self._derived[key] = result_value(spec, expression.evaluate(self.reading(group, index)))
            except Fault:
                self._derived[key] = None
        return self._derived[key]


def evaluate(book: Book, entry: Entry, only: Only | None = None) -> Evaluation:
    """Evaluate the form of an entry whose data stand in the book, whole or `only` a part of it.

    Never raises for the data's sake. What is evaluated of a part is as the whole would say it.
    """
    run = _Run(book, entry)
    found = Evaluation()
    for group in entry.form.groups:
        wanted = [item for item in group.items if only is None or item.id in only.about]
        if only is not None and not wanted and group.id not in only.groups:
            continue
        outer = run.group_shown(group.id)
        found.shown_groups[group.id] = outer is not False
        rows = entry.data.get(group.id, [])
        indexes: Sequence[int] = range(len(rows)) if group.repeating else (0,)
        for index in indexes:
            row_id = rows[index].get(ROW_ID, "") if index < len(rows) else ""
            for item in wanted:
                key = (group.id, row_id, item.id)
                shown = run.item_shown(group.id, index, item.id)
                found.shown[key] = shown is not False
                if shown is UNKNOWN:
                    found.uncertain.add(key)
                if item.is_derived:
                    found.derived[key] = run.value(group.id, index, item.id) if shown is not False else None
                elif shown is not False:
                    value = run.value(group.id, index, item.id)
                    if item.required and value is None:
                        found.lacking.append(key)
                    if item.missing_reason and value is not None and value.missing and not value.reason.strip():
                        found.unexplained.append(key)
                    soft = _soft_range(item, value)
                    if soft is not None:
                        found.fired.append(Fired(soft[0], Severity.SOFT, group.id, row_id, (item.id,), soft[1]))
        if group.repeating and outer is not False and len(rows) < group.min_rows:
            found.lacking.append((group.id, "", ""))
    if only is None or entry.form.date_item in only.about:
        _ask_consent(run, found)
    _ask_consent_version(run, found, only)
    for compiled in run.program.checks.values():
        if only is None or compiled.check.id in only.checks:
            _ask(run, compiled.check, compiled.expression, compiled.group, found)
    return found


def _ask(run: _Run, check: Check, expression: object, group: str | None, found: Evaluation) -> None:
    rows = run.entry.data.get(group, []) if group else [None]
    about = [(run.form.group_of(item).id, item) for item in check.items]
    holder = group or about[0][0]
    for index, row in enumerate(rows):
        row_id = row.get(ROW_ID, "") if row else ""
        if not any(run.is_shown(of, index if of == group else 0, item) for of, item in about):
            continue
        answer = expression.evaluate(run.reading(group, index))  # type: ignore[attr-defined]
        if answer is UNKNOWN:
            found.silent.append(check.id)
        elif answer is False:
            found.fired.append(Fired(check.id, check.severity, holder, row_id, check.items, check.message))


def _ask_consent(run: _Run, found: Evaluation) -> None:
    """Study procedures dated before consent raise a finding; what is standard of care may be earlier (DOMAIN)."""
    form, consented_on = run.form, run.book.facts.consented_on
    if consented_on is None or form.date_item is None or form.standard_of_care:
        return
    item = form.item(form.date_item)
    group = form.group_of(item.id).id
    if item.standard_of_care or form.id == run.book.definition.study_file.consent.form:
        return
    value = run.value(group, 0, item.id) if run.is_shown(group, 0, item.id) else None
    day = operand(value)
    if isinstance(day, PartialDate):
        day = day.latest
    if isinstance(day, dt.datetime):
        day = day.date()
    if isinstance(day, dt.date) and day < consented_on:
        words = {
            "en": "This date is before the consent. Correct it, or say why it may be earlier.",
            "fr": "Cette date est antérieure au consentement. Corrigez-la ou expliquez pourquoi elle peut l’être.",
        }
        found.fired.append(Fired(f"consent:{item.id}", Severity.SOFT, group, "", (item.id,), words))


def _ask_consent_version(run: _Run, found: Evaluation, only: Only | None) -> None:
    """A consent signed under a version that was not in force at the site on that day is a finding (DOMAIN)."""
    consent = run.book.definition.study_file.consent
    if run.form.id != consent.form or consent.document_version is None:
        return
    item, dated = (run.form.item(each.partition(".")[2]) for each in (consent.document_version, consent.signed_on))
    if only is not None and item.id not in only.about:
        return
    group, dated_group = run.form.group_of(item.id).id, run.form.group_of(dated.id).id
    if not (run.is_shown(group, 0, item.id) and run.is_shown(dated_group, 0, dated.id)):
        return
    version, day = operand(run.value(group, 0, item.id)), operand(run.value(dated_group, 0, dated.id))
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
    found.fired.append(Fired(f"consent_version:{item.id}", Severity.SOFT, group, "", (item.id,), words))


def _soft_range(item: Item, value: Value | None) -> tuple[str, dict[str, str]] | None:
    limits = item.range
    if limits is None or value is None or value.missing:
        return None
    number = operand(value)
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        return None
    unit = f" {item.unit}" if item.unit else ""
    if limits.soft_min is not None and number < limits.soft_min:
        return range_check_id(item.id), {
            "en": f"This value is unusually low (below {limits.soft_min}{unit}). Correct it or confirm it.",
            "fr": f"Valeur anormalement basse (moins de {_fr(limits.soft_min)}{unit}). Corrigez-la ou confirmez-la.",
        }
    if limits.soft_max is not None and number > limits.soft_max:
        return range_check_id(item.id), {
            "en": f"This value is unusually high (above {limits.soft_max}{unit}). Correct it or confirm it.",
            "fr": f"Valeur anormalement élevée (plus de {_fr(limits.soft_max)}{unit}). Corrigez-la ou confirmez-la.",
        }
    return None


def _fr(number: object) -> str:
    return str(number).replace(".", ",")


__all__ = ["Evaluation", "Fired", "Only", "Row", "RowKey", "evaluate", "range_check_id"]
