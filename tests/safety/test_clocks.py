"""Clocks of serious events: hours that are elapsed, days that are calendar days, upgrades, and two nights a year."""

# mypy: disable-error-code="union-attr, operator, arg-type, misc, var-annotated"

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.clocks import Clock, Facts, Status, due

PARIS = ZoneInfo("Europe/Paris")
NOTIFY = Clock(id="notify_sponsor", start="aware_at", stop="reported_at", hours=24)
SEVEN = Clock(
    id="expedited_7",
    start="sponsor_aware_at",
    stop="submitted_at",
    days=7,
    restart="upgraded_at",
    only_if=frozenset({"susar", "fatal_or_life_threatening"}),
)
FIFTEEN = Clock(
    id="expedited_15",
    start="sponsor_aware_at",
    stop="submitted_at",
    days=15,
    only_if=frozenset({"susar"}),
    unless=frozenset({"fatal_or_life_threatening"}),
)
FATAL = frozenset({"susar", "fatal_or_life_threatening"})


def paris(*parts):
    """A moment on the wall clock of Paris."""
    return datetime(*parts, tzinfo=PARIS)


def hours(count):
    return timedelta(hours=count)


def test_not_started_before_awareness():
    """SAF-001: without awareness, or with one that lies in the future, nothing runs."""
    now = paris(2026, 3, 10, 12)
    for moments in ({}, {"aware_at": None}, {"aware_at": []}, {"aware_at": now + hours(1)}):
        state = due(NOTIFY, Facts(moments), now, zone=PARIS)
        assert state.status is Status.NOT_STARTED
        assert (state.due_at, state.remaining, state.margin, state.is_late) == (None, None, None, False)


def test_24_hours_run():
    """SAF-002: 24 h from awareness, with the time that is left."""
    state = due(NOTIFY, Facts({"aware_at": paris(2026, 3, 10, 9, 30)}), paris(2026, 3, 10, 21, 30), zone=PARIS)

    assert state.status is Status.RUNNING
    assert state.due_at == paris(2026, 3, 11, 9, 30)
    assert state.due_on == date(2026, 3, 11)
    assert state.remaining == hours(12)
    assert (state.late_by, state.early_by, state.met_at) == (None, None, None)


@pytest.mark.parametrize(
    ("after", "status"),
    [
        (hours(24), Status.RUNNING),
        (hours(24) + timedelta(microseconds=1), Status.OVERDUE),
    ],
)
def test_24_hours_end_to_the_moment(after, status):
    """SAF-003: the last moment is still in time, the next one is not."""
    aware = paris(2026, 3, 10, 9, 30)

    assert due(NOTIFY, Facts({"aware_at": aware}), aware + after, zone=PARIS).status is status


def test_overdue_says_by_how_much():
    """SAF-004: an overdue clock counts on."""
    aware = paris(2026, 3, 10, 9, 30)

    state = due(NOTIFY, Facts({"aware_at": aware}), aware + hours(30), zone=PARIS)

    assert (state.status, state.is_late, state.late_by, state.remaining) == (Status.OVERDUE, True, hours(6), None)


def test_met_early_and_met_late():
    """SAF-005: once met it stays as it was met, early or late, whenever one looks."""
    aware = paris(2026, 3, 10, 9, 30)
    for look in (hours(40), hours(4000)):
        early = due(NOTIFY, Facts({"aware_at": aware, "reported_at": aware + hours(20)}), aware + look, zone=PARIS)
        late = due(NOTIFY, Facts({"aware_at": aware, "reported_at": aware + hours(26)}), aware + look, zone=PARIS)
        assert (early.status, early.is_late, early.early_by, early.late_by) == (Status.MET, False, hours(4), None)
        assert (late.status, late.is_late, late.early_by, late.late_by) == (Status.MET, True, None, hours(2))
        assert late.met_at == aware + hours(26)


def test_a_report_that_is_still_to_come_is_not_made():
    """SAF-006: seen from before the report, the clock runs."""
    aware = paris(2026, 3, 10, 9, 30)
    facts = Facts({"aware_at": aware, "reported_at": aware + hours(20)})

    assert due(NOTIFY, facts, aware + hours(19), zone=PARIS).status is Status.RUNNING


