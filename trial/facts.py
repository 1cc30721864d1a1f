"""Facts about a participant that expressions read beside the forms: rooms above register what follows when one changes.

    facts.on_change(recompute)           # recompute(participant, names, by, visit) in AppConfig.ready

`names` are those of the expression language ("visit.date", "participant.sex", "randomization.date"…), and
"consent.date", "consent.documents" for what the rules of consent read. It runs inside the transaction of the change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .models import Participant, Visit

Follower = Callable[[Participant, frozenset[str], Any, Visit | None], None]
_followers: list[Follower] = []


def on_change(follower: Follower) -> Follower:
    """Register what follows from a change of facts; returns the function."""
    if follower not in _followers:
        _followers.append(follower)
    return follower


def changed(participant: Participant, *names: str, by: Any, visit: Visit | None = None) -> None:
    """Tell every room above that these facts about the participant are no longer what they were."""
    for follower in _followers:
        follower(participant, frozenset(names), by, visit)
