"""Freezing and locking of more than one form: a visit, a participant, a site, the study."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models.functions import JSONObject
from django.utils.translation import gettext_lazy as _

from audit.models import AuditedModel
from audit.prepared import prepared
from trial.models import Participant, Site, Visit

READ_BESIDE = ("id", "kind", "scope", "site_id", "participant_id", "visit_id", "reason")
"""What is read of a closure beside another statement: which, of what, and why."""


class ClosureKind(models.TextChoices):
    FROZEN = "frozen", _("Frozen")
    LOCKED = "locked", _("Locked")


class ClosureScope(models.TextChoices):
    STUDY = "study", _("Study")
    SITE = "site", _("Site")
    PARTICIPANT = "participant", _("Participant")
    VISIT = "visit", _("Visit")


class Closure(AuditedModel):
    """A scope that is frozen or locked, with what it will hold later too; lifted with a reason, never removed.

    A visit's closure names its participant as well, so that one statement finds what covers a participant.
    """

    kind = models.CharField(max_length=8, choices=ClosureKind.choices)
    scope = models.CharField(max_length=12, choices=ClosureScope.choices)
    site = models.ForeignKey("trial.Site", on_delete=models.PROTECT, null=True, blank=True, related_name="closures")
    participant = models.ForeignKey(
        "trial.Participant", on_delete=models.PROTECT, null=True, blank=True, related_name="closures"
    )
    visit = models.ForeignKey("trial.Visit", on_delete=models.PROTECT, null=True, blank=True, related_name="closures")
    reason = models.CharField(max_length=300)
    closed_at = models.DateTimeField()
    closed_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="+")
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    lifted_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("freeze or lock")
        verbose_name_plural = _("freezes and locks")
        ordering = ["-closed_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "scope", "site", "participant", "visit"],
                condition=models.Q(lifted_at__isnull=True),
                nulls_distinct=False,
                name="one_closure_of_a_kind_in_force",
            ),
            models.CheckConstraint(
                condition=models.Q(scope="study", site__isnull=True, participant__isnull=True, visit__isnull=True)
                | models.Q(scope="site", site__isnull=False, participant__isnull=True, visit__isnull=True)
                | models.Q(scope="participant", site__isnull=True, participant__isnull=False, visit__isnull=True)
                | models.Q(scope="visit", site__isnull=True, participant__isnull=False, visit__isnull=False),
                name="closure_names_its_scope",
            ),
            models.CheckConstraint(condition=~models.Q(reason=""), name="closure_has_a_reason"),
            models.CheckConstraint(
                condition=models.Q(lifted_at__isnull=True, lifted_by__isnull=True, lifted_reason="")
                | (models.Q(lifted_at__isnull=False, lifted_by__isnull=False) & ~models.Q(lifted_reason="")),
                name="closure_lifted_has_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.scope}"

    def covers(self, visit_id: int | None) -> bool:
        """Whether it covers what stands at a visit (None: beside the visits) of a participant whom it concerns."""
        return self.scope != ClosureScope.VISIT or self.visit_id == visit_id


def in_force_at(site: Site) -> list[Closure]:
    """Return the closures that cover everybody at a site."""
    wide = models.Q(scope=ClosureScope.STUDY) | models.Q(site=site)
    return list(Closure.objects.filter(wide, lifted_at=None))


def in_force_over(participant: Participant, visit: Visit | None = None) -> list[Closure]:
    """Return the closures that cover a participant (and a visit of theirs, when one is named).

    They are read once for each participant object: actions read the participant anew under its lock, and so these.
    """
    return [c for c in closures_of(participant) if c.covers(visit.pk if visit is not None else None)]


def closures_of(participant: Participant) -> list[Closure]:
    """Return every closure in force that concerns a participant: study, site, their own, and those of their visits."""
    held: list[Closure] | None = participant.__dict__.get("_closures")
    if held is None:
        held = _read(participant.pk, participant.site_id)
        participant.__dict__["_closures"] = held
    return held


def beside(participant_id: int, site_id: int) -> ArraySubquery:
    """The same, as a column of another statement about the participant; `keep` takes what it holds."""
    return ArraySubquery(
        _concerning(participant_id, site_id).values(closure=JSONObject(**{name: name for name in READ_BESIDE}))
    )


def keep(participant: Participant, rows: list[dict[str, Any]]) -> None:
    """Spare `closures_of` its statement: the closures were read beside something else."""
    participant.__dict__.setdefault("_closures", [Closure(**row) for row in rows])


def _concerning(participant_id: int, site_id: int) -> models.QuerySet[Closure]:
    concerned = models.Q(scope=ClosureScope.STUDY) | models.Q(site_id=site_id) | models.Q(participant_id=participant_id)
    return Closure.objects.filter(concerned, lifted_at=None)


@prepared
def _read(participant_id: int, site_id: int) -> models.QuerySet[Closure]:
    return _concerning(participant_id, site_id)
