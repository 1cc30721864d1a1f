"""The life of an allocation list: drafted, approved by a second person, in use, on hold, closed."""

from __future__ import annotations

import io
import pickle
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

import audit
from audit.errors import Refused
from audit.models import Deed, Signature
from audit.testing import refused_by_database
from randomization import opening, vault
from randomization.actions import lists
from randomization.actions.lists import InvalidParameters
from randomization.algorithms import merkle
from randomization.models import AllocationList, ListKey, ListSimulation, ListState, Segment, Slot, SlotProof
from tests.cast import PASSWORD, Cast
from trial.models import Study

pytestmark = pytest.mark.django_db


def drafted(cast: Cast, seed: bytes | None = None, sizes: tuple[int, ...] = (4, 6)) -> AllocationList:
    return lists.draft(version=cast.version, block_sizes=sizes, by=cast.stella_statistician, seed=seed)


def approved(cast: Cast) -> AllocationList:
    return cast.approved_list(drafted(cast))


def arms_of(made: AllocationList) -> dict[str, list[str]]:
    key = opening.data_key(made)
    found: dict[str, list[str]] = {}
    for slot in made.slots.order_by("stratum", "position"):
        found.setdefault(slot.stratum, []).append(opening.open_slot(key, made, slot).arm)
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
    payloads = list(Slot.objects.values_list("payload", flat=True))
    assert {len(payload) for payload in payloads} == {vault.SEALED_SLOT_LENGTH}
    assert len(set(payloads)) == len(payloads) > one.slots.count() + other.slots.count()  # the emergency slots, too
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
    assert made.commitment == opening.commitment_of(made).root.hex()
    assert Deed.objects.get(verb="list.approved").details["commitment"] == made.commitment
    assert made.approval is not None
    assert made.approval.content["commitment"] == made.commitment
    assert made.approval.by_id == cast.ursula_statistician.pk


def test_the_one_who_drafted_does_not_approve(cast: Cast) -> None:
    """RND-308: by the action, and by the database too."""
    made = cast.simulated_list(drafted(cast))
    for deed in (lists.read_parameters, lambda **said: lists.approve(password=PASSWORD, **said)):
        with pytest.raises(Refused) as refused:
            deed(allocation_list=made, by=cast.stella_statistician)
        assert refused.value.code == "same_person"
    assert not Signature.objects.exists()
    with refused_by_database():
        AllocationList.objects.filter(pk=made.pk).update(approved_by=cast.stella_statistician)


def test_a_wrong_password_approves_nothing(cast: Cast) -> None:
    """RND-309: the list stays simulated, without a commitment, a segment or a proof."""
    made = cast.simulated_list(drafted(cast))
    lists.read_parameters(allocation_list=made, by=cast.ursula_statistician)
    with pytest.raises(Refused) as refused:
        lists.approve(allocation_list=made, password="wrong", by=cast.ursula_statistician)
    assert refused.value.code == "wrong_password"
    made.refresh_from_db()
    assert made.state == ListState.SIMULATED and made.commitment == ""
    assert not Segment.objects.exists() and not SlotProof.objects.exists()


def test_a_list_goes_through_its_states_in_order(cast: Cast) -> None:
    """RND-310: a draft is neither used nor approved before it is simulated; a closed list is the end."""
    made = drafted(cast)
    with pytest.raises(Refused, match="Draft"):
        lists.put_into_use(allocation_list=made, by=cast.ursula_statistician)
    with pytest.raises(Refused, match="Draft"):
        lists.approve(allocation_list=made, password=PASSWORD, by=cast.ursula_statistician)
    made = cast.approved_list(made)
    with pytest.raises(Refused, match="Approved"):
        cast.simulated_list(made)
    with pytest.raises(Refused, match="Approved"):
        lists.approve(allocation_list=made, password=PASSWORD, by=cast.ursula_statistician)
    made = lists.put_into_use(allocation_list=made, by=cast.stella_statistician)
    with pytest.raises(Refused, match="In use"):
        lists.put_into_use(allocation_list=made, by=cast.stella_statistician)
    made = lists.close(allocation_list=made, reason="Amendment", by=cast.stella_statistician)
    with pytest.raises(Refused, match="Closed"):
        lists.close(allocation_list=made, reason="Again", by=cast.stella_statistician)


