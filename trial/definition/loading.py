"""From a study folder to a definition, or to every problem in it.

A folder that amends another holds `amends.yaml` and only the files that differ:

    base: storm01               # a folder beside this one, which may itself amend another
    without: [forms/old.yaml]   # files of the base that the amendment drops

Every other file is taken from the base as it is. The definition is the same as that of a folder with all the files.

Nothing that a folder holds raises: unreadable files, wrong shapes, wrong references and wrong expressions are all
`Problem`s, and a problem in one place does not hide those in another.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Annotated, TypeVar

from pydantic import Field

from trial.definition.definition import Definition
from trial.definition.model import (
    CodelistsFile,
    EligibilityFile,
    Form,
    Part,
    RemindersFile,
    ScheduleFile,
    StudyFile,
    StudyPart,
)
from trial.definition.problems import Problem, did_you_mean, problem
from trial.definition.reading import MAX_BYTES, Source, read
from trial.definition.sections import OWN, Registry, registry
from trial.definition.shapes import Report, read_part
from trial.definition.validation import validate

P = TypeVar("P", bound=Part)

MAX_FILES = 500
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
_REQUIRED = {
    "study.yaml": "it says who the study is, its arms, pathways and consent",
    "schedule.yaml": "it lists the visits and the log forms",
}
_IGNORED = frozenset({".md", ".txt", ".rst"})


def load_folder(
    folder: FilePath | str, *, section_registry: Registry | None = None
) -> tuple[Definition | None, list[Problem]]:
    """The definition of a folder, and every problem in it by file and line.

    The definition is None when one of the problems is an error; with warnings only, both are given. Files of upper
    rooms are read by the sections in `section_registry`, by default those that the installed rooms registered.
    """
    folder = FilePath(folder)
    report = Report()
    known = section_registry or registry
    layers = _layers(folder, known, report)
    if layers is None:
        return None, report.sorted()
    names = sorted(layers)
    sources = {name: _open(layers[name], name, report) for name in names}
    for name, contents in _REQUIRED.items():
        if name not in sources:
            report.add("DEF002", name, file_name=name, contents=contents)
    form_names = [name for name in names if name.startswith("forms/")]
    if not form_names:
        report.add("DEF002", "forms/", file_name="forms/NAME.yaml", contents="a study has at least one form")

    def part(name: str, model: type[P]) -> P | None:
        source = sources.get(name)
        return read_part(model, source, report) if source is not None else None

    study = part("study.yaml", StudyFile)
    schedule = part("schedule.yaml", ScheduleFile)
    forms: list[tuple[str, Form]] = []
    for name in form_names:
        form = part(name, Form)
        if form is not None:
            forms.append((name, form))
        else:
            report.ghosts.add(name.removeprefix("forms/").removesuffix(".yaml"))
    codelists = part("codelists.yaml", CodelistsFile)
    eligibility = part("eligibility.yaml", EligibilityFile)
    reminders = part("reminders.yaml", RemindersFile)
    sections: dict[str, Part] = {}
    for name, section_type in known.types.items():
        section = part(f"{name}.yaml", section_type.model)
        if section is not None:
            sections[name] = section
        elif section_type.required and f"{name}.yaml" not in sources:
            report.add("DEF002", f"{name}.yaml", file_name=f"{name}.yaml", contents=f"a study needs its {name}")
    _warn_of_bare_words(report)

    definition = Definition(
        study=study or _nobody(),
        schedule=schedule or ScheduleFile.model_construct(visits=(), log_forms=()),
        forms=[form for _, form in forms],
        codelists=codelists,
        eligibility=eligibility,
        reminders=reminders,
        sections=sections,
        section_registry=known,
    )
    validate(
        definition,
        forms=forms,
        report=report,
        study_is_known=study is not None,
        schedule_is_known=schedule is not None,
    )
    problems = [_placed(found, folder, layers) for found in report.sorted()]
    if any(found.is_error for found in problems):
        return None, problems
    return definition, problems


class AmendsFile(Part):
    """`amends.yaml`: the folder that this one amends, and the files of it that are dropped."""

    base: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
    without: tuple[str, ...] = ()


AMENDS = "amends.yaml"
MOST_LAYERS = 20
"""Amendments upon amendments; a trial has a handful."""


def _layers(folder: FilePath, known: Registry, report: Report) -> dict[str, FilePath] | None:
    """In which folder each file of the study stands: the amending folder before its base; None if one is unreadable."""
    found: dict[str, FilePath] = {}
    dropped: set[str] = set()
    seen: list[FilePath] = []
    at = folder
    while True:
        names = _list(at, known, report)
        if names is None:
            return None
        seen.append(at.resolve())
        for name in names:
            if name != AMENDS and name not in dropped:
                found.setdefault(name, at)
        if AMENDS not in names:
            break
        amends = _amends(at, report)
        if amends is None:
            return None
        base = at.resolve().parent / amends.base
        if base in seen or len(seen) >= MOST_LAYERS or not base.is_dir():
            what = f"The folder {amends.base}, which this one amends, is not beside it, or amends this one."
            _wrong(report, what, "Name a study folder that stands beside this one.")
            return None
        dropped.update(amends.without)
        for name in amends.without:
            if name in found or not ((base / name).is_file() or (base / AMENDS).is_file()):
                _wrong(report, f"There is no file {name} of {amends.base} to drop.", "Correct the name, or remove it.")
        at = base
    return found


def _wrong(report: Report, what: str, remedy: str) -> None:
    report.problems.append(problem("DEF001", file=AMENDS, what=what, remedy=remedy))


def _amends(folder: FilePath, report: Report) -> AmendsFile | None:
    source = _open(folder, AMENDS, report)
    return read_part(AmendsFile, source, report) if source is not None else None


def _placed(found: Problem, folder: FilePath, layers: Mapping[str, FilePath]) -> Problem:
    """A problem in a file of the base names the base, so that the file is found."""
    layer = layers.get(found.file, folder)
    return found if layer is folder else replace(found, file=f"{layer.name}/{found.file}")


def _nobody() -> StudyFile:
    """A stand-in for a study.yaml that cannot be used, so that the other files are still checked."""
    study = StudyPart.model_construct(code="", locales=())
    return StudyFile.model_construct(study=study, arms=(), pathways=(), parameters={}, milestones={})


def _list(folder: FilePath, known: Registry, report: Report) -> list[str] | None:
    """Names of the files to read, relative to the folder; None when the folder cannot be read."""
    if not folder.is_dir():
        report.problems.append(
            problem("DEF001", file=folder.name, what="This is not a folder.", remedy="Name the folder of a study.")
        )
        return None
    names: list[str] = []
    root = folder.resolve()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(part.startswith((".", "__")) for part in path.relative_to(folder).parts) or path.is_dir():
            continue
        if path.suffix in _IGNORED:
            continue
        if len(names) >= MAX_FILES:
            what = f"The folder holds more than {MAX_FILES} files."
            report.problems.append(problem("DEF001", file="", what=what, remedy="Remove what does not belong."))
            return None
        if not path.resolve().is_relative_to(root):
            what = "The file is a link that leads out of the folder."
            report.problems.append(problem("DEF001", file=name, what=what, remedy="Put the file itself here."))
        elif path.suffix == ".yml":
            what, remedy = "The file is called .yml, which is not read.", "Rename it to .yaml."
            report.problems.append(problem("DEF001", file=name, what=what, remedy=remedy))
        elif path.suffix != ".yaml":
            continue
        elif "/" in name and not (name.startswith("forms/") and name.count("/") == 1):
            what = "The file is in a folder that is not read."
            report.problems.append(problem("DEF001", file=name, what=what, remedy="Move it to forms/ or to the top."))
        elif name == AMENDS:
            names.append(name)
        elif "/" not in name and path.stem not in OWN and path.stem not in known.types:
            words = sorted((OWN - {"forms"}) | set(known.types))
            suggestion = did_you_mean(path.stem, words)
            report.problems.append(problem("DEF003", file=name, name=path.stem, suggestion=suggestion))
            _remember_words(path, report)
        else:
            names.append(name)
    return names


def _open(folder: FilePath, name: str, report: Report) -> Source | None:
    path = folder / name
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
            size = path.stat().st_size
    except OSError as error:
        what = f"The file cannot be opened: {error.strerror}."
        report.problems.append(problem("DEF001", file=name, what=what, remedy="Make it readable, or remove it."))
        report.ghosts.add(path.stem)
        return None
    if size > MAX_BYTES:
        report.problems.append(problem("DEF006", file=name, size=f"{size:,}", limit=f"{MAX_BYTES:,}"))
        source = None
    else:
        source, problems = read(name, content)
        report.problems.extend(problems)
    if source is None:
        report.ghosts.update(word.decode() for word in _WORD.findall(content))
        report.ghosts.add(path.stem)
    else:
        report.sources[name] = source
    return source


def _remember_words(path: FilePath, report: Report) -> None:
    """What a misnamed file would have defined is not reported as missing."""
    try:
        with path.open("rb") as stream:
            report.ghosts.update(word.decode() for word in _WORD.findall(stream.read(MAX_BYTES)))
    except OSError:
        return


def _warn_of_bare_words(report: Report) -> None:
    for file, source in report.sources.items():
        for path, word in source.bare_words:
            if path and path[-1] in ("id", "code"):
                report.add("DEF024", file, path, in_model=False, value=word)
