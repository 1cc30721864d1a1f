"""Corrections of a list in its life: proposed by one unblinded statistician, decided by another, slot numbers alone.

Nobody sees an arm: a slot is made unavailable by its number, slots are appended from a seed that the system draws, a
stratum is closed or reopened, randomization is held and resumed. Nothing is deleted: the correction stays with both
reasons, also when its proposer took it back. Those who may decide are told by a notice, which names no slot.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from trial.actions import notices
from trial.models import Notice, Person, Role
from trial.permissions import Permission, can, check

from .. import commitments, lives, opening, slots, vault
from ..arms import is_imported
from ..lives import Decision, Deed
from ..models import COME_TO_NOTHING, AllocationList, Correction, CorrectionKind, CorrectionState, ListState, Slot
from . import exhaustion

MOST_APPENDED = 1_000
"""More slots at once than this in one stratum are a typing error: no trial of ours appends as many."""

K = CorrectionKind
DEEDS: dict[str, Deed] = {
    K.WITHDRAW_SLOT: Deed.WITHDRAW,
    K.APPEND_SLOTS: Deed.APPEND,
    K.CLOSE_STRATUM: Deed.CLOSE_STRATUM,
    K.REOPEN_STRATUM: Deed.REOPEN_STRATUM,
    K.HOLD: Deed.HOLD,
    K.RESUME: Deed.RESUME,
}


@transaction.atomic
def propose(
    *,
    allocation_list: AllocationList,
    kind: str,
    reason: str,
    confirmation: str,
    by: Person,
    stratum: str = "",
    position: int | None = None,
    count: int | None = None,
) -> Correction:
    """Propose a correction; it waits for a second person. A hold alone takes effect at once: waiting could harm.

    `confirmation` is what `confirmation_of` says, typed. Raises Refused for a wrong state, a slot that is held or
    unavailable already, a closed stratum (an open one, to reopen), the same correction waiting, no reason, or another
    confirmation.
    """
    check(by, Permission.LIST_APPROVE)
    current = _locked(allocation_list)
    correction = Correction(
        allocation_list=current,
        kind=CorrectionKind(kind),
        stratum=stratum,
        count=count if kind == K.APPEND_SLOTS else None,
        reason=_reason(reason),
        proposed_by=by,
        proposed_at=clock.now(),
    )
    if kind == K.WITHDRAW_SLOT:
        correction.slot = _slot(current, stratum, position)
    _check_applies(correction, current)
    waiting = current.corrections.filter(
        kind=kind, state=CorrectionState.PROPOSED, stratum=stratum, slot=correction.slot
    )
    if kind != K.HOLD and waiting.exists():  # a hold is never refused because an earlier one waits
        raise Refused(_("The same correction already waits for the second person."), code="pending")
    _check_typed(correction, confirmation)
    audit.save(correction, by=by, reason=reason)
    audit.deed("list.correction_proposed", correction, by=by, reason=reason, **_what(correction))
    if kind == K.HOLD:
        current.on_hold_at = clock.now()
        audit.save(current, by=by, reason=reason)
        audit.deed("list.held", current, by=by, reason=reason)
    _tell(correction, by)
    return correction


@transaction.atomic
def approve(*, correction: Correction, reason: str, confirmation: str, password: str, by: Person) -> Correction:
    """Approve a proposed correction as the second person, with signature, and apply it."""
    found = _to_decide(correction, by, Decision.APPROVE)
    current = found.allocation_list
    if found.kind != K.HOLD:  # a hold took effect when it was proposed
        _check_applies(found, current)
    reason = _reason(reason)
    _check_typed(found, confirmation)
    appended = _Appended(found, current) if found.kind == K.APPEND_SLOTS else None
    content = {"reference": current.reference, "correction": found.pk, "reason": reason, **_what(found)}
    if appended is not None:
        content |= {"slots": len(appended.tree), "commitment": appended.tree.root.hex()}
    found.signature = audit.sign(found, by=by, meaning="list_correction", content=content, password=password)
    if appended is not None:
        appended.write(found)
    _apply(found, current, by)
    _decide(found, CorrectionState.APPROVED, reason, by)
    told = _what(found) | ({"commitment": content["commitment"]} if appended is not None else {})
    audit.deed("list.correction_approved", found, by=by, reason=reason, **told)
    if found.kind in (K.WITHDRAW_SLOT, K.CLOSE_STRATUM, K.REOPEN_STRATUM):  # reopened, it may have no slot left
        exhaustion.settle(current, by=by)
    return found


@transaction.atomic
def reject(*, correction: Correction, reason: str, by: Person) -> Correction:
    """Reject a proposed correction as the second person; a hold that was never confirmed is lifted."""
    found = _to_decide(correction, by, Decision.REJECT)
    current = found.allocation_list
    reason = _reason(reason)
    _decide(found, CorrectionState.REJECTED, reason, by)
    audit.deed("list.correction_rejected", found, by=by, reason=reason, **_what(found))
    later = current.corrections.filter(kind=K.HOLD, pk__gt=found.pk)
    if found.kind == K.HOLD and current.on_hold_at is not None and not later.exists():
        _lift(current, reason, by)
    return found


@transaction.atomic
def take_back(*, correction: Correction, reason: str, by: Person) -> Correction:
    """Take one's own proposal back while it waits, with the reason. A hold stays: one person alone never resumes."""
    check(by, Permission.LIST_APPROVE)
    found = _locked_correction(correction)
    if found.proposed_by_id != by.pk:
        raise Refused(
            _("Only the one who proposed a correction takes it back. A second person can reject it."), code="not_own"
        )
    state = lives.CORRECTION.after(found.state, Decision.TAKE_BACK)
    if found.kind == K.HOLD:
        raise Refused(
            _("The hold took effect when it was proposed. A second person rejects it, or propose to resume."),
            code="hold_in_effect",
        )
    reason = _reason(reason)
    found.state = CorrectionState(state)
    found.decided_at = clock.now()
    found.decision_reason = reason
    audit.save(found, by=by, reason=reason)
    audit.deed("list.correction_taken_back", found, by=by, reason=reason, **_what(found))
    return found


