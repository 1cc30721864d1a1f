"""A person's own account: language, password, roles."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from audit import clock

from ..actions import people
from ..forms import LocaleForm, PasswordForm
from ..models import Delegation
from .people import delegation_rows
from .refusals import attempt
from .requests import SignedInRequest


@sensitive_post_parameters("current", "password", "again")
@require_http_methods(["GET", "POST"])
def account(request: SignedInRequest) -> HttpResponse:
    """Show the person's own roles; change the language or the password."""
    person = request.user
    deed = request.POST.get("deed", "") if request.method == "POST" else ""
    locale_form = LocaleForm(request.POST if deed == "locale" else None, initial={"locale": person.locale})
    password_form = PasswordForm(request.POST if deed == "password" else None, person=person)
    tried = attempt()
    if deed == "locale":
        tried = attempt(locale_form)
        if locale_form.is_valid():
            with tried:
                people.set_locale(person=person, by=person, **locale_form.cleaned_data)
            if tried.done:
                translation.activate(locale_form.cleaned_data["locale"])
                messages.success(request, _("Your language is changed."))
                return redirect("account")
    elif deed == "password":
        tried = attempt(password_form, "password")
        if password_form.is_valid():
            with tried:
                people.set_password(person=person, password=password_form.cleaned_data["password"], by=person)
            if tried.done:
                update_session_auth_hash(request, person)
                messages.success(request, _("Your password is changed. Other sessions of yours are ended."))
                return redirect("account")
    delegations = Delegation.objects.filter(person=person).select_related("site").order_by("-starts_on", "pk")
    context = {
        "locale_form": locale_form,
        "password_form": password_form,
        "delegations": delegation_rows(list(delegations), clock.today()),
        "changed_at": person.credential.changed_at if hasattr(person, "credential") else None,
    }
    return render(request, "trial/account.html", context, status=tried.status)
