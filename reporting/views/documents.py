"""Documents to print."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from randomization.actions import simulations
from randomization.selectors import (
    allocation_or_404,
    list_or_404,
    newest_simulation_or_404,
    registration_or_404,
)
from trial.definitions import definition_of, latest_version
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
def registration_pdf(request: SignedInRequest, code: str) -> HttpResponse:
    """Give the confirmation of a registration without randomization to those who may see the arm."""
    person = request.user
    participant = participant_or_404(person, code)
    registration = registration_or_404(person, participant)
    registration.participant = participant
    document = documents.print_registration(registration=registration, by=person)
    study = definition_of(registration.version_id).study.code
    return _pdf(document, f"{study}-{participant.code}-registration.pdf")


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


@require_POST
def simulation_pdf(request: SignedInRequest) -> HttpResponse:
    """Give the report that a page of the simulation shows, from the sealed copy that it carries."""
    person = request.user
    report = simulations.unseal_report(request.POST.get("sealed", ""), by=person)
    version = latest_version()
    document = documents.print_simulation(report=report, version=version, by=person)
    return _pdf(document, f"{definition_of(version.pk).study.code}-simulation-{report.digest[:8]}.pdf")


@require_GET
def list_simulation_pdf(request: SignedInRequest, pk: int) -> HttpResponse:
    """Give the newest report of a list's simulations to those who draft or approve lists."""
    person = request.user
    simulations.check_may_simulate(person)
    found = list_or_404(person, pk)
    newest = newest_simulation_or_404(person, pk)
    report = simulations.open_report(simulation=newest, by=person)
    document = documents.print_simulation(report=report, version=found.version, by=person, simulation=newest)
    study = definition_of(found.version_id).study.code
    return _pdf(document, f"{study}-list-{found.pk}-simulation-{report.digest[:8]}.pdf")


def _pdf(document: bytes, name: str) -> HttpResponse:
    response = HttpResponse(document, content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
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
