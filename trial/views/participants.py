"""Participants: the list, screening, the screening log, status and its story."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from audit import clock

from .. import listings, participant_columns
from ..actions import participants, statuses, transfers
from ..definitions import definition_of
from ..forms import ReasonForm, ScreenAgainForm, ScreenFailureForm, ScreenForm, StatusForm, TransferForm
from ..links import casebook_url, optional_url
from ..models import Participant, ScreeningOutcome, Status, StatusKind, Transfer
from ..permissions import Permission, can, check
from ..presenters import birth_words, date_words, failure_words
from ..selectors import participant_or_404, sites_for
from ..statuses import BY_HAND, OF_A_SCREENING
from .filters import Address, page_of
from .refusals import attempt
from .requests import SignedInRequest

SORTS = ("code", "-code", "status", "-status", "next", "-next", "screened", "-screened")


@require_safe
def participants_list(request: SignedInRequest) -> HttpResponse:
    """Show the participants of the person's sites with status, next visit and what is open. Never an arm."""
    check(request.user, Permission.PARTICIPANT_VIEW)
    asked = {name: request.GET.get(name, "")[:40] for name in ("site", "status", "q", "sort")}
    asked["sort"] = asked["sort"] if asked["sort"] in SORTS else ""
    address = Address(reverse("participants"), asked)
    columns = participant_columns.columns_for(request.user)
    listed = listings.participants_listed(
        request.user,
        site=asked["site"],
        status=asked["status"],
        search=asked["q"].strip(),
        sort=asked["sort"] or "code",
    )
    rows = listed.annotate(**{f"column_{column.id}": expression for column, expression in columns})
    page = page_of(rows, request.GET.get("page"), listings.PAGE)
    sites = list(sites_for(request.user))
    status_counts = listings.counts_by(listings.participants_listed(request.user, site=asked["site"]), "status")
    groups = [address.group(_("Status"), "status", Status.choices, status_counts)]
    if len(sites) > 1:
        groups.insert(0, address.group(_("Site"), "site", [(site.number, site.number) for site in sites]))
    context = {
        "groups": groups,
        "address": address,
        "q": asked["q"],
        "hidden": address.hidden("q"),
        "is_filtered": bool(asked["site"] or asked["status"] or asked["q"]),
        "page": page,
        "query": address.rest(),
        "rows": [_participant_row(participant, columns) for participant in page.object_list],
        "columns": [column for column, _expression in columns],
        "sorts": {name: address.sort(name, "code") for name in ("code", "status", "next", "screened")},
        "one_site": len(sites) == 1,
        "may_screen": can(request.user, Permission.PARTICIPANT_SCREEN),
        "is_empty": not page.paginator.count and not any(asked.values()),
    }
    return render(request, "trial/participants.html", context)


@require_http_methods(["GET", "POST"])
def screen(request: SignedInRequest) -> HttpResponse:
    """Open a screening: the participant gets a code, and nothing else is kept before consent."""
    check(request.user, Permission.PARTICIPANT_SCREEN)
    today = clock.today()
    sites = [site for site in sites_for(request.user, Permission.PARTICIPANT_SCREEN) if site.is_open(today)]
    form = ScreenForm(request.POST or None, sites=sites)
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            participant = participants.screen(by=request.user, **form.cleaned_data)
        if tried.done:
            messages.success(request, _("%(code)s is in screening.") % {"code": participant.code})
            return redirect(casebook_url(participant))
    context = {"form": form, "sites": sites, "closed": not sites}
    return render(request, "trial/participant_screen.html", context, status=tried.status)


