"""Words for records, values, findings and queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from trial.definition import Definition, Form, Item
from trial.dictionaries import dictionary_of
from trial.language import ItemType, Value, display, load
from trial.language.values import file_words

from .checks import Fired


def fired_message(fired: Fired, definition: Definition, locale: str) -> str:
    """Return the words of an edit check in a language."""
    return definition.text(fired.message, locale)


def check_message(definition: Definition, form: Form, check_id: str, locale: str) -> str:
    """Return the words of a stored finding's check; a plain sentence when the check no longer exists."""
    if check_id.startswith("range:"):
        return _("This value is outside the usual limits.")
    if check_id.startswith("consent:"):
        return _("This date is before the consent.")
    if check_id.startswith("consent_version:"):
        return _("This version was not in force at the site on the day of the signature.")
    if check_id.startswith("recompute:"):
        return _("A calculated value no longer agrees with its inputs.")
    if check_id.startswith("criterion:"):
        return _("Criterion %(criterion)s: the data and the judgment disagree.") % {
            "criterion": check_id.partition(":")[2]
        }
    for check in form.checks:
        if check.id == check_id:
            return definition.text(check.message, locale)
    return _("An edit check of an earlier version of this form.")


def file_facts_words(facts: Mapping[str, Any]) -> str:
    """Return the name and the size of a file."""
    return file_words(Value("", extra={"name": facts["name"], "size": facts["size"]}))


def value_words(definition: Definition, form: Form, item: Item, stored: Any, locale: str) -> str:
    """Write a stored value as people read it; empty when there is none."""
    if stored is None:
        return ""
    value = load(definition.spec(form.id, item.id), stored)
    if value.missing == "" and item.type is ItemType.TERM:
        term = dictionary_of(definition, item.dictionary or "").get(str(value.value))
        return term.label_in(locale) if term is not None else str(value.value)
    return display(definition.spec(form.id, item.id), value, locale)
