"""Documents to print."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_GET

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
def commitment_pdf(request: SignedInRequest, pk: int) -> HttpResponse:
    """Give the commitment of an approved list, for the trial master file, to those who may see the list's state."""
    person = request.user
    found = list_or_404(person, pk)
    document = documents.print_commitment(allocation_list=found, by=person)
    response = HttpResponse(document, content_type="application/pdf")
    study = definition_of(found.version_id).study.code
    response["Content-Disposition"] = f'attachment; filename="{study}-list-{found.pk}-commitment.pdf"'
    return response
