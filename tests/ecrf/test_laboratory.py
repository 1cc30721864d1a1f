"""Each site's dated laboratory ranges: on a page, by sex and unit, corrected with a reason; flags and grades."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

import audit
from audit import clock
from audit.errors import Refused
from audit.models import Deed
from ecrf.actions import laboratories
from ecrf.actions.laboratories import Range
from ecrf.entry import Typed
from ecrf.models import Change, ChangeKind, Finding, LaboratoryRange
from tests.cast import Cast
from tests.ecrf.items_study import Play
from tests.ecrf.test_item_types import dataset
from trial.actions import transfers
from trial.models import Participant

pytestmark = pytest.mark.django_db


def address(play: Play, range_id: int | None = None) -> str:
    """The page of the site's ranges, or of one."""
    return f"/sites/{play.cast.site.number}/laboratory/" + (f"{range_id}/" if range_id else "")


def said(**change: str) -> dict[str, str]:
    """A range of haemoglobin from today, as typed."""
    today = clock.today().strftime("%d%m%Y")
    return {"analyte": "HGB", "sex": "M", "unit": "g/L", "low": "125", "high": "172,5", "from_on": today, **change}


def test_a_range_is_added_in_the_unit_of_the_report_from_a_day_on(play: Play) -> None:
    """ECRF-330: kept as printed and in the standard unit; the page shows both and which one is in force."""
    assert play.client.post(address(play), said()).status_code == 302

    made = LaboratoryRange.objects.latest("pk")
    assert (made.low, made.high, made.unit) == ("12.5", "17.25", "g/dL")
    assert (made.entered_low, made.entered_high, made.entered_unit) == ("125", "172,5", "g/L")
    page = play.client.get(address(play)).content.decode()
    assert "12.5 – 17.25 g/dL" in page and "125 – 172,5 g/L" in page and "Replaced" in page and "In force" in page
    assert Deed.objects.filter(verb="laboratory.ranges_set", by_id=play.by.pk).exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"low": "18", "high": "12", "unit": "g/dL"}, "not below the upper"),
        ({"low": "", "high": ""}, "at least one limit"),
        ({"low": "abc"}, "not a number"),
        ({"low": "-1"}, "below zero"),
        ({"unit": "kg"}, "kg"),
        ({"unit": "UI/L"}, "UI/L"),
        ({"analyte": "XYZ"}, "XYZ"),
        ({"sex": "X"}, "X"),
        ({"from_on": "32/01/2026"}, "does not exist in the calendar"),
        ({"from_on": "01/01/1950"}, "too early"),
    ],
)
def test_a_wrong_range_is_refused_and_what_was_typed_stays(play: Play, change: dict[str, str], words: str) -> None:
    """ECRF-331: limits in order, a unit that the analyte takes, a day that can be; nothing is saved."""
    count = LaboratoryRange.objects.count()
    answer = play.client.post(address(play), said(**change))
    assert answer.status_code in (403, 422)
    assert words in answer.content.decode()
    assert LaboratoryRange.objects.count() == count
    assert f'value="{change.get("high", "172,5")}"' in answer.content.decode() or change.get("high") == ""


def test_a_correction_reaches_what_was_read_at_the_site_before_a_transfer(play: Play) -> None:
    """ECRF-339: the ranges of the former site stay those of its days; those of the new site change nothing there."""
    cast, today = play.cast, clock.today()
    for site in (cast.site, cast.other_site):
        laboratories.set_ranges(site=site, ranges=[Range("HGB", "M", "", "12", "17")], from_on=today, by=None)
    play.save(hgb=Typed(text="12.5", unit="g/dL"), done_on=today.strftime("%d/%m/%Y"))
    with clock.simulated(clock.now() + dt.timedelta(days=3)):
        transfers.transfer(
            participant=play.participant,
            to_site=cast.other_site,
            on=clock.today(),
            reason="Moved",
            by=cast.dan_data_manager,
        )
        held = {row.site_id: row for row in LaboratoryRange.objects.filter(analyte="HGB", sex="M", from_on=today)}
        changed = [
            laboratories.correct(
                laboratory_range=held[site.pk], unit="", low="13", high="17", reason="Typing error", by=person
            )[1]
            for site, person in ((cast.other_site, cast.oscar_coordinator), (cast.site, cast.theo_coordinator))
        ]
    assert changed == [0, 1]
    assert play.stored("hgb")["extra"]["lo"] == "13"


def test_the_site_sets_its_ranges_and_others_read_them(play: Play) -> None:
    """ECRF-332: a sponsor's role never changes a site's value; another site is not found; the same day twice is not."""
    cast = play.cast
    for reader in (cast.mona_monitor, cast.dan_data_manager, cast.paul_sponsor):
        client = cast.client_of(reader)
        page = client.get(address(play)).content.decode()
        assert "13 – 17 g/dL" in page.replace("13.0", "13").replace("17.0", "17") and "Add the range" not in page
        assert client.post(address(play), said()).status_code == 403
    for stranger in (cast.oscar_coordinator, cast.adam_admin, cast.bruno_blinded):
        assert cast.client_of(stranger).get(address(play)).status_code == 404
        assert cast.client_of(stranger).post(address(play), said()).status_code == 404
    assert play.client.post(address(play), said()).status_code == 302
    assert "already kept" in play.client.post(address(play), said()).content.decode()


