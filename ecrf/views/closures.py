"""Freeze and lock of a visit, a participant, a site or the study: what it would mean, why, and the name typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import F
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audit.errors import Refused
from trial.definitions import current_study, definition_of
from trial.links import casebook_url
from trial.presenters import visit_label
from trial.selectors import participant_or_404, sites_for
from trial.views.refusals import attempt
from trial.views.requests import SignedInRequest

from .. import selectors
from ..actions import closures
from ..actions.closures import check_person_can_close
from ..closing import OpenQueries, Preview, Scope, preview
from ..models import Closure, ClosureKind, ClosureScope
from ..models.closures import in_force_at, in_force_over
from ..pages import Words, moment
from ..policies import scope_words

PAST = 10
"""Freezes and locks that were lifted: the newest of this scope are shown, the audit trail has them all."""


class ClosureForm(forms.Form):
    """Why, and the name of what is closed, typed so that nobody closes a site by a careless click."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("No name of a person. The reason stands in the audit trail."),
    )
    confirmation = forms.CharField(max_length=40, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, word: str, deed: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = f"id_{deed}_%s"
        self.word = word
        self.fields["confirmation"].label = _("To confirm, type %(word)s") % {"word": word}

    def clean_confirmation(self) -> str:
        """The word, letter by letter."""
        typed = str(self.cleaned_data["confirmation"]).strip()
        if typed != self.word:
            raise forms.ValidationError(_("Type %(word)s, exactly so.") % {"word": self.word})
        return typed


@dataclass(frozen=True)
class _Deed:
    kind: ClosureKind
    act: Callable[..., Closure]
    closes: bool


DEEDS = {
    "freeze": _Deed(ClosureKind.FROZEN, closures.freeze, True),
    "unfreeze": _Deed(ClosureKind.FROZEN, closures.unfreeze, False),
    "lock": _Deed(ClosureKind.LOCKED, closures.lock, True),
    "unlock": _Deed(ClosureKind.LOCKED, closures.unlock, False),
}


@require_http_methods(["GET", "HEAD", "POST"])
def participant(request: SignedInRequest, code: str) -> HttpResponse:
    """Freeze or lock one participant."""
    return _page(request, Scope.of_participant(participant_or_404(request.user, code)))


@require_http_methods(["GET", "HEAD", "POST"])
def visit(request: SignedInRequest, code: str, visit_id: int) -> HttpResponse:
    """Freeze or lock one visit."""
    found = participant_or_404(request.user, code)
    return _page(request, Scope.of_visit(selectors.visit_or_404(request.user, found, visit_id)))


@require_http_methods(["GET", "HEAD", "POST"])
def site(request: SignedInRequest, number: str) -> HttpResponse:
    """Freeze or lock a site, with every participant that it has and will have."""
    return _page(request, Scope.of_site(get_object_or_404(sites_for(request.user), number=number)))


@require_http_methods(["GET", "HEAD", "POST"])
def study(request: SignedInRequest) -> HttpResponse:
    """Freeze or lock the whole study."""
    return _page(request, Scope.of_study())


def _page(request: SignedInRequest, scope: Scope) -> HttpResponse:
    for kind in ClosureKind:
        check_person_can_close(request.user, scope, kind)
    word = _word(scope)
    name = request.POST.get("deed", "") if request.method == "POST" else ""
    if name and name not in DEEDS:
        raise Http404("No such deed.")
    posted = ClosureForm(request.POST, word=word, deed=name) if name else None
    tried = attempt(posted)
    if posted is not None and posted.is_valid():
        with tried:
            DEEDS[name].act(scope=scope, reason=posted.cleaned_data["reason"], by=request.user)
        if tried.done:
            messages.success(request, _said(name, scope))
            return redirect(request.path)
        if isinstance(tried.refused, OpenQueries) and posted is not None:
            posted.errors.clear()  # said above the form, query by query
    closed = list(
        Closure.objects.filter(**scope.names)
        .select_related("closed_by", "lifted_by")
        .order_by(F("lifted_at").desc(nulls_first=True), "-pk")[: PAST + len(ClosureKind)]
    )
    standing = {closure.kind: closure for closure in closed if closure.lifted_at is None}
    found = preview(scope, request.user)
    context = {
        "title": scope.words(),
        "tabs": _tabs(request, scope),
        "crumbs": _crumbs(scope),
        "parts": [_part(scope, kind, found, standing, name, posted, word) for kind in ClosureKind],
        "past": [_past(closure) for closure in closed if closure.lifted_at is not None][:PAST],
    }
    return render(request, "ecrf/closure.html", context, status=tried.status)


def _word(scope: Scope) -> str:
    if scope.participant is not None:
        return scope.participant.code
    if scope.site is not None:
        return scope.site.number
    found = current_study()
    return found.code if found is not None else ""


def _said(name: str, scope: Scope) -> str:
    words = {
        "freeze": _("%(scope)s: frozen."),
        "unfreeze": _("%(scope)s: no longer frozen."),
        "lock": _("%(scope)s: locked."),
        "unlock": _("%(scope)s: no longer locked."),
    }
    return words[name] % {"scope": scope.words()}


def _part(
    scope: Scope,
    kind: ClosureKind,
    found: Preview,
    closures_standing: dict[str, Closure],
    name: str,
    posted: ClosureForm | None,
    word: str,
) -> Words:
    """One half of the page: freezing or locking, as it stands, and what would come of it."""
    standing = closures_standing.get(kind)
    is_lock = kind is ClosureKind.LOCKED
    deed = {(True, True): "unlock", (True, False): "lock", (False, True): "unfreeze", (False, False): "freeze"}[
        (is_lock, standing is not None)
    ]
    return {
        "deed": deed,
        "title": _("Lock") if is_lock else _("Freeze"),
        "meaning": _("Neither values nor queries change, and nothing new is begun.")
        if is_lock
        else _("No value changes and nothing new is begun. Queries can still be asked and answered."),
        "state": str(kind) if standing is not None else "",
        "since": _since(standing) if standing is not None else "",
        "reason": standing.reason if standing is not None else "",
        "around": _around(scope, kind),
        "lines": _lines(found, kind) if standing is None else [],
        "blocking": found.blocking if is_lock and standing is None and found.blocking.total else None,
        "form": posted if posted is not None and name == deed else ClosureForm(word=word, deed=deed),
        "label": _labels()[deed],
        "tone": "primary" if DEEDS[deed].closes else "",
    }


def _labels() -> dict[str, str]:
    return {"freeze": _("Freeze"), "unfreeze": _("Unfreeze"), "lock": _("Lock"), "unlock": _("Unlock")}


def _since(closure: Closure) -> str:
    return _("Since %(when)s, by %(name)s") % {
        "when": moment(closure.closed_at, get_language() or "en"),
        "name": closure.closed_by.printed_name,
    }


def _around(scope: Scope, kind: ClosureKind) -> str:
    """What wider closure covers the scope already: lifting its own would not open it."""
    if scope.participant is not None:
        found = in_force_over(scope.participant, scope.visit)
    else:
        found = in_force_at(scope.site) if scope.site is not None else []
    wider = next((c for c in found if c.kind == kind and c.scope != scope.kind), None)
    if wider is None:
        return ""
    words = _("Locked already with: %(scope)s.") if kind is ClosureKind.LOCKED else _("Frozen already with: %(scope)s.")
    name = _("Site %(number)s") % {"number": scope.site.number} if scope.site is not None else ""
    return words % {"scope": name if wider.scope == ClosureScope.SITE and name else _name(wider, scope)}


def _name(closure: Closure, scope: Scope) -> str:
    return scope_words(closure, scope.participant, scope.visit)


def _lines(found: Preview, kind: ClosureKind) -> list[str]:
    """What would be closed, in sentences with numbers."""
    if kind is ClosureKind.LOCKED:
        said = ngettext("%(n)s form will be locked.", "%(n)s forms will be locked.", found.records)
    else:
        said = ngettext("%(n)s form will be frozen.", "%(n)s forms will be frozen.", found.records)
    lines = [said % {"n": found.records}]
    if found.participants > 1:
        lines.append(_("They belong to %(n)s participants.") % {"n": found.participants})
    already = found.locked if kind is ClosureKind.LOCKED else found.frozen
    if already and kind is ClosureKind.LOCKED:
        words = ngettext("%(n)s of them is locked already.", "%(n)s of them are locked already.", already)
        lines.append(words % {"n": already})
    elif already:
        words = ngettext("%(n)s of them is frozen already.", "%(n)s of them are frozen already.", already)
        lines.append(words % {"n": already})
    if found.unfinished:
        words = ngettext("%(n)s of them is not finished.", "%(n)s of them are not finished.", found.unfinished)
        lines.append(words % {"n": found.unfinished})
    if found.held_back:
        words = ngettext(
            "%(n)s calculated value no longer agrees with its inputs, because its form is frozen.",
            "%(n)s calculated values no longer agree with their inputs, because their forms are frozen.",
            found.held_back,
        )
        lines.append(words % {"n": found.held_back})
    return lines


def _tabs(request: SignedInRequest, scope: Scope) -> list[Words]:
    """The scope and the wider ones around it, each a link to its own page, as far as this person may close them."""
    chain: list[tuple[Scope, str, str]] = []
    if scope.visit is not None and scope.participant is not None:
        url = reverse("visit_closure", args=[scope.participant.code, scope.visit.pk])
        chain.append((scope, _("This visit"), url))
    if scope.participant is not None:
        code = scope.participant.code
        chain.append((Scope.of_participant(scope.participant), code, reverse("participant_closure", args=[code])))
    site = scope.participant.site if scope.participant is not None else scope.site
    if site is not None:
        label = _("Site %(number)s") % {"number": site.number}
        chain.append((Scope.of_site(site), label, reverse("site_closure", args=[site.number])))
    chain.append((Scope.of_study(), _("Study"), reverse("study_closure")))
    found = []
    for each, label, url in chain:
        try:
            check_person_can_close(request.user, each, ClosureKind.FROZEN)
        except Refused:
            continue
        found.append({"label": label, "url": url, "current": each.kind == scope.kind})
    return found


def _crumbs(scope: Scope) -> list[Words]:
    last = {"label": _("Freeze and lock")}
    if scope.participant is not None:
        items: list[Words] = [
            {"label": _("Participants"), "url": reverse("participants")},
            {"label": scope.participant.code, "url": casebook_url(scope.participant)},
        ]
        if scope.visit is not None:
            label = visit_label(scope.visit, definition_of(scope.participant.version_id), get_language() or "en")
            url = reverse("visit", args=[scope.participant.code, scope.visit.pk])
            items.append({"label": label, "url": url})
        return [*items, last]
    if scope.site is not None:
        return [
            {"label": _("Sites"), "url": reverse("sites")},
            {"label": scope.site.number, "url": reverse("site", args=[scope.site.number])},
            last,
        ]
    return [{"label": _("Study"), "url": reverse("study")}, last]


def _past(closure: Closure) -> Words:
    locale = get_language() or "en"
    return {
        "state": str(closure.kind),
        "from": moment(closure.closed_at, locale),
        "by": closure.closed_by.printed_name,
        "reason": closure.reason,
        "to": moment(closure.lifted_at, locale),
        "lifted_by": closure.lifted_by.printed_name if closure.lifted_by else "",
        "lifted_reason": closure.lifted_reason,
    }
