"""Who may settle what concerns an inclusion itself, beside `trial.permissions`."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from audit.errors import Refused
from trial.permissions import Permission, access_of, answers

SETTLES = (Permission.SIGN_ELIGIBILITY, Permission.REVIEW)


def check_user_can_settle(person: Any, site_id: int | None) -> None:
    """Errors of inclusion and identities are for the site's investigators, who answer for both, and data managers."""
    if not any(access_of(person).has(permission, site_id) for permission in SETTLES):
        raise Refused(_("Only an investigator of this site or a data manager can do this."), code="permission.settle")


user_can_settle = answers(check_user_can_settle)


def check_user_can_record_treatment(person: Any, site_id: int) -> None:
    """The treatment received is told by site staff who see the arm."""
    access = access_of(person)
    if not (access.has(Permission.STATUS_RECORD, site_id) and access.has(Permission.ARM_VIEW, site_id)):
        raise Refused(
            _("Only site staff with a delegation in force at this site can record this."), code="permission.treatment"
        )


user_can_record_treatment = answers(check_user_can_record_treatment)
