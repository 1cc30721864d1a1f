"""What every address of the API shares: who asks, how often, how large, in which pieces, and how it is described."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiResponse
from redis.exceptions import RedisError
from rest_framework import authentication, exceptions, pagination, parsers, serializers, status
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from ..models import Person
from .problems import InvalidRequest, Problem

log = logging.getLogger(__name__)


class SessionAuthentication(authentication.SessionAuthentication):
    """The session of the pages, with its CSRF token; who has none gets 401, never a redirect."""

    def authenticate_header(self, request: Request) -> str:
        return "Session"


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
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


class JSONParser(parsers.JSONParser):
    """Bodies of at most DATA_UPLOAD_MAX_MEMORY_SIZE; one nested beyond reason is no JSON either."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        length = getattr(stream, "META", {}).get("CONTENT_LENGTH") or 0
        if int(length) > (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0):
            raise TooLarge
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise exceptions.ParseError(_("This JSON is nested too deeply.")) from None


class TooLarge(exceptions.APIException):
    """413."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is too large."
    default_code = "too_large"


class Page(pagination.LimitOffsetPagination):
    """`?limit=` (50 unless told, 200 at most) and `?offset=`."""

    default_limit = 50
    max_limit = 200


# --- How often ---------------------------------------------------------------------------------------------------


class Throttle(BaseThrottle):
    """So many requests of one person a minute, counted in the cache; without the cache nobody is held up.

    A view may add a narrower `throttle_scope` of `RATES` for what a password guesser would try.
    """

    RATES: ClassVar[dict[str, int]] = {"read": 1_200, "write": 240, "password": 20}

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the request; False when its minute is full."""
        scope = "read" if request.method in ("GET", "HEAD", "OPTIONS") else "write"
        if scope == "write":
            scope = getattr(view, "throttle_scope", scope)
        who = request.user.pk or request.META.get("REMOTE_ADDR", "")
        key = f"api/{scope}/{who}/{int(time.time() // 60)}"
        try:
            cache.add(key, 0, timeout=120)
            return cache.incr(key) <= self.RATES[scope]
        except (RedisError, OSError, ValueError):
            log.warning("Requests are not counted: the cache does not answer.")
            return True

    def wait(self) -> float:
        """Seconds until the next minute begins."""
        return 60 - time.time() % 60


# --- Views ---------------------------------------------------------------------------------------------------------


class View(APIView):
    """One address; `person` is who asks."""

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
        found = pages.paginate_queryset(rows, self.request, self)
        return pages.get_paginated_response(shape(found or [], *arguments))


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
