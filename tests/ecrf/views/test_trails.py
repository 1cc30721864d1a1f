"""The audit trail of a value and of a record, in the drawer and as a page."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ecrf.actions import data_queries, records, verifications
from ecrf.entry import Submission, Typed
from ecrf.models import Record
from ecrf.where import Where
from tests.cast import PASSWORD, Cast

pytestmark = pytest.mark.django_db
FORM = "vitals_performance"


@pytest.fixture
def record(cast: Cast) -> Record:
    """A form that was complete, queried, changed with a reason, verified and signed."""
    participant = cast.consented()
    where = Where(participant, FORM, visit=cast.visit(participant, "SCR"))
    cast.fill(participant, FORM, visit="SCR", weight="80", height="200")
    query = data_queries.ask(where=where, item="weight", text="Please confirm.", by=cast.mona_monitor)
    verifications.verify(record=query.record, values=[("", "weight")], by=cast.mona_monitor)
    change(where, "81", cast, reason="Typing error")
    data_queries.answer(query=query, text="Corrected.", by=cast.theo_coordinator)
    held = cast.record(participant, FORM, visit="SCR")
    records.sign(record=held, password=PASSWORD, by=cast.ines_investigator)
    return held


def change(where: Where, weight: str, cast: Cast, reason: str) -> Record:
    """Type another weight into the form, whatever revision stands there."""
    held = Record.objects.get(visit=where.visit, form=where.form)
    group = cast.definition.form(FORM).group_of("weight").id
    return records.save(
        where=where,
        revision=held.revision,
        submission=Submission(values={(group, "", "weight"): Typed(weight)}),
        complete=True,
        by=cast.theo_coordinator,
        reason=reason,
    )


def url(record: Record, rest: str = "") -> str:
    return f"/participants/{record.participant.code}/visits/{record.visit_id}/forms/{record.form}/trail/{rest}"


def entries(answer: Any) -> list[dict[str, Any]]:
    return list(answer.context["entries"])


def test_the_trail_of_a_value_tells_everything_that_happened_to_it(cast: Cast, record: Record) -> None:
    """ECRF-400: who, when with the zone, old, new, why; asked, answered and verified are told apart."""
    answer = cast.client_of(cast.mona_monitor).get(url(record, "?item=weight"))
    told = entries(answer)

    assert {str(entry["kind"]) for entry in told} == {
        "Entered", "Changed", "Query asked", "Query answered", "Verified at source", "Verification cleared by a change",
    }  # fmt: skip
    changed = next(entry for entry in told if entry["kind"] == "Changed")
    assert (changed["old"], changed["new"], changed["reason"]) == ("80 kg", "81 kg", "Typing error")
    assert changed["by"] == "Théo Coordinator"
    assert changed["when"].endswith(("CET", "CEST"))
    assert str(told[-1]["kind"]) == "Entered"
    assert "Please confirm." in answer.content.decode()


def test_a_calculated_value_is_told_apart(cast: Cast, record: Record) -> None:
    """ECRF-401: nobody typed the index; the save that moved it is named."""
    told = entries(cast.client_of(cast.theo_coordinator).get(url(record, "?item=bmi")))
    assert {str(entry["kind"]) for entry in told} == {"Calculated"}
    assert "Calculated after a save by Théo Coordinator" in told[0]["by"]
    assert told[0]["old"] == "20.0 kg/m²"


def test_the_trail_of_a_record_holds_its_changes_and_deeds(cast: Cast, record: Record) -> None:
    """ECRF-402: values with their names, and what happened to the form itself."""
    told = entries(cast.client_of(cast.aude_auditor).get(url(record)))
    kinds = [str(entry["kind"]) for entry in told]
    assert {"Form signed", "Values verified at source", "Query asked", "Query answered"} <= set(kinds)
    assert kinds.index("Query answered") < kinds.index("Values verified at source") < kinds.index("Query asked")
    asked = next(entry for entry in told if entry["kind"] == "Query asked")
    assert (asked["title"], asked["note"], asked["by"]) == ("Weight", "Please confirm.", "Mona Monitor")
    assert {"Weight", "BMI (calculated)"} <= {str(entry.get("title", "")) for entry in told}


def test_the_trail_is_paged_in_few_statements(cast: Cast, record: Record) -> None:
    """ECRF-403: the number of statements does not depend on the number of changes."""
    where = Where(record.participant, FORM, visit=record.visit)
    for weight in range(60, 90):
        change(where, str(weight), cast, reason="Again")
    mona = cast.client_of(cast.mona_monitor)
    mona.get(url(record))
    with CaptureQueriesContext(connection) as statements:
        page = mona.get(url(record, "?page=2"))
    assert page.status_code == 200
    assert page.context["listed"].paginator.num_pages > 1
    assert len(statements) <= 15


def test_the_drawer_gets_the_fragment(cast: Cast, record: Record) -> None:
    """ECRF-404: htmx gets the trail alone, a browser without script the page."""
    theo = cast.client_of(cast.theo_coordinator)
    fragment = theo.get(url(record, "?item=weight"), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment
    assert "81 kg" in fragment
    assert "<html" in theo.get(url(record, "?item=weight")).content.decode()


def test_the_trail_is_for_who_may_read_it(cast: Cast, record: Record) -> None:
    """ECRF-405: wrong role 403, wrong site 404, unknown item 404."""
    assert cast.client_of(cast.paul_sponsor).get(url(record)).status_code == 403
    assert cast.client_of(cast.oscar_coordinator).get(url(record)).status_code == 404
    assert cast.client_of(cast.mona_monitor).get(url(record, "?item=nothing")).status_code == 404


def test_the_trail_of_a_form_that_nobody_saved_is_empty(cast: Cast, record: Record) -> None:
    """ECRF-406: nothing happened yet."""
    address = url(record).replace(FORM, "laboratory")
    assert entries(cast.client_of(cast.mona_monitor).get(address)) == []
