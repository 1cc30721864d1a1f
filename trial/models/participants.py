"""Participants: their code, what is known of them, and what is still expected."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AuditedModel


class Status(models.TextChoices):
    """The one word shown for a participant; `StatusChange` rows say how it came about."""

    SCREENING = "screening", _("In screening")
    SCREEN_FAILURE = "screen_failure", _("Screen failure")
    ENROLLED = "enrolled", _("Eligible, not yet randomized")
    RANDOMIZED = "randomized", _("Randomized")
    REGISTERED = "registered", _("Registered, not randomized")
    TREATMENT_ENDED = "treatment_ended", _("Allocated treatment ended")
    PROGRESSED = "progressed", _("Progressed, in survival follow-up")
    WITHDRAWN = "withdrawn", _("Withdrawn")
    LOST = "lost", _("Lost to follow-up")
    DIED = "died", _("Died")
    COMPLETED = "completed", _("Completed")


class StatusKind(models.TextChoices):
    """What can happen to a participant, each with a date."""

    SCREENED = "screened", _("Screened")
    CONSENTED = "consented", _("Consent given")
    FAILED = "failed", _("Screen failure")
    ENROLLED = "enrolled", _("Eligibility signed")
    RANDOMIZED = "randomized", _("Randomized")
    REGISTERED = "registered", _("Registered, not randomized")
    TREATMENT_ENDED = "treatment_ended", _("Allocated treatment ended")
    PROGRESSED = "progressed", _("Progressed")
    WITHDRAWN_TREATMENT = "withdrawn_treatment", _("Withdrawn from treatment")
    WITHDRAWN_VISITS = "withdrawn_visits", _("Withdrawn from visits")
    WITHDRAWN_CONTACT = "withdrawn_contact", _("Withdrawn from all contact")
    LOST = "lost", _("Lost to follow-up")
    DIED = "died", _("Died")
    COMPLETED = "completed", _("Study completed")


class ScreeningOutcome(models.TextChoices):
    """How a screening ended, for the screening log."""

    PENDING = "pending", _("In screening")
    FAILED = "failed", _("Not included")
    INCLUDED = "included", _("Included")


class Participant(AuditedModel):
    """A person in the trial, known by a permanent code. Before consent only site, month, outcome, reason are kept."""

    site = models.ForeignKey("trial.Site", on_delete=models.PROTECT, related_name="participants")
    version = models.ForeignKey("trial.Version", on_delete=models.PROTECT, related_name="+")
    sequence = models.PositiveIntegerField()
    code = models.CharField(max_length=12, unique=True)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.SCREENING)
    pathway = models.CharField(max_length=40, blank=True)
    screening = models.PositiveSmallIntegerField(
        default=1, help_text=_("Which screening this is; the dates of screening are those of the latest.")
    )
    screening_month = models.DateField(help_text=_("First day of the month of screening."))
    screening_outcome = models.CharField(
        max_length=10, choices=ScreeningOutcome.choices, default=ScreeningOutcome.PENDING
    )
    failure_reason = models.CharField(max_length=40, blank=True)
    failure_detail = models.CharField(max_length=300, blank=True)

    initials = models.CharField(max_length=4, blank=True)
    sex = models.CharField(max_length=1, blank=True)
    birth_month = models.PositiveSmallIntegerField(null=True, blank=True)
    birth_year = models.PositiveSmallIntegerField(null=True, blank=True)

    screened_on = models.DateField()
    consented_on = models.DateField(null=True, blank=True)
    failed_on = models.DateField(null=True, blank=True)
    enrolled_on = models.DateField(null=True, blank=True)
    randomized_on = models.DateField(null=True, blank=True)
    registered_on = models.DateField(
        null=True, blank=True, help_text=_("Day of registration to a visit plan without randomization.")
    )
    treatment_ended_on = models.DateField(null=True, blank=True)
    progressed_on = models.DateField(null=True, blank=True)
    withdrawn_treatment_on = models.DateField(null=True, blank=True)
    withdrawn_visits_on = models.DateField(null=True, blank=True)
    withdrawn_contact_on = models.DateField(null=True, blank=True)
    lost_on = models.DateField(null=True, blank=True)
    died_on = models.DateField(null=True, blank=True)
    completed_on = models.DateField(null=True, blank=True)

    class Meta:
        verbose_name = _("participant")
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(birth_month__isnull=True) | models.Q(birth_month__range=(1, 12)),
                name="participant_birth_month_is_a_month",
            ),
            models.CheckConstraint(
                condition=models.Q(randomized_on__isnull=True) | models.Q(registered_on__isnull=True),
                name="participant_randomized_or_registered",
            ),
        ]
        indexes = [
            models.Index(fields=["site", "status"], name="participant_site_status"),
            models.Index(fields=["birth_year", "birth_month", "sex"], name="participant_likely_duplicates"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def day_zero_on(self) -> dt.date | None:
        """Day 0 of the treatment strategy: the randomization or, for who is not randomized, the registration."""
        return self.randomized_on or self.registered_on

    def deed_scope(self) -> tuple[int | None, str | None]:
        """Deeds about a participant are filed under the site and the code."""
        return self.site_id, self.code


class StatusChange(AuditedModel):
    """One thing that happened to a participant, with its date and reason; reversed, never removed."""

    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="status_changes")
    kind = models.CharField(max_length=24, choices=StatusKind.choices)
    screening = models.PositiveSmallIntegerField(
        default=1, help_text=_("Of which screening it is; 1 for what happens once in a participation.")
    )
    on = models.DateField()
    reason = models.CharField(max_length=40, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    reversed_at = models.DateTimeField(null=True, blank=True)
    reversed_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("status change")
        ordering = ["on", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["participant", "kind", "screening"],
                condition=models.Q(reversed_at__isnull=True),
                name="one_status_change_of_a_kind_in_force",
            )
        ]

    def __str__(self) -> str:
        return f"{self.participant} {self.kind}"


class Consent(AuditedModel):
    """A consent to one version of the information document; a withdrawal keeps the row."""

    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="consents")
    document_version = models.CharField(max_length=20)
    signed_on = models.DateField()
    withdrawn_on = models.DateField(null=True, blank=True)

    class Meta:
        verbose_name = _("consent")
        ordering = ["signed_on", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["participant", "document_version"], name="one_consent_per_document_version")
        ]

    def __str__(self) -> str:
        return f"{self.participant} {self.document_version}"


class Transfer(AuditedModel):
    """A participant moved to another site from a day on: that site sees everything, the former one nothing more."""

    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="transfers")
    from_site = models.ForeignKey("trial.Site", on_delete=models.PROTECT, related_name="+")
    to_site = models.ForeignKey("trial.Site", on_delete=models.PROTECT, related_name="+")
    on = models.DateField()
    reason = models.CharField(max_length=300)

    class Meta:
        verbose_name = _("transfer")
        ordering = ["on", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(from_site=models.F("to_site")), name="transfer_leads_to_another_site"
            )
        ]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.from_site_id} → {self.to_site_id}"


class ConsentDocument(AuditedModel):
    """A version of the information document that a site uses from a day on; entered when its approval reaches the site.

    It stands beside the documents of the study folder, which every site uses. `asks_again`: participants of the site
    who are still in the study and have not consented to it, or to a later one, are asked to.
    """

    site = models.ForeignKey("trial.Site", on_delete=models.PROTECT, related_name="consent_documents")
    version = models.CharField(max_length=20)
    from_on = models.DateField()
    asks_again = models.BooleanField(default=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("consent version")
        ordering = ["site", "-from_on", "-pk"]
        constraints = [models.UniqueConstraint(fields=["site", "version"], name="consent_version_once_per_site")]

    def __str__(self) -> str:
        return f"{self.site_id} {self.version}"

    def deed_scope(self) -> tuple[int | None, str | None]:
        """Deeds about a consent version are filed under its site."""
        return self.site_id, None
