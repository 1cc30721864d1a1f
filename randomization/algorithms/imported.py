"""A list that a statistician brings as a CSV file: algorithm `imported/1`.

The header is `stratum,position,arm`, in any order, and perhaps `number`, the sponsor's own number of each slot. UTF-8,
comma or semicolon between the cells. Every stratum of the study is there with the positions 1, 2, 3 … up to the list
size that the study states, so that a file that was cut is seen. Everything wrong is named by its row at once; no fault
quotes a cell, because a fault may be logged and a cell may hold an arm.
"""

import csv
import hashlib
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from randomization.algorithms.base import NOTHING, Algorithm, ArmRatio, BlockSlot, Kind, arm_faults
from randomization.algorithms.faults import Fault, ParameterError

NAME = "imported/1"
COLUMNS = ("stratum", "position", "arm")
OWN_NUMBER = "number"
MAX_BYTES = 5_000_000
MAX_ROWS = 100_000
MAX_OWN_NUMBER = 16  # what a sealed slot has room for
MOST_FAULTS = 25
"""More faults than these are counted, not written out."""
_OWN_NUMBER = re.compile(rf"[A-Za-z0-9._/-]{{1,{MAX_OWN_NUMBER}}}")
_POSITION = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class ImportedSlot:
    """One row of the file; arm and own number stay out of the printed form."""

    stratum: str
    position: int
    arm: str = field(repr=False)
    number: str = field(default="", repr=False)


def check(
    arms: Sequence[ArmRatio],
    block_sizes: Sequence[int],
    size: int,
    extra: Mapping[str, Any] = NOTHING,
    factors: Sequence[str] = (),
) -> list[Fault]:
    """Every fault of arms and list size; the rows are checked by `read`."""
    return arm_faults(arms, size)


def generate(
    seed: bytes,
    stratum: str,
    arms: Sequence[ArmRatio],
    block_sizes: Sequence[int],
    size: int,
    extra: Mapping[str, Any] = NOTHING,
) -> list[BlockSlot]:
    """Raises ParameterError: an imported list comes from its file, never from a seed."""
    raise ParameterError(
        [Fault("RND150", "file", "The study imports its list; none is made here.", "Import the CSV file.")]
    )


def read(content: bytes, *, arms: Collection[str], strata: Sequence[str], size: int) -> list[ImportedSlot]:
    """The slots of a file, ordered by stratum as the study has them, then position.

    Raises ParameterError with every fault, each with its row.
    """
    rows, has_number = _rows(content)
    faults: list[Fault] = []
    known = set(strata)
    found: dict[tuple[str, int], ImportedSlot] = {}
    numbers: set[str] = set()
    for row, cells in rows:
        before = len(faults)
        stratum, position, arm = cells["stratum"].strip(), cells["position"].strip(), cells["arm"].strip()
        number = cells.get(OWN_NUMBER, "").strip()
        if stratum not in known:
            faults.append(
                _fault("RND156", row, "The stratum is none of the study.", "Write it as the study's list of strata.")
            )
        if not _POSITION.fullmatch(position):
            faults.append(_fault("RND157", row, "The position is not a whole number.", "Count each stratum from 1."))
        elif int(position) > size:
            faults.append(
                _fault(
                    "RND161",
                    row,
                    "The position lies beyond the list size of the study.",
                    f"Give each stratum {size} slots.",
                    size=size,
                )
            )
        if arm not in arms:
            faults.append(_fault("RND155", row, "The arm is none of the study.", "Use the arm ids of the study."))
        if has_number and not _OWN_NUMBER.fullmatch(number):
            faults.append(
                _fault(
                    "RND158",
                    row,
                    "The own number is missing, too long, or holds other characters.",
                    f"Use 1 to {MAX_OWN_NUMBER} letters, digits and . _ / -",
                    most=MAX_OWN_NUMBER,
                )
            )
        elif number and number in numbers:
            faults.append(_fault("RND159", row, "The own number stands in a row before.", "Give each number once."))
        if len(faults) > before:
            continue
        numbers.add(number)
        key = (stratum, int(position))
        if key in found:
            faults.append(
                _fault("RND160", row, "The slot stands in a row before.", "Give each position of a stratum once.")
            )
            continue
        found[key] = ImportedSlot(stratum, int(position), arm, number)
    if not faults:
        faults += _holes(found, strata, size)
    if faults:
        raise ParameterError(_shortened(faults))
    return [found[stratum, position] for stratum in strata for position in range(1, size + 1)]


