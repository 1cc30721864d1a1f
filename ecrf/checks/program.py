"""One Python function per form that evaluates it whole, written when the form is first evaluated.

A study is evaluated value by value, at every save and at every recomputation; what does not depend on the data is
therefore settled once, in the text of the function. Each item is a local variable: its value, or the column of its
values when it stands in the rows of a repeating group. The function reads what its expressions need, each once, and
computes in the order of need (a condition before what it shows, a value before what is calculated from it; circles were
refused when the definition was published). Then it tells the `Evaluation` what follows, in the order of the page:

    row1 = only(data, 'main')
    v1 = U if (h := row1.get('smoker')) is None else k1(h)      # k1 reads a yes or no as it is stored
    s2 = k2(v1)                                                 # the condition of `packs`, an `Expression.compute`
    …
    if v3 is U and s2 is not False: unanswered(found, k4, row1, id1)

Names of the study stand in it as quoted texts only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from weakref import WeakKeyDictionary

from trial.definition import Check, Definition, Group, Item, Severity
from trial.language import KIND_OF, UNKNOWN, Argument, Expression, Fault, ItemSpec, Kind, Ref, Value, result_value

from .book import HIDDEN, ROW_ID, Book, Entry, Reading, Rows, limit_of, stored_value
from .consent import ask_consent, ask_consent_version
from .outcome import Evaluation, Fired, RowKey, range_check_id

Program = Callable[[Book, Entry, Evaluation], None]
_PROGRAMS: WeakKeyDictionary[Definition, dict[str, Program]] = WeakKeyDictionary()


def program_of(definition: Definition, form_id: str) -> Program:
    """Return the function of a form; written when it is first asked for, and kept as long as the definition."""
    programs = _PROGRAMS.get(definition)
    if programs is None:
        programs = _PROGRAMS.setdefault(definition, {})
    program = programs.get(form_id)
    if program is None:
        program = programs[form_id] = _Writer(definition, form_id).program()
    return program


# ---------------------------------------------------------------- what the function calls


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """An item whose value matters even when no expression reads it."""

    item: Item
    group: str
    spec: ItemSpec
    soft: tuple[Decimal | None, Decimal | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    """An edit check and the group beside which it stands."""

    check: Check
    holder: str


_NO_ROW: Mapping[str, Any] = {}


def _only(data: Rows, group: str) -> Mapping[str, Any]:
    """The row of a group that does not repeat."""
    rows = data.get(group)
    return rows[0] if rows else _NO_ROW


def _mark(found: Evaluation, key: RowKey, shown: object) -> None:
    """Tell of an item that it is hidden, or shown because it is not known whether it should be."""
    found.shown[key] = shown is not False
    if shown is UNKNOWN:
        found.uncertain.add(key)


def _mark_all(found: Evaluation, group: str, row_id: str, items: Iterable[str], shown: object) -> None:
    for item in items:
        _mark(found, (group, row_id, item), shown)


def _result(spec: ItemSpec, result: object) -> Value | None:
    """The value of a derivation; None also for a result that the item cannot hold."""
    try:
        return result_value(spec, result)
    except Fault:
        return None


def _unanswered(found: Evaluation, asked: _Asked, row: Mapping[str, Any], row_id: str) -> None:
    """Judge an item of which expressions see nothing: empty, a missing code, or of another version's type."""
    stored = row.get(asked.item.id)
    value = stored_value(asked.spec, stored) if stored is not None else None
    if value is None:
        if asked.item.required:
            found.lacking.append((asked.group, row_id, asked.item.id))
    elif asked.item.missing_reason and value.missing and not value.reason.strip():
        found.unexplained.append((asked.group, row_id, asked.item.id))


