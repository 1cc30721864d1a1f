"""`manage.py verify_list`: what agrees, and what somebody with the database's own rights changed."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from randomization import opening, slots, vault, verification
from randomization.actions import lists
from randomization.algorithms.minimization import Draw
from randomization.models import Allocation, AllocationList, Slot
from tests import harness
from tests.cast import Cast
from tests.randomization.conftest import in_one_stratum
from tests.randomization.schemes import MINIMIZATION, MINIMIZED, cast_of, in_use

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def raw(database_clone: str) -> Callable[..., None]:
    """SQL by an administrator who has switched every guard off."""

    def run(sql: str, *values: Any) -> None:
        address = harness._with_database(os.environ["STRATUM_TEST_ADMIN_URL"], database_clone)
        connection = psycopg2.connect(address)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("SET session_replication_role = replica")
                cursor.execute(sql, values)
        finally:
            connection.close()

    return run


def codes(made: AllocationList) -> set[str]:
    return {trouble.code for trouble in verification.verify(AllocationList.objects.get(pk=made.pk)).troubles}


@pytest.mark.template("cast", "randomized")
def test_each_kind_of_change_is_named(cast: Cast, raw: Callable[..., None]) -> None:
    """RND-950: one clean list; then a slot changed, replaced, removed, skipped; an allocation and the root altered."""
    first, second = cast.randomized().allocation, cast.randomized().allocation
    made = cast.list_in_use()
    said = io.StringIO()
    call_command("verify_list", stdout=said)
    assert "R0001 01-001 agrees" in said.getvalue() and "No fault in 2 lists." in said.getvalue()
    for arm in made.arms:
        assert arm not in said.getvalue()

    free = Slot.objects.filter(allocation_list=made, stratum=first.stratum, position=30).get()
    (other,) = set(made.arms) - {first.arm}
    key = opening.data_key(made)
    opened = opening.open_slot(key, made, free)
    swapped = (set(made.arms) - {opened.arm}).pop()
    forged = vault.seal_slot(
        key, vault.Slot(made.reference, free.stratum, free.position, swapped, opened.block, opened.salt)
    )
    earlier = first.allocated_at - dt.timedelta(days=1)
    slots, given, held = "randomization_slot", "randomization_allocation", "randomization_allocationlist"
    cases: list[tuple[str, int, str, Any, Any, set[str]]] = [
        (slots, free.pk, "payload", "A" * len(free.payload), free.payload, {"slot_changed"}),
        (slots, free.pk, "payload", forged, free.payload, {"slot_replaced", "slot_uncommitted"}),
        (slots, free.pk, "position", 999, 30, {"slot_changed", "slot_missing", "slot_added"}),
        (given, first.pk, "arm", other, first.arm, {"arm", "proof", "pathway"}),
        (given, first.pk, "slot_id", free.pk, first.slot_id, {"skipped", "salt", "proof"}),
        (given, first.pk, "strata", '{"ici": "?"}', json.dumps(first.strata), {"signature"}),
        (given, first.pk, "number", 3, 1, {"ledger"}),
        (given, second.pk, "allocated_at", earlier, second.allocated_at, {"reordered"}),
        (held, made.pk, "commitment", "0" * 64, made.commitment,
         {"commitment_list", "commitment_ledger"}),
    ]  # fmt: skip
    for table, pk, column, forgery, truth, expected in cases:
        raw(f"UPDATE {table} SET {column} = %s WHERE id = %s", forgery, pk)
        assert expected <= codes(made), (table, column)
        raw(f"UPDATE {table} SET {column} = %s WHERE id = %s", truth, pk)
        assert codes(made) == set(), (table, column)

    raw("UPDATE randomization_allocation SET number = 7 WHERE id = %s", second.pk)
    assert {t.where for t in verification.check_numbers()} == {f"R{n:04d}" for n in (2, 3, 4, 5, 6)}
    raw("UPDATE randomization_slot SET payload = %s WHERE id = %s", forged, free.pk)
    said = io.StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("verify_list", stdout=said)
    assert left.value.code == 1
    assert verification.slot_words(free.stratum, 30) in said.getvalue()
    for arm in made.arms:
        assert arm not in said.getvalue().replace("ici=", "")


@pytest.mark.template("cast", "randomized")
def test_without_the_keys_it_says_so(cast: Cast, settings: Any) -> None:
    """RND-951: the list's key cannot be opened: that is a fault, not a crash; proofs need no key and still hold."""
    allocation: Allocation = cast.randomized().allocation
    settings.STRATUM_KEYS = dict([vault.new_environment_key("other").split(":")])
    report = verification.verify(allocation.allocation_list)
    assert {trouble.code for trouble in report.troubles} >= {"no_key"}


