"""From data to model: pydantic's errors become problems, and what is broken is left out so that the rest is checked.

One wrong line must not hide the others: a part that does not fit is reported, pruned, and the file is read again
without it. What was pruned is remembered (`ghosts`), so that nobody is told that a form which is merely misspelled
inside "does not exist".
"""

import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from trial.definition.model import Part
from trial.definition.problems import TRUTH_MEANT, Problem, ProblemSeverity, did_you_mean, number_meant, problem, shown
from trial.definition.reading import Path, Source, ids_within

P = TypeVar("P", bound=Part)

ROUNDS = 30
"""Each round prunes at least one part; a file that needs more than this is given up as a whole."""


@dataclass
class Report:
    """Problems as they are found, with the sources that give them file, place and line."""

    problems: list[Problem] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    ghosts: set[str] = field(default_factory=set)
    """Names that the folder would have defined in a part that could not be used."""

    def add(
        self,
        code: str,
        file: str,
        path: Path = (),
        *,
        severity: ProblemSeverity | None = None,
        in_model: bool = True,
        **words: Any,
    ) -> None:
        """Tell a problem at a path of a file; `in_model` when the path is one of the model, not of the text."""
        source = self.sources.get(file)
        if source is None:
            self._keep(problem(code, file=file, severity=severity, **words))
            return
        if in_model:
            path = source.written(path)
        self._keep(
            problem(
                code,
                file=file,
                place=source.place(path),
                line=source.line(path),
                severity=severity,
                **words,
            )
        )

    def tell(self, code: str, file: str, path: Path, fault: str, remedy: str, severity: ProblemSeverity) -> None:
        """Tell a problem in a room's own words and with its own code, at a path of the model."""
        source = self.sources.get(file)
        written = source.written(path) if source else ()
        place, line = (source.place(written), source.line(written)) if source else ("", None)
        self._keep(Problem(code, file, place, line, fault, remedy, severity))

    def _keep(self, found: Problem) -> None:
        if found not in self.problems:
            self.problems.append(found)

    def is_ghost(self, *names: str) -> bool:
        """Whether a name would have been defined by a part that was left out."""
        return any(name in self.ghosts for name in names)

    def sorted(self) -> list[Problem]:
        """All problems: by file, line, code."""
        return sorted(self.problems, key=lambda p: (p.file, p.line or 0, p.code, p.place))


def read_part(model: type[P], source: Source, report: Report) -> P | None:
    """The file as its model, without the parts that do not fit; None when nothing can be used."""
    for attempt in range(ROUNDS):
        try:
            return model.model_validate(source.view())
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=True)
        usable = True
        pruned: list[Path] = []
        for detail in details:
            if attempt == 0 or detail["type"] in _RULES_OF_MODELS:
                _tell(detail, model, source, report)
            if attempt == 0 and _understood(source, detail):
                continue
            target = _prunable(model, source, detail)
            if target is None:
                usable = False
            else:
                pruned.append(target)
        if not usable:
            break
        for target in pruned:
            report.ghosts.update(ids_within(source.at(target)))
            report.ghosts.update(str(key) for key in target[-1:] if isinstance(key, str))
            source.pruned.add(target)
    report.ghosts.update(ids_within(source.data))
    return None


_RULES_OF_MODELS = frozenset({"value_error", "assertion_error"})


def _understood(source: Source, detail: ErrorDetails) -> bool:
    """Whether it is clear what a wrong value meant; the rest of the file is then judged by that."""
    value, path = detail.get("input"), source.written(_loc(detail))
    if detail["type"] == "bool_type" and str(value).lower() in TRUTH_MEANT:
        source.meant[path] = TRUTH_MEANT[str(value).lower()]
        return True
    if detail["type"] in ("decimal_parsing", "int_parsing") and isinstance(value, str):
        meant = number_meant(value)
        if meant is not None and not (detail["type"] == "int_parsing" and "." in meant):
            source.meant[path] = meant
            return True
    return False


