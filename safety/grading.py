"""Grades of laboratory values, offered to the forms: the pure rules with the words of the study's dictionary."""

from __future__ import annotations

from ecrf.laboratory import LabGrade, Result
from trial.definition import Definition
from trial.dictionaries import dictionary_of

from . import lab_grades
from .lab_grades import Measured


def grader(definition: Definition, analyte: str, unit: str, result: Result, baseline: Result | None) -> LabGrade | None:
    """The CTCAE v5.0 grade that a value reaches by itself; None when the study grades by another dictionary."""
    section = definition.section("safety")
    if section is None or section.dictionary.name != "ctcae" or section.dictionary.version != lab_grades.VERSION:
        return None
    before = Measured(baseline.value, baseline.low, baseline.high) if baseline is not None else None
    found = lab_grades.grade(analyte, unit, Measured(result.value, result.low, result.high), before)
    if found is None:
        return None
    term = dictionary_of(definition, "ctcae").get(found.term)
    label = {"en": term.label_in("en"), "fr": term.label_in("fr")} if term is not None else {"en": analyte}
    return LabGrade(found.term, label, found.grade)
