"""A consent that is pending again, as the casebook shows it: it warns, and blocks nothing."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _

from trial.permissions import Permission, can
from trial.presenters import date_words

from .casebooks import Action, Casebook, Panel, Step


def casebook_panel(casebook: Casebook) -> Panel | None:
    """The step to take when a new consent version waits, and where consents are recorded."""
    participant = casebook.participant
    version, since = getattr(participant, "awaited_consent", None), getattr(participant, "awaited_since", None)
    if version is None:
        return None
    url = reverse("participant_consents", args=[participant.code])
    text = _("Consent to version %(version)s is pending") % {"version": version}
    note = _("in force since %(date)s; nothing is blocked") % {"date": date_words(since, casebook.locale)}
    actions: tuple[Action, ...] = ()
    if can(casebook.person, Permission.STATUS_RECORD, participant.site_id):
        actions = (Action(_("Record the consent"), url, icon="edit", order=30),)
    return Panel(steps=(Step(text, url, note, "due", order=8),), actions=actions)