@require_safe
def screening_log(request: SignedInRequest) -> HttpResponse:
    """Show every screening of the person's sites: month, outcome and reason, failures included."""
    check(request.user, Permission.PARTICIPANT_VIEW)
    asked = {name: request.GET.get(name, "")[:20] for name in ("site", "outcome", "year")}
    address = Address(reverse("screening_log"), asked)
    rows = listings.screenings_listed(request.user, **asked)
    page = page_of(rows, request.GET.get("page"), listings.PAGE)
    sites = list(sites_for(request.user))
    counts = listings.counts_by(
        listings.screenings_listed(request.user, site=asked["site"], year=asked["year"]), "screening_outcome"
    )
    groups = [address.group(_("Outcome"), "outcome", ScreeningOutcome.choices, counts)]
    years = listings.screening_years(request.user)
    if len(years) > 1:
        groups.append(address.group(_("Year"), "year", [(str(year), str(year)) for year in years]))
    if len(sites) > 1:
        groups.insert(0, address.group(_("Site"), "site", [(site.number, site.number) for site in sites]))
    earlier = listings.earlier_screenings(page.object_list)
    context = {
        "groups": groups,
        "page": page,
        "query": address.rest(),
        "clear_url": address.path if any(asked.values()) else "",
        "rows": [
            _screening_row(request.user, participant, earlier.get(participant.pk, []))
            for participant in page.object_list
        ],
        "counts": counts,
        "may_screen": can(request.user, Permission.PARTICIPANT_SCREEN),
    }
    return render(request, "trial/screening_log.html", context)


@require_http_methods(["GET", "POST"])
def screening_close(request: SignedInRequest, code: str) -> HttpResponse:
    """Close a screening without inclusion, with its reason."""
    participant = participant_or_404(request.user, code)
    check(request.user, Permission.PARTICIPANT_SCREEN, participant.site_id)
    definition = definition_of(participant.version_id)
    form = ScreenFailureForm(request.POST or None, definition=definition, locale=_locale())
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            participants.fail_screening(participant=participant, by=request.user, **form.cleaned_data)
        if tried.done:
            messages.success(request, _("The screening of %(code)s is closed.") % {"code": code})
            return redirect("screening_log")
    context = {"participant": participant, "form": form}
    return render(request, "trial/screening_close.html", context, status=tried.status)


@require_http_methods(["GET", "POST"])
def screening_reopen(request: SignedInRequest, code: str) -> HttpResponse:
    """Take back a screen failure recorded by mistake, with its reason."""
    participant = participant_or_404(request.user, code)
    check(request.user, Permission.PARTICIPANT_SCREEN, participant.site_id)
    form = ReasonForm(request.POST or None)
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            participants.reopen_screening(participant=participant, by=request.user, **form.cleaned_data)
        if tried.done:
            messages.success(request, _("The screening of %(code)s is open again.") % {"code": code})
            return redirect(casebook_url(participant))
    context = {"participant": participant, "form": form, "reason": failure_reason(participant)}
    return render(request, "trial/screening_reopen.html", context, status=tried.status)


@require_http_methods(["GET", "POST"])
def screen_again(request: SignedInRequest, code: str) -> HttpResponse:
    """Begin a new screening of a participant who was not included; the code stays."""
    participant = participant_or_404(request.user, code)
    check(request.user, Permission.PARTICIPANT_SCREEN, participant.site_id)
    form = ScreenAgainForm(request.POST or None)
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            participants.screen_again(participant=participant, by=request.user, **form.cleaned_data)
        if tried.done:
            messages.success(request, _("%(code)s is in screening again.") % {"code": code})
            return redirect(casebook_url(participant))
    context = {
        "participant": participant,
        "form": form,
        "reason": failure_reason(participant),
        "is_closed": participant.failed_on is not None,
        "casebook_url": casebook_url(participant),
    }
    return render(request, "trial/screening_again.html", context, status=tried.status)


