"""What of a form may be different after some of its items changed: only that is told while a person types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trial.definition import Definition, Form

from .outcome import Only


@dataclass(frozen=True)
class Changed:
    """Items of a form whose value changed, and repeating groups that got or lost rows."""

    items: frozenset[str] = frozenset()
    rows_of: frozenset[str] = frozenset()


def dependents(definition: Definition, form: Form, changed: Changed) -> Only | None:
    """Return what follows from a change, through any number of steps; None for the whole form.

    An item follows from what it is calculated from, and from what decides whether it is shown: hidden, it reads as
    unknown, so what reads it follows in turn. The date of a form decides which laboratory ranges are in force, and
    whether the consent came first: everything may follow from it. So it is with the form of the consent itself.
    """
    if form.date_item in changed.items or form.id == definition.study_file.consent.form:
        return None
    items: set[str] = set()
    groups: set[str] = set()
    checks: set[str] = set()
    waiting = list(changed.items & form.items.keys())
    for group in changed.rows_of:
        waiting += [item.id for item in form.group(group).items]
    if changed.rows_of:
        waiting.append("")  # the node of what counts rows
    while waiting:
        item = waiting.pop()
        if item in items:
            continue
        items.add(item)
        waiting += _of_page(form, item)
        for use in definition.compiled.feeds.get((form.id, item), ()):
            if use.form != form.id:
                continue
            if use.kind == "check":
                checks.add(use.target)
            elif use.kind == "derived" or (use.kind == "shown_when" and use.target in form.items):
                waiting.append(use.target)
            elif use.kind == "shown_when":
                groups.add(use.target)
                waiting += [each.id for each in form.group(use.target).items]
                waiting.append("")  # rows that are hidden are not counted
    items.discard("")
    program = definition.compiled.forms[form.id]
    about = {c.check.id: c.check.items for c in program.checks.values()}
    first = items | {of[0] for check, of in about.items() if check in checks or items & set(of)}
    return Only(
        frozenset(items),
        frozenset(groups),
        frozenset(check for check, of in about.items() if of[0] in first),
        frozenset(first),
    )


def _of_page(form: Form, item: str) -> Iterable[str]:
    """Items that offer or show something else when this one changes: grades of a term, what was measured before."""
    if not item:
        return []
    found = [each.id for each in form.items.values() if each.grade_of == item]
    if form.item(item).link:
        found += [each.id for each in form.group_of(item).items if each.compares_with]
    return found


__all__ = ["Changed", "dependents"]
