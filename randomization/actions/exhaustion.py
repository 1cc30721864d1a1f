"""A list that runs out: it follows from an allocation or a correction, nobody does it."""

from __future__ import annotations

import audit
from audit import clock
from trial.models import Person

from .. import lives, slots
from ..models import AllocationList, ListState


def settle(allocation_list: AllocationList, *, by: Person) -> AllocationList:
    """Mark a list in use as exhausted when no open stratum has a slot left. Call it in a transaction, list locked."""
    if allocation_list.state == ListState.IN_USE and not slots.available(allocation_list).exists():
        allocation_list.state = lives.LIST.after(allocation_list.state, lives.Deed.RUN_OUT)
        allocation_list.exhausted_at = clock.now()
        audit.save(allocation_list, by=by)
        audit.deed("list.exhausted", allocation_list, by=by)
    return allocation_list


__all__ = ["settle"]
