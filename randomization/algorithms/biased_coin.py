"""Efron's biased coin, two arms 1:1: algorithm `biased-coin/1`.

Efron, "Forcing a sequential experiment to be balanced", Biometrika 58 (1971), 403–417.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
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
from randomization.algorithms.parameters import Parameter, Type, probability
from randomization.algorithms.stream import Stream

NAME = "biased-coin/1"
PARAMETERS = (Parameter("probability", Type.PROBABILITY),)


def check(
    arms: Sequence[ArmRatio],
    block_sizes: Sequence[int],
    size: int,
    extra: Mapping[str, Any] = NOTHING,
    factors: Sequence[str] = (),
) -> list[Fault]:
    """Every fault of the parameters: the probability of the arm that is behind lies between 1/2 and 1."""
    faults = [*arm_faults(arms, size), *equal_pair_faults(arms, "Efron's biased coin")]
    faults += PARAMETERS[0].faults(extra.get("probability"))
    found = probability(extra.get("probability"))
    if found is not None and found <= Fraction(1, 2):
        faults.append(
            Fault("RND137", "probability", "It does not favor the arm that is behind.", "Use more than one half.")
        )
    return [*faults, *unknown_faults(PARAMETERS, block_sizes, extra)]


def generate(
    seed: bytes,
    stratum: str,
    arms: Sequence[ArmRatio],
    block_sizes: Sequence[int],
    size: int,
    extra: Mapping[str, Any] = NOTHING,
) -> list[BlockSlot]:
    """The list of one stratum: `size` slots, each favoring the arm with fewer slots so far.

    With as many of both, each arm is as likely; otherwise the arm that is behind has the probability a/b, in lowest
    terms: a number below b is drawn, and those below a give it. Raises ParameterError with every fault.
    """
    faults = check(arms, block_sizes, size, extra)
    if faults:
        raise ParameterError(faults)
    stream = Stream(seed, NAME, stratum)
    names = [arm.arm for arm in canonical_arms(arms)]
    chance = probability(extra["probability"])
    assert chance is not None
    slots: list[BlockSlot] = []
    ahead = 0  # slots of the first arm less those of the second
    for position in range(1, size + 1):
        if ahead == 0:
            pick = stream.below(2)
        else:
            behind = 1 if ahead > 0 else 0
            pick = behind if stream.below(chance.denominator) < chance.numerator else 1 - behind
        ahead += 1 if pick == 0 else -1
        slots.append(BlockSlot(position, names[pick], 0, 0))
    return slots


ALGORITHM = Algorithm(name=NAME, scheme="biased_coin", parameters=PARAMETERS, generate=generate, check=check)
