"""The study, its published versions and its sites."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AuditedModel


class Study(AuditedModel):
    """The one study that this database holds. Training and the real trial never share a database."""

    code = models.CharField(max_length=40, unique=True)
    acronym = models.CharField(max_length=80)
    is_simulated = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("study")

    def __str__(self) -> str:
        return self.acronym


class VersionManager(models.Manager["Version"]):
    """Versions without their content, which is large; `trial.definitions` reads it once per process."""

    def get_queryset(self) -> models.QuerySet[Version]:
        return super().get_queryset().defer("content")


class Version(AuditedModel):
    """A published definition: never changed after it is stored."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    label = models.CharField(max_length=40)
    content_hash = models.CharField(max_length=64)
    content = models.JSONField()
    published_at = models.DateTimeField()
    published_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, null=True, related_name="+")
    reason = models.TextField()

    objects = VersionManager()

    class Meta:
        verbose_name = _("version")
        base_manager_name = "objects"
        constraints = [
            models.UniqueConstraint(fields=["study", "number"], name="version_number_once_per_study"),
            models.UniqueConstraint(fields=["study", "content_hash"], name="version_content_once_per_study"),
        ]

    def __str__(self) -> str:
        return f"{self.number} ({self.label})"


class Site(AuditedModel):
    """A centre that includes participants. Its number opens each participant's code."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="sites")
    number = models.CharField(max_length=4)
    name = models.CharField(max_length=120)
    city = models.CharField(max_length=80)
    opened_on = models.DateField(null=True, blank=True)
    closed_on = models.DateField(null=True, blank=True)

    class Meta:
        verbose_name = _("site")
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["study", "number"], name="site_number_once_per_study"),
            models.CheckConstraint(
                condition=models.Q(closed_on__isnull=True) | models.Q(closed_on__gte=models.F("opened_on")),
                name="site_closes_after_it_opens",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"

    def deed_scope(self) -> tuple[int | None, str | None]:
        """Deeds about a site are filed under it."""
        return self.pk, None

    def is_open(self, on: dt.date) -> bool:
        """Tell whether the site includes participants on that day."""
        return self.opened_on is not None and self.opened_on <= on and (self.closed_on is None or on < self.closed_on)


class SiteActivation(AuditedModel):
    """From which day a site works under a version (ICH E6(R3) 4.3.5: per site, after its approvals)."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="activations")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="activations")
    activated_on = models.DateField()

    class Meta:
        verbose_name = _("site activation")
        constraints = [models.UniqueConstraint(fields=["site", "version"], name="version_activated_once_per_site")]

    def __str__(self) -> str:
        return f"{self.site} – {self.version}"
