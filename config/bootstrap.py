"""Makes `.venv` and installs the locked packages, with nothing but a Python: `python3 config/bootstrap.py runtime|dev`.

Runs on the machine's own Python, so it may import the standard library only. `browser` tries to get a Chromium.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = {"runtime": ROOT / "requirements.txt", "dev": ROOT / "requirements-dev.txt"}
OLDEST = (3, 11)


def say(text: str) -> None:
    """One line for the person who waits."""
    print(text, flush=True)  # noqa: T201


def stamp(kind: str) -> Path:
    """The file that remembers which lock was installed."""
    return VENV / f".stratum-{kind}"


def digest(kind: str) -> str:
    """The hash of a lock file."""
    return hashlib.sha256(LOCKS[kind].read_bytes()).hexdigest()


def installed(kind: str) -> bool:
    """Whether the packages of this lock are there; the lock for development holds those for running."""
    if not PYTHON.exists():
        return False
    for held in dict.fromkeys((kind, "dev")):
        if stamp(held).exists() and stamp(held).read_text() == digest(held):
            return True
    return False


def interpreter() -> str:
    """A Python of 3.11 or later: this one, or the first on PATH."""
    if sys.version_info >= OLDEST:
        return sys.executable
    for minor in (11, 12, 13, 14):
        found = shutil.which(f"python3.{minor}")
        if found:
            return found
    raise SystemExit(f"Python 3.11 or later is needed; this is {sys.version.split()[0]}. Try: make PYTHON=python3.11")


def make_venv() -> None:
    """Create `.venv`, and say what is missing when Debian's Python lacks its venv package."""
    if PYTHON.exists() and subprocess.run([str(PYTHON), "-c", "import pip"], capture_output=True).returncode == 0:
        return
    say("Making .venv …")
    shutil.rmtree(VENV, ignore_errors=True)
    done = subprocess.run([interpreter(), "-m", "venv", str(VENV)], capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        raise SystemExit(
            f"{done.stdout}{done.stderr}\nPython could not make a virtual environment. On Debian and Ubuntu, "
            "install the package python3-venv."
        )


def install(kind: str) -> None:
    """Install exactly the lock, hashes checked: with uv when it is on PATH, else with pip."""
    if installed(kind):
        return
    make_venv()
    say(f"Installing {LOCKS[kind].name} (hashes checked) …")
    lock = str(LOCKS[kind])
    uv = shutil.which("uv")
    done = 1
    if uv:
        done = subprocess.call([uv, "pip", "install", "--python", str(PYTHON), "--require-hashes", "-q", "-r", lock])
    if done:
        pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        done = subprocess.call([*pip, "install", "-q", "--progress-bar", "on", "--require-hashes", "-r", lock])
    if done:
        raise SystemExit("The locked packages could not be installed; the lines above say why.")
    stamp(kind).write_text(digest(kind))


def browser() -> None:
    """Try to install Debian's Chromium where that is possible; its absence is told at the end of the test run."""
    if os.environ.get("CHROMIUM") or any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    say("Installing Debian's chromium for the browser tests …")
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]
    if subprocess.run(command, env=quiet, capture_output=True).returncode:
        subprocess.run(["apt-get", "update"], env=quiet, capture_output=True)
        subprocess.run(command, env=quiet, capture_output=True)


def main() -> None:
    """Do what the word asks; two at once wait for each other."""
    kind = sys.argv[1] if len(sys.argv) > 1 else "runtime"
    if kind == "browser":
        browser()
        return
    if installed(kind):
        return
    with (ROOT / ".venv.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install(kind)


if __name__ == "__main__":
    main()
