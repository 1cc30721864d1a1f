"""Before any page: the person is signed in, and reads in their own language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import resolve_url
from django.utils import translation
from django.utils.translation import gettext as _

from .views.refusals import back_url, wants_json


class SignInRequired(LoginRequiredMiddleware):
    """Every view is for people who are signed in, unless it says `@login_not_required`.

    An ended session leads to the sign-in page and back to the page itself, never to an address that only takes a
    form; htmx is told to load it (HX-Redirect), a script that asks for JSON gets 401 with words.
    """

    def handle_no_permission(  # type: ignore[override]  # not always a redirect
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponseBase:
        """Return the answer for somebody who is not signed in."""
        is_htmx = bool(request.headers.get("HX-Request"))
        if wants_json(request) and not is_htmx:
            return JsonResponse(
                {"message": _("Your session has ended. Sign in again."), "code": "signed_out"}, status=401
            )
        here = request.get_full_path()
        if is_htmx or request.method not in ("GET", "HEAD"):
            here = back_url(request) or "/"
        answer = redirect_to_login(here, resolve_url(settings.LOGIN_URL))
        if is_htmx:
            address = answer.url
            answer = HttpResponse(status=204)  # type: ignore[assignment]
            answer["HX-Redirect"] = address
        return answer


class PersonLanguage:
    """Pages are in the language that the person chose; before sign-in Django's cookie and browser decide.

    From here on `request.user` is the person itself, not a lazy stand-in, so that actions may save it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        person = request.user
        if person.is_authenticated:
            request.user = getattr(request, "_cached_user", person)
            translation.activate(person.locale)
            request.LANGUAGE_CODE = person.locale
        return self.get_response(request)
