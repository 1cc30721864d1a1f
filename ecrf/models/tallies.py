"""How far source verification is, record by record: counted from the records, never the truth itself."""

from __future__ import annotations

from django.db import models

from audit import exempt


class VerificationTally(models.Model):
    """What the plan asks to verify in one record, and how much of it is verified.

    A record has one row for the values that reveal nothing and, where it holds any, one for those that reveal the
    arm (`reveals_arm`): who may not see arms never counts with the second. `version` and `revision` say from what it
    was counted; a row that does not agree with them any more is counted again.
    """

    record = models.ForeignKey("ecrf.Record", on_delete=models.CASCADE, related_name="tallies")
    participant = models.ForeignKey("trial.Participant", on_delete=models.CASCADE, related_name="+")
    reveals_arm = models.BooleanField(default=False)
    version = models.ForeignKey("trial.Version", on_delete=models.PROTECT, related_name="+")
    revision = models.PositiveIntegerField()
    required = models.PositiveIntegerField(default=0)
    verified = models.PositiveIntegerField(default=0, help_text="Of what is required.")
    changed = models.PositiveIntegerField(default=0, help_text="Of what is required: verified once, changed since.")
    waiting_since = models.DateTimeField(null=True, blank=True, help_text="Null when nothing is left to verify.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["record", "reveals_arm"], name="one_tally_per_record_and_arm"),
            models.CheckConstraint(
                condition=models.Q(verified__lte=models.F("required"), changed__lte=models.F("required")),
                name="tally_verified_within_required",
            ),
        ]
        indexes = [models.Index(fields=["participant", "waiting_since"], name="tally_of_participant")]

    def __str__(self) -> str:
        return f"{self.record_id}: {self.verified} of {self.required}"


exempt.register(
    "ecrf.VerificationTally",
    "Counted from records, verifications and the study's plan; can be counted again at any time.",
)
