"""Placing the participant's story on a line of time: what stands where, in rows that never overlap.

Pure: dates in, coordinates out (SVG user units, about a pixel). Words, links and today are arguments. A bar is certain
between the latest day on which it can have begun and the earliest on which it can have ended; what lies outside is
drawn as uncertain. What ended before the first day of the picture is counted in `Picture.earlier` and left to the
table beside it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

DAY = dt.timedelta(days=1)
ROW = 22
"""Height of a row; a bar takes BAR of it."""
BAR = 16
AXIS = 26
"""Height of the line of time at the top."""
LANE_PAD = 6
TEXT = 6.4
"""Width of a letter of the picture's text (11 px, sans-serif): on the large side, so that nothing overlaps."""
GAP = 6
"""Least space between two things of a row."""
SMALLEST = 7
"""A bar is never narrower, so that one day can be seen."""
POINT = 13
"""Width of the sign of a point."""
NAMES = 148
"""Width of the column of lane names; in a narrow picture they stand above their lanes instead."""
NARROW = 560
LONGEST = 26
"""Letters of a text in the picture; the whole text is in the title and in the table."""
SHORTEST = 4
"""A text with room for fewer letters is left out."""
TICK = 64
"""Least space between two ticks."""
STEPS = (1, 2, 3, 6, 12, 24, 60, 120)
"""Months between two ticks, the first that leaves room."""


@dataclass(frozen=True)
class Mark:
    """One thing that happened. A point has `is_span` False and happens somewhere from `first` to `last`.

    `first` and `last` are the widest that is possible; the thing is certain from `sure_from` to `sure_to` (both None
    when no day is). `is_open`: it goes on. `holds`: when it paused, an end of None for a pause that goes on.
    """

    first: dt.date
    last: dt.date
    sure_from: dt.date | None = None
    sure_to: dt.date | None = None
    is_span: bool = True
    is_open: bool = False
    text: str = ""
    title: str = ""
    url: str = ""
    grade: int | None = None
    is_alert: bool = False
    holds: tuple[tuple[dt.date, dt.date | None], ...] = ()

    @property
    def is_unsure(self) -> bool:
        """Whether a day of it is not known."""
        return self.sure_from != self.first or self.sure_to != self.last


@dataclass(frozen=True)
class Lane:
    id: str
    label: str
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Placed:
    """A mark with its coordinates; `sure` and `holds` are pairs of x. `text_x` is where its words begin (or end)."""

    mark: Mark
    row: int
    x: float
    end: float
    sure: tuple[float, float] | None
    holds: tuple[tuple[float, float], ...]
    text: str
    text_x: float
    is_text_inside: bool
    is_cut: bool

    @property
    def left(self) -> float:
        """The leftmost point that it takes, its words included."""
        return min(self.x, self.text_x)

    @property
    def right(self) -> float:
        """The rightmost point that it takes, its words included."""
        return max(self.end, self.text_x + len(self.text) * TEXT)


@dataclass(frozen=True)
class PlacedLane:
    lane: Lane
    top: float
    height: float
    marks_top: float
    placed: tuple[Placed, ...]

    @property
    def rows(self) -> int:
        return max((each.row for each in self.placed), default=0) + 1


@dataclass(frozen=True)
class Tick:
    x: float
    text: str


@dataclass(frozen=True)
class Picture:
    width: float
    height: float
    plot_left: float
    plot_right: float
    lanes: tuple[PlacedLane, ...]
    ticks: tuple[Tick, ...]
    today_x: float | None
    earlier: int

    @property
    def is_narrow(self) -> bool:
        return self.width < NARROW


def lay_out(
    lanes: Sequence[Lane],
    *,
    first: dt.date,
    last: dt.date,
    width: float,
    month_words: Callable[[dt.date], str],
    today: dt.date | None = None,
) -> Picture:
    """Place the lanes from the first to the last day (both included) in a picture of that width.

    Lanes without marks are left out. `today` draws a line where it lies within the picture.
    """
    last = max(first + 29 * DAY, last)
    left = 4.0 if width < NARROW else float(NAMES)
    scale = _Scale(first, last, left, width - 6)
    top, placed, earlier = float(AXIS), [], 0
    for lane in lanes:
        seen = [mark for mark in lane.marks if mark.last >= first and mark.first <= last]
        earlier += sum(mark.last < first for mark in lane.marks)
        if not seen:
            continue
        marks = _stack([_place(mark, scale) for mark in sorted(seen, key=lambda m: (m.first, m.last, m.text))])
        rows = max(mark.row for mark in marks) + 1
        head = ROW - 4 if width < NARROW else 0
        height = head + rows * ROW + 2 * LANE_PAD
        placed.append(PlacedLane(lane, top, height, top + head + LANE_PAD, tuple(marks)))
        top += height
    now = scale.at(today) if today is not None and first <= today <= last else None
    return Picture(width, top + 4, left, width - 6, tuple(placed), tuple(_ticks(scale, month_words)), now, earlier)