def waits_for(person: Person, correction: Correction) -> bool:
    """Whether the correction waits, and for this person among others."""
    return (
        correction.state == CorrectionState.PROPOSED
        and correction.proposed_by_id != person.pk
        and can(person, Permission.LIST_APPROVE)
    )


def may_take_back(person: Person, correction: Correction) -> bool:
    """Whether the person may take this correction back now."""
    return (
        correction.state == CorrectionState.PROPOSED
        and correction.kind != K.HOLD
        and correction.proposed_by_id == person.pk
        and can(person, Permission.LIST_APPROVE)
    )


PROPOSED = "list_correction"
HELD = "list_held"
APPROVED = "list_correction_approved"
REJECTED = "list_correction_rejected"
"""Kinds of notices, with their words in `notice_words`: none names a slot or a stratum."""


def _tell(correction: Correction, by: Person) -> None:
    """Owe a notice to everybody who may decide it: the unblinded statisticians but the one who proposed it."""
    people = [
        person
        for person in notices.people_holding((Role.STATISTICIAN_UNBLINDED,), None)
        if person.pk != by.pk and can(person, Permission.LIST_APPROVE)
    ]
    _owe(HELD if correction.kind == K.HOLD else PROPOSED, people, correction, by)


def _owe(kind: str, people: Iterable[Person], correction: Correction, by: Person) -> None:
    notices.owe(
        kind=kind,
        people=people,
        key=f"{kind}:{correction.pk}",
        participant=None,
        context={"date": clock.today().isoformat()},
        url=f"/randomization/{correction.allocation_list_id}/corrections/{correction.pk}/",
        by=by,
    )


def notice_is_settled(notice: Notice) -> bool:
    """Whether the correction of a notice waits no more, so that nobody is asked to decide it."""
    pk = int(notice.key.split(":")[1])
    return not Correction.objects.filter(pk=pk, state=CorrectionState.PROPOSED).exists()


def confirmation_of(correction: Correction) -> str:
    """What both persons type: the slot (`3-17`), the stratum (`3`), how many slots, or the number of the list."""
    current = correction.allocation_list
    if correction.slot is not None:
        return slots.word(current, correction.slot.stratum, correction.slot.position)
    if correction.kind == K.APPEND_SLOTS:
        return str(correction.count)
    if correction.kind in (K.CLOSE_STRATUM, K.REOPEN_STRATUM):
        return slots.word(current, correction.stratum)
    return str(current.pk)


