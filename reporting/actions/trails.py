"""Taking the audit trail out of the system: told in the trail itself."""

from __future__ import annotations

from django.db import transaction

import audit
from audit.models import Deed
from trial.definitions import current_study
from trial.models import Person
from trial.permissions import Permission, check

from ..selectors import TrailFilter


@transaction.atomic
def take_out(*, wanted: TrailFilter, by: Person) -> Deed:
    """Keep that the person takes the filtered trail away; what is taken ends before this very line."""
    check(by, Permission.LEDGER_VIEW)
    return audit.deed("trail.exported", current_study(), by=by, filters=wanted.as_dict())
