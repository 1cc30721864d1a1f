"""Wei's urn UD(α, β), any number of arms in equal shares: algorithm `urn/1`.

Wei, "An application of an urn model to the design of sequential controlled clinical trials", Journal of the American
Statistical Association 73 (1978), 559–563.
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
    unknown_faults,
)
from randomization.algorithms.faults import Fault, ParameterError
from randomization.algorithms.parameters import Parameter, Type
from randomization.algorithms.stream import Stream

NAME = "urn/1"
PARAMETERS = (Parameter("alpha", Type.COUNT, low=0, high=1_000), Parameter("beta", Type.COUNT, low=1, high=1_000))


def check(
    arms: Sequence[ArmRatio],
    block_sizes: Sequence[int],
    size: int,
    extra: Mapping[str, Any] = NOTHING,
    factors: Sequence[str] = (),
) -> list[Fault]:
    """Every fault of the parameters: α balls of each arm at first, β of each other arm after a draw."""
    faults = arm_faults(arms, size)
    if len({arm.ratio for arm in arms}) > 1:
        faults.append(
            Fault(
                "RND109",
                "ratio",
                "Wei's urn is defined for arms in equal shares.",
                "Use permuted blocks, simple randomization or minimization for this ratio.",
            )
        )
    for parameter in PARAMETERS:
        faults += parameter.faults(extra.get(parameter.name))
    return [*faults, *unknown_faults(PARAMETERS, block_sizes, extra)]


def generate(
    seed: bytes,
    stratum: str,
    arms: Sequence[ArmRatio],
    block_sizes: Sequence[int],
    size: int,
    extra: Mapping[str, Any] = NOTHING,
) -> list[BlockSlot]:
    """The list of one stratum: `size` draws from an urn that fills with the arms that were not drawn.

    The urn begins with α balls of each arm. A ball is drawn and put back, and β balls of every other arm are added. A
    number below the balls in the urn is drawn; the arms, in the order of their ids, take as many numbers from 0 upwards
    as they have balls. From an empty urn (α = 0, first draw) each arm is as likely. Raises ParameterError.
    """
    faults = check(arms, block_sizes, size, extra)
    if faults:
        raise ParameterError(faults)
    stream = Stream(seed, NAME, stratum)
    names = [arm.arm for arm in canonical_arms(arms)]
    balls = [int(extra["alpha"])] * len(names)
    slots: list[BlockSlot] = []
    for position in range(1, size + 1):
        total = sum(balls)
        if total == 0:
            pick = stream.below(len(names))
        else:
            left = stream.below(total)
            pick = 0
            while left >= balls[pick]:
                left -= balls[pick]
                pick += 1
        balls = [held if at == pick else held + int(extra["beta"]) for at, held in enumerate(balls)]
        slots.append(BlockSlot(position, names[pick], 0, 0))
    return slots


ALGORITHM = Algorithm(name=NAME, scheme="urn", parameters=PARAMETERS, generate=generate, check=check)
