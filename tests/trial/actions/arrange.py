"""Participants of the trial room's tests: brought to a day of their follow-up by the room's own actions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import audit
from audit import clock
from tests.cast import Cast
from tests.stages import staged
from trial.actions import statuses, visits
from trial.models import Participant, StatusKind, Visit

DAY = dt.timedelta(days=1)


@contextmanager
def on_day(day: dt.date) -> Iterator[None]:
    """Let the business day be that one (at noon in UTC)."""
    with clock.simulated(dt.datetime(day.year, day.month, day.day, 12, tzinfo=dt.UTC)):
        yield


@staged
def randomized(cast: Cast, *, days_ago: int, pathway: str = "srt") -> Participant:
    """A participant who consented and was allocated that many days ago, with the visits of the pathway planned.

    Without the baseline forms and the list: the trial room knows neither.
    """
    day = clock.today() - days_ago * DAY
    with on_day(day - 10 * DAY):
        participant = cast.consented()
    with on_day(day):
        participant.pathway = pathway
        audit.save(participant, by=None)
        participant = statuses.record(
            participant=participant, kind=StatusKind.RANDOMIZED, on=day, by=cast.theo_coordinator
        )
        visits.follow(participant=participant, anchor="randomization", by=cast.theo_coordinator)
    return again(participant)


def again(participant: Participant) -> Participant:
    """The participant as stored now."""
    return Participant.objects.select_related("site").get(pk=participant.pk)


def states(participant: Participant) -> dict[str, str]:
    """The status of each first visit, by event."""
    return dict(Visit.objects.filter(participant=participant, occurrence=1).values_list("event", "status"))
