"""Every expression of a definition, compiled, with what it reads and what it is read by.

`compile_definition` never raises for the definition's sake: what does not compile is a `Failure`, which
`trial.definition.validation` turns into a problem with file, line and remedy.

References are absolute: a read item is always `Ref("item", form=…, item=…)`, also when it was written without its
form. At run time the record at hand therefore answers for its own form when `visit` is empty, and a row of a list
answers for the items of its list. `Ref("rows", form=F)` are the entries of log form F; `Ref("rows", form=F, item=G)`
are the rows of group G: of the record at hand when it is an F, else of the F that `form.item` means, all entries
together when F is a log form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from trial.definition.model import Check, Form, Group, Item
from trial.language import (
    CONTEXT_KINDS,
    Expression,
    ExpressionError,
    Fault,
    Kind,
    NotFound,
    Ref,
    Symbol,
    compile_expression,
    symbol_of,
)
from trial.language.refs import PREVIOUS

if TYPE_CHECKING:
    from trial.definition.definition import Definition

UseKind = Literal["derived", "shown_when", "check", "criterion", "section"]
Node = tuple[str, str]
"""(form id, item id)."""
OwnerKind = Literal["form", "eligibility", "section"]


@dataclass(frozen=True, slots=True)
class Use:
    """One use of an item.

    kind "derived" or "shown_when": `form`, `target` the item or group decided by it; "check": `form`, `target` the
    check; "criterion": `target` its id; "section": `form` the section's name, `target` the expression's key.
    """

    kind: UseKind
    form: str
    target: str


@dataclass(frozen=True, slots=True)
class CompiledCheck:
    """A check ready to run; `group` is the repeating group whose rows it is asked of one by one, else None."""

    check: Check
    expression: Expression
    group: str | None


@dataclass(frozen=True, slots=True)
class CompiledForm:
    """A form's expressions. `derived` is in the order of evaluation, the others in the order of the page.

    `reads` are all references of the form's expressions; `reads_forms` the forms whose other records they need.
    """

    form: Form
    groups_shown_when: Mapping[str, Expression]
    items_shown_when: Mapping[str, Expression]
    derived: Mapping[str, Expression]
    checks: Mapping[str, CompiledCheck]
    reads: frozenset[Ref]
    reads_forms: frozenset[str]


@dataclass(frozen=True, slots=True)
class Compiled:
    """All expressions of a definition. `criteria` by criterion, `sections` by section name and key."""

    forms: Mapping[str, CompiledForm]
    criteria: Mapping[str, Expression]
    sections: Mapping[str, Mapping[str, Expression]]
    feeds: Mapping[Node, tuple[Use, ...]]
    fed_by: Mapping[Node, tuple[Ref, ...]]
    fed_forms: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Failure:
    """An expression that does not compile: where it stands, and every fault in it.

    `path` is the place in the file of its owner: ("form", form id), ("eligibility", "") or ("section", name).
    """

    owner: tuple[OwnerKind, str]
    path: tuple[str | int, ...]
    source: str
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        where = " ".join(part for part in self.owner if part)
        return f"{where} {self.path}: " + " ".join(str(fault) for fault in self.faults)


@dataclass(frozen=True, slots=True)
class Circle:
    """Items that decide each other: each reads the next, the last reads the first."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ExpressionPlace:
    """One compiled expression and where it was written, for whoever checks it further."""

    owner: tuple[OwnerKind, str]
    path: tuple[str | int, ...]
    expression: Expression
    use: Use


@dataclass(frozen=True, slots=True)
class Compilation:
    compiled: Compiled
    failures: tuple[Failure, ...]
    circles: tuple[Circle, ...]
    places: tuple[ExpressionPlace, ...]


