"""Reads of records, queries and trails, each beginning with the person who asks."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404

from audit import clock
from audit.models import Redaction, RedactionState
from audit.prepared import prepared
from trial.definition import Definition
from trial.definitions import definition_of
from trial.models import Delegation, Notice, Participant, Transfer, Visit
from trial.permissions import Permission, access_of
from trial.selectors import participants_for

from .addressees import AT_THE_SPONSOR, addressed_as
from .models import (
    WAITS_FOR_ANSWER,
    Attachment,
    Change,
    Closure,
    ClosureKind,
    ClosureScope,
    Draft,
    LaboratoryRange,
    Note,
    Query,
    QueryState,
    Record,
    Upload,
    closures,
)
from .permissions import hides


def visit_or_404(person: Any, participant: Participant, visit_id: int) -> Visit:
    """Return a visit of the participant; not found when it would reveal the arm to this person."""
    visit = _visit.first(participant.pk, visit_id)
    if visit is None or (visit.reveals_arm and not access_of(person).has(Permission.ARM_VIEW, participant.site_id)):
        raise Http404("No such visit.")
    visit.participant = participant
    return visit


@prepared
def _visit(participant_id: int, visit_id: int) -> QuerySet[Visit]:
    return Visit.objects.filter(participant_id=participant_id, pk=visit_id)


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
    person: Any,
    participant: Participant,
    form: str,
    visit: Visit | None = None,
    number: int | None = None,
    *,
    for_page: bool = True,
) -> Record | None:
    """Return the record at a place, None when nobody has saved it yet; not found when the person may not see it.

    For a page, with when and by whom it was saved (`saved_by`).
    """
    definition = definition_of(participant.version_id)
    if form not in definition.forms or hides(person, definition, participant, form, visit.event if visit else None):
        raise Http404("No such form.")
    if visit is not None and form not in definition.visit(visit.event).forms:
        raise Http404("No such form at this visit.")
    if not access_of(person).has(Permission.RECORD_VIEW, participant.site_id):
        raise Http404("No such form.")
    visit_id = visit.pk if visit is not None else None
    number = number if visit is None else None
    found = _at_place(participant.pk, participant.site_id, form, visit_id, number, for_page)
    record = found[0] if found else None
    if record is not None:
        closures.keep(participant, record.__dict__["closures_around"])
    if record is None and visit is None and number is not None:
        raise Http404("No such entry.")
    if record is not None:
        record.participant = participant
    return record


@prepared
def _at_place(
    participant_id: int, site_id: int, form: str, visit_id: int | None, number: int | None, for_page: bool
) -> QuerySet[Record]:
    records = Record.objects.filter(participant_id=participant_id, form=form).select_related("signature", "visit")
    records = records.annotate(closures_around=closures.beside(participant_id, site_id))
    if for_page:
        saves = saves_of(OuterRef("pk"), OuterRef("revision"))
        records = records.annotate(
            saved_on=Subquery(saves.values("history_date")[:1]),
            saved_by_name=Subquery(saves.values("by_name")[:1]),
        )
    return (records.filter(visit_id=visit_id) if visit_id is not None else records.filter(number=number)).order_by(
        "pk"
    )[:1]


def file_or_404(person: Any, participant: Participant, key: str) -> Attachment | Upload:
    """Return a file of the participant's records, or one that the person uploaded; not found for all others."""
    found = Attachment.objects.filter(participant=participant, key=key).select_related("record__visit").first()
    access = access_of(person)
    if found is not None and access.has(Permission.RECORD_VIEW, participant.site_id):
        found.participant = participant
        definition, record = definition_of(participant.version_id), found.record
        visit = record.visit.event if record.visit is not None else None
        tells = (
            found.reveals_arm
            or definition.reveals_arm(record.form, found.item)
            or definition.reveals_arm(record.form, visit_id=visit)
        )
        if not tells or access.has(Permission.ARM_VIEW, participant.site_id):
            return found
    held = Upload.objects.filter(person=person, participant=participant, key=key).first()
    if held is None:
        raise Http404("No such file.")
    return held


def notes_for(person: Any, record: Record | None) -> QuerySet[Note]:
    """Return the notes of a record (already scoped), newest first, without those that would reveal an arm."""
    if record is None:
        return Note.objects.none()
    return notes_of(record.pk, access_of(person).has(Permission.ARM_VIEW, record.participant.site_id))


def notes_of(record_id: int, arm_seen: bool) -> QuerySet[Note]:
    """Return the notes of a record, newest first; without the arm, those that reveal none."""
    notes = Note.objects.filter(record_id=record_id).order_by("-pk")
    return notes if arm_seen else notes.filter(reveals_arm=False)


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
    return _drafts.first(person.pk, participant.pk, place)


