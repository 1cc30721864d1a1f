"""What follows an allocation: randomized in error, treatment received, strata that the data no longer say."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import IntegrityError, transaction

from audit import clock
from audit.errors import Refused
from audit.models import Deed
from ecrf.where import Where
from randomization.actions import errors, treatments
from randomization.models import Allocation, RandomizedInError, StratumDifference, TreatmentReceived
from randomization.treatment import begun_by_forms
from tests.cast import PASSWORD, Cast
from tests.randomization.conftest import change, one_of_each_arm
from trial.models import Notice, Participant, Status

pytestmark = pytest.mark.django_db


# ---------------------------------------------------------------- randomized in error


def test_a_flag_says_who_when_and_why_and_the_allocation_stays(cast: Cast) -> None:
    """RND-530: the row, the status and the slot are as before; the second flag is refused; a lift keeps the first."""
    participant = cast.randomized()
    before = Allocation.objects.values().get()
    with pytest.raises(Refused, match="password"):
        errors.flag(
            participant=participant, reason="consent", detail="Unsigned page", password="no", by=cast.ines_investigator
        )
    found = errors.flag(
        participant=participant, reason="consent", detail="Unsigned page", password=PASSWORD, by=cast.ines_investigator
    )
    assert (found.reason, found.flagged_by) == ("consent", cast.ines_investigator)
    assert Allocation.objects.values().get() == before
    participant.refresh_from_db()
    assert participant.status == Status.RANDOMIZED
    with pytest.raises(Refused, match="already flagged"):
        errors.flag(
            participant=participant, reason="other", detail="Again", password=PASSWORD, by=cast.dan_data_manager
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        RandomizedInError.objects.create(
            allocation=found.allocation, reason="other", detail="x", flagged_at=clock.now(),
            flagged_by=cast.ines_investigator,
        )  # fmt: skip
    lifted = errors.lift(participant=participant, reason="The page was found", by=cast.dan_data_manager)
    assert lifted.pk == found.pk and lifted.lifted_by == cast.dan_data_manager
    assert [d.verb for d in Deed.objects.filter(verb__startswith="allocation.flag").order_by("pk")] == [
        "allocation.flagged", "allocation.flag_lifted",
    ]  # fmt: skip
    with pytest.raises(Refused, match="not flagged"):
        errors.lift(participant=participant, reason="Again", by=cast.ines_investigator)


def test_flags_are_for_investigators_and_data_managers_and_need_words(cast: Cast) -> None:
    """RND-531: wrong role, wrong site, no words, an unknown reason, nobody randomized."""
    participant = cast.randomized()
    said = {"reason": "other", "detail": "Something", "password": PASSWORD}
    for person in (cast.theo_coordinator, cast.olga_investigator, cast.mona_monitor, cast.stella_statistician):
        with pytest.raises(Refused) as refused:
            errors.flag(participant=participant, by=person, **said)
        assert refused.value.code == "permission.settle"
    for wrong in ({"detail": "  "}, {"reason": "because"}):
        with pytest.raises(Refused):
            errors.flag(participant=participant, by=cast.ines_investigator, **(said | wrong))
    with pytest.raises(Refused) as refused:
        errors.flag(participant=cast.screened(), by=cast.ines_investigator, **said)
    assert refused.value.code == "not_randomized"
    assert not RandomizedInError.objects.exists()


# ---------------------------------------------------------------- treatment received


def test_the_treatment_received_is_told_and_corrected_with_a_reason(cast: Cast) -> None:
    """RND-532: as allocated, then not, with why; the history keeps both and the line of the trail tells the arm."""
    participant = cast.randomized()
    arm = participant.allocation.arm
    (other,) = set(cast.definition.arms) - {arm}
    today = clock.today()
    by = cast.theo_coordinator
    told = treatments.record(participant=participant, received=arm, started_on=today, by=by)
    assert (told.why, told.started_on) == ("", today)
    assert treatments.record(participant=participant, received=arm, started_on=today, by=by) == told
    with pytest.raises(Refused, match="reason for this change"):
        treatments.record(participant=participant, received=other, started_on=today, why="participant", by=by)
    treatments.record(
        participant=participant, received=other, started_on=today, why="participant", reason="Misread", by=by
    )
    treatments.record(participant=participant, received="", why="death", reason="Not begun", by=by)
    told = TreatmentReceived.objects.get()
    assert (told.received, told.started_on, told.why) == ("", None, "death")
    assert told.history.count() == 3
    deeds = Deed.objects.filter(verb="treatment.recorded")
    assert deeds.count() == 3 and all(deed.reveals_arm for deed in deeds)
    assert Allocation.objects.get().arm == arm


def test_what_cannot_be_is_refused(cast: Cast) -> None:
    """RND-533: no day, a day before or to come, an unknown arm, no why, other without words, nothing allocated."""
    participant = cast.randomized()
    arm = participant.allocation.arm
    today, by = clock.today(), cast.ines_investigator
    day = dt.timedelta(days=1)
    for said in (
        {"received": arm},
        {"received": arm, "started_on": today - day},
        {"received": arm, "started_on": today + day},
        {"received": "XYZ", "started_on": today},
        {"received": ""},
        {"received": "", "why": "other"},
    ):
        with pytest.raises(Refused):
            treatments.record(participant=participant, by=by, **said)  # type: ignore[arg-type]
    with pytest.raises(Refused, match="no allocated treatment"):
        treatments.record(participant=cast.screened(), received=arm, started_on=today, by=by)
    for person in (cast.mona_monitor, cast.dan_data_manager, cast.oscar_coordinator, cast.stella_statistician):
        with pytest.raises(Refused) as refused:
            treatments.record(participant=participant, received=arm, started_on=today, by=person)
        assert refused.value.code == "permission.treatment"
    assert not TreatmentReceived.objects.exists()


def test_the_forms_say_which_treatment_was_begun(cast: Cast) -> None:
    """RND-534: the first fraction of the earliest course; nothing before any form."""
    participant = one_of_each_arm(cast)["SRT"]
    assert begun_by_forms(participant, cast.definition) == {}
    cast.save(
        Where(participant, "srt_course"),
        {"lesion": 1, "first_fraction_on": clock.today()},
        by=cast.rose_radiation,
        complete=False,
    )
    assert begun_by_forms(participant, cast.definition) == {"SRT": clock.today()}


# ---------------------------------------------------------------- the stratum afterwards


def regimen(to_ici: bool) -> dict[str, str]:
    return {"regimen": "NIVO" if to_ici else "SUNI", "regimen_class": "ICI" if to_ici else "TKI"}


def test_a_factor_that_no_longer_agrees_is_kept_told_and_settled(cast: Cast) -> None:
    """RND-535: frozen level, level now, since when; told once without arm; agreeing again closes it; nothing moves."""
    participant = cast.randomized()
    allocation = Allocation.objects.get()
    before = Allocation.objects.values().get()
    was_ici = allocation.strata["ici"] == "Y"
    change(cast, participant, "systemic_ongoing", regimen(not was_ici))
    found = StratumDifference.objects.get()
    assert (found.factor, found.frozen, found.now) == ("ici", allocation.strata["ici"], "N" if was_ici else "Y")
    assert found.settled_at is None
    told = Notice.objects.filter(kind="stratum_differs", reveals_arm=False)
    assert {n.person for n in told} == {
        cast.dan_data_manager, cast.stella_statistician, cast.ursula_statistician, cast.bruno_blinded,
    }  # fmt: skip
    assert all(allocation.arm not in str(n.context) for n in told)
    assert Notice.objects.filter(kind="deviation_proposed", participant=participant).exists()
    change(cast, participant, "systemic_ongoing", {"regimen": "PEMB" if not was_ici else "PAZO"})
    assert StratumDifference.objects.filter(settled_at=None).count() <= 1
    change(cast, participant, "systemic_ongoing", regimen(was_ici))
    assert not StratumDifference.objects.filter(settled_at=None).exists()
    assert StratumDifference.objects.filter(pk=found.pk, settled_at__isnull=False).exists()
    assert Allocation.objects.values().get() == before


def test_before_allocation_and_for_other_forms_nothing_differs(cast: Cast) -> None:
    """RND-536: a change in screening is simply a change; a change of what no factor reads neither."""
    participant = cast.eligible()
    said = Participant.objects.get(pk=participant.pk)
    change(cast, said, "systemic_ongoing", regimen(False))
    change(cast, said, "systemic_ongoing", regimen(True))
    assert not StratumDifference.objects.exists()
