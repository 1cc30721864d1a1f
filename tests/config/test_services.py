"""The embedded services start, stop, survive crashes, and never meet those of another run."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis as redis_library

from config.services import ServiceError, Services, running, running_environment
from config.services.bundle import ROOT
from config.services.processes import Watch, spawn, wait_until
from tests import harness

NOTHING_GIVEN: dict[str, str] = {}
HOLDER = """
import sys, time
from pathlib import Path
from config.services import Services
services = Services(Path(sys.argv[1]) if sys.argv[1] else None, given={})
services.start()
print(services.postgres.pid, services.redis.pid, services.short, flush=True)
time.sleep(600)
"""


def ask(address: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(address)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def gone(*pids: int) -> bool:
    def ended(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return wait_until(lambda: all(ended(pid) for pid in pids), seconds=15, every=0.1)


@pytest.fixture
def folder(short_tmp: Path) -> Iterator[Path]:
    """A `.data` of its own; a database that had to live elsewhere goes with it."""
    short_tmp.chmod(0o755)
    yield short_tmp / "data"
    database = short_tmp / "data" / "postgres"
    if database.is_symlink():
        shutil.rmtree(database.resolve(), ignore_errors=True)


@pytest.fixture(scope="module")
def throwaway() -> Iterator[Services]:
    """Throwaway services of another run than the suite's."""
    with running(None, given=NOTHING_GIVEN) as services:
        yield services


@pytest.fixture(scope="module")
def stopped() -> Iterator[Path]:
    """A `.data` in which services ran once and were stopped, for each test to copy."""
    place = Path(tempfile.mkdtemp(prefix="st-"))
    place.chmod(0o755)
    with running(place / "data", given=NOTHING_GIVEN):
        pass
    yield place / "data"
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def used(stopped: Path, folder: Path) -> Path:
    """A `.data` of its own, in which services ran before."""
    folder.mkdir()
    harness.copy_cluster(stopped / "postgres", folder / "postgres")
    for path in stopped.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    return folder


