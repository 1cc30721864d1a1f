"""What the frame of every page needs (docs/design.md, "Context of the frame"), read when a template asks for it.

Two statements for a signed-in person: the delegations, and the study with all counts. A fragment, a refusal or an
error page that does not show the frame reads nothing.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from . import navigation
from .definitions import current_study
from .models import Role
from .permissions import access_of

THEMES = ("light", "dark", "system")


class Frame:
    """The frame's words for one request, each read once."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    @property
    def person(self) -> Any:
        return getattr(self.request, "user", None)

    @property
    def is_signed_in(self) -> bool:
        return bool(self.person is not None and self.person.is_authenticated)

    @cached_property
    def waiting(self) -> navigation.Waiting:
        if self.is_signed_in:
            return navigation.waiting_for(self.person)
        study = current_study()
        return navigation.Waiting(study.acronym, study.is_simulated) if study else navigation.Waiting()

    def navigation(self) -> list[dict[str, Any]]:
        if not self.is_signed_in:
            return []
        return navigation.items(self.person, self.waiting.counts, self.request.path)

    def study_acronym(self) -> str:
        return self.waiting.acronym

    def simulated(self) -> bool:
        return self.waiting.is_simulated

    def roles(self) -> list[str]:
        return [str(Role(role).label) for role in access_of(self.person).role_names] if self.is_signed_in else []

    def initials(self) -> str:
        if not self.is_signed_in:
            return ""
        return initials_of(self.person.given_name, self.person.family_name)


def frame(request: HttpRequest) -> dict[str, Any]:
    """Give the frame's words to every template, lazily."""
    words = Frame(request)
    return {
        "navigation": SimpleLazyObject(words.navigation),
        "study_acronym": SimpleLazyObject(words.study_acronym),
        "simulated": SimpleLazyObject(words.simulated),
        "theme": theme_of(request),
        "person_roles": SimpleLazyObject(words.roles),
        "person_initials": SimpleLazyObject(words.initials),
        "idle_seconds": settings.SESSION_IDLE if words.is_signed_in else 0,
    }


def theme_of(request: HttpRequest) -> str:
    """Return the appearance kept in the cookie; anything unknown is the system's."""
    theme = request.COOKIES.get("theme", "system")
    return theme if theme in THEMES else "system"


def initials_of(given_name: str, family_name: str) -> str:
    """Return two letters for a person's round mark."""
    return (given_name[:1] + family_name[:1]).upper()
