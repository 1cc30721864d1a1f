"""The toxicity dictionary: CTCAE terms with exactly the grades that exist, found quickly in English and French.

A dictionary is one CSV file, `ctcae-v5.csv` or `ctcae-v6.csv`. A working set of v5.0 for this trial is shipped beside
this module (see the README there); a full one, with definitions and the text of the grades, is written elsewhere by
`manage.py import_ctcae` from the workbook that the NCI publishes, and read by giving its folder.
"""

import csv
import functools
import heapq
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SHIPPED = Path(__file__).resolve().parent
COLUMNS = ("code", "soc", "term", "label_fr", "grades")
DESCRIPTION_COLUMNS = ("definition", "grade_1", "grade_2", "grade_3", "grade_4", "grade_5")
OTHER_SUFFIX = "Other, specify"
_OTHER_FR = " - Autre, à préciser"
_VERSION = re.compile(r"([1-9][0-9]?)(?:\.[0-9]+)?\Z")
_CODE = re.compile(r"[0-9]{8}\Z")  # a MedDRA code has eight digits


class DictionaryError(Exception):
    """A dictionary is missing or damaged; the message says which file and what to do."""


@dataclass(frozen=True, slots=True)
class Term:
    """One term: MedDRA LLT code, English label, system organ class, and the grades that exist, in ascending order.

    `label_fr` and `soc_fr` are this project's own translations, empty where there is none. `definition` and
    `descriptions` (grade → text) are filled by an imported dictionary only.
    """

    code: str
    label: str
    soc: str
    grades: tuple[int, ...]
    label_fr: str = ""
    soc_fr: str = ""
    definition: str = ""
    descriptions: Mapping[int, str] = field(default_factory=dict, hash=False)

    needs_text: bool = field(init=False)
    """True for "Other, specify": the event must be named in words."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "needs_text", self.label.endswith(OTHER_SUFFIX))

    def label_in(self, locale: str) -> str:
        """The label in this language, in English where there is none."""
        return (self.label_fr if locale.startswith("fr") else "") or self.label

    def soc_in(self, locale: str) -> str:
        """The system organ class in this language, in English where there is none."""
        return (self.soc_fr if locale.startswith("fr") else "") or self.soc


class Dictionary:
    """The terms of one version. Iterating gives them by class, in the order of the source."""

    def __init__(self, version: str, terms: Sequence[Term]) -> None:
        self.version = version
        self._terms = {term.code: term for term in terms}
        # One language's labels as they are searched, beside their terms. English is the fallback of every language.
        self._keys = {
            "en": [(normalize(term.label), term) for term in terms],
            "fr": [(normalize(term.label_fr), term) for term in terms if term.label_fr],
        }

    def __len__(self) -> int:
        return len(self._terms)

    def __iter__(self) -> Iterator[Term]:
        return iter(self._terms.values())

    def __contains__(self, code: object) -> bool:
        return code in self._terms

    def __repr__(self) -> str:
        return f"Dictionary({self.version!r}, {len(self)} terms)"

    def get(self, code: str) -> Term | None:
        """The term with this code, or None."""
        return self._terms.get(code)

    def search(self, text: str, locale: str = "en", limit: int = 20) -> list[Term]:
        """At most `limit` terms that match what was typed, best first; none for an empty text.

        Accents, case and punctuation do not matter. A term matches when every word typed begins a word of its label.
        Order: the label itself; a label that begins so; the words in their order; the words in any order; then, for a
        text of three letters or more, a label that contains it anywhere. Among equals the shorter label first. "Other,
        specify" comes after all of them. In French the English labels are searched after the French ones. Eight digits
        are a code.
        """
        wanted = normalize(text)
        if not wanted or limit < 1:
            return []
        if _CODE.match(wanted):
            term = self.get(wanted)
            return [term] if term else []
        words = wanted.split()
        # The longest word typed decides quickly which labels are worth a closer look.
        needle = max((f" {word}" for word in words), key=len)
        languages = ("fr", "en") if locale.startswith("fr") else ("en",)
        found: dict[str, tuple[bool, int, int, str]] = {}
        for step, language in enumerate(languages):
            for label, candidate in self._keys[language]:
                if needle in f" {label}":
                    rank: int | None = _rank(label, wanted, words)
                elif len(wanted) >= 3 and wanted in label:
                    rank = _WITHIN
                else:
                    continue
                if rank is not None and candidate.code not in found:
                    found[candidate.code] = (candidate.needs_text, step * 10 + rank, len(label), label)
        return [self._terms[code] for code in heapq.nsmallest(limit, found, key=found.__getitem__)]


_WITHIN = 4


def _rank(label: str, wanted: str, words: Sequence[str]) -> int | None:
    """How well a label matches, 0 best; None when it does not."""
    if label.startswith(wanted):
        return 0 if label == wanted else 1
    if f" {wanted}" in label:
        return 2
    padded = f" {label}"
    if all(f" {word}" in padded for word in words):
        at = iter(label.split())
        return 2 if all(any(mine.startswith(word) for mine in at) for word in words) else 3
    return _WITHIN if len(wanted) >= 3 and wanted in label else None


def normalize(text: str) -> str:
    """The text as it is compared: lower case, without accents, ligatures apart, punctuation as single spaces."""
    spread = text.casefold().replace("œ", "oe").replace("æ", "ae")
    bare = "".join(char for char in unicodedata.normalize("NFKD", spread) if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+", bare))


def file_name(version: str) -> str:
    """The file that holds a version: `5.0` and `5` are both `ctcae-v5.csv`."""
    match = _VERSION.match(version)
    if not match:
        raise DictionaryError(f"CTCAE has no version {version!r}. Write 5.0 or 6.0.")
    return f"ctcae-v{match[1]}.csv"


def load(version: str, folder: Path | None = None) -> Dictionary:
    """The dictionary of this version, from `folder` (again when its file has changed), or else the shipped one.

    Raises DictionaryError, with the remedy, when the file is missing or damaged.
    """
    return _shipped(version) if folder is None else _load(version, folder)


@functools.lru_cache(maxsize=8)
def _shipped(version: str) -> Dictionary:
    return _load(version, SHIPPED)


def _load(version: str, folder: Path) -> Dictionary:
    path = folder / file_name(version)
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        raise DictionaryError(
            f"CTCAE {version} is not in {path.parent.name}/. Import it: manage.py import_ctcae WORKBOOK --out FOLDER."
        ) from None
    return _read(version, path, stamp)


@functools.lru_cache(maxsize=8)
def _read(version: str, path: Path, stamp: int) -> Dictionary:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise DictionaryError(f"{path.name}: column {', '.join(missing)} is missing. Import it again.")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DictionaryError(f"{path.name} cannot be read ({type(error).__name__}). Import it again.") from error
    classes_fr = {
        row["soc"]: row["label_fr"].removesuffix(_OTHER_FR)
        for row in rows
        if row["soc"] and row["term"] and row["term"].endswith(OTHER_SUFFIX) and row["label_fr"]
    }
    terms: dict[str, Term] = {}
    for number, row in enumerate(rows, start=2):
        fault = _row_fault(row, terms)
        if fault:
            raise DictionaryError(f"{path.name}, line {number}: {fault} Import it again.")
        grades = tuple(int(digit) for digit in row["grades"])
        terms[row["code"]] = Term(
            code=row["code"],
            label=row["term"],
            soc=row["soc"],
            grades=grades,
            label_fr=row["label_fr"],
            soc_fr=classes_fr.get(row["soc"], ""),
            definition=row.get("definition") or "",
            descriptions={grade: text for grade in grades if (text := row.get(f"grade_{grade}"))},
        )
    if not terms:
        raise DictionaryError(f"{path.name} holds no term. Import it again.")
    return Dictionary(version, list(terms.values()))


def _row_fault(row: Mapping[str, str | None], terms: Mapping[str, Term]) -> str:
    """What is wrong with a line of the file, or nothing."""
    if any(row.get(name) is None for name in COLUMNS):
        return "a column is missing."
    code, term, soc, grades = (row[name] or "" for name in ("code", "term", "soc", "grades"))
    if not _CODE.match(code):
        return f"{code!r} is not a MedDRA code."
    if code in terms:
        return f"code {code} stands there twice."
    if not term or not soc:
        return "the term or its class is empty."
    if not grades or any(digit not in "12345" for digit in grades) or list(grades) != sorted(set(grades)):
        return f"{grades!r} are not grades (write 12345, 345, …)."
    return ""
