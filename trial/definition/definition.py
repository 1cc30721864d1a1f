"""A study's definition in memory: quick to ask, immutable, and the same again after JSON."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType
from typing import Any

from trial.definition.compiled import Compilation, Compiled, Use, compile_definition
from trial.definition.model import (
    Arm,
    Check,
    Codelist,
    CodelistsFile,
    Criterion,
    EligibilityFile,
    Form,
    FormKind,
    Item,
    Offset,
    Parameter,
    Part,
    Pathway,
    Range,
    Reminder,
    RemindersFile,
    ScheduleFile,
    StudyFile,
    StudyPart,
    VisitDefinition,
    VisitTemplatePart,
)
from trial.definition.sections import Registry, registry
from trial.definition.uses import Reader, readers
from trial.language import ItemType, PlainReader, Ref, Spec, plain_reader

FORMAT = 1
"""Number of the stored JSON layout; a change that old text would not survive gets the next one."""


class Definition:
    """What a study is: everything of its folder, cross-checked by whoever made it.

    `load_folder` makes one from text and `from_json` from what it once said; both give equal definitions. Nothing
    in it changes after it is made, so one instance may serve all requests of a process.
    """

    def __init__(
        self,
        *,
        study: StudyFile,
        schedule: ScheduleFile,
        forms: Iterable[Form],
        codelists: CodelistsFile | None = None,
        eligibility: EligibilityFile | None = None,
        reminders: RemindersFile | None = None,
        sections: Mapping[str, Part] | None = None,
        unread_sections: Mapping[str, Any] | None = None,
        section_registry: Registry | None = None,
    ) -> None:
        self.study_file = study
        self.schedule = schedule
        self.codelists_file = codelists or CodelistsFile()
        self.eligibility = eligibility
        self.reminders_file = reminders or RemindersFile()
        self.registry = section_registry or registry
        self.forms: Mapping[str, Form] = MappingProxyType(_in_order_of_casebook(forms, schedule))
        self.sections: Mapping[str, Part] = MappingProxyType(dict(sections or {}))
        self._unread_sections = dict(unread_sections or {})
        self._specs: dict[tuple[str, str], Spec] = {}
        self._plain_readers: dict[tuple[str, str], PlainReader | None] = {}

    # ------------------------------------------------------------ study

    @property
    def study(self) -> StudyPart:
        return self.study_file.study

    @property
    def locales(self) -> tuple[str, ...]:
        return self.study.locales

    @cached_property
    def arms(self) -> Mapping[str, Arm]:
        return MappingProxyType({arm.id: arm for arm in self.study_file.arms})

    @cached_property
    def pathways(self) -> Mapping[str, Pathway]:
        return MappingProxyType({pathway.id: pathway for pathway in self.study_file.pathways})

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return self.study_file.parameters

    @property
    def milestones(self) -> Mapping[str, str]:
        """Name of the milestone → `form.item` that dates it."""
        return self.study_file.milestones

    def text(self, label: Mapping[str, str] | None, locale: str) -> str:
        """The words of a label in a locale (`fr`, `fr-ca`), else in the study's first language, else any."""
        if not label:
            return ""
        found = label.get(locale) or label.get(locale[:2].lower())
        if found:
            return found
        for fallback in self.locales:
            if fallback in label:
                return label[fallback]
        return next(iter(label.values()))

    # ------------------------------------------------------------ forms

    def form(self, form_id: str) -> Form:
        """The form of that id. Raises KeyError."""
        return self.forms[form_id]

    def item(self, reference: str) -> Item:
        """The item of a `form.item` reference. Raises KeyError."""
        form_id, _, item_id = reference.partition(".")
        return self.forms[form_id].item(item_id)

    @cached_property
    def log_forms(self) -> tuple[Form, ...]:
        """The log forms in the order of the casebook."""
        listed = [self.forms[form_id] for form_id in dict.fromkeys(self.schedule.log_forms) if form_id in self.forms]
        return tuple(form for form in listed if form.kind is FormKind.LOG)

    def checks_for(self, form_id: str) -> tuple[Check, ...]:
        """The checks of a form. Raises KeyError."""
        return self.forms[form_id].checks

    @cached_property
    def codelists(self) -> Mapping[str, Codelist]:
        return MappingProxyType({codelist.id: codelist for codelist in self.codelists_file.codelists})

    def codelist(self, codelist_id: str) -> Codelist:
        """The codelist of that id. Raises KeyError."""
        return self.codelists[codelist_id]

    def codes_of(self, item: Item) -> tuple[str, ...]:
        """The codes that an item offers, in order; empty when it has no codelist."""
        found = self.codelists.get(item.codelist or "")
        return tuple(entry.code for entry in found.codes) if found else ()

    def spec(self, form_id: str, item_id: str) -> Spec:
        """What `trial.language` must know of an item to read, show and compare its values. Raises KeyError."""
        key = (form_id, item_id)
        if key not in self._specs:
            self._specs[key] = self._spec(self.forms[form_id].item(item_id))
        return self._specs[key]

    def plain_reader(self, form_id: str, item_id: str) -> PlainReader | None:
        """What reads plainly typed texts of an item (`trial.language.plain`), if anything can. Raises KeyError."""
        key = (form_id, item_id)
        if key not in self._plain_readers:
            self._plain_readers[key] = plain_reader(self.spec(form_id, item_id))
        return self._plain_readers[key]

    def _spec(self, item: Item) -> Spec:
        limits = item.range or Range()
        low, high = limits.min, limits.max
        if item.type is ItemType.VAS:
            # A visual analogue scale is 100 mm long unless the study says otherwise.
            low, high = low if low is not None else Decimal(0), high if high is not None else Decimal(100)
        codelist = self.codelists.get(item.codelist or "")
        return Spec(
            type=item.type,
            unit=item.unit or "",
            units=tuple((unit.unit, unit.factor, unit.offset) for unit in item.units),
            decimals=item.decimals,
            codes={entry.code: entry.label for entry in codelist.codes} if codelist else {},
            missing_codes=tuple(code.value for code in item.missing),
            minimum=low,
            maximum=high,
            future=item.future,
            max_length=item.max_length,
        )

    # ------------------------------------------------------------ visits

    @cached_property
    def _visits(self) -> Mapping[str, VisitDefinition]:
        expanded: dict[str, VisitDefinition] = {}
        for template in self.schedule.visits:
            for visit in expand(template, len(expanded)):
                expanded.setdefault(visit.id, visit)
        return MappingProxyType(expanded)

    @cached_property
    def visits(self) -> tuple[VisitDefinition, ...]:
        """Every visit of the plan, repeated ones expanded, in the order of the file."""
        return tuple(self._visits.values())

    def visit(self, visit_id: str) -> VisitDefinition:
        """The visit of that id. Raises KeyError."""
        return self._visits[visit_id]

    def visits_for(self, pathway: str | None) -> tuple[VisitDefinition, ...]:
        """The visits that apply to a pathway; without one, those that apply to everybody.

        Raises KeyError for a pathway that does not exist.
        """
        if pathway is not None and pathway not in self.pathways:
            raise KeyError(pathway)
        return tuple(visit for visit in self.visits if not visit.pathways or pathway in visit.pathways)

    def visits_with(self, form_id: str) -> tuple[VisitDefinition, ...]:
        """The visits that hold a form, in order."""
        return self._visits_with.get(form_id, ())

    @cached_property
    def _visits_with(self) -> Mapping[str, tuple[VisitDefinition, ...]]:
        found: dict[str, list[VisitDefinition]] = {}
        for visit in self.visits:
            for form_id in visit.forms:
                found.setdefault(form_id, []).append(visit)
        return {form_id: tuple(visits) for form_id, visits in found.items()}

    # ------------------------------------------------------------ eligibility, reminders, sections

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        return self.eligibility.criteria if self.eligibility else ()

    @property
    def reminders(self) -> tuple[Reminder, ...]:
        return self.reminders_file.reminders

    def section(self, name: str) -> Any:
        """The section of an upper room as its registered model, or None when the study has none."""
        return self.sections.get(name)

    # ------------------------------------------------------------ what reveals the arm

    def reveals_arm(
        self, form_id: str | None = None, item_id: str | None = None, *, visit_id: str | None = None
    ) -> bool:
        """Whether showing the form, the item of it, or anything at the visit would tell the arm.

        A visit reveals when it says so, or when only some pathways have it and one of these reveals. A visit form
        reveals when it says so, or when every visit that holds it reveals; a log form when it says so, or when only
        some pathways have it and one of these reveals. An item reveals when it, its group or its form does. Given a
        visit too, the answer is for the form at that visit. An id that does not exist reveals (doubt leaves the person
        blinded).
        """
        if visit_id is not None and self._visit_reveals.get(visit_id, True):
            return True
        if form_id is None:
            return visit_id is None
        form = self.forms.get(form_id)
        if form is None or self._form_reveals[form_id]:
            return True
        if item_id is None:
            return False
        item = form.items.get(item_id)
        return item is None or item.reveals_arm or form.group_of(item_id).reveals_arm

    @cached_property
    def _visit_reveals(self) -> Mapping[str, bool]:
        return {visit.id: visit.reveals_arm or self._only_some(visit.pathways) for visit in self.visits}

    def _only_some(self, pathways: tuple[str, ...]) -> bool:
        """Whether having what these pathways have tells the arm: not every pathway is named, and one reveals."""
        if not pathways or set(pathways) >= set(self.pathways):
            return False
        return any(self.pathways[name].reveals_arm for name in pathways if name in self.pathways)

    @cached_property
    def _form_reveals(self) -> Mapping[str, bool]:
        def reveals(form: Form) -> bool:
            visits = self.visits_with(form.id)
            by_visits = bool(visits) and all(self._visit_reveals[visit.id] for visit in visits)
            return form.reveals_arm or (self._only_some(form.pathways) if form.is_log else by_visits)

        return {form.id: reveals(form) for form in self.forms.values()}

    # ------------------------------------------------------------ expressions

    @cached_property
    def compilation(self) -> Compilation:
        """The outcome of compiling every expression, failures included; `compiled` is what most want."""
        return compile_definition(self)

    @property
    def compiled(self) -> Compiled:
        """Every expression, compiled once for this instance.

        Raises `BrokenDefinitionError` when one does not compile; what `load_folder` returned always does.
        """
        compilation = self.compilation
        if compilation.failures:
            raise BrokenDefinitionError("; ".join(str(failure) for failure in compilation.failures))
        return compilation.compiled

    def feeds(self, form_id: str, item_id: str | None = None) -> tuple[Use, ...]:
        """What an item is used for: derivations, skip logic, checks, criteria, sections. Without an item, what
        goes through the form's entries as a list."""
        return self.compiled.feeds.get((form_id, item_id or ""), ())

    def fed_by(self, form_id: str, item_id: str) -> tuple[Ref, ...]:
        """What decides an item: the references that its derivation and its skip logic read."""
        return self.compiled.fed_by.get((form_id, item_id), ())

    @cached_property
    def readers(self) -> Mapping[tuple[str, str], tuple[Reader, ...]]:
        """All that reads each item, expressions and everything else that names it; see `trial.definition.uses`."""
        return readers(self)

    def forms_read_by(self, form_id: str) -> frozenset[str]:
        """The forms whose other records must be at hand to evaluate a form.

        The form itself is among them when it reads its own earlier visits or its other entries.
        """
        return self.compiled.forms[form_id].reads_forms

    def forms_fed_by(self, form_id: str) -> frozenset[str]:
        """The forms whose expressions read this one: what to evaluate again after it was saved."""
        return self.compiled.fed_forms.get(form_id, frozenset())

    # ------------------------------------------------------------ storing

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data from which `from_json` makes an equal definition. Defaults are left out."""
        stored: dict[str, Any] = {
            "format": FORMAT,
            "study": _dump(self.study_file),
            "schedule": _dump(self.schedule),
            # By id, so that the order in which files were found says nothing.
            "forms": [_dump(self.forms[form_id]) for form_id in sorted(self.forms)],
            "codelists": _dump(self.codelists_file),
            "reminders": _dump(self.reminders_file),
            "sections": {
                **self._unread_sections,
                **{name: _dump(section) for name, section in self.sections.items()},
            },
        }
        if self.eligibility is not None:
            stored["eligibility"] = _dump(self.eligibility)
        stored["sections"] = dict(sorted(stored["sections"].items()))
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], *, section_registry: Registry | None = None) -> Definition:
        """The definition that `to_json` stored.

        A section whose room is not installed is kept as it is and not offered. Raises ValueError for another format
        and `pydantic.ValidationError` for data that were not made by `to_json`.
        """
        if stored.get("format") != FORMAT:
            raise ValueError(f"This definition has format {stored.get('format')!r}; {FORMAT} is read here.")
        known = section_registry or registry
        sections: dict[str, Part] = {}
        unread: dict[str, Any] = {}
        for name, content in stored["sections"].items():
            if name in known.types:
                sections[name] = known.types[name].model.model_validate(content)
            else:
                unread[name] = content
        eligibility = stored.get("eligibility")
        return cls(
            study=StudyFile.model_validate(stored["study"]),
            schedule=ScheduleFile.model_validate(stored["schedule"]),
            forms=[Form.model_validate(form) for form in stored["forms"]],
            codelists=CodelistsFile.model_validate(stored["codelists"]),
            eligibility=EligibilityFile.model_validate(eligibility) if eligibility is not None else None,
            reminders=RemindersFile.model_validate(stored["reminders"]),
            sections=sections,
            unread_sections=unread,
            section_registry=known,
        )

    @cached_property
    def content_hash(self) -> str:
        """sha256, in hex, over the canonical JSON: sorted keys, no blanks, UTF-8."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Definition):
            return NotImplemented
        return self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)

    def __repr__(self) -> str:
        return f"<Definition {self.study.code} {self.content_hash[:12]}>"


