"""The edit checks that every study has: no procedure before the consent, no consent on a version not in force."""

from __future__ import annotations

import datetime as dt

from trial.definition import Severity
from trial.language import PartialDate

from .book import Facts
from .outcome import Evaluation, Fired


def ask_consent(facts: Facts, found: Evaluation, group: str, item: str, day: object) -> None:
    """Study procedures dated before consent raise a finding; what is standard of care may be earlier (DOMAIN)."""
    if isinstance(day, PartialDate):
        day = day.latest
    if isinstance(day, dt.datetime):
        day = day.date()
    if facts.consented_on is not None and isinstance(day, dt.date) and day < facts.consented_on:
        words = {
            "en": "This date is before the consent. Correct it, or say why it may be earlier.",
            "fr": "Cette date est antérieure au consentement. Corrigez-la ou expliquez pourquoi elle peut l’être.",
        }
        found.fired.append(Fired(f"consent:{item}", Severity.SOFT, group, "", (item,), words))


def ask_consent_version(facts: Facts, found: Evaluation, group: str, item: str, version: object, day: object) -> None:
    """A consent signed under a version that was not in force at the site on that day is a finding (DOMAIN)."""
    if not isinstance(version, str) or not isinstance(day, dt.date):
        return
    documents = facts.consent_documents()
    begun = [known for known, from_on in documents if from_on <= day]
    if not documents or (begun and begun[-1] == version):
        return
    words = {
        "en": "This version was not in force at the site on the day of the signature. Correct it, or say why.",
        "fr": "Cette version n’était pas en vigueur dans le centre le jour de la signature. Corrigez ou justifiez.",
    }
    found.fired.append(Fired(f"consent_version:{item}", Severity.SOFT, group, "", (item,), words))


__all__ = ["ask_consent", "ask_consent_version"]
