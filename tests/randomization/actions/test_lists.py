"""The life of an allocation list: drafted, approved by a second person, in use, on hold, closed."""

from __future__ import annotations

import pytest

from audit.errors import Refused
from audit.models import Deed, Signature
from audit.testing import refused_by_database
from randomization import vault
from randomization.actions import lists
from randomization.actions.lists import InvalidParameters
from randomization.models import AllocationList, ListKey, ListState, Slot
from tests.cast import PASSWORD, Cast

pytestmark = pytest.mark.django_db


def drafted(cast: Cast, seed: bytes | None = None, sizes: tuple[int, ...] = (4, 6)) -> AllocationList:
    return lists.draft(version=cast.version, block_sizes=sizes, by=cast.stella_statistician, seed=seed)


def approved(cast: Cast) -> AllocationList:
    return lists.approve(allocation_list=drafted(cast), password=PASSWORD, by=cast.ursula_statistician)


def arms_of(made: AllocationList) -> dict[str, list[str]]:
    key = lists.data_key(made)
    found: dict[str, list[str]] = {}
    for slot in made.slots.order_by("stratum", "position"):
        found.setdefault(slot.stratum, []).append(lists.open_slot(key, made, slot).arm)
    return found


def test_a_list_is_drafted_for_every_stratum(cast: Cast) -> None:
    """RND-301: eight strata with the slots that the study folder says; the ledger tells who, and no parameter."""
    made = drafted(cast)
    assert made.state == ListState.DRAFT
    assert len(made.strata) == 8
    assert made.slots_total == made.slots.count() == 8 * made.slots_per_stratum
    deed = Deed.objects.get(verb="list.drafted")
    assert deed.by_id == cast.stella_statistician.pk
    assert set(deed.details) == {"algorithm", "strata"}


def test_the_same_seed_makes_the_same_list_and_another_seed_another(cast: Cast) -> None:
    """RND-302: reproducible from seed and parameters, and from nothing else."""
    one, same, other = drafted(cast, bytes(32)), drafted(cast, bytes(32)), drafted(cast, bytes([1] * 32))
    assert arms_of(one) == arms_of(same)
    assert arms_of(one) != arms_of(other)


def test_counting_slots_tells_nothing_of_block_sizes(cast: Cast) -> None:
    """RND-303: a block size that does not divide the list leaves as many slots as one that does."""
    assert drafted(cast, sizes=(4,)).slots.count() == drafted(cast, sizes=(22,)).slots.count()


def test_nothing_stored_in_clear_tells_arm_block_or_seed(cast: Cast) -> None:
    """RND-304: payloads are opaque and of one length; the sealed parameters have one length whatever they hold."""
    one, other = drafted(cast, bytes(32), (4,)), drafted(cast, bytes(32), (4, 6, 8))
    payloads = set(Slot.objects.values_list("payload", flat=True))
    assert {len(payload) for payload in payloads} == {vault.SEALED_SLOT_LENGTH}
    assert len(payloads) == one.slots.count() + other.slots.count()
    assert len(one.sealed_parameters) == len(other.sealed_parameters)
    assert bytes(32).hex() not in one.sealed_parameters


def test_only_an_unblinded_statistician_drafts(cast: Cast) -> None:
    """RND-305: the blinded statistician, the sponsor, the data manager and the coordinator do not."""
    for person in (cast.bruno_blinded, cast.paul_sponsor, cast.dan_data_manager, cast.theo_coordinator):
        with pytest.raises(Refused) as refused:
            lists.draft(version=cast.version, block_sizes=(4,), by=person)
        assert refused.value.code == "permission.list.draft"
    assert not AllocationList.objects.exists()


def test_wrong_parameters_are_all_named_without_their_values(cast: Cast) -> None:
    """RND-306: two wrong sizes, two faults, no number in them but the place; nothing is stored."""
    with pytest.raises(InvalidParameters) as refused:
        drafted(cast, sizes=(37, 4, 4, 53))
    words = " ".join(map(str, refused.value.faults)) + str(refused.value)
    assert len(refused.value.faults) == 3
    assert "37" not in words and "53" not in words
    assert not AllocationList.objects.exists() and not Slot.objects.exists()


def test_a_second_person_approves_and_the_commitment_is_published(cast: Cast) -> None:
    """RND-307: the root stands in the list, under the signature and in the ledger; it is that of the slots."""
    made = approved(cast)
    assert made.state == ListState.APPROVED
    assert made.commitment == lists.commitment_of(made).root.hex()
    assert Deed.objects.get(verb="list.approved").details["commitment"] == made.commitment
    assert made.approval is not None
    assert made.approval.content["commitment"] == made.commitment
    assert made.approval.by_id == cast.ursula_statistician.pk


