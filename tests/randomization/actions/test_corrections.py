"""Corrections of a list: proposed by one statistician, decided by another, on slot numbers alone."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core import mail

import audit
from audit import clock
from audit.errors import Refused
from audit.models import Deed
from audit.testing import refused_by_database
from randomization import gate, opening, slots, vault, verification
from randomization.actions import corrections, lists
from randomization.models import AllocationList, Correction, CorrectionState, ListState, Slot
from tests.cast import PASSWORD, Cast
from tests.randomization.conftest import in_one_stratum
from trial.actions import notices, people
from trial.models import Notice, Participant

pytestmark = pytest.mark.django_db


def proposed(cast: Cast, made: AllocationList, kind: str, typed: str, **what: Any) -> Correction:
    return corrections.propose(
        allocation_list=made, kind=kind, reason="A reason", confirmation=typed, by=cast.stella_statistician, **what
    )


def approved(cast: Cast, correction: Correction, typed: str, **other: Any) -> Correction:
    said: dict[str, Any] = {"reason": "Agreed", "confirmation": typed, "password": PASSWORD}
    said |= {"by": cast.ursula_statistician} | other
    return corrections.approve(correction=correction, **said)


def code_of(act: Any) -> str:
    with pytest.raises(Refused) as refused:
        act()
    return str(refused.value.code)


def reasons(cast: Cast, participant: Participant) -> set[str]:
    fresh = Participant.objects.select_related("site").get(pk=participant.pk)
    return {reason.code for reason in gate.examine(fresh, cast.theo_coordinator).reasons}


def stratum_of(participant: Participant, cast: Cast) -> str:
    return gate.examine(participant, cast.theo_coordinator).stratum.label


def test_an_unavailable_slot_is_passed_over_and_verification_knows_it(cast: Cast) -> None:
    """RND-501: from the approval on, and not before; the slot is named, nothing of it is deleted or shown."""
    first = cast.eligible()
    made, stratum = cast.list_in_use(), stratum_of(first, cast)
    word = slots.word(made, stratum, 1)
    proposal = proposed(cast, made, "withdraw_slot", word, stratum=stratum, position=1)
    assert proposal.state == CorrectionState.PROPOSED
    assert slots.available(made).filter(stratum=stratum, position=1).exists()
    done = approved(cast, proposal, word)
    assert (done.state, done.decided_by, done.decision_reason) == ("approved", cast.ursula_statistician, "Agreed")
    assert done.signature is not None
    assert done.signature.content["position"] == 1 and done.signature.by_id == cast.ursula_statistician.pk
    assert cast.allocate(first).slot.position == 2
    report = verification.verify(made)
    assert report.is_clean and report.withdrawn == [verification.slot_words(stratum, 1)]
    assert Slot.objects.filter(stratum=stratum, position=1).exists()
    told = Deed.objects.filter(verb__startswith="list.correction").order_by("pk").values_list("verb", "details")
    assert [verb for verb, _details in told] == ["list.correction_proposed", "list.correction_approved"]
    for _verb, details in told:
        assert {"kind": "withdraw_slot", "stratum": stratum, "position": 1}.items() <= details.items()
        assert not any(arm in str(details.values()) for arm in made.arms)


def test_a_slot_that_is_held_or_gone_or_unknown_is_not_made_unavailable(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RND-502: not the participant's, not twice, not while it waits; nor one given while the proposal waited."""
    one, stratum = in_one_stratum(cast, monkeypatch)
    made, two = cast.list_in_use(), cast.eligible()
    cast.allocate(one)
    at = {n: slots.word(made, stratum, n) for n in (1, 2, 3, 999)}
    for position, typed, code in ((1, at[1], "slot_held"), (999, at[999], "unknown_slot")):
        said = {"stratum": stratum, "position": position}
        assert code_of(lambda t=typed, s=said: proposed(cast, made, "withdraw_slot", t, **s)) == code
    late = proposed(cast, made, "withdraw_slot", at[2], stratum=stratum, position=2)
    third = proposed(cast, made, "withdraw_slot", at[3], stratum=stratum, position=3)
    assert (
        code_of(lambda: proposed(cast, made, "withdraw_slot", at[3], stratum=stratum, position=3)) == "slot_withdrawn"
    )
    cast.allocate(two)
    assert code_of(lambda: approved(cast, late, at[2])) == "slot_held"
    approved(cast, third, at[3])
    assert code_of(lambda: approved(cast, third, at[3])) == "decided"
    other = Correction.objects.get(pk=late.pk)
    other.slot = third.slot
    with refused_by_database("slot_withdrawn_once"):
        audit.save(other, by=None)


