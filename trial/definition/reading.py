"""Reading YAML that strangers wrote: plain data with the line of every node, and problems instead of exceptions.

Scalars are read by YAML 1.2 rules: only `true` and `false` are booleans, so `on`, `yes` and `no` stay words.
A plain number becomes `int` or `Decimal` when writing it back gives the same text, else it stays text: no float
is ever made and "1.10" stays "1.10". Dates stay text.

Nothing is built by tag, nothing recurses, and size, depth and the number of nodes after aliases are bounded.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from trial.definition.problems import Problem, problem, shown

MAX_BYTES = 1_000_000
"""A study's longest file is some tens of kilobytes."""
MAX_DEPTH = 40
MAX_NODES = 100_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_AMBIGUOUS = frozenset({"yes", "no", "on", "off"})  # booleans of YAML 1.1
_STRING_TAG = "tag:yaml.org,2002:str"

Path = tuple[str | int, ...]
"""Where a node stands: keys and 0-based indexes from the top of its file."""


@dataclass
class Source:
    """One file as read: its data, and the line of every node.

    `pruned` holds paths of parts that could not be used; `view` leaves them out and remembers which index of a
    list came from which, so that a path in what was left is still found in the file. `meant` holds what was
    probably meant by a value that was reported, so that nothing else is reported for its sake.
    """

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    bare_words: list[tuple[Path, str]] = field(default_factory=list)
    pruned: set[Path] = field(default_factory=set)
    meant: dict[Path, Any] = field(default_factory=dict)
    _kept: dict[Path, list[int]] = field(default_factory=dict)

    def view(self) -> dict[str, Any]:
        """The data without the pruned parts, and with what was meant."""
        if not self.pruned and not self.meant:
            return self.data
        self._kept = {}
        return self._without((), (), self.data)  # type: ignore[no-any-return]

    def _without(self, path: Path, new_path: Path, node: Any) -> Any:
        if path in self.meant:
            return self.meant[path]
        if isinstance(node, dict):
            return {
                key: self._without((*path, key), (*new_path, key), value)
                for key, value in node.items()
                if (*path, key) not in self.pruned
            }
        if isinstance(node, list):
            kept = [index for index in range(len(node)) if (*path, index) not in self.pruned]
            if len(kept) != len(node):
                self._kept[new_path] = kept
            return [self._without((*path, old), (*new_path, new), node[old]) for new, old in enumerate(kept)]
        return node

    def written(self, path: Path) -> Path:
        """The path in the file of a path in `view()`."""
        if not self._kept:
            return path
        old: list[str | int] = []
        for depth, key in enumerate(path):
            kept = self._kept.get(path[:depth])
            if kept is not None and isinstance(key, int) and key < len(kept):
                key = kept[key]
            old.append(key)
        return tuple(old)

    def line(self, path: Path) -> int | None:
        """The 1-based line of a path in the file, else of the nearest node around it."""
        for depth in range(len(path), -1, -1):
            found = self.lines.get(path[:depth])
            if found is not None:
                return found
        return None

    def at(self, path: Path) -> Any:
        """The node of a path in the file, or None."""
        node: Any = self.data
        for key in path:
            in_list = isinstance(node, list) and isinstance(key, int) and key < len(node)
            if not in_list and not (isinstance(node, dict) and key in node):
                return None
            node = node[key]
        return node

    def place(self, path: Path) -> str:
        """The path in ids, as a person reads it: `sbp › max`, `checks › ae_dates › rule`, `M{n} › window › before`."""
        crumbs: list[str] = []
        node: Any = self.data
        for position, key in enumerate(path):
            following = path[position + 1] if position + 1 < len(path) else None
            child: Any = None
            if isinstance(node, dict):
                child = node.get(key)
            elif isinstance(node, list) and isinstance(key, int) and key < len(node):
                child = node[key]
            if isinstance(key, int):
                crumbs.append(_name(child) or f"#{key + 1}")
            elif key == "items" and isinstance(following, int) and isinstance(_at(child, following), dict):
                crumbs[-1:] = []  # an item's id is unique in its form, so the group says nothing more
            elif key in _SILENT and (isinstance(following, int | str)) and isinstance(child, list | dict):
                pass
            else:
                crumbs.append(key)
            node = child
        return " › ".join(crumbs)


_SILENT = frozenset({"groups", "visits", "criteria", "codes", "codelists", "reminders", "range"})
_NAMES = ("id", "code", "unit", "version", "name")


def _name(node: Any) -> str | None:
    """What a person calls a list element: its id or the like, or the word itself."""
    if isinstance(node, str) and node:
        return node if len(node) <= 40 else f"{node[:39]}…"
    if isinstance(node, dict):
        for key in _NAMES:
            value = node.get(key)
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                return str(value)
    return None


