"""Printed documents: each print is told in the ledger."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import get_language
from django.utils.translation import gettext as _

import audit
from audit.errors import Refused
from randomization.models import Allocation, AllocationList
from trial.models import Person
from trial.permissions import Permission, check

from ..documents import commitment
from ..documents.allocation import confirmation


@transaction.atomic
def print_allocation(*, allocation: Allocation, by: Person) -> bytes:
    """Return the confirmation of an allocation as a PDF in the language of the page, and keep who took it."""
    check(by, Permission.ARM_VIEW, allocation.participant.site_id)
    document = confirmation(allocation, locale=get_language() or "en", printed_by=by.printed_name)
    audit.deed("allocation.viewed", allocation, by=by, document="confirmation")
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