def test_the_one_who_drafted_does_not_approve(cast: Cast) -> None:
    """RND-308: by the action, and by the database too."""
    made = drafted(cast)
    with pytest.raises(Refused) as refused:
        lists.approve(allocation_list=made, password=PASSWORD, by=cast.stella_statistician)
    assert refused.value.code == "same_person"
    assert not Signature.objects.exists()
    with refused_by_database():
        AllocationList.objects.filter(pk=made.pk).update(approved_by=cast.stella_statistician)


def test_a_wrong_password_approves_nothing(cast: Cast) -> None:
    """RND-309: the list stays a draft without a commitment."""
    made = drafted(cast)
    with pytest.raises(Refused) as refused:
        lists.approve(allocation_list=made, password="wrong", by=cast.ursula_statistician)
    assert refused.value.code == "wrong_password"
    made.refresh_from_db()
    assert made.state == ListState.DRAFT and made.commitment == ""


def test_a_list_goes_through_its_states_in_order(cast: Cast) -> None:
    """RND-310: a draft is not put into use, a list in use is not approved again, a closed one not resumed."""
    made = drafted(cast)
    with pytest.raises(Refused, match="Draft"):
        lists.put_into_use(allocation_list=made, by=cast.ursula_statistician)
    made = lists.approve(allocation_list=made, password=PASSWORD, by=cast.ursula_statistician)
    with pytest.raises(Refused, match="Approved"):
        lists.approve(allocation_list=made, password=PASSWORD, by=cast.ursula_statistician)
    made = lists.put_into_use(allocation_list=made, by=cast.stella_statistician)
    with pytest.raises(Refused, match="In use"):
        lists.put_into_use(allocation_list=made, by=cast.stella_statistician)
    made = lists.close(allocation_list=made, reason="Amendment", by=cast.stella_statistician)
    with pytest.raises(Refused, match="Closed"):
        lists.resume(allocation_list=made, reason="Again", by=cast.stella_statistician)


def test_one_list_is_in_use_at_a_time_and_closing_makes_room(cast: Cast) -> None:
    """RND-311: a second list waits until the first is closed."""
    first = lists.put_into_use(allocation_list=approved(cast), by=cast.ursula_statistician)
    second = approved(cast)
    with pytest.raises(Refused, match="Another list is in use"):
        lists.put_into_use(allocation_list=second, by=cast.ursula_statistician)
    lists.close(allocation_list=first, reason="Amendment", by=cast.ursula_statistician)
    assert lists.put_into_use(allocation_list=second, by=cast.ursula_statistician).state == ListState.IN_USE


def test_hold_and_resume_need_a_reason_and_stand_in_the_ledger(cast: Cast) -> None:
    """RND-312: hold once, resume once, each with its reason."""
    made = cast.list_in_use()
    for deed, args in ((lists.hold, {"reason": " "}), (lists.resume, {"reason": "Too early"})):
        with pytest.raises(Refused):
            deed(allocation_list=made, by=cast.ursula_statistician, **args)
    held = lists.hold(allocation_list=made, reason="Drug recall", by=cast.ursula_statistician)
    assert held.on_hold_at is not None
    with pytest.raises(Refused, match="already on hold"):
        lists.hold(allocation_list=made, reason="Again", by=cast.ursula_statistician)
    resumed = lists.resume(allocation_list=made, reason="Solved", by=cast.ursula_statistician)
    assert resumed.on_hold_at is None
    told = dict(Deed.objects.filter(verb__in=["list.held", "list.resumed"]).values_list("verb", "details__reason"))
    assert told == {"list.held": "Drug recall", "list.resumed": "Solved"}


def test_balance_by_arm_is_for_few_and_leaves_a_line(cast: Cast) -> None:
    """RND-313: who looks at counts by arm is told; the blinded statistician is refused and leaves none."""
    made = cast.list_in_use()
    cast.randomized()
    counts = lists.read_balance(allocation_list=made, by=cast.stella_statistician)
    assert sum(sum(by_arm.values()) for by_arm in counts.values()) == 1
    with pytest.raises(Refused):
        lists.read_balance(allocation_list=made, by=cast.bruno_blinded)
    assert list(Deed.objects.filter(verb="list.balance_read").values_list("by_id", flat=True)) == [
        cast.stella_statistician.pk
    ]


def test_without_the_environment_key_nothing_is_made_or_read(cast: Cast, settings: object) -> None:
    """RND-314: words for the administrator, no half list."""
    made = drafted(cast)
    settings.STRATUM_KEYS = dict([vault.new_environment_key("other").split(":")])
    with pytest.raises(Refused) as refused:
        lists.approve(allocation_list=made, password=PASSWORD, by=cast.ursula_statistician)
    assert refused.value.code == "no_key"
    settings.STRATUM_KEYS = {}
    with pytest.raises(Refused, match="STRATUM_KEYS"):
        drafted(cast)
    assert AllocationList.objects.count() == ListKey.objects.count() == 1
