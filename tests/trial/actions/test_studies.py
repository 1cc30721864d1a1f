"""Publishing a study folder, sites, and the version that is in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit import clock
from audit.errors import Refused
from audit.models import Deed
from tests.cast import Cast
from tests.trial.actions.arrange import DAY
from tests.trial.definition import small_study
from trial.actions import studies
from trial.definitions import definition_of, forget_definitions, latest_version, version_at
from trial.models import Person, Site, SiteActivation, Study, Version

STORM01 = Path(__file__).resolve().parents[3] / "studies" / "storm01"


@pytest.mark.django_db
class TestPublished:
    """In a database that holds STORM01."""

    def test_the_same_content_again_is_the_same_version(self) -> None:
        """TRL-280: whatever the reason given; nothing new is stored or told."""
        before, deeds = latest_version(), Deed.objects.count()
        version, problems = studies.publish(path=STORM01, by=None, reason="Once more")
        assert version is not None
        assert (version.pk, problems, Version.objects.count(), Deed.objects.count()) == (before.pk, [], 1, deeds)

    def test_another_studys_folder_is_refused(self, tmp_path: Path) -> None:
        """TRL-281: one study per database: training and trial never share one."""
        with pytest.raises(Refused, match=r"STORM01.*MINI"):
            studies.publish(path=small_study.write(tmp_path), by=None, reason="Training")
        assert Study.objects.count() == 1

    def test_a_site_number_is_given_once(self) -> None:
        """TRL-282: it opens every code."""
        study = Study.objects.get()
        kwargs = {"study": study, "name": "A", "city": "B", "opened_on": clock.today(), "by": None}
        studies.open_site(number="91", **kwargs)
        with pytest.raises(Refused, match="already a site 91"):
            studies.open_site(number="91", **kwargs)

    def test_a_version_is_in_force_at_a_site_from_its_day_on_and_once(self) -> None:
        """TRL-283: site by site."""
        version, today = latest_version(), clock.today()
        site = studies.open_site(
            study=version.study, number="91", name="A", city="B", opened_on=today - 9 * DAY, by=None
        )
        with pytest.raises(Version.DoesNotExist, match="91"):
            version_at(site)
        studies.activate(site=site, version=version, on=today - 2 * DAY, by=None)
        assert version_at(site) == version
        with pytest.raises(Version.DoesNotExist):
            version_at(site, today - 3 * DAY)
        with pytest.raises(Refused, match="already in force"):
            studies.activate(site=site, version=version, on=today, by=None)
        assert Deed.objects.filter(verb="version.activated", details__site_number="91").count() == 1


@pytest.mark.django_db
class TestWhoMay:
    """TRL-304: publishing, opening a site and putting a version into force are the administrator's."""

    def others(self, cast: Cast) -> list[Person]:
        return [
            cast.theo_coordinator, cast.ines_investigator, cast.mona_monitor, cast.dan_data_manager, cast.paul_sponsor,
            cast.stella_statistician, cast.aude_auditor,
        ]  # fmt: skip

    def test_a_site_is_opened_by_the_administrator_only(self, cast: Cast) -> None:
        """TRL-304: refused in words, nothing stored, nothing told; the administrator's deed bears the name."""
        said = {"study": cast.version.study, "name": "A", "city": "B", "opened_on": clock.today()}
        for person in self.others(cast):
            with pytest.raises(Refused, match="Only an administrator") as refused:
                studies.open_site(number="91", by=person, **said)
            assert refused.value.code == "permission.sites.manage"
        assert not Site.objects.filter(number="91").exists()
        site = studies.open_site(number="91", by=cast.adam_admin, **said)
        assert Deed.objects.get(verb="site.opened", target_id=str(site.pk)).by_id == cast.adam_admin.pk

    def test_a_version_is_put_into_force_by_the_administrator_only(self, cast: Cast) -> None:
        """TRL-304: wrong role; then the deed with its name."""
        site = studies.open_site(
            study=cast.version.study, number="91", name="A", city="B", opened_on=clock.today(), by=None
        )
        for person in self.others(cast):
            with pytest.raises(Refused, match="Only an administrator"):
                studies.activate(site=site, version=cast.version, on=clock.today(), by=person)
        assert not SiteActivation.objects.filter(site=site).exists()
        studies.activate(site=site, version=cast.version, on=clock.today(), by=cast.adam_admin)
        told = Deed.objects.get(verb="version.activated", details__site_number="91")
        assert told.by_id == cast.adam_admin.pk

    def test_a_folder_is_published_by_the_administrator_only(self, cast: Cast) -> None:
        """TRL-304: also where the content is already published."""
        for person in self.others(cast):
            with pytest.raises(Refused, match="Only an administrator"):
                studies.publish(path=STORM01, by=person, reason="Mine")
        version, _problems = studies.publish(path=STORM01, by=cast.adam_admin, reason="Once more")
        assert version == cast.version


@pytest.mark.django_db(transaction=True)
@pytest.mark.template("migrated")
class TestFirstPublication:
    """In a database that holds no study yet."""

    def test_a_wrong_folder_publishes_nothing_and_names_every_problem(self, tmp_path: Path) -> None:
        """TRL-284: three mistakes in three files come back together, each with file, place and remedy."""
        changes = {
            **small_study.replaced("forms/vitals.yaml", "sbp / 2", "spb / 2"),
            **small_study.replaced("schedule.yaml", "forms: [dose]", "forms: [doze]"),
            **small_study.replaced("study.yaml", "death: end.died_on", "death: end.dead_on"),
        }
        version, problems = studies.publish(path=small_study.write(tmp_path, changes), by=None, reason="First")
        assert version is None
        assert {p.file for p in problems} >= {"forms/vitals.yaml", "schedule.yaml", "study.yaml"}
        assert all(p.code and str(p) for p in problems)
        assert not Study.objects.exists()
        assert not Version.objects.exists()

    def test_versions_are_numbered_kept_whole_and_put_into_force_one_by_one(self, tmp_path: Path) -> None:
        """TRL-285: an amendment is a new version; the first stays what it was."""
        first, problems = studies.publish(path=small_study.write(tmp_path / "1"), by=None, reason="First")
        assert first is not None, problems
        changed = small_study.replaced("study.yaml", "value: 40", "value: 50")
        second, _problems = studies.publish(
            path=small_study.write(tmp_path / "2", changed), by=None, reason="Amendment"
        )
        assert second is not None
        assert (first.number, second.number, latest_version().pk) == (1, 2, second.pk)
        forget_definitions()
        sizes = [definition_of(v.pk).parameters["max_size"].value for v in (first, second)]
        assert sizes == [40, 50]
        assert definition_of(second.pk) is definition_of(second.pk)

        site = studies.open_site(study=first.study, number="01", name="A", city="B", opened_on=clock.today(), by=None)
        studies.activate(site=site, version=first, on=clock.today() - DAY, by=None)
        studies.activate(site=site, version=second, on=clock.today() + DAY, by=None)
        assert version_at(site) == first
        assert version_at(site, clock.today() + DAY) == second
        forget_definitions()
