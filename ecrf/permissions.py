"""Who may open, enter and sign which record: asked in pairs (`check_…` raises, `…` answers)."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from audit.errors import Refused
from trial.definition import Definition, Form, Item
from trial.models import Participant, Role
from trial.permissions import AREAS, Permission, access_of, answers, check

from .addressees import AT_THE_SPONSOR
from .models import Query, Record


def hides(person: Any, definition: Definition, participant: Participant, form: str, visit: str | None = None) -> bool:
    """Tell whether the form (at that visit) would reveal the arm to somebody who may not see it."""
    if not definition.reveals_arm(form, visit_id=visit):
        return False
    return not access_of(person).has(Permission.ARM_VIEW, participant.site_id)


def check_person_can_enter(person: Any, participant: Participant, form: Form) -> None:
    """Entering belongs to the site's own staff, each role its areas; a sponsor's role never changes a site's value.

    Somebody to whom single items are reserved (`answered_by`) may enter the form too, but only those items.
    """
    area = AREAS[str(form.area)]
    access = access_of(person)
    if access.has(area, participant.site_id):
        return
    reserved = {str(role) for item in form.items.values() for role in item.answered_by}
    if not any(access.has_role(role, participant.site_id) for role in reserved):
        check(person, area, participant.site_id)


person_can_enter = answers(check_person_can_enter)


def check_person_can_enter_whole(person: Any, participant: Participant, form: Form) -> None:
    """What concerns the whole form (not done, removal of an entry) is for those who enter its area."""
    check(person, AREAS[str(form.area)], participant.site_id)


def may_answer(person: Any, participant: Participant, form: Form, item: Item) -> bool:
    """Tell whether the person may change this item: by the form's area, and by role where the item is reserved."""
    access = access_of(person)
    if item.answered_by:
        return any(access.has_role(str(role), participant.site_id) for role in item.answered_by)
    return access.has(AREAS[str(form.area)], participant.site_id)


def check_person_can_note(person: Any, participant: Participant) -> None:
    """Notes are for whoever may write or monitor at the site, whatever the form's area."""
    access, needed = access_of(person), (*AREAS.values(), Permission.QUERY_ASK)
    if not any(access.has(permission, participant.site_id) for permission in needed):
        raise Refused(_("Only people who enter or monitor data at this site add notes."), code="permission.note")


person_can_note = answers(check_person_can_note)


def check_person_can_sign(person: Any, record: Record, definition: Definition) -> None:
    """Signing belongs to investigators delegated at the record's site; to other roles only in the areas they enter.

    A form that names who signs it (`sign`) is signed by that role, or by an investigator.
    """
    eligibility, site_id = definition.eligibility, record.participant.site_id
    permission = (
        Permission.SIGN_ELIGIBILITY if eligibility and record.form == eligibility.form else Permission.SIGN_RECORD
    )
    check(person, permission, site_id)
    form, access = definition.form(record.form), access_of(person)
    if any(access.has_role(role, site_id) for role in (Role.INVESTIGATOR, Role.CO_INVESTIGATOR)):
        return
    is_theirs = access.has(AREAS[str(form.area)], site_id)
    if not is_theirs or (form.sign is not None and not access.has_role(str(form.sign), site_id)):
        raise Refused(_("This form is signed by an investigator of the site."), code=f"permission.{permission}")


person_can_sign = answers(check_person_can_sign)


def check_person_can_see(
    person: Any, participant: Participant, definition: Definition, form: str, visit: str | None = None
) -> None:
    """A form (at that visit) that reveals the arm is for those who may see it; refused without saying what it is."""
    if hides(person, definition, participant, form, visit):
        raise Refused(_("There is no such form."), code="hidden")


def check_person_can_answer(person: Any, query: Query) -> None:
    """The site's staff answer; what was asked of a role at the sponsor, that role answers."""
    site_id = query.participant.site_id
    if query.addressed_to not in AT_THE_SPONSOR:
        check(person, Permission.QUERY_ANSWER, site_id)
    elif not access_of(person).has_role(query.addressed_to, site_id):
        words = _("This query was asked of another role: %(role)s.") % {"role": Role(query.addressed_to).label}
        raise Refused(words, code=f"permission.{Permission.QUERY_ANSWER}")


person_can_answer = answers(check_person_can_answer)


def check_person_can_readdress(person: Any, query: Query) -> None:
    """Who asks queries may ask another role instead; who answers this one may pass it on."""
    if not person_can_answer(person, query):
        check(person, Permission.QUERY_ASK, query.participant.site_id)
