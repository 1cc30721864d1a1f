"""Who may do what, where and when: the table of DOMAIN, "Who does what by default", role by role."""

from __future__ import annotations

import datetime as dt

import pytest

from audit import clock
from audit.errors import Refused
from tests.cast import Cast
from trial.actions import people
from trial.definition.model import Role as FolderRole
from trial.models import Delegation, Person, Role
from trial.permissions import (
    AREAS,
    GRANTS,
    NEVER_SEES_ARM,
    REFUSALS,
    SITE_ROLES,
    Permission,
    _access_from,
    access_of,
    can,
    check,
    forget_access,
    grants_of,
)
from trial.selectors import participants_for, sites_for

P = Permission
R = Role

WHO: dict[Permission, set[Role]] = {
    # reads
    P.STUDY_VIEW: set(R),
    P.PARTICIPANT_VIEW: set(R) - {R.STATISTICIAN_BLINDED, R.STATISTICIAN_UNBLINDED, R.COMMITTEE, R.ADMINISTRATOR},
    P.RECORD_VIEW: set(R) - {R.STATISTICIAN_BLINDED, R.STATISTICIAN_UNBLINDED, R.COMMITTEE, R.ADMINISTRATOR},
    P.AUDIT_VIEW: {
        R.COORDINATOR, R.INVESTIGATOR, R.CO_INVESTIGATOR, R.RADIATION_ONCOLOGIST, R.RADIOLOGIST,
        R.MONITOR, R.DATA_MANAGER, R.SAFETY_OFFICER, R.AUDITOR,
    },
    P.LEDGER_VIEW: {R.MONITOR, R.DATA_MANAGER, R.AUDITOR},
    P.REDACTION_PROPOSE: {R.MONITOR, R.DATA_MANAGER},
    P.REDACTION_APPROVE: {R.DATA_MANAGER, R.SPONSOR},
    P.PARTICIPANT_TRANSFER: {R.DATA_MANAGER},
    P.CONSENT_DOCUMENTS: {R.DATA_MANAGER, R.SPONSOR},
    P.EXPORT: {R.SPONSOR, R.DATA_MANAGER, R.STATISTICIAN_BLINDED},
    P.SAFETY_VIEW: {
        R.COORDINATOR, R.INVESTIGATOR, R.CO_INVESTIGATOR, R.MONITOR, R.DATA_MANAGER, R.SAFETY_OFFICER, R.SPONSOR,
        R.AUDITOR,
    },
    P.LIST_VIEW: {R.STATISTICIAN_BLINDED, R.STATISTICIAN_UNBLINDED, R.AUDITOR},
    # by arm: only who DOMAIN names, and never by the role alone
    P.ARM_BALANCE: {R.STATISTICIAN_UNBLINDED, R.COMMITTEE},
    # enters: the site's staff, the specialists their areas
    P.PARTICIPANT_SCREEN: {R.COORDINATOR, R.INVESTIGATOR, R.CO_INVESTIGATOR},
    P.STATUS_RECORD: {R.COORDINATOR, R.INVESTIGATOR, R.CO_INVESTIGATOR},
    P.VISIT_RECORD: {R.COORDINATOR, R.INVESTIGATOR, R.CO_INVESTIGATOR},
    P.ENTER_GENERAL: {R.COORDINATOR, R.INVESTIGATOR, R.CO_INVESTIGATOR},
    P.ENTER_SAFETY: {R.COORDINATOR, R.INVESTIGATOR, R.CO_INVESTIGATOR},
    P.ENTER_SRT: {R.COORDINATOR, R.INVESTIGATOR, R.CO_INVESTIGATOR, R.RADIATION_ONCOLOGIST},
    P.ENTER_IMAGING: {R.COORDINATOR, R.INVESTIGATOR, R.CO_INVESTIGATOR, R.RADIATION_ONCOLOGIST, R.RADIOLOGIST},
    # judges, signs
    P.SIGN_ELIGIBILITY: {R.INVESTIGATOR, R.CO_INVESTIGATOR},
    P.SIGN_RECORD: {R.INVESTIGATOR, R.CO_INVESTIGATOR, R.RADIATION_ONCOLOGIST, R.RADIOLOGIST},
    P.REVIEW: {R.DATA_MANAGER},
    P.FREEZE: {R.DATA_MANAGER},
    P.LOCK: {R.DATA_MANAGER},
    P.LIST_DRAFT: {R.STATISTICIAN_UNBLINDED},
    P.LIST_APPROVE: {R.STATISTICIAN_UNBLINDED},
    P.SAFETY_RECEIVE: {R.SAFETY_OFFICER},
    # queries, verifies
    P.QUERY_ASK: {R.MONITOR, R.DATA_MANAGER, R.SAFETY_OFFICER},
    P.QUERY_ANSWER: {R.COORDINATOR, R.INVESTIGATOR, R.CO_INVESTIGATOR, R.RADIATION_ONCOLOGIST, R.RADIOLOGIST},
    P.VERIFY: {R.MONITOR, R.DATA_MANAGER, R.SAFETY_OFFICER},
    # people and settings
    P.PEOPLE_MANAGE: {R.ADMINISTRATOR},
    P.SITES_MANAGE: {R.ADMINISTRATOR},
    # by delegation only
    P.RANDOMIZE: set(),
    P.ARM_VIEW: set(),
}  # fmt: skip
WRITES = set(P) - {
    P.STUDY_VIEW, P.PARTICIPANT_VIEW, P.RECORD_VIEW, P.AUDIT_VIEW, P.LEDGER_VIEW, P.EXPORT, P.SAFETY_VIEW, P.LIST_VIEW,
    P.ARM_BALANCE, P.ARM_VIEW,
}  # fmt: skip


