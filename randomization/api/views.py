"""Allocation and registration for programs: the gate, the action and the selector of the page."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from trial.api.edge import View, describe
from trial.api.problems import more
from trial.api.views import CODE
from trial.definitions import definition_of
from trial.selectors import participant_or_404

from ..actions import allocations
from ..actions.allocations import GateClosed
from ..models import Allocation, Registration
from ..section import SITE, SITE_LABEL, RandomizationSection
from ..selectors import allocation_or_404, registration_or_404
from . import serializers


@more.register
def _reasons(refused: GateClosed) -> dict[str, Any]:
    """Every reason against an allocation."""
    return {"reasons": [{"code": reason.code, "message": str(reason.words)} for reason in refused.reasons]}


class AllocationView(View):
    throttle_scope = "password"

    @extend_schema(
        operation_id="allocation",
        tags=["allocation"],
        parameters=[CODE],
        responses=describe(serializers.Allocation),
    )
    def get(self, request: Request, code: str) -> Response:
        """The allocation, for those who may see the arm; not there for the others, and before it."""
        return Response(shape(allocation_or_404(self.person, participant_or_404(self.person, code))))

    @extend_schema(
        operation_id="allocate",
        tags=["allocation"],
        parameters=[CODE],
        request=serializers.Allocate,
        responses=describe(serializers.Allocation, body=True, s422=serializers.GateClosed),
    )
    def post(self, request: Request, code: str) -> Response:
        """Allocate the participant. Asked again, the answer is the same: a retry is safe."""
        participant = participant_or_404(self.person, code)
        allocations.allocate(
            participant=participant, password=self.read(serializers.Allocate)["password"], by=self.person
        )
        return Response(shape(allocation_or_404(self.person, participant)))


class RegistrationView(View):
    throttle_scope = "password"

    @extend_schema(
        operation_id="registration",
        tags=["allocation"],
        parameters=[CODE],
        responses=describe(serializers.Registration),
    )
    def get(self, request: Request, code: str) -> Response:
        """The registration without randomization, for those who may see the arm; not there for the others."""
        return Response(shape_of_registration(registration_or_404(self.person, participant_or_404(self.person, code))))

    @extend_schema(
        operation_id="register",
        tags=["allocation"],
        parameters=[CODE],
        request=serializers.Register,
        responses=describe(serializers.Registration, body=True, s422=serializers.GateClosed),
    )
    def post(self, request: Request, code: str) -> Response:
        """Register a participant once the study has ended randomization. Asked again, the answer is the same."""
        participant = participant_or_404(self.person, code)
        password = self.read(serializers.Register)["password"]
        allocations.register(participant=participant, password=password, by=self.person)
        return Response(shape_of_registration(registration_or_404(self.person, participant_or_404(self.person, code))))


def shape(allocation: Allocation) -> dict[str, Any]:
    """An allocation in the words of the version under which it was made; never its slot."""
    definition = definition_of(allocation.version_id)
    section: RandomizationSection = definition.section("randomization")
    strata = []
    for factor in section.strata:
        code = allocation.strata[factor.id]
        level = next(level for level in factor.levels if level.code == code)
        strata.append({"factor": factor.id, "label": factor.label, "level": code, "level_label": level.label})
    if SITE in allocation.strata:
        site = allocation.strata[SITE]
        words = dict.fromkeys(definition.locales, site)
        strata.append({"factor": SITE, "label": SITE_LABEL, "level": site, "level_label": words})
    return {
        "participant": allocation.participant.code,
        "number": allocation.number,
        "arm": allocation.arm,
        "arm_label": definition.arms[allocation.arm].label,
        "strata": strata,
        "allocated_at": allocation.allocated_at,
        "allocated_by": allocation.allocated_by.printed_name,
    }


def shape_of_registration(registration: Registration) -> dict[str, Any]:
    """A registration in the words of the version under which it was made."""
    return {
        "participant": registration.participant.code,
        "randomized": False,
        "arm": registration.arm,
        "arm_label": definition_of(registration.version_id).arms[registration.arm].label,
        "registered_on": registration.participant.registered_on,
        "registered_at": registration.registered_at,
        "registered_by": registration.registered_by.printed_name,
    }
