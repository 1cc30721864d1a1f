"""Signing a visit or the casebook: what changed, what is left out, and the password typed again."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from trial.links import casebook_url, visit_anchor
from trial.models import Participant, Visit
from trial.permissions import Permission, check
from trial.selectors import participant_or_404
from trial.views.refusals import attempt
from trial.views.requests import SignedInRequest

from .. import selectors
from ..actions import signatures
from ..signing import SigningPage


class PasswordForm(forms.Form):
    """The password typed again."""

    password = forms.CharField(
        label=gettext_lazy("Your password, typed again"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def casebook(request: SignedInRequest, code: str) -> HttpResponse:
    """Sign every complete form of a participant that this person may sign."""
    return _sign(request, participant_or_404(request.user, code), None)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def visit(request: SignedInRequest, code: str, visit_id: int) -> HttpResponse:
    """Sign every complete form of one visit."""
    participant = participant_or_404(request.user, code)
    return _sign(request, participant, selectors.visit_or_404(request.user, participant, visit_id))


def _sign(request: SignedInRequest, participant: Participant, visit: Visit | None) -> HttpResponse:
    check(request.user, Permission.SIGN_RECORD, participant.site_id)
    page = SigningPage(request.user, participant, visit)
    form = PasswordForm(request.POST if request.method == "POST" else None)
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            signed = signatures.sign(
                participant=participant,
                visit=visit,
                read=_read(request.POST.getlist("record")),
                password=form.cleaned_data["password"],
                by=request.user,
                statement=page.statement,
            )
        if tried.done:
            n = len(signed.records)
            messages.success(request, ngettext("%(n)s form is signed.", "%(n)s forms are signed.", n) % {"n": n})
            return redirect(casebook_url(participant, visit_anchor(visit) if visit is not None else ""))
        page = SigningPage(request.user, participant_or_404(request.user, participant.code), visit)
    title = page.casebook.visit_title(visit) if visit is not None else _("Casebook")
    context = {
        "page": page,
        "participant": participant,
        "visit": visit,
        "title": title,
        "form": form,
        "crumbs": [
            {"label": _("Participants"), "url": reverse("participants")},
            {"label": participant.code, "url": casebook_url(participant)},
            *([{"label": title, "url": reverse("visit", args=[participant.code, visit.pk])}] if visit else []),
            {"label": _("Sign")},
        ],
        "back_url": casebook_url(participant, visit_anchor(visit) if visit is not None else ""),
    }
    return render(request, "ecrf/sign.html", context, status=tried.status)


def _read(sent: list[str]) -> dict[int, int]:
    """Which forms were shown, at which revision; what is not two numbers is a form that nobody has."""
    found = {}
    for text in sent:
        record, _dot, revision = text.partition(".")
        if not all(part.isascii() and part.isdigit() and len(part) < 12 for part in (record, revision)):
            return {}
        found[int(record)] = int(revision)
    return found
