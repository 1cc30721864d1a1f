"""The report of a simulation on paper, for the trial master file: several schemes side by side, with pictures.

A4 across, in reportlab's standard fonts. Parameters of the schemes are not on it, but they can be told from its
numbers: each page says who may keep it.
"""

from __future__ import annotations

import io
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    KeepTogether,
    PageBreak,
    PageTemplate,
    Spacer,
    Table,
    TableStyle,
)

from audit import clock
from randomization import simulated
from randomization.simulation import Report
from trial.definition import Definition

from .paper import (
    BODY,
    HEADING,
    INK,
    LABEL,
    LINE,
    MARGIN,
    MONO,
    MUTED,
    PETROL,
    SMALL,
    SOFT,
    SUBTITLE,
    TITLE,
    moment,
    plain,
    text,
)

PAGE = landscape(A4)
WIDTH = PAGE[0] - 2 * MARGIN
CELL = ParagraphStyle("cell", parent=BODY, fontSize=8, leading=10)
CELL_END = ParagraphStyle("cell_end", parent=CELL, alignment=2)
HEAD = ParagraphStyle("head", parent=CELL, textColor=MUTED)
HEAD_END = ParagraphStyle("head_end", parent=HEAD, alignment=2)
GROUP = ParagraphStyle("group", parent=BODY, fontName="Helvetica-Bold", spaceBefore=6, spaceAfter=3)


def simulation_report(
    report: Report, definition: Definition, *, locale: str, printed_by: str, is_simulated: bool, of_list: str = ""
) -> bytes:
    """Return the report as a PDF in a language of the study; whoever calls it has asked for the right."""
    with translation.override(locale):
        return _Document(report, definition, locale, printed_by, is_simulated, of_list).pdf()


class _Document:
    def __init__(
        self,
        report: Report,
        definition: Definition,
        locale: str,
        printed_by: str,
        is_simulated: bool,
        of_list: str,
    ) -> None:
        self.report = report
        self.definition = definition
        self.locale = locale
        self.printed_by = printed_by
        self.is_simulated = is_simulated
        self.of_list = of_list

    def pdf(self) -> bytes:
        target = io.BytesIO()
        document = BaseDocTemplate(
            target,
            pagesize=PAGE,
            leftMargin=MARGIN,
            rightMargin=MARGIN,
            title=plain(_("Simulation of randomization schemes")),
            author=plain(self.definition.study.sponsor),
            subject=plain(self.definition.study.acronym),
            lang=self.locale,
            invariant=1,
        )
        frame = Frame(MARGIN, 20 * mm, WIDTH, PAGE[1] - 46 * mm, leftPadding=0, rightPadding=0, topPadding=0)
        document.addPageTemplates(PageTemplate(frames=[frame], onPage=self._page))
        document.build(self._story())
        return target.getvalue()

    def _story(self) -> list[Flowable]:
        report = self.report
        story: list[Flowable] = [
            text(_("Simulation of randomization schemes"), TITLE),
            text(self.definition.text(self.definition.study.title, self.locale), SUBTITLE),
        ]
        if self.of_list:
            story.append(text(self.of_list, BODY))
        story += [
            text(_("What was simulated"), HEADING),
            _pairs([(str(f["label"]), _said(f)) for f in simulated.report_facts(report)]),
            Spacer(0, 6),
            _pairs([(str(f["label"]), str(f["value"])) for f in simulated.proof_facts(report)], MONO),
            PageBreak(),
        ]
        charts = [[text(chart.title, GROUP), _Dots(chart), _legend(chart)] for chart in simulated.charts(report)]
        for at in range(0, len(charts), 2):
            story.append(KeepTogether(_side_by_side(charts[at : at + 2])))
        story.append(PageBreak())
        for table in simulated.tables(report):
            parts: list[Flowable] = [text(table.caption, HEADING), _table(table)]
            if table.note:
                parts.append(text(table.note, SMALL))
            story.append(KeepTogether(parts))
        prevalences = simulated.prevalence_rows(report, self.definition)
        if prevalences.rows:
            story.append(KeepTogether([text(prevalences.caption, HEADING), _table(prevalences)]))
        for label, tables in simulated.group_tables(report, self.definition):
            story += [PageBreak(), text(label, HEADING)]
            for table in tables:
                story += [text(table.caption, GROUP), _table(table)]
        return story

    def _page(self, canvas: Canvas, document: Any) -> None:
        canvas.saveState()
        study = self.definition.study
        top = PAGE[1] - 14 * mm
        canvas.setFillColor(PETROL)
        canvas.rect(0, PAGE[1] - 4 * mm, PAGE[0], 4 * mm, stroke=0, fill=1)
        canvas.setFont("Helvetica-Bold", 11)
        canvas.setFillColor(INK)
        canvas.drawString(MARGIN, top, plain(study.acronym))
        canvas.setFont("Helvetica", 8)
        canvas.setFillColor(MUTED)
        line = _("Protocol version %(version)s") % {"version": study.protocol_version}
        canvas.drawString(MARGIN, top - 11, plain(" · ".join(filter(None, [study.sponsor, line]))))
        canvas.drawRightString(PAGE[0] - MARGIN, top, plain(_("Confidential")))
        if self.is_simulated:
            canvas.drawRightString(PAGE[0] - MARGIN, top - 11, plain(_("SIMULATED DATA")))
        canvas.setStrokeColor(LINE)
        canvas.line(MARGIN, top - 17, PAGE[0] - MARGIN, top - 17)
        canvas.line(MARGIN, 16 * mm, PAGE[0] - MARGIN, 16 * mm)
        canvas.setFont("Helvetica", 7.5)
        printed = _("Printed on %(when)s by %(who)s") % {
            "when": moment(clock.now(), self.locale),
            "who": self.printed_by,
        }
        canvas.drawString(MARGIN, 16 * mm - 10, plain(printed))
        note = _(
            "Confidential parameters can be told from these numbers. Keep the report with those who may know them."
        )
        canvas.drawString(MARGIN, 16 * mm - 19, plain(note))
        page = _("Page %(number)s") % {"number": canvas.getPageNumber()}
        canvas.drawRightString(PAGE[0] - MARGIN, 16 * mm - 10, plain(page))
        canvas.drawRightString(PAGE[0] - MARGIN, 16 * mm - 19, self.report.digest[:16])
        canvas.restoreState()


