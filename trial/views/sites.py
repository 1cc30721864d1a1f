"""Sites: the list with counts, and one site's dates, versions and people."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audit import clock

from .. import listings, page_panels
from ..models import Site, Status
from ..permissions import Permission, can, check
from ..presenters import date_words
from ..selectors import participants_for, sites_for
from .filters import page_of
from .people import delegation_rows
from .requests import SignedInRequest


@require_safe
def sites_list(request: SignedInRequest) -> HttpResponse:
    """Show the sites that the person's roles reach, with dates, version and, for those who may, counts."""
    check(request.user, Permission.STUDY_VIEW)
    page = page_of(listings.sites_listed(request.user), request.GET.get("page"), listings.PAGE)
    today = clock.today()
    context = {
        "page": page,
        "sees_counts": can(request.user, Permission.PARTICIPANT_VIEW),
        "rows": [{"site": site, **site_state(site, today)} for site in page.object_list],
    }
    return render(request, "trial/sites.html", context)


@require_safe
def site(request: SignedInRequest, number: str) -> HttpResponse:
    """Show one site: dates, versions in force, people with a role, and counts by status."""
    found = get_object_or_404(sites_for(request.user, Permission.STUDY_VIEW), number=number)
    today, locale = clock.today(), get_language() or "en"
    counts = None
    if can(request.user, Permission.PARTICIPANT_VIEW, found.pk):
        by_status = listings.counts_by(participants_for(request.user).filter(site=found), "status")
        counts = [
            {
                "label": label,
                "value": by_status[value],
                "state": value,
                "url": reverse("participants") + f"?site={found.number}&status={value}",
            }
            for value, label in Status.choices
            if by_status.get(value)
        ]
    delegations = listings.delegations_at(found)
    rows = delegation_rows(delegations, today)
    context = {
        "site": found,
        **site_state(found, today),
        "facts": [
            {"label": _("City"), "value": found.city},
            {"label": _("Opened"), "value": date_words(found.opened_on, locale)},
            {"label": pgettext("day", "Closed"), "value": date_words(found.closed_on, locale)},
        ],
        "counts": counts,
        "activations": listings.activations_of(found),
        "delegations": rows,
        "may_manage": can(request.user, Permission.PEOPLE_MANAGE),
        "laboratory_url": reverse("laboratory", args=[found.number])
        if can(request.user, Permission.RECORD_VIEW, found.pk)
        else "",
        "panels": page_panels.panels_on("site", request.user, found),
    }
    return render(request, "trial/site.html", context)


def site_state(site: Site, today: Any) -> dict[str, str]:
    """Tell in a state whether the site includes participants."""
    if site.is_open(today):
        return {"state": "met", "state_label": pgettext("site", "Open")}
    if site.opened_on is None or site.opened_on > today:
        return {"state": "planned", "state_label": _("Not open yet")}
    return {"state": "closed", "state_label": pgettext("site", "Closed")}