@require_http_methods(["GET", "POST"])
def status(request: SignedInRequest, code: str) -> HttpResponse:
    """Show what happened to a participant, with dates and reasons; record a withdrawal or a loss."""
    participant = participant_or_404(request.user, code)
    may_record = can(request.user, Permission.STATUS_RECORD, participant.site_id)
    changes = listings.status_story(participant)
    held = {change.kind for change in changes if change.reversed_at is None}
    kinds = tuple(kind for kind in BY_HAND if kind not in held)
    form = StatusForm(request.POST or None, kinds=kinds)
    tried = attempt(form)
    if request.method == "POST":
        check(request.user, Permission.STATUS_RECORD, participant.site_id)
        if form.is_valid():
            with tried:
                statuses.record_by_hand(participant=participant, by=request.user, **form.cleaned_data)
            if tried.done:
                messages.success(request, _("The status of %(code)s is recorded.") % {"code": code})
                return redirect("participant_status", code)
    authors = listings.authors_of(changes)
    context = {
        "participant": participant,
        "form": form,
        "may_record": may_record and bool(kinds) and participant.consented_on is not None,
        "before_consent": may_record and participant.consented_on is None and participant.failed_on is None,
        "story": _with_transfers([_story_entry(participant, change, authors) for change in changes], participant),
        "may_transfer": can(request.user, Permission.PARTICIPANT_TRANSFER, participant.site_id),
        "reversible": [
            {
                "label": StatusKind(change.kind).label,
                "url": reverse("participant_status_reverse", args=[code]) + f"?kind={change.kind}",
            }
            for change in changes
            if may_record and change.reversed_at is None and change.kind in BY_HAND
        ],
        "facts": _participant_facts(participant),
        "consent_pending": {"version": participant.awaited_consent, "from_on": participant.awaited_since}  # type: ignore[attr-defined]
        if participant.awaited_consent  # type: ignore[attr-defined]
        else None,
        "casebook_url": optional_url("casebook", code),
        "may_close": can(request.user, Permission.PARTICIPANT_SCREEN, participant.site_id)
        and participant.day_zero_on is None
        and participant.failed_on is None,
        "may_screen_again": participant.failed_on is not None
        and can(request.user, Permission.PARTICIPANT_SCREEN, participant.site_id),
    }
    return render(request, "trial/participant_status.html", context, status=tried.status)


@require_http_methods(["GET", "POST"])
def status_reverse(request: SignedInRequest, code: str) -> HttpResponse:
    """Take back a withdrawal or a loss recorded by mistake, with its reason."""
    participant = participant_or_404(request.user, code)
    check(request.user, Permission.STATUS_RECORD, participant.site_id)
    kind = request.POST.get("kind") or request.GET.get("kind", "")
    if kind not in {str(known) for known in BY_HAND}:
        return redirect("participant_status", code)
    form = ReasonForm(request.POST or None)
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            statuses.reverse_by_hand(participant=participant, kind=kind, by=request.user, **form.cleaned_data)
        if tried.done:
            messages.success(request, _("The status of %(code)s was taken back.") % {"code": code})
            return redirect("participant_status", code)
    context = {"participant": participant, "form": form, "kind": kind, "what": StatusKind(kind).label}
    return render(request, "trial/participant_status_reverse.html", context, status=tried.status)


@require_http_methods(["GET", "POST"])
def transfer(request: SignedInRequest, code: str) -> HttpResponse:
    """Move a participant to another site, from a day on, with the reason."""
    participant = participant_or_404(request.user, code)
    check(request.user, Permission.PARTICIPANT_TRANSFER, participant.site_id)
    sites = sites_for(request.user, Permission.PARTICIPANT_TRANSFER).exclude(pk=participant.site_id)
    form = TransferForm(request.POST or None, sites=sites, initial={"on": clock.today()})
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            transfers.transfer(participant=participant, by=request.user, **form.cleaned_data)
        if tried.done:
            messages.success(request, _("%(code)s is transferred.") % {"code": code})
            return redirect("participant_status", code)
    return render(
        request, "trial/participant_transfer.html", {"participant": participant, "form": form}, status=tried.status
    )


# ---------------------------------------------------------------- words


def failure_reason(participant: Participant) -> str:
    """Write the reason of the latest screen failure."""
    return _failure_words(participant, participant.failure_reason, participant.failure_detail)


def _failure_words(participant: Participant, reason: str, detail: str) -> str:
    return failure_words(reason, detail, definition_of(participant.version_id), _locale())


def _locale() -> str:
    return get_language() or "en"


