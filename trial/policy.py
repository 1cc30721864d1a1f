"""The rules of using an account, accepted by each person before the first page (21 CFR 11.10(j), FACTS S7).

Their number rises when the words of `templates/trial/policy.html` change; everybody is then asked again at the next
sign-in. Acceptance is a line of the ledger: who, when, which rules.
"""

from __future__ import annotations

from typing import Any

from audit.models import Deed

VERSION = "1"
ACCEPTED = "person.policy_accepted"
SESSION_KEY = "policy_to_accept"
"""Stands in a session between signing in and accepting; nothing else opens meanwhile."""


def has_accepted(person: Any) -> bool:
    """Tell whether the person accepted the rules as they now stand."""
    return Deed.objects.filter(verb=ACCEPTED, by_id=person.pk, details__version=VERSION).exists()
