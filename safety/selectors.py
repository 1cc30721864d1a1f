"""Reads of serious adverse events, each beginning with the person who asks."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404

from trial.permissions import Permission, access_of, check
from trial.selectors import participants_for

from .models import SafetyCase


def cases_for(person: Any) -> QuerySet[SafetyCase]:
    """Return the cases of participants at sites where the person may see safety, the most urgent first."""
    check(person, Permission.SAFETY_VIEW)
    cases = SafetyCase.objects.filter(participant__in=participants_for(person, Permission.SAFETY_VIEW)).select_related(
        "participant__site", "adverse_event", "serious_event", "received_by"
    )
    arm_sites = access_of(person).sites(Permission.ARM_VIEW)
    if arm_sites is not None:
        cases = cases.filter(Q(adverse_event__reveals_arm=False) | Q(participant__site_id__in=arm_sites))
    return cases.order_by("state", "due_at")


def case_or_404(person: Any, case_id: int) -> SafetyCase:
    """Return one case, not found for those who may not see it."""
    case = cases_for(person).filter(pk=case_id).first()
    if case is None:
        raise Http404("No such case.")
    return case
