"""Files of items: taken into the draft as they are chosen, and given to those who may see the record."""

from __future__ import annotations

from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audit.errors import Refused
from trial.language import Fault, ItemType
from trial.selectors import participant_or_404
from trial.views.refusals import status_of
from trial.views.requests import SignedInRequest

from .. import selectors
from ..actions import files
from ..entry import FieldError
from ..models import Attachment
from ..pages import file_url
from ..places import RecordPlace, place_or_404
from ..posted import Fields, item_named
from ..presenters import file_facts_words
from ..uploads import TOO_LARGE

FILE = "__file"


@require_POST
def upload(
    request: SignedInRequest, code: str, form: str, visit_id: int | None = None, number: int | None = None
) -> JsonResponse:
    """Take one file into the person's draft (multipart: `name` of the control, `file`); answer what was kept."""
    place = place_or_404(request.user, code, form, visit_id, number)
    name = request.POST.get("name", "")
    named = item_named(place.form, name)
    if named is None or named[2].type is not ItemType.FILE or not place.shows(named[2]):
        return _said(_("This form has no such item."), 422)
    given = request.FILES.get("file")
    try:
        if given is None:
            raise _no_file(request, "file")
        held = files.upload(
            place=place, field=name, item=named[2], name=given.name or "", content=given.read(), by=place.person
        )
    except Fault as fault:
        return _said(fault.text(_), 422)
    except Refused as refused:
        return _said(str(refused), status_of(refused))
    words = file_facts_words({"name": held.name, "size": held.size})
    return JsonResponse({"key": held.key, "words": words, "url": file_url(place.participant, held.key)})


def take_files(request: SignedInRequest, place: RecordPlace, fields: Fields) -> list[FieldError]:
    """Take the files that a page posted without a script into the draft, and name them in the fields.

    Returns what is wrong with those that were refused. Somebody who may not enter gets the refusal from the save.
    """
    errors: list[FieldError] = []
    sent = {name for name in request.FILES if name.endswith(FILE)} | set(request.META.get(TOO_LARGE, ()))
    if not sent or place.refusal() is not None:
        return errors
    for control in sorted(sent):
        name = control.removesuffix(FILE)
        named = item_named(place.form, name)
        if named is None or named[2].type is not ItemType.FILE:
            continue
        group, row, item = named
        given = request.FILES.get(control)
        try:
            if given is None:
                raise _no_file(request, control)
            held = files.upload(
                place=place, field=name, item=item, name=given.name or "", content=given.read(), by=place.person
            )
        except Fault as fault:
            errors.append(FieldError(group.id, row, item.id, fault.text(_), fault.code))
        except Refused as refused:
            errors.append(FieldError(group.id, row, item.id, str(refused), refused.code))
        else:
            fields[name] = held.key
            for part in ("__remove", "__missing", "__reason"):
                fields.pop(f"{name}{part}", None)
    return errors


def _no_file(request: SignedInRequest, control: str) -> Fault | Refused:
    """Why no file came under a name: it was too large to be taken, or none was chosen."""
    if control in request.META.get(TOO_LARGE, ()):
        return files.too_large()
    return Refused(_("Choose a file."), code="file_needed")


@require_safe
def file(request: SignedInRequest, code: str, key: str) -> HttpResponseBase:
    """Give a file to be kept by the browser, never shown inside our pages."""
    participant = participant_or_404(request.user, code)
    found = selectors.file_or_404(request.user, participant, key)
    if isinstance(found, Attachment):
        opened = files.open_attachment(attachment=found, by=request.user)
    else:
        opened = files.open_upload(found)
    response = HttpResponse(opened.content, content_type=opened.media_type)
    response.headers["Content-Disposition"] = content_disposition_header(True, opened.name) or "attachment"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def _said(message: str, status: int) -> JsonResponse:
    return JsonResponse({"message": message}, status=status)
