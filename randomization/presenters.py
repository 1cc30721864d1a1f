"""Words for randomization: strata as they will be frozen, reasons with what to do, the allocation, the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from audit import clock
from ecrf.casebooks import sex_words
from ecrf.criteria import EligibilityPage
from ecrf.pages import moment
from trial.definition import Definition
from trial.definitions import definition_of
from trial.models import Participant, Person, VisitStatus
from trial.presenters import birth_words, date_words, visit_label
from trial.selectors import visits_of

from . import lives, slots
from .actions.corrections import DEEDS
from .actions.lists import IMPORTED, Parameters
from .algorithms import strata as labels
from .arms import is_imported
from .forms import CHOICES, LABELS
from .gate import Gate, Reason
from .models import Allocation, AllocationList, Correction, CorrectionKind, CorrectionState, ListState
from .permissions import user_can_record_treatment, user_can_settle
from .section import SITE, Level, RandomizationSection
from .selectors import Counted, treatment_of
from .strata import Stratum
from .treatment import begun_by_forms

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


def level_words(definition: Definition, factor: str, code: str) -> tuple[str, str]:
    """A factor and one of its levels in words; ids where the version has them no more, "" for no level."""
    section: RandomizationSection | None = definition.section("randomization")
    found = next((f for f in section.strata if f.id == factor), None) if section is not None else None
    if found is None:
        return factor, code
    level = _level(found.levels, code)
    return definition.text(found.label, locale()), definition.text(level.label, locale()) if level else code


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
            found.append(_obstacle(reason, participant, person))
    return found


def _obstacle(reason: Reason, participant: Participant, person: Person) -> Obstacle:
    code = participant.code
    consents = (reverse("participant_consents", args=[code]), _("Open the consents"))
    may_settle = user_can_settle(person, participant.site_id)
    casebook = (reverse("casebook", args=[code]), _("Open the casebook"))
    eligibility = (reverse("eligibility", args=[code]), _("Open eligibility"))
    remedies: dict[str, tuple[str, tuple[str, str]]] = {
        "permission": (_("Ask the principal investigator for a delegation, or somebody who has it."), ("", "")),
        "consent": (_("Record the consent in its form."), casebook),
        "consent_outdated": (
            _("Have the version in force signed, and record that consent; or correct the consent form."),
            consents,
        ),
        "consent_pending": (_("Have the new version signed, and record that consent."), consents),
        "same_person": (
            _("Make sure that it is another person, and write down how.")
            if may_settle
            else _("An investigator of the site or the data manager makes sure that it is another person."),
            (reverse("identity", args=[code]), _("Make sure")) if may_settle else ("", ""),
        ),
        "withdrawn": (_("If this is a mistake, take the withdrawal back on the status page."), casebook),
        "died": (_("If this is a mistake, correct the form of the death."), casebook),
        "ended": (_("If this is a mistake, take it back on the status page."), casebook),
        "screen_failure": (_("If this is a mistake, reopen the screening from the screening log."), casebook),
        "allocated": (_("See the allocation that was made."), (reverse("allocation", args=[code]), _("Open it"))),
        "registered": (
            _("See the registration that was made."),
            (reverse("registration", args=[code]), _("Open it")),
        ),
        "closed": (
            _("Register this person to the visit plan of the study."),
            (reverse("register", args=[code]), _("Register")),
        ),
        "not_closed": (
            _("Randomize this person instead."),
            (reverse("randomize", args=[code]), _("Randomize")),
        ),
        "amended": (
            _("Move this participant to the version in force; eligibility is then evaluated by its criteria."),
            (reverse("adopt_version", args=[code]), _("Move to the version in force")),
        ),
        "other_version": (_("The statistician puts a list for this version into use."), ("", "")),
        "frozen": (_("The data manager lifts the freeze, with a reason."), casebook),
        "locked": (_("The data manager lifts the lock, with a reason."), casebook),
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
        "list_exhausted": (_("The statistician appends slots to the list, or puts another into use."), ("", "")),
        "stratum_closed": (_("The statistician and a second person closed it; they say why."), ("", "")),
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
        "pdf_url": url_of("allocation_pdf", participant.code),
        "proof": [
            {"label": _("List"), "value": allocated_list.reference},
            {"label": _("Commitment of the list"), "value": allocated_list.commitment},
            {"label": _("Place in the list"), "value": allocation.leaf_index + 1},
            *([{"label": _("Random draw"), "value": allocation.draw}] if allocation.draw else []),
            *([{"label": _("Sponsor’s own number"), "value": allocation.own_number}] if allocation.own_number else []),
            {"label": _("Steps of the proof"), "value": len(allocation.proof)},
        ],
    }


def treatment_card(person: Person, participant: Participant, arm: str) -> Words:
    """The treatment received beside the allocated one, for the pages of who was allocated or registered."""
    from .inclusion_words import treatment_words  # which reads this module

    definition = definition_of(participant.version_id)
    words = treatment_words(
        treatment_of(person, participant),
        arm,
        definition,
        begun_by_forms(participant, definition),
        is_registered=participant.randomized_on is None,
    )
    if user_can_record_treatment(person, participant.site_id):
        words["url"] = reverse("treatment", args=[participant.code])
    return words


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
            "url": url_of("visit", participant.code, visit.pk),
        }
        for visit in planned.order_by("planned_on", "order")[:NEXT_VISITS]
    ]


def url_of(name: str, *parts: Any) -> str:
    """The address of a page of a room above or beside this one; "" where that room is not there."""
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
    ListState.SIMULATED: "pending",
    ListState.APPROVED: "ready",
    ListState.IN_USE: "running",
    ListState.EXHAUSTED: "overdue",
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
        {"label": _("Slots in all"), "value": allocation_list.slots_total},
        {"label": _("Version of the study"), "value": allocation_list.version.number},
        {
            "label": _("Drafted"),
            "value": moment(allocation_list.drafted_at, locale()),
            "note": allocation_list.drafted_by.printed_name,
        },
    ]
    if allocation_list.simulated_at is not None and allocation_list.simulated_by is not None:
        facts.append(
            {
                "label": _("Simulated"),
                "value": moment(allocation_list.simulated_at, locale()),
                "note": allocation_list.simulated_by.printed_name,
            }
        )
    if approved is not None:
        facts.append({"label": _("Approved"), "value": moment(approved.signed_at, locale()), "note": approved.by_name})
    for label, at in (
        (_("In use since"), allocation_list.in_use_at),
        (_("On hold since"), allocation_list.on_hold_at),
        (_("Exhausted"), allocation_list.exhausted_at),
        (_("Closed"), allocation_list.closed_at),
    ):
        if at is not None:
            facts.append({"label": label, "value": moment(at, locale())})
    return facts


def counted_facts(counted: Counted | None) -> list[Words]:
    """Whom minimization counts, by where they were allocated; nothing for a list whose slots hold arms."""
    if counted is None:
        return []
    notes = []
    if counted.paper:
        notes.append(ngettext("%(n)s on paper", "%(n)s on paper", counted.paper) % {"n": counted.paper})
    if counted.others:
        words = ngettext("%(n)s of an earlier list", "%(n)s of earlier lists", counted.others)
        notes.append(words % {"n": counted.others})
    total = counted.own + counted.paper + counted.others
    return [{"label": _("Counted for the balance"), "value": total, "note": ", ".join(notes)}]


def stratum_rows(
    allocation_list: AllocationList,
    used: dict[str, int],
    free: dict[str, int],
    by_arm: dict[str, dict[str, int]] | None = None,
    on_paper: dict[str, int] | None = None,
) -> list[Words]:
    """One row per stratum: used and free; participants on paper and by arm only where they are given."""
    definition = definition_of(allocation_list.version_id)
    rows = []
    for number, stratum in enumerate(allocation_list.strata, start=1):
        cells: list[Words] = [
            {"text": number},
            *({"text": words} for words in _levels_words(stratum, definition)),
            {"text": used[stratum]},
            {"text": _("Closed") if stratum in allocation_list.closed_strata else free[stratum]},
        ]
        if on_paper is not None:
            cells.append({"text": on_paper[stratum]})
        if by_arm is not None:
            cells.extend({"text": by_arm[stratum][arm]} for arm in sorted(allocation_list.arms))
        rows.append({"cells": cells})
    return rows


def words_of_stratum(stratum: str, definition: Definition) -> str:
    """Return a stratum as its levels in words, parted by points."""
    return " · ".join(str(words) for words in _levels_words(stratum, definition))


def stratum_columns(allocation_list: AllocationList, *, by_arm: bool, on_paper: bool = False) -> list[Words]:
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
    if on_paper:
        columns.append({"label": _("On paper"), "align": "end"})
    if by_arm:
        columns += [
            {"label": definition.text(definition.arms[arm].label, locale()), "align": "end"}
            for arm in sorted(allocation_list.arms)
        ]
    return columns


# ---------------------------------------------------------------- what the second person looks at


PARAMETER_WORDS = LABELS | {
    "weights": gettext_lazy("Weights of the factors"),
    IMPORTED: gettext_lazy("SHA-256 of the imported slots"),
}


def parameter_facts(seen: Parameters) -> list[Words]:
    """The confidential parameters, for the person who is about to approve."""
    facts: list[Words] = []
    if seen.block_sizes:
        facts.append({"label": _("Block sizes"), "value": ", ".join(map(str, seen.block_sizes))})
    for name, value in sorted(seen.extra.items()):
        words = (
            ", ".join(f"{key}: {weight}" for key, weight in value.items()) if isinstance(value, dict) else str(value)
        )
        facts.append({"label": PARAMETER_WORDS.get(name, name), "value": CHOICES.get(words, words)})
    return facts or [{"label": _("Confidential parameters"), "value": _("This algorithm has none.")}]


def test_list_columns(allocation_list: AllocationList) -> list[Words]:
    """The heads of the test list."""
    return [{"label": _("Stratum")}, {"label": _("Participants")}, {"label": _("First slots of the test list")}]


def test_list_rows(allocation_list: AllocationList, seen: Parameters) -> list[Words]:
    """One row per stratum: the arms of the test list in order, by the id of each arm."""
    definition = definition_of(allocation_list.version_id)
    return [
        {
            "cells": [
                {"text": number},
                {"text": stratum_words(stratum, definition)},
                {"text": " · ".join(seen.test_list.get(stratum, ())), "mono": True},
            ]
        }
        for number, stratum in enumerate(allocation_list.strata, start=1)
    ]


# ---------------------------------------------------------------- corrections

CORRECTION_STATES = {
    CorrectionState.PROPOSED: "due",
    CorrectionState.APPROVED: "done",
    CorrectionState.REJECTED: "cancelled",
    CorrectionState.TAKEN_BACK: "cancelled",
}


def correction_state(correction: Correction) -> tuple[str, str]:
    """The state of a correction as an icon's word and in words."""
    state = CorrectionState(correction.state)
    return CORRECTION_STATES[state], str(state.label)


