"""The study's audit trail: filtered by links, paged by key, taken out as CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_safe

from audit import clock
from audit import selectors as floor
from audit.models import Deed
from trial.listings import version_for
from trial.models import Person, Site
from trial.permissions import Permission, access_of, can
from trial.selectors import sites_for
from trial.views.filters import Address
from trial.views.requests import SignedInRequest

from .. import presenters, selectors
from ..actions import trails
from ..selectors import TrailFilter

CHUNK = 500
HEADER = (
    "LINE", "AT", "RECORDED_AT", "BY", "BY_ID", "VERB", "WHAT", "TARGET_TABLE", "TARGET_ID", "TARGET", "SITEID",
    "USUBJID", "IP", "DETAILS",
)  # fmt: skip


@require_safe
def audit_trail(request: SignedInRequest) -> HttpResponse:
    """Show who did what, newest first, as far as the person's roles reach."""
    person = request.user
    wanted = _wanted(request)
    deeds = selectors.trail_for(person, wanted)
    before = request.GET.get("before", "")
    page = floor.page(deeds, before=int(before) if before.isascii() and before.isdigit() and len(before) < 18 else None)
    version = version_for(person)
    definition = presenters.newest_definition(version.pk if version else None)
    sites = {site.pk: site for site in sites_for(person, Permission.LEDGER_VIEW)}
    numbers = {key: site.number for key, site in sites.items()}
    address = Address(request.path, wanted.as_dict())
    rows = []
    for deed in page.rows:
        row = presenters.trail_row(deed, definition, numbers)
        rows.append(
            {
                "row": row,
                "person_url": address.link(person=str(deed.by_id) if deed.by_id else "system"),
                "participant_url": address.link(participant=deed.participant_code or ""),
                "verb_url": address.link(verb=deed.verb),
                "by": deed.by_name or _("System"),
            }
        )
    context = {
        "rows": rows,
        "groups": _groups(address, sites),
        "chosen": _chosen(address, wanted, sites),
        "hidden": address.hidden("participant"),
        "wanted": wanted,
        "clear_url": address.path if address.chosen else "",
        "older_url": address.link(before=str(page.older)) if page.older else "",
        "newest_url": address.link() if before else "",
        "rest": address.rest().lstrip("&"),
        "all_sites": access_of(person).sites(Permission.LEDGER_VIEW) is None,
        "sees_address": can(person, Permission.LEDGER_VIEW),
        "address": address,
    }
    return render(request, "reporting/audit_trail.html", context)


@require_GET
def audit_trail_csv(request: SignedInRequest) -> StreamingHttpResponse:
    """Give the filtered trail as CSV, all of it; that it was taken stands in the trail."""
    person = request.user
    wanted = _wanted(request)
    deeds = selectors.trail_for(person, wanted)
    told = trails.take_out(wanted=wanted, by=person)
    numbers = {site.pk: site.number for site in Site.objects.all()}
    response = StreamingHttpResponse(
        _lines(deeds.filter(pk__lt=told.pk), numbers), content_type="text/csv; charset=utf-8"
    )
    name = f"audit-trail-{timezone.localtime(clock.now()):%Y%m%d-%H%M}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


class _Echo:
    """What csv writes to: it hands every line on."""

    def write(self, line: str) -> str:
        return line


def _lines(deeds: Any, numbers: dict[int, str]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(HEADER)
    before = None
    while True:
        page = floor.page(deeds, before=before, size=CHUNK)
        for deed in page.rows:
            yield writer.writerow([inert(cell) for cell in _cells(deed, numbers)])
        if page.older is None:
            return
        before = page.older


def _cells(deed: Deed, numbers: dict[int, str]) -> list[Any]:
    return [
        deed.pk, deed.at.isoformat(), deed.recorded_at.isoformat(), deed.by_name, deed.by_id or "", deed.verb,
        str(deed.label), deed.target_table, deed.target_id, deed.target_label, numbers.get(deed.site_id or 0, ""),
        deed.participant_code or "", deed.ip or "",
        json.dumps(deed.details, ensure_ascii=False, sort_keys=True) if deed.details else "",
    ]  # fmt: skip


def inert(cell: Any) -> Any:
    """A text that a spreadsheet would run as a formula, made harmless: strangers' words stand in failed sign-ins."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _wanted(request: SignedInRequest) -> TrailFilter:
    return TrailFilter(**{name: request.GET.get(name, "").strip()[:80] for name in TrailFilter.__dataclass_fields__})


def _groups(address: Address, sites: dict[int, Site]) -> list[dict[str, Any]]:
    periods = {
        "today": _("Today"),
        "week": _("7 days"),
        "month": _("30 days"),
        "year": _("12 months"),
    }
    groups = [
        address.group(_("Period"), "period", list(periods.items())),
        address.group(_("What"), "verb", presenters.families()),
    ]
    if len(sites) > 1:
        listed = sorted(sites.values(), key=lambda site: site.number)
        groups.append(address.group(_("Site"), "site", [(str(site.pk), site.number) for site in listed]))
    return groups


def _chosen(address: Address, wanted: TrailFilter, sites: dict[int, Site]) -> list[dict[str, str]]:
    """The filters that no group shows: one person, one participant, one kind of line; each with a link that ends it."""
    chosen = []
    if wanted.person:
        name = _("System")
        if wanted.person.isdigit():
            known = Person.objects.filter(pk=int(wanted.person[:18])).first()
            name = known.printed_name if known is not None else wanted.person
        chosen.append({"label": name, "icon": "user", "url": address.link(person="")})
    if wanted.participant:
        chosen.append({"label": wanted.participant, "icon": "heart", "url": address.link(participant="")})
    if "." in wanted.verb:
        chosen.append({"label": presenters.verb_words(wanted.verb), "icon": "filter", "url": address.link(verb="")})
    return chosen
