"""Many at once, on a database with real commits: the order of the list is kept and nobody is allocated twice."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable

import pytest
from django.db import connections, transaction

from audit import clock
from audit.errors import Conflict, Refused
from audit.models import Deed
from randomization import arms, strata, verification
from randomization.actions import allocations, lists
from randomization.models import Allocation, AllocationList, ListState
from tests.cast import PASSWORD, Cast
from tests.randomization.actions.test_emergency import pages_of, telling
from tests.randomization.actions.test_minimization_counts import running
from tests.randomization.conftest import undelegated
from trial.actions import people
from trial.models import Participant, Person

pytestmark = pytest.mark.django_db(transaction=True)
PARTICIPANTS = 6


def together(deeds: list[Callable[[], object]]) -> list[object]:
    """Do everything at the same moment, each in a thread with a connection of its own; answers or exceptions."""
    barrier = threading.Barrier(len(deeds))
    answers: list[object] = [None] * len(deeds)

    def run(at: int) -> None:
        try:
            barrier.wait(30)
            answers[at] = deeds[at]()
        except Exception as error:
            answers[at] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(at,), daemon=True) for at in range(len(deeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a deadlock"
    return answers


def second_coordinator(cast: Cast) -> Person:
    person = undelegated(cast)
    people.delegate(
        person=person, role="coordinator", site=cast.site, starts_on=cast.opened_on, may_randomize=True, by=None
    )
    return person


@pytest.mark.template("cast", "eligible", "eligible", "eligible")
def test_everybody_at_once_gets_one_slot_each_and_none_is_skipped(cast: Cast) -> None:
    """RND-901: two coordinators ask for each of six participants in the same moment."""
    waiting = [cast.eligible() for _n in range(PARTICIPANTS)]
    cast.list_in_use()
    people_asking = (cast.theo_coordinator, second_coordinator(cast))

    def ask(participant: Participant, by: Person) -> Callable[[], object]:
        mine = Person.objects.get(pk=by.pk)
        return lambda: allocations.allocate(participant=participant, password=PASSWORD, by=mine)

    answers = together([ask(participant, by) for participant in waiting for by in people_asking])
    assert [a for a in answers if not isinstance(a, Allocation)] == []
    for at in range(PARTICIPANTS):
        assert answers[2 * at] == answers[2 * at + 1]
    made = list(Allocation.objects.select_related("slot", "participant").order_by("number"))
    assert [a.number for a in made] == list(range(1, PARTICIPANTS + 1))
    assert {a.participant_id for a in made} == {p.pk for p in waiting}
    by_stratum: dict[str, list[int]] = {}
    for allocation in made:
        by_stratum.setdefault(allocation.stratum, []).append(allocation.slot.position)
    assert all(found == list(range(1, len(found) + 1)) for found in by_stratum.values())
    assert Deed.objects.filter(verb="participant.randomized").count() == PARTICIPANTS
    assert verification.verify(cast.list_in_use()).is_clean


@pytest.mark.template("cast", "eligible", "list_in_use")
def test_a_double_click_through_the_page_gives_one_allocation(cast: Cast) -> None:
    """RND-902: the same form posted four times at once; each answer leads to the one allocation."""
    participant = cast.eligible()
    cast.list_in_use()
    clients = [cast.client_of(cast.theo_coordinator) for _n in range(4)]
    page = f"/participants/{participant.code}/randomize/"

    answers = together([lambda c=client: c.post(page, {"password": PASSWORD}) for client in clients])  # type: ignore[misc]
    assert [(a.status_code, a["Location"]) for a in answers] == [
        (302, f"/participants/{participant.code}/allocation/")
    ] * 4
    assert Allocation.objects.count() == 1


@pytest.mark.template("cast", "eligible", "eligible", "eligible")
def test_one_that_fails_leaves_its_slot_to_the_next(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """RND-903: a worker lost in the middle of one allocation neither skips a slot nor blocks the others."""
    waiting = [cast.eligible() for _n in range(3)]
    cast.list_in_use()
    unlucky = waiting[0].pk
    real = allocations.tell

    def lost(participant: Participant, allocation: Allocation, day: dt.date, by: Person) -> None:
        if participant.pk == unlucky:
            raise ConnectionError("worker lost")
        real(participant, allocation, day, by)

    monkeypatch.setattr(allocations, "tell", lost)
    asking = [Person.objects.get(pk=cast.theo_coordinator.pk) for _p in waiting]
    answers = together(
        [
            lambda p=p, by=by: allocations.allocate(participant=p, password=PASSWORD, by=by)  # type: ignore[misc]
            for p, by in zip(waiting, asking, strict=True)
        ]
    )
    assert [type(a).__name__ for a in answers] == ["ConnectionError", "Allocation", "Allocation"]
    assert Allocation.objects.count() == 2
    monkeypatch.setattr(allocations, "tell", real)
    cast.allocate(waiting[0])
    assert verification.verify(cast.list_in_use()).is_clean
    assert verification.check_numbers() == []


def test_two_lists_put_into_use_at_once_leave_one_in_use(cast: Cast) -> None:
    """RND-904: two statisticians, two lists, one moment: one is in use, the other is refused in words and stays."""
    made = [lists.draft(version=cast.version, block_sizes=(4,), by=cast.stella_statistician) for _n in range(2)]
    for one in made:
        cast.approved_list(one)
    asking = [Person.objects.get(pk=cast.stella_statistician.pk), Person.objects.get(pk=cast.ursula_statistician.pk)]
    answers = together(
        [
            lambda one=one, by=by: lists.put_into_use(allocation_list=one, by=by)  # type: ignore[misc]
            for one, by in zip(made, asking, strict=True)
        ]
    )
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(refused) == 1
    assert refused[0].code == "in_use"
    states = sorted(AllocationList.objects.values_list("state", flat=True))
    assert states == [ListState.APPROVED, ListState.IN_USE]
    assert Deed.objects.filter(verb="list.put_into_use").count() == 1


def test_the_second_list_waits_for_the_first_to_commit_and_is_then_refused(cast: Cast) -> None:
    """RND-905: both looked before either wrote; the constraint decides and the answer is a conflict, not an error."""
    first, second = (
        cast.approved_list(lists.draft(version=cast.version, block_sizes=(4,), by=cast.stella_statistician))
        for _n in range(2)
    )
    answers: list[object] = []

    def use_the_second() -> None:
        try:
            by = Person.objects.get(pk=cast.ursula_statistician.pk)
            answers.append(lists.put_into_use(allocation_list=second, by=by))
        except Exception as error:
            answers.append(error)
        finally:
            connections.close_all()

    other = threading.Thread(target=use_the_second, daemon=True)
    with transaction.atomic():
        lists.put_into_use(allocation_list=first, by=cast.stella_statistician)  # written, not committed
        other.start()
        assert wait_until_it_waits()
    other.join(30)
    assert len(answers) == 1
    assert isinstance(answers[0], Conflict)
    assert "at the same moment" in str(answers[0])
    assert AllocationList.objects.get(state=ListState.IN_USE).pk == first.pk
    lists.close(allocation_list=first, reason="Replaced", by=cast.stella_statistician)
    assert lists.put_into_use(allocation_list=second, by=cast.ursula_statistician).state == ListState.IN_USE


def wait_until_it_waits() -> bool:
    """Wait until another connection waits for this one's transaction to end."""
    for _n in range(600):
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid"
            )
            if cursor.fetchone()[0]:
                return True
        time.sleep(0.05)
    return False


