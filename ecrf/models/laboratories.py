"""Each site's dated laboratory reference ranges."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AuditedModel


class LaboratoryRange(AuditedModel):
    """The reference range of one analyte at one site from a day on, for one sex or both, in the standard unit.

    Limits that the laboratory prints in another unit are kept as printed too.
    """

    site = models.ForeignKey("trial.Site", on_delete=models.PROTECT, related_name="laboratory_ranges")
    analyte = models.CharField(max_length=20)
    sex = models.CharField(max_length=1, blank=True)
    unit = models.CharField(max_length=20)
    low = models.CharField(max_length=20, blank=True)
    high = models.CharField(max_length=20, blank=True)
    entered_unit = models.CharField(max_length=20, blank=True, default="", help_text=_("When it was another one."))
    entered_low = models.CharField(max_length=20, blank=True, default="")
    entered_high = models.CharField(max_length=20, blank=True, default="")
    from_on = models.DateField()

    class Meta:
        verbose_name = _("laboratory range")
        ordering = ["site", "analyte", "sex", "from_on"]
        constraints = [
            models.UniqueConstraint(fields=["site", "analyte", "sex", "from_on"], name="one_range_per_analyte_and_day")
        ]

    def __str__(self) -> str:
        return f"{self.site_id} {self.analyte}"
