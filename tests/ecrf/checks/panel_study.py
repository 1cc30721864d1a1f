"""A study of one form that uses every kind of reference, skip logic, derivation and check; and its books."""

from __future__ import annotations

import datetime as dt
import tempfile
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from ecrf.checks import Book, Entry, Facts, Place
from ecrf.checks.book import Rows
from tests.trial.definition import small_study
from trial.definition import Definition, load_folder, sections

PANEL = """\
id: panel
kind: visit
label: {en: Panel, fr: Panel}
date_item: taken_on
groups:
  - id: main
    label: {en: Main, fr: Main}
    items:
      - {id: taken_on, type: date, label: {en: On, fr: Le}}
      - id: value
        type: integer
        label: {en: Value, fr: Valeur}
        required: true
        range: {min: 0, max: 999, soft_min: 80, soft_max: 200}
      - {id: smoker, type: yesno, label: {en: Smokes, fr: Fume}}
      - {id: packs, type: integer, label: {en: Packs, fr: Paquets}, shown_when: smoker, required: true}
      - {id: exposure, type: integer, label: {en: Exposure, fr: Exposition}, derived: "packs * 20"}
      - {id: half, type: decimal, decimals: 1, label: {en: Half, fr: Moitie}, derived: "value / 2"}
      - {id: inverse, type: decimal, label: {en: Inverse, fr: Inverse}, derived: "100 / value"}
      - {id: change, type: integer, label: {en: Change, fr: Variation}, derived: "value - previous.value"}
      - {id: baseline, type: integer, label: {en: First, fr: Premier}, derived: "at('SCR').panel.value"}
      - {id: pressure, type: integer, label: {en: Pressure, fr: Pression}, derived: "vitals.sbp"}
      - {id: lesions, type: integer, label: {en: Lesions, fr: Lesions}, derived: "count(lesion)"}
      - {id: largest, type: decimal, label: {en: Largest, fr: Maximum}, derived: "max(lesion.size)"}
      - {id: doses_given, type: integer, label: {en: Doses, fr: Doses}, derived: "count(doses)"}
      - {id: total, type: integer, label: {en: Total, fr: Total}, derived: "sum(dose)"}
      - {id: age, type: integer, label: {en: Age, fr: Age}, derived: "participant.age"}
      - id: since
        type: integer
        label: {en: Since, fr: Depuis}
        derived: "days_between(randomization.date, visit.date)"
  - id: doses
    label: {en: Doses, fr: Doses}
    repeating: true
    min_rows: 0
    shown_when: "not (smoker and value > 500)"
    items:
      - {id: dose, type: integer, label: {en: Dose, fr: Dose}}
      - {id: double, type: integer, label: {en: Double, fr: Double}, derived: "dose * 2"}
      - {id: why, type: text, label: {en: Why, fr: Pourquoi}, shown_when: "dose > 5", required: true}
checks:
  - id: not_falling
    rule: "value >= previous.value"
    severity: soft
    items: [value]
    message: {en: It falls, fr: Elle baisse}
  - id: dose_positive
    rule: "dose >= 1"
    severity: hard
    items: [dose]
    message: {en: Too small, fr: Trop petite}
  - id: packs_few
    rule: "packs <= 3"
    severity: hard
    items: [packs]
    message: {en: Too many, fr: Trop}
"""

SCHEDULE = """\
visits:
  - {id: SCR, label: {en: S, fr: S}, phase: screening, anchor: screening, forms: [consent, vitals, panel]}
  - id: "M{n}"
    label: {en: "M {n}", fr: "M {n}"}
    anchor: randomization
    repeat: {months: [3, 6]}
    forms: [vitals, panel]
  - {id: END, label: {en: E, fr: F}, phase: event, forms: [end]}
  - {id: UNS, label: {en: U, fr: N}, phase: event, unscheduled: true, forms: [panel]}
log_forms: [lesion, event]
"""
CHANGES: dict[str, Any] = {
    "forms/panel.yaml": PANEL,
    "schedule.yaml": SCHEDULE,
    "forms/dose.yaml": None,
    **small_study.replaced("forms/vitals.yaml", "        shown_when: \"visit.id == 'SCR'\"\n", ""),
}
DAYS = {"SCR": dt.date(2026, 1, 5), "M3": dt.date(2026, 4, 6), "M6": dt.date(2026, 7, 6)}
TODAY = dt.date(2026, 9, 1)


@cache
def definition(**replacements: str) -> Definition:
    """The study, with words of the panel replaced."""
    text = PANEL
    for old, new in replacements.items():
        assert old in text
        text = text.replace(old, new)
    with tempfile.TemporaryDirectory() as folder:
        found, problems = load_folder(
            small_study.write(Path(folder), {**CHANGES, "forms/panel.yaml": text}),
            section_registry=sections.Registry(),
        )
    assert found is not None, [str(problem) for problem in problems]
    return found


def stored(value: Any) -> dict[str, Any]:
    """A value as records keep it; a text that begins with “!” is a missing code."""
    if isinstance(value, str) and value.startswith("!"):
        return {"missing": value[1:]}
    plain = str(value) if isinstance(value, Decimal) else value.isoformat() if isinstance(value, dt.date) else value
    return {"value": plain}


def data(_rows: list[dict[str, Any]] | None = None, _hidden: tuple[str, ...] = (), **values: Any) -> Rows:
    """The data of a panel: its main group, and its rows of doses."""
    main: dict[str, Any] = {"_id": ""} | {item: stored(value) for item, value in values.items()}
    if _hidden:
        main["_hidden"] = list(_hidden)
    found: Rows = {"main": [main]}
    if _rows is not None:
        found["doses"] = [
            {"_id": f"r{n}"} | {item: stored(value) for item, value in row.items()} for n, row in enumerate(_rows, 1)
        ]
    return found


def place(visit: str, form: str = "panel", on: dt.date | None = None, occurrence: int = 1) -> Place:
    """A form at a visit."""
    order = {visit.id: visit.order for visit in definition().visits}
    return Place(form=form, visit=visit, order=order[visit], occurrence=occurrence, visit_on=on or DAYS.get(visit))


def book(*entries: tuple[Place, Rows], of: Definition | None = None, **facts: Any) -> Book:
    """A participant's records, today 1 September 2026."""
    return Book(of or definition(), Facts(today=TODAY, **facts), entries)


def panel(visit: str, said: Rows, *others: tuple[Place, Rows], **facts: Any) -> tuple[Book, Entry]:
    """A panel at a visit among other records."""
    found = book(*others, **facts)
    return found, found.entry(place(visit), said)
