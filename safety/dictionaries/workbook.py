"""Reads the workbook in which the NCI publishes CTCAE (https://dctd.cancer.gov, "CTCAE v6.0"), both versions of it.

The workbook of v6.0 holds v6.0 as a table (one line per term) and v5.0 inside a mapping to v6.0 (one line per term and
grade). Sheets are recognized by their headings, never by name or order, and versions are read from the headings.
"""

import re
import zipfile
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

_HEADING = re.compile(r"CTCAE v([0-9]+\.[0-9]+) MedDRA ([0-9.]+) (LLT Code|SOC|Term)\Z")
_MAPPED = re.compile(r"CTCAE v([0-9]+\.[0-9]+) (Grade/Definition/Navigational Note|Description)\Z")
_MAPPING_COLUMNS = ("Grade/Definition/Navigational Note", "Description")
_GRADE = re.compile(r"Grade ([1-5])\Z")
_NOTHING = {"", "-", "–", "—", "N/A"}  # a dash is a grade that does not exist
_HEADING_ROWS = 5

Row = Sequence[object]


class WorkbookError(Exception):
    """The file is not a workbook of CTCAE, or one of its lines is wrong; the message says which."""


@dataclass(slots=True)
class WorkbookTerm:
    """One term as published. `grades` maps each grade that exists to its text."""

    code: str
    soc: str
    term: str
    grades: dict[int, str] = field(default_factory=dict)
    definition: str = ""


def read_ncicb_workbook(path: Path) -> dict[str, list[WorkbookTerm]]:
    """All terms of every version in the workbook: version ("5.0", "6.0") → terms, in the order of the workbook.

    Raises WorkbookError when the file is no workbook, when no sheet is recognized, or when a line has no code, no term,
    or a code that another term has.
    """
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (OSError, InvalidFileException, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise WorkbookError(f"{path.name} is not an Excel workbook ({type(error).__name__}).") from error
    found: dict[str, list[WorkbookTerm]] = {}
    try:
        # A copy with tracked changes repeats the table, deleted terms included: it is read only if there is no other.
        for sheet in sorted(book.worksheets, key=lambda sheet: "tracked" in sheet.title.casefold()):
            read = _sheet_terms(sheet.title, [tuple(row) for row in sheet.iter_rows(values_only=True)], found)
            if read is not None:
                version, terms = read
                found[version] = terms
    finally:
        book.close()
    if not found:
        raise WorkbookError(f"{path.name} holds no sheet of CTCAE: no heading like “CTCAE v6.0 MedDRA 28.0 LLT Code”.")
    return dict(sorted(found.items()))


def _sheet_terms(title: str, rows: list[Row], known: Container[str]) -> tuple[str, list[WorkbookTerm]] | None:
    """The version that one sheet holds in full, with its terms; None when it holds none, or one that is known."""
    for number, row in enumerate(rows[:_HEADING_ROWS]):
        headings = [_text(cell) for cell in row]
        columns: dict[tuple[str, str], int] = {}
        grades: dict[int, int] = {}
        for at, heading in enumerate(headings):
            if match := _HEADING.match(heading):
                columns[match[1], match[3]] = at
            elif match := _MAPPED.match(heading):
                columns[match[1], match[2]] = at
            elif match := _GRADE.match(heading):
                grades[int(match[1])] = at
        versions = sorted({version for version, _ in columns})
        if not versions:
            continue
        body = rows[number + 1 :]
        first = number + 2
        oldest = versions[0]
        if oldest in known:
            return None
        if len(versions) == 1 and len(grades) == 5:
            definition = headings.index("Definition") if "Definition" in headings else None
            return oldest, _table(title, first, body, columns, oldest, grades, definition)
        if len(versions) > 1 and {(oldest, name) for name in _MAPPING_COLUMNS} <= columns.keys():
            # Only the older side of a mapping is complete: a new term maps from nothing.
            return oldest, _mapping(title, first, body, columns, oldest)
        return None
    return None


def _table(
    title: str,
    first: int,
    body: list[Row],
    columns: dict[tuple[str, str], int],
    version: str,
    grades: dict[int, int],
    definition: int | None,
) -> list[WorkbookTerm]:
    """A sheet with one line per term."""
    terms: dict[str, WorkbookTerm] = {}
    for number, row in enumerate(body, start=first):
        term = _identity(title, number, row, columns, version)
        if term is None:
            continue
        if term.code in terms:
            raise WorkbookError(f"{title}, line {number}: code {term.code} stands there twice.")
        term.grades = {grade: text for grade, at in grades.items() if (text := _content(row, at))}
        term.definition = _content(row, definition) if definition is not None else ""
        terms[term.code] = term
    return list(terms.values())


def _mapping(
    title: str, first: int, body: list[Row], columns: dict[tuple[str, str], int], version: str
) -> list[WorkbookTerm]:
    """A sheet with one line per term and grade (or definition, or note)."""
    terms: dict[str, WorkbookTerm] = {}
    kind_at, text_at = (columns[version, name] for name in _MAPPING_COLUMNS)
    for number, row in enumerate(body, start=first):
        read = _identity(title, number, row, columns, version)
        if read is None:
            continue
        term = terms.setdefault(read.code, read)
        if (term.term, term.soc) != (read.term, read.soc):
            raise WorkbookError(f"{title}, line {number}: code {read.code} stands for two terms.")
        kind, text = _text(row[kind_at]), _content(row, text_at)
        match = _GRADE.match(kind)
        if match and text:
            if int(match[1]) in term.grades:
                raise WorkbookError(f"{title}, line {number}: {kind} of {read.term} stands there twice.")
            term.grades[int(match[1])] = text
        elif kind == "Definition":
            term.definition = text
    return list(terms.values())


def _identity(
    title: str, number: int, row: Row, columns: dict[tuple[str, str], int], version: str
) -> WorkbookTerm | None:
    """Code, class and term of a line; None for an empty line."""
    try:
        code, soc, term = (_text(row[columns[version, name]]) for name in ("LLT Code", "SOC", "Term"))
    except (KeyError, IndexError):
        raise WorkbookError(f"{title}: a column for code, class or term of v{version} is missing.") from None
    if not (code or soc or term):
        return None
    if not re.fullmatch(r"[0-9]{8}", code) or not soc or not term:
        raise WorkbookError(f"{title}, line {number}: code {code!r}, class {soc!r}, term {term!r} is not a term.")
    return WorkbookTerm(code=code, soc=soc, term=term)


def _content(row: Row, at: int) -> str:
    """The text of a cell; nothing where there is only a dash."""
    text = _text(row[at]) if at < len(row) else ""
    return "" if text in _NOTHING else text


def _text(cell: object) -> str:
    """A cell as text: no-break spaces and line ends as single spaces, numbers without a decimal point."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return " ".join(str(cell).split()) if cell is not None else ""
