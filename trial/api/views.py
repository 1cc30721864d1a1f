"""Thin views: find for the person who asks, do one thing, answer in shape."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers as s
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from ..actions import participants, visits
from ..definitions import current_study, definition_of
from ..listings import version_for, versions
from ..models import Participant, Version, Visit
from ..permissions import Permission, check
from ..selectors import participant_or_404, participants_for, sites_for, visits_of
from . import serializers, shapes
from .access import Page
from .edge import View, describe

CODE = OpenApiParameter("code", str, OpenApiParameter.PATH, description="Code of the participant: `07-003`.")
VERSION = OpenApiParameter("version", int, description="Number of a published version; yours unless told.")
LIMIT = OpenApiParameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": Page.max_limit}, description="Rows of a page."
)
OFFSET = OpenApiParameter("offset", {"type": "integer", "minimum": 0}, description="Rows to leave out first.")
PAGED = [LIMIT, OFFSET]


class MeView(View):
    """Who is asking."""

    @extend_schema(operation_id="me", tags=["me"], responses=describe(serializers.Me))
    def get(self, request: Request) -> Response:
        """Who is asking, with roles and permissions by site as of today."""
        return Response(shapes.me(self.person))


# --- The study ---------------------------------------------------------------------------------------------------


class VersionAsked(s.Serializer[Any]):
    version = s.IntegerField(required=False, min_value=1, max_value=2**31 - 1)


class DefinitionView(View):
    """Finds the version that is asked for."""

    def telling(self) -> tuple[Version, shapes.Telling]:
        """The version and its definition as the person may read it. Raises Http404, Refused."""
        check(self.person, Permission.STUDY_VIEW)
        asked = self.asked(VersionAsked).get("version")
        found = version_for(self.person) if asked is None else Version.objects.filter(number=asked).first()
        if found is None:
            raise Http404("No such version.")
        return found, shapes.Telling(definition_of(found.pk), self.person)


class StudyView(DefinitionView):
    @extend_schema(operation_id="study", tags=["study"], parameters=[VERSION], responses=describe(serializers.Study))
    def get(self, request: Request) -> Response:
        """The study, its versions, and (for those who may know) its arms."""
        version, telling = self.telling()
        part, study = telling.definition.study, current_study()
        return Response(
            {
                "code": part.code,
                "acronym": part.acronym,
                "title": part.title,
                "sponsor": part.sponsor,
                "protocol_version": part.protocol_version,
                "registries": [{"name": each.name, "id": each.id} for each in part.registries],
                "locales": list(part.locales),
                "simulated": bool(study and study.is_simulated),
                "version": _version(version),
                "versions": [_version(each) for each in versions()],
                "arms": telling.arms(),
            }
        )


def _version(version: Version) -> dict[str, Any]:
    return {name: getattr(version, name) for name in ("number", "label", "content_hash", "published_at")}


class FormsView(DefinitionView):
    @extend_schema(
        operation_id="study_forms",
        tags=["study"],
        parameters=[VERSION],
        responses=describe(serializers.FormLine(many=True)),
    )
    def get(self, request: Request) -> Response:
        """The forms of the study, in the order of the casebook."""
        return Response(self.telling()[1].forms())


class FormView(DefinitionView):
    @extend_schema(
        operation_id="study_form", tags=["study"], parameters=[VERSION], responses=describe(serializers.FormShape)
    )
    def get(self, request: Request, form: str) -> Response:
        """One form: its groups, items and edit checks."""
        telling = self.telling()[1]
        found = telling.definition.forms.get(form)
        if found is None or not telling.shows(form):
            raise Http404("No such form.")
        return Response(telling.form(found))


class VisitPlanView(DefinitionView):
    @extend_schema(
        operation_id="study_visits",
        tags=["study"],
        parameters=[VERSION],
        responses=describe(serializers.VisitPlan(many=True)),
    )
    def get(self, request: Request) -> Response:
        """The visit plan, repeated visits written out."""
        return Response(self.telling()[1].visits())


# --- Participants ------------------------------------------------------------------------------------------------


class ParticipantsView(View):
    @extend_schema(
        operation_id="participants",
        tags=["participants"],
        parameters=[serializers.ParticipantsAsked, *PAGED],
        responses=describe(serializers.paged(serializers.Participant, "Participants")),
    )
    def get(self, request: Request) -> Response:
        """The participants of the person's sites, by code."""
        check(self.person, Permission.PARTICIPANT_VIEW)
        asked = self.asked(serializers.ParticipantsAsked)
        rows = participants_for(self.person).order_by("code")
        if "site" in asked:
            rows = rows.filter(site__number=asked["site"])
        if "status" in asked:
            rows = rows.filter(status=asked["status"])
        return self.page_of(rows, shapes.participants)

    @extend_schema(
        operation_id="participant_screen",
        tags=["participants"],
        request=serializers.Screening,
        responses=describe(serializers.Participant, body=True, status_code=201),
    )
    def post(self, request: Request) -> Response:
        """Open a screening; the participant gets the next code of the site."""
        check(self.person, Permission.PARTICIPANT_SCREEN)
        given = self.read(serializers.Screening)
        site = sites_for(self.person, Permission.PARTICIPANT_SCREEN).filter(number=given["site"]).first()
        if site is None:
            raise s.ValidationError({"site": [_("You screen at no such site.")]}, code="unknown")
        made = participants.screen(site=site, on=given.get("screened_on"), by=self.person)
        return Response(shapes.participants([participant_or_404(self.person, made.code)])[0], status.HTTP_201_CREATED)