def _prunable(model: type[Part], source: Source, detail: ErrorDetails) -> Path | None:
    """The smallest part around an error that can be left out: a list element, a map entry, an optional key."""
    loc = _loc(detail)
    path = loc[:-1] if detail["type"] == "missing" else loc
    while path:
        key = path[-1]
        if isinstance(key, int):
            return source.written(path)
        owner = _model_at(model, path[:-1])
        if owner is None:  # an entry of a map
            if source.at(source.written(path)) is not None or _has(source, path):
                return source.written(path)
        elif detail["type"] == "extra_forbidden" and path == loc:
            return source.written(path)
        else:
            found = _field(owner, key)
            if found is not None and not found.is_required():
                return source.written(path)
        path = path[:-1]
    return None


def _has(source: Source, path: Path) -> bool:
    parent = source.at(source.written(path[:-1]))
    return isinstance(parent, dict) and path[-1] in parent


def _loc(detail: ErrorDetails) -> Path:
    return tuple(part for part in detail["loc"] if part != "[key]")


def _field(model: type[BaseModel], key: str) -> Any:
    for name, found in model.model_fields.items():
        if key in (found.alias, name):
            return found
    return None


def _keys(model: type[BaseModel]) -> list[str]:
    return [found.alias or name for name, found in model.model_fields.items()]


def _model_at(model: type[BaseModel], path: Iterable[str | int]) -> type[BaseModel] | None:
    """The model that describes the mapping at a path, or None when it is a free map or a scalar."""
    annotation: Any = model
    for key in path:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found = _field(annotation, str(key))
            if found is None:
                return None
            annotation = bare(found.annotation)
        else:
            arguments = typing.get_args(annotation)
            origin = typing.get_origin(annotation)
            if not arguments or origin not in (tuple, list, dict, Mapping):
                return None
            annotation = bare(arguments[0] if origin in (tuple, list) else arguments[1])
    annotation = bare(annotation)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _annotation_at(model: type[BaseModel], path: Path) -> Any:
    owner = _model_at(model, path[:-1]) if path else None
    if owner is None or not isinstance(path[-1], str):
        return None
    found = _field(owner, path[-1])
    return bare(found.annotation) if found is not None else None


def bare(annotation: Any) -> Any:
    """The annotation without Annotated, Optional and None."""
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif origin in (typing.Union, types.UnionType):
            others = [argument for argument in typing.get_args(annotation) if argument is not type(None)]
            if len(others) != 1:
                return annotation
            annotation = others[0]
        else:
            return annotation


# ---------------------------------------------------------------- words for pydantic's error types


def _tell(detail: ErrorDetails, model: type[Part], source: Source, report: Report) -> None:
    loc = _loc(detail)
    kind = detail["type"]
    value = detail.get("input")
    add = _Adder(report, source, loc)
    if value is None and kind != "missing" and kind not in _RULES_OF_MODELS:
        add("DEF022", value=f"The key {loc[-1]}" if loc else "The file", why="empty", remedy=_FILL)
        return
    for kinds, say in _WORDS:
        if kind in kinds:
            say(add, detail, model, value)
            return
    add("DEF025", why=_lower(detail["msg"]))


_FILL = "Write its value after the colon, or remove the line."


class _Adder:
    def __init__(self, report: Report, source: Source, loc: Path) -> None:
        self.report = report
        self.source = source
        self.loc = loc

    def __call__(self, code: str, **words: Any) -> None:
        self.report.add(code, self.source.file, self.loc, **words)


