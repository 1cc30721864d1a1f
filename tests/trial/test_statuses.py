"""From dates to the one status shown, and to what is still expected. Pure: no database."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrf.actions.milestones import MILESTONES
from trial.definition.model import FOLLOWED_MILESTONES
from trial.models import Participant, Status, StatusKind
from trial.statuses import ANCHORS, BY_HAND, DATE_FIELDS, PRECEDENCE, facts_of, status_of

DAY = dt.date(2026, 3, 2)
FIELDS = sorted(set(DATE_FIELDS.values()) - {"screened_on", "consented_on"})


def participant(*fields: str) -> Participant:
    """A participant, not stored, to whom these things happened."""
    return Participant(screened_on=DAY, **dict.fromkeys(fields, DAY))


def test_every_kind_of_change_sets_a_date_of_its_own_that_exists() -> None:
    """TRL-200: the table is complete."""
    assert set(DATE_FIELDS) == set(StatusKind)
    assert len(set(DATE_FIELDS.values())) == len(DATE_FIELDS)
    names = {field.name for field in Participant._meta.get_fields()}
    assert set(DATE_FIELDS.values()) <= names


def test_every_status_can_be_reached() -> None:
    """TRL-201: no status without a date that leads to it, and no date without a place in the order."""
    assert {status for _field, status in PRECEDENCE} | {Status.SCREENING} == set(Status)
    assert {field for field, _status in PRECEDENCE} == set(FIELDS)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((), Status.SCREENING),
        (("consented_on",), Status.SCREENING),
        (("failed_on",), Status.SCREEN_FAILURE),
        (("enrolled_on",), Status.ENROLLED),
        (("enrolled_on", "failed_on"), Status.SCREEN_FAILURE),
        (("enrolled_on", "randomized_on"), Status.RANDOMIZED),
        (("randomized_on", "treatment_ended_on"), Status.TREATMENT_ENDED),
        (("randomized_on", "withdrawn_treatment_on"), Status.TREATMENT_ENDED),
        (("randomized_on", "treatment_ended_on", "progressed_on"), Status.PROGRESSED),
        (("randomized_on", "progressed_on", "withdrawn_visits_on"), Status.WITHDRAWN),
        (("randomized_on", "withdrawn_contact_on"), Status.WITHDRAWN),
        (("randomized_on", "progressed_on", "lost_on"), Status.LOST),
        (("randomized_on", "lost_on", "withdrawn_contact_on"), Status.WITHDRAWN),
        (("randomized_on", "progressed_on", "completed_on"), Status.COMPLETED),
        (("randomized_on", "withdrawn_contact_on", "lost_on", "completed_on", "died_on"), Status.DIED),
    ],
)
def test_dates_add_up_to_one_status(fields: tuple[str, ...], status: str) -> None:
    """TRL-202: DOMAIN, Participants: status with dates."""
    assert status_of(participant(*fields)) == status


@given(st.sets(st.sampled_from(FIELDS)))
def test_whatever_happened_a_death_is_the_last_word(fields: set[str]) -> None:
    """TRL-203: and without a death nobody is shown as dead."""
    assert (status_of(participant(*fields)) == Status.DIED) is ("died_on" in fields)
    assert status_of(participant(*fields, "died_on")) == Status.DIED


def test_taking_a_date_back_gives_the_status_before_it() -> None:
    """TRL-204: a reversal leaves no trace in the status, whatever else had happened."""
    for one, other in itertools.permutations(FIELDS, 2):
        before = status_of(participant(one))
        both = participant(one, other)
        setattr(both, other, None)
        assert status_of(both) == before


def test_what_is_still_expected_is_told_every_date_that_ends_a_phase() -> None:
    """TRL-205: no date is forgotten on the way to the visit plan."""
    facts = facts_of(participant(*FIELDS))
    given_dates = (
        facts.screen_failed_on, facts.randomized_on, facts.progressed_on, facts.withdrawn_from_visits_on,
        facts.withdrawn_from_all_contact_on, facts.lost_on, facts.died_on, facts.completed_on,
    )  # fmt: skip
    assert set(given_dates) == {DAY}
    assert facts.pathway is None
    assert facts.anchor(ANCHORS[StatusKind.TREATMENT_ENDED]) == DAY
    assert facts_of(participant()).anchor("treatment_end") is None


def test_by_hand_are_only_withdrawals_and_loss() -> None:
    """TRL-206: all else follows from a form or from randomization."""
    assert set(BY_HAND) == {
        StatusKind.WITHDRAWN_TREATMENT, StatusKind.WITHDRAWN_VISITS, StatusKind.WITHDRAWN_CONTACT, StatusKind.LOST,
    }  # fmt: skip


def test_every_milestone_that_a_visit_may_hang_on_is_followed() -> None:
    """TRL-305: the folder's anchors, the dates of the participant and the forms that set them are the same list."""
    assert set(ANCHORS.values()) == set(FOLLOWED_MILESTONES) == set(MILESTONES)
    assert {MILESTONES[name]: name for name in FOLLOWED_MILESTONES} == ANCHORS
    for kind, anchor in ANCHORS.items():
        someone = participant(DATE_FIELDS[kind])
        assert facts_of(someone).anchor(anchor) == getattr(someone, DATE_FIELDS[kind])
        assert facts_of(participant()).anchor(anchor) is None
