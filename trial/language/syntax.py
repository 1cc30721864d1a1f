"""From the text of an expression to a syntax tree within limits; every failure of the parser is one Fault.

`ast.parse` raises MemoryError or RecursionError on hostile text (20,000 × `not`, 20,000 terms), so length comes first.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import lru_cache

from trial.language.faults import Fault, fault

MAX_CHARACTERS = 2_000
MAX_DEPTH = 40


class ExpressionError(ValueError):
    """An expression that cannot be compiled; `faults` are all its Faults, in the order of the text."""

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        self.source = source
        self.faults = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in faults))


def read(source: str) -> ast.expr:
    """The syntax tree, within the limits; every failure of the parser becomes one fault."""
    if not isinstance(source, str):
        raise ExpressionError(repr(source), [fault("expression.syntax", detail="it is not a text")])
    text = source.strip()
    if not text:
        raise ExpressionError(source, [fault("expression.empty")])
    if len(source) > MAX_CHARACTERS:
        raise ExpressionError(source[:100], [fault("expression.too_long", length=len(source), limit=MAX_CHARACTERS)])
    return _tree(source)


@lru_cache(maxsize=1_024)  # versions of a study share nearly all their expressions; a tree is only looked at
def _tree(source: str) -> ast.expr:
    text = source.strip()
    if "\\" in text:
        raise ExpressionError(source, [_at(fault("expression.forbidden", construct="\\"), source.index("\\"))])
    try:
        tree = ast.parse(one_line(source), mode="eval").body
    except (MemoryError, RecursionError):
        raise ExpressionError(source, [fault("expression.too_deep", limit=MAX_DEPTH)]) from None
    except SyntaxError as error:
        if error.msg and "too many nested" in error.msg:
            raise ExpressionError(source, [fault("expression.too_deep", limit=MAX_DEPTH)]) from None
        # Offset 0 is how the parser says that the text ended too soon.
        offset = len(text) + 1 if error.offset == 0 else error.offset
        column = None if offset is None else indent(source) + offset - 1
        raise ExpressionError(source, [_at(fault("expression.syntax", detail=error.msg), column)]) from None
    except ValueError as error:  # NUL, lone surrogates
        raise ExpressionError(source, [fault("expression.syntax", detail=type(error).__name__)]) from None
    if _depth(tree) > MAX_DEPTH:
        raise ExpressionError(source, [fault("expression.too_deep", limit=MAX_DEPTH)])
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    if source.count("#") > sum(each.count("#") for each in texts):
        raise ExpressionError(source, [_at(fault("expression.forbidden", construct="#"), source.index("#"))])
    return tree


def one_line(source: str) -> str:
    """Line breaks of a YAML block become blanks of the same number, outer blanks go."""
    return source.replace("\r", " ").replace("\n", " ").replace("\t", " ").replace("\f", " ").strip()


def indent(source: str) -> int:
    return len(source) - len(source.lstrip())


def _at(found: Fault, column: int | None) -> Fault:
    found.column = column
    return found


def _depth(tree: ast.expr) -> int:
    """Levels of nesting; a chain a + b + c is one level, as a and b and c is."""
    deepest = 0
    stack: list[tuple[ast.AST, int]] = [(tree, 1)]
    while stack:
        node, level = stack.pop()
        deepest = max(deepest, level)
        if deepest > MAX_DEPTH:
            break
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)):
                continue
            chained = isinstance(node, ast.BinOp) and isinstance(child, ast.BinOp) and child is node.left
            stack.append((child, level if chained else level + 1))
    return deepest