def _outside(found: Evaluation, asked: _Asked, row_id: str, number: Any) -> None:
    """Tell of a number outside its soft limits."""
    item, (low, high) = asked.item, asked.soft
    unit = f" {item.unit}" if item.unit else ""
    if low is not None and number < low:
        words = {
            "en": f"This value is unusually low (below {low}{unit}). Correct it or confirm it.",
            "fr": f"Valeur anormalement basse (moins de {_fr(low)}{unit}). Corrigez-la ou confirmez-la.",
        }
    else:
        words = {
            "en": f"This value is unusually high (above {high}{unit}). Correct it or confirm it.",
            "fr": f"Valeur anormalement élevée (plus de {_fr(high)}{unit}). Corrigez-la ou confirmez-la.",
        }
    found.fired.append(Fired(range_check_id(item.id), Severity.SOFT, asked.group, row_id, (item.id,), words))


def _fr(number: object) -> str:
    return str(number).replace(".", ",")


def _take(found: Evaluation, rule: _Rule, answer: object, row_id: str) -> None:
    """Keep the answer of a check that does not hold, or cannot be evaluated."""
    check = rule.check
    if answer is UNKNOWN:
        found.silent.append(check.id)
    elif answer is False:
        found.fired.append(Fired(check.id, check.severity, rule.holder, row_id, check.items, check.message))


def _missing(spec: ItemSpec, stored: Any, shown: object) -> str:
    """The missing code of an item, "" when it has none or is hidden."""
    value = stored_value(spec, stored) if stored is not None and shown is not False else None
    return value.missing if value is not None else ""


def _limit(spec: ItemSpec, stored: Any, shown: object, side: Literal["low", "high"]) -> object:
    """A limit of the laboratory's range that is kept with an item; UNKNOWN when it has none or is hidden."""
    return limit_of(stored_value(spec, stored) if stored is not None and shown is not False else None, side)


_HELPERS: dict[str, Any] = {
    "__builtins__": {},
    "U": UNKNOWN,
    "HIDDEN": HIDDEN,
    "ROW_ID": ROW_ID,
    "Reading": Reading,
    "len": len,
    "range": range,
    "zip": zip,
    "only": _only,
    "mark": _mark,
    "mark_all": _mark_all,
    "result": _result,
    "unanswered": _unanswered,
    "outside": _outside,
    "take": _take,
    "missing": _missing,
    "limit": _limit,
    "ask_consent": ask_consent,
    "ask_consent_version": ask_consent_version,
}


# ---------------------------------------------------------------- the writing


class _Code(NamedTuple):
    """A variable or a literal; `group` is the repeating group of whose rows it is a column, else empty."""

    text: str
    group: str = ""


_TRUE, _UNKNOWN = _Code("True"), _Code("U")


