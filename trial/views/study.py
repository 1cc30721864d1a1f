"""The study as its version says it: overview, visit plan, forms, eligibility, parameters, and what versions changed."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from .. import listings, page_panels
from ..definition import difference
from ..definitions import definition_of
from ..models import Version
from ..permissions import Permission, can, check
from ..study_words import StudyWords
from .requests import SignedInRequest

PARTS = ("overview", "visits", "forms", "eligibility", "parameters")


@require_safe
def study(request: SignedInRequest) -> HttpResponse:
    """Show one part of what a version of the study says. Block sizes are in no definition, so on no page."""
    check(request.user, Permission.STUDY_VIEW)
    version = _version(request)
    part = request.GET.get("part", PARTS[0])
    if part not in PARTS:
        raise Http404("No such part.")
    definition = definition_of(version.pk)
    words = StudyWords(definition, _locale())
    context: dict[str, Any] = {
        "part": part,
        "version": version,
        "tabs": _tabs(request, version, part, words),
        "title": words.text(definition.study.title),
        "version_query": _version_query(request, version),
    }
    if part == "overview":
        context |= {"facts": words.facts(), "arms": words.arms(), "amendments": definition.study.amendments}
        context["panels"] = page_panels.panels_on("study", request.user)
    elif part == "visits":
        context["visits"] = words.visits()
    elif part == "forms":
        context["forms"] = words.forms()
    elif part == "eligibility":
        criteria = words.criteria()
        context["criteria"] = [
            {"title": _("Inclusion criteria"), "rows": [c for c in criteria if c["is_inclusion"]]},
            {"title": _("Exclusion criteria"), "rows": [c for c in criteria if not c["is_inclusion"]]},
        ]
    else:
        context["parameters"] = words.parameters()
    return render(request, "trial/study.html", context)


@require_safe
def form(request: SignedInRequest, form_id: str) -> HttpResponse:
    """Show one form: every item with its type, unit, choices, limits, conditions, what it feeds and what feeds it."""
    check(request.user, Permission.STUDY_VIEW)
    version = _version(request)
    definition = definition_of(version.pk)
    if form_id not in definition.forms:
        raise Http404("No such form.")
    query = _version_query(request, version)
    words = StudyWords(definition, _locale(), query)
    context = {
        "version": version,
        "form": words.form(definition.form(form_id)),
        "crumbs": [
            {"label": _("Study"), "url": reverse("study") + (f"?{query}" if query else "")},
            {"label": _("Forms"), "url": reverse("study") + "?part=forms" + (f"&{query}" if query else "")},
            {"label": words.text(definition.form(form_id).label)},
        ],
    }
    return render(request, "trial/study_form.html", context)


@require_safe
def item(request: SignedInRequest, form_id: str, item_id: str) -> HttpResponse:
    """Show one item between what decides it and what it feeds, across forms, and what follows from that in turn."""
    check(request.user, Permission.STUDY_VIEW)
    version = _version(request)
    definition = definition_of(version.pk)
    if form_id not in definition.forms or item_id not in definition.form(form_id).items:
        raise Http404("No such item.")
    query = _version_query(request, version)
    words = StudyWords(definition, _locale(), query)
    found = definition.form(form_id)
    context = {
        "version": version,
        "item": words.item(found, found.item(item_id)),
        "steps": words.uses.steps(found, found.item(item_id)),
        "form_label": words.text(found.label),
        "crumbs": [
            {"label": _("Study"), "url": reverse("study") + (f"?{query}" if query else "")},
            {"label": _("Forms"), "url": reverse("study") + "?part=forms" + (f"&{query}" if query else "")},
            {"label": words.text(found.label), "url": words.uses.form_url(form_id, f"item-{item_id}")},
            {"label": words.text(found.item(item_id).label)},
        ],
    }
    return render(request, "trial/study_item.html", context)


@require_safe
def versions(request: SignedInRequest) -> HttpResponse:
    """Show the published versions and, in words, what one changed against the one before."""
    check(request.user, Permission.STUDY_VIEW)
    found = listings.versions()
    if not found:
        raise Http404("Nothing is published.")
    asked = request.GET.get("version", "")
    chosen = next((v for v in found if str(v.number) == asked), found[0])
    before = next((v for v in found if v.number < chosen.number), None)
    changes: list[Any] = []
    if before is not None:
        sees_arms = can(request.user, Permission.ARM_VIEW)
        changes = [
            change
            for change in difference(definition_of(before.pk), definition_of(chosen.pk), _locale(), translate=_)
            if sees_arms or not change.reveals_arm
        ]
    context = {
        "tabs": _tabs(request, chosen, "versions", StudyWords(definition_of(chosen.pk), _locale())),
        "versions": [
            {"version": v, "url": f"{reverse('study_versions')}?version={v.number}", "current": v.pk == chosen.pk}
            for v in found
        ],
        "chosen": chosen,
        "before": before,
        "changes": changes,
        "sites": listings.activated_sites(chosen),
    }
    return render(request, "trial/study_versions.html", context)


def _version(request: SignedInRequest) -> Version:
    asked = request.GET.get("version", "")
    if asked:
        found = Version.objects.filter(number=int(asked)).first() if asked.isdigit() and len(asked) < 9 else None
    else:
        found = listings.version_for(request.user)
    if found is None:
        raise Http404("No such version.")
    return found


def _version_query(request: SignedInRequest, version: Version) -> str:
    return f"version={version.number}" if request.GET.get("version") else ""


def _tabs(request: SignedInRequest, version: Version, current: str, words: StudyWords) -> list[dict[str, Any]]:
    query = _version_query(request, version)
    labels = {
        "overview": _("Overview"),
        "visits": _("Visit plan"),
        "forms": _("Forms"),
        "eligibility": _("Eligibility"),
        "parameters": _("Parameters"),
    }
    if not words.definition.criteria:
        labels.pop("eligibility")
    if not words.definition.parameters:
        labels.pop("parameters")
    tabs = [
        {
            "label": label,
            "url": reverse("study") + f"?part={part}" + (f"&{query}" if query else ""),
            "current": part == current,
        }
        for part, label in labels.items()
    ]
    tabs.append({"label": _("Versions"), "url": reverse("study_versions"), "current": current == "versions"})
    return tabs


def _locale() -> str:
    return get_language() or "en"
