"""After the amendment that ends randomization: registered, not randomized; what was allocated before is untouched."""

from __future__ import annotations

import pytest

from audit.errors import Refused
from audit.models import Deed
from randomization import verification
from randomization.actions import allocations, lists
from randomization.actions.allocations import GateClosed
from randomization.models import Allocation, ListState, Registration, Slot
from tests.cast import PASSWORD, Cast
from tests.randomization.conftest import ended, undelegated
from trial.actions import participants
from trial.definitions import definition_of
from trial.models import Notice, Participant, ScreeningOutcome, Status, Visit

pytestmark = pytest.mark.django_db


def register(cast: Cast, participant: Participant, **said: object) -> Registration:
    given: dict[str, object] = {"password": PASSWORD, "by": cast.theo_coordinator, **said}
    return allocations.register(participant=participant, **given)  # type: ignore[arg-type]


def test_the_amendment_registers_and_leaves_every_allocation_as_it_was(cast: Cast) -> None:
    """RND-520: no slot, no number, never randomized; rows and verification of the earlier list are the same after."""
    before = cast.randomized()
    made = cast.list_in_use()
    rows = list(Allocation.objects.values())
    slots = list(Slot.objects.order_by("pk").values())
    assert verification.verify(made).is_clean
    version = ended(cast)

    participant = cast.eligible()
    assert participant.version_id == version.pk
    cast.made_sure(participant)
    with pytest.raises(GateClosed) as refused:
        cast.allocate(participant)
    assert {r.code for r in refused.value.reasons} == {"closed"}
    registration = register(cast, participant)

    participant.refresh_from_db()
    assert (participant.status, participant.randomized_on) == (Status.REGISTERED, None)
    assert participant.registered_on == participant.day_zero_on == cast.opened_on.today()
    assert participant.screening_outcome == ScreeningOutcome.INCLUDED
    assert (registration.arm, participant.pathway) == ("SRT", "srt")
    assert not Allocation.objects.filter(participant=participant).exists()
    planned = {v.id for v in definition_of(version.pk).visits_for("srt") if v.anchor == "randomization"}
    events = set(Visit.objects.filter(participant=participant).values_list("event", flat=True))
    assert planned <= events and "SWITCH_START" not in events
    assert Notice.objects.filter(kind="registered", participant=participant, reveals_arm=False).exists()
    assert Deed.objects.filter(verb="participant.registered").count() == 1

    lists.close(allocation_list=made, reason="Amendment 2.0", by=cast.ursula_statistician)
    made.refresh_from_db()
    assert made.state == ListState.CLOSED
    assert list(Allocation.objects.values()) == rows
    assert list(Slot.objects.order_by("pk").values()) == slots
    report = verification.verify(made)
    assert report.is_clean and len(report.agreeing) == 1
    before.refresh_from_db()
    assert (before.status, before.version_id) == (Status.RANDOMIZED, cast.version.pk)


def test_asked_twice_it_is_one_registration_and_a_wrong_password_none(cast: Cast) -> None:
    """RND-521: refused, done once, and then the same answer for everybody."""
    ended(cast)
    participant = cast.eligible()
    with pytest.raises(Refused) as refused:
        register(cast, participant, password="wrong")
    assert refused.value.code == "wrong_password"
    assert not Registration.objects.exists()
    first = register(cast, participant)
    assert register(cast, participant, password="wrong") == first
    assert Registration.objects.count() == 1


def test_registering_is_delegated_and_gated_like_randomizing(cast: Cast) -> None:
    """RND-522: wrong role, wrong site; a participant who is not eligible; a version that still randomizes."""
    still_randomizes = cast.eligible()
    with pytest.raises(GateClosed) as refused:
        register(cast, still_randomizes)
    assert {r.code for r in refused.value.reasons} == {"not_closed"}
    ended(cast)
    with pytest.raises(GateClosed) as refused:
        register(cast, still_randomizes)
    assert {r.code for r in refused.value.reasons} == {"not_closed", "amended"}
    unsigned = cast.judged()
    with pytest.raises(GateClosed) as refused:
        register(cast, unsigned)
    assert {r.code for r in refused.value.reasons} == {"unsigned"}
    for person in (cast.oscar_coordinator, undelegated(cast), cast.ines_investigator, cast.stella_statistician):
        with pytest.raises(Refused) as no:
            register(cast, unsigned, by=person)
        assert no.value.code == "permission.participant.randomize"
    participants.adopt_version(participant=still_randomizes, by=cast.theo_coordinator)
    assert register(cast, still_randomizes).arm == "SRT"


def test_no_list_is_drafted_for_a_version_that_ended_randomization(cast: Cast) -> None:
    """RND-523: in words."""
    version = ended(cast)
    with pytest.raises(Refused, match="ended randomization"):
        lists.draft(version=version, block_sizes=(4, 6), by=cast.stella_statistician)


def test_the_lowered_target_counts_randomized_and_registered(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """RND-524: 114 became 77: the target of the version in force, over everybody included."""
    cast.randomized()
    version = ended(cast)
    participant = cast.eligible()
    cast.made_sure(participant)
    assert definition_of(version.pk).study.accrual.target == 77
    monkeypatch.setitem(definition_of(version.pk).study.accrual.__dict__, "target", 1)
    with pytest.raises(GateClosed) as refused:
        register(cast, participant)
    assert {r.code for r in refused.value.reasons} == {"target"}
