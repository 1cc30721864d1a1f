"""Believable answers to any form of a definition, typed as a person would type them.

The filler asks the definition what a form shows once the answers so far are in, so skip logic, links, terms, grades and
laboratory ranges are respected. What the caller says (`said`) comes first; the rest is drawn from `rng`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

from audit import clock
from ecrf.books import book_of, place_of
from ecrf.checks import evaluate
from ecrf.checks.book import ROW_ID, Rows
from ecrf.entry import RowKey, Submission, Typed, merge
from ecrf.models import Record
from ecrf.permissions import may_answer
from ecrf.selectors import laboratory_ranges
from ecrf.where import Where, find
from trial.definition import Definition, Form, Item
from trial.definitions import definition_of
from trial.dictionaries import dictionary_of
from trial.language import ItemType
from trial.models import Participant, Person
from trial.permissions import AREAS, access_of

Said = Mapping[str, Any]
"""Item id → text as typed, `Typed`, tuple of codes; None leaves it empty. Repeating group id → list of such rows."""

ROUNDS = 6
OPTIONAL = 0.35
"""Share of optional items that people fill."""


def fill(*, where: Where, said: Said, by: Person, rng: Random, justify: str = "") -> Submission:
    """Return a submission that answers what the form shows and the person may answer.

    Required items that stay unanswered (reserved to another role) are left to them. With `justify`, the soft edit
    checks that the answers would raise are confirmed with these words.
    """
    participant = where.participant
    definition = definition_of(participant.version_id)
    form = definition.form(where.form)
    record = find(where)
    data: Rows = record.data if record else {}
    ranges = _ranges(participant, form)
    submission = Submission()
    _rows(form, said, data, submission, rng)
    skipped: set[RowKey] = set()
    book = book_of(participant, definition, {form.id} | definition.forms_read_by(form.id))
    place = place_of(definition, form.id, where.visit, where.number)
    for _round in range(ROUNDS):
        merged = merge(
            definition=definition,
            form=form,
            data=data,
            submission=submission,
            today=clock.today(),
            locale="en",
            may_answer=lambda item: may_answer(by, participant, form, item),
            is_linked=lambda _form, _number: True,
            ranges=ranges,
        )
        entry = book.entry(place, merged.data)
        evaluation = evaluate(book, entry)
        wanted = [
            key
            for key, shown in evaluation.shown.items()
            if shown
            and key not in submission.values
            and key not in skipped
            and not form.item(key[2]).is_derived
            and may_answer(by, participant, form, form.item(key[2]))
            and entry.value(key[0], _index(merged.data, key), key[2]) is None
        ]
        if not wanted:
            if justify:
                submission.justifications = {(fired.check_id, fired.row): justify for fired in evaluation.soft}
            break
        for key in wanted:
            typed = _said(said, form, key, submission) or (
                None if _is_silent(said, form, key) else _draw(definition, form, key, where, ranges, rng, merged.data)
            )
            if typed is None:
                skipped.add(key)
            else:
                submission.values[key] = typed
    return submission


def say(
    *, definition: Definition, form: Form, said: Said, by: Person, participant: Participant, rng: Random, data: Rows
) -> Submission:
    """Return a submission of exactly what is said, without asking which items are shown: for callers who know that.

    What is reserved to another role than the person's is left out. `data` is what the record holds (row ids are kept).
    """
    submission = Submission()
    _rows(form, said, data, submission, rng)
    may_enter = access_of(by).has(AREAS[str(form.area)], participant.site_id)
    for group in form.groups:
        if group.repeating:
            ids = submission.rows.get(group.id) or [row[ROW_ID] for row in data.get(group.id, [])]
            places = list(zip(ids, said.get(group.id, ()), strict=False))
        else:
            places = [("", said)]
        for row_id, answers in places:
            for item in group.items:
                answer = _typed(answers.get(item.id))
                if answer is None or item.is_derived:
                    continue
                if may_answer(by, participant, form, item) if item.answered_by else may_enter:
                    submission.values[group.id, row_id, item.id] = answer
    return submission


def _rows(form: Form, said: Said, data: Rows, submission: Submission, rng: Random) -> None:
    for group in form.groups:
        if not group.repeating:
            continue
        wanted = said.get(group.id)
        held = [row[ROW_ID] for row in data.get(group.id, [])]
        count = len(wanted) if isinstance(wanted, Sequence) else max(group.min_rows, len(held))
        ids = held[:count] + [f"n{rng.randrange(16**12):012x}" for _ in range(count - len(held))]
        if ids != held:
            submission.rows[group.id] = ids


def _index(data: Rows, key: RowKey) -> int:
    return next((i for i, row in enumerate(data.get(key[0], [])) if row.get(ROW_ID, "") == key[1]), 0)


def _place(said: Said, form: Form, key: RowKey, submission: Submission) -> Said:
    group = form.group(key[0])
    if not group.repeating:
        return said
    rows = said.get(group.id, [])
    ids = submission.rows.get(group.id, [])
    at = ids.index(key[1]) if key[1] in ids else 0
    return rows[at] if at < len(rows) else {}


def _said(said: Said, form: Form, key: RowKey, submission: Submission) -> Typed | None:
    return _typed(_place(said, form, key, submission).get(key[2]))


def _typed(answer: Any) -> Typed | None:
    if answer is None:
        return None
    if isinstance(answer, Typed):
        return answer
    if isinstance(answer, tuple | list):
        return Typed(text=tuple(str(a) for a in answer))
    if isinstance(answer, bool):
        return Typed(text="yes" if answer else "no")
    if isinstance(answer, dt.datetime):
        return Typed(text=answer.strftime("%d/%m/%Y %H:%M"))
    if isinstance(answer, dt.date):
        return Typed(text=answer.strftime("%d/%m/%Y"))
    return Typed(text=str(answer))


def _is_silent(said: Said, form: Form, key: RowKey) -> bool:
    place = said if not form.group(key[0]).repeating else {}
    return key[2] in place and place[key[2]] is None


def _draw(
    definition: Definition,
    form: Form,
    key: RowKey,
    where: Where,
    ranges: Mapping[str, tuple[str, str]],
    rng: Random,
    data: Rows,
) -> Typed | None:
    item = form.item(key[2])
    if not item.required and rng.random() > OPTIONAL:
        return None
    day = (where.visit.actual_on if where.visit is not None else None) or clock.today()
    match item.type:
        case ItemType.CHOICE:
            return Typed(text=rng.choice(definition.codes_of(item)))
        case ItemType.CHOICES:
            return Typed(text=(rng.choice(definition.codes_of(item)),))
        case ItemType.YESNO:
            return Typed(text="no" if rng.random() < 0.8 else "yes")
        case ItemType.DATE | ItemType.PARTIAL_DATE:
            return Typed(text=day.strftime("%d/%m/%Y"))
        case ItemType.DATETIME:
            return Typed(text=clock.now().astimezone().strftime("%d/%m/%Y %H:%M"))
        case ItemType.TIME:
            return Typed(text=f"{rng.randrange(8, 18):02d}:{rng.randrange(0, 60, 5):02d}")
        case ItemType.INTEGER | ItemType.DECIMAL | ItemType.VAS:
            return Typed(text=_number(item, ranges, rng), unit=item.unit or "")
        case ItemType.TERM:
            terms = dictionary_of(definition, item.dictionary or "").search("a", "en", 20)
            return Typed(text=rng.choice(list(terms)).code)
        case ItemType.GRADE:
            return Typed(text=str(_grade(definition, form, item, data, rng)))
        case ItemType.LINK:
            return _link(where.participant, item, rng)
        case ItemType.TEXT | ItemType.LONGTEXT:
            return Typed(text="Documented in the medical file")
        case _:
            return None


def _number(item: Item, ranges: Mapping[str, tuple[str, str]], rng: Random) -> str:
    limits = item.range
    low = high = None
    if item.analyte and item.analyte in ranges:
        low, high = (Decimal(side) if side else None for side in ranges[item.analyte])
    if limits is not None:
        low = low if low is not None else (limits.soft_min if limits.soft_min is not None else limits.min)
        high = high if high is not None else (limits.soft_max if limits.soft_max is not None else limits.max)
    low = Decimal(0) if low is None else low
    high = (low + 100 if low >= 0 else Decimal(100)) if high is None else high
    spread = high - low
    value = low + spread * (Decimal(30 + rng.randrange(40)) / 100)
    places = 0 if item.type is not ItemType.DECIMAL else min(item.decimals if item.decimals is not None else 1, 2)
    return str(value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP))


def _grade(definition: Definition, form: Form, item: Item, data: Rows, rng: Random) -> int:
    term_item = form.item(item.grade_of or "")
    rows = data.get(form.group_of(term_item.id).id) or [{}]
    code = (rows[0].get(term_item.id) or {}).get("value")
    term = dictionary_of(definition, term_item.dictionary or "").get(code) if code else None
    offered = [grade for grade in (term.grades if term is not None else (1, 2)) if grade < 4] or [1]
    return offered[min(len(offered) - 1, int(rng.expovariate(1.2)))]


def _link(participant: Participant, item: Item, rng: Random) -> Typed | None:
    numbers = list(
        Record.objects.filter(participant=participant, form=item.link, removed_at=None)
        .order_by("number")
        .values_list("number", flat=True)
    )
    return Typed(text=str(rng.choice(numbers))) if numbers else None


def _ranges(participant: Participant, form: Form) -> dict[str, tuple[str, str]]:
    return laboratory_ranges(participant) if any(item.analyte for item in form.items.values()) else {}
