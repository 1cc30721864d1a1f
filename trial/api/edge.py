"""What every view of the API shares, and how it is described."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.views import APIView

from ..models import Person
from .access import Page, SessionAuthentication
from .problems import InvalidRequest, Problem


class SessionScheme(OpenApiAuthenticationExtension):
    """How the schema names it."""

    target_class = SessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of the pages. What is not GET needs the header X-CSRFToken too.",
        }


class AlwaysJSON(DefaultContentNegotiation):
    """JSON is the one thing to be had, whatever the request would rather accept."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


class View(APIView):
    """One address; `person` is who asks."""

    content_negotiation_class = AlwaysJSON

    @property
    def person(self) -> Person:
        """The person who is signed in."""
        found = self.request.user
        assert isinstance(found, Person)
        return found

    def read(self, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """Return what the body says, once it has the shape of a serializer. Raises ValidationError."""
        given = serializer(data=self.request.data)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)

    def asked(self, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """Return what the address asks after its question mark. Raises ValidationError."""
        given = serializer(data=self.request.query_params)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)

    def page_of(self, rows: Any, shape: Any, *arguments: Any) -> Any:
        """Return one page of rows, each brought into shape; `shape` takes the list of rows."""
        pages = Page()
        found: list[Any] | None = pages.paginate_queryset(rows, self.request, self)
        return pages.get_paginated_response(shape(found or [], *arguments))


def prefers(request: Any, preference: str) -> bool:
    """Tell whether the request prefers something, as `return=minimal` (RFC 7240, section 2)."""
    said = request.headers.get("Prefer", "").split(",")
    return preference in ("".join(each.partition(";")[0].split()).lower() for each in said)


def describe(answer: Any, *, body: bool = False, status_code: int = 200, **others: Any) -> dict[Any, Any]:
    """Return the `responses` of `extend_schema`: the answer, and every problem that any view may answer.

    `others`: further or other answers by number, as `s409=StaleAnswer`.
    """
    told: dict[Any, Any] = {
        status_code: answer,
        401: OpenApiResponse(Problem, "Nobody is signed in."),
        403: OpenApiResponse(Problem, "The person's roles do not include this, or the CSRF token is wrong."),
        404: OpenApiResponse(Problem, "There is nothing here for this person."),
        422: OpenApiResponse(InvalidRequest, "The request cannot be understood, or the state does not allow it."),
        429: OpenApiResponse(Problem, "Too many requests."),
    }
    if body:
        told |= {
            400: OpenApiResponse(Problem, "The body is no JSON."),
            409: OpenApiResponse(Problem, "Somebody else changed it first."),
            413: OpenApiResponse(Problem, "The body is too large."),
            415: OpenApiResponse(Problem, "The body is of another type than JSON."),
        }
    return told | {int(name[1:]): value for name, value in others.items()}
