"""`make demo`: up, a second time quickly, down without a trace; the trial's own commands are left to their tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from config import demo
from config.services.bundle import ROOT
from config.services.processes import wait_until
from tests.conftest import free_port

SCRIPT = """
import sys
from pathlib import Path
import config.demo as demo
demo.DATA = Path(sys.argv[1])
demo.PUBLISH = demo.SIMULATE = ["version"]
demo.fingerprint = lambda patterns: "same"
sys.exit(demo.Demo().run())
"""


class Run:
    """One `make demo` in a folder of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
        for name in ("DEBUG", "HTTPS", "SECRET_KEY", "STRATUM_KEYS", "DJANGO_SETTINGS_MODULE"):
            clean.pop(name, None)
        told = {"PORT": str(port), "BEAT_SCHEDULE": str(folder / "beat" / "schedule"), "TMPDIR": str(folder.parent)}
        self.log = folder.parent / f"demo-{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SCRIPT, str(folder)], cwd=ROOT, env=clean | told, stdout=log, stderr=log
            )
        self.port = port

    def said(self) -> str:
        return self.log.read_text()

    def wait_for(self, words: str) -> None:
        assert wait_until(
            lambda: words in self.said(), seconds=180, alive=lambda: self.process.poll() is None, every=0.2
        ), self.said()

    def health(self) -> dict[str, dict[str, str]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def folder(short_tmp: Path) -> Path:
    short_tmp.chmod(0o755)
    return short_tmp / "data"


def all_gone(family: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(family, timeout=20)[1]


def test_demo_comes_up_comes_back_and_leaves_nothing(folder: Path) -> None:
    """Up and healthy; a killed worker is started again; SIGTERM and SIGKILL both leave no process; data are kept."""
    first = Run(folder, free_port())
    first.wait_for("Ctrl-C stops everything")
    assert {name: line["status"] for name, line in first.health().items() if name != "status"} == {
        "database": "up",
        "redis": "up",
        "worker": "up",
        "beat": "up",
    }
    family = first.family()
    worker = next(process for process in family if "worker" in process.cmdline())
    worker.kill()
    first.wait_for("worker ended and is started again")
    family += first.family()
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(60) == 0
    assert "Everything is stopped." in first.said()
    assert all_gone(family)

    second = Run(folder, free_port())
    second.wait_for("Ctrl-C stops everything")
    assert "Tables" not in second.said()  # nothing that was done is done again
    assert "A believable trial" not in second.said()
    family = second.family()
    second.process.kill()
    second.process.wait()
    assert all_gone(family)


def test_demo_says_which_port_is_taken(folder: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run = Run(folder, taken.getsockname()[1])
        assert run.process.wait(60) == 1
    assert "is taken. Choose another: make demo PORT=" in run.said()
    assert run.said().endswith("Everything is stopped.\n")


def test_filling_cut_short_is_not_taken_for_a_trial(folder: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(demo, "DATA", folder)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (folder / "postgres").mkdir(parents=True)
    (folder / "demo.json").write_text('{"tables": "x", "study": "y", "filling": "begun"}')
    run = demo.Demo()
    run.read_notes()
    assert run.notes == {}
    assert not (folder / "postgres").exists()
    assert "starting over" in capsys.readouterr().out


def test_table_lines_up() -> None:
    assert demo.table([{"name": "Ines", "site": None}, {"name": "Mona Long", "site": "07"}]) == (
        "  name       site\n  Ines           \n  Mona Long  07  "
    )