def test_who_may_and_what_is_typed(cast: Cast) -> None:
    """RND-503: two unblinded statisticians, each with reason and confirmation, the second with the password."""
    made = cast.list_in_use()
    stratum = made.strata[2]
    what = {"stratum": stratum, "position": 17}
    for person in (cast.bruno_blinded, cast.paul_sponsor, cast.dan_data_manager, cast.theo_coordinator):
        refusal = code_of(
            lambda by=person: corrections.propose(
                allocation_list=made, kind="withdraw_slot", reason="Why", confirmation="3-17", by=by, **what
            )
        )
        assert refusal == "permission.list.approve"
    assert code_of(lambda: proposed(cast, made, "withdraw_slot", "3-18", **what)) == "confirmation"
    assert code_of(
        lambda: corrections.propose(
            allocation_list=made, kind="hold", reason=" ", confirmation=str(made.pk), by=cast.stella_statistician
        )
    ) == "no_reason"  # fmt: skip
    assert not Correction.objects.exists()
    proposal = proposed(cast, made, "withdraw_slot", "3-17", **what)
    assert code_of(lambda: approved(cast, proposal, "3-17", by=cast.stella_statistician)) == "same_person"
    assert code_of(lambda: approved(cast, proposal, "3-17", by=cast.bruno_blinded)) == "permission.list.approve"
    assert code_of(lambda: approved(cast, proposal, "3-17", reason="")) == "no_reason"
    assert code_of(lambda: approved(cast, proposal, "17")) == "confirmation"
    assert code_of(lambda: approved(cast, proposal, "3-17", password="wrong")) == "wrong_password"
    assert (
        code_of(lambda: corrections.reject(correction=proposal, reason="No", by=cast.stella_statistician))
        == "same_person"
    )
    assert Correction.objects.get().state == CorrectionState.PROPOSED
    proposal.refresh_from_db()
    proposal.state, proposal.decided_by, proposal.decided_at = "approved", cast.stella_statistician, made.drafted_at
    with refused_by_database("second_person"):
        audit.save(proposal, by=None)
    rejected = corrections.reject(correction=Correction.objects.get(), reason="Not needed", by=cast.ursula_statistician)
    assert rejected.state == CorrectionState.REJECTED
    assert slots.available(made).filter(**what).exists()
    proposed(cast, made, "withdraw_slot", "3-17", **what)  # rejected once, it may be asked again


def test_appended_slots_come_from_their_own_seed_under_their_own_commitment(cast: Cast) -> None:
    """RND-504: after the last position, made by the same algorithm; root signed and told; allocated and verified."""
    first = cast.eligible()
    made, stratum = cast.list_in_use(), stratum_of(first, cast)
    before, root = made.slots_total, made.commitment
    proposal = proposed(cast, made, "append_slots", "6", stratum=stratum, count=6)
    assert Slot.objects.filter(allocation_list=made).count() == before
    approved(cast, proposal, "6")
    made.refresh_from_db()
    second = made.segments.get(number=2)
    last = made.slots_per_stratum
    assert (second.size, second.spans, made.slots_total) == (6, {stratum: [last + 1, last + 6]}, before + 6)
    assert made.commitment == root != second.commitment
    assert second.signature.content["commitment"] == second.commitment
    deed = Deed.objects.get(verb="list.correction_approved")
    assert deed.details["commitment"] == second.commitment
    assert second.sealed_parameters != made.sealed_parameters
    key = opening.data_key(made)
    new = vault.open_confidential(key, second.sealed_parameters, list_id=f"{made.reference}/segment/2")
    old = opening.confidential(made, key)
    assert new.seed != old.seed and new.block_sizes == old.block_sizes
    with pytest.raises(vault.Tampered):  # bound to its segment: it never passes for the list's own
        vault.open_confidential(key, second.sealed_parameters, list_id=made.reference)
    report = verification.verify(made)
    assert report.is_clean and report.slots == before + 6