class _Appended:
    """New slots of a segment, made and sealed but not yet written: their root is signed first."""

    def __init__(self, correction: Correction, current: AllocationList) -> None:
        self.current = current
        key = opening.data_key(current)
        old = opening.confidential(current, key)
        new = vault.Confidential(seed=vault.new_seed(), block_sizes=old.block_sizes, extra=old.extra)
        self.number = (current.segments.count() or 1) + 1
        self.parameters = vault.seal_confidential(key, new, list_id=segment_id(current, self.number))
        self.sealed: list[commitments.Sealed] = []
        count = correction.count or 0
        strata = [correction.stratum] if correction.stratum else [s for s in current.strata if _is_open(current, s)]
        for stratum in strata:
            last = _last_position(current, stratum)
            for one in opening.make_slots(current, new, stratum, count):
                position = last + one.position
                opened = vault.Slot(current.reference, stratum, position, one.arm, one.block, vault.new_salt())
                row = Slot(
                    allocation_list=current,
                    stratum=stratum,
                    position=position,
                    payload=vault.seal_slot(key, opened),
                )
                self.sealed.append(commitments.Sealed(row, opened))
        self.spans = commitments.spans_of((one.row.stratum, one.row.position) for one in self.sealed)
        self.tree = commitments.tree_of(current.reference, (one.opened for one in self.sealed), self.spans)

    def write(self, correction: Correction) -> None:
        """Write slots, segment and proofs under the signature of the correction."""
        assert correction.signature is not None
        Slot.objects.bulk_create([one.row for one in self.sealed], batch_size=500)
        commitments.keep(
            self.current,
            self.sealed,
            self.tree,
            number=self.number,
            spans=self.spans,
            signature=correction.signature,
            sealed_parameters=self.parameters,
        )
        self.current.slots_total += len(self.sealed)


def segment_id(allocation_list: AllocationList, number: int) -> str:
    """What the seed of an appended segment is bound to."""
    return f"{allocation_list.reference}/segment/{number}"


def _apply(correction: Correction, current: AllocationList, by: Person) -> None:
    """Let the list follow. A withdrawn slot needs nothing: its approved correction is what allocations look at."""
    state = lives.LIST.after(current.state, DEEDS[correction.kind])
    if correction.kind == K.APPEND_SLOTS:
        if current.state == ListState.EXHAUSTED:
            _check_alone(current)
            current.exhausted_at = None
        current.state = state
        audit.save(current, by=by, reason=correction.reason)
    elif correction.kind == K.CLOSE_STRATUM:
        current.closed_strata = [*current.closed_strata, correction.stratum]
        audit.save(current, by=by, reason=correction.reason)
    elif correction.kind == K.REOPEN_STRATUM:
        current.closed_strata = [stratum for stratum in current.closed_strata if stratum != correction.stratum]
        if current.state == ListState.EXHAUSTED:
            _check_alone(current)
            current.state, current.exhausted_at = state, None
        audit.save(current, by=by, reason=correction.reason)
    elif correction.kind == K.RESUME:
        _lift(current, correction.reason, by)


def _lift(current: AllocationList, reason: str, by: Person) -> None:
    current.on_hold_at = None
    audit.save(current, by=by, reason=reason)
    audit.deed("list.resumed", current, by=by, reason=reason)


def _check_alone(current: AllocationList) -> None:
    if AllocationList.objects.filter(state=ListState.IN_USE).exclude(pk=current.pk).exists():
        raise Refused(_("Another list is in use. Close it first."), code="in_use")


