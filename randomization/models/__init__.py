"""Lists, their slots, what commits them and corrects them, and allocations."""

from .allocations import Allocation
from .corrections import Correction, CorrectionKind, CorrectionState
from .lists import AllocationList, ListKey, ListState, Segment, Slot, SlotProof

__all__ = [
    "Allocation",
    "AllocationList",
    "Correction",
    "CorrectionKind",
    "CorrectionState",
    "ListKey",
    "ListState",
    "Segment",
    "Slot",
    "SlotProof",
]
