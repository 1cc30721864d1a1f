"""What shape cannot tell: references, ranges, schedules, expressions and blinding, over the whole definition.

Each function looks at one part of the study and tells every problem it finds. A name that a broken part would have
defined (`Report.is_ghost`) is not called unknown: the broken part is a problem already.
"""

import keyword
import re
from collections.abc import Hashable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from trial.definition.compiled import Circle, ExpressionPlace, Failure
from trial.definition.definition import Definition, expand
from trial.definition.model import (
    ANCHORS,
    DOMAIN_PATTERN,
    FOLLOWED_MILESTONES,
    VISIT_PATTERN,
    Check,
    Criterion,
    Form,
    FormKind,
    Group,
    Item,
    Phase,
    Range,
    Reminder,
    VisitTemplatePart,
)
from trial.definition.problems import ProblemSeverity, did_you_mean, shown
from trial.definition.reading import Path
from trial.definition.sections import Say
from trial.definition.shapes import Report, bare
from trial.language import RESERVED, Fault, ItemType

STUDY, SCHEDULE, ELIGIBILITY = "study.yaml", "schedule.yaml", "eligibility.yaml"
CODELISTS, REMINDERS = "codelists.yaml", "reminders.yaml"

DATES = (ItemType.DATE, ItemType.PARTIAL_DATE, ItemType.DATETIME)
MEASURES = (ItemType.INTEGER, ItemType.DECIMAL)
NUMBERS = (*MEASURES, ItemType.VAS)
CHOICES = (ItemType.CHOICE, ItemType.CHOICES)
TEXTS = (ItemType.TEXT, ItemType.LONGTEXT)

