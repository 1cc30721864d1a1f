"""A deviation proposed after a change of what eligibility or stratum rested on: the new entry opens filled, to accept.

Which items are filled follows from their SDTM variables (SDTMIG, domain DV): DVTERM what happened, DVSTDTC the day it
occurred, DVDECOD what it is about. Everything else is left to the person who accepts it.
"""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from trial.definition import Item
from trial.language import ItemType

from .actions.eligibility import DEVIATIONS, inputs_among
from .models import Change, Record
from .pages import stored_page
from .places import RecordPlace
from .posted import Fields, name_of

ABOUT = ("ELIGIBILITY", "STRATUM")
"""Codes of DVDECOD for a deviation about eligibility, the first that the study's list has."""


def proposed(place: RecordPlace, about: str) -> Fields:
    """Return the fields of a new deviation about a change named `record.revision`; none when it names none."""
    found = re.fullmatch(r"([0-9]{1,18})\.([0-9]{1,8})", about)
    if not place.is_new_entry or place.form.domain != DEVIATIONS or found is None:
        return {}
    source = (
        Record.objects.filter(pk=int(found[1]), participant=place.participant)
        .select_related("visit", "version")
        .defer("version__content")
        .first()
    )
    if source is None or source.form not in place.definition.forms:
        return {}
    source.participant = place.participant
    form = place.definition.form(source.form)
    there = RecordPlace(place.person, place.participant, place.definition, form, source.visit, source.number, source)
    changes = [
        change
        for change in Change.objects.filter(record=source, revision=int(found[2])).order_by("pk")
        if change.item in inputs_among(place.definition, source.form, {change.item})
        and there.shows(form.item(change.item))
    ]
    if not changes:
        return {}
    page = stored_page(there)
    told = [
        _("%(item)s: %(old)s → %(new)s")
        % {
            "item": place.definition.text(form.item(change.item).label, place.locale),
            "old": page.display(form.item(change.item), change.old) or _("empty"),
            "new": page.display(form.item(change.item), change.new) or _("empty"),
        }
        for change in changes
    ]
    day_zero_on = place.participant.day_zero_on
    words = {
        "DVTERM": _("Changed after randomization, in “%(form)s”: %(changes)s.")
        % {"form": there.title, "changes": "; ".join(dict.fromkeys(told))},
        "DVSTDTC": day_zero_on.strftime("%d/%m/%Y") if day_zero_on is not None else "",
    }
    fields: Fields = {}
    for item in place.form.items.values():
        text = words.get(item.sdtm or "", "") if item.sdtm != "DVDECOD" else _about(place, item)
        if text:
            fields[name_of(place.form.group_of(item.id), "", item.id)] = text[: item.max_length or None]
    return fields


def _about(place: RecordPlace, item: Item) -> str:
    if item.type is not ItemType.CHOICE or item.codelist is None:
        return ""
    codes = {entry.code for entry in place.definition.codelists[item.codelist].codes}
    return next((code for code in ABOUT if code in codes), "")
