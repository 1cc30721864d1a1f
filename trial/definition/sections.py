"""Sections of a study folder that rooms above own: a file NAME.yaml, its shape, its rules and its expressions.

A room registers in `AppConfig.ready`:

    from trial.definition import sections

    class SafetySection(sections.Part):
        dictionary: DictionaryPart
        ...

    def validate(section: SafetySection, definition: Definition, say: Say) -> None:
        if section.forms.serious not in definition.forms:
            say(("forms", "serious"), "There is no form x.", "Correct the id.")

    def expressions(section) -> Iterable[SectionExpression]: ...

    def reads(section) -> Iterable[SectionRead]: ...

    sections.register("safety", SafetySection, validate, expressions, reads)

`say(path, fault, remedy, code="DEF120", severity=…)` makes a Problem with file, place and line; `path` is the
path in the section's model, indexes included. A section that is absent is not validated; `register(…, required=True)`
makes its absence a problem.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from trial.definition.model import Part
from trial.definition.problems import ProblemSeverity
from trial.definition.reading import Path
from trial.language import Kind

if TYPE_CHECKING:
    from trial.definition.definition import Definition

__all__ = ["OWN", "Part", "Registry", "Say", "SectionExpression", "SectionRead", "SectionType", "register", "registry"]

OWN = frozenset({"study", "schedule", "eligibility", "reminders", "codelists", "forms"})
"""Files that belong to this room; no section may take their names."""


class Say(Protocol):
    """How a validator tells a problem."""

    def __call__(
        self,
        path: Path,
        fault: str,
        remedy: str,
        *,
        code: str = "DEF120",
        severity: ProblemSeverity = ProblemSeverity.ERROR,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class SectionExpression:
    """An expression of a section: `key` names it in `compiled.sections[name]`, `path` is its place in the model.

    It stands outside any form, so it names items as `form.item`. `expects` is the kind of its result.
    """

    key: str
    path: Path
    source: str
    expects: Kind = Kind.BOOL
    label: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SectionRead:
    """An item that a section names outside its expressions; `key` says for what, in the words of the section."""

    key: str
    form: str
    item: str
    label: Mapping[str, str] | None = None


Validate = Callable[[Any, "Definition", Say], None]
Expressions = Callable[[Any], Iterable[SectionExpression]]
Reads = Callable[[Any], Iterable[SectionRead]]


@dataclass(frozen=True, slots=True)
class SectionType:
    name: str
    model: type[Part]
    validate: Validate | None = None
    expressions: Expressions | None = None
    reads: Reads | None = None
    required: bool = False


@dataclass
class Registry:
    """Which sections exist, and which events a reminder may hang on or stop at."""

    types: dict[str, SectionType] = field(default_factory=dict)
    events: set[str] = field(default_factory=lambda: {"visit_planned", "visit_window_start", "visit_window_end"})
    stops: set[str] = field(default_factory=lambda: {"visit_settled"})

    def register(
        self,
        name: str,
        model: type[Part],
        validate: Validate | None = None,
        expressions: Expressions | None = None,
        reads: Reads | None = None,
        *,
        required: bool = False,
    ) -> None:
        """Make NAME.yaml a section. Registering the same model again is harmless.

        Raises ValueError when the name is taken by another model or belongs to this room.
        """
        known = self.types.get(name)
        if name in OWN or (known is not None and known.model is not model):
            raise ValueError(f"The section {name} is registered already.")
        self.types[name] = SectionType(name, model, validate, expressions, reads, required)

    def register_reminder_words(self, *, events: Iterable[str] = (), stops: Iterable[str] = ()) -> None:
        """Words that `on:` and `stop:` of a reminder may use, beside those about visits."""
        self.events.update(events)
        self.stops.update(stops)


registry = Registry()
"""The registry that `load_folder` and `Definition.from_json` use unless they are given another."""


def register(
    name: str,
    model: type[Part],
    validate: Validate | None = None,
    expressions: Expressions | None = None,
    reads: Reads | None = None,
    *,
    required: bool = False,
) -> None:
    """Register a section in the registry of the process; see `Registry.register`."""
    registry.register(name, model, validate, expressions, reads, required=required)


def registered() -> Mapping[str, SectionType]:
    """The sections of the process's registry, by name."""
    return registry.types
