"""What follows an allocation, and what takes its place: errors, differences, the treatment received, registrations."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AuditedModel


class IdentityCheck(AuditedModel):
    """Somebody made sure that a participant is in the trial under no other code, and wrote down how."""

    participant = models.ForeignKey("trial.Participant", on_delete=models.PROTECT, related_name="identity_checks")
    how = models.CharField(max_length=300)
    against = models.PositiveIntegerField(
        help_text=_("How many included participants had the same sex and month and year of birth.")
    )
    checked_at = models.DateTimeField()
    checked_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("identity check")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.checked_at:%Y-%m-%d}"


class Registration(AuditedModel):
    """A participant who follows an arm's visit plan without having been randomized: no slot, no number of a list."""

    participant = models.OneToOneField("trial.Participant", on_delete=models.PROTECT, related_name="registration")
    version = models.ForeignKey("trial.Version", on_delete=models.PROTECT, related_name="+")
    arm = models.CharField(max_length=40)
    registered_at = models.DateTimeField()
    registered_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="+")
    signature = models.ForeignKey("audit.Signature", on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("registration")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.arm}"


class ErrorReason(models.TextChoices):
    """Why a participant should not have been randomized."""

    NOT_ELIGIBLE = "not_eligible", _("Was not eligible")
    CONSENT = "consent", _("Consent missing or not valid")
    OTHER_PERSON = "other_person", _("Another person was meant")
    TWICE = "twice", _("Already in the trial under another code")
    BY_MISTAKE = "by_mistake", _("Randomized by mistake, or too early")
    OTHER = "other", _("Other")


class RandomizedInError(AuditedModel):
    """The flag of an allocation that should not have been made. The allocation stays, and counts as randomized."""

    allocation = models.ForeignKey("randomization.Allocation", on_delete=models.PROTECT, related_name="errors")
    reason = models.CharField(max_length=20, choices=ErrorReason.choices)
    detail = models.CharField(max_length=300)
    flagged_at = models.DateTimeField()
    flagged_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="+")
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    lifted_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("randomization in error")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["allocation"],
                condition=models.Q(lifted_at__isnull=True),
                name="one_error_flag_in_force_per_allocation",
            )
        ]

    def __str__(self) -> str:
        return f"{self.allocation_id} {self.reason}"

    def deed_scope(self) -> tuple[int | None, str | None]:
        """Deeds about the flag are filed under the participant."""
        return self.allocation.participant.deed_scope()


class StratumDifference(AuditedModel):
    """A factor whose level, by the data, is no longer the one that was frozen. It changes neither stratum nor arm."""

    allocation = models.ForeignKey("randomization.Allocation", on_delete=models.PROTECT, related_name="differences")
    factor = models.CharField(max_length=64)
    frozen = models.CharField(max_length=32)
    now = models.CharField(max_length=32, blank=True, help_text=_("Empty: not known any more."))
    since = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True, help_text=_("When the data agreed again."))

    class Meta:
        verbose_name = _("stratum difference")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["allocation", "factor"],
                condition=models.Q(settled_at__isnull=True),
                name="one_stratum_difference_open_per_factor",
            )
        ]

    def __str__(self) -> str:
        return f"{self.allocation_id} {self.factor}"

    def deed_scope(self) -> tuple[int | None, str | None]:
        """Deeds about the difference are filed under the participant."""
        return self.allocation.participant.deed_scope()


class WhyOtherwise(models.TextChoices):
    """Why a participant did not receive what was allocated."""

    PARTICIPANT = "participant", _("Participant’s decision")
    INVESTIGATOR = "investigator", _("Investigator’s decision")
    PROGRESSION = "progression", _("Progression before the start")
    MEDICAL = "medical", _("Medical reason or toxicity")
    DEATH = "death", _("Death before the start")
    NOT_FEASIBLE = "not_feasible", _("Not feasible for a technical reason")
    ERROR = "error", _("Allocation not followed by mistake")
    OTHER = "other", _("Other")


class TreatmentReceived(AuditedModel):
    """What a participant received, beside what was allocated: told by the site, corrected with a reason."""

    participant = models.OneToOneField("trial.Participant", on_delete=models.PROTECT, related_name="treatment_received")
    received = models.CharField(max_length=40, blank=True, help_text=_("Arm; empty: none of the arms' treatments."))
    started_on = models.DateField(null=True, blank=True)
    why = models.CharField(max_length=20, choices=WhyOtherwise.choices, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    told_at = models.DateTimeField()
    told_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("treatment received")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(received="") | models.Q(started_on__isnull=False),
                name="treatment_received_has_its_first_day",
            )
        ]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.received or '–'}"
