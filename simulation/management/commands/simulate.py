"""`simulate --participants N --seed S [--until DATE] [--demo]`: fill an empty database with a believable trial."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit.errors import Refused
from simulation.trial import Plan, simulate

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
            "--until", type=dt.date.fromisoformat, metavar="DATE", help="the trial's present (YYYY-MM-DD); now by default"
        )
        parser.add_argument(
            "--demo", action="store_true", help="the demo's trial: what the defaults give, said explicitly"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Simulate, telling each month on standard error. Raises CommandError (exit code 1) when refused."""
        began = time.monotonic()
        try:
            plan = Plan(options["participants"], options["seed"], end_of(options["until"]))
            world = simulate(plan, tell=lambda words: self.stderr.write(f"    {words}"))
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stderr.write(f"    {world.timeline.steps} steps in {time.monotonic() - began:.0f} s")


def end_of(until: dt.date | None) -> dt.datetime:
    """The present of the simulated trial: now, or the evening of the day that is asked for."""
    now = timezone.now().astimezone(ZoneInfo(settings.TIME_ZONE))
    if until is None:
        return now.replace(microsecond=0)
    evening = dt.datetime.combine(until, dt.time(END_HOUR), now.tzinfo)
    return min(evening, now.replace(microsecond=0)) if until == now.date() else evening
