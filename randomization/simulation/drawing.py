"""Pictures of a report as SVG: attributes and tokens of the page's theme only, so the strict content policy holds.

What a color says, a shape says too, and each mark has its words as a title. Nothing here knows a language: words and
numbers come ready.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

WIDTH = 420
ROW = 44
EDGE = 14
AXIS = 26

SHAPES = ("circle", "square", "diamond", "bar")
"""The marks, in the order in which a legend names them."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value on a row, with its mark and its words."""

    value: float
    shape: str
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """One scheme: its name and its points; a line joins the least and the greatest."""

    label: str
    points: tuple[Point, ...]


def dots(
    rows: Sequence[Row],
    *,
    ticks: Sequence[tuple[float, str]],
    name: str,
    title: str,
    description: str,
    reference: float | None = None,
) -> str:
    """Rows of marks over one axis, from the first tick to the last; `reference` is a dashed line over all rows."""
    low, high = ticks[0][0], ticks[-1][0]
    height = AXIS + ROW * len(rows)

    def x(value: float) -> float:
        return EDGE + (WIDTH - 2 * EDGE) * (min(max(value, low), high) - low) / (high - low)

    parts = [_open(WIDTH, height, name, title, description)]
    for value, words in ticks:
        parts.append(_line(x(value), 2, x(value), height - AXIS + 4, "var(--line-faint)"))
        parts.append(_text(x(value), height - 8, words, anchor="middle", fill="var(--text-faint)", size=11))
    if reference is not None:
        parts.append(_line(x(reference), 2, x(reference), height - AXIS + 4, "var(--rest-solid)", dashed=True))
    for at, row in enumerate(rows):
        top = at * ROW
        parts.append(f"<g role={quoteattr('group')} aria-label={quoteattr(row.label)}>")
        parts.append(_text(EDGE - 8, top + 15, row.label, fill="var(--text)", size=12))
        values = [x(point.value) for point in row.points]
        middle = top + 30
        parts.append(_line(EDGE, middle, WIDTH - EDGE, middle, "var(--line-faint)"))
        if values:
            parts.append(_line(min(values), middle, max(values), middle, "var(--accent)", width=2))
        parts.extend(_mark(x(point.value), middle, point) for point in row.points)
        parts.append("</g>")
    return "".join([*parts, "</svg>"])


def columns(
    bars: Sequence[tuple[float, float, str]],
    *,
    highest: float,
    most: float,
    name: str,
    title: str,
    description: str,
    width: int = 200,
    height: int = 110,
) -> str:
    """A small histogram: (value, share of trials, words) from 0 to `highest`; `most` is the share at its top.

    Charts of one report get the same `highest` and `most`, so that they can be compared.
    """
    step = (width - 2 * EDGE) / (highest + 1)
    floor = height - 20
    parts = [_open(width, height, name, title, description)]
    for value, share, words in bars:
        tall = (floor - 6) * share / most
        parts.append(
            f'<rect x="{_n(EDGE + step * value)}" y="{_n(floor - tall)}" width="{_n(max(step * 0.86, 1))}" '
            f'height="{_n(max(tall, 0.5))}" fill="var(--accent)"><title>{escape(words)}</title></rect>'
        )
    parts.append(_line(EDGE, floor, width - EDGE, floor, "var(--line)"))
    for value in sorted({0, int(highest // 2), int(highest)}):
        parts.append(
            _text(
                EDGE + step * (value + 0.43), height - 6, str(value), anchor="middle", fill="var(--text-faint)", size=10
            )
        )
    return "".join([*parts, "</svg>"])


def round_ticks(highest: float, most: int = 5) -> list[float]:
    """Round numbers from 0 that cover the highest value, at most `most` steps."""
    step = 0.01
    for step in (scale * base for scale in (0.01, 0.1, 1, 10, 100, 1000) for base in (1, 2, 5)):
        if highest / step <= most:
            break
    count = max(1, int(-(-highest // step)))
    return [round(step * number, 6) for number in range(count + 1)]


def _open(width: float, height: float, name: str, title: str, description: str) -> str:
    return (
        f'<svg viewBox="0 0 {_n(width)} {_n(height)}" width="100%" role="img" font-family="inherit" focusable="false" '
        f'aria-labelledby="{name}-title {name}-text"><title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-text">{escape(description)}</desc>'
    )


def _mark(x: float, y: float, point: Point) -> str:
    title = f"<title>{escape(point.words)}</title>"
    paint = 'fill="var(--surface)" stroke="var(--accent)" stroke-width="2"'
    if point.shape == "square":
        return f'<rect x="{_n(x - 4.5)}" y="{_n(y - 4.5)}" width="9" height="9" {paint}>{title}</rect>'
    if point.shape == "diamond":
        return f'<path d="M{_n(x)} {_n(y - 6.5)}l6.5 6.5l-6.5 6.5l-6.5 -6.5z" fill="var(--accent)">{title}</path>'
    if point.shape == "bar":
        return f'<rect x="{_n(x - 1.5)}" y="{_n(y - 7)}" width="3" height="14" fill="var(--accent)">{title}</rect>'
    return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="5" {paint}>{title}</circle>'


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str, *, dashed: bool = False, width: float = 1) -> str:
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    place = f'x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
    return f'<line {place} stroke="{stroke}" stroke-width="{_n(width)}"{dashes}/>'


def _text(x: float, y: float, words: str, *, fill: str, size: int, anchor: str = "start") -> str:
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" font-size="{size}" fill="{fill}">{escape(words)}</text>'
    )


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def course(
    values: Sequence[float],
    *,
    labels: Sequence[str],
    name: str,
    title: str,
    description: str,
    is_whole: bool = True,
) -> str:
    """A step line of one value per place; the first and the last place are named, counts have whole marks only."""
    height = 150
    marks = [mark for mark in round_ticks(max([*values, 1])) if not is_whole or mark == int(mark)]
    low, high = marks[0], marks[-1]
    left, floor, ceiling = 34, height - AXIS, 8

    def y(value: float) -> float:
        return floor - (floor - ceiling) * (value - low) / (high - low)

    step = (WIDTH - left - EDGE) / max(1, len(values))
    parts = [_open(WIDTH, height, name, title, description)]
    for mark in marks:
        parts.append(_line(left, y(mark), WIDTH - EDGE, y(mark), "var(--line-faint)"))
        parts.append(_text(left - 6, y(mark) + 4, f"{mark:g}", fill="var(--text-faint)", size=11, anchor="end"))
    path = "".join(
        f"{'M' if not at else 'L'}{_n(left + step * at)} {_n(y(value))}H{_n(left + step * (at + 1))}"
        for at, value in enumerate(values)
    )
    parts.append(f'<path d="{path}" fill="none" stroke="var(--accent)" stroke-width="2.25"/>')
    if labels:
        parts.append(_text(left, height - 8, labels[0], fill="var(--text-faint)", size=11))
    if len(labels) > 1:
        parts.append(_text(WIDTH - EDGE, height - 8, labels[-1], fill="var(--text-faint)", size=11, anchor="end"))
    return "".join([*parts, "</svg>"])
