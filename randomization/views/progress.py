"""How a list fares: counts for who sees lists and the committee; balance by arm for those with the right, told."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from trial.permissions import Permission, can
from trial.views.requests import SignedInRequest

from .. import presenters, selectors
from ..actions import balances
from ..progress import progress


@require_http_methods(["GET", "HEAD", "POST"])
def list_progress(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show allocations by stratum, site and month; posted by one who may see balance, by arm as well."""
    person = request.user
    found = selectors.list_that_ran_or_404(person, pk)
    by_arm = request.method == "POST"
    if by_arm:
        given = balances.read_course(allocation_list=found, by=person)
    else:
        given = selectors.course_of(person, found)
    state, words = presenters.list_state(found)
    context = {
        "list": found,
        "state": state,
        "state_label": words,
        "progress": progress(found, given, by_arm=by_arm),
        "by_arm": by_arm,
        "sees_list": can(person, Permission.LIST_VIEW),
        "may_balance": not by_arm and bool(given) and can(person, Permission.ARM_BALANCE),
    }
    return render(request, "randomization/list_progress.html", context)
