"""Business time."""

import datetime as dt

import pytest

from audit import clock
from audit.errors import Refused


def test_today_is_the_day_in_the_trial_s_time_zone(settings):
    """AUD-014: shortly before midnight UTC it is already tomorrow in Paris."""
    with clock.simulated(dt.datetime(2026, 3, 2, 23, 30, tzinfo=dt.UTC)):
        assert clock.today() == dt.date(2026, 3, 3)
        assert clock.now() == dt.datetime(2026, 3, 2, 23, 30, tzinfo=dt.UTC)
        assert clock.is_simulated()
    assert not clock.is_simulated()


def test_the_clock_is_true_outside_debug_and_tests(settings):
    """AUD-015: a running trial cannot bend its time."""
    settings.DEBUG = settings.TESTING = False
    with pytest.raises(Refused, match="simulated"), clock.simulated(dt.datetime(2024, 1, 1, tzinfo=dt.UTC)):
        pass
    settings.DEBUG = True
    with clock.simulated(dt.datetime(2024, 1, 1, tzinfo=dt.UTC)):
        assert clock.now().year == 2024


def test_simulations_nest_and_end_with_an_error(settings):
    """AUD-015: leaving, also by an error, brings back the time before."""
    outer, inner = dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    with clock.simulated(outer):
        with pytest.raises(KeyError), clock.simulated(inner):
            raise KeyError
        assert clock.now() == outer
    with pytest.raises(ValueError, match="time zone"), clock.simulated(dt.datetime(2024, 1, 1)):  # noqa: DTZ001
        pass
