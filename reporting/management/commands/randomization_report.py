"""`manage.py randomization_report`: simulate schemes in the study's own setting; print, and write JSON and PDF."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import translation

import audit
from audit.errors import Refused
from randomization import opening, simulated
from randomization.actions import simulations
from randomization.algorithms import ParameterError
from randomization.models import AllocationList
from randomization.simulation import DEFAULT_TRIALS, Report, Scheme, Simple, new_seed, simulate
from reporting.documents.simulation import simulation_report
from trial.definitions import definition_of, latest_version
from trial.models import Version

USUAL: Mapping[str, Any] = {
    "block_sizes": [[4], [4, 6]],
    "bias": 0.8,
    "simple": True,
    "coin": 2 / 3,
    "mti": 3,
    "urn": [1, 1],
}
"""Parameters as textbooks have them, for a first look. Those of a list are typed into a file, or read from the list."""
KEYS: Mapping[str, str] = {
    "permuted_blocks": "block_sizes",
    "minimization": "bias",
    "simple": "simple",
    "biased_coin": "coin",
    "big_stick": "mti",
    "urn": "urn",
}
"""The parameter that brings a scheme in."""


class Command(BaseCommand):
    """Parameters are read from a file or standard input: never from the command line, which others can see."""

    help = (
        "Simulate randomization schemes in the study's own setting. Prints tables; --out writes JSON and PDF, from "
        "which parameters can be told: keep them with those who may know them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Trials, seed, schemes, where parameters come from, where the report goes."""
        parser.add_argument("--trials", type=int, default=DEFAULT_TRIALS)
        parser.add_argument("--seed", help="seed of the simulation, up to 32 hexadecimal digits (default: drawn)")
        parser.add_argument("--schemes", help=f"names parted by commas: {', '.join(KEYS)} (default: all given)")
        parser.add_argument("--participants", type=int, help="in place of the accrual target")
        parser.add_argument(
            "--parameters",
            metavar="FILE",
            help='JSON such as {"block_sizes": [[4], [4, 6]], "within": "strata", "bias": 0.8, "weights": {"site": 1}, '
            '"measure": "range", "coin": 0.667, "mti": 3, "urn": [1, 1], "simple": true}; - reads standard input',
        )
        parser.add_argument("--list", type=int, help="number of a list: its own sealed parameters beside simple")
        parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the report as JSON and PDF")
        parser.add_argument("--locale", default="en")

    def handle(self, *args: Any, **options: Any) -> None:
        """Simulate, tell the deed, print and write."""
        with translation.override(options["locale"]):
            version, target, schemes = self._asked(options)
            report = self._report(version, target, schemes, options)
            with transaction.atomic():
                audit.deed(
                    "list.simulation_run" if target else "list.schemes_compared",
                    target or version,
                    by=None,
                    who=f"command line ({getpass.getuser()})",
                    digest=report.digest,
                    trials=options["trials"],
                )
            self._print(report)
            if options["out"] is not None:
                self._write(report, version, target, options)

    def _asked(self, options: dict[str, Any]) -> tuple[Version, AllocationList | None, list[Scheme]]:
        try:
            version = latest_version()
        except Version.DoesNotExist:
            raise CommandError("No study is published in this database. Run publish_study first.") from None
        if options["list"] is None:
            return version, None, self._schemes(options)
        if options["seed"] or options["parameters"] or options["schemes"] or options["participants"]:
            raise CommandError("--list takes the list's own scheme and a drawn seed: leave the other options out.")
        target = AllocationList.objects.select_related("version__study").filter(pk=options["list"]).first()
        if target is None:
            raise CommandError(f"There is no list {options['list']}.")
        try:
            return target.version, target, [simulations.scheme_of(target, opening.data_key(target)), Simple()]
        except Refused as refused:
            raise CommandError(str(refused)) from None

    def _schemes(self, options: dict[str, Any]) -> list[Scheme]:
        said = dict(USUAL) if options["parameters"] is None else _parameters(options["parameters"])
        if options["schemes"]:
            names = [name.strip() for name in options["schemes"].split(",")]
            unknown = [name for name in names if name not in KEYS]
            if unknown:
                raise CommandError(f"There is no scheme {', '.join(unknown)}. Use {', '.join(KEYS)}.")
            absent = [name for name in names if not said.get(KEYS[name])]
            if absent:
                raise CommandError(f"The parameters of {', '.join(absent)} are not given.")
            said = {key: value for key, value in said.items() if key not in KEYS.values()} | {
                KEYS[name]: said[KEYS[name]] for name in names
            }
        return simulated.schemes_from(said)

    def _report(
        self, version: Version, target: AllocationList | None, schemes: list[Scheme], options: dict[str, Any]
    ) -> Report:
        try:
            seed = int(options["seed"], 16) if options["seed"] else new_seed()
        except ValueError:
            raise CommandError("The seed is not a hexadecimal number.") from None
        try:
            setting = simulations.setting_for(version, options["participants"], target.arms if target else None)
            return simulate(setting, schemes, trials=options["trials"], seed=seed)
        except ParameterError as error:
            raise CommandError("\n".join(str(fault) for fault in error.faults)) from None
        except Refused as refused:
            raise CommandError(str(refused)) from None

    def _print(self, report: Report) -> None:
        for fact in [*simulated.report_facts(report), *simulated.proof_facts(report)]:
            self.stdout.write(f"{fact['label']}: {fact['value']}")
        for table in simulated.tables(report):
            self.stdout.write(f"\n{table.caption}")
            # A head of its own line each: they are longer than what stands below them.
            for number, head in enumerate(table.heads[1:], start=1):
                self.stdout.write(f"  [{number}] {head}")
            width = max(len(row[0]) for row in table.rows)
            numbers = "".join(f"{f'[{number}]':>10}" for number in range(1, len(table.heads)))
            self.stdout.write(f"  {'':<{width}}{numbers}")
            for row in table.rows:
                self.stdout.write(f"  {row[0]:<{width}}" + "".join(f"{cell:>10}" for cell in row[1:]))
            if table.note:
                self.stdout.write(f"  {table.note}")

    def _write(self, report: Report, version: Version, target: AllocationList | None, options: dict[str, Any]) -> None:
        out: Path = options["out"]
        out.mkdir(parents=True, exist_ok=True)
        document = simulation_report(
            report,
            definition_of(version.pk),
            locale=options["locale"],
            printed_by=getpass.getuser(),
            is_simulated=version.study.is_simulated,
            of_list=f"{target.reference}" if target else "",
        )
        text = json.dumps({"digest": report.digest, "report": report.content}, indent=1, sort_keys=True)
        stem = f"randomization-simulation-{report.digest[:12]}"
        for name, content in ((f"{stem}.json", text.encode("ascii")), (f"{stem}.pdf", document)):
            # For the one who ran it alone: the numbers tell the parameters.
            with os.fdopen(os.open(out / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
            self.stdout.write(f"{out / name}")


def _parameters(name: str) -> dict[str, Any]:
    """The parameters of a file. A fault names the parameter, never its value."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
        said = json.loads(text)
    except OSError as error:
        raise CommandError(f"The file of parameters cannot be read: {error.strerror}.") from None
    except ValueError:
        raise CommandError("The file of parameters is not JSON.") from None
    if not isinstance(said, dict):
        raise CommandError("The file of parameters is not a JSON object.")
    for key, value in said.items():
        if key not in _SHAPES:
            raise CommandError(f"There is no parameter {key}. Use {', '.join(_SHAPES)}.")
        if not _SHAPES[key](value):
            raise CommandError(f"The parameter {key} has not the shape that --help shows.")
    return said


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_SHAPES = {
    "block_sizes": lambda v: isinstance(v, list) and all(isinstance(s, list) and all(map(_is_whole, s)) for s in v),
    "within": lambda v: v in {choice for choice, _words in simulated.WITHIN},
    "bias": _is_number,
    "weights": lambda v: isinstance(v, dict) and all(map(_is_number, v.values())),
    "measure": lambda v: v in {choice for choice, _words in simulated.MEASURES},
    "coin": _is_number,
    "mti": _is_whole,
    "urn": lambda v: isinstance(v, list) and len(v) == 2 and all(map(_is_whole, v)),
    "simple": lambda v: isinstance(v, bool),
}
