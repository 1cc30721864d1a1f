"""The allocation list, its slots and what they are committed by. No clear column tells arm, block or size."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit import exempt
from audit.models import AppendOnlyModel, AuditedModel


class ListState(models.TextChoices):
    DRAFT = "draft", _("Draft")
    SIMULATED = "simulated", _("Simulated")
    APPROVED = "approved", _("Approved and committed")
    IN_USE = "in_use", _("In use")
    EXHAUSTED = "exhausted", _("Exhausted")
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
    exhausted_at = models.DateTimeField(null=True, blank=True)
    closed_strata = models.JSONField(default=list, blank=True, help_text=_("Strata closed by a correction."))
    is_simulated = models.BooleanField(default=False, help_text=_("Drafted in a database that is marked simulated."))
    simulation_digest = models.CharField(
        max_length=64, blank=True, default="", help_text=_("SHA-256 of the simulation report.")
    )
    simulation_summary = models.JSONField(default=dict, blank=True, help_text=_("What the report says, in numbers."))
    simulated_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    simulated_at = models.DateTimeField(null=True, blank=True)
    sealed_test_seed = models.TextField(
        blank=True, default="", help_text=_("Seed of the test list that the second person sees, encrypted.")
    )

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


class Segment(AppendOnlyModel):
    """Slots that were approved and committed together: number 1 is the list itself, the others were appended to it."""

    allocation_list = models.ForeignKey(AllocationList, on_delete=models.PROTECT, related_name="segments")
    number = models.PositiveIntegerField()
    spans = models.JSONField(help_text=_("Stratum and its first and last position in this segment."))
    size = models.PositiveIntegerField(help_text=_("How many slots the commitment is over."))
    commitment = models.CharField(max_length=64, help_text=_("Merkle root over the salted slots."))
    sealed_parameters = models.TextField(
        blank=True, default="", help_text=_("Seed of an appended segment, encrypted; the first has the list's own.")
    )
    signature = models.ForeignKey("audit.Signature", on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    class Meta:
        verbose_name = _("segment of an allocation list")
        ordering = ["allocation_list", "number"]
        constraints = [models.UniqueConstraint(fields=["allocation_list", "number"], name="list_segment_number_once")]

    def __str__(self) -> str:
        return f"segment {self.number} of list {self.allocation_list_id}"


class SlotProof(AppendOnlyModel):
    """A slot's leaf and its proof under the segment's commitment, kept from the approval on.

    A leaf is the hash of a salted slot: without the salt, which stays sealed with the slot, it tells nothing.
    """

    slot = models.OneToOneField(Slot, on_delete=models.PROTECT, related_name="proof")
    segment = models.ForeignKey(Segment, on_delete=models.PROTECT, related_name="proofs")
    leaf_index = models.PositiveIntegerField(help_text=_("Where the slot stands among all leaves of the commitment."))
    leaf = models.CharField(max_length=64)
    steps = models.JSONField(default=list, help_text=_("Sibling hashes from the leaf up to the root."))

    class Meta:
        verbose_name = _("proof of a slot")
        constraints = [models.UniqueConstraint(fields=["segment", "leaf_index"], name="slot_proof_place_once")]

    def __str__(self) -> str:
        return f"proof of slot {self.slot_id}"