@prepared
def _drafts(person_id: int, participant_id: int, place: str) -> QuerySet[Draft]:
    return Draft.objects.filter(person_id=person_id, participant_id=participant_id, place=place)


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
    """Return what waits for this person: unanswered queries for those who answer, answered ones for those who ask.

    What was asked of a role at the sponsor waits for that role alone.
    """
    access = access_of(person)
    asks, answers = access.sites(Permission.QUERY_ASK), access.sites(Permission.QUERY_ANSWER)
    unanswered = Q(state__in=WAITS_FOR_ANSWER)
    waiting = _at(asks) & Q(state=QueryState.ANSWERED)
    waiting |= _at(answers) & unanswered & ~Q(addressed_to__in=AT_THE_SPONSOR)
    for role in AT_THE_SPONSOR & set(access.role_names):
        waiting |= _at(_sites_of(person, role)) & unanswered & Q(addressed_to=role)
    return queries_for(person).filter(waiting)


def meant_for(person: Any) -> Q:
    """The condition that a query waits for this very person: asked of a role held there, or answered and to settle."""
    access = access_of(person)
    meant = _at(access.sites(Permission.QUERY_ASK)) & Q(state=QueryState.ANSWERED)
    for role in access.role_names:
        addressees = addressed_as({role})
        if addressees:
            meant |= _at(_sites_of(person, role)) & Q(state__in=WAITS_FOR_ANSWER, addressed_to__in=addressees)
    return meant


def _at(sites: frozenset[int] | None) -> Q:
    """The condition that a query is of one of these sites; of any for None, of none for an empty set."""
    if sites is None:
        return Q(pk__isnull=False)
    return Q(participant__site_id__in=sites) if sites else Q(pk__in=[])


def _sites_of(person: Any, role: str) -> frozenset[int] | None:
    """The sites where the person holds a role; None for every site."""
    sites = {site for held, site in access_of(person).roles if held == role}
    return None if None in sites else frozenset(site for site in sites if site is not None)


def roles_held_at(site_id: int) -> set[str]:
    """Return the roles that somebody holds today at a site, or at every site."""
    today = clock.today()
    delegations = Delegation.objects.filter(Q(site_id=site_id) | Q(site=None), person__is_active=True)
    return {delegation.role for delegation in delegations if delegation.is_in_force(today)}


def query_notice_is_settled(notice: Notice) -> bool:
    """Tell whether the query of a notice waits for no answer any more, or is asked of somebody else by now."""
    query = Query.objects.filter(pk=int(notice.key.split(":")[1])).first()
    if query is None or not query.waits_for_answer:
        return True
    since = query.messages.order_by("pk").values_list("addressed_to", flat=True)[int(notice.key.split(":")[2]) :]
    return any(since)


def query_or_404(person: Any, query_id: int) -> Query:
    """Return one query, not found for those who may not see it."""
    query = queries_for(person).filter(pk=query_id).first()
    if query is None:
        raise Http404("No such query.")
    return query


def laboratory_ranges(participant: Participant, on: Any = None) -> dict[str, tuple[str, str]]:
    """Return the reference range per analyte in force on a day, at the site of that day, for the participant's sex."""
    day = on or clock.today()
    found: dict[str, tuple[str, str]] = {}
    for analyte, low, high in _ranges(participant.pk, participant.site_id, participant.sex, day):
        found[analyte] = (low, high)
    return found


@prepared
def _ranges(participant_id: int, site_id: int, sex: str, day: dt.date) -> QuerySet[LaboratoryRange, Any]:
    left = (
        Transfer.objects.filter(participant_id=participant_id, on__gt=day).order_by("on", "pk").values("from_site")[:1]
    )
    ranges = LaboratoryRange.objects.filter(
        site_id=Coalesce(Subquery(left), site_id), from_on__lte=day, sex__in=["", sex]
    )
    return ranges.order_by("from_on", "sex").values_list("analyte", "low", "high")


def definition_at(participant: Participant) -> Definition:
    """Return the definition under which the participant's forms are shown."""
    return definition_of(participant.version_id)


def redactions_for(person: Any) -> QuerySet[Redaction]:
    """Return the redactions at the sites where this person proposes or approves, without what would reveal an arm."""
    access = access_of(person)
    scoped = [access.sites(p) for p in (Permission.REDACTION_PROPOSE, Permission.REDACTION_APPROVE)]
    redactions = Redaction.objects.all()
    if None not in scoped:
        redactions = redactions.filter(site_id__in=frozenset().union(*(sites for sites in scoped if sites)))
    arm_sites = access.sites(Permission.ARM_VIEW)
    return redactions if arm_sites is None else redactions.filter(Q(reveals_arm=False) | Q(site_id__in=arm_sites))


def redactions_waiting_for(person: Any) -> QuerySet[Redaction]:
    """Return the proposals of others that this person may approve."""
    sites = access_of(person).sites(Permission.REDACTION_APPROVE)
    waiting = redactions_for(person).filter(state=RedactionState.PROPOSED).exclude(proposed_by_id=person.pk)
    return waiting if sites is None else waiting.filter(site_id__in=sites)


def redaction_or_404(person: Any, redaction_id: int) -> Redaction:
    """Return one redaction, not found for those who may not see it."""
    found = redactions_for(person).filter(pk=redaction_id).first() if redaction_id < 2**63 else None
    if found is None:
        raise Http404("No such redaction.")
    return found