class _Writer:
    """Writes the function of one form. What it writes of an item is written when it is first needed."""

    def __init__(self, definition: Definition, form_id: str) -> None:
        self.definition = definition
        self.compiled = definition.compiled.forms[form_id]
        self.form = self.compiled.form
        self.names = dict(_HELPERS)
        self.lines: list[str] = []
        self.codes: dict[tuple[object, ...], _Code | None] = {}
        self.counter = 0

    def program(self) -> Program:
        self.write("data, place = entry.data, entry.place")
        self.write("shown, derived, lacking = found.shown, found.derived, found.lacking")
        for group in self.form.groups:
            self.tell_rows(group) if group.repeating else self.tell_row(group)
        self.ask_consent()
        for check_id in self.compiled.checks:
            self.ask(check_id)
        text = "\n ".join(["def program(book, entry, found):", *self.lines])
        exec(compile(text, f"<{self.form.id}>", "exec", dont_inherit=True), self.names)  # noqa: S102 - written here
        program: Program = self.names["program"]
        return program

    # -- small tools

    def write(self, line: str) -> None:
        self.lines.append(line)

    def fresh(self, letter: str) -> str:
        self.counter += 1
        return f"{letter}{self.counter}"

    def constant(self, value: object) -> str:
        name = self.fresh("k")
        self.names[name] = value
        return name

    def once(self, key: tuple[object, ...], make: Callable[[], _Code]) -> _Code:
        """What stands for a key, made when it is first needed; UNKNOWN for what needs itself."""
        if key not in self.codes:
            self.codes[key] = None
            self.codes[key] = make()
        return self.codes[key] or _UNKNOWN

    def assign(self, letter: str, text: str, group: str = "") -> _Code:
        name = self.fresh(letter)
        self.write(f"{name} = {text}")
        return _Code(name, group)

    def each(self, letter: str, group: str, codes: Sequence[_Code], text: str) -> _Code:
        """A variable for a text over codes, `{0}` the first; a column when one of them is one, or `group` repeats."""
        columns = list(dict.fromkeys(code for code in codes if code.group))
        if not columns:
            computed = text.format(*(code.text for code in codes))
            return self.assign(letter, f"[{computed}] * {self.size(group)}" if group else computed, group)
        names = {column: f"c{number}" for number, column in enumerate(columns)}
        computed = text.format(*(names.get(code, code.text) for code in codes))
        listed = ", ".join(column.text for column in columns)
        if len(columns) == 1:
            return self.assign(letter, f"[{computed} for c0 in {listed}]", columns[0].group)
        return self.assign(letter, f"[{computed} for {', '.join(names.values())} in zip({listed})]", columns[0].group)

    def seen_from(self, code: _Code, group: str, empty: str = "U") -> _Code:
        """A code as the rows of a group see it (or what stands in none, ""): of another group's column, the first."""
        if not code.group or code.group == group:
            return code
        return _Code(f"({code.text}[0] if {code.text} else {empty})")

    # -- what is read of the form itself

    def rows(self, group: str) -> str:
        """The variable of a group's row, or of its rows when it repeats."""

        def read() -> _Code:
            if self.form.group(group).repeating:
                return self.assign("rows", f"data.get({group!r}, ())")
            return self.assign("row", f"only(data, {group!r})")

        return self.once(("rows", group), read).text

    def size(self, group: str) -> str:
        return self.once(("size", group), lambda: self.assign("n", f"len({self.rows(group)})")).text

    def ids(self, group: str) -> str:
        def read() -> _Code:
            rows = self.rows(group)
            if self.form.group(group).repeating:
                return self.assign("ids", f"[row.get(ROW_ID, '') for row in {rows}]")
            return self.assign("id", f"{rows}.get(ROW_ID, '')")

        return self.once(("ids", group), read).text

    def group_of(self, item: Item) -> Group:
        return self.form.group_of(item.id)

    def column(self, item: Item) -> str:
        """The group when the item stands in one that repeats, else ""."""
        group = self.group_of(item)
        return group.id if group.repeating else ""

    def group_shown(self, group: str) -> _Code:
        """True, False, or UNKNOWN (shown, and marked)."""
        condition = self.compiled.groups_shown_when.get(group)
        if condition is None:
            return _TRUE
        return self.once(("group", group), lambda: self.call("s", condition, ""))

    def item_shown(self, item: Item) -> _Code:
        """True, False, or UNKNOWN, by its own condition and that of its group."""
        outer, condition = self.group_shown(self.group_of(item).id), self.compiled.items_shown_when.get(item.id)
        if condition is None:
            return outer

        def join() -> _Code:
            own = self.call("s", condition, self.column(item))
            if outer == _TRUE:
                return own
            both = "False if {0} is False or {1} is False else True if {0} is True and {1} is True else U"
            return self.each("s", self.column(item), [outer, own], both)

        return self.once(("shown", item.id), join)

    def stored(self, item: Item, text: str, *codes: _Code) -> _Code:
        """A text over what is stored of an item, `{0}`, and other codes."""
        rows, group = self.rows(self.group_of(item).id), self.column(item)
        row = _Code(rows, group)
        return self.each("v", group, [row, *codes], text.replace("{stored}", f"{{0}}.get({item.id!r})"))

    def held(self, item: Item) -> _Code:
        """What expressions would see of an entered item, were it shown."""
        read = self.constant(self.form.readers[item.id])
        text = f"U if (h := {{stored}}) is None else {read}(h)"
        return self.once(("held", item.id), lambda: self.stored(item, text))

    def calculated(self, item: Item) -> _Code:
        """The Value of a derived item, None when it has none or is hidden."""

        def compute() -> _Code:
            group, shown = self.column(item), self.item_shown(item)
            found = self.call("d", self.compiled.derived[item.id], group)
            spec = self.constant(self.definition.spec(self.form.id, item.id))
            hidden = "" if shown == _TRUE else "None if {1} is False else "
            return self.each("d", group, [found, shown], f"{hidden}result({spec}, {{0}})")

        return self.once(("derived", item.id), compute)

    def seen(self, item: Item) -> _Code:
        """What expressions see of an item: UNKNOWN when it is hidden."""

        def look() -> _Code:
            if item.id in self.compiled.derived:
                return self.each("v", self.column(item), [self.calculated(item)], "U if {0} is None else {0}.value")
            held, shown = self.held(item), self.item_shown(item)
            if shown == _TRUE:
                return held
            return self.each("v", self.column(item), [shown, held], "U if {0} is False else {1}")

        return self.once(("seen", item.id), look)

    # -- what an expression is given

    def call(self, letter: str, expression: Expression, group: str) -> _Code:
        """The result of an expression that stands in the rows of a group, or in none."""
        given = [self.seen_from(self.argument(each), group) for each in expression.arguments]
        text = ", ".join(f"{{{number}}}" for number in range(len(given)))
        return self.each(letter, group, given, f"{self.constant(expression.compute)}({text})")

    def is_own(self, ref: Ref) -> bool:
        return ref.form in (None, self.form.id) and ref.visit == ""

    def argument(self, argument: Argument) -> _Code:
        ref = argument.ref
        if ref.kind == "parameter":
            return self.once(
                ("parameter", ref.name), lambda: _Code(self.constant(self.definition.parameters[ref.name].value))
            )
        if ref.kind == "context":
            return self.once(
                ("context", ref.name), lambda: self.assign("v", f"book.context_value({ref.name!r}, entry)")
            )
        if ref.kind == "rows":
            return self.own_rows(argument) if self.is_own(ref) and ref.item else self.other_rows(argument)
        if self.is_own(ref):
            return self.own(argument, self.form.item(ref.item))
        return self.once(tuple(argument), lambda: self.other(argument))

    def own(self, argument: Argument, item: Item) -> _Code:
        """An item of the record at hand, its missing code, or a limit of its laboratory range."""
        if argument.how == "get":
            return self.seen(item)
        if item.id in self.compiled.derived:  # has no missing code, and no range while it is computed
            return _Code("''") if argument.how == "missing" else _UNKNOWN
        spec = self.constant(self.definition.spec(self.form.id, item.id))
        text = f"missing({spec}, {{stored}}, {{1}})"
        if argument.how != "missing":
            text = f"limit({spec}, {{stored}}, {{1}}, {argument.how!r})"
        return self.once((argument.how, item.id), lambda: self.stored(item, text, self.item_shown(item)))

    def own_rows(self, argument: Argument) -> _Code:
        """The rows of a group of the record at hand, none while the group is hidden; or how many they are."""
        group = argument.ref.item
        shown = self.group_shown(group)
        hidden = "" if shown == _TRUE else f" if {shown.text} is not False else "
        if argument.how == "count":
            return _Code(f"({self.size(group)}{hidden}{'0' if hidden else ''})")
        columns = [self.seen_from(self.argument(each), group) for each in argument.each]
        if not columns:
            listed = f"range({self.size(group)})"
        elif all(column.group for column in columns):
            listed = f"zip({', '.join(column.text for column in columns)})"
        else:
            parts = (column.text if column.group else f"[{column.text}] * {self.size(group)}" for column in columns)
            listed = f"zip({', '.join(parts)})"
        return _Code(f"({listed}{hidden}{'()' if hidden else ''})")

    def other(self, argument: Argument) -> _Code:
        """An item of another record, as it is stored."""
        ref = argument.ref
        form = ref.form or self.form.id
        record = self.once(
            ("record", form, ref.visit), lambda: self.assign("e", f"book.find({form!r}, {ref.visit!r}, place)")
        ).text
        at = f"{self.definition.form(form).group_of(ref.item).id!r}, 0, {ref.item!r}"
        match argument.how:
            case "get":
                return self.assign("v", f"U if {record} is None else {record}.seen({at})")
            case "missing":
                return self.assign("v", f"'' if {record} is None else {record}.missing({at})")
            case side:
                return self.assign("v", f"U if {record} is None else {record}.limit({at}, {side!r})")

    def other_rows(self, argument: Argument) -> _Code:
        """The rows of a list in other records, as they are stored; or how many they are."""
        ref = self.constant(argument.ref)
        rows = self.once(("list", argument.ref), lambda: self.assign("rows", f"Reading(book, entry).rows({ref})")).text
        if argument.how == "count":
            return _Code(f"len({rows})")
        asked = []
        for how, of, _each in argument.each:
            what = self.constant(of)
            asked.append(f"r.reference({what}, {how!r})" if how in ("low", "high") else f"r.{how}({what})")
        reads = "".join(f"{each}, " for each in asked)
        return self.once(tuple(argument), lambda: self.assign("l", f"[({reads}) for r in {rows}]"))

    # -- what is told

    def tell_row(self, group: Group) -> None:
        """What is said of the items of a group that does not repeat."""
        row, row_id, outer = self.rows(group.id), self.ids(group.id), self.group_shown(group.id)
        names = tuple(item.id for item in group.items)
        self.tell_group(group, outer)
        told = self.constant({(group.id, "", name): True for name in names})
        self.write(
            f"shown.update({told} if {row_id} == '' else "
            f"{{({group.id!r}, {row_id}, i): True for i in {self.constant(names)}}})"
        )
        if outer != _TRUE:
            free = tuple(item.id for item in group.items if item.id not in self.compiled.items_shown_when)
            given = f"found, {group.id!r}, {row_id}, {self.constant(free)}, {outer.text}"
            self.write(f"if {outer.text} is not True: mark_all({given})")
        for item in group.items:
            if item.id in self.compiled.items_shown_when:
                is_shown = self.item_shown(item).text
                key = f"({group.id!r}, {row_id}, {item.id!r})"
                self.write(f"if {is_shown} is not True: mark(found, {key}, {is_shown})")
        for item in group.items:
            shown, value = self.item_shown(item), self.judged(item)
            if value is not None:
                self.lines += self.judge(item, row, row_id, shown.text, value.text)

    def tell_rows(self, group: Group) -> None:
        """What is said of the items of a repeating group, row by row."""
        rows, ids, outer = self.rows(group.id), self.ids(group.id), self.group_shown(group.id)
        self.tell_group(group, outer)
        names = self.constant(tuple(item.id for item in group.items))
        self.write(f"shown.update({{({group.id!r}, r, i): True for r in {ids} for i in {names}}})")
        if outer != _TRUE:
            free = tuple(item.id for item in group.items if item.id not in self.compiled.items_shown_when)
            self.write(f"if {outer.text} is not True:")
            self.write(f" for r in {ids}: mark_all(found, {group.id!r}, r, {self.constant(free)}, {outer.text})")
        columns: dict[str, str] = {rows: "row", ids: "r"}

        def of_row(code: _Code) -> str:
            return columns.setdefault(code.text, f"c{len(columns)}") if code.group else code.text

        body: list[str] = []
        for item in group.items:
            shown, value = self.item_shown(item), self.judged(item)
            if item.id in self.compiled.items_shown_when:
                body.append(f"mark(found, ({group.id!r}, r, {item.id!r}), {of_row(shown)})")
            if value is not None:
                body += self.judge(item, "row", "r", of_row(shown), of_row(value))
        if body:
            self.write(f"for {', '.join(columns.values())} in zip({', '.join(columns)}):")
            self.lines += [f" {line}" for line in body]
        if group.min_rows:
            few = f"{self.size(group.id)} < {group.min_rows} and {outer.text} is not False"
            self.write(f"if {few}: lacking.append(({group.id!r}, '', ''))")

    def tell_group(self, group: Group, shown: _Code) -> None:
        self.write(f"found.shown_groups[{group.id!r}] = {shown.text} is not False")

    def judged(self, item: Item) -> _Code | None:
        """The value of which more is said than that it is shown; None when nothing is."""
        if item.is_derived:
            return self.calculated(item)
        is_asked = item.required or item.missing_reason or self.soft(item) != (None, None)
        return self.held(item) if is_asked else None

    def soft(self, item: Item) -> tuple[Decimal | None, Decimal | None]:
        """The soft limits of an entered number."""
        if item.range is None or KIND_OF[item.type] is not Kind.NUMBER:
            return None, None
        return item.range.soft_min, item.range.soft_max

    def judge(self, item: Item, row: str, row_id: str, shown: str, value: str) -> list[str]:
        """The lines that judge a value: a derived one is told, an entered one may be lacking or unusual."""
        group = self.group_of(item).id
        if item.is_derived:
            return [f"derived[({group!r}, {row_id}, {item.id!r})] = {value}"]
        low, high = soft = self.soft(item)
        asked = self.constant(_Asked(item, group, self.definition.spec(self.form.id, item.id), soft))
        is_shown = "" if shown == "True" else f"{shown} is not False and "
        lines = []
        if item.required or item.missing_reason:
            lines.append(f"if {is_shown}{value} is U: unanswered(found, {asked}, {row}, {row_id})")
        limits = [f"{value} < {self.constant(low)}"] if low is not None else []
        limits += [f"{value} > {self.constant(high)}"] if high is not None else []
        if limits:
            unusual = f"{is_shown}{value} is not U and ({' or '.join(limits)})"
            lines.append(f"if {unusual}: outside(found, {asked}, {row_id}, {value})")
        return lines

    def ask_consent(self) -> None:
        """Which of the checks on consent are asked of this form."""
        form, consent = self.form, self.definition.study_file.consent
        if form.date_item is not None and not form.standard_of_care and form.id != consent.form:
            item = form.item(form.date_item)
            if not item.standard_of_care:
                day = self.seen_from(self.seen(item), "").text
                self.write(f"ask_consent(book.facts, found, {self.group_of(item).id!r}, {item.id!r}, {day})")
        if form.id == consent.form and consent.document_version is not None:
            item, dated = (form.item(each.partition(".")[2]) for each in (consent.document_version, consent.signed_on))
            version, day = (self.seen_from(self.seen(each), "").text for each in (item, dated))
            given = f"{self.group_of(item).id!r}, {item.id!r}, {version}, {day}"
            self.write(f"ask_consent_version(book.facts, found, {given})")

    def ask(self, check_id: str) -> None:
        """One edit check: of the record, or of each row of the group in which it stands.

        A check of which no item is shown is not asked.
        """
        compiled = self.compiled.checks[check_id]
        check, group = compiled.check, compiled.group or ""
        about = [self.form.item(item) for item in check.items]
        rule = self.constant(_Rule(check, group or self.group_of(about[0]).id))
        answer = self.call("a", compiled.expression, group)
        outer = [self.seen_from(self.item_shown(i), group, self.group_shown(self.group_of(i).id).text) for i in about]
        names = {answer.text: "a"} if group else {}
        tests = []
        for shown in outer if _TRUE not in outer else ():
            text = names.setdefault(shown.text, f"c{len(names)}") if shown.group else shown.text
            tests.append(f"{text} is not False")
        when = f" and ({' or '.join(tests)})" if tests else ""
        if not group:
            self.write(f"if {answer.text} is not True{when}: take(found, {rule}, {answer.text}, '')")
            return
        ids = self.ids(group)
        self.write(f"for r, {', '.join(names.values())} in zip({ids}, {', '.join(names)}):")
        self.write(f" if a is not True{when}: take(found, {rule}, a, r)")


__all__ = ["Program", "program_of"]
