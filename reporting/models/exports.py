"""A dataset taken out of the system: who asked, what it holds, its checksum."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AuditedModel


class ExportState(models.TextChoices):
    REQUESTED = "requested", _("Waiting")
    READY = "ready", _("Ready")
    FAILED = "failed", _("Failed")


class Export(AuditedModel):
    """A dataset asked for by one person, with the arms only if that person may see them."""

    format = models.CharField(max_length=20, default="csv")
    requested_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="exports")
    requested_at = models.DateTimeField()
    includes_arms = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=ExportState.choices, default=ExportState.REQUESTED)
    finished_at = models.DateTimeField(null=True, blank=True)
    file_name = models.CharField(max_length=120, blank=True)
    checksum = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField(null=True, blank=True)
    rows = models.JSONField(default=dict)
    failure = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("export")
        ordering = ["-requested_at", "-pk"]

    def __str__(self) -> str:
        return f"Export {self.pk}"
