"""A form filled once, what changed in it, and what the checks say of it."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AppendOnlyModel, AuditedModel

from .closures import Closure, ClosureKind, closures_of


class EntryState(models.TextChoices):
    EXPECTED = "expected", _("Expected")
    IN_PROGRESS = "in_progress", _("In progress")
    COMPLETE = "complete", _("Complete")
    NOT_DONE = "not_done", _("Not done")
    NOT_APPLICABLE = "not_applicable", _("Not applicable")


class Record(AuditedModel):
    """One form of one participant: of a visit (visit forms) or numbered (log forms).

    `data` is {group: [{"_id": row id, item: value as dumped by `trial.language`}]}; a group that does not repeat
    has one row. `revision` counts saves and is what a save must name. The marks beside the entry state are
    independent of it and of each other; frozen and locked are true by the record's own mark or by any closure of its
    visit, participant, site or study.
    """

    participant = models.ForeignKey("trial.Participant", on_delete=models.PROTECT, related_name="records")
    visit = models.ForeignKey("trial.Visit", on_delete=models.PROTECT, null=True, blank=True, related_name="records")
    form = models.CharField(max_length=60)
    number = models.PositiveIntegerField(null=True, blank=True)
    version = models.ForeignKey("trial.Version", on_delete=models.PROTECT, related_name="+")
    entry_state = models.CharField(max_length=16, choices=EntryState.choices, default=EntryState.EXPECTED)
    revision = models.PositiveIntegerField(default=0)
    data = models.JSONField(default=dict)
    dated_on = models.DateField(null=True, blank=True, help_text=_("The date of the form, from its date item."))
    was_complete = models.BooleanField(default=False, help_text=_("Changes need a reason once this is true."))
    not_done_reason = models.CharField(max_length=300, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True, help_text=_("Log entries entered by mistake."))
    removed_reason = models.CharField(max_length=300, blank=True)
    reveals_arm = models.BooleanField(default=False)

    signature = models.ForeignKey("audit.Signature", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    signed_revision = models.PositiveIntegerField(null=True, blank=True)
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_revision = models.PositiveIntegerField(null=True, blank=True)
    frozen_at = models.DateTimeField(null=True, blank=True)
    locked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("record")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["visit", "form"], condition=models.Q(visit__isnull=False), name="one_record_per_visit_and_form"
            ),
            models.UniqueConstraint(
                fields=["participant", "form", "number"],
                condition=models.Q(number__isnull=False),
                name="log_number_once_per_participant",
            ),
            models.CheckConstraint(
                condition=models.Q(visit__isnull=False, number__isnull=True)
                | models.Q(visit__isnull=True, number__isnull=False),
                name="record_is_of_a_visit_or_numbered",
            ),
            models.CheckConstraint(
                condition=~models.Q(entry_state="not_done") | ~models.Q(not_done_reason=""),
                name="record_not_done_has_a_reason",
            ),
        ]
        indexes = [models.Index(fields=["form", "entry_state"], name="record_form_state")]

    def __str__(self) -> str:
        return f"{self.form} {self.number or self.visit_id or ''}".strip()

    @property
    def is_log(self) -> bool:
        return self.number is not None

    @property
    def closures(self) -> list[Closure]:
        """The closures in force that cover the record, without its own marks."""
        return [closure for closure in closures_of(self.participant) if closure.covers(self.visit_id)]

    @property
    def is_frozen(self) -> bool:
        return self.frozen_at is not None or any(c.kind == ClosureKind.FROZEN for c in self.closures)

    @property
    def is_locked(self) -> bool:
        return self.locked_at is not None or any(c.kind == ClosureKind.LOCKED for c in self.closures)

    @property
    def is_signed(self) -> bool:
        return self.signature_id is not None

    @property
    def is_changed_since_signing(self) -> bool:
        return self.signature_id is not None and self.signed_revision != self.revision

    @property
    def is_reviewed(self) -> bool:
        return self.reviewed_at is not None and self.reviewed_revision == self.revision

    @property
    def is_changed_since_review(self) -> bool:
        return self.reviewed_at is not None and self.reviewed_revision != self.revision


class ChangeKind(models.TextChoices):
    ENTERED = "entered", _("Entered")
    CHANGED = "changed", _("Changed")
    CLEARED = "cleared", _("Cleared")
    DERIVED = "derived", _("Calculated")
    ROW_REMOVED = "row_removed", _("Row removed")


class Change(AppendOnlyModel):
    """One changed item of one save: the audit trail of a value is these rows in order.

    `participant` and `version` are those that the record had: the record's own references hold them in the database,
    so that a save of hundreds of items does not look each of them up hundreds of times.
    """

    shared_references = ("record",)

    record = models.ForeignKey(
        Record, on_delete=models.PROTECT, related_name="changes", db_index=False, db_constraint=False
    )
    participant = models.ForeignKey(
        "trial.Participant", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    version = models.ForeignKey(
        "trial.Version", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    revision = models.PositiveIntegerField()
    kind = models.CharField(max_length=12, choices=ChangeKind.choices)
    group = models.CharField(max_length=60)
    row = models.CharField(max_length=40)
    item = models.CharField(max_length=60)
    old = models.JSONField(null=True)
    new = models.JSONField(null=True)
    reason = models.CharField(max_length=300, blank=True)
    by_id = models.BigIntegerField(null=True)
    by_name = models.CharField(max_length=170)
    at = models.DateTimeField()
    reveals_arm = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("change")
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["record", "item", "row"], name="change_of_value"),
            models.Index(fields=["participant", "-at"], name="change_of_participant"),
        ]

    def __str__(self) -> str:
        return f"{self.record_id} r{self.revision} {self.item}"


class Severity(models.TextChoices):
    HARD = "hard", _("Must be corrected")
    SOFT = "soft", _("To be confirmed")


class FindingState(models.TextChoices):
    OPEN = "open", _("Open")
    JUSTIFIED = "justified", _("Value confirmed")
    RESOLVED = "resolved", _("Resolved")


class Finding(AuditedModel):
    """What an edit check says of a saved record; it resolves by itself when the data become right."""

    record = models.ForeignKey(Record, on_delete=models.PROTECT, related_name="findings")
    check_id = models.CharField(max_length=80)
    row = models.CharField(max_length=40, blank=True)
    item = models.CharField(max_length=60, blank=True)
    severity = models.CharField(max_length=6, choices=Severity.choices)
    state = models.CharField(max_length=10, choices=FindingState.choices, default=FindingState.OPEN)
    justification = models.CharField(max_length=300, blank=True)
    proposed = models.JSONField(
        null=True, blank=True, help_text=_("Of a frozen or locked form: what a calculated value would be, and is.")
    )
    raised_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("finding")
        constraints = [
            models.UniqueConstraint(fields=["record", "check_id", "row"], name="one_finding_per_check_and_row"),
            models.CheckConstraint(
                condition=~models.Q(state="justified") | ~models.Q(justification=""),
                name="finding_justified_has_words",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.record_id} {self.check_id}"


class Verification(AuditedModel):
    """Source verification of one value; cleared by a change of that value or taken back, never removed.

    `cleared_by` is who took it back, with the reason; nobody when a change of the value cleared it.
    """

    record = models.ForeignKey(Record, on_delete=models.PROTECT, related_name="verifications")
    row = models.CharField(max_length=40, blank=True)
    item = models.CharField(max_length=60)
    revision = models.PositiveIntegerField()
    verified_at = models.DateTimeField()
    verified_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="+")
    cleared_at = models.DateTimeField(null=True, blank=True)
    cleared_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    cleared_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("verification")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(cleared_by__isnull=True) | ~models.Q(cleared_reason=""),
                name="verification_taken_back_has_a_reason",
            ),
            models.UniqueConstraint(
                fields=["record", "row", "item"],
                condition=models.Q(cleared_at__isnull=True),
                name="one_verification_in_force_per_value",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.record_id} {self.item}"