@dataclass(frozen=True)
class _Scale:
    first: dt.date
    last: dt.date
    left: float
    right: float

    def at(self, day: dt.date) -> float:
        """The beginning of a day; days outside the picture stand at its border."""
        days = (self.last - self.first).days + 1
        at = min(max((day - self.first).days, 0), days)
        return round(self.left + (self.right - self.left) * at / days, 1)


def _place(mark: Mark, scale: _Scale) -> Placed:
    """A mark with the place of its words: inside the bar, after it, before it, or nowhere."""
    if mark.is_span:
        x, end = scale.at(mark.first), scale.at(mark.last + DAY)
        if end - x < SMALLEST:
            x, end = _widen(x, end, SMALLEST, scale)
    else:
        middle = (scale.at(mark.first) + scale.at(mark.last + DAY)) / 2
        x, end = _widen(middle, middle, POINT, scale)
        if mark.is_unsure:
            x, end = min(x, scale.at(mark.first)), max(end, scale.at(mark.last + DAY))
    sure = None
    if mark.sure_from is not None and mark.sure_to is not None and mark.sure_from <= mark.sure_to:
        sure = (max(x, scale.at(mark.sure_from)), min(end, max(scale.at(mark.sure_to + DAY), x + 1)))
        if not mark.is_unsure:
            sure = (x, end)
    holds = tuple(
        (max(x, scale.at(begin)), min(end, scale.at(stop) if stop is not None else end))
        for begin, stop in mark.holds
        if scale.at(begin) < end and (stop is None or scale.at(stop) > x)
    )
    text, text_x, inside = _words(mark, x, end, scale)
    return Placed(mark, 0, x, end, sure, holds, text, text_x, inside, mark.is_span and mark.first < scale.first)


def _widen(x: float, end: float, width: float, scale: _Scale) -> tuple[float, float]:
    middle = (x + end) / 2
    x = min(max(middle - width / 2, scale.left), scale.right - width)
    return round(x, 1), round(x + width, 1)


def _words(mark: Mark, x: float, end: float, scale: _Scale) -> tuple[str, float, bool]:
    """The text of a mark, where it begins, and whether it stands inside the bar."""
    text = shortened(mark.text, LONGEST)
    if not text:
        return "", x, False
    is_cut = mark.is_span and mark.first < scale.first
    sign = (15 if mark.grade is not None else 0) + (8 if is_cut else 0)  # what stands first in the bar
    wide = len(text) * TEXT
    if mark.is_span and sign + wide + 8 <= end - x and not mark.holds:
        return text, x + sign + 4, True
    after = (max(end, x + sign) if mark.is_span else end) + 4
    if after + wide <= scale.right:
        return text, after, False
    if x - 4 - wide >= scale.left:
        return text, x - 4 - wide, False
    room = int((end - x - sign - 8) / TEXT)
    if mark.is_span and room >= SHORTEST and not mark.holds:
        return shortened(text, room), x + sign + 4, True
    before, behind = int((x - 4 - scale.left) / TEXT), int((scale.right - after) / TEXT)
    if max(before, behind) < SHORTEST:
        return "", x, False
    text = shortened(text, max(before, behind))
    return (text, after, False) if behind >= before else (text, x - 4 - len(text) * TEXT, False)


def _stack(placed: Iterable[Placed]) -> list[Placed]:
    """Give each mark the first row in which it touches nothing."""
    found: list[Placed] = []
    ends: list[list[tuple[float, float]]] = []
    for each in placed:
        row = 0
        while row < len(ends) and any(each.left < right + GAP and left < each.right + GAP for left, right in ends[row]):
            row += 1
        if row == len(ends):
            ends.append([])
        ends[row].append((each.left, each.right))
        found.append(
            Placed(
                each.mark, row, each.x, each.end, each.sure, each.holds,
                each.text, each.text_x, each.is_text_inside, each.is_cut,
            )
        )  # fmt: skip
    return found


def _ticks(scale: _Scale, month_words: Callable[[dt.date], str]) -> Iterable[Tick]:
    """Beginnings of months, as dense as there is room; steps of a year begin in January."""
    months = (scale.last.year - scale.first.year) * 12 + scale.last.month - scale.first.month + 1
    room = scale.right - scale.left
    step = next((s for s in STEPS if months / s * TICK <= room), STEPS[-1])
    at = scale.first.year * 12 + scale.first.month - 1
    at += -at % step
    while dt.date(at // 12, at % 12 + 1, 1) <= scale.last:
        day = dt.date(at // 12, at % 12 + 1, 1)
        words = month_words(day)
        if day >= scale.first and scale.at(day) + len(words) * TEXT <= scale.right:
            yield Tick(scale.at(day), words)
        at += step


def shortened(text: str, most: int) -> str:
    """A text of at most so many letters, its loss shown."""
    return text if len(text) <= most else text[: max(most - 1, 1)].rstrip() + "…"
