"""The confirmation of a registration on paper: a participant who follows the study's visit plan, not randomized."""

from __future__ import annotations

from django.utils import translation
from django.utils.translation import gettext as _
from reportlab.platypus import Flowable

from randomization.models import Registration
from randomization.section import RandomizationSection

from .paper import ARM, ARM_NOTE, BODY, HEADING, SUBTITLE, TITLE, Confirmation, box, facts, moment, text


def confirmation(registration: Registration, *, locale: str, printed_by: str) -> bytes:
    """Return the confirmation as a PDF in a language of the study; whoever calls it has asked for the right."""
    with translation.override(locale):
        return _Confirmation(registration, locale, printed_by).pdf()


class _Confirmation(Confirmation):
    def __init__(self, registration: Registration, locale: str, printed_by: str) -> None:
        super().__init__(registration.participant, registration.version_id, locale, printed_by)
        self.registration = registration

    @property
    def title(self) -> str:
        return _("Confirmation of registration %(code)s") % {"code": self.participant.code}

    def story(self) -> list[Flowable]:
        arm = self.definition.text(self.definition.arms[self.registration.arm].label, self.locale)
        return [
            text(_("Confirmation of registration"), TITLE),
            text(self.definition.text(self.definition.study.title, self.locale), SUBTITLE),
            box([text(arm, ARM), text(_("Registered, not randomized"), ARM_NOTE)]),
            text(_("Participant"), HEADING),
            facts(self.who()),
            text(_("Registration"), HEADING),
            facts(
                [
                    (_("Registered on"), moment(self.registration.registered_at, self.locale)),
                    (_("Registered by"), self.registration.registered_by.printed_name),
                    *self.signed(self.registration.signature),
                ]
            ),
            text(_("Why not randomized"), HEADING),
            *([text(self._why(), BODY)] if self._why() else []),
            text(
                _(
                    "No place of an allocation list was taken and no randomization number was given. This participant "
                    "does not count among the randomized."
                ),
                BODY,
            ),
        ]

    def _why(self) -> str:
        """What the study says of the end of randomization."""
        section: RandomizationSection | None = self.definition.section("randomization")
        closed = section.closed if section is not None else None
        return self.definition.text(closed.reason, self.locale) if closed is not None else ""