def delegation(role: str, *, site_id: int | None = 1, **flags: bool) -> Delegation:
    """A delegation that is not stored."""
    return Delegation(role=role, site_id=site_id, starts_on=dt.date(2026, 1, 1), **flags)


class TestTheTable:
    def test_the_table_below_names_every_permission(self) -> None:
        """TRL-100: a new permission is decided for each role, or this fails."""
        assert set(WHO) == set(P)
        assert set(GRANTS) == set(R)

    @pytest.mark.parametrize("permission", P)
    def test_each_permission_belongs_to_exactly_the_roles_of_the_domain(self, permission: Permission) -> None:
        """TRL-101: role × permission."""
        assert {role for role in R if permission in GRANTS[role]} == WHO[permission]

    @pytest.mark.parametrize("permission", P)
    def test_every_permission_is_refused_in_words(self, permission: Permission) -> None:
        """TRL-102: whoever is refused is told why."""
        assert REFUSALS[permission]().endswith(".")

    @pytest.mark.parametrize("role", sorted(set(R) - SITE_ROLES))
    def test_no_sponsor_role_ever_enters_signs_or_answers_for_a_site(self, role: Role) -> None:
        """TRL-103: a sponsor's role never changes a site's value."""
        ours = {*AREAS.values(), P.PARTICIPANT_SCREEN, P.STATUS_RECORD, P.VISIT_RECORD, P.QUERY_ANSWER}
        ours |= {P.SIGN_RECORD, P.SIGN_ELIGIBILITY, P.RANDOMIZE}
        assert not ours & grants_of(delegation(role, site_id=None, may_randomize=True, sees_arm=True))

    def test_the_auditor_reads_and_writes_nothing(self) -> None:
        """TRL-104: DOMAIN: everything, writes nothing."""
        assert not WRITES & grants_of(delegation(R.AUDITOR, site_id=None, sees_arm=True))

    def test_the_administrator_has_no_clinical_data(self) -> None:
        """TRL-105: DOMAIN: people and settings, no clinical data."""
        assert grants_of(delegation(R.ADMINISTRATOR, sees_arm=True)) == {
            P.PEOPLE_MANAGE, P.SITES_MANAGE, P.STUDY_VIEW,
        }  # fmt: skip


