"""Allocating a participant: next slot of the stratum, once and for ever, everything or nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from audit.errors import Refused
from audit.models import Deed, Signature
from audit.testing import refused_by_database
from randomization import opening, vault
from randomization.actions import allocations
from randomization.actions.allocations import GateClosed
from randomization.algorithms.merkle import SaltedSlot, verify_slot
from randomization.models import Allocation, Slot
from tests.cast import PASSWORD, Cast
from tests.randomization.conftest import change, one_of_each_arm, undelegated
from tests.randomization.marked import revealing_words
from trial.actions.notices import text_of
from trial.models import Notice, Participant, Person, ScreeningOutcome, Status, Visit, VisitStatus
from trial.permissions import access_of

pytestmark = pytest.mark.django_db


def state_of(participant: Participant) -> tuple[object, ...]:
    """What an allocation that fails must leave as it was."""
    fresh = Participant.objects.get(pk=participant.pk)
    return (
        fresh.status,
        fresh.pathway,
        fresh.randomized_on,
        Allocation.objects.count(),
        Visit.objects.filter(participant=participant).count(),
        Notice.objects.count(),
        Signature.objects.count(),
        Deed.objects.exclude(verb="signature.refused").count(),
    )


def test_an_allocation_asks_the_database_few_questions(cast: Cast, django_assert_max_num_queries: Any) -> None:
    """RND-401: each is a part of the time that others wait for the list; clinicedc was measured at 24 for less."""
    cast.list_in_use()
    cast.allocate(cast.eligible())
    second = cast.eligible()
    cast.stands_apart(second)
    by = Person.objects.get(pk=cast.theo_coordinator.pk)
    participant = Participant.objects.select_related("site").get(pk=second.pk)
    access_of(by)  # a request has asked that before
    with django_assert_max_num_queries(24):  # two of them are the savepoint of the test
        allocations.allocate(participant=participant, password=PASSWORD, by=by)


def test_an_allocation_gives_the_arm_of_the_next_slot_and_plans_what_follows(cast: Cast) -> None:
    """RND-401: arm, frozen strata, pathway, status, visits, notices and ledger, in one deed."""
    participant = cast.eligible()
    made = cast.list_in_use()
    allocation = cast.allocate(participant)
    opened = opening.open_slot(opening.data_key(made), made, allocation.slot)
    participant.refresh_from_db()
    assert (allocation.arm, allocation.slot.position, allocation.number) == (opened.arm, 1, 1)
    assert participant.status == Status.RANDOMIZED
    assert participant.pathway == cast.definition.arms[allocation.arm].pathway
    assert participant.screening_outcome == ScreeningOutcome.INCLUDED
    events = set(Visit.objects.filter(participant=participant).values_list("event", flat=True))
    wanted = {v.id for v in cast.definition.visits_for(participant.pathway) if v.anchor == "randomization"}
    assert wanted < events
    other = {v.id for v in cast.definition.visits if v.pathways and participant.pathway not in v.pathways}
    assert not other & events
    assert Visit.objects.get(participant=participant, event="SCR").status == VisitStatus.DONE
    assert Notice.objects.filter(kind="randomized", participant=participant, reveals_arm=False).exists()
    deed = Deed.objects.get(verb="participant.randomized")
    assert deed.details == {"number": 1, "stratum": allocation.stratum, "strata": allocation.strata}


def test_the_proof_shows_the_slot_under_the_commitment(cast: Cast) -> None:
    """RND-402: with root, index, proof and salt alone, without any key; another arm is not shown."""
    allocation = cast.randomized().allocation
    made = allocation.allocation_list

    def shown(arm: str) -> bool:
        return verify_slot(
            made.reference,
            SaltedSlot(allocation.slot.stratum, allocation.slot.position, arm, bytes.fromhex(allocation.salt_of_slot)),
            index=allocation.leaf_index,
            size=made.slots_total,
            proof=[bytes.fromhex(step) for step in allocation.proof],
            root=bytes.fromhex(made.commitment),
        )

    (other,) = set(made.arms) - {allocation.arm}
    assert shown(allocation.arm)
    assert not shown(other)


def test_asked_twice_it_answers_the_same(cast: Cast) -> None:
    """RND-403: also for another person of the site, and even with a wrong password: nothing is done any more."""
    participant = cast.eligible()
    cast.list_in_use()
    first = cast.allocate(participant)
    before = state_of(participant)
    again = allocations.allocate(participant=participant, password="wrong", by=cast.theo_coordinator)
    assert again == first
    assert state_of(participant) == before


def test_each_next_participant_of_a_stratum_takes_the_next_slot(cast: Cast) -> None:
    """RND-404: positions of a stratum run without a hole, in the order of the numbers."""
    for _n in range(4):
        cast.randomized()
    by_stratum: dict[str, list[int]] = {}
    for allocation in Allocation.objects.order_by("number").select_related("slot"):
        by_stratum.setdefault(allocation.stratum, []).append(allocation.slot.position)
    assert all(found == list(range(1, len(found) + 1)) for found in by_stratum.values())
    assert list(Allocation.objects.values_list("number", flat=True)) == [1, 2, 3, 4]


def test_a_wrong_password_allocates_nothing(cast: Cast) -> None:
    """RND-405: refused in words; nothing is written but the refused signature."""
    participant = cast.eligible()
    cast.list_in_use()
    before = state_of(participant)
    with pytest.raises(Refused) as refused:
        allocations.allocate(participant=participant, password="wrong", by=cast.theo_coordinator)
    assert refused.value.code == "wrong_password"
    assert state_of(participant) == before


def test_it_belongs_to_those_to_whom_it_is_delegated_at_the_site(cast: Cast) -> None:
    """RND-406: another site's coordinator, one without the delegation, an investigator, the sponsor: refused."""
    participant = cast.eligible()
    cast.list_in_use()
    for person in (cast.oscar_coordinator, undelegated(cast), cast.ines_investigator, cast.stella_statistician):
        with pytest.raises(Refused) as refused:
            allocations.allocate(participant=participant, password=PASSWORD, by=person)
        assert refused.value.code == "permission.participant.randomize"
    assert not Allocation.objects.exists()