class ParticipantView(View):
    @extend_schema(
        operation_id="participant",
        tags=["participants"],
        parameters=[CODE],
        responses=describe(serializers.Participant),
    )
    def get(self, request: Request, code: str) -> Response:
        """One participant."""
        return Response(shapes.participants([participant_or_404(self.person, code)])[0])


# --- Visits ------------------------------------------------------------------------------------------------------


class VisitsView(View):
    @extend_schema(
        operation_id="visits",
        tags=["visits"],
        parameters=[CODE, *PAGED],
        responses=describe(serializers.paged(serializers.Visit, "Visits")),
    )
    def get(self, request: Request, code: str) -> Response:
        """The visits of a participant, in the order of the plan."""
        participant = participant_or_404(self.person, code)
        return self.page_of(visits_of(self.person, participant), shapes.visits, participant, self.person)


class VisitView(View):
    def found(self, code: str, visit_id: int) -> tuple[Participant, Visit]:
        """The visit of a participant, not found for those who may not see it."""
        participant = participant_or_404(self.person, code)
        visit = visits_of(self.person, participant).filter(pk=visit_id).first()
        if visit is None:
            raise Http404("No such visit.")
        return participant, visit

    @extend_schema(operation_id="visit", tags=["visits"], parameters=[CODE], responses=describe(serializers.Visit))
    def get(self, request: Request, code: str, visit_id: int) -> Response:
        """One visit."""
        participant, visit = self.found(code, visit_id)
        return Response(shapes.visits([visit], participant, self.person)[0])

    @extend_schema(
        operation_id="visit_change",
        tags=["visits"],
        parameters=[CODE],
        request=serializers.VisitChange,
        responses=describe(serializers.Visit, body=True),
    )
    def patch(self, request: Request, code: str, visit_id: int) -> Response:
        """Record the day on which a visit took place, or why it was missed."""
        participant, visit = self.found(code, visit_id)
        given = self.read(serializers.VisitChange)
        if "actual_on" in given:
            visits.record_date(visit=visit, on=given["actual_on"], by=self.person, reason=given.get("reason", ""))
        else:
            visits.miss(visit=visit, reason=given["missed_reason"], by=self.person)
        return Response(shapes.visits([self.found(code, visit_id)[1]], participant, self.person)[0])
