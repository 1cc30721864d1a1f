"""Shapes of an allocation and of a registration; the schema is made from them and tests hold the answers to it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers as s

from trial.api.problems import InvalidRequest
from trial.api.serializers import Shape, Words


class Level(Shape):
    """A stratification factor as it was frozen with the allocation."""

    factor = s.CharField()
    label = Words()
    level = s.CharField()
    level_label = Words()


class Allocation(Shape):
    """The arm of one participant, once and for ever."""

    participant = s.CharField()
    number = s.IntegerField(help_text="The randomization number.")
    arm = s.CharField()
    arm_label = Words()
    strata = Level(many=True)
    allocated_at = s.DateTimeField()
    allocated_by = s.CharField()


class Registration(Shape):
    """A participant who follows the study's visit plan without having been randomized, once and for ever."""

    participant = s.CharField()
    randomized = s.BooleanField(help_text="Never: there is no randomization number and no stratum.")
    arm = s.CharField(help_text="Whose visit plan the participant follows; not an allocation.")
    arm_label = Words()
    registered_on = s.DateField(help_text="Day 0.")
    registered_at = s.DateTimeField()
    registered_by = s.CharField()


class Allocate(s.Serializer[Any]):
    """The irreversible step, with the password typed again."""

    password = s.CharField(max_length=200, trim_whitespace=False, write_only=True)


class Register(s.Serializer[Any]):
    """The irreversible step, with the password typed again."""

    password = s.CharField(max_length=200, trim_whitespace=False, write_only=True)


class Reason(Shape):
    code = s.CharField()
    message = s.CharField()


class GateClosed(InvalidRequest):
    """Nobody was allocated or registered; `reasons` are all that stand in the way."""

    reasons = Reason(many=True, required=False)