def _check_applies(correction: Correction, current: AllocationList) -> None:
    """Raise Refused when the correction cannot be done as the list stands now."""
    deed = DEEDS[correction.kind]
    lives.LIST.after(current.state, deed)
    lives.HOLD.after("held" if current.on_hold_at is not None else "running", deed)
    named = correction.stratum
    if named and named not in current.strata:
        raise Refused(_("The list has no such stratum."), code="unknown_stratum")
    is_reopening = correction.kind == K.REOPEN_STRATUM
    if named and not is_reopening and not _is_open(current, named):
        raise Refused(_("This stratum is closed."), code="stratum_closed")
    if named and is_reopening and _is_open(current, named):
        raise Refused(_("This stratum is open."), code="stratum_open")
    if correction.kind in (K.CLOSE_STRATUM, K.REOPEN_STRATUM) and not named:
        raise Refused(_("Say which stratum."), code="unknown_stratum")
    if correction.kind == K.APPEND_SLOTS:
        if is_imported(current):
            raise Refused(
                _("The system does not know how this list was made: close it, and import another."), code="imported"
            )
        if not 1 <= (correction.count or 0) <= MOST_APPENDED:
            raise Refused(
                _("Append 1 to %(most)s slots in each stratum.") % {"most": MOST_APPENDED}, code="wrong_count"
            )
        if current.state == ListState.EXHAUSTED:
            _check_alone(current)
    if correction.slot is not None:
        if hasattr(correction.slot, "allocation"):
            raise Refused(_("A participant holds this slot: it stays."), code="slot_held")
        others = correction.slot.corrections.exclude(pk=correction.pk).exclude(state__in=COME_TO_NOTHING)
        if others.exists():
            raise Refused(_("This slot is unavailable already, or about to be."), code="slot_withdrawn")


def _slot(current: AllocationList, stratum: str, position: int | None) -> Slot:
    found = current.slots.select_related("allocation").filter(stratum=stratum, position=position or 0).first()
    if found is None:
        raise Refused(_("The list has no such slot."), code="unknown_slot")
    return found


def _last_position(current: AllocationList, stratum: str) -> int:
    last = current.slots.filter(stratum=stratum).order_by("-position").values_list("position", flat=True).first()
    return last or 0


def _is_open(current: AllocationList, stratum: str) -> bool:
    return stratum not in current.closed_strata


def _locked_correction(correction: Correction) -> Correction:
    """Return the correction with its list, both locked: the list first, as everywhere."""
    current = _locked(correction.allocation_list)
    found = Correction.objects.select_for_update(no_key=True, of=("self",)).select_related("slot").get(pk=correction.pk)
    found.allocation_list = current
    return found


def _to_decide(correction: Correction, by: Person, decision: Decision) -> Correction:
    """Return the correction with its list, both locked, for the person who decides."""
    check(by, Permission.LIST_APPROVE)
    found = _locked_correction(correction)
    lives.CORRECTION.after(found.state, decision)
    if found.proposed_by_id == by.pk:
        raise Refused(
            _("A correction is decided by a second person, not by the one who proposed it."), code="same_person"
        )
    return found


def _decide(correction: Correction, state: CorrectionState, reason: str, by: Person) -> None:
    correction.state = state
    correction.decided_by = by
    correction.decided_at = clock.now()
    correction.decision_reason = reason
    audit.save(correction, by=by, reason=reason)
    proposer = correction.proposed_by
    if can(proposer, Permission.LIST_APPROVE):
        _owe(APPROVED if state == CorrectionState.APPROVED else REJECTED, [proposer], correction, by)


def _check_typed(correction: Correction, typed: str) -> None:
    wanted = confirmation_of(correction)
    if typed.strip() != wanted:
        raise Refused(
            _("Type %(wanted)s to confirm; something else was typed. Nothing was done.") % {"wanted": wanted},
            code="confirmation",
        )


def _reason(reason: str) -> str:
    if not reason.strip():
        raise Refused(_("Give the reason."), code="no_reason")
    return reason.strip()


def _what(correction: Correction) -> dict[str, Any]:
    """The correction in plain values for ledger and signature: places and numbers, never an arm."""
    found: dict[str, Any] = {"kind": str(correction.kind), "list": correction.allocation_list_id}
    if correction.slot is not None:
        found |= {"stratum": correction.slot.stratum, "position": correction.slot.position}
    elif correction.stratum:
        found["stratum"] = correction.stratum
    if correction.count is not None:
        found["count"] = correction.count
    return found


def _locked(allocation_list: AllocationList) -> AllocationList:
    return AllocationList.objects.select_for_update(no_key=True, of=("self",)).get(pk=allocation_list.pk)


__all__ = [
    "approve",
    "confirmation_of",
    "may_take_back",
    "notice_is_settled",
    "propose",
    "reject",
    "take_back",
    "waits_for",
]
