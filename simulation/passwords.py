"""One password for all simulated people, checked quickly while the simulation runs.

A simulated person's credential is a PBKDF2 hash of a single round: the password is printed on the terminal anyway.
Outside the simulation nothing is different: the hash is of a kind that the settings accept, and the first sign-in
replaces it by the preferred one (Argon2), as Django does with every hash that is too weak.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib.auth import hashers

PASSWORD = "stratum-demo-2026"  # noqa: S105 (shown to whoever starts the demo; accounts exist in simulated databases only)


class OneRound(hashers.PBKDF2PasswordHasher):
    """PBKDF2 with one round, for people who do not exist."""

    iterations = 1


@contextmanager
def quick() -> Iterator[None]:
    """Hash and check passwords with one round in this process, for the time of a simulation."""
    before = settings.PASSWORD_HASHERS
    settings.PASSWORD_HASHERS = [f"{__name__}.{OneRound.__name__}"]
    _forget()
    try:
        yield
    finally:
        settings.PASSWORD_HASHERS = before
        _forget()


def _forget() -> None:
    hashers.reset_hashers(setting="PASSWORD_HASHERS")
