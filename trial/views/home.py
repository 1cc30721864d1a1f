"""The home page: what is waiting for the person."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audit import clock

from .. import home_panels
from ..permissions import access_of
from .requests import SignedInRequest


@require_safe
def home(request: SignedInRequest) -> HttpResponse:
    """Show the panels of the person's roles; say so when nothing waits, or when there is no role at all."""
    panels = home_panels.panels_for(request.user)
    context = {
        "today": clock.today(),
        "panels": panels,
        "has_role": bool(access_of(request.user).roles),
        "nothing_waits": bool(panels) and all(panel.is_empty for panel in panels),
    }
    return render(request, "trial/home.html", context)
