"""Corrections of a list: proposed on one page, decided by a second person on another. Slot numbers, never an arm."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from trial.permissions import Permission, check
from trial.views.refusals import attempt
from trial.views.requests import SignedInRequest

from .. import presenters, selectors
from ..actions import corrections as actions
from ..forms import DecisionForm, ProposalForm, ReasonForm
from ..models import Correction, CorrectionKind, CorrectionState


@require_http_methods(["GET", "HEAD", "POST"])
def correction_new(request: SignedInRequest, pk: int) -> HttpResponse:
    """Propose a correction of the kind in the address (`?kind=withdraw_slot`)."""
    person = request.user
    found = selectors.list_or_404(person, pk)
    check(person, Permission.LIST_APPROVE)
    kind = request.GET.get("kind", "")
    if kind not in CorrectionKind.values:
        return redirect("list_detail", pk)
    form = ProposalForm(
        request.POST if request.method == "POST" else None,
        kind=kind,
        strata=presenters.stratum_choices(found, kind),
        number=found.pk,
    )
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            actions.propose(allocation_list=found, kind=kind, by=person, **form.cleaned_data)
        if tried.done:
            messages.success(request, presenters.proposed_words(kind))
            return redirect("list_detail", pk)
    context = {"list": found, "kind": kind, "title": CorrectionKind(kind).label, "form": form} | {
        "explained": presenters.correction_explained(kind)
    }
    return render(request, "randomization/correction_new.html", context, status=tried.status)


@require_safe
def correction(request: SignedInRequest, pk: int, number: int) -> HttpResponse:
    """Show one correction, and to a second person the decision."""
    return _page(request, selectors.correction_or_404(request.user, pk, number))


@sensitive_post_parameters("password")
@require_POST
def correction_approve(request: SignedInRequest, pk: int, number: int) -> HttpResponse:
    """Approve a correction with the password."""
    person = request.user
    found = selectors.correction_or_404(person, pk, number)
    form = DecisionForm(request.POST, wanted=actions.confirmation_of(found), auto_id="approve_%s")
    tried = attempt(form)
    if form.is_valid():
        with tried:
            actions.approve(correction=found, by=person, **form.cleaned_data)
        if tried.done:
            messages.success(request, _("The correction is approved and stands in the audit trail."))
            return redirect("list_detail", pk)
    return _page(request, found, approve_form=form, status=tried.status)


@require_POST
def correction_reject(request: SignedInRequest, pk: int, number: int) -> HttpResponse:
    """Reject a correction, with the reason."""
    person = request.user
    found = selectors.correction_or_404(person, pk, number)
    form = ReasonForm(request.POST, auto_id="reject_%s")
    tried = attempt(form)
    if form.is_valid():
        with tried:
            actions.reject(correction=found, reason=form.cleaned_data["reason"], by=person)
        if tried.done:
            messages.success(request, _("The correction is rejected."))
            return redirect("list_detail", pk)
    return _page(request, found, reject_form=form, status=tried.status)


@require_POST
def correction_take_back(request: SignedInRequest, pk: int, number: int) -> HttpResponse:
    """Take one's own proposal back, with the reason."""
    person = request.user
    found = selectors.correction_or_404(person, pk, number)
    form = ReasonForm(request.POST, auto_id="back_%s")
    tried = attempt(form)
    if form.is_valid():
        with tried:
            actions.take_back(correction=found, reason=form.cleaned_data["reason"], by=person)
        if tried.done:
            messages.success(request, _("The proposal is taken back. It stays in the audit trail."))
            return redirect("list_detail", pk)
    return _page(request, found, back_form=form, status=tried.status)


def _page(
    request: SignedInRequest,
    found: Correction,
    *,
    approve_form: DecisionForm | None = None,
    reject_form: ReasonForm | None = None,
    back_form: ReasonForm | None = None,
    status: int = 200,
) -> HttpResponse:
    person = request.user
    may_decide = actions.waits_for(person, found)
    state, words = presenters.correction_state(found)
    context = {
        "list": found.allocation_list,
        "correction": found,
        "title": found.get_kind_display(),
        "state": state,
        "state_label": words,
        "facts": presenters.correction_facts(found),
        "explained": presenters.correction_explained(found.kind),
        "may_decide": may_decide,
        "second_needed": found.state == CorrectionState.PROPOSED and not may_decide,
        "may_take_back": actions.may_take_back(person, found),
        "approve_form": approve_form or DecisionForm(wanted=actions.confirmation_of(found), auto_id="approve_%s"),
        "reject_form": reject_form or ReasonForm(auto_id="reject_%s"),
        "back_form": back_form or ReasonForm(auto_id="back_%s"),
    }
    return render(request, "randomization/correction.html", context, status=status)
