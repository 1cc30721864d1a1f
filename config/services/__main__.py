"""`python -m config.services`: the embedded services by hand.

run -- COMMAND …   throwaway PostgreSQL and Redis for one command, gone when it ends
status             whether the demo's services run, and where
reset              remove everything in .data: the demo's database, mail, exports, caches
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from config.services import DATA, ServiceError, running, running_environment


def run(command: list[str]) -> int:
    """Run the command with throwaway services in its environment (DEBUG on); returns its exit code.

    The database is empty and holds the two roles; `manage.py migrate` is the command's own business.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    with running(None) as services:
        assert services.short is not None
        told = {"DEBUG": "true", "MEDIA_ROOT": str(services.short / "files")} | services.environment()
        child = subprocess.Popen(command, env=os.environ | told)
        try:
            return child.wait()
        except KeyboardInterrupt:
            child.terminate()
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            return 130


def reset(folder: Path = DATA) -> int:
    """Remove the folder, and a database that had to live elsewhere; refused while its services run."""
    if not folder.exists():
        return 0
    with (folder / "services.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("The demo is running. Stop it first (Ctrl-C where it runs).", file=sys.stderr)
            return 1
        database = folder / "postgres"
        if database.is_symlink():
            shutil.rmtree(database.resolve(), ignore_errors=True)
        shutil.rmtree(folder)
    print("Everything in .data is gone; `make demo` starts over.")
    return 0


def main(words: list[str]) -> int:
    """Do what the first word says; returns the exit code."""
    match words:
        case ["run", "--", *command] if command:
            return run(command)
        case ["reset"]:
            return reset()
        case ["status"]:
            told = running_environment()
            print(
                "stopped"
                if told is None
                else "\n".join(f"{name}={told[name]}" for name in sorted(told) if "URL" in name)
            )
            return 0 if told else 3
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ServiceError as error:
        sys.exit(str(error))