def test_the_first_of_several_reports_counts():
    """SAF-007: follow-up reports do not make the first one late; a corrected, earlier awareness counts."""
    aware = paris(2026, 3, 10, 9, 30)
    facts = Facts({"aware_at": [aware + hours(3), aware], "reported_at": [aware + hours(90), aware + hours(20)]})

    state = due(NOTIFY, facts, aware + hours(100), zone=PARIS)

    assert (state.started_at, state.met_at, state.is_late) == (aware, aware + hours(20), False)


def test_reported_before_the_awareness_on_record():
    """SAF-008: a report dated before the awareness that was typed in is a report."""
    aware = paris(2026, 3, 10, 9, 30)

    state = due(NOTIFY, Facts({"aware_at": aware, "reported_at": aware - hours(1)}), aware + hours(1), zone=PARIS)

    assert (state.status, state.is_late, state.early_by) == (Status.MET, False, hours(25))


@pytest.mark.parametrize(
    ("aware", "due_at"),
    [
        # 29 March 2026: 02:00 becomes 03:00, the day has 23 hours. 25 October 2026: 03:00 becomes 02:00, 25 hours.
        (paris(2026, 3, 28, 12), paris(2026, 3, 29, 13)),
        (paris(2026, 10, 24, 12), paris(2026, 10, 25, 11)),
        (paris(2026, 10, 25, 2, 30), paris(2026, 10, 26, 1, 30)),
        (paris(2026, 10, 25, 2, 30).replace(fold=1), paris(2026, 10, 26, 2, 30)),
    ],
)
def test_24_hours_are_24_hours_when_the_clocks_change(aware, due_at):
    """SAF-009: an hour clock counts elapsed hours, not the hands of the clock on the wall."""
    state = due(NOTIFY, Facts({"aware_at": aware}), aware, zone=PARIS)

    assert state.due_at == due_at.astimezone(UTC)
    assert state.due_at - state.started_at == hours(24)
    assert state.remaining == hours(24)


def seven(moments, now, flags=FATAL):
    return due(SEVEN, Facts(moments, flags), now, zone=PARIS)


@pytest.mark.parametrize("aware", [paris(2026, 3, 2, 0, 0), paris(2026, 3, 2, 12), paris(2026, 3, 2, 23, 59, 59)])
def test_day_0_is_the_day_of_awareness(aware):
    """SAF-010: aware on 2 March at any hour: day 7 is 9 March, to its last moment, in Paris."""
    moments = {"sponsor_aware_at": aware}

    last = seven(moments, paris(2026, 3, 9, 23, 59, 59, 999999))
    over = seven(moments, paris(2026, 3, 10))

    assert (last.due_on, last.due_at) == (date(2026, 3, 9), paris(2026, 3, 10))
    assert (last.status, over.status) == (Status.RUNNING, Status.OVERDUE)
    assert last.remaining == timedelta(microseconds=1)
    assert over.late_by == timedelta(0)


def test_the_day_is_that_of_the_zone_not_of_utc():
    """SAF-011: 23:30 UTC on 1 March is 2 March in Paris."""
    state = seven({"sponsor_aware_at": datetime(2026, 3, 1, 23, 30, tzinfo=UTC)}, datetime(2026, 3, 3, tzinfo=UTC))

    assert state.due_on == date(2026, 3, 9)


@pytest.mark.parametrize(("aware", "length"), [(paris(2026, 3, 25), 8 * 24 - 1), (paris(2026, 10, 20), 8 * 24 + 1)])
def test_calendar_days_over_a_change_of_clocks(aware, length):
    """SAF-012: from midnight of day 0 to the end of day 7 is an hour shorter in March, longer in October."""
    state = seven({"sponsor_aware_at": aware}, aware)

    assert state.due_on == aware.date() + timedelta(days=7)
    assert state.remaining == hours(length)


