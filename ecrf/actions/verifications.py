"""Source verification beyond the single mark: by the plan, taken back, and counted."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet
from django.utils.translation import gettext as _

import audit
from audit import clock, unaudited
from audit.errors import Refused
from audit.prepared import prepared
from trial.definition import Definition
from trial.definitions import definition_of
from trial.free_text import kept
from trial.locks import lock_participant
from trial.models import Person, Visit
from trial.permissions import Permission, can, check

from .. import policies
from ..lives import Deed
from ..models import Record, Verification, VerificationTally
from ..permissions import check_person_can_see
from ..standings import Standing, plan_in_force, standing_of
from ..verification import filled_values
from .records import StaleRecord


@transaction.atomic
def verify(*, record: Record, values: list[tuple[str, str]], by: Person) -> list[Verification]:
    """Record that values, given as (row id, item id), were compared with the source document."""
    current, definition = _locked(record, Deed.VERIFY, by)
    held = set(Verification.objects.filter(record=current, cleared_at=None).values_list("row", "item"))
    sees_arm = can(by, Permission.ARM_VIEW, current.participant.site_id)
    filled = {
        value
        for value in filled_values(definition.form(current.form), current.data)
        if sees_arm or not definition.reveals_arm(current.form, value[1])
    }
    new = [
        Verification(
            record=current, row=row, item=item, revision=current.revision, verified_at=clock.now(), verified_by=by
        )
        for row, item in dict.fromkeys(values)
        if (row, item) not in held and (row, item) in filled
    ]
    if new:
        audit.save_many(new, by=by)
        audit.deed(
            "record.verified", current, by=by, form=current.form, values=len(new), reveals_arm=current.reveals_arm
        )
        count(current)
    return new


@transaction.atomic
def verify_required(*, record: Record, by: Person) -> list[Verification]:
    """Record that everything that the plan asks for in a form, and that is filled, agrees with the source document."""
    current = Record.objects.select_related("participant__site", "visit").get(pk=record.pk)
    definition = definition_of(current.participant.version_id)
    sees_arm = can(by, Permission.ARM_VIEW, current.participant.site_id)

    def shows(item: str) -> bool:
        return sees_arm or not definition.reveals_arm(current.form, item)

    _version, plan = plan_in_force()
    standing = standing_of(current, definition, plan, Verification.objects.filter(record=current), shows)
    return verify(record=record, values=sorted(standing.left), by=by)


@transaction.atomic
def unverify(*, record: Record, values: list[tuple[str, str]], reason: str, by: Person) -> list[Verification]:
    """Take back the verification of values, given as (row id, item id), with the reason; both stay in the trail."""
    current, _definition = _locked(record, Deed.UNVERIFY, by)
    reason = kept(reason, needed=_("Say why the verification is taken back."))
    wanted = set(values)
    held = [
        each for each in Verification.objects.filter(record=current, cleared_at=None) if (each.row, each.item) in wanted
    ]
    if not held:
        raise Refused(_("Choose at least one verified value."), code="nothing")
    for verification in held:
        verification.cleared_at, verification.cleared_by, verification.cleared_reason = clock.now(), by, reason
        audit.save(verification, by=by, reason=reason)
    audit.deed(
        "record.unverified",
        current,
        by=by,
        form=current.form,
        values=len(held),
        reason=reason,
        reveals_arm=current.reveals_arm,
    )
    count(current)
    return held


def _locked(record: Record, deed: Deed, by: Person) -> tuple[Record, Definition]:
    """Return the record as it stands, locked, with its study, once the person may do this to it as they read it.

    Raises Refused, and StaleRecord when it was saved since.
    """
    participant = lock_participant(record.participant_id)
    current = Record.objects.select_for_update(no_key=True, of=("self",)).get(pk=record.pk)
    current.participant = participant
    check(by, Permission.VERIFY, participant.site_id)
    definition = definition_of(participant.version_id)
    check_person_can_see(by, participant, definition, current.form, current.visit.event if current.visit else None)
    if current.revision != record.revision:
        raise StaleRecord(current, record.revision)
    policies.check_deed(current, deed)
    return current, definition


# ---------------------------------------------------------------- counting


def follow(record: Record, changed: frozenset[str], by: Person) -> None:
    """Count a record again after its values changed (an effect of every save); of a new one nothing is verified yet."""
    count(record, is_new=record.revision == 1)


def follow_visit(sender: type[Visit], instance: Visit, **kwargs: Any) -> None:
    """Count a visit's forms again when its day may put them under another part of the plan."""
    _version, plan = plan_in_force() if instance.actual_on is not None else (None, None)
    if plan is None or len(plan.default) + len(plan.sites) < 2:
        return
    for record in Record.objects.filter(visit=instance, revision__gt=0).select_related("participant__site"):
        record.visit = instance
        count(record)