def fingerprint(slots: Sequence[ImportedSlot]) -> str:
    """SHA-256 over all slots, to be sealed with the list: what was imported, whatever happens to a slot later.

    Each slot is stratum, position, arm and own number in UTF-8, each ended by 0x00; slots ordered by stratum (UTF-8
    bytes), then position.
    """
    digest = hashlib.sha256()
    for slot in sorted(slots, key=lambda slot: (slot.stratum.encode("utf-8"), slot.position)):
        for part in (slot.stratum, str(slot.position), slot.arm, slot.number):
            digest.update(part.encode("utf-8") + b"\0")
    return digest.hexdigest()


def _rows(content: bytes) -> tuple[list[tuple[int, dict[str, str]]], bool]:
    """The rows below the header with their line numbers, and whether there is a column of own numbers."""
    if len(content) > MAX_BYTES:
        raise _refused("RND151", "The file is too large.", f"Keep it below {MAX_BYTES // 1_000_000} MB.")
    if not content.strip():
        raise _refused("RND152", "The file is empty.", "Choose the file with the slots.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused("RND153", "The file is not UTF-8 text.", "Save it as CSV, UTF-8.") from None
    head = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in head else ",", strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        names = [name.strip().lower() for name in next(reader)]
        if sorted(names) not in (sorted(COLUMNS), sorted((*COLUMNS, OWN_NUMBER))):
            raise _refused(
                "RND154",
                "The first row is not the header stratum, position, arm, and number where there are own numbers.",
                "Write these words in the first row, each once.",
            )
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                raise _refused("RND162", "The row has another number of cells than the header.", row=reader.line_num)
            rows.append((reader.line_num, dict(zip(names, cells, strict=True))))
            if len(rows) > MAX_ROWS:
                raise _refused("RND151", "The file is too large.", f"Give at most {MAX_ROWS} rows.")
    except csv.Error:
        raise _refused("RND163", "The row cannot be read as CSV.", row=reader.line_num) from None
    if not rows:
        raise _refused("RND152", "The file has no slot below its header.", "Choose the file with the slots.")
    return rows, OWN_NUMBER in names


def _holes(found: Collection[tuple[str, int]], strata: Sequence[str], size: int) -> list[Fault]:
    """A fault for each stratum whose positions do not run from 1 to the list size."""
    faults = []
    for stratum in strata:
        missing = [position for position in range(1, size + 1) if (stratum, position) not in found]
        if missing:
            shown = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
            faults.append(
                Fault(
                    "RND164",
                    f"stratum {stratum}",
                    f"{len(missing)} slots are missing: {shown}.",
                    f"Give positions 1 to {size}, without a hole.",
                    {"stratum": stratum, "count": len(missing), "positions": shown, "size": size},
                )
            )
    return faults


def _fault(code: str, row: int, fault: str, remedy: str, **values: object) -> Fault:
    return Fault(code, f"row {row}", fault, remedy, {"row": row, **values})


def _refused(code: str, fault: str, remedy: str = "Correct the row.", row: int | None = None) -> ParameterError:
    place, values = ("file", {}) if row is None else (f"row {row}", {"row": row})
    return ParameterError([Fault(code, place, fault, remedy, values)])


def _shortened(faults: list[Fault]) -> list[Fault]:
    """The first faults, and how many more there are."""
    more = len(faults) - MOST_FAULTS
    if more <= 0:
        return faults
    last = Fault("RND165", "file", f"There are {more} more faults.", "Correct these first.", {"count": more})
    return [*faults[:MOST_FAULTS], last]


ALGORITHM = Algorithm(name=NAME, scheme="imported", generate=generate, check=check, kind=Kind.IMPORTED)
