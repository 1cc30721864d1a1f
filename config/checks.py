"""What must be true before Stratum may hold a real trial. Run by `manage.py check`, and before any server starts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured


@register()
def secrets_are_given(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Outside debug, SECRET_KEY is given and STRATUM_KEYS holds 32-byte keys."""
    found: list[CheckMessage] = []
    if not settings.DEBUG:
        if settings.SECRET_KEY == settings.INSECURE_KEY:
            found.append(
                Error(
                    "SECRET_KEY is not set.",
                    hint="Set it to what `python -c 'import secrets; print(secrets.token_urlsafe(48))'` prints.",
                    id="stratum.E001",
                )
            )
        if not settings.STRATUM_KEYS:
            found.append(
                Error(
                    "STRATUM_KEYS is not set: randomization lists could not be encrypted.",
                    hint="Set it to id:base64 with 32 random bytes in base64, and keep a copy apart from the database.",
                    id="stratum.E002",
                )
            )
    for name, text in settings.STRATUM_KEYS.items():
        try:
            size = len(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            size = 0
        if size != 32:
            found.append(
                Error(
                    f"STRATUM_KEYS: the key {name} is not 32 bytes in base64.",
                    hint="`python -c 'import base64, os; print(base64.b64encode(os.urandom(32)).decode())'` makes one.",
                    id="stratum.E003",
                )
            )
    return found


def refuse_to_run_insecurely() -> None:
    """Stop a server that would run outside debug without its secrets. Raises ImproperlyConfigured with the remedy."""
    errors = secrets_are_given(None)
    if errors:
        raise ImproperlyConfigured(" ".join(f"{error.msg} {error.hint}" for error in errors))
