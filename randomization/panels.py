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

from .gate import is_identity_open
from .inclusion_words import arm_words
from .models import AllocationList, Correction, CorrectionState, ListState
from .permissions import user_can_record_treatment, user_can_settle
from .presenters import frozen_words, list_state
from .section import RandomizationSection
from .selectors import allocation_of, is_in_error, registration_of
from .treatment import TreatmentSection


def casebook_panel(casebook: Casebook) -> Panel | None:
    """The arm with its number and strata for those who may see it; the step to randomize for those who may take it."""
    participant = casebook.participant
    if participant.randomized_on is not None:
        return _allocated(casebook)
    if participant.registered_on is not None:
        return _registered(casebook)
    if participant.status != Status.ENROLLED:
        return None
    steps: tuple[Step, ...] = ()
    may_settle = user_can_settle(casebook.person, participant.site_id)
    if may_settle and is_identity_open(participant):
        words = _("Make sure that this person is in the trial under no other code")
        steps = (Step(words, reverse("identity", args=[participant.code]), "", "due", order=4),)
    if not can(casebook.person, Permission.RANDOMIZE, participant.site_id):
        return Panel(steps=steps) if steps else None
    section: RandomizationSection | None = casebook.definition.section("randomization")
    if section is not None and section.closed is not None:
        url = reverse("register", args=[participant.code])
        return Panel(
            steps=(*steps, Step(_("Ready to be registered"), url, _("Eligibility is signed."), "ready", order=5)),
            actions=(Action(_("Register"), url, icon="check", tone="primary", order=10),),
        )
    url = reverse("randomize", args=[participant.code])
    return Panel(
        steps=(*steps, Step(_("Ready to be randomized"), url, _("Eligibility is signed."), "ready", order=5)),
        actions=(Action(_("Randomize"), url, icon="randomize", tone="primary", order=10),),
    )


def _registered(casebook: Casebook) -> Panel | None:
    """How a participant who is not randomized got the visit plan."""
    registration = registration_of(casebook.person, casebook.participant)
    if registration is None:
        return None
    definition = definition_of(registration.version_id)
    url = reverse("registration", args=[casebook.participant.code])
    return Panel(
        lead=(
            {"label": _("Registered, not randomized"), "value": arm_words(definition, registration.arm), "url": url},
        ),
        steps=_treatment_step(casebook, is_told=registration.is_treatment_told),  # type: ignore[attr-defined]
    )


IN_ERROR = "not_met"
"""The state of a flag “randomized in error”."""


def _error_step(casebook: Casebook) -> Step:
    url = reverse("allocation", args=[casebook.participant.code])
    if user_can_settle(casebook.person, casebook.participant.site_id):
        url = reverse("randomized_in_error", args=[casebook.participant.code])
    elif not can(casebook.person, Permission.ARM_VIEW, casebook.participant.site_id):
        url = ""
    return Step(_("Randomized in error"), url, _("Flagged; the allocation stays."), IN_ERROR, order=1)


def _treatment_step(casebook: Casebook, *, is_told: bool) -> tuple[Step, ...]:
    """Ask the site which treatment was received, once the study expects it to be begun."""
    participant = casebook.participant
    section: TreatmentSection | None = casebook.definition.section("treatment")
    within = section.expected_within_days if section is not None else None
    if is_told or within is None or participant.day_zero_on is None:
        return ()
    if (casebook.today - participant.day_zero_on).days <= within:
        return ()
    if not user_can_record_treatment(casebook.person, participant.site_id):
        return ()
    url = reverse("treatment", args=[participant.code])
    return (Step(_("Say which treatment was received"), url, "", "due", order=20),)


def _allocated(casebook: Casebook) -> Panel | None:
    allocation = allocation_of(casebook.person, casebook.participant)
    if allocation is None:  # to who may not see the arm
        is_told = not casebook.may(Permission.ARM_VIEW) and is_in_error(casebook.participant)
        return Panel(steps=(_error_step(casebook),)) if is_told else None
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
        steps=(
            *((_error_step(casebook),) if allocation.is_in_error else ()),  # type: ignore[attr-defined]
            *_treatment_step(casebook, is_told=allocation.is_treatment_told),  # type: ignore[attr-defined]
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
    waiting = AllocationList.objects.exclude(state=ListState.CLOSED)
    rows = [
        home_panels.Row(
            label=str(correction.get_kind_display()),
            url=reverse("list_correction", args=[correction.allocation_list_id, correction.pk]),
            state="due",
            state_label=str(CorrectionState.PROPOSED.label),
        )
        for correction in Correction.objects.filter(state=CorrectionState.PROPOSED).exclude(proposed_by=person)[
            : home_panels.ROWS
        ]
    ]
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
