"""One walk over an expression's tree that checks types against a scope and writes one Python function.

The generated function holds no text of the author: names become numbered variables, literals become constants; nothing
but the functions of `trial.language.operators` is reachable from it. What it needs of the context are its arguments; it
goes through the lists, then computes, one statement per operation.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from types import CodeType
from typing import Any, Literal, NamedTuple

from trial.language import operators
from trial.language.faults import Fault, fault
from trial.language.missing import MISSING
from trial.language.refs import PREVIOUS, Context, Kind, NotFound, Ref, Scope, Symbol, closest
from trial.language.syntax import indent, one_line
from trial.language.unknown import UNKNOWN, kleene_or

MAX_NUMBER = Decimal(10) ** 15

ROWS_FUNCTIONS = frozenset({"count", "any", "all", "sum", "min", "max", "first", "last"})
FUNCTIONS = ROWS_FUNCTIONS | {
    "days_between",
    "months_between",
    "years_between",
    "add_days",
    "add_months",
    "abs",
    "round",
    "is_missing",
    "is_known",
    "coalesce",
    "lln",
    "uln",
    "contains",
    "known_count",
    "length",
    "year",
    "date",
}

_WORDS = {
    Kind.NUMBER: "a number",
    Kind.TEXT: "a text",
    Kind.CODE: "a choice",
    Kind.CODES: "a multiple choice",
    Kind.BOOL: "yes or no",
    Kind.DATE: "a date",
    Kind.TIME: "a time",
    Kind.DATETIME: "a date and time",
    Kind.LINK: "a link",
    Kind.FILE: "a file",
    Kind.NOTHING: "nothing",
}
_ORDERED = frozenset({Kind.NUMBER, Kind.DATE, Kind.TIME, Kind.DATETIME})
_DAYS = frozenset({Kind.DATE, Kind.DATETIME})
_ANYTHING = frozenset(Kind)


class Read(NamedTuple):
    """One thing that an expression reads; `rows` is its list when it is read from every row of one."""

    ref: Ref
    rows: Ref | None = None


class Argument(NamedTuple):
    """What `compute` is given: what a context answers to `how` for `ref`.

    "get" a value, "missing" a missing code, "low" and "high" a laboratory limit; "count" the number of rows of a list;
    "rows" its rows, each the tuple of the answers to `each`.
    """

    how: Literal["get", "missing", "low", "high", "count", "rows"]
    ref: Ref
    each: tuple[Argument, ...] = ()


@dataclass(frozen=True, eq=False)
class Expression:
    """A compiled expression.

    `source`; `type` (a Kind), `unit` and `codes` of the result (codes: of the codelist, or the texts that it can give);
    `reads`, every Ref that a change of can change the result, lists included; `inputs`, what is read in the order of
    the text; `evaluate(context)` → Python value or UNKNOWN, which raises nothing for the data's sake; `code`, the
    generated Python. `evaluate` asks the context for the `arguments` and gives them to `compute`; whoever knows them
    already calls `compute` itself.
    """

    source: str
    type: Kind
    unit: str
    codes: frozenset[str] | None
    reads: frozenset[Ref]
    inputs: tuple[Read, ...]
    arguments: tuple[Argument, ...]
    compute: Callable[..., Any]
    evaluate: Callable[[Context], Any]
    code: str

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"


@dataclass(slots=True)
class _Operand:
    """A piece of generated code (a variable or a literal) and what is known of it before any data.

    `sure`: never UNKNOWN. `fuzzy`: may be a Span. `codes` of a TEXT: the only texts that it can be.
    """

    code: str
    kind: Kind
    unit: str = ""
    codes: frozenset[str] | None = None
    integer: bool = False
    partial: bool = False
    fuzzy: bool = False
    sure: bool = False
    failed: bool = False


@dataclass(slots=True)
class _Frame:
    """The body of one loop over rows while it is being written."""

    function: str
    lines: list[str] = field(default_factory=list)
    loads: dict[Argument, str] = field(default_factory=dict)  # what is read of each row → its variable
    rows: Ref | None = None
    failed: bool = False


_FAILED = _Operand("U", Kind.NOTHING, failed=True)


@lru_cache(maxsize=10_000)
def _shared(ref: Ref) -> Ref:
    """The first of equal references: looked up among themselves, the same are found without being compared."""
    return ref


_BINARY: Mapping[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("add", "+"),
    ast.Sub: ("sub", "-"),
    ast.Mult: ("mul", "*"),
    ast.Div: ("div", "/"),
    ast.FloorDiv: ("floordiv", "//"),
    ast.Mod: ("mod", "%"),
    ast.Pow: ("power", "**"),
}
_COMPARE: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
# helper, whether its operands are swapped, whether its answer is negated
_HELPED: Mapping[str, tuple[str, bool, bool]] = {
    "<": ("lt", False, False),
    "<=": ("le", False, False),
    ">": ("lt", True, False),
    ">=": ("le", True, False),
    "==": ("eq", False, False),
    "!=": ("eq", False, True),
}
_CONSTRUCTS: Mapping[type[ast.AST], str] = {
    ast.Lambda: "lambda",
    ast.ListComp: "for",
    ast.SetComp: "for",
    ast.DictComp: "for",
    ast.GeneratorExp: "for",
    ast.Dict: "{…}",
    ast.JoinedStr: "f'…'",
    ast.Subscript: "[…]",
    ast.Slice: ":",
    ast.Starred: "*",
    ast.NamedExpr: ":=",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.MatMult: "@",
    ast.Invert: "~",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.Tuple: "(…)",
    ast.List: "[…]",
    ast.Set: "{…}",
}


class Compiler:
    """One walk over the tree that checks types and writes code; after a fault it goes on, to find the others."""

    def __init__(self, source: str, scope: Scope) -> None:
        self.source = source
        self.indent = indent(source)
        self.text = one_line(source)
        self.bytes = self.text.encode("utf-8")
        self.scope = scope
        self.faults: list[Fault] = []
        self.names: dict[str, object] = {}  # constants of the generated function
        self.loads: dict[Argument, str] = {}  # what is read of the context, once → its variable
        self.lists: list[tuple[Argument, str]] = []  # lists that are read, and their variables
        self.loops: list[str] = []  # loops over rows, inner ones first
        self.lines: list[str] = []  # where code is written now
        self.margin = ""
        self.inputs: dict[Read, None] = {}
        self.reads: set[Ref] = set()
        self.frames: list[_Frame] = []
        self.refs: dict[Ref, str] = {}  # Ref → its constant
        self.peeked: dict[int, Kind] = {}
        self.counter = 0

    # -- small tools

    def fail(self, code: str, node: ast.AST, suggestion: str = "", **params: object) -> _Operand:
        found = fault(code, **params)
        found.column = self.column(node)
        found.suggestion = suggestion
        self.faults.append(found)
        return _FAILED

    def column(self, node: ast.AST) -> int | None:
        offset = getattr(node, "col_offset", None)
        if offset is None:
            return None
        return len(self.bytes[:offset].decode("utf-8", "replace")) + self.indent

    def segment(self, node: ast.expr) -> str:
        return self.bytes[node.col_offset : node.end_col_offset].decode("utf-8", "replace")

    def fresh(self, letter: str = "t") -> str:
        self.counter += 1
        return f"{letter}{self.counter}"

    def constant(self, value: object) -> str:
        name = self.fresh("k")
        self.names[name] = value
        return name

    def write(self, line: str) -> None:
        self.lines.append(self.margin + line)

    def assign(self, code: str) -> str:
        name = self.fresh()
        self.write(f"{name} = {code}")
        return name

    def guarded(self, code: str, *operands: _Operand) -> str:
        """The code, or U when one of the operands is."""
        tests = " or ".join(f"{each.code} is U" for each in operands if not each.sure)
        return f"U if {tests} else {code}" if tests else code

    def exact(self, operand: _Operand) -> _Operand:
        """The operand with a Span turned into UNKNOWN."""
        if not operand.fuzzy:
            return operand
        name = self.assign(f"exact({operand.code})")
        return _Operand(name, operand.kind, operand.unit, operand.codes, operand.integer, operand.partial)

    def need(self, node: ast.expr, operand: _Operand, kinds: Iterable[Kind], place: str) -> bool:
        """Whether the operand is of one of the kinds; a fault when not."""
        if operand.failed:
            return False
        if operand.kind in kinds or operand.kind is Kind.NOTHING:
            return True
        expected = " or ".join(_WORDS[kind] for kind in kinds)
        self.fail("expression.type", node, place=place, expected=expected, found=_WORDS[operand.kind])
        return False

    def same_unit(self, node: ast.AST, *operands: _Operand) -> str:
        """The unit that the operands share; a fault when two differ."""
        known = [operand.unit for operand in operands if operand.unit]
        for unit in known[1:]:
            if unit != known[0]:
                self.fail("expression.unit", node, left=known[0], right=unit)
                break
        return known[0] if known else ""

    def check_codes(self, node: ast.AST, coded: _Operand, other: _Operand) -> None:
        """Texts that meet a choice must be among its codes."""
        if coded.codes is None or other.codes is None or other.kind is not Kind.TEXT:
            return
        for text in sorted(other.codes - coded.codes):
            self.wrong_code(node, text, coded.codes)

    def wrong_code(self, node: ast.AST, text: str, codes: frozenset[str]) -> None:
        folded = {code.casefold(): code for code in codes}
        suggestion = folded.get(text.casefold()) or closest(text, sorted(codes))
        shown = ", ".join(sorted(codes)[:20]) + ("…" if len(codes) > 20 else "")
        self.fail("expression.code", node, suggestion, name=text, codes=shown)

    # -- the walk

    def visit(self, node: ast.expr) -> _Operand:
        match node:
            case ast.Constant():
                return self.visit_constant(node)
            case ast.Name() | ast.Attribute():
                return self.visit_reference(node)
            case ast.BoolOp():
                return self.visit_bool(node)
            case ast.UnaryOp():
                return self.visit_unary(node)
            case ast.BinOp():
                return self.visit_binary(node)
            case ast.Compare():
                return self.visit_compare(node)
            case ast.IfExp():
                return self.visit_if(node)
            case ast.Call():
                return self.visit_call(node)
            case _:
                return self.forbidden(node, node)

    def forbidden(self, node: ast.AST, construct: ast.AST) -> _Operand:
        return self.fail("expression.forbidden", node, construct=_CONSTRUCTS.get(type(construct), "…"))

    def visit_constant(self, node: ast.Constant) -> _Operand:
        value = node.value
        if value is None:
            return _Operand("U", Kind.NOTHING)
        if isinstance(value, bool):
            return _Operand(str(value), Kind.BOOL, sure=True)
        if isinstance(value, str):
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                return self.fail("expression.forbidden", node, construct="\\ud800")
            return _Operand(self.constant(value), Kind.TEXT, codes=frozenset({value}), sure=True)
        if isinstance(value, int):
            if value > MAX_NUMBER:
                return self.fail("expression.number", node, name=self.segment(node))
            return _Operand(str(value), Kind.NUMBER, integer=True, sure=True)
        if isinstance(value, float):
            number = Decimal(self.segment(node).replace("_", ""))
            if (number and not -15 <= number.adjusted() <= 15) or len(number.as_tuple().digits) > 28:
                return self.fail("expression.number", node, name=self.segment(node))
            return _Operand(self.constant(number), Kind.NUMBER, sure=True)
        return self.fail("expression.forbidden", node, construct=self.segment(node))

    # -- references

    def chain(self, node: ast.expr) -> Ref | None:
        """The Ref that a name or a dotted name writes; None (with a fault) when it writes none."""
        parts: list[str] = []
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            parts.insert(0, base.attr)
            base = base.value
        visit = ""
        if isinstance(base, ast.Call) and isinstance(base.func, ast.Name) and base.func.id == "at":
            arguments = base.args
            literal = arguments[0] if len(arguments) == 1 and not base.keywords else None
            if not isinstance(literal, ast.Constant) or not isinstance(literal.value, str) or len(parts) != 2:
                self.fail("expression.arguments", base, name="at", expected="a visit: at('SCR').form.item")
                return None
            visit = literal.value
        elif isinstance(base, ast.Name):
            parts.insert(0, base.id)
        else:
            self.fail("expression.forbidden", node, construct="." + ".".join(parts))
            return None
        match parts:
            case ["today"] if not visit:
                return Ref("context", name="today")
            case ["param", name] if not visit:
                return Ref("parameter", name=name)
            case ["participant" | "visit" | "randomization" as root, name] if not visit:
                return Ref("context", name=f"{root}.{name}")
            case ["previous", item] if not visit:
                return Ref("item", item=item, visit=PREVIOUS)
            case ["previous", form, item] if not visit:
                return Ref("item", form=form, item=item, visit=PREVIOUS)
            case [item] if item not in ("param", "participant", "visit", "randomization", "previous", "at"):
                return Ref("item", item=item)
            case [form, item]:
                return Ref("item", form=form, item=item, visit=visit)
        self.fail("expression.name", node, what="name", name=".".join(parts))
        return None

    def resolve(self, node: ast.expr, ref: Ref) -> Symbol | None:
        """The scope's symbol; None (with a fault) when there is none."""
        found = self.scope.resolve(ref)
        if isinstance(found, Symbol):
            return found
        self.not_found(node, found)
        return None

    def not_found(self, node: ast.AST, found: NotFound) -> None:
        constants = {"true": "True", "false": "False", "none": "None", "null": "None"}
        suggestion = constants.get(found.name.casefold()) or closest(found.name, found.candidates)
        self.fail("expression.name", node, suggestion, what=found.what, name=found.name)

    def visit_reference(self, node: ast.Name | ast.Attribute) -> _Operand:
        ref = self.chain(node)
        symbol = None if ref is None else self.resolve(node, ref)
        if ref is None or symbol is None:
            return _FAILED
        ref = _shared(symbol.ref or ref)
        if symbol.rows is not None and not self.enter(node, symbol.rows, str(ref)):
            return _FAILED
        code = self.read(Argument("get", ref), symbol.rows is not None)
        self.note(ref, symbol.rows)
        return _Operand(code, symbol.kind, symbol.unit, symbol.codes, symbol.integer, symbol.partial)

    def ref(self, ref: Ref) -> str:
        """The constant that holds a Ref."""
        return self.refs.get(ref) or self.refs.setdefault(ref, self.constant(ref))

    def read(self, argument: Argument, of_row: bool) -> str:
        """The variable of something read, from the row of the innermost loop or from the context; once each."""
        loads = self.frames[-1].loads if of_row else self.loads
        return loads.get(argument) or loads.setdefault(argument, self.fresh("v"))

    def asked(self, place: str, argument: Argument) -> str:
        """The code that asks a context or a row for an argument."""
        how, ref = argument.how, self.ref(argument.ref)
        match how:
            case "low" | "high":
                return f'{place}.reference({ref}, "{how}")'
            case "count":
                return f"len({place}.rows({ref}))"
            case "rows":
                reads = "".join(f"{self.asked('r', each)}, " for each in argument.each)
                return f"[({reads}) for r in {place}.rows({ref})]"
            case _:
                return f"{place}.{how}({ref})"

    def note(self, ref: Ref, rows: Ref | None) -> None:
        self.inputs.setdefault(Read(ref, rows))
        self.reads.add(ref)
        if rows is not None:
            self.reads.add(rows)

    def enter(self, node: ast.AST, rows: Ref, name: str) -> bool:
        """Whether an item of this list may be read here: inside one aggregate that goes through no other list."""
        if not self.frames:
            self.fail("expression.list", node, name=name)
            return False
        frame = self.frames[-1]
        if frame.rows is None:
            frame.rows = rows
        elif frame.rows != rows:
            if not frame.failed:
                self.fail("expression.two_lists", node, name=frame.function, left=str(frame.rows), right=str(rows))
            frame.failed = True
            return False
        return True

    # -- operators

    def visit_bool(self, node: ast.BoolOp) -> _Operand:
        is_and = isinstance(node.op, ast.And)
        decided, neutral = ("False", "True") if is_and else ("True", "False")
        place = "“and”" if is_and else "“or”"
        target, margin = self.fresh(), self.margin
        correct, sure = True, True
        for index, value in enumerate(node.values):
            if index:
                self.write(f"if {target} is not {decided}:")
                self.margin += " "
            operand = self.visit(value)
            correct &= self.need(value, operand, (Kind.BOOL,), place)
            sure &= operand.sure
            if index:
                self.write(f"if {operand.code} is not {neutral}: {target} = {operand.code}")
                self.margin = margin
            else:
                self.write(f"{target} = {operand.code}")
        return _Operand(target, Kind.BOOL, sure=sure) if correct else _FAILED

    def visit_unary(self, node: ast.UnaryOp) -> _Operand:
        if isinstance(node.op, ast.Invert):
            return self.forbidden(node, node.op)
        operand = self.visit(node.operand)
        if isinstance(node.op, ast.Not):
            if not self.need(node.operand, operand, (Kind.BOOL,), "“not”"):
                return _FAILED
            return _Operand(self.assign(f"negate({operand.code})"), Kind.BOOL, sure=operand.sure)
        sign = "-" if isinstance(node.op, ast.USub) else "+"
        if not self.need(node.operand, operand, (Kind.NUMBER,), f"“{sign}”"):
            return _FAILED
        if sign == "+":
            return operand
        code = self.assign(f"neg({operand.code})")
        return _Operand(code, Kind.NUMBER, operand.unit, integer=operand.integer, fuzzy=operand.fuzzy)

    def visit_binary(self, node: ast.BinOp) -> _Operand:
        chain: list[ast.BinOp] = []
        leftmost: ast.expr = node
        while isinstance(leftmost, ast.BinOp):
            chain.append(leftmost)
            leftmost = leftmost.left
        left = self.visit(leftmost)
        for step in reversed(chain):
            left = self.binary(step, left, self.visit(step.right))
        return left

    def binary(self, node: ast.BinOp, left: _Operand, right: _Operand) -> _Operand:
        known = _BINARY.get(type(node.op))
        if known is None:
            return self.forbidden(node, node.op)
        helper, sign = known
        if not self.need(node.left, left, (Kind.NUMBER,), f"“{sign}”"):
            return _FAILED
        if not self.need(node.right, right, (Kind.NUMBER,), f"“{sign}”"):
            return _FAILED
        # A product or quotient may be a conversion (µmol/L × 0.0113), so its unit is open.
        unit = self.same_unit(node, left, right) if helper in ("add", "sub", "mod") else ""
        fuzzy = helper in ("add", "sub", "mul", "div") and (left.fuzzy or right.fuzzy)
        if not fuzzy:
            left, right = self.exact(left), self.exact(right)
        integer = left.integer and right.integer and helper not in ("div", "power")
        code = self.assign(f"{helper}({left.code}, {right.code})")
        return _Operand(code, Kind.NUMBER, unit, integer=integer, fuzzy=fuzzy)

    def visit_compare(self, node: ast.Compare) -> _Operand:
        values = [node.left, *node.comparators]
        parts: list[_Operand] = []
        left = self.visit(node.left)
        for index, operator in enumerate(node.ops):
            comparator = node.comparators[index]
            if isinstance(operator, (ast.In, ast.NotIn)):
                part = self.membership(values[index], left, comparator, isinstance(operator, ast.NotIn))
                right = _FAILED
                if index + 1 < len(node.ops):
                    part = self.fail("expression.forbidden", node, construct="in … in")
            else:
                right = self.visit(comparator)
                sign = _COMPARE.get(type(operator))
                part = (
                    self.forbidden(node, operator)
                    if sign is None
                    else self.compare(values[index], left, sign, right, comparator)
                )
            parts.append(part)
            if isinstance(operator, (ast.In, ast.NotIn)):
                break
            left = right
        if any(part.failed for part in parts):
            return _FAILED
        result = parts[0]
        for part in parts[1:]:
            code = self.assign(f"both_hold({result.code}, {part.code})")
            result = _Operand(code, Kind.BOOL, sure=result.sure and part.sure)
        return result

    def compare(
        self, left_node: ast.expr, left: _Operand, sign: str, right: _Operand, right_node: ast.expr
    ) -> _Operand:
        """One comparison; the code of a simple one is Python's own operator behind tests for UNKNOWN."""
        if left.failed or right.failed:
            return _FAILED
        kinds = {left.kind, right.kind}
        texts = kinds <= {Kind.TEXT, Kind.CODE}
        days = kinds <= _DAYS
        if not (len(kinds) == 1 or texts or days) or kinds & {Kind.CODES, Kind.FILE, Kind.NOTHING}:
            words = {"left": _WORDS[left.kind], "right": _WORDS[right.kind]}
            return self.fail("expression.compare", left_node, **words)
        if sign not in ("==", "!=") and not (days or kinds <= _ORDERED):
            return self.fail("expression.order", left_node, kind=_WORDS[left.kind], operator=sign)
        if texts:
            if left.kind is Kind.CODE and right.kind is Kind.CODE:
                if left.codes is not None and right.codes is not None and not left.codes & right.codes:
                    return self.fail("expression.compare", left_node, left="a choice", right="a choice of other codes")
            elif left.kind is Kind.CODE:
                self.check_codes(right_node, left, right)
            elif right.kind is Kind.CODE:
                self.check_codes(left_node, right, left)
        if kinds == {Kind.NUMBER}:
            self.same_unit(left_node, left, right)
        a, b = left.code, right.code
        family = ""
        if left.fuzzy or right.fuzzy:
            family = "number"
        elif left.partial or right.partial or (days and len(kinds) == 2):
            family = "date"
            if Kind.DATETIME in kinds:
                a, b = f"day_of({a})", f"day_of({b})"
        if family:
            helper, swapped, negated = _HELPED[sign]
            code = f"{family}_{helper}({b}, {a})" if swapped else f"{family}_{helper}({a}, {b})"
            return _Operand(self.assign(f"negate({code})" if negated else code), Kind.BOOL)
        sure = left.sure and right.sure
        return _Operand(self.assign(self.guarded(f"{a} {sign} {b}", left, right)), Kind.BOOL, sure=sure)

    def membership(self, left_node: ast.expr, left: _Operand, right: ast.expr, negated: bool) -> _Operand:
        """`x in (…)`, or `'CODE' in multiple_choice`."""
        if not isinstance(right, (ast.Tuple, ast.List, ast.Set)):
            container = self.visit(right)
            if container.failed or left.failed:
                return _FAILED
            if container.kind is not Kind.CODES:
                return self.fail("expression.type", right, place="“in”", expected="(…)", found=_WORDS[container.kind])
            return self.contains(left_node, container, left, negated)
        if not right.elts:
            return self.fail("expression.type", right, place="“in”", expected="(…)", found="an empty list")
        left = self.exact(left)
        elements = [(element, self.exact(self.visit(element))) for element in right.elts]
        if left.failed or any(operand.failed for _, operand in elements):
            return _FAILED
        before = len(self.faults)
        literal = [element.value for element, _ in elements if isinstance(element, ast.Constant)]
        plain = left.kind in (Kind.TEXT, Kind.CODE, Kind.NUMBER) and len(literal) == len(elements)
        keep = list(self.lines)
        results = [self.compare(left_node, left, "==", operand, element) for element, operand in elements]
        if len(self.faults) > before:
            return _FAILED
        if plain:
            self.lines[:] = keep
            values = frozenset(self.names.get(operand.code, literal[i]) for i, (_, operand) in enumerate(elements))
            test = f"{left.code} {'not in' if negated else 'in'} {self.constant(values)}"
            return _Operand(self.assign(self.guarded(test, left)), Kind.BOOL, sure=left.sure)
        code = self.assign(f"kleene_or({', '.join(result.code for result in results)})")
        return _Operand(self.assign(f"negate({code})") if negated else code, Kind.BOOL)

    def contains(self, node: ast.expr, container: _Operand, code: _Operand, negated: bool = False) -> _Operand:
        if not self.need(node, code, (Kind.TEXT, Kind.CODE), "“in”"):
            return _FAILED
        self.check_codes(node, container, code)
        test = f"{code.code} {'not in' if negated else 'in'} {container.code}"
        return _Operand(self.assign(self.guarded(test, container, code)), Kind.BOOL)

    def visit_if(self, node: ast.IfExp) -> _Operand:
        condition = self.visit(node.test)
        first, second = self.visit(node.body), self.visit(node.orelse)
        if not self.need(node.test, condition, (Kind.BOOL,), "“if”") or first.failed or second.failed:
            return _FAILED
        result = self.unify(node, first, second)
        if result.failed:
            return _FAILED
        otherwise = "U" if Kind.NOTHING in (first.kind, second.kind) else f"either({first.code}, {second.code})"
        test = f"{first.code} if {condition.code} is True else {second.code} if {condition.code} is False"
        result.code = self.assign(f"{test} else {otherwise}")
        result.sure = condition.sure and first.sure and second.sure
        result.fuzzy |= result.kind is Kind.NUMBER and not condition.sure
        return result

    def unify(self, node: ast.expr, first: _Operand, second: _Operand) -> _Operand:
        """The type of what is one or the other; its code is still to be written."""
        kinds = {first.kind, second.kind} - {Kind.NOTHING}
        codes: frozenset[str] | None = None
        if len(kinds) > 1 and kinds != {Kind.TEXT, Kind.CODE}:
            words = {"left": _WORDS[first.kind], "right": _WORDS[second.kind]}
            return self.fail("expression.branches", node, **words)
        kind = Kind.NOTHING if not kinds else Kind.TEXT if len(kinds) > 1 else kinds.pop()
        present = [each for each in (first, second) if each.kind is not Kind.NOTHING]
        if present and all(each.codes is not None for each in present):
            codes = frozenset().union(*(each.codes or frozenset() for each in present))
        unit = self.same_unit(node, first, second) if kind is Kind.NUMBER else ""
        return _Operand(
            "U",
            kind,
            unit,
            codes,
            integer=all(each.integer for each in present),
            partial=any(each.partial for each in present),
            fuzzy=any(each.fuzzy for each in present),
        )

    # -- functions

    def visit_call(self, node: ast.Call) -> _Operand:
        if not isinstance(node.func, ast.Name):
            return self.fail("expression.forbidden", node, construct="….…()")
        name = node.func.id
        if name == "at":
            return self.fail("expression.arguments", node, name="at", expected="a visit: at('SCR').form.item")
        if name not in FUNCTIONS:
            return self.fail("expression.function", node, closest(name, FUNCTIONS), name=name)
        if node.keywords:
            return self.fail("expression.forbidden", node, construct=f"{node.keywords[0].arg or '**'}=")
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                return self.forbidden(argument, argument)
        if name in ROWS_FUNCTIONS and not (name in ("min", "max") and self.is_scalar_choice(node)):
            return self.aggregate(node, name)
        method: Callable[[ast.Call], _Operand] = getattr(self, f"call_{name}")
        return method(node)

    def arity(self, node: ast.Call, low: int, high: int | None, expected: str) -> bool:
        if len(node.args) < low or (high is not None and len(node.args) > high):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            self.fail("expression.arguments", node, name=name, expected=expected)
            return False
        return True

    def operands(self, node: ast.Call, *kinds: Iterable[Kind]) -> list[_Operand] | None:
        """The arguments, exact and of these kinds; None after a fault."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        found: list[_Operand] = []
        correct = True
        for index, argument in enumerate(node.args):
            operand = self.exact(self.visit(argument))
            allowed = kinds[index] if index < len(kinds) else kinds[-1]
            correct &= self.need(argument, operand, allowed, f"{name}()")
            found.append(operand)
        return found if correct else None

    def call_days_between(self, node: ast.Call) -> _Operand:
        return self.between(node, "days_between")

    def call_months_between(self, node: ast.Call) -> _Operand:
        return self.between(node, "months_between")

    def call_years_between(self, node: ast.Call) -> _Operand:
        return self.between(node, "years_between")

    def between(self, node: ast.Call, helper: str) -> _Operand:
        if not self.arity(node, 2, 2, "two dates"):
            return _FAILED
        found = self.operands(node, _DAYS)
        if found is None:
            return _FAILED
        code = self.assign(f"{helper}({found[0].code}, {found[1].code})")
        return _Operand(code, Kind.NUMBER, integer=True, fuzzy=any(each.partial for each in found))

    def call_add_days(self, node: ast.Call) -> _Operand:
        return self.later(node, "add_days")

    def call_add_months(self, node: ast.Call) -> _Operand:
        return self.later(node, "add_months")

    def later(self, node: ast.Call, helper: str) -> _Operand:
        if not self.arity(node, 2, 2, "a date and a whole number"):
            return _FAILED
        found = self.operands(node, _DAYS, (Kind.NUMBER,))
        if found is None:
            return _FAILED
        code = self.assign(f"{helper}({found[0].code}, {found[1].code})")
        kind = Kind.DATE if found[0].kind is Kind.NOTHING else found[0].kind
        return _Operand(code, kind, partial=found[0].partial and helper == "add_months")

    def call_abs(self, node: ast.Call) -> _Operand:
        if not self.arity(node, 1, 1, "one number"):
            return _FAILED
        found = self.operands(node, (Kind.NUMBER,))
        if found is None:
            return _FAILED
        code = self.assign(f"absolute({found[0].code})")
        return _Operand(code, Kind.NUMBER, found[0].unit, integer=found[0].integer)

    def call_round(self, node: ast.Call) -> _Operand:
        if not self.arity(node, 1, 2, "a number and how many decimals, 0 to 10"):
            return _FAILED
        found = self.operands(node, (Kind.NUMBER,))
        if found is None:
            return _FAILED
        places = found[1].code if len(found) == 2 else "0"
        code = self.assign(f"rounded({found[0].code}, {places})")
        return _Operand(code, Kind.NUMBER, found[0].unit, integer=places == "0" or found[0].integer)

    def call_coalesce(self, node: ast.Call) -> _Operand:
        if not self.arity(node, 2, None, "two values or more"):
            return _FAILED
        found = self.operands(node, _ANYTHING)
        if found is None:
            return _FAILED
        result = found[0]
        for operand in found[1:]:
            unified = self.unify(node, result, operand)
            if unified.failed:
                return _FAILED
            code = result.code if result.sure else f"{operand.code} if {result.code} is U else {result.code}"
            unified.code = self.assign(code)
            unified.sure = result.sure or operand.sure
            result = unified
        return result

    def call_known_count(self, node: ast.Call) -> _Operand:
        if not self.arity(node, 1, None, "one value or more"):
            return _FAILED
        found = self.operands(node, _ANYTHING)
        if found is None:
            return _FAILED
        tests = ["True" if operand.sure else f"({operand.code} is not U)" for operand in found]
        code = self.assign(" + ".join(tests) + " + 0")
        return _Operand(code, Kind.NUMBER, integer=True, sure=True)

    def call_is_known(self, node: ast.Call) -> _Operand:
        if not self.arity(node, 1, 1, "one value"):
            return _FAILED
        found = self.operands(node, _ANYTHING)
        if found is None:
            return _FAILED
        code = "True" if found[0].sure else f"{found[0].code} is not U"
        return _Operand(self.assign(code), Kind.BOOL, sure=True)

    def call_is_missing(self, node: ast.Call) -> _Operand:
        if not self.arity(node, 1, 2, "an item and, if need be, a missing code"):
            return _FAILED
        code = ""
        if len(node.args) == 2:
            literal = node.args[1]
            code = literal.value if isinstance(literal, ast.Constant) and isinstance(literal.value, str) else "?"
            if code not in MISSING:
                self.wrong_code(literal, code, frozenset(MISSING))
                return _FAILED
        found = self.item_argument(node, "is_missing")
        if found is None:
            return _FAILED
        ref, symbol = found
        self.note(ref, symbol.rows)
        given = self.read(Argument("missing", ref), symbol.rows is not None)
        test = f"== {self.constant(code)}" if code else '!= ""'
        return _Operand(self.assign(f"{given} {test}"), Kind.BOOL, sure=True)

    def call_lln(self, node: ast.Call) -> _Operand:
        return self.reference_limit(node, "lln", "low")

    def call_uln(self, node: ast.Call) -> _Operand:
        return self.reference_limit(node, "uln", "high")

    def reference_limit(self, node: ast.Call, name: str, side: Literal["low", "high"]) -> _Operand:
        if not self.arity(node, 1, 1, "one laboratory item"):
            return _FAILED
        found = self.item_argument(node, name)
        if found is None:
            return _FAILED
        ref, symbol = found
        if not symbol.reference:
            return self.fail("expression.range", node, name=str(ref))
        self.inputs.setdefault(Read(Ref("range", ref.form, ref.item, ref.visit, side), symbol.rows))
        self.reads.add(ref)
        if symbol.rows is not None:
            self.reads.add(symbol.rows)
        code = self.read(Argument(side, ref), symbol.rows is not None)
        return _Operand(code, Kind.NUMBER, symbol.unit)

    def item_argument(self, node: ast.Call, name: str) -> tuple[Ref, Symbol] | None:
        """The first argument as an item: its Ref and its Symbol."""
        argument = node.args[0]
        if not isinstance(argument, (ast.Name, ast.Attribute)):
            self.fail("expression.reference", node, name=name)
            return None
        ref = self.chain(argument)
        symbol = None if ref is None else self.resolve(argument, ref)
        if ref is None or symbol is None:
            return None
        ref = symbol.ref or ref
        if ref.kind != "item":
            self.fail("expression.reference", node, name=name)
            return None
        if symbol.rows is not None and not self.enter(argument, symbol.rows, str(ref)):
            return None
        return ref, symbol

    def call_contains(self, node: ast.Call) -> _Operand:
        if not self.arity(node, 2, 2, "a multiple-choice item and a code"):
            return _FAILED
        found = self.operands(node, (Kind.CODES,), (Kind.TEXT, Kind.CODE))
        return _FAILED if found is None else self.contains(node.args[1], found[0], found[1])

    def call_length(self, node: ast.Call) -> _Operand:
        if not self.arity(node, 1, 1, "one text"):
            return _FAILED
        found = self.operands(node, (Kind.TEXT, Kind.CODES))
        if found is None:
            return _FAILED
        return _Operand(self.assign(self.guarded(f"len({found[0].code})", found[0])), Kind.NUMBER, integer=True)

    def call_year(self, node: ast.Call) -> _Operand:
        if not self.arity(node, 1, 1, "one date"):
            return _FAILED
        found = self.operands(node, _DAYS)
        if found is None:
            return _FAILED
        return _Operand(self.assign(f"year_of({found[0].code})"), Kind.NUMBER, integer=True)

    def call_date(self, node: ast.Call) -> _Operand:
        if len(node.args) == 1:
            found = self.operands(node, _DAYS)
            if found is None:
                return _FAILED
            return _Operand(self.assign(f"day_of({found[0].code})"), Kind.DATE, partial=found[0].partial)
        if not self.arity(node, 3, 3, "year, month and day, or one date and time"):
            return _FAILED
        found = self.operands(node, (Kind.NUMBER,))
        if found is None:
            return _FAILED
        return _Operand(self.assign(f"make_date({', '.join(each.code for each in found)})"), Kind.DATE)

    # -- rows

    def is_scalar_choice(self, node: ast.Call) -> bool:
        """Whether min/max chooses among its arguments: two or more, unless the second of two is a filter."""
        return len(node.args) > 2 or (len(node.args) == 2 and self.peek(node.args[1]) is not Kind.BOOL)

    def peek(self, node: ast.expr) -> Kind:
        """The kind of a tree, without a trace of having looked."""
        if id(node) not in self.peeked:
            other = Compiler(self.source, self.scope)
            other.peeked = self.peeked
            other.frames.append(_Frame(""))
            self.peeked[id(node)] = other.visit(node).kind
        return self.peeked[id(node)]

    def call_min(self, node: ast.Call) -> _Operand:
        return self.choose(node, "smaller")

    def call_max(self, node: ast.Call) -> _Operand:
        return self.choose(node, "larger")

    def choose(self, node: ast.Call, helper: str) -> _Operand:
        result: _Operand | None = None
        for argument in node.args:
            operand = self.visit(argument)
            if not self.need(argument, operand, _ORDERED, "min() and max()"):
                return _FAILED
            if result is None:
                result = operand
                continue
            unified = self.unify(node, result, operand)
            if unified.failed:
                return _FAILED
            unified.code = self.assign(f"{helper}({result.code}, {operand.code})")
            result = unified
        return result or _FAILED

    def aggregate(self, node: ast.Call, name: str) -> _Operand:
        """One loop over the rows of one list, written before everything that uses it."""
        if not self.arity(node, 1, 2, "an expression over one list and, if need be, a filter"):
            return _FAILED
        if name == "count":
            rows = self.entries(node.args[0])
            if rows is not None:
                return self.count_entries(node, rows)
        frame = _Frame(name)
        result = self.in_frame(frame, lambda: self.loop(node, name, frame))
        if result.failed or frame.failed:
            return _FAILED
        if frame.rows is None:
            return self.fail("expression.no_list", node, name=name)
        self.close(frame, name, result)
        return result

    def in_frame(self, frame: _Frame, write: Callable[[], _Operand]) -> _Operand:
        kept = self.lines, self.margin
        self.frames.append(frame)
        self.lines, self.margin = frame.lines, " "
        result = write()
        self.frames.pop()
        self.lines, self.margin = kept
        return result

    def entries(self, argument: ast.expr) -> Ref | None:
        """The list that a bare name in count() means, unless it is an item of a list."""
        if not isinstance(argument, ast.Name):
            return None
        found = self.scope.resolve(Ref("item", item=argument.id))
        if isinstance(found, Symbol) and found.rows is not None:
            return None
        return self.scope.rows(argument.id)

    def count_entries(self, node: ast.Call, rows: Ref) -> _Operand:
        self.note(rows, None)
        if len(node.args) == 1:
            name = self.fresh()
            self.lists.append((Argument("count", rows), name))
            return _Operand(name, Kind.NUMBER, integer=True, sure=True)
        filtered = ast.Call(func=node.func, args=[node.args[1]], keywords=[])
        ast.copy_location(filtered, node)
        frame = _Frame("count", rows=rows)
        result = self.in_frame(frame, lambda: self.loop(filtered, "count", frame))
        if result.failed or frame.failed:
            return _FAILED
        self.close(frame, "count", result)
        return result

    def loop(self, node: ast.Call, name: str, frame: _Frame) -> _Operand:
        """The loop's body; what it gathers is in the variable of the operand."""
        keep: _Operand | None = None
        if len(node.args) == 2:
            keep = self.visit(node.args[1])
            if not self.need(node.args[1], keep, (Kind.BOOL,), f"the filter of {name}()"):
                keep = _FAILED
        value = self.exact(self.visit(node.args[0]))
        kinds: Iterable[Kind] = {
            "sum": (Kind.NUMBER,),
            "min": _ORDERED,
            "max": _ORDERED,
            "first": _ANYTHING,
            "last": _ANYTHING,
        }.get(name, (Kind.BOOL,))
        if not self.need(node.args[0], value, kinds, f"{name}()") or (keep is not None and keep.failed):
            return _FAILED
        target = self.fresh()
        if name in ("count", "any", "all"):
            condition = value.code
            if keep is not None:
                joined = "holds_unless" if name == "all" else "both_hold"
                condition = self.assign(f"{joined}({value.code}, {keep.code})")
            if name == "count":
                self.write(f"if {condition} is True: {target} += 1")
                self.write(f"elif {condition} is not False: {target}_ += 1")
                return _Operand(target, Kind.NUMBER, integer=True, fuzzy=True)
            decided, neutral = ("True", "False") if name == "any" else ("False", "True")
            self.write(f"if {condition} is {decided}:")
            self.write(f" {target} = {decided}")
            self.write(" break")
            self.write(f"if {condition} is not {neutral}: {target} = U")
            return _Operand(target, Kind.BOOL)
        if keep is not None:
            self.write(f"if {keep.code} is False: continue")
        row = value.code if keep is None else f"{value.code} if {keep.code} is True else U"
        helper = {"sum": "add", "min": "smaller", "max": "larger"}.get(name)
        if helper is None:
            self.write(f"{target} = {row}")
            if name == "first":
                self.write("break")
        else:
            self.write(f"{target}_ = {row}")
            joined = f"{helper}({target}, {target}_)"
            self.write(f"{target} = {joined if name == 'sum' else f'{target}_ if {target} is None else {joined}'}")
            self.write(f"if {target} is U: break")
        return _Operand(target, value.kind, value.unit, value.codes, value.integer, value.partial)

    def close(self, frame: _Frame, name: str, result: _Operand) -> None:
        """Write the finished loop where inner loops already stand."""
        target = result.code
        start = {"count": "0", "sum": "0", "any": "False", "all": "True", "min": "None", "max": "None"}.get(name, "U")
        self.loops.append(f"{target} = {start}")
        if name == "count":
            self.loops.append(f"{target}_ = 0")
        assert frame.rows is not None
        listed = self.fresh("l")
        self.lists.append((Argument("rows", frame.rows, tuple(frame.loads)), listed))
        self.loops.append(f"for {''.join(f'{variable}, ' for variable in frame.loads.values()) or '_'} in {listed}:")
        self.loops += frame.lines
        if name == "count":
            self.loops.append(f"if {target}_: {target} = span({target}, {target} + {target}_)")
        elif name in ("min", "max"):
            self.loops.append(f"if {target} is None: {target} = U")

    # -- the end

    def check_result(self, node: ast.expr, result: _Operand, expects: Kind | Symbol) -> None:
        """A fault when the result does not fit what is needed."""
        needed = expects if isinstance(expects, Symbol) else Symbol(expects)
        found = result.kind
        if found is Kind.NOTHING:
            return
        if needed.kind is Kind.CODE and found is Kind.TEXT and result.codes is not None:
            self.check_codes(node, _Operand("", Kind.CODE, codes=needed.codes), result)
        elif needed.kind is Kind.CODE and found is Kind.CODE:
            if needed.codes is not None and result.codes is not None:
                for code in sorted(result.codes - needed.codes):
                    self.wrong_code(node, code, needed.codes)
        elif found is not needed.kind and not (needed.kind is Kind.TEXT and found is Kind.CODE):
            self.fail("expression.result", node, found=_WORDS[found], expected=_WORDS[needed.kind])
        elif needed.unit and result.unit and needed.unit != result.unit:
            self.fail("expression.result_unit", node, found=result.unit, expected=needed.unit)

    def finish(self, result: _Operand) -> Expression:
        """The compiled expression."""
        result = self.exact(result)
        read = [*self.loads.items(), *self.lists]
        lines = [f"def compute({', '.join(variable for _argument, variable in read)}):", " try:"]
        lines += [f"  {line}" for line in self.loops]
        lines += [f"  {line}" for line in self.lines]
        if result.kind is Kind.BOOL:
            lines.append(f"  return {result.code} if {result.code} is True or {result.code} is False else U")
        else:
            lines.append(f"  return {result.code}")
        lines += [" except DATA_ERRORS:", "  return U"]
        # What the context answers is read outside the try: its bugs are to be seen, not to become UNKNOWN.
        lines += [
            "def evaluate(c):",
            f" return compute({', '.join(self.asked('c', each) for each, _variable in read)})",
        ]
        text = "\n".join(lines)
        namespace: dict[str, Any] = {**_NAMESPACE, **self.names}
        exec(_code(text), namespace)  # noqa: S102 - text written above, from numbered names only
        return Expression(
            source=self.source,
            type=result.kind,
            unit=result.unit,
            codes=result.codes,
            reads=frozenset(self.reads),
            inputs=tuple(self.inputs),
            arguments=tuple(argument for argument, _variable in read),
            compute=namespace["compute"],
            evaluate=namespace["evaluate"],
            code=text,
        )


@lru_cache(maxsize=1_024)  # names are numbered and constants named: the next version of a study says the same
def _code(text: str) -> CodeType:
    return compile(text, "<expression>", "exec", dont_inherit=True)


_HELPERS = (
    *("add", "sub", "mul", "div", "floordiv", "mod", "power", "neg", "absolute", "rounded", "exact", "either", "span"),
    *("number_lt", "number_le", "number_eq", "date_lt", "date_le", "date_eq", "negate", "both_hold", "holds_unless"),
    *("day_of", "make_date", "year_of", "add_days", "add_months", "days_between", "months_between", "years_between"),
    *("smaller", "larger"),
)
_NAMESPACE: dict[str, Any] = {
    "__builtins__": {},
    "U": UNKNOWN,
    "len": len,
    "kleene_or": kleene_or,
    # What operands of a wrong type or out of range raise: stored data may be older than the definition.
    "DATA_ERRORS": (TypeError, ValueError, ArithmeticError, AttributeError),
    **{name: getattr(operators, name) for name in _HELPERS},
}
