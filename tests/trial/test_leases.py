"""Leases: one worker at a time carries out a row of work, another takes over after a crash."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
import time_machine
from django.db import connection

from trial import leases
from trial.models import Lease


@pytest.mark.django_db
class TestClaim:
    def test_what_one_holds_nobody_else_takes_until_it_is_given_back(self) -> None:
        """TRL-300: claimed once; free again after the release."""
        assert leases.claim("export", 1)
        assert not leases.claim("export", 1)
        assert leases.claim("export", 2)
        assert leases.claim("notice", 1)
        leases.release("export", 1)
        assert leases.claim("export", 1)
        assert leases.attempts_of("export", 1) == 2

    def test_a_dead_workers_lease_expires(self, frozen_clock: time_machine.Traveller) -> None:
        """TRL-301: recovery depends on nothing but the clock."""
        assert leases.claim("export", 1)
        frozen_clock.shift(leases.LEASE)
        assert not leases.claim("export", 1)
        frozen_clock.shift(dt.timedelta(seconds=1))
        assert leases.claim("export", 1)

    def test_a_living_worker_keeps_its_lease(self, frozen_clock: time_machine.Traveller) -> None:
        """TRL-302: the heartbeat renews it and says how far the work is."""
        leases.claim("export", 1)
        for percent in (30, 60, 140):
            frozen_clock.shift(leases.LEASE * 0.9)
            assert leases.renew("export", 1, percent)
            assert not leases.claim("export", 1)
        assert leases.progress_of("export", 1) == 100

    def test_a_worker_whose_lease_went_to_another_is_told_and_touches_nothing(
        self, monkeypatch: pytest.MonkeyPatch, frozen_clock: time_machine.Traveller
    ) -> None:
        """TRL-303: the slow one neither renews nor releases what is not its own any more."""
        leases.claim("export", 1)
        frozen_clock.shift(leases.LEASE * 2)
        monkeypatch.setattr(leases, "worker_name", lambda: "another:1")
        assert leases.claim("export", 1)
        monkeypatch.undo()
        assert not leases.renew("export", 1, 50)
        leases.release("export", 1, error="late")
        held = Lease.objects.get(work="export", target_id=1)
        assert (held.worker, held.last_error) == ("another:1", "")
        assert held.leased_until is not None

    def test_work_that_always_fails_is_given_up_unless_it_is_owed_for_good(self) -> None:
        """TRL-304: a poisoned export stops; a message owed is tried as often as it takes."""
        for _attempt in range(leases.MAX_ATTEMPTS):
            assert leases.claim("export", 1)
            leases.release("export", 1, error="MemoryError")
        assert not leases.claim("export", 1)
        for _attempt in range(leases.MAX_ATTEMPTS + 3):
            assert leases.claim("notice", 1, most_attempts=None)
            leases.release("notice", 1, error="ConnectionRefusedError")
        assert Lease.objects.get(work="notice").last_error == "ConnectionRefusedError"

    def test_a_failure_can_ask_for_patience(self, frozen_clock: time_machine.Traveller) -> None:
        """TRL-305: nobody hammers a server that is down."""
        leases.claim("notice", 1)
        leases.release("notice", 1, error="x" * 900, retry_in=dt.timedelta(minutes=2))
        assert not leases.claim("notice", 1)
        frozen_clock.shift(dt.timedelta(minutes=2, seconds=1))
        assert leases.claim("notice", 1)

    def test_nothing_is_known_of_work_that_nobody_began(self) -> None:
        """TRL-306: the first look finds nothing, and asks nobody."""
        assert (leases.progress_of("export", 9), leases.attempts_of("export", 9)) == (0, 0)
        assert not leases.renew("export", 9, 10)


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_at_once_exactly_one_gets_the_lease() -> None:
    """TRL-307: real connections, one row, one winner."""
    start, won = threading.Barrier(4), []

    def work() -> None:
        start.wait()
        try:
            if leases.claim("export", 1):
                won.append(threading.get_ident())
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(won) == 1
    assert leases.attempts_of("export", 1) == 1
