"""Queries: questions to the site about a value, a row or a form."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AppendOnlyModel, AuditedModel


class QueryKind(models.TextChoices):
    AUTOMATIC = "automatic", _("From an edit check")
    MANUAL = "manual", _("Asked by a person")


class QueryState(models.TextChoices):
    OPEN = "open", _("Open")
    ANSWERED = "answered", _("Answered")
    CLOSED = "closed", _("Closed")
    REOPENED = "reopened", _("Reopened")
    CANCELLED = "cancelled", _("Cancelled")


WAITS_FOR_ANSWER = (QueryState.OPEN, QueryState.REOPENED)
"""States in which an answer is awaited."""
UNSETTLED = (QueryState.OPEN, QueryState.REOPENED, QueryState.ANSWERED)
"""States in which a query still waits for somebody: what warns a signer and blocks a lock."""


class Query(AuditedModel):
    """A question to the site with its thread; open or answered until somebody entitled closes it."""

    record = models.ForeignKey("ecrf.Record", on_delete=models.PROTECT, related_name="queries")
    participant = models.ForeignKey("trial.Participant", on_delete=models.PROTECT, related_name="queries")
    finding = models.ForeignKey("ecrf.Finding", on_delete=models.PROTECT, null=True, blank=True, related_name="queries")
    kind = models.CharField(max_length=10, choices=QueryKind.choices)
    row = models.CharField(max_length=40, blank=True)
    item = models.CharField(max_length=60, blank=True)
    state = models.CharField(max_length=10, choices=QueryState.choices, default=QueryState.OPEN)
    addressed_to = models.CharField(max_length=30, default="coordinator")
    opened_at = models.DateTimeField()
    opened_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, null=True, related_name="+")
    settled_at = models.DateTimeField(null=True, blank=True)
    reveals_arm = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("query")
        verbose_name_plural = _("queries")
        ordering = ["opened_at", "pk"]
        indexes = [
            models.Index(fields=["state", "opened_at"], name="query_by_age"),
            models.Index(fields=["participant", "state"], name="query_of_participant"),
        ]

    def __str__(self) -> str:
        return f"Query {self.pk}"

    @property
    def is_open(self) -> bool:
        """Whether it still waits for somebody: for an answer, or to be settled."""
        return self.state in UNSETTLED

    @property
    def waits_for_answer(self) -> bool:
        return self.state in WAITS_FOR_ANSWER


class QueryMessage(AppendOnlyModel):
    """One line of a query's thread."""

    query = models.ForeignKey(Query, on_delete=models.PROTECT, related_name="messages")
    state = models.CharField(max_length=10, choices=QueryState.choices, help_text=_("The state this line led to."))
    addressed_to = models.CharField(
        max_length=30, blank=True, help_text=_("The role of which it was asked with this line; empty otherwise.")
    )
    text = models.CharField(max_length=1000)
    words = models.JSONField(
        default=dict, blank=True, help_text=_("What an edit check asked, in each language of the study.")
    )
    by_id = models.BigIntegerField(null=True)
    by_name = models.CharField(max_length=170)
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("query message")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.query_id} {self.state}"
