"""The flow of participants (CONSORT): totals for who follows the trial, by arm for who may see balance."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_POST, require_safe

from trial.definitions import definition_of, latest_version
from trial.models import Version
from trial.permissions import Permission, can
from trial.views.requests import SignedInRequest

from .. import consort as flows
from ..actions import flows as actions
from ..presenters import flow_words


@require_safe
def consort(request: SignedInRequest) -> HttpResponse:
    """Show the totals: nothing by arm."""
    return _page(request, flows.flow(request.user), by_arm=False)


@require_POST
def consort_by_arm(request: SignedInRequest) -> HttpResponse:
    """Show the flow by arm; the audit trail keeps that it was read."""
    return _page(request, actions.read_by_arm(by=request.user), by_arm=True)


def _page(request: SignedInRequest, found: flows.Flow, *, by_arm: bool) -> HttpResponse:
    try:
        definition = definition_of(latest_version().pk)
    except Version.DoesNotExist:
        raise Http404("No study yet.") from None
    context = {
        "flow": flow_words(found, definition, get_language() or "en"),
        "by_arm": by_arm,
        "may_by_arm": not by_arm and can(request.user, Permission.ARM_BALANCE),
    }
    return render(request, "reporting/consort.html", context)
