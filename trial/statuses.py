"""What a participant's dated facts mean: the one status shown, and what is still expected. No writes."""

from __future__ import annotations

from trial.definition import Definition, Phase
from trial.schedule import StatusFacts

from .models import Participant, Status, StatusKind, Visit

DATE_FIELDS: dict[str, str] = {
    StatusKind.SCREENED: "screened_on",
    StatusKind.CONSENTED: "consented_on",
    StatusKind.FAILED: "failed_on",
    StatusKind.ENROLLED: "enrolled_on",
    StatusKind.RANDOMIZED: "randomized_on",
    StatusKind.REGISTERED: "registered_on",
    StatusKind.TREATMENT_ENDED: "treatment_ended_on",
    StatusKind.PROGRESSED: "progressed_on",
    StatusKind.WITHDRAWN_TREATMENT: "withdrawn_treatment_on",
    StatusKind.WITHDRAWN_VISITS: "withdrawn_visits_on",
    StatusKind.WITHDRAWN_CONTACT: "withdrawn_contact_on",
    StatusKind.LOST: "lost_on",
    StatusKind.DIED: "died_on",
    StatusKind.COMPLETED: "completed_on",
}
"""Which date of the participant each kind of status change sets."""

FAILURE_REASONS = "screen_failure_reason"
"""The codelist of a study that names the reasons of a screen failure; without it the reason is typed."""
OTHER = "OTHER"
"""The reason that is said in words."""

PRECEDENCE: tuple[tuple[str, str], ...] = (
    ("died_on", Status.DIED),
    ("completed_on", Status.COMPLETED),
    ("failed_on", Status.SCREEN_FAILURE),
    ("withdrawn_contact_on", Status.WITHDRAWN),
    ("lost_on", Status.LOST),
    ("withdrawn_visits_on", Status.WITHDRAWN),
    ("progressed_on", Status.PROGRESSED),
    ("treatment_ended_on", Status.TREATMENT_ENDED),
    ("withdrawn_treatment_on", Status.TREATMENT_ENDED),
    ("randomized_on", Status.RANDOMIZED),
    ("registered_on", Status.REGISTERED),
    ("enrolled_on", Status.ENROLLED),
)
"""The first date that is set gives the status; without any the participant is in screening."""

OF_A_SCREENING = (StatusKind.SCREENED, StatusKind.FAILED, StatusKind.ENROLLED)
"""What each screening of a participant has of its own; everything else happens once."""

BY_HAND = (
    StatusKind.WITHDRAWN_TREATMENT,
    StatusKind.WITHDRAWN_VISITS,
    StatusKind.WITHDRAWN_CONTACT,
    StatusKind.LOST,
)
"""What site staff record on the status page; the other kinds follow from forms and from randomization."""

ANCHORS: dict[str, str] = {
    StatusKind.PROGRESSED: "progression",
    StatusKind.TREATMENT_ENDED: "treatment_end",
    StatusKind.DIED: "death",
    StatusKind.COMPLETED: "end_of_study",
}
"""Which anchor of the visit plan each kind of status change dates; day 0 is planned by who allocates or registers."""


def screening_of(participant: Participant, kind: str) -> int:
    """Return the number under which a status change of this kind is kept: the latest screening's, or 1."""
    return participant.screening if kind in OF_A_SCREENING else 1


def is_of_earlier_screening(visit: Visit, participant: Participant, definition: Definition) -> bool:
    """Tell whether a visit belongs to a screening that ended without inclusion and was followed by another."""
    return visit.occurrence < participant.screening and _is_planned_screening(visit.event, definition)


def occurrence_of(event: str, participant: Participant, definition: Definition) -> int:
    """Return which occurrence of a planned visit is the participant's now: that of the latest screening, or 1."""
    return participant.screening if _is_planned_screening(event, definition) else 1


def _is_planned_screening(event: str, definition: Definition) -> bool:
    found = definition.visit(event)
    return found.phase is Phase.SCREENING and not found.on_demand


def status_of(participant: Participant) -> str:
    """Return the status that the participant's dates add up to."""
    for field, status in PRECEDENCE:
        if getattr(participant, field) is not None:
            return status
    return Status.SCREENING


def facts_of(participant: Participant) -> StatusFacts:
    """Return the dated facts that decide what is still expected (see `trial.schedule`)."""
    return StatusFacts(
        screened_on=participant.screened_on,
        screen_failed_on=participant.failed_on,
        randomized_on=participant.day_zero_on,  # what hangs on randomization hangs on day 0 (ADR 0014)
        progressed_on=participant.progressed_on,
        withdrawn_from_visits_on=participant.withdrawn_visits_on,
        withdrawn_from_all_contact_on=participant.withdrawn_contact_on,
        lost_on=participant.lost_on,
        died_on=participant.died_on,
        completed_on=participant.completed_on,
        pathway=participant.pathway or None,
        anchors={
            anchor: date
            for kind, anchor in ANCHORS.items()
            if (date := getattr(participant, DATE_FIELDS[kind])) is not None
        },
    )
