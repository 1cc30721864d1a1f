"""`manage.py rotate_keys`: wrap the data key of every list under the newest key of STRATUM_KEYS."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.errors import Refused
from randomization import vault
from randomization.actions import lists


class Command(BaseCommand):
    """Put the new key first in STRATUM_KEYS, keep the old one behind it, run this, then take the old one out."""

    help = "Rewrap the keys of all allocation lists under the newest key, slots untouched; exit code 1 for a lost key."

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate and tell what became of each list. Shows key names, never a key."""
        try:
            found = lists.rotate_keys(who=f"command line ({getpass.getuser()})")
        except (Refused, vault.KeyringError) as error:
            raise CommandError(str(error)) from error
        for one in found:
            if one.problem:
                self.stdout.write(self.style.ERROR(f"✗ list {one.list_id} {one.reference}: {one.problem}"))
            elif one.before == one.after:
                self.stdout.write(f"– list {one.list_id} {one.reference}: already under {one.after}")
            else:
                self.stdout.write(
                    self.style.SUCCESS(f"✓ list {one.list_id} {one.reference}: {one.before} → {one.after}")
                )
        if any(one.problem for one in found):
            raise SystemExit(1)
