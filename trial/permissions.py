"""Who may do what, where: roles grant permissions, delegations say at which sites and until when.

The table follows DOMAIN, "Who does what by default". Deny unless granted: a permission that no delegation in force
grants is refused, and a record of another site is *not found*, never *forbidden*.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import Any, ParamSpec

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audit import clock
from audit.errors import Refused
from audit.prepared import prepared

from .models import Delegation, Person, Role


class Permission(StrEnum):
    PARTICIPANT_VIEW = "participant.view"
    PARTICIPANT_SCREEN = "participant.screen"
    PARTICIPANT_TRANSFER = "participant.transfer"
    STATUS_RECORD = "status.record"
    VISIT_RECORD = "visit.record"
    RECORD_VIEW = "record.view"
    ENTER_GENERAL = "record.enter.general"
    ENTER_SRT = "record.enter.srt"
    ENTER_IMAGING = "record.enter.imaging"
    ENTER_SAFETY = "record.enter.safety"
    SIGN_ELIGIBILITY = "eligibility.sign"
    SIGN_RECORD = "record.sign"
    RANDOMIZE = "participant.randomize"
    QUERY_ASK = "query.ask"
    QUERY_ANSWER = "query.answer"
    VERIFY = "record.verify"
    REVIEW = "record.review"
    FREEZE = "record.freeze"
    LOCK = "record.lock"
    REDACTION_PROPOSE = "redaction.propose"
    REDACTION_APPROVE = "redaction.approve"
    AUDIT_VIEW = "audit.view"
    LEDGER_VIEW = "ledger.view"
    EXPORT = "data.export"
    ARM_VIEW = "arm.view"
    ARM_BALANCE = "arm.balance"
    LIST_VIEW = "list.view"
    LIST_DRAFT = "list.draft"
    LIST_APPROVE = "list.approve"
    SAFETY_VIEW = "safety.view"
    SAFETY_RECEIVE = "safety.receive"
    CONSENT_DOCUMENTS = "consent.documents"
    PEOPLE_MANAGE = "people.manage"
    SITES_MANAGE = "sites.manage"
    STUDY_VIEW = "study.view"


P = Permission
_SITE_READS = frozenset({P.PARTICIPANT_VIEW, P.RECORD_VIEW, P.AUDIT_VIEW, P.STUDY_VIEW})
_INVESTIGATOR = _SITE_READS | {
    P.PARTICIPANT_SCREEN,
    P.STATUS_RECORD,
    P.VISIT_RECORD,
    P.ENTER_GENERAL,
    P.ENTER_SRT,
    P.ENTER_IMAGING,
    P.ENTER_SAFETY,
    P.SIGN_ELIGIBILITY,
    P.SIGN_RECORD,
    P.QUERY_ANSWER,
    P.SAFETY_VIEW,
}
_SPONSOR_READS = frozenset({P.PARTICIPANT_VIEW, P.RECORD_VIEW, P.STUDY_VIEW})

GRANTS: dict[str, frozenset[Permission]] = {
    Role.COORDINATOR: _SITE_READS
    | {
        P.PARTICIPANT_SCREEN,
        P.STATUS_RECORD,
        P.VISIT_RECORD,
        P.ENTER_GENERAL,
        P.ENTER_SRT,
        P.ENTER_IMAGING,
        P.ENTER_SAFETY,
        P.QUERY_ANSWER,
        P.SAFETY_VIEW,
    },
    Role.INVESTIGATOR: _INVESTIGATOR,
    Role.CO_INVESTIGATOR: _INVESTIGATOR,
    Role.RADIATION_ONCOLOGIST: _SITE_READS | {P.ENTER_SRT, P.ENTER_IMAGING, P.QUERY_ANSWER, P.SIGN_RECORD},
    Role.RADIOLOGIST: _SITE_READS | {P.ENTER_IMAGING, P.QUERY_ANSWER, P.SIGN_RECORD},
    Role.MONITOR: _SPONSOR_READS
    | {P.AUDIT_VIEW, P.QUERY_ASK, P.VERIFY, P.SAFETY_VIEW, P.LEDGER_VIEW}
    | {P.REDACTION_PROPOSE},
    Role.DATA_MANAGER: _SPONSOR_READS
    | {P.AUDIT_VIEW, P.QUERY_ASK, P.VERIFY, P.REVIEW, P.FREEZE, P.LOCK, P.EXPORT, P.LEDGER_VIEW, P.SAFETY_VIEW}
    | {P.REDACTION_PROPOSE, P.REDACTION_APPROVE, P.CONSENT_DOCUMENTS, P.PARTICIPANT_TRANSFER},
    Role.SAFETY_OFFICER: _SPONSOR_READS | {P.AUDIT_VIEW, P.QUERY_ASK, P.VERIFY, P.SAFETY_VIEW, P.SAFETY_RECEIVE},
    Role.SPONSOR: _SPONSOR_READS | {P.EXPORT, P.SAFETY_VIEW, P.REDACTION_APPROVE, P.CONSENT_DOCUMENTS},
    Role.STATISTICIAN_BLINDED: frozenset({P.STUDY_VIEW, P.EXPORT, P.LIST_VIEW}),
    Role.STATISTICIAN_UNBLINDED: frozenset({P.STUDY_VIEW, P.LIST_VIEW, P.LIST_DRAFT, P.LIST_APPROVE, P.ARM_BALANCE}),
    Role.COMMITTEE: frozenset({P.STUDY_VIEW, P.ARM_BALANCE}),
    Role.ADMINISTRATOR: frozenset({P.PEOPLE_MANAGE, P.SITES_MANAGE, P.STUDY_VIEW}),
    Role.AUDITOR: _SPONSOR_READS | {P.AUDIT_VIEW, P.LEDGER_VIEW, P.SAFETY_VIEW, P.LIST_VIEW},
}
"""What each role may do. Randomizing, and arms for sponsor roles, are granted by name in a delegation."""

SITE_ROLES = frozenset(
    {Role.COORDINATOR, Role.INVESTIGATOR, Role.CO_INVESTIGATOR, Role.RADIATION_ONCOLOGIST, Role.RADIOLOGIST}
)
MAY_BE_DELEGATED_TO_RANDOMIZE = frozenset({Role.COORDINATOR, Role.INVESTIGATOR, Role.CO_INVESTIGATOR})
NEVER_SEES_ARM = frozenset({Role.STATISTICIAN_BLINDED, Role.ADMINISTRATOR, Role.COMMITTEE})
"""Roles whose holder never gets a participant's arm, whatever this or another delegation says."""
BLINDED = frozenset({Role.STATISTICIAN_BLINDED})
"""Roles that keep their holder from everything by arm: balance and the allocation list as well."""
UNBLINDS = frozenset({Permission.ARM_VIEW, Permission.ARM_BALANCE, Permission.LIST_DRAFT, Permission.LIST_APPROVE})

