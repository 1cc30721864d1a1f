"""Words for what follows an inclusion: registration, errors, the treatment received, strata that no longer agree."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from ecrf.pages import moment
from trial.definition import Definition
from trial.definitions import definition_of
from trial.models import Participant
from trial.presenters import date_words

from .models import RandomizedInError, Registration, StratumDifference, TreatmentReceived
from .presenters import level_words, locale, url_of
from .section import RandomizationSection

Words = dict[str, Any]


def arm_words(definition: Definition, arm: str) -> str:
    """The name of an arm; its id when the version has it no more."""
    found = definition.arms.get(arm)
    return definition.text(found.label, locale()) if found is not None else arm


def registration_words(registration: Registration, participant: Participant) -> Words:
    """A registration as its page shows it; only for those who may see the arm."""
    definition = definition_of(registration.version_id)
    section: RandomizationSection | None = definition.section("randomization")
    closed = section.closed if section is not None else None
    return {
        "arm": arm_words(definition, registration.arm),
        "when": moment(registration.registered_at, locale(), zone=True),
        "by": registration.registered_by.printed_name,
        "pdf_url": url_of("registration_pdf", participant.code),
        "reason": definition.text(closed.reason, locale()) if closed is not None else "",
    }


def flag_words(flags: Iterable[RandomizedInError]) -> list[Words]:
    """Flags “randomized in error”, with who said so, when and why; those taken back say that too."""
    return [
        {
            "reason": flag.get_reason_display(),
            "detail": flag.detail,
            "by": _("%(name)s, %(when)s")
            % {"name": flag.flagged_by.printed_name, "when": moment(flag.flagged_at, locale())},
            "lifted": _("%(name)s, %(when)s: %(reason)s")
            % {
                "name": flag.lifted_by.printed_name if flag.lifted_by else "",
                "when": moment(flag.lifted_at, locale()),
                "reason": flag.lifted_reason,
            }
            if flag.lifted_at is not None
            else "",
        }
        for flag in flags
    ]


def treatment_words(
    told: TreatmentReceived | None,
    allocated: str,
    definition: Definition,
    by_forms: dict[str, dt.date],
    *,
    is_registered: bool = False,
) -> Words:
    """What was received beside what was allocated, and what the forms say; only for those who may see the arm.

    `is_registered`: `allocated` is the arm of a registration, without randomization.
    """
    words: Words = {
        "is_registered": is_registered,
        "is_told": told is not None,
        "by_forms": [
            {"label": arm_words(definition, arm), "value": date_words(day, locale())} for arm, day in by_forms.items()
        ],
        "disagrees": told is not None and bool(by_forms) and told.received not in by_forms,
    }
    label = _("Registered for") if is_registered else _("Allocated")
    words["facts"] = [{"label": label, "value": arm_words(definition, allocated)}]
    if told is None:
        return words
    received = arm_words(definition, told.received) if told.received else _("None of these treatments")
    words["facts"].append({"label": _("Received"), "value": received, "note": ""})
    if told.started_on is not None:
        words["facts"].append({"label": _("First day"), "value": date_words(told.started_on, locale())})
    if told.received != allocated:
        words["facts"].append(
            {"label": _("Why it differs"), "value": told.get_why_display(), "note": told.detail}  # type: ignore[attr-defined]
        )
    words["facts"].append(
        {
            "label": _("Told by"),
            "value": told.told_by.printed_name,
            "note": moment(told.told_at, locale()),
        }
    )
    return words


def difference_words(found: Iterable[StratumDifference], definition: Definition) -> list[Words]:
    """Each factor that by the data is not, or was not, what was frozen: frozen level, level now, since when."""
    return [
        {
            "factor": level_words(definition, each.factor, "")[0],
            "frozen": level_words(definition, each.factor, each.frozen)[1],
            "now": level_words(definition, each.factor, each.now)[1] or _("not known any more"),
            "since": moment(each.since, locale()),
            "settled": moment(each.settled_at, locale()) if each.settled_at is not None else "",
        }
        for each in found
    ]


def difference_rows(found: Iterable[StratumDifference]) -> list[Words]:
    """One row per open difference: the participant, frozen level, level by the data, since when. No arm."""
    rows = []
    for each in found:
        participant: Participant = each.allocation.participant
        definition = definition_of(each.allocation.version_id)
        factor, frozen = level_words(definition, each.factor, each.frozen)
        now = level_words(definition, each.factor, each.now)[1] or _("not known any more")
        rows.append(
            {
                "url": reverse("casebook", args=[participant.code]),
                "cells": [
                    {"text": participant.code},
                    {"text": participant.site.number},
                    {"text": factor},
                    {"text": frozen},
                    {"text": now},
                    {"text": moment(each.since, locale())},
                ],
            }
        )
    return rows


def count_rows(counts: Iterable[tuple[str, str, str, int, int]], definition: Definition) -> list[Words]:
    """One row per factor and pair of levels, with how many differ and how many agreed again."""
    rows = []
    for factor, frozen, now, still, settled in counts:
        label, was = level_words(definition, factor, frozen)
        is_now = level_words(definition, factor, now)[1] or _("not known any more")
        rows.append({"cells": [{"text": label}, {"text": was}, {"text": is_now}, {"text": still}, {"text": settled}]})
    return rows