def _participant_row(participant: Any, columns: list[tuple[participant_columns.Column, Any]]) -> dict[str, Any]:
    definition = definition_of(participant.version_id)
    is_overdue = participant.next_end is not None and participant.next_end < clock.today()
    label = ""
    if participant.next_event:
        label = definition.text(definition.visit(participant.next_event).label, _locale())
    return {
        "participant": participant,
        "url": casebook_url(participant),
        "status_label": Status(participant.status).label,
        "next_label": label,
        "next_overdue": is_overdue,
        "cells": [
            {"column": column, "count": getattr(participant, f"column_{column.id}"), "url": column.url(participant)}
            for column, _expression in columns
        ],
    }


def _screening_row(person: Any, participant: Participant, earlier: list[listings.EarlierScreening]) -> dict[str, Any]:
    may = can(person, Permission.PARTICIPANT_SCREEN, participant.site_id)
    outcome = participant.screening_outcome
    return {
        "participant": participant,
        "url": casebook_url(participant),
        "month": participant.screening_month,
        "outcome_label": ScreeningOutcome(outcome).label,
        "reason": failure_reason(participant) if outcome == ScreeningOutcome.FAILED else "",
        "number": participant.screening,
        "earlier": [
            {
                "number": each.number,
                "month": each.month,
                "reason": _failure_words(participant, each.reason, each.detail),
            }
            for each in earlier
        ],
        "may_close": may and outcome == ScreeningOutcome.PENDING and participant.day_zero_on is None,
        "may_reopen": may and outcome == ScreeningOutcome.FAILED,
    }


_MARKS = {
    StatusKind.SCREENED: "screening",
    StatusKind.CONSENTED: "signed",
    StatusKind.FAILED: "screen_failure",
    StatusKind.WITHDRAWN_TREATMENT: "treatment_ended",
    StatusKind.WITHDRAWN_VISITS: "withdrawn",
    StatusKind.WITHDRAWN_CONTACT: "withdrawn",
}


def _story_entry(participant: Participant, change: Any, authors: dict[int, tuple[str, str]]) -> dict[str, Any]:
    first, last = authors.get(change.pk, ("", ""))
    if change.kind == StatusKind.FAILED:
        text = _failure_words(participant, change.reason, change.detail)
    else:
        text = " – ".join(filter(None, [change.reason, change.detail]))
    title = str(StatusKind(change.kind).label)
    if participant.screening > 1 and change.kind in OF_A_SCREENING:
        title = _("%(what)s (screening %(n)s)") % {"what": title, "n": change.screening}
    entry = {
        "title": title,
        "date": date_words(change.on, _locale()),
        "by": first,
        "text": text,
        "state": _MARKS.get(StatusKind(change.kind), change.kind),
    }
    if change.reversed_at is not None:
        entry["title"] = _("%(what)s – taken back") % {"what": entry["title"]}
        entry["state"] = "cancelled"
        entry["text"] = " · ".join(
            filter(None, [text, _("taken back by %(who)s: %(why)s") % {"who": last, "why": change.reversed_reason}])
        )
    return entry


def _with_transfers(story: list[dict[str, Any]], participant: Participant) -> list[dict[str, Any]]:
    """Add the transfers to what happened, last."""
    moves = Transfer.objects.filter(participant=participant).select_related("from_site", "to_site")
    return story + [
        {
            "title": _("Transferred from site %(old)s to site %(new)s")
            % {"old": move.from_site.number, "new": move.to_site.number},
            "date": date_words(move.on, _locale()),
            "text": move.reason,
            "state": "done",
        }
        for move in moves
    ]


def _participant_facts(participant: Participant) -> list[dict[str, Any]]:
    return [
        {"label": _("Status"), "value": Status(participant.status).label, "state": participant.status},
        {"label": _("Site"), "value": str(participant.site), "url": reverse("site", args=[participant.site.number])},
        {"label": _("Born"), "value": birth_words(participant, get_language() or "en")},
        {"label": _("Screened"), "value": date_words(participant.screened_on, _locale())},
        {
            "label": _("Consent"),
            "value": date_words(participant.consented_on, _locale()),
            "url": reverse("participant_consents", args=[participant.code]),
        },
        {"label": _("Registered"), "value": date_words(participant.registered_on, _locale())}
        if participant.registered_on is not None
        else {"label": _("Randomized"), "value": date_words(participant.randomized_on, _locale())},
    ]
