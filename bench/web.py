"""The web server of a running trial on a port of this machine alone, which may be killed and started again."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from config.services.bundle import ROOT
from config.services.commands import WEB
from config.services.processes import ServiceError, Watch, spawn, stop_group, wait_until

READY_WITHIN = 90.0  # seconds


class Web:
    """gunicorn with so many processes; always on the same port."""

    def __init__(self, told: Mapping[str, str], scratch: Path, *, processes: int = 2) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.log = scratch / "web.log"
        self.environment = {
            **os.environ,
            **told,
            "BIND": f"127.0.0.1:{self.port}",
            "WEB_CONCURRENCY": str(processes),
            "LOG_LEVEL": "WARNING",
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.watch = Watch()

    @property
    def pid(self) -> int:
        """The process id of gunicorn's first process. Raises psutil's or OS errors when it does not run."""
        return self.process.pid if self.process is not None else -1

    def start(self) -> None:
        """Start, and wait until a page is answered. Raises ServiceError."""
        with self.log.open("ab") as log:
            self.process = spawn([sys.executable, *WEB[1:]], log=log, env=self.environment, cwd=ROOT)
        self.watch.add(self.process.pid)
        process = self.process
        if not wait_until(self._answers, seconds=READY_WITHIN, alive=lambda: process.poll() is None, every=0.1):
            raise ServiceError("The web server did not start.\n" + self.log.read_text(errors="replace")[-3_000:])

    def kill(self) -> None:
        """SIGKILL for the whole group, without a word."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """End as an administrator would."""
        if self.process is not None:
            stop_group(self.process.pid, [(signal.SIGTERM, 10), (signal.SIGKILL, 5)])
            self.process.wait()
            self.process = None
        self.watch.done()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3)
        with suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz")  # 503 here: neither Redis' worker nor beat is needed
            connection.getresponse().read()
            return True
        return False
