"""The shapes that every list-making algorithm shares."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from randomization.algorithms.faults import Fault

MAX_ARM_BYTES = 32  # an arm id must fit the fixed-length slot payload of `randomization.vault`
MAX_RATIO = 100
MAX_SIZE = 100_000  # slots per stratum; far above any trial, and a typing error of two digits is still refused


@dataclass(frozen=True, slots=True)
class ArmRatio:
    """An arm and its integer share of the allocation ratio."""

    arm: str
    ratio: int


@dataclass(frozen=True, slots=True)
class BlockSlot:
    """One place in the list of one stratum.

    `position` and `block` count from 1; `block` and `block_size` are 0 where the algorithm has no blocks. The printed
    form keeps arm, block and size to itself, so that a traceback or a log line tells nobody the next arm.
    """

    position: int
    arm: str = field(repr=False)
    block: int = field(repr=False)
    block_size: int = field(repr=False)


Generate = Callable[[bytes, str, Sequence[ArmRatio], Sequence[int], int], list[BlockSlot]]
Check = Callable[[Sequence[ArmRatio], Sequence[int], int], list[Fault]]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A named, versioned way to make a list. A published name never changes what it makes.

    `generate(seed, stratum, arms, block_sizes, size)` makes the slots; `check(arms, block_sizes, size)` names every
    fault of the parameters; `uses_blocks` says whether block sizes are wanted.
    """

    name: str
    scheme: str
    uses_blocks: bool
    generate: Generate
    check: Check


def is_count(value: object) -> bool:
    """True for an integer of one or more; a boolean is not a count."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def canonical_arms(arms: Sequence[ArmRatio]) -> list[ArmRatio]:
    """The arms in the order of their ids' UTF-8 bytes: the order in a file or a database must not change a list."""
    return sorted(arms, key=lambda arm: arm.arm.encode("utf-8"))


def arm_faults(arms: Sequence[ArmRatio], size: int) -> list[Fault]:
    """Every fault of arms, ratio and list size."""
    faults: list[Fault] = []
    if len(arms) < 2:
        faults.append(Fault("RND101", "ratio", f"{len(arms)} arm given.", "Give two arms or more."))
    seen: set[str] = set()
    for arm in arms:
        place = f"ratio › {arm.arm}"
        if not arm.arm or not arm.arm.isprintable() or arm.arm != arm.arm.strip():
            faults.append(Fault("RND102", "ratio", f"{arm.arm!r} is not an arm id.", "Use letters, digits and _."))
        elif len(arm.arm.encode("utf-8")) > MAX_ARM_BYTES:
            faults.append(Fault("RND103", place, f"The id is longer than {MAX_ARM_BYTES} bytes.", "Shorten the id."))
        if arm.arm in seen:
            faults.append(Fault("RND104", place, "The arm is given twice.", "Give each arm once."))
        seen.add(arm.arm)
        if not is_count(arm.ratio) or arm.ratio > MAX_RATIO:
            faults.append(
                Fault("RND105", place, f"The ratio {arm.ratio!r} is not allowed.", f"Use an integer, 1 to {MAX_RATIO}.")
            )
    if not is_count(size) or size > MAX_SIZE:
        faults.append(
            Fault("RND106", "list_size", f"{size!r} slots cannot be made.", f"Use an integer, 1 to {MAX_SIZE}.")
        )
    return faults
