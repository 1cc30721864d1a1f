"""Reminders: what was sent to the person, and (on a developer's machine) every e-mail written."""

from __future__ import annotations

import datetime as dt
import email
from email import policy
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from ..actions import notices
from ..frame import unseen_notices
from ..models import Notice, NoticeState
from ..selectors import notices_for
from .filters import Address, page_of
from .requests import SignedInRequest
from .signing_in import safe_next

PAGE = 25
SHOWN_MAILS = 50


@require_safe
def inbox(request: SignedInRequest) -> HttpResponse:
    """Show the reminders sent to the person, newest first."""
    asked = {"show": "all" if request.GET.get("show") == "all" else ""}
    address = Address(reverse("notices"), asked)
    rows = notices_for(request.user).filter(state=NoticeState.SENT).order_by("-due_at", "-pk")
    unseen = unseen_notices(request.user).count()
    page = page_of(rows if asked["show"] else rows.filter(seen_at=None), request.GET.get("page"), PAGE)
    context = {
        "tabs": [
            {"label": _("Not seen"), "url": address.link(show=""), "current": not asked["show"], "count": unseen},
            {"label": _("All"), "url": address.link(show="all"), "current": bool(asked["show"])},
        ],
        "page": page,
        "query": address.rest(),
        "rows": [_row(notice) for notice in page.object_list],
        "unseen": unseen,
        "here": request.get_full_path(),
    }
    return render(request, "trial/notices.html", context)


@require_POST
def seen(request: SignedInRequest) -> HttpResponse:
    """Mark one reminder as seen and go where it leads, or mark all of the page as seen."""
    wanted = [int(key) for key in request.POST.getlist("notice")[:PAGE] if key.isdigit() and len(key) < 19]
    found = list(notices_for(request.user).filter(pk__in=wanted))
    if not found:
        raise Http404("No such reminder.")
    for notice in found:
        notices.mark_seen(notice=notice, by=request.user)
    if request.POST.get("open") and len(found) == 1:
        return redirect(safe_next(request, found[0].url))
    count = len(found)
    messages.success(
        request, ngettext("%(n)s reminder marked as seen.", "%(n)s reminders marked as seen.", count) % {"n": count}
    )
    return redirect(safe_next(request, request.POST.get("next")))


@require_safe
def outbox(request: SignedInRequest) -> HttpResponse:
    """Show the e-mails that this developer's machine wrote to files, newest first. There is no such page elsewhere."""
    folder = getattr(settings, "EMAIL_FILE_PATH", None)
    if not settings.DEBUG or folder is None:
        raise Http404("No outbox.")
    return render(request, "trial/outbox.html", {"mails": mails_in(Path(folder)), "folder": Path(folder).name})


def mails_in(folder: Path, limit: int = SHOWN_MAILS) -> list[dict[str, Any]]:
    """Read the newest e-mails of a folder of Django's file backend."""
    files = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True) if folder.exists() else []
    found: list[dict[str, Any]] = []
    for path in files:
        parts = path.read_bytes().split(b"\n" + b"-" * 79 + b"\n")
        for part in reversed([part for part in parts if part.strip()]):
            message: Any = email.message_from_bytes(part.lstrip(b"\n"), policy=policy.default)
            body = message.get_body(("plain",))
            found.append(
                {
                    "subject": message["Subject"],
                    "to": message["To"],
                    "at": message["Date"].datetime.replace(tzinfo=dt.UTC),  # Django writes it in UTC
                    "body": body.get_content() if body is not None else "",
                }
            )
            if len(found) >= limit:
                return found
    return found


def _row(notice: Notice) -> dict[str, Any]:
    subject, body = notices.text_of(notice, get_language() or "en")
    return {"notice": notice, "subject": subject, "body": body, "is_new": notice.seen_at is None}
