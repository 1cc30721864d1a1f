"""Permuted blocks of random size, any integer ratio: algorithm `permuted-blocks/1`."""

from collections.abc import Sequence

from randomization.algorithms.base import Algorithm, ArmRatio, BlockSlot, arm_faults, canonical_arms, is_count
from randomization.algorithms.faults import Fault, ParameterError
from randomization.algorithms.stream import Stream

NAME = "permuted-blocks/1"
MAX_BLOCK = 1_000


def check(arms: Sequence[ArmRatio], block_sizes: Sequence[int], size: int) -> list[Fault]:
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
        if not is_count(block_size) or block_size > MAX_BLOCK:
            faults.append(
                Fault("RND112", place, "It is not a block size.", f"Use an integer, the ratio's sum to {MAX_BLOCK}.")
            )
            continue
        if block_size in seen:
            faults.append(Fault("RND113", place, "The same size is given before.", "Give each size once."))
        seen.add(block_size)
        if total and block_size % total:
            faults.append(
                Fault("RND114", place, "It is not a multiple of the ratio's sum.", f"Use a multiple of {total}.")
            )
    return faults


def generate(
    seed: bytes, stratum: str, arms: Sequence[ArmRatio], block_sizes: Sequence[int], size: int
) -> list[BlockSlot]:
    """The list of one stratum: whole blocks, each in the exact ratio, until at least `size` slots are there.

    `seed` is the list's 32 bytes, `stratum` its canonical label. Each block: its size is drawn with equal chance from
    the sizes in ascending order (a word is spent even when there is only one), the arms are laid out in the order of
    their ids, each `ratio × size ÷ sum` times, and shuffled. Raises ParameterError with every fault.
    """
    faults = check(arms, block_sizes, size)
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


ALGORITHM = Algorithm(name=NAME, scheme="permuted_blocks", uses_blocks=True, generate=generate, check=check)
