"""`make check`: everything that can be judged without running the suite, two checks at a time, all told at the end."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

# Neither needs a database: the address leads nowhere, and the secrets are made up as for a real server.
NOWHERE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "REDIS_URL": "redis://127.0.0.1:1/0"}
PRODUCTION = NOWHERE | {
    "DEBUG": "false",
    "SECRET_KEY": secrets.token_urlsafe(48),
    "STRATUM_KEYS": "check:" + base64.b64encode(bytes(32)).decode(),
    "SITE_URL": "https://stratum.example.org",
}

CHECKS: dict[str, tuple[list[str], dict[str, str]]] = {
    "types": ([str(BIN / "mypy"), "."], NOWHERE),
    "style": ([str(BIN / "ruff"), "check", "--quiet", "."], {}),
    "format": ([str(BIN / "ruff"), "format", "--check", "--quiet", "."], {}),
    "imports": ([str(BIN / "lint-imports")], {}),
    "templates": ([str(BIN / "djlint"), "templates", "--lint", "--quiet"], {}),
    "migrations": (
        [sys.executable, "-W", "ignore", "manage.py", "makemigrations", "--check", "--dry-run"],
        NOWHERE | {"DEBUG": "true"},
    ),
    "static": ([sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity", "0"], PRODUCTION),
    "deployment": ([sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"], PRODUCTION),
}


def run(name: str) -> tuple[str, float, str]:
    """Run one check; returns its name, the seconds it took, and what it said when it failed (empty when it passed)."""
    command, told = CHECKS[name]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "STATIC_ROOT": folder} | told
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip() or "failed without a word"
    return name, time.monotonic() - began, said if done.returncode else ""


def main() -> int:
    """Run all checks (or those named as arguments), show each as it ends; returns 1 when one failed."""
    failed = []
    with ThreadPoolExecutor(2) as pool:
        for name, seconds, said in pool.map(run, sys.argv[1:] or CHECKS):
            print(f"  {'FAILED' if said else 'ok':8}{name:12}{seconds:5.1f} s", flush=True)  # noqa: T201
            if said:
                failed.append(name)
                print(said + "\n", flush=True)  # noqa: T201
    if failed:
        print(f"make check failed: {', '.join(failed)}", file=sys.stderr)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