class DefinitionScope:
    """What names mean at one place of a definition: in a form, in a row of its repeating group, or outside any form."""

    def __init__(self, definition: Definition, form: Form | None = None, group: Group | None = None) -> None:
        self.definition = definition
        self.form = form
        self.group = group if group is not None and group.repeating else None

    def resolve(self, ref: Ref) -> Symbol | NotFound:
        """See `trial.language.Scope`."""
        if ref.kind == "parameter":
            return self._parameter(ref)
        if ref.kind == "context":
            return self._context(ref)
        return self._item(ref)

    def rows(self, name: str) -> Ref | None:
        """See `trial.language.Scope`."""
        if self.form is not None:
            for group in self.form.groups:
                if group.id == name and group.repeating:
                    return Ref("rows", form=self.form.id, item=name)
        form = self.definition.forms.get(name)
        if form is None:
            return None
        if form.is_log:
            return Ref("rows", form=name)
        repeating = [group.id for group in form.groups if group.repeating]
        return Ref("rows", form=name, item=repeating[0]) if len(repeating) == 1 else None

    def _parameter(self, ref: Ref) -> Symbol | NotFound:
        parameter = self.definition.parameters.get(ref.name)
        if parameter is None:
            return NotFound("parameter", ref.name, tuple(self.definition.parameters))
        return Symbol(Kind.NUMBER, integer=parameter.value == parameter.value.to_integral_value())

    def _context(self, ref: Ref) -> Symbol | NotFound:
        at_visit = self.form is not None and not self.form.is_log
        known = tuple(name for name in CONTEXT_KINDS if at_visit or not name.startswith("visit."))
        if ref.name not in known:
            return NotFound("name", ref.name, known)
        kind = CONTEXT_KINDS[ref.name]
        if ref.name == "visit.id":
            return Symbol(kind, codes=frozenset(visit.id for visit in self.definition.visits) or None)
        if ref.name == "participant.sex":
            return Symbol(kind, codes=self._codes_of_sex())
        return Symbol(kind, integer=kind is Kind.NUMBER)

    def _codes_of_sex(self) -> frozenset[str] | None:
        try:
            item = self.definition.item(self.definition.study_file.identity.sex or "")
        except KeyError:
            return None
        return frozenset(self.definition.codes_of(item)) or None

    def _item(self, ref: Ref) -> Symbol | NotFound:
        forms = self.definition.forms
        if ref.form is not None:
            form = forms.get(ref.form)
            if form is None:
                return NotFound("form", ref.form, tuple(forms))
        elif self.form is not None:
            form = self.form
        else:
            written_out = tuple(f"{form.id}.{ref.item}" for form in forms.values() if ref.item in form.items)
            return NotFound("item", ref.item, written_out)
        if ref.visit:
            absent = self._visit(ref, form)
            if absent is not None:
                return absent
        item = form.items.get(ref.item)
        if item is None:
            name = ref.item if ref.form is None else f"{form.id}.{ref.item}"
            candidates = tuple(form.items) if ref.form is None else tuple(f"{form.id}.{known}" for known in form.items)
            return NotFound("item", name, candidates)
        return replace(
            self.symbol(form, item),
            ref=Ref("item", form=form.id, item=item.id, visit=ref.visit),
            rows=self._list_of(ref, form, item),
        )

    def _visit(self, ref: Ref, form: Form) -> NotFound | None:
        visit_forms = tuple(known.id for known in self.definition.forms.values() if not known.is_log)
        if form.is_log:
            return NotFound("visit form", form.id, visit_forms)
        if ref.visit == PREVIOUS:
            return None
        visits = {visit.id: visit for visit in self.definition.visits}
        if ref.visit not in visits:
            return NotFound("visit", ref.visit, tuple(visits))
        if form.id not in visits[ref.visit].forms:
            return NotFound(f"form at visit {ref.visit} called", form.id, visits[ref.visit].forms)
        return None

    def symbol(self, form: Form, item: Item) -> Symbol:
        """The item as an expression sees it, wherever it is read from."""
        symbol = symbol_of(self.definition.spec(form.id, item.id), reference=item.analyte is not None)
        # A codelist that does not exist is one problem; every code compared with it would be another.
        return replace(symbol, codes=symbol.codes or None)

    def _list_of(self, ref: Ref, form: Form, item: Item) -> Ref | None:
        group = form.group_of(item.id)
        own_record = ref.form is None and not ref.visit
        if group.repeating:
            if own_record and self.group is not None and group.id == self.group.id:
                return None
            return Ref("rows", form=form.id, item=group.id, visit=ref.visit)
        if form.is_log and not own_record:
            return Ref("rows", form=form.id)
        return None


