"""`manage.py verify_audit`: recompute what the audit trail promises."""

from argparse import ArgumentParser
from time import perf_counter
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from audit import verification


class Command(BaseCommand):
    """Name every altered, missing or back-dated row, and every guard that is not as it must be."""

    help = "Verify history, ledger, signatures and the database's guards; exit code 1 when there is a fault."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="print faults only")

    def handle(self, *args: Any, **options: Any) -> None:
        total = 0
        began = perf_counter()
        for name, faults in verification.verify():
            total += len(faults)
            if faults:
                self.stdout.write(self.style.ERROR(f"✗ {name}: {len(faults)}"))
                for fault in faults:
                    self.stdout.write(f"    {fault}")
            elif not options["quiet"]:
                self.stdout.write(self.style.SUCCESS(f"✓ {name}"))
        with connection.cursor() as cursor:
            for line in verification.redactions(cursor):
                self.stdout.write(line)
        if total:
            self.stdout.write(self.style.ERROR(f"{total} fault{'s' if total > 1 else ''} found."))
            raise SystemExit(1)
        if not options["quiet"]:
            kinds = verification.counted()
            self.stdout.write(
                f"No fault in {kinds.get('audited', 0)} audited and {kinds.get('append-only', 0)} append-only tables "
                f"({perf_counter() - began:.1f} s)."
            )
