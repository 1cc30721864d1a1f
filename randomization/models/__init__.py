"""Lists, their slots, their simulations, and allocations."""

from .allocations import Allocation
from .lists import AllocationList, ListKey, ListState, Slot
from .simulations import ListSimulation

__all__ = ["Allocation", "AllocationList", "ListKey", "ListSimulation", "ListState", "Slot"]