def _at(node: Any, index: int) -> Any:
    return node[index] if isinstance(node, list) and index < len(node) else None


def ids_within(node: Any) -> Iterator[str]:
    """Every id, code and key in a piece of data: what a broken part would have defined."""
    stack = [node]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            for key, value in node.items():
                yield key
                if key in ("id", "code") and isinstance(value, str | int):
                    yield str(value)
                stack.append(value)
        elif isinstance(node, list):
            stack.extend(node)


def read(file: str, content: bytes) -> tuple[Source | None, list[Problem]]:
    """The file's data, or None when it cannot be read at all, with every problem of the text itself.

    The same content is read once: another version of a study, or another try, changes few of its files.
    """
    source, problems = _read(file, content)
    if source is None:
        return None, list(problems)
    return Source(source.file, source.data, source.lines, source.bare_words), list(problems)


@lru_cache(maxsize=128)
def _read(file: str, content: bytes) -> tuple[Source | None, Sequence[Problem]]:
    if len(content) > MAX_BYTES:
        return None, [problem("DEF006", file=file, size=f"{len(content):,}", limit=f"{MAX_BYTES:,}")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return None, [problem("DEF005", file=file, line=line, byte=f"0x{content[error.start]:02x}")]
    reader = _Reader(file)
    try:
        reader.run(text)
    except _StopError as stop:
        return None, [*reader.problems, stop.problem]
    except yaml.MarkedYAMLError as error:
        return None, [*reader.problems, *_malformed(file, text, error)]
    except (yaml.YAMLError, ValueError, RecursionError, MemoryError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        return None, [*reader.problems, problem("DEF004", file=file, why=why, remedy="Correct that place.")]
    if not isinstance(reader.root, dict):
        what = "The file" if reader.root is None else shown(reader.root)
        if reader.root is None:
            found = problem("DEF004", file=file, line=1, why="it is empty", remedy="Write its content, or remove it.")
        else:
            found = problem("DEF021", file=file, line=1, value=what)
        return None, [*reader.problems, found]
    return Source(file, reader.root, reader.lines, reader.bare_words), reader.problems


def _malformed(file: str, text: str, error: yaml.MarkedYAMLError) -> list[Problem]:
    tabs = [
        number
        for number, line in enumerate(text.split("\n"), start=1)
        if "\t" in line[: len(line) - len(line.lstrip())]
    ]
    if tabs:
        return [problem("DEF009", file=file, line=number) for number in tabs[:20]]
    mark = error.problem_mark or error.context_mark
    why = ", ".join(part for part in (error.context, error.problem) if part)
    line = mark.line + 1 if mark is not None else None
    hint = "Check indentation, brackets and quotes there and on the line above."
    if error.problem and "mapping values are not allowed" in error.problem:
        hint = "Quote the text if it holds a colon, and check the indentation."
    return [problem("DEF004", file=file, line=line, why=why or "it cannot be parsed", remedy=hint)]


class _StopError(Exception):
    def __init__(self, found: Problem) -> None:
        self.problem = found


class _Frame:
    """An open mapping or list while reading."""

    __slots__ = ("anchor", "count_before", "key", "key_lines", "node", "path", "skip")

    def __init__(self, node: dict[str, Any] | list[Any], path: Path, anchor: str | None, count_before: int) -> None:
        self.node = node
        self.path = path
        self.anchor = anchor
        self.count_before = count_before
        self.key: str | None = None
        self.key_lines: dict[str, int] = {}
        self.skip = False


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.lines: dict[Path, int] = {}
        self.bare_words: list[tuple[Path, str]] = []
        self.root: Any = None
        self.stack: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.open_anchors: set[str] = set()
        self.count = 0

    def run(self, text: str) -> None:
        documents = 0
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    why = "a second document begins with ---"
                    self.stop("DEF004", event, why=why, remedy="Keep one document in a file.")
            elif isinstance(event, ScalarEvent):
                self.scalar(event)
            elif isinstance(event, MappingStartEvent):
                self.begin({}, event)
            elif isinstance(event, SequenceStartEvent):
                self.begin([], event)
            elif isinstance(event, MappingEndEvent | SequenceEndEvent):
                self.end()
            elif isinstance(event, AliasEvent):
                self.alias(event)
            elif isinstance(event, DocumentEndEvent):
                continue

    def stop(self, code: str, event: Event, **words: Any) -> None:
        raise _StopError(problem(code, file=self.file, line=_line(event), **words))

    def counted(self, event: Event, nodes: int = 1) -> None:
        self.count += nodes
        if self.count > MAX_NODES:
            self.stop("DEF007", event, what=f"With its aliases the file holds more than {MAX_NODES:,} values.")

    def place_of_next(self, event: Event) -> Path:
        if not self.stack:
            return ()
        frame = self.stack[-1]
        if isinstance(frame.node, list):
            return (*frame.path, len(frame.node))
        if frame.key is None:
            self.stop("DEF004", event, why="a key is a list or a mapping", remedy="Write a word as the key.")
        return (*frame.path, frame.key or "")

    def put(self, value: Any) -> None:
        if not self.stack:
            self.root = value
            return
        frame = self.stack[-1]
        if isinstance(frame.node, list):
            frame.node.append(value)
            return
        if not frame.skip:
            frame.node[frame.key or ""] = value
        frame.key, frame.skip = None, False

    def scalar(self, event: ScalarEvent) -> None:
        self.counted(event)
        frame = self.stack[-1] if self.stack else None
        if frame is not None and isinstance(frame.node, dict) and frame.key is None:
            self.key(frame, event)
            return
        path = self.place_of_next(event)
        value = self.value(event, path)
        if not (frame is not None and frame.skip):
            self.lines[path] = self.lines.get(path) or _line(event)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        self.put(value)

    def key(self, frame: _Frame, event: ScalarEvent) -> None:
        key = event.value
        line = _line(event)
        if key == "<<" and not event.style:
            self.stop("DEF007", event, what="The merge key << is not read.")
        frame.key = key
        if key in frame.key_lines:
            place = Source(self.file, self.root_data()).place((*frame.path, key))
            self.problems.append(
                problem("DEF008", file=self.file, place=place, line=line, key=key, first=frame.key_lines[key])
            )
            frame.skip = True
            return
        frame.key_lines[key] = line
        self.lines[(*frame.path, key)] = line

    def root_data(self) -> Any:
        return self.stack[0].node if self.stack else self.root

    def begin(self, node: dict[str, Any] | list[Any], event: MappingStartEvent | SequenceStartEvent) -> None:
        self.counted(event)
        if event.tag and not event.implicit:
            self.stop("DEF007", event, what=f"The tag {event.tag} is not read.")
        if len(self.stack) >= MAX_DEPTH:
            self.stop("DEF007", event, what=f"The content is nested more than {MAX_DEPTH} deep.")
        path = self.place_of_next(event)
        self.lines.setdefault(path, _line(event))
        if event.anchor:
            self.open_anchors.add(event.anchor)
        # A mapping is put in its parent at once, so that a place can be named while it is still open.
        parent = self.stack[-1] if self.stack else None
        if parent is None:
            self.root = node
        elif isinstance(parent.node, list):
            parent.node.append(node)
        elif not parent.skip:
            parent.node[parent.key or ""] = node
        self.stack.append(_Frame(node, path, event.anchor, self.count))

    def end(self) -> None:
        frame = self.stack.pop()
        if frame.anchor:
            self.open_anchors.discard(frame.anchor)
            self.anchors[frame.anchor] = (frame.node, self.count - frame.count_before + 1)
        if self.stack and isinstance(self.stack[-1].node, dict):
            self.stack[-1].key, self.stack[-1].skip = None, False

    def alias(self, event: AliasEvent) -> None:
        anchor = event.anchor or ""
        if anchor in self.open_anchors:
            self.stop("DEF007", event, what=f"The alias *{anchor} stands inside its own anchor.")
        if anchor not in self.anchors:
            why = f"the alias *{anchor} has no anchor before it"
            self.stop("DEF004", event, why=why, remedy="Write the content out.")
        value, nodes = self.anchors[anchor]
        self.counted(event, nodes)
        self.lines.setdefault(self.place_of_next(event), _line(event))
        self.put(value)

    def value(self, event: ScalarEvent, path: Path) -> Any:
        text: str = event.value
        if event.tag and event.tag != "!" and not event.implicit[0]:
            if event.tag == _STRING_TAG:
                return text
            self.stop("DEF007", event, what=f"The tag {event.tag} is not read.")
        if event.style or event.tag == "!":
            return text
        lower = text.lower()
        if lower in ("", "~", "null"):
            return None
        if lower in ("true", "false"):
            return lower == "true"
        if lower in _AMBIGUOUS:
            self.bare_words.append((path, text))
            return text
        if _INT.fullmatch(text) and text != "-0":
            return int(text)
        if _DECIMAL.fullmatch(text):
            return Decimal(text)
        return text


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1 if event.start_mark else 1
