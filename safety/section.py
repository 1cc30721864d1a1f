"""The study folder's `safety.yaml`: dictionary version, the forms and items of adverse events, clocks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from trial.definition import Definition, sections
from trial.definition.model import Code, Count, Id, Label, Reference, Words

from .dictionaries import ctcae

NAME = "safety"


class DictionaryPart(sections.Part):
    name: Id
    version: Words


class FormsPart(sections.Part):
    adverse_event: Id
    serious: Id


class ItemsPart(sections.Part):
    """Where the safety room finds what it needs: `form.item` references."""

    serious: Reference
    term: Reference
    grade: Reference
    aware_at: Reference
    criteria: Reference
    linked_event: Reference | None = None


class ClockPart(sections.Part):
    """A clock: its length, what starts it, and the seriousness criteria with (or without) which it runs."""

    id: Id
    hours: Count | None = None
    days: Count | None = None
    from_: Id = Field(alias="from")
    if_any: tuple[Code, ...] = ()
    if_none: tuple[Code, ...] = ()
    label: Label


class SafetySection(sections.Part):
    dictionary: DictionaryPart
    forms: FormsPart
    items: ItemsPart
    clocks: tuple[ClockPart, ...] = ()
    stopping_rules: tuple[Any, ...] = ()

    def notify_hours(self) -> int:
        """Return the hours within which the site reports a serious event to the sponsor (24 unless the folder says)."""
        for clock in self.clocks:
            if clock.from_ == "aware_at" and clock.hours:
                return clock.hours
        return 24

    def sponsor_clocks(self) -> tuple[ClockPart, ...]:
        """Return the clocks that the sponsor's first sight of a report starts (day 0)."""
        return tuple(clock for clock in self.clocks if clock.from_ == "received_at")


def validate(section: SafetySection, definition: Definition, say: sections.Say) -> None:
    """Tell every problem of the section: dictionary, forms, items, clocks."""
    try:
        ctcae.load(section.dictionary.version)
    except ctcae.DictionaryError as error:
        say(("dictionary", "version"), str(error), "Name a version that is installed, or import it.")
    for name in ("adverse_event", "serious"):
        form = definition.forms.get(getattr(section.forms, name))
        if form is None:
            say(("forms", name), f"There is no form {getattr(section.forms, name)}.", "Use the id of a log form.")
        elif not form.is_log:
            say(("forms", name), f"The form {form.id} is not a log form.", "Use a log form: one entry per event.")
    for name in ("serious", "term", "grade", "aware_at", "criteria", "linked_event"):
        reference = getattr(section.items, name)
        if reference is None:
            continue
        try:
            definition.item(reference)
        except KeyError:
            say(("items", name), f"There is no item {reference}.", "Write it as form.item.")
    for at, clock in enumerate(section.clocks):
        if (clock.hours is None) == (clock.days is None):
            say(("clocks", at), f"The clock {clock.id} has no length.", "Give either hours or days.")
        known = _criteria_of(section, definition)
        for code in (*clock.if_any, *clock.if_none):
            if known and code not in known:
                say(("clocks", at), f"There is no criterion {code}.", f"Use one of {', '.join(known)}.")


def reads(section: SafetySection) -> Iterable[sections.SectionRead]:
    """The items from which the safety room learns of an event, and the clocks that they start."""
    for name, _part in ItemsPart.model_fields.items():
        reference = getattr(section.items, name)
        if reference is None:
            continue
        form, _dot, item = reference.partition(".")
        started = [clock for clock in section.clocks if clock.from_ == name]
        if name == "criteria":
            started = [clock for clock in section.clocks if clock.if_any or clock.if_none]
        for clock in started:
            yield sections.SectionRead(f"clock.{clock.id}", form, item, clock.label)
        if not started:
            yield sections.SectionRead(f"items.{name}", form, item)


def _criteria_of(section: SafetySection, definition: Definition) -> tuple[str, ...]:
    """The codes of seriousness; empty when the item that holds them is itself a problem."""
    try:
        return definition.codes_of(definition.item(section.items.criteria))
    except KeyError:
        return ()


def register() -> None:
    """Give the study language this section; called once, from `AppConfig.ready`."""
    sections.register(NAME, SafetySection, validate, reads=reads)