@dataclass
class _Work:
    definition: Definition
    failures: list[Failure] = field(default_factory=list)
    places: list[ExpressionPlace] = field(default_factory=list)
    scopes: dict[tuple[str, str], DefinitionScope] = field(default_factory=dict)

    def scope(self, form: Form, group: Group | None) -> DefinitionScope:
        key = (form.id, group.id if group is not None and group.repeating else "")
        if key not in self.scopes:
            self.scopes[key] = DefinitionScope(self.definition, form, group)
        return self.scopes[key]

    def compile(
        self,
        source: str | None,
        scope: DefinitionScope,
        *,
        owner: tuple[OwnerKind, str],
        path: tuple[str | int, ...],
        use: Use,
        expects: Kind | Symbol = Kind.BOOL,
    ) -> Expression | None:
        if source is None:
            return None
        try:
            expression = compile_expression(source, scope, expects=expects)
        except ExpressionError as error:
            self.failures.append(Failure(owner, path, source, error.faults))
            return None
        self.places.append(ExpressionPlace(owner, path, expression, use))
        return expression

    def check(self, form: Form, check: Check, path: tuple[str | int, ...]) -> CompiledCheck | None:
        """A rule is about the record when it can be read so (`count(size > 40) <= 5`), else about each row of the
        repeating group that holds the items it names (`end_on >= start_on`)."""
        owner: tuple[OwnerKind, str] = ("form", form.id)
        use = Use("check", form.id, check.id)
        in_rows = check_group(form, check)
        found: list[Failure] = []
        for group in (None, in_rows) if in_rows is not None else (None,):
            try:
                expression = compile_expression(check.rule, self.scope(form, group), expects=Kind.BOOL)
            except ExpressionError as error:
                found.append(Failure(owner, path, check.rule, error.faults))
                continue
            self.places.append(ExpressionPlace(owner, path, expression, use))
            return CompiledCheck(check, expression, group.id if group else None)
        # Of two readings, the one with fewer faults is likely to be what the writer meant; the row when equal.
        self.failures.append(min(reversed(found), key=lambda failure: len(failure.faults)))
        return None


def compile_definition(definition: Definition) -> Compilation:
    """Compile every expression of a definition; faults and circles are told, not raised."""
    work = _Work(definition)
    drafts = {form.id: _compile_form(work, form) for form in definition.forms.values()}
    criteria: dict[str, Expression] = {}
    outside = DefinitionScope(definition)
    for index, criterion in enumerate(definition.criteria):
        expression = work.compile(
            criterion.expression,
            outside,
            owner=("eligibility", ""),
            path=("criteria", index, "expression"),
            use=Use("criterion", "", criterion.id),
        )
        if expression is not None:
            criteria[criterion.id] = expression
    sections: dict[str, Mapping[str, Expression]] = {}
    for name, section in definition.sections.items():
        section_type = definition.registry.types.get(name)
        if section_type is None or section_type.expressions is None:
            continue
        found: dict[str, Expression] = {}
        for written in section_type.expressions(section):
            expression = work.compile(
                written.source,
                outside,
                owner=("section", name),
                path=written.path,
                use=Use("section", name, written.key),
                expects=written.expects,
            )
            if expression is not None:
                found[written.key] = expression
        sections[name] = MappingProxyType(found)

    decided_by = _decided_by(drafts)
    order, circles = _ordered(decided_by, definition)
    forms = {form_id: _finished(draft, order) for form_id, draft in drafts.items()}
    compiled = Compiled(
        forms=MappingProxyType(forms),
        criteria=MappingProxyType(criteria),
        sections=MappingProxyType(sections),
        feeds=_feeds(work.places),
        fed_by=MappingProxyType({node: tuple(dict.fromkeys(refs)) for node, refs in decided_by.items()}),
        fed_forms=_fed_forms(forms),
    )
    return Compilation(compiled, tuple(work.failures), tuple(circles), tuple(work.places))


def check_group(form: Form, check: Check) -> Group | None:
    """The repeating group in whose rows a check is asked: the one that holds an item it names, or None."""
    for item_id in check.items:
        if item_id in form.items and form.group_of(item_id).repeating:
            return form.group_of(item_id)
    return None


def _compile_form(work: _Work, form: Form) -> CompiledForm:
    owner: tuple[OwnerKind, str] = ("form", form.id)
    groups: dict[str, Expression] = {}
    items: dict[str, Expression] = {}
    derived: dict[str, Expression] = {}
    checks: dict[str, CompiledCheck] = {}
    for g, group in enumerate(form.groups):
        shown = work.compile(
            group.shown_when,
            work.scope(form, None),
            owner=owner,
            path=("groups", g, "shown_when"),
            use=Use("shown_when", form.id, group.id),
        )
        if shown is not None:
            groups[group.id] = shown
        for i, item in enumerate(group.items):
            path = ("groups", g, "items", i)
            shown = work.compile(
                item.shown_when,
                work.scope(form, group),
                owner=owner,
                path=(*path, "shown_when"),
                use=Use("shown_when", form.id, item.id),
            )
            if shown is not None:
                items[item.id] = shown
            result = work.compile(
                item.derived,
                work.scope(form, group),
                owner=owner,
                path=(*path, "derived"),
                use=Use("derived", form.id, item.id),
                expects=work.scope(form, group).symbol(form, item),
            )
            if result is not None:
                derived[item.id] = result
    for c, check in enumerate(form.checks):
        compiled_check = work.check(form, check, ("checks", c, "rule"))
        if compiled_check is not None:
            checks[check.id] = compiled_check
    reads = frozenset(
        ref
        for expressions in (groups.values(), items.values(), derived.values(), (c.expression for c in checks.values()))
        for expression in expressions
        for ref in expression.reads
    )
    return CompiledForm(
        form=form,
        groups_shown_when=MappingProxyType(groups),
        items_shown_when=MappingProxyType(items),
        derived=MappingProxyType(derived),
        checks=MappingProxyType(checks),
        reads=reads,
        reads_forms=frozenset(ref.form for ref in reads if ref.form is not None and _needs_records(ref, form)),
    )


