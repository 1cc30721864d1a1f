"""The terms of a dictionary as one types: best matches first, with the grades that exist."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from trial.definitions import definition_of
from trial.dictionaries import dictionary_of
from trial.listings import version_for
from trial.views.refusals import wants_json
from trial.views.requests import SignedInRequest

MOST = 20
LONGEST = 100


@require_safe
def terms(request: SignedInRequest, dictionary: str) -> HttpResponse:
    """Answer `?q=` with at most 20 terms, in the person's language: JSON, or the options of a list.

    JSON: `{"terms": [{"code", "label", "class", "grades": [1, 2], "needs_text"}]}`. Never kept by the browser: what
    was typed is part of the address, and says something of a participant.
    """
    version = version_for(request.user)
    if version is None:
        raise Http404("No study yet.")
    try:
        found = dictionary_of(definition_of(version.pk), dictionary)
    except KeyError:
        raise Http404("No such dictionary.") from None
    locale = get_language() or "en"
    text = request.GET.get("q", "")[:LONGEST]
    listed = [_words(term, locale) for term in found.search(text, locale, MOST)]
    if wants_json(request) or request.GET.get("format") == "json":
        response: HttpResponse = JsonResponse({"terms": listed})
    else:
        response = render(request, "safety/_terms.html", {"terms": listed})
    response["Vary"] = "Accept, Accept-Language, Cookie"
    return response


def _words(term: Any, locale: str) -> dict[str, Any]:
    return {
        "code": term.code,
        "label": term.label_in(locale),
        "class": term.soc_in(locale),
        "grades": list(term.grades),
        "needs_text": term.needs_text,
    }