MAIL_WORDS = frozenset({"site", "code", "visit", "date", "url"})
"""What an e-mail may carry: never clinical data."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def validate(
    definition: Definition,
    *,
    forms: list[tuple[str, Form]],
    report: Report,
    study_is_known: bool = True,
    schedule_is_known: bool = True,
) -> None:
    """Tell every problem of a definition to the report.

    `forms` are the forms with their file names, as they were read: a form that is defined twice is there twice.
    """
    work = _Validation(definition, forms, report, study_is_known, schedule_is_known)
    work.study()
    work.schedule()
    work.codelists()
    work.eligibility()
    work.reminders()
    work.all_forms()
    work.labels()
    work.expressions()
    work.blinding()
    work.sections()


class _Validation:
    def __init__(
        self,
        definition: Definition,
        forms: list[tuple[str, Form]],
        report: Report,
        study_is_known: bool,
        schedule_is_known: bool,
    ) -> None:
        self.definition = definition
        self.forms = forms
        self.report = report
        self.study_is_known = study_is_known
        self.schedule_is_known = schedule_is_known
        self.files = {form.id: file for file, form in reversed(forms)}
        self.add = report.add

    # -------------------------------------------------------- shared

    def unique(self, kind: str, file: str, entries: Iterable[tuple[Hashable, Path]]) -> None:
        """Every id once; the second and later ones are problems that name the line of the first."""
        first: dict[Hashable, Path] = {}
        source = self.report.sources.get(file)
        for entry_id, path in entries:
            if entry_id in first:
                line = source.line(source.written(first[entry_id])) if source else None
                self.add("DEF030", file, path, kind=kind, id=entry_id, first=line)
            else:
                first[entry_id] = path

    def form_exists(self, form_id: str, file: str, path: Path) -> Form | None:
        form = self.definition.forms.get(form_id)
        if form is None and not self.report.is_ghost(form_id):
            self.add("DEF040", file, path, id=form_id, suggestion=did_you_mean(form_id, self.definition.forms))
        return form

    def item_exists(self, form: Form, item_id: str, file: str, path: Path) -> Item | None:
        item = form.items.get(item_id)
        if item is None and not self.report.is_ghost(item_id):
            suggestion = did_you_mean(item_id, form.items)
            self.add("DEF041", file, path, form=form.id, id=item_id, suggestion=suggestion)
        return item

    def reference(
        self, reference: str | None, file: str, path: Path, wanted: tuple[ItemType, ...] = (), *, single: bool = True
    ) -> Item | None:
        """The item of a `form.item`, if it exists, is of a wanted type and, when `single`, has one value."""
        if reference is None:
            return None
        form_id, _, item_id = reference.partition(".")
        form = self.form_exists(form_id, file, path)
        item = self.item_exists(form, item_id, file, path) if form is not None else None
        if form is None or item is None:
            return None
        self.of_type(item, reference, wanted, file, path)
        if single and (form.is_log or form.group_of(item_id).repeating):
            remedy = "Name an item of a visit form that stands outside repeating groups."
            self.add("DEF047", file, path, id=reference, remedy=remedy)
        return item

    def of_type(self, item: Item, name: str, wanted: tuple[ItemType, ...], file: str, path: Path) -> None:
        if wanted and item.type not in wanted:
            self.add("DEF046", file, path, id=name, type=item.type.value, wanted=_either(t.value for t in wanted))

    def pathway_exists(self, pathway_id: str, file: str, path: Path) -> None:
        known = self.definition.pathways
        if self.study_is_known and pathway_id not in known and not self.report.is_ghost(pathway_id):
            self.add("DEF043", file, path, id=pathway_id, suggestion=did_you_mean(pathway_id, known))

    def word(self, word: str, kind: str, file: str, path: Path) -> None:
        """An id that an expression could not name."""
        if keyword.iskeyword(word) or (word in RESERVED and kind == "form") or word == "today":
            self.add("DEF034", file, path, id=word)

    # -------------------------------------------------------- study.yaml

    def study(self) -> None:
        if not self.study_is_known:
            return
        study = self.definition.study_file
        self.unique("arm", STUDY, ((arm.id, ("arms", a, "id")) for a, arm in enumerate(study.arms)))
        self.unique("pathway", STUDY, ((p.id, ("pathways", i, "id")) for i, p in enumerate(study.pathways)))
        for a, arm in enumerate(study.arms):
            self.pathway_exists(arm.pathway, STUDY, ("arms", a, "pathway"))
        used = {arm.pathway for arm in study.arms}
        for p, pathway in enumerate(study.pathways):
            if pathway.id not in used and not self.report.is_ghost("arms"):
                self.add("DEF045", STUDY, ("pathways", p), id=pathway.id)
        for name, parameter in study.parameters.items():
            path: Path = ("parameters", name)
            self.word(name, "parameter", STUDY, path)
            self.ordered(parameter.min, parameter.max, "min", "max", STUDY, path)
            low, high = parameter.min, parameter.max
            if (low is not None and parameter.value < low) or (high is not None and parameter.value > high):
                words: dict[str, Any] = {"low": _or(low, "any"), "high": _or(high, "any")}
                self.add("DEF050", STUDY, (*path, "value"), value=parameter.value, **words)
        self.identity()
        self.consent()
        for name, reference in study.milestones.items():
            self.reference(reference, STUDY, ("milestones", name), DATES)
        documents = study.consent.documents
        self.unique(
            "consent document",
            STUDY,
            ((d.version, ("consent", "documents", i, "version")) for i, d in enumerate(documents)),
        )

    def identity(self) -> None:
        identity = self.definition.study_file.identity
        number_or_choice = (ItemType.INTEGER, ItemType.CHOICE)
        self.reference(identity.sex, STUDY, ("identity", "sex"), (ItemType.CHOICE,))
        self.reference(identity.birth_month, STUDY, ("identity", "birth_month"), number_or_choice)
        self.reference(identity.birth_year, STUDY, ("identity", "birth_year"), (ItemType.INTEGER,))
        self.reference(identity.initials, STUDY, ("identity", "initials"), (ItemType.TEXT,))

    def consent(self) -> None:
        consent = self.definition.study_file.consent
        form = self.form_exists(consent.form, STUDY, ("consent", "form"))
        self.reference(consent.signed_on, STUDY, ("consent", "signed_on"), DATES)
        self.reference(
            consent.document_version, STUDY, ("consent", "document_version"), (ItemType.TEXT, ItemType.CHOICE)
        )
        for key in ("signed_on", "document_version"):
            reference = getattr(consent, key) or ""
            other, _, item_id = reference.partition(".")
            if form is not None and other and other != form.id and other in self.definition.forms:
                suggestion = f"Write {form.id}.{item_id}. "
                self.add("DEF041", STUDY, ("consent", key), form=form.id, id=reference, suggestion=suggestion)

    def ordered(
        self,
        low: Decimal | int | None,
        high: Decimal | int | None,
        low_name: str,
        high_name: str,
        file: str,
        path: Path,
    ) -> None:
        if low is not None and high is not None and low > high:
            self.add("DEF051", file, (*path, low_name), low_name=low_name, low=low, high_name=high_name, high=high)

    # -------------------------------------------------------- schedule.yaml

    def schedule(self) -> None:
        if not self.schedule_is_known:
            return
        schedule = self.definition.schedule
        expanded: list[tuple[str, Path]] = []
        for v, template in enumerate(schedule.visits):
            path: Path = ("visits", v)
            self.visit(template, path)
            for visit in expand(template):
                expanded.append((visit.id, (*path, "id")))
                if "{n}" not in visit.id and not VISIT_PATTERN.fullmatch(visit.id):
                    self.add("DEF017", SCHEDULE, (*path, "id"), value=shown(visit.id), kind="visit id", like="SCR, M3")
        # A repeated visit without {n} is one problem, not one for each of its visits.
        named = [(i, path) for i, path in expanded if path not in self.without_number]
        self.unique("visit", SCHEDULE, named)
        self.listed_once(schedule.log_forms, ("log_forms",))
        for f, form_id in enumerate(schedule.log_forms):
            form = self.form_exists(form_id, SCHEDULE, ("log_forms", f))
            if form is not None and not form.is_log:
                self.add("DEF061", SCHEDULE, ("log_forms", f), id=form_id)
        self.unscheduled_forms()

    without_number: frozenset[Path] = frozenset()

    def visit(self, visit: VisitTemplatePart, path: Path) -> None:
        self.repeat(visit, path)
        known = tuple(dict.fromkeys((*ANCHORS, *(m for m in self.definition.milestones if m in FOLLOWED_MILESTONES))))
        if visit.anchor not in known and self.study_is_known and not self.report.is_ghost(visit.anchor):
            suggestion = did_you_mean(visit.anchor, known)
            words: dict[str, Any] = {
                "kind": "anchor",
                "id": visit.anchor,
                "suggestion": suggestion,
                "choices": ", ".join(known),
            }
            self.add("DEF044", SCHEDULE, (*path, "anchor"), **words)
        if visit.anchor == "none":
            if visit.offset is not None or visit.repeat is not None:
                self.add("DEF068", SCHEDULE, path, remedy="Add anchor: to it, or remove offset and repeat.")
            elif visit.phase is not Phase.EVENT and not visit.unscheduled:
                self.add("DEF068", SCHEDULE, path, remedy="Add anchor: to it, or make it phase: event.")
        elif visit.unscheduled:
            what = f"An unscheduled visit is added by hand, but this one counts from {visit.anchor}."
            self.add("DEF066", SCHEDULE, (*path, "anchor"), what=what, remedy="Write anchor: none.")
        for p, pathway in enumerate(visit.pathways):
            self.pathway_exists(pathway, SCHEDULE, (*path, "pathways", p))
        self.listed_once(visit.forms, (*path, "forms"))
        for f, form_id in enumerate(visit.forms):
            form = self.form_exists(form_id, SCHEDULE, (*path, "forms", f))
            if form is not None and form.is_log:
                self.add("DEF060", SCHEDULE, (*path, "forms", f), id=form_id)

    def repeat(self, visit: VisitTemplatePart, path: Path) -> None:
        repeated = "{n}" in visit.id
        if visit.repeat is None:
            if repeated:
                self.add("DEF065", SCHEDULE, (*path, "id"))
            return
        if not repeated:
            self.without_number |= {(*path, "id")}
            self.add("DEF064", SCHEDULE, (*path, "id"))
        units = [unit for unit in ("days", "weeks", "months") if getattr(visit.repeat, unit)]
        if len(units) != 1:
            what = "repeat: names no distance." if not units else f"repeat: mixes {' and '.join(units)}."
            remedy = "Give the distances in one unit, such as months: [3, 6, 9]."
            self.add("DEF066", SCHEDULE, (*path, "repeat"), what=what, remedy=remedy)
            return
        numbers = getattr(visit.repeat, units[0])
        if any(number < 0 for number in numbers):
            what = "repeat: has a negative distance."
            remedy = "Start from an earlier offset, and repeat forward."
            self.add("DEF066", SCHEDULE, (*path, "repeat"), what=what, remedy=remedy)
        silent = [locale for locale, words in visit.label.items() if "{n}" not in words]
        if silent and len(numbers) > 1:
            what = f"All the repeated visits have the same label in {', '.join(silent)}."
            self.add("DEF066", SCHEDULE, (*path, "label"), what=what, remedy="Put {n} in the label.")

    def listed_once(self, form_ids: Iterable[str], path: Path) -> None:
        seen: set[str] = set()
        for f, form_id in enumerate(form_ids):
            if form_id in seen:
                self.add("DEF067", SCHEDULE, (*path, f), id=form_id)
            seen.add(form_id)

    def unscheduled_forms(self) -> None:
        scheduled = {form_id for visit in self.definition.schedule.visits for form_id in visit.forms}
        listed = set(self.definition.schedule.log_forms)
        for file, form in self.forms:
            if self.report.is_ghost(form.id):  # perhaps in a visit that was left out
                continue
            if form.is_log and form.id not in listed:
                self.add("DEF062", file, ("id",), id=form.id)
            elif not form.is_log and form.id not in scheduled and form.id not in listed:
                self.add("DEF063", file, ("id",), id=form.id)

    # -------------------------------------------------------- codelists, eligibility, reminders

    def codelists(self) -> None:
        lists = self.definition.codelists_file.codelists
        self.unique("codelist", CODELISTS, ((c.id, ("codelists", i, "id")) for i, c in enumerate(lists)))
        for c, codelist in enumerate(lists):
            path: Path = ("codelists", c, "codes")
            codes = enumerate(codelist.codes)
            self.unique("code", CODELISTS, ((entry.code, (*path, e, "code")) for e, entry in codes))

    def eligibility(self) -> None:
        eligibility = self.definition.eligibility
        if eligibility is None:
            return
        form = self.form_exists(eligibility.form, ELIGIBILITY, ("form",))
        if form is not None and form.is_log:
            self.add("DEF079", ELIGIBILITY, ("form",), key="Eligibility", kind="log")
        criteria = eligibility.criteria
        self.unique("criterion", ELIGIBILITY, ((c.id, ("criteria", i, "id")) for i, c in enumerate(criteria)))
        for c, criterion in enumerate(criteria):
            self.criterion(criterion, ("criteria", c))

    def criterion(self, criterion: Criterion, path: Path) -> None:
        if criterion.expression is None and criterion.judged is None:
            source = self.report.sources[ELIGIBILITY]
            written = source.written(path)
            if not any((*written, key) in source.pruned for key in ("expression", "judged")):
                self.add("DEF090", ELIGIBILITY, path)
        self.reference(criterion.judged, ELIGIBILITY, (*path, "judged"), (ItemType.YESNO,))
        if criterion.validity is None:
            return
        form = self.form_exists(criterion.validity.form, ELIGIBILITY, (*path, "validity", "form"))
        if form is not None and form.date_item is None and not self.report.is_ghost("date_item"):
            self.add("DEF091", ELIGIBILITY, (*path, "validity", "form"), id=form.id)

    def reminders(self) -> None:
        reminders = self.definition.reminders
        self.unique("reminder", REMINDERS, ((r.id, ("reminders", i, "id")) for i, r in enumerate(reminders)))
        for r, reminder in enumerate(reminders):
            self.reminder(reminder, ("reminders", r))

    def reminder(self, reminder: Reminder, path: Path) -> None:
        known = self.definition.registry
        for key, kind, words in (("on", "event", known.events), ("stop", "event", known.stops)):
            word = getattr(reminder, key)
            if word is not None and word not in words:
                suggestion = did_you_mean(word, words)
                choices = ", ".join(sorted(words))
                self.add("DEF044", REMINDERS, (*path, key), kind=kind, id=word, suggestion=suggestion, choices=choices)
        if reminder.repeat_days and reminder.stop is None:
            self.add("DEF093", REMINDERS, (*path, "repeat_days"))
        for key in ("subject", "body"):
            for locale, text in getattr(reminder, key).items():
                for name in dict.fromkeys(_PLACEHOLDER.findall(text)):
                    if name not in MAIL_WORDS:
                        self.add("DEF092", REMINDERS, (*path, key, locale), name=name)

    # -------------------------------------------------------- forms

    def all_forms(self) -> None:
        first: dict[str, str] = {}
        for file, form in self.forms:
            stem = file.removeprefix("forms/").removesuffix(".yaml")
            if form.id != stem:
                self.add("DEF031", file, ("id",), id=form.id, file_name=file)
            if form.id in first:
                self.add("DEF030", file, ("id",), kind="form", id=form.id, first=f"1 of {first[form.id]}")
            first.setdefault(form.id, file)
            self.form(form, file)

    def form(self, form: Form, file: str) -> None:
        self.word(form.id, "form", file, ("id",))
        if form.domain is not None and not DOMAIN_PATTERN.fullmatch(form.domain):
            self.add("DEF077", file, ("domain",), value=shown(form.domain))
        groups = list(enumerate(form.groups))
        self.unique("group", file, ((group.id, ("groups", g, "id")) for g, group in groups))
        items = [(item, ("groups", g, "items", i)) for g, group in groups for i, item in enumerate(group.items)]
        self.unique("item", file, ((item.id, (*path, "id")) for item, path in items))
        self.unique("check", file, ((check.id, ("checks", c, "id")) for c, check in enumerate(form.checks)))
        if form.date_item is not None:
            item = self.item_exists(form, form.date_item, file, ("date_item",))
            if item is not None:
                self.of_type(item, item.id, DATES, file, ("date_item",))
                if form.group_of(item.id).repeating:
                    remedy = "Name an item that stands outside repeating groups."
                    self.add("DEF047", file, ("date_item",), id=item.id, remedy=remedy)
        for key in ("title_items", "columns"):
            named = getattr(form, key)
            if named and form.kind is FormKind.VISIT:
                self.add("DEF079", file, (key,), key=key, kind="visit")
            for n, item_id in enumerate(named):
                self.item_exists(form, item_id, file, (key, n))
        if form.pathways and form.kind is FormKind.VISIT:
            self.add("DEF079", file, ("pathways",), key="pathways", kind="visit")
        for n, pathway_id in enumerate(form.pathways):
            self.pathway_exists(pathway_id, file, ("pathways", n))
        for g, group in groups:
            self.group(form, group, file, ("groups", g))
        for item, path in items:
            self.word(item.id, "item", file, (*path, "id"))
            self.item(form, item, file, path)
        for c, check in enumerate(form.checks):
            self.check(form, check, file, ("checks", c))

    def group(self, form: Form, group: Group, file: str, path: Path) -> None:
        given = group.model_fields_set
        if group.repeating:
            if group.min_rows > group.max_rows:
                self.add("DEF078", file, (*path, "min_rows"), low=group.min_rows, high=group.max_rows)
        else:
            for key in ("min_rows", "max_rows", "rows_from"):
                if key in given and getattr(group, key) != type(group).model_fields[key].default:
                    self.add("DEF080", file, (*path, key), key=key)
        if group.rows_from is not None:
            exists = self.log_form(group.rows_from, file, (*path, "rows_from"))
            if exists and not any(item.link == group.rows_from for item in group.items):
                self.add("DEF082", file, (*path, "rows_from"), id=group.rows_from)

    def log_form(self, form_id: str, file: str, path: Path) -> bool:
        """Whether a link's target is a log form; tells the problem when not."""
        form = self.form_exists(form_id, file, path)
        if form is None:
            return False
        if not form.is_log:
            logs = [known.id for known in self.definition.forms.values() if known.is_log]
            self.add("DEF075", file, path, id=form_id, suggestion=did_you_mean(form_id, logs))
        return form.is_log

    def item(self, form: Form, item: Item, file: str, path: Path) -> None:
        for key, needed, allowed in _KEYS_BY_TYPE:
            # A key that says what it would say anyway does no harm, so `future: false` may stand on any item.
            given = key in item.model_fields_set and getattr(item, key) != Item.model_fields[key].default
            if given and item.type not in allowed:
                self.add("DEF070", file, (*path, key), key=key, type=item.type.value, unless=_unless(allowed))
            elif item.type in needed and getattr(item, key) is None and not self.was_pruned(file, (*path, key)):
                self.add("DEF071", file, path, key=key, type=item.type.value)
        if item.units and item.unit is None and item.type in MEASURES:
            self.add("DEF071", file, path, key="unit", type=f"{item.type.value} with units")
        if item.derived is not None:
            for key in ("required", "answered_by"):
                if getattr(item, key):
                    self.add("DEF081", file, (*path, key), key=key)
        if item.codelist is not None and item.type in CHOICES:
            known = self.definition.codelists
            if item.codelist not in known and not self.report.is_ghost(item.codelist):
                suggestion = did_you_mean(item.codelist, known)
                self.add("DEF042", file, (*path, "codelist"), id=item.codelist, suggestion=suggestion)
        if item.link is not None and item.type is ItemType.LINK:
            self.log_form(item.link, file, (*path, "link"))
        if item.grade_of is not None and item.type is ItemType.GRADE:
            term = form.items.get(item.grade_of)
            if (term is None or term.type is not ItemType.TERM) and not self.report.is_ghost(item.grade_of):
                terms = [known.id for known in form.items.values() if known.type is ItemType.TERM]
                suggestion = did_you_mean(item.grade_of, terms)
                self.add("DEF076", file, (*path, "grade_of"), id=item.grade_of, suggestion=suggestion)
        self.units(item, file, path)
        self.about_entries(form, item, file, path)
        if item.range is not None:
            self.range(item.range, file, (*path, "range"))

    def about_entries(self, form: Form, item: Item, file: str, path: Path) -> None:
        """`unique` is about the entries of a log; `opens_with` and `compares_with` about rows made of such entries."""
        group = form.group_of(item.id)
        if item.unique and (not form.is_log or group.repeating or item.is_derived or item.type not in _UNIQUE):
            self.add("DEF147", file, (*path, "unique"))
        if item.opens_with is not None:
            opens = (*path, "opens_with")
            found = self.reference(item.opens_with, file, opens, single=False)
            if group.rows_from is None:
                self.add("DEF145", file, opens, key="opens_with", needed="rows_from: to the group")
            elif found is not None:
                self.opens_with(form, item, group.rows_from, found, file, opens)
        logs = {each.link for each in group.items if each.link} if group.repeating else set()
        if item.compares_with and not logs:
            self.add("DEF145", file, (*path, "compares_with"), key="compares_with", needed="an item with link: to it")
        elif item.compares_with and item.type not in MEASURES:
            key, allowed = "compares_with", _unless(MEASURES)
            self.add("DEF070", file, (*path, key), key=key, type=item.type.value, unless=allowed)
        elif item.compares_with:
            for n, reference in enumerate(item.compares_with):
                other = self.reference(reference, file, (*path, "compares_with", n), single=False)
                if other is not None:
                    self.compares_with(item, logs, reference, other, file, (*path, "compares_with", n))

    def opens_with(self, form: Form, item: Item, log: str, other: Item, file: str, path: Path) -> None:
        reference = item.opens_with or ""
        there = self.definition.forms[reference.partition(".")[0]]
        why = ""
        if there.id != log or there.group_of(other.id).repeating:
            why = f"is not a single answer of {log}"
        elif (other.type, other.codelist, other.unit) != (item.type, item.codelist, item.unit):
            why = "has another type, unit or list of choices"
        elif item.is_derived:
            why = "would never be used: this item is calculated"
        elif self.definition.reveals_arm(there.id, other.id) and not self.definition.reveals_arm(form.id, item.id):
            why = "reveals the arm, while this item does not"
        if why:
            self.add("DEF146", file, path, key="opens_with", reference=reference, why=why)

    def compares_with(self, item: Item, logs: set[str], reference: str, other: Item, file: str, path: Path) -> None:
        there = self.definition.forms[reference.partition(".")[0]]
        group = there.group_of(other.id)
        why = ""
        if there.is_log or not group.repeating or not any(each.link in logs for each in group.items):
            why = f"does not stand in rows of a visit form about {' or '.join(sorted(logs))}"
        elif other.type not in MEASURES or other.unit != item.unit:
            why = "is not a number in the same unit"
        if why:
            self.add("DEF146", file, path, key="compares_with", reference=reference, why=why)

    def was_pruned(self, file: str, path: Path) -> bool:
        source = self.report.sources.get(file)
        return source is not None and source.written(path) in source.pruned

    def units(self, item: Item, file: str, path: Path) -> None:
        seen = {item.unit}
        for u, other in enumerate(item.units):
            if other.factor == 0:
                self.add("DEF073", file, (*path, "units", u, "factor"), unit=item.unit or other.unit)
            if other.unit in seen:
                self.add("DEF074", file, (*path, "units", u, "unit"), unit=other.unit)
            seen.add(other.unit)

    def range(self, limits: Range, file: str, path: Path) -> None:
        self.ordered(limits.min, limits.max, "min", "max", file, path)
        self.ordered(limits.soft_min, limits.soft_max, "soft_min", "soft_max", file, path)
        for side, soft, hard in (("min", limits.soft_min, limits.min), ("max", limits.soft_max, limits.max)):
            if soft is not None and hard is not None and (soft < hard if side == "min" else soft > hard):
                soft_name, hard_name = f"soft_{side}", side
                remedy = f"Move {soft_name} inside, or widen {hard_name}."
                words: dict[str, Any] = {"soft_name": soft_name, "soft": soft, "hard_name": hard_name, "hard": hard}
                self.add("DEF072", file, (*path, soft_name), remedy=remedy, **words)

    def check(self, form: Form, check: Check, file: str, path: Path) -> None:
        in_rows: set[str] = set()
        for n, item_id in enumerate(check.items):
            item = self.item_exists(form, item_id, file, (*path, "items", n))
            if item is not None and form.group_of(item_id).repeating:
                in_rows.add(form.group_of(item_id).id)
        if len(in_rows) > 1:
            remedy = "Name items of one repeating group only."
            self.add("DEF047", file, (*path, "items"), id=", ".join(check.items), remedy=remedy)

    # -------------------------------------------------------- labels

    def labels(self) -> None:
        locales = self.definition.locales
        if not locales:
            return
        parts: list[tuple[str, BaseModel]] = [
            (STUDY, self.definition.study_file),
            (SCHEDULE, self.definition.schedule),
            (CODELISTS, self.definition.codelists_file),
            (REMINDERS, self.definition.reminders_file),
            *self.forms,
            *((f"{name}.yaml", section) for name, section in self.definition.sections.items()),
        ]
        if self.definition.eligibility is not None:
            parts.append((ELIGIBILITY, self.definition.eligibility))
        for file, part in parts:
            for path, label in labels_in(part):
                for locale in locales:
                    if locale not in label:
                        self.add("DEF032", file, path, locale=locale)
                for locale in label:
                    if locale not in locales:
                        self.add("DEF033", file, (*path, locale), locale=locale)

    # -------------------------------------------------------- expressions

    def expressions(self) -> None:
        for failure in self.definition.compilation.failures:
            for fault in failure.faults:
                self.fault(failure, fault)
        for circle in self.definition.compilation.circles:
            self.circle(circle)

    def file_of(self, owner: tuple[str, str]) -> str:
        kind, name = owner
        if kind == "form":
            return self.files[name]
        return ELIGIBILITY if kind == "eligibility" else f"{name}.yaml"

    def fault(self, failure: Failure, fault: Fault) -> None:
        if fault.code in ("expression.name", "expression.code") and self.is_ghostly(fault):
            return
        code = _CODE_OF_FAULT.get(fault.code, "DEF100")
        remedy = f"Did you mean {fault.suggestion}?" if fault.suggestion else _REMEDY_OF_CODE[code]
        where = f" (in {shown(failure.source)}"
        where += f", character {fault.column + 1})" if fault.column is not None else ")"
        why = fault.text().rstrip(".")
        words: dict[str, Any] = {"why": why + where, "remedy": remedy}
        if code == "DEF107":
            words |= {"given": fault.params.get("found", "something else"), "wanted": fault.params.get("expected", "")}
        self.add(code, self.file_of(failure.owner), failure.path, **words)

    def is_ghostly(self, fault: Fault) -> bool:
        """Whether the unknown name is one that a broken part, reported already, would have defined."""
        what, name = str(fault.params.get("what", "")), str(fault.params.get("name", ""))
        if what == "parameter" and not self.study_is_known:
            return True
        if what == "visit" and not self.schedule_is_known:
            return True
        return self.report.is_ghost(name, *name.split("."))

    def circle(self, circle: Circle) -> None:
        form_id, item_id = circle.nodes[0]
        names = [".".join(node) for node in (*circle.nodes, circle.nodes[0])]
        form = self.definition.forms[form_id]
        for g, group in enumerate(form.groups):
            for i, item in enumerate(group.items):
                if item.id == item_id:
                    key = "derived" if item.derived is not None else "shown_when"
                    path: Path = ("groups", g, "items", i, key)
                    if key == "shown_when" and item.shown_when is None:
                        path = ("groups", g, "shown_when")
                    self.add("DEF106", self.files[form_id], path, circle=" → ".join(names))
                    return

    # -------------------------------------------------------- blinding

    def blinding(self) -> None:
        for place in self.definition.compilation.places:
            self.leak(place)
        for file, form in self.forms:
            for g, group in enumerate(form.groups):
                for i, item in enumerate(group.items):
                    target = self.definition.forms.get(item.link or "")
                    if target is None or not self.definition.reveals_arm(target.id):
                        continue
                    if not self.definition.reveals_arm(form.id, item.id):
                        words: dict[str, Any] = {"item": item.id, "id": target.id}
                        self.add("DEF113", file, ("groups", g, "items", i, "link"), **words)
            if not form.reveals_arm and not form.is_log and self.definition.reveals_arm(form.id):
                self.add("DEF111", file, ("id",))
            if form.is_log and not form.reveals_arm and self.definition.reveals_arm(form.id):
                self.add("DEF144", file, ("pathways",), pathways=", ".join(form.pathways))
        for v, template in enumerate(self.definition.schedule.visits):
            revealing = [self.definition.reveals_arm(visit_id=visit.id) for visit in expand(template)]
            if revealing and all(revealing) and not template.reveals_arm:
                self.add("DEF112", SCHEDULE, ("visits", v), pathways=", ".join(template.pathways))

    def leak(self, place: ExpressionPlace) -> None:
        """An expression that everybody sees must not depend on what only some may see."""
        if place.owner[0] == "section" or self.is_revealing(place):
            return
        for ref in sorted(place.expression.reads, key=str):
            if ref.form is None or ref.form not in self.definition.forms:
                continue
            item = ref.item if ref.kind != "rows" else self.any_item_of(ref.form, ref.item)
            visit_id = ref.visit if any(visit.id == ref.visit for visit in self.definition.visits) else None
            if self.definition.reveals_arm(ref.form, item, visit_id=visit_id):
                reader = place.use.target if place.owner[0] == "form" else f"the criterion {place.use.target}"
                self.add("DEF110", self.file_of(place.owner), place.path, item=str(ref), reader=reader)

    def any_item_of(self, form_id: str, group_id: str) -> str | None:
        """An item that stands for the rows of a group, since a group reveals what each of its items does."""
        for group in self.definition.forms[form_id].groups:
            if group.id == group_id and group.reveals_arm:
                return group.items[0].id
        return None

    def is_revealing(self, place: ExpressionPlace) -> bool:
        use = place.use
        if use.kind == "criterion":
            return False
        form = self.definition.forms[use.form]
        if self.definition.reveals_arm(form.id):
            return True
        if use.kind == "check":
            return any(self.definition.reveals_arm(form.id, item_id) for item_id in form.check(use.target).items)
        if "items" in place.path:
            return self.definition.reveals_arm(form.id, use.target)
        return form.group(use.target).reveals_arm

    # -------------------------------------------------------- sections

    def sections(self) -> None:
        for name, section in self.definition.sections.items():
            section_type = self.definition.registry.types[name]
            if section_type.validate is not None:
                section_type.validate(section, self.definition, self.sayer(f"{name}.yaml"))

    def sayer(self, file: str) -> Say:
        def say(
            path: Path,
            fault: str,
            remedy: str,
            *,
            code: str = "DEF120",
            severity: ProblemSeverity = ProblemSeverity.ERROR,
        ) -> None:
            self.report.tell(code, file, path, fault, remedy, severity)

        return say