def correction_links(allocation_list: AllocationList) -> list[Words]:
    """The corrections that the list allows as it stands, each with the page that proposes it."""
    held = "held" if allocation_list.on_hold_at is not None else "running"
    return [
        {
            "label": kind.label,
            "url": reverse("list_correction_new", args=[allocation_list.pk]) + f"?kind={kind.value}",
            "tone": "danger" if kind is CorrectionKind.HOLD else "",
            "icon": CORRECTION_ICONS[kind],
        }
        for kind in CorrectionKind
        if lives.LIST.refusal(allocation_list.state, DEEDS[kind]) is None
        and lives.HOLD.refusal(held, DEEDS[kind]) is None
        and not (kind is CorrectionKind.APPEND_SLOTS and is_imported(allocation_list))
        and not (kind is CorrectionKind.REOPEN_STRATUM and not allocation_list.closed_strata)
    ]


CORRECTION_ICONS = {
    CorrectionKind.WITHDRAW_SLOT: "x",
    CorrectionKind.APPEND_SLOTS: "plus",
    CorrectionKind.CLOSE_STRATUM: "state-locked",
    CorrectionKind.REOPEN_STRATUM: "undo",
    CorrectionKind.HOLD: "stop",
    CorrectionKind.RESUME: "check",
}


def stratum_choices(allocation_list: AllocationList, kind: str) -> list[tuple[str, str]]:
    """The strata that a correction of this kind may name, each with its number and words: open ones, or closed ones."""
    wants_closed = kind == CorrectionKind.REOPEN_STRATUM
    definition = definition_of(allocation_list.version_id)
    return [
        (stratum, f"{number} – {stratum_words(stratum, definition)}")
        for number, stratum in enumerate(allocation_list.strata, start=1)
        if (stratum in allocation_list.closed_strata) is wants_closed
    ]


