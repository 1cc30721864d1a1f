"""Shapes of what the trial's API asks and answers; the schema is made from them and tests hold the answers to it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers as s

from trial.definition.model import Area, FormKind, Phase
from trial.language import ItemType

from ..models import Role, Status, VisitStatus
from ..permissions import Permission

CODE = 12
"""Most characters of a participant's code."""
FORM_KINDS = [str(kind) for kind in FormKind]


class Shape(s.Serializer[Any]):
    """An answer: every field is always there."""


@extend_schema_field(
    {"type": "object", "additionalProperties": {"type": "string"}, "example": {"en": "Sex", "fr": "Sexe"}}
)
class Words(s.Field[Any, Any, Any, Any]):
    """A label in every language of the study."""


def day(**words: Any) -> s.DateField:
    """A date that may be absent."""
    return s.DateField(allow_null=True, **words)


class Pages(Shape):
    """What every paged answer holds beside its `results`."""

    count = s.IntegerField(help_text="Rows in all.")
    next = s.URLField(allow_null=True)
    previous = s.URLField(allow_null=True)


def paged(shape: type[Shape], name: str) -> type[Pages]:
    """Return the shape of a page of rows."""
    return type(name, (Pages,), {"results": shape(many=True), "__doc__": f"A page of {shape.__name__}."})


# --- Me ----------------------------------------------------------------------------------------------------------


class HeldRole(Shape):
    role = s.ChoiceField(choices=Role.choices)
    label = s.CharField()
    site = s.CharField(allow_null=True, help_text="Number of the site; null for a role at every site.")


class HeldPermission(Shape):
    permission = s.ChoiceField(choices=[str(p) for p in Permission])
    everywhere = s.BooleanField()
    sites = s.ListField(child=s.CharField(), help_text="Numbers of the sites; empty when it holds everywhere.")


class Me(Shape):
    """Who is asking, and what they may do where, today."""

    name = s.CharField()
    email = s.EmailField()
    locale = s.CharField()
    roles = HeldRole(many=True)
    permissions = HeldPermission(many=True)


# --- Study -------------------------------------------------------------------------------------------------------


class StudyVersion(Shape):
    number = s.IntegerField()
    label = s.CharField()
    content_hash = s.CharField()
    published_at = s.DateTimeField()


class Arm(Shape):
    id = s.CharField()
    label = Words()
    pathway = s.CharField()


class Registry(Shape):
    name = s.CharField()
    id = s.CharField()


class Study(Shape):
    """The study and the version under which the person works (or the one asked for)."""

    code = s.CharField()
    acronym = s.CharField()
    title = Words()
    sponsor = s.CharField()
    protocol_version = s.CharField()
    registries = Registry(many=True)
    locales = s.ListField(child=s.CharField())
    simulated = s.BooleanField(help_text="Whether the data are made up.")
    version = StudyVersion()
    versions = StudyVersion(many=True, help_text="Every published version, newest first.")
    arms = Arm(many=True, help_text="Empty for people who may see no arm.")


class FormLine(Shape):
    id = s.CharField()
    kind = s.ChoiceField(choices=FORM_KINDS, help_text="Of a visit, or a log with numbered entries.")
    label = Words()
    area = s.ChoiceField(choices=[str(a) for a in Area])
    domain = s.CharField(allow_null=True, help_text="CDASH domain.")
    signed_by = s.CharField(allow_null=True, help_text="The role that signs it.")
    items = s.IntegerField(help_text="How many items.")


class Unit(Shape):
    unit = s.CharField()
    factor = s.CharField(help_text="Typed × factor + offset = standard.")
    offset = s.CharField()


class Code(Shape):
    code = s.CharField()
    label = Words()


class Limits(Shape):
    min = s.CharField(allow_null=True)
    max = s.CharField(allow_null=True)
    soft_min = s.CharField(allow_null=True)
    soft_max = s.CharField(allow_null=True)


