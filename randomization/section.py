"""The study folder's `randomization.yaml`: scheme, ratio, strata, list size. Confidential parameters are not in it."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import StrictBool

from trial.definition import Definition, sections
from trial.definition.model import Code, Count, Id, Label, Source
from trial.language import Kind as Of

from . import cover
from .algorithms import Algorithm, ArmRatio, Kind, current, strata
from .algorithms.strata import Factor as StratumFactor

NAME = "randomization"
SITE = "site"
"""The factor that is the participant's site, by number."""
SITE_LABEL = {"en": "Site", "fr": "Centre"}


class Level(sections.Part):
    """One level of a factor: the participants for whom `when` holds."""

    code: Code
    label: Label
    when: Source


class Factor(sections.Part):
    id: Id
    label: Label
    levels: tuple[Level, ...]


class RandomizationSection(sections.Part):
    """How participants are allocated. Block sizes, weights and the seed belong to the list, never to the folder.

    With minimization the strata are the factors to balance, and `site_factor` makes the site one more of them.
    """

    scheme: Id
    ratio: dict[Code, Count]
    strata: tuple[Factor, ...] = ()
    site_factor: StrictBool = False
    list_size: Count = 60

    @property
    def factors(self) -> tuple[StratumFactor, ...]:
        return tuple(StratumFactor(f.id, tuple(level.code for level in f.levels)) for f in self.strata)

    @property
    def factor_ids(self) -> tuple[str, ...]:
        """The factors that are frozen with an allocation, the site among them when the study says so."""
        return (*(factor.id for factor in self.strata), *((SITE,) if self.site_factor else ()))


def validate(section: RandomizationSection, definition: Definition, say: sections.Say) -> None:
    """Tell every problem of the section: scheme, ratio over the study's arms, factors and their levels."""
    try:
        algorithm = current(section.scheme)
    except LookupError as error:
        say(("scheme",), str(error), "Name one of these schemes.")
        algorithm = None
    for arm in definition.arms:
        if arm not in section.ratio:
            say(("ratio",), f"The arm {arm} has no share of the ratio.", f"Add {arm}: 1.")
    for arm, share in section.ratio.items():
        if arm not in definition.arms:
            say(("ratio", arm), f"There is no arm {arm}.", "Use an arm of study.yaml, or remove the line.")
        if share < 1:
            say(("ratio", arm), f"A ratio of {share} never allocates {arm}.", "Write 1 or more.")
    if section.list_size < 1:
        say(("list_size",), "A list needs slots.", "Write how many slots each stratum gets.")
    if algorithm is not None and all(share >= 1 for share in section.ratio.values()):
        arms = [ArmRatio(arm, share) for arm, share in section.ratio.items()]
        for fault in algorithm.check(arms, (), max(1, section.list_size)):
            if fault.place.partition(" ")[0] in ("ratio", "list_size"):  # the rest belongs to the list, not the folder
                say((fault.place.partition(" ")[0],), fault.fault, fault.remedy)
    if algorithm is not None:
        _validate_factors(section, definition, algorithm, say)
    found = strata.faults(section.factors)
    for fault in found:
        say(("strata",), fault.fault, fault.remedy, code="DEF130")
    if not found:
        for at, fault in cover.faults(definition, NAME, section.factors):
            words = fault.place.removeprefix("strata › ")
            say(("strata", at), f"{words}: {fault.fault}", fault.remedy, code="DEF131")


def _validate_factors(
    section: RandomizationSection, definition: Definition, algorithm: Algorithm, say: sections.Say
) -> None:
    """Tell what minimization needs, and what has no meaning without it."""
    if algorithm.kind is not Kind.DRAWS:
        if section.site_factor:
            say(
                ("site_factor",),
                "Only minimization balances by site; the strata of a list never hold it.",
                "Remove the line, or write scheme: minimization.",
            )
        return
    if not section.factor_ids:
        say(("strata",), "Minimization has no factor to balance.", "Add a factor, or write site_factor: true.")
    if section.site_factor and SITE in {factor.id for factor in section.strata}:
        say(("strata",), f"A factor is called {SITE}, as the site is.", "Give it another id.")
    target = definition.study.accrual.target
    if section.list_size < target:
        say(
            ("list_size",),
            f"The one sequence of {section.list_size} draws is shorter than the accrual target of {target}.",
            f"Write {target} or more.",
        )


def expressions(section: RandomizationSection) -> Iterable[sections.SectionExpression]:
    """The condition of every level, named `factor.level`."""
    for at, factor in enumerate(section.strata):
        for place, level in enumerate(factor.levels):
            path = ("strata", at, "levels", place, "when")
            yield sections.SectionExpression(f"{factor.id}.{level.code}", path, level.when, Of.BOOL, factor.label)


def register() -> None:
    """Give the study language this section; called once, from `AppConfig.ready`."""
    sections.register(NAME, RandomizationSection, validate, expressions)
