"""Printed documents: each print is told in the ledger."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import get_language

import audit
from randomization.models import Allocation
from trial.models import Person
from trial.permissions import Permission, check

from ..documents.allocation import confirmation


@transaction.atomic
def print_allocation(*, allocation: Allocation, by: Person) -> bytes:
    """Return the confirmation of an allocation as a PDF in the language of the page, and keep who took it."""
    check(by, Permission.ARM_VIEW, allocation.participant.site_id)
    document = confirmation(allocation, locale=get_language() or "en", printed_by=by.printed_name)
    audit.deed("allocation.viewed", allocation, by=by, document="confirmation")
    return document
