"""The story as SVG: elements with classes and attributes only, so that the page's stylesheet gives every color.

No inline style, no script, nothing from elsewhere: the drawing obeys the strict content policy, and follows the theme.
It carries a title and a description; each mark has its words as a title. What a color says, a number, a letter, a
dash or a thin line says too.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from .layout import AXIS, BAR, LANE_PAD, ROW, Picture, Placed, PlacedLane, shortened

NAME_LETTERS = 21
"""Letters of one line of a lane's name."""


def draw(picture: Picture, *, name: str, title: str, description: str) -> str:
    """The picture as one `<svg>` element; `name` begins its ids, which must be unique in the page."""
    width, height = _n(picture.width), _n(picture.height)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg class="lifeline" {size} role="group" aria-labelledby="{name}-title {name}-desc">',
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>',
        *_axis(picture),
    ]
    for at, lane in enumerate(picture.lanes):
        parts.extend(_lane(lane, picture, is_odd=bool(at % 2)))
    if picture.today_x is not None:
        parts.append(_line("lifeline__today", picture.today_x, AXIS - 6, picture.today_x, picture.height))
    return "".join([*parts, "</svg>"])


def _axis(picture: Picture) -> Iterable[str]:
    for tick in picture.ticks:
        yield _line("lifeline__tick", tick.x, AXIS - 8, tick.x, picture.height)
        yield f'<text class="lifeline__when" x="{_n(tick.x + 3)}" y="{AXIS - 10}">{escape(tick.text)}</text>'


def _lane(placed: PlacedLane, picture: Picture, *, is_odd: bool) -> Iterable[str]:
    band = "lifeline__lane lifeline__lane--odd" if is_odd else "lifeline__lane"
    yield f'<g role="group" aria-label={quoteattr(placed.lane.label)}>'
    yield _rect(band, 0, placed.top, picture.width, placed.height, 0)
    yield from _name(placed, picture)
    for each in placed.placed:
        yield from _mark(each, placed.marks_top + each.row * ROW)
    yield "</g>"


def _name(placed: PlacedLane, picture: Picture) -> Iterable[str]:
    if picture.is_narrow:
        yield f'<text class="lifeline__name" x="6" y="{_n(placed.top + 14)}">{escape(placed.lane.label)}</text>'
        return
    for at, line in enumerate(_lines(placed.lane.label, int((placed.height - LANE_PAD) // 13))):
        yield f'<text class="lifeline__name" x="6" y="{_n(placed.top + LANE_PAD + 13 + at * 13)}">{escape(line)}</text>'


def _lines(label: str, most: int) -> list[str]:
    """A name on as many lines as its lane has room for."""
    words, lines = label.split(), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > NAME_LETTERS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    if len(lines) > most:
        lines = [*lines[: most - 1], shortened(" ".join(lines[most - 1 :]), NAME_LETTERS)]
    return [shortened(line, NAME_LETTERS) for line in lines]


def _mark(each: Placed, top: float) -> Iterable[str]:
    mark = each.mark
    tone = f" lifeline__mark--g{mark.grade}" if mark.grade in range(1, 6) else ""
    tone += " lifeline__mark--alert" if mark.is_alert else ""
    opening, closing = f'<g class="lifeline__mark{tone}">', "</g>"
    if mark.url:
        opening = f'<a class="lifeline__mark{tone}" href={quoteattr(mark.url)} tabindex="-1">'
        closing = "</a>"
    yield opening
    yield f"<title>{escape(mark.title or mark.text)}</title>"
    y, middle = top + (ROW - BAR) / 2, top + ROW / 2
    yield from (_bar(each, y) if mark.is_span else _point(each, middle))
    if mark.grade is not None and mark.is_span:
        x = _n(each.x + (12 if each.is_cut else 4))
        yield f'<text class="lifeline__grade" x="{x}" y="{_n(middle + 4)}">{mark.grade}</text>'
    if each.text:
        where, x, anchor = "lifeline__text--in" if each.is_text_inside else "lifeline__text", _n(each.text_x), ""
        if each.text_x < each.x:  # words before their mark end at it, whatever their true width
            x, anchor = _n(each.x - 4), ' text-anchor="end"'
        yield f'<text class="{where}" x="{x}" y="{_n(middle + 4)}"{anchor}>{escape(each.text)}</text>'
    yield closing


def _bar(each: Placed, y: float) -> Iterable[str]:
    """The bar: uncertain ends dashed, pauses a thin line, an open end an arrow, a cut beginning a notch."""
    if each.mark.is_unsure:
        yield _rect("lifeline__bar lifeline__bar--unsure", each.x, y, each.end - each.x, BAR, 3)
    for begin, end in _between(each):
        yield _rect("lifeline__bar", begin, y, end - begin, BAR, 3)
    for begin, end in each.holds:
        yield _rect("lifeline__hold", begin, y + BAR / 2 - 1.5, end - begin, 3, 0)
    if each.is_cut:
        yield _path("lifeline__cut", f"M{_n(each.x + 5)} {_n(y + 4)}l-4 4l4 4")
    if each.mark.is_open:
        yield _path("lifeline__open", f"M{_n(each.end - 5)} {_n(y + 4)}l4 4l-4 4")


def _between(each: Placed) -> list[tuple[float, float]]:
    """The certain part of a bar without its pauses."""
    if each.sure is None:
        return []
    begin, end = each.sure
    parts = []
    for hold, restart in sorted(each.holds):
        if hold > begin:
            parts.append((begin, min(hold, end)))
        begin = max(begin, restart)
    if end > begin:
        parts.append((begin, end))
    return parts


def _point(each: Placed, middle: float) -> Iterable[str]:
    """A lozenge where it happened; on a dashed line when the day is not known."""
    x = (each.x + each.end) / 2
    if each.mark.is_unsure:
        yield _line("lifeline__maybe", each.x, middle, each.end, middle)
    yield _path(
        f"lifeline__point{' lifeline__point--unsure' if each.mark.is_unsure else ''}",
        f"M{_n(x)} {_n(middle - 6)}l6 6l-6 6l-6 -6z",
    )


def _rect(css: str, x: float, y: float, width: float, height: float, radius: float) -> str:
    rounded = f' rx="{_n(radius)}"' if radius else ""
    return f'<rect class="{css}" x="{_n(x)}" y="{_n(y)}" width="{_n(max(width, 1))}" height="{_n(height)}"{rounded}/>'


def _line(css: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{css}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"/>'


def _path(css: str, d: str) -> str:
    return f'<path class="{css}" d="{d}"/>'


def _n(number: float) -> str:
    """A number as short as it can be written."""
    text = f"{number:.1f}"
    return text.removesuffix(".0")
