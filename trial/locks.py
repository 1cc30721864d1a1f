"""The lock under which everything about one participant is written."""

from __future__ import annotations

from django.db.models import QuerySet

from audit.prepared import prepared

from .models import Participant


def lock_participant(pk: int) -> Participant:
    """Return the participant as they now stand, locked until the transaction ends; references to them are not held up.

    Nothing is joined: who waited for the lock would see joined rows as they were before the wait. Raises
    Participant.DoesNotExist.
    """
    found = _locked(pk)
    if not found:
        raise Participant.DoesNotExist
    return found[0]


@prepared
def _locked(pk: int) -> QuerySet[Participant]:
    return Participant.objects.select_for_update(no_key=True).filter(pk=pk)


__all__ = ["lock_participant"]
