"""Of which roles a query may be asked, who is told, and who answers."""

from __future__ import annotations

from collections.abc import Mapping

from trial.models import Role

ADDRESSEES: Mapping[str, tuple[str, ...]] = {
    Role.COORDINATOR: (Role.COORDINATOR,),
    Role.INVESTIGATOR: (Role.INVESTIGATOR, Role.CO_INVESTIGATOR),
    Role.RADIATION_ONCOLOGIST: (Role.RADIATION_ONCOLOGIST,),
    Role.RADIOLOGIST: (Role.RADIOLOGIST,),
    Role.MONITOR: (Role.MONITOR,),
    Role.DATA_MANAGER: (Role.DATA_MANAGER,),
    Role.SAFETY_OFFICER: (Role.SAFETY_OFFICER,),
}
"""Role offered → the roles whose holders are told: a co-investigator stands in for the investigator."""

AT_THE_SPONSOR = frozenset({Role.MONITOR, Role.DATA_MANAGER, Role.SAFETY_OFFICER})
"""Asked of one of these, a query is answered by that role alone; else by any of the site's staff who answer."""


def addressed_as(roles: set[str]) -> set[str]:
    """Return under which addressees somebody with these roles is meant."""
    return {str(addressee) for addressee, told in ADDRESSEES.items() if roles & set(told)}
