"""Clocks of serious events: when something is due, and where the clock stands at a given moment.

Pure: the clock comes from the study's `safety.yaml`, the facts and the moment are arguments. No delay is written here,
because which regime applies is the study's choice. Those that the shapes were made for:

- investigator to sponsor, 24 hours from awareness: Regulation (EU) 536/2014, article 41(2); in France "sans délai",
  24 h in practice (FACTS 6.1, [D]);
- sponsor, 7 days for a fatal or life-threatening reaction and 15 days for another serious one: article 42(2)(a) and (b)
  (FACTS 6.1, [D]; the 15 days and a follow-up within 8 days are on ANSM's page [F]);
- 7 days from the moment when the sponsor knows that an earlier one has become fatal or life-threatening: article
  42(2)(c) (FACTS 6.1, [D]);
- days are calendar days and day 0 is the sponsor's first awareness: the count begins "with the day after the sponsor
  was first aware" (SI 2004/1031 regulation 34, FACTS 6.1 [F]).

An hour clock counts elapsed hours: a night on which the time changes makes it neither longer nor shorter. A day clock
ends with the last moment of its last day in the given zone, whether that day has 23, 24 or 25 hours.
"""

import enum
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

Moments = datetime | Sequence[datetime] | None


class Status(enum.StrEnum):
    """Where a clock stands."""

    NOT_STARTED = "not_started"
    RUNNING = "running"
    MET = "met"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Clock:
    """What must happen how soon after what. Exactly one of `hours` and `days` is given.

    `start`, `stop` and `restart` name facts. The clock runs from the earliest `start`; the earliest `restart` after it
    begins the count anew, and then only a `stop` from there on counts. It runs only while all flags of `only_if` and
    none of `unless` are among the case's flags ("fatal_or_life_threatening", "susar", …).
    """

    id: str
    start: str
    stop: str
    hours: int | None = None
    days: int | None = None
    restart: str | None = None
    only_if: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if (self.hours is None) == (self.days is None):
            raise ValueError(f"Clock {self.id}: give either hours or days.")
        length = self.hours if self.hours is not None else self.days
        if isinstance(length, bool) or not isinstance(length, int) or length < 1:
            raise ValueError(f"Clock {self.id}: the length is a whole number of 1 or more.")
        if self.stop in (self.start, self.restart):
            raise ValueError(f"Clock {self.id}: what stops it cannot be what starts it.")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one case: moments by name (one, several or none, all with a time zone), and flags."""

    moments: Mapping[str, Moments]
    flags: AbstractSet[str] = frozenset()

    def known(self, name: str | None, now: datetime) -> list[datetime]:
        """The moments of this name that are not in the future, earliest first, in UTC."""
        found = self.moments.get(name) if name is not None else None
        moments = [found] if isinstance(found, datetime) else list(found or ())
        return sorted(moment for moment in map(_utc, moments) if moment <= now)


@dataclass(frozen=True, slots=True)
class ClockState:
    """Where a clock stands. Moments are in UTC; `due_on` is a date in the zone that was asked for.

    `due_at`: an hour clock is in time up to and including it; a day clock up to the last moment before it, which is the
    midnight that ends `due_on`. `margin` is what was or is left, negative when late; None before the start.
    """

    clock: str
    status: Status
    started_at: datetime | None = None
    due_at: datetime | None = None
    due_on: date | None = None
    met_at: datetime | None = None
    margin: timedelta | None = None
    is_late: bool = False
    is_restarted: bool = False

    @property
    def remaining(self) -> timedelta | None:
        """The time left on a running clock; None otherwise."""
        return self.margin if self.status is Status.RUNNING else None

    @property
    def late_by(self) -> timedelta | None:
        """How late it is or was; None when it is not late."""
        return -self.margin if self.is_late and self.margin is not None else None

    @property
    def early_by(self) -> timedelta | None:
        """How much time was left when it was met; None when it was not, or was late."""
        return self.margin if self.status is Status.MET and not self.is_late else None


def due(clock: Clock, facts: Facts, now: datetime, *, zone: tzinfo) -> ClockState:
    """Where the clock stands at `now`, from the facts that are not later than `now`.

    `zone` is the zone whose days count (the study's). ValueError when a moment has no time zone.
    """
    now = _utc(now)
    starts = facts.known(clock.start, now)
    if not starts or not clock.only_if <= facts.flags or clock.unless & facts.flags:
        return ClockState(clock=clock.id, status=Status.NOT_STARTED)
    restarts = [moment for moment in facts.known(clock.restart, now) if moment > starts[0]]
    started_at = restarts[0] if restarts else starts[0]
    due_at, due_on = _deadline(clock, started_at, zone)

    stops = facts.known(clock.stop, now)
    in_count = [moment for moment in stops if moment >= started_at]
    # Reported before the awareness that was written down: it is reported. After an upgrade it must be reported again.
    met_at = in_count[0] if in_count else stops[0] if stops and not restarts else None

    seen_at = met_at if met_at is not None else now
    is_late = seen_at > due_at if clock.hours is not None else seen_at >= due_at
    status = Status.MET if met_at is not None else Status.OVERDUE if is_late else Status.RUNNING
    return ClockState(
        clock=clock.id,
        status=status,
        started_at=started_at,
        due_at=due_at,
        due_on=due_on,
        met_at=met_at,
        margin=due_at - seen_at,
        is_late=is_late,
        is_restarted=bool(restarts),
    )


def _deadline(clock: Clock, started_at: datetime, zone: tzinfo) -> tuple[datetime, date]:
    """The moment and the day by which the clock must be met."""
    if clock.hours is not None:
        due_at = started_at + timedelta(hours=clock.hours)  # both in UTC, so these are elapsed hours
        return due_at, due_at.astimezone(zone).date()
    assert clock.days is not None
    due_on = started_at.astimezone(zone).date() + timedelta(days=clock.days)
    return _start_of_day(due_on + timedelta(days=1), zone), due_on


def _start_of_day(day: date, zone: tzinfo) -> datetime:
    """The first moment of a day in a zone, in UTC, even where the clocks skip or repeat midnight on it."""
    # fold=0 takes the first of two midnights. Where the clocks skip from midnight to one, it reads midnight with the
    # offset before the change (PEP 495), which is the very moment of the change and the first of the new day.
    return datetime.combine(day, time(0), tzinfo=zone).replace(fold=0).astimezone(UTC)


def _utc(moment: datetime) -> datetime:
    """The moment in UTC; ValueError when it has no time zone."""
    if moment.utcoffset() is None:
        raise ValueError("A moment needs a time zone.")
    return moment.astimezone(UTC)
