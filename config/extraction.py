"""Finds the texts to translate and brings catalogues up to date: `python -m config.extraction` (developers only)."""

from __future__ import annotations

import ast
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("audit", "trial", "ecrf", "randomization", "safety", "reporting", "simulation", "config", "templates")

# Where the words stand among the arguments of each function, as Babel writes it: (1, 2) singular and plural,
# ((1, "c"), 2) a context before them.
FUNCTIONS: dict[str, Any] = {
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
    "_": None,
}
HEADER = """# Texts of Stratum in another language; `python -m config.extraction` brings it up to date.
msgid ""
msgstr ""
"Project-Id-Version: Stratum\\n"
"Language: {locale}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plurals}\\n"

"""
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*(?:[!:][^{}]*)?\}")  # gettext's in templates, and str.format's


@dataclass(slots=True)
class Message:
    """One text to translate: English, its plural or "", its context or "", and the files that say it."""

    msgid: str
    plural: str = ""
    context: str = ""
    files: set[str] = field(default_factory=set)

    @property
    def key(self) -> tuple[str, str]:
        """What makes it one entry of a catalogue: the context and the English text."""
        return self.context, self.msgid


def placeholders(text: str) -> list[str]:
    """Return what a text leaves to be filled in, `%(name)s` and `{name}`, sorted."""
    return sorted(PLACEHOLDER.findall(text))


def collect(root: Path = ROOT) -> list[Message]:
    """Return every text that Python files and templates mark for translation, sorted by file and text.

    Raises ValueError naming the file and line of a text that is not written out (an f-string can never be found in a
    catalogue) and of two plurals for one singular.
    """
    messages: dict[tuple[str, str], Message] = {}
    for path in sources(root):
        read = in_template if path.suffix in (".html", ".txt") else in_python
        for found in read(path):
            message = messages.setdefault(found.key, found)
            if message.plural and found.plural and message.plural != found.plural:
                raise ValueError(f"{path}: “{found.msgid}” has another plural in {', '.join(sorted(message.files))}.")
            message.plural = message.plural or found.plural
            message.files.add(path.relative_to(root).as_posix())
    return sorted(messages.values(), key=lambda message: (sorted(message.files), message.msgid, message.context))


def sources(root: Path) -> Iterator[Path]:
    """Yield the files of the rooms that can hold a text, in a stable order."""
    for room in ROOMS:
        for folder, folders, files in os.walk(root / room):
            folders[:] = sorted(name for name in folders if name not in ("__pycache__", "migrations"))
            for name in sorted(files):
                in_templates = room == "templates" or "templates" in Path(folder).relative_to(root).parts
                if name.endswith(".py") or (in_templates and name.endswith((".html", ".txt"))):
                    yield Path(folder) / name


def in_python(path: Path) -> Iterator[Message]:
    """Yield the texts of a Python file, under whatever name it imports Django's functions."""
    tree = ast.parse(path.read_bytes(), str(path))
    names = {name: name for name in FUNCTIONS if name != "_"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation":
            names |= {alias.asname or alias.name: alias.name for alias in node.names if alias.name in FUNCTIONS}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if called not in names:
            continue
        if any(isinstance(argument, ast.JoinedStr) for argument in node.args):
            raise ValueError(f"{path}:{node.lineno}: an f-string cannot be translated. Fill it in with .format().")
        words = [each.value if isinstance(each, ast.Constant) else None for each in node.args]
        if words and isinstance(words[0], str):  # a variable holds a text that is marked where it is written
            yield _message(FUNCTIONS[names[called]], words)


def in_template(path: Path) -> Iterator[Message]:
    """Yield the texts of a template: tags, filters' arguments and blocks, as Django's own makemessages reads them."""
    from django.utils.translation.template import templatize  # reads the settings: only when asked

    code = templatize(path.read_text(encoding="utf-8"), origin=str(path))
    lines = BytesIO("\n".join(line.strip() for line in code.splitlines()).encode())  # indentation means nothing here
    for _line, words, _comments, context in extract("python", lines, keywords=FUNCTIONS, options={"encoding": "utf-8"}):
        singular, plural = words if isinstance(words, tuple) else (words, "")
        yield Message(singular, plural, context or "")


def _message(positions: Any, words: list[Any]) -> Message:
    places = positions or (1,)
    context = words[places[0][0] - 1] if isinstance(places[0], tuple) else ""
    texts = [words[place - 1] for place in places if isinstance(place, int)]
    return Message(texts[0], texts[1] if len(texts) > 1 else "", context)


def update(path: Path, messages: list[Message], *, locale: str) -> tuple[list[Message], list[str]]:
    """Rewrite a catalogue with exactly these texts, keeping what was translated.

    Returns what has no translation yet, and the texts that nothing says any more and that were dropped. No guess is
    made for a text that changed: its translation starts again. The header holds no date, so that two people who add
    texts do not meet there.
    """
    with path.open("rb") as file:
        old = read_po(file, locale=locale, abort_invalid=True)
    fresh = Catalog(locale=locale)
    missing = []
    for message in messages:
        known = old.get(message.msgid, message.context or None)
        kept: Any = known.string if known else ""
        if message.plural:
            kept = kept if isinstance(kept, tuple) else (kept, "")
        elif isinstance(kept, tuple):
            kept = kept[0]
        entry = fresh.add(
            (message.msgid, message.plural) if message.plural else message.msgid,
            kept,
            locations=[(name, 0) for name in sorted(message.files)],
            flags=["fuzzy"] if known and known.fuzzy else [],
            context=message.context or None,
        )
        if entry.fuzzy or not all(kept if isinstance(kept, tuple) else (kept,)):
            missing.append(message)
    keys = {message.key for message in messages}
    dropped = [str(entry.id) for entry in old if entry.id and (entry.context or "", _singular(entry.id)) not in keys]
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".po-", delete=False) as written:
        written.write(HEADER.format(locale=locale, plurals=old.plural_forms).encode())
        write_po(written, fresh, width=110, omit_header=True, include_lineno=False)
    Path(written.name).chmod(0o644)
    os.replace(written.name, path)
    return missing, dropped


def _singular(identity: Any) -> str:
    return str(identity[0]) if isinstance(identity, (tuple, list)) else str(identity)


def main() -> int:
    """Update every catalogue of `locale/` and name what is to be translated; 1 when something is."""
    messages = collect()
    empty = 0
    for path in sorted((ROOT / "locale").glob("*/LC_MESSAGES/*.po")):
        missing, dropped = update(path, messages, locale=path.parts[-3])
        empty += len(missing)
        for message in missing:
            print(f"{path.parts[-3]}: to translate, {', '.join(sorted(message.files))}: {message.msgid}")  # noqa: T201
        for text in dropped:
            print(f"{path.parts[-3]}: no longer used: {text}")  # noqa: T201
    return 1 if empty else 0


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    sys.exit(main())
