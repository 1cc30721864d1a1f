"""Documents to print."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from randomization.selectors import allocation_or_404
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
