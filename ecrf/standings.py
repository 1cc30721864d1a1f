"""How source verification stands: of one record, of a participant, of a site.

What the plan asks for is decided record by record (`ecrf.verification`). The plan is the newest published one: it is
the sponsor's own document, and the days that it names, not the approvals of a site, say from when each part of it
holds. Values are owed once their form is complete; before that they may be verified, and nothing waits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import BigIntegerField, Case, Count, DateTimeField, F, Min, Q, QuerySet, Sum, When
from django.db.models import Value as Literal

from audit.prepared import prepared
from trial.definition import Definition
from trial.definitions import definition_of
from trial.models import Version
from trial.permissions import Permission, access_of
from trial.selectors import participants_for

from .models import EntryState, Record, Verification, VerificationTally
from .verification import Plan, filled_values, required_values
from .verification.plan import NAME, Rule

Value = tuple[str, str]
NONE: frozenset[Value] = frozenset()


@dataclass(frozen=True)
class Standing:
    """One record: its values (row id, item id) that can be verified, that the plan asks for, that are verified, and
    that were verified once and changed since."""

    filled: frozenset[Value] = NONE
    required: frozenset[Value] = NONE
    verified: frozenset[Value] = NONE
    changed: frozenset[Value] = NONE

    @property
    def left(self) -> frozenset[Value]:
        """What the plan still asks for."""
        return self.required - self.verified

    def mark(self, *, sees_plan: bool) -> str:
        """The state word of docs/design.md: verified, partly_verified, to_verify; empty when there is nothing to say.

        That nothing is verified yet is said only to those who see the plan: the others would learn from it who is in
        the sample.
        """
        if self.required and not self.left:
            return "verified"
        if self.verified:
            return "verified" if not self.required and self.filled <= self.verified else "partly_verified"
        return "to_verify" if self.required and sees_plan else ""


def sees_plan(person: Any, site_id: int) -> bool:
    """Whether somebody may know what the plan asks for: who verifies there, and who reads the study's audit trail."""
    access = access_of(person)
    return access.has(Permission.VERIFY, site_id) or access.has(Permission.LEDGER_VIEW, site_id)


def plan_in_force() -> tuple[int | None, Plan | None]:
    """Return the newest version's id and its plan; None where there is none."""
    newest = _newest.first()
    return newest, definition_of(newest).section(NAME) if newest is not None else None


@prepared
def _newest() -> QuerySet[Version, int]:
    return Version.objects.order_by("-number").values_list("pk", flat=True)[:1]


def day_of(record: Record) -> dt.date:
    """The day of a record's data: of its visit; of a log entry, its own; else of the participant's screening."""
    if record.visit is not None:
        return record.visit.actual_on or record.visit.planned_on or record.participant.screened_on
    return record.dated_on or record.participant.screened_on


def rule_of(record: Record, plan: Plan | None) -> Rule | None:
    """The part of the plan that holds for a record."""
    return plan.rule(record.participant.site.number, day_of(record)) if plan is not None else None


def is_owed(record: Record) -> bool:
    """Whether the plan may ask for values of this record: complete, and in use."""
    return record.entry_state == EntryState.COMPLETE and record.removed_at is None


class Mark(NamedTuple):
    """What must be known of a verification."""

    record_id: int
    row: str
    item: str
    cleared_at: dt.datetime | None
    cleared_by_id: int | None


def _marks_and_version(records: list[int]) -> list[Mark]:
    """Read the verifications of records and, with the same statement, the newest version: the mark without an item."""
    nobody = Literal(None, output_field=BigIntegerField())
    newest = Version.objects.order_by("-number").values_list(
        "pk", Literal(""), Literal(""), Literal(None, output_field=DateTimeField()), nobody
    )
    columns = ("record_id", "row", "item", "cleared_at", "cleared_by_id")
    marks = Verification.objects.filter(record__in=records).order_by().values_list(*columns)
    return [Mark(*row) for row in marks.union(newest[:1], all=True)]


