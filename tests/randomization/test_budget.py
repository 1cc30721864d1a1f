"""What one allocation costs: one slot opened, whatever the length of the list, and few statements."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.server import spelled_out
from randomization import vault
from tests.cast import Cast

pytestmark = pytest.mark.django_db
MOST_STATEMENTS = 50
"""46 when it was written; a savepoint counts."""


def test_an_allocation_opens_one_slot_of_the_list(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """RND-420: the slot that it gives; its kept proof is copied, no tree is built, and no other slot is read."""
    participant = cast.eligible()
    made = cast.list_in_use()
    real, opened = vault.open_slot, []

    def seen(*args: Any, **where: Any) -> vault.Slot:
        opened.append((where["stratum"], where["position"]))
        return real(*args, **where)

    monkeypatch.setattr(vault, "open_slot", seen)
    with spelled_out(), CaptureQueriesContext(connection) as statements:
        allocation = cast.allocate(participant)
    assert opened == [(allocation.stratum, 1)]
    proof = allocation.slot.proof
    assert (allocation.leaf_index, allocation.proof) == (proof.leaf_index, proof.steps)
    assert len(statements) <= MOST_STATEMENTS, len(statements)
    rows = [sql["sql"] for sql in statements.captured_queries if 'FROM "randomization_slot"' in sql["sql"]]
    assert rows and all("LIMIT" in sql for sql in rows)
    assert made.slots_total > 100
