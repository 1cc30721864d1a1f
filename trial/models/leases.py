"""Leases: which worker carries out which owed row until when."""

from __future__ import annotations

from django.db import models

from audit import exempt


class Lease(models.Model):
    """A worker's claim on one row of work; an expired lease lets another worker take over."""

    work = models.CharField(max_length=40)
    target_id = models.BigIntegerField()
    worker = models.CharField(max_length=80, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    progress = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["work", "target_id"], name="one_lease_per_work")]

    def __str__(self) -> str:
        return f"{self.work} {self.target_id}"


exempt.register("trial.Lease", "Machine bookkeeping of tasks: who works on what, and how far; holds no clinical value.")