class _Dots(Flowable):
    """A chart of the report: a row per scheme, its marks over one axis."""

    ROW = 22

    def __init__(self, chart: simulated.Chart) -> None:
        super().__init__()
        self.chart = chart
        self.width = WIDTH / 2 - 6 * mm
        self.height = self.ROW * len(chart.rows) + 16

    def wrap(self, available_width: float, available_height: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        canvas: Canvas = self.canv
        low, high = self.chart.ticks[0][0], self.chart.ticks[-1][0]

        def x(value: float) -> float:
            return 6 + (self.width - 12) * (min(max(value, low), high) - low) / (high - low)

        canvas.setLineWidth(0.4)
        canvas.setFont("Helvetica", 7)
        for value, words in self.chart.ticks:
            canvas.setStrokeColor(LINE)
            canvas.line(x(value), 12, x(value), self.height)
            canvas.setFillColor(MUTED)
            canvas.drawCentredString(x(value), 3, plain(words))
        if self.chart.reference is not None:
            canvas.setDash(3, 2)
            canvas.setStrokeColor(MUTED)
            canvas.line(x(self.chart.reference), 12, x(self.chart.reference), self.height)
            canvas.setDash()
        for at, row in enumerate(self.chart.rows):
            top = self.height - at * self.ROW
            canvas.setFillColor(INK)
            canvas.setFont("Helvetica", 7.5)
            canvas.drawString(0, top - 8, plain(row.label))
            places = [x(point.value) for point in row.points]
            canvas.setStrokeColor(PETROL)
            canvas.setLineWidth(1)
            canvas.line(min(places), top - 15, max(places), top - 15)
            for place, point in zip(places, row.points, strict=True):
                _draw_mark(canvas, point.shape, place, top - 15)


class _Mark(Flowable):
    """One mark of a legend."""

    def __init__(self, shape: str) -> None:
        super().__init__()
        self.shape = shape

    def wrap(self, available_width: float, available_height: float) -> tuple[float, float]:
        return 8, 8

    def draw(self) -> None:
        _draw_mark(self.canv, self.shape, 4, 3)


def _draw_mark(canvas: Canvas, shape: str, x: float, y: float) -> None:
    canvas.setStrokeColor(PETROL)
    canvas.setLineWidth(1)
    canvas.setFillColor(colors.white)
    if shape == "square":
        canvas.rect(x - 2.5, y - 2.5, 5, 5, stroke=1, fill=1)
    elif shape == "circle":
        canvas.circle(x, y, 2.8, stroke=1, fill=1)
    elif shape == "bar":
        canvas.setFillColor(PETROL)
        canvas.rect(x - 0.8, y - 4, 1.6, 8, stroke=0, fill=1)
    else:
        canvas.setFillColor(PETROL)
        path = canvas.beginPath()
        path.moveTo(x, y - 3.8)
        for step_x, step_y in ((3.8, 0), (0, 3.8), (-3.8, 0)):
            path.lineTo(x + step_x, y + step_y)
        path.close()
        canvas.drawPath(path, stroke=0, fill=1)


def _legend(chart: simulated.Chart) -> Table:
    cells: list[Flowable] = []
    for shape, words in chart.legend:
        cells += [_Mark(shape), text(words, SMALL)]
    share = (WIDTH / 2 - 6 * mm) / len(chart.legend) - 12
    legend = Table([cells], colWidths=[12, share] * len(chart.legend))
    legend.setStyle(
        TableStyle(
            [
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("RIGHTPADDING", (0, 0), (-1, -1), 2),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return legend


def _side_by_side(parts: list[list[Flowable]]) -> list[Flowable]:
    cells: list[Any] = [*parts, *([""] * (2 - len(parts)))]
    table = Table([cells], colWidths=[WIDTH / 2, WIDTH / 2])
    table.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]))
    return [table, Spacer(0, 8)]


def _pairs(rows: list[tuple[str, str]], value_style: ParagraphStyle = BODY) -> Table:
    table = Table(
        [[text(label, LABEL), text(value or "–", value_style)] for label, value in rows],
        colWidths=[62 * mm, WIDTH - 62 * mm],
    )
    table.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
            ]
        )
    )
    return table


def _table(table: simulated.TableWords) -> Table:
    first = 78 * mm if len(table.heads) > 4 else 100 * mm
    others = (WIDTH - first) / (len(table.heads) - 1)
    rows = [[text(head, HEAD_END if at else HEAD) for at, head in enumerate(table.heads)]]
    rows += [[text(words, CELL_END if at else CELL) for at, words in enumerate(row)] for row in table.rows]
    made = Table(rows, colWidths=[first, *([others] * (len(table.heads) - 1))], repeatRows=1)
    made.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, 0), SOFT),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
            ]
        )
    )
    return made


def _said(fact: dict[str, Any]) -> str:
    note = fact.get("note")
    return f"{fact['value']} ({note})" if note else str(fact["value"])
