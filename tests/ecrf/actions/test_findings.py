"""What edit checks say of a saved form is kept once, however often and from wherever the form is judged again."""

from __future__ import annotations

import datetime as dt

import pytest

from audit import clock
from ecrf.actions import records
from ecrf.models import EntryState, Finding, FindingState, Query, QueryState, Record
from ecrf.where import Where
from tests.cast import Cast
from tests.trial.actions.arrange import randomized
from trial.actions import visits
from trial.models import Participant

pytestmark = pytest.mark.django_db


def asked(cast: Cast, participant: Participant, answer: str, *, complete: bool = True) -> Record:
    """The question about adverse events of day 56, answered; nothing that is calculated stands in that form."""
    visit = cast.visit(participant, "D56")
    if visit.actual_on is None:
        visits.record_date(visit=visit, on=clock.today(), by=cast.theo_coordinator)
    where = Where(participant, "ae_check", visit=visit)
    said = {"asked_on": clock.today(), "ae_since": answer, "conmed_changed": False}
    return cast.save(where, said, complete=complete, justify="")


def finding(record: Record, check_id: str) -> Finding:
    """The one finding of a check: `get` refuses a second one."""
    return Finding.objects.get(record=record, check_id=check_id)


def test_a_form_saved_once_and_judged_again_keeps_one_finding(cast: Cast) -> None:
    """ECRF-700: other forms' saves judge this one again at its first revision: opened, resolved, open again."""
    participant = randomized(cast, days_ago=60)
    record = asked(cast, participant, "AE")
    assert (record.revision, record.entry_state) == (1, EntryState.COMPLETE)
    assert finding(record, "ae_listed").state == FindingState.OPEN
    assert Query.objects.get(record=record).state == QueryState.OPEN

    event = cast.save_event(participant, start_on=clock.today() - dt.timedelta(days=3))
    assert finding(record, "ae_listed").state == FindingState.RESOLVED
    assert Query.objects.get(record=record).state == QueryState.CLOSED

    records.remove_entry(record=event, revision=event.revision, reason="Entered for another", by=cast.theo_coordinator)
    record.refresh_from_db()
    assert record.revision == 1  # judged again, not changed
    assert finding(record, "ae_listed").state == FindingState.OPEN
    assert Query.objects.get(record=record).state == QueryState.REOPENED  # one thread for one finding


def test_a_check_that_goes_on_firing_is_one_finding_and_one_query(cast: Cast) -> None:
    """ECRF-701: every further event judges the answer “none” again; the site is asked once."""
    participant = randomized(cast, days_ago=60)
    long_ago = clock.today() - dt.timedelta(days=40)
    planning = cast.visit(participant, "SRT_PLAN")
    visits.record_date(visit=planning, on=long_ago, by=cast.theo_coordinator)
    before = Where(participant, "ae_check", visit=planning)
    cast.save(before, {"asked_on": long_ago, "ae_since": "NONE", "conmed_changed": False})
    record = asked(cast, participant, "NONE")
    for days in (5, 4, 3):
        cast.save_event(participant, start_on=clock.today() - dt.timedelta(days=days))
    assert finding(record, "ae_none_but_listed").state == FindingState.OPEN
    assert Query.objects.get(record=record).state == QueryState.OPEN


def test_a_form_not_finished_yet_keeps_its_finding_without_a_query(cast: Cast) -> None:
    """ECRF-702: nobody is asked about a form that is still being filled; completing it asks once."""
    participant = randomized(cast, days_ago=60)
    record = asked(cast, participant, "AE", complete=False)
    assert finding(record, "ae_listed").state == FindingState.OPEN
    assert not Query.objects.filter(record=record).exists()
    record = asked(cast, participant, "AE")
    assert record.revision == 2
    assert finding(record, "ae_listed").state == FindingState.OPEN
    assert Query.objects.filter(record=record).count() == 1
