"""`make demo`: everything up with one command, told step by step, and everything down with Ctrl-C.

`python -m config.demo` starts PostgreSQL and Redis (unless DATABASE_URL and REDIS_URL name others), migrates,
publishes the study, fills a believable trial the first time, then runs web, worker and beat until it is told to stop.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from config import messages
from config.fingerprint import STUDY, TABLES, fingerprint
from config.services import DATA, ROOT, ServiceError, Services
from config.services.commands import MIGRATE, RUNNING
from config.services.processes import spawn, stop_group, wait_until

PUBLISH = ["publish_study", "studies/storm01"]
SIMULATE = ["simulate", "--participants", "95", "--seed", "2026", "--demo"]
PORT = 8000
READY_WITHIN = 120.0  # seconds for web, worker and beat to say that they live
RESTARTS = 5  # of one process within a minute; more is a fault to be shown
STOPPING = {"web": 12.0, "worker": 15.0, "beat": 5.0}  # seconds to end by themselves


class StopAsked(Exception):  # noqa: N818 - nobody erred
    """Somebody asked us to end."""


def _ask_to_stop(number: int, frame: FrameType | None) -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # once is enough: what follows must not be cut short
    raise StopAsked


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    print(f"  {text} …", flush=True)
    began = time.monotonic()
    yield
    print(f"  {text}: done in {time.monotonic() - began:.1f} s", flush=True)


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of localhost."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port() -> int:
    """PORT if it is given (and then it must be free), else 8000, else any free one."""
    given = os.environ.get("PORT", "")
    if given:
        if not given.isdigit() or not 0 < int(given) < 65536:
            raise ServiceError(f"PORT={given} is not a port number.")
        if not is_free(int(given)):
            raise ServiceError(f"Port {given} is taken. Choose another: make demo PORT={int(given) + 1}")
        return int(given)
    if is_free(PORT):
        return PORT
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


class Demo:
    """One run of the demo. `run()` returns the exit code and leaves no process behind."""

    def __init__(self) -> None:
        self.services = Services(DATA)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.restarts: dict[str, list[float]] = {}
        self.environment: dict[str, str] = {}
        self.people: subprocess.Popen[str] | None = None
        self.port = 0
        self.notes: dict[str, Any] = {}

    # --- what was already done -----------------------------------------------------------------------------------

    @property
    def note_path(self) -> Path:
        """Where the steps already done are remembered: per database, beside the embedded one."""
        address = self.services.given.get("DATABASE_URL", "")
        mark = "-" + hashlib.sha256(address.encode()).hexdigest()[:8] if address else ""
        return DATA / f"demo{mark}.json"

    def note(self, **done: Any) -> None:
        """Remember that a step is done."""
        self.notes |= done
        fresh = self.note_path.with_suffix(".new")
        fresh.write_text(json.dumps(self.notes))
        fresh.replace(self.note_path)

    def read_notes(self) -> None:
        """Recall the steps done; a database whose filling was cut short is thrown away."""
        try:
            self.notes = json.loads(self.note_path.read_text())
        except (OSError, ValueError):
            self.notes = {}
        if self.notes.get("filling") != "begun":
            return
        if "DATABASE_URL" in self.services.given:
            raise ServiceError(
                "The filling of this database was cut short. Empty it (or name another in DATABASE_URL), remove "
                f"{self.note_path}, and try again."
            )
        print("  The first filling was cut short: starting over.", flush=True)
        shutil.rmtree((DATA / "postgres").resolve(), ignore_errors=True)
        self.note_path.unlink(missing_ok=True)
        self.notes = {}

    # --- steps ---------------------------------------------------------------------------------------------------

    def begin(self, *words: str, quiet: bool = False) -> subprocess.Popen[str]:
        """Start a management command; its progress is shown, or kept for `finish` when quiet.

        Migrating checks the code, too; the others leave that out, which is a second of each start.
        """
        child = subprocess.Popen(
            [sys.executable, "manage.py", *words, *([] if words[0] == MIGRATE[2] else ["--skip-checks"])],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
            start_new_session=True,
        )
        if self.services.watch is not None:
            self.services.watch.add(child.pid)
        return child

    def finish(self, child: subprocess.Popen[str], word: str) -> str:
        """Wait for the end of a command begun, and return what it said when it is quiet. Raises ServiceError."""
        try:
            out, err = child.communicate()
        except BaseException:
            stop_group(child.pid, [(signal.SIGTERM, 10), (signal.SIGKILL, 5)])
            child.wait()
            raise
        if child.returncode:
            raise ServiceError(f"manage.py {word} failed.\n{(err or '')[-3000:]}")
        return out or ""

    def manage(self, *words: str) -> None:
        """Run a management command to its end, its progress shown. Raises ServiceError."""
        self.finish(self.begin(*words), words[0])

    def prepare(self) -> None:
        """Services up, tables made, study published, trial filled, as far as that is still to do."""
        given = self.services.given
        with step("PostgreSQL and Redis"):
            self.services.reserve()
            self.read_notes()
            self.services.start()
        self.environment = (
            {"DEBUG": "true", "WEB_CONCURRENCY": "1", "WORKER_CONCURRENCY": "1", "LOG_LEVEL": "INFO"}
            | self.services.environment()
            | dict(os.environ)  # what is set by hand wins
            | {
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "BIND": f"127.0.0.1:{self.port}",
                "SITE_URL": f"http://localhost:{self.port}",
                "PYTHONUNBUFFERED": "1",
                "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            }
        )
        self.environment.pop("STRATUM_ROLE", None)
        messages.compile_all()
        tables = fingerprint(TABLES)
        if self.notes.get("tables") != tables or "DATABASE_URL" in given:
            with step("Tables and their guards"):
                self.manage(*MIGRATE[2:], "--verbosity", "0")
                self.note(tables=tables)
        study = fingerprint(STUDY)
        if self.notes.get("study") != study:
            with step("Study GETUG-StORM-01"):
                self.manage(*PUBLISH)
                self.note(study=study)
        if self.notes.get("filling") != "done":
            with step("A believable trial, half way through"):
                self.note(filling="begun")
                self.manage(*SIMULATE)
                self.note(filling="done")

    def launch(self, name: str) -> None:
        """Start web, worker or beat, with its log in .data/log."""
        command = [sys.executable, *RUNNING[name][1:]]
        path = DATA / "log" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as log:
            self.children[name] = spawn(command, log=log, env=self.environment, cwd=ROOT)
        if self.services.watch is not None:
            self.services.watch.add(self.children[name].pid)

    def is_healthy(self) -> bool:
        """Whether /healthz says that every service is up."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.port}/healthz", timeout=3) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def open_doors(self) -> None:
        """Start web, worker and beat, and wait until all of them live."""
        with step("Web, worker and beat"):
            for name in RUNNING:
                self.launch(name)
            self.people = self.begin("demo_people", "--json", quiet=True)  # meanwhile: told when all of them live
            if not wait_until(self.is_healthy, seconds=READY_WITHIN, alive=lambda: not self.dead(), every=0.25):
                names = self.dead() or list(RUNNING)
                tails = [(DATA / "log" / f"{name}.log").read_text(errors="replace")[-1500:] for name in names]
                raise ServiceError(f"{', '.join(names)} did not start. The end of .data/log:\n" + "\n".join(tails))

    def dead(self) -> list[str]:
        """The children that have ended."""
        return [name for name, child in self.children.items() if child.poll() is not None]

    def greet(self) -> None:
        """The address, and who can sign in."""
        print(f"\n  Stratum is at  http://localhost:{self.port}/\n", flush=True)
        try:
            assert self.people is not None
            people = json.loads(self.finish(self.people, "demo_people"))
        except (ServiceError, ValueError) as error:
            print(f"  The demo people could not be listed: {error}")
        else:
            print(table(people))
        print("\n  Ctrl-C stops everything; the data stay for the next `make demo`.\n", flush=True)

    def look_after(self) -> None:
        """Until we are asked to stop: start again what ends by itself. Raises ServiceError when that does not help."""
        while True:
            time.sleep(0.5)
            for name in self.dead():
                self._count(name)
                print(f"  {name} ended and is started again (see .data/log/{name}.log)", flush=True)
                stop_group(self.children[name].pid, [])
                self.launch(name)
            for service in (self.services.postgres, self.services.redis):
                if service is not None and service.process is not None and service.process.poll() is not None:
                    name = type(service).__name__
                    self._count(name)
                    print(f"  {name} ended and is started again", flush=True)
                    service.start()
                    if self.services.watch is not None:
                        self.services.watch.add(service.pid or 0, signal.SIGINT)

    def _count(self, name: str) -> None:
        now = time.monotonic()
        recent = [moment for moment in self.restarts.get(name, []) if now - moment < 60] + [now]
        self.restarts[name] = recent
        if len(recent) > RESTARTS:
            raise ServiceError(f"{name} keeps ending. The end of its log in .data/log says why.")

    def close(self) -> None:
        """Stop web, worker and beat together, then the services."""
        if self.people is not None and self.people.poll() is None:
            stop_group(self.people.pid, [(signal.SIGKILL, 5)])
            self.people.wait()
        for child in self.children.values():
            if child.poll() is None:
                child.terminate()
        for name, child in self.children.items():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(STOPPING[name])
            stop_group(child.pid, [(signal.SIGKILL, 5)])
            child.wait()
        self.services.stop()

    def run(self) -> int:
        """The whole demo; returns the exit code."""
        began = time.monotonic()
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, _ask_to_stop)
        try:
            self.port = choose_port()
            self.prepare()
            self.open_doors()
            print(f"  Ready after {time.monotonic() - began:.0f} s", flush=True)
            self.greet()
            self.look_after()
        except StopAsked:
            print("\n  Stopping …", flush=True)
            return 0
        except ServiceError as error:
            print(f"\n{error}", file=sys.stderr, flush=True)
            return 1
        finally:
            for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(name, signal.SIG_IGN)
            self.close()
            print("  Everything is stopped.", flush=True)
        return 0


def table(rows: list[dict[str, Any]]) -> str:
    """Rows of one shape as aligned columns, the keys as headings."""
    if not rows:
        return "  (nobody)"
    heads = list(rows[0])
    cells = [heads, *([str(row.get(head) or "") for head in heads] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(heads))]
    return "\n".join(
        "  " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells
    )


if __name__ == "__main__":
    sys.exit(Demo().run())
