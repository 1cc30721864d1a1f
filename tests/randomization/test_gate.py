"""May this participant be allocated now? Every reason against it, at once and in words."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from audit import clock
from randomization import gate
from randomization.models import AllocationList, Slot
from tests.cast import Cast
from tests.randomization.conftest import change, undelegated
from trial.actions import participants, statuses
from trial.models import Participant, Person, StatusKind

pytestmark = pytest.mark.django_db


def codes(participant: Participant, by: Person) -> set[str]:
    fresh = Participant.objects.select_related("site").get(pk=participant.pk)
    return {reason.code for reason in gate.examine(fresh, by).reasons}


def test_nothing_stands_in_the_way_of_an_eligible_participant(cast: Cast) -> None:
    """RND-501: signed, known stratum, list in use, delegated person: open."""
    participant = cast.eligible()
    cast.list_in_use()
    found = gate.examine(participant, cast.theo_coordinator)
    assert found.is_open
    assert found.stratum.is_known and found.eligibility.is_signed


def test_every_reason_is_told_at_once(cast: Cast) -> None:
    """RND-502: a participant just screened and a person without delegation: nothing is hidden behind the first."""
    found = codes(cast.screened(), undelegated(cast))
    assert found == {"permission", "consent", "undecided", "outdated", "unsigned", "stratum", "no_list"}


def test_a_participant_who_left_is_not_allocated(cast: Cast) -> None:
    """RND-503: withdrawn, lost, died: each is told."""
    participant = cast.eligible()
    cast.list_in_use()
    today = clock.today()
    for kind, code in (
        (StatusKind.WITHDRAWN_VISITS, "withdrawn"),
        (StatusKind.LOST, "ended"),
        (StatusKind.DIED, "died"),
    ):
        statuses.record(participant=participant, kind=kind, on=today, by=cast.theo_coordinator, reason="Told")
        assert code in codes(participant, cast.theo_coordinator)


def test_a_closed_screening_is_not_allocated(cast: Cast) -> None:
    """RND-504: until it is reopened."""
    participant = cast.eligible()
    cast.list_in_use()
    participants.fail_screening(participant=participant, reason="OTHER", by=cast.theo_coordinator)
    assert codes(participant, cast.theo_coordinator) == {"screen_failure"}


def test_eligibility_must_be_signed_as_it_stands(cast: Cast) -> None:
    """RND-505: unsigned, then changed since signing, then failing."""
    participant = cast.judged()
    cast.list_in_use()
    assert codes(participant, cast.theo_coordinator) == {"unsigned"}
    cast.eligible(participant)
    assert codes(participant, cast.theo_coordinator) == set()
    change(cast, participant, "eligibility", {"e06": "yes"}, by=cast.ines_investigator)
    assert codes(participant, cast.theo_coordinator) == {"changed", "not_eligible"}


def test_an_assessment_grows_too_old(cast: Cast) -> None:
    """RND-506: laboratory and performance status within 28 days, imaging within 45, before randomization."""
    participant = cast.eligible()
    cast.list_in_use()
    with clock.simulated(clock.now() + dt.timedelta(days=29)):
        assert codes(participant, cast.theo_coordinator) == {"outdated"}
        (words,) = [r.words for r in gate.examine(participant, cast.theo_coordinator).reasons]
    assert "I03" in words and "I12" in words and "I05" not in words


def test_an_unknown_stratum_is_refused_never_a_default(cast: Cast) -> None:
    """RND-507: the factor that is not known is named."""
    participant = cast.consented()
    cast.list_in_use()
    found = gate.examine(participant, cast.theo_coordinator)
    words = [reason.words for reason in found.reasons if reason.code == "stratum"]
    assert len(words) == 3
    with pytest.raises(ValueError, match="not known"):
        _ = found.stratum.label


def test_hold_and_missing_lists_close_the_gate(cast: Cast) -> None:
    """RND-508: no list, on hold."""
    participant = cast.eligible()
    assert codes(participant, cast.theo_coordinator) == {"no_list"}
    cast.hold(cast.list_in_use())
    assert codes(participant, cast.theo_coordinator) == {"hold"}


def test_an_exhausted_or_foreign_stratum_closes_the_gate(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """RND-509: no slot left in the stratum; a list without the stratum."""
    participant = cast.eligible()
    cast.list_in_use()
    with monkeypatch.context() as patch:
        patch.setattr(Slot, "objects", Slot.objects.none())
        assert codes(participant, cast.theo_coordinator) == {"exhausted"}
    with monkeypatch.context() as patch:
        patch.setattr(AllocationList, "from_db", classmethod(_without_strata(AllocationList.from_db)))
        assert codes(participant, cast.theo_coordinator) == {"unknown_stratum"}


def _without_strata(real: Any) -> Any:
    def read(cls: Any, *args: Any, **options: Any) -> Any:
        found = real(*args, **options)
        found.strata = ["other=X"]
        return found

    return read


def test_the_target_and_the_site_close_the_gate(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """RND-510: the accrual target reached; the site closed to inclusion."""
    participant = cast.eligible()
    cast.list_in_use()
    monkeypatch.setattr("trial.models.Site.is_open", lambda self, on: False)
    monkeypatch.setitem(cast.definition.study.accrual.__dict__, "target", 0)
    assert codes(participant, cast.theo_coordinator) == {"site_closed", "target"}