def correction_place(correction: Correction, allocation_list: AllocationList) -> str:
    """What a correction is about, by numbers: a slot, a stratum, how many slots."""
    if correction.slot is not None:
        words = slots.word(allocation_list, correction.slot.stratum, correction.slot.position)
        return _("Slot %(number)s") % {"number": words}
    stratum = (
        _("Stratum %(number)s") % {"number": slots.word(allocation_list, correction.stratum)}
        if correction.stratum
        else ""
    )
    if correction.count is not None:
        return _("%(count)s slots, %(where)s") % {
            "count": correction.count,
            "where": stratum or _("every open stratum"),
        }
    return stratum or _("The whole list")


def correction_columns() -> list[Words]:
    """The heads of the table of corrections."""
    return [
        {"label": _("Correction")},
        {"label": _("Where")},
        {"label": _("State")},
        {"label": _("Proposed by")},
        {"label": _("Decided by")},
    ]


def correction_rows(allocation_list: AllocationList, corrections: list[Correction]) -> list[Words]:
    """One row per correction, newest first."""
    rows = []
    for correction in corrections:
        state, words = correction_state(correction)
        decided = correction.decided_by
        rows.append(
            {
                "url": reverse("list_correction", args=[allocation_list.pk, correction.pk]),
                "cells": [
                    {"text": correction.get_kind_display(), "note": correction.reason},
                    {"text": correction_place(correction, allocation_list)},
                    {"text": words, "state": state},
                    {"text": correction.proposed_by.printed_name, "note": moment(correction.proposed_at, locale())},
                    {
                        "text": decided.printed_name if decided is not None else "–",
                        "note": moment(correction.decided_at, locale()) if decided and correction.decided_at else "",
                    },
                ],
            }
        )
    return rows


