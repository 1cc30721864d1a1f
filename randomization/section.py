"""The study folder's `randomization.yaml`: scheme, ratio, strata, list size. Confidential parameters are not in it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pydantic import StrictBool

from trial.definition import Definition, sections
from trial.definition.model import Accrual, Code, Count, Id, Label, Number, Source
from trial.language import Kind as Of

from . import cover
from .algorithms import Algorithm, ArmRatio, Kind, current, strata
from .algorithms.strata import Factor as StratumFactor
from .simulation import setting as simulated

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


class Closed(sections.Part):
    """Randomization has ended: later participants are registered to one arm's visit plan, without a slot."""

    register_to: Code
    reason: Label


class SimulatedSites(sections.Part):
    """Some sites that include alike: how much beside the others, and from which month of the trial."""

    count: Count = 1
    share: Number = Decimal(1)
    opens: Number = Decimal(0)


class SimulationPart(sections.Part):
    """What a simulation of schemes supposes of the participants and the sites. It changes no allocation."""

    prevalences: dict[Id, dict[Code, Number]] = {}
    sites: tuple[SimulatedSites, ...] = ()
    power: Number = Decimal("0.8")
    alpha: Number = Decimal("0.05")


class RandomizationSection(sections.Part):
    """How participants are allocated. Block sizes, weights and the seed belong to the list, never to the folder.

    With minimization the strata are the factors to balance, and `site_factor` makes the site one more of them.
    """

    scheme: Id
    ratio: dict[Code, Count]
    strata: tuple[Factor, ...] = ()
    site_factor: StrictBool = False
    list_size: Count = 60
    closed: Closed | None = None
    """Once randomization has ended. What stands beside it still says how the earlier lists were made."""
    simulation: SimulationPart | None = None

    @property
    def factors(self) -> tuple[StratumFactor, ...]:
        return tuple(StratumFactor(f.id, tuple(level.code for level in f.levels)) for f in self.strata)

    @property
    def factor_ids(self) -> tuple[str, ...]:
        """The factors that are frozen with an allocation, the site among them when the study says so."""
        return (*(factor.id for factor in self.strata), *((SITE,) if self.site_factor else ()))


def randomizes_alike(one: RandomizationSection | None, other: RandomizationSection | None) -> bool:
    """Whether two versions allocate by the same rules, so that the participants of both may take from one list.

    Words and the size of a list may differ: they decide nothing.
    """
    return _rules(one) == _rules(other)


def _rules(section: RandomizationSection | None) -> Any:
    if section is None:
        return None
    rules = section.model_dump(mode="json", exclude={"list_size": True, "closed": {"reason": True}})
    for factor in rules["strata"]:
        factor.pop("label", None)
        for level in factor.get("levels", ()):
            level.pop("label", None)
    return rules


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
    if section.closed is not None and section.closed.register_to not in definition.arms:
        say(
            ("closed", "register_to"),
            f"There is no arm {section.closed.register_to}.",
            "Name the arm whose visit plan later participants follow.",
        )
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
    if section.simulation is not None:
        _validate_simulation(section.simulation, section, definition, say)


def _validate_simulation(
    simulation: SimulationPart, section: RandomizationSection, definition: Definition, say: sections.Say
) -> None:
    """Tell every problem of what a simulation supposes: a prevalence for every level, sites as in the accrual plan."""
    factors = {factor.id: factor for factor in section.factors}
    for name, shares in simulation.prevalences.items():
        place = ("simulation", "prevalences", name)
        if name not in factors:
            say(place, f"There is no factor {name}.", "Use the id of a factor under strata, or remove it.")
            continue
        levels = factors[name].levels
        for level in shares:
            if level not in levels:
                say((*place, level), f"The factor {name} has no level {level}.", "Use the codes of its levels.")
        for level in levels:
            if level not in shares:
                say(place, f"The level {level} has no prevalence.", f"Add {level}: 0.5, or the share it has.")
        if set(shares) == set(levels):
            values = tuple(float(shares[level]) for level in levels)
            for fault in simulated.prevalence_faults(simulated.Prevalence(name, levels, values)):
                say(place, fault.fault, fault.remedy)
    for name in factors:
        if name not in simulation.prevalences:
            say(("simulation", "prevalences"), f"The factor {name} has no prevalences.", f"Add {name}, by level.")
    for name in ("power", "alpha"):
        if not 0 < getattr(simulation, name) < 1:
            say(("simulation", name), "It is not between 0 and 1.", "Write a number such as 0.8 or 0.05.")
    accrual = _accrual(definition)
    if accrual is None:
        return
    for at, sites in enumerate(simulation.sites):
        for fault in simulated.site_faults([_site(sites), simulated.Site()], accrual.months):
            say(("simulation", "sites", at), fault.fault, fault.remedy)
    total = sum(sites.count for sites in simulation.sites)
    if simulation.sites and total != accrual.sites:
        say(
            ("simulation", "sites"),
            f"They are {total} sites; study.yaml plans {accrual.sites}.",
            "Let the counts add up to the sites of the accrual plan.",
        )
    elif simulation.sites and min(sites.opens for sites in simulation.sites) > 0:
        say(("simulation", "sites"), "No site is open at the start.", "Let the first sites open in month 0.")


def _accrual(definition: Definition) -> Accrual | None:
    """The accrual plan; None where study.yaml cannot be read, which is a problem of its own."""
    return getattr(definition.study, "accrual", None)


def _site(sites: SimulatedSites) -> simulated.Site:
    return simulated.Site(float(sites.share), float(sites.opens))


def setting_of(definition: Definition, participants: int | None = None) -> simulated.Setting:
    """The study as a simulation sees it: its accrual plan and what `simulation` supposes; all alike where it is silent.

    `participants` replaces the accrual target. Raises LookupError when the study does not randomize.
    """
    section: RandomizationSection | None = definition.section(NAME)
    if section is None:
        raise LookupError("This version of the study does not randomize.")
    supposed = section.simulation or SimulationPart()
    accrual = definition.study.accrual
    sites = tuple(_site(sites) for sites in supposed.sites for _n in range(sites.count))
    return simulated.Setting(
        arms=tuple(ArmRatio(arm, share) for arm, share in section.ratio.items()),
        participants=participants or accrual.target,
        sites=sites or (simulated.Site(),) * accrual.sites,
        months=float(accrual.months),
        factors=tuple(
            simulated.Prevalence(
                factor.id,
                factor.levels,
                tuple(
                    float(supposed.prevalences.get(factor.id, {}).get(level, Decimal(1) / len(factor.levels)))
                    for level in factor.levels
                ),
            )
            for factor in section.factors
        ),
        power=float(supposed.power),
        alpha=float(supposed.alpha),
    )


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
    accrual = _accrual(definition)
    if accrual is not None and section.list_size < accrual.target:
        say(
            ("list_size",),
            f"The one sequence of {section.list_size} draws is shorter than the accrual target of {accrual.target}.",
            f"Write {accrual.target} or more.",
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