def _unknown_key(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    owner = _model_at(model, add.loc[:-1]) or model
    key = str(add.loc[-1])
    add("DEF010", key=key, suggestion=did_you_mean(key, _keys(owner)))


def _missing_key(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    key = str(add.loc[-1])
    around = add.source.place(add.source.written(add.loc[:-1]))
    add.loc = add.loc[:-1]
    add("DEF011", key=key, thing=around or "the file")


def _not_number(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    meant = number_meant(value) if isinstance(value, str) else None
    add("DEF012", value=shown(value), suggestion=meant or "a number such as 12.5")


def _not_whole(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    meant = number_meant(value) if isinstance(value, str) else None
    add("DEF013", value=shown(value), suggestion=meant if meant and "." not in meant else "a whole number such as 28")


def _not_true_or_false(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    meant = TRUTH_MEANT.get(str(value).lower())
    add("DEF014", value=shown(value), suggestion="true or false" if meant is None else shown(meant))


def _not_text(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    add("DEF015", value=shown(value))


def _not_a_choice(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    choices = _choices(model, add.loc) or [
        part.strip("' ") for part in _expected(detail).replace(" or ", ",").split(",")
    ]
    add("DEF016", value=shown(value), suggestion=did_you_mean(str(value), choices), choices=", ".join(choices))


def _choices(model: type[Part], loc: Path) -> list[str]:
    annotation = _annotation_at(model, loc)
    if annotation is None and loc and isinstance(loc[-1], int):
        inside = typing.get_args(_annotation_at(model, loc[:-1]))
        annotation = bare(inside[0]) if inside else None
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    return []


def _expected(detail: ErrorDetails) -> str:
    return str(detail.get("ctx", {}).get("expected", ""))


def _bad_id(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    context = detail.get("ctx", {})
    add("DEF017", value=shown(value), kind=context.get("kind", "id"), like=context.get("like", ""))


def _bad_pattern(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    if add.loc[:2] == ("study", "locales"):
        add("DEF017", value=shown(value), kind="language code", like="en, fr")
    else:
        add("DEF017", value=shown(value), kind="text of this form", like=str(detail.get("ctx", {}).get("pattern", "")))


def _bad_label(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    locale = detail.get("ctx", {}).get("locale")
    if locale:
        add("DEF022", value=f"The label in {locale}", why="empty or not text", remedy="Write its words in quotes.")
    else:
        add("DEF018", value=shown(value))


def _bare_word(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    add("DEF023", value=str(detail.get("ctx", {}).get("value", value)))


def _not_a_date(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    add("DEF019", value=shown(value))


def _not_a_list(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    add("DEF020", value=shown(value))


def _not_keys(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    add("DEF021", value=shown(value))


def _too_short(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    if isinstance(value, list | dict) and value:
        return  # nothing in it fits, and each of these is a problem already
    what = f"The list {add.loc[-1]}" if add.loc else "The list"
    add("DEF022", value=what, why="empty", remedy="Add at least one entry.")


def _out_of_bounds(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    why = _lower(detail["msg"]).replace("input should be", "not")
    add("DEF022", value=shown(value), why=why, remedy=_sentence(detail["msg"].replace("Input", "The value")))


def _of_a_room(add: _Adder, detail: ErrorDetails, model: type[Part], value: Any) -> None:
    add("DEF025", why=_lower(detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")))


def _lower(text: str) -> str:
    return (text[:1].lower() + text[1:]).rstrip(".")


def _sentence(text: str) -> str:
    return text.rstrip(".") + "."


_Say = Callable[[_Adder, ErrorDetails, type[Part], Any], None]
_WORDS: tuple[tuple[frozenset[str], _Say], ...] = (
    (frozenset({"extra_forbidden"}), _unknown_key),
    (frozenset({"missing"}), _missing_key),
    (frozenset({"decimal_parsing", "decimal_type", "float_parsing", "float_type", "finite_number"}), _not_number),
    (frozenset({"int_parsing", "int_type", "int_from_float", "int_parsing_size"}), _not_whole),
    (frozenset({"bool_type", "bool_parsing"}), _not_true_or_false),
    (frozenset({"string_type"}), _not_text),
    (frozenset({"enum", "literal_error"}), _not_a_choice),
    (frozenset({"bad_id"}), _bad_id),
    (frozenset({"string_pattern_mismatch"}), _bad_pattern),
    (frozenset({"label_type", "label_empty"}), _bad_label),
    (frozenset({"bare_word"}), _bare_word),
    (frozenset({"date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"}), _not_a_date),
    (frozenset({"tuple_type", "list_type"}), _not_a_list),
    (frozenset({"model_type", "model_attributes_type", "dict_type", "mapping_type"}), _not_keys),
    (frozenset({"too_short", "string_too_short"}), _too_short),
    (
        frozenset(
            {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "too_long", "string_too_long"}
        ),
        _out_of_bounds,
    ),
    (_RULES_OF_MODELS, _of_a_room),
)
