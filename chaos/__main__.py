"""`python -m chaos [--quick] [--allocations N] [--clients N] [--out FILE] [--folder FOLDER]`.

PostgreSQL and Redis of its own, durable, in a folder that is removed at the end. `--folder` names one that holds a
stopped, migrated cluster (`postgres`) with its `secrets.json`; it is used up, and it stays.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measures import table, write
from config.services import DATA, ROOT, ServiceError, Services
from config.services.commands import MIGRATE

STUDY = ROOT / "studies" / "storm01"
FULL = {"allocations": 5_000, "clients": 64, "sites": 16, "originals": 6, "kills": 60, "lost": 250, "limit": 3_600}
QUICK = {"allocations": 12, "clients": 6, "sites": 2, "originals": 1, "kills": 4, "lost": 8, "limit": 120}


def main() -> int:
    """Bring up what is needed, run both parts, tell; returns 1 when something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m chaos")
    parser.add_argument("--quick", action="store_true", help="the smallest of everything")
    parser.add_argument("--allocations", type=int, help="in each of the two parts")
    parser.add_argument("--clients", type=int)
    parser.add_argument("--seed", type=int, default=2026, help="of the moments at which things break")
    parser.add_argument("--out", type=Path, default=DATA / "chaos.json")
    parser.add_argument("--folder", type=Path, help="a stopped, migrated cluster to use up")
    asked = parser.parse_args()
    size = QUICK if asked.quick else FULL
    size |= {name: value for name in ("allocations", "clients") if (value := getattr(asked, name))}
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    services = Services(folder, given={})
    try:
        services.start()
        return run(services, size, asked, folder)
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        services.stop()
        if asked.folder is None:
            database = folder / "postgres"
            if database.is_symlink():  # the server's account could not enter the folder
                shutil.rmtree(database.resolve(), ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)


def run(services: Services, size: dict[str, int], asked: argparse.Namespace, folder: Path) -> int:
    """Everything between start and stop of the services."""
    told = services.environment() | {
        "DJANGO_SETTINGS_MODULE": "chaos.settings",
        "DEBUG": "false",
        "HTTPS": "false",
        "SITE_URL": "http://localhost:8000",
        "MEDIA_ROOT": str(folder / "files"),
        "STATIC_ROOT": str(folder / "static"),
        "CHAOS_NOTES": str(folder / "lost-answers"),
    }
    os.environ.update(told)
    os.environ.pop("STRATUM_ROLE", None)
    prepare(folder, size["allocations"])

    import django

    django.setup()
    from chaos.run import Chaos

    chaos = Chaos(services, size, folder, seed=asked.seed, tell=lambda words: print(f"  {words}", flush=True))
    measures = chaos.run()
    write(measures, asked.out)
    print(f"\n{table(measures)}\n\n  {asked.out}", flush=True)
    for line in chaos.words:
        print(f"  WRONG  {line}", flush=True)
    return 0 if all(measure.ok for measure in measures) else 1


def prepare(folder: Path, allocations: int) -> None:
    """Tables, and a study that allows enough participants and has slots enough. Raises ServiceError."""
    held = manage("shell", "-v0", "-c", "from trial.models import Version; print(Version.objects.count())", check=False)
    if held.strip().endswith("1"):
        return
    print("  tables and study …", flush=True)
    manage(*MIGRATE[2:], "--verbosity", "0")
    study = folder / "study"
    shutil.copytree(STUDY, study)
    _change(study / "study.yaml", r"(accrual: \{target: )\d+", rf"\g<1>{3 * allocations}")
    _change(study / "randomization.yaml", r"(list_size: )\d+", rf"\g<1>{2 * allocations}")
    manage("publish_study", str(study))


def _change(path: Path, pattern: str, by: str) -> None:
    text, count = re.subn(pattern, by, path.read_text())
    if count != 1:
        raise ServiceError(f"{path.name} has no line as {pattern}")
    path.write_text(text)


def manage(*words: str, check: bool = True) -> str:
    """Run a management command to its end; returns what it printed. Raises ServiceError when it fails."""
    done = subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode and check:
        raise ServiceError(f"manage.py {words[0]} failed.\n{done.stdout[-1_500:]}\n{done.stderr[-3_000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
