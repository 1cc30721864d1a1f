"""The trial's own entries of the main navigation."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from . import navigation
from .listings import visits_waiting
from .models import Notice, NoticeState, Person, Visit
from .navigation import Entry
from .permissions import Permission
from .selectors import notices_for


def unseen_notices(person: Person) -> QuerySet[Notice]:
    """Return the person's reminders that went out and that they have not seen here."""
    return notices_for(person).filter(seen_at=None, state=NoticeState.SENT)


def overdue_visits(person: Person) -> QuerySet[Visit]:
    """Return the overdue visits that the person may settle."""
    return visits_waiting(person, overdue=True)


def register() -> None:
    """Add the trial's entries; rooms above leave room between the orders."""
    navigation.register(
        Entry("home", _("Home"), "home", icon="home", key="h", order=0),
        Entry(
            "participants", _("Participants"), "participants", icon="users", key="p", order=10,
            permissions=(Permission.PARTICIPANT_VIEW,), count=overdue_visits, tone="danger",
        ),
        Entry(
            "screening", _("Screening log"), "screening_log", icon="list", key="l", order=20,
            permissions=(Permission.PARTICIPANT_VIEW,),
        ),
        Entry("notices", _("Reminders"), "notices", icon="bell", key="r", order=60, count=unseen_notices),
        Entry("sites", _("Sites"), "sites", icon="site", key="s", order=70, permissions=(Permission.STUDY_VIEW,)),
        Entry("people", _("People"), "people", icon="user", key="u", order=75, permissions=(Permission.PEOPLE_MANAGE,)),
        Entry("study", _("Study"), "study", icon="book", key="t", order=80, permissions=(Permission.STUDY_VIEW,)),
    )  # fmt: skip
