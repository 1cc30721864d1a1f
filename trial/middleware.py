"""Before any page: the person is signed in, and reads in their own language."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.signals import user_logged_in
from django.contrib.auth.views import redirect_to_login
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from . import policy
from .views.refusals import back_url, wants_json


class SignInRequired(LoginRequiredMiddleware):
    """Every view is for people who are signed in, unless it says `@login_not_required`.

    An ended session leads to the sign-in page and back to the page itself, never to an address that only takes a
    form; htmx is told to load it (HX-Redirect), a script that asks for JSON gets 401 with words. Whoever has not yet
    accepted the rules of using an account is led to them in the same way (403 for JSON).
    """

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        """Let a view answer, or lead away from it."""
        is_open = not getattr(view_func, "login_required", True)
        if is_open or not request.user.is_authenticated or policy.SESSION_KEY not in request.session:
            answer: HttpResponseBase | None = super().process_view(request, view_func, view_args, view_kwargs)
            return answer
        if request.resolver_match is not None and request.resolver_match.url_name == "policy":
            return None
        if wants_json(request) and not request.headers.get("HX-Request"):
            return JsonResponse(
                {"message": _("Accept the rules of your account first."), "code": "permission.policy_to_accept"},
                status=403,
            )
        return self._lead_to(request, reverse("policy"))

    def handle_no_permission(  # type: ignore[override]  # not always a redirect
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponseBase:
        """Return the answer for somebody who is not signed in."""
        if wants_json(request) and not request.headers.get("HX-Request"):
            return JsonResponse(
                {"message": _("Your session has ended. Sign in again."), "code": "signed_out"}, status=401
            )
        return self._lead_to(request, resolve_url(settings.LOGIN_URL))

    def _lead_to(self, request: HttpRequest, address: str) -> HttpResponseBase:
        """Return the way to another page, and from there back to this one."""
        is_htmx = bool(request.headers.get("HX-Request"))
        here = request.get_full_path()
        if is_htmx or request.method not in ("GET", "HEAD"):
            here = back_url(request) or "/"
        away = redirect_to_login(here, address)
        if not is_htmx:
            return away
        answer = HttpResponse(status=204)
        answer["HX-Redirect"] = away.url
        return answer


RENEWED = "renewed_at"


@receiver(user_logged_in, dispatch_uid="trial.session_begins")
def _begin(sender: Any, request: HttpRequest, **_others: Any) -> None:
    if hasattr(request, "session"):
        request.session[RENEWED] = int(time.time())


class SessionRenewal:
    """A session ends 30 minutes (`SESSION_IDLE`) after the last request, or up to a minute later.

    It is written anew once a minute at most: a write per request would be most of what pages write.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.session.session_key is not None and request.user.is_authenticated:
            now = int(time.time())
            if now - request.session.get(RENEWED, 0) >= settings.SESSION_RENEWAL:
                request.session[RENEWED] = now
        return self.get_response(request)


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
