"""Reads of exports and of the study's audit trail, each beginning with the person who asks."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import Http404

from audit import clock
from audit import selectors as floor
from audit.models import Deed
from audit.verbs import all_verbs
from trial.models import Lease
from trial.permissions import Permission, access_of, check

from .actions.exports import WORK
from .models import Export

PERIODS = {"today": 0, "week": 7, "month": 30, "year": 365}
"""Periods that the trail is filtered by: their names and how many days before today they begin."""


def exports_of(person: Any) -> QuerySet[Export]:
    """Return the person's own exports, newest first; nobody sees another's."""
    check(person, Permission.EXPORT)
    return Export.objects.filter(requested_by=person).order_by("-requested_at", "-pk")


def export_or_404(person: Any, export_id: int) -> Export:
    """Return one of the person's own exports."""
    export = exports_of(person).filter(pk=export_id).first()
    if export is None:
        raise Http404("No such export.")
    return export


def leases_of(exports: list[Export]) -> dict[int, Lease]:
    """Return, by export, who writes it and how far that is, in one statement."""
    rows = Lease.objects.filter(work=WORK, target_id__in=[export.pk for export in exports])
    return {lease.target_id: lease for lease in rows}


@dataclass(frozen=True)
class TrailFilter:
    """What of the trail is asked for; empty means everything. `verb` is a verb or a family (`record`)."""

    person: str = ""
    site: str = ""
    participant: str = ""
    verb: str = ""
    period: str = ""

    def as_dict(self) -> dict[str, str]:
        """The filters that are set."""
        return {name: value for name, value in self.__dict__.items() if value}


def trail_for(person: Any, wanted: TrailFilter) -> QuerySet[Deed]:
    """Return the study's audit trail as this person may read it, newest first.

    A role at some sites reads the lines of these sites; lines of no site (sign-ins, people, exports, lists) are for
    roles that cover every site. Lines that would tell an arm are left out without a trace.
    """
    check(person, Permission.LEDGER_VIEW)
    access = access_of(person)
    deeds = floor.ledger(arms=True)
    sites, arm_sites = access.sites(Permission.LEDGER_VIEW), access.sites(Permission.ARM_VIEW)
    if sites is not None:
        deeds = deeds.filter(site_id__in=sites)
    if arm_sites is not None:
        deeds = deeds.filter(Q(reveals_arm=False) | Q(site_id__in=arm_sites))
    return _filtered(deeds, wanted)


def _filtered(deeds: QuerySet[Deed], wanted: TrailFilter) -> QuerySet[Deed]:
    if wanted.person == "system":
        deeds = deeds.filter(by_id=None)
    elif wanted.person:
        deeds = deeds.filter(by_id=int(wanted.person)) if _is_key(wanted.person) else deeds.none()
    if wanted.site:
        deeds = deeds.filter(site_id=int(wanted.site)) if _is_key(wanted.site) else deeds.none()
    if wanted.participant:
        deeds = deeds.filter(participant_code=wanted.participant)
    if wanted.verb:
        family = [verb for verb in all_verbs() if verb.startswith(f"{wanted.verb}.")]
        deeds = deeds.filter(verb__in=[wanted.verb] if "." in wanted.verb else family)
    if wanted.period in PERIODS:
        day = clock.today() - dt.timedelta(days=PERIODS[wanted.period])
        deeds = deeds.filter(at__gte=dt.datetime.combine(day, dt.time(0), tzinfo=ZoneInfo(settings.TIME_ZONE)))
    return deeds


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 18
