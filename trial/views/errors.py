"""Error pages: not allowed, not found, too large, failed, a form sent from a stale page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from .refusals import back_url, wants_json


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: the role does not include this."""
    return _page(request, 403, "errors/403.html", _("Your role does not include this."))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: an address of nobody, or of another site; the two look the same."""
    return _page(request, 404, "errors/404.html", _("There is nothing at this address."))


def failed(request: HttpRequest) -> HttpResponse:
    """500: a bug or a lost service; rendered without context, database or session."""
    if wants_json(request):
        return JsonResponse({"message": _("Something failed on our side."), "code": "failed"}, status=500)
    from django.template.loader import get_template

    return HttpResponse(get_template("errors/500.html").render(), status=500)


def csrf(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form from a page that was open too long, or from elsewhere."""
    return _page(request, 403, "errors/csrf.html", _("This page was open too long. Reload it and send again."), "csrf")


def too_large(request: HttpRequest) -> HttpResponse:
    """413: more text in one form than the server takes; nothing of it was read."""
    message = _("This is more text than one form can hold. Nothing was saved. Shorten it, or attach it as a file.")
    return _page(request, 413, "errors/413.html", message)


def _page(request: HttpRequest, status: int, template: str, message: str, code: str = "") -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"message": message, "code": code or str(status)}, status=status)
    context: dict[str, Any] = {"back_url": back_url(request), "words": message}
    return render(request, template, context, status=status)
