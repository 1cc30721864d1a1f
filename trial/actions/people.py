"""People, their passwords and their delegations."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth import password_validation
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused

from .. import policy
from ..free_text import kept
from ..models import Credential, Delegation, Person, Role, Site
from ..permissions import (
    BLINDED,
    GRANTS,
    MAY_BE_DELEGATED_TO_RANDOMIZE,
    NEVER_SEES_ARM,
    SITE_ROLES,
    UNBLINDS,
    Permission,
    check,
    forget_access,
    grants_of,
)


@transaction.atomic
def create(
    *, email: str, given_name: str, family_name: str, locale: str = "en", password: str | None, by: Person | None
) -> Person:
    """Open an account for one human being; without a password nobody can sign in with it yet."""
    if by is not None:
        check(by, Permission.PEOPLE_MANAGE)
    if Person.objects.filter(email__iexact=email).exists():
        raise Refused(_("There is already an account with this e-mail address."))
    person = audit.save(
        Person(email=email.lower(), given_name=given_name, family_name=family_name, locale=locale), by=by
    )
    if password is not None:
        password_validation.validate_password(password, person)
    credential = Credential(person=person, password=make_password(password), changed_at=clock.now())
    credential.save()
    person.credential = credential
    audit.deed("person.created", person, by=by)
    return person


@transaction.atomic
def set_password(*, person: Person, password: str, by: Person | None) -> None:
    """Replace the person's password. Raises ValidationError where it is too weak."""
    if by is not None and by != person:
        check(by, Permission.PEOPLE_MANAGE)
    password_validation.validate_password(password, person)
    credential, _made = Credential.objects.select_for_update().get_or_create(
        person=person, defaults={"password": make_password(None), "changed_at": clock.now()}
    )
    credential.password = make_password(password)
    credential.changed_at = clock.now()
    credential.save()
    person.credential = credential
    audit.deed("person.password_changed", person, by=by)


@transaction.atomic
def accept_policy(*, person: Person) -> None:
    """Keep that the person read and accepted the rules of using the account, as they now stand; once."""
    if not policy.has_accepted(person):
        audit.deed(policy.ACCEPTED, person, by=person, version=policy.VERSION)


@transaction.atomic
def deactivate(*, person: Person, by: Person, reason: str) -> Person:
    """Close an account; its name stays on everything that it did."""
    check(by, Permission.PEOPLE_MANAGE)
    reason = kept(reason, needed=_("Give the reason."))
    if person == by:
        raise Refused(_("You cannot close your own account."))
    if not person.is_active:
        raise Refused(_("This account is already closed."))
    person.is_active = False
    audit.save(person, by=by, reason=reason)
    audit.deed("person.deactivated", person, by=by, reason=reason)
    return person


@transaction.atomic
def set_locale(*, person: Person, locale: str, by: Person) -> Person:
    """Keep the language in which the person reads pages and e-mails."""
    if person.locale != locale:
        person.locale = locale
        audit.save(person, by=by)
    return person


@transaction.atomic
def delegate(
    *,
    person: Person,
    role: str,
    site: Site | None,
    starts_on: dt.date,
    ends_on: dt.date | None = None,
    may_randomize: bool = False,
    sees_arm: bool = False,
    by: Person | None,
) -> Delegation:
    """Give a person a role at a site (sponsor roles: at every site when none is named) between two dates.

    Nobody delegates to themselves; administrators of people hold no clinical role (FACTS X3).
    """
    if by is not None:
        check(by, Permission.PEOPLE_MANAGE)
        if by == person:
            raise Refused(_("You cannot give a role to yourself."))
    if role not in GRANTS:
        raise Refused(_("There is no such role."))
    if role in SITE_ROLES and site is None:
        raise Refused(_("A site role needs its site."))
    if role not in SITE_ROLES and role != Role.MONITOR and site is not None:
        raise Refused(_("A sponsor role holds for every site; name none."))
    if ends_on is not None and ends_on < starts_on:
        raise Refused(_("A delegation cannot end before it starts."))
    _check_roles_together(person, role, starts_on, ends_on, sees_arm)
    if may_randomize and role not in MAY_BE_DELEGATED_TO_RANDOMIZE:
        raise Refused(_("Randomizing can be delegated to coordinators and investigators only."))
    if sees_arm and role in NEVER_SEES_ARM:
        raise Refused(_("This role never sees the arm of a participant."))
    delegation = audit.save(
        Delegation(
            person=person,
            role=role,
            site=site,
            starts_on=starts_on,
            ends_on=ends_on,
            may_randomize=may_randomize,
            sees_arm=sees_arm,
        ),
        by=by,
    )
    audit.deed(
        "delegation.given",
        delegation,
        by=by,
        for_site=site,
        person=person.printed_name,
        role=str(role),
        site_number=site.number if site else "",
    )
    forget_access(person)
    return delegation


def _check_roles_together(
    person: Person, role: str, starts_on: dt.date, ends_on: dt.date | None, sees_arm: bool
) -> None:
    """Refuse roles that one person must not hold at the same time; what unblinds a person does so for good."""
    earlier = list(Delegation.objects.filter(person=person))
    at_once = {
        d.role
        for d in earlier
        if (ends_on is None or d.starts_on <= ends_on) and (d.ends_on is None or starts_on <= d.ends_on)
    } - {role}
    if at_once and Role.ADMINISTRATOR in at_once | {role}:
        raise Refused(_("An administrator holds no other role."))
    if (at_once & SITE_ROLES and role not in SITE_ROLES) or (at_once - SITE_ROLES and role in SITE_ROLES):
        raise Refused(_("Nobody works for a site and for the sponsor at once."))
    is_blinded = role in BLINDED or bool(at_once & BLINDED)
    unblinds = bool(grants_of(Delegation(role=role, sees_arm=sees_arm)) & UNBLINDS)
    if is_blinded and (unblinds or any(grants_of(d) & UNBLINDS for d in earlier)):
        raise Refused(_("Whoever sees arms, or has seen them, cannot be the blinded statistician."))


@transaction.atomic
def end_delegation(*, delegation: Delegation, on: dt.date, by: Person, reason: str) -> Delegation:
    """End a delegation on a day, which is its last; what was done under it stays."""
    check(by, Permission.PEOPLE_MANAGE)
    reason = kept(reason, needed=_("Give the reason."))
    if delegation.ends_on is not None and delegation.ends_on <= on:
        raise Refused(_("This delegation has already ended."))
    if on < delegation.starts_on:
        raise Refused(_("A delegation cannot end before it starts."))
    delegation.ends_on = on
    audit.save(delegation, by=by, reason=reason)
    audit.deed("delegation.ended", delegation, by=by, on=on, reason=reason)
    forget_access(delegation.person)
    return delegation
