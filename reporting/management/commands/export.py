"""`manage.py export --format csv --out DIR`: the study's data as files, for those who keep the machine."""

from __future__ import annotations

import getpass
import tempfile
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

import audit
from reporting.snapshot import snapshot
from reporting.writers import write_csv
from trial.definitions import current_study


class Command(BaseCommand):
    """Writes into a folder beside the one named and moves the files there at the end: all of them, or none."""

    help = "Write the study's data as CSV files with a data dictionary into a folder; arms only with --arms."

    def add_arguments(self, parser: CommandParser) -> None:
        """The format, the folder, and whether arms are written."""
        parser.add_argument("--format", choices=["csv"], default="csv")
        parser.add_argument("--out", type=Path, required=True)
        parser.add_argument("--arms", action="store_true", help="Write arms, and what reveals them, too.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write every table from one snapshot, then tell the deed."""
        study = current_study()
        if study is None:
            raise CommandError("No study is published in this database. Run publish_study first.")
        out: Path = options["out"]
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise CommandError(f"{out} is not empty. Name an empty or a new folder.")
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".writing-") as scratch:
            folder = Path(scratch) / "data"
            with snapshot():
                written = write_csv(
                    folder,
                    sites=None,
                    arm_sites=None,
                    includes_arms=options["arms"],
                    simulated=study.is_simulated,
                )
            who = f"command line ({getpass.getuser()})"
            audit.deed("export.printed", study, by=None, who=who, includes_arms=options["arms"], rows=written.rows)
            for path in sorted(folder.iterdir()):
                path.replace(out / path.name)
        for name, rows in written.rows.items():
            self.stdout.write(f"{name}.csv: {rows} rows")
