"""The timeline on the casebook: what the study's text declares, of what the person may see."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import yaml
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import clock
from ecrf.casebooks import Casebook
from ecrf.where import Where
from tests.cast import STUDY_FOLDER, Cast
from tests.randomization import marked
from trial.actions import studies
from trial.definitions import definition_of
from trial.models import Participant, Person

pytestmark = pytest.mark.django_db


def book(person: Person, participant: Participant) -> Casebook:
    return Casebook(person, Participant.objects.select_related("site").get(pk=participant.pk))


def said(found: Casebook, lane: str) -> list[tuple[str, str, str]]:
    """What the table says of a lane: when, what, note."""
    return [(line.when, line.text, line.note) for line in found.timeline.lines if line.lane == lane]


def test_the_story_is_told_by_lanes_of_the_studys_text(cast: Cast) -> None:
    """ECRF-470: treatments with holds, toxicities with grade and open end, scans, statuses; no statement more."""
    participant = cast.consented()
    today = clock.today()
    ago = today - dt.timedelta(days=40)
    cast.save(
        Where(participant, "systemic_treatment"),
        {
            "drug": "AXITINIB", "drug_class": "TKI", "role": "ONGOING", "drug_start_on": "UN/03/2024",
            "drug_ongoing": True,
            "changes": [
                {"change_type": "HOLD", "change_on": ago, "change_reason": "PHYSICIAN"},
                {"change_type": "RESTART", "change_on": ago + dt.timedelta(days=9), "change_reason": "PHYSICIAN"},
            ],
        },
        complete=False,
    )  # fmt: skip
    cast.save_event(participant, grade="3", start_on=ago, ongoing=True)
    found = book(cast.theo_coordinator, participant)
    [(when, text, _note)] = said(found, "Systemic treatment")
    assert (when, text) == ("Mar 2024 – ongoing", "Axitinib")
    lanes = {lane.id: lane for lane in found.timeline.lanes}
    [drug] = lanes["systemic"].marks
    assert drug.is_open and drug.is_unsure
    assert drug.holds == ((ago + dt.timedelta(days=1), ago + dt.timedelta(days=9)),)
    [(when, text, note)] = said(found, "Adverse events, with grade")
    assert (text, note) == ("Fatigue", "grade 3")
    assert when.endswith("– ongoing")
    assert lanes["toxicities"].marks[0].grade == 3
    assert ("Consent given" in {text for _when, text, _note in said(found, "Key dates")}) is True

    client = cast.client_of(cast.theo_coordinator)
    with CaptureQueriesContext(connection) as statements:
        page = client.get(f"/participants/{participant.code}/").content.decode()
    assert len(statements) <= 15
    assert page.count('<svg class="lifeline"') == 2
    assert "Timeline as a table" in page
    assert 'style="' not in page


def test_an_empty_story_shows_no_picture(cast: Cast) -> None:
    """ECRF-471: before anything happened that a lane shows, the casebook has no timeline."""
    participant = cast.screened()
    found = book(cast.theo_coordinator, participant)
    assert found.timeline.is_empty
    page = cast.client_of(cast.theo_coordinator).get(f"/participants/{participant.code}/").content.decode()
    assert "lifeline" not in page


def test_who_may_not_see_the_arm_sees_no_lane_of_it() -> None:
    """ECRF-472: no lane, no label, no mark, no count: the page is as if the lane were not declared."""
    cast = marked.cast_of()
    version = cast.version
    participant = cast.consented()
    form = next(f for f in definition_of(version.pk).forms.values() if f.id.endswith("systemic_treatment"))
    cast.save(
        Where(participant, form.id),
        {"drug": "AXITINIB", "drug_class": "TKI", "role": "ONGOING", "drug_start_on": "03/03/2024"},
        complete=False,
    )
    seeing, blinded = book(cast.theo_coordinator, participant), book(cast.paul_sponsor, participant)
    assert "systemic" in {lane.id for lane in seeing.timeline.lanes}
    assert "systemic" not in {lane.id for lane in blinded.timeline.lanes}
    page = cast.client_of(cast.paul_sponsor).get(f"/participants/{participant.code}/").content.decode()
    assert "lifeline" in page
    assert "Systemic treatment" not in page and "Axitinib" not in page
    assert len(blinded.timeline.lines) == len(seeing.timeline.lines) - 1


def test_another_study_has_other_lanes(tmp_path: Path) -> None:
    """ECRF-473: the lanes are the folder's: one renamed lane, or none at all."""
    import shutil

    folder = tmp_path / "study"
    shutil.copytree(STUDY_FOLDER, folder)
    lane = {"id": "weights", "label": {"en": "Weighed", "fr": "Pesées"}}
    source = {"form": "vitals_performance", "kind": "point", "from": "examined_on", "text": ["weight"]}
    (folder / "timeline.yaml").write_text(yaml.safe_dump({"lanes": [lane | {"sources": [source]}]}))
    version, problems = studies.publish(path=folder, by=None, reason="Lanes")
    assert version is not None, problems
    cast = Cast()
    participant = cast.consented()
    today = clock.today()
    visit = cast.visit(participant, "SCR")
    where = Where(participant, "vitals_performance", visit=visit)
    cast.save(where, {"examined_on": today, "weight": "80"}, complete=False)
    found = book(cast.theo_coordinator, participant)
    assert [lane.label for lane in found.timeline.lanes] == ["Weighed"]
    assert [text for _when, text, _note in said(found, "Weighed")] == ["80 kg"]
