"""Words for records, values, findings and queries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from trial.definition import Definition, Form, Item
from trial.dictionaries import dictionary_of
from trial.language import ItemType, Value, display, format_date, load
from trial.language.values import file_words

from .checks import Fired

RECALCULATED = "Recalculated after "
"""What the reason of a calculated change begins with, as it is kept: in English, whoever saved."""


def reason_words(reason: str, definition: Definition, locale: str) -> str:
    """Return why a value changed as it is read: people's words as they wrote them, the system's in the page's language.

    What caused a recalculation is kept as the name of the form (in the study's first language) or of the fact.
    """
    if not reason.startswith(RECALCULATED):
        return reason
    cause = reason.removeprefix(RECALCULATED)
    first = definition.study.locales[0]
    form = next((f for f in definition.forms.values() if definition.text(f.label, first) == cause), None)
    words = definition.text(form.label, locale) if form is not None else _(cause)
    return _("Recalculated after: %(cause)s") % {"cause": words}


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


def held_back_words(definition: Definition, form: Form, finding: Any, locale: str) -> str:
    """Say what a calculated value of a frozen or locked form would be, and is: “would be 3, is 2”.

    Any other finding is told by the words of its check.
    """
    if not finding.proposed or finding.item not in form.items:
        return check_message(definition, form, finding.check_id, locale)
    item = form.item(finding.item)
    would_be = value_words(definition, form, item, finding.proposed["would_be"], locale) or _("empty")
    is_now = value_words(definition, form, item, finding.proposed["is"], locale) or _("empty")
    return _("would be %(would_be)s, is %(is_now)s") % {
        "would_be": would_be,
        "is_now": is_now,
    }


def broken_words(broken: dict[str, Any], locale: str) -> list[str]:
    """Say, mark by mark, what a change broke: as `actions.broken_marks` told it."""
    found = []
    if "signed" in broken:
        on = timezone.localtime(dt.datetime.fromisoformat(broken["signed"]["at"])).date()
        found.append(
            _("broke the signature of %(name)s (%(date)s)")
            % {"name": broken["signed"]["by"], "date": format_date(on, locale)}
        )
    if "reviewed" in broken:
        on = timezone.localtime(dt.datetime.fromisoformat(broken["reviewed"]["at"])).date()
        found.append(_("broke the review of %(date)s") % {"date": format_date(on, locale)})
    if "verified" in broken:
        n = broken["verified"]
        found.append(
            ngettext("cleared %(n)s verification at source", "cleared %(n)s verifications at source", n) % {"n": n}
        )
    return found


def value_words(definition: Definition, form: Form, item: Item, stored: Any, locale: str) -> str:
    """Write a stored value as people read it; empty when there is none."""
    if stored is None:
        return ""
    return words_of(definition, form, item, load(definition.spec(form.id, item.id), stored), locale)


def words_of(definition: Definition, form: Form, item: Item, value: Value, locale: str) -> str:
    """Write a value as people read it."""
    if value.missing == "" and item.type is ItemType.TERM:
        term = dictionary_of(definition, item.dictionary or "").get(str(value.value))
        return term.label_in(locale) if term is not None else str(value.value)
    return display(definition.spec(form.id, item.id), value, locale)
