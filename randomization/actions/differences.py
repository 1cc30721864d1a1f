"""A stratum that the data, corrected after allocation, no longer bear out: kept and told, never followed."""

from __future__ import annotations

import audit
from audit import clock
from ecrf.models import Record
from trial.actions import notices
from trial.definitions import definition_of
from trial.models import Person, Role

from ..models import Allocation, StratumDifference
from ..section import SITE
from ..strata import stratum_of

DIFFERS = "stratum_differs"
TOLD = (Role.DATA_MANAGER, Role.STATISTICIAN_BLINDED, Role.STATISTICIAN_UNBLINDED)


def follow(record: Record, changed: frozenset[str], by: Person) -> None:
    """After a save: open a difference for each factor that no longer says what was frozen, settle those that agree.

    Stratum and arm stay. The factors are those of the version under which the participant was allocated. The site is
    none of them: no form says it, and a participant who was transferred was allocated where they were.
    """
    participant = record.participant
    if participant.randomized_on is None:
        return
    definition = definition_of(participant.version_id)
    programs = definition.compiled.sections.get("randomization", {})
    if not any(ref.form == record.form for program in programs.values() for ref in program.reads):
        return
    allocation = Allocation.objects.filter(participant=participant).first()
    if allocation is None or allocation.version_id != participant.version_id:
        return  # factors of another version say nothing of this stratum
    now = stratum_of(participant, definition).codes
    held = {d.factor: d for d in StratumDifference.objects.filter(allocation=allocation, settled_at=None)}
    for factor, frozen in allocation.strata.items():
        found, level = held.get(factor), now.get(factor, "") if factor != SITE else frozen
        if found is not None and found.now == level:
            continue
        if found is not None:
            found.settled_at = clock.now()
            audit.save(found, by=by)
        if level != frozen:
            _open(allocation, factor, frozen, level, by)


def _open(allocation: Allocation, factor: str, frozen: str, level: str, by: Person) -> None:
    made = audit.save(
        StratumDifference(allocation=allocation, factor=factor, frozen=frozen, now=level, since=clock.now()), by=by
    )
    participant = allocation.participant
    audit.deed("allocation.stratum_differs", made, by=by, factor=factor, frozen=frozen, now=level)
    notices.owe(
        kind=DIFFERS,
        people=notices.people_holding(TOLD, participant.site_id),
        key=f"{DIFFERS}:{made.pk}",
        participant=participant,
        context={"site": participant.site.number, "code": participant.code, "date": clock.today().isoformat()},
        url="/randomization/differences/",
        by=by,
    )
