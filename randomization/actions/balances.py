"""Reading how a list in use is balanced: unblinded, so the ledger keeps who looked, and when."""

from __future__ import annotations

from django.db import transaction

import audit
from trial.models import Person

from ..models import AllocationList
from ..selectors import Given, course_by_arm


@transaction.atomic
def read_course(*, allocation_list: AllocationList, by: Person) -> list[Given]:
    """Read every allocation of a list and on paper, with its arm, for those with the right to balance by arm alone."""
    found = course_by_arm(by, allocation_list)
    audit.deed("list.balance_read", allocation_list, by=by, what="course")
    return found