AREAS = {
    "general": P.ENTER_GENERAL,
    "srt": P.ENTER_SRT,
    "imaging": P.ENTER_IMAGING,
    "safety": P.ENTER_SAFETY,
}
"""Which permission each form area asks for."""


def grants_of(delegation: Delegation) -> frozenset[Permission]:
    """Return the permissions that one delegation gives."""
    granted = GRANTS[delegation.role]
    if delegation.may_randomize and delegation.role in MAY_BE_DELEGATED_TO_RANDOMIZE:
        granted |= {P.RANDOMIZE}
    if delegation.role in SITE_ROLES or (delegation.sees_arm and delegation.role not in NEVER_SEES_ARM):
        granted |= {P.ARM_VIEW}
    return granted


@dataclass(frozen=True)
class Access:
    """What a person may do on a given day: per permission the sites, or every site."""

    everywhere: frozenset[Permission]
    at_sites: dict[Permission, frozenset[int]]
    roles: frozenset[tuple[str, int | None]]

    def has(self, permission: Permission, site_id: int | None = None) -> bool:
        """Tell whether the permission is granted: at that site, or (without a site) anywhere at all."""
        if permission in self.everywhere:
            return True
        sites = self.at_sites.get(permission, frozenset())
        return site_id in sites if site_id is not None else bool(sites)

    def sites(self, permission: Permission) -> frozenset[int] | None:
        """Return the ids of the sites where the permission holds; None means every site."""
        return None if permission in self.everywhere else self.at_sites.get(permission, frozenset())

    def has_role(self, role: str, site_id: int | None = None) -> bool:
        """Tell whether the person holds the role at that site, or everywhere."""
        return (role, None) in self.roles or (role, site_id) in self.roles

    @property
    def role_names(self) -> list[str]:
        """The person's roles, in the table's order, as ids."""
        held = {role for role, _site in self.roles}
        return [role for role in GRANTS if role in held]


def access_of(person: Any, on: dt.date | None = None) -> Access:
    """Return what the person may do on that day (today by default); nothing for a stranger or a closed account.

    The answer is kept on the person object, so one request asks the database once.
    """
    day = on or clock.today()
    if not getattr(person, "is_authenticated", False) or not person.is_active:
        return Access(frozenset(), {}, frozenset())
    cached = getattr(person, "_access", None)
    if cached and cached[0] == day:
        return cached[1]
    delegations = [d for d in _delegated(person.pk) if d.is_in_force(day)]
    access = _access_from(delegations)
    person._access = (day, access)
    return access


@prepared
def _delegated(person_id: int) -> QuerySet[Delegation]:
    return Delegation.objects.filter(person_id=person_id)


def forget_access(person: Person) -> None:
    """Make the next question read the delegations again, after one changed."""
    person.__dict__.pop("_access", None)


