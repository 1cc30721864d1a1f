"""What a scheme would do to this study, before any list is approved: pure, vectorized, without Django.

    setting = Setting(arms=…, participants=114, sites=…, months=38, factors=…)
    report = simulate(setting, [PermutedBlocks((4, 6)), Minimization(0.8)], trials=10_000, seed=new_seed())

Chance comes from numpy's `Generator`: only real lists need raw Philox words, because they must be made again for ever.
A simulation never touches the seed of a list. Formulas and sources stand in `docs/randomization-simulation.md`.
"""

from randomization.simulation.report import (
    DEFAULT_TRIALS,
    MAX_SCHEMES,
    MAX_TRIALS,
    Report,
    faults,
    new_seed,
    simulate,
)
from randomization.simulation.schemes import (
    BiasedCoin,
    BigStick,
    Measure,
    Minimization,
    PermutedBlocks,
    Scheme,
    Simple,
    Urn,
    Within,
)
from randomization.simulation.setting import Prevalence, Setting, Site

__all__ = [
    "DEFAULT_TRIALS",
    "MAX_SCHEMES",
    "MAX_TRIALS",
    "BiasedCoin",
    "BigStick",
    "Measure",
    "Minimization",
    "PermutedBlocks",
    "Prevalence",
    "Report",
    "Scheme",
    "Setting",
    "Simple",
    "Site",
    "Urn",
    "Within",
    "faults",
    "new_seed",
    "simulate",
]
