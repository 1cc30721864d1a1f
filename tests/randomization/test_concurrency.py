"""Many at once, on a database with real commits: the order of the list is kept and nobody is allocated twice."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connections

from audit.models import Deed
from randomization import verification
from randomization.actions import allocations
from randomization.models import Allocation
from tests.cast import PASSWORD, Cast
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


def test_one_that_fails_leaves_its_slot_to_the_next(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """RND-903: a worker lost in the middle of one allocation neither skips a slot nor blocks the others."""
    waiting = [cast.eligible() for _n in range(3)]
    cast.list_in_use()
    unlucky = waiting[0].pk
    real = allocations._tell

    def lost(participant: Participant, allocation: Allocation, by: Person) -> None:
        if participant.pk == unlucky:
            raise ConnectionError("worker lost")
        real(participant, allocation, by)

    monkeypatch.setattr(allocations, "_tell", lost)
    asking = [Person.objects.get(pk=cast.theo_coordinator.pk) for _p in waiting]
    answers = together(
        [
            lambda p=p, by=by: allocations.allocate(participant=p, password=PASSWORD, by=by)  # type: ignore[misc]
            for p, by in zip(waiting, asking, strict=True)
        ]
    )
    assert [type(a).__name__ for a in answers] == ["ConnectionError", "Allocation", "Allocation"]
    assert Allocation.objects.count() == 2
    monkeypatch.setattr(allocations, "_tell", real)
    cast.allocate(waiting[0])
    assert verification.verify(cast.list_in_use()).is_clean
    assert verification.check_numbers() == []
