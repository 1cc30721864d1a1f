"""The suite's own PostgreSQL and Redis, and a migrated, published database to clone for whoever needs one.

One throwaway PostgreSQL per run (never a shared one), without fsync and in memory when there is room. The template
is made once per state of the code that shapes it and kept in `.data/test-template/`; workers and transactional tests
clone it, which takes about 40 ms, because history can be neither flushed nor truncated (that is the point of it).

With DATABASE_URL (and DATABASE_OWNER_URL) given, their server is used instead: the owner's role must be allowed to
create databases, and the template is made anew in each run.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from psycopg2 import sql

from config.fingerprint import STUDY as STUDY_FILES
from config.fingerprint import TABLES, fingerprint
from config.services.bundle import DATA, ROOT, Services, new_secrets
from config.services.postgres import APP, OWNER
from config.services.processes import server_account, wait_until

TEMPLATES = DATA / "test-template"
MIGRATED, PUBLISHED = "stratum_migrated", "stratum"
PUBLISHED_VERSION = 1  # the number of the only version in the template
STUDY = ROOT / "studies" / "storm01"
KEPT_TEMPLATES = 4

# What decides the content of the template database: change one of these and it is made again.
SHAPING = (*TABLES, *STUDY_FILES, "trial/actions/**/*.py", "config/services/postgres.py", "tests/harness.py")

_services: Services | None = None
_started = False
_beginning: threading.Thread | None = None
publishing_failed = ""  # what publish_study said; the run fails, but what needs no study is still tested


def _with_database(address: str, database: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(path="/" + database))


def _secrets() -> dict[str, str]:
    """Passwords shared by the test runs of this checkout, so that a copied cluster can be opened by any of them."""
    TEMPLATES.mkdir(parents=True, exist_ok=True)
    with _lock(fcntl.LOCK_EX, "secrets.lock"):
        path = TEMPLATES / "secrets.json"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(json.dumps(new_secrets()))
        known: dict[str, str] = json.loads(path.read_text())
    return known


@contextmanager
def _lock(kind: int, name: str) -> Iterator[None]:
    with (TEMPLATES / name).open("a") as file:
        fcntl.flock(file, kind)
        yield


def addresses() -> dict[str, str]:
    """The environment of this run: chosen in the first process, handed down to the workers. Starts nothing."""
    global _services
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if "STRATUM_TEST_ADMIN_URL" in os.environ:  # a worker of a run whose first process did the rest
        told = {}
        if worker and os.environ["REDIS_URL"].startswith("unix:"):
            number = int("".join(filter(str.isdigit, worker)) or 0) % 15 + 1  # Redis has 16 databases
            told["REDIS_URL"] = os.environ["REDIS_URL"].replace("?db=0", f"?db={number}")
        return told
    secrets = _secrets()
    _services = Services(None, known_secrets=secrets)
    _services.reserve()
    atexit.register(stop)
    told = _services.environment(PUBLISHED)
    if _services.postgres is not None:
        told["STRATUM_TEST_ADMIN_URL"] = _services.postgres.admin_url("postgres")
        told["STRATUM_TEST_CLONING"] = "FILE_COPY"  # a checkpoint in memory: 36 ms for 15 MB, WAL_LOG takes 110
    else:
        owner = told.setdefault("DATABASE_OWNER_URL", told["DATABASE_URL"])
        told["STRATUM_TEST_ADMIN_URL"] = owner
        told["STRATUM_TEST_CLONING"] = "WAL_LOG"  # the checkpoint would be on a disk, and of everybody's data
        name = f"test_{urlsplit(owner).path.strip('/') or 'stratum'}_{os.getpid()}"
        told["DATABASE_URL"] = _with_database(told["DATABASE_URL"], name)
        told["DATABASE_OWNER_URL"] = _with_database(owner, name)
    assert _services.short is not None
    told |= {
        "STRATUM_TEST_TEMPLATE": urlsplit(told["DATABASE_URL"]).path.strip("/"),
        "DEBUG": "false",
        "HTTPS": "false",
        "MEDIA_ROOT": str(_services.short / "files"),
        "SITE_URL": "http://localhost:8000",
        "STRATUM_TEST_READY": str(_services.short / "ready"),
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",  # Playwright keeps an event loop in the thread of the test
    }
    return told


def begin() -> None:
    """Start the services in the background, for workers that collect their tests meanwhile and then wait in `start`."""
    global _beginning
    if _services is None:
        return

    def work() -> None:
        said = ""
        try:
            start()
        except BaseException as error:
            said = f"The services of the tests did not start: {error!r}"
            raise
        finally:
            fresh = _ready().with_suffix(".new")
            fresh.write_text(said)
            fresh.rename(_ready())

    _beginning = threading.Thread(target=work, name="services of the tests")
    _beginning.start()


def _ready() -> Path:
    """The file that says that the services stand, or why they do not."""
    return Path(os.environ["STRATUM_TEST_READY"])


def start() -> None:
    """Start the services with the template database in them; where another process does it, wait until they stand.

    Raises RuntimeError when the other process could not.
    """
    global _started
    if _started:
        return
    _started = True
    if _services is None:
        if not wait_until(_ready().exists, seconds=300, every=0.05):
            raise RuntimeError("The services of the tests did not start within five minutes.")
        if said := _ready().read_text():
            raise RuntimeError(said)
        return
    postgres = _services.postgres
    if postgres is None:
        _services.start()
        _make_external_template()
        return
    key = fingerprint(SHAPING, also=sys.version)
    kept = TEMPLATES / key
    with _lock(fcntl.LOCK_SH, "lock"):
        if kept.exists():
            kept.touch()
            copy_cluster(kept / "cluster", postgres.data)
    if not postgres.data.exists():
        with _lock(fcntl.LOCK_EX, "lock"):
            if not kept.exists():
                _make_template(kept)
            else:
                copy_cluster(kept / "cluster", postgres.data)
            _forget_old_templates(kept)
    if _services.watch is None:
        _services.start()
    with closing(_admin()) as connection, connection.cursor() as cursor:
        for setting in ("autovacuum", "jit"):  # dozens of small databases, each thrown away soon: nothing to tidy up
            cursor.execute(f"ALTER SYSTEM SET {setting} TO off")
        cursor.execute("SELECT pg_reload_conf()")


def stop() -> None:
    """Stop what this process started, and remove its folder."""
    global _services
    if _services is None:
        return
    if _beginning is not None:
        _beginning.join()
    if _started and _services.postgres is None:
        _drop_external()
    _services.stop()
    _services = None


def copy_cluster(source: Path, target: Path) -> None:
    """A stopped cluster, file by file, owned by the account that will run it."""
    shutil.copytree(source, target, symlinks=True)
    account = server_account()
    if account is not None:
        for folder, _, files in os.walk(target):
            for path in (folder, *(os.path.join(folder, name) for name in files)):
                os.chown(path, account.pw_uid, account.pw_gid)
    os.chmod(target, 0o700)


def kept_cluster(folder: Path) -> None:
    """Lay a copy of the template's stopped cluster into an empty folder, with its secrets, for services of its own."""
    start()
    kept = TEMPLATES / fingerprint(SHAPING, also=sys.version)
    with _lock(fcntl.LOCK_SH, "lock"):
        copy_cluster(kept / "cluster", folder / "postgres")
    shutil.copy(TEMPLATES / "secrets.json", folder / "secrets.json")