def correction_facts(correction: Correction) -> list[Words]:
    """One correction as its page shows it."""
    facts: list[Words] = [
        {"label": _("Where"), "value": correction_place(correction, correction.allocation_list)},
        {"label": _("Reason"), "value": correction.reason},
        {
            "label": _("Proposed by"),
            "value": correction.proposed_by.printed_name,
            "note": moment(correction.proposed_at, locale()),
        },
    ]
    if correction.slot is not None or correction.stratum:
        stratum = correction.slot.stratum if correction.slot is not None else correction.stratum
        definition = definition_of(correction.allocation_list.version_id)
        facts.insert(1, {"label": _("Stratum"), "value": stratum_words(stratum, definition)})
    if correction.decided_by is not None and correction.decided_at is not None:
        facts += [
            {
                "label": _("Decided by"),
                "value": correction.decided_by.printed_name,
                "note": moment(correction.decided_at, locale()),
            },
            {"label": _("Reason of the decision"), "value": correction.decision_reason},
        ]
    elif correction.decided_at is not None:
        facts += [
            {
                "label": _("Taken back by"),
                "value": correction.proposed_by.printed_name,
                "note": moment(correction.decided_at, locale()),
            },
            {"label": _("Reason for taking it back"), "value": correction.decision_reason},
        ]
    return facts


def correction_explained(kind: str) -> str:
    """What a correction of this kind does, in a sentence."""
    return {
        CorrectionKind.WITHDRAW_SLOT: _(
            "Allocations pass over this slot from then on; verification names it. Its arm stays unknown to everybody."
        ),
        CorrectionKind.APPEND_SLOTS: _(
            "The same algorithm makes the new slots from a seed that the system draws. They get a commitment of their "
            "own, which the second person signs."
        ),
        CorrectionKind.CLOSE_STRATUM: _("Nobody is randomized in this stratum any more. What was allocated stays."),
        CorrectionKind.REOPEN_STRATUM: _(
            "Participants are randomized in this stratum again, from its next free slot on: the order of the list "
            "stays as it was committed."
        ),
        CorrectionKind.HOLD: _(
            "Nobody is randomized from this moment on; the second person confirms it afterwards, or rejects it, which "
            "lifts the hold."
        ),
        CorrectionKind.RESUME: _("Randomization goes on as soon as the second person approves."),
    }[CorrectionKind(kind)]


def proposed_words(kind: str) -> str:
    """What is said once a correction is proposed."""
    if kind == CorrectionKind.HOLD:
        return _("Randomization is on hold. A second person confirms it.")
    return _("The correction is proposed. It takes effect when a second person approves it.")
