"""Error pages: not allowed, not found, too large, failed, a database that is away, a form sent from a stale page."""

from __future__ import annotations

import logging
import sys
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from .refusals import back_url, wants_json

log = logging.getLogger(__name__)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: the role does not include this."""
    return _page(request, 403, "errors/403.html", _("Your role does not include this."))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: an address of nobody, or of another site; the two look the same."""
    return _page(request, 404, "errors/404.html", _("There is nothing at this address."))


RETRY_AFTER = 3
"""Seconds; PostgreSQL restarts, and recovers from a crash, in about as many."""


def failed(request: HttpRequest) -> HttpResponse:
    """500: a bug; 503 when the database went away. Rendered without context, database or session."""
    if is_database_away(sys.exc_info()[1]):
        return unavailable(request)
    if wants_json(request):
        return JsonResponse({"message": _("Something failed on our side."), "code": "failed"}, status=500)
    from django.template.loader import get_template

    return HttpResponse(get_template("errors/500.html").render(), status=500)


def is_database_away(error: BaseException | None) -> bool:
    """Tell whether an error came of a database that is restarted, cut off or out of connections: worth a second try.

    PostgreSQL says so by class 08 (connection), 53 (resources) or 57P (shutting down); a connection that broke has no
    code at all, and psycopg2 then sometimes knows no kind either. A statement that was cancelled, a deadlock, or what
    Django itself has to say is no such thing.
    """
    code = getattr(error.__cause__, "pgcode", None) if error is not None else None
    if isinstance(error, OperationalError | InterfaceError):
        return code is None or code.startswith(("08", "53", "57P"))
    return type(error) is DatabaseError and error.__cause__ is not None and code is None


def unavailable(request: HttpRequest) -> HttpResponse:
    """503, with a time to try again. Whether a commit that was under way came through, nobody can know."""
    if wants_json(request):
        words = _("The database does not answer at the moment. Try again in a few seconds.")
        response: HttpResponse = JsonResponse({"message": words, "code": "unavailable"}, status=503)
    else:
        from django.template.loader import get_template

        response = HttpResponse(get_template("errors/503.html").render(), status=503)
    response["Retry-After"] = str(RETRY_AFTER)
    response._has_been_logged = True  # type: ignore[attr-defined]  # one line below, not a traceback per request
    log.error("The database does not answer: 503.")
    return response


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