class BrokenDefinitionError(ValueError):
    """A definition whose expressions do not compile was asked for them."""


def _in_order_of_casebook(forms: Iterable[Form], schedule: ScheduleFile) -> dict[str, Form]:
    """Forms as a casebook shows them: in the order of the visits, then the log forms, then the others by id."""
    by_id = {form.id: form for form in sorted(forms, key=lambda form: form.id)}
    wanted = [form_id for visit in schedule.visits for form_id in visit.forms]
    order = dict.fromkeys([*wanted, *schedule.log_forms, *by_id])
    return {form_id: by_id[form_id] for form_id in order if form_id in by_id}


def _dump(part: Part) -> Any:
    return part.model_dump(mode="json", by_alias=True, exclude_defaults=True)


_N = re.compile(r"\{n\}")


def expand(template: VisitTemplatePart, order: int = 0) -> list[VisitDefinition]:
    """The visits of one entry of the schedule: one, or one for each distance of its `repeat`."""

    def made(offset: Offset, number: int | None) -> VisitDefinition:
        def named(text: str) -> str:
            return text if number is None else _N.sub(str(number), text)

        return VisitDefinition(
            id=named(template.id),
            label={locale: named(words) for locale, words in template.label.items()},
            phase=template.phase,
            anchor=template.anchor,
            offset=offset,
            window=template.window,
            pathways=template.pathways,
            reveals_arm=template.reveals_arm,
            unscheduled=template.unscheduled,
            forms=template.forms,
            template=template.id,
            number=number,
            order=order + len(visits),
        )

    visits: list[VisitDefinition] = []
    if template.repeat is None:
        return [made(template.offset or Offset(), None)]
    base = template.offset or Offset()
    for unit in ("days", "weeks", "months"):
        for number in getattr(template.repeat, unit):
            visits.append(made(base.model_copy(update={unit: getattr(base, unit) + number}), number))
    return visits
