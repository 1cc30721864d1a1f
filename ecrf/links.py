"""What points to an entry of a log: while something does, it is not removed."""

from __future__ import annotations

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from trial.definition import Definition
from trial.definitions import definition_of
from trial.models import Participant, Person
from trial.presenters import visit_label

from .models import Record
from .permissions import hides


def why_not_removed(record: Record, *, by: Person) -> str:
    """Say what points to a log entry, so that it cannot be removed; empty when nothing does."""
    participant = record.participant
    pointing = linked_from(participant, definition_of(participant.version_id), record, by=by)
    if not pointing:
        return ""
    return _("This entry is used by %(places)s. Remove those links first.") % {"places": ", ".join(pointing)}


def linked_from(participant: Participant, definition: Definition, target: Record, *, by: Person) -> list[str]:
    """Name the records of the participant whose link items point to a log entry, each with its visit or number.

    What the person may not see, because it tells the arm, is “another form”.
    """
    locale = get_language() or "en"
    linking = {
        form.id: [i.id for i in form.items.values() if i.link == target.form]
        for form in definition.forms.values()
        if any(i.link == target.form for i in form.items.values())
    }
    records = Record.objects.filter(participant=participant, form__in=linking, removed_at=None).exclude(pk=target.pk)
    pointing = []
    for other in records.select_related("visit").order_by("pk"):
        if not any(
            row.get(item, {}).get("value") == str(target.number)
            for rows in other.data.values()
            for row in rows
            for item in linking[other.form]
        ):
            continue
        label = definition.text(definition.form(other.form).label, locale)
        if hides(by, definition, participant, other.form, other.visit.event if other.visit else None):
            pointing.append(_("another form"))
        elif other.visit is not None:
            pointing.append(f"{label} ({visit_label(other.visit, definition, locale)})")
        else:
            pointing.append(_("%(form)s, no. %(number)s") % {"form": label, "number": other.number})
    return list(dict.fromkeys(pointing))


__all__ = ["linked_from", "why_not_removed"]
