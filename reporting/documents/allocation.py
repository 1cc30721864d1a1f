"""The confirmation of an allocation on paper: who was allocated to what, when, by whom, and how it can be checked."""

from __future__ import annotations

from django.utils import translation
from django.utils.translation import gettext as _
from reportlab.platypus import Flowable, Spacer

from randomization.models import Allocation
from randomization.section import SITE, RandomizationSection

from .paper import ARM, ARM_NOTE, HEADING, MONO, SMALL, SUBTITLE, TITLE, Confirmation, box, facts, moment, text


def confirmation(allocation: Allocation, *, locale: str, printed_by: str) -> bytes:
    """Return the confirmation as a PDF in a language of the study; whoever calls it has asked for the right."""
    with translation.override(locale):
        return _Confirmation(allocation, locale, printed_by).pdf()


class _Confirmation(Confirmation):
    def __init__(self, allocation: Allocation, locale: str, printed_by: str) -> None:
        super().__init__(allocation.participant, allocation.version_id, locale, printed_by)
        self.allocation = allocation

    @property
    def title(self) -> str:
        return _("Confirmation of allocation %(code)s") % {"code": self.participant.code}

    def story(self) -> list[Flowable]:
        allocation, study = self.allocation, self.definition.study
        arm = self.definition.text(self.definition.arms[allocation.arm].label, self.locale)
        return [
            text(_("Confirmation of allocation"), TITLE),
            text(self.definition.text(study.title, self.locale), SUBTITLE),
            box([text(arm, ARM), text(_("Randomization number %(number)s") % {"number": str(allocation)}, ARM_NOTE)]),
            text(_("Participant"), HEADING),
            facts(self.who()),
            text(_("Allocation"), HEADING),
            facts(self._how()),
            text(_("Strata, as frozen at allocation"), HEADING),
            facts(self._strata()),
            text(_("Proof"), HEADING),
            text(
                _(
                    "Before the first allocation, a commitment to the whole list was published in the audit trail. "
                    "With these values anyone can check, after the trial, that this place of the list was neither "
                    "changed nor skipped."
                ),
                SMALL,
            ),
            Spacer(0, 4),
            facts(self._proof(), value_style=MONO),
        ]

    def _how(self) -> list[tuple[str, str]]:
        return [
            (_("Allocated on"), moment(self.allocation.allocated_at, self.locale)),
            (_("Randomized by"), self.allocation.allocated_by.printed_name),
            *self.signed(self.allocation.signature),
        ]

    def _strata(self) -> list[tuple[str, str]]:
        section: RandomizationSection = self.definition.section("randomization")
        found = []
        for factor in section.strata:
            code = self.allocation.strata.get(factor.id, "")
            level = next((level.label for level in factor.levels if level.code == code), None)
            words = self.definition.text(level, self.locale) if level else code
            found.append((self.definition.text(factor.label, self.locale), words))
        if SITE in self.allocation.strata:  # where minimization balances by site
            found.append((_("Site"), self.allocation.strata[SITE]))
        return found

    def _proof(self) -> list[tuple[str, str]]:
        allocation_list = self.allocation.allocation_list
        root = allocation_list.commitment
        return [
            (_("Root of the commitment"), f"{root[:32]} {root[32:]}"),
            (_("Place in the list"), str(self.allocation.leaf_index + 1)),
            *([(_("Random draw"), self.allocation.draw)] if self.allocation.draw else []),
            *([(_("Sponsor’s own number"), self.allocation.own_number)] if self.allocation.own_number else []),
            (_("List"), allocation_list.reference),
            (_("Algorithm"), allocation_list.algorithm),
        ]
