"""Words for randomization: strata as they will be frozen, reasons with what to do, the allocation, the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from audit import clock
from ecrf.casebooks import birth_words, sex_words
from ecrf.criteria import EligibilityPage
from ecrf.pages import moment
from trial.definition import Definition
from trial.definitions import definition_of
from trial.models import Participant, Person, VisitStatus
from trial.presenters import date_words, visit_label
from trial.selectors import visits_of

from .algorithms import strata as labels
from .gate import Gate, Reason
from .models import Allocation, AllocationList, ListState
from .section import SITE, Level, RandomizationSection
from .strata import Stratum

Words = dict[str, Any]

NEXT_VISITS = 4
"""Visits shown after an allocation; the casebook has them all."""


@dataclass(frozen=True)
class Obstacle:
    """A reason against an allocation, what to do about it, and where."""

    code: str
    words: str
    remedy: str = ""
    url: str = ""
    url_label: str = ""


def locale() -> str:
    """The language of the page."""
    return get_language() or "en"


def participant_facts(participant: Participant, definition: Definition) -> list[Words]:
    """Whom this is about: what two people compare before an irreversible step."""
    site = participant.site
    return [
        {"label": _("Code"), "value": participant.code},
        {"label": _("Born"), "value": birth_words(participant, locale())},
        {"label": _("Sex"), "value": sex_words(participant, definition, locale())},
        {"label": _("Site"), "value": f"{site.number} · {site.name}", "note": site.city},
        {"label": _("Consent"), "value": date_words(participant.consented_on, locale())},
    ]


def stratum_facts(stratum: Stratum, definition: Definition) -> list[Words]:
    """Each factor with its level, as it would be frozen now; a dash for one that is not known."""
    return [
        {
            "label": definition.text(value.label, locale()),
            "value": definition.text(value.level, locale()) if value.code else "",
            "note": "" if value.code else _("not known yet"),
        }
        for value in stratum.values
    ]


def frozen_facts(strata: dict[str, str], definition: Definition) -> list[Words]:
    """The strata that were frozen with an allocation."""
    section: RandomizationSection = definition.section("randomization")
    facts = []
    for factor in section.strata:
        level = _level(factor.levels, strata.get(factor.id, ""))
        facts.append(
            {
                "label": definition.text(factor.label, locale()),
                "value": definition.text(level.label, locale()) if level else strata.get(factor.id, ""),
            }
        )
    if SITE in strata:
        facts.append({"label": _("Site"), "value": strata[SITE]})
    return facts


def frozen_words(allocation: Allocation, definition: Definition) -> str:
    """The strata that were frozen with an allocation, in one line: `With ICI · IMDC favourable · 1 lesion`."""
    levels = [str(fact["value"]) for fact in frozen_facts(allocation.strata, definition)]
    return " · ".join(levels) or _("All participants")


def _level(levels: tuple[Level, ...], code: str) -> Level | None:
    return next((level for level in levels if level.code == code), None)


def stratum_words(label: str, definition: Definition) -> str:
    """A stratum's canonical label in words: `With ICI · IMDC favourable · 1 lesion`."""
    return " · ".join(_levels_words(label, definition))


def _levels_words(label: str, definition: Definition) -> list[str]:
    """The level of each factor of a stratum, in words."""
    if label == labels.UNSTRATIFIED:
        return [_("All participants")]
    return [str(fact["value"]) for fact in frozen_facts(labels.parse_label(label), definition)]


def signed_words(gate: Gate) -> str:
    """Who signed eligibility and when; empty while nobody did."""
    record = gate.eligibility.record
    if record is None or record.signature is None:
        return ""
    signature = record.signature
    return _("%(name)s, %(when)s") % {"name": signature.by_name, "when": moment(signature.signed_at, locale())}


# ---------------------------------------------------------------- reasons


def obstacles(gate: Gate, participant: Participant, person: Person) -> list[Obstacle]:
    """Every reason against the allocation, each with what to do."""
    unknown = iter([value.factor for value in gate.stratum.values if not value.code])
    page = EligibilityPage(person, participant)
    found = []
    for reason in gate.reasons:
        if reason.code == "stratum":
            form = _form_of_factor(page, next(unknown))
            found.append(Obstacle("stratum", reason.words, _("Fill the form that says it."), *form))
        else:
            found.append(_obstacle(reason, participant.code))
    return found


