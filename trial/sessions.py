"""Where sessions are kept: Django's table, read by every request."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db.models import QuerySet
from django.utils import timezone

from audit.prepared import prepared


class SessionStore(DatabaseStore):
    """Django's own, whose statement is written once."""

    def _get_session_from_db(self) -> Any:
        found = _current(self.session_key or "", timezone.now())
        if found:
            return found[0]
        self._session_key = None  # an unknown or expired one is never taken up
        return None


@prepared
def _current(key: str, now: dt.datetime) -> QuerySet[Any]:
    return SessionStore.get_model_class().objects.filter(session_key=key, expire_date__gt=now)