def test_submitted_on_the_last_day_and_after():
    """SAF-013: a submission on day 7 is in time, on day 8 it is late."""
    moments = {"sponsor_aware_at": paris(2026, 3, 2, 10)}

    in_time = seven({**moments, "submitted_at": paris(2026, 3, 9, 23, 59)}, paris(2026, 4, 1))
    late = seven({**moments, "submitted_at": paris(2026, 3, 10, 8)}, paris(2026, 4, 1))

    assert (in_time.status, in_time.early_by) == (Status.MET, timedelta(minutes=1))
    assert (late.status, late.late_by) == (Status.MET, hours(8))


def test_fifteen_days_for_what_is_not_fatal():
    """SAF-014: which clock runs depends on the case; what is not a SUSAR has neither."""
    moments, now = {"sponsor_aware_at": paris(2026, 3, 2, 10)}, paris(2026, 3, 3)
    susar = Facts(moments, {"susar"})
    fatal = Facts(moments, FATAL)
    neither = Facts(moments, {"fatal_or_life_threatening"})

    assert due(FIFTEEN, susar, now, zone=PARIS).due_on == date(2026, 3, 17)
    assert due(SEVEN, susar, now, zone=PARIS).status is Status.NOT_STARTED
    assert due(FIFTEEN, fatal, now, zone=PARIS).status is Status.NOT_STARTED
    assert due(SEVEN, fatal, now, zone=PARIS).status is Status.RUNNING
    assert {due(clock, neither, now, zone=PARIS).status for clock in (SEVEN, FIFTEEN)} == {Status.NOT_STARTED}


def test_an_upgrade_to_fatal_restarts_seven_days():
    """SAF-015: known to be fatal on 12 March: 7 days from then, and what was sent before does not count."""
    moments = {
        "sponsor_aware_at": paris(2026, 3, 2, 10),
        "submitted_at": [paris(2026, 3, 8, 9)],
        "upgraded_at": paris(2026, 3, 12, 16),
    }

    before = seven(moments, paris(2026, 3, 12, 15))
    after = seven(moments, paris(2026, 3, 14))
    moments["submitted_at"].append(paris(2026, 3, 18, 9))
    sent = seven(moments, paris(2026, 3, 30))

    assert (before.status, before.is_restarted) == (Status.MET, False)
    assert (after.status, after.is_restarted, after.due_on) == (Status.RUNNING, True, date(2026, 3, 19))
    assert after.started_at == paris(2026, 3, 12, 16)
    assert (sent.status, sent.met_at, sent.is_late) == (Status.MET, paris(2026, 3, 18, 9), False)


def test_a_second_upgrade_gives_no_new_time():
    """SAF-016: life-threatening first, fatal later: the seven days run from the first."""
    moments = {"sponsor_aware_at": paris(2026, 3, 2), "upgraded_at": [paris(2026, 3, 12), paris(2026, 3, 5)]}

    assert seven(moments, paris(2026, 3, 20)).due_on == date(2026, 3, 12)


def test_an_upgrade_dated_before_awareness_restarts_nothing():
    """SAF-017: fatal from the start is no upgrade."""
    moments = {"sponsor_aware_at": paris(2026, 3, 2), "upgraded_at": paris(2026, 3, 2)}

    state = seven(moments, paris(2026, 3, 3))

    assert (state.due_on, state.is_restarted) == (date(2026, 3, 9), False)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Clock(id="x", start="a", stop="b"),
        lambda: Clock(id="x", start="a", stop="b", hours=24, days=1),
        lambda: Clock(id="x", start="a", stop="b", hours=0),
        lambda: Clock(id="x", start="a", stop="b", days=-7),
        lambda: Clock(id="x", start="a", stop="b", hours=True),
        lambda: Clock(id="x", start="a", stop="b", hours=1.5),
        lambda: Clock(id="x", start="a", stop="a", hours=24),
        lambda: Clock(id="x", start="a", stop="b", restart="b", hours=24),
    ],
)
def test_a_wrong_clock_is_refused(build):
    """SAF-018: a clock without a length, or with two, or stopped by its start, is refused by name."""
    with pytest.raises(ValueError, match="Clock x"):
        build()


