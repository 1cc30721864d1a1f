"""Sites and what the study says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.cast import STUDY_FOLDER
from trial.actions import studies
from trial.definition import load_folder
from trial.models import Version
from trial.study_words import StudyWords

from .helpers import words

pytestmark = pytest.mark.django_db


def amended(tmp_path: Path) -> Path:
    """The study folder with one parameter moved."""
    folder = tmp_path / "storm01"
    shutil.copytree(STUDY_FOLDER, folder)
    text = (folder / "study.yaml").read_text()
    (folder / "study.yaml").write_text(text.replace("value: 40", "value: 50"))
    return folder


def test_site_staff_see_their_site_and_sponsor_roles_all(cast):
    """TRIAL-230: dates, version, counts for those who see participants; another site is not found."""
    cast.screened()
    own = cast.client_of(cast.theo_coordinator)
    assert "Hôpital du Parc" not in words(own.get("/sites/"))
    assert own.get("/sites/02/").status_code == own.get("/sites/99/").status_code == 404
    page = words(own.get("/sites/01/"))
    assert "Théo Coordinator" in page
    assert "Oscar" not in page
    assert "/delegations/" not in page
    everything = words(cast.client_of(cast.dan_data_manager).get("/sites/"))
    assert "Centre des Tilleuls" in everything
    assert "Hôpital du Parc" in everything
    assert "/delegations/" in words(cast.client_of(cast.adam_admin).get("/sites/01/"))
    assert "Screened" not in words(cast.client_of(cast.adam_admin).get("/sites/"))


@pytest.mark.parametrize("locale", ["en", "fr"])
def test_every_part_and_every_form_can_be_read(cast, locale):
    """TRIAL-231: each part and each form's page opens in both languages with its labels."""
    cast.theo_coordinator.locale = locale
    from trial.actions import people
    from trial.models import Person

    people.set_locale(person=Person.objects.get(pk=cast.theo_coordinator.pk), locale=locale, by=cast.theo_coordinator)
    client = cast.client_of(cast.theo_coordinator)
    for part in ("overview", "visits", "forms", "eligibility", "parameters"):
        assert client.get(f"/study/?part={part}").status_code == 200, part
    for form in cast.definition.forms.values():
        page = words(client.get(f"/study/forms/{form.id}/"))
        for item in form.items:
            assert f"{item}" in page
    assert client.get("/study/?part=nonsense").status_code == 404
    assert client.get("/study/forms/nonsense/").status_code == 404
    assert client.get("/study/?version=77").status_code == 404
    assert client.get("/study/?version=x").status_code == 404


def test_an_item_says_what_it_feeds_and_what_feeds_it(cast):
    """TRIAL-232: the words follow the definition's own dependencies, both ways."""
    said = StudyWords(cast.definition, "en")
    fed = 0
    for form in cast.definition.forms.values():
        for group in said.form(form)["groups"]:
            for item in group["items"]:
                assert bool(item["feeds"]) == bool(cast.definition.readers.get((form.id, item["id"])))
                assert bool(item["fed_by"]) >= bool(cast.definition.fed_by(form.id, item["id"]))
                fed += bool(item["fed_by"])
    assert fed > 20
    bmi = [c for c in said.criteria() if c["id"] == "I05"]
    assert bmi[0]["is_inclusion"]


def test_no_page_of_the_study_names_a_block_size(cast):
    """TRIAL-233: the confidential parameters of the list are in no page, whatever was drafted."""
    cast.list_in_use()
    client = cast.client_of(cast.stella_statistician)
    for address in ("/study/", "/study/?part=parameters", "/study/versions/"):
        assert "block" not in words(client.get(address)).lower()


def test_the_difference_between_versions_is_read_in_words(cast, tmp_path):
    """TRIAL-234: the new version against the one before; the first has nothing to compare with."""
    client = cast.client_of(cast.dan_data_manager)
    assert "This is the first version" in words(client.get("/study/versions/"))
    version, problems = studies.publish(path=amended(tmp_path), by=None, reason="Amendment 1")
    assert version is not None, problems
    page = words(client.get("/study/versions/"))
    assert "Amendment 1" in page
    assert "40" in page.split("What changed")[-1]
    assert "50" in page.split("What changed")[-1]
    assert "This is the first version" in words(client.get("/study/versions/?version=1"))


def test_site_staff_read_the_version_in_force_at_their_site(cast, tmp_path):
    """TRIAL-235: a version that the site has not activated is not what it works under."""
    studies.publish(path=amended(tmp_path), by=None, reason="Amendment 1")
    assert "Version 1 ·" in words(cast.client_of(cast.theo_coordinator).get("/study/"))
    assert "Version 2 ·" in words(cast.client_of(cast.dan_data_manager).get("/study/"))
    assert "Version 2 ·" in words(cast.client_of(cast.theo_coordinator).get("/study/?version=2"))


def test_what_changed_for_one_arm_is_for_those_who_see_arms(cast, tmp_path):
    """TRIAL-236: sentences that tell an arm are left out for the others."""
    folder = tmp_path / "storm01"
    shutil.copytree(STUDY_FOLDER, folder)
    path = folder / "schedule.yaml"
    text = path.read_text()
    path.write_text(text.replace('{en: "SRT planning"', '{en: "SRT planning, changed"'))
    definition, problems = load_folder(folder)
    assert definition is not None, problems
    assert yaml.safe_load(path.read_text())
    studies.publish(path=folder, by=None, reason="Amendment 2")
    assert Version.objects.count() == 2
    assert "SRT planning, changed" in words(cast.client_of(cast.dan_data_manager).get("/study/versions/"))
    assert "SRT planning, changed" not in words(cast.client_of(cast.bruno_blinded).get("/study/versions/"))
