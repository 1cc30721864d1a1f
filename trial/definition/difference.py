"""What an amendment changes, in words that a person reads before accepting it.

Words come from a small table of English msgids with names to fill in; a room with a translator passes it as
`translate`. Labels are in the locale asked for. Confidential parameters of randomization (block sizes, weights, the
seed) are in no definition, so they can be in no difference.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel

from trial.definition.definition import Definition
from trial.definition.model import Codelist, Form, Part


class ChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs: what kind of change, its place in ids (`vitals › sbp › range`), and the sentence.

    `thing` says what it is about ("item", "visit", …); `reveals_arm` whether the sentence may be shown only to those
    who may see the arm.
    """

    kind: ChangeKind
    place: str
    words: str
    thing: str
    reveals_arm: bool = False


def gettext_noop(message: str) -> str:
    """Mark a msgid for extraction without importing Django."""
    return message


ADDED = gettext_noop("{thing} “{name}” was added.")
REMOVED = gettext_noop("{thing} “{name}” was removed.")
CHANGED = gettext_noop("{thing} “{name}”: {key} was {old}, is {new}.")
SET = gettext_noop("{thing} “{name}”: {key} is {new}; it was not set.")
UNSET = gettext_noop("{thing} “{name}”: {key} is no longer set; it was {old}.")
MOVED = gettext_noop("The order of {things} was changed.")

THINGS: Mapping[str, str] = {
    "study": gettext_noop("The study"),
    "parameter": gettext_noop("The parameter"),
    "arm": gettext_noop("The arm"),
    "pathway": gettext_noop("The visit plan"),
    "milestone": gettext_noop("The milestone"),
    "consent document": gettext_noop("The consent document"),
    "visit": gettext_noop("The visit"),
    "form": gettext_noop("The form"),
    "group": gettext_noop("The group"),
    "item": gettext_noop("The item"),
    "check": gettext_noop("The edit check"),
    "criterion": gettext_noop("The criterion"),
    "reminder": gettext_noop("The reminder"),
    "codelist": gettext_noop("The list of choices"),
    "code": gettext_noop("The choice"),
    "section": gettext_noop("The section"),
}

THINGS_IN_ORDER: Mapping[str, str] = {
    "visit": gettext_noop("the visits"),
    "group": gettext_noop("the groups"),
    "item": gettext_noop("the items"),
    "check": gettext_noop("the edit checks"),
    "criterion": gettext_noop("the criteria"),
    "code": gettext_noop("the choices"),
    "log form": gettext_noop("the log forms"),
    "arm": gettext_noop("the arms"),
    "pathway": gettext_noop("the visit plans"),
    "reminder": gettext_noop("the reminders"),
    "codelist": gettext_noop("the lists of choices"),
    "consent document": gettext_noop("the consent documents"),
}

KEYS: Mapping[str, str] = {
    "label": gettext_noop("the label"),
    "text": gettext_noop("the text"),
    "title": gettext_noop("the title"),
    "hint": gettext_noop("the hint"),
    "message": gettext_noop("the message"),
    "type": gettext_noop("the type"),
    "unit": gettext_noop("the unit"),
    "units": gettext_noop("the other units"),
    "range": gettext_noop("the range"),
    "decimals": gettext_noop("the number of decimals"),
    "required": gettext_noop("whether it is required"),
    "codelist": gettext_noop("the list of choices"),
    "shown_when": gettext_noop("the condition to show it"),
    "derived": gettext_noop("the calculation"),
    "missing": gettext_noop("the missing codes"),
    "rule": gettext_noop("the rule"),
    "severity": gettext_noop("the severity"),
    "items": gettext_noop("the items"),
    "expression": gettext_noop("the rule"),
    "judged": gettext_noop("the item judged"),
    "answered_by": gettext_noop("who answers"),
    "validity": gettext_noop("the validity"),
    "value": gettext_noop("the value"),
    "min": gettext_noop("the minimum"),
    "max": gettext_noop("the maximum"),
    "window": gettext_noop("the window"),
    "offset": gettext_noop("the distance from the anchor"),
    "anchor": gettext_noop("the anchor"),
    "phase": gettext_noop("the phase"),
    "forms": gettext_noop("the forms"),
    "pathways": gettext_noop("the visit plans"),
    "pathway": gettext_noop("the visit plan"),
    "accrual": gettext_noop("the accrual plan"),
    "protocol_version": gettext_noop("the protocol version"),
    "reveals_arm": gettext_noop("whether it reveals the arm"),
    "critical": gettext_noop("whether it is critical"),
    "standard_of_care": gettext_noop("whether it is standard of care"),
    "sign": gettext_noop("who signs"),
    "area": gettext_noop("the area"),
    "date_item": gettext_noop("the item that dates it"),
    "unique": gettext_noop("whether each entry has its own value"),
    "opens_with": gettext_noop("what new rows begin with"),
    "compares_with": gettext_noop("the earlier measurements shown beside it"),
    "lanes": gettext_noop("the lanes"),
    "amendments": gettext_noop("the amendments"),
    "closed": gettext_noop("the end of randomization"),
    "scheme": gettext_noop("the scheme"),
    "ratio": gettext_noop("the ratio"),
    "strata": gettext_noop("the strata"),
    "list_size": gettext_noop("the slots in each stratum"),
}

