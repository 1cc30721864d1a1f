"""Lists, their slots, what simulates, commits and corrects them, allocations, and what follows them."""

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
from .corrections import COME_TO_NOTHING, Correction, CorrectionKind, CorrectionState
from .emergency import EmergencyList, EmergencyUse
from .lists import AllocationList, ListKey, ListKind, ListState, Segment, Slot, SlotProof
from .simulations import ListSimulation

__all__ = [
    "COME_TO_NOTHING",
    "Allocation",
    "AllocationList",
    "Correction",
    "CorrectionKind",
    "CorrectionState",
    "EmergencyList",
    "EmergencyUse",
    "ErrorReason",
    "IdentityCheck",
    "ListKey",
    "ListKind",
    "ListSimulation",
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
