"""The proof, when a study is published, that every participant who can be eligible falls in exactly one level.

For each factor the items that its levels read are laid out in full: every code of a codelist, both answers of a yes or
no, and for a number the values on both sides of each that it is compared with (`algorithms.strata.representatives`).
Every combination is tried with the study's own compiled expressions; those that an eligibility criterion rules out for
certain are left out, and only those. What cannot be laid out is a problem too: a cover that is not proved is not one.

The proof is about answers that are known. An item that is not known leaves the stratum unknown, and the gate refuses.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from itertools import combinations

from trial.definition import Definition
from trial.definition.model import CriterionKind, Item
from trial.language import UNKNOWN, DictContext, Expression, ItemType, Kind, Ref

from .algorithms import strata
from .algorithms.faults import Fault

LOOK_AT_UNKNOWN = frozenset({"is_known", "is_missing", "coalesce", "known_count"})
"""Functions whose result does not wait for what is unknown."""
MOST_VALUES = 1_000
MOST_CHOICES = 8
_NUMBERS = (ItemType.INTEGER, ItemType.DECIMAL, ItemType.VAS)
_AGES = ("participant.age", "participant.birth_year", "participant.birth_month")


class NotProvedError(Exception):
    """An item whose values cannot be laid out; the message says which, and why."""


@dataclass
class Proof:
    """The cover of one factor: its levels' expressions, by code, in a definition that compiled."""

    definition: Definition
    factor: strata.Factor
    levels: Mapping[str, Expression]
    _criteria: list[tuple[CriterionKind, Expression]] = field(default_factory=list)

    def faults(self) -> list[Fault]:
        """Every gap, overlap, undecided or unreachable level; an empty list is the proof."""
        place = f"strata › {self.factor.id}"
        refs = sorted({ref for level in self.levels.values() for ref in level.reads}, key=str)
        refs = [ref for ref in refs if ref.kind != "parameter"]
        self._criteria = list(self._usable_criteria(set(refs)))
        remedy = "Read a choice, a yes or no, or a number that is compared with fixed values; derive one if need be."
        try:
            domains = {str(ref): self._values(ref) for ref in refs}
            cases = strata.cases(domains) if domains else [{}]
        except (NotProvedError, ValueError) as error:
            return [Fault("RND215", place, f"That every participant has one level is not proved: {error}", remedy)]
        return strata.prove(self.factor, cases, self._holds, eligible=self._eligible)

    # ------------------------------------------------------------ evaluating

    def _holds(self, code: str, case: Mapping[str, object]) -> bool | None:
        return _truth(self.levels[code].evaluate(self._context(case)))

    def _eligible(self, case: Mapping[str, object]) -> bool | None:
        """False only where a criterion rules the case out, whatever the other answers are."""
        context = self._context(case)
        for kind, criterion in self._criteria:
            if _truth(criterion.evaluate(context)) is (kind is not CriterionKind.INCLUSION):
                return False
        return None

    def _context(self, case: Mapping[str, object]) -> DictContext:
        values: dict[Ref | str, object] = {name: value for name, value in case.items()}  # noqa: C416 – wider keys
        values.update({f"param.{name}": parameter.value for name, parameter in self.definition.parameters.items()})
        return DictContext(values)

    def _usable_criteria(self, refs: set[Ref]) -> Iterator[tuple[CriterionKind, Expression]]:
        """The criteria that can rule out a case of these items by themselves.

        Left out are those that go through rows (of which a case has none), that do not wait for what is unknown, and
        that compute with a number instead of comparing it.
        """
        compiled = self.definition.compilation.compiled.criteria
        for criterion in self.definition.criteria:
            expression = compiled.get(criterion.id)
            if expression is None or not refs & expression.reads:
                continue
            if any(ref.kind == "rows" for ref in expression.reads) or _functions(expression) & LOOK_AT_UNKNOWN:
                continue
            numbers = [ref for ref in refs & expression.reads if self._is_number(ref)]
            if all(self._thresholds(ref, expression) is not None for ref in numbers):
                yield criterion.kind, expression

    # ------------------------------------------------------------ laying out

    def _values(self, ref: Ref) -> Sequence[object]:
        """Every value that an item can have, or values that stand for all of them."""
        found: list[object]
        if ref.kind == "rows" or ref.kind == "range" or self._in_rows(ref):
            raise NotProvedError(f"{ref} goes through the rows of a list.")
        item = self._item(ref)
        if ref.kind == "context":
            found = self._values_of_context(ref)
        elif item is None:
            raise NotProvedError(f"{ref} is not an item of the study.")
        elif item.type is ItemType.YESNO:
            found = [True, False]
        elif item.type is ItemType.CHOICE:
            found = list(self.definition.codes_of(item))
        elif item.type is ItemType.CHOICES:
            codes = self.definition.codes_of(item)
            if len(codes) > MOST_CHOICES:
                raise NotProvedError(f"{ref} has more than {MOST_CHOICES} choices that can be given together.")
            found = [some for size in range(len(codes) + 1) for some in combinations(codes, size)]
        elif item.type is ItemType.GRADE:
            found = list(range(6))  # CTCAE grades 1 to 5, and 0
        elif item.type in _NUMBERS:
            found = self._numbers(ref, item)
        else:
            raise NotProvedError(f"{ref} is a {item.type.value}: its values cannot be listed.")
        if not found:
            raise NotProvedError(f"{ref} has no codes.")
        if any(_functions(level) & LOOK_AT_UNKNOWN for level in self.levels.values()):
            found.append(UNKNOWN)
        return found

    def _values_of_context(self, ref: Ref) -> list[object]:
        if ref.name == "participant.sex":
            return list(self.definition.codes_of(self.definition.item(self.definition.study_file.identity.sex or "")))
        if ref.name in _AGES:
            return self._numbers(ref, None)
        raise NotProvedError(f"{ref} can have any value.")

    def _numbers(self, ref: Ref, item: Item | None) -> list[object]:
        """The values that stand for all of a number's: by what it is compared with, else each one of a small range."""
        step = Decimal(1)
        if item is not None and item.type is ItemType.DECIMAL:
            step = Decimal(1).scaleb(-(item.decimals if item.decimals is not None else 6))
        low, high = self._limits(item)
        thresholds: list[Decimal] = []
        is_compared = True
        for expression in (*self.levels.values(), *(criterion for _, criterion in self._criteria)):
            if ref not in expression.reads:
                continue
            compared = self._thresholds(ref, expression)
            if compared is None:
                is_compared = False
            else:
                thresholds += compared
        if is_compared and thresholds:
            lowest = low if low is not None else _floor(min(thresholds), step) - step
            highest = high if high is not None else _floor(max(thresholds), step) + 2 * step
            values = strata.representatives(thresholds, low=lowest, high=max(lowest, highest), step=step)
        elif low is not None and high is not None and (high - low) / step < MOST_VALUES:
            values = [low + step * at for at in range(int((high - low) / step) + 1)]
        else:
            raise NotProvedError(f"{ref} is computed with, and its range is not small enough to try every value.")
        return [int(value) if step == 1 else value for value in values]

    @staticmethod
    def _limits(item: Item | None) -> tuple[Decimal | None, Decimal | None]:
        """The range that entry enforces; a derived number has none."""
        if item is None or item.is_derived:
            return None, None
        low, high = (item.range.min, item.range.max) if item.range is not None else (None, None)
        if item.type is ItemType.VAS:
            low, high = low if low is not None else Decimal(0), high if high is not None else Decimal(100)
        return low, high

    def _thresholds(self, ref: Ref, expression: Expression) -> list[Decimal] | None:
        """The fixed values with which an expression compares a number; None when it does anything else with it."""
        found: list[Decimal] = []
        tree = ast.parse(expression.source.strip(), mode="eval")
        for parent in ast.walk(tree):
            if isinstance(parent, ast.Attribute):  # the form inside form.item
                continue
            children = list(ast.iter_child_nodes(parent))
            if not any(_is_ref(child, ref) for child in children):
                continue
            if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name):
                if parent.func.id in ("is_known", "is_missing", "known_count"):
                    continue
                return None
            if not isinstance(parent, ast.Compare):
                return None
            for operand in (parent.left, *parent.comparators):
                if _is_ref(operand, ref):
                    continue
                fixed = self._fixed(operand)
                if fixed is None:
                    return None
                found += fixed
        return found

    def _fixed(self, node: ast.expr) -> list[Decimal] | None:
        """The numbers of a constant, a parameter, or a tuple of them; None for anything else."""
        if isinstance(node, ast.Tuple | ast.List):
            parts = [self._fixed(part) for part in node.elts]
            return None if None in parts else [value for part in parts if part is not None for value in part]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self._fixed(node.operand)
            return None if inner is None else [-value for value in inner]
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return [Decimal(str(node.value))]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "param":
            parameter = self.definition.parameters.get(node.attr)
            return None if parameter is None else [parameter.value]
        return None

    # ------------------------------------------------------------ what a reference is

    def _item(self, ref: Ref) -> Item | None:
        if ref.kind != "item" or ref.form not in self.definition.forms:
            return None
        return self.definition.form(str(ref.form)).items.get(ref.item)

    def _in_rows(self, ref: Ref) -> bool:
        if ref.kind != "item" or ref.form not in self.definition.forms:
            return False
        form = self.definition.form(str(ref.form))
        return form.is_log or (ref.item in form.items and form.group_of(ref.item).repeating)

    def _is_number(self, ref: Ref) -> bool:
        item = self._item(ref)
        return ref.name in _AGES or (item is not None and item.type in _NUMBERS)


def faults(definition: Definition, section_name: str, factors: Sequence[strata.Factor]) -> Iterator[tuple[int, Fault]]:
    """Every fault of the cover with the place of its factor. Factors whose expressions do not compile are left out."""
    programs = definition.compilation.compiled.sections.get(section_name, {})
    for at, factor in enumerate(factors):
        levels = {code: programs.get(f"{factor.id}.{code}") for code in factor.levels}
        known = {code: level for code, level in levels.items() if level is not None and level.type is Kind.BOOL}
        if len(known) == len(factor.levels) and len(set(factor.levels)) == len(factor.levels):
            yield from ((at, fault) for fault in Proof(definition, factor, known).faults())


def _truth(answer: object) -> bool | None:
    return answer if isinstance(answer, bool) else None


def _functions(expression: Expression) -> set[str]:
    return {
        node.func.id
        for node in ast.walk(ast.parse(expression.source.strip(), mode="eval"))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def _is_ref(node: ast.AST, ref: Ref) -> bool:
    return isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node) == str(ref).replace('"', "'")


def _floor(value: Decimal, step: Decimal) -> Decimal:
    return (value / step).to_integral_value(ROUND_FLOOR) * step


__all__ = ["Proof", "faults"]
