"""`simulate --participants N --seed S [--until DATE] [--demo]`: fill an empty database with a believable trial."""

from __future__ import annotations

import datetime as dt
import os
import time
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils import timezone

from audit.errors import Refused
from simulation.trial import Plan, SimulationFailed, simulate

DEMO_PARTICIPANTS = 95  # of 114: mid-trial
DEMO_SEED = 2026
END_HOUR = 18


class Command(BaseCommand):
    """Drives the actions that the pages call, under a simulated clock; refused outside debug and on real data."""

    help = "Fill an empty database with a simulated trial that ends today, and mark the database as simulated."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--participants", type=int, default=DEMO_PARTICIPANTS, metavar="N", help="how many are randomized"
        )
        parser.add_argument("--seed", type=int, default=DEMO_SEED, metavar="S", help="the same seed, the same trial")
        parser.add_argument(
            "--until",
            type=dt.date.fromisoformat,
            metavar="DATE",
            help="the trial's present (YYYY-MM-DD); now by default",
        )
        parser.add_argument(
            "--demo", action="store_true", help="the demo's trial: what the defaults give, said explicitly"
        )

        parser.add_argument(
            "--processes",
            type=int,
            default=0,
            metavar="K",
            help="how many at once; one per processor, 4 at most, by default",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Simulate, telling each month on standard error. Raises CommandError (exit code 1) when refused."""
        began = time.monotonic()
        try:
            plan = Plan(options["participants"], options["seed"], end_of(options["until"]))
            processes = options["processes"] or default_processes()
            outcome = simulate(plan, tell=lambda words: self.stderr.write(f"    {words}"), processes=processes)
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        except (ValueError, SimulationFailed) as error:
            raise CommandError(str(error)) from error
        self.stderr.write(f"    {outcome.steps} steps in {time.monotonic() - began:.0f} s")


def default_processes() -> int:
    """One per processor, at most 4; one only inside a transaction, as in tests."""
    return 1 if connection.in_atomic_block else min(4, os.cpu_count() or 1)


def end_of(until: dt.date | None) -> dt.datetime:
    """The present of the simulated trial: now, or the evening of the day that is asked for."""
    now = timezone.now().astimezone(ZoneInfo(settings.TIME_ZONE))
    if until is None:
        return now.replace(microsecond=0)
    evening = dt.datetime.combine(until, dt.time(END_HOUR), now.tzinfo)
    return min(evening, now.replace(microsecond=0)) if until == now.date() else evening
