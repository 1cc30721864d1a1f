"""The casebook of one participant."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from trial.selectors import participant_or_404
from trial.views.requests import SignedInRequest

from ..casebooks import Casebook


@require_safe
def casebook(request: SignedInRequest, code: str) -> HttpResponse:
    """Show a participant: who, where they stand, visits × forms, logs, what is missing, what happened."""
    participant = participant_or_404(request.user, code)
    shown = Casebook(request.user, participant, all_visits=request.GET.get("visits") == "all")
    return render(request, "ecrf/casebook.html", {"casebook": shown, "participant": participant})
