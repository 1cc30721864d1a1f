"""Missing-value codes: not done, unknown and not applicable are values of their own, never an empty field."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

MISSING: Mapping[str, str] = MappingProxyType({"ND": "not done", "UNK": "unknown", "NA": "not applicable"})

WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": MappingProxyType({"ND": "Not done", "UNK": "Unknown", "NA": "Not applicable"}),
        "fr": MappingProxyType({"ND": "Non fait", "UNK": "Inconnu", "NA": "Non applicable"}),
    }
)


def missing_words(code: str, locale: str = "en") -> str:
    """A missing code in words, in the locale's language (English when there is no translation)."""
    return WORDS.get(locale[:2].lower(), WORDS["en"])[code]
