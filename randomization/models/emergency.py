"""Emergency slots, for when the system is down: which list they are, who holds which half, what was done with each."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AuditedModel


class EmergencyList(AuditedModel):
    """The emergency slots of an allocation list: a list of their own, of another seed and another algorithm.

    Each slot is printed on a page of its own under a password of two halves. The one who drafted the list holds the
    first halves, the one who approved it the second; neither opens a page alone.
    """

    main = models.OneToOneField("randomization.AllocationList", on_delete=models.PROTECT, related_name="emergency")
    slots = models.OneToOneField("randomization.AllocationList", on_delete=models.PROTECT, related_name="emergency_of")
    first_holder = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="+")
    second_holder = models.ForeignKey("trial.Person", on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("emergency list")
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(main=models.F("slots")), name="emergency_slots_are_a_list_of_their_own"
            ),
            models.CheckConstraint(
                condition=models.Q(second_holder__isnull=True) | ~models.Q(second_holder=models.F("first_holder")),
                name="emergency_halves_have_two_holders",
            ),
        ]

    def __str__(self) -> str:
        return f"emergency slots of list {self.main_id}"


class EmergencyUse(AuditedModel):
    """What was done with an emergency slot: an allocation with its true time, or set aside with the reason.

    `happened_at` is when the page was opened and the arm given (day 0); `entered_at` when the system was told.
    """

    slot = models.OneToOneField("randomization.Slot", on_delete=models.PROTECT, related_name="emergency_use")
    allocation = models.OneToOneField(
        "randomization.Allocation", on_delete=models.PROTECT, null=True, blank=True, related_name="emergency_use"
    )
    happened_at = models.DateTimeField(help_text=_("When the page was opened."))
    opened_by = models.CharField(max_length=200, help_text=_("The two people who opened the page."))
    reason = models.CharField(
        max_length=300, help_text=_("Why the system could not be used, or the slot is set aside.")
    )
    against = models.JSONField(default=list, help_text=_("What the gate says against it at the time of entry."))
    entered_at = models.DateTimeField()
    entered_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("use of an emergency slot")
        ordering = ["slot"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(happened_at__lte=models.F("entered_at")),
                name="emergency_use_entered_after_it_happened",
            ),
            models.CheckConstraint(condition=~models.Q(reason=""), name="emergency_use_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"use of emergency slot {self.slot_id}"
