"""Words for the pages of reporting: exports, the audit trail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from audit.models import Deed
from audit.verbs import all_verbs, verb_label
from randomization.models import WhyOtherwise
from randomization.treatment import TreatmentSection
from trial import notice_kinds
from trial.definition import Definition
from trial.definitions import definition_of
from trial.links import optional_url
from trial.models import Lease
from trial.presenters import date_words
from trial.statuses import FAILURE_REASONS

from .consort import UNKNOWN, WITHDRAWN, Branch, Flow
from .datasets import RESERVED
from .details import detail_words
from .models import Export, ExportState


@dataclass(frozen=True)
class ExportRow:
    """One export as a line: its state, how far it is, what it holds."""

    export: Export
    state: str
    state_label: str
    progress: int
    text: str
    is_waiting: bool
    size: str
    rows: str
    rows_note: str
    arms: str
    note: str


def export_row(export: Export, lease: Lease | None) -> ExportRow:
    """Bring one export ready for the page."""
    state, label, text = _state_of(export, lease)
    forms = sum(count for name, count in export.rows.items() if name not in RESERVED and "__" not in name)
    people = export.rows.get("participants", 0)
    return ExportRow(
        export=export,
        state=state,
        state_label=label,
        progress=lease.progress if lease is not None and export.state == ExportState.REQUESTED else 0,
        text=text,
        is_waiting=export.state == ExportState.REQUESTED,
        size=filesizeformat(export.size) if export.size is not None else "",
        rows=ngettext("%(n)s participant", "%(n)s participants", people) % {"n": people} if export.rows else "",
        rows_note=ngettext("%(n)s form", "%(n)s forms", forms) % {"n": forms} if export.rows else "",
        arms=_("With arms") if export.includes_arms else _("Without arms"),
        note=export.failure,
    )


def _state_of(export: Export, lease: Lease | None) -> tuple[str, str, str]:
    if export.state == ExportState.READY:
        return "done", _("Ready"), ""
    if export.state == ExportState.FAILED:
        return "failed", _("Failed"), ""
    if lease is not None and lease.leased_until is not None and lease.leased_until > timezone.now():
        return "running", _("Being written"), f"{lease.progress} %"
    if lease is not None and lease.attempts:
        return "queued", _("Will be tried again"), _("It was interrupted and goes on within minutes.")
    return "queued", _("Waiting"), _("Your export is waiting; it starts within a minute.")


# ---------------------------------------------------------------- audit trail


@dataclass(frozen=True)
class TrailRow:
    """One line of the trail in words."""

    deed: Deed
    when: str
    time: str
    what: str
    target: str
    details: list[str]
    reason: str
    site_number: str
    participant_url: str


def families() -> list[tuple[str, Any]]:
    """Name the families of what can be done (what stands before the point of a verb), for those that are registered."""
    words = {
        "participant": _("Participants"),
        "consent": _("Consents"),
        "visit": _("Visits"),
        "record": _("Forms"),
        "query": _("Queries"),
        "eligibility": _("Eligibility"),
        "safety": _("Serious events"),
        "list": _("Allocation lists"),
        "allocation": _("Allocation documents"),
        "signature": _("Signatures"),
        "export": _("Exports"),
        "trail": _("Audit trail"),
        "person": _("Sign-ins and accounts"),
        "delegation": _("Roles"),
        "site": _("Sites"),
        "version": _("Versions"),
        "laboratory": _("Laboratory ranges"),
        "notice": _("Reminders"),
    }
    known = {verb.partition(".")[0] for verb in all_verbs()}
    return [(family, label) for family, label in words.items() if family in known]


def verb_words(verb: str) -> str:
    """Name a verb, or a family of verbs, as the filter shows it."""
    return str(dict(families()).get(verb) or verb_label(verb))


def trail_row(deed: Deed, definition: Definition | None, site_numbers: dict[int, str]) -> TrailRow:
    """Bring one line of the trail ready for the page."""
    locale = get_language() or "en"
    local = timezone.localtime(deed.at)
    return TrailRow(
        deed=deed,
        when=date_words(local.date(), locale),
        time=f"{local:%H:%M:%S}",
        what=str(deed.label),
        target=_target(deed, definition, locale),
        details=detail_words(deed, definition, locale),
        reason=str(deed.details.get("reason") or ""),
        site_number=site_numbers.get(deed.site_id or 0, ""),
        participant_url=optional_url("casebook", deed.participant_code) if deed.participant_code else "",
    )


def _target(deed: Deed, definition: Definition | None, locale: str) -> str:
    """What the line is about: the form, visit or item by its name where the study has one, else the row's own words."""
    form_id = str(deed.details.get("form") or "")
    event = str(deed.details.get("visit") or deed.details.get("event") or "")
    parts = []
    if definition is not None and form_id in definition.forms:
        form = definition.forms[form_id]
        number = deed.details.get("number")
        parts.append(definition.text(form.label, locale) + (f" {number}" if number else ""))
        item = form.items.get(str(deed.details.get("item") or ""))
        if item is not None:
            parts.append(definition.text(item.label, locale))
    if definition is not None and event:
        parts += [definition.text(visit.label, locale) for visit in definition.visits if visit.id == event]
    if parts:
        return " · ".join(parts)
    if deed.verb == "notice.sent":
        return notice_words(str(deed.details.get("kind") or ""), definition, locale)
    return "" if deed.target_label == deed.participant_code else _label_words(deed.target_label, definition, locale)