ENTERS = {P.ENTER_GENERAL, P.ENTER_SRT, P.ENTER_IMAGING, P.ENTER_SAFETY}
SIGNS = {P.SIGN_ELIGIBILITY, P.SIGN_RECORD, P.REVIEW, P.FREEZE, P.LOCK, P.LIST_DRAFT, P.LIST_APPROVE, P.SAFETY_RECEIVE}
ASKS = {P.QUERY_ASK, P.QUERY_ANSWER, P.VERIFY}
YES = {P.QUERY_ASK, P.VERIFY}
ANSWERS = {P.QUERY_ANSWER}
CLINICAL = {P.PARTICIPANT_VIEW, P.RECORD_VIEW}
NONE: set[Permission] = set()
INVESTIGATES = (ENTERS, {P.SIGN_ELIGIBILITY, P.SIGN_RECORD}, {P.RANDOMIZE}, ANSWERS, CLINICAL, "own site")

DOMAIN_TABLE: dict[
    Role, tuple[set[Permission], set[Permission], set[Permission], set[Permission], set[Permission], str]
]
DOMAIN_TABLE = {
    # role: enters | judges, signs | randomizes (where delegated) | queries, verifies | reads | where
    R.COORDINATOR: (ENTERS, NONE, {P.RANDOMIZE}, ANSWERS, CLINICAL, "own site"),
    R.INVESTIGATOR: INVESTIGATES,
    R.CO_INVESTIGATOR: INVESTIGATES,
    R.RADIATION_ONCOLOGIST: (
        {P.ENTER_SRT, P.ENTER_IMAGING}, {P.SIGN_RECORD}, NONE, ANSWERS, CLINICAL, "own site",
    ),
    R.RADIOLOGIST: ({P.ENTER_IMAGING}, {P.SIGN_RECORD}, NONE, ANSWERS, CLINICAL, "own site"),
    R.MONITOR: (NONE, NONE, NONE, YES, CLINICAL | {P.AUDIT_VIEW}, "assigned sites"),
    R.DATA_MANAGER: (NONE, {P.REVIEW, P.FREEZE, P.LOCK}, NONE, YES, CLINICAL, "all sites"),
    R.SAFETY_OFFICER: (NONE, {P.SAFETY_RECEIVE}, NONE, YES, CLINICAL, "all sites"),
    R.SPONSOR: (NONE, NONE, NONE, NONE, CLINICAL | {P.EXPORT}, "all sites"),
    R.STATISTICIAN_BLINDED: (NONE, NONE, NONE, NONE, {P.EXPORT}, "pooled"),
    R.STATISTICIAN_UNBLINDED: (NONE, {P.LIST_DRAFT, P.LIST_APPROVE}, NONE, NONE, {P.ARM_BALANCE}, "by arm"),
    R.COMMITTEE: (NONE, NONE, NONE, NONE, {P.ARM_BALANCE}, "committee reports"),
    R.ADMINISTRATOR: (NONE, NONE, NONE, NONE, {P.PEOPLE_MANAGE, P.SITES_MANAGE}, "no clinical data"),
    R.AUDITOR: (
        NONE, NONE, NONE, NONE, CLINICAL | {P.AUDIT_VIEW, P.LEDGER_VIEW, P.SAFETY_VIEW, P.LIST_VIEW}, "everything",
    ),
}  # fmt: skip
"""DOMAIN, "Who does what by default", row by row and cell by cell."""


