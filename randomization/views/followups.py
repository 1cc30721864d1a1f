"""After an allocation: randomized in error, the treatment received, strata that the data no longer bear out."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from trial.definitions import definition_of, latest_version
from trial.permissions import Permission, can
from trial.selectors import participant_or_404
from trial.views.refusals import attempt
from trial.views.requests import SignedInRequest

from .. import inclusion_words, presenters, selectors
from ..actions import errors, treatments
from ..forms import ErrorConfirmForm, ErrorForm, ReasonForm, TreatmentForm
from ..models import ErrorReason, TreatmentReceived
from ..permissions import check_user_can_record_treatment, check_user_can_settle
from ..treatment import begun_by_forms

MOST_ROWS = 200
"""Open differences shown by participant; the counts have them all."""


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def randomized_in_error(request: SignedInRequest, code: str) -> HttpResponse:
    """Flag an allocation as made in error, in two steps, or take such a flag back with its reason."""
    person = request.user
    participant = participant_or_404(person, code)
    check_user_can_settle(person, participant.site_id)
    if participant.randomized_on is None:
        raise Http404("Nobody is randomized here.")
    flags = selectors.error_flags_of(participant)
    is_flagged = any(flag.lifted_at is None for flag in flags)
    step = request.POST.get("step", "") if request.method == "POST" else ""
    form: ErrorForm | ErrorConfirmForm | ReasonForm
    confirming = False
    if is_flagged:
        form = ReasonForm(request.POST if request.method == "POST" else None)
        tried = attempt(form)
        if request.method == "POST" and form.is_valid():
            with tried:
                errors.lift(participant=participant, reason=form.cleaned_data["reason"], by=person)
            if tried.done:
                messages.success(request, _("The flag is taken back."))
                return redirect("randomized_in_error", participant.code)
    elif step == "confirm":
        form = ErrorConfirmForm(request.POST)
        confirming, tried = True, attempt(form)
        if form.is_valid():
            with tried:
                errors.flag(participant=participant, by=person, **form.cleaned_data)
            if tried.done:
                messages.success(request, _("%(code)s is flagged as randomized in error.") % {"code": code})
                return redirect("randomized_in_error", participant.code)
    else:
        form = ErrorForm(request.POST if request.method == "POST" else None)
        tried = attempt(form)
        if request.method == "POST" and form.is_valid():
            form, confirming = ErrorConfirmForm(initial=form.cleaned_data), True
            tried = attempt(form)
    said = form.data or form.initial if confirming else {}
    context = {
        "participant": participant,
        "facts": presenters.participant_facts(participant, definition_of(participant.version_id)),
        "flags": inclusion_words.flag_words(flags),
        "is_flagged": is_flagged,
        "confirming": confirming,
        "said": {
            "reason": dict(ErrorReason.choices).get(str(said.get("reason", "")), ""),
            "detail": said.get("detail", ""),
        },
        "form": form,
    }
    return render(request, "randomization/randomized_in_error.html", context, status=tried.status)


@require_http_methods(["GET", "HEAD", "POST"])
def treatment(request: SignedInRequest, code: str) -> HttpResponse:
    """Say which treatment a participant received, and why it is not the one allocated; the forms give a beginning."""
    person = request.user
    participant = participant_or_404(person, code)
    arm = selectors.arm_of(person, participant)
    if arm is None:
        raise Http404("No allocated treatment to see.")
    check_user_can_record_treatment(person, participant.site_id)
    definition = definition_of(participant.version_id)
    told = selectors.treatment_of(person, participant)
    by_forms = begun_by_forms(participant, definition)
    form = TreatmentForm(
        request.POST if request.method == "POST" else None,
        arms=[(each, inclusion_words.arm_words(definition, each)) for each in definition.arms],
        is_told=told is not None,
        initial=_beginning(told, arm, by_forms),
    )
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            treatments.record(participant=participant, by=person, **form.cleaned_data)
        if tried.done:
            messages.success(request, _("The treatment received is recorded."))
            return redirect("allocation" if participant.randomized_on is not None else "registration", code)
    context = {
        "participant": participant,
        "treatment": inclusion_words.treatment_words(
            told, arm, definition, by_forms, is_registered=participant.randomized_on is None
        ),
        "form": form,
    }
    return render(request, "randomization/treatment.html", context, status=tried.status)


def _beginning(told: TreatmentReceived | None, arm: str, by_forms: dict[str, dt.date]) -> dict[str, Any]:
    """What stands in the form at first: what was told, else what the forms say, the allocated treatment first."""
    if told is not None:
        return {
            "received": told.received or TreatmentForm.NONE,
            "started_on": told.started_on,
            "why": told.why,
            "detail": told.detail,
        }
    begun = arm if arm in by_forms else next(iter(by_forms), None)
    return {"received": begun, "started_on": by_forms[begun]} if begun is not None else {}


@require_safe
def differences(request: SignedInRequest) -> HttpResponse:
    """Show how often data and frozen strata differ: counts to statisticians, participants to those who see them."""
    person = request.user
    counts = selectors.difference_counts(person)
    sees = can(person, Permission.PARTICIPANT_VIEW)
    rows = list(selectors.differences_for(person)[:MOST_ROWS]) if sees else []
    context = {
        "counts": inclusion_words.count_rows(counts, definition_of(latest_version().pk)),
        "count_columns": [
            {"label": _("Factor")},
            {"label": _("Frozen")},
            {"label": _("By the data")},
            {"label": _("Differ now"), "align": "end"},
            {"label": _("Agreed again"), "align": "end"},
        ],
        "rows": inclusion_words.difference_rows(rows),
        "columns": [
            {"label": _("Participant")},
            {"label": _("Site")},
            {"label": _("Factor")},
            {"label": _("Frozen")},
            {"label": _("By the data")},
            {"label": _("Since")},
        ],
        "sees_participants": sees,
        "sees_lists": can(person, Permission.LIST_VIEW),
    }
    return render(request, "randomization/differences.html", context)
