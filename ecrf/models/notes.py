"""Notes on items, rows and forms: said once, never changed, no answer expected."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AppendOnlyModel


class Note(AppendOnlyModel):
    """What a person noted about an item (`item`), a row of a grid (`row` alone) or a whole form (neither)."""

    record = models.ForeignKey("ecrf.Record", on_delete=models.PROTECT, related_name="notes")
    participant = models.ForeignKey("trial.Participant", on_delete=models.PROTECT, related_name="+")
    row = models.CharField(max_length=40, blank=True)
    item = models.CharField(max_length=60, blank=True)
    text = models.CharField(max_length=1000)
    by_id = models.BigIntegerField()
    by_name = models.CharField(max_length=170)
    at = models.DateTimeField()
    reveals_arm = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"Note {self.pk}"
