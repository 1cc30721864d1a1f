"""Printed documents: each print is told in the ledger."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import get_language
from django.utils.translation import gettext as _

import audit
from audit.errors import Refused
from randomization.actions import emergency as emergency_slots
from randomization.actions import simulations
from randomization.models import Allocation, AllocationList, ListSimulation, Registration
from randomization.simulation import Report
from trial.definitions import definition_of
from trial.models import Person, Version
from trial.permissions import Permission, check

from ..documents import allocation as allocation_paper
from ..documents import commitment, emergency
from ..documents import registration as registration_paper
from ..documents.simulation import simulation_report


@transaction.atomic
def print_allocation(*, allocation: Allocation, by: Person) -> bytes:
    """Return the confirmation of an allocation as a PDF in the language of the page, and keep who took it."""
    check(by, Permission.ARM_VIEW, allocation.participant.site_id)
    document = allocation_paper.confirmation(allocation, locale=get_language() or "en", printed_by=by.printed_name)
    audit.deed("allocation.viewed", allocation, by=by, document="confirmation")
    return document


@transaction.atomic
def print_registration(*, registration: Registration, by: Person) -> bytes:
    """Return the confirmation of a registration as a PDF in the language of the page, and keep who took it."""
    check(by, Permission.ARM_VIEW, registration.participant.site_id)
    document = registration_paper.confirmation(registration, locale=get_language() or "en", printed_by=by.printed_name)
    audit.deed("registration.viewed", registration, by=by, document="confirmation")
    return document


@transaction.atomic
def print_commitment(*, allocation_list: AllocationList, by: Person) -> bytes:
    """Return the commitment of an approved list as a PDF in the language of the page, and keep who took it."""
    check(by, Permission.LIST_VIEW)
    if not allocation_list.commitment:
        raise Refused(_("A list is committed when it is approved: there is no commitment yet."), code="not_committed")
    document = commitment.printed(allocation_list, locale=get_language() or "en", printed_by=by.printed_name)
    audit.deed("list.commitment_printed", allocation_list, by=by)
    return document


@transaction.atomic
def print_simulation(
    *, report: Report, version: Version, by: Person, simulation: ListSimulation | None = None
) -> bytes:
    """Return the report of a simulation as a PDF in the language of the page, and keep who took it and its digest."""
    simulations.check_may_simulate(by)
    of_list = ""
    if simulation is not None:
        of_list = _("Allocation list %(reference)s") % {"reference": simulation.allocation_list.reference}
    document = simulation_report(
        report,
        definition_of(version.pk),
        locale=get_language() or "en",
        printed_by=by.printed_name,
        is_simulated=version.study.is_simulated,
        of_list=of_list,
    )
    target = version if simulation is None else simulation.allocation_list
    audit.deed("list.simulation_printed", target, by=by, digest=report.digest)
    return document


def print_emergency(*, main: AllocationList, by: Person) -> bytes:
    """Return the emergency slots of a list as sealed pages in a ZIP; the ledger keeps who took them."""
    pages = emergency_slots.pages(main=main, by=by)
    return emergency.envelope(pages, definition_of(main.version_id), locale=get_language() or "en")


def print_halves(*, main: AllocationList, password: str, by: Person) -> bytes:
    """Return a holder's halves of the emergency passwords as a PDF; the ledger keeps when they were taken."""
    halves = emergency_slots.halves(main=main, password=password, by=by)
    return emergency.sheet(halves, definition_of(main.version_id), holder=by.printed_name)
