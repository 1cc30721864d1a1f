"""What randomization adds to pages of rooms below: the casebook, the home page."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from ecrf.casebooks import Action, Casebook, Event, Panel, Step
from trial import home_panels
from trial.definitions import definition_of
from trial.models import Participant, Person, Status
from trial.permissions import Permission, access_of, can
from trial.presenters import date_words
from trial.selectors import participants_for

from .models import AllocationList, ListState
from .presenters import frozen_words, list_state
from .selectors import allocation_of


def casebook_panel(casebook: Casebook) -> Panel | None:
    """The arm with its number and strata for those who may see it; the step to randomize for those who may take it."""
    participant = casebook.participant
    if participant.randomized_on is not None:
        return _allocated(casebook)
    if participant.status != Status.ENROLLED or not can(casebook.person, Permission.RANDOMIZE, participant.site_id):
        return None
    url = reverse("randomize", args=[participant.code])
    return Panel(
        steps=(Step(_("Ready to be randomized"), url, _("Eligibility is signed."), "ready", order=5),),
        actions=(Action(_("Randomize"), url, icon="randomize", tone="primary", order=10),),
    )


def _allocated(casebook: Casebook) -> Panel | None:
    allocation = allocation_of(casebook.person, casebook.participant)
    if allocation is None:
        return None
    definition = definition_of(allocation.version_id)
    arm = definition.text(definition.arms[allocation.arm].label, casebook.locale)
    url = reverse("allocation", args=[casebook.participant.code])
    stratum = frozen_words(allocation, definition)
    return Panel(
        lead=({"label": _("Arm"), "value": arm, "url": url},),
        facts=(
            {"label": _("Randomization number"), "value": str(allocation)},
            {"label": _("Stratum"), "value": stratum},
        ),
        events=(
            Event(
                casebook.participant.randomized_on or casebook.today, _("Randomized"), arm, url, "randomized", order=50
            ),
        ),
    )


def home_panel(person: Person) -> home_panels.Panel | None:
    """Participants that this person may randomize now; for statisticians the lists that wait for them."""
    access = access_of(person)
    if access.has(Permission.RANDOMIZE):
        return _ready(person)
    if access.has(Permission.LIST_APPROVE):
        return _lists(person)
    return None


def _ready(person: Person) -> home_panels.Panel:
    found: Any = (
        participants_for(person, Permission.RANDOMIZE).filter(status=Status.ENROLLED).order_by("enrolled_on", "code")
    )
    waiting: list[Participant] = list(found[: home_panels.ROWS + 1])
    locale = get_language() or "en"
    return home_panels.Panel(
        title=_("Ready to randomize"),
        icon="randomize",
        rows=[
            home_panels.Row(
                label=participant.code,
                url=reverse("randomize", args=[participant.code]),
                note=_("Eligibility signed %(on)s") % {"on": date_words(participant.enrolled_on, locale)},
                state="ready",
            )
            for participant in waiting[: home_panels.ROWS]
        ],
        count=len(waiting) if len(waiting) <= home_panels.ROWS else found.count(),
        empty=_("Nobody waits for randomization."),
        tone="accent",
    )


def _lists(person: Person) -> home_panels.Panel:
    waiting = AllocationList.objects.filter(state__in=[ListState.DRAFT, ListState.APPROVED, ListState.IN_USE])
    rows = []
    for allocation_list in waiting.order_by("-pk")[: home_panels.ROWS]:
        state, words = list_state(allocation_list)
        rows.append(
            home_panels.Row(
                label=_("List %(number)s") % {"number": allocation_list.pk},
                url=reverse("list_detail", args=[allocation_list.pk]),
                state=state,
                state_label=words,
            )
        )
    return home_panels.Panel(
        title=_("Allocation lists"),
        icon="randomize",
        rows=rows,
        url=reverse("lists"),
        url_label=_("All lists"),
        empty=_("No list is drafted yet."),
    )
