"""The big stick, two arms 1:1: algorithm `big-stick/1`.

Soares and Wu, "Some restricted randomization rules in sequential designs", Communications in Statistics – Theory and
Methods 12 (1983), 2017–2034.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from randomization.algorithms.base import (
    NOTHING,
    Algorithm,
    ArmRatio,
    BlockSlot,
    arm_faults,
    canonical_arms,
    equal_pair_faults,
    unknown_faults,
)
from randomization.algorithms.faults import Fault, ParameterError
from randomization.algorithms.parameters import Parameter, Type
from randomization.algorithms.stream import Stream

NAME = "big-stick/1"
PARAMETERS = (Parameter("tolerance", Type.COUNT, low=1, high=100),)


def check(
    arms: Sequence[ArmRatio],
    block_sizes: Sequence[int],
    size: int,
    extra: Mapping[str, Any] = NOTHING,
    factors: Sequence[str] = (),
) -> list[Fault]:
    """Every fault of the parameters; an empty list when a list can be made."""
    return [
        *arm_faults(arms, size),
        *equal_pair_faults(arms, "The big stick"),
        *PARAMETERS[0].faults(extra.get("tolerance")),
        *unknown_faults(PARAMETERS, block_sizes, extra),
    ]


def generate(
    seed: bytes,
    stratum: str,
    arms: Sequence[ArmRatio],
    block_sizes: Sequence[int],
    size: int,
    extra: Mapping[str, Any] = NOTHING,
) -> list[BlockSlot]:
    """The list of one stratum: a fair coin, unless one arm is ahead by the tolerance; then the other arm.

    A number below 2 is drawn for every slot, also for one that is forced. Raises ParameterError with every fault.
    """
    faults = check(arms, block_sizes, size, extra)
    if faults:
        raise ParameterError(faults)
    stream = Stream(seed, NAME, stratum)
    names = [arm.arm for arm in canonical_arms(arms)]
    tolerance: int = extra["tolerance"]
    slots: list[BlockSlot] = []
    ahead = 0  # slots of the first arm less those of the second
    for position in range(1, size + 1):
        pick = stream.below(2)
        if abs(ahead) == tolerance:
            pick = 1 if ahead > 0 else 0
        ahead += 1 if pick == 0 else -1
        slots.append(BlockSlot(position, names[pick], 0, 0))
    return slots


ALGORITHM = Algorithm(name=NAME, scheme="big_stick", parameters=PARAMETERS, generate=generate, check=check)
