"""Settings small enough to know the answer, and one like the study's."""

from __future__ import annotations

from randomization.algorithms import ArmRatio
from randomization.simulation import Prevalence, Setting, Site

EVEN = (ArmRatio("A", 1), ArmRatio("B", 1))
TWO_TO_ONE = (ArmRatio("A", 2), ArmRatio("B", 1))
THREE = (ArmRatio("A", 1), ArmRatio("B", 1), ArmRatio("C", 1))


def plain(participants: int, arms: tuple[ArmRatio, ...] = EVEN, sites: int = 1) -> Setting:
    """A trial without strata whose sites include alike."""
    return Setting(arms=arms, participants=participants, sites=(Site(),) * sites, months=12)


def like_the_study(participants: int = 114, arms: tuple[ArmRatio, ...] = EVEN) -> Setting:
    """Three factors, eight strata, eighteen sites that open one after another."""
    return Setting(
        arms=arms,
        participants=participants,
        months=38,
        sites=tuple(Site(1 + number % 3, number * 1.5) for number in range(18)),
        factors=(
            Prevalence("ici", ("Y", "N"), (0.75, 0.25)),
            Prevalence("imdc", ("FAV", "INT"), (0.35, 0.65)),
            Prevalence("lesions", ("ONE", "MORE"), (0.55, 0.45)),
        ),
    )
