"""What the papers of the trial share: type, colors, the frame of a confirmation, words as the fonts can write them.

One A4 page in reportlab's standard fonts, which hold the letters of French. The bytes depend on what is said only.
"""

from __future__ import annotations

import io
import unicodedata
from abc import ABC, abstractmethod
from typing import Any
from xml.sax.saxutils import escape

from django.utils import timezone
from django.utils.translation import gettext as _
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate, Paragraph, Table, TableStyle

from audit import clock
from audit.models import Signature
from trial.definition import Definition
from trial.definitions import definition_of
from trial.models import Participant
from trial.presenters import date_words

INK = colors.HexColor("#172126")
MUTED = colors.HexColor("#506067")
LINE = colors.HexColor("#c0cacd")
PETROL = colors.HexColor("#0f5c6e")
SOFT = colors.HexColor("#e5f2f5")
WATERMARK = colors.HexColor("#f3d9a4")
MARGIN = 20 * mm
WIDTH = A4[0] - 2 * MARGIN

BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=9.5, leading=13, textColor=INK)
LABEL = ParagraphStyle("label", parent=BODY, textColor=MUTED)
SMALL = ParagraphStyle("small", parent=BODY, fontSize=8, leading=11, textColor=MUTED)
MONO = ParagraphStyle("mono", parent=BODY, fontName="Courier", fontSize=8, leading=11)
HEADING = ParagraphStyle(
    "heading", parent=BODY, fontName="Helvetica-Bold", fontSize=10.5, leading=14, textColor=PETROL, spaceBefore=13,
    spaceAfter=4,
)  # fmt: skip
TITLE = ParagraphStyle("title", parent=BODY, fontName="Helvetica-Bold", fontSize=18, leading=23)
SUBTITLE = ParagraphStyle("subtitle", parent=BODY, textColor=MUTED, spaceAfter=10)
ARM = ParagraphStyle(
    "arm", parent=BODY, fontName="Helvetica-Bold", fontSize=15, leading=20, textColor=PETROL, alignment=1
)  # fmt: skip
ARM_NOTE = ParagraphStyle("arm_note", parent=BODY, textColor=PETROL, alignment=1)

MEANINGS = {
    "randomization": lambda: _("Randomization of this participant, confirmed by typing the password again"),
    "registration": lambda: _("Registration of this participant, confirmed by typing the password again"),
}
"""What a signature under an allocation or a registration means, in words."""


