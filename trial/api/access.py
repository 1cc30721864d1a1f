"""Who asks, how often, how large and in which pieces: what the settings of the framework name. Imports no view."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import RequestDataTooBig
from django.utils.translation import gettext as _
from redis.exceptions import RedisError
from rest_framework import authentication, exceptions, pagination, parsers
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from audit.errors import Refused

from .. import policy

if TYPE_CHECKING:
    from rest_framework.views import APIView

log = logging.getLogger(__name__)


class SessionAuthentication(authentication.SessionAuthentication):
    """The session of the pages, with its CSRF token; who has none gets 401, never a redirect.

    A session whose person has not accepted the rules of the account opens nothing here either.
    """

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found = super().authenticate(request)
        if found is not None and policy.SESSION_KEY in request._request.session:
            raise Refused(_("Accept the rules of your account first."), code="permission.policy_to_accept")
        return found

    def authenticate_header(self, request: Request) -> str:
        return "Session"


class JSONParser(parsers.JSONParser):
    """Bodies of at most DATA_UPLOAD_MAX_MEMORY_SIZE; one nested beyond reason is no JSON either."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        length = getattr(stream, "META", {}).get("CONTENT_LENGTH") or 0
        if int(length) > (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0):
            raise RequestDataTooBig
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise exceptions.ParseError(_("This JSON is nested too deeply.")) from None


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
            try:
                count = cache.incr(key)
            except ValueError:  # the first of its minute
                cache.add(key, 0, timeout=120)
                count = cache.incr(key)
            return count <= self.RATES[scope]
        except (RedisError, OSError, ValueError):
            log.warning("Requests are not counted: the cache does not answer.")
            return True

    def wait(self) -> float:
        """Seconds until the next minute begins."""
        return 60 - time.time() % 60
