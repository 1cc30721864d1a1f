"""`demo_people [--json]`: who can sign in to the demo, with role, site and password."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import clock
from simulation.house import demo_addresses
from simulation.passwords import PASSWORD
from trial.definitions import current_study
from trial.models import Person, Role


class Command(BaseCommand):
    """Tells the names and the password of simulated people; refused outside debug and where data are real."""

    help = "List the demo's people with role, site, e-mail address and password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="a list of objects, for programs")
        parser.add_argument("--all", action="store_true", help="the staff of every site too")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the people. Raises CommandError where they must not be told."""
        study = current_study()
        if not clock.simulation_allowed() or study is None or not study.is_simulated:
            raise CommandError("There are demo people only in a debug installation that holds simulated data.")
        people = demo_people(everybody=options["all"])
        if options["json"]:
            self.stdout.write(json.dumps(people, ensure_ascii=False, indent=2))
            return
        for person in people:
            self.stdout.write("  ".join(f"{person[name]:<28}" for name in ("role", "name", "site", "email")).rstrip())
        self.stdout.write(f"Password of each: {PASSWORD}")


def demo_people(*, everybody: bool = False) -> list[dict[str, str]]:
    """Return name, role, site, address and password of the demo's people, those presented first in their order."""
    order = {email: place for place, email in enumerate(demo_addresses())}
    found = Person.objects.filter(is_active=True).prefetch_related("delegations__site")
    if not everybody:
        found = found.filter(email__in=order)
    rows = []
    for person in sorted(found, key=lambda p: (order.get(p.email, len(order)), p.email)):
        delegations = sorted(person.delegations.all(), key=lambda d: d.pk)
        numbers = [d.site.number for d in delegations if d.site is not None]
        rows.append(
            {
                "name": person.printed_name,
                "role": str(Role(delegations[0].role).label) if delegations else "",
                "site": ", ".join(numbers) or "all sites",
                "email": person.email,
                "password": PASSWORD,
            }
        )
    return rows
