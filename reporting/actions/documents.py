"""Printed documents: each print is told in the ledger."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import get_language

import audit
from randomization.actions import emergency as emergency_slots
from randomization.models import Allocation, AllocationList
from trial.definitions import definition_of
from trial.models import Person
from trial.permissions import Permission, check

from ..documents import emergency
from ..documents.allocation import confirmation


@transaction.atomic
def print_allocation(*, allocation: Allocation, by: Person) -> bytes:
    """Return the confirmation of an allocation as a PDF in the language of the page, and keep who took it."""
    check(by, Permission.ARM_VIEW, allocation.participant.site_id)
    document = confirmation(allocation, locale=get_language() or "en", printed_by=by.printed_name)
    audit.deed("allocation.viewed", allocation, by=by, document="confirmation")
    return document


def print_emergency(*, main: AllocationList, by: Person) -> bytes:
    """Return the emergency slots of a list as sealed pages in a ZIP; the ledger keeps who took them."""
    pages = emergency_slots.pages(main=main, by=by)
    return emergency.envelope(pages, definition_of(main.version_id), locale=get_language() or "en")


def print_halves(*, main: AllocationList, password: str, by: Person) -> bytes:
    """Return a holder's halves of the emergency passwords as a PDF; the ledger keeps when they were taken."""
    halves = emergency_slots.halves(main=main, password=password, by=by)
    return emergency.sheet(halves, definition_of(main.version_id), holder=by.printed_name)
