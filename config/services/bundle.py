"""The embedded services together: which are needed, where they live, and what the processes must be told of them.

Two kinds: *kept* services hold the demo's data in `.data/` and come back after a stop or a crash; *throwaway*
services live in a temporary folder (in memory when there is room) and leave nothing. An address that the
environment already gives (`DATABASE_URL`, `REDIS_URL`) is used as it is, and that service is not started.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from config.services.postgres import DATABASE, Postgres, place_for_data
from config.services.processes import ServiceError, Watch, find, server_account, short_folder, stop_group
from config.services.redis import Redis

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / ".data"


def _private(path: Path, text: str) -> None:
    """Write the file whole or not at all, readable by its owner only."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def new_secrets() -> dict[str, str]:
    """Random passwords for the three database roles, a secret key, and one key for randomization lists."""
    return {
        "admin": secrets.token_urlsafe(24),
        "owner": secrets.token_urlsafe(24),
        "app": secrets.token_urlsafe(24),
        "secret_key": secrets.token_urlsafe(48),
        "stratum_keys": "local1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
    }


def kept_secrets(folder: Path) -> dict[str, str]:
    """The secrets of the demo, made at the first start and kept in `secrets.json`, mode 0600."""
    path = folder / "secrets.json"
    if path.exists():
        found: dict[str, str] = json.loads(path.read_text())
        return found
    made = new_secrets()
    folder.mkdir(parents=True, exist_ok=True)
    _private(path, json.dumps(made, indent=2))
    return made


class Services:
    """PostgreSQL and Redis as a pair, as far as the environment does not give them.

    folder: where kept services hold their data; None makes them throwaway. given: the environment to respect.
    known_secrets: instead of new or kept ones, for a copied cluster whose passwords are known.
    After `start()`, `environment()` is what to add to a child's environment; `stop()` leaves nothing running.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        given: Mapping[str, str] | None = None,
        known_secrets: dict[str, str] | None = None,
    ) -> None:
        given = os.environ if given is None else given
        self.given = {
            name: given[name] for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL") if given.get(name)
        }
        self.folder = folder
        self.secrets = known_secrets or (kept_secrets(folder) if folder else new_secrets())
        self.short: Path | None = None
        self.postgres: Postgres | None = None
        self.redis: Redis | None = None
        self.watch: Watch | None = None
        self.lock: int | None = None

    def reserve(self) -> None:
        """Choose the folders and addresses without starting anything."""
        if self.short is not None:
            return
        if self.folder is not None:
            self._lock_kept()
        self.short = short_folder(fast=self.folder is None)
        os.chmod(self.short, 0o711 if server_account() else 0o700)  # the server's account walks through, no more
        logs = self.folder / "log" if self.folder else self.short
        logs.mkdir(parents=True, exist_ok=True)
        if "DATABASE_URL" not in self.given:
            data = place_for_data(self.folder / "postgres") if self.folder else self.short / "data"
            self.postgres = Postgres(
                data,
                self.short / "pg",
                {name: self.secrets[name] for name in ("admin", "owner", "app")},
                log=logs / "postgres.log",
                durable=self.folder is not None,
            )
        if "REDIS_URL" not in self.given:
            self.redis = Redis(self.short / "redis", log=logs / "redis.log")

    def start(self) -> None:
        """Start what the environment does not give. A watch ends it should we be killed."""
        self.reserve()
        try:
            self.watch = Watch(self.short)
            if self.redis is not None:
                self.redis.start()
                self.watch.add(self.redis.pid or 0)
            if self.postgres is not None:
                self.postgres.start()
                self.watch.add(self.postgres.pid or 0, signal.SIGINT)
            if self.folder is not None:
                self._remember()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop both, remove the temporary folder, and let another start take the data. Safe to call twice."""
        if self.postgres is not None:
            self.postgres.stop()
        if self.redis is not None:
            self.redis.stop()
        if self.watch is not None:
            self.watch.done()
            self.watch = None
        if self.short is not None:
            shutil.rmtree(self.short, ignore_errors=True)
            self.short = None
        if self.folder is not None and self.lock is not None:
            (self.folder / "services.json").unlink(missing_ok=True)
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None

    def environment(self, database: str = DATABASE) -> dict[str, str]:
        """The variables that tell a process of ours where the services are, and the secrets that go with them."""
        told = dict(self.given)
        if self.postgres is not None:
            told["DATABASE_URL"] = self.postgres.app_url(database)
            told["DATABASE_OWNER_URL"] = self.postgres.owner_url(database)
        if self.redis is not None:
            told["REDIS_URL"] = self.redis.url
        told["SECRET_KEY"] = self.secrets["secret_key"]
        told["STRATUM_KEYS"] = self.secrets["stratum_keys"]
        return told

    def _lock_kept(self) -> None:
        assert self.folder is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "services.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ServiceError(
                f"The services of {self.folder} are running already (another `make demo` in this checkout?)."
            ) from None
        self.lock = lock
        self._end_leftover()

    def _end_leftover(self) -> None:
        """After a crash: end the Redis and remove the sockets that the earlier run had noted."""
        assert self.folder is not None
        note = self.folder / "services.json"
        try:
            left = json.loads(note.read_text())
        except (OSError, ValueError):
            return
        if left.get("redis_pid") and find(left["redis_pid"], "redis-server"):
            stop_group(left["redis_pid"], [(signal.SIGTERM, 5), (signal.SIGKILL, 5)])
        short = Path(left.get("short", ""))
        if short.name.startswith("stratum-"):
            shutil.rmtree(short, ignore_errors=True)
        note.unlink(missing_ok=True)

    def _remember(self) -> None:
        assert self.folder is not None
        note = {
            "short": str(self.short),
            "redis_pid": self.redis.pid if self.redis else None,
            "postgres_pid": self.postgres.pid if self.postgres else None,
            "environment": self.environment(),
        }
        _private(self.folder / "services.json", json.dumps(note, indent=2))


@contextmanager
def running(folder: Path | None, *, given: Mapping[str, str] | None = None) -> Iterator[Services]:
    """The services, started at entry and stopped at exit, whatever happens between."""
    services = Services(folder, given=given)
    services.start()
    try:
        yield services
    finally:
        services.stop()


def running_environment(folder: Path = DATA) -> dict[str, str] | None:
    """The environment of the kept services that run now, or None when none does."""
    try:
        note = json.loads((folder / "services.json").read_text())
    except (OSError, ValueError):
        return None
    pid = note.get("postgres_pid") or note.get("redis_pid")
    if pid is None or find(pid) is None:
        return None
    environment: dict[str, str] = note["environment"]
    return environment
