"""Web, worker and beat as in a running trial (one web process), and a person's browser as far as the wire goes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from config.services.bundle import ROOT
from config.services.commands import RUNNING
from config.services.processes import ServiceError, spawn, stop_group, wait_until

READY_WITHIN = 90.0  # seconds
IDLE = 2.0  # seconds; gunicorn keeps a connection for 5
TOKEN = "b" * 32  # a CSRF token is whatever cookie and header agree upon


@dataclass
class Server:
    """The running processes; `pids` by name."""

    port: int
    pids: dict[str, int]


@contextmanager
def running(told: Mapping[str, str]) -> Iterator[Server]:
    """Web, worker and beat with this environment, stopped at the end. Raises ServiceError when they do not start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    children: dict[str, subprocess.Popen[bytes]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        environment = {
            **os.environ,
            **told,
            "BIND": f"127.0.0.1:{port}",
            "WEB_CONCURRENCY": "1",
            "WORKER_CONCURRENCY": "1",
            "BEAT_SCHEDULE": str(Path(scratch) / "beat"),
            "LOG_LEVEL": "WARNING",
        }
        try:
            for name, command in RUNNING.items():
                with (Path(scratch) / f"{name}.log").open("ab") as log:
                    children[name] = spawn([sys.executable, *command[1:]], log=log, env=environment, cwd=ROOT)
            alive = lambda: all(child.poll() is None for child in children.values())  # noqa: E731
            if not wait_until(lambda: _is_healthy(port), seconds=READY_WITHIN, alive=alive, every=0.25):
                tails = [path.read_text(errors="replace")[-1_500:] for path in sorted(Path(scratch).glob("*.log"))]
                raise ServiceError("Web, worker and beat did not start.\n" + "\n".join(tails))
            yield Server(port, {name: child.pid for name, child in children.items()})
        finally:
            for child in children.values():
                stop_group(child.pid, [(signal.SIGTERM, 10), (signal.SIGKILL, 5)])
                child.wait()


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    return False


class Browser:
    """One person's connection, kept open, with their session."""

    def __init__(self, port: int, session: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.used = time.monotonic()
        self.headers = {"Cookie": f"stratum_session={session}; stratum_csrf={TOKEN}", "X-CSRFToken": TOKEN}

    def close(self) -> None:
        """Give the connection up; what is asked next opens another."""
        self.connection.close()

    def get(self, address: str) -> bytes:
        """Read a page to its end. Raises RuntimeError unless it is answered with 200."""
        return self._ask("GET", address)

    def put(self, address: str, body: Any, *, prefer: str = "") -> Any:
        """Send JSON; returns the answer's. `prefer` is what the header of that name says (RFC 7240)."""
        return json.loads(self._ask("PUT", address, json.dumps(body).encode(), prefer))

    def _ask(self, method: str, address: str, body: bytes | None = None, prefer: str = "") -> bytes:
        if time.monotonic() - self.used > IDLE:
            self.close()  # the server has closed its side, or is about to; asking opens it again
        headers = self.headers | ({"Content-Type": "application/json"} if body is not None else {})
        headers |= {"Prefer": prefer} if prefer else {}
        self.connection.request(method, address, body, headers)
        answer = self.connection.getresponse()
        found = answer.read()
        self.used = time.monotonic()
        if answer.status != 200:
            raise RuntimeError(f"{method} {address} answered {answer.status}: {found[:300]!r}")
        return found


# --- Memory ----------------------------------------------------------------------------------------------------------


def families(roots: Iterable[int]) -> set[int]:
    """The processes and all that descends from them."""
    found: set[int] = set()
    for root in roots:
        with suppress(psutil.Error):
            process = psutil.Process(root)
            found |= {root, *(child.pid for child in process.children(recursive=True))}
    return found


def proportional_memory(pids: Iterable[int]) -> float:
    """Memory of processes in MB (10^6 bytes), shared pages counted once among their sharers (PSS)."""
    total = 0
    for pid in pids:
        with suppress(OSError, psutil.Error):
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += next(int(line.split()[1]) * 1_024 for line in text.splitlines() if line.startswith("Pss:"))
            except (FileNotFoundError, PermissionError, StopIteration):
                total += psutil.Process(pid).memory_info().rss
    return total / 1e6
