"""`manage.py redactions`: the list kept with the backups, so that a restored one is brought to the same state."""

import csv
from typing import Any
from urllib.parse import urlencode

from django.core.management.base import BaseCommand
from django.urls import reverse

from audit.models import Redaction, RedactionState

COLUMNS = (
    "number", "participant", "decided_at", "proposed_by", "approved_by", "reason", "start", "length", "address",
)  # fmt: skip


class Command(BaseCommand):
    """Name every redaction that was applied, where its text stood, and where it is proposed again. Never the text."""

    help = "List applied redactions as CSV, with the address at which each is proposed again after a restore."

    def handle(self, *args: Any, **options: Any) -> None:
        writer = csv.writer(self.stdout)
        writer.writerow(COLUMNS)
        for redaction in Redaction.objects.filter(state=RedactionState.APPLIED).order_by("decided_at", "pk"):
            where = {
                "table": redaction.source_table,
                "key": redaction.source_key,
                "column": redaction.source_column,
                "path": "/".join(redaction.source_path),
            }
            writer.writerow(
                [
                    redaction.pk,
                    redaction.participant_code,
                    redaction.decided_at.isoformat() if redaction.decided_at else "",
                    redaction.proposed_by_name,
                    redaction.decided_by_name,
                    redaction.reason,
                    redaction.start,
                    redaction.length,
                    f"{reverse('redaction_new')}?{urlencode(where)}",
                ]
            )
