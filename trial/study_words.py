"""A study's definition in words: visits, items, checks, criteria and what feeds what. No database, no participant."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from .definition import Definition, Form, Item
from .definition.model import CriterionKind, Offset, Phase, Severity, VisitDefinition
from .language import ItemType, format_number, missing_words, unit_words
from .models import Role
from .uses_words import UsesWords

TYPE_WORDS = {
    ItemType.TEXT: gettext_lazy("Text"),
    ItemType.LONGTEXT: gettext_lazy("Long text"),
    ItemType.INTEGER: gettext_lazy("Whole number"),
    ItemType.DECIMAL: gettext_lazy("Number"),
    ItemType.DATE: gettext_lazy("Date"),
    ItemType.PARTIAL_DATE: gettext_lazy("Date, parts may be unknown"),
    ItemType.TIME: gettext_lazy("Time"),
    ItemType.DATETIME: gettext_lazy("Date and time"),
    ItemType.CHOICE: gettext_lazy("One choice"),
    ItemType.CHOICES: gettext_lazy("Several choices"),
    ItemType.YESNO: gettext_lazy("Yes or no"),
    ItemType.VAS: gettext_lazy("Visual analogue scale"),
    ItemType.TERM: gettext_lazy("Term of a dictionary"),
    ItemType.GRADE: gettext_lazy("Grade"),
    ItemType.LINK: gettext_lazy("Link to an entry"),
    ItemType.FILE: gettext_lazy("File"),
}
PHASE_WORDS = {
    Phase.SCREENING: gettext_lazy("Screening"),
    Phase.STUDY: gettext_lazy("Study"),
    Phase.SURVIVAL: gettext_lazy("Survival follow-up"),
    Phase.EVENT: gettext_lazy("On an event"),
}
ANCHOR_WORDS = {
    "screening": gettext_lazy("screening"),
    "randomization": gettext_lazy("randomization"),
    "progression": gettext_lazy("progression"),
    "treatment_end": gettext_lazy("end of allocated treatment"),
    "death": gettext_lazy("death"),
    "end_of_study": gettext_lazy("end of study"),
}
AREA_WORDS = {
    "general": gettext_lazy("General"),
    "srt": gettext_lazy("Radiotherapy"),
    "imaging": gettext_lazy("Imaging"),
    "safety": gettext_lazy("Safety"),
}


class StudyWords:
    """The words of one definition in one language."""

    def __init__(self, definition: Definition, locale: str, query: str = "") -> None:
        self.definition = definition
        self.locale = locale
        self.uses = UsesWords(definition, locale, query)

    def text(self, label: Any) -> str:
        """The words of a label."""
        return self.definition.text(label, self.locale)

    # ------------------------------------------------------------ study

    def facts(self) -> list[dict[str, Any]]:
        """Who the study is."""
        study = self.definition.study
        plan = study.accrual
        return [
            {"label": _("Code"), "value": study.code},
            {"label": _("Sponsor"), "value": study.sponsor},
            {"label": _("Protocol version"), "value": study.protocol_version},
            *({"label": registry.name, "value": registry.id} for registry in study.registries),
            {
                "label": _("Accrual plan"),
                "value": _("%(target)s participants, %(sites)s sites, %(months)s months")
                % {"target": plan.target, "sites": plan.sites, "months": plan.months},
            },
        ]

    def arms(self) -> list[str]:
        """The arms as the protocol names them."""
        return [self.text(arm.label) for arm in self.definition.arms.values()]

    def parameters(self) -> list[dict[str, Any]]:
        """The constants of the protocol, with the range in which an amendment may move them."""
        return [
            {
                "id": name,
                "label": self.text(parameter.label),
                "value": self.number(parameter.value),
                "range": self._range(parameter.min, parameter.max),
            }
            for name, parameter in self.definition.parameters.items()
        ]

    # ------------------------------------------------------------ visits

    def visits(self) -> list[dict[str, Any]]:
        """The visit plan as rows."""
        return [
            {
                "id": visit.id,
                "label": self.text(visit.label),
                "phase": PHASE_WORDS[visit.phase],
                "when": self.when(visit),
                "window": self.window(visit),
                "only": ", ".join(self._arms_of(visit)),
                "forms": [
                    {"id": form_id, "label": self.text(self.definition.form(form_id).label)} for form_id in visit.forms
                ],
            }
            for visit in self.definition.visits
        ]

    def when(self, visit: VisitDefinition) -> str:
        """When a visit is planned, counted from its anchor."""
        if visit.on_demand:
            return _("as often as needed") if visit.unscheduled else _("when it happens")
        anchor = str(ANCHOR_WORDS.get(visit.anchor, visit.anchor))
        offset = offset_words(visit.offset)
        if not offset:
            return _("day of %(anchor)s") % {"anchor": anchor}
        return _("%(offset)s after %(anchor)s") % {"offset": offset, "anchor": anchor}

    def window(self, visit: VisitDefinition) -> str:
        """The days before and after the planned date."""
        before, after = visit.window.before, visit.window.after
        if visit.on_demand:
            return ""
        if before == after:
            return ngettext("± %(n)s day", "± %(n)s days", after) % {"n": after} if after else _("that day")
        return _("−%(before)s / +%(after)s days") % {"before": before, "after": after}

    def _arms_of(self, visit: VisitDefinition) -> list[str]:
        if not visit.pathways or set(visit.pathways) >= set(self.definition.pathways):
            return []
        return [self.text(self.definition.pathways[name].label) for name in visit.pathways]

    # ------------------------------------------------------------ forms

    def forms(self) -> list[dict[str, Any]]:
        """Every form with where it stands and how long it is."""
        return [
            {
                "id": form.id,
                "label": self.text(form.label),
                "is_log": form.is_log,
                "area": AREA_WORDS[str(form.area)],
                "domain": form.domain or "",
                "items": len(form.items),
                "checks": len(form.checks),
                "where": _("log") if form.is_log else self._visits_words(form),
            }
            for form in self.definition.forms.values()
        ]

    def _visits_words(self, form: Form) -> str:
        labels = [self.text(visit.label) for visit in self.definition.visits_with(form.id)]
        if len(labels) <= 3:
            return ", ".join(labels)
        return ngettext("%(first)s and %(n)s other visit", "%(first)s and %(n)s other visits", len(labels) - 1) % {
            "first": labels[0],
            "n": len(labels) - 1,
        }

    def form(self, form: Form) -> dict[str, Any]:
        """One form: groups of items, checks, who enters and signs it."""
        facts: list[dict[str, Any]] = [
            {"label": _("Stands in"), "value": _("a log of its own") if form.is_log else self._visits_words(form)},
            {"label": _("Entered under"), "value": AREA_WORDS[str(form.area)]},
            {"label": _("Signed by"), "value": str(Role(form.sign).label) if form.sign else ""},
            {"label": _("CDASH domain"), "value": form.domain or ""},
        ]
        return {
            "id": form.id,
            "label": self.text(form.label),
            "hint": self.text(form.hint),
            "facts": [fact for fact in facts if fact["value"]],
            "groups": [
                {
                    "id": group.id,
                    "title": self.text(group.label),
                    "hint": self.text(group.hint),
                    "repeating": group.repeating,
                    "shown_when": group.shown_when or "",
                    "items": [self.item(form, item) for item in group.items],
                }
                for group in form.groups
            ],
            "lists": self.uses.lists(form),
            "checks": [
                {
                    "id": check.id,
                    "rule": check.rule,
                    "message": self.text(check.message),
                    "severity": "hard" if check.severity is Severity.HARD else "soft",
                    "items": ", ".join(self.text(form.item(item_id).label) for item_id in check.items),
                }
                for check in form.checks
            ],
        }

    def item(self, form: Form, item: Item) -> dict[str, Any]:
        """One item: type, unit, choices, range, conditions, what it feeds and what decides it."""
        definition = self.definition
        codelist = definition.codelists.get(item.codelist or "")
        limits = item.range
        kind = str(TYPE_WORDS[item.type])
        if item.link:
            kind = _("Link to: %(form)s") % {"form": self.text(definition.form(item.link).label)}
        return {
            "id": item.id,
            "label": self.text(item.label),
            "hint": self.text(item.hint),
            "type": kind,
            "required": item.required,
            "critical": item.critical,
            "unit": unit_words(item.unit or "", self.locale),
            "units": [unit.unit for unit in item.units],
            "codes": [(entry.code, self.text(entry.label)) for entry in codelist.codes] if codelist else [],
            "hard": self._range(limits.min, limits.max) if limits else "",
            "soft": self._range(limits.soft_min, limits.soft_max) if limits else "",
            "missing": [missing_words(str(code), self.locale) for code in item.missing] if not item.derived else [],
            "shown_when": item.shown_when or "",
            "derived": item.derived or "",
            "answered_by": ", ".join(str(Role(str(role)).label) for role in item.answered_by),
            "sdtm": item.sdtm or "",
            "feeds": self.uses.feeds(form, item),
            "fed_by": self.uses.fed_by(form, item),
            "url": self.uses.item_url(form.id, item.id),
        }

    # ------------------------------------------------------------ eligibility

    def criteria(self) -> list[dict[str, Any]]:
        """The criteria with how each is decided."""
        rows = []
        for criterion in self.definition.criteria:
            how = []
            if criterion.expression:
                how.append(_("calculated"))
            if criterion.judged:
                who = ", ".join(str(Role(str(role)).label) for role in criterion.answered_by)
                how.append(_("judged by: %(who)s") % {"who": who} if who else _("judged by the investigator"))
            validity = ""
            if criterion.validity:
                validity = _("%(form)s at most %(days)s days before randomization") % {
                    "form": self.text(self.definition.form(criterion.validity.form).label),
                    "days": criterion.validity.days,
                }
            rows.append(
                {
                    "id": criterion.id,
                    "is_inclusion": criterion.kind is CriterionKind.INCLUSION,
                    "text": self.text(criterion.text),
                    "how": ", ".join(how),
                    "expression": criterion.expression or "",
                    "validity": validity,
                }
            )
        return rows

    # ------------------------------------------------------------ numbers

    def number(self, value: Decimal) -> str:
        """A number as people of this language write it."""
        return format_number(value, self.locale)

    def _range(self, low: Decimal | None, high: Decimal | None) -> str:
        if low is None and high is None:
            return ""
        if high is None:
            return f"≥ {self.number(low)}" if low is not None else ""
        return f"≤ {self.number(high)}" if low is None else f"{self.number(low)} – {self.number(high)}"


def offset_words(offset: Offset) -> str:
    """A distance in words; empty for none."""
    parts = []
    if offset.months:
        parts.append(ngettext("%(n)s month", "%(n)s months", offset.months) % {"n": offset.months})
    if offset.weeks:
        parts.append(ngettext("%(n)s week", "%(n)s weeks", offset.weeks) % {"n": offset.weeks})
    if offset.days:
        parts.append(ngettext("%(n)s day", "%(n)s days", offset.days) % {"n": offset.days})
    return ", ".join(parts)
