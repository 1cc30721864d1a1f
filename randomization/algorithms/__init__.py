"""How lists are made: pure, named, versioned. Seed, strata and parameters are arguments; nothing here asks the system.

`ALGORITHMS` holds every algorithm ever used, by name, so that an old list can be made again; `current(scheme)` is the
one that a new list uses. A name, once a list was made with it, never changes what it makes.
"""

from collections.abc import Mapping
from types import MappingProxyType

from randomization.algorithms import biased_coin, big_stick, imported, minimization, permuted_blocks, simple, urn
from randomization.algorithms.base import Algorithm, ArmRatio, BlockSlot, Kind
from randomization.algorithms.faults import Fault, ParameterError
from randomization.algorithms.stream import SEED_BYTES

__all__ = [
    "ALGORITHMS",
    "SEED_BYTES",
    "Algorithm",
    "ArmRatio",
    "BlockSlot",
    "Fault",
    "Kind",
    "ParameterError",
    "current",
]

_NEWEST = tuple(
    module.ALGORITHM for module in (permuted_blocks, minimization, simple, imported, biased_coin, big_stick, urn)
)
ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {algorithm.name: algorithm for algorithm in (*_NEWEST, *minimization.EARLIER)}
)
_CURRENT: Mapping[str, Algorithm] = MappingProxyType({algorithm.scheme: algorithm for algorithm in _NEWEST})


def current(scheme: str) -> Algorithm:
    """The algorithm with which a new list of this scheme is made; LookupError names the schemes that exist."""
    try:
        return _CURRENT[scheme]
    except KeyError:
        raise LookupError(f"No algorithm makes a list by {scheme!r}; known: {', '.join(sorted(_CURRENT))}.") from None
