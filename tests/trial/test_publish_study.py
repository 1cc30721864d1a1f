"""`publish_study`: a folder becomes a version, or every problem is told."""

from __future__ import annotations

import shutil
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from audit import clock
from trial.definitions import definition_of
from trial.models import Study, Version

pytestmark = [pytest.mark.django_db]
STUDY = Path(__file__).resolve().parents[2] / "studies" / "storm01"


def publish(*words: object) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("publish_study", *map(str, words), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(STUDY, tmp_path / "study")
    return tmp_path / "study"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_changed_folder_is_the_next_version_and_the_same_folder_none(folder):
    """TRIAL-240: number, hash, reason and person are kept; the same content stays the same version."""
    from trial.actions import people

    person = people.create(email="d@example.org", given_name="D", family_name="M", password=None, by=None)
    publish(STUDY)
    with pytest.raises(CommandError, match="Only an administrator"):
        publish(folder, "--by", "D@example.org")
    people.delegate(person=person, role="administrator", site=None, starts_on=clock.today(), by=None)
    newest = Version.objects.order_by("-number")[0]
    edit(folder / "study.yaml", 'protocol_version: "1.0"', 'protocol_version: "1.1"')
    out, _err = publish(folder, "--by", "D@example.org", "--reason", "Amendment 1")
    made = Version.objects.order_by("-number")[0]
    assert (made.number, made.label, made.reason) == (newest.number + 1, "1.1", "Amendment 1")
    assert made.published_by == person
    assert made.content_hash in out
    assert definition_of(made.pk).content_hash == made.content_hash
    out, _err = publish(folder)
    assert "nothing was stored" in out
    assert Version.objects.count() == made.number


def test_every_problem_is_told_with_place_and_remedy_and_nothing_is_stored(folder):
    """TRIAL-241: exit code 1; each line has code, file, place, fault, remedy."""
    before = Version.objects.count()
    edit(folder / "schedule.yaml", "forms: [progression]", "forms: [progresion]")
    edit(folder / "study.yaml", "target: 114", "target: many")
    err = StringIO()
    with pytest.raises(CommandError, match="nothing was stored") as refused:
        call_command("publish_study", str(folder), stdout=StringIO(), stderr=err)
    assert refused.value.returncode == 1
    told = err.getvalue()
    assert "study.yaml" in told
    assert "DEF013" in told
    assert "Write" in told
    assert Version.objects.count() == before


def test_a_folder_that_is_none_and_a_person_that_is_none(tmp_path):
    """TRIAL-242: words, not a traceback."""
    with pytest.raises(CommandError, match="is not a folder"):
        publish(tmp_path / "nowhere")
    with pytest.raises(CommandError, match="nobody@example"):
        publish(STUDY, "--by", "nobody@example.org")
    with pytest.raises(CommandError):
        publish(tmp_path)


def test_another_study_needs_another_database(folder):
    """TRIAL-243: refused in words; the study stays as it is."""
    publish(STUDY)
    for path in folder.rglob("*.yaml"):
        path.write_text(path.read_text().replace("code: STORM01", "code: OTHER"))
    with pytest.raises(CommandError, match="a database of its own"):
        publish(folder)
    with pytest.raises(CommandError, match="training needs a database of its own"):
        publish(STUDY, "--simulated")
    assert not Study.objects.get().is_simulated
    assert Study.objects.get().code == "STORM01"


@pytest.mark.template("migrated")
@pytest.mark.django_db(transaction=True)
def test_the_first_publication_marks_a_simulated_database():
    """TRIAL-244: `--simulated` is what shows the banner; it is told once, at the first publication."""
    out, _err = publish(STUDY, "--simulated")
    assert "Version 1" in out
    assert Study.objects.get().is_simulated
