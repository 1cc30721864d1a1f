"""Permuted blocks of random size, any integer ratio: algorithm `permuted-blocks/1`."""

from collections.abc import Mapping, Sequence
from typing import Any

from randomization.algorithms.base import (
    NOTHING,
    Algorithm,
    ArmRatio,
    BlockSlot,
    arm_faults,
    canonical_arms,
    is_count,
    unknown_faults,
)
from randomization.algorithms.faults import Fault, ParameterError
from randomization.algorithms.parameters import Parameter, Type
from randomization.algorithms.stream import Stream

NAME = "permuted-blocks/1"
MAX_BLOCK = 1_000
PARAMETERS = (Parameter("block_sizes", Type.COUNTS, high=MAX_BLOCK),)


def check(
    arms: Sequence[ArmRatio],
    block_sizes: Sequence[int],
    size: int,
    extra: Mapping[str, Any] = NOTHING,
    factors: Sequence[str] = (),
) -> list[Fault]:
    """Every fault of the parameters; an empty list when a list can be made.

    Block sizes are confidential: a fault speaks of the first, second … size given, never of its value.
    """
    faults = arm_faults(arms, size)
    total = sum(arm.ratio for arm in arms if is_count(arm.ratio))
    if not block_sizes:
        faults.append(Fault("RND111", "block sizes", "No block size is given.", "Give at least one."))
    seen: set[int] = set()
    for number, block_size in enumerate(block_sizes, start=1):
        place = f"block sizes › number {number}"
        at = {"number": number, "most": MAX_BLOCK, "total": total}
        if not is_count(block_size) or block_size > MAX_BLOCK:
            faults.append(
                Fault(
                    "RND112", place, "It is not a block size.", f"Use an integer, the ratio's sum to {MAX_BLOCK}.", at
                )
            )
            continue
        if block_size in seen:
            faults.append(Fault("RND113", place, "The same size is given before.", "Give each size once.", at))
        seen.add(block_size)
        if total and block_size % total:
            faults.append(
                Fault("RND114", place, "It is not a multiple of the ratio's sum.", f"Use a multiple of {total}.", at)
            )
    return [*faults, *unknown_faults(PARAMETERS, (), extra)]


def generate(
    seed: bytes,
    stratum: str,
    arms: Sequence[ArmRatio],
    block_sizes: Sequence[int],
    size: int,
    extra: Mapping[str, Any] = NOTHING,
) -> list[BlockSlot]:
    """The list of one stratum: whole blocks, each in the exact ratio, until at least `size` slots are there.

    `seed` is the list's 32 bytes, `stratum` its canonical label. Each block: its size is drawn with equal chance from
    the sizes in ascending order (a word is spent even when there is only one), the arms are laid out in the order of
    their ids, each `ratio × size ÷ sum` times, and shuffled. Raises ParameterError with every fault.
    """
    faults = check(arms, block_sizes, size, extra)
    if faults:
        raise ParameterError(faults)
    stream = Stream(seed, NAME, stratum)
    ordered = canonical_arms(arms)
    sizes = sorted(block_sizes)
    total = sum(arm.ratio for arm in ordered)
    slots: list[BlockSlot] = []
    block = 0
    while len(slots) < size:
        block += 1
        block_size = sizes[stream.below(len(sizes))]
        content = [arm.arm for arm in ordered for _ in range(arm.ratio * (block_size // total))]
        stream.shuffle(content)
        start = len(slots) + 1
        slots.extend(BlockSlot(start + offset, arm, block, block_size) for offset, arm in enumerate(content))
    return slots


ALGORITHM = Algorithm(name=NAME, scheme="permuted_blocks", parameters=PARAMETERS, generate=generate, check=check)
