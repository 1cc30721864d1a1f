"""The commitment of an allocation list on paper, for the trial master file: roots, who, when, and how to check.

Nothing confidential stands here: no parameter, no arm of a slot, no seed.
"""

from __future__ import annotations

import io
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate, Spacer

from audit import clock
from randomization.models import AllocationList
from randomization.presenters import stratum_words
from trial.definition import Definition
from trial.definitions import definition_of

from .paper import (
    BODY,
    HEADING,
    INK,
    LINE,
    MARGIN,
    MONO,
    MUTED,
    PETROL,
    SMALL,
    SUBTITLE,
    TITLE,
    WATERMARK,
    WIDTH,
    facts,
    moment,
    plain,
    text,
)


def printed(allocation_list: AllocationList, *, locale: str, printed_by: str) -> bytes:
    """Return the commitment as a PDF in a language of the study; whoever calls it has asked for the right."""
    with translation.override(locale):
        return _Printed(allocation_list, locale, printed_by).pdf()


class _Printed:
    def __init__(self, allocation_list: AllocationList, locale: str, printed_by: str) -> None:
        self.list = allocation_list
        self.locale = locale
        self.printed_by = printed_by
        self.definition: Definition = definition_of(allocation_list.version_id)

    def pdf(self) -> bytes:
        target = io.BytesIO()
        document = BaseDocTemplate(
            target,
            pagesize=A4,
            leftMargin=MARGIN,
            rightMargin=MARGIN,
            topMargin=32 * mm,
            bottomMargin=24 * mm,
            title=plain(_("Commitment of allocation list %(number)s") % {"number": self.list.pk}),
            author=plain(self.definition.study.sponsor),
            subject=plain(self.definition.study.acronym),
            lang=self.locale,
            invariant=1,
        )
        frame = Frame(MARGIN, 24 * mm, WIDTH, A4[1] - 56 * mm, leftPadding=0, rightPadding=0, topPadding=0)
        document.addPageTemplates(PageTemplate(frames=[frame], onPage=self._page))
        document.build(self._story())
        return target.getvalue()

    def _story(self) -> list[Flowable]:
        study = self.definition.study
        return [
            text(_("Commitment of the allocation list"), TITLE),
            text(self.definition.text(study.title, self.locale), SUBTITLE),
            text(_("The list"), HEADING),
            facts(self._the_list()),
            text(_("Who and when"), HEADING),
            facts(self._people()),
            text(_("Commitment (Merkle root)"), HEADING),
            facts(self._roots(), value_style=MONO),
            text(_("Strata"), HEADING),
            facts(
                [
                    (_("Stratum %(number)s") % {"number": number}, stratum_words(stratum, self.definition))
                    for number, stratum in enumerate(self.list.strata, start=1)
                ]
            ),
            text(_("How to check it"), HEADING),
            *(text(words, BODY) for words in self._how()),
            Spacer(0, 4),
            text(
                _(
                    "A root is the SHA-256 Merkle tree (RFC 6962) over every slot of the list, each with a secret salt "
                    "of 256 bits: it fixes all slots and their order, and tells nothing of any."
                ),
                SMALL,
            ),
        ]

    def _the_list(self) -> list[tuple[str, str]]:
        current = self.list
        return [
            (_("Reference"), current.reference),
            (_("Number of the list"), str(current.pk)),
            (_("Version of the study"), str(current.version.number)),
            (_("Algorithm"), current.algorithm),
            (_("Ratio"), " : ".join(str(share) for share in sorted(current.arms.values()))),
            (_("Slots in all"), str(current.slots_total)),
            (_("Simulation report (SHA-256)"), current.simulation_digest or "–"),
        ]

    def _people(self) -> list[tuple[str, str]]:
        current = self.list
        found = [
            (_("Drafted"), f"{current.drafted_by.printed_name}, {moment(current.drafted_at, self.locale)}"),
        ]
        if current.approval is not None:
            signed = current.approval
            found.append((_("Approved and signed"), f"{signed.by_name}, {moment(signed.signed_at, self.locale)}"))
        return found

    def _roots(self) -> list[tuple[str, str]]:
        found = []
        for segment in self.list.segments.select_related("signature"):
            label = (
                _("The list, %(size)s slots") if segment.number == 1 else _("Appended slots %(number)s, %(size)s slots")
            ) % {"number": segment.number - 1, "size": segment.size}
            found.append((label, f"{segment.commitment[:32]} {segment.commitment[32:]}"))
        return found

    def _how(self) -> list[str]:
        return [
            _("1. One allocation, at any time, without a key: manage.py verify_list --allocation R0001 --root ROOT."),
            _("2. The whole list: manage.py verify_list. Each slot changed, skipped or taken out of order is named."),
            _("3. Compare the root printed here with the one that the audit trail shows at the approval of the list."),
        ]

    def _page(self, canvas: Canvas, document: Any) -> None:
        canvas.saveState()
        if self.list.is_simulated:
            canvas.saveState()
            canvas.translate(A4[0] / 2, A4[1] / 2)
            canvas.rotate(52)
            canvas.setFillColor(WATERMARK)
            canvas.setFont("Helvetica-Bold", 62)
            canvas.drawCentredString(0, -20, plain(_("SIMULATED DATA")))
            canvas.restoreState()
        study = self.definition.study
        top = A4[1] - 16 * mm
        canvas.setFillColor(PETROL)
        canvas.rect(0, A4[1] - 4 * mm, A4[0], 4 * mm, stroke=0, fill=1)
        canvas.setFont("Helvetica-Bold", 11)
        canvas.setFillColor(INK)
        canvas.drawString(MARGIN, top, plain(study.acronym))
        canvas.setFont("Helvetica", 8)
        canvas.setFillColor(MUTED)
        version = _("Protocol version %(version)s") % {"version": study.protocol_version}
        registries = " · ".join(registry.id for registry in study.registries)
        canvas.drawString(MARGIN, top - 11, plain(" · ".join(filter(None, [study.sponsor, version, registries]))))
        canvas.drawRightString(A4[0] - MARGIN, top, plain(_("Trial master file")))
        canvas.setStrokeColor(LINE)
        canvas.line(MARGIN, top - 18, A4[0] - MARGIN, top - 18)
        canvas.line(MARGIN, 18 * mm, A4[0] - MARGIN, 18 * mm)
        canvas.setFont("Helvetica", 7.5)
        who = _("Printed on %(when)s by %(who)s") % {"when": moment(clock.now(), self.locale), "who": self.printed_by}
        canvas.drawString(MARGIN, 18 * mm - 11, plain(who))
        note = _("Holds no confidential parameter and no arm of any slot.")
        canvas.drawString(MARGIN, 18 * mm - 21, plain(note))
        page = _("Page %(number)s") % {"number": canvas.getPageNumber()}
        canvas.drawRightString(A4[0] - MARGIN, 18 * mm - 11, plain(page))
        canvas.restoreState()
