"""The flow of participants: every number from what was done, by arm for holders of balance alone."""

from __future__ import annotations

import pytest

from audit import clock
from audit.errors import Refused
from audit.models import Deed
from randomization.actions import allocations, errors, treatments
from reporting import consort
from tests import stages
from tests.cast import PASSWORD, Cast
from tests.randomization import marked
from tests.randomization.conftest import ended, one_of_each_arm
from tests.randomization.marked import revealing_words
from trial.actions import participants, statuses
from trial.models import StatusKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def played(db: None) -> Cast:
    """One randomized of each arm, one excluded, one in screening, one who withdrew in screening."""
    return stages.begin("flow of participants", _play)


def _play() -> Cast:
    cast = marked.make()
    cast.by_arm = one_of_each_arm(cast)  # type: ignore[attr-defined]
    participants.fail_screening(participant=cast.screened(), reason="BRAIN", by=cast.theo_coordinator)
    cast.screened()
    gone = cast.consented()
    statuses.record(
        participant=gone, kind=StatusKind.WITHDRAWN_CONTACT, on=clock.today(), reason="Told", by=cast.theo_coordinator
    )
    return cast


def test_every_number_is_counted_once(played: Cast) -> None:
    """CON-001: the boxes add up; flagged ones stay among the randomized; reasons are told; by arm the same in all."""
    cast = played
    one, two = sorted(cast.by_arm)  # type: ignore[attr-defined]
    first, second = cast.by_arm[one], cast.by_arm[two]  # type: ignore[attr-defined]
    today, by = clock.today(), cast.theo_coordinator
    treatments.record(participant=first, received=one, started_on=today, by=by)
    treatments.record(participant=second, received=one, started_on=today, why="participant", by=by)
    errors.flag(participant=first, reason="other", detail="Too early", password=PASSWORD, by=cast.ines_investigator)
    statuses.record(participant=second, kind=StatusKind.LOST, on=today, reason="Moved", by=by)
    statuses.record(participant=first, kind=StatusKind.WITHDRAWN_TREATMENT, on=today, reason="Told", by=by)

    found = consort.flow(cast.bruno_blinded)
    assert found.arms == []
    assert (found.excluded, found.left, found.in_screening, found.registered) == ([("BRAIN", "", 1)], 1, 1, 0)
    assert (
        found.screened == found.randomized + found.registered + found.excluded_in_all + found.left + found.in_screening
    )
    total = found.total
    others = found.randomized - 2
    assert (total.received, total.not_received_in_all, total.not_told) == (1, 1, others)
    assert (total.lost, total.discontinued_in_all, total.in_error) == (1, 1, 1)
    assert (total.analyzed, total.per_protocol) == (found.randomized, 0)

    arms = {branch.arm: branch for branch in consort.flow_by_arm(cast.stella_statistician).arms}
    assert sum(branch.allocated for branch in arms.values()) == found.randomized
    assert (arms[one].received, arms[one].in_error, arms[one].discontinued) == (1, 1, {"withdrawn": 1})
    assert (arms[two].not_received, arms[two].lost) == ({"participant": 1}, 1)


def test_totals_and_arms_are_two_rights(played: Cast) -> None:
    """CON-002: totals for who follows the trial, arms for holders of balance alone, told in the trail; no marker."""
    cast = played
    told = revealing_words(cast.version)
    for person in (cast.bruno_blinded, cast.paul_sponsor, cast.dan_data_manager, cast.aude_auditor,
                   cast.stella_statistician):  # fmt: skip
        answer = cast.client_of(person).get("/consort/")
        assert answer.status_code == 200
        assert not [word for word in told if word in answer.content.decode()], person
    for person in (cast.theo_coordinator, cast.ines_investigator, cast.mona_monitor, cast.adam_admin):
        assert cast.client_of(person).get("/consort/").status_code == 403
    for person in (cast.bruno_blinded, cast.paul_sponsor, cast.dan_data_manager, cast.mona_monitor, cast.aude_auditor):
        assert cast.client_of(person).post("/consort/arms/").status_code == 403
        with pytest.raises(Refused):
            consort.flow_by_arm(person)
    assert not Deed.objects.filter(verb="flow.read_by_arm").exists()
    answer = cast.client_of(cast.stella_statistician).post("/consort/arms/")
    assert all(arm.label["en"] in answer.content.decode() for arm in cast.definition.arms.values())
    assert Deed.objects.get(verb="flow.read_by_arm").by_id == cast.stella_statistician.pk
    assert cast.client_of(cast.stella_statistician).get("/consort/arms/").status_code == 405


def test_registered_participants_are_in_no_arm(cast: Cast) -> None:
    """CON-003: after the amendment: screened and registered, never randomized, never in a branch."""
    ended(cast)
    participant = cast.eligible()
    allocations.register(participant=participant, password=PASSWORD, by=cast.theo_coordinator)
    found = consort.flow_by_arm(cast.stella_statistician)
    assert (found.screened, found.registered, found.randomized) == (1, 1, 0)
    assert all(branch.allocated == 0 for branch in found.arms)