def test_a_moment_without_a_zone_is_refused():
    """SAF-019: 09:30 where?"""
    naive, aware = datetime(2026, 3, 10, 9, 30), paris(2026, 3, 10, 9, 30)  # noqa: DTZ001
    for facts, now in ((Facts({"aware_at": naive}), aware), (Facts({"aware_at": aware}), naive)):
        with pytest.raises(ValueError, match="time zone"):
            due(NOTIFY, facts, now, zone=PARIS)


ZONES = st.sampled_from(
    [
        # Midnight skipped in some years (São Paulo, Cairo) or repeated (Havana); quarter and half hours; a lost day.
        ZoneInfo(name)
        for name in (
            "Europe/Paris",
            "UTC",
            "America/Sao_Paulo",
            "Africa/Cairo",
            "America/Havana",
            "Asia/Kathmandu",
            "Australia/Lord_Howe",
            "Pacific/Apia",
        )
    ]
)
MOMENTS = st.datetimes(datetime(2010, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
LOST = date(2011, 12, 30)  # Samoa had no 30 December 2011


@settings(max_examples=300)
@given(start=MOMENTS, days=st.integers(1, 60), zone=ZONES)
def test_a_day_clock_ends_with_its_day_in_every_zone(start, days, zone):
    """SAF-020: the moment before the end is on the last day, the end itself is not; day 0 + n."""
    clock = Clock(id="c", start="a", stop="b", days=days)

    state = due(clock, Facts({"a": start}), start, zone=zone)

    assert state.due_on == start.astimezone(zone).date() + timedelta(days=days)
    last = (state.due_at - timedelta(microseconds=1)).astimezone(zone).date()
    first = state.due_at.astimezone(zone).date()
    if LOST in (state.due_on, state.due_on + timedelta(days=1)) and zone.key == "Pacific/Apia":
        assert last <= state.due_on < first
    else:
        assert (last, first) == (state.due_on, state.due_on + timedelta(days=1))


@settings(max_examples=300)
@given(
    start=MOMENTS,
    look=st.timedeltas(timedelta(0), timedelta(days=40)),
    met=st.none() | st.timedeltas(timedelta(0), timedelta(days=40)),
    restart=st.none() | st.timedeltas(timedelta(0), timedelta(days=40)),
    length=st.one_of(st.integers(1, 400).map(lambda n: {"hours": n}), st.integers(1, 30).map(lambda n: {"days": n})),
    zone=ZONES,
)
def test_a_clock_is_always_in_exactly_one_state(start, look, met, restart, length, zone):
    """SAF-021: status, margin and lateness always agree, and the zone of the arguments changes nothing."""
    clock = Clock(id="c", start="a", stop="b", restart="r", **length)
    now = start + look
    moments = {"a": start, "b": met and start + met, "r": restart and start + restart}

    state = due(clock, Facts(moments), now, zone=zone)
    elsewhere = due(
        clock,
        Facts({name: at and at.astimezone(PARIS) for name, at in moments.items()}),
        now.astimezone(PARIS),
        zone=zone,
    )

    assert state == elsewhere
    assert state.status is not Status.NOT_STARTED
    assert [state.remaining is not None, state.late_by is not None, state.early_by is not None].count(True) == 1
    assert (state.met_at is not None) == (state.status is Status.MET)
    assert state.started_at <= now
    assert state.margin == state.due_at - (state.met_at or now)
    if state.is_late:
        assert state.late_by >= timedelta(0)
    else:
        assert state.margin >= timedelta(0)
    if state.is_restarted:
        assert state.started_at == start + restart
        assert state.met_at is None or state.met_at >= state.started_at


@settings(max_examples=100)
@given(
    start=MOMENTS, looks=st.lists(st.timedeltas(timedelta(0), timedelta(days=40)), min_size=2, max_size=2), zone=ZONES
)
def test_time_only_takes_away(start, looks, zone):
    """SAF-022: without news, the time left only shrinks, and an overdue clock stays overdue."""
    clock = Clock(id="c", start="a", stop="b", days=15)
    early, late = sorted(looks)

    one = due(clock, Facts({"a": start}), start + early, zone=zone)
    two = due(clock, Facts({"a": start}), start + late, zone=zone)

    assert one.due_at == two.due_at
    assert one.margin - two.margin == late - early
    assert not (one.is_late and not two.is_late)
