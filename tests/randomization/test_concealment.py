"""No unused arm anywhere: pages, logs, API, mail, tasks, a copy of the database. Searched for by marked names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.core import mail

from audit import publishing
from config.services.postgres import binaries
from config.services.processes import server_account
from randomization import vault
from randomization.models import Allocation, Slot
from tests import harness
from tests.cast import Cast
from tests.randomization.marked import ARMS, MARK
from trial.models import Participant


def sections_with(dump: str, marks: set[str]) -> dict[str, list[str]]:
    """Per table of a plain dump the rows that hold one of the marks."""
    found: dict[str, list[str]] = {}
    table = ""
    for line in dump.splitlines():
        if line.startswith("COPY "):
            table = line.split(" ", 2)[1].removeprefix("public.")
        elif line == "\\.":
            table = ""
        elif any(mark in line for mark in marks):
            found.setdefault(table, []).append(line)
    return found


@pytest.mark.django_db(transaction=True)
def test_a_copy_of_the_database_tells_no_unused_arm(
    marked_cast: Cast, database_clone: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RND-960: pg_dump holds an arm where the study names its arms and where it was given, and nowhere else.

    What was logged, mailed and sent to workers while allocating holds none at all.
    """
    sent: list[Any] = []
    monkeypatch.setattr(publishing, "publish", lambda task, *args: sent.append((task, args)))
    cast = marked_cast
    with caplog.at_level("DEBUG"):
        caplog.clear()
        participants = [cast.randomized() for _n in range(3)]
        logged = caplog.text
    given = {p.allocation.arm for p in participants}
    assert MARK not in logged.lower()
    assert MARK not in "".join(f"{message.subject}{message.body}" for message in mail.outbox).lower()
    assert MARK not in repr(sent).lower()

    tool = str(Path(binaries(server_account())) / "pg_dump")
    address = harness._with_database(os.environ["STRATUM_TEST_ADMIN_URL"], database_clone)
    dump = subprocess.run([tool, "--data-only", address], check=True, capture_output=True, text=True).stdout
    found = sections_with(dump, set(ARMS.values()))
    names_the_arms = {
        "trial_version",
        "trial_historicalversion",
        "randomization_allocationlist",
        "randomization_historicalallocationlist",
        "audit_signature",
    }
    where_given = {"randomization_allocation", "randomization_historicalallocation"}
    assert set(found) <= names_the_arms | where_given
    for table in where_given:
        assert len(found[table]) == len(participants)
        assert {arm for arm in ARMS.values() for line in found[table] if arm in line} == given
    for line in found["audit_signature"]:
        assert "list_approval" in line
    payloads = list(Slot.objects.values_list("payload", flat=True))
    assert {len(payload) for payload in payloads} == {vault.SEALED_SLOT_LENGTH}
    assert len(set(payloads)) == len(payloads)
    assert Allocation.objects.count() == 3


@pytest.mark.django_db
def test_pages_and_api_before_allocation_name_no_arm(marked_cast: Cast) -> None:
    """RND-961: nobody's page about a participant who is not allocated, or about the list, holds an arm's name."""
    cast = marked_cast
    participant: Participant = cast.eligible()
    made = cast.list_in_use()
    code = participant.code
    paths = [
        f"/participants/{code}/",
        f"/participants/{code}/eligibility/",
        f"/participants/{code}/randomize/",
        f"/participants/{code}/allocation/",
        f"/api/v1/participants/{code}/",
        f"/api/v1/participants/{code}/allocation/",
        "/randomization/",
        f"/randomization/{made.pk}/",
        "/randomization/new/",
        "/",
    ]
    arms = {arm.id for arm in cast.definition.arms.values()} | {
        label for arm in cast.definition.arms.values() for label in arm.label.values()
    }
    for person in (
        cast.theo_coordinator,
        cast.ines_investigator,
        cast.dan_data_manager,
        cast.paul_sponsor,
        cast.stella_statistician,
        cast.bruno_blinded,
        cast.aude_auditor,
    ):
        client = cast.client_of(person)
        for path in paths:
            answer = client.get(path)
            text = answer.content.decode() + repr(dict(answer.headers))
            assert not [arm for arm in arms if arm in text], (person.given_name, path)