def _obstacle(reason: Reason, code: str) -> Obstacle:
    casebook = (reverse("casebook", args=[code]), _("Open the casebook"))
    eligibility = (reverse("eligibility", args=[code]), _("Open eligibility"))
    remedies: dict[str, tuple[str, tuple[str, str]]] = {
        "permission": (_("Ask the principal investigator for a delegation, or somebody who has it."), ("", "")),
        "consent": (_("Record the consent in its form."), casebook),
        "withdrawn": (_("If this is a mistake, take the withdrawal back on the status page."), casebook),
        "died": (_("If this is a mistake, correct the form of the death."), casebook),
        "ended": (_("If this is a mistake, take it back on the status page."), casebook),
        "screen_failure": (_("If this is a mistake, reopen the screening from the screening log."), casebook),
        "allocated": (_("See the allocation that was made."), (reverse("allocation", args=[code]), _("Open it"))),
        "site_closed": (_("Ask the sponsor whether the site is open for inclusion."), ("", "")),
        "target": (_("Ask the sponsor: no further participant is expected."), ("", "")),
        "not_eligible": (_("Close the screening, or correct the value if it is wrong."), eligibility),
        "undecided": (_("Fill what is missing; each criterion says where."), eligibility),
        "outdated": (_("Repeat the assessment, fill its form, and let the investigator look at it."), eligibility),
        "unsigned": (_("An investigator signs on the eligibility page."), eligibility),
        "changed": (_("An investigator signs again on the eligibility page."), eligibility),
        "no_list": (_("The statistician puts an approved list into use."), ("", "")),
        "hold": (_("The statistician says why, and when it goes on."), ("", "")),
        "unknown_stratum": (_("The list was made for other strata than this version of the study has."), ("", "")),
        "exhausted": (_("A new list is needed before this person can be randomized."), ("", "")),
    }
    remedy, (url, label) = remedies.get(reason.code, ("", ("", "")))
    return Obstacle(reason.code, reason.words, remedy, url, label)


def _form_of_factor(page: EligibilityPage, factor: str) -> tuple[str, str]:
    """The form that holds what a stratification factor reads: its address and its name."""
    for name, program in page.definition.compiled.sections["randomization"].items():
        if name.partition(".")[0] != factor:
            continue
        for ref in sorted(program.reads, key=str):
            if ref.form in page.definition.forms:
                form = page.definition.form(str(ref.form))
                return page.form_url(form.id), page.text(form.label)
    return "", ""


# ---------------------------------------------------------------- the allocation


def allocation_words(allocation: Allocation, participant: Participant) -> Words:
    """An allocation as its page shows it; only for those who may see the arm."""
    definition = definition_of(allocation.version_id)
    allocated_list = allocation.allocation_list
    return {
        "number": str(allocation),
        "arm": definition.text(definition.arms[allocation.arm].label, locale()),
        "arm_id": allocation.arm,
        "when": moment(allocation.allocated_at, locale(), zone=True),
        "by": allocation.allocated_by.printed_name,
        "strata": frozen_facts(allocation.strata, definition),
        "pdf_url": _url("allocation_pdf", participant.code),
        "proof": [
            {"label": _("List"), "value": allocated_list.reference},
            {"label": _("Commitment of the list"), "value": allocated_list.commitment},
            {"label": _("Place in the list"), "value": allocation.leaf_index + 1},
            *([{"label": _("Random draw"), "value": allocation.draw}] if allocation.draw else []),
            *([{"label": _("Sponsor’s own number"), "value": allocation.own_number}] if allocation.own_number else []),
            {"label": _("Steps of the proof"), "value": len(allocation.proof)},
        ],
    }


def next_visits(person: Person, participant: Participant) -> list[Words]:
    """The visits that come first after an allocation, with their dates and windows."""
    definition = definition_of(participant.version_id)
    planned = visits_of(person, participant).filter(status=VisitStatus.PLANNED, window_end__gte=clock.today())
    return [
        {
            "title": visit_label(visit, definition, locale()),
            "date": date_words(visit.planned_on, locale()),
            "text": _("between %(start)s and %(end)s")
            % {"start": date_words(visit.window_start, locale()), "end": date_words(visit.window_end, locale())},
            "state": "planned",
            "url": _url("visit", participant.code, visit.pk),
        }
        for visit in planned.order_by("planned_on", "order")[:NEXT_VISITS]
    ]


def _url(name: str, *parts: Any) -> str:
    try:
        return reverse(name, args=list(parts))
    except NoReverseMatch:
        return ""


# ---------------------------------------------------------------- lists


def scheme_words(scheme: str) -> str:
    """The name of a scheme."""
    names = {
        "permuted_blocks": _("Permuted blocks of random size"),
        "minimization": _("Minimization (Pocock and Simon)"),
        "simple": _("Simple randomization"),
        "imported": _("Imported list"),
        "biased_coin": _("Biased coin (Efron)"),
        "big_stick": _("Big stick (Soares and Wu)"),
        "urn": _("Urn (Wei)"),
    }
    return names.get(scheme, scheme)


