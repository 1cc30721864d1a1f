"""Refusals become words: the one place where `Refused` and `Conflict` turn into answers, for every room.

    from trial.views.refusals import attempt, status_of

`RefusalMiddleware` (in settings) answers every `Refused` that a view lets rise: a page with its words (status 403 for
codes `permission.…`, 404 for `hidden`, 409 for `Conflict`, 422 otherwise), the same words above the page for htmx,
`{"message", "code"}` for a script that asks for JSON. So a view without a form needs nothing.

A view with a form keeps what was typed with `attempt`, which turns a refusal into an error of the form:

    form = VisitDateForm(request.POST or None)
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            visits.record_date(visit=visit, by=request.user, **form.cleaned_data)
        if tried.done:
            return redirect("casebook", code)
    return render(request, "trial/visit.html", {"form": form}, status=tried.status)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import TracebackType
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, ValidationError
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from audit.errors import Conflict, Refused

TEMPLATES = {403: "errors/403.html", 404: "errors/404.html", 409: "errors/409.html", 422: "errors/422.html"}


def status_of(refused: Refused) -> int:
    """Return the HTTP status of a refusal: 403 permission, 404 hidden, 409 conflict, 422 otherwise."""
    if isinstance(refused, Conflict):
        return 409
    code = str(refused.code)
    if code.startswith("permission."):
        return 403
    return 404 if code == "hidden" else 422


class attempt:  # noqa: N801 - it reads as a verb
    """Try an action of a form; a refusal (or `ValidationError`) becomes an error of the form, and nothing is lost.

    After the block: `done` tells whether it went through, `refused` holds what was refused, `status` is the status of
    the page shown again (200 before anything was posted, 422 for a form that is not valid).
    """

    def __init__(self, form: BaseForm | None = None, field: str | None = None) -> None:
        self.form = form
        self.field = field
        self.entered = False
        self.refused: Refused | None = None
        self.invalid = False

    def __enter__(self) -> attempt:
        self.entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, Refused):
            self.refused = error
            if self.form is not None:
                self.form.add_error(None, str(error))
            return True
        if isinstance(error, ValidationError) and self.form is not None:
            self.invalid = True
            self.form.add_error(self.field, error.messages)
            return True
        return False

    @property
    def done(self) -> bool:
        """Whether the action was tried and went through."""
        return self.entered and self.refused is None and not self.invalid

    @property
    def status(self) -> int:
        """The status of the page that shows the form again."""
        if self.refused is not None:
            return status_of(self.refused)
        bound_and_wrong = self.form is not None and self.form.is_bound and bool(self.form.errors)
        return 422 if bound_and_wrong or self.invalid else 200


class RefusalMiddleware:
    """Answers a `Refused` that nobody caught with its own words; bugs go on rising.

    In debug, where the demo runs, an address that does not exist gets our page too, and not Django's list of addresses.
    A form of more text than the server takes is refused here, before anything looks for its CSRF token in it; a view
    that is exempt from that look says first how its files are taken, and reads its form itself.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if settings.DEBUG and response.status_code == 404 and getattr(request, "resolver_match", None) is None:
            return _not_found(request)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], *_arguments: object
    ) -> HttpResponse | None:
        """Return the page of a form that is too large, None for any other."""
        if not getattr(view, "csrf_exempt", False) and _is_too_large(request):
            return _too_large(request)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the page of a refusal, None for anything else."""
        if settings.DEBUG and isinstance(exception, Http404):
            return _not_found(request)
        if isinstance(exception, RequestDataTooBig | TooManyFieldsSent):
            return _too_large(request)
        if _is_database_away(exception):
            return _unavailable(request)
        return answer(request, exception) if isinstance(exception, Refused) else None


def _is_too_large(request: HttpRequest) -> bool:
    try:
        request.POST  # noqa: B018 - reading it is what may fail
    except (RequestDataTooBig, TooManyFieldsSent):
        return True
    return False


def _too_large(request: HttpRequest) -> HttpResponse:
    from .errors import too_large  # it imports this module

    return too_large(request)


def _not_found(request: HttpRequest) -> HttpResponse:
    from .errors import not_found  # it imports this module

    return not_found(request)


def _is_database_away(error: Exception) -> bool:
    from .errors import is_database_away  # it imports this module

    return is_database_away(error)


def _unavailable(request: HttpRequest) -> HttpResponse:
    from .errors import unavailable  # it imports this module

    return unavailable(request)


def answer(request: HttpRequest, refused: Refused) -> HttpResponse:
    """Return the refusal as the one who asks can read it: JSON, words for htmx, or a page."""
    status = status_of(refused)
    if wants_json(request):
        return JsonResponse({"message": str(refused), "code": str(refused.code)}, status=status)
    if request.headers.get("HX-Request") and not request.headers.get("HX-Boosted"):
        context = {"text": str(refused), "tone": "danger", "role": "alert", "dismissible": True}
        response = render(request, "_components/alert.html", context, status=status)
        response["HX-Retarget"] = "#messages"
        response["HX-Reswap"] = "innerHTML show:#messages:top"
        response["HX-Trigger"] = json.dumps({"stratum:refused": {"code": str(refused.code)}})
        return response
    context = {"message": str(refused), "back_url": back_url(request)}
    return render(request, TEMPLATES[status], context, status=status)


def wants_json(request: HttpRequest) -> bool:
    """Tell whether a script asks for JSON (it says so in Accept, or sends JSON) and not a person for a page."""
    if request.content_type == "application/json":
        return True
    accepted = request.headers.get("Accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def back_url(request: HttpRequest) -> str:
    """Return where the person came from when that is a page of ours, else nothing."""
    referrer = request.headers.get("Referer", "")
    if not referrer or not url_has_allowed_host_and_scheme(
        referrer, {request.get_host()}, require_https=request.is_secure()
    ):
        return ""
    parts = urlsplit(referrer)
    address = parts.path + (f"?{parts.query}" if parts.query else "")
    same = address == request.get_full_path() and request.method in ("GET", "HEAD")
    return "" if same else address
