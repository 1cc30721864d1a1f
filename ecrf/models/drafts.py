"""Drafts: what a person is typing, before it is data."""

from __future__ import annotations

from django.db import models

from audit import exempt


class Draft(models.Model):
    """A person's unsaved typing in one form, encrypted, shown to its author alone, gone on save."""

    person = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="+")
    participant = models.ForeignKey("trial.Participant", on_delete=models.PROTECT, related_name="+")
    place = models.CharField(max_length=120, help_text="visit/<id>/<form>, log/<form>/<number> or log/<form>/new")
    base_revision = models.PositiveIntegerField()
    payload = models.TextField()
    kept_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "participant", "place"], name="one_draft_per_person_and_place")
        ]

    def __str__(self) -> str:
        return f"draft {self.pk}"


exempt.register("ecrf.Draft", "What a person is typing is not data yet; it becomes data by Save, which is audited.")