def factor_words(section: RandomizationSection, definition: Definition) -> dict[str, str]:
    """The words of each factor that is balanced, by id; the site among them when the study says so."""
    words = {factor.id: definition.text(factor.label, locale()) for factor in section.strata}
    return words | ({SITE: _("Site")} if section.site_factor else {})


def stratum_labels(section: RandomizationSection, definition: Definition) -> list[Words]:
    """The label of each stratum as an imported file writes it, and its words."""
    return [
        {"label": label, "words": _label_words(label, section, definition)}
        for label in labels.combinations(section.factors)
    ]


def _label_words(label: str, section: RandomizationSection, definition: Definition) -> str:
    if label == labels.UNSTRATIFIED:
        return _("All participants")
    values = labels.parse_label(label)
    found = (_level(factor.levels, values[factor.id]) for factor in section.strata)
    return " · ".join(definition.text(level.label, locale()) for level in found if level is not None)


LIST_STATES = {
    ListState.DRAFT: "pending",
    ListState.APPROVED: "ready",
    ListState.IN_USE: "running",
    ListState.CLOSED: "closed",
}


def list_state(allocation_list: AllocationList) -> tuple[str, str]:
    """The state of a list as an icon's word and in words; a hold comes before all."""
    if allocation_list.on_hold_at is not None and allocation_list.state == ListState.IN_USE:
        return "overdue", _("On hold")
    return LIST_STATES[ListState(allocation_list.state)], str(ListState(allocation_list.state).label)


def list_facts(allocation_list: AllocationList) -> list[Words]:
    """What everybody who sees lists may know of one: nothing of arms, blocks or seed."""
    approved = allocation_list.approval
    facts: list[Words] = [
        {"label": _("Algorithm"), "value": allocation_list.algorithm},
        {"label": _("Ratio"), "value": " : ".join(str(share) for share in sorted(allocation_list.arms.values()))},
        {"label": _("Strata"), "value": len(allocation_list.strata)},
        {"label": _("Slots in each stratum"), "value": allocation_list.slots_per_stratum},
        {"label": _("Version of the study"), "value": allocation_list.version.number},
        {
            "label": _("Drafted"),
            "value": moment(allocation_list.drafted_at, locale()),
            "note": allocation_list.drafted_by.printed_name,
        },
    ]
    if approved is not None:
        facts.append({"label": _("Approved"), "value": moment(approved.signed_at, locale()), "note": approved.by_name})
    for label, at in (
        (_("In use since"), allocation_list.in_use_at),
        (_("On hold since"), allocation_list.on_hold_at),
        (_("Closed"), allocation_list.closed_at),
    ):
        if at is not None:
            facts.append({"label": label, "value": moment(at, locale())})
    return facts


def stratum_rows(
    allocation_list: AllocationList, used: dict[str, int], by_arm: dict[str, dict[str, int]] | None = None
) -> list[Words]:
    """One row per stratum: used and free; participants by arm only when `by_arm` is given."""
    definition = definition_of(allocation_list.version_id)
    rows = []
    for number, stratum in enumerate(allocation_list.strata, start=1):
        cells: list[Words] = [
            {"text": number},
            *({"text": words} for words in _levels_words(stratum, definition)),
            {"text": used[stratum]},
            {"text": max(0, allocation_list.slots_per_stratum - used[stratum])},
        ]
        if by_arm is not None:
            cells.extend({"text": by_arm[stratum][arm]} for arm in sorted(allocation_list.arms))
        rows.append({"cells": cells})
    return rows


def stratum_columns(allocation_list: AllocationList, *, by_arm: bool) -> list[Words]:
    """The heads of the table of strata."""
    definition = definition_of(allocation_list.version_id)
    section: RandomizationSection = definition.section("randomization")
    is_one = allocation_list.strata == [labels.UNSTRATIFIED]  # no strata, or one sequence of draws for all
    factors = [] if is_one else [definition.text(factor.label, locale()) for factor in section.strata]
    columns: list[Words] = [
        {"label": _("Stratum")},
        *({"label": label} for label in factors or [_("Participants")]),
        {"label": _("Used"), "align": "end"},
        {"label": _("Free"), "align": "end"},
    ]
    if by_arm:
        columns += [
            {"label": definition.text(definition.arms[arm].label, locale()), "align": "end"}
            for arm in sorted(allocation_list.arms)
        ]
    return columns
