"""Sign in, sign out, stay signed in; language and appearance of the pages."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from .. import policy
from ..actions import people
from ..context_processors import THEMES
from ..forms import PolicyForm, SignInForm
from .requests import SignedInRequest

YEAR = 365 * 24 * 3600  # seconds


@login_not_required
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Show the sign-in page; let a person in by address and password."""
    after = safe_next(request, request.POST.get("next") or request.GET.get("next"))
    if request.method == "GET" and request.user.is_authenticated:
        return redirect(after)
    form = SignInForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        person = authenticate(request, **form.cleaned_data)
        if person is not None:
            login(request, person)
            if not policy.has_accepted(person):
                request.session[policy.SESSION_KEY] = True
            return redirect(after)
        form.add_error(None, _("The e-mail address or the password is not right."))
    return _page(request, form, after, status=422 if form.errors else 200)


def locked_out(request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None) -> HttpResponse:
    """Say, after too many failures, that waiting helps: nothing more about the account."""
    minutes = int(settings.AXES_COOLOFF_TIME * 60)
    form = SignInForm(initial={"username": request.POST.get("username", "")[:254]})
    return _page(request, form, safe_next(request, request.POST.get("next")), status=429, locked_minutes=minutes)


@never_cache
@require_http_methods(["GET", "POST"])
def accept_policy(request: SignedInRequest) -> HttpResponse:
    """Show the rules of using an account; whoever accepts them goes on to the page that was asked for."""
    after = safe_next(request, request.POST.get("next") or request.GET.get("next"))
    if request.method == "GET" and policy.SESSION_KEY not in request.session:
        return redirect(after)
    form = PolicyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        people.accept_policy(person=request.user)
        request.session.pop(policy.SESSION_KEY, None)
        return redirect(after)
    return render(request, "trial/policy.html", {"form": form, "next": after}, status=422 if form.errors else 200)


@login_not_required
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    if request.user.is_authenticated:
        language = request.user.locale
        logout(request)
        messages.success(request, _("You are signed out."))
        return _with_language(redirect(settings.LOGOUT_REDIRECT_URL), language)
    return redirect(settings.LOGOUT_REDIRECT_URL)


@require_POST
def keepalive(request: HttpRequest) -> HttpResponse:
    """Begin the session's time again; every request does, this one does nothing else."""
    return HttpResponse(status=204)


@login_not_required
@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Change the language of the pages: kept with the account of who is signed in, in a cookie for everybody."""
    chosen = request.POST.get("language", "")
    answer = redirect(safe_next(request, request.POST.get("next")))
    if chosen not in dict(settings.LANGUAGES):
        return answer
    if request.user.is_authenticated:
        people.set_locale(person=request.user, locale=chosen, by=request.user)
    translation.activate(chosen)
    return _with_language(answer, chosen)


@login_not_required
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Change the appearance: light, dark, or as the system; kept in a cookie."""
    chosen = request.POST.get("theme", "")
    answer = redirect(safe_next(request, request.POST.get("next")))
    if chosen in THEMES:
        answer.set_cookie(
            "theme", chosen, max_age=YEAR, secure=settings.SESSION_COOKIE_SECURE, httponly=True, samesite="Lax"
        )
    return answer


def safe_next(request: HttpRequest, address: str | None) -> str:
    """Return the address when it is a page of this site, the home page otherwise."""
    allowed = bool(address) and url_has_allowed_host_and_scheme(
        str(address), {request.get_host()}, require_https=request.is_secure()
    )
    return str(address) if allowed else resolve_url(settings.LOGIN_REDIRECT_URL)


def _page(request: HttpRequest, form: SignInForm, after: str, *, status: int, locked_minutes: int = 0) -> HttpResponse:
    context = {"form": form, "next": after, "locked_minutes": locked_minutes}
    return render(request, "trial/sign_in.html", context, status=status)


def _with_language(answer: HttpResponse, language: str) -> HttpResponse:
    answer.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=YEAR,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite="Lax",
    )
    return answer
