"""The data manager's marks on one record: reviewed, frozen, locked. Whole visits and more: `closures`."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from trial.definitions import definition_of
from trial.free_text import kept
from trial.locks import lock_participant
from trial.models import Person
from trial.permissions import Permission, check

from .. import policies
from ..closing import OpenQueries, Scope, blocking_queries
from ..lives import Deed
from ..models import Record
from ..permissions import check_person_can_see
from .recomputation import make_up
from .records import StaleRecord


@transaction.atomic
def review(*, record: Record, by: Person) -> Record:
    """Record that the data manager has read a complete form (or one not done) exactly as it stands."""
    current = _locked(record, by, Permission.REVIEW)
    if current.revision != record.revision:
        raise StaleRecord(current, record.revision)
    policies.check_deed(current, Deed.REVIEW)
    current.reviewed_at = clock.now()
    current.reviewed_revision = current.revision
    return _told(current, "record.reviewed", by)


@transaction.atomic
def unreview(*, record: Record, reason: str = "", by: Person) -> Record:
    """Take a review back."""
    current = _locked(record, by, Permission.REVIEW)
    policies.check_deed(current, Deed.UNREVIEW)
    current.reviewed_at = current.reviewed_revision = None
    return _told(current, "record.unreviewed", by, kept(reason))


@transaction.atomic
def freeze(*, record: Record, reason: str = "", by: Person) -> Record:
    """Keep the values of a record from changing; its queries can still be asked and answered."""
    current = _locked(record, by, Permission.FREEZE)
    policies.check_deed(current, Deed.FREEZE)
    current.frozen_at = clock.now()
    return _told(current, "record.frozen", by, kept(reason))


@transaction.atomic
def unfreeze(*, record: Record, reason: str, by: Person) -> Record:
    """Let the values of a record change again; what was calculated meanwhile is brought up to date."""
    current = _locked(record, by, Permission.FREEZE)
    reason = kept(reason, needed=_("Give the reason for unfreezing."))
    policies.check_deed(current, Deed.UNFREEZE)
    current.frozen_at = None
    _told(current, "record.unfrozen", by, reason)
    make_up(current, by=by)
    return current


@transaction.atomic
def lock(*, record: Record, reason: str = "", by: Person) -> Record:
    """Close a record: neither its values nor its queries change. Refused while a query of it is not settled."""
    current = _locked(record, by, Permission.LOCK)
    reason = kept(reason)
    policies.check_deed(current, Deed.LOCK)
    blocking = blocking_queries(Scope.of_record(current), by)
    if blocking.total:
        raise OpenQueries(blocking)
    current.locked_at = clock.now()
    return _told(current, "record.locked", by, reason)


@transaction.atomic
def unlock(*, record: Record, reason: str, by: Person) -> Record:
    """Open a locked record again; a freeze beside the lock stays."""
    current = _locked(record, by, Permission.LOCK)
    reason = kept(reason, needed=_("Give the reason for unlocking."))
    policies.check_deed(current, Deed.UNLOCK)
    current.locked_at = None
    _told(current, "record.unlocked", by, reason)
    make_up(current, by=by)
    return current


def _locked(record: Record, by: Person, permission: Permission) -> Record:
    """Return the record as it stands, its participant locked first, if this person may mark and see it."""
    participant = lock_participant(record.participant_id)
    check(by, permission, participant.site_id)
    current = (
        Record.objects.select_for_update(no_key=True, of=("self",))
        .select_related("visit", "signature")
        .get(pk=record.pk)
    )
    current.participant = participant
    definition = definition_of(participant.version_id)
    check_person_can_see(by, participant, definition, current.form, current.visit.event if current.visit else None)
    return current


def _told(record: Record, verb: str, by: Person, reason: str = "") -> Record:
    audit.save(record, by=by, reason=reason)
    audit.deed(
        verb, record, by=by, form=record.form, revision=record.revision, reason=reason, reveals_arm=record.reveals_arm
    )
    return record
