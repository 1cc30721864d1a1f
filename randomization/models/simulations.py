"""What was simulated with a list's own parameters before it was approved, sealed under the list's key."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AppendOnlyModel

from .lists import AllocationList


class ListSimulation(AppendOnlyModel):
    """One report of a simulation of a list. In clear there is its digest: the report tells the parameters."""

    allocation_list = models.ForeignKey(AllocationList, on_delete=models.PROTECT, related_name="simulations")
    digest = models.CharField(max_length=64, unique=True, help_text=_("SHA-256 of the report."))
    trials = models.PositiveIntegerField()
    report = models.TextField(help_text=_("The report, encrypted under the list's own key."))
    made_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    class Meta:
        verbose_name = _("simulation of a list")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"simulation {self.pk} of list {self.allocation_list_id}"
