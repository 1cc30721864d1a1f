"""A serious adverse event followed from the site's awareness to its report."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AuditedModel


class CaseState(models.TextChoices):
    AWAITED = "awaited", _("Serious event form awaited")
    REPORTED = "reported", _("Reported to the sponsor")
    CANCELLED = "cancelled", _("Not serious after all")


class SafetyCase(AuditedModel):
    """The clock of one serious adverse event: opened when an event is said to be serious."""

    participant = models.ForeignKey("trial.Participant", on_delete=models.PROTECT, related_name="safety_cases")
    adverse_event = models.OneToOneField("ecrf.Record", on_delete=models.PROTECT, related_name="safety_case")
    serious_event = models.OneToOneField(
        "ecrf.Record", on_delete=models.PROTECT, null=True, blank=True, related_name="reported_case"
    )
    state = models.CharField(max_length=10, choices=CaseState.choices, default=CaseState.AWAITED)
    aware_at = models.DateTimeField(help_text=_("When the site learned that the event is serious."))
    due_at = models.DateTimeField()
    reported_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(null=True, blank=True, help_text=_("First seen by the sponsor: day 0."))
    received_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("safety case")
        ordering = ["due_at"]
        indexes = [models.Index(fields=["state", "due_at"], name="safety_case_due")]

    def __str__(self) -> str:
        return f"Case {self.pk}"