@prepared
def _marks(record_id: int) -> QuerySet[Verification]:
    return Verification.objects.filter(record_id=record_id)


@prepared
def _tallies(record_id: int) -> QuerySet[VerificationTally]:
    return VerificationTally.objects.filter(record_id=record_id)


def count(record: Record, *, is_new: bool = False, since: dt.datetime | None = None) -> None:
    """Write down how the verification of a record stands: what reveals the arm apart from the rest.

    `since` is when a record began to wait that was never counted before; now, unless it is given.
    """
    version_id, plan = plan_in_force()
    if version_id is None:
        return
    definition = definition_of(record.participant.version_id)
    marks = [] if is_new else _marks(record.pk)
    standing = standing_of(record, definition, plan, marks)
    held = {} if is_new else {tally.reveals_arm: tally for tally in _tallies(record.pk)}
    parts = _parts(record, definition, standing)
    rows = []
    for reveals, (required, verified, changed) in parts.items():
        waited = held[reveals].waiting_since if reveals in held else None
        rows.append(
            {
                "record_id": record.pk,
                "participant_id": record.participant_id,
                "reveals_arm": reveals,
                "version_id": version_id,
                "revision": record.revision,
                "required": required,
                "verified": verified,
                "changed": changed,
                "waiting_since": (waited or since or clock.now()) if verified < required else None,
            }
        )
    unaudited.put(VerificationTally, rows, key=("record_id", "reveals_arm"))
    gone = set(held) - set(parts)
    if gone:
        VerificationTally.objects.filter(record=record, reveals_arm__in=gone).delete()


def _parts(record: Record, definition: Definition, standing: Standing) -> dict[bool, tuple[int, int, int]]:
    """Required, verified and changed values: of what reveals nothing (False), and of what reveals the arm (True)."""
    found = {record.reveals_arm: (0, 0, 0)}
    for reveals in (False, True):
        values = {
            v for v in standing.required if (record.reveals_arm or definition.reveals_arm(record.form, v[1])) is reveals
        }
        if values:
            found[reveals] = (len(values), len(values & standing.verified), len(values & standing.changed))
    return found


def recount(limit: int = 2_000) -> int:
    """Count again what was counted under an older plan, from an older revision, or not at all; return how many.

    Saving keeps the tallies right by itself: this is for a plan that was just published, and a safety net. What has
    no tally yet waits since its last change.
    """
    version_id, _plan = plan_in_force()
    if version_id is None:
        return 0
    fresh = VerificationTally.objects.filter(
        record=OuterRef("pk"), version_id=version_id, revision=OuterRef("revision")
    )
    stale = Record.objects.filter(~Exists(fresh), revision__gt=0).order_by("pk").values_list("pk", flat=True)
    counted = 0
    for record_id in list(stale[:limit]):
        with transaction.atomic():
            record = Record.objects.select_for_update(no_key=True, of=("self",)).get(pk=record_id)
            count(record, since=record.changes.aggregate(last=Max("at"))["last"])
            counted += 1
    return counted
