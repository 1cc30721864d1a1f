"""Thin views over records, queries and eligibility: find for the person who asks, do one thing, answer in shape."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import parsers, status
from rest_framework.request import Request
from rest_framework.response import Response

from audit import clock
from audit.errors import Refused
from trial.api.edge import View, describe, prefers
from trial.api.problems import refusal
from trial.api.serializers import paged
from trial.api.shapes import version_numbers
from trial.api.views import CODE, PAGED
from trial.language import Fault, ItemType
from trial.permissions import Permission, check
from trial.selectors import participant_or_404

from ..actions import data_queries, files, records
from ..actions.records import StaleRecord
from ..conflicts import only_calculated_since
from ..eligibility import assess
from ..entry import ROW_ID_PATTERN
from ..models import Query
from ..places import RecordPlace
from ..places import place_or_404 as page_or_404
from ..posted import name_of
from ..selectors import definition_at, queries_for, query_or_404, records_for
from . import serializers, shapes

place_or_404 = partial(page_or_404, for_page=False)
FORM = OpenApiParameter("form", str, OpenApiParameter.PATH, description="Id of the form.")
MINIMAL = "return=minimal"
PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    enum=[MINIMAL],
    description="`return=minimal`: answer the record without its values and findings (RFC 7240), for who sends many.",
)


class RecordsView(View):
    @extend_schema(
        operation_id="records",
        tags=["records"],
        parameters=[CODE, serializers.RecordsAsked, *PAGED],
        responses=describe(paged(serializers.RecordLine, "Records")),
    )
    def get(self, request: Request, code: str) -> Response:
        """The saved records of a participant, without their values."""
        participant = participant_or_404(self.person, code)
        check(self.person, Permission.RECORD_VIEW, participant.site_id)
        asked = self.asked(serializers.RecordsAsked)
        rows = records_for(self.person, participant).select_related("visit").order_by("pk")
        for name, column in (("form", "form"), ("visit", "visit_id"), ("state", "entry_state")):
            if name in asked:
                rows = rows.filter(**{column: asked[name]})
        return self.page_of(rows, shapes.lines, participant.code, version_numbers())


class SavedView(View):
    """What the two sorts of records share."""

    def save(self, place: RecordPlace, serializer: type[serializers.EntrySave]) -> Response:
        """Save what was sent at a place; answer the record as it then stands, or both versions when it is stale."""
        sent = self.read(serializer)
        revision = sent.get("revision", 0)
        read = revision
        if revision < place.revision and only_calculated_since(place, revision):
            read = place.revision  # another form moved calculated values: nobody's typing is overwritten
        try:
            saved = records.save(
                where=place.where,
                revision=read,
                submission=shapes.submission(place, sent),
                complete=sent["complete"],
                by=self.person,
                reason=sent["reason"],
            )
        except StaleRecord as refused:
            now = place_or_404(self.person, place.participant.code, place.form.id, *_at(place))
            return refusal(refused, **shapes.stale(now, revision, sent))
        made = place.is_new_entry
        place.record, place.number = saved, saved.number
        is_short = prefers(self.request, MINIMAL)
        return Response(
            shapes.line(place) if is_short else shapes.record(place),
            status.HTTP_201_CREATED if made else status.HTTP_200_OK,
            headers={"Vary": "Prefer"} | ({"Preference-Applied": MINIMAL} if is_short else {}),
        )


def _at(place: RecordPlace) -> tuple[int | None, int | None]:
    return place.visit.pk if place.visit is not None else None, place.number


SAVED_RECORD = {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("Record", "RecordLine")]}
SAVED: dict[str, Any] = {"s422": serializers.RefusedSave, "s409": serializers.Stale}


class VisitRecordView(SavedView):
    @extend_schema(
        operation_id="record", tags=["records"], parameters=[CODE, FORM], responses=describe(serializers.Record)
    )
    def get(self, request: Request, code: str, visit_id: int, form: str) -> Response:
        """The form of a visit; one that nobody saved yet has revision 0."""
        return Response(shapes.record(place_or_404(self.person, code, form, visit_id)))

    @extend_schema(
        operation_id="record_save",
        tags=["records"],
        parameters=[CODE, FORM, PREFER],
        request=serializers.RecordSave,
        responses=describe(SAVED_RECORD, body=True, **SAVED),
    )
    def put(self, request: Request, code: str, visit_id: int, form: str) -> Response:
        """Save the form of a visit. Items that are not named stay as they are."""
        return self.save(place_or_404(self.person, code, form, visit_id), serializers.RecordSave)


class EntryView(SavedView):
    @extend_schema(
        operation_id="entry", tags=["records"], parameters=[CODE, FORM], responses=describe(serializers.Record)
    )
    def get(self, request: Request, code: str, form: str, number: int) -> Response:
        """One entry of a log."""
        return Response(shapes.record(place_or_404(self.person, code, form, None, number)))

    @extend_schema(
        operation_id="entry_save",
        tags=["records"],
        parameters=[CODE, FORM, PREFER],
        request=serializers.RecordSave,
        responses=describe(SAVED_RECORD, body=True, **SAVED),
    )
    def put(self, request: Request, code: str, form: str, number: int) -> Response:
        """Save an entry of a log. Items that are not named stay as they are."""
        return self.save(place_or_404(self.person, code, form, None, number), serializers.RecordSave)


class LogView(SavedView):
    @extend_schema(
        operation_id="entry_add",
        tags=["records"],
        parameters=[CODE, FORM, PREFER],
        request=serializers.EntrySave,
        responses=describe(SAVED_RECORD, body=True, status_code=201, **SAVED),
    )
    def post(self, request: Request, code: str, form: str) -> Response:
        """Add an entry to a log; it gets the next number, for ever."""
        return self.save(place_or_404(self.person, code, form), serializers.EntrySave)


# --- Files of items -----------------------------------------------------------------------------------------------


class Bytes(parsers.BaseParser):
    """The bytes of one file, no more than an item may keep."""

    media_type = "application/octet-stream"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return stream.read(settings.FILE_MAX_BYTES + 1)


class UploadView(View):
    """A file on its way into a form: it stays with the person's draft until a save names it."""

    parser_classes = [Bytes]

    def take(self, place: RecordPlace) -> Response:
        asked = self.asked(serializers.UploadAsked)
        item = place.form.items.get(asked["item"])
        if item is None or item.type is not ItemType.FILE or not place.shows(item):
            raise Refused(_("This form has no such item."), code="unknown_item")
        if place.form.group_of(item.id).repeating and not ROW_ID_PATTERN.fullmatch(asked["row"]):
            raise Refused(_("This row does not exist any more."), code="unknown_row")
        name = name_of(place.form.group_of(item.id), asked["row"], item.id)
        content = self.request.data if isinstance(self.request.data, bytes) else b""
        try:
            held = files.upload(place=place, field=name, item=item, name=asked["name"], content=content, by=self.person)
        except Fault as fault:
            raise Refused(fault.text(_), code=fault.code) from None
        return Response(shapes.uploaded(place, held), status.HTTP_201_CREATED)


