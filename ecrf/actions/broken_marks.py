"""Which marks a change breaks: told in the ledger beside the change, so that trail and pages can name both."""

from __future__ import annotations

from typing import Any

import audit
from trial.models import Person

from ..models import Record

VERB = "record.marks_broken"


def standing(record: Record) -> dict[str, Any]:
    """Return the marks that hold for the record as it stands and that a change of it would break; ask before it."""
    found: dict[str, Any] = {}
    if record.signature is not None and not record.is_changed_since_signing:
        found["signed"] = {"by": record.signature.by_name, "at": record.signature.signed_at.isoformat()}
    if record.reviewed_at is not None and record.is_reviewed:
        found["reviewed"] = {"at": record.reviewed_at.isoformat()}
    return found


def tell(record: Record, before: dict[str, Any], cleared: int, *, by: Person | None) -> None:
    """Tell which marks the change that was just written broke: those that stood `before`, and verified values."""
    broken = dict(before)
    if cleared:
        broken["verified"] = cleared
    if broken:
        audit.deed(
            VERB, record, by=by, form=record.form, revision=record.revision, broken=broken,
            reveals_arm=record.reveals_arm,
        )  # fmt: skip