_UNIQUE = (ItemType.TEXT, ItemType.INTEGER, ItemType.CHOICE, ItemType.DATE, ItemType.LINK)
_ALL = tuple(ItemType)
_NO_REFERENCE = tuple(t for t in ItemType if t not in (ItemType.LINK, ItemType.FILE, ItemType.TERM))
# key → types that need it, types for which it has a meaning
_KEYS_BY_TYPE: tuple[tuple[str, tuple[ItemType, ...], tuple[ItemType, ...]], ...] = (
    ("codelist", CHOICES, CHOICES),
    ("link", (ItemType.LINK,), (ItemType.LINK,)),
    ("dictionary", (ItemType.TERM,), (ItemType.TERM,)),
    ("grade_of", (ItemType.GRADE,), (ItemType.GRADE,)),
    ("unit", (), MEASURES),
    ("units", (), MEASURES),
    ("decimals", (), (ItemType.DECIMAL,)),
    ("range", (), NUMBERS),
    ("analyte", (), MEASURES),
    ("future", (), DATES),
    ("max_length", (), (*TEXTS, ItemType.TERM)),
    ("layout", (), (*CHOICES, ItemType.YESNO, ItemType.GRADE, *TEXTS)),
    ("accept", (), (ItemType.FILE,)),
    ("derived", (), _NO_REFERENCE),
)