def _access_from(delegations: Iterable[Delegation]) -> Access:
    everywhere: set[Permission] = set()
    at_sites: dict[Permission, set[int]] = {}
    roles: set[tuple[str, int | None]] = set()
    for delegation in delegations:
        roles.add((delegation.role, delegation.site_id))
        for permission in grants_of(delegation):
            if delegation.site_id is None:
                everywhere.add(permission)
            else:
                at_sites.setdefault(permission, set()).add(delegation.site_id)
    for permission in _withheld({role for role, _site in roles}):
        everywhere.discard(permission)
        at_sites.pop(permission, None)
    return Access(frozenset(everywhere), {p: frozenset(s) for p, s in at_sites.items()}, frozenset(roles))


def _withheld(roles: set[str]) -> frozenset[Permission]:
    """Return what a blind role takes from every other role of the same person: doubt leaves the person blinded."""
    if roles & BLINDED:
        return UNBLINDS
    return frozenset({P.ARM_VIEW}) if roles & NEVER_SEES_ARM else frozenset()


Params = ParamSpec("Params")


def answers(check: Callable[Params, None]) -> Callable[Params, bool]:
    """Turn a `check_user_can_x` that raises into a `user_can_x` that answers."""

    @wraps(check)
    def ask(*args: Params.args, **kwargs: Params.kwargs) -> bool:
        try:
            check(*args, **kwargs)
        except Refused:
            return False
        return True

    return ask


REFUSALS: dict[Permission, Callable[[], str]] = {
    P.PARTICIPANT_VIEW: lambda: _("You have no role that shows participants."),
    P.RECORD_VIEW: lambda: _("You have no role that shows participants."),
    P.PARTICIPANT_SCREEN: lambda: _(
        "Only site staff with a delegation in force at this site can screen a participant."
    ),
    P.PARTICIPANT_TRANSFER: lambda: _("Only a data manager transfers a participant to another site."),
    P.STATUS_RECORD: lambda: _("Only site staff with a delegation in force at this site can record this."),
    P.VISIT_RECORD: lambda: _("Only site staff with a delegation in force at this site can record a visit."),
    P.ENTER_GENERAL: lambda: _("Your role at this site does not enter this form."),
    P.ENTER_SRT: lambda: _("Your role at this site does not enter radiotherapy forms."),
    P.ENTER_IMAGING: lambda: _("Your role at this site does not enter imaging forms."),
    P.ENTER_SAFETY: lambda: _("Your role at this site does not enter safety forms."),
    P.SIGN_ELIGIBILITY: lambda: _("Only an investigator of this site can sign eligibility."),
    P.SIGN_RECORD: lambda: _("Only an investigator with signing delegated at this site can sign."),
    P.RANDOMIZE: lambda: _("Randomizing is not delegated to you at this site."),
    P.QUERY_ASK: lambda: _("Only the monitor, the data manager or the safety officer ask and close queries."),
    P.QUERY_ANSWER: lambda: _("Only site staff answer queries."),
    P.VERIFY: lambda: _("Only the monitor of this site, the data manager or the safety officer verify source data."),
    P.REVIEW: lambda: _("Only the data manager reviews forms."),
    P.FREEZE: lambda: _("Only the data manager freezes forms."),
    P.LOCK: lambda: _("Only the data manager locks forms."),
    P.REDACTION_PROPOSE: lambda: _("Only the data manager and the site's monitor propose a redaction."),
    P.REDACTION_APPROVE: lambda: _("Only a data manager or the sponsor approves a redaction."),
    P.CONSENT_DOCUMENTS: lambda: _("Only a data manager or the sponsor puts a consent version into force."),
    P.EXPORT: lambda: _("Your role does not export data."),
    P.ARM_VIEW: lambda: _("You may not see the arm of a participant."),
    P.ARM_BALANCE: lambda: _("Only the committee and the unblinded statistician see counts or results by arm."),
    P.LIST_VIEW: lambda: _("Your role does not see the allocation list's state."),
    P.LIST_DRAFT: lambda: _("Only the unblinded statistician drafts an allocation list."),
    P.LIST_APPROVE: lambda: _("Only an unblinded statistician approves an allocation list."),
    P.SAFETY_VIEW: lambda: _("Your role does not see serious adverse events."),
    P.SAFETY_RECEIVE: lambda: _("Only a safety officer receives serious adverse events."),
    P.PEOPLE_MANAGE: lambda: _("Only an administrator manages people."),
    P.SITES_MANAGE: lambda: _("Only an administrator publishes a version, opens a site or puts a version into force."),
    P.LEDGER_VIEW: lambda: _("Your role does not read the study's audit trail."),
    P.AUDIT_VIEW: lambda: _("Your role does not read the audit trail."),
    P.STUDY_VIEW: lambda: _("You have no role in this study."),
}


def check(person: Any, permission: Permission, site_id: int | None = None) -> None:
    """Raise `Refused`, in words, unless the person holds the permission (at that site, if one is named)."""
    if not access_of(person).has(permission, site_id):
        raise Refused(REFUSALS[permission](), code=f"permission.{permission}")


def can(person: Any, permission: Permission, site_id: int | None = None) -> bool:
    """Answer what `check` would raise about."""
    return access_of(person).has(permission, site_id)