YES, NO, NOTHING = gettext_noop("yes"), gettext_noop("no"), gettext_noop("nothing")

_LABELS = frozenset({"label", "text", "title", "hint", "message", "subject", "body", "sign_meaning"})
_P = TypeVar("_P", bound=Part)


def difference(old: Definition, new: Definition, locale: str, *, translate: Callable[[str], str] = str) -> list[Change]:
    """Every change from one definition to another, in the order of the study folder; empty when they are equal.

    A repeated visit is compared visit by visit; a thing under another id is one removed and one added.
    """
    return _Comparison(old, new, locale, translate).run()


class _Comparison:
    def __init__(self, old: Definition, new: Definition, locale: str, translate: Callable[[str], str]) -> None:
        self.old, self.new = old, new
        self.locale = locale
        self.translate = translate
        self.changes: list[Change] = []
        self.reveals = False

    def run(self) -> list[Change]:
        old, new = self.old, self.new
        self.keys("study", "study", new.study.acronym, old.study, new.study)
        self.maps("parameter", "parameters", old.parameters, new.parameters)
        self.listed("arm", "arms", old.study_file.arms, new.study_file.arms, "id")
        self.reveals = True  # the words of a visit plan of one arm tell the arm
        self.listed("pathway", "pathways", old.study_file.pathways, new.study_file.pathways, "id")
        self.reveals = False
        self.keys("study", "identity", new.study.acronym, old.study_file.identity, new.study_file.identity)
        self.consent()
        self.references("milestone", "milestones", old.milestones, new.milestones)
        self.visits()
        self.order("log form", "log_forms", old.schedule.log_forms, new.schedule.log_forms)
        self.eligibility()
        self.listed("reminder", "reminders", old.reminders, new.reminders, "id")
        self.codelists()
        self.all_forms()
        self.sections()
        return self.changes

    # -------------------------------------------------------- words

    def say(self, kind: ChangeKind, thing: str, place: str, template: str, **words: str) -> None:
        named = self.translate(THINGS[thing]) if thing in THINGS else thing
        sentence = self.translate(template).format(thing=named, **words)
        self.changes.append(Change(kind, place, sentence, thing, self.reveals))

    def name(self, part: Any, definition: Definition, fallback: str) -> str:
        label = getattr(part, "label", None) or getattr(part, "text", None)
        return definition.text(label, self.locale) if isinstance(label, Mapping) else fallback

    def shown(self, key: str, value: Any, definition: Definition) -> str:
        """A value as a sentence quotes it."""
        if value is None or value == () or value == {}:
            return self.translate(NOTHING)
        if isinstance(value, bool):
            return self.translate(YES if value else NO)
        if isinstance(value, Enum):
            return str(value.value)
        if key in _LABELS and isinstance(value, Mapping):
            return f"“{definition.text(value, self.locale)}”"
        if isinstance(value, BaseModel):
            content = value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            return ", ".join(f"{name} {self.plain(entry)}" for name, entry in content.items()) or "0"
        if isinstance(value, tuple | list):
            return ", ".join(self.shown("", entry, definition) for entry in value)
        return str(value)

    def plain(self, value: Any) -> str:
        if isinstance(value, Mapping):
            words = value.get(self.locale)
            return str(words) if words is not None else ", ".join(f"{k} {self.plain(v)}" for k, v in value.items())
        if isinstance(value, list):
            return ", ".join(self.plain(entry) for entry in value)
        return str(value)

    # -------------------------------------------------------- comparing

    def added(self, thing: str, place: str, name: str) -> None:
        self.say(ChangeKind.ADDED, thing, place, ADDED, name=name)

    def removed(self, thing: str, place: str, name: str) -> None:
        self.say(ChangeKind.REMOVED, thing, place, REMOVED, name=name)

    def value(self, thing: str, place: str, name: str, key: str, old: Any, new: Any) -> None:
        """One key that differs. A label is compared in every language and quoted in the one asked for, or in the
        one that changed."""
        if key in _LABELS and isinstance(old, Mapping) and isinstance(new, Mapping):
            self.label(thing, place, name, key, old, new)
            return
        words = {"name": name, "key": self.translate(KEYS[key]) if key in KEYS else key}
        empty: tuple[Any, ...] = (None, (), {})
        if old in empty:
            self.say(ChangeKind.CHANGED, thing, place, SET, new=self.shown(key, new, self.new), **words)
        elif new in empty:
            self.say(ChangeKind.CHANGED, thing, place, UNSET, old=self.shown(key, old, self.old), **words)
        else:
            shown = {"old": self.shown(key, old, self.old), "new": self.shown(key, new, self.new)}
            self.say(ChangeKind.CHANGED, thing, place, CHANGED, **shown, **words)

    def label(
        self, thing: str, place: str, name: str, key: str, old: Mapping[str, str], new: Mapping[str, str]
    ) -> None:
        for locale in dict.fromkeys([self.locale, *old, *new]):
            before, after = old.get(locale), new.get(locale)
            if before == after:
                continue
            named = f"{self.translate(KEYS[key]) if key in KEYS else key} ({locale})"
            shown = {
                "old": f"“{before}”" if before is not None else self.translate(NOTHING),
                "new": f"“{after}”" if after is not None else self.translate(NOTHING),
            }
            at = f"{place} › {locale}"
            self.say(ChangeKind.CHANGED, thing, at, CHANGED, name=name, key=named, **shown)

    def keys(self, thing: str, place: str, name: str, old: BaseModel, new: BaseModel, skip: Iterable[str] = ()) -> None:
        """Every key of a part, except those compared elsewhere."""
        fields = type(new).model_fields
        for key, found in fields.items():
            if key in skip:
                continue
            before, after = getattr(old, key, None), getattr(new, key)
            if before != after:
                shown = found.alias or key
                self.value(thing, f"{place} › {shown}", name, shown, before, after)

    def maps(self, thing: str, place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        for key, part in old.items():
            if key not in new:
                self.removed(thing, f"{place} › {key}", self.name(part, self.old, key))
        for key, part in new.items():
            at = f"{place} › {key}"
            if key not in old:
                self.added(thing, at, self.name(part, self.new, key))
            else:
                self.keys(thing, at, self.name(part, self.new, key), old[key], part)

    def references(self, thing: str, place: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        for key in dict.fromkeys([*old, *new]):
            at = f"{place} › {key}"
            if key not in new:
                self.removed(thing, at, key)
            elif key not in old:
                self.added(thing, at, key)
            elif old[key] != new[key]:
                self.value(thing, at, key, "item", old[key], new[key])

    def listed(
        self,
        thing: str,
        place: str,
        old: Iterable[_P],
        new: Iterable[_P],
        key: str,
        *,
        skip: Iterable[str] = (),
        each: Callable[[str, _P, _P], None] | None = None,
        revealing: frozenset[str] = frozenset(),
    ) -> None:
        """A list of parts with ids: what was added, removed, changed, moved."""
        before = {getattr(part, key): part for part in old}
        after = {getattr(part, key): part for part in new}
        all_reveal = self.reveals
        for part_id, part in before.items():
            self.reveals = all_reveal or part_id in revealing
            if part_id not in after:
                self.removed(thing, self.place(place, part_id), self.name(part, self.old, part_id))
        for part_id, part in after.items():
            self.reveals = all_reveal or part_id in revealing
            at = self.place(place, part_id)
            if part_id not in before:
                self.added(thing, at, self.name(part, self.new, part_id))
                continue
            self.keys(thing, at, self.name(part, self.new, part_id), before[part_id], part, (key, *skip))
            if each is not None:
                each(at, before[part_id], part)
        self.reveals = all_reveal
        self.order(thing, place, tuple(before), tuple(after))

    def place(self, place: str, part_id: str) -> str:
        return f"{place} › {part_id}" if place else part_id

    def order(self, thing: str, place: str, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        if [i for i in old if i in new] != [i for i in new if i in old]:
            things = self.translate(THINGS_IN_ORDER.get(thing, thing))
            self.say(ChangeKind.CHANGED, thing, place, MOVED, things=things)

    # -------------------------------------------------------- parts

    def consent(self) -> None:
        old, new = self.old.study_file.consent, self.new.study_file.consent
        self.keys("study", "consent", self.new.study.acronym, old, new, ("documents",))
        self.listed("consent document", "consent › documents", old.documents, new.documents, "version")

    def visits(self) -> None:
        hidden = ("order", "template", "number")
        before = {visit.id: visit for visit in self.old.visits}
        after = {visit.id: visit for visit in self.new.visits}
        for visit_id, visit in before.items():
            self.reveals = self.old.reveals_arm(visit_id=visit_id)
            if visit_id not in after:
                self.removed("visit", visit_id, self.name(visit, self.old, visit_id))
        for visit_id, visit in after.items():
            self.reveals = self.new.reveals_arm(visit_id=visit_id) or (
                visit_id in before and self.old.reveals_arm(visit_id=visit_id)
            )
            name = self.name(visit, self.new, visit_id)
            if visit_id not in before:
                self.added("visit", visit_id, name)
            else:
                self.keys("visit", visit_id, name, before[visit_id], visit, hidden)
        self.reveals = False
        self.order("visit", "schedule", tuple(before), tuple(after))

    def eligibility(self) -> None:
        old, new = self.old.eligibility, self.new.eligibility
        self.listed("criterion", "eligibility", self.old.criteria, self.new.criteria, "id")
        if old is not None and new is not None:
            self.keys("study", "eligibility", self.new.study.acronym, old, new, ("criteria",))

    def codelists(self) -> None:
        def codes(place: str, old: Codelist, new: Codelist) -> None:
            self.listed("code", place, old.codes, new.codes, "code")

        before, after = self.old.codelists_file.codelists, self.new.codelists_file.codelists
        self.listed("codelist", "codelists", before, after, "id", skip=("codes",), each=codes)

    def all_forms(self) -> None:
        for form_id in dict.fromkeys([*self.old.forms, *self.new.forms]):
            before, after = self.old.forms.get(form_id), self.new.forms.get(form_id)
            known = [definition for definition in (self.old, self.new) if form_id in definition.forms]
            self.reveals = any(definition.reveals_arm(form_id) for definition in known)
            if after is None and before is not None:
                self.removed("form", form_id, self.name(before, self.old, form_id))
            elif before is None and after is not None:
                self.added("form", form_id, self.name(after, self.new, form_id))
            elif before is not None and after is not None:
                self.form(before, after)
        self.reveals = False

    def form(self, old: Form, new: Form) -> None:
        self.keys("form", new.id, self.name(new, self.new, new.id), old, new, ("groups", "checks"))
        both = ((self.old, old), (self.new, new))
        groups = frozenset(group.id for _, form in both for group in form.groups if group.reveals_arm)
        items = frozenset(i for definition, form in both for i in form.items if definition.reveals_arm(form.id, i))
        checks = frozenset(c.id for _, form in both for c in form.checks if not items.isdisjoint(c.items))
        self.listed("group", new.id, old.groups, new.groups, "id", skip=("items",), revealing=groups)
        self.listed("item", new.id, old.items.values(), new.items.values(), "id", revealing=items)
        for item_id, item in new.items.items():
            if item_id in old.items and old.group_of(item_id).id != new.group_of(item_id).id:
                name = self.name(item, self.new, item_id)
                before, after = old.group_of(item_id).id, new.group_of(item_id).id
                form_reveals, self.reveals = self.reveals, self.reveals or item_id in items
                self.value("item", f"{new.id} › {item_id} › group", name, "group", before, after)
                self.reveals = form_reveals
        self.listed("check", f"{new.id} › checks", old.checks, new.checks, "id", revealing=checks)

    def sections(self) -> None:
        for name in sorted({*self.old.sections, *self.new.sections}):
            before, after = self.old.section(name), self.new.section(name)
            self.reveals = self.names_what_reveals(self.old, before) or self.names_what_reveals(self.new, after)
            if before is None:
                self.added("section", name, name)
            elif after is None:
                self.removed("section", name, name)
            else:
                self.keys("section", name, name, before, after)
        self.reveals = False

    def names_what_reveals(self, definition: Definition, section: Part | None) -> bool:
        """Whether a section names an item that only some may see."""
        section_type = next((t for t in definition.registry.types.values() if type(section) is t.model), None)
        if section is None or section_type is None or section_type.reads is None:
            return False
        return any(definition.reveals_arm(read.form, read.item) for read in section_type.reads(section))
