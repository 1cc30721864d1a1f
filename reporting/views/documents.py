"""Documents to print."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from randomization.selectors import allocation_or_404, list_or_404
from trial.definitions import definition_of
from trial.selectors import participant_or_404
from trial.views.requests import SignedInRequest

from ..actions import documents


@require_GET
def allocation_pdf(request: SignedInRequest, code: str) -> HttpResponse:
    """Give the confirmation of a participant's allocation to those who may see the arm."""
    person = request.user
    participant = participant_or_404(person, code)
    allocation = allocation_or_404(person, participant)
    allocation.participant = participant
    document = documents.print_allocation(allocation=allocation, by=person)
    response = HttpResponse(document, content_type="application/pdf")
    study = definition_of(allocation.version_id).study.code
    response["Content-Disposition"] = f'attachment; filename="{study}-{participant.code}-allocation.pdf"'
    return response


@require_GET
def emergency_pages(request: SignedInRequest, pk: int) -> HttpResponse:
    """Give the emergency slots of a list, each page sealed under a password that two people hold in halves."""
    found = list_or_404(request.user, pk)
    response = HttpResponse(documents.print_emergency(main=found, by=request.user), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="emergency-list-{found.pk}.zip"'
    return response


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def emergency_halves(request: SignedInRequest, pk: int) -> HttpResponse:
    """Give one of the two holders their halves of the passwords, after their own password."""
    found = list_or_404(request.user, pk)
    if request.method != "POST":
        return redirect("emergency", found.pk)
    document = documents.print_halves(main=found, password=request.POST.get("password", ""), by=request.user)
    response = HttpResponse(document, content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="emergency-list-{found.pk}-halves.pdf"'
    return response
