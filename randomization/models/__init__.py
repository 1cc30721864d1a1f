"""Lists, their slots, what commits them and corrects them, allocations, and what follows them."""

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
from .corrections import Correction, CorrectionKind, CorrectionState
from .lists import AllocationList, ListKey, ListState, Segment, Slot, SlotProof

__all__ = [
    "Allocation",
    "AllocationList",
    "Correction",
    "CorrectionKind",
    "CorrectionState",
    "ErrorReason",
    "IdentityCheck",
    "ListKey",
    "ListState",
    "RandomizedInError",
    "Registration",
    "Segment",
    "Slot",
    "SlotProof",
    "StratumDifference",
    "TreatmentReceived",
    "WhyOtherwise",
]
