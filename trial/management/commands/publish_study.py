"""`publish_study PATH`: store a study folder as a new version, or say everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.errors import Refused
from trial.actions import studies
from trial.definition import Problem
from trial.models import Person, Version


class Command(BaseCommand):
    """Publishes a study folder.

    Every problem is printed with code, file, place, fault and remedy. With an error nothing is stored and the exit code
    is 1; warnings are told and the version is stored. A folder that is already published stays the same version.
    """

    help = (
        "Read a study folder and store it as a new version; print every problem and store nothing when one is an error."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="the study folder, for example studies/storm01")
        parser.add_argument("--by", default="", metavar="EMAIL", help="who publishes; the system when left out")
        parser.add_argument(
            "--reason", default="Published from the command line.", help="why this version, for the audit trail"
        )
        parser.add_argument(
            "--simulated", action="store_true", help="the database holds simulated data only (first publication)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Publish and tell. Raises CommandError (exit code 1) when nothing was stored."""
        path: Path = options["path"]
        if not path.is_dir():
            raise CommandError(f"{path} is not a folder. Give the folder that holds study.yaml.")
        by = self._person(options["by"])
        newest = Version.objects.order_by("-number").values_list("number", flat=True).first() or 0
        try:
            version, problems = studies.publish(
                path=path, by=by, reason=options["reason"], simulated=options["simulated"]
            )
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        for problem in problems:
            (self.stderr if problem.is_error else self.stdout).write(words_of(problem))
        if version is None:
            errors = sum(problem.is_error for problem in problems)
            raise CommandError(f"{errors} error(s) in {path}: nothing was stored.")
        if version.number <= newest:
            self.stdout.write(f"{path} is already version {version.number} ({version.label}); nothing was stored.")
        else:
            self.stdout.write(
                f"Version {version.number} ({version.label}) of {version.study.code} is stored: {version.content_hash}"
            )

    def _person(self, email: str) -> Person | None:
        if not email:
            return None
        person = Person.objects.filter(email__iexact=email, is_active=True).first()
        if person is None:
            raise CommandError(f"No open account has the e-mail address {email}.")
        return person


def words_of(problem: Problem) -> str:
    """Write a problem on two lines: code, severity, file, line and place; then fault and remedy."""
    line = f":{problem.line}" if problem.line is not None else ""
    place = f" › {problem.place}" if problem.place else ""
    return f"{problem.code} {problem.severity} {problem.file}{line}{place}\n    {problem.fault} {problem.remedy}"
