"""Emergency slots: what was used of a list's, and an allocation on paper entered afterwards."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from ecrf.pages import moment
from trial.definitions import definition_of
from trial.permissions import Permission, can, check
from trial.selectors import participant_or_404
from trial.views.refusals import attempt
from trial.views.requests import SignedInRequest

from .. import gate, presenters, selectors
from ..actions import emergency
from ..algorithms.minimization import FIRST
from ..arms import holds_draws
from ..forms import EmergencyForm, PasswordForm, SetAsideForm
from ..models import AllocationList, EmergencyList, EmergencyUse, ListState


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def reconcile(request: SignedInRequest, code: str) -> HttpResponse:
    """Enter an allocation that was made on paper; asked again for the same page, it leads to that allocation."""
    person = request.user
    participant = participant_or_404(person, code)
    check(person, Permission.RANDOMIZE, participant.site_id)
    form = EmergencyForm(request.POST if request.method == "POST" else None)
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            emergency.reconcile(participant=participant, by=person, **form.cleaned_data)
        if tried.done:
            messages.success(
                request, _("The emergency allocation of %(code)s is entered.") % {"code": participant.code}
            )
            return redirect("allocation", participant.code)
    found = gate.examine(participant, person)
    definition = definition_of(participant.version_id)
    context = {
        "participant": participant,
        "strata": presenters.stratum_facts(found.stratum, definition),
        "obstacles": presenters.obstacles(found, participant, person),
        "form": form,
    }
    return render(request, "randomization/emergency_reconcile.html", context, status=tried.status)


@require_http_methods(["GET", "HEAD", "POST"])
def slots(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show how many emergency slots of a list were used, never an arm; set one aside."""
    person = request.user
    found = selectors.list_or_404(person, pk)
    may_set_aside = can(person, Permission.LIST_APPROVE) and found.state not in (ListState.DRAFT,)
    definition = definition_of(found.version_id)
    held = EmergencyList.objects.select_related("slots").filter(main=found).exclude(slots__commitment="").first()
    pages = held.slots.strata if held is not None else []  # by factors also where the list is one sequence of draws
    strata = [(name, presenters.words_of_stratum(name, definition)) for name in pages]
    form = SetAsideForm(request.POST if request.method == "POST" else None, strata=strata, auto_id="aside_%s")
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            emergency.set_aside(main=found, by=person, **form.cleaned_data)
        if tried.done:
            messages.success(request, _("The page is set aside."))
            return redirect("emergency", found.pk)
    ready = held is not None
    context = {
        "list": found,
        "is_ready": ready,
        "counts_for_balance": holds_draws(found) and found.algorithm != FIRST,
        "is_holder": held is not None and person.pk in (held.first_holder_id, held.second_holder_id),
        "columns": [
            {"label": _("Stratum")},
            *({"label": words, "align": "end"} for words in (_("Pages"), _("Told"), _("Next page"))),
        ],
        "rows": _rows(held.slots) if held is not None else [],
        "uses": _uses(held.slots) if held is not None else [],
        "commitment": held.slots.commitment if held is not None else "",
        "password_form": PasswordForm(auto_id="halves_%s"),
        "aside_form": form if may_set_aside and ready else None,
    }
    return render(request, "randomization/emergency.html", context, status=tried.status)


def _rows(held: AllocationList) -> list[dict[str, Any]]:
    told = dict.fromkeys(held.strata, 0)
    for stratum in EmergencyUse.objects.filter(slot__allocation_list=held).values_list("slot__stratum", flat=True):
        told[stratum] += 1
    definition = definition_of(held.version_id)
    size = held.slots_per_stratum
    return [
        {
            "cells": [
                {"text": words} for words in (presenters.words_of_stratum(s, definition), size, n, min(n + 1, size))
            ]
        }
        for s, n in told.items()
    ]


def _uses(held: AllocationList) -> list[dict[str, Any]]:
    """What was done with each page, with the true time beside the time of entry."""
    definition = definition_of(held.version_id)
    uses = EmergencyUse.objects.filter(slot__allocation_list=held).select_related(
        "slot", "allocation__participant", "entered_by"
    )
    locale = presenters.locale()
    return [
        {
            "page": _("%(stratum)s: page %(number)s")
            % {"stratum": presenters.words_of_stratum(use.slot.stratum, definition), "number": use.slot.position},
            "who": use.allocation.participant.code if use.allocation is not None else _("Set aside"),
            "happened": moment(use.happened_at, locale, zone=True),
            "entered": moment(use.entered_at, locale, zone=True),
            "opened_by": use.opened_by,
            "entered_by": use.entered_by.printed_name,
            "reason": use.reason,
        }
        for use in uses.order_by("happened_at")
    ]