def notice_words(kind: str, definition: Definition | None, locale: str) -> str:
    """Name a sort of reminder by its subject without code and visit: `Visit in 7 days`."""
    subject = ""
    if definition is not None:
        subject = next((definition.text(each.subject, locale) for each in definition.reminders if each.id == kind), "")
    registered = notice_kinds.get(kind)
    if not subject and registered is not None:
        subject = str(registered.subject)
    words = re.sub(r"\{\w+\}", "", subject).strip(" \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}:;,.·–")
    return words[:1].upper() + words[1:] if words else kind


def _label_words(label: str, definition: Definition | None, locale: str) -> str:
    """The words in which a row calls itself, in the language of the page where they are ours: `Query 248`."""
    name, _space, number = label.partition(" ")
    if definition is not None and name in definition.forms:
        return definition.text(definition.forms[name].label, locale)
    words = {"Query": _("Query"), "Case": _("Serious event"), "List": _("List"), "Export": _("Export"),
             "Redaction": _("Redaction"), "Note": _("Note"), "File": _("File")}  # fmt: skip
    return f"{words[name]} {number}" if name in words and number.isdigit() else label


def newest_definition(version_id: int | None) -> Definition | None:
    """Return a version's definition, None without one."""
    return definition_of(version_id) if version_id is not None else None


def failure_words(definition: Definition, code: str, detail: str) -> str:
    """Name a reason of a screen failure: by the study's codelist, else as it was typed."""
    codelist = definition.codelists.get(FAILURE_REASONS)
    if codelist is not None:
        for entry in codelist.codes:
            if entry.code == code:
                return definition.text(entry.label, get_language() or "en")
    return detail or code or _("No reason recorded")


# ---------------------------------------------------------------- the flow of participants


def flow_words(found: Flow, definition: Definition, locale: str) -> dict[str, Any]:
    """The CONSORT diagram in words: enrolment, and one branch for all arms together or for each arm."""
    branches = found.arms or [found.total]
    return {
        "enrolment": [
            {"label": _("Screened"), "value": found.screened},
            {"label": _("Not included"), "value": found.excluded_in_all},
            {"label": _("Left before inclusion"), "value": found.left},
            {"label": _("Still in screening"), "value": found.in_screening},
            {"label": _("Randomized"), "value": found.randomized},
            {"label": _("Registered, not randomized"), "value": found.registered},
        ],
        "excluded": [
            {"label": failure_words(definition, code, detail), "value": count} for code, detail, count in found.excluded
        ],
        "branches": [_branch_words(branch, definition, locale) for branch in branches],
    }


def _branch_words(branch: Branch, definition: Definition, locale: str) -> dict[str, Any]:
    arm = definition.arms.get(branch.arm)
    title = definition.text(arm.label, locale) if arm is not None else branch.arm or _("All randomized")
    return {
        "title": title,
        "allocation": [
            {"label": _("Allocated"), "value": branch.allocated},
            {"label": _("Received the allocated treatment"), "value": branch.received},
            {"label": _("Did not receive it"), "value": branch.not_received_in_all},
            *(
                {"label": f"– {WhyOtherwise(why).label}", "value": count}
                for why, count in branch.not_received.most_common()
            ),
            {"label": _("Not recorded yet"), "value": branch.not_told},
            {"label": _("Randomized in error"), "value": branch.in_error},
        ],
        "follow_up": [
            {"label": _("Lost to follow-up"), "value": branch.lost},
            {"label": _("Discontinued the treatment"), "value": branch.discontinued_in_all},
            *(
                {"label": f"– {_ending_words(definition, why, locale)}", "value": count}
                for why, count in branch.discontinued.most_common()
            ),
        ],
        "analysis": [
            {"label": _("By intention to treat"), "value": branch.analyzed},
            {"label": _("Per protocol"), "value": branch.per_protocol},
        ],
    }


def _ending_words(definition: Definition, why: str, locale: str) -> str:
    """Why a treatment ended: by the codelist of the item that says it."""
    if why == WITHDRAWN:
        return _("Withdrawn")
    section: TreatmentSection | None = definition.section("treatment")
    if section is not None and section.ended_why is not None:
        form, _dot, item = section.ended_why.partition(".")
        codelist = definition.codelists.get(definition.form(form).item(item).codelist or "")
        for entry in codelist.codes if codelist is not None else ():
            if entry.code == why:
                return definition.text(entry.label, locale)
    return _("Reason not recorded") if why == UNKNOWN else why
