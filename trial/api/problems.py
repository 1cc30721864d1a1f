"""Refusals and faults as JSON of one shape: `{code, message}` with `errors`, `reasons` or both versions beside them.

Statuses are those of the pages: 403 for `permission.…`, 409 for a conflict, 404 for what is not there for this person,
422 otherwise. Beside them: 400 for a body that is no JSON, 401 signed out, 405, 413, 415, 429. Bugs go on rising.
A room above adds what it knows of its own refusals with `@more.register`.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions, serializers, status
from rest_framework.response import Response

from audit.errors import Refused

from ..views.refusals import status_of


class Problem(serializers.Serializer[Any]):
    """Why nothing was done: a code for programs, words for people."""

    code = serializers.CharField(help_text="For programs; stable.")
    message = serializers.CharField(help_text="For people, in their language.")


class FieldProblem(serializers.Serializer[Any]):
    """What is wrong with one field of the request."""

    field = serializers.CharField(help_text="Name of the field, with its place in a list: `values.2.item`.")
    code = serializers.CharField()
    message = serializers.CharField()


class InvalidRequest(Problem):
    """The request does not have the shape that was asked for: every fault at once."""

    errors = FieldProblem(many=True, required=False)


@singledispatch
def more(refused: Refused) -> dict[str, Any]:
    """Return what a refusal says beside its code and words: nothing, unless a room registered more for its kind."""
    return {}


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer to an error of a view, None for a bug, which rises."""
    if isinstance(error, Refused):
        return refusal(error)
    if isinstance(error, Http404):
        return nothing_here()
    if isinstance(error, PermissionDenied):
        return problem(status.HTTP_403_FORBIDDEN, "permission", _("Your role does not include this."))
    if isinstance(error, RequestDataTooBig):
        return problem(status.HTTP_413_REQUEST_ENTITY_TOO_LARGE, "too_large", _("The body is too large."))
    if isinstance(error, exceptions.ValidationError):
        found = list(_faults(error.get_full_details()))
        words = _("This request cannot be understood. Nothing was done.")
        return problem(status.HTTP_422_UNPROCESSABLE_ENTITY, "invalid", words, errors=found)
    if isinstance(error, exceptions.APIException):
        return _answer_of_framework(error)
    return None


def refusal(refused: Refused, **beside: Any) -> Response:
    """Return a refusal of an action as it is answered."""
    if status_of(refused) == status.HTTP_404_NOT_FOUND:
        return nothing_here()
    code = str(refused.code) or "refused"
    return problem(status_of(refused), code, str(refused.message), **more(refused), **beside)


def nothing_here() -> Response:
    """Return the one answer to what does not exist and to what this person may not see."""
    return problem(status.HTTP_404_NOT_FOUND, "not_found", _("There is nothing at this address."))


def problem(number: int, code: str, message: str, **beside: Any) -> Response:
    """Return an answer of the common shape."""
    return Response({"code": code, "message": message, **beside}, status=number)


def _answer_of_framework(error: exceptions.APIException) -> Response:
    headers = {}
    code, words = str(error.default_code), str(error.detail)
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        headers["WWW-Authenticate"] = getattr(error, "auth_header", "") or "Session"
        code, words = "signed_out", _("Your session has ended. Sign in again.")
    elif isinstance(error, exceptions.Throttled):
        headers["Retry-After"] = str(int(getattr(error, "wait", None) or 60))
        code, words = "too_many", _("Too many requests. Wait a little.")
    elif isinstance(error, exceptions.PermissionDenied) and words.startswith("CSRF"):
        code, words = "csrf", _("The CSRF token is absent or wrong: send it in the header X-CSRFToken.")
    answered = problem(error.status_code, code, words)
    for name, value in headers.items():
        answered[name] = value
    return answered


def _faults(details: Any, place: str = "") -> Any:
    """Walk the nested details of a validation error; each fault with the dotted name of its field."""
    if isinstance(details, dict) and set(details) == {"message", "code"}:
        yield {"field": place or "body", "code": str(details["code"]), "message": str(details["message"])}
    elif isinstance(details, dict):
        for name, inner in details.items():
            at = place if name == "non_field_errors" else f"{place}.{name}".lstrip(".")
            yield from _faults(inner, at)
    else:
        leaves = all(isinstance(inner, dict) and set(inner) == {"message", "code"} for inner in details)
        for number, inner in enumerate(details):
            yield from _faults(inner, place if leaves else f"{place}.{number}".lstrip("."))