class TestTheDomainTable:
    """TRL-301: each cell, from the grants of a delegation with every flag set."""

    def test_every_role_has_its_row(self) -> None:
        """TRL-301: a new role is decided cell by cell, or this fails."""
        assert set(DOMAIN_TABLE) == set(R)

    @pytest.mark.parametrize("role", R)
    def test_each_cell_of_the_row(self, role: Role) -> None:
        """TRL-301: enters; judges and signs; randomizes; queries and verifies; reads."""
        enters, signs, randomizes, asks, reads, where = DOMAIN_TABLE[role]
        at_site = where in ("own site", "assigned sites")
        granted = grants_of(delegation(role, site_id=1 if at_site else None, may_randomize=True))
        assert granted & ENTERS == enters
        assert granted & SIGNS == signs
        assert granted & {P.RANDOMIZE} == randomizes
        assert granted & ASKS == asks
        assert granted >= reads
        if not reads & CLINICAL:
            assert not granted & {*CLINICAL, P.AUDIT_VIEW, P.LEDGER_VIEW, P.SAFETY_VIEW}

    @pytest.mark.parametrize("role", R)
    def test_what_a_role_reads_is_where_the_row_says(self, role: Role) -> None:
        """TRL-302: a site's role reads its site; a role of every site reads all."""
        where = DOMAIN_TABLE[role][-1]
        is_at_a_site = where in ("own site", "assigned sites")
        access = _access_from([delegation(role, site_id=1 if is_at_a_site else None)])
        reads_here, reads_there = access.has(P.RECORD_VIEW, 1), access.has(P.RECORD_VIEW, 2)
        if where in ("all sites", "everything"):
            assert (reads_here, reads_there) == (True, True)
        else:
            assert (reads_here, reads_there) == (is_at_a_site, False)


class TestTheTwoWordLists:
    def test_the_folder_and_the_house_know_the_same_roles(self) -> None:
        """TRL-303: `trial.definition` names roles without Django; both lists are the same words in the same order."""
        assert [str(role) for role in FolderRole] == [str(role) for role in R]
        assert [role.name for role in FolderRole] == [role.name for role in R]


class TestArms:
    @pytest.mark.parametrize("role", sorted(SITE_ROLES))
    def test_site_staff_see_the_arms_of_their_own_site_only(self, role: Role) -> None:
        """TRL-110: open label."""
        access = _access_from([delegation(role, site_id=1)])
        assert access.has(P.ARM_VIEW, 1)
        assert not access.has(P.ARM_VIEW, 2)

    @pytest.mark.parametrize("role", sorted(set(R) - SITE_ROLES - NEVER_SEES_ARM))
    def test_sponsor_staff_see_arms_by_name_only(self, role: Role) -> None:
        """TRL-111: named sponsor staff."""
        assert P.ARM_VIEW not in grants_of(delegation(role, site_id=None))
        assert P.ARM_VIEW in grants_of(delegation(role, site_id=None, sees_arm=True))

    @pytest.mark.parametrize("role", sorted(NEVER_SEES_ARM))
    def test_blind_roles_never_get_arms_whatever_else_they_hold(self, role: Role) -> None:
        """TRL-112: doubt leaves the person blinded: no flag and no second role gives the arm."""
        alone = _access_from([delegation(role, site_id=None, sees_arm=True)])
        beside = _access_from([delegation(role, site_id=None), delegation(R.SPONSOR, site_id=None, sees_arm=True)])
        at_site = _access_from([delegation(role, site_id=None), delegation(R.MONITOR, site_id=1, sees_arm=True)])
        for access in (alone, beside, at_site):
            assert not access.has(P.ARM_VIEW)
            assert not access.has(P.ARM_VIEW, 1)
            assert access.sites(P.ARM_VIEW) == frozenset()

    def test_the_blinded_statistician_gets_nothing_by_arm_from_another_role(self) -> None:
        """TRL-113: neither balance nor the list."""
        access = _access_from(
            [delegation(R.STATISTICIAN_BLINDED, site_id=None), delegation(R.STATISTICIAN_UNBLINDED, site_id=None)]
        )
        assert not any(access.has(p) for p in (P.ARM_BALANCE, P.LIST_DRAFT, P.LIST_APPROVE, P.ARM_VIEW))
        assert access.has(P.LIST_VIEW)

    def test_who_sees_a_participants_arm_does_not_see_balance_by_arm(self) -> None:
        """TRL-114: two rights, never mixed."""
        for role in set(R) - {R.STATISTICIAN_UNBLINDED, R.COMMITTEE}:
            assert P.ARM_BALANCE not in grants_of(delegation(role, sees_arm=True))


