"""The shapes that every list-making algorithm shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol

from randomization.algorithms.faults import Fault
from randomization.algorithms.parameters import Parameter

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


NOTHING: Mapping[str, Any] = MappingProxyType({})
"""No confidential parameter beside block sizes."""


class Generate(Protocol):
    """Makes the slots of one stratum. Raises ParameterError with every fault."""

    def __call__(
        self,
        seed: bytes,
        stratum: str,
        arms: Sequence[ArmRatio],
        block_sizes: Sequence[int],
        size: int,
        extra: Mapping[str, Any] = NOTHING,
    ) -> list[BlockSlot]: ...


class Check(Protocol):
    """Names every fault of arms, ratio and confidential parameters; `factors` are the ids of the strata's factors."""

    def __call__(
        self,
        arms: Sequence[ArmRatio],
        block_sizes: Sequence[int],
        size: int,
        extra: Mapping[str, Any] = NOTHING,
        factors: Sequence[str] = (),
    ) -> list[Fault]: ...


class Kind(StrEnum):
    """What the slots of a list hold, and where they come from."""

    ARMS = "arms"  # the seed makes each stratum's arms
    DRAWS = "draws"  # the seed makes random draws, one sequence for the trial; the arm is computed at allocation
    IMPORTED = "imported"  # a statistician's own file


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A named, versioned way to make a list. A published name never changes what it makes.

    `parameters` are the confidential parameters that it wants, typed; block sizes travel beside the others, which are
    called `extra` (see `vault.Confidential`). `check` names every fault of them, `generate` makes the slots.
    """

    name: str
    scheme: str
    generate: Generate
    check: Check
    parameters: tuple[Parameter, ...] = ()
    kind: Kind = Kind.ARMS

    @property
    def uses_blocks(self) -> bool:
        return any(parameter.name == "block_sizes" for parameter in self.parameters)


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
                Fault(
                    "RND105",
                    place,
                    f"The ratio {arm.ratio!r} is not allowed.",
                    f"Use an integer, 1 to {MAX_RATIO}.",
                    {"most": MAX_RATIO},
                )
            )
    if not is_count(size) or size > MAX_SIZE:
        faults.append(
            Fault("RND106", "list_size", f"{size!r} slots cannot be made.", f"Use an integer, 1 to {MAX_SIZE}.")
        )
    return faults


def equal_pair_faults(arms: Sequence[ArmRatio], scheme: str) -> list[Fault]:
    """The fault of a scheme that tosses one coin between two arms of equal share, when it is given others."""
    if len(arms) == 2 and len({arm.ratio for arm in arms}) == 1:
        return []
    return [
        Fault(
            "RND107",
            "ratio",
            f"{scheme} is defined for two arms in the ratio 1:1.",
            "Use permuted blocks, simple randomization or minimization for this ratio.",
        )
    ]


def unknown_faults(
    parameters: Sequence[Parameter], block_sizes: Sequence[int], extra: Mapping[str, Any]
) -> list[Fault]:
    """A fault for each confidential parameter that the scheme does not know."""
    known = {parameter.name for parameter in parameters}
    given = [*extra, *(["block_sizes"] if block_sizes else [])]
    return [
        Fault("RND108", "parameters", "A parameter is given that this scheme does not have.", "Leave it out.")
        for name in given
        if name not in known
    ]