_CODE_OF_FAULT = {
    "expression.name": "DEF101",
    "expression.function": "DEF101",
    "expression.type": "DEF102",
    "expression.compare": "DEF102",
    "expression.order": "DEF102",
    "expression.branches": "DEF102",
    "expression.range": "DEF102",
    "expression.reference": "DEF102",
    "expression.code": "DEF103",
    "expression.unit": "DEF104",
    "expression.result_unit": "DEF104",
    "expression.list": "DEF105",
    "expression.two_lists": "DEF105",
    "expression.no_list": "DEF105",
    "expression.result": "DEF107",
    "expression.too_long": "DEF108",
    "expression.too_deep": "DEF108",
}

_REMEDY_OF_CODE = {
    "DEF100": "Correct it; the language is Python's expressions, without anything that acts.",
    "DEF101": "Correct the name, or define it.",
    "DEF102": "Compare and combine values of the same kind.",
    "DEF103": "Write one of the codes of the list, in quotes.",
    "DEF104": "Convert one of them first.",
    "DEF105": "Put it inside count, any, all, sum, min, max, first or last.",
    "DEF107": "Write an expression with that result.",
    "DEF108": "Split it.",
}


def labels_in(part: BaseModel, path: Path = ()) -> Iterable[tuple[Path, Mapping[str, str]]]:
    """Every label inside a part, with its path."""
    for name, key, is_label in _fields(type(part)):
        value = getattr(part, name)
        if is_label:
            if value is not None:
                yield (*path, key), value
        elif isinstance(value, BaseModel):
            yield from labels_in(value, (*path, key))
        elif isinstance(value, tuple | list):
            for index, element in enumerate(value):
                if isinstance(element, BaseModel):
                    yield from labels_in(element, (*path, key, index))
        elif isinstance(value, dict):
            for entry, element in value.items():
                if isinstance(element, BaseModel):
                    yield from labels_in(element, (*path, key, entry))


@lru_cache(maxsize=512)
def _fields(model: type[BaseModel]) -> tuple[tuple[str, str, bool], ...]:
    return tuple(
        (name, found.alias or name, bare(found.annotation) == dict[str, str])
        for name, found in model.model_fields.items()
    )


def _either(words: Iterable[str]) -> str:
    listed = list(words)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} or {listed[-1]}"


def _unless(allowed: tuple[ItemType, ...]) -> str:
    return f", or make the item {_either(t.value for t in allowed)}" if len(allowed) < 6 else ""


def _or(value: Any, otherwise: str) -> object:
    return otherwise if value is None else value
