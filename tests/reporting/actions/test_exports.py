"""Exports: asked for, written by a worker that may die, given to the one who asked; each step in the ledger."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from celery import Celery
from django.db import connection, transaction
from django.utils import timezone

import audit
from audit.errors import Refused
from audit.models import Deed
from config.services.processes import stop_group, wait_until
from reporting.actions import exports
from reporting.heartbeat import Heartbeat, LostLease
from reporting.models import Export, ExportState
from reporting.snapshot import snapshot
from tests import stages
from tests.cast import Cast
from trial import leases
from trial.actions import people
from trial.models import Delegation, Lease, Participant
from trial.permissions import forget_access

pytestmark = pytest.mark.template("cast")


@pytest.fixture
def media(tmp_path: Path, settings) -> Path:
    """Where this test's exports lie."""
    settings.MEDIA_ROOT = tmp_path / "files"
    return Path(settings.MEDIA_ROOT)


@pytest.fixture
def committed(transactional_db, media: Path) -> Cast:
    """The cast in a database of its own, with real commits."""
    return stages.cast_of(Cast)


def files(media: Path) -> list[str]:
    folder = media / "exports"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def verbs(export: Export) -> list[str]:
    rows = Deed.objects.filter(target_table="reporting_export", target_id=str(export.pk)).order_by("pk")
    return list(rows.values_list("verb", flat=True))


def written(export: Export) -> Export:
    export = Export.objects.get(pk=export.pk)
    assert export.state == ExportState.READY, export.failure
    return export


def asked(by: Any, **said: Any) -> Export:
    """A request whose message is lost: only the row is there."""
    publish = exports.publish
    exports.publish = lambda task, *args: None
    try:
        return exports.request(by=by, **said)
    finally:
        exports.publish = publish


# ---------------------------------------------------------------- asking


@pytest.mark.django_db
@pytest.mark.parametrize(
    "who",
    [
        "ines_investigator", "theo_coordinator", "mona_monitor", "sam_safety", "stella_statistician", "adam_admin",
        "aude_auditor",
    ],
)  # fmt: skip
def test_only_those_with_the_right_ask_for_data(cast, media, who: str) -> None:
    """EXP-001: data manager, sponsor and blinded statistician export; nobody else does."""
    with pytest.raises(Refused) as refused:
        exports.request(by=getattr(cast, who))
    assert refused.value.code == "permission.data.export"
    assert not Export.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("who", ["paul_sponsor", "bruno_blinded"])
def test_arms_are_for_those_who_may_see_them(cast, media, who: str) -> None:
    """EXP-002: the right to export is not the right to arms; without it, the dataset without arms is offered."""
    with pytest.raises(Refused) as refused:
        exports.request(by=getattr(cast, who), includes_arms=True)
    assert refused.value.code == "permission.arm.view"
    assert exports.request(by=getattr(cast, who)).includes_arms is False


@pytest.mark.django_db
def test_an_unknown_format_is_refused(cast, media) -> None:
    """EXP-003: only what can be written is taken on."""
    with pytest.raises(Refused, match="format"):
        exports.request(by=cast.dan_data_manager, format="xlsx")
    assert not Export.objects.exists()


# ---------------------------------------------------------------- carrying out


@pytest.mark.template("cast", "consented")
def test_the_whole_way_in_place(committed, media) -> None:
    """EXP-004: request → file → download, with checksum, size, rows and four lines of the ledger."""
    participant = committed.consented()
    export = written(exports.request(by=committed.dan_data_manager))
    path = exports.download(export=export, by=committed.dan_data_manager)
    data = path.read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (export.checksum, export.size)
    assert files(media) == [export.file_name]
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        assert participant.code in archive.read("participants.csv").decode()
    assert {f"{name}.csv" for name in export.rows} | {"manifest.json"} == names
    assert export.rows["participants"] == 1
    assert verbs(export) == ["export.requested", "export.written", "export.downloaded"]
    assert leases.progress_of(exports.WORK, export.pk) == 100


@pytest.mark.template("cast", "consented")
def test_the_same_data_are_the_same_file(committed, media) -> None:
    """EXP-005: two exports of unchanged data have one checksum."""
    committed.consented()
    first, second = (written(exports.request(by=committed.dan_data_manager)) for _ in range(2))
    assert first.checksum == second.checksum
    assert first.file_name != second.file_name