def _needs_records(ref: Ref, form: Form) -> bool:
    """Whether a reference is read from other records than the one at hand."""
    own_rows = ref.kind == "rows" and not ref.visit and bool(ref.item)
    return ref.form != form.id or bool(ref.visit) or (ref.kind == "rows" and not own_rows)


def _decided_by(drafts: Mapping[str, CompiledForm]) -> dict[Node, list[Ref]]:
    """For every derived or conditional item: the references that decide its value. Hidden values are left out of
    derivations, so what decides whether an item is shown decides its value too."""
    found: dict[Node, list[Ref]] = {}
    for form_id, draft in drafts.items():
        for item_id in draft.form.items:
            expressions = (
                draft.derived.get(item_id),
                draft.items_shown_when.get(item_id),
                draft.groups_shown_when.get(draft.form.group_of(item_id).id),
            )
            refs = [ref for expression in expressions if expression is not None for ref in sorted_refs(expression)]
            if refs:
                found[form_id, item_id] = refs
    return found


def sorted_refs(expression: Expression) -> list[Ref]:
    """The references that an expression reads, in an order that does not change from run to run."""
    return sorted(expression.reads, key=lambda ref: (ref.kind, ref.form or "", ref.item, ref.visit, ref.name))


def _edges(decided_by: Mapping[Node, Sequence[Ref]]) -> dict[Node, list[Node]]:
    """Item → items that it needs now. What is read at another visit was decided before."""
    edges: dict[Node, list[Node]] = {}
    for node, refs in decided_by.items():
        needed = [(ref.form or "", ref.item) for ref in refs if ref.kind == "item" and not ref.visit]
        edges[node] = [other for other in dict.fromkeys(needed) if other in decided_by]
    return edges


def _ordered(decided_by: Mapping[Node, Sequence[Ref]], definition: Definition) -> tuple[dict[Node, int], list[Circle]]:
    """Place of each node in the order of evaluation, and every circle (once each, by depth-first search)."""
    edges = _edges(decided_by)
    order: dict[Node, int] = {}
    circles: list[Circle] = []
    done: set[Node] = set()
    for start in edges:
        if start in done:
            continue
        trail: list[Node] = [start]
        position = {start: 0}
        waiting: list[Iterator[Node]] = [iter(edges[start])]
        while trail:
            following = next(waiting[-1], None)
            if following is None:
                node = trail.pop()
                waiting.pop()
                del position[node]
                done.add(node)
                order[node] = len(order)
            elif following in position:
                circles.append(Circle(tuple(trail[position[following] :])))
            elif following not in done:
                position[following] = len(trail)
                trail.append(following)
                waiting.append(iter(edges[following]))
    return order, circles


def _finished(draft: CompiledForm, order: Mapping[Node, int]) -> CompiledForm:
    by_need = sorted(draft.derived.items(), key=lambda pair: order.get((draft.form.id, pair[0]), -1))
    return replace(draft, derived=MappingProxyType(dict(by_need)))


def _feeds(places: Iterable[ExpressionPlace]) -> Mapping[Node, tuple[Use, ...]]:
    found: dict[Node, dict[Use, None]] = {}
    for place in places:
        for ref in sorted_refs(place.expression):
            if ref.form is not None:  # an item, its laboratory range, or the rows of a list
                found.setdefault((ref.form, "" if ref.kind == "rows" else ref.item), {})[place.use] = None
    return MappingProxyType({node: tuple(uses) for node, uses in found.items()})


def _fed_forms(forms: Mapping[str, CompiledForm]) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for form_id, form in forms.items():
        for read in form.reads_forms:
            found.setdefault(read, set()).add(form_id)
    return MappingProxyType({form_id: frozenset(readers) for form_id, readers in found.items()})
