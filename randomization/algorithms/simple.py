"""Simple randomization, any integer ratio: algorithm `simple/1`. Each slot is drawn without looking at the others."""

from collections.abc import Mapping, Sequence
from typing import Any

from randomization.algorithms.base import (
    NOTHING,
    Algorithm,
    ArmRatio,
    BlockSlot,
    arm_faults,
    canonical_arms,
    unknown_faults,
)
from randomization.algorithms.faults import Fault, ParameterError
from randomization.algorithms.stream import Stream

NAME = "simple/1"


def check(
    arms: Sequence[ArmRatio],
    block_sizes: Sequence[int],
    size: int,
    extra: Mapping[str, Any] = NOTHING,
    factors: Sequence[str] = (),
) -> list[Fault]:
    """Every fault of the parameters; an empty list when a list can be made."""
    faults = arm_faults(arms, size)
    if block_sizes:
        faults.append(
            Fault("RND121", "block sizes", "Simple randomization has no blocks.", "Leave the block sizes out.")
        )
    return [*faults, *unknown_faults((), (), extra)]


def generate(
    seed: bytes,
    stratum: str,
    arms: Sequence[ArmRatio],
    block_sizes: Sequence[int],
    size: int,
    extra: Mapping[str, Any] = NOTHING,
) -> list[BlockSlot]:
    """The list of one stratum: exactly `size` slots, each an independent draw in the given ratio.

    A number below the ratio's sum is drawn; the arms, in the order of their ids, take as many numbers from 0 upwards as
    their ratio says. `block` and `block_size` are 0. Raises ParameterError with every fault.
    """
    faults = check(arms, block_sizes, size, extra)
    if faults:
        raise ParameterError(faults)
    stream = Stream(seed, NAME, stratum)
    urn = [arm.arm for arm in canonical_arms(arms) for _ in range(arm.ratio)]
    return [BlockSlot(position, urn[stream.below(len(urn))], 0, 0) for position in range(1, size + 1)]


ALGORITHM = Algorithm(name=NAME, scheme="simple", generate=generate, check=check)
