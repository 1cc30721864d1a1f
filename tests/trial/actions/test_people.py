"""People, their passwords and their delegations."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.exceptions import ValidationError

from audit import clock
from audit.errors import Refused
from audit.models import Deed
from tests.cast import PASSWORD, Cast
from trial.actions import people
from trial.models import Credential, Delegation, Person, Role
from trial.permissions import Permission, can

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


@pytest.fixture
def nora(cast: Cast) -> Person:
    """Somebody with an account and no role."""
    return people.create(
        email="Nora.New@Example.org", given_name="Nora", family_name="New", password=PASSWORD, by=cast.adam_admin
    )


class TestAccount:
    def test_an_account_holds_a_name_an_address_and_a_hash_outside_history(self, cast: Cast, nora: Person) -> None:
        """TRL-260: no copy of the hash in the ledger or in history."""
        assert (nora.email, nora.printed_name, nora.check_password(PASSWORD)) == (
            "nora.new@example.org",
            "Nora New",
            True,
        )
        deed = Deed.objects.get(verb="person.created", target_id=str(nora.pk))
        assert PASSWORD not in str(deed.details)
        assert not any("password" in field.name for field in nora.history.model._meta.get_fields())

    def test_one_account_per_address_whatever_its_letters(self, cast: Cast, nora: Person) -> None:
        """TRL-261: 21 CFR 11.100(a)."""
        with pytest.raises(Refused, match="already an account"):
            people.create(
                email="NORA.new@example.ORG", given_name="N", family_name="N", password=None, by=cast.adam_admin
            )

    def test_a_weak_password_opens_no_account(self, cast: Cast) -> None:
        """TRL-262: nothing half done."""
        with pytest.raises(ValidationError):
            people.create(email="w@example.org", given_name="W", family_name="W", password="123", by=cast.adam_admin)
        assert not Person.objects.filter(email="w@example.org").exists()

    def test_only_administrators_open_and_close_accounts(self, cast: Cast, nora: Person) -> None:
        """TRL-263: wrong role."""
        for person in (cast.theo_coordinator, cast.dan_data_manager, cast.aude_auditor, nora):
            with pytest.raises(Refused):
                people.create(email="x@example.org", given_name="X", family_name="X", password=None, by=person)
            with pytest.raises(Refused):
                people.deactivate(person=cast.mona_monitor, by=person, reason="x")
            with pytest.raises(Refused):
                people.set_password(person=cast.mona_monitor, password=PASSWORD + "!", by=person)

    def test_a_closed_account_keeps_its_name_and_loses_its_rights(self, cast: Cast) -> None:
        """TRL-264: with a reason, once, never one's own."""
        with pytest.raises(Refused, match="own account"):
            people.deactivate(person=cast.adam_admin, by=cast.adam_admin, reason="x")
        with pytest.raises(Refused, match="reason"):
            people.deactivate(person=cast.theo_coordinator, by=cast.adam_admin, reason=" ")
        people.deactivate(person=cast.theo_coordinator, by=cast.adam_admin, reason="Left")
        theo = Person.objects.get(pk=cast.theo_coordinator.pk)
        assert not can(theo, Permission.PARTICIPANT_VIEW)
        assert theo.printed_name == "Théo Coordinator"
        with pytest.raises(Refused, match="already closed"):
            people.deactivate(person=theo, by=cast.adam_admin, reason="Left")

    def test_a_person_changes_their_own_password_and_it_is_told_without_it(self, cast: Cast) -> None:
        """TRL-265: the ledger says that, not what."""
        people.set_password(person=cast.theo_coordinator, password="another staple 88", by=cast.theo_coordinator)
        assert Person.objects.get(pk=cast.theo_coordinator.pk).check_password("another staple 88")
        assert Credential.objects.filter(person=cast.theo_coordinator).count() == 1
        assert "staple" not in str(Deed.objects.get(verb="person.password_changed").details)


