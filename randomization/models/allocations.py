"""Who was allocated to what: one per participant, one per slot, never changed."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AuditedModel


class Allocation(AuditedModel):
    """The arm given to a participant, with the strata as frozen at that moment."""

    participant = models.OneToOneField("trial.Participant", on_delete=models.PROTECT, related_name="allocation")
    slot = models.OneToOneField("randomization.Slot", on_delete=models.PROTECT, related_name="allocation")
    allocation_list = models.ForeignKey(
        "randomization.AllocationList", on_delete=models.PROTECT, related_name="allocations"
    )
    version = models.ForeignKey("trial.Version", on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField(unique=True, help_text=_("Randomization number, in order of allocation."))
    arm = models.CharField(max_length=40)
    stratum = models.CharField(max_length=200)
    strata = models.JSONField(help_text=_("Factor and level, as frozen."))
    allocated_at = models.DateTimeField()
    allocated_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="+")
    signature = models.ForeignKey("audit.Signature", on_delete=models.PROTECT, related_name="+")
    leaf_index = models.PositiveIntegerField(help_text=_("Where the slot stands among all leaves of the commitment."))
    proof = models.JSONField(default=list, help_text=_("Inclusion proof of the slot under the list's commitment."))
    salt_of_slot = models.CharField(max_length=64, help_text=_("Opens the commitment of this slot, for verification."))
    draw = models.CharField(
        max_length=32,
        blank=True,
        default="",
        help_text=_("What the slot holds where the arm is computed at allocation: the random draw."),
    )
    own_number = models.CharField(
        max_length=16, blank=True, default="", help_text=_("The sponsor's own number of the slot in an imported list.")
    )

    class Meta:
        verbose_name = _("allocation")
        ordering = ["number"]

    def __str__(self) -> str:
        return f"R{self.number:04d}"
