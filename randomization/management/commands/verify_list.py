"""`manage.py verify_list`: hold allocations against the sealed list and its commitment, or one without any key."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

import audit
from randomization import verification
from randomization.models import Allocation, AllocationList


class Command(BaseCommand):
    """Say of each allocation whether it agrees, and name every slot changed, skipped or taken out of order."""

    help = "Verify allocation lists and allocations; exit code 1 when something does not agree. Prints no arm."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--list", type=int, help="number of one list (default: all)")
        parser.add_argument(
            "--allocation",
            metavar="R0001",
            help="check one allocation alone, without any key",
        )
        parser.add_argument("--root", default="", help="with --allocation: the root as printed at the approval")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["allocation"]:
            self._one(options["allocation"], options["root"])
            return
        lists = AllocationList.every.select_related("approval", "version").order_by("pk")
        if options["list"] is not None:
            lists = lists.filter(pk=options["list"])
            if not lists:
                raise CommandError(f"There is no list {options['list']}.")
        total = 0
        who = f"command line ({getpass.getuser()})"
        for allocation_list in lists:
            report = verification.verify(allocation_list)
            total += len(report.troubles)
            with transaction.atomic():  # every slot was opened: told, though no arm is shown
                audit.deed("list.verified", allocation_list, by=None, who=who, faults=len(report.troubles))
            self._print(report)
        holes = verification.check_numbers() if options["list"] is None else []
        for hole in holes:
            self.stdout.write(self.style.ERROR(f"✗ {hole}"))
        total += len(holes)
        if total:
            self.stdout.write(self.style.ERROR(f"{total} fault{'s' if total > 1 else ''} found."))
            raise SystemExit(1)
        self.stdout.write(f"No fault in {len(lists)} list{'s' if len(lists) != 1 else ''}.")

    def _one(self, name: str, published: str) -> None:
        """Check one allocation by its randomization number, with its proof alone."""
        digits = name.upper().removeprefix("R")
        found = Allocation.objects.select_related(
            "allocation_list__approval", "slot__proof__segment__signature", "participant", "signature"
        ).filter(number=int(digits) if digits.isdigit() else 0)
        allocation = found.first()
        if allocation is None:
            raise CommandError(f"There is no allocation {name}. Write its randomization number, like R0001.")
        troubles = verification.verify_allocation(allocation, published)
        proof = getattr(allocation.slot, "proof", None)
        self.stdout.write(
            f"{allocation} {allocation.participant.code}: "
            f"{verification.slot_words(allocation.slot.stratum, allocation.slot.position)} "
            f"of list {allocation.allocation_list_id} {allocation.allocation_list.reference}"
        )
        if proof is not None:
            self.stdout.write(
                f"  leaf {allocation.leaf_index + 1} of {proof.segment.size}, {len(allocation.proof)} steps"
            )
            self.stdout.write(f"  commitment {proof.segment.commitment}")
        for trouble in troubles:
            self.stdout.write(self.style.ERROR(f"  ✗ {trouble}"))
        if troubles:
            raise SystemExit(1)
        self.stdout.write(self.style.SUCCESS("  ✓ agrees with the commitment"))

    def _print(self, report: verification.Report) -> None:
        current = report.allocation_list
        given = len(report.agreeing) + len(report.disagreeing)
        self.stdout.write(
            f"List {current.pk} {current.reference}, {current.state}: {report.slots} slots, {given} allocations"
        )
        if current.commitment:
            self.stdout.write(f"  commitment {current.commitment}")
        for allocation in sorted([*report.agreeing, *report.disagreeing], key=lambda a: a.number):
            if allocation in report.agreeing:
                self.stdout.write(self.style.SUCCESS(f"  ✓ {allocation} {allocation.participant.code} agrees"))
            else:
                self.stdout.write(self.style.ERROR(f"  ✗ {allocation} {allocation.participant.code} does not agree"))
        for place in report.withdrawn:
            self.stdout.write(f"  – {place}: made unavailable by two persons")
        for trouble in report.troubles:
            self.stdout.write(self.style.ERROR(f"  ✗ {trouble}"))
