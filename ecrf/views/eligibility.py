"""Eligibility, criterion by criterion, and its signature."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from audit.errors import Conflict
from trial.permissions import Permission, can
from trial.selectors import participant_or_404
from trial.views.refusals import attempt
from trial.views.requests import SignedInRequest

from ..actions import records
from ..criteria import EligibilityPage


class SignForm(forms.Form):
    """The password typed again, and the revision of the form that was read."""

    revision = forms.IntegerField(widget=forms.HiddenInput)
    password = forms.CharField(
        label=gettext_lazy("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def eligibility(request: SignedInRequest, code: str) -> HttpResponse:
    """Show every criterion; sign them as a whole."""
    person = request.user
    participant = participant_or_404(person, code)
    page = EligibilityPage(person, participant)
    if page.definition.eligibility is None or not can(person, Permission.RECORD_VIEW, participant.site_id):
        raise Http404("No eligibility.")
    record = page.record
    posted = request.POST if request.method == "POST" else None
    form = SignForm(posted, initial={"revision": record.revision if record else 0})
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            if record is None or record.revision != form.cleaned_data["revision"]:
                raise Conflict(_("The answers changed while you were reading. Read them again before you sign."))
            records.sign(record=record, password=form.cleaned_data["password"], by=person, statement=page.statement)
        if tried.done:
            messages.success(request, _("Eligibility of %(code)s is signed.") % {"code": participant.code})
            return redirect("eligibility", participant.code)
        page = EligibilityPage(person, participant_or_404(person, code))
        said = request.POST.copy()  # the next try signs what is shown now
        said["revision"] = str(page.record.revision if page.record else 0)
        form.data = said
    context = {"page": page, "participant": participant, "form": form}
    return render(request, "ecrf/eligibility.html", context, status=tried.status)
