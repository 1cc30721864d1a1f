"""Emergency slots on paper: a page for each, sealed under a password of two halves, and the halves of each holder.

Every page has the same words, lines and length whatever its arm: all arms stand on it, and one box is filled. So
neither the size of a document nor that of its content tells what is in it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence

from django.utils.translation import gettext as _
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from randomization.actions.emergency import Halves, Page
from randomization.presenters import words_of_stratum
from trial.definition import Definition

from .sealing import sealed_by

LEFT = 25 * mm
TOP = A4[1] - 30 * mm
DOTS = "." * 65
LINE = 8 * mm


def envelope(pages: Iterable[Page], definition: Definition, *, locale: str) -> bytes:
    """Return a ZIP of one sealed PDF per slot, named by stratum and number."""
    target = io.BytesIO()
    strata: dict[str, int] = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for page in pages:
            number = strata.setdefault(page.stratum, len(strata) + 1)
            name = f"stratum-{number:02d}/page-{page.position:02d}.pdf"
            archive.writestr(name, slot_page(page, definition, locale=locale))
    return target.getvalue()


def slot_page(page: Page, definition: Definition, *, locale: str) -> bytes:
    """Return one slot as a sealed PDF."""
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4, pageCompression=0, encrypt=sealed_by(page.password))
    canvas.setTitle(_("Emergency slot"))
    y = _head(canvas, definition.study.code, _("Emergency slot"))
    for text in (
        _("Stratum: %(stratum)s") % {"stratum": words_of_stratum(page.stratum, definition)},
        _("Page %(number)s of this stratum") % {"number": page.position},
        _("Mark: %(mark)s") % {"mark": page.mark},
    ):
        canvas.drawString(LEFT, y, text)
        y -= LINE
    y -= LINE
    canvas.setFont("Helvetica-Bold", 13)
    canvas.drawString(LEFT, y, _("Allocated arm: the filled box"))
    for arm in definition.arms.values():
        y -= 1.4 * LINE
        canvas.rect(LEFT, y - 1 * mm, 6 * mm, 6 * mm, stroke=1, fill=int(arm.id == page.arm))
        canvas.drawString(LEFT + 10 * mm, y, definition.text(arm.label, locale))
    canvas.setFont("Helvetica", 10)
    y -= 2 * LINE
    for text in (
        _("Opened by two people, together, once the page before it is used or set aside."),
        f"{_('Participant')} {DOTS[:26]}   {_('Date and time')} {DOTS[:26]}",
        f"{_('Names and signatures')} {DOTS}",
        _("Enter this allocation as soon as the system answers again, with this time and the mark."),
    ):
        canvas.drawString(LEFT, y, text)
        y -= LINE
    canvas.showPage()
    canvas.save()
    return target.getvalue()


def sheet(halves: Halves, definition: Definition, *, holder: str) -> bytes:
    """Return one holder's halves as a PDF to print and lock away; it is not sealed, and useless alone."""
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4)
    canvas.setTitle(_("Halves of the emergency passwords"))
    title = _("Half %(which)s of the emergency passwords: %(holder)s") % {"which": halves.which, "holder": holder}
    y = _head(canvas, definition.study.code, title)
    for text in (
        _("The password of a page is half 1 followed by half 2, without spaces. Print, lock away, delete the file."),
        _("Read out the half of a page only when its turn has come, and cross it out."),
    ):
        canvas.setFont("Helvetica", 9)
        canvas.drawString(LEFT, y, text)
        y -= LINE
    for stratum, position, half in halves.rows:
        if y < 25 * mm:
            canvas.showPage()
            y = _head(canvas, definition.study.code, title)
        canvas.setFont("Helvetica", 8)
        canvas.drawString(LEFT, y, f"{words_of_stratum(stratum, definition)} · {position}")
        canvas.setFont("Courier", 10)
        canvas.drawString(LEFT + 115 * mm, y, _in_groups(half))
        y -= 6 * mm
    canvas.showPage()
    canvas.save()
    return target.getvalue()


def _head(canvas: Canvas, study: str, title: str) -> float:
    canvas.setFont("Helvetica-Bold", 16)
    canvas.drawString(LEFT, TOP, title)
    canvas.setFont("Helvetica", 11)
    canvas.drawString(LEFT, TOP - LINE, study)
    return float(TOP - 2.5 * LINE)


def _in_groups(half: str, size: int = 4) -> str:
    parts: Sequence[str] = [half[at : at + size] for at in range(0, len(half), size)]
    return " ".join(parts)
