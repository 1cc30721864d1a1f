"""Corrections of a list: proposed by one unblinded statistician, decided by another, on slot numbers alone.

Whoever proposed one may take it back while it waits.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AuditedModel


class CorrectionKind(models.TextChoices):
    WITHDRAW_SLOT = "withdraw_slot", _("Make a slot unavailable")
    APPEND_SLOTS = "append_slots", _("Append slots")
    CLOSE_STRATUM = "close_stratum", _("Close a stratum")
    REOPEN_STRATUM = "reopen_stratum", _("Reopen a stratum")
    HOLD = "hold", _("Hold randomization")
    RESUME = "resume", _("Resume randomization")


class CorrectionState(models.TextChoices):
    PROPOSED = "proposed", _("Waits for the second person")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")
    TAKEN_BACK = "taken_back", _("Taken back")


COME_TO_NOTHING = (CorrectionState.REJECTED, CorrectionState.TAKEN_BACK)
"""What never took effect: the same may be proposed again."""


class Correction(AuditedModel):
    """One correction of a list, from its proposal to the decision of a second person. Nothing is ever deleted.

    One that was taken back has the time and the reason, and nobody who decided: its proposer took it back.
    """

    allocation_list = models.ForeignKey(
        "randomization.AllocationList", on_delete=models.PROTECT, related_name="corrections"
    )
    kind = models.CharField(max_length=20, choices=CorrectionKind.choices)
    state = models.CharField(max_length=10, choices=CorrectionState.choices, default=CorrectionState.PROPOSED)
    stratum = models.CharField(max_length=200, blank=True, default="", help_text=_("Empty: every stratum."))
    slot = models.ForeignKey(
        "randomization.Slot", on_delete=models.PROTECT, null=True, blank=True, related_name="corrections"
    )
    count = models.PositiveIntegerField(null=True, blank=True, help_text=_("How many slots each stratum gets."))
    reason = models.CharField(max_length=300)
    proposed_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    decided_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.CharField(max_length=300, blank=True, default="")
    signature = models.ForeignKey("audit.Signature", on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("correction of an allocation list")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(decided_by__isnull=True) | ~models.Q(decided_by=models.F("proposed_by")),
                name="list_correction_decided_by_a_second_person",
            ),
            models.CheckConstraint(
                condition=models.Q(state="proposed", decided_by__isnull=True, decided_at__isnull=True)
                | models.Q(state="taken_back", decided_by__isnull=True, decided_at__isnull=False)
                | models.Q(state__in=["approved", "rejected"], decided_by__isnull=False, decided_at__isnull=False),
                name="list_correction_decided_with_person_and_time",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="withdraw_slot", slot__isnull=False)
                | (~models.Q(kind="withdraw_slot") & models.Q(slot__isnull=True)),
                name="list_correction_names_a_slot_to_withdraw",
            ),
            models.UniqueConstraint(
                fields=["slot"],
                condition=models.Q(state__in=["proposed", "approved"]),
                name="slot_withdrawn_once",
            ),
        ]

    def __str__(self) -> str:
        return f"correction {self.pk} of list {self.allocation_list_id}"