def test_one_list_is_in_use_at_a_time_and_closing_makes_room(cast: Cast) -> None:
    """RND-311: a second list waits until the first is closed."""
    first = lists.put_into_use(allocation_list=approved(cast), by=cast.ursula_statistician)
    second = approved(cast)
    with pytest.raises(Refused, match="Another list is in use"):
        lists.put_into_use(allocation_list=second, by=cast.ursula_statistician)
    lists.close(allocation_list=first, reason="Amendment", by=cast.ursula_statistician)
    assert lists.put_into_use(allocation_list=second, by=cast.ursula_statistician).state == ListState.IN_USE


def test_a_simulation_is_recorded_before_the_approval(cast: Cast) -> None:
    """RND-315: the digest of the report stands in list, ledger and signature; a new report replaces it."""
    made = cast.simulated_list(drafted(cast))
    digest = ListSimulation.objects.get().digest
    assert (made.state, made.simulation_digest) == (ListState.SIMULATED, digest)
    assert Deed.objects.get(verb="list.simulated").details == {"digest": digest}
    again = lists.record_simulation(
        allocation_list=made, digest="6" * 64, seed=b"other", summary={"trials": 10}, by=cast.ursula_statistician
    )
    assert (again.simulation_digest, again.simulation_summary) == ("6" * 64, {"trials": 10})
    lists.read_parameters(allocation_list=made, by=cast.ursula_statistician)
    done = lists.approve(allocation_list=made, password=PASSWORD, by=cast.ursula_statistician)
    assert done.approval is not None and done.approval.content["simulation"] == "6" * 64


def test_a_simulation_never_has_the_seed_of_the_list(cast: Cast) -> None:
    """RND-316: refused, and nothing is kept; nor may a blinded person record one; a digest is a digest."""
    made = drafted(cast, seed=bytes([7] * 32))
    said = {"allocation_list": made, "summary": {}, "by": cast.stella_statistician}
    with pytest.raises(Refused) as refused:
        lists.record_simulation(digest="5" * 64, seed=bytes([7] * 32), **said)
    assert refused.value.code == "real_seed"
    with pytest.raises(ValueError, match="64 hexadecimal"):
        lists.record_simulation(digest="report.pdf", seed=b"x", **said)
    with pytest.raises(Refused) as refused:
        lists.record_simulation(digest="5" * 64, seed=b"x", **(said | {"by": cast.bruno_blinded}))
    assert refused.value.code == "permission.list.draft"
    made.refresh_from_db()
    assert (made.state, made.simulation_digest, made.sealed_test_seed) == (ListState.DRAFT, "", "")


def test_the_second_person_sees_parameters_and_a_test_list_from_another_seed(cast: Cast) -> None:
    """RND-317: what the algorithm makes with the same block sizes and a seed that is not the list's; told each time."""
    made = cast.simulated_list(drafted(cast))
    seen = lists.read_parameters(allocation_list=made, by=cast.ursula_statistician)
    assert seen.block_sizes == (4, 6)
    assert {stratum: len(arms) for stratum, arms in seen.test_list.items()} == dict.fromkeys(
        made.strata, lists.TEST_SLOTS
    )
    real = {stratum: arms[: lists.TEST_SLOTS] for stratum, arms in arms_of(made).items()}
    assert {stratum: list(arms) for stratum, arms in seen.test_list.items()} != real
    again = lists.read_parameters(allocation_list=made, by=cast.ursula_statistician)
    assert again.test_list == seen.test_list
    assert Deed.objects.filter(verb="list.parameters_read", by_id=cast.ursula_statistician.pk).count() == 2
    for arm in made.arms:
        assert arm not in repr(seen)
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(seen)
    with pytest.raises(Refused) as refused:
        lists.read_parameters(allocation_list=made, by=cast.bruno_blinded)
    assert refused.value.code == "permission.list.approve"


