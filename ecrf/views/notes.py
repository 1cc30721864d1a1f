"""Notes on an item, a row or a form: read, and added to."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audit.errors import Refused
from trial.views.refusals import status_of
from trial.views.requests import SignedInRequest

from .. import selectors
from ..actions import notes
from ..pages import crumbs, stored_page
from ..permissions import person_can_note
from ..places import place_or_404
from ..trails import about, note_lines


@require_http_methods(["GET", "HEAD", "POST"])
def of_record(
    request: SignedInRequest, code: str, form: str, visit_id: int | None = None, number: int | None = None
) -> HttpResponse:
    """Show the notes on an item, a row or a form, and add one: in the drawer, or as a page."""
    place = place_or_404(request.user, code, form, visit_id, number)
    said = request.POST if request.method == "POST" else request.GET
    item, row, text, refused = said.get("item", ""), said.get("row", ""), "", None
    if item and (item not in place.form.items or not place.shows(place.form.item(item))):
        raise Http404("No such item.")
    if request.method == "POST":
        text = request.POST.get("text", "")
        try:
            notes.add(where=place.where, text=text, by=place.person, item=item, row=row)
        except Refused as error:
            refused = error
        else:
            if not request.headers.get("HX-Request"):
                messages.success(request, _("The note was added."))
                return redirect(place.url())
            place, text = place_or_404(request.user, code, form, visit_id, number), ""
    found = selectors.notes_for(place.person, place.record)
    if item:
        found = found.filter(item=item, row=row)
    elif row:
        found = found.filter(row=row)
    context = {
        "place": place,
        "crumbs": crumbs(place, _("Notes")),
        "title": about(place, item, row),
        "item": item,
        "row": row,
        "text": text,
        "limit": notes.MOST_WORDS,
        "notes": note_lines(stored_page(place), reversed(found), with_title=not item),
        "may_add": person_can_note(place.person, place.participant)
        and not (place.record is not None and place.record.is_locked),
        "refused": str(refused) if refused else "",
    }
    template = "ecrf/notes.html#drawer" if request.headers.get("HX-Request") else "ecrf/notes.html"
    return render(request, template, context, status=status_of(refused) if refused else 200)