def test_a_value_is_read_under_the_range_of_its_sample(play: Play, tmp_path: Path) -> None:
    """ECRF-333: by the date of the form and the participant's sex; flag on the page, limits and flag in the dataset."""
    today = clock.today()
    before = (today - dt.timedelta(days=40)).strftime("%d/%m/%Y")
    laboratories.set_ranges(
        site=play.cast.site, by=play.by, from_on=today - dt.timedelta(days=10),
        ranges=[Range("HGB", "M", "g/dL", "11", "16"), Range("HGB", "F", "g/dL", "9", "12")],
    )  # fmt: skip
    for typed, day, flag, words in (
        ("12.5", before, "L", "Below the range"),
        ("12.5", today.strftime("%d/%m/%Y"), "N", "Within the range"),
        ("16.1", today.strftime("%d/%m/%Y"), "H", "Above the range"),
    ):
        play.post({"hgb": typed, "hgb__unit": "g/dL", "done_on": day})
        assert words in play.client.get(play.url).content.decode()
        line = dataset(tmp_path / flag)[0]
        assert line["HGB_FLAG"] == flag
    assert (line["HGB_LO"], line["HGB_HI"]) == ("11", "16")


def test_flags_follow_while_typing(play: Play) -> None:
    """ECRF-334: the answer to a changed field says the flag; an emptied value has none."""
    for typed, flag in (("9", "low"), ("14", "normal"), ("19", "high"), ("", "")):
        answer = play.client.post(
            f"{play.url}evaluate/", json.dumps({"fields": {"hgb": typed}, "changed": ["hgb"]}),
            content_type="application/json",
        )  # fmt: skip
        assert answer.json()["flags"]["hgb"][0] == flag


def test_a_corrected_range_is_read_again_where_it_was_wrong(play: Play) -> None:
    """ECRF-335: with a reason; the values say so in their trail; a frozen form keeps its limits and gets a finding."""
    play.save(hgb=Typed("12.5", unit="g/dL"), done_on=clock.today().strftime("%d/%m/%Y"))
    wrong = LaboratoryRange.objects.get(site=play.cast.site, analyte="HGB", sex="M")
    url = address(play, wrong.pk)
    typed = {"unit": "g/dL", "low": "12", "high": "17", "reason": ""}
    assert play.client.post(url, typed).status_code == 422
    assert play.cast.client_of(play.cast.dan_data_manager).post(url, {**typed, "reason": "x"}).status_code == 403

    assert play.client.post(url, {**typed, "reason": "Typing error"}).status_code == 302

    assert play.stored("hgb")["extra"] == {"lo": "12", "hi": "17"}
    change = Change.objects.filter(item="hgb").latest("pk")
    assert change.kind == ChangeKind.DERIVED and "laboratory range" in change.reason
    trail = play.client.get(url).content.decode()
    assert "Typing error" in trail and "13.0 – 17.0 g/dL" in trail.replace("13 –", "13.0 –").replace("17 g", "17.0 g")
    record = play.record
    record.frozen_at = clock.now()
    audit.save(record, by=None)
    wrong.refresh_from_db()
    _range, changed = laboratories.correct(
        laboratory_range=wrong, unit="g/L", low="110", high="170", reason="Other sheet", by=play.by
    )
    assert changed == 0 and play.stored("hgb")["extra"]["lo"] == "12"
    assert Finding.objects.get(check_id="recompute:hgb").state == "open"
    with pytest.raises(Refused, match="kept already"):
        laboratories.correct(laboratory_range=_range, unit="g/L", low="110", high="170", reason="x", by=play.by)


def test_a_value_shows_the_grade_that_it_reaches(cast: Cast, tmp_path: Path) -> None:
    """ECRF-357: on the form in words, in the dataset as a number, against the baseline where CTCAE v5.0 says so."""
    participant = cast.consented()
    cast.fill(participant, "laboratory", visit="SCR", hgb="9.5", alt="136", creatinine="90", calcium="2.80",
              albumin="30")  # fmt: skip
    visit = cast.visit(participant, "SCR")
    page = cast.client_of(cast.theo_coordinator).get(
        f"/participants/{participant.code}/visits/{visit.pk}/forms/laboratory/"
    )
    text = page.content.decode()
    assert "Anemia, grade 2" in text and "Alanine aminotransferase increased, grade 2" in text
    assert "Hypercalcemia, grade 2" in text  # 2.80 + 0.02 × (40 − 30) = 3.00 mmol/L
    line = dataset(tmp_path / "out", "laboratory")[0]
    assert (line["HGB_TOXGR"], line["ALT_TOXGR"], line["CALCIUM_TOXGR"]) == ("2", "2", "")
    assert line["CALCIUM_CORRECTED_TOXGR"] == "2" and line["CALCIUM_CORRECTED_FLAG"] == "H"
    assert Participant.objects.get(pk=participant.pk).randomized_on is None


def test_the_page_of_ranges_takes_few_statements(play: Play, django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]
    """ECRF-336: whatever the number of ranges."""
    for day in range(40):
        laboratories.set_ranges(
            site=play.cast.site, from_on=clock.today() - dt.timedelta(days=day), by=None,
            ranges=[Range("HGB", sex, "g/dL", "11", "16") for sex in ("M", "F")],
        )  # fmt: skip
    with django_assert_max_num_queries(15):
        play.client.get(address(play))
