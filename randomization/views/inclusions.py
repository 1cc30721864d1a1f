"""Around an inclusion: registering without randomization, the version in force, making sure of the person."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from audit import clock
from ecrf.pages import moment
from trial.actions import participants
from trial.definitions import definition_of, version_at
from trial.models import Version
from trial.permissions import Permission, check
from trial.selectors import participant_or_404
from trial.views.refusals import attempt
from trial.views.requests import SignedInRequest

from .. import gate, inclusion_words, presenters, selectors
from ..actions import allocations, identities
from ..forms import IdentityForm, PasswordForm
from ..permissions import check_user_can_settle
from ..section import RandomizationSection


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def register(request: SignedInRequest, code: str) -> HttpResponse:
    """Show what registration without randomization would do and every reason against it; register with the password."""
    person = request.user
    participant = participant_or_404(person, code)
    check(person, Permission.RANDOMIZE, participant.site_id)
    if participant.registered_on is not None:
        return redirect("registration", participant.code)
    form = PasswordForm(request.POST if request.method == "POST" else None)
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            allocations.register(participant=participant, password=form.cleaned_data["password"], by=person)
        if tried.done:
            messages.success(request, _("%(code)s is registered, not randomized.") % {"code": participant.code})
            return redirect("registration", participant.code)
    found = gate.examine_registration(participant, person)
    definition = definition_of(participant.version_id)
    section: RandomizationSection | None = definition.section("randomization")
    closed = section.closed if section is not None else None
    context = {
        "participant": participant,
        "facts": presenters.participant_facts(participant, definition),
        "closed": {
            "arm": inclusion_words.arm_words(definition, closed.register_to),
            "reason": definition.text(closed.reason, presenters.locale()),
        }
        if closed is not None
        else None,
        "signed": presenters.signed_words(found),
        "obstacles": presenters.obstacles(found, participant, person),
        "is_open": found.is_open,
        "now": moment(clock.now(), presenters.locale(), zone=True),
        "form": form,
    }
    return render(request, "randomization/register.html", context, status=tried.status)


@require_safe
def registration(request: SignedInRequest, code: str) -> HttpResponse:
    """Show how a participant got the visit plan without randomization, to those who may see it."""
    person = request.user
    participant = participant_or_404(person, code)
    found = selectors.registration_or_404(person, participant)
    definition = definition_of(participant.version_id)
    context = {
        "participant": participant,
        "facts": presenters.participant_facts(participant, definition),
        "registration": inclusion_words.registration_words(found, participant),
        "treatment": presenters.treatment_card(person, participant, found.arm),
        "visits": presenters.next_visits(person, participant),
    }
    return render(request, "randomization/registration.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def identity(request: SignedInRequest, code: str) -> HttpResponse:
    """Make sure that a likely duplicate is another person, and write down how; who it is likely to be is not told."""
    person = request.user
    participant = participant_or_404(person, code)
    check_user_can_settle(person, participant.site_id)
    if request.method != "POST" and not gate.is_identity_open(participant):
        return redirect("casebook", participant.code)
    form = IdentityForm(request.POST if request.method == "POST" else None)
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            identities.confirm_distinct(participant=participant, how=form.cleaned_data["how"], by=person)
        if tried.done:
            messages.success(request, _("It is written down that %(code)s is another person.") % {"code": code})
            return redirect("casebook", participant.code)
    context = {
        "participant": participant,
        "facts": presenters.participant_facts(participant, definition_of(participant.version_id)),
        "form": form,
    }
    return render(request, "randomization/identity.html", context, status=tried.status)


@require_http_methods(["GET", "HEAD", "POST"])
def adopt(request: SignedInRequest, code: str) -> HttpResponse:
    """Move a participant who is not yet included to the version in force at the site."""
    person = request.user
    participant = participant_or_404(person, code)
    check(person, Permission.PARTICIPANT_SCREEN, participant.site_id)
    try:
        version = version_at(participant.site)
    except Version.DoesNotExist:
        raise Http404("No version in force.") from None
    tried = attempt()
    if request.method == "POST":
        with tried:
            participants.adopt_version(participant=participant, by=person)
        if tried.done:
            messages.success(
                request, _("%(code)s is under version %(version)s.") % {"code": code, "version": version.number}
            )
            return redirect("casebook", participant.code)
    context = {
        "participant": participant,
        "version": version,
        "held": Version.objects.get(pk=participant.version_id),
        "is_same": version.pk == participant.version_id,
        "refused": str(tried.refused) if tried.refused is not None else "",
    }
    return render(request, "randomization/adopt_version.html", context, status=tried.status)
