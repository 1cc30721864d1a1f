"""Words for pages and messages: dates, visits, participants."""

from __future__ import annotations

import datetime as dt

from trial.definition import Definition
from trial.language import PartialDate, format_date

from .models import Participant, Visit
from .statuses import FAILURE_REASONS


def date_words(on: dt.date | None, locale: str) -> str:
    """Write a day with its month in letters (`14 Mar 2026`, `14 mars 2026`); empty for None."""
    return format_date(on, locale) if on else ""


def birth_words(participant: Participant, locale: str) -> str:
    """Month and year of birth, `Mar 1961`; empty before they are known."""
    if participant.birth_year is None:
        return ""
    return format_date(PartialDate(participant.birth_year, participant.birth_month), locale)


def visit_label(visit: Visit, definition: Definition, locale: str) -> str:
    """Name a visit as the visit plan does; the second and later ones of their sort carry their number."""
    label = definition.text(definition.visit(visit.event).label, locale)
    is_numbered = visit.occurrence > 1 or definition.visit(visit.event).unscheduled
    return f"{label} {visit.occurrence}" if is_numbered else label


def failure_words(reason: str, detail: str, definition: Definition, locale: str) -> str:
    """Write the reason of a screen failure: the words of the study's list, and the details."""
    codelist = definition.codelists.get(FAILURE_REASONS)
    words = ""
    if codelist is not None and reason:
        labels = {entry.code: entry.label for entry in codelist.codes}
        words = definition.text(labels.get(reason), locale) or reason
    return " – ".join(filter(None, [words, detail]))
