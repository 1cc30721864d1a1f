"""Eligibility in words: for each criterion what the data say, what was judged and by whom, what is missing where."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from audit import clock
from audit.errors import Refused
from trial.definition import Definition, Phase
from trial.definition.model import CriterionKind
from trial.language import (
    UNKNOWN,
    Fault,
    PartialDate,
    Ref,
    Value,
    display,
    explain,
    format_date,
    format_number,
    missing_words,
    result_value,
)
from trial.models import Participant, Role, Status, Visit
from trial.permissions import Permission, check
from trial.presenters import date_words
from trial.selectors import visits_of
from trial.statuses import is_of_earlier_screening

from .books import facts_of, place_of
from .casebooks import sex_words
from .checks.book import Book, Reading
from .eligibility import Assessment, Eligibility, assess_entry, decides
from .models import Change, EntryState, Record
from .pages import moment
from .selectors import definition_at, records_for

Words = dict[str, Any]

CONTEXT_WORDS = {
    "today": lambda: _("Today"),
    "participant.sex": lambda: _("Sex"),
    "participant.birth_year": lambda: _("Year of birth"),
    "participant.birth_month": lambda: _("Month of birth"),
    "participant.age": lambda: _("Age"),
    "participant.status": lambda: _("Status"),
    "visit.date": lambda: _("Date of the visit"),
    "visit.id": lambda: _("Visit"),
    "randomization.date": lambda: _("Date of randomization"),
}


@dataclass(frozen=True)
class Verdict:
    """The answer to the whole question, in a tone, a sentence and what to do."""

    state: str
    tone: str
    title: str
    text: str


class EligibilityPage:
    """Every criterion of one participant as one person may see it.

    Until randomization the criteria are evaluated over the newest records, as of today; after it over the records of
    the screening, as of the day of randomization: what was measured later decides nothing any more.
    """

    def __init__(self, person: Any, participant: Participant) -> None:
        self.person = person
        self.participant = participant
        self.definition: Definition = definition_at(participant)
        self.locale = get_language() or "en"
        self.on = participant.day_zero_on or clock.today()

    # ------------------------------------------------------------ what is read

    @cached_property
    def visits(self) -> list[Visit]:
        visits = list(visits_of(self.person, self.participant))
        if self.participant.day_zero_on is None:
            return visits
        return [v for v in visits if self.definition.visit(v.event).phase is Phase.SCREENING]

    @cached_property
    def records(self) -> list[Record]:
        visits = {visit.pk: visit for visit in self.visits}
        found = []
        for record in records_for(self.person, self.participant).filter(removed_at=None).order_by("pk"):
            if record.visit_id is None or record.visit_id in visits:
                record.participant = self.participant
                record.visit = visits.get(record.visit_id) if record.visit_id is not None else None
                found.append(record)
        return found

    @cached_property
    def book(self) -> Book:
        held = (EntryState.NOT_DONE, EntryState.NOT_APPLICABLE)
        return Book(
            self.definition,
            facts_of(self.participant),
            [
                (place_of(self.definition, r.form, r.visit, r.number), r.data)
                for r in self.records
                if r.entry_state not in held
            ],
        )

    @cached_property
    def outside(self) -> Reading:
        return self.book.outside()

    @cached_property
    def record(self) -> Record | None:
        """The record that holds the judged answers and the signature."""
        if self.definition.eligibility is None:
            return None
        form = self.definition.eligibility.form
        found = [r for r in self.records if r.form == form and decides(r, self.participant)]
        return found[-1] if found else None

    @cached_property
    def eligibility(self) -> Eligibility:
        found = assess_entry(self.participant, self.definition, self.book, self.on)
        return Eligibility(found.assessments, self.record)

    @cached_property
    def _answered(self) -> dict[str, Change]:
        """The last change of each judged item: who answered, and when."""
        if self.record is None:
            return {}
        items = [c.judged.partition(".")[2] for c in self.definition.criteria if c.judged]
        changes = Change.objects.filter(record=self.record, item__in=items).order_by("pk")
        return {change.item: change for change in changes}

    # ------------------------------------------------------------ criteria

    @cached_property
    def sections(self) -> list[Words]:
        """Inclusion and exclusion criteria, each with its words."""
        titles = {
            CriterionKind.INCLUSION: (_("Inclusion criteria"), _("Each must be true.")),
            CriterionKind.EXCLUSION: (_("Exclusion criteria"), _("Each must be false.")),
        }
        made = []
        for kind, (title, note) in titles.items():
            criteria = [self._criterion(a) for a in self.eligibility.assessments if a.criterion.kind is kind]
            if criteria:
                met = sum(c["state"] == "met" for c in criteria)
                made.append({"title": title, "note": note, "criteria": criteria, "met": met, "id": str(kind)})
        return made

    @property
    def open_criteria(self) -> list[Words]:
        """The criteria that are not met, not decided or out of date."""
        criteria = [criterion for section in self.sections for criterion in section["criteria"]]
        return [c for c in criteria if c["state"] != "met" or c["outdated"]]

    def _criterion(self, assessment: Assessment) -> Words:
        criterion = assessment.criterion
        state = {True: "met", False: "not_met", None: "unknown"}[assessment.is_met]
        return {
            "id": criterion.id,
            "text": self.text(criterion.text),
            "state": state,
            "state_label": self._state_words(assessment),
            "computed": self._computed(assessment),
            "judged": self._judged(assessment),
            "disagrees": assessment.disagrees,
            "outdated": self._outdated(assessment),
            "lacking": self._lacking(assessment),
        }

    def _state_words(self, assessment: Assessment) -> str:
        """How a criterion stands: an exclusion criterion is absent or present, never “met”."""
        if assessment.is_met is None:
            return _("Not known")
        if assessment.disagrees:
            return _("Disagreement")
        if assessment.criterion.kind is CriterionKind.INCLUSION:
            return _("Met") if assessment.is_met else _("Not met")
        return _("Absent") if assessment.is_met else _("Present")

    def text(self, label: Any) -> str:
        """The words of a label of the study in the language of the page."""
        return self.definition.text(label, self.locale)

    def _computed(self, assessment: Assessment) -> Words | None:
        """What the data say of a criterion, with the values that were read; None when it is only judged."""
        if not assessment.is_computed:
            return None
        expression = self.definition.compiled.criteria[assessment.criterion.id]
        values = [self._read(ref, value) for ref, value in explain(expression, self.outside)]
        return {
            "answer": _answer_words(assessment.computed),
            "state": self._answer_state(assessment, assessment.computed),
            "values": _unique(values),
        }

    def _judged(self, assessment: Assessment) -> Words | None:
        """What a person answered, who and when; and whose answer is due."""
        criterion = assessment.criterion
        if criterion.judged is None:
            return None
        form_id, _dot, item_id = criterion.judged.partition(".")
        item = self.definition.form(form_id).item(item_id)
        roles = [str(Role(str(role)).label) for role in (item.answered_by or criterion.answered_by)]
        change = self._answered.get(item_id)
        by = ""
        if change is not None and assessment.judged is not None:
            by = _("%(name)s, %(when)s") % {"name": change.by_name, "when": moment(change.at, self.locale)}
        return {
            "answer": _answer_words(assessment.judged),
            "state": self._answer_state(assessment, assessment.judged),
            "by": by,
            "due_from": _(" or ").join(roles) if roles else _("site staff"),
            "is_due": assessment.judged is None,
            "url": self.form_url(form_id),
        }

    def _answer_state(self, assessment: Assessment, answer: bool | None) -> str:
        if answer is None:
            return "unknown"
        return "met" if answer is (assessment.criterion.kind is CriterionKind.INCLUSION) else "not_met"

    def _outdated(self, assessment: Assessment) -> str:
        """Why an assessment does not count any more (or not yet), in words; empty when it is valid."""
        validity = assessment.criterion.validity
        if validity is None or not assessment.outdated or assessment.is_met is None:
            return ""  # while it is not decided, what is missing says enough
        form = self.text(self.definition.form(validity.form).label)
        if assessment.outdated == "absent":
            return _("%(form)s: no dated assessment yet; at most %(days)s days before randomization.") % {
                "form": form,
                "days": validity.days,
            }
        on = dt.date.fromisoformat(assessment.outdated)
        return _("%(form)s of %(on)s is %(age)s days old; at most %(days)s days before randomization.") % {
            "form": form,
            "on": date_words(on, self.locale),
            "age": (self.on - on).days,
            "days": validity.days,
        }

    def _lacking(self, assessment: Assessment) -> list[Words]:
        """What is missing for the criterion, each with a link to the form that holds it."""
        found = [
            {"label": self.ref_words(ref), "url": self.form_url(str(ref.form))}
            for ref in assessment.lacking
            if ref.form in self.definition.forms and str(ref) != assessment.criterion.judged
        ]
        if assessment.outdated and assessment.is_met is not None and assessment.criterion.validity is not None:
            form = assessment.criterion.validity.form
            found.append({"label": self.text(self.definition.form(form).label), "url": self.form_url(form)})
        if assessment.is_computed and assessment.computed is None and not found:
            form = self._first_form(assessment)
            if form:
                found.append({"label": self.text(self.definition.form(form).label), "url": self.form_url(form)})
        return _unique(found)

    def _first_form(self, assessment: Assessment) -> str:
        if assessment.criterion.expression is None:
            return ""
        reads = self.definition.compiled.criteria[assessment.criterion.id].reads
        return next((str(ref.form) for ref in sorted(reads, key=str) if ref.form in self.definition.forms), "")

    def form_url(self, form_id: str) -> str:
        """Where this participant's record of a form is, or would be made; empty when no visit holds it."""
        code = self.participant.code
        if self.definition.form(form_id).is_log:
            return reverse("log", args=[code, form_id])
        held = [
            r for r in self.records if r.form == form_id and r.visit_id is not None and decides(r, self.participant)
        ]
        if held:
            return reverse("record", args=[code, held[-1].visit_id, form_id])
        for visit in self.visits:
            if is_of_earlier_screening(visit, self.participant, self.definition):
                continue
            if form_id in self.definition.visit(visit.event).forms:
                return reverse("record", args=[code, visit.pk, form_id])
        return ""

    # ------------------------------------------------------------ values read

    def _read(self, ref: Ref, value: object) -> Words:
        is_form = ref.kind in ("item", "rows") and ref.form in self.definition.forms
        url = self.form_url(str(ref.form)) if is_form else ""
        words = self._value_words(ref, value)
        return {"label": self.ref_words(ref), "value": words or _("not known"), "known": bool(words), "url": url}

    def ref_words(self, ref: Ref) -> str:
        """What a reference names, as the forms call it."""
        if ref.kind == "parameter":
            return self.text(self.definition.parameters[ref.name].label)
        if ref.kind == "context":
            known = CONTEXT_WORDS.get(ref.name)
            return known() if known else ref.name
        form = self.definition.form(str(ref.form))
        if ref.kind == "rows" or not ref.item:
            return self.text(form.label)
        label = self.text(form.item(ref.item).label)
        return f"{label} ({self.text(form.label)})"

    def _value_words(self, ref: Ref, value: object) -> str:
        """A value that an expression read, as people read it; empty when it is not known."""
        if isinstance(value, tuple) and ref.kind == "item" and self._is_list(ref):
            return ", ".join(self._value_words(Ref("item", ref.form, ref.item), v) or _("not known") for v in value)
        if value is UNKNOWN:
            code = self.outside.missing(ref) if ref.kind == "item" and not self._is_list(ref) else ""
            return missing_words(code, self.locale) if code else ""
        if ref.name == "participant.sex":
            return sex_words(self.participant, self.definition, self.locale)
        if ref.name == "participant.status":
            return str(Status(str(value)).label)
        if ref.kind == "item":
            spec = self.definition.spec(str(ref.form), ref.item)
            try:
                held = result_value(spec, value)
            except Fault:
                held = Value(value)  # type: ignore[arg-type]
            return display(spec, held, self.locale)
        if isinstance(value, dt.date | PartialDate):
            return format_date(value, self.locale)
        return format_number(value, self.locale) if isinstance(value, int) else str(value)

    def _is_list(self, ref: Ref) -> bool:
        """Whether the item has a value per row: of a log, or of a repeating group."""
        form = self.definition.form(str(ref.form))
        return form.is_log or form.group_of(ref.item).repeating

    # ------------------------------------------------------------ verdict and signature

    @cached_property
    def counts(self) -> Words:
        assessments = self.eligibility.assessments
        return {
            "all": len(assessments),
            "met": sum(a.is_met is True for a in assessments),
            "failing": len(self.eligibility.failing),
            "undecided": len(self.eligibility.undecided),
            "outdated": len(self.eligibility.outdated),
        }

    @cached_property
    def verdict(self) -> Verdict:
        """The answer as it stands: eligible and signed, to be signed, undecided, or not eligible."""
        found, record = self.eligibility, self.record
        if self.participant.status == Status.SCREEN_FAILURE:
            return Verdict("screen_failure", "danger", _("The screening is closed."), _("This person is not included."))
        if found.is_signed and record is not None and record.signature is not None:
            text = _("Signed by %(name)s, %(when)s.") % {
                "name": record.signature.by_name,
                "when": moment(record.signature.signed_at, self.locale),
            }
            if found.outdated and self.participant.day_zero_on is None:
                ids = ", ".join(a.criterion.id for a in found.outdated)
                return Verdict(
                    "signed_changed",
                    "warn",
                    _("Eligible, but an assessment is out of date: %(ids)s") % {"ids": ids},
                    text + " " + _("Repeat it before the randomization."),
                )
            return Verdict("signed", "ok", _("Eligible"), text)
        if found.failing:
            ids = ", ".join(a.criterion.id for a in found.failing)
            return Verdict("not_met", "danger", _("Not eligible: %(ids)s") % {"ids": ids}, _("There are no waivers."))
        if found.undecided:
            ids = ", ".join(a.criterion.id for a in found.undecided)
            return Verdict(
                "unknown",
                "info",
                _("%(n)s of %(all)s criteria are not decided yet")
                % {"n": len(found.undecided), "all": self.counts["all"]},
                _("Still open: %(ids)s.") % {"ids": ids},
            )
        if record is not None and record.is_changed_since_signing:
            return Verdict(
                "signed_changed",
                "warn",
                _("Every criterion is met, but something changed since the signature"),
                _("The investigator signs again."),
            )
        return Verdict("ready", "info", _("Every criterion is met"), _("The investigator signs to confirm it."))

    @property
    def statement(self) -> str:
        """What the signature means, in the study's words."""
        return self.text(self.definition.eligibility.sign_meaning) if self.definition.eligibility else ""

    @property
    def judged_url(self) -> str:
        """The form that holds the judged answers."""
        return self.form_url(self.definition.eligibility.form) if self.definition.eligibility else ""

    @cached_property
    def obstacles(self) -> list[str]:
        """Why this person cannot sign now, in words; empty when the signature can be given."""
        if self.participant.status not in (Status.SCREENING, Status.ENROLLED):
            return [_("%(code)s is no longer in screening.") % {"code": self.participant.code}]
        found: list[str] = []
        try:
            check(self.person, Permission.SIGN_ELIGIBILITY, self.participant.site_id)
        except Refused as refused:
            found.append(str(refused))
        record = self.record
        if record is None or record.entry_state != EntryState.COMPLETE:
            found.append(_("The form with the judged answers is not complete yet."))
        elif record.is_locked:
            found.append(_("The form with the judged answers is locked."))
        if self.eligibility.failing:
            found.append(_("A criterion is not met. There are no waivers."))
        elif self.eligibility.undecided:
            found.append(_("A criterion is not decided yet."))
        return found

    @property
    def is_signed(self) -> bool:
        return self.eligibility.is_signed


def _answer_words(answer: bool | None) -> str:
    return {True: _("Yes"), False: _("No"), None: _("Not known")}[answer]


def _unique(found: Iterable[Words]) -> list[Words]:
    """The same words once, in their first order."""
    kept: dict[tuple[Any, ...], Words] = {}
    for words in found:
        kept.setdefault(tuple(words.values()), words)
    return list(kept.values())
