"""Sign-in, sign-out, failed sign-in and lock-out stand in the ledger.

What was typed as a name is never stored: it may be a password typed in the wrong box. A failed sign-in names the
person if there is one of that name, and otherwise keeps a keyed hash, so that a series of attempts can be seen.
"""

from typing import Any

from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.dispatch import receiver
from django.utils.crypto import salted_hmac

from audit.actions import deed
from audit.context import coming_from, current_origin
from audit.middleware import origin_of


@receiver(user_logged_in, dispatch_uid="audit.signed_in")
def tell_signed_in(sender: Any, request: Any = None, user: Any = None, **_kwargs: Any) -> None:
    """A line for each sign-in."""
    _tell("person.signed_in", request, user, user)


@receiver(user_logged_out, dispatch_uid="audit.signed_out")
def tell_signed_out(sender: Any, request: Any = None, user: Any = None, **_kwargs: Any) -> None:
    """A line for each sign-out of somebody."""
    if user is not None and getattr(user, "pk", None) is not None:
        _tell("person.signed_out", request, user, user)


@receiver(user_login_failed, dispatch_uid="audit.sign_in_failed")
def tell_sign_in_failed(
    sender: Any, credentials: dict[str, Any] | None = None, request: Any = None, **_kwargs: Any
) -> None:
    """A line for each failed sign-in, without what was typed."""
    typed = _typed_name(credentials or {})
    person = _person_named(typed)
    _tell("person.sign_in_failed", request, None, person, **_who_was_meant(typed, person))


@receiver(user_locked_out, dispatch_uid="audit.locked_out")
def tell_locked_out(sender: Any, request: Any = None, username: str | None = None, **_kwargs: Any) -> None:
    """A line for each lock-out, without what was typed."""
    typed = _typed_name(getattr(request, "axes_credentials", None) or {})
    person = _person_named(typed)
    _tell("person.locked_out", request, None, person, **_who_was_meant(typed, person))


def name_for_axes(request: Any, credentials: dict[str, Any] | None = None) -> str:
    """The name under which axes counts failures: a keyed hash, so that its table holds nothing that was typed."""
    typed = _typed_name(credentials or {}) or str(getattr(request, "POST", {}).get("username", ""))
    return _hashed(typed.strip())


def _tell(verb: str, request: Any, by: Any, target: Any, **details: Any) -> None:
    origin = origin_of(request) if request is not None else current_origin()
    with coming_from(origin), transaction.atomic():
        deed(verb, target, by=by, **details)


def _typed_name(credentials: dict[str, Any]) -> str:
    name_field = str(get_user_model().USERNAME_FIELD)
    return str(credentials.get(name_field) or credentials.get("username") or "")


def _person_named(typed: str) -> Any:
    if not typed or len(typed) > 254 or "\x00" in typed:
        return None
    person = get_user_model()
    return person._base_manager.filter(**{f"{person.USERNAME_FIELD}__iexact": typed}).first()


def _who_was_meant(typed: str, person: Any) -> dict[str, str]:
    if person is not None or not typed:
        return {}
    return {"typed_hash": _hashed(typed)}


def _hashed(typed: str) -> str:
    digest = salted_hmac("audit.typed_name", typed.casefold(), secret=settings.SECRET_KEY, algorithm="sha256")
    return digest.hexdigest()[:32]
