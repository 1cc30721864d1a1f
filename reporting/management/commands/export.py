"""`manage.py export --format csv --out DIR`: the study's data as files, for those who keep the machine."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

import audit
from reporting.writers import write_csv
from trial.definitions import current_study


class Command(BaseCommand):
    help = "Write the study's data as CSV files with a data dictionary into a folder; arms only with --arms."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=["csv"], default="csv")
        parser.add_argument("--out", type=Path, required=True)
        parser.add_argument("--arms", action="store_true", help="Write arms, and what reveals them, too.")

    def handle(self, *args: Any, **options: Any) -> None:
        study = current_study()
        if study is None:
            raise CommandError("No study is published in this database. Run publish_study first.")
        out: Path = options["out"]
        if out.exists() and any(out.iterdir()):
            raise CommandError(f"{out} is not empty. Name an empty or a new folder.")
        who = f"command line ({getpass.getuser()})"
        with transaction.atomic():
            written = write_csv(
                out,
                sites=None,
                arm_sites=None,
                includes_arms=options["arms"],
                by_name=who,
                simulated=study.is_simulated,
            )
            audit.deed("export.printed", study, by=None, who=who, includes_arms=options["arms"], rows=written.rows)
        for name, rows in written.rows.items():
            self.stdout.write(f"{name}.csv: {rows} rows")
