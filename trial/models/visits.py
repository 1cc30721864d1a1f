"""Visits of participants."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from audit.models import AuditedModel


class VisitStatus(models.TextChoices):
    PLANNED = "planned", _("Planned")
    DONE = "done", _("Done")
    MISSED = "missed", _("Missed")
    NOT_APPLICABLE = "not_applicable", _("Not applicable")


class Visit(AuditedModel):
    """One visit of one participant: planned date and window, actual date, status."""

    participant = models.ForeignKey("trial.Participant", on_delete=models.PROTECT, related_name="visits")
    event = models.CharField(max_length=20, help_text=_("Id of the visit in the visit plan."))
    occurrence = models.PositiveSmallIntegerField(default=1)
    order = models.PositiveSmallIntegerField(help_text=_("Place in the visit plan."))
    planned_on = models.DateField(null=True, blank=True)
    window_start = models.DateField(null=True, blank=True)
    window_end = models.DateField(null=True, blank=True)
    actual_on = models.DateField(null=True, blank=True)
    status = models.CharField(max_length=16, choices=VisitStatus.choices, default=VisitStatus.PLANNED)
    missed_reason = models.CharField(max_length=300, blank=True)
    reveals_arm = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("visit")
        ordering = ["order", "occurrence"]
        constraints = [
            models.UniqueConstraint(fields=["participant", "event", "occurrence"], name="visit_once_per_occurrence"),
            models.CheckConstraint(
                condition=~models.Q(status="done") | models.Q(actual_on__isnull=False), name="visit_done_has_a_date"
            ),
            models.CheckConstraint(
                condition=~models.Q(status="missed") | ~models.Q(missed_reason=""), name="visit_missed_has_a_reason"
            ),
        ]
        indexes = [
            models.Index(fields=["status", "planned_on"], name="visit_due"),
            models.Index(fields=["status", "window_end"], name="visit_overdue"),
            models.Index(Coalesce("actual_on", "planned_on"), name="visit_by_date"),
        ]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.event}" + (f" ({self.occurrence})" if self.occurrence > 1 else "")
