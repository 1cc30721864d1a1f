"""The study folder's `verification.yaml`: what is compared with the source documents, at which site, from which day.

    default:                        # one entry or several, each in force from its day until the next
      - from: 2020-06-01
        strategy: sample            # all | critical | sample
        level: item                 # item | form
        forms: [consent, death]     # verified in full under every strategy
        share: 20                   # of 100 participants of a site, those verified in full
        seed: "storm01-2020"
        label: {en: …, fr: …}
    sites:                          # the same, for one site, in place of the default from that day on
      - site: "03"
        from: 2024-01-15
        strategy: all
        label: {en: …, fr: …}

`all` asks for every value; `critical` for items marked `critical: true` and for the named forms; `sample` for the
same, and for every value of the participants drawn. `level: form` asks for the whole form wherever it asks for one of
its items. Calculated items follow from others and are never asked for.

The day that decides is the day of the data (of the visit; of a log entry, its own date), so that a later entry asks
for nothing of before and excuses nothing that was owed.

The draw is a function of seed and participant code alone (`drawn`): anybody can draw again, participants who come
later change nothing of it, and the definition, which is stored with its hash, records the seed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from enum import StrEnum
from math import gcd
from typing import Annotated

from pydantic import Field

from trial.definition import Definition, sections
from trial.definition.model import Id, Label, Whole, Words
from trial.definition.problems import Entry, did_you_mean

NAME = "verification"


class Strategy(StrEnum):
    """How much is verified."""

    ALL = "all"
    CRITICAL = "critical"
    SAMPLE = "sample"


class Level(StrEnum):
    """Whether single items or whole forms are asked for."""

    ITEM = "item"
    FORM = "form"


class Rule(sections.Part):
    """What is verified from a day on."""

    from_: Annotated[dt.date, Field(alias="from")]
    strategy: Strategy
    level: Level = Level.ITEM
    forms: tuple[Id, ...] = ()
    share: Whole | None = None
    seed: Words | None = None
    label: Label

    def draws(self, code: str) -> bool:
        """Tell whether the rule's sample holds the participant."""
        if self.strategy is not Strategy.SAMPLE or self.seed is None or self.share is None:
            return False
        return drawn(code, seed=self.seed, share=self.share)


class SiteRule(Rule):
    """What is verified at one site from a day on."""

    site: Words


class Plan(sections.Part):
    """The whole plan: the default of the study, and the sites that are verified otherwise."""

    default: tuple[Rule, ...]
    sites: tuple[SiteRule, ...] = ()

    def rule(self, site: str, day: dt.date) -> Rule | None:
        """Return the rule in force for data of that day at that site.

        The newest that began by then, one of the site before the default. Data older than the whole plan (an illness
        before the trial) follow the first default. None for a plan without a default.
        """
        own = _newest((rule for rule in self.sites if rule.site == site), day)
        if own is not None:
            return own
        return _newest(self.default, day) or min(self.default, key=lambda rule: rule.from_, default=None)


def _newest(rules: Iterable[Rule], day: dt.date) -> Rule | None:
    return max((rule for rule in rules if rule.from_ <= day), key=lambda rule: rule.from_, default=None)


# ---------------------------------------------------------------- the sample


