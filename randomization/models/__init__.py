"""Lists, their slots, allocations, and what follows them."""

from .after import (
    ErrorReason,
    IdentityCheck,
    RandomizedInError,
    Registration,
    StratumDifference,
    TreatmentReceived,
    WhyOtherwise,
)
from .allocations import Allocation
from .lists import AllocationList, ListKey, ListState, Slot

__all__ = [
    "Allocation",
    "AllocationList",
    "ErrorReason",
    "IdentityCheck",
    "ListKey",
    "ListState",
    "RandomizedInError",
    "Registration",
    "Slot",
    "StratumDifference",
    "TreatmentReceived",
    "WhyOtherwise",
]
