"""Consent versions at sites, and the consents of a participant: the first from its form, later ones recorded here."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audit import clock

from ..actions import consents
from ..consents import documents_at, in_force, pending
from ..forms import ConsentAgainForm, ConsentDocumentForm
from ..links import casebook_url
from ..models import Consent, ConsentDocument
from ..permissions import Permission, can, check
from ..presenters import date_words
from ..selectors import participant_or_404, sites_for
from .filters import page_of
from .refusals import attempt
from .requests import SignedInRequest

PAGE = 50


@require_http_methods(["GET", "POST"])
def of_participant(request: SignedInRequest, code: str) -> HttpResponse:
    """Show the consents of a participant and what is pending; record that a later version was signed."""
    participant = participant_or_404(request.user, code)
    may_record = can(request.user, Permission.STATUS_RECORD, participant.site_id)
    given = list(Consent.objects.filter(participant=participant).order_by("signed_on", "pk"))
    known = documents_at(participant)
    left = [version for version, _from in reversed(known) if version not in {c.document_version for c in given}]
    document = pending(participant)
    initial = {"version": document.version if document is not None else None}
    form = ConsentAgainForm(request.POST or None, versions=left, initial=initial)
    tried = attempt(form)
    if request.method == "POST":
        check(request.user, Permission.STATUS_RECORD, participant.site_id)
        if form.is_valid():
            with tried:
                consents.consent_again(participant=participant, by=request.user, **form.cleaned_data)
            if tried.done:
                messages.success(request, _("The consent of %(code)s is recorded.") % {"code": code})
                return redirect("participant_consents", code)
    locale = get_language() or "en"
    context = {
        "participant": participant,
        "casebook_url": casebook_url(participant),
        "given": [
            {
                "label": _("Version %(number)s") % {"number": c.document_version},
                "value": date_words(c.signed_on, locale),
            }
            for c in given
        ],
        "known": [
            {
                "label": _("Version %(number)s") % {"number": version},
                "value": _("from %(date)s") % {"date": date_words(from_on, locale)},
            }
            for version, from_on in known
        ],
        "now": in_force(known, clock.today()),
        "pending": document,
        "form": form,
        "may_record": may_record and bool(left) and participant.consented_on is not None,
    }
    return render(request, "trial/participant_consents.html", context, status=tried.status)


@require_http_methods(["GET", "POST"])
def documents(request: SignedInRequest) -> HttpResponse:
    """Show the consent versions of the person's sites, and put one into force at one site or at all."""
    check(request.user, Permission.STUDY_VIEW)
    may_enter = can(request.user, Permission.CONSENT_DOCUMENTS)
    sites = list(sites_for(request.user, Permission.CONSENT_DOCUMENTS)) if may_enter else []
    asked = request.GET.get("site", "")[:4]
    form = ConsentDocumentForm(request.POST or None, sites=sites, initial={"site": asked})
    tried = attempt(form)
    if request.method == "POST":
        check(request.user, Permission.CONSENT_DOCUMENTS)
        if form.is_valid():
            chosen = dict(form.cleaned_data)
            number = chosen.pop("site")
            with tried:
                consents.put_into_force(
                    sites=[site for site in sites if number in ("", site.number)], by=request.user, **chosen
                )
            if tried.done:
                messages.success(request, _("The consent version is entered."))
                return redirect(reverse("consent_documents") + (f"?site={number}" if number else ""))
    rows = ConsentDocument.objects.filter(site__in=sites_for(request.user, Permission.STUDY_VIEW).values("pk"))
    if asked:
        rows = rows.filter(site__number=asked)
    page = page_of(rows.select_related("site").order_by("-from_on", "site__number"), request.GET.get("page"), PAGE)
    context: dict[str, Any] = {
        "page": page,
        "query": f"site={asked}" if asked else "",
        "site": asked,
        "form": form,
        "may_enter": may_enter,
    }
    return render(request, "trial/consent_documents.html", context, status=tried.status)
