"""Business time: the one clock that actions read.

`recorded_at` on history, ledger and append-only rows is the database's own time and is never simulated, so a row
written under a simulated clock always shows both.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from audit.errors import Refused

_simulated: ContextVar[datetime | None] = ContextVar("audit_simulated_time", default=None)


def now() -> datetime:
    """The time of the deed, aware, in UTC."""
    return _simulated.get() or timezone.now()


def today() -> date:
    """The calendar day of the deed in the trial's time zone (`settings.TIME_ZONE`)."""
    return now().astimezone(timezone.get_default_timezone()).date()


def is_simulated() -> bool:
    """Is a simulated time in force here?"""
    return _simulated.get() is not None


def simulation_allowed() -> bool:
    """Only a debug installation and the tests may bend business time."""
    return bool(settings.DEBUG or getattr(settings, "TESTING", False))


@contextmanager
def simulated(at: datetime) -> Iterator[datetime]:
    """Let business time stand at `at` (aware) for this context; nests; refused outside debug and tests."""
    if not simulation_allowed():
        raise Refused("Business time can only be simulated in debug or in tests.", code="simulation_refused")
    if timezone.is_naive(at):
        raise ValueError("A simulated time needs a time zone.")
    token = _simulated.set(at.astimezone(ZoneInfo("UTC")))
    try:
        yield at
    finally:
        _simulated.reset(token)
