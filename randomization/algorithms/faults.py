"""What is wrong with the parameters of a list, said all at once and before anything is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: a code, the place, the fault in words and what to do about it.

    Ratios and arm names may be quoted in a fault; what is confidential (block sizes, weights, probabilities, the seed,
    a cell of an imported list) never is, because a fault may be logged. `values` are the same facts for a translation.
    """

    code: str
    place: str
    fault: str
    remedy: str
    values: Mapping[str, object] = field(default_factory=dict, compare=False, hash=False)

    def __str__(self) -> str:
        return f"{self.code} {self.place}: {self.fault} {self.remedy}"


class ParameterError(ValueError):
    """Raised with every fault of a set of parameters, never only the first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
