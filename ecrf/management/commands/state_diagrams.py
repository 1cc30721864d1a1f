"""Draw the states of a record, of its marks and of queries, from the tables that the actions obey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ecrf.diagrams import page


class Command(BaseCommand):
    help = "Draw the states of a record, of its marks and of queries as Mermaid diagrams in Markdown."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", type=Path, help="The file to write; without it the page is printed.")

    def handle(self, *args: Any, **options: Any) -> None:
        text = page()
        out: Path | None = options["out"]
        if out is None:
            self.stdout.write(text, ending="")
            return
        out.write_text(text, encoding="utf-8")
        self.stdout.write(f"Written: {out}")
