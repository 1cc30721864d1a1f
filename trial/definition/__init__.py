"""The study's text: read from a folder, checked, compiled, stored and compared. Pure Python, no Django.

    definition, problems = load_folder("studies/storm01")     # definition is None when a problem is an error
    Definition.from_json(definition.to_json()) == definition  # what a version stores
    definition.form("vitals").item("sbp").label               # see `model` for every class
    definition.compiled.forms["vitals"].derived               # see `compiled`
    difference(old, new, "en")                                # what an amendment changes, in words

A room above registers its own file NAME.yaml with `sections.register`.
"""

from trial.definition import sections
from trial.definition.compiled import Compiled, CompiledCheck, CompiledForm, DefinitionScope, Use
from trial.definition.definition import BrokenDefinitionError, Definition
from trial.definition.difference import Change, ChangeKind, difference
from trial.definition.loading import load_folder
from trial.definition.model import (
    Arm,
    Check,
    Codelist,
    CodelistEntry,
    Criterion,
    Form,
    FormKind,
    Group,
    Item,
    Offset,
    Part,
    Pathway,
    Phase,
    Reminder,
    Severity,
    VisitDefinition,
    Window,
)
from trial.definition.problems import CATALOGUE, Problem, ProblemSeverity

__all__ = [
    "CATALOGUE",
    "Arm",
    "BrokenDefinitionError",
    "Change",
    "ChangeKind",
    "Check",
    "Codelist",
    "CodelistEntry",
    "Compiled",
    "CompiledCheck",
    "CompiledForm",
    "Criterion",
    "Definition",
    "DefinitionScope",
    "Form",
    "FormKind",
    "Group",
    "Item",
    "Offset",
    "Part",
    "Pathway",
    "Phase",
    "Problem",
    "ProblemSeverity",
    "Reminder",
    "Severity",
    "Use",
    "VisitDefinition",
    "Window",
    "difference",
    "load_folder",
    "sections",
]