class TestRandomizing:
    @pytest.mark.parametrize("role", R)
    def test_randomizing_needs_its_delegation_and_a_role_that_may_have_it(self, role: Role) -> None:
        """TRL-115: coordinators and investigators, delegated."""
        assert P.RANDOMIZE not in grants_of(delegation(role))
        may = role in {R.COORDINATOR, R.INVESTIGATOR, R.CO_INVESTIGATOR}
        assert (P.RANDOMIZE in grants_of(delegation(role, may_randomize=True))) is may


@pytest.mark.django_db
class TestAccess:
    def test_a_delegation_holds_from_its_first_to_its_last_day(self, cast: Cast) -> None:
        """TRL-120: both ends included, and not a day more."""
        person = people.create(email="d@example.org", given_name="D", family_name="D", password=None, by=None)
        first, last = dt.date(2026, 3, 2), dt.date(2026, 3, 20)
        people.delegate(
            person=person, role=R.COORDINATOR, site=cast.site, starts_on=first, ends_on=last, by=cast.adam_admin
        )
        day = dt.timedelta(days=1)
        held = {
            on: access_of(person, on).has(P.ENTER_GENERAL, cast.site.pk)
            for on in (first - day, first, last, last + day)
        }
        assert list(held.values()) == [False, True, True, False]

    def test_a_delegation_holds_at_its_site_only(self, cast: Cast) -> None:
        """TRL-121: another site's data is not found."""
        theo = cast.theo_coordinator
        assert can(theo, P.ENTER_GENERAL, cast.site.pk)
        assert not can(theo, P.ENTER_GENERAL, cast.other_site.pk)
        assert list(sites_for(theo)) == [cast.site]
        assert set(sites_for(cast.dan_data_manager)) == {cast.site, cast.other_site}
        with pytest.raises(Refused, match="delegation in force") as refused:
            check(theo, P.VISIT_RECORD, cast.other_site.pk)
        assert refused.value.code == "permission.visit.record"

    def test_roles_at_two_sites_do_not_lend_each_other_rights(self, cast: Cast) -> None:
        """TRL-122: a monitor verifies at the assigned sites."""
        mona = cast.mona_monitor
        people.delegate(
            person=mona, role=R.MONITOR, site=cast.other_site, starts_on=clock.today(), sees_arm=False, by=None
        )
        access = access_of(mona)
        assert access.has(P.VERIFY, cast.other_site.pk)
        assert access.has(P.ARM_VIEW, cast.site.pk)
        assert not access.has(P.ARM_VIEW, cast.other_site.pk)
        assert access.role_names == ["monitor"]

    def test_nobody_and_a_closed_account_may_do_nothing(self, cast: Cast) -> None:
        """TRL-123: deny unless granted."""
        stranger = people.create(email="s@example.org", given_name="S", family_name="S", password=None, by=None)
        closed = people.deactivate(person=cast.theo_coordinator, by=cast.adam_admin, reason="Left the hospital")
        forget_access(closed)
        for person in (None, object(), stranger, closed):
            assert not any(can(person, permission) for permission in P)
            assert not participants_for(person).exists()

    def test_access_is_asked_once_per_person_and_day(self, cast: Cast, django_assert_num_queries: object) -> None:
        """TRL-124: one question to the database per request; another day, and a change, ask again."""
        theo = Person.objects.get(pk=cast.theo_coordinator.pk)
        with django_assert_num_queries(1):
            assert can(theo, P.ENTER_GENERAL, cast.site.pk)
            assert can(theo, P.RANDOMIZE, cast.site.pk)
            assert not can(theo, P.SIGN_RECORD, cast.site.pk)
        with django_assert_num_queries(1):
            assert not access_of(theo, cast.opened_on - dt.timedelta(days=1)).has(P.ENTER_GENERAL)
        held = theo.delegations.get()
        held.person = theo
        yesterday = clock.today() - dt.timedelta(days=1)
        assert can(theo, P.ENTER_GENERAL, cast.site.pk)
        people.end_delegation(delegation=held, on=yesterday, by=cast.adam_admin, reason="Left")
        assert not can(theo, P.ENTER_GENERAL, cast.site.pk)