def standing_of(
    record: Record,
    definition: Definition,
    plan: Plan | None,
    marks: Iterable[Mark | Verification],
    shows: Callable[[str], bool] = lambda item: True,
) -> Standing:
    """Return how one record stands, of its items that `shows` lets through; `marks` are all its verifications."""
    form = definition.forms.get(record.form)
    if form is None:
        return Standing()
    filled = frozenset(value for value in filled_values(form, record.data) if shows(value[1]))
    required = NONE
    if is_owed(record):
        required = required_values(rule_of(record, plan), form, record.participant.code, record.data) & filled
    marks = list(marks)
    held = {(mark.row, mark.item) for mark in marks if mark.cleared_at is None}
    cleared = {(mark.row, mark.item) for mark in marks if mark.cleared_at is not None and mark.cleared_by_id is None}
    return Standing(filled, required, filled & held, (filled & cleared) - held)


def standings_of(
    records: list[Record], definition: Definition, shows: Callable[[str, str], bool] = lambda form, item: True
) -> dict[int, Standing]:
    """Return how each record stands, in one statement; `shows(form, item)` leaves out what a person may not see.

    The records have their participant, with the site, and their visit at hand.
    """
    if not records:
        return {}
    plan: Plan | None = None
    marks: dict[int, list[Mark]] = {}
    for mark in _marks_and_version([record.pk for record in records]):
        if mark.item:
            marks.setdefault(mark.record_id, []).append(mark)
        else:
            plan = definition_of(mark.record_id).section(NAME)

    def seen_in(form: str) -> Callable[[str], bool]:
        return lambda item: shows(form, item)

    return {
        record.pk: standing_of(record, definition, plan, marks.get(record.pk, ()), seen_in(record.form))
        for record in records
    }


# ---------------------------------------------------------------- progress, from the tallies


def tallies_for(person: Any) -> QuerySet[VerificationTally]:
    """Return the tallies of the sites whose plan the person may know, without what would reveal an arm to them."""
    access = access_of(person)
    found = VerificationTally.objects.filter(participant__in=participants_for(person))
    sites = [access.sites(permission) for permission in (Permission.VERIFY, Permission.LEDGER_VIEW)]
    if None not in sites:
        found = found.filter(participant__site_id__in=frozenset().union(*(each for each in sites if each is not None)))
    arm_sites = access.sites(Permission.ARM_VIEW)
    if arm_sites is not None:
        found = found.filter(Q(reveals_arm=False) | Q(participant__site_id__in=arm_sites))
    return found


def _summed(tallies: QuerySet[VerificationTally], *by: str) -> QuerySet[Any]:
    waits = Q(waiting_since__isnull=False)
    return (
        tallies.filter(required__gt=0)
        .order_by()
        .values(*by)
        .annotate(
            sum_required=Sum("required"),
            sum_verified=Sum("verified"),
            sum_changed=Sum("changed"),
            waiting=Count("record", filter=waits, distinct=True),
            oldest=Min("waiting_since"),
        )
    )


def progress_by_site(person: Any) -> QuerySet[Any]:
    """Required, verified, changed, waiting forms and the oldest wait of each site, in one statement."""
    return _summed(tallies_for(person), "participant__site_id")


def progress_by_participant(person: Any, site_number: str) -> QuerySet[Any]:
    """The same of each participant of a site, who waits longest first."""
    of_site = tallies_for(person).filter(participant__site__number=site_number)
    done_last = Case(When(oldest__isnull=True, then=1), default=0)
    return _summed(of_site, "participant_id", "participant__code").order_by(done_last, F("oldest"), "participant__code")


def next_participant(person: Any, site_id: int, *, after: str) -> str:
    """Return the code of the participant of the site whose verification has waited longest; empty when none waits."""
    waiting = tallies_for(person).filter(participant__site_id=site_id, waiting_since__isnull=False)
    found = waiting.exclude(participant__code=after).order_by("waiting_since", "participant__code")
    return found.values_list("participant__code", flat=True).first() or ""
