"""The data manager's marks on one record: reviewed at once, frozen and locked with a page that says what it means."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from audit.errors import Refused
from trial.permissions import check
from trial.views.refusals import status_of
from trial.views.requests import SignedInRequest

from .. import policies
from ..actions import marks
from ..closing import Scope, blocking_queries
from ..lives import Deed
from ..pages import Words, crumbs
from ..places import MARKS, RecordPlace, place_or_404

_ICONS = {
    Deed.REVIEW: "state-reviewed",
    Deed.UNREVIEW: "undo",
    Deed.FREEZE: "state-frozen",
    Deed.UNFREEZE: "undo",
    Deed.LOCK: "state-locked",
    Deed.UNLOCK: "undo",
}
_ACTIONS: dict[Deed, Callable[..., Any]] = {
    Deed.UNREVIEW: marks.unreview,
    Deed.FREEZE: marks.freeze,
    Deed.UNFREEZE: marks.unfreeze,
    Deed.LOCK: marks.lock,
    Deed.UNLOCK: marks.unlock,
}
NEEDS_REASON = (Deed.UNFREEZE, Deed.UNLOCK)


def _labels() -> dict[Deed, str]:
    return {
        Deed.REVIEW: _("Mark as reviewed"),
        Deed.UNREVIEW: _("Take the review back"),
        Deed.FREEZE: _("Freeze this form"),
        Deed.UNFREEZE: _("Unfreeze this form"),
        Deed.LOCK: _("Lock this form"),
        Deed.UNLOCK: _("Unlock this form"),
    }


def _meanings() -> dict[Deed, str]:
    return {
        Deed.UNREVIEW: _("The form waits for review again."),
        Deed.FREEZE: _("No value of it changes any more. Queries can still be asked and answered."),
        Deed.UNFREEZE: _("Its values can change again. What was calculated meanwhile is brought up to date."),
        Deed.LOCK: _("Neither its values nor its queries change any more. Every query must be closed first."),
        Deed.UNLOCK: _("Its values and queries can change again, unless the form is frozen as well."),
    }


def _said() -> dict[Deed, str]:
    return {
        Deed.UNREVIEW: _("%(form)s: the review is taken back."),
        Deed.FREEZE: _("%(form)s: frozen."),
        Deed.UNFREEZE: _("%(form)s: no longer frozen."),
        Deed.LOCK: _("%(form)s: locked."),
        Deed.UNLOCK: _("%(form)s: no longer locked."),
    }


def marks_to_set(place: RecordPlace) -> list[Words]:
    """What the person may do to the record's marks, as entries of the page's menu; `post` is done at once."""
    labels = _labels()
    return [
        {"label": labels[deed], "icon": _ICONS[deed], "url": place.url(str(deed)), "post": deed is Deed.REVIEW}
        for deed in place.marks_to_set
    ]


@require_POST
def review(
    request: SignedInRequest, code: str, form: str, visit_id: int | None = None, number: int | None = None
) -> HttpResponse:
    """Record that the form was read as it was shown."""
    place = _place(request, code, form, visit_id, number)
    assert place.record is not None
    revision = request.POST.get("revision", "")
    place.record.revision = int(revision) if revision.isascii() and revision.isdigit() and len(revision) < 9 else -1
    marks.review(record=place.record, by=place.person)
    messages.success(request, _("%(form)s: reviewed.") % {"form": place.title})
    return redirect(place.url())


def _with_reason(
    request: SignedInRequest,
    code: str,
    form: str,
    visit_id: int | None = None,
    number: int | None = None,
    *,
    deed: Deed,
) -> HttpResponse:
    """Say what the mark means and what stands in its way, ask why, and set it."""
    place = _place(request, code, form, visit_id, number)
    check(request.user, MARKS[deed], place.participant.site_id)
    assert place.record is not None
    refused: Refused | None = None
    if request.method == "POST":
        try:
            _ACTIONS[deed](record=place.record, reason=request.POST.get("reason", ""), by=place.person)
        except Refused as error:
            refused = error
        else:
            messages.success(request, _said()[deed] % {"form": place.title})
            return redirect(place.url())
    else:
        policies.check_deed(place.record, deed)
    blocking = blocking_queries(Scope.of_record(place.record), place.person) if deed is Deed.LOCK else None
    label = _labels()[deed]
    context = {
        "place": place,
        "crumbs": crumbs(place, label),
        "title": label,
        "meaning": _meanings()[deed],
        "needed": deed in NEEDS_REASON,
        "blocking": blocking if blocking is not None and blocking.total else None,
        "refused": str(refused) if refused is not None and str(refused.code) != "open_queries" else "",
        "reason": request.POST.get("reason", ""),
    }
    return render(request, "ecrf/record_mark.html", context, status=status_of(refused) if refused else 200)


WITH_REASON: dict[Deed, Callable[..., HttpResponse]] = {
    deed: require_http_methods(["GET", "HEAD", "POST"])(partial(_with_reason, deed=deed)) for deed in _ACTIONS
}


def _place(request: SignedInRequest, code: str, form: str, visit_id: int | None, number: int | None) -> RecordPlace:
    place = place_or_404(request.user, code, form, visit_id, number)
    if place.record is None:
        raise Http404("Nothing was saved yet.")
    return place