def test_an_appended_slot_is_allocated_with_the_proof_of_its_segment(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RND-505: the last slot of the list is followed by the first that was appended; one allocation verifies alone."""
    one, stratum = in_one_stratum(cast, monkeypatch)
    made, two, three = cast.small_list(2), cast.eligible(), cast.eligible()
    cast.allocate(one)
    cast.allocate(two)
    assert reasons(cast, three) == {"exhausted"}
    cast.correct(made, "append_slots", typed="3", count=3)
    made.refresh_from_db()
    assert made.segments.get(number=2).size == 3 * len(made.strata)
    allocation = cast.allocate(three)
    assert (allocation.stratum, allocation.slot.position) == (stratum, 3)
    assert verification.verify_allocation(allocation) == []
    root = allocation.slot.proof.segment.commitment
    assert verification.verify_allocation(allocation, root) == []
    assert [t.code for t in verification.verify_allocation(allocation, made.commitment)] == ["published"]
    assert verification.verify(made).is_clean


def test_too_many_or_no_slots_are_not_appended(cast: Cast) -> None:
    """RND-506: a typing error is refused before anything is kept."""
    made = cast.list_in_use()
    for count in (0, 1001):
        assert code_of(lambda n=count: proposed(cast, made, "append_slots", str(n), count=n)) == "wrong_count"
    assert code_of(lambda: proposed(cast, made, "append_slots", "5", count=5, stratum="no=such")) == "unknown_stratum"
    assert not Correction.objects.exists()


def test_a_closed_stratum_is_a_reason_of_the_gate(cast: Cast) -> None:
    """RND-507: nobody is allocated in it, and it takes no correction any more; the others go on."""
    participant = cast.eligible()
    made, stratum = cast.list_in_use(), stratum_of(participant, cast)
    word = slots.word(made, stratum)
    proposal = proposed(cast, made, "close_stratum", word, stratum=stratum)
    assert reasons(cast, participant) == set()
    approved(cast, proposal, word)
    assert reasons(cast, participant) == {"stratum_closed"}
    made.refresh_from_db()
    assert made.closed_strata == [stratum] and made.state == ListState.IN_USE
    again = {"close_stratum": word, "append_slots": "5"}
    for kind, typed in again.items():
        assert code_of(lambda k=kind, t=typed: proposed(cast, made, k, t, stratum=stratum, count=5)) == "stratum_closed"
    assert code_of(lambda: proposed(cast, made, "close_stratum", "1", stratum="")) == "unknown_stratum"


def test_a_closed_stratum_is_reopened_by_two_persons_where_it_stopped(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RND-513: closed until the second person approves; then the next slot of the order, none skipped."""
    first, stratum = in_one_stratum(cast, monkeypatch)
    made, second = cast.list_in_use(), cast.eligible()
    cast.allocate(first)
    word = slots.word(made, stratum)
    cast.correct(made, "close_stratum", typed=word, stratum=stratum)
    assert reasons(cast, second) == {"stratum_closed"}
    proposal = proposed(cast, made, "reopen_stratum", word, stratum=stratum)
    assert code_of(lambda: proposed(cast, made, "reopen_stratum", word, stratum=stratum)) == "pending"
    assert code_of(lambda: approved(cast, proposal, word, by=cast.stella_statistician)) == "same_person"
    assert reasons(cast, second) == {"stratum_closed"}
    approved(cast, proposal, word)
    made.refresh_from_db()
    assert made.closed_strata == [] and reasons(cast, second) == set()
    assert cast.allocate(second).slot.position == 2
    assert verification.verify(made).is_clean
    told = Deed.objects.filter(verb="list.correction_approved").order_by("pk").values_list("details__kind", flat=True)
    assert list(told) == ["close_stratum", "reopen_stratum"]


def test_only_a_closed_stratum_of_a_list_that_runs_is_reopened(cast: Cast) -> None:
    """RND-514: wrong stratum, wrong role, wrong state, a second time; nothing is kept of what was refused."""
    made = cast.list_in_use()
    stratum, word = made.strata[0], "1"
    assert code_of(lambda: proposed(cast, made, "reopen_stratum", word, stratum=stratum)) == "stratum_open"
    assert code_of(lambda: proposed(cast, made, "reopen_stratum", word, stratum="")) == "unknown_stratum"
    cast.correct(made, "close_stratum", typed=word, stratum=stratum)
    for person in (cast.bruno_blinded, cast.dan_data_manager, cast.theo_coordinator):
        refusal = code_of(
            lambda by=person: corrections.propose(
                allocation_list=made, kind="reopen_stratum", reason="Why", confirmation=word, by=by, stratum=stratum
            )
        )
        assert refusal == "permission.list.approve"
    late = proposed(cast, made, "reopen_stratum", word, stratum=stratum)
    assert Correction.objects.count() == 2
    lists.close(allocation_list=made, reason="Amendment", by=cast.stella_statistician)
    assert code_of(lambda: approved(cast, late, word)) == "list_state"


def test_a_list_exhausted_for_want_of_open_strata_runs_again_once_one_is_reopened(cast: Cast) -> None:
    """RND-515: with free slots it is in use again; a stratum without any leaves the list exhausted."""
    made = cast.small_list(2)
    for stratum in made.strata:
        cast.correct(made, "close_stratum", typed=slots.word(made, stratum), stratum=stratum)
    made.refresh_from_db()
    assert made.state == ListState.EXHAUSTED
    cast.correct(made, "reopen_stratum", typed="1", stratum=made.strata[0])
    made.refresh_from_db()
    assert made.state == ListState.IN_USE and made.exhausted_at is None
    assert made.strata[0] not in made.closed_strata and len(made.closed_strata) == len(made.strata) - 1
    for position in (1, 2):
        cast.correct(made, "withdraw_slot", typed=f"1-{position}", stratum=made.strata[0], position=position)
    made.refresh_from_db()
    assert made.state == ListState.EXHAUSTED
    cast.correct(made, "reopen_stratum", typed="2", stratum=made.strata[1])
    made.refresh_from_db()
    assert made.state == ListState.IN_USE


def test_a_proposal_is_taken_back_by_its_proposer_alone_once_and_with_a_reason(cast: Cast) -> None:
    """RND-516: nothing takes effect, the ledger keeps it, nobody decides it any more, and it may be proposed again."""
    made = cast.list_in_use()
    what = {"stratum": made.strata[0], "position": 1}
    proposal = proposed(cast, made, "withdraw_slot", "1-1", **what)

    def back(by: Any = cast.stella_statistician, reason: str = "Wrong slot") -> Correction:
        return corrections.take_back(correction=proposal, reason=reason, by=by)

    assert code_of(lambda: back(cast.ursula_statistician)) == "not_own"
    for person in (cast.bruno_blinded, cast.dan_data_manager, cast.theo_coordinator):
        assert code_of(lambda by=person: back(by)) == "permission.list.approve"
    assert code_of(lambda: back(reason=" ")) == "no_reason"
    assert Correction.objects.get().state == CorrectionState.PROPOSED
    done = back()
    assert (done.state, done.decided_by, done.decision_reason) == ("taken_back", None, "Wrong slot")
    assert done.decided_at is not None
    deed = Deed.objects.get(verb="list.correction_taken_back")
    assert (deed.by_id, deed.details["reason"]) == (cast.stella_statistician.pk, "Wrong slot")
    assert {"kind": "withdraw_slot", "stratum": made.strata[0], "position": 1}.items() <= deed.details.items()
    assert code_of(back) == "taken_back"
    assert code_of(lambda: approved(cast, proposal, "1-1")) == "taken_back"
    assert (
        code_of(lambda: corrections.reject(correction=proposal, reason="No", by=cast.ursula_statistician))
        == "taken_back"
    )
    assert slots.available(made).filter(**what).exists()
    again = proposed(cast, made, "withdraw_slot", "1-1", **what)
    approved(cast, again, "1-1")
    proposal = again
    assert code_of(back) == "decided"
    assert verification.verify(made).is_clean
    done.decided_by = cast.ursula_statistician
    with refused_by_database("decided_with_person_and_time"):
        audit.save(done, by=None)


def test_a_hold_is_not_taken_back_by_the_one_who_held(cast: Cast) -> None:
    """RND-517: it took effect at once; one person alone never lets randomization go on."""
    participant = cast.eligible()
    hold = cast.hold(cast.list_in_use())
    refusal = code_of(lambda: corrections.take_back(correction=hold, reason="No", by=cast.stella_statistician))
    assert refusal == "hold_in_effect"
    assert reasons(cast, participant) == {"hold"}
    assert not Deed.objects.filter(verb__in=["list.resumed", "list.correction_taken_back"]).exists()


def test_who_proposed_is_told_what_was_decided(cast: Cast) -> None:
    """RND-518: approved or rejected, by notice and e-mail, without a slot; not who may no longer decide of lists."""
    made = cast.list_in_use()
    done = proposed(cast, made, "withdraw_slot", "1-9", stratum=made.strata[0], position=9)
    approved(cast, done, "1-9")
    lost = proposed(cast, made, "append_slots", "4", count=4)
    corrections.reject(correction=lost, reason="Enough are left", by=cast.ursula_statistician)
    told = Notice.objects.filter(person=cast.stella_statistician).order_by("pk")
    assert [(n.kind, n.url.split("/")[-2]) for n in told] == [
        ("list_correction_approved", str(done.pk)),
        ("list_correction_rejected", str(lost.pk)),
    ]
    notices.send_owed()
    texts = [f"{sent.subject} {sent.body}" for sent in mail.outbox if sent.to == [cast.stella_statistician.email]]
    assert ["approved" in texts[0], "rejected" in texts[1], len(texts)] == [True, True, 2]
    assert not [secret for secret in ("1-9", *made.strata, *made.arms) for text in texts if secret in text]

    late = proposed(cast, made, "append_slots", "4", count=4)
    stella = cast.stella_statistician
    over = clock.today() - dt.timedelta(days=1)
    people.end_delegation(delegation=stella.delegations.get(), on=over, by=cast.adam_admin, reason="Left")
    corrections.reject(correction=late, reason="Enough are left", by=cast.ursula_statistician)
    assert told.count() == 2


def test_those_who_may_decide_are_told_and_no_mail_tells_a_slot_or_an_arm(cast: Cast) -> None:
    """RND-518: the other unblinded statisticians and nobody else; of one taken back before it went out, nobody."""
    made = cast.list_in_use()
    word = {"stratum": made.strata[2], "position": 17}
    proposal = proposed(cast, made, "withdraw_slot", "3-17", **word)
    owed = Notice.objects.get(kind="list_correction")
    assert (owed.person_id, owed.participant, owed.reveals_arm) == (cast.ursula_statistician.pk, None, False)
    assert owed.url == f"/randomization/{made.pk}/corrections/{proposal.pk}/"
    people.set_locale(person=cast.ursula_statistician, locale="fr", by=cast.ursula_statistician)
    notices.send_owed()
    (sent,) = mail.outbox
    assert sent.to == [cast.ursula_statistician.email]
    text = f"{sent.subject} {sent.body}"
    assert "correction de la liste" in text and owed.url in text
    assert not [secret for secret in ("3-17", *made.strata, *made.arms) if secret in text]

    second = proposed(cast, made, "append_slots", "4", count=4)
    corrections.take_back(correction=second, reason="Too few", by=cast.stella_statistician)
    cast.hold(made)
    notices.send_owed()
    assert len(mail.outbox) == 2  # the hold, and not what was taken back
    states = dict(Notice.objects.filter(kind__startswith="list_").values_list("key", "state"))
    assert sorted(states.values()) == ["cancelled", "sent", "sent"]
    assert Notice.objects.get(kind="list_held").person_id == cast.ursula_statistician.pk


def test_a_hold_takes_effect_at_once_and_resuming_needs_the_second_person(cast: Cast) -> None:
    """RND-508: held when proposed, confirmed by another; resumed only when another approves; both told with reasons."""
    participant = cast.eligible()
    made = cast.list_in_use()
    number = str(made.pk)
    hold = cast.hold(made)
    assert reasons(cast, participant) == {"hold"}
    assert code_of(lambda: cast.hold(made)) == "held"
    approved(cast, hold, number)
    assert reasons(cast, participant) == {"hold"}
    resume = proposed(cast, made, "resume", number)
    assert reasons(cast, participant) == {"hold"}
    assert code_of(lambda: approved(cast, resume, number, by=cast.stella_statistician)) == "same_person"
    approved(cast, resume, number)
    assert reasons(cast, participant) == set()
    assert code_of(lambda: proposed(cast, made, "resume", number)) == "not_held"
    told = list(Deed.objects.filter(verb__in=["list.held", "list.resumed"]).order_by("pk").values_list("verb", "by_id"))
    assert told == [("list.held", cast.stella_statistician.pk), ("list.resumed", cast.ursula_statistician.pk)]


def test_a_hold_that_the_second_person_rejects_is_lifted(cast: Cast) -> None:
    """RND-509: the rejection says why and lets randomization go on."""
    participant = cast.eligible()
    hold = cast.hold(cast.list_in_use())
    corrections.reject(correction=hold, reason="False alarm", by=cast.ursula_statistician)
    assert reasons(cast, participant) == set()
    assert Deed.objects.get(verb="list.resumed").details["reason"] == "False alarm"


def test_a_hold_is_possible_although_an_earlier_one_waits(cast: Cast) -> None:
    """RND-512: an unconfirmed hold that was resumed keeps nobody from holding again; rejected, it lifts nothing."""
    made = cast.list_in_use()
    first = cast.hold(made)
    cast.correct(made, "resume", typed=str(made.pk))
    cast.hold(made, "Again")
    corrections.reject(correction=first, reason="Was resumed", by=cast.ursula_statistician)
    made.refresh_from_db()
    assert made.on_hold_at is not None


def test_states_that_take_no_correction(cast: Cast) -> None:
    """RND-510: a draft takes none, an approved list no hold, a closed one none."""
    draft = lists.draft(version=cast.version, block_sizes=(4,), by=cast.stella_statistician)
    what = {"stratum": draft.strata[0], "position": 1, "count": 2}
    for kind in ("withdraw_slot", "append_slots", "close_stratum", "reopen_stratum", "hold", "resume"):
        assert code_of(lambda k=kind: proposed(cast, draft, k, "1", **what)) == "list_state"
    ready = cast.approved_list(draft)
    assert code_of(lambda: proposed(cast, ready, "hold", str(ready.pk))) == "list_state"
    cast.correct(ready, "withdraw_slot", typed="1-1", stratum=ready.strata[0], position=1)
    closed = lists.close(allocation_list=ready, reason="Amendment", by=cast.stella_statistician)
    assert code_of(lambda: proposed(cast, closed, "append_slots", "2", count=2)) == "list_state"


def test_a_list_without_a_slot_left_is_exhausted_and_slots_bring_it_back(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RND-511: the last available slot of every open stratum: state, ledger, gate; appended slots reopen it."""
    first, stratum = in_one_stratum(cast, monkeypatch)
    participants = [first, cast.eligible(), cast.eligible()]
    made = cast.small_list(2)
    for other in made.strata:
        if other != stratum:
            cast.correct(made, "close_stratum", typed=slots.word(made, other), stratum=other)
    cast.allocate(participants[0])
    made.refresh_from_db()
    assert made.state == ListState.IN_USE
    cast.allocate(participants[1])
    made.refresh_from_db()
    assert made.state == ListState.EXHAUSTED and made.exhausted_at is not None
    assert Deed.objects.filter(verb="list.exhausted", target_id=str(made.pk)).count() == 1
    assert reasons(cast, participants[2]) == {"list_exhausted"}
    cast.correct(made, "append_slots", typed="1", count=1, stratum=stratum)
    made.refresh_from_db()
    assert made.state == ListState.IN_USE and made.exhausted_at is None
    cast.correct(made, "withdraw_slot", typed=slots.word(made, stratum, 3), stratum=stratum, position=3)
    made.refresh_from_db()
    assert made.state == ListState.EXHAUSTED
    assert verification.verify(made).is_clean
