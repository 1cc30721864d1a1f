"""The allocation list: drafted, approved by a second person, in use. No clear column tells arm, block or size."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit import exempt
from audit.models import AppendOnlyModel, AuditedModel


class ListState(models.TextChoices):
    DRAFT = "draft", _("Draft")
    APPROVED = "approved", _("Approved")
    IN_USE = "in_use", _("In use")
    CLOSED = "closed", _("Closed")


class ListKind(models.TextChoices):
    MAIN = "main", _("Allocation list")
    EMERGENCY = "emergency", _("Emergency slots")


class MainLists(models.Manager["AllocationList"]):
    """The lists that the system allocates from; emergency slots, on paper, are never among them."""

    def get_queryset(self) -> models.QuerySet[AllocationList]:
        return super().get_queryset().filter(kind=ListKind.MAIN)


class AllocationList(AuditedModel):
    """A list of slots for every stratum, made by a named algorithm from a sealed seed.

    `objects` are the lists that the system allocates from; `every` are the emergency slots on paper, too.
    """

    objects = MainLists()
    every = models.Manager["AllocationList"]()

    kind = models.CharField(max_length=10, choices=ListKind.choices, default=ListKind.MAIN)
    reference = models.CharField(max_length=36, unique=True, help_text=_("Names the list in seals and commitments."))
    version = models.ForeignKey("trial.Version", on_delete=models.PROTECT, related_name="+")
    algorithm = models.CharField(max_length=60)
    arms = models.JSONField(help_text=_("Arm ids with their share of the ratio."))
    strata = models.JSONField(help_text=_("Labels of the strata, in order."))
    slots_per_stratum = models.PositiveIntegerField()
    slots_total = models.PositiveIntegerField(default=0)
    sealed_parameters = models.TextField(help_text=_("Seed and block sizes, encrypted under the list's own key."))
    commitment = models.CharField(max_length=64, blank=True, help_text=_("Merkle root over the salted slots."))
    state = models.CharField(max_length=10, choices=ListState.choices, default=ListState.DRAFT)
    drafted_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="+")
    drafted_at = models.DateTimeField()
    approval = models.ForeignKey("audit.Signature", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    approved_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, null=True, related_name="+")
    in_use_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    on_hold_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("allocation list")
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="in_use"), name="one_allocation_list_in_use"
            ),
            models.CheckConstraint(
                condition=models.Q(approved_by__isnull=True) | ~models.Q(approved_by=models.F("drafted_by")),
                name="allocation_list_approved_by_a_second_person",
            ),
        ]

    def __str__(self) -> str:
        return f"List {self.pk}"


class ListKey(models.Model):
    """The list's data key, wrapped by a key of the environment; rewrapped when that key rotates."""

    allocation_list = models.OneToOneField(AllocationList, on_delete=models.PROTECT, related_name="key")
    wrapped = models.TextField()

    def __str__(self) -> str:
        return f"key of list {self.allocation_list_id}"


exempt.register(
    "randomization.ListKey", "Wrapped keys: an append-only copy would keep the list readable with a retired key."
)


class Slot(AppendOnlyModel):
    """One place of the list: written once, encrypted, of constant length."""

    allocation_list = models.ForeignKey(AllocationList, on_delete=models.PROTECT, related_name="slots")
    stratum = models.CharField(max_length=200)
    position = models.PositiveIntegerField()
    payload = models.TextField()

    class Meta:
        verbose_name = _("slot")
        ordering = ["allocation_list", "stratum", "position"]
        constraints = [
            models.UniqueConstraint(fields=["allocation_list", "stratum", "position"], name="slot_position_once")
        ]

    def __str__(self) -> str:
        return f"slot {self.position} of {self.stratum}"
