"""What is closed to the trial's own writers: rooms above know (freeze, lock), this room asks before it writes.

    barriers.register("ecrf.closures", check)     # in AppConfig.ready; check(site, participant, visit) raises Refused

Whoever changes a visit, a status by hand or the screening asks here after the participant (or, while there is none
yet, the site) is locked, so that a closure that comes at the same moment either waits or is seen.
"""

from __future__ import annotations

from collections.abc import Callable

from .models import Participant, Site, Visit

Barrier = Callable[[Site, Participant | None, Visit | None], None]
_barriers: dict[str, Barrier] = {}


def register(name: str, barrier: Barrier) -> None:
    """Add a barrier; a second registration of the name replaces the first."""
    _barriers[name] = barrier


def check_open(participant: Participant, visit: Visit | None = None) -> None:
    """Raise, in words, when nothing of the participant (or of this visit) may change now."""
    for barrier in _barriers.values():
        barrier(participant.site, participant, visit)


def check_site_open(site: Site) -> None:
    """Raise, in words, when nobody may be added at the site now."""
    for barrier in _barriers.values():
        barrier(site, None, None)
