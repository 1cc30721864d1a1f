"""Reading the flow of participants by arm."""

from __future__ import annotations

from django.db import transaction

import audit
from trial.models import Person, Study

from .. import consort


@transaction.atomic
def read_by_arm(*, by: Person) -> consort.Flow:
    """Read the flow of participants by arm; the ledger keeps who looked at unblinded counts, and when."""
    found = consort.flow_by_arm(by)
    audit.deed("flow.read_by_arm", Study.objects.first(), by=by)
    return found