@pytest.mark.template("cast", "consented")
def test_a_dataset_holds_the_sites_of_the_one_who_asked(committed, media) -> None:
    """EXP-006: a data manager of one site exports one site; arms only where they may be seen."""
    mine = committed.consented()
    theirs = committed.screened(by=committed.oscar_coordinator, site=committed.other_site)
    person = people.create(
        email="lena@example.org", given_name="Lena", family_name="Local", password=committed.PASSWORD, by=None
    )
    audit.save(
        Delegation(person=person, role="data_manager", site=committed.site, starts_on=committed.opened_on), by=None
    )
    export = written(exports.request(by=person))
    with zipfile.ZipFile(exports.download(export=export, by=person)) as archive:
        data = b"".join(archive.read(name) for name in archive.namelist())
    assert mine.code.encode() in data
    assert theirs.code.encode() not in data


def test_simulated_data_say_so_in_the_file(committed, media) -> None:
    """EXP-007: the mark of a simulated study is in the zip."""
    study = committed.version.study
    study.is_simulated = True
    audit.save(study, by=None)
    export = written(exports.request(by=committed.dan_data_manager))
    with zipfile.ZipFile(exports.path_of(export)) as archive:
        assert "SIMULATED.txt" in archive.namelist()


def test_a_finished_export_is_not_written_again(committed, media) -> None:
    """EXP-008: a message that comes twice changes nothing."""
    export = written(exports.request(by=committed.dan_data_manager))
    stamp = exports.path_of(export).stat().st_mtime_ns
    assert exports.carry_out(export.pk) is None
    assert exports.path_of(export).stat().st_mtime_ns == stamp
    assert verbs(export).count("export.written") == 1


def test_what_another_worker_holds_is_left_alone(committed, media) -> None:
    """EXP-009: while a lease runs, a second worker does nothing."""
    export = asked(committed.dan_data_manager)
    assert leases.claim(exports.WORK, export.pk)
    assert exports.carry_out(export.pk) is None
    assert files(media) == []


def test_a_right_that_ended_meanwhile_ends_the_export(committed, media) -> None:
    """EXP-050: rights are asked again when the data are read."""
    export = asked(committed.dan_data_manager)
    people.deactivate(person=committed.dan_data_manager, reason="Left the sponsor", by=committed.adam_admin)
    forget_access(committed.dan_data_manager)
    failed = exports.carry_out(export.pk)
    assert failed is not None
    assert (failed.state, failed.failure) == (ExportState.FAILED, "Your role does not export data.")
    assert files(media) == []
    assert verbs(export)[-1] == "export.failed"


