"""Small charts as SVG: drawn by the server, colored by the page's own tokens, told in words for who does not see them.

Sizes are attributes, never styles (the content security policy forbids these). A chart takes the width of its frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 480, 220
LEFT, RIGHT, TOP, BOTTOM = 34, 12, 16, 28
LABELS = 8
"""At most so many places are named below the axis."""


@dataclass(frozen=True)
class Series:
    """A line over the same places as the others: one value per place, None where it ends."""

    values: Sequence[float | None]
    dashed: bool = False


def chart(
    *,
    title: str,
    summary: str,
    places: Sequence[str],
    lines: Sequence[Series] = (),
    bars: Sequence[int] = (),
    id: str,
) -> SafeString:
    """Draw bars and lines over the same places, with one axis. `title` and `summary` are read to who cannot see it."""
    most = max([*bars, *(v for line in lines for v in line.values if v is not None), 1])
    top, ticks = _scale(most)
    step = (WIDTH - LEFT - RIGHT) / max(len(places), 1)
    height = HEIGHT - TOP - BOTTOM

    def x(at: int) -> float:
        return LEFT + step * (at + 0.5)

    def y(value: float) -> float:
        return TOP + height * (1 - value / top)

    grid = format_html_join(
        "",
        '<line x1="{}" x2="{}" y1="{}" y2="{}" stroke="var(--line-faint)"/>'
        '<text x="{}" y="{}" text-anchor="end" font-size="11" fill="var(--text-faint)">{}</text>',
        ((LEFT, WIDTH - RIGHT, _n(y(t)), _n(y(t)), LEFT - 6, _n(y(t) + 4), t) for t in ticks),
    )
    columns = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}" rx="2" fill="var(--accent)"><title>{}: {}</title></rect>',
        (
            (_n(x(i) - step * 0.35), _n(y(n)), _n(step * 0.7), _n(max(0.0, y(0) - y(n))), places[i], n)
            for i, n in enumerate(bars)
            if n
        ),
    )
    drawn = format_html_join("", "{}", ((_line(line, x, y),) for line in lines))
    every = max(1, -(-len(places) // LABELS))
    labels = format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="middle" font-size="11" fill="var(--text-faint)">{}</text>',
        ((_n(x(i)), HEIGHT - 10, place) for i, place in enumerate(places) if i % every == 0),
    )
    return format_html(
        '<svg viewBox="0 0 {w} {h}" width="100%" role="img" aria-labelledby="{id}-title {id}-text" '
        'font-family="inherit" focusable="false"><title id="{id}-title">{title}</title>'
        '<desc id="{id}-text">{summary}</desc>{grid}{columns}{drawn}{labels}</svg>',
        w=WIDTH, h=HEIGHT, id=id, title=title, summary=summary, grid=grid, columns=columns, drawn=drawn, labels=labels,
    )  # fmt: skip


def _line(line: Series, x: object, y: object) -> SafeString:
    points = [(x(i), y(v)) for i, v in enumerate(line.values) if v is not None]  # type: ignore[operator]
    path = " ".join(f"{'M' if i == 0 else 'L'}{_n(a)} {_n(b)}" for i, (a, b) in enumerate(points))
    if line.dashed:
        return format_html(
            '<path d="{}" fill="none" stroke="var(--rest-solid)" stroke-width="1.5" stroke-dasharray="5 4"/>', path
        )
    end = format_html('<circle cx="{}" cy="{}" r="3.5" fill="var(--accent)"/>', *map(_n, points[-1])) if points else ""
    return format_html('<path d="{}" fill="none" stroke="var(--accent)" stroke-width="2.25"/>{}', path, end)


def _scale(most: float) -> tuple[float, list[int]]:
    """Return the end of an axis and its marks: 4 to 6 round numbers that cover the largest value."""
    step = 1
    for candidate in (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10_000, 50_000, 100_000):
        step = candidate
        if most / candidate <= 5:
            break
    ticks = list(range(0, int(-(-most // step)) * step + 1, step))
    return float(ticks[-1]), ticks


def _n(number: float) -> str:
    return f"{number:.1f}"
