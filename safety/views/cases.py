"""Serious adverse events of the sites that the person may see, the most urgent first; and their receipt."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audit import clock
from trial.permissions import Permission, access_of
from trial.selectors import sites_for
from trial.views.filters import Address, page_of
from trial.views.requests import SignedInRequest

from .. import presenters, worklist
from ..actions import cases
from ..selectors import case_or_404

PAGE = 25


@require_safe
def safety(request: SignedInRequest) -> HttpResponse:
    """Show serious events with their clocks; filters are links."""
    person = request.user
    chosen = {name: request.GET.get(name, "") for name in ("state", "site")}
    if chosen["state"] not in worklist.STATES:
        chosen["state"] = ""
    address = Address(request.path, chosen)
    totals = worklist.counts(person, site=chosen["site"])
    page = page_of(worklist.listed(person, **chosen), request.GET.get("page"), PAGE)
    now = clock.now()
    by_site = worklist.counts_by_site(person, state=chosen["state"])
    sites = [(site.number, site.number) for site in sites_for(person, Permission.SAFETY_VIEW)] if by_site else []
    groups = [
        address.group(
            _("State"), "state", [(state, presenters.state_words(state)) for state in worklist.STATES], totals
        )
    ]
    if len(sites) > 1:
        groups.append(address.group(_("Site"), "site", sites, by_site))
    context = {
        "rows": [presenters.row_of(case, person, now) for case in page.object_list],
        "page": page,
        "query": address.rest(),
        "groups": groups,
        "clear_url": address.path if address.chosen else "",
        "totals": totals,
        "address": address,
        "is_empty": not address.chosen and not any(totals.values()),
        "next": request.get_full_path(),
        "now": timezone.localtime(now),
        "sees_sponsor": access_of(person).sites(Permission.SAFETY_VIEW) is None,
    }
    return render(request, "safety/cases.html", context)


@require_POST
def receive(request: SignedInRequest, case_id: int) -> HttpResponse:
    """Record that the sponsor has seen the report: day 0 of the sponsor's clocks."""
    person = request.user
    case = case_or_404(person, case_id)
    cases.receive(case=case, by=person)
    messages.success(request, _("%(code)s: received. Today is day 0.") % {"code": case.participant.code})
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        return redirect(back)
    return redirect("safety")
