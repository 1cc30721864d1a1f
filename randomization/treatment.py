"""The study folder's `treatment.yaml`: which items say that an arm's treatment was begun, and by when it should be.

What the site tells of the treatment received begins with what the forms say; a person confirms it. These items often
tell the arm, so the whole section is for those who may see it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from ecrf.actions.milestones import value_at
from ecrf.models import Record
from trial.definition import Definition, sections
from trial.definition.model import Code, Count, Reference
from trial.language import ItemType, PartialDate
from trial.models import Participant

NAME = "treatment"


class ArmTreatment(sections.Part):
    """The item with the first day of the arm's treatment; in a log or a repeated form the earliest counts."""

    started_on: Reference


class TreatmentSection(sections.Part):
    arms: dict[Code, ArmTreatment]
    ended_why: Reference | None = None
    """The choice that says why the allocated treatment ended, for the flow of participants."""
    expected_within_days: Count | None = None
    """Days from randomization after which the site is asked which treatment was received."""


def validate(section: TreatmentSection, definition: Definition, say: sections.Say) -> None:
    """Tell every arm and item that the study has not, and items that are no dates outside repeating rows."""
    for arm, part in section.arms.items():
        if arm not in definition.arms:
            say(("arms", arm), f"There is no arm {arm}.", "Use an arm of study.yaml, or remove the line.")
        form_id, _dot, item_id = part.started_on.partition(".")
        form = definition.forms.get(form_id)
        item = form.items.get(item_id) if form is not None else None
        if form is None or item is None:
            say(("arms", arm, "started_on"), f"There is no item {part.started_on}.", "Name an item as form.item.")
        elif item.type not in (ItemType.DATE, ItemType.PARTIAL_DATE):
            say(("arms", arm, "started_on"), f"{part.started_on} is not a date.", "Name an item that is a date.")
        elif form.group_of(item_id).repeating:
            say(("arms", arm, "started_on"), f"{part.started_on} repeats.", "Name an item outside repeating rows.")

    if section.ended_why is not None:
        form_id, _dot, item_id = section.ended_why.partition(".")
        form = definition.forms.get(form_id)
        item = form.items.get(item_id) if form is not None else None
        if item is None or item.type is not ItemType.CHOICE:
            say(("ended_why",), f"{section.ended_why} is not a choice of a form.", "Name an item with a codelist.")


def reads(section: TreatmentSection) -> Iterable[sections.SectionRead]:
    """The items that date the treatments."""
    label = {"en": "Start of the treatment received", "fr": "Début du traitement reçu"}
    for part in section.arms.values():
        form, _dot, item = part.started_on.partition(".")
        yield sections.SectionRead("started_on", form, item, label)


def begun_by_forms(participant: Participant, definition: Definition) -> dict[str, dt.date]:
    """Return, by arm, the first day of treatment that the participant's forms tell; only arms that were begun."""
    section: TreatmentSection | None = definition.section(NAME)
    if section is None:
        return {}
    wanted = {arm: part.started_on for arm, part in section.arms.items()}
    forms = {reference.partition(".")[0] for reference in wanted.values()}
    records = list(Record.objects.filter(participant=participant, form__in=forms, removed_at=None))
    found: dict[str, dt.date] = {}
    for arm, reference in wanted.items():
        days = [day for record in records if (day := _day(value_at(record, definition, reference))) is not None]
        if days:
            found[arm] = min(days)
    return found


def _day(value: Any) -> dt.date | None:
    if isinstance(value, PartialDate):
        return value.earliest
    return value if isinstance(value, dt.date) else None


def register() -> None:
    """Give the study language this section; called once, from `AppConfig.ready`."""
    sections.register(NAME, TreatmentSection, validate, reads=reads)