class TestDelegation:
    def give(self, cast: Cast, person: Person, role: str, **said: object) -> Delegation:
        words = {"site": None, "starts_on": clock.today(), "by": cast.adam_admin} | said
        return people.delegate(person=person, role=role, **words)

    def test_a_role_is_in_force_at_once_where_it_was_given(self, cast: Cast, nora: Person) -> None:
        """TRL-270: without signing in again."""
        assert not can(nora, Permission.ENTER_GENERAL, cast.site.pk)
        self.give(cast, nora, Role.COORDINATOR, site=cast.site, may_randomize=True)
        assert can(nora, Permission.RANDOMIZE, cast.site.pk)
        deed = Deed.objects.filter(verb="delegation.given").latest("pk")
        assert (deed.details["role"], deed.details["site_number"], deed.site_id) == (
            "coordinator", "01", cast.site.pk,
        )  # fmt: skip

    def test_what_no_delegation_can_be(self, cast: Cast, nora: Person) -> None:
        """TRL-271: each in words, and nothing is stored."""
        today, site = clock.today(), cast.site
        wrong: list[tuple[str, dict[str, object], str]] = [
            (Role.COORDINATOR, {}, "needs its site"),
            (Role.SPONSOR, {"site": site}, "every site"),
            (Role.MONITOR, {"site": site, "may_randomize": True}, "coordinators and investigators"),
            (Role.STATISTICIAN_BLINDED, {"sees_arm": True}, "never sees"),
            (Role.COMMITTEE, {"sees_arm": True}, "never sees"),
            (Role.COORDINATOR, {"site": site, "ends_on": today - DAY}, "end before"),
            ("surgeon", {"site": site}, "no such role"),
        ]
        for role, said, words in wrong:
            with pytest.raises(Refused, match=words):
                self.give(cast, nora, role, **said)
        assert not nora.delegations.exists()

    def test_nobody_delegates_to_themselves_or_without_the_right(self, cast: Cast, nora: Person) -> None:
        """TRL-272: separation of duties."""
        with pytest.raises(Refused, match="yourself"):
            self.give(cast, cast.adam_admin, Role.AUDITOR)
        with pytest.raises(Refused, match="administrator"):
            self.give(cast, nora, Role.AUDITOR, by=cast.ines_investigator)

    def test_roles_that_nobody_holds_at_once(self, cast: Cast) -> None:
        """TRL-273: site and sponsor, administrator and anything else, blinded and unblinded."""
        for person, role, said in (
            (cast.theo_coordinator, Role.SPONSOR, {}),
            (cast.paul_sponsor, Role.COORDINATOR, {"site": cast.site}),
            (cast.theo_coordinator, Role.ADMINISTRATOR, {}),
            (cast.bruno_blinded, Role.STATISTICIAN_UNBLINDED, {}),
            (cast.bruno_blinded, Role.DATA_MANAGER, {"sees_arm": True}),
            (cast.bruno_blinded, Role.COMMITTEE, {}),
            (cast.stella_statistician, Role.STATISTICIAN_BLINDED, {}),
            (cast.dan_data_manager, Role.STATISTICIAN_BLINDED, {}),
        ):
            with pytest.raises(Refused):
                self.give(cast, person, role, **said)
        self.give(cast, cast.bruno_blinded, Role.DATA_MANAGER)
        self.give(cast, cast.theo_coordinator, Role.CO_INVESTIGATOR, site=cast.other_site)

    def test_a_role_of_the_past_hinders_nothing_but_blindness(self, cast: Cast, nora: Person) -> None:
        """TRL-274: people change their employer; who has seen arms stays unblinded."""
        earlier = {"site": cast.site, "starts_on": clock.today() - 90 * DAY, "ends_on": clock.today() - 30 * DAY}
        self.give(cast, nora, Role.COORDINATOR, **earlier)
        with pytest.raises(Refused, match="has seen"):
            self.give(cast, nora, Role.STATISTICIAN_BLINDED)
        self.give(cast, nora, Role.MONITOR, site=cast.other_site)
        assert not can(nora, Permission.ENTER_GENERAL, cast.site.pk)

    def test_an_end_is_its_last_day_and_stays_in_the_ledger(self, cast: Cast) -> None:
        """TRL-275: with a reason, once, not before the start."""
        held, admin = cast.theo_coordinator.delegations.get(), cast.adam_admin
        with pytest.raises(Refused, match="before it starts"):
            people.end_delegation(delegation=held, on=held.starts_on - DAY, by=admin, reason="Left")
        with pytest.raises(Refused, match="reason"):
            people.end_delegation(delegation=held, on=clock.today(), by=admin, reason="")
        people.end_delegation(delegation=held, on=clock.today(), by=admin, reason="Left")
        assert can(Person.objects.get(pk=cast.theo_coordinator.pk), Permission.ENTER_GENERAL, cast.site.pk)
        with pytest.raises(Refused, match="already ended"):
            people.end_delegation(delegation=held, on=clock.today(), by=admin, reason="Left")
        assert Deed.objects.get(verb="delegation.ended").details["reason"] == "Left"
