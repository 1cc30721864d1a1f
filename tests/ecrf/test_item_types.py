"""Each type of item through the page, the save, the audit trail, the dataset and the API."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from ecrf.models import Change, ChangeKind
from ecrf.where import Where
from reporting.writers import write_csv
from tests.ecrf.items_study import PDF, Play

pytestmark = pytest.mark.django_db


def dataset(folder: Path, name: str = "items") -> list[dict[str, str]]:
    """A table of the export, read back."""
    write_csv(folder, sites=None, arm_sites=frozenset(), includes_arms=False, simulated=False)
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# item → (as posted, value stored, words in the trail, column → cell of the dataset, value of the API)
TYPES: dict[str, tuple[Any, Any, str, dict[str, str], Any]] = {
    "words": ("  déjà vu ", "déjà vu", "déjà vu", {"WORDS": "déjà vu"}, "déjà vu"),
    "story": ("One\r\ntwo", "One\ntwo", "One", {"STORY": "One\ntwo"}, "One\ntwo"),
    "count_of": ("7", 7, "7", {"COUNT_OF": "7", "DOUBLE": "14"}, 7),
    "done_on": ("05032024", "2024-03-05", "5 Mar 2024", {"DONE_ON": "2024-03-05"}, "2024-03-05"),
    "since": ("UN/03/2024", "2024-03", "Mar 2024", {"SINCE": "2024-03"}, "2024-03"),
    "at_time": ("8h05", "08:05:00", "08:05", {"AT_TIME": "08:05:00"}, "08:05:00"),
    "moment": (
        "05/03/2024 14:30", "2024-03-05T14:30:00", "5 Mar 2024 14:30", {"MOMENT": "2024-03-05T14:30:00"},
        "2024-03-05T14:30:00",
    ),
    "one": ("1", "1", "1", {"ONE": "1"}, "1"),
    "several": (
        ["BONE", "LUNG"], ["LUNG", "BONE"], "Lung, Bone",
        {"SEVERAL__LUNG": "Y", "SEVERAL__BONE": "Y", "SEVERAL__SKIN": "N"}, ["LUNG", "BONE"],
    ),
    "agreed": ("no", False, "No", {"AGREED": "N"}, False),
    "scale": ("0", 0, "0", {"SCALE": "0"}, 0),
}  # fmt: skip


@pytest.mark.parametrize("item", TYPES)
def test_a_type_goes_from_the_page_to_the_dataset_and_the_api(play: Play, tmp_path: Path, item: str) -> None:
    """ECRF-320: what is typed on the page stands in the data, the trail, the dataset and the API, and comes back to
    the page as a person types it: saving the page again changes nothing."""
    typed, stored, words, cells, said = TYPES[item]

    assert play.post({item: typed}).status_code == 302

    assert play.stored(item)["value"] == stored
    assert Change.objects.get(item=item).kind == ChangeKind.ENTERED
    assert words in play.trail(item)
    line = dataset(tmp_path / "out")[0]
    assert {name: line[name] for name in cells} == cells
    assert line[f"{item.upper()}_STATUS"] == ""
    assert play.api()[item]["value"] == said
    count = Change.objects.count()
    assert play.post().status_code == 302
    assert Change.objects.count() == count


@pytest.mark.parametrize(
    ("typed", "unit", "standard"),
    [("13,5", "g/dL", "13.5"), ("135", "g/L", "13.5"), ("8.4", "mmol/L", "13.5324")],
)
def test_a_decimal_is_kept_in_its_unit_and_in_the_standard_one(
    play: Play, tmp_path: Path, typed: str, unit: str, standard: str
) -> None:
    """ECRF-321: value and unit as typed, and the standard value, are both kept, shown, exported and answered."""
    assert play.post({"hgb": typed, "hgb__unit": unit}).status_code == 302

    held = play.stored("hgb")
    assert (held["value"], held["unit"], held["typed"]) == (standard, unit, typed)
    page = play.client.get(play.url).context["page"]
    assert (page.fields["hgb"].replace(",", "."), page.fields["hgb__unit"]) == (typed.replace(",", "."), unit)
    line = dataset(tmp_path / "out")[0]
    assert (line["HGB"], line["HGB_ORIG"], line["HGB_ORIGU"]) == (standard, typed.replace(",", "."), unit)
    said = play.api()["hgb"]
    assert (said["value"], said["typed"], said["unit"]) == (standard, typed, unit)
    if unit != "g/dL":
        assert f"({typed} {unit})" in play.trail("hgb")


def test_seconds_are_not_lost_when_a_page_is_saved_again(play: Play) -> None:
    """ECRF-322: a time with seconds stands in its control with seconds."""
    play.post({"at_time": "08:05:07", "moment": "05/03/2024 14:30:09"})
    before = Change.objects.count()

    play.post()

    assert play.stored("at_time")["value"] == "08:05:07"
    assert play.stored("moment")["value"] == "2024-03-05T14:30:09"
    assert Change.objects.count() == before


def test_what_is_calculated_or_read_from_another_form_is_shown_and_never_typed(play: Play, tmp_path: Path) -> None:
    """ECRF-323: `derived` covers calculated and read-only items alike: a text and a choice of another form."""
    answer = play.post({"count_of": "4", "double": "99", "told": "Forged", "sex_shown": "F"})
    assert answer.status_code == 302

    assert (play.stored("double")["value"], play.stored("told")["value"]) == (8, "Reads well")
    assert play.stored("sex_shown")["value"] == "M"
    page = play.client.get(play.url).content.decode()
    assert 'data-derived="told"' in page and 'name="told"' not in page
    line = dataset(tmp_path / "out")[0]
    assert (line["TOLD"], line["SEX_SHOWN"], line["DOUBLE"]) == ("Reads well", "M", "8")
    said = play.api()
    assert said["told"]["derived"] and said["sex_shown"]["words"] == "Male"
    consent = Where(play.participant, "consent", visit=play.where.visit)
    play._save(consent, 1, {"remark": "Other"}, complete=True, reason="Read again")
    assert play.stored("told")["value"] == "Other"
    assert Change.objects.filter(item="told").latest("pk").kind == ChangeKind.DERIVED


def test_a_scale_is_never_answered_by_itself(play: Play) -> None:
    """ECRF-324: an untouched scale posts nothing; 0 is an answer; an emptied one is not answered."""
    page = play.client.get(play.url).content.decode()
    slider = page[page.index('class="vas__slider"') :].split(">")[0]
    assert "data-empty" in slider and "name=" not in slider
    assert 'id="f-scale" name="scale" value=""' in page

    play.post({"words": "x"})
    assert play.stored("scale") is None
    play.post({"scale": "0"})
    assert play.stored("scale")["value"] == 0
    play.post({"scale": ""})
    assert play.stored("scale") is None
    refused = play.post({"scale": "101"})
    assert refused.status_code == 422
    assert "above the highest possible value, 100" in refused.content.decode()


def test_five_things_stay_five(play: Play, tmp_path: Path) -> None:
    """ECRF-325: not asked, not done, unknown, not applicable and “no” differ on the page, in the data, in the trail,
    in the dataset and in the API; “not answered yet” is a sixth."""
    play.post({"only_yes": "kept", "agreed": "yes"})
    said = [
        ({"agreed": "", "agreed__missing": "ND"}, "Not done", ("", "ND")),
        ({"agreed": "", "agreed__missing": "UNK", "agreed__reason": "Lost file"}, "Unknown", ("", "UNK")),
        ({"agreed": "", "agreed__missing": "NA"}, "Not applicable", ("", "NA")),
        ({"agreed": "no", "agreed__missing": ""}, "No", ("N", "")),
    ]
    for number, (fields, words, cells) in enumerate(said):
        assert play.post(fields).status_code == 302
        assert words in play.trail("agreed")
        line = dataset(tmp_path / f"out{number}")[0]
        assert (line["AGREED"], line["AGREED_STATUS"]) == cells
        value = play.api()["agreed"]
        assert (value["missing"], value["words"]) == (cells[1], words)
        reader = play.cast.client_of(play.cast.mona_monitor).get(play.url).content.decode()
        assert f'id="f-agreed">{words}' in reader

    line = dataset(tmp_path / "hidden")[0]
    assert (line["ONLY_YES"], line["ONLY_YES_STATUS"]) == ("", "HIDDEN")  # kept, not asked any more
    assert play.stored("only_yes")["value"] == "kept"
    assert line["WORDS_STATUS"] == "EMPTY"


def test_a_missing_code_asks_its_reason_where_the_item_says_so(play: Play, tmp_path: Path) -> None:
    """ECRF-326: an item with `missing_reason` is complete only with words; they are kept, shown and exported."""
    refused = play.post({"why_not__missing": "ND"}, save="complete")
    assert refused.status_code == 422
    assert "Say in words why there is no value." in refused.content.decode()
    assert play.post({"why_not__missing": "ND"}).status_code == 302  # not finished yet

    saved = play.post({"why_not__missing": "ND", "why_not__reason": "Clotting disorder"}, save="complete")

    assert saved.status_code == 302
    assert play.stored("why_not") == {"missing": "ND", "reason": "Clotting disorder"}
    assert "Not done (Clotting disorder)" in play.trail("why_not")
    dataset(tmp_path / "out")
    line = dataset(tmp_path / "out", "missing_reasons")[0]
    assert (line["FORM"], line["ITEM"], line["STATUS"], line["REASON"]) == (
        "items", "why_not", "ND", "Clotting disorder",
    )  # fmt: skip
    assert play.api()["why_not"]["reason"] == "Clotting disorder"


def test_a_file_goes_from_the_page_to_the_dataset_and_the_api(play: Play, tmp_path: Path) -> None:
    """ECRF-327: without a script, the file comes with the form; its name, type, size and hash go everywhere."""
    answer = play.post({"report__file": SimpleUploadedFile("Compte rendu.pdf", PDF, "text/html")})
    assert answer.status_code == 302

    held = play.stored("report")
    assert held["extra"]["name"] == "Compte rendu.pdf"
    assert held["extra"]["media"] == "application/pdf"
    words = f"Compte rendu.pdf ({len(PDF)} B)"
    assert words in play.trail("report")
    page = play.client.get(play.url).content.decode()
    assert words in page and f"/files/{held['value']}/" in page
    line = dataset(tmp_path / "out")[0]
    assert (line["REPORT"], line["REPORT_NAME"], line["REPORT_TYPE"], line["REPORT_SIZE"]) == (
        held["value"], "Compte rendu.pdf", "application/pdf", str(len(PDF)),
    )  # fmt: skip
    assert len(line["REPORT_SHA256"]) == 64
    said = play.api()["report"]
    assert said["file"]["sha256"] == held["extra"]["sha256"]
    assert play.client.get(said["file"]["url"]).content == PDF
    before = Change.objects.count()
    play.post()
    assert Change.objects.count() == before
