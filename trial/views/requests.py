"""The request of a page for people who are signed in, for the type checker."""

from __future__ import annotations

from django.http import HttpRequest

from ..models import Person


class SignedInRequest(HttpRequest):
    """What `trial.middleware.SignInRequired` lets through: `user` is a person."""

    user: Person
