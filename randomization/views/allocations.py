"""Randomizing a participant: a page to confirm, one irreversible step, and what came of it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from audit import clock
from ecrf.pages import moment
from trial.definitions import definition_of
from trial.permissions import Permission, check
from trial.selectors import participant_or_404
from trial.views.refusals import attempt
from trial.views.requests import SignedInRequest

from .. import gate, inclusion_words, presenters, selectors
from ..actions import allocations
from ..forms import PasswordForm
from ..permissions import user_can_settle


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def randomize(request: SignedInRequest, code: str) -> HttpResponse:
    """Show what will be frozen and every reason against it; allocate once the password is typed again.

    A participant who is allocated leads to that allocation, however often it is asked for.
    """
    person = request.user
    participant = participant_or_404(person, code)
    check(person, Permission.RANDOMIZE, participant.site_id)
    if participant.randomized_on is not None and selectors.allocation_of(person, participant) is not None:
        return redirect("allocation", participant.code)
    form = PasswordForm(request.POST if request.method == "POST" else None)
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            allocations.allocate(participant=participant, password=form.cleaned_data["password"], by=person)
        if tried.done:
            messages.success(request, _("%(code)s is randomized.") % {"code": participant.code})
            return redirect("allocation", participant.code)
    found = gate.examine(participant, person)
    definition = definition_of(participant.version_id)
    context = {
        "participant": participant,
        "facts": presenters.participant_facts(participant, definition),
        "strata": presenters.stratum_facts(found.stratum, definition),
        "signed": presenters.signed_words(found),
        "obstacles": presenters.obstacles(found, participant, person),
        "is_open": found.is_open,
        "now": moment(clock.now(), presenters.locale(), zone=True),
        "form": form,
    }
    return render(request, "randomization/randomize.html", context, status=tried.status)


@require_safe
def allocation(request: SignedInRequest, code: str) -> HttpResponse:
    """Show the arm of a participant to those who may see it."""
    person = request.user
    participant = participant_or_404(person, code)
    found = selectors.allocation_or_404(person, participant)
    context = {
        "participant": participant,
        "facts": presenters.participant_facts(participant, definition_of(participant.version_id)),
        "allocation": presenters.allocation_words(found, participant),
        "treatment": presenters.treatment_card(person, participant, found.arm),
        "flags": inclusion_words.flag_words(selectors.error_flags_of(participant)),
        "is_in_error": found.is_in_error,  # type: ignore[attr-defined]
        "may_settle": user_can_settle(person, participant.site_id),
        "differences": inclusion_words.difference_words(
            selectors.differences_of(found), definition_of(found.version_id)
        ),
        "visits": presenters.next_visits(person, participant),
    }
    return render(request, "randomization/allocation.html", context)