def test_a_test_seed_that_is_the_real_one_shows_nothing(cast: Cast) -> None:
    """RND-318: the seed of the test list is bound to the test; the list's own, copied there, does not open."""
    made = cast.simulated_list(drafted(cast))
    made.sealed_test_seed = made.sealed_parameters
    audit.save(made, by=None)
    with pytest.raises(Refused) as refused:
        lists.read_parameters(allocation_list=made, by=cast.ursula_statistician)
    assert refused.value.code == "tampered"
    key = opening.data_key(made)
    real = opening.confidential(made, key)
    made.sealed_test_seed = vault.seal_confidential(key, real, list_id=f"{made.reference}/test")
    audit.save(made, by=None)
    with pytest.raises(Refused) as refused:
        lists.read_parameters(allocation_list=made, by=cast.ursula_statistician)
    assert refused.value.code == "real_seed"


def test_nobody_approves_without_having_looked(cast: Cast) -> None:
    """RND-319: parameters and test list are read by the same person, after the newest simulation."""
    made = cast.simulated_list(drafted(cast))
    with pytest.raises(Refused) as refused:
        lists.approve(allocation_list=made, password=PASSWORD, by=cast.ursula_statistician)
    assert refused.value.code == "not_seen"
    lists.read_parameters(allocation_list=made, by=cast.ursula_statistician)
    cast.simulated_list(made)
    with pytest.raises(Refused) as refused:
        lists.approve(allocation_list=made, password=PASSWORD, by=cast.ursula_statistician)
    assert refused.value.code == "not_seen"


def test_the_approval_keeps_a_proof_for_every_slot(cast: Cast) -> None:
    """RND-320: leaf and steps lead to the root; the leaves tell nothing without their salts and are all different."""
    made = approved(cast)
    segment = made.segments.get()
    assert (segment.number, segment.size, segment.commitment) == (1, made.slots_total, made.commitment)
    proofs = list(SlotProof.objects.filter(segment=segment).order_by("leaf_index"))
    assert [proof.leaf_index for proof in proofs] == list(range(made.slots_total))
    assert len({proof.leaf for proof in proofs}) == made.slots_total
    assert merkle.root([bytes.fromhex(proof.leaf) for proof in proofs]).hex() == made.commitment
    for proof in (proofs[0], proofs[-1]):
        steps = [bytes.fromhex(step) for step in proof.steps]
        leaf = bytes.fromhex(proof.leaf)
        assert merkle.verify(leaf, proof.leaf_index, segment.size, steps, bytes.fromhex(made.commitment))
    with refused_by_database():
        SlotProof.objects.filter(pk=proofs[0].pk).update(leaf="0" * 64)


def test_training_and_the_real_trial_never_share_a_list(cast: Cast) -> None:
    """RND-321: a list stays with the kind of database in which it was drafted; a database filled with simulated data
    and no longer marked drafts none.
    """
    made = cast.simulated_list(drafted(cast))
    lists.read_parameters(allocation_list=made, by=cast.ursula_statistician)
    ready = approved(cast)
    study = Study.objects.get()
    study.is_simulated = True
    audit.save(study, by=None)
    for deed in (
        lambda: lists.approve(allocation_list=made, password=PASSWORD, by=cast.ursula_statistician),
        lambda: lists.put_into_use(allocation_list=ready, by=cast.ursula_statistician),
    ):
        with pytest.raises(Refused, match="drafted for the real trial") as refused:
            deed()
        assert refused.value.code == "kind_of_database"
    training = approved(cast)
    assert training.is_simulated
    study.is_simulated = False
    audit.save(study, by=None)
    with pytest.raises(Refused, match="drafted for training"):
        lists.put_into_use(allocation_list=training, by=cast.ursula_statistician)
    audit.deed("simulation.run", study, by=None)
    with pytest.raises(Refused, match="filled with simulated data"):
        drafted(cast)
    with pytest.raises(Refused, match="filled with simulated data"):
        lists.put_into_use(allocation_list=ready, by=cast.ursula_statistician)


