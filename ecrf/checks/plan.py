"""What an evaluation must know of a form, worked out once per definition: values are many, forms are few.

A study is evaluated value by value, at every save and at every recomputation. What does not depend on the data (which
item is conditional, which has soft limits, whether a check can be hidden) is therefore asked once and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from weakref import WeakKeyDictionary

from trial.definition import Check, Definition, Form, Item
from trial.language import Ref, Spec

Evaluate = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, eq=False)
class PlannedItem:
    """An item: what decides whether it is shown, what it is calculated from, and what is asked of its value.

    `is_conditional`: it can be hidden, by itself or with its group. `is_asked`: its value matters even when no
    expression reads it. `is_repeated`: it stands in the rows of a repeating group. `soft`: its soft limits.
    """

    id: str
    group: str
    item: Item
    spec: Spec
    shown_when: Evaluate | None
    derived: Evaluate | None
    is_conditional: bool
    is_repeated: bool
    is_derived: bool
    is_asked: bool
    is_required: bool
    soft: tuple[Decimal | None, Decimal | None] | None


@dataclass(frozen=True, slots=True, eq=False)
class PlannedGroup:
    """A group with its items in the order of the page; `told` are those of which more is said than that they are shown.

    `all_shown` says of every item of the only row that it is shown, where none can be hidden by itself; else empty.
    """

    id: str
    is_repeating: bool
    min_rows: int
    shown_when: Evaluate | None
    items: tuple[PlannedItem, ...]
    told: tuple[PlannedItem, ...]
    all_shown: Mapping[tuple[str, str, str], bool]


@dataclass(frozen=True, slots=True, eq=False)
class PlannedCheck:
    """An edit check: in which group's rows it is asked, beside which group it stands, and which items can hide it.

    `hidden_with` are its items when all of them are conditional (it is not asked when none is shown), else empty.
    """

    check: Check
    rule: Evaluate
    group: str | None
    holder: str
    hidden_with: tuple[PlannedItem, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FormPlan:
    """A form: `repeating` are its repeating groups, `conditions` by the group that they show, `items` by id.

    `own` are the references of the form's expressions that mean an item of the record at hand; `plain_reads` those of
    them, by group, whose value is what is stored: never hidden and never calculated.
    """

    form: Form
    groups: tuple[PlannedGroup, ...]
    repeating: frozenset[str]
    plain_reads: Mapping[str, tuple[tuple[Ref, str], ...]]
    conditions: Mapping[str, Evaluate]
    items: Mapping[str, PlannedItem]
    own: Mapping[Ref, PlannedItem]
    checks: tuple[PlannedCheck, ...]


_PLANS: WeakKeyDictionary[Definition, dict[str, FormPlan]] = WeakKeyDictionary()


def plan_of(definition: Definition, form_id: str) -> FormPlan:
    """Return the plan of a form; worked out when it is first asked for, and kept as long as the definition."""
    plans = _PLANS.get(definition)
    if plans is None:
        plans = _PLANS.setdefault(definition, {})
    plan = plans.get(form_id)
    if plan is None:
        plan = plans[form_id] = _plan(definition, form_id)
    return plan


def _plan(definition: Definition, form_id: str) -> FormPlan:
    program = definition.compiled.forms[form_id]
    form = program.form
    groups: list[PlannedGroup] = []
    items: dict[str, PlannedItem] = {}
    for group in form.groups:
        outer = program.groups_shown_when.get(group.id)
        planned = []
        for item in group.items:
            shown, derived = program.items_shown_when.get(item.id), program.derived.get(item.id)
            limits = item.range
            has_soft = limits is not None and (limits.soft_min is not None or limits.soft_max is not None)
            planned.append(
                PlannedItem(
                    id=item.id,
                    group=group.id,
                    item=item,
                    spec=definition.spec(form_id, item.id),
                    shown_when=shown.evaluate if shown is not None else None,
                    derived=derived.evaluate if derived is not None else None,
                    is_conditional=shown is not None or outer is not None,
                    is_repeated=group.repeating,
                    is_derived=item.is_derived,
                    is_asked=item.required or item.missing_reason or has_soft,
                    is_required=item.required,
                    soft=(limits.soft_min, limits.soft_max) if limits is not None and has_soft else None,
                )
            )
        items |= {item.id: item for item in planned}
        shown_when = outer.evaluate if outer is not None else None
        is_plain = not group.repeating and all(item.shown_when is None for item in planned)
        groups.append(
            PlannedGroup(
                id=group.id,
                is_repeating=group.repeating,
                min_rows=group.min_rows,
                shown_when=shown_when,
                items=tuple(planned),
                told=tuple(item for item in planned if item.is_derived or item.is_asked),
                all_shown={(group.id, "", item.id): True for item in planned} if is_plain else {},
            )
        )
    checks = []
    for compiled in program.checks.values():
        about = tuple(items[item] for item in compiled.check.items)
        can_hide = all(item.is_conditional for item in about)
        checks.append(
            PlannedCheck(
                check=compiled.check,
                rule=compiled.expression.evaluate,
                group=compiled.group,
                holder=compiled.group or about[0].group,
                hidden_with=about if can_hide else (),
            )
        )
    own = {
        ref: items[ref.item]
        for ref in program.reads
        if ref.kind == "item" and ref.form in (None, form_id) and ref.visit == ""
    }
    return FormPlan(
        form=form,
        groups=tuple(groups),
        repeating=frozenset(group.id for group in groups if group.is_repeating),
        plain_reads={
            group.id: tuple(
                (ref, item.id)
                for ref, item in own.items()
                if item.group == group.id and not item.is_conditional and item.derived is None
            )
            for group in groups
        },
        conditions={group: shown.evaluate for group, shown in program.groups_shown_when.items()},
        items=items,
        own=own,
        checks=tuple(checks),
    )


__all__ = ["FormPlan", "PlannedCheck", "PlannedGroup", "PlannedItem", "plan_of"]
