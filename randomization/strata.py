"""In which stratum a participant is, as of now: exactly one level of each factor, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass

from ecrf.books import book_of
from ecrf.checks import Book
from trial.definition import Definition
from trial.models import Participant

from .algorithms import strata as labels
from .section import SITE, SITE_LABEL, RandomizationSection


@dataclass(frozen=True)
class FactorValue:
    """A factor's level for one participant; `code` is empty when none or more than one holds."""

    factor: str
    label: dict[str, str]
    code: str
    level: dict[str, str]
    unknown: bool


@dataclass(frozen=True)
class Stratum:
    """The participant's levels in the order of the study folder, and the label of the stratum once all are known."""

    values: tuple[FactorValue, ...]

    @property
    def is_known(self) -> bool:
        return all(value.code for value in self.values)

    @property
    def label(self) -> str:
        """The stratum's canonical label. Raises ValueError while a level is not known: never a default."""
        if not self.is_known:
            raise ValueError("The stratum is not known.")
        return labels.label({value.factor: value.code for value in self.values})

    @property
    def codes(self) -> dict[str, str]:
        return {value.factor: value.code for value in self.values}


def stratum_of(participant: Participant, definition: Definition, book: Book | None = None) -> Stratum:
    """Evaluate every factor over the participant's records; `book` saves reading them again."""
    section: RandomizationSection = definition.section("randomization")
    outside = (book if book is not None else book_of(participant, definition)).outside()
    programs = definition.compiled.sections["randomization"]
    values = []
    for factor in section.strata:
        answers = {level.code: programs[f"{factor.id}.{level.code}"].evaluate(outside) for level in factor.levels}
        true = [level for level in factor.levels if answers[level.code] is True]
        unknown = any(not isinstance(answer, bool) for answer in answers.values())
        found = true[0] if len(true) == 1 and not unknown else None
        values.append(
            FactorValue(factor.id, factor.label, found.code if found else "", found.label if found else {}, unknown)
        )
    if section.site_factor:
        site = participant.site
        words = dict.fromkeys(definition.locales, f"{site.number} · {site.name}")
        values.append(FactorValue(SITE, SITE_LABEL, site.number, words, unknown=False))
    return Stratum(tuple(values))