def _describe_upload(operation: str) -> Any:
    return extend_schema(
        operation_id=operation,
        tags=["records"],
        parameters=[CODE, FORM, serializers.UploadAsked],
        request={Bytes.media_type: bytes},
        responses=describe(serializers.UploadedFile, body=True, status_code=201),
    )


class VisitRecordFilesView(UploadView):
    @_describe_upload("record_file")
    def post(self, request: Request, code: str, visit_id: int, form: str) -> Response:
        """Send a file for an item of a visit's form."""
        return self.take(place_or_404(self.person, code, form, visit_id))


class EntryFilesView(UploadView):
    @_describe_upload("entry_file")
    def post(self, request: Request, code: str, form: str, number: int) -> Response:
        """Send a file for an item of an entry of a log."""
        return self.take(place_or_404(self.person, code, form, None, number))


class LogFilesView(UploadView):
    @_describe_upload("entry_add_file")
    def post(self, request: Request, code: str, form: str) -> Response:
        """Send a file for an item of an entry that is not saved yet."""
        return self.take(place_or_404(self.person, code, form))


# --- Queries -------------------------------------------------------------------------------------------------------


class QueriesView(View):
    @extend_schema(
        operation_id="queries",
        tags=["queries"],
        parameters=[serializers.QueriesAsked, *PAGED],
        responses=describe(paged(serializers.Query, "Queries")),
    )
    def get(self, request: Request) -> Response:
        """The queries about the participants of the person's sites, oldest first."""
        check(self.person, Permission.RECORD_VIEW)
        asked = self.asked(serializers.QueriesAsked)
        rows = queries_for(self.person).prefetch_related("messages").order_by("opened_at", "pk")
        if "state" in asked:
            rows = rows.filter(state=asked["state"])
        if "participant" in asked:
            rows = rows.filter(participant=participant_or_404(self.person, asked["participant"]))
        return self.page_of(rows, shapes.queries, self.person)


class QueryView(View):
    @extend_schema(operation_id="query", tags=["queries"], responses=describe(serializers.Query))
    def get(self, request: Request, query_id: int) -> Response:
        """One query with its thread."""
        return Response(shapes.queries([query_or_404(self.person, query_id)], self.person)[0])


class AnswerView(View):
    @extend_schema(
        operation_id="query_answer",
        tags=["queries"],
        request=serializers.Answer,
        responses=describe(serializers.Query, body=True),
    )
    def post(self, request: Request, query_id: int) -> Response:
        """Answer a query for the site."""
        query: Query = query_or_404(self.person, query_id)
        data_queries.answer(query=query, text=self.read(serializers.Answer)["text"], by=self.person)
        return Response(shapes.queries([query_or_404(self.person, query_id)], self.person)[0])


# --- Eligibility ---------------------------------------------------------------------------------------------------


class EligibilityView(View):
    @extend_schema(
        operation_id="eligibility",
        tags=["eligibility"],
        parameters=[CODE],
        responses=describe(serializers.Eligibility),
    )
    def get(self, request: Request, code: str) -> Response:
        """Every criterion as of today: computed, judged, what is missing."""
        participant = participant_or_404(self.person, code)
        check(self.person, Permission.RECORD_VIEW, participant.site_id)
        section = definition_at(participant).eligibility
        if section is None:
            raise Http404("This study has no eligibility form.")
        return Response(shapes.eligibility(assess(participant, clock.today()), section.form))
