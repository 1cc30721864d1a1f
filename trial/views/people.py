"""People: accounts and delegations, for the administrator."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit import clock

from .. import listings
from ..actions import people
from ..context_processors import initials_of
from ..forms import DelegationEndForm, DelegationForm, FirstPasswordForm, PersonForm, ReasonForm
from ..models import Delegation, Person, Role, Site
from ..permissions import Permission, check
from ..presenters import date_words
from .filters import Address, page_of
from .refusals import attempt
from .requests import SignedInRequest


@require_safe
def people_list(request: SignedInRequest) -> HttpResponse:
    """Show the accounts with the roles in force."""
    check(request.user, Permission.PEOPLE_MANAGE)
    asked = {name: request.GET.get(name, "")[:60] for name in ("q", "role", "site", "closed")}
    address = Address(reverse("people"), asked)
    rows = listings.people_listed(
        search=asked["q"].strip(), role=asked["role"], site=asked["site"], closed=bool(asked["closed"])
    )
    page = page_of(rows, request.GET.get("page"), listings.PAGE)
    sites = list(Site.objects.all())
    groups = [
        address.group(_("Role"), "role", Role.choices),
        address.group(_("Site"), "site", [(site.number, site.number) for site in sites]),
        {
            "label": _("Account"),
            "options": [
                {"label": pgettext("account", "Open"), "url": address.link(closed=""), "current": not asked["closed"]},
                {
                    "label": pgettext("account", "Closed"),
                    "url": address.link(closed="1"),
                    "current": bool(asked["closed"]),
                },
            ],
        },
    ]
    today = clock.today()
    context = {
        "groups": groups,
        "q": asked["q"],
        "hidden": address.hidden("q"),
        "clear_url": address.path if any(asked.values()) else "",
        "page": page,
        "query": address.rest(),
        "rows": [_person_row(person, today) for person in page.object_list],
    }
    return render(request, "trial/people.html", context)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def new(request: SignedInRequest) -> HttpResponse:
    """Open an account for one human being."""
    check(request.user, Permission.PEOPLE_MANAGE)
    form = PersonForm(request.POST or None)
    tried = attempt(form, "password")
    if request.method == "POST" and form.is_valid():
        with tried:
            made = people.create(by=request.user, **form.cleaned_data)
        if tried.done:
            messages.success(request, _("The account of %(name)s is open.") % {"name": made.printed_name})
            return redirect("person", made.pk)
    return render(request, "trial/person_new.html", {"form": form}, status=tried.status)


@require_safe
def person(request: SignedInRequest, person_id: int) -> HttpResponse:
    """Show one account: its roles, past ones included, and what can be done."""
    check(request.user, Permission.PEOPLE_MANAGE)
    found = get_object_or_404(Person, pk=person_id)
    return _person_page(request, found)


@require_POST
def delegate(request: SignedInRequest, person_id: int) -> HttpResponse:
    """Give the person a role at a site, or at every site, between two dates."""
    check(request.user, Permission.PEOPLE_MANAGE)
    found = get_object_or_404(Person, pk=person_id)
    form = DelegationForm(request.POST)
    tried = attempt(form)
    if form.is_valid():
        with tried:
            people.delegate(person=found, by=request.user, **form.cleaned_data)
        if tried.done:
            messages.success(request, _("The role is delegated to %(name)s.") % {"name": found.printed_name})
            return redirect("person", person_id)
    return _person_page(request, found, delegation_form=form, status=tried.status)


@sensitive_post_parameters("password")
@require_POST
def password(request: SignedInRequest, person_id: int) -> HttpResponse:
    """Give the person a new password, when the old one is lost."""
    check(request.user, Permission.PEOPLE_MANAGE)
    found = get_object_or_404(Person, pk=person_id)
    form = FirstPasswordForm(request.POST)
    tried = attempt(form, "password")
    if form.is_valid():
        with tried:
            people.set_password(person=found, by=request.user, **form.cleaned_data)
        if tried.done:
            messages.success(request, _("%(name)s has a new password.") % {"name": found.printed_name})
            return redirect("person", person_id)
    return _person_page(request, found, password_form=form, status=tried.status)


@require_POST
def close(request: SignedInRequest, person_id: int) -> HttpResponse:
    """Close an account; the name stays on everything that it did."""
    check(request.user, Permission.PEOPLE_MANAGE)
    found = get_object_or_404(Person, pk=person_id)
    form = ReasonForm(request.POST, auto_id="id_close_%s")
    tried = attempt(form)
    if form.is_valid():
        with tried:
            people.deactivate(person=found, by=request.user, **form.cleaned_data)
        if tried.done:
            messages.success(request, _("The account of %(name)s is closed.") % {"name": found.printed_name})
            return redirect("person", person_id)
    return _person_page(request, found, close_form=form, status=tried.status)


@require_http_methods(["GET", "POST"])
def delegation_end(request: SignedInRequest, delegation_id: int) -> HttpResponse:
    """End a delegation on a day, with its reason."""
    check(request.user, Permission.PEOPLE_MANAGE)
    found = get_object_or_404(Delegation.objects.select_related("person", "site"), pk=delegation_id)
    form = DelegationEndForm(request.POST or None)
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            people.end_delegation(delegation=found, by=request.user, **form.cleaned_data)
        if tried.done:
            messages.success(request, _("The delegation of %(name)s is ended.") % {"name": found.person.printed_name})
            return redirect("person", found.person_id)
    context = {"delegation": found, "form": form, "role": Role(found.role).label}
    return render(request, "trial/delegation_end.html", context, status=tried.status)


def delegation_rows(delegations: list[Delegation], today: dt.date) -> list[dict[str, Any]]:
    """Write delegations as rows: role, site, dates, what is added to the role, and whether it holds today."""
    locale = get_language() or "en"
    rows = []
    for delegation in delegations:
        in_force = delegation.is_in_force(today)
        state = "met" if in_force else ("planned" if delegation.starts_on > today else "closed")
        words = {"met": _("In force"), "planned": _("To come"), "closed": _("Ended")}[state]
        rows.append(
            {
                "delegation": delegation,
                "role": Role(delegation.role).label,
                "site": str(delegation.site) if delegation.site else _("Every site"),
                "from": date_words(delegation.starts_on, locale),
                "until": date_words(delegation.ends_on, locale),
                "state": state,
                "state_label": words,
                "extras": [
                    word
                    for word, holds in (
                        (_("may randomize"), delegation.may_randomize),
                        (_("sees arms"), delegation.sees_arm),
                    )
                    if holds
                ],
                "may_end": delegation.ends_on is None or delegation.ends_on > today,
            }
        )
    return sorted(rows, key=lambda row: ("met", "planned", "closed").index(str(row["state"])))


def _person_row(found: Person, today: dt.date) -> dict[str, Any]:
    held = [d for d in found.delegations.all() if d.is_in_force(today)]
    roles = [
        f"{Role(d.role).label} · {d.site.number}" if d.site else str(Role(d.role).label)
        for d in sorted(held, key=lambda d: (d.role, d.site_id or 0))
    ]
    return {
        "person": found,
        "initials": initials_of(found.given_name, found.family_name),
        "roles": roles,
        "is_self": False,
    }


def _person_page(
    request: SignedInRequest,
    found: Person,
    *,
    delegation_form: DelegationForm | None = None,
    password_form: FirstPasswordForm | None = None,
    close_form: ReasonForm | None = None,
    status: int = 200,
) -> HttpResponse:
    delegations = list(Delegation.objects.filter(person=found).select_related("site").order_by("-starts_on", "-pk"))
    is_self = found.pk == request.user.pk
    context = {
        "found": found,
        "initials": initials_of(found.given_name, found.family_name),
        "delegations": delegation_rows(delegations, clock.today()),
        "is_self": is_self,
        "delegation_form": None if is_self or not found.is_active else delegation_form or DelegationForm(),
        "password_form": None
        if is_self or not found.is_active
        else password_form or FirstPasswordForm(auto_id="id_new_%s"),
        "close_form": None if is_self or not found.is_active else close_form or ReasonForm(auto_id="id_close_%s"),
    }
    return render(request, "trial/person.html", context, status=status)