@pytest.fixture
def hold() -> Iterator[Callable[[str], tuple[subprocess.Popen[str], int, int, Path]]]:
    """Another process that holds services, to be killed."""
    held: list[subprocess.Popen[str]] = []

    def start(where: str) -> tuple[subprocess.Popen[str], int, int, Path]:
        process = subprocess.Popen([sys.executable, "-c", HOLDER, where], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        held.append(process)
        assert process.stdout is not None
        postgres, redis, short = process.stdout.readline().split()
        return process, int(postgres), int(redis), Path(short)

    yield start
    for process in held:
        process.kill()
        process.wait()


def test_throwaway_services_answer_and_leave_nothing() -> None:
    with running(None, given=NOTHING_GIVEN) as services:
        told = services.environment()
        assert services.short is not None
        short = services.short
        assert ask(told["DATABASE_URL"], "SELECT current_user") == [("stratum_app",)]
        assert ask(told["DATABASE_OWNER_URL"], "SELECT current_user") == [("stratum_owner",)]
        locale = ask(told["DATABASE_URL"], "SELECT datlocprovider, datlocale FROM pg_database WHERE datname='stratum'")
        assert locale == [("b", "C.UTF-8")]
        assert redis_library.Redis.from_url(told["REDIS_URL"]).ping()
        assert services.postgres is not None
        assert services.redis is not None
        pids = services.postgres.pid, services.redis.pid
    assert gone(*(pid for pid in pids if pid))
    assert not short.exists()


def test_application_owns_nothing_and_cannot_become_owner(throwaway: Services) -> None:
    told = throwaway.environment()
    ask(told["DATABASE_OWNER_URL"], "CREATE TABLE kept (id int)")
    ask(told["DATABASE_URL"], "INSERT INTO kept VALUES (1)")
    for forbidden in (
        "DROP TABLE kept",
        "TRUNCATE kept",
        "ALTER TABLE kept DISABLE TRIGGER ALL",
        "CREATE TABLE mine (id int)",
        "SET ROLE stratum_owner",
        "SET session_replication_role = replica",
        "CREATE DATABASE other",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(told["DATABASE_URL"], forbidden)
    with pytest.raises(psycopg2.OperationalError, match="password"):
        ask(told["DATABASE_OWNER_URL"].replace(throwaway.secrets["owner"], throwaway.secrets["app"]), "SELECT 1")


def test_kept_services_keep_their_data_through_stop_and_start(folder: Path) -> None:
    with running(folder, given=NOTHING_GIVEN) as services:
        ask(services.environment()["DATABASE_OWNER_URL"], "CREATE TABLE kept AS SELECT 7 AS number")
        told = running_environment(folder)
        assert told == services.environment()
    assert running_environment(folder) is None
    with running(folder, given=NOTHING_GIVEN) as services:
        assert ask(services.environment()["DATABASE_URL"], "SELECT number FROM kept") == [(7,)]
    for secret in ("secrets.json", "services.lock"):
        assert (folder / secret).stat().st_mode & 0o077 == 0


def test_second_start_on_the_same_folder_is_refused(used: Path) -> None:
    with running(used, given=NOTHING_GIVEN), pytest.raises(ServiceError, match="running already"):
        Services(used, given=NOTHING_GIVEN).start()


def test_two_runs_at_once_do_not_meet(throwaway: Services) -> None:
    with running(None, given=NOTHING_GIVEN) as two:
        ask(throwaway.environment()["DATABASE_OWNER_URL"], "CREATE TABLE only_here (id int)")
        assert ask(two.environment()["DATABASE_URL"], "SELECT to_regclass('only_here')") == [(None,)]


def test_given_addresses_are_respected() -> None:
    given = {"DATABASE_URL": "postgresql://somewhere/else", "REDIS_URL": "redis://somewhere:1/0"}
    with running(None, given=given) as services:
        assert services.postgres is None
        assert services.redis is None
        assert services.environment().items() >= given.items()


def test_everything_ends_when_the_holder_is_killed(hold) -> None:
    holder, postgres, redis, short = hold("")
    holder.send_signal(signal.SIGKILL)
    assert gone(postgres, redis)
    assert wait_until(lambda: not short.exists(), seconds=10)


def test_a_crash_of_everything_is_cleared_at_the_next_start(used: Path, hold) -> None:
    """Supervisor, watch, PostgreSQL and Redis all die by SIGKILL: stale pid file, stale sockets, stale note."""
    holder, postgres, redis, short = hold(str(used))
    told = running_environment(used)
    assert told is not None
    ask(told["DATABASE_OWNER_URL"], "CREATE TABLE kept AS SELECT 7 AS number")
    for child in psutil.Process(holder.pid).children():
        if child.pid not in (postgres, redis):
            child.kill()  # the watch
    holder.kill()
    holder.wait()
    for pid in (postgres, redis):
        os.kill(pid, signal.SIGKILL)
    assert (used / "services.json").exists()
    assert (used / "postgres" / "postmaster.pid").exists()
    with running(used, given=NOTHING_GIVEN) as services:
        assert ask(services.environment()["DATABASE_URL"], "SELECT number FROM kept") == [(7,)]
    assert not short.exists()


def test_servers_left_behind_are_ended_before_the_next_start(used: Path, hold) -> None:
    """Supervisor and watch die, the servers live on: the next start ends them and takes the data."""
    holder, postgres, redis, _ = hold(str(used))
    for child in psutil.Process(holder.pid).children():
        if child.pid not in (postgres, redis):
            child.kill()
    holder.kill()
    holder.wait()
    assert psutil.pid_exists(postgres)
    with running(used, given=NOTHING_GIVEN) as services:
        assert gone(postgres, redis)
        assert ask(services.environment()["DATABASE_URL"], "SELECT 1") == [(1,)]


def test_a_pid_file_that_names_a_stranger_harms_nobody(used: Path) -> None:
    stranger = spawn(["sleep", "60"], log=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})
    try:
        (used / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n{used}\n")
        (used / "services.json").write_text(json.dumps({"redis_pid": stranger.pid, "short": "/etc"}))
        with running(used, given=NOTHING_GIVEN) as services:
            assert ask(services.environment()["DATABASE_URL"], "SELECT 1") == [(1,)]
        assert stranger.poll() is None
        assert Path("/etc").exists()
    finally:
        stranger.kill()
        stranger.wait()


def test_half_made_cluster_is_made_again(folder: Path) -> None:
    """A first start that died during initdb leaves only a folder beside the final one."""
    (folder / "postgres.new").mkdir(parents=True)
    (folder / "postgres.new" / "PG_VERSION").write_text("18\n")
    with running(folder, given=NOTHING_GIVEN) as services:
        assert ask(services.environment()["DATABASE_URL"], "SELECT 1") == [(1,)]
    assert not (folder / "postgres.new").exists()


def test_lost_passwords_are_explained(used: Path) -> None:
    (used / "secrets.json").unlink()
    with pytest.raises(ServiceError, match="make reset"):
        Services(used, given=NOTHING_GIVEN).start()
    assert running_environment(used) is None


def test_database_of_another_version_is_explained(used: Path) -> None:
    (used / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(ServiceError, match="was made by PostgreSQL 16"):
        Services(used, given=NOTHING_GIVEN).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
def test_checkout_closed_to_others_stays_closed(short_tmp: Path) -> None:
    """As root below a 0700 folder: the database lives where its account can go, and no folder is opened for it."""
    closed = short_tmp / "closed"
    closed.mkdir(mode=0o700)
    folder = closed / "data"
    try:
        with running(folder, given=NOTHING_GIVEN) as services:
            assert ask(services.environment()["DATABASE_URL"], "SELECT 1") == [(1,)]
            elsewhere = (folder / "postgres").resolve()
            assert not elsewhere.is_relative_to(closed)
            assert elsewhere.stat().st_mode & 0o077 == 0
        with running(folder, given=NOTHING_GIVEN):
            assert (folder / "postgres").resolve() == elsewhere
        assert closed.stat().st_mode & 0o777 == 0o700
        from config.services.__main__ import reset

        assert reset(folder) == 0
        assert not elsewhere.exists()
    finally:
        shutil.rmtree((folder / "postgres").resolve(), ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
def test_ordinary_user_runs_everything_as_itself(short_tmp: Path) -> None:
    ordinary = pwd.getpwnam("nobody")
    for path in (ROOT / "manage.py", Path(sys.executable)):
        if subprocess.run(["test", "-r", path], user=ordinary.pw_uid, check=False).returncode:
            pytest.skip("the checkout is closed to ordinary users")
    os.chown(short_tmp, ordinary.pw_uid, ordinary.pw_gid)
    script = HOLDER.replace("time.sleep(600)", "services.stop()")
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, str(short_tmp / "data")],
        cwd=ROOT,
        user=ordinary.pw_uid,
        group=ordinary.pw_gid,
        extra_groups=[],
        env={"PATH": os.environ["PATH"], "HOME": str(short_tmp), "TMPDIR": str(short_tmp)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (short_tmp / "data" / "postgres" / "PG_VERSION").stat().st_uid == ordinary.pw_uid


def test_command_with_throwaway_services() -> None:
    """`python -m config.services run -- COMMAND` gives it services, returns its code, and removes them."""
    script = (
        "import os, psycopg2, sys; psycopg2.connect(os.environ['DATABASE_URL']).close();"
        "print(os.environ['DATABASE_URL']); sys.exit(7)"
    )
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    done = subprocess.run(
        [sys.executable, "-m", "config.services", "run", "--", sys.executable, "-c", script],
        cwd=ROOT,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert "stratum_app" in done.stdout


def test_watch_leaves_alone_what_ended_properly(short_tmp: Path) -> None:
    watch = Watch(short_tmp)
    child = spawn(["sleep", "60"], log=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})
    watch.add(child.pid)
    watch.done()
    time.sleep(0.3)
    assert child.poll() is None
    assert short_tmp.exists()
    child.kill()
    child.wait()
