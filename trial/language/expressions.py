"""Expressions: Python's expression syntax, white-listed, checked against a scope, compiled to one Python function.

What an expression may hold: references, literals, + - * / // % **, comparisons (chained), in, and/or/not, `a if c else
b`, tuples after `in`, and the functions of FUNCTIONS. Everything else is a Fault, and all faults of an expression are
reported at once. The generated function holds no text of the author: names become numbered variables, literals become
constants; nothing but the operators of `trial.language.operators` is reachable from it.

Three values: an unknown operand makes a comparison or a computation UNKNOWN; `and`, `or`, `not` follow Kleene; `a if c
else b` with c unknown is known when both alternatives agree. Aggregates over rows: `any` is True as soon as one row is
true, `all` False as soon as one is false; `count(cond)` is exact when every row is known, otherwise it lies between the
number of true rows and that number plus the unknown ones, which may still decide a comparison (`count(...) <= 3`);
`sum`, `min`, `max` are UNKNOWN when a row that counts is; `first` and `last` look at that row alone. Without rows `any`
is False, `all` True, `count` and `sum` 0, the others UNKNOWN. A filter that is unknown for a row makes that row
unknown.
"""

from __future__ import annotations

from trial.language.compiler import FUNCTIONS, Argument, Compiler, Expression, Read
from trial.language.refs import Context, Kind, Ref, Scope, Symbol
from trial.language.syntax import MAX_CHARACTERS, MAX_DEPTH, ExpressionError, read
from trial.language.unknown import UNKNOWN


def compile_expression(source: str, scope: Scope, *, expects: Kind | Symbol | None = None) -> Expression:
    """Check an expression against a scope and compile it; ExpressionError names every fault.

    `expects` is what the result must be: `Kind.BOOL` for checks and conditions, the item's Symbol for a derivation
    (kind, unit, and for a choice the codes that the expression can give).
    """
    tree = read(source)
    compiler = Compiler(source, scope)
    result = compiler.visit(tree)
    if not result.failed and expects is not None:
        compiler.check_result(tree, result, expects)
    if compiler.faults:
        ordered = sorted(compiler.faults, key=lambda fault: -1 if fault.column is None else fault.column)
        raise ExpressionError(source, ordered)
    return compiler.finish(result)


def explain(expression: Expression, context: Context) -> list[tuple[Ref, object]]:
    """What the expression reads there, in the order of the text: (ref, value or UNKNOWN).

    For an item of a list the value is the tuple of the rows' values; for a list itself, its number of rows.
    """
    return [(read.ref, _look(read, context)) for read in expression.inputs]


def missing_inputs(expression: Expression, context: Context) -> list[Ref]:
    """The references that are unknown there, in one row at least for a list: what a person has to fill."""
    return [
        ref
        for ref, value in explain(expression, context)
        if value is UNKNOWN or (isinstance(value, tuple) and any(each is UNKNOWN for each in value))
    ]


def _look(read: Read, context: Context) -> object:
    ref = read.ref
    if ref.kind == "rows":
        return len(context.rows(ref))
    places = [context] if read.rows is None else context.rows(read.rows)
    found: list[object] = []
    for place in places:
        if ref.kind == "range":
            base = Ref("item", ref.form, ref.item, ref.visit)
            found.append(place.reference(base, "low" if ref.name == "low" else "high"))
        else:
            found.append(place.get(ref))
    return found[0] if read.rows is None else tuple(found)


__all__ = [
    "FUNCTIONS",
    "MAX_CHARACTERS",
    "MAX_DEPTH",
    "Argument",
    "Expression",
    "ExpressionError",
    "Read",
    "compile_expression",
    "explain",
    "missing_inputs",
]