def _make_template(kept: Path) -> None:
    """Make the template in our own cluster, keep a copy of the stopped cluster, and start again."""
    assert _services is not None and _services.postgres is not None
    print("Making the test database (once for this state of the code)…", file=sys.__stderr__, flush=True)
    began = time.monotonic()
    _services.start()
    postgres = _services.postgres
    _fill(postgres.owner_url(PUBLISHED), postgres.app_url(PUBLISHED))
    if publishing_failed:
        return  # not a state to keep
    postgres.stop()
    fresh = kept.with_name(kept.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    shutil.copytree(postgres.data, fresh / "cluster", symlinks=True)
    fresh.rename(kept)
    postgres.start()
    if _services.watch is not None:
        _services.watch.add(postgres.pid or 0)
    print(f"… done in {time.monotonic() - began:.1f} s.", file=sys.__stderr__, flush=True)


def _forget_old_templates(current: Path) -> None:
    """Keep the newest few; the lock is ours, so nobody is copying."""
    found = [path for path in TEMPLATES.iterdir() if path.is_dir() and path != current]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[KEPT_TEMPLATES - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


def _fill(owner_url: str, app_url: str) -> None:
    """Migrate as the owner, keep that state as a database of its own, and publish the study as the application."""
    _manage("migrate", "--no-input", "--skip-checks", DATABASE_URL=app_url, DATABASE_OWNER_URL=owner_url)
    clone(MIGRATED, template=PUBLISHED if _services and _services.postgres else urlsplit(app_url).path.strip("/"))
    if (STUDY / "study.yaml").exists() and (ROOT / "trial/management/commands/publish_study.py").exists():
        global publishing_failed
        try:
            _manage("publish_study", str(STUDY), "--skip-checks", DATABASE_URL=app_url, DATABASE_OWNER_URL=owner_url)
        except RuntimeError as error:
            publishing_failed = str(error)


def _manage(*words: str, **told: str) -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"} | told
    environment.pop("STRATUM_ROLE", None)
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"manage.py {' '.join(words)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")


def _admin() -> psycopg2.extensions.connection:
    connection = psycopg2.connect(os.environ["STRATUM_TEST_ADMIN_URL"])
    connection.autocommit = True
    return connection


def clone(name: str, *, template: str | None = None) -> None:
    """Make a database that equals the template (the published one by default), with the two roles' rights."""
    template = template or os.environ["STRATUM_TEST_TEMPLATE"]
    with closing(_admin()) as connection, connection.cursor() as cursor:
        words = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
        words |= {"owner": sql.Identifier(OWNER), "app": sql.Identifier(APP)}
        strategy = sql.SQL(os.environ["STRATUM_TEST_CLONING"])
        for attempt in range(50):
            try:
                cursor.execute(
                    sql.SQL("CREATE DATABASE {name} TEMPLATE {template} OWNER {owner} STRATEGY {strategy}").format(
                        strategy=strategy, **words
                    )
                )
                break
            except psycopg2.errors.ObjectInUse:  # another worker is cloning it at this moment
                if attempt == 49:
                    raise
                time.sleep(0.1)
        if _services is not None and _services.postgres is None:
            return
        cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {name} FROM PUBLIC").format(**words))
        cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {name} TO {app}").format(**words))


def drop(name: str) -> None:
    """Remove a clone, whoever is still connected to it."""
    with closing(_admin()) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _make_external_template() -> None:
    name = os.environ["STRATUM_TEST_TEMPLATE"]
    with closing(_admin()) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    _fill(os.environ["DATABASE_OWNER_URL"], os.environ["DATABASE_URL"])


def _drop_external() -> None:
    for name in (os.environ["STRATUM_TEST_TEMPLATE"], MIGRATED):
        drop(name)