def test_keys_rotate_without_touching_slots(cast: Cast, settings: Any) -> None:
    """RND-322: each data key goes under the newest key, told per list; the old one is not needed any more."""
    made = approved(cast)
    payloads = set(Slot.objects.values_list("payload", flat=True))
    old = dict(settings.STRATUM_KEYS)
    newest = dict([vault.new_environment_key("k2027").split(":")])
    settings.STRATUM_KEYS = newest | old
    said = io.StringIO()
    call_command("rotate_keys", stdout=said)
    assert f"{next(iter(old))} → k2027" in said.getvalue()
    assert not any(text in said.getvalue() for text in settings.STRATUM_KEYS.values())
    told = {deed.target_id: deed.details["after"] for deed in Deed.objects.filter(verb="list.key_rotated")}
    assert told == {str(made.pk): "k2027", str(made.emergency.slots_id): "k2027"}
    call_command("rotate_keys", stdout=said)
    assert "already under k2027" in said.getvalue()
    assert Deed.objects.filter(verb="list.key_rotated").count() == 2
    settings.STRATUM_KEYS = newest
    assert set(Slot.objects.values_list("payload", flat=True)) == payloads
    assert opening.commitment_of(made).root.hex() == made.commitment


def test_a_lost_and_a_wrong_key_are_named_and_the_others_rotate(cast: Cast, settings: Any) -> None:
    """RND-323: a list whose key is gone is named with the key it needs, one sealed under another key of that name too;
    neither stops the next.
    """
    name, text = next(iter(settings.STRATUM_KEYS.items()))
    gone = dict([vault.new_environment_key("gone").split(":")])
    settings.STRATUM_KEYS = gone
    lost = drafted(cast)
    settings.STRATUM_KEYS = dict([vault.new_environment_key("same").split(":")])
    wrong = drafted(cast)
    settings.STRATUM_KEYS = {name: text}
    fine = drafted(cast)
    newest = dict([vault.new_environment_key("k2027").split(":")])
    settings.STRATUM_KEYS = newest | {name: text} | dict([vault.new_environment_key("same").split(":")])
    said = io.StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("rotate_keys", stdout=said)
    assert left.value.code == 1
    assert f"list {lost.pk} {lost.reference}: Key gone is not in STRATUM_KEYS" in said.getvalue()
    assert f"list {wrong.pk} {wrong.reference}: The data key wrapped by same was sealed under another key" in (
        said.getvalue()
    )
    assert f"list {fine.pk} {fine.reference}: {name} → k2027" in said.getvalue()
    rotated = set(Deed.objects.filter(verb="list.key_rotated").values_list("target_id", flat=True))
    assert rotated == {str(fine.pk), str(fine.emergency.slots_id)}
    settings.STRATUM_KEYS = {}
    with pytest.raises(CommandError, match="STRATUM_KEYS"):
        call_command("rotate_keys")


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
    made = cast.simulated_list(drafted(cast))
    lists.read_parameters(allocation_list=made, by=cast.ursula_statistician)
    settings.STRATUM_KEYS = dict([vault.new_environment_key("other").split(":")])
    with pytest.raises(Refused) as refused:
        lists.approve(allocation_list=made, password=PASSWORD, by=cast.ursula_statistician)
    assert refused.value.code == "no_key"
    settings.STRATUM_KEYS = {}
    with pytest.raises(Refused, match="STRATUM_KEYS"):
        drafted(cast)
    assert AllocationList.objects.count() == 1 and AllocationList.every.count() == ListKey.objects.count() == 2
