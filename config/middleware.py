"""What every answer needs and no room owns: the person's true address, and pages that no cache keeps."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

Handler = Callable[[HttpRequest], HttpResponse]


class ClientAddressMiddleware:
    """REMOTE_ADDR is the person's address even behind our reverse proxies.

    Only the last `TRUSTED_PROXIES` entries of X-Forwarded-For were written by machines of ours; what stands before
    them is whatever the client made up. Without trusted proxies the header is not looked at.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        hops = settings.TRUSTED_PROXIES
        if hops:
            said = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
            if len(said) >= hops:
                request.META["REMOTE_ADDR"] = said[-hops]
        return self.get_response(request)


class NoStoreMiddleware:
    """No page is kept by a browser or a proxy unless its view says so: any page may show a participant."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = "no-store"
        return response
