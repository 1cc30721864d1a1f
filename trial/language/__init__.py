"""The study's language: values as people type them, and the expressions over them. Pure Python, no Django.

Values
    `parse(spec, typed, today=…)` → `Value` or None (empty), raises `Fault`; `dump`/`load` to and from JSON;
    `display(spec, value, locale)`. `plain_reader(spec)` makes what reads plainly typed texts as `dump(parse(…))` would,
    without thinking. `spec` is anything with the attributes of `ItemSpec` (`Spec` is a ready dataclass).

Expressions, at publish
    `compile_expression(source, scope, expects=Kind.BOOL)` → `Expression`, raises `ExpressionError` (`.faults`).
    The caller implements `Scope`, two methods, one object per place (form, or form and repeating group):

        class FormScope:
            def resolve(self, ref: Ref) -> Symbol | NotFound: ...
            def rows(self, name: str) -> Ref | None: ...

    How source text becomes the `Ref` given to `resolve`:

        size                      Ref("item", item="size")
        lab.hgb                   Ref("item", form="lab", item="hgb")
        at('SCR').lab.hgb         Ref("item", form="lab", item="hgb", visit="SCR")
        previous.lab.hgb          Ref("item", form="lab", item="hgb", visit="previous")
        previous.hgb              Ref("item", item="hgb", visit="previous")
        param.max_lesions         Ref("parameter", name="max_lesions")
        today, visit.date         Ref("context", name="today"), Ref("context", name="visit.date")
        count(lesion)             scope.rows("lesion"), e.g. Ref("rows", form="lesion") (log form) or
                                  Ref("rows", form="lab", item="group_id") (repeating group)

    `resolve` answers `Symbol(kind, unit=…, codes=…, integer=…, partial=…, reference=…, rows=…, ref=…)`, or
    `NotFound(what, name, candidates)`. `symbol_of(spec)` makes the Symbol of an item from its ItemSpec; add `rows` with
    `dataclasses.replace` when it is an item of a list seen from outside its row, and `ref` to make it absolute.
    `RESERVED` are words that no form may be called; `CONTEXT_KINDS` the context names with their kinds.

Expressions, at run time
    `expression.evaluate(context)` → Python value, True, False or `UNKNOWN`; never raises for the data's sake.
    The caller implements `Context`: `get(ref)`, `missing(ref)`, `reference(ref, "low"|"high")`, `rows(ref)`; a row has
    the first three. `operand(value)` turns a stored Value (or None) into what `get` must answer, `operand_reader(type)`
    makes a function that takes it straight from the stored data. `expression.compute(*values)` takes the values of
    `expression.arguments` from whoever knows them already. `expression.reads` are the Refs (as `Symbol.ref` made them).
    `explain(expression, context)` lists what was read.
    `result_value(spec, result)` turns a derivation's result into the Value to store, or None.
    `dependencies({key: (expression, …)})` orders derivations. `DictScope` and `DictContext` serve tests.
"""

from trial.language.expressions import (
    FUNCTIONS,
    Argument,
    Expression,
    ExpressionError,
    Read,
    compile_expression,
    explain,
    missing_inputs,
)
from trial.language.faults import MESSAGES, Fault
from trial.language.media import DEFAULT_ACCEPT, MEDIA_TYPES, MediaType, check_file, clean_name, size_words
from trial.language.missing import MISSING, missing_words
from trial.language.order import Order, dependencies
from trial.language.partial_dates import PartialDate
from trial.language.plain import PlainReader, plain_reader
from trial.language.refs import (
    CONTEXT_KINDS,
    KIND_OF,
    RESERVED,
    Context,
    DictContext,
    DictScope,
    Kind,
    NotFound,
    Ref,
    Row,
    Scope,
    Symbol,
    symbol_of,
)
from trial.language.units import unit_words
from trial.language.unknown import UNKNOWN, Unknown, kleene_and, kleene_not, kleene_or
from trial.language.values import (
    ItemSpec,
    ItemType,
    Spec,
    Value,
    clean_text,
    display,
    dump,
    format_date,
    format_number,
    load,
    operand,
    operand_reader,
    parse,
    parse_number,
    result_value,
)

__all__ = [
    "CONTEXT_KINDS",
    "DEFAULT_ACCEPT",
    "FUNCTIONS",
    "KIND_OF",
    "MEDIA_TYPES",
    "MESSAGES",
    "MISSING",
    "RESERVED",
    "UNKNOWN",
    "Argument",
    "Context",
    "DictContext",
    "DictScope",
    "Expression",
    "ExpressionError",
    "Fault",
    "ItemSpec",
    "ItemType",
    "Kind",
    "MediaType",
    "NotFound",
    "Order",
    "PartialDate",
    "PlainReader",
    "Read",
    "Ref",
    "Row",
    "Scope",
    "Spec",
    "Symbol",
    "Unknown",
    "Value",
    "check_file",
    "clean_name",
    "clean_text",
    "compile_expression",
    "dependencies",
    "display",
    "dump",
    "explain",
    "format_date",
    "format_number",
    "kleene_and",
    "kleene_not",
    "kleene_or",
    "load",
    "missing_inputs",
    "missing_words",
    "operand",
    "operand_reader",
    "parse",
    "parse_number",
    "plain_reader",
    "result_value",
    "size_words",
    "symbol_of",
    "unit_words",
]
