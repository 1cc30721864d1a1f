"""Start, watch and stop the processes of the embedded services, as root and as an ordinary user.

Nothing here imports Django: the settings, `manage.py` and the tests need these functions before Django is set up.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil


class ServiceError(RuntimeError):
    """A service did not start or stop; the message says what to do."""


def server_account() -> pwd.struct_passwd | None:
    """The unprivileged account that PostgreSQL runs under, or None when we are an ordinary user ourselves.

    PostgreSQL refuses to run as root. `STRATUM_SERVICE_USER` names the account; else `postgres` if the machine
    has it, else `nobody`.
    """
    if os.geteuid() != 0:
        return None
    for name in (os.environ.get("STRATUM_SERVICE_USER", ""), "postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        if account.pw_uid != 0:
            return account
    raise ServiceError("Running as root, and no unprivileged account was found. Set STRATUM_SERVICE_USER to one.")


def minimal_environment(account: pwd.struct_passwd | None) -> dict[str, str]:
    """What a server process sees of our environment: a path, a fixed locale and nothing secret."""
    home = "/" if account else os.environ.get("HOME", "/")
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC", "HOME": home}


def run_as(
    account: pwd.struct_passwd | None, command: Sequence[str | Path], *, cwd: str = "/"
) -> subprocess.CompletedProcess[str]:
    """Run a short command as the account (or as ourselves) and return what it printed; never raises on failure."""
    words = [str(word) for word in command]
    try:
        if account is None:
            return subprocess.run(
                words, capture_output=True, text=True, cwd=cwd, env=minimal_environment(None), check=False
            )
        return subprocess.run(
            words,
            capture_output=True,
            text=True,
            cwd=cwd,
            env=minimal_environment(account),
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            check=False,
        )
    except OSError as error:
        return subprocess.CompletedProcess(words, 126, "", str(error))


def can_enter(account: pwd.struct_passwd | None, folder: Path) -> bool:
    """Whether the account may walk down to the folder. Nothing is opened to make it so."""
    return account is None or run_as(account, ["/bin/sh", "-c", 'cd "$1"', "sh", folder]).returncode == 0


def spawn(
    command: Sequence[str | Path],
    *,
    log: IO[bytes] | int,
    env: Mapping[str, str],
    cwd: Path | str = "/",
    account: pwd.struct_passwd | None = None,
) -> subprocess.Popen[bytes]:
    """Start a long-running process in a session of its own, so that Ctrl-C does not reach it before we do."""
    words = [str(word) for word in command]
    return subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=dict(env),
        start_new_session=True,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )


def find(pid: int, *marks: str) -> psutil.Process | None:
    """The living process with this id whose command line holds every mark; None when the id means something else."""
    try:
        process = psutil.Process(pid)
        line = " ".join(process.cmdline())
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.Error:
        return None
    return process if all(mark in line for mark in marks) else None


def stop_group(pid: int, steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """Ask the process, then its whole group, to end: each step is a signal and the seconds to wait after it."""
    try:
        process = psutil.Process(pid)
    except psutil.Error:
        process = None
    for number, seconds in steps:
        if process is None:
            break
        try:
            process.send_signal(number)
            process.wait(seconds)
            process = None
        except psutil.TimeoutExpired:
            continue
        except psutil.Error:
            process = None
    try:
        os.killpg(pid, signal.SIGKILL)  # whatever of the group outlived its leader
    except (ProcessLookupError, PermissionError):
        pass


def wait_until(
    ready: Callable[[], bool], *, seconds: float, alive: Callable[[], bool] = lambda: True, every: float = 0.02
) -> bool:
    """Ask until the answer is yes; False when the time is over or the process behind it has gone."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if ready():
            return True
        if not alive():
            return False
        time.sleep(every)
    return False


def short_folder(*, fast: bool = False) -> Path:
    """A new private folder with a short name: a Unix socket's path may have 107 bytes at most.

    fast: put it in memory when there is room for a database (2 GB), for services that are thrown away.
    """
    places = [Path("/dev/shm")] if fast else []  # noqa: S108
    for place in [*places, Path(tempfile.gettempdir()), Path("/tmp")]:  # noqa: S108
        if len(str(place)) > 60 or not os.access(place, os.W_OK | os.X_OK):
            continue
        room = os.statvfs(place)
        if place == Path("/dev/shm") and room.f_bavail * room.f_frsize < 2 * 1024**3:  # noqa: S108
            continue
        return Path(tempfile.mkdtemp(prefix="stratum-", dir=place))
    raise ServiceError("No temporary folder can be written. Set TMPDIR to a short path that can.")


_WATCH = """
trap '' INT TERM HUP QUIT
kept=
while read -r word number pid; do
    case $word in
        add) kept="$kept $number:$pid" ;;
        done) exit 0 ;;
    esac
done
for one in $kept; do kill -s "${one%%:*}" -- "-${one##*:}" 2>/dev/null; done
for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    left=
    for one in $kept; do kill -s 0 -- "-${one##*:}" 2>/dev/null && left=1; done
    [ -z "$left" ] && break
    sleep 0.25
done
for one in $kept; do kill -s KILL -- "-${one##*:}" 2>/dev/null; done
[ -n "$1" ] && rm -rf -- "$1"
exit 0
"""


class Watch:
    """A small shell that ends the given process groups when we die without having ended them, by SIGKILL too.

    It reads our pipe; when the pipe closes without the word `done`, it stops every group and removes the folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "stratum-watch", str(folder or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def add(self, pid: int, number: signal.Signals = signal.SIGTERM) -> None:
        """Look after the process group of this leader."""
        self._tell(f"add {number.name.removeprefix('SIG')} {pid}\n")

    def done(self) -> None:
        """Everything was ended properly: the shell goes without touching anything."""
        self._tell("done\n")
        try:
            assert self.process.stdin is not None
            self.process.stdin.close()
        except OSError:
            pass
        self.process.wait(5)

    def _tell(self, line: str) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()
        except OSError:
            pass
