"""Redactions: proposed from a text, seen with what they would replace, approved or declined by another person."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from audit.door import MARK
from audit.models import Redaction, RedactionState
from trial.forms import reason_field
from trial.permissions import Permission, access_of, can, check
from trial.selectors import participants_for
from trial.views.refusals import attempt
from trial.views.requests import SignedInRequest

from .. import selectors
from ..actions import redactions
from ..pages import Words, moment
from ..redaction_places import Source, parse_spot, source_at

STATES = {
    RedactionState.PROPOSED: "pending",
    RedactionState.APPLIED: "done",
    RedactionState.DECLINED: "cancelled",
}


class ProposalForm(forms.Form):
    """The words to redact, and why."""

    words = forms.CharField(
        label=gettext_lazy("Words to redact"),
        strip=False,
        help_text=gettext_lazy("Exactly as they stand in the text. Take away what may stay: only a name, for example."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    reason = reason_field(help_text=gettext_lazy("Without the words themselves: the reason is kept."))


class ApprovalForm(forms.Form):
    """The approver's password, typed again."""

    password = forms.CharField(
        label=gettext_lazy("Your password, typed again"),
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class DeclineForm(forms.Form):
    """Why nothing is redacted."""

    reason = reason_field(gettext_lazy("Why nothing is redacted"))


@require_safe
def listed(request: SignedInRequest) -> HttpResponse:
    """Show the redactions of the person's sites: those that wait first, then the newest."""
    _check_any(request)
    rows = selectors.redactions_for(request.user).order_by("-pk")
    waiting = rows.filter(state=RedactionState.PROPOSED)
    page = Paginator(rows.exclude(state=RedactionState.PROPOSED), 50).get_page(request.GET.get("page"))
    context = {
        "waiting": [_line(request, row) for row in waiting[:200]],
        "decided": [_line(request, row) for row in page.object_list],
        "page": page,
    }
    return render(request, "ecrf/redactions.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: SignedInRequest) -> HttpResponse:
    """Propose a redaction of words in one text, named by its address."""
    check(request.user, Permission.REDACTION_PROPOSE)
    source = _source_or_404(request)
    site_id = source.participant.site_id
    if not can(request.user, Permission.REDACTION_PROPOSE, site_id):
        raise Http404("No such text.")
    if source.reveals_arm and not can(request.user, Permission.ARM_VIEW, site_id):
        raise Http404("No such text.")
    form = ProposalForm(request.POST or None, initial={"words": source.words})
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            found = redactions.propose(spot=source.spot, by=request.user, **form.cleaned_data)
        if tried.done:
            messages.success(request, _("The redaction is proposed. Another person approves it."))
            return redirect("redaction", found.pk)
    context = {
        "crumbs": _crumbs(_("Propose a redaction")),
        "form": form,
        "participant": source.participant,
        "words": source.words,
        "has_mark": MARK in source.words,
    }
    return render(request, "ecrf/redaction_new.html", context, status=tried.status)


@require_http_methods(["GET", "HEAD", "POST"])
def redaction(request: SignedInRequest, redaction_id: int) -> HttpResponse:
    """Show one redaction; approve it with the password, or decline it with the reason."""
    _check_any(request)
    found = selectors.redaction_or_404(request.user, redaction_id)
    deed = request.POST.get("deed", "")
    approval = ApprovalForm(request.POST if deed == "approve" else None)
    declining = DeclineForm(request.POST if deed == "decline" else None)
    status = 200
    if request.method == "POST":
        if deed not in ("approve", "decline"):
            raise Http404("No such deed.")
        form: forms.Form = approval if deed == "approve" else declining
        tried = attempt(form)
        if form.is_valid():
            with tried:
                if deed == "approve":
                    redactions.approve(redaction=found, by=request.user, **form.cleaned_data)
                else:
                    redactions.decline(redaction=found, by=request.user, **form.cleaned_data)
            if tried.done:
                done = _("Redacted.") if deed == "approve" else _("The redaction is declined.")
                messages.success(request, done)
                return redirect("redaction", redaction_id)
        status = tried.status
        found.refresh_from_db()
    return render(request, "ecrf/redaction.html", _context(request, found, approval, declining), status=status)


def _context(
    request: SignedInRequest, found: Redaction, approval: ApprovalForm, declining: DeclineForm
) -> dict[str, Any]:
    is_open = found.state == RedactionState.PROPOSED
    source, words = redactions.text_of(found) if is_open else (None, "")
    may_approve = can(request.user, Permission.REDACTION_APPROVE, found.site_id)
    is_own = found.proposed_by_id == request.user.pk
    counts = redactions.preview(found).counts() if source is not None and words else {}  # type: ignore[union-attr]
    return {
        "crumbs": _crumbs(_("Redaction %(id)s") % {"id": found.pk}),
        "redaction": found,
        "state": STATES[RedactionState(found.state)],
        "facts": _facts(found),
        "is_open": is_open,
        "before": source.words[: found.start] if source and words else "",
        "words": words,
        "after": source.words[found.start + found.length :] if source and words else "",
        "places": [
            {"label": label, "value": counts.get(name, 0)}
            for name, label in (
                ("rows", _("Values and notes as they stand")),
                ("history", _("Their history, changes and queries")),
                ("ledger", _("Audit trail lines and signatures")),
                ("drafts", _("Drafts")),
            )
        ]
        if words
        else [],
        "is_own": is_own,
        "may_approve": is_open and may_approve and not is_own,
        "may_decline": is_open and (may_approve or is_own),
        "approval": approval,
        "declining": declining,
    }


def _facts(found: Redaction) -> list[Words]:
    locale = get_language() or "en"
    facts = [
        {"label": _("Participant"), "value": found.participant_code},
        {"label": _("Reason"), "value": found.reason},
        {"label": _("Proposed by"), "value": f"{found.proposed_by_name} · {moment(found.proposed_at, locale)}"},
    ]
    if found.decided_at is not None:
        label = _("Approved by") if found.state == RedactionState.APPLIED else _("Declined by")
        facts.append({"label": label, "value": f"{found.decided_by_name} · {moment(found.decided_at, locale)}"})
    if found.decision_reason:
        facts.append({"label": _("Why nothing is redacted"), "value": found.decision_reason})
    return facts


def _line(request: SignedInRequest, found: Redaction) -> Words:
    return {
        "redaction": found,
        "url": reverse("redaction", args=[found.pk]),
        "state": STATES[RedactionState(found.state)],
        "when": moment(found.decided_at or found.proposed_at, get_language() or "en"),
        "waits": found.state == RedactionState.PROPOSED and found.proposed_by_id != request.user.pk,
    }


def _source_or_404(request: SignedInRequest) -> Source:
    spot = parse_spot(*(request.GET.get(name, "") for name in ("table", "key", "column", "path")))
    source = source_at(spot) if spot is not None else None
    if source is None or not participants_for(request.user).filter(pk=source.participant.pk).exists():
        raise Http404("No such text.")
    return source


def _check_any(request: SignedInRequest) -> None:
    access = access_of(request.user)
    if not access.has(Permission.REDACTION_APPROVE):
        check(request.user, Permission.REDACTION_PROPOSE)


def _crumbs(title: str) -> list[Words]:
    return [{"label": _("Redactions"), "url": reverse("redactions")}, {"label": title}]
