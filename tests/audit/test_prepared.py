"""Questions whose statement is written once: every answer is the queryset's own."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from audit import clock, server
from audit.prepared import prepared
from tests.cast import Cast
from trial.locks import lock_participant
from trial.models import Delegation, Participant, ScreeningOutcome, Site, Visit

pytestmark = pytest.mark.django_db


def _visits(codes: tuple[str, ...], since: dt.date, is_long: bool) -> QuerySet[Visit]:
    found = Visit.objects.filter(participant__code__in=codes, planned_on__gte=since).order_by("pk")
    found = found.annotate(
        is_first=Case(When(planned_on=since, then=Value("yes")), default=Value("no")),
        has_site=Exists(Site.objects.filter(pk=OuterRef("participant__site_id"))),
    )
    return found.select_related("participant__site") if is_long else found


def told(visits: Any) -> list[Any]:
    return [(v.pk, v.event, v.participant.site.number, v.is_first, v.has_site, v._state.db, v._as_read) for v in visits]


@pytest.mark.parametrize("is_long", [True, False])
def test_rows_are_those_of_the_queryset_for_whatever_values(cast: Cast, is_long: bool) -> None:
    """AUD-201: objects with their relations and annotations, for values that come after the first as well."""
    first, second = cast.randomized(), cast.randomized()
    ask, today = prepared(_visits), clock.today()
    for codes in ((first.code,), (second.code,), (first.code, second.code), ("nobody",), (first.code,) * 3, ()):
        for since in (dt.date(1999, 1, 1), today, first.visits.earliest("planned_on").planned_on, dt.date(2999, 1, 1)):
            assert told(ask(codes, since, is_long)) == told(_visits(codes, since, is_long))
    assert ask((first.code,), dt.date(1999, 1, 1), is_long), "some were there to be compared"


def test_a_statement_is_written_once_for_each_shape_of_its_values(cast: Cast) -> None:
    """AUD-202: other values run the same text; None, True and members of an enumeration are shapes of their own."""
    shapes: list[tuple[Any, ...]] = []

    def make(pk: int | None, outcome: str | None, codes: tuple[str, ...]) -> QuerySet[Participant]:
        shapes.append((pk, outcome, codes))
        found = Participant.objects.filter(code__in=codes)
        found = found.filter(pk__gt=pk) if pk is not None else found
        return found.filter(screening_outcome=outcome) if outcome else found

    ask = prepared(make)
    code = cast.screened().code
    with CaptureQueriesContext(connection) as sent:
        for pk in (1, 2, 1):
            ask(pk, None, (code,))
    assert len(shapes) == 2 and len(sent) == 3  # each statement is written twice, to be compared
    assert [code in one["sql"] for one in sent.captured_queries] == [True] * 3
    assert "stand-in" not in sent.captured_queries[0]["sql"]
    ask(None, None, (code,))
    ask(None, ScreeningOutcome.INCLUDED, (code,))
    ask(None, ScreeningOutcome.INCLUDED, (code, "a", "b"))
    assert len(shapes) == 8
    ask(None, ScreeningOutcome.INCLUDED, (code, "a", "b", "c"))  # three are asked as four
    assert len(shapes) == 8


def test_what_was_written_while_others_ask_serves_each_thread_with_its_own_connection(cast: Cast) -> None:
    """AUD-203: a statement belongs to no connection: this transaction's rows are here, and nowhere else."""
    ask = prepared(lambda code: Participant.objects.filter(code=code))
    code, seen = cast.screened().code, []
    assert [p.code for p in ask(code)] == [code]

    def elsewhere() -> None:
        seen.append(ask(code))
        connections.close_all()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [[]]


def test_rows_may_be_values_and_may_be_locked(cast: Cast) -> None:
    """AUD-201: lists of values, single values, and rows locked for a change."""
    person = cast.ines_investigator
    pairs = prepared(lambda pk: Delegation.objects.filter(person_id=pk).order_by("pk").values_list("role", "site_id"))
    held = Delegation.objects.filter(person=person).order_by("pk")
    assert pairs(person.pk) == list(held.values_list("role", "site_id"))
    roles = prepared(lambda pk: Delegation.objects.filter(person_id=pk).order_by("pk").values_list("role", flat=True))
    assert roles(person.pk) == [role for role, _site in pairs(person.pk)]
    locked = prepared(lambda pk: Delegation.objects.select_for_update().filter(person_id=pk))
    with server.spelled_out(), CaptureQueriesContext(connection) as sent:
        assert locked(person.pk)
    assert sent.captured_queries[0]["sql"].endswith("FOR UPDATE")


def test_what_cannot_be_prepared_is_said_at_the_first_call() -> None:
    """AUD-204: a value that the statement changes, one that it does not hold, a prefetched relation, a named value."""
    for make in (
        lambda code: Participant.objects.filter(code__contains=code),
        lambda code: Participant.objects.all(),
    ):
        with pytest.raises(TypeError, match="does not reach its statement"):
            prepared(make)("01-001")
    with pytest.raises(TypeError, match="none that its column could hold"):
        prepared(lambda screening: Participant.objects.filter(screening=screening))(1)
    with pytest.raises(TypeError, match="prefetch"):
        prepared(lambda: Participant.objects.prefetch_related("visits"))()
    with pytest.raises(TypeError, match="takes no Decimal"):
        prepared(lambda pk: Participant.objects.filter(pk=pk))(Decimal(1))
    with pytest.raises(TypeError, match="takes no Decimal"):
        prepared(lambda pks: Participant.objects.filter(pk__in=pks))((Decimal(1),))
    with pytest.raises(TypeError, match="by place"):
        prepared(lambda code: Participant.objects.filter(code=code))(code="01-001")


def test_what_is_made_of_a_value_is_refused_and_not_answered_for_another_value() -> None:
    """AUD-204: a day before the day, a number after the number, a clock that the question reads itself."""
    numbers, week = iter(range(1_000)), dt.timedelta(days=7)
    makes: list[tuple[Callable[..., QuerySet[Any]], tuple[Any, ...]]] = [
        (lambda day: Visit.objects.filter(planned_on__lte=day, window_end__gte=day - week), (clock.today(),)),
        (lambda pk, other: Visit.objects.filter(pk__in=[pk, other], participant_id=pk + 1), (1, 2)),
        (lambda code: Participant.objects.filter(Q(code=code) | Q(code__contains=code)), ("01-001",)),
        (lambda pk: Visit.objects.filter(pk=pk, order=next(numbers)), (7,)),
    ]
    for make, values in makes:
        with pytest.raises(TypeError, match="made of a value"):
            prepared(make)(*values)


@pytest.mark.django_db(transaction=True)
def test_a_lock_outside_a_transaction_is_refused_each_time(cast: Cast) -> None:
    """AUD-205: as a queryset refuses it; the second time nobody writes the statement, and it is refused again."""
    pk = cast.screened().pk
    with transaction.atomic():
        assert lock_participant(pk).pk == pk
    for _time in range(2):
        with pytest.raises(TransactionManagementError):
            lock_participant(pk)


def test_a_number_that_no_column_holds_finds_nothing(cast: Cast) -> None:
    """AUD-201: as with a queryset, whatever stands in an address."""
    found = prepared(lambda pk: Delegation.objects.filter(pk__gte=pk))
    assert found(1)
    for number in (2**31, 2**63, 10**30):
        assert found(number) == []
    assert found(-(10**30)) == list(Delegation.objects.all())
