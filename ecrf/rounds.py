"""A monitor's round: a participant's forms in order, what waits for verification in each, and which comes next."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.urls import reverse

from trial.models import Participant

from .casebooks import Casebook
from .models import Record
from .pages import entry_title
from .standings import Standing, sees_plan

Words = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One form of the round."""

    record: Record
    standing: Standing
    form: str
    place: str

    @property
    def url(self) -> str:
        """Where its values are verified; `run` goes on to the next form once nothing is left."""
        return verify_url(self.record) + "?run=1"


def verify_url(record: Record) -> str:
    """The address of the verification of a record, which has its participant at hand."""
    code = record.participant.code
    if record.visit_id is not None:
        return reverse("record_verify", args=[code, record.visit_id, record.form])
    return reverse("entry_verify", args=[code, record.form, record.number])


class Round:
    """The forms of a participant for which the plan asks something, in the order of visits, then of the logs."""

    def __init__(self, person: Any, participant: Participant) -> None:
        self.casebook = Casebook(person, participant, all_visits=True)
        self.sees_plan = sees_plan(person, participant.site_id)

    @cached_property
    def lines(self) -> list[Line]:
        """Every form with something to verify, or verified."""
        book = self.casebook
        visits = {visit.pk: at for at, visit in enumerate(book.visits)}
        forms = {form: at for at, form in enumerate(book.definition.forms)}
        last = len(visits)

        def order(record: Record) -> tuple[int, int, int]:
            visit = visits.get(record.visit_id, last) if record.visit_id is not None else last
            return visit, forms[record.form], record.number or 0

        found = []
        for record in sorted(book.records, key=order):
            standing = book.standings[record.pk]
            if not standing.required and not standing.verified:
                continue
            form = book.definition.form(record.form)
            place = book.visit_title(record.visit) if record.visit is not None else ""
            if record.number is not None:
                shows = all(book.shows_item(record.form, item) for item in form.title_items)
                title = entry_title(book.definition, form, record.number, record.data, book.locale)
                place = title if shows else str(record.number)
            found.append(Line(record, standing, book.text(form.label), place))
        return found

    @property
    def waiting(self) -> list[Line]:
        return [line for line in self.lines if line.standing.left]

    def next(self, after: int | None = None) -> Line | None:
        """The first form that waits after a record (by id), going round; the first of all without one."""
        ids = [line.record.pk for line in self.lines]
        at = ids.index(after) + 1 if after in ids else 0
        turned = [*self.lines[at:], *self.lines[:at]]
        return next((line for line in turned if line.standing.left and line.record.pk != after), None)

    @property
    def totals(self) -> tuple[int, int, int]:
        """Required, verified and changed values."""
        standings = [line.standing for line in self.lines]
        return (
            sum(len(each.required) for each in standings),
            sum(len(each.required & each.verified) for each in standings),
            sum(len(each.required & each.changed) for each in standings),
        )
