"""While a form is typed: keeping the draft, and evaluating what stands on the page. Both answer a script in JSON."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from audit.errors import Refused
from trial.views.refusals import status_of
from trial.views.requests import SignedInRequest

from ..actions import drafts
from ..pages import changed_page, posted_page
from ..places import RecordPlace, ended_place, place_or_404
from ..posted import WHOLE, fields_of_draft, fields_of_post

LONGEST_NAME = 200
"""Letters of the name of a field: group, row, item and part."""
WAITS = frozenset({"frozen", "locked"})
"""What closes a form for a while: typing that comes too late is kept until it opens again."""


@require_POST
def draft(
    request: SignedInRequest, code: str, form: str, visit_id: int | None = None, number: int | None = None
) -> HttpResponse:
    """Keep what the person is typing (JSON), or throw it away (the button `discard` of the page)."""
    try:
        place = place_or_404(request.user, code, form, visit_id, number)
    except Http404:
        ended = ended_place(request.user, code, form, visit_id, number) if "discard" not in request.POST else None
        if ended is None:
            raise
        return _keep(request, ended[0], ended[1])
    if "discard" not in request.POST:
        return _keep(request, place)
    drafts.discard(where=place.where, by=place.person)
    messages.info(request, _("Your unsaved typing was thrown away. The form shows what is saved."))
    return redirect(place.url())


def _keep(request: SignedInRequest, place: RecordPlace, ended: Refused | None = None) -> JsonResponse:
    """Keep the draft; also that of somebody whose delegation `ended` while the form was open, who is told so."""
    try:
        sent: Any = json.loads(request.body)
        revision, fields = sent["revision"], sent["fields"]
    except (ValueError, KeyError, TypeError):
        return _refused(_("The draft cannot be read."), 422)
    if type(revision) is not int or revision < 0 or not isinstance(fields, dict):
        return _refused(_("The draft cannot be read."), 422)
    at = sent.get("at", "")
    if isinstance(at, str) and at and len(at) <= LONGEST_NAME:
        fields = {**fields, drafts.AT: at}
    refused = ended or place.refusal()
    if refused is not None and refused is not ended and str(refused.code) not in WAITS:
        return _refused(str(refused), status_of(refused))
    if ended is None and revision > place.revision:
        return _refused(_("The draft cannot be read."), 422)
    try:
        kept = drafts.add(where=place.where, base_revision=revision, fields=fields, by=place.person)
    except ValueError:
        return _refused(_("This is too much for a draft."), 422)
    if refused is not None:
        return _refused(str(refused), status_of(refused))
    if revision != place.revision:
        return _refused(_("Someone else saved this form. Save will show both versions."), 409)
    return JsonResponse({"kept": f"{timezone.localtime(kept.kept_at):%H:%M}"})


@require_POST
def evaluate(
    request: SignedInRequest, code: str, form: str, visit_id: int | None = None, number: int | None = None
) -> JsonResponse:
    """Say what follows from what stands on the page: shown, calculated, found, offered, flagged. Nothing is saved.

    As JSON, `fields` are only those that differ from the page as it was made (over this person's draft and what is
    stored), and `changed` names those that changed since the last answer: only what follows from them is evaluated.
    A form posts the whole page.
    """
    place = place_or_404(request.user, code, form, visit_id, number)
    try:
        place.check_can_enter()
    except Refused as refused:
        return _refused(str(refused), status_of(refused))
    if request.content_type != "application/json":
        page = posted_page(place, fields_of_post(place.form, request.POST))
        page.whole = WHOLE in request.POST
        return JsonResponse(page.evaluated())
    try:
        sent: Any = json.loads(request.body)
        fields, changed = sent["fields"], sent["changed"]
    except (ValueError, KeyError, TypeError):
        return _refused(_("The form cannot be read."), 422)
    if not isinstance(fields, dict) or not isinstance(changed, list) or not all(isinstance(n, str) for n in changed):
        return _refused(_("The form cannot be read."), 422)
    return JsonResponse(changed_page(place, fields_of_draft(place.form, fields), changed).evaluated())


def _refused(message: str, status: int) -> JsonResponse:
    return JsonResponse({"message": message}, status=status)
