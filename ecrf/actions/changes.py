"""The trail of values: one change per changed item of a save, and what a change does to source verification."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

import audit
from audit import clock
from trial.definitions import definition_of
from trial.models import Person

from ..checks.book import HIDDEN, ROW_ID
from ..entry import Merged, RowKey, Submission
from ..models import Change, ChangeKind, Record, Verification


class Altered(NamedTuple):
    """One item that a save changed: how, where, from what to what (as stored; None: nothing), and why."""

    kind: ChangeKind
    key: RowKey
    old: Any
    new: Any
    reason: str


def write(
    record: Record,
    merged: Merged,
    derived: Mapping[RowKey, tuple[Any, Any]],
    submission: Submission,
    reason: str,
    by: Person,
) -> int:
    """Append one change per changed item; return how many verifications that cleared."""
    altered = []
    for key, (old, new) in merged.changed.items():
        kind = ChangeKind.ENTERED if old is None else (ChangeKind.CLEARED if new is None else ChangeKind.CHANGED)
        altered.append(Altered(kind, key, old, new, submission.reasons.get(key, "") or reason))
    for key, (old, new) in derived.items():
        altered.append(Altered(ChangeKind.DERIVED, key, old, new, ""))
    for group, row in merged.removed_rows:
        why = submission.removals.get((group, row[ROW_ID]), "") or reason
        for item, old in row.items():
            if item not in (ROW_ID, HIDDEN):
                altered.append(Altered(ChangeKind.ROW_REMOVED, (group, row[ROW_ID], item), old, None, why))
    return append(record, altered, by)


def append(record: Record, altered: Iterable[Altered], by: Person | None) -> int:
    """Append changes, and clear the verification of exactly the items that changed; return how many were cleared."""
    altered = list(altered)
    if not altered:
        return 0
    definition = definition_of(record.participant.version_id)
    reveals = cache(lambda item: record.reveals_arm or definition.reveals_arm(record.form, item))
    kinds, keys, olds, news, reasons = zip(*altered, strict=True)
    groups, rows, items = zip(*keys, strict=True)
    columns = {
        "kind": [kind.value for kind in kinds],
        "group": groups,
        "row": rows,
        "item": items,
        "old": olds,
        "new": news,
        "reason": [reason[:300] for reason in reasons],
        "reveals_arm": [reveals(item) for item in items],
    }
    alike = {
        "record_id": record.pk,
        "participant_id": record.participant_id,
        "version_id": record.version_id,
        "revision": record.revision,
        "by_id": by.pk if by else None,
        "by_name": by.printed_name if by else "Stratum",
        "at": clock.now(),
    }
    audit.append_columns(Change, columns, alike=alike)
    # Only what stood before can have been verified.
    touched = {(row, item) for row, item, old in zip(rows, items, olds, strict=True) if old is not None}
    cleared = 0
    for verification in Verification.objects.filter(record=record, cleared_at=None) if touched else ():
        if (verification.row, verification.item) in touched:
            verification.cleared_at = clock.now()
            audit.save(verification, by=by)
            cleared += 1
    return cleared


def recalculated(changed: Mapping[RowKey, tuple[Any, Any]], reason: str) -> list[Altered]:
    """Calculated values that changed, as changes for a reason."""
    return [Altered(ChangeKind.DERIVED, key, old, new, reason) for key, (old, new) in changed.items()]


__all__ = ["Altered", "append", "recalculated", "write"]
