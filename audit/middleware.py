"""Where each request comes from, for the ledger, and the deeds that must outlive a failed transaction."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from audit import outside
from audit.context import Origin, coming_from


class RequestOrigin:
    """Give deeds the address and browser of the request; after it, tell what had to wait for a rollback.

    Reads REMOTE_ADDR, which the middleware for trusted proxies, standing before this one, has made true.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with coming_from(origin_of(request)):
            try:
                return self.get_response(request)
            finally:
                outside.flush()


def origin_of(request: HttpRequest) -> Origin:
    """Address and browser of a request, short and printable; an address that is none is left out."""
    return Origin(_address(request.META.get("REMOTE_ADDR", "")), _printable(request.headers.get("User-Agent", "")))


def _address(text: str) -> str | None:
    import ipaddress

    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return None


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text[:200])