def test_what_was_allocated_on_paper_is_entered_while_others_are_allocated() -> None:
    """RND-907: numbers follow each other, nobody fails, and what minimization counted comes out again at the replay."""
    cast, used = running()
    with clock.simulated(clock.now() - dt.timedelta(hours=20)):
        told = [cast.eligible() for _n in range(2)]
    waiting = [cast.eligible() for _n in range(2)]
    for participant in (*told, *waiting):
        cast.made_sure(participant)
    first_page: dict[str, int] = {}
    deeds: list[Callable[[], object]] = []
    for participant in told:
        stratum = arms.label_on_paper(strata.stratum_of(participant, cast.definition))
        if stratum in first_page:
            continue  # the second page of a stratum waits for the first: that is another test
        first_page[stratum] = 1
        by = Person.objects.get(pk=cast.theo_coordinator.pk)
        tell = telling(cast, participant, pages_of(cast, used, stratum)[0])
        deeds.append(lambda tell=tell, by=by: tell(by=by))  # type: ignore[misc]
    for participant in waiting:
        by = Person.objects.get(pk=cast.theo_coordinator.pk)
        deeds.append(
            lambda p=participant, by=by: allocations.allocate(participant=p, password=PASSWORD, by=by)  # type: ignore[misc]
        )
    answers = together(deeds)
    assert [a for a in answers if not isinstance(a, Allocation)] == []
    assert sorted(a.number for a in Allocation.objects.all()) == list(range(1, len(deeds) + 1))
    for made in (used, used.emergency.slots):
        assert verification.verify(AllocationList.every.get(pk=made.pk)).troubles == []


@pytest.mark.template("cast", "eligible")
def test_nobody_waits_for_the_list_while_a_password_is_hashed(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """RND-902: the list is free while the password is looked at, and the allocation is made under its lock."""
    waiting, made = cast.eligible(), cast.list_in_use()
    real, found = Person.check_password, []

    def is_free() -> bool:
        with transaction.atomic():
            return AllocationList.objects.select_for_update(nowait=True).filter(pk=made.pk).exists()

    def looked_at(person: Person, typed: str | None) -> bool:
        found.extend(together([is_free]))
        return real(person, typed)

    monkeypatch.setattr(Person, "check_password", looked_at)
    allocations.allocate(participant=waiting, password=PASSWORD, by=cast.theo_coordinator)
    assert found == [True]