def test_a_failure_is_tried_again_and_then_said_in_words(committed, media, monkeypatch) -> None:
    """EXP-051: a fault is no dead end: five tries, then a message; no half-written file remains."""
    export = asked(committed.dan_data_manager)

    def full(*args: Any, **said: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(exports, "zip_folder", full)
    for _attempt in range(leases.MAX_ATTEMPTS - 1):
        assert exports.sweep() == 0
        assert Export.objects.get(pk=export.pk).state == ExportState.REQUESTED
    exports.sweep()
    failed = Export.objects.get(pk=export.pk)
    assert failed.state == ExportState.FAILED
    assert "could not be written" in failed.failure
    assert Lease.objects.get(target_id=export.pk).last_error
    assert files(media) == []
    with pytest.raises(Refused, match="not ready"):
        exports.download(export=failed, by=committed.dan_data_manager)


def test_one_export_that_fails_does_not_hold_up_the_next(committed, media, monkeypatch) -> None:
    """EXP-052: the sweeper goes on."""
    first, second = asked(committed.dan_data_manager), asked(committed.dan_data_manager)
    write = exports._write

    def only_the_second(export: Export, *rest: Any) -> Any:
        if export.pk == first.pk:
            raise ValueError("broken")
        return write(export, *rest)

    monkeypatch.setattr(exports, "_write", only_the_second)
    assert exports.sweep() == 1
    assert Export.objects.get(pk=first.pk).state == ExportState.REQUESTED
    written(second)


def test_a_worker_that_died_five_times_is_given_up(committed, media) -> None:
    """EXP-053: an export that kills its workers does not wait for ever."""
    export = asked(committed.dan_data_manager)
    Lease.objects.create(
        work=exports.WORK, target_id=export.pk, worker="gone:1", attempts=leases.MAX_ATTEMPTS,
        leased_until=timezone.now() - leases.LEASE,
    )  # fmt: skip
    exports.sweep()
    assert Export.objects.get(pk=export.pk).state == ExportState.FAILED


def test_a_worker_that_lost_its_lease_leaves_no_trace(committed, media, monkeypatch) -> None:
    """EXP-054: the slower of two workers neither replaces the file nor tells a deed."""
    export = asked(committed.dan_data_manager)
    pack = exports.zip_folder

    def slow(*args: Any, **said: Any) -> Any:
        done = pack(*args, **said)
        Lease.objects.filter(target_id=export.pk).update(worker="other:1")  # the other took over meanwhile
        return done

    monkeypatch.setattr(exports, "zip_folder", slow)
    assert exports.carry_out(export.pk) is None
    assert files(media) == []
    assert verbs(export) == ["export.requested"]
    assert Lease.objects.get(target_id=export.pk).worker == "other:1"


# ---------------------------------------------------------------- reading and telling


def test_reading_writes_nothing(committed, media) -> None:
    """EXP-055: the transaction that reads cannot write; the database refuses."""
    with pytest.raises(Exception, match="read-only transaction"), snapshot():
        Lease.objects.create(work="x", target_id=1)
    with snapshot():
        before = Participant.objects.count()
        with threaded(committed.screened):
            pass
        assert Participant.objects.count() == before  # one moment, whatever others commit
    assert Participant.objects.count() == before + 1


class threaded:  # noqa: N801
    """Do something on another connection while the block waits."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work

    def _run(self) -> None:
        try:
            self.work()
        finally:
            connection.close()

    def __enter__(self) -> None:
        thread = threading.Thread(target=self._run)
        thread.start()
        thread.join(30)

    def __exit__(self, *rest: object) -> None: ...


@pytest.mark.template("cast", "consented")
def test_progress_is_seen_while_the_export_runs(committed, media, monkeypatch) -> None:
    """EXP-056: progress and lease are written beside the reading transaction, so that everybody sees them at once."""
    committed.consented()
    export = asked(committed.dan_data_manager)
    seen: list[int] = []
    monkeypatch.setattr("reporting.heartbeat.EVERY", 0.02)
    monkeypatch.setattr(Heartbeat.__init__, "__defaults__", (0.02,))
    write = exports.write_csv

    def watched(*args: Any, **said: Any) -> Any:
        said["progress"](42)
        assert connection.in_atomic_block

        def look() -> None:
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline and not seen:
                found = leases.progress_of(exports.WORK, export.pk)
                if found == 42:
                    seen.append(found)
                time.sleep(0.02)

        with threaded(look):
            pass
        return write(*args, **said)

    monkeypatch.setattr(exports, "write_csv", watched)
    assert exports.carry_out(export.pk) is not None
    assert seen == [42]


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_tells_when_another_worker_took_over() -> None:
    """EXP-057: the next report raises once the lease is somebody else's."""
    assert leases.claim("work", 1)
    with Heartbeat("work", 1, every=0.02) as beat:
        beat.report(10)
        assert wait_until(lambda: leases.progress_of("work", 1) == 10, seconds=5, every=0.02)
        Lease.objects.filter(target_id=1).update(worker="other:1")
        beat.report(20)
        assert wait_until(lambda: beat.lost, seconds=5, every=0.02)
        with pytest.raises(LostLease):
            beat.report(30)


# ---------------------------------------------------------------- fetching


def test_nobody_else_fetches_an_export(committed, media) -> None:
    """EXP-060: not even a person who could have asked for the same."""
    export = written(exports.request(by=committed.dan_data_manager))
    with pytest.raises(Refused) as refused:
        exports.download(export=export, by=committed.paul_sponsor)
    assert refused.value.code == "permission.export"
    assert "export.downloaded" not in verbs(export)


def test_a_file_that_is_gone_is_said(committed, media) -> None:
    """EXP-061: a lost file is words, not a fault."""
    export = written(exports.request(by=committed.dan_data_manager))
    exports.path_of(export).unlink()
    with pytest.raises(Refused, match="Ask for a new one"):
        exports.download(export=export, by=committed.dan_data_manager)


def test_arms_are_not_given_to_who_may_no_longer_see_them(committed, media) -> None:
    """EXP-062: the right is asked again at every download."""
    export = written(exports.request(by=committed.dan_data_manager, includes_arms=True))
    for delegation in committed.dan_data_manager.delegations.all():
        people.end_delegation(delegation=delegation, on=committed.opened_on, reason="Moved", by=committed.adam_admin)
    people.delegate(
        person=committed.dan_data_manager, role="data_manager", site=None, starts_on=committed.opened_on, by=None
    )
    forget_access(committed.dan_data_manager)
    with pytest.raises(Refused) as refused:
        exports.download(export=export, by=committed.dan_data_manager)
    assert refused.value.code == "permission.arm.view"


# ---------------------------------------------------------------- with a real worker


def ready(export: Export) -> Callable[[], bool]:
    return lambda: Export.objects.get(pk=export.pk).state == ExportState.READY


@pytest.fixture
def worker_media(tmp_path: Path, settings, monkeypatch) -> Path:
    """The folder of exports, the same for this process and for the worker that it starts."""
    settings.MEDIA_ROOT = tmp_path / "files"
    monkeypatch.setenv("MEDIA_ROOT", str(settings.MEDIA_ROOT))
    return Path(settings.MEDIA_ROOT)


@pytest.mark.template("cast", "consented")
def test_a_worker_writes_what_was_asked_for(worker_media, worker) -> None:
    """EXP-070: request → worker → ready, in a process of its own."""
    cast = stages.cast_of(Cast)
    cast.consented()
    export = exports.request(by=cast.dan_data_manager)
    assert Export.objects.get(pk=export.pk).state == ExportState.REQUESTED
    assert wait_until(ready(export), seconds=30, every=0.1)
    assert wait_until(lambda: files(worker_media) == [written(export).file_name], seconds=5, every=0.1)


@pytest.mark.template("cast", "consented")
def test_a_killed_worker_is_followed_by_another(worker_media, worker: subprocess.Popen[bytes], database_urls) -> None:
    """EXP-071: SIGKILL in the middle; the lease runs out, the sweeper finishes; one file, and nothing left over."""
    cast = stages.cast_of(Cast)
    cast.consented()
    holder = psycopg2.connect(database_urls("owner"))
    with holder.cursor() as cursor:
        cursor.execute('LOCK TABLE "ecrf_query" IN ACCESS EXCLUSIVE MODE')
    export = exports.request(by=cast.dan_data_manager)

    def is_writing() -> bool:
        return (
            any(name.startswith(".writing") for name in files(worker_media))
            and Lease.objects.filter(target_id=export.pk, leased_until__gt=timezone.now(), progress__gt=0).exists()
        )

    assert wait_until(is_writing, seconds=30, every=0.1)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    stop_group(worker.pid, [(signal.SIGKILL, 5)])
    holder.close()
    assert exports.sweep() == 0  # the dead worker's lease still runs
    assert Export.objects.get(pk=export.pk).state == ExportState.REQUESTED
    Lease.objects.filter(target_id=export.pk).update(leased_until=timezone.now() - leases.LEASE)
    assert exports.sweep() == 1
    assert files(worker_media) == [written(export).file_name]
    assert verbs(export) == ["export.requested", "export.written"]
    assert Lease.objects.get(target_id=export.pk).attempts == 2


def test_lost_redis_keeps_the_request(committed, media, monkeypatch) -> None:
    """EXP-072: Redis down at the request costs a moment; the row waits, and the sweeper writes it."""
    from config.celery import app
    from reporting import tasks

    away = Celery("away", broker="redis+socket:///nonexistent/redis.sock", set_as_current=False)
    away.conf.broker_transport_options = app.conf.broker_transport_options
    away.conf.task_publish_retry = False
    away.conf.task_ignore_result = True
    lost = away.task(name="reporting.tasks.carry_out_export")(lambda number: None)
    monkeypatch.setattr(tasks, "carry_out_export", lost)
    began = time.monotonic()
    export = exports.request(by=committed.dan_data_manager)
    assert time.monotonic() - began < 5
    assert Export.objects.get(pk=export.pk).state == ExportState.REQUESTED
    assert files(media) == []
    assert exports.sweep() == 1
    written(export)


def test_a_request_that_is_rolled_back_sends_nothing(committed, media, monkeypatch) -> None:
    """EXP-073: a task carries out what is a row, and there is none."""
    sent: list[int] = []
    monkeypatch.setattr("reporting.tasks.carry_out_export.delay", lambda number: sent.append(number))
    with transaction.atomic():
        exports.request(by=committed.dan_data_manager)
        transaction.set_rollback(True)
    assert (sent, Export.objects.count()) == ([], 0)