@pytest.mark.template("cast", "randomized")
def test_one_allocation_is_checked_without_any_key(cast: Cast, raw: Callable[..., None], settings: Any) -> None:
    """RND-952: before the list is revealed, with salt, arm and proof against the published root; what is wrong is
    named, and neither its arm nor any other is printed.
    """
    allocation: Allocation = cast.randomized().allocation
    made = cast.list_in_use()
    settings.STRATUM_KEYS = {}

    def run(*options: str) -> tuple[int, str]:
        said = io.StringIO()
        try:
            call_command("verify_list", "--allocation", "R0001", *options, stdout=said)
        except SystemExit as left:
            return int(str(left.code)), said.getvalue()
        return 0, said.getvalue()

    code, said = run("--root", made.commitment.upper())
    assert (code, "agrees with the commitment" in said, made.commitment in said) == (0, True, True)
    assert verification.slot_words(allocation.stratum, 1) in said
    for arm in made.arms:
        assert arm not in said
    assert run("--root", "0" * 64) == (1, run("--root", "0" * 64)[1])
    assert "is not the one that was published" in run("--root", "0" * 64)[1]
    with pytest.raises(CommandError, match="R0009"):
        call_command("verify_list", "--allocation", "R0009")
    (other,) = set(made.arms) - {allocation.arm}
    given = "randomization_allocation"
    for column, forgery, truth, words in (
        ("arm", other, allocation.arm, "its proof does not lead to the commitment"),
        ("salt_of_slot", "0" * 64, allocation.salt_of_slot, "its proof does not lead to the commitment"),
        ("leaf_index", 3, allocation.leaf_index, "its proof does not lead to the commitment"),
        ("stratum", "x", allocation.stratum, "has another stratum than its slot"),
        ("number", 1, 1, ""),
    ):
        raw(f"UPDATE {given} SET {column} = %s WHERE id = %s", forgery, allocation.pk)
        code, said = run()
        assert (code, words in said) == (1 if words else 0, True), column
        raw(f"UPDATE {given} SET {column} = %s WHERE id = %s", truth, allocation.pk)
    raw("UPDATE randomization_segment SET commitment = %s", "0" * 64)
    code, said = run()
    assert code == 1 and "is not the one that the second person signed" in said


