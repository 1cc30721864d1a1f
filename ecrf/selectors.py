"""Reads of records, queries and trails, each beginning with the person who asks."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.http import Http404

from audit import clock
from trial.definition import Definition
from trial.definitions import definition_of
from trial.models import Participant, Visit
from trial.permissions import Permission, access_of
from trial.selectors import participants_for

from .models import Change, Closure, ClosureKind, ClosureScope, Draft, LaboratoryRange, Query, QueryState, Record
from .permissions import hides


def visit_or_404(person: Any, participant: Participant, visit_id: int) -> Visit:
    """Return a visit of the participant; not found when it would reveal the arm to this person."""
    visit = Visit.objects.filter(participant=participant, pk=visit_id).first()
    if visit is None or (visit.reveals_arm and not access_of(person).has(Permission.ARM_VIEW, participant.site_id)):
        raise Http404("No such visit.")
    visit.participant = participant
    return visit


def records_for(person: Any, participant: Participant) -> QuerySet[Record]:
    """Return the participant's records that this person may see (the participant itself is already scoped)."""
    records = participant.records.select_related("signature")  # each knows this very participant, and its closures
    if not access_of(person).has(Permission.RECORD_VIEW, participant.site_id):
        return records.none()
    if not access_of(person).has(Permission.ARM_VIEW, participant.site_id):
        records = records.filter(reveals_arm=False)
    return records


def record_or_404(person: Any, participant: Participant, record_id: int) -> Record:
    """Return one record of the participant, not found for those who may not see it."""
    record = records_for(person, participant).select_related("visit").filter(pk=record_id).first()
    if record is None:
        raise Http404("No such form.")
    record.participant = participant
    return record


def record_at(
    person: Any, participant: Participant, form: str, visit: Visit | None = None, number: int | None = None
) -> Record | None:
    """Return the record at a place, None when nobody has saved it yet; not found when the person may not see it."""
    definition = definition_of(participant.version_id)
    if form not in definition.forms or hides(person, definition, participant, form, visit.event if visit else None):
        raise Http404("No such form.")
    if visit is not None and form not in definition.visit(visit.event).forms:
        raise Http404("No such form at this visit.")
    if not access_of(person).has(Permission.RECORD_VIEW, participant.site_id):
        raise Http404("No such form.")
    records = Record.objects.filter(participant=participant, form=form).select_related("signature", "visit")
    saves = saves_of(OuterRef("pk"), OuterRef("revision"))
    records = records.annotate(
        saved_on=Subquery(saves.values("history_date")[:1]), saved_by_name=Subquery(saves.values("by_name")[:1])
    )
    record = (records.filter(visit=visit) if visit is not None else records.filter(number=number)).first()
    if record is None and visit is None and number is not None:
        raise Http404("No such entry.")
    if record is not None:
        record.participant = participant
    return record


def saves_of(record: Any, revision: Any) -> QuerySet[Any]:
    """Return the history of a record at a revision, the save first: marks that are set later are no saves."""
    return Record.history.model._base_manager.filter(id=record, revision=revision).order_by("history_id")


def saved_by(record: Record) -> tuple[Any, str] | None:
    """Return when and by whom the record was saved last; read with the record by `record_at`."""
    if "saved_on" in record.__dict__:
        on, name = record.__dict__["saved_on"], record.__dict__["saved_by_name"]
        return (on, name) if on else None
    found: tuple[Any, str] | None = saves_of(record.pk, record.revision).values_list("history_date", "by_name").first()
    return found


def draft_of(person: Any, participant: Participant, place: str) -> Draft | None:
    """Return the person's own draft at a place; nobody else ever sees it."""
    return Draft.objects.filter(person=person, participant=participant, place=place).first()


def trail_of_value(record: Record, item: str, row: str = "") -> QuerySet[Change]:
    """Return every change of one value, newest first; the record is already scoped."""
    return Change.objects.filter(record=record, item=item, row=row).order_by("-pk")


def queries_for(person: Any) -> QuerySet[Query]:
    """Return the queries about participants that this person may see, without those that would reveal an arm."""
    access = access_of(person)
    queries = Query.objects.filter(participant__in=participants_for(person)).select_related(
        "record__visit", "participant__site", "opened_by"
    )
    queries = queries.annotate(in_locked_scope=Exists(locked_around(OuterRef("participant__site_id"))))
    arm_sites = access.sites(Permission.ARM_VIEW)
    if arm_sites is not None:
        queries = queries.filter(Q(reveals_arm=False) | Q(participant__site_id__in=arm_sites))
    return queries


def locked_around(site_id: Any) -> QuerySet[Closure]:
    """Return, to be asked beside each row of queries, the locks that cover its record from outside."""
    return Closure.objects.filter(
        Q(scope=ClosureScope.STUDY)
        | Q(scope=ClosureScope.SITE, site_id=site_id)
        | Q(scope=ClosureScope.PARTICIPANT, participant_id=OuterRef("participant_id"))
        | Q(scope=ClosureScope.VISIT, visit_id=OuterRef("record__visit_id")),
        kind=ClosureKind.LOCKED,
        lifted_at=None,
    )


def queries_waiting_for(person: Any) -> QuerySet[Query]:
    """Return what waits for this person: open queries for those who answer, answered ones for those who ask."""
    access = access_of(person)
    waiting = Q(pk__in=[])
    for permission, state in ((Permission.QUERY_ANSWER, QueryState.OPEN), (Permission.QUERY_ASK, QueryState.ANSWERED)):
        sites = access.sites(permission)
        waiting |= Q(state=state) if sites is None else Q(state=state, participant__site_id__in=sites)
    return queries_for(person).filter(waiting)


def query_or_404(person: Any, query_id: int) -> Query:
    """Return one query, not found for those who may not see it."""
    query = queries_for(person).filter(pk=query_id).first()
    if query is None:
        raise Http404("No such query.")
    return query


def laboratory_ranges(participant: Participant, on: Any = None) -> dict[str, tuple[str, str]]:
    """Return the site's reference range per analyte in force on a day for the participant's sex (as text)."""
    day = on or clock.today()
    found: dict[str, tuple[str, str]] = {}
    rows = LaboratoryRange.objects.filter(
        site_id=participant.site_id, from_on__lte=day, sex__in=["", participant.sex]
    ).order_by("from_on", "sex")
    for row in rows:
        found[row.analyte] = (row.low, row.high)
    return found


def definition_at(participant: Participant) -> Definition:
    """Return the definition under which the participant's forms are shown."""
    return definition_of(participant.version_id)
