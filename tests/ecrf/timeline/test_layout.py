"""The placing of the story: nothing overlaps in a row, whatever happened, and nothing lies outside the picture."""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ecrf.timeline.drawing import draw
from ecrf.timeline.layout import AXIS, BAR, NAMES, Lane, Mark, Picture, lay_out

FIRST, LAST = dt.date(2025, 1, 1), dt.date(2026, 12, 31)
SVG = "{http://www.w3.org/2000/svg}"


def month(day: dt.date) -> str:
    return f"{day:%b %Y}"


def placed(*marks: Mark, width: float = 1100, last: dt.date = LAST, today: dt.date | None = None) -> Picture:
    lanes = [Lane("lane", "A lane", marks)]
    return lay_out(lanes, first=FIRST, last=last, width=width, month_words=month, today=today)


def span(first: dt.date, last: dt.date, text: str = "", **said: object) -> Mark:
    return Mark(first, last, first, last, text=text, **said)  # type: ignore[arg-type]


def point(on: dt.date, text: str = "") -> Mark:
    return Mark(on, on, on, on, is_span=False, text=text)


def day(month_: int, day_: int = 1, year: int = 2025) -> dt.date:
    return dt.date(year, month_, day_)


days = st.dates(FIRST - dt.timedelta(days=400), LAST + dt.timedelta(days=100))


@st.composite
def marks(draw_: st.DrawFn) -> Mark:
    first, last = sorted((draw_(days), draw_(days)))
    text = draw_(st.text("abcdefgh ", max_size=40))
    grade = draw_(st.none() | st.integers(1, 5))
    is_span = draw_(st.booleans())
    sure_from = draw_(st.sampled_from([first, last, None]))
    hold = draw_(days)
    holds = (
        ((hold, draw_(st.none() | st.just(hold + dt.timedelta(days=10)))),) if is_span and draw_(st.booleans()) else ()
    )
    return Mark(
        first, last, sure_from, last if sure_from else None, is_span=is_span, text=text, grade=grade, holds=holds,
        is_open=draw_(st.booleans()),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(marks(), max_size=40), st.sampled_from([342, 700, 1100]))
def test_nothing_overlaps_and_nothing_leaves_the_picture(found: list[Mark], width: int) -> None:
    """ECRF-450: two things of a row never touch, words included; every x lies within the drawing."""
    picture = placed(*found, width=width)
    for lane in picture.lanes:
        for row in range(lane.rows):
            here = sorted((each.left, each.right) for each in lane.placed if each.row == row)
            assert all(before[1] < after[0] for before, after in pairwise(here))
        for each in lane.placed:
            assert picture.plot_left <= each.left and each.right <= picture.plot_right + 0.2
            assert each.x <= each.end
        assert lane.top + lane.height <= picture.height
    root = ET.fromstring(draw(picture, name="t", title="T", description="D"))  # noqa: S314 - our own text
    assert root.get("viewBox") == f"0 0 {width} {picture.height:.1f}".removesuffix(".0")


def test_an_empty_story_has_no_lane() -> None:
    """ECRF-451: lanes without marks are left out; the line of time is still there."""
    picture = placed()
    assert picture.lanes == ()
    assert picture.height < 2 * AXIS
    assert picture.ticks


def test_what_is_at_the_same_time_is_stacked_and_what_follows_shares_a_row() -> None:
    """ECRF-452: a row is used again as soon as it is free."""
    one, two = span(day(1), day(3), "one"), span(day(2), day(4), "two")
    three = span(day(8), day(9), "three")
    [lane] = placed(one, two, three).lanes
    assert {each.mark.text: each.row for each in lane.placed} == {"one": 0, "two": 1, "three": 0}


def test_a_long_story_keeps_its_row_height_and_thins_its_ticks() -> None:
    """ECRF-453: sixty overlapping events are sixty rows; ten years have a tick every second January."""
    [lane] = placed(*(span(day(1), day(12), f"event {n}") for n in range(60))).lanes
    assert lane.rows == 60
    far = placed(point(day(2)), last=dt.date(2035, 1, 1), width=700)
    assert [tick.text for tick in far.ticks][:3] == ["Jan 2026", "Jan 2028", "Jan 2030"]


def test_one_day_can_be_seen_and_words_stand_beside_it() -> None:
    """ECRF-454: a short bar has a least width; its words stand after it, or before it at the right border."""
    [lane] = placed(span(day(3), day(3), "one day"), span(day(12, 20, 2026), day(12, 21, 2026), "at the end")).lanes
    first, last = lane.placed
    assert first.end - first.x >= 7 and first.text_x > first.end
    assert last.text_x < last.x


def test_what_began_before_is_cut_and_what_ended_before_is_counted() -> None:
    """ECRF-455: the picture says so; the table beside it has them all."""
    picture = placed(span(dt.date(2020, 1, 1), day(2), "old"), span(dt.date(2019, 1, 1), dt.date(2019, 2, 1), "older"))
    [only] = picture.lanes[0].placed
    assert only.is_cut and only.x == NAMES
    assert picture.earlier == 1


def test_a_partial_date_is_drawn_as_not_certain() -> None:
    """ECRF-456: dashed where the day is not known, full where it is certain; a point on a dashed line."""
    unsure = Mark(day(3), day(6, 30), day(3, 31), day(6), text="unsure")
    point_ = Mark(day(5), day(5, 31), None, None, is_span=False, text="some day of May")
    text = draw(placed(unsure, point_), name="t", title="T", description="D")
    assert text.count("lifeline__bar--unsure") == 1
    assert text.count('class="lifeline__bar"') == 1
    assert "lifeline__maybe" in text and "lifeline__point--unsure" in text
    assert "unsure" not in draw(placed(span(day(3), day(4))), name="t", title="T", description="D").replace("x", "")


def test_a_pause_is_a_thin_line_between_two_parts() -> None:
    """ECRF-457: held and restarted: two bars and a line; held for good: the line goes to the end."""
    held = span(day(1), day(12), "drug", holds=((day(3), day(5)), (day(10), None)))
    text = draw(placed(held), name="t", title="T", description="D")
    assert text.count('class="lifeline__bar"') == 2
    assert text.count("lifeline__hold") == 2


def test_the_drawing_is_svg_without_style_or_script_and_escapes_words() -> None:
    """ECRF-458: title, description, a title for each mark; the grade is a number; nothing that a policy refuses."""
    mark = span(day(2), day(6), '<b>&"x"', title="<script>alert(1)</script>", url='/x?a=1&b="2"', grade=3)
    text = draw(placed(mark, today=day(7)), name="t", title="A & B", description="<D>")
    root = ET.fromstring(text)  # noqa: S314 - our own text
    assert root.find(f"{SVG}title") is None  # inline SVG of a page has no namespace of its own
    assert [root.find("title").text, root.find("desc").text] == ["A & B", "<D>"]  # type: ignore[union-attr]
    assert root.get("role") == "group" and root.get("aria-labelledby") == "t-title t-desc"
    assert not any("style" in each.attrib or each.tag == "script" for each in root.iter())
    link = next(each for each in root.iter("a"))
    assert (link.get("href"), link.get("tabindex")) == ('/x?a=1&b="2"', "-1")
    assert [each.text for each in root.iter("text") if each.get("class") == "lifeline__grade"] == ["3"]
    assert "lifeline__mark--g3" in text and "lifeline__today" in text
    assert BAR == 16
