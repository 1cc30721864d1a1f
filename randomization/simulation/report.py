"""Several schemes side by side in one setting: a report with its seed and its digest."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from randomization.algorithms.faults import Fault, ParameterError
from randomization.simulation import engine
from randomization.simulation import setting as settings
from randomization.simulation.measures import Collector
from randomization.simulation.schemes import Scheme
from randomization.simulation.setting import Setting

FORMAT = "stratum.randomization-simulation/1"
SEED_BITS = 128
MAX_TRIALS = 100_000
DEFAULT_TRIALS = 10_000
MAX_SCHEMES = 12


@dataclass(frozen=True, slots=True)
class Report:
    """What was simulated and what came of it, as plain JSON values.

    The parameters of the schemes are not in it. Whoever holds it with its seed could still try parameters until the
    numbers agree, so it is shown to those who may know the parameters, and to no one else.
    """

    content: Mapping[str, Any] = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 over the report as canonical JSON: the same for the same report, wherever it is kept.

        It may be shown to others: the drawn seed, 128 bits that they do not know, keeps it from being tried out.
        """
        return hashlib.sha256(canonical(self.content)).hexdigest()

    @property
    def seed(self) -> int:
        return int(self.content["seed"], 16)

    @property
    def schemes(self) -> list[dict[str, Any]]:
        """The results, in the order of the schemes given."""
        return list(self.content["schemes"])


def canonical(content: Mapping[str, Any]) -> bytes:
    """The one way to write a report: keys sorted, no spaces, ASCII."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def new_seed() -> int:
    """A fresh seed for a simulation, from the system's generator; never that of a list."""
    return secrets.randbits(SEED_BITS)


def faults(setting: Setting, schemes: Sequence[Scheme], trials: int) -> list[Fault]:
    """Every fault of what is to be simulated; an empty list when it can be."""
    found = settings.faults(setting)
    if not 1 <= trials <= MAX_TRIALS:
        found.append(Fault("RND320", "trials", "They are too few or too many.", f"Use 1 to {MAX_TRIALS} trials."))
    if not 1 <= len(schemes) <= MAX_SCHEMES:
        found.append(Fault("RND321", "schemes", f"{len(schemes)} schemes given.", f"Compare 1 to {MAX_SCHEMES}."))
    for scheme in schemes:
        found.extend(scheme.faults(setting))
    return found


def simulate(setting: Setting, schemes: Sequence[Scheme], *, trials: int = DEFAULT_TRIALS, seed: int) -> Report:
    """Simulate the trial so many times by each scheme, with the same participants for all, and report.

    The same arguments give the same report (with the same numpy). Raises ParameterError with every fault.
    """
    found = faults(setting, schemes, trials)
    if not 0 <= seed < 1 << SEED_BITS:
        found.append(Fault("RND322", "seed", "It is not a seed.", f"Use a whole number below 2^{SEED_BITS}."))
    if found:
        raise ParameterError(found)
    collectors = [Collector(setting, scheme.scheme, scheme.place) for scheme in schemes]
    months = []
    for number, size in enumerate(engine.batches(setting, trials)):
        participants, chances = engine.streams(seed, number, len(schemes))
        cohort = engine.draw(setting, size, participants)
        months.append(cohort.months[:, -1])
        for scheme, collector, chance in zip(schemes, collectors, chances, strict=True):
            collector.add(engine.run(setting, scheme, cohort, chance))
    return Report(
        {
            "format": FORMAT,
            "numpy": np.__version__,
            "seed": f"{seed:032x}",
            "trials": trials,
            "setting": _setting(setting),
            "months": [round(float(m), 1) for m in np.quantile(np.concatenate(months), (0.05, 0.5, 0.95))],
            "schemes": [collector.result().as_dict() for collector in collectors],
        }
    )


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        "arms": {arm.arm: arm.ratio for arm in setting.arms},
        "participants": setting.participants,
        "planned_months": setting.months,
        "sites": [asdict(site) for site in setting.sites],
        "factors": [
            {"factor": factor.factor, "levels": dict(zip(factor.levels, factor.shares, strict=True))}
            for factor in setting.factors
        ],
        "power": setting.power,
        "alpha": setting.alpha,
    }
