"""How many statements an answer takes: at most 15, and as many for 60 participants as for 5."""

from __future__ import annotations

from typing import Any

from ecrf.actions import data_queries
from ecrf.where import Where
from tests.cast import Cast

MOST = 15


def test_lists_take_as_many_statements_for_60_participants_as_for_5(api: Any, cast: Cast) -> None:
    """API-100."""
    client = api(cast.dan_data_manager)

    def ask(n: int) -> None:
        for _ in range(n):
            participant = cast.screened()
            where = Where(participant, "demographics", visit=cast.visit(participant, "SCR"))
            data_queries.ask(where=where, text="?", item="sex", by=cast.mona_monitor)

    addresses = ("participants/?limit=200", "participants/?site=01&status=screening", "queries/?limit=200")
    ask(5)
    few = [client.get(address).queries for address in addresses]
    ask(55)
    many = [client.get(address) for address in addresses]
    assert [answer.queries for answer in many] == few
    assert many[0].body["count"] == 60
    assert max(few) <= MOST


def test_every_read_takes_at_most_15_statements(api: Any, cast: Cast) -> None:
    """API-100: a randomized participant with every baseline form, as somebody who sees all of it."""
    participant = cast.randomized()
    visit = cast.visit(participant, "SCR")
    query = data_queries.ask(
        where=Where(participant, "demographics", visit=visit), text="?", item="sex", by=cast.mona_monitor
    )
    base = f"participants/{participant.code}"
    addresses = [
        "me/", "study/", "study/forms/", "study/forms/laboratory/", "study/visits/", f"{base}/", f"{base}/visits/",
        f"{base}/visits/{visit.pk}/", f"{base}/records/", f"{base}/eligibility/", f"{base}/allocation/",
        f"{base}/log/lesion/1/", "queries/", f"queries/{query.pk}/",
    ]  # fmt: skip
    addresses += [f"{base}/visits/{visit.pk}/forms/{form}/" for form in cast.definition.visit("SCR").forms]
    client = api(cast.theo_coordinator)
    taken = {address: client.get(address).queries for address in addresses}
    assert {address: n for address, n in taken.items() if n > MOST} == {}


def test_saving_takes_as_many_statements_whatever_the_participant_holds(api: Any, cast: Cast) -> None:
    """API-101: a save of 60 values or of one, for a participant with one record or with twenty."""
    new, full = cast.consented(), cast.baseline_done()
    client = api(cast.theo_coordinator)

    def save(participant: Any) -> int:
        address = f"participants/{participant.code}/visits/{cast.visit(participant, 'SCR').pk}/forms/laboratory/"
        revision = client.get(address).body["revision"]
        sent = [{"item": "hgb", "typed": "12.7"}, {"item": "sodium", "typed": "139"}]
        answer = client.put(address, {"revision": revision, "values": sent, "reason": "Typing error"})
        assert answer.status == 200, answer.body
        return answer.queries

    assert save(full) <= 60
    assert save(new) <= 60
