"""Notices: messages owed to people. A notice is a row first; a task only sends it."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AuditedModel


class NoticeState(models.TextChoices):
    OWED = "owed", _("To be sent")
    SENT = "sent", _("Sent")
    CANCELLED = "cancelled", _("No longer needed")


class Notice(AuditedModel):
    """A message owed to one person about one visit, record or participant: sent once, also seen in the application."""

    kind = models.CharField(max_length=40)
    person = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="notices")
    participant = models.ForeignKey("trial.Participant", on_delete=models.PROTECT, null=True, related_name="notices")
    visit = models.ForeignKey("trial.Visit", on_delete=models.PROTECT, null=True, related_name="notices")
    key = models.CharField(max_length=120, unique=True, help_text=_("What makes this notice the only one of its sort."))
    context = models.JSONField(
        default=dict, help_text=_("Words for the text: code, site, visit, date. Never clinical data.")
    )
    url = models.CharField(max_length=200, blank=True)
    reveals_arm = models.BooleanField(default=False)
    due_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=NoticeState.choices, default=NoticeState.OWED)
    sent_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("notice")
        ordering = ["-due_at", "-pk"]
        indexes = [
            models.Index(fields=["state", "due_at"], name="notice_owed"),
            models.Index(fields=["person", "seen_at"], name="notice_of_person"),
        ]

    def __str__(self) -> str:
        return self.key
