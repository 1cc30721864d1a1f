"""Where simulated data must not be, none is made."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.errors import Refused
from randomization.actions import lists
from simulation.trial import Plan, simulate
from tests.cast import Cast
from tests.simulation.conftest import END
from trial.actions import people
from trial.definitions import latest_version
from trial.models import Participant, Role, Site, Study

pytestmark = pytest.mark.django_db


def test_a_database_with_other_participants_is_refused(cast: Cast) -> None:
    """SIM-032: simulated and real data are never mixed."""
    cast.screened()
    with pytest.raises(Refused, match="not simulated"):
        simulate(Plan(2, 1, END))
    assert Participant.objects.count() == 1
    assert not Study.objects.get().is_simulated


def test_refused_outside_debug(settings: Any) -> None:
    """SIM-033: a production installation cannot be filled, and tells nobody's password."""
    settings.TESTING = False
    settings.DEBUG = False
    with pytest.raises(CommandError, match="debug"):
        call_command("simulate", participants=2, seed=1, until=END.date())
    with pytest.raises(CommandError, match="debug"):
        call_command("demo_people")
    assert not Site.objects.exists()


def test_a_database_with_a_list_of_the_real_study_is_refused(db: None) -> None:
    """SIM-036: as soon as a list was drafted for the real trial, no simulated data come into its database."""
    person = people.create(email="s@example.org", given_name="S", family_name="T", password=None, by=None)
    people.delegate(person=person, role=Role.STATISTICIAN_UNBLINDED, site=None, starts_on=END.date(), by=None)
    lists.draft(version=latest_version(), block_sizes=(4,), by=person)
    with pytest.raises(Refused, match="list of the real study") as refused:
        simulate(Plan(2, 1, END))
    assert refused.value.code == "kind_of_database"
    assert not Site.objects.exists() and not Study.objects.get().is_simulated


def test_demo_people_are_told_of_simulated_databases_only(cast: Cast) -> None:
    """SIM-034: in debug too."""
    with pytest.raises(CommandError, match="simulated"):
        call_command("demo_people", json=True)


def test_more_than_the_accrual_target_and_the_future_are_refused(db: None) -> None:
    """SIM-035: 114 is the target of the study."""
    with pytest.raises(CommandError, match="114"):
        call_command("simulate", participants=115, seed=1, until=END.date())
    with pytest.raises(CommandError, match="future"):
        call_command("simulate", participants=2, seed=1, until=dt.date(2190, 1, 1))
    assert not Site.objects.exists()