def test_the_gate_is_asked_again_inside_the_lock(cast: Cast) -> None:
    """RND-407: a participant object read before something changed does not pass."""
    participant = cast.eligible()
    made = cast.list_in_use()
    cast.hold(made)
    change(cast, participant, "eligibility", {"i13": "no"}, by=cast.ines_investigator)
    with pytest.raises(GateClosed) as refused:
        allocations.allocate(participant=participant, password=PASSWORD, by=cast.theo_coordinator)
    assert {reason.code for reason in refused.value.reasons} >= {"hold", "not_eligible", "changed"}


@pytest.mark.parametrize("step", ["trial.actions.visits.follow", "randomization.actions.allocations.tell"])
def test_a_crash_in_the_middle_leaves_nothing(cast: Cast, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """RND-408: whatever step fails, no slot is used, and the next try takes the same one."""
    participant = cast.eligible()
    cast.list_in_use()
    before = state_of(participant)

    def crash(*args: object, **kwargs: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(step, crash)
        with pytest.raises(RuntimeError, match="power cut"):
            cast.allocate(participant)
    assert state_of(participant) == before
    assert cast.allocate(participant).slot.position == 1


def test_an_allocation_is_never_changed_or_given_again(cast: Cast) -> None:
    """RND-409: the database refuses an unaudited change, a second allocation, and a change of a slot."""
    allocation = cast.randomized().allocation
    (other,) = set(allocation.allocation_list.arms) - {allocation.arm}
    with refused_by_database():
        Allocation.objects.filter(pk=allocation.pk).update(arm=other)
    with refused_by_database():
        Slot.objects.filter(pk=allocation.slot_id).update(payload="x")
    with refused_by_database():
        Slot.objects.filter(pk=allocation.slot_id).delete()


def test_a_later_correction_alters_neither_stratum_nor_arm(cast: Cast) -> None:
    """RND-410: the strata are frozen with the allocation."""
    participant = cast.randomized()
    allocation = participant.allocation
    before = (allocation.arm, allocation.stratum, dict(allocation.strata))
    ici = allocation.strata["ici"] == "Y"
    saved = change(
        cast,
        participant,
        "systemic_ongoing",
        {"regimen": "SUNI" if ici else "NIVO", "regimen_class": "TKI" if ici else "ICI"},
    )
    assert saved.data["regimen_group"][0]["contains_ici"]["value"] is not ici
    allocation = Allocation.objects.get(pk=allocation.pk)
    assert (allocation.arm, allocation.stratum, dict(allocation.strata)) == before


def test_a_list_that_no_longer_agrees_with_its_commitment_gives_nothing(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RND-411: refused in words, and nothing is written."""
    participant = cast.eligible()
    made = cast.list_in_use()
    before = state_of(participant)
    real = vault.open_slot

    def replaced(*args: Any, **where: Any) -> vault.Slot:
        opened = real(*args, **where)
        (other,) = set(made.arms) - {opened.arm}
        return dataclasses.replace(opened, arm=other)

    monkeypatch.setattr(vault, "open_slot", replaced)
    with pytest.raises(Refused) as refused:
        cast.allocate(participant)
    assert refused.value.code == "tampered"
    assert state_of(participant) == before


def test_those_who_should_know_are_told_and_no_message_tells_the_arm(marked_cast: Cast) -> None:
    """RND-412: team, radiation oncologist, monitor, data manager, sponsor: the same for both arms, no other site."""
    cast = marked_cast
    told = revealing_words(cast.version)
    for participant in one_of_each_arm(cast).values():
        found = list(Notice.objects.filter(kind="randomized", participant=participant).select_related("person"))
        assert {notice.person for notice in found} == {
            cast.ines_investigator, cast.theo_coordinator, cast.rose_radiation, cast.mona_monitor,
            cast.dan_data_manager, cast.paul_sponsor,
        }  # fmt: skip
        for notice in found:
            for locale in ("en", "fr"):
                text = " ".join(text_of(notice, locale)) + notice.url
                assert participant.code in text and not [word for word in told if word in text]