def drawn(code: str, *, seed: str, share: int) -> bool:
    """Tell whether a participant is in the sample: `share` of every 100 of each site, by the seed.

    The codes of a site are taken in blocks of the smallest size in which the share is a whole number (20 of 100: 1 of
    every 5). In each block those are drawn whose sha256 of `seed:code` is lowest, over the codes that the block will
    ever hold, given out or not. So each site has its share from its first full block on, which a coin tossed for each
    participant would not give a site with six; and nobody who comes later moves anybody in or out.

    A code that is no site and number is drawn by its hash alone.
    """
    if share <= 0 or share >= 100:
        return share >= 100
    size = 100 // gcd(share, 100)
    site, dash, number = code.rpartition("-")
    if not dash or not number.isascii() or not number.isdigit() or int(number) < 1:
        return int(_draw(seed, code), 16) * 100 < share * 2**256
    first = (int(number) - 1) // size * size + 1
    block = sorted(
        (f"{site}-{each:0{len(number)}d}" for each in range(first, first + size)), key=lambda each: _draw(seed, each)
    )
    return code in block[: share * size // 100]


def _draw(seed: str, code: str) -> str:
    return hashlib.sha256(f"{seed}:{code}".encode()).hexdigest()


# ---------------------------------------------------------------- problems

PROBLEMS: dict[str, Entry] = {
    "DEF150": Entry(
        "The plan has no default.", "Add default: with at least one entry, for the sites without their own."
    ),
    "DEF151": Entry("There is no form {id}.", "{suggestion}Write the id of a form, or remove it."),
    "DEF152": Entry("The form {id} is named twice.", "Remove one of the two."),
    "DEF153": Entry("A sample needs {key}.", "Add {key}: to it; {why}."),
    "DEF154": Entry("{share} of 100 participants is no sample.", "Write a whole number from 1 to 99."),
    "DEF155": Entry("{key} has no meaning with the strategy {strategy}.", "Remove it, or write strategy: sample."),
    "DEF156": Entry("Two entries begin on {day}{where}.", "Give one of them another day, or make them one."),
    "DEF157": Entry("A seed of {n} characters can be guessed.", "Write at least {least} characters."),
    "DEF158": Entry(
        "The strategy asks for nothing: no item of the study is critical and no form is named.",
        "Mark items critical: true, or name forms.",
    ),
    "DEF159": Entry("{site} is not the number of a site.", 'Write it in quotes as the site has it, such as "03".'),
}
"""The catalogue of what can be wrong with a plan; codes are never used again for something else."""

LEAST_SEED = 8
"""Characters of a seed: enough that nobody draws the sample again by trying."""


def validate(plan: Plan, definition: Definition, say: sections.Say) -> None:
    """Tell every problem of the plan."""

    def tell(code: str, path: tuple[str | int, ...], **words: object) -> None:
        entry = PROBLEMS[code]
        say(path, entry.fault.format(**words), entry.remedy.format(**words), code=code)

    if not plan.default:
        tell("DEF150", ("default",))
    is_any_critical = any(item.critical for form in definition.forms.values() for item in form.items.values())
    begun: set[tuple[str, dt.date]] = set()
    rules: list[tuple[tuple[str | int, ...], Rule, str]] = [
        *((("default", at), rule, "") for at, rule in enumerate(plan.default)),
        *((("sites", at), rule, rule.site) for at, rule in enumerate(plan.sites)),
    ]
    for path, rule, site in rules:
        if isinstance(rule, SiteRule) and not (site.isascii() and site.isalnum() and len(site) <= 4):
            tell("DEF159", (*path, "site"), site=f'"{site}"')
        if (site, rule.from_) in begun:
            tell("DEF156", (*path, "from"), day=rule.from_, where=f" at site {site}" if site else "")
        begun.add((site, rule.from_))
        for at, form in enumerate(rule.forms):
            if form not in definition.forms:
                tell("DEF151", (*path, "forms", at), id=form, suggestion=did_you_mean(form, definition.forms))
            elif form in rule.forms[:at]:
                tell("DEF152", (*path, "forms", at), id=form)
        if rule.strategy is Strategy.SAMPLE:
            if rule.share is None:
                tell("DEF153", path, key="share", why="how many of 100 participants of a site are verified in full")
            elif not 1 <= rule.share <= 99:
                tell("DEF154", (*path, "share"), share=rule.share)
            if rule.seed is None:
                tell("DEF153", path, key="seed", why="the sample is drawn by it, and can be drawn again")
            elif len(rule.seed) < LEAST_SEED:
                tell("DEF157", (*path, "seed"), n=len(rule.seed), least=LEAST_SEED)
        else:
            for key in ("share", "seed"):
                if getattr(rule, key) is not None:
                    tell("DEF155", (*path, key), key=key, strategy=rule.strategy)
        if rule.strategy is Strategy.CRITICAL and not rule.forms and not is_any_critical:
            tell("DEF158", (*path, "strategy"))


def register() -> None:
    """Give the study language this section; called once, from `AppConfig.ready`."""
    sections.register(NAME, Plan, validate)
