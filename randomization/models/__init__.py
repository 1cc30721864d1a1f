"""Lists, their slots, and allocations."""

from .allocations import Allocation
from .lists import AllocationList, ListKey, ListState, Slot

__all__ = ["Allocation", "AllocationList", "ListKey", "ListState", "Slot"]
