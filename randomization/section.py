"""The study folder's `randomization.yaml`: scheme, ratio, strata, list size. Confidential parameters are not in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trial.definition import Definition, sections
from trial.definition.model import Code, Count, Id, Label, Source
from trial.language import Kind

from .algorithms import current, strata
from .algorithms.strata import Factor as StratumFactor

NAME = "randomization"


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


class RandomizationSection(sections.Part):
    """How participants are allocated. Block sizes, weights and the seed belong to the list, never to the folder."""

    scheme: Id
    ratio: dict[Code, Count]
    strata: tuple[Factor, ...] = ()
    list_size: Count = 60
    closed: Closed | None = None
    """Once randomization has ended. What stands beside it still says how the earlier lists were made."""

    @property
    def factors(self) -> tuple[StratumFactor, ...]:
        return tuple(StratumFactor(f.id, tuple(level.code for level in f.levels)) for f in self.strata)


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
        current(section.scheme)
    except LookupError as error:
        say(("scheme",), str(error), "Name one of these schemes.")
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
    for fault in strata.faults(section.factors):
        say(("strata",), fault.fault, fault.remedy, code="DEF130")


def expressions(section: RandomizationSection) -> Iterable[sections.SectionExpression]:
    """The condition of every level, named `factor.level`."""
    for at, factor in enumerate(section.strata):
        for place, level in enumerate(factor.levels):
            path = ("strata", at, "levels", place, "when")
            yield sections.SectionExpression(f"{factor.id}.{level.code}", path, level.when, Kind.BOOL, factor.label)


def register() -> None:
    """Give the study language this section; called once, from `AppConfig.ready`."""
    sections.register(NAME, RandomizationSection, validate, expressions)
