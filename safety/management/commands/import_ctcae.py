"""`manage.py import_ctcae WORKBOOK --out FOLDER`: a full CTCAE dictionary from the workbook that the NCI publishes."""

import csv
import io
import os
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from safety.dictionaries import ctcae
from safety.dictionaries.workbook import WorkbookError, WorkbookTerm, read_ncicb_workbook


class Command(BaseCommand):
    """Writes one CSV file per version found, with definitions and the text of each grade. Reads no database."""

    help = "Writes full CTCAE dictionaries (v5.0, v6.0) from the NCI workbook into a folder of your own."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The workbook, the folder, and which version."""
        parser.add_argument("workbook", type=Path, help="the .xlsx file as published")
        parser.add_argument("--out", type=Path, required=True, help="folder for ctcae-v5.csv and ctcae-v6.csv")
        parser.add_argument("--release", help="only this version of CTCAE (5.0, 6.0); default: all in the workbook")
        parser.add_argument("--force", action="store_true", help="replace files that are there")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read everything, then write: a wrong workbook leaves no file behind."""
        folder: Path = options["out"]
        if folder.resolve() == ctcae.SHIPPED:
            raise CommandError(_("This folder holds the shipped working set. Choose another."))
        try:
            found = read_ncicb_workbook(options["workbook"])
        except WorkbookError as error:
            raise CommandError(str(error)) from error
        if wanted := options["release"]:
            if wanted not in found:
                raise CommandError(
                    _("The workbook holds no version %(wanted)s, only %(found)s.")
                    % {"wanted": wanted, "found": ", ".join(found)}
                )
            found = {wanted: found[wanted]}
        targets = {version: folder / ctcae.file_name(version) for version in found}
        for target in targets.values():
            if target.exists() and not options["force"]:
                raise CommandError(_("%(file)s is there already. Add --force to replace it.") % {"file": target})
        folder.mkdir(parents=True, exist_ok=True)
        for version, target in targets.items():
            _write_whole(target, dictionary_csv(found[version]))
            dictionary = ctcae.load(version, folder)  # what was written can be read
            self.stdout.write(f"CTCAE {version}: {len(dictionary)} terms, {target}")


def dictionary_csv(terms: list[WorkbookTerm]) -> str:
    """The dictionary file's text; French labels are those of the shipped working set, where code and term agree."""
    shipped = ctcae.load("5.0")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*ctcae.COLUMNS, *ctcae.DESCRIPTION_COLUMNS])
    for term in terms:
        known = shipped.get(term.code)
        label_fr = known.label_fr if known and known.label == term.term else ""
        grades = "".join(str(grade) for grade in sorted(term.grades))
        descriptions = [term.grades.get(grade, "") for grade in range(1, 6)]
        writer.writerow([term.code, term.soc, term.term, label_fr, grades, term.definition, *descriptions])
    return text.getvalue()


def _write_whole(target: Path, text: str) -> None:
    """Put the file in place whole or not at all."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
