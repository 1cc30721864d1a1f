"""What each item feeds and is fed by, over the whole study's text: expressions, and all that names an item beside them.

`Definition.feeds` and `fed_by` know the expressions. A study's text also names items outside of them: who judges a
criterion, what dates a form or a milestone, what a link or a row begins with, what a clock or a lane of the timeline
reads. Here everything is one list, with a way from one item to what it decides in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from trial.definition.compiled import Node
from trial.definition.model import Form, Item
from trial.language import Ref

if TYPE_CHECKING:
    from trial.definition.definition import Definition

Kind = Literal[
    "derived",
    "shown_when",
    "check",
    "criterion",
    "judged",
    "validity",
    "section",
    "identity",
    "consent",
    "milestone",
    "date",
    "title",
    "grade",
    "opens_with",
    "compares_with",
    "link",
]


@dataclass(frozen=True, slots=True)
class Reader:
    """Something that reads an item.

    `form` and `target`: the item or group that it decides ("derived", "shown_when", "grade", "opens_with",
    "compares_with"), the check ("check"), the form that it dates or names ("date", "title"); `form` the section and
    `target` the key in it ("section"); `target` alone the criterion, the milestone, the part of the identity.
    `label` are the words of a section for it.
    """

    kind: Kind
    form: str
    target: str
    label: tuple[tuple[str, str], ...] = ()

    @property
    def node(self) -> Node | None:
        """The item whose value this decides; None when it decides no item."""
        return (self.form, self.target) if self.kind in ("derived", "opens_with") else None


def readers(definition: Definition) -> Mapping[Node, tuple[Reader, ...]]:
    """Every reader of every item, in the order of the study's text; the rows of a log under (form, "")."""
    found: dict[Node, dict[Reader, None]] = {}

    def add(form: str, item: str, reader: Reader) -> None:
        if form in definition.forms and (not item or item in definition.forms[form].items):
            found.setdefault((form, item), {})[reader] = None

    for (form_id, item_id), uses in definition.compiled.feeds.items():
        for use in uses:
            label = tuple(_stratum_label(definition, use.form, use.target).items()) if use.kind == "section" else ()
            add(form_id, item_id, Reader(use.kind, use.form, use.target, label))
    for form in definition.forms.values():
        for item, reader in _of_form(form):
            add(form.id, item, reader)
        for item_ in form.items.values():
            for source, reader in _of_item(form, item_):
                other, _dot, name = source.partition(".")
                add(other, name, reader)
    for source, reader in _of_study(definition):
        form_id, _dot, item_id = source.partition(".")
        add(form_id, item_id, reader)
    for name, section in definition.sections.items():
        section_type = definition.registry.types.get(name)
        for read in section_type.reads(section) if section_type is not None and section_type.reads is not None else ():
            add(read.form, read.item, Reader("section", name, read.key, tuple((read.label or {}).items())))
    return MappingProxyType({node: tuple(each) for node, each in found.items()})


def sources(definition: Definition, form: Form, item: Item) -> tuple[Ref, ...]:
    """What decides an item: what its calculation and its condition read, and what a new row begins with."""
    found = dict.fromkeys(definition.fed_by(form.id, item.id))
    for reference in (item.opens_with, *item.compares_with):
        if reference is not None:
            other, _dot, name = reference.partition(".")
            found[Ref("item", form=other, item=name)] = None
    if item.grade_of is not None:
        found[Ref("item", form=form.id, item=item.grade_of)] = None
    return tuple(found)


def downstream(definition: Definition, node: Node) -> list[list[Node]]:
    """The items that an item decides, step by step: first those it feeds itself, then those that they feed."""
    seen, levels, here = {node}, [], [node]
    while here:
        following = dict.fromkeys(
            reader.node for at in here for reader in definition.readers.get(at, ()) if reader.node is not None
        )
        here = [each for each in following if each not in seen]
        seen.update(here)
        if here:
            levels.append(here)
    return levels


def _of_form(form: Form) -> Iterable[tuple[str, Reader]]:
    if form.date_item is not None:
        yield form.date_item, Reader("date", form.id, "")
    for item in form.title_items:
        yield item, Reader("title", form.id, "")


def _of_item(form: Form, item: Item) -> Iterable[tuple[str, Reader]]:
    if item.grade_of is not None:
        yield f"{form.id}.{item.grade_of}", Reader("grade", form.id, item.id)
    if item.opens_with is not None:
        yield item.opens_with, Reader("opens_with", form.id, item.id)
    for other in item.compares_with:
        yield other, Reader("compares_with", form.id, item.id)
    if item.compares_with:
        yield f"{form.id}.{item.id}", Reader("compares_with", form.id, item.id)
    if item.link is not None:
        yield f"{item.link}.", Reader("link", form.id, item.id)


def _of_study(definition: Definition) -> Iterable[tuple[str, Reader]]:
    study = definition.study_file
    for criterion in definition.criteria:
        if criterion.judged is not None:
            yield criterion.judged, Reader("judged", "", criterion.id)
        if criterion.validity is not None:
            form = definition.forms.get(criterion.validity.form)
            if form is not None and form.date_item is not None:
                yield f"{form.id}.{form.date_item}", Reader("validity", "", criterion.id)
    for part in ("sex", "birth_month", "birth_year", "initials"):
        reference = getattr(study.identity, part)
        if reference is not None:
            yield reference, Reader("identity", "", part)
    for part in ("signed_on", "document_version"):
        reference = getattr(study.consent, part)
        if reference is not None:
            yield reference, Reader("consent", "", part)
    for name, reference in definition.milestones.items():
        yield reference, Reader("milestone", "", name)


def _stratum_label(definition: Definition, section: str, key: str) -> Mapping[str, str]:
    """The words that a section gives to one of its expressions, when it has any."""
    section_type = definition.registry.types.get(section)
    part = definition.sections.get(section)
    if section_type is None or part is None or section_type.expressions is None:
        return {}
    return next((each.label or {} for each in section_type.expressions(part) if each.key == key), {})
