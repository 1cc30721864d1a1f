"""No unused arm anywhere: pages, logs, API, mail, tasks, a copy of the database. Searched for by marked names."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.core.signals import got_request_exception
from django.views.debug import ExceptionReporter

from config.celery import app
from config.services.postgres import binaries
from config.services.processes import server_account
from randomization import vault
from randomization.models import Allocation, Slot
from reporting.actions import exports
from reporting.writers import write_csv
from tests import harness
from tests.cast import Cast
from tests.randomization.marked import ARMS, MARK
from tests.randomization.test_commitment_pdf import text_of
from tests.randomization.views.test_progress import without_tokens
from trial.models import Participant
from trial.tasks import send_notices


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


def everything_in(redis: Any) -> str:
    """Every key of Redis with its values: cached counts and answers, and messages to workers with their arguments."""
    read = {
        b"string": lambda key: [redis.get(key)],
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": redis.smembers,
        b"zset": lambda key: redis.zrange(key, 0, -1),
        b"hash": redis.hgetall,
    }
    found = []
    for key in redis.scan_iter("*"):
        values = read[redis.type(key)](key)
        found += [repr(key), repr(values)]
        found += [
            base64.b64decode(json.loads(value)["body"]).decode()
            for value in values
            if isinstance(value, bytes) and b'"body"' in value
        ]
    return "".join(found)


@pytest.fixture
def queue(redis: Any) -> Iterator[Any]:
    """Redis, in which messages to workers stay: nobody takes them."""
    eager = app.conf.task_always_eager
    app.conf.task_always_eager = False
    yield redis
    app.conf.task_always_eager = eager


def everything_under(folder: Path) -> str:
    """Every file of a folder, archives opened."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.append(path.name + path.read_bytes().decode(errors="replace"))
    return "".join(found)


@pytest.mark.django_db(transaction=True)
def test_a_copy_of_the_database_tells_no_unused_arm(
    marked_cast: Cast,
    database_clone: str,
    queue: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """RND-960: pg_dump holds an arm where the study names its arms and where it was given, and nowhere else.

    What was logged, mailed, sent to workers and kept in Redis, exported without arms or printed about the list holds
    none at all, although the list went through its whole life meanwhile; nor does the report of an error in the middle
    of an allocation, when the slot is open.
    """
    cast = marked_cast
    with caplog.at_level("DEBUG"):
        caplog.clear()
        participants = [cast.randomized() for _n in range(3)]
        made = cast.list_in_use()
        stratum = made.strata[0]
        cast.correct(made, "append_slots", typed="2", count=2, stratum=stratum)
        cast.correct(made, "withdraw_slot", typed="1-59", stratum=stratum, position=59)
        call_command("rotate_keys", stdout=io.StringIO())
        verified = io.StringIO()
        call_command("verify_list", stdout=verified)
        crashed, report = crash_while_the_slot_is_open(cast, monkeypatch)
        stella = cast.client_of(cast.stella_statistician)
        paper = text_of(stella.get(f"/randomization/{made.pk}/commitment.pdf").content)
        page = without_tokens(stella.get(f"/randomization/{made.pk}/"))  # a token may hold the mark by chance
        answer = cast.client_of(cast.bruno_blinded).get(f"/api/v1/participants/{participants[0].code}/")
        exports.request(by=cast.paul_sponsor)
        send_notices.delay()
        logged = caplog.text
    write_csv(tmp_path / "export", sites=None, arm_sites=frozenset(), includes_arms=False, simulated=False)
    given = {p.allocation.arm for p in participants}
    assert "power cut" in logged and "power cut" in report
    assert made.commitment in page and made.commitment[:32] in paper
    surfaces = {
        "log": logged,
        "mail": "".join(f"{message.subject}{message.body}" for message in mail.outbox),
        "answer": answer.content.decode(),
        "redis": everything_in(queue),
        "error page": crashed,
        "error report": report,
        "verification": verified.getvalue(),
        "paper": paper,
        "page": page,
        "export": everything_under(tmp_path / "export"),
    }
    assert "carry_out_export" in surfaces["redis"] and "trial.send_notices" in surfaces["redis"]
    assert len(surfaces["export"]) > 1000
    assert [name for name, text in surfaces.items() if MARK in text.lower()] == []

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


def crash_while_the_slot_is_open(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Let an allocation over the page fail after its slot was opened: the answer, and the report of the error."""
    participant = cast.eligible()
    client = cast.client_of(cast.theo_coordinator)
    client.raise_request_exception = False
    reports: list[str] = []

    def crash(*args: object, **kwargs: object) -> None:
        raise RuntimeError("power cut")

    def keep(sender: object, request: Any = None, **kwargs: object) -> None:
        reports.append(ExceptionReporter(request, *sys.exc_info()).get_traceback_text())

    got_request_exception.connect(keep)
    try:
        with monkeypatch.context() as patch:
            patch.setattr("randomization.actions.allocations.tell", crash)
            answer = client.post(f"/participants/{participant.code}/randomize/", {"password": cast.PASSWORD})
    finally:
        got_request_exception.disconnect(keep)
    assert answer.status_code == 500 and not Allocation.objects.filter(participant=participant).exists()
    return answer.content.decode(), reports[0]


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
        f"/randomization/{made.pk}/corrections/new/?kind=withdraw_slot",
        f"/randomization/{made.pk}/corrections/{cast.hold(made).pk}/",
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
