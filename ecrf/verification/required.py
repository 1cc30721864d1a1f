"""Which values of a record the plan asks for."""

from __future__ import annotations

from trial.definition import Form

from ..checks.book import HIDDEN, ROW_ID, Rows
from .plan import Level, Rule, Strategy

Values = frozenset[tuple[str, str]]
"""Values of one record, as (row id, item id)."""


def filled_values(form: Form, data: Rows) -> set[tuple[str, str]]:
    """The (row, item) of every value that can be compared with a source: calculated ones follow from others."""
    return {
        (row.get(ROW_ID, ""), item)
        for rows in data.values()
        for row in rows
        for item in row
        if item in form.items and not form.item(item).is_derived and item not in row.get(HIDDEN, ())
    }


def required_items(rule: Rule | None, form: Form, code: str) -> frozenset[str]:
    """The items of a form that the rule asks for in a participant's record; none without a rule."""
    if rule is None:
        return frozenset()
    enterable = frozenset(item.id for item in form.items.values() if not item.is_derived)
    if rule.strategy is Strategy.ALL or form.id in rule.forms or rule.draws(code):
        return enterable
    critical = frozenset(item for item in enterable if form.item(item).critical)
    return enterable if critical and rule.level is Level.FORM else critical


def required_values(rule: Rule | None, form: Form, code: str, data: Rows) -> Values:
    """The values that stand in a record and that the rule asks for: what is empty or hidden has no source."""
    wanted = required_items(rule, form, code)
    return frozenset(value for value in filled_values(form, data) if value[1] in wanted) if wanted else frozenset()