def test_what_was_forged_under_a_correction_is_named(
    cast: Cast, raw: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """RND-953: a slot made unavailable after it was skipped, a correction that nobody decided, a leaf, a proof and a
    slot of an appended segment: each is named by its place.
    """
    participant, stratum = in_one_stratum(cast, monkeypatch)
    cast.randomized(participant)
    made = cast.list_in_use()
    cast.correct(made, "withdraw_slot", typed=slots.word(made, stratum, 2), stratum=stratum, position=2)
    cast.correct(made, "append_slots", typed="2", count=2, stratum=stratum)
    made.refresh_from_db()
    second = cast.randomized().allocation
    assert second.stratum == stratum and second.slot.position == 3
    assert verification.verify(made).is_clean
    correction = made.corrections.get(kind="withdraw_slot")
    last = made.slots.get(stratum=stratum, position=made.slots_per_stratum + 2)
    key = opening.data_key(made)
    opened = opening.open_slot(key, made, last)
    swapped = (set(made.arms) - {opened.arm}).pop()
    forged = vault.seal_slot(
        key, vault.Slot(made.reference, stratum, last.position, swapped, opened.block, opened.salt)
    )
    proof, later = last.proof, second.allocated_at + dt.timedelta(days=1)
    held, leaves = "randomization_correction", "randomization_slotproof"
    four = made.slots.get(stratum=stratum, position=4)
    cases: list[tuple[str, int, str, Any, Any, set[str]]] = [
        (held, correction.pk, "state", "rejected", "approved", {"skipped"}),
        (held, correction.pk, "slot_id", four.pk, correction.slot_id, {"correction", "skipped"}),
        (held, correction.pk, "decided_at", later, correction.decided_at, {"skipped"}),
        (held, correction.pk, "decided_by_id", cast.bruno_blinded.pk, correction.decided_by_id, {"correction"}),
        (leaves, proof.pk, "leaf", "0" * 64, proof.leaf, {"slot_uncommitted", "slot_proof", "commitment_slots"}),
        (leaves, proof.pk, "steps", "[]", json.dumps(proof.steps), {"slot_proof"}),
        ("randomization_slot", last.pk, "payload", forged, last.payload, {"slot_uncommitted", "slot_replaced"}),
    ]
    for table, pk, column, forgery, truth, expected in cases:
        raw(f"UPDATE {table} SET {column} = %s WHERE id = %s", forgery, pk)
        report = verification.verify(AllocationList.objects.get(pk=made.pk))
        assert expected <= {trouble.code for trouble in report.troubles}, (table, column)
        if table != held:
            assert {t.where for t in report.troubles} & {verification.slot_words(stratum, last.position)}
        raw(f"UPDATE {table} SET {column} = %s WHERE id = %s", truth, pk)
    raw("UPDATE randomization_slot SET position = 999 WHERE id = %s", last.pk)
    assert {"slot_missing", "slot_added", "slot_changed"} <= codes(made)
    said = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("verify_list", stdout=said)
    assert verification.slot_words(stratum, last.position) in said.getvalue()
    assert f"{verification.slot_words(stratum, 2)}: made unavailable by two persons" in said.getvalue()


def test_minimization_is_replayed_from_draws_and_frozen_factors(raw: Callable[..., None]) -> None:
    """RND-953: a changed arm, draw or frozen factor is named at the allocation that it does not fit."""
    cast = cast_of(**MINIMIZATION)
    made = in_use(cast, lists.draft(version=cast.version, extra=MINIMIZED, by=cast.stella_statistician))
    first, second = cast.randomized().allocation, cast.randomized().allocation
    assert codes(made) == set()
    given = "randomization_allocation"
    (other,) = set(made.arms) - {first.arm}
    mine, next_one = Draw.parse(first.draw), Draw.parse(second.draw)  # of ten draws: two are often the same
    moved = first.strata | {"ici": {"Y": "N", "N": "Y"}[first.strata["ici"]]}
    spoilt = {name: level for name, level in first.strata.items() if name != "ici"}
    cases: list[tuple[int, str, Any, Any, set[str]]] = [
        (first.pk, "arm", other, first.arm, {"arm", "pathway"}),
        (first.pk, "draw", replace(mine, tie=1 - mine.tie).text, first.draw, {"draw", "proof"}),
        (second.pk, "draw", replace(next_one, coin=next_one.coin + 1).text, second.draw, {"draw", "proof"}),
        (first.pk, "strata", json.dumps(moved), json.dumps(first.strata), {"signature"}),
        (first.pk, "strata", json.dumps(spoilt), json.dumps(first.strata), {"signature", "replay"}),
    ]
    for pk, column, value, before, expected in cases:
        raw(f"UPDATE {given} SET {column} = %s WHERE id = %s", value, pk)
        found = verification.verify(AllocationList.objects.get(pk=made.pk))
        assert expected <= {trouble.code for trouble in found.troubles}, column
        if column == "arm":  # the replay rests on draws and factors, so the one that was changed is named alone
            assert [trouble.where for trouble in found.troubles if trouble.code == "arm"] == [str(first)]
        raw(f"UPDATE {given} SET {column} = %s WHERE id = %s", before, pk)
    assert codes(made) == set()