class Confirmation(ABC):
    """One page about one participant: the frame, the participant and the signature; each kind adds its own story."""

    def __init__(self, participant: Participant, version_id: int, locale: str, printed_by: str) -> None:
        self.locale = locale
        self.printed_by = printed_by
        self.participant = participant
        self.definition: Definition = definition_of(version_id)
        self.site = participant.site
        self.simulated = self.site.study.is_simulated

    @property
    @abstractmethod
    def title(self) -> str:
        """What a reader's window calls the document."""

    @abstractmethod
    def story(self) -> list[Flowable]:
        """What stands on the page, from its heading on."""

    def pdf(self) -> bytes:
        target = io.BytesIO()
        title = self.title
        document = BaseDocTemplate(
            target,
            pagesize=A4,
            leftMargin=MARGIN,
            rightMargin=MARGIN,
            topMargin=32 * mm,
            bottomMargin=24 * mm,
            title=plain(title),
            author=plain(self.definition.study.sponsor),
            subject=plain(self.definition.study.acronym),
            lang=self.locale,
            invariant=1,
        )
        frame = Frame(MARGIN, 24 * mm, WIDTH, A4[1] - 56 * mm, leftPadding=0, rightPadding=0, topPadding=0)
        document.addPageTemplates(PageTemplate(frames=[frame], onPage=self._page))
        document.build(self.story())
        return target.getvalue()

    def who(self) -> list[tuple[str, str]]:
        """The participant as two people compare them: code, birth, sex, site."""
        birth = f"{self.participant.birth_month:02d}/{self.participant.birth_year}" if self._has_birth() else "–"
        sex = {"M": _("Male"), "F": _("Female")}.get(self.participant.sex, "–")
        return [
            (_("Participant code"), self.participant.code),
            (_("Birth (month/year)"), birth),
            (_("Sex"), sex),
            (_("Site"), f"{self.site.number} – {self.site.name}, {self.site.city}"),
        ]

    def _has_birth(self) -> bool:
        return bool(self.participant.birth_month and self.participant.birth_year)

    def signed(self, signature: Signature) -> list[tuple[str, str]]:
        """The signature under the deed, and what it means."""
        meaning = MEANINGS.get(signature.meaning)
        return [
            (_("Signature"), f"{signature.by_name}, {moment(signature.signed_at, self.locale)}"),
            (_("Meaning of the signature"), signature.statement or (meaning() if meaning else signature.meaning)),
        ]

    # ------------------------------------------------------------ frame of the page

    def _page(self, canvas: Canvas, document: Any) -> None:
        canvas.saveState()
        if self.simulated:
            self._watermark(canvas)
        study = self.definition.study
        top = A4[1] - 16 * mm
        canvas.setFillColor(PETROL)
        canvas.rect(0, A4[1] - 4 * mm, A4[0], 4 * mm, stroke=0, fill=1)
        canvas.setFont("Helvetica-Bold", 11)
        canvas.setFillColor(INK)
        canvas.drawString(MARGIN, top, plain(study.acronym))
        canvas.setFont("Helvetica", 8)
        canvas.setFillColor(MUTED)
        registries = " · ".join(registry.id for registry in study.registries)
        line = _("Protocol version %(version)s") % {"version": study.protocol_version}
        canvas.drawString(MARGIN, top - 11, plain(" · ".join(filter(None, [study.sponsor, line, registries]))))
        canvas.drawRightString(A4[0] - MARGIN, top, plain(_("Confidential")))
        canvas.drawRightString(A4[0] - MARGIN, top - 11, plain(self.participant.code))
        canvas.setStrokeColor(LINE)
        canvas.line(MARGIN, top - 18, A4[0] - MARGIN, top - 18)
        self._footer(canvas)
        canvas.restoreState()

    def _footer(self, canvas: Canvas) -> None:
        canvas.setStrokeColor(LINE)
        canvas.line(MARGIN, 18 * mm, A4[0] - MARGIN, 18 * mm)
        canvas.setFont("Helvetica", 7.5)
        canvas.setFillColor(MUTED)
        printed = _("Printed on %(when)s by %(who)s") % {
            "when": moment(clock.now(), self.locale),
            "who": self.printed_by,
        }
        canvas.drawString(MARGIN, 18 * mm - 11, plain(printed))
        note = _("Shows the arm: keep it with the source documents of the participant, nowhere else.")
        canvas.drawString(MARGIN, 18 * mm - 21, plain(note))
        page = _("Page %(number)s") % {"number": canvas.getPageNumber()}
        canvas.drawRightString(A4[0] - MARGIN, 18 * mm - 11, plain(page))

    def _watermark(self, canvas: Canvas) -> None:
        canvas.saveState()
        canvas.translate(A4[0] / 2, A4[1] / 2)
        canvas.rotate(52)
        canvas.setFillColor(WATERMARK)
        canvas.setFont("Helvetica-Bold", 62)
        canvas.drawCentredString(0, -20, plain(_("SIMULATED DATA")))
        canvas.restoreState()


def text(words: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(plain(words)), style)


def box(lines: list[Flowable]) -> Table:
    framed = Table([[lines]], colWidths=[WIDTH])
    framed.setStyle(
        TableStyle(
            [
                ("BOX", (0, 0), (-1, -1), 0.8, PETROL),
                ("BACKGROUND", (0, 0), (-1, -1), SOFT),
                ("TOPPADDING", (0, 0), (-1, -1), 9),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 11),
                ("ROUNDEDCORNERS", [5, 5, 5, 5]),
            ]
        )
    )
    return framed


def facts(rows: list[tuple[str, str]], value_style: ParagraphStyle = BODY) -> Table:
    table = Table(
        [[text(label, LABEL), text(value or "–", value_style)] for label, value in rows],
        colWidths=[58 * mm, WIDTH - 58 * mm],
    )
    table.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("RIGHTPADDING", (0, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 2.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
            ]
        )
    )
    return table


def moment(at: Any, locale: str) -> str:
    """A moment with its time zone: on paper nobody can ask which one was meant."""
    local = timezone.localtime(at)
    offset = local.strftime("%z")
    return f"{date_words(local.date(), locale)}, {local:%H:%M:%S} {local.tzname()} (UTC{offset[:3]}:{offset[3:]})"


def plain(words: str) -> str:
    """The text as the standard fonts can write it: letters that they lack lose their marks, others become `?`."""
    written = []
    for char in words:
        try:
            char.encode("cp1252")
            written.append(char)
        except UnicodeEncodeError:
            bare = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
            written.append(bare or _WITHOUT_MARKS.get(char, "?"))
    return "".join(written)


_WITHOUT_MARKS = {"Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "Ħ": "H", "ħ": "h", "ı": "i", "\u2212": "-"}