class ItemShape(Shape):
    id = s.CharField(help_text="Unique within its form.")
    type = s.ChoiceField(choices=[str(t) for t in ItemType])
    label = Words()
    hint = Words()
    unit = s.CharField(allow_null=True, help_text="Standard unit.")
    units = Unit(many=True, help_text="Other units that are accepted.")
    decimals = s.IntegerField(allow_null=True)
    range = Limits(allow_null=True)
    required = s.BooleanField()
    missing = s.ListField(child=s.CharField(), help_text="Missing codes that are accepted.")
    codes = Code(many=True)
    link = s.CharField(allow_null=True, help_text="The log form to whose entries it points.")
    dictionary = s.CharField(allow_null=True)
    grade_of = s.CharField(allow_null=True)
    shown_when = s.CharField(allow_null=True)
    derived = s.CharField(allow_null=True, help_text="Calculated; what is sent for it is not read.")
    answered_by = s.ListField(child=s.CharField(), help_text="Roles to which it is reserved.")


class GroupShape(Shape):
    id = s.CharField()
    label = Words()
    repeating = s.BooleanField(help_text="A grid of rows.")
    min_rows = s.IntegerField()
    max_rows = s.IntegerField()
    shown_when = s.CharField(allow_null=True)
    items = ItemShape(many=True)


class CheckShape(Shape):
    id = s.CharField()
    rule = s.CharField()
    severity = s.ChoiceField(choices=["hard", "soft"])
    items = s.ListField(child=s.CharField())
    message = Words()


class FormShape(FormLine):
    date_item = s.CharField(allow_null=True)
    groups = GroupShape(many=True)
    checks = CheckShape(many=True)


class VisitPlan(Shape):
    """A visit of the plan."""

    id = s.CharField()
    label = Words()
    phase = s.ChoiceField(choices=[str(p) for p in Phase])
    anchor = s.CharField()
    days = s.IntegerField()
    weeks = s.IntegerField()
    months = s.IntegerField()
    window_before = s.IntegerField(help_text="Days.")
    window_after = s.IntegerField(help_text="Days.")
    on_demand = s.BooleanField(help_text="Added by hand or by an event: without a planned date.")
    forms = s.ListField(child=s.CharField())


# --- Participants ------------------------------------------------------------------------------------------------


class Participant(Shape):
    code = s.CharField(max_length=CODE)
    site = s.CharField()
    status = s.ChoiceField(choices=Status.choices)
    version = s.IntegerField(help_text="Number of the study version under which its forms are shown.")
    initials = s.CharField(allow_blank=True)
    sex = s.CharField(allow_blank=True)
    birth_month = s.IntegerField(allow_null=True)
    birth_year = s.IntegerField(allow_null=True)
    screened_on = s.DateField()
    consented_on = day()
    failed_on = day()
    enrolled_on = day(help_text="The day on which eligibility was signed.")
    randomized_on = day()
    registered_on = day(help_text="The day of registration to a visit plan, of who is not randomized.")
    treatment_ended_on = day()
    progressed_on = day()
    withdrawn_treatment_on = day()
    withdrawn_visits_on = day()
    withdrawn_contact_on = day()
    lost_on = day()
    died_on = day()
    completed_on = day()
    failure_reason = s.CharField(allow_blank=True)


class ParticipantsAsked(s.Serializer[Any]):
    site = s.CharField(required=False, max_length=4, help_text="Number of a site.")
    status = s.ChoiceField(choices=Status.choices, required=False)


class Screening(s.Serializer[Any]):
    """Open a screening: the participant gets the next code of the site."""

    site = s.CharField(max_length=4, help_text="Number of the site.")
    screened_on = s.DateField(required=False, help_text="Today unless told.")


# --- Visits ------------------------------------------------------------------------------------------------------


class Visit(Shape):
    id = s.IntegerField()
    event = s.CharField(help_text="Id in the visit plan.")
    occurrence = s.IntegerField(help_text="Counts the visits of the same sort.")
    label = Words()
    planned_on = day()
    window_start = day()
    window_end = day()
    actual_on = day()
    status = s.ChoiceField(choices=VisitStatus.choices)
    overdue = s.BooleanField()
    missed_reason = s.CharField(allow_blank=True)
    forms = s.ListField(child=s.CharField(), help_text="The forms of the visit.")


class VisitChange(s.Serializer[Any]):
    """What happened to a visit: the day on which it took place, or why it was missed."""

    actual_on = s.DateField(required=False)
    missed_reason = s.CharField(required=False, max_length=300)
    reason = s.CharField(
        required=False, allow_blank=True, max_length=300, help_text="Why a day that stands recorded is changed."
    )

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """Exactly one of both."""
        if ("actual_on" in given) == ("missed_reason" in given):
            raise s.ValidationError(_("Give the day of the visit, or why it was missed."))
        return given
