"""Lists, their slots, and allocations."""

from .allocations import Allocation
from .emergency import EmergencyList, EmergencyUse
from .lists import AllocationList, ListKey, ListKind, ListState, Slot

__all__ = ["Allocation", "AllocationList", "EmergencyList", "EmergencyUse", "ListKey", "ListKind", "ListState", "Slot"]
