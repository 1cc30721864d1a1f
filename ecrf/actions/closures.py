"""Freezing and locking of a visit, a participant, a site or the study: one row covers what is there and to come."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from trial.free_text import kept
from trial.models import Participant, Person, Site, Visit
from trial.permissions import REFUSALS, Permission, access_of, check

from ..closing import OpenQueries, Scope, blocking_queries
from ..models import Closure, ClosureKind, ClosureScope, Finding, FindingState, Record
from .findings import OF_RECALCULATION
from .recomputation import make_up

PERMISSION = {ClosureKind.FROZEN: Permission.FREEZE, ClosureKind.LOCKED: Permission.LOCK}
_CLOSED = {ClosureKind.FROZEN: "scope.frozen", ClosureKind.LOCKED: "scope.locked"}
_LIFTED = {ClosureKind.FROZEN: "scope.unfrozen", ClosureKind.LOCKED: "scope.unlocked"}


@transaction.atomic
def freeze(*, scope: Scope, reason: str, by: Person) -> Closure:
    """Keep every value of a scope from changing, and anything new from beginning in it; queries go on."""
    return _close(scope, ClosureKind.FROZEN, kept(reason, needed=_("Give the reason for freezing.")), by)


@transaction.atomic
def lock(*, scope: Scope, reason: str, by: Person) -> Closure:
    """Close a scope: neither values nor queries change in it, nothing begins.

    Raises `OpenQueries`, which names every query that is not settled.
    """
    return _close(scope, ClosureKind.LOCKED, kept(reason, needed=_("Give the reason for locking.")), by)


@transaction.atomic
def unfreeze(*, scope: Scope, reason: str, by: Person) -> Closure:
    """Lift the freeze of a scope; forms with a mark of their own, or inside a wider freeze, stay frozen."""
    return _lift(scope, ClosureKind.FROZEN, kept(reason, needed=_("Give the reason for unfreezing.")), by)


@transaction.atomic
def unlock(*, scope: Scope, reason: str, by: Person) -> Closure:
    """Lift the lock of a scope; forms with a mark of their own, or inside a wider lock, stay locked."""
    return _lift(scope, ClosureKind.LOCKED, kept(reason, needed=_("Give the reason for unlocking.")), by)


def check_person_can_close(person: Person, scope: Scope, kind: str) -> None:
    """Freezing and locking belong to the data manager: of the study, to one who works for every site.

    A visit that would tell the arm to this person does not exist for them.
    """
    permission = PERMISSION[ClosureKind(kind)]
    if scope.kind == ClosureScope.STUDY:
        if access_of(person).sites(permission) is not None:
            raise Refused(REFUSALS[permission](), code=f"permission.{permission}")
        return
    check(person, permission, scope.site_id)
    hidden = scope.visit is not None and scope.visit.reveals_arm
    if hidden and not access_of(person).has(Permission.ARM_VIEW, scope.site_id):
        raise Refused(_("There is no such visit."), code="hidden")


def _close(scope: Scope, kind: ClosureKind, reason: str, by: Person) -> Closure:
    scope = _locked(scope)
    check_person_can_close(by, scope, kind)
    if scope.standing(kind) is not None:
        words = _("%(scope)s is already locked.") if kind == ClosureKind.LOCKED else _("%(scope)s is already frozen.")
        raise Refused(words % {"scope": scope.words()}, code=str(kind))
    if kind == ClosureKind.LOCKED:
        blocking = blocking_queries(scope, by)
        if blocking.total:
            raise OpenQueries(blocking)
    closure = audit.save(
        Closure(kind=kind, reason=reason, closed_at=clock.now(), closed_by=by, **scope.names), by=by, reason=reason
    )
    _tell(_CLOSED[kind], closure, scope, reason, by)
    return closure


def _lift(scope: Scope, kind: ClosureKind, reason: str, by: Person) -> Closure:
    scope = _locked(scope)
    check_person_can_close(by, scope, kind)
    closure = scope.standing(kind)
    if closure is None:
        words = _("%(scope)s is not locked.") if kind == ClosureKind.LOCKED else _("%(scope)s is not frozen.")
        raise Refused(words % {"scope": scope.words()}, code=f"not_{kind}")
    closure.lifted_at, closure.lifted_by, closure.lifted_reason = clock.now(), by, reason
    audit.save(closure, by=by, reason=reason)
    _tell(_LIFTED[kind], closure, scope, reason, by)
    _make_up(scope, by)
    return closure


def _tell(verb: str, closure: Closure, scope: Scope, reason: str, by: Person) -> None:
    """One line in the ledger, filed under the site and the participant. It counts nothing: a count may tell the arm."""
    audit.deed(
        verb,
        closure,
        by=by,
        scope=scope.words("en"),
        reason=reason,
        reveals_arm=scope.visit is not None and scope.visit.reveals_arm,
    )


def _make_up(scope: Scope, by: Person) -> None:
    """Bring up to date what was calculated meanwhile, in the records that are open again."""
    held = Finding.objects.filter(
        scope.holds("record__"), check_id__startswith=OF_RECALCULATION, state=FindingState.OPEN
    )
    waiting = Record.objects.filter(pk__in=held.values("record")).select_related("visit", "signature").order_by("pk")
    participants: dict[int, Participant] = {}
    for record in waiting:
        known = participants.setdefault(record.participant_id, record.participant)
        record.participant = known
        make_up(record, by=by)


def _locked(scope: Scope) -> Scope:
    """Lock everything that a writer in the scope locks first, in the order in which they do: site, then participants.

    A save that came first is waited for and covered; one that comes later sees the closure.
    """
    sites = Site.objects.select_for_update(no_key=True).order_by("pk")
    people = Participant.objects.select_for_update(no_key=True, of=("self",)).select_related("site").order_by("pk")
    if scope.participant is not None:
        participant = people.get(pk=scope.participant.pk)
        if scope.visit is None:
            return Scope.of_participant(participant)
        visit = Visit.objects.get(pk=scope.visit.pk, participant=participant)
        visit.participant = participant
        return Scope.of_visit(visit)
    if scope.site is not None:
        site = sites.get(pk=scope.site.pk)
        list(people.filter(site=site).values_list("pk", flat=True))
        return Scope.of_site(site)
    list(sites.values_list("pk", flat=True))
    list(people.values_list("pk", flat=True))
    return Scope.of_study()
