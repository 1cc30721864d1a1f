"""May this participant be allocated now? Every reason against it, at once and in words."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

import audit
from audit import clock
from audit.errors import Refused
from audit.models import Deed
from randomization import gate, slots
from randomization.actions import identities
from randomization.actions.allocations import GateClosed
from randomization.models import AllocationList
from tests.cast import Cast
from tests.randomization.conftest import amended, change, undelegated
from trial.actions import consents, participants, statuses
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
        patch.setattr(gate, "_unused", lambda *_place: [])
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


def test_a_consent_that_is_asked_for_again_closes_the_gate(cast: Cast) -> None:
    """RND-511: valid and current: a new version in force at the site, asked of everybody, not given yet."""
    participant = cast.eligible()
    cast.list_in_use()
    consents.put_into_force(
        sites=[cast.other_site], version="1.1", from_on=clock.today(), asks_again=True, by=cast.dan_data_manager
    )
    assert codes(participant, cast.theo_coordinator) == set()
    consents.put_into_force(
        sites=[cast.site], version="1.1", from_on=clock.today(), asks_again=True, by=cast.dan_data_manager
    )
    assert codes(participant, cast.theo_coordinator) == {"consent_pending"}
    consents.consent_again(participant=participant, version="1.1", signed_on=clock.today(), by=cast.theo_coordinator)
    assert codes(participant, cast.theo_coordinator) == set()


def test_a_consent_to_a_version_already_replaced_closes_the_gate(cast: Cast) -> None:
    """RND-512: another version was in force at the site on the day of the signature, though it asks nobody again."""
    participant = cast.eligible()
    cast.list_in_use()
    consents.put_into_force(
        sites=[cast.site], version="1.1", from_on=clock.today(), asks_again=False, by=cast.dan_data_manager
    )
    found = [r.words for r in gate.examine(participant, cast.theo_coordinator).reasons if r.code == "consent_outdated"]
    assert len(found) == 1 and "1.0" in found[0] and "1.1" in found[0]


def test_the_same_person_under_another_code_is_asked_about_and_not_revealed(cast: Cast) -> None:
    """RND-513: somebody of the other site with the same sex, month and year of birth is included; who is not told."""
    participant = cast.eligible()
    cast.list_in_use()
    other = cast.screened(by=cast.oscar_coordinator, site=cast.other_site)
    for name in ("sex", "birth_month", "birth_year", "consented_on", "pathway"):
        setattr(other, name, getattr(participant, name))
    audit.save(other, by=None)
    assert codes(participant, cast.theo_coordinator) == set(), "in screening only"
    other.randomized_on = clock.today()
    audit.save(other, by=None)
    (reason,) = gate.examine(participant, cast.theo_coordinator).reasons
    assert reason.code == "same_person"
    assert other.code not in reason.words and cast.other_site.name not in reason.words
    for stranger in (cast.theo_coordinator, cast.olga_investigator, cast.mona_monitor, cast.stella_statistician):
        with pytest.raises(Refused):
            identities.confirm_distinct(participant=participant, how="Asked", by=stranger)
    with pytest.raises(Refused, match="how you made sure"):
        identities.confirm_distinct(participant=participant, how=" ", by=cast.ines_investigator)
    made = identities.confirm_distinct(participant=participant, how="Asked the patient", by=cast.ines_investigator)
    assert identities.confirm_distinct(participant=participant, how="Again", by=cast.dan_data_manager) == made
    assert codes(participant, cast.theo_coordinator) == set()


def test_a_closed_stratum_closes_the_gate(cast: Cast) -> None:
    """RND-514: this stratum only."""
    participant = cast.eligible()
    held = cast.list_in_use()
    label = gate.examine(participant, cast.theo_coordinator).stratum.label
    other = next(each for each in held.strata if each != label)
    cast.correct(held, "close_stratum", typed=slots.word(held, other), stratum=other)
    assert codes(participant, cast.theo_coordinator) == set()
    cast.correct(held, "close_stratum", typed=slots.word(held, label), stratum=label)
    assert codes(participant, cast.theo_coordinator) == {"stratum_closed"}


def test_an_amendment_that_changes_strata_needs_a_new_list(cast: Cast) -> None:
    """RND-515: under the new version nobody takes from the old list; who is under the old version is moved first."""
    participant = cast.eligible()
    cast.list_in_use()
    amended(cast, "SWITCH: 1}", "SWITCH: 2}")
    assert codes(participant, cast.theo_coordinator) == {"amended"}
    participants.adopt_version(participant=participant, by=cast.theo_coordinator)
    assert codes(participant, cast.theo_coordinator) == {"other_version"}
    with pytest.raises(GateClosed):
        cast.allocate(participant)


def test_an_amendment_of_words_goes_on_with_the_list(cast: Cast) -> None:
    """RND-516: the same rules in other words: the list in use serves both versions."""
    participant = cast.eligible()
    cast.list_in_use()
    version = amended(cast, "With ICI", "With a checkpoint inhibitor")
    assert codes(participant, cast.theo_coordinator) == set()
    participants.adopt_version(participant=participant, by=cast.theo_coordinator)
    assert cast.allocate(participant).version_id == version.pk


def test_a_version_is_adopted_by_site_staff_before_inclusion_only(cast: Cast) -> None:
    """RND-517: wrong role, wrong site; the second time nothing; after inclusion the version stays."""
    participant = cast.screened()
    included = cast.randomized()
    version = amended(cast, "SWITCH: 1}", "SWITCH: 2}")
    for person in (cast.mona_monitor, cast.oscar_coordinator, cast.dan_data_manager):
        with pytest.raises(Refused):
            participants.adopt_version(participant=participant, by=person)
    for _time in range(2):
        assert participants.adopt_version(participant=participant, by=cast.theo_coordinator).version_id == version.pk
    assert Deed.objects.filter(verb="participant.version_adopted").count() == 1
    with pytest.raises(Refused, match="the version stays"):
        participants.adopt_version(participant=included, by=cast.theo_coordinator)
