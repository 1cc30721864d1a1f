"""Lesions are one thing for life: numbered once, rows of each assessment, what was measured before beside them."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import clock
from audit.errors import Refused
from ecrf.actions import records, verifications
from ecrf.entry import InvalidValues, Submission, Typed
from ecrf.models import Record
from ecrf.pages import entry_page
from ecrf.places import place_or_404
from ecrf.templatetags import grid
from ecrf.where import Where
from simulation import patients
from tests.cast import Cast
from tests.stages import staged
from trial.actions import visits
from trial.models import Participant, Visit

pytestmark = pytest.mark.django_db
FORM = "tumour_assessment"


@pytest.fixture
def randomized(cast: Cast) -> Participant:
    """A participant randomized seven months ago, with baseline lesions."""
    return randomized_long_ago(cast)


@staged
def randomized_long_ago(cast: Cast) -> Participant:
    with clock.simulated(clock.now() - dt.timedelta(days=215)):
        return cast.randomized()


def attended(cast: Cast, participant: Participant, event: str) -> Visit:
    visit = cast.visit(participant, event)
    assert visit.planned_on is not None
    visits.record_date(visit=visit, on=visit.planned_on, by=cast.theo_coordinator)
    return cast.visit(participant, event)


def lesion(cast: Cast, participant: Participant, number: str, **said: Any) -> Record:
    patient = cast.patient(participant)
    answers = patients.lesion_entry(patient, patient.lesions[0], on=clock.today())
    return cast.save(Where(participant, "lesion"), {**answers, "lesion_number": number, **said}, complete=False)


def page_of(cast: Cast, participant: Participant, visit: Visit) -> Any:
    return entry_page(place_or_404(cast.theo_coordinator, participant.code, FORM, visit.pk))


def rows(page: Any) -> list[dict[str, Any]]:
    return next(group for group in page.groups if group["name"] == "lesions")["rows"]


def field(row: dict[str, Any], item: str) -> dict[str, Any]:
    return next(each for each in row["fields"] if each["item"] == item)


def assess(cast: Cast, participant: Participant, visit: Visit, diameters: dict[int, int]) -> Record:
    """Save the rows with which the page opens, measured."""
    page = page_of(cast, participant, visit)
    found = Submission(rows={"lesions": [row["id"] for row in rows(page)]})
    for row in rows(page):
        number = int(field(row, "lesion")["value"])
        for item in ("lesion", "category", "organ"):
            found.values["lesions", row["id"], item] = Typed(text=str(page.fields[f"lesions.{row['id']}.{item}"]))
        found.values["lesions", row["id"], "state"] = Typed(text="PRESENT")
        if number in diameters:
            found.values["lesions", row["id"], "diameter"] = Typed(text=str(diameters[number]), unit="mm")
    found.values["imaging", "", "imaging_on"] = Typed(text=f"{visit.actual_on:%d/%m/%Y}")
    where = Where(participant, FORM, visit=visit)
    return records.save(where=where, revision=0, submission=found, complete=False, by=cast.theo_coordinator)


def test_an_assessment_opens_with_the_known_lesions_and_what_was_measured(cast: Cast, randomized: Participant) -> None:
    """ECRF-480: number, category and organ are there; baseline, previous, smallest and the change beside the size."""
    m3 = attended(cast, randomized, "M3")
    page = page_of(cast, randomized, m3)
    known = list(Record.objects.filter(participant=randomized, form="lesion").order_by("number"))
    assert [field(row, "lesion")["value"] for row in rows(page)] == [str(entry.number) for entry in known]
    for row, entry in zip(rows(page), known, strict=True):
        identity = entry.data["identity"][0]
        assert field(row, "lesion")["fixed"].startswith(identity["lesion_number"]["value"])
        assert page.fields[f"lesions.{row['id']}.category"] == identity["category"]["value"]
        assert page.fields[f"lesions.{row['id']}.organ"] == identity["organ"]["value"]
    targets = [row for row in rows(page) if page.fields[f"lesions.{row['id']}.category"] == "TARGET"]
    assert targets
    assert [line["label"] for line in field(targets[0], "diameter")["earlier"]] == ["Baseline"]

    number = int(field(targets[0], "lesion")["value"])
    assess(cast, randomized, m3, {number: 20})
    m6 = attended(cast, randomized, "M6")
    client = cast.client_of(cast.theo_coordinator)
    with CaptureQueriesContext(connection) as statements:
        answer = client.get(f"/participants/{randomized.code}/visits/{m6.pk}/forms/{FORM}/")
    assert len(statements) <= 15
    assert "data-earlier" in answer.content.decode()
    first = next(row for row in rows(page_of(cast, randomized, m6)) if field(row, "lesion")["value"] == str(number))
    lines = field(first, "diameter")["earlier"]
    assert lines[0]["label"].startswith("Previous") and lines[0]["value"] == "20 mm"
    assert lines[-1]["label"].startswith("Baseline")

    row = first["id"]
    typed = {
        "whole_form": "1", "revision": "0", "lesions__rows": [row], f"lesions.{row}.lesion": str(number),
        f"lesions.{row}.category": "TARGET", f"lesions.{row}.state": "PRESENT", f"lesions.{row}.diameter": "25",
        f"lesions.{row}.diameter__unit": "mm",
    }  # fmt: skip
    said = client.post(f"/participants/{randomized.code}/visits/{m6.pk}/forms/{FORM}/evaluate/", typed).json()
    assert said["earlier"][f"lesions.{row}.diameter"][0]["change"] == "+25 %"
    changed = {"fields": {f"lesions.{row}.diameter": "25"}, "changed": [f"lesions.{row}.diameter"]}
    partly = client.post(
        f"/participants/{randomized.code}/visits/{m6.pk}/forms/{FORM}/evaluate/",
        json.dumps(changed),
        "application/json",
    )
    assert partly.json()["earlier"][f"lesions.{row}.diameter"][0]["change"] == "+25 %"


def test_cells_of_known_lesions_from_the_skeleton_are_those_of_the_template(
    cast: Cast, randomized: Participant, monkeypatch: Any
) -> None:
    """ECRF-486: entry fixed, earlier measurements, units, drafts; verified or to verify for the monitor who reads."""
    m3 = attended(cast, randomized, "M3")
    lesion(cast, randomized, "<b>9", category="NEW", first_seen_on=f"{m3.actual_on:%d/%m/%Y}")
    held = assess(cast, randomized, m3, {1: 20, 2: 15})
    verify_some(cast, held)
    m6 = attended(cast, randomized, "M6")
    pages = [
        (cast.client_of(person), f"/participants/{randomized.code}/visits/{visit.pk}/forms/{FORM}/")
        for person in (cast.theo_coordinator, cast.mona_monitor)
        for visit in (m3, m6)
    ]
    fast = [cells(browser.get(url).content.decode()) for browser, url in pages]
    monkeypatch.setattr(grid, "_is_plain", lambda item: False)
    slow = [cells(browser.get(url).content.decode()) for browser, url in pages]
    assert fast == slow
    assert 'class="rows__about"' in fast[0] and "&lt;b&gt;9" in fast[1] and "<dt>Previous" in fast[1]


def verify_some(cast: Cast, held: Record) -> None:
    row = held.data["lesions"][0]
    verifications.verify(record=held, values=[(row["_id"], "organ")], by=cast.mona_monitor)


def cells(page: str) -> str:
    """The rows of the grids of a page."""
    found = re.findall(r"data-grid-rows.*?</tbody>|<template data-grid-template.*?</template>", page, re.S)
    assert found
    return re.sub(r"\s+", " ", " ".join(found))


def test_a_new_lesion_has_a_row_at_the_next_assessment_and_changes_no_earlier_one(
    cast: Cast, randomized: Participant
) -> None:
    """ECRF-481: not offered at a visit before it was seen; offered by a button where the form is under way."""
    m3 = attended(cast, randomized, "M3")
    held = assess(cast, randomized, m3, {})
    count = len(rows(page_of(cast, randomized, m3)))
    lesion(cast, randomized, "NEW1", category="NEW", first_seen_on=f"{clock.today():%d/%m/%Y}")
    page = page_of(cast, randomized, m3)
    assert len(rows(page)) == count
    assert page.record.revision == held.revision
    assert next(g for g in page.groups if g["name"] == "lesions")["unlisted"] == []

    unscheduled = visits.add_on_demand(participant=randomized, event="UNS", on=clock.today(), by=cast.theo_coordinator)
    opened = page_of(cast, randomized, unscheduled)
    assert any(field(row, "lesion")["fixed"].startswith("NEW1") for row in rows(opened))

    assess(cast, randomized, unscheduled, {})
    lesion(cast, randomized, "NEW2", category="NEW", first_seen_on=f"{clock.today():%d/%m/%Y}")
    page = page_of(cast, randomized, unscheduled)
    group = next(g for g in page.groups if g["name"] == "lesions")
    assert [title.partition(",")[0] for title in group["unlisted"]] == ["NEW2"]
    fields = {name: value for name, value in page.fields.items() if value not in ("", [])}
    address = f"/participants/{randomized.code}/visits/{unscheduled.pk}/forms/{FORM}/"
    posted = {**fields, "revision": str(page.revision), "whole_form": "1", "add_known": "lesions"}
    answer = cast.client_of(cast.theo_coordinator).post(address, posted)
    assert answer.status_code == 200
    after = rows(answer.context["page"])
    assert len(after) == count + 2 and field(after[-1], "lesion")["fixed"].startswith("NEW2")
    forged = cast.client_of(cast.theo_coordinator).post(address, {**posted, "add_known": "sums"})
    assert forged.status_code == 404


def test_a_number_of_a_lesion_is_used_once_for_ever(cast: Cast) -> None:
    """ECRF-482: neither twice nor again after a removal; the same entry keeps its own; another participant is free."""
    participant = cast.consented()
    lesion(cast, participant, "T1")
    with pytest.raises(InvalidValues, match="already that of entry no"):
        lesion(cast, participant, " t 1")
    second = lesion(cast, participant, "T2")
    lesion_ = Where(participant, "lesion", number=second.number)
    cast.save(lesion_, {"lesion_number": "T2", "description": "Elsewhere"}, complete=False)
    second.refresh_from_db()
    records.remove_entry(record=second, revision=second.revision, reason="Not a lesion", by=cast.theo_coordinator)
    with pytest.raises(InvalidValues, match="which was removed"):
        lesion(cast, participant, "T2")
    assert lesion(cast, cast.consented(), "T1").number == 1


def test_what_protects_an_entry_is_named_before_and_after(cast: Cast, randomized: Participant) -> None:
    """ECRF-483: each form with its visit or number; what would tell the arm is another form for who may not know."""
    target = Record.objects.get(participant=randomized, form="lesion", number=1)
    with pytest.raises(Refused, match=r"Baseline lesions \(Screening\)"):
        records.remove_entry(record=target, revision=target.revision, reason="Twice", by=cast.theo_coordinator)
    page = cast.client_of(cast.theo_coordinator).get(f"/participants/{randomized.code}/log/lesion/1/remove/")
    assert "Baseline lesions (Screening)" in page.content.decode()


def test_a_log_of_one_pathway_takes_no_entry_elsewhere(cast: Cast, randomized: Participant) -> None:
    """ECRF-484: SRT courses are offered on their pathway alone; the casebook and the log do not offer them."""
    on_srt = randomized.pathway == "srt"
    client = cast.client_of(cast.theo_coordinator)
    opened = client.get(f"/participants/{randomized.code}/log/srt_course/new/")
    assert opened.status_code == (200 if on_srt else 422)
    casebook = client.get(f"/participants/{randomized.code}/").content.decode()
    assert ("/log/srt_course/new/" in casebook) is on_srt
    where = Where(randomized, "srt_course")
    if not on_srt:
        with pytest.raises(Refused, match="not part of this participant's visit plan"):
            cast.save(where, {"lesion": "1"}, by=cast.rose_radiation, complete=False)


def test_a_log_is_sorted_and_narrowed_by_links(cast: Cast) -> None:
    """ECRF-485: by a column in either direction; to what is not finished or removed, struck and with its reason."""
    participant = cast.consented()
    for grade in ("2", "3", "1"):
        cast.save_event(participant, grade=grade)
    third = Record.objects.get(participant=participant, form="adverse_event", number=3)
    records.remove_entry(record=third, revision=third.revision, reason="Entered twice", by=cast.theo_coordinator)
    client, address = cast.client_of(cast.theo_coordinator), f"/participants/{participant.code}/log/adverse_event/"

    def numbers(query: str) -> list[int]:
        answer = client.get(address + query)
        assert answer.status_code == 200
        return [row["number"] for row in answer.context["rows"]]

    assert numbers("") == [1, 2, 3]
    assert numbers("?sort=grade") == [3, 1, 2]
    assert numbers("?sort=-grade") == [2, 1, 3]
    assert numbers("?sort=nonsense") == [1, 2, 3]
    assert numbers("?show=removed") == [3]
    assert numbers("?show=in_progress&sort=-grade") == [2, 1]
    page = client.get(address).content.decode()
    assert "<s>" in page and "Entered twice" in page
    assert "sort=-number" in page
    cast.save_event(participant, grade="2")
    assert numbers("")[-1] == 4
