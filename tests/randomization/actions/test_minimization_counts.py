"""Whom minimization counts: everybody allocated before under the same rules, on paper and from earlier lists too."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import audit
from audit import clock
from audit.errors import Refused
from randomization import arms, verification
from randomization.actions import emergency, lists
from randomization.algorithms.minimization import Draw
from randomization.models import Allocation, AllocationList, ListState, StratumDifference
from randomization.selectors import course_of
from tests.cast import Cast
from tests.randomization.actions.test_after_allocation import regimen
from tests.randomization.actions.test_emergency import pages_of, telling
from tests.randomization.conftest import change, in_force
from tests.randomization.schemes import MINIMIZATION, MINIMIZED, WEIGHTS, cast_of, in_use, study_saying
from tests.randomization.test_verification import raw
from tests.stages import staged
from trial.actions import transfers
from trial.models import Participant

__all__ = ["raw"]


def running(**said: Any) -> tuple[Cast, AllocationList]:
    """A study that minimizes, with a list in use since yesterday."""
    cast = cast_of(**(MINIMIZATION | said))
    return cast, since_yesterday(cast)


@staged
def since_yesterday(cast: Cast) -> AllocationList:
    with clock.simulated(clock.now() - dt.timedelta(days=1)):
        made = lists.draft(version=cast.version, extra=MINIMIZED, by=cast.stella_statistician, seed=bytes(32))
        return in_use(cast, made)


@staged
def on_paper(cast: Cast) -> Allocation:
    """Somebody allocated from the next emergency page of their stratum, entered now."""
    used = AllocationList.objects.get(state=ListState.IN_USE)
    with clock.simulated(clock.now() - dt.timedelta(hours=20)):
        participant: Participant = cast.eligible()
    cast.made_sure(participant)
    stratum = arms.label_on_paper(stratum_of(cast, participant))
    page = pages_of(cast, used, stratum)[emergency.next_position(used.emergency.slots, stratum) - 1]
    return telling(cast, participant, page)()


def stratum_of(cast: Cast, participant: Participant) -> Any:
    from randomization import strata

    return strata.stratum_of(participant, cast.definition)


def by_hand(everybody: list[Allocation], drawn: set[int]) -> list[str]:
    """The arms as section 6 of docs/randomization-algorithms.md says, for two arms 1:1, p = 4/5, range."""
    found: list[str] = []
    for at, one in enumerate(everybody):
        if one.pk not in drawn:
            found.append(one.arm)
            continue
        total = {}
        for candidate in ("SRT", "SWITCH"):
            total[candidate] = 0
            for factor, weight in WEIGHTS.items():
                n = {arm: int(arm == candidate) for arm in ("SRT", "SWITCH")}
                for old, arm in zip(everybody[:at], found, strict=True):
                    n[arm] += old.strata[factor] == one.strata[factor]
                total[candidate] += weight * abs(n["SRT"] - n["SWITCH"])
        draw = Draw.parse(one.draw)
        tied = [arm for arm in sorted(total) if total[arm] == min(total.values())]
        preferred = tied[draw.tie % len(tied)]
        coin = Fraction(draw.coin, 5)
        found.append(preferred if coin >= Fraction(1, 5) else next(arm for arm in total if arm != preferred))
    return found


@pytest.mark.django_db
def test_who_was_allocated_on_paper_counts_from_the_entry_on() -> None:
    """RND-345: before and after the entry each arm is what draws, factors and everybody known by then make."""
    cast, used = running()
    drawn = [cast.randomized().allocation for _n in range(2)]
    paper = [on_paper(cast) for _n in range(3)]
    assert all(one.allocation_list == used.emergency.slots and one.draw == "" for one in paper)
    assert {one.strata["site"] for one in paper} == {cast.site.number}
    drawn += [cast.randomized().allocation for _n in range(3)]
    everybody = list(arms.counted_by(used))
    assert [one.number for one in everybody] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert {one.pk for one in everybody} == {one.pk for one in (*drawn, *paper)}
    assert [one.arm for one in everybody] == by_hand(everybody, {one.pk for one in drawn})
    for made in (used, used.emergency.slots):
        assert verification.verify(AllocationList.every.get(pk=made.pk)).troubles == []


@pytest.mark.django_db
def test_the_page_of_the_list_says_whom_the_balance_counts() -> None:
    """RND-346: in numbers, without an arm; the page of the emergency slots says since when those on paper count."""
    cast, used = running()
    cast.randomized()
    on_paper(cast)
    page = cast.client_of(cast.bruno_blinded).get(f"/randomization/{used.pk}/").content.decode()
    assert "Counted for the balance" in page and "1 on paper" in page
    page = cast.client_of(cast.bruno_blinded).get(f"/randomization/{used.pk}/emergency/").content.decode()
    assert "Minimization counts a participant who was allocated on paper from the moment" in page


@pytest.mark.django_db
def test_an_earlier_list_counts_where_it_allocated_by_the_same_rules(tmp_path: Path) -> None:
    """RND-347: a second list of the same rules goes on with the balance; one of other factors begins anew."""
    cast, first = running()
    drawn = [cast.randomized().allocation for _n in range(2)]
    paper = on_paper(cast)
    lists.close(allocation_list=first, reason="Another list", by=cast.stella_statistician)
    second = in_use(cast, lists.draft(version=cast.version, extra=MINIMIZED, by=cast.stella_statistician))
    drawn += [cast.randomized().allocation for _n in range(2)]
    assert drawn[-1].allocation_list == second
    everybody = list(arms.counted_by(second))
    assert [one.pk for one in everybody] == [drawn[0].pk, drawn[1].pk, paper.pk, drawn[2].pk, drawn[3].pk]
    assert [one.arm for one in everybody] == by_hand(everybody, {one.pk for one in drawn})
    assert verification.verify(AllocationList.objects.get(pk=second.pk)).troubles == []

    version = in_force(cast, study_saying(tmp_path / "study", MINIMIZATION | {"site_factor": False}))
    weights = {name: weight for name, weight in WEIGHTS.items() if name != "site"}
    third = lists.draft(version=version, extra=MINIMIZED | {"weights": weights}, by=cast.stella_statistician)
    assert list(arms.counted_by(third)) == []


@pytest.mark.django_db
def test_a_list_of_the_first_version_is_replayed_as_it_ran() -> None:
    """RND-348: `minimization/1` counts its own allocations alone, before and after."""
    cast, used = running()
    used.algorithm = "minimization/1"
    audit.save(used, by=None)
    first = cast.randomized().allocation
    paper = on_paper(cast)
    second = cast.randomized().allocation
    assert [one.pk for one in arms.counted_by(used)] == [first.pk, second.pk]
    assert [first.arm, second.arm] == by_hand([first, second], {first.pk, second.pk})
    assert paper.number == 2
    codes = {trouble.code for trouble in verification.verify(AllocationList.objects.get(pk=used.pk)).troubles}
    assert codes == set()


@pytest.mark.django_db
def test_a_transfer_to_another_site_is_no_other_stratum() -> None:
    """RND-537: the site of the allocation stays frozen; forms saved at the new site open no difference of the site."""
    cast, used = running()
    participant = cast.randomized()
    with pytest.raises(Refused):
        transfers.transfer(participant=participant, to_site=cast.other_site, on=clock.today(), reason="Moved",
                           by=cast.theo_coordinator)  # fmt: skip
    transfers.transfer(
        participant=participant, to_site=cast.other_site, on=clock.today(), reason="Moved", by=cast.dan_data_manager
    )
    participant = Participant.objects.select_related("site").get(pk=participant.pk)
    allocation = Allocation.objects.get(participant=participant)
    for to_ici in (allocation.strata["ici"] != "Y", allocation.strata["ici"] == "Y"):
        change(cast, participant, "systemic_ongoing", regimen(to_ici), by=cast.oscar_coordinator)
        assert not StratumDifference.objects.filter(factor="site").exists()
    assert StratumDifference.objects.filter(factor="ici").exists()  # what a form says is followed at the new site too
    assert not StratumDifference.objects.filter(settled_at=None).exists()
    assert allocation.strata["site"] == cast.site.number
    page = cast.client_of(cast.oscar_coordinator).get(f"/participants/{participant.code}/allocation/").content.decode()
    assert f">{cast.site.number}<" in page
    assert [one.site for one in course_of(cast.bruno_blinded, used)] == [cast.site.number]


@pytest.mark.django_db(transaction=True)
def test_an_arm_that_was_changed_on_paper_is_named_there_and_moves_no_replay(raw: Callable[..., None]) -> None:
    """RND-349: replay takes the arms of others from their sealed lists; without those it says that it cannot."""
    cast, used = running()
    paper = on_paper(cast)
    cast.randomized()
    held = used.emergency.slots
    other = next(arm for arm in used.arms if arm != paper.arm)
    raw("UPDATE randomization_allocation SET arm = %s WHERE id = %s", other, paper.pk)

    def codes(made: AllocationList) -> set[str]:
        return {trouble.code for trouble in verification.verify(AllocationList.every.get(pk=made.pk)).troubles}

    assert "arm" in codes(held)
    assert codes(used) == set()
    raw("UPDATE randomization_allocation SET arm = %s WHERE id = %s", paper.arm, paper.pk)
    raw("DELETE FROM randomization_listkey WHERE allocation_list_id = %s", held.pk)
    assert codes(used) == {"replay"}
