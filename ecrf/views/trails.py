"""The audit trail of one value, of a row, of a whole record."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from trial.permissions import Permission, check
from trial.views.requests import SignedInRequest

from ..pages import crumbs, stored_page
from ..places import place_or_404
from ..trails import about, changes_of_record, trail_of_item, trail_of_record, trail_of_row


@require_safe
def trail(
    request: SignedInRequest, code: str, form: str, visit_id: int | None = None, number: int | None = None
) -> HttpResponse:
    """Show who changed what, when, from what to what, and why: in the drawer, or as a page."""
    place = place_or_404(request.user, code, form, visit_id, number)
    check(request.user, Permission.AUDIT_VIEW, place.participant.site_id)
    item_id, row = request.GET.get("item", ""), request.GET.get("row", "")
    page, listed, title = stored_page(place), None, _("The whole form")
    if place.record is None:
        entries = []
        title = about(place, item_id, row)
    elif item_id:
        if item_id not in place.form.items or not place.shows(place.form.item(item_id)):
            raise Http404("No such item.")
        title = about(place, item_id, row)
        entries = trail_of_item(page, place.form.item(item_id), row)
    elif row:
        title = _("One row")
        entries = trail_of_row(page, row)
    else:
        listed = Paginator(changes_of_record(page), 50).get_page(request.GET.get("page"))
        entries = trail_of_record(
            page, list(listed.object_list), first=not listed.has_previous(), last=not listed.has_next()
        )
    context = {
        "place": place,
        "crumbs": crumbs(place, _("Audit trail")),
        "title": title,
        "entries": entries,
        "listed": listed,
        "trail_url": request.get_full_path(),
    }
    template = "ecrf/trail.html#drawer" if request.headers.get("HX-Request") else "ecrf/trail.html"
    return render(request, template, context)
