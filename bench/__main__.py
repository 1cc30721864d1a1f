"""`python -m bench [--quick] [--only NAME …] [--out FILE]`: measure on throwaway services, tell in a table and a file.

The file is `.data/bench.json` unless another is named.

The database is the one of the environment when it is empty (`make bench` brings a throwaway one), else refused:
what is measured writes. `--quick` takes the smallest of everything, without a simulated trial, and proves nothing
but that it works. `--only` takes some of the measures (the methods of `bench.run.Bench`), for who works on one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.measures import MEASURED, table, write
from config.services import DATA, ROOT, ServiceError, running
from config.services.commands import MIGRATE

SIMULATE = ["simulate", "--participants", "95", "--seed", "2026", "--demo"]


def main() -> int:
    """Bring what is missing, measure, tell; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--quick", action="store_true", help="the smallest of everything")
    parser.add_argument("--out", type=Path, default=DATA / "bench.json")
    parser.add_argument("--only", nargs="+", default=[], choices=MEASURED, metavar="NAME", help="these measures alone")
    asked = parser.parse_args()
    try:
        if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
            return measure(asked.quick, asked.out, asked.only)
        with running(None) as services:
            os.environ.update(services.environment())
            return measure(asked.quick, asked.out, asked.only)
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 1


def measure(quick: bool, out: Path, only: list[str]) -> int:
    """Measure with the services of the environment. Raises ServiceError."""
    with tempfile.TemporaryDirectory(prefix="bench-static-") as static:
        # As on a real server, but without TLS: debug would measure the debugging.
        told = {"DEBUG": "false", "HTTPS": "false", "STATIC_ROOT": static, "DJANGO_SETTINGS_MODULE": "bench.settings"}
        told["SITE_URL"] = "http://localhost:8000"
        os.environ.update(told)
        step("tables and study", lambda: prepare(quick))
        if quick:
            os.environ["BENCH_QUICK"] = "yes"
        else:
            step("static files", lambda: manage("collectstatic", "--no-input", "--verbosity", "0"))

        import django

        django.setup()
        from bench.run import FULL, QUICK, Bench
        from bench.server import running as serving

        with serving(told) as server:
            bench = Bench(server, QUICK if quick else FULL, lambda words: print(f"  {words} …", flush=True))
            measures = bench.run(only)
    write(measures, out)
    print(f"\n{table(measures)}\n\n  {out}", flush=True)
    return 0


def prepare(quick: bool) -> None:
    """Migrate, publish and (unless quick) simulate what is not there. Raises ServiceError for a database in use."""
    told = manage("shell", "-v0", "-c", _HELD, check=False)
    if "in use" in told:
        raise ServiceError("The database of DATABASE_URL holds sites or participants: measuring would add to them.")
    if "published" not in told:
        manage(*MIGRATE[2:], "--verbosity", "0")
        manage("publish_study", "studies/storm01")
    if not quick:
        step("a simulated trial", lambda: manage(*SIMULATE, DEBUG="true"))


_HELD = """
from trial.models import Participant, Site, Version
is_used = Participant.objects.exists() or Site.objects.exists()
print("in use" if is_used else "published" if Version.objects.exists() else "")
"""


def manage(*words: str, check: bool = True, **told: str) -> str:
    """Run a management command to its end; returns what it printed. Raises ServiceError when it fails."""
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=os.environ | told,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and check:
        raise ServiceError(f"manage.py {words[0]} failed.\n{done.stdout[-1_500:]}\n{done.stderr[-3_000:]}")
    return done.stdout


def step(words: str, deed: object) -> None:
    """Say what is being done, and how long it took."""
    began = time.monotonic()
    assert callable(deed)
    deed()
    print(f"  {words}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
