"""How a person is recognized: e-mail address and password, in one query with the credential."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.db.models import QuerySet
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from audit.prepared import prepared

from .models import Person

MAX_ADDRESS = 254  # characters of an e-mail address (RFC 5321)


class Backend(BaseBackend):
    """Signs people in; rights come from delegations (`trial.permissions`), never from here.

    Stands after the backend of axes, which refuses a locked-out person before any password is looked at.
    """

    @sensitive_variables("password", "kwargs")
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Person | None:
        """Return the person of that address and password, None otherwise; both take as long."""
        if not username or password is None or len(username) > MAX_ADDRESS or "\x00" in username:
            return None
        person = Person.objects.select_related("credential").filter(email__iexact=username.strip()).first()
        if person is None:
            make_password(password)  # so that time does not tell whether the account exists
            return None
        return person if person.check_password(password) and person.is_active else None

    def get_user(self, user_id: int) -> Person | None:
        """Return the person of a session with the credential that the session's hash is checked against: one query."""
        return _active.first(int(user_id))


@prepared
def _active(person_id: int) -> QuerySet[Person]:
    return Person.objects.select_related("credential").filter(pk=person_id, is_active=True)
