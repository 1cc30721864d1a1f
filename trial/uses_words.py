"""What each item feeds and is fed by, in words and with the address of each thing named."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .definition import Definition, Form, Item
from .definition.uses import Reader, downstream, sources
from .language import Ref

SECTION_WORDS = {
    "randomization": gettext_lazy("stratum"),
    "safety": gettext_lazy("safety"),
    "timeline": gettext_lazy("timeline"),
}
IDENTITY_WORDS = {
    "sex": gettext_lazy("the participant's sex"),
    "birth_month": gettext_lazy("the participant's month of birth"),
    "birth_year": gettext_lazy("the participant's year of birth"),
    "initials": gettext_lazy("the participant's initials"),
}
CONSENT_WORDS = {
    "signed_on": gettext_lazy("the date of consent"),
    "document_version": gettext_lazy("the version consented to"),
}
ICONS = {
    "derived": "refresh",
    "shown_when": "eye",
    "check": "alert",
    "criterion": "list",
    "judged": "list",
    "validity": "clock",
    "milestone": "flag",
    "consent": "file",
    "identity": "user",
    "date": "calendar",
    "title": "form",
    "link": "link",
    "section": "settings",
}
SECTION_ICONS = {"randomization": "randomize", "safety": "pulse", "timeline": "chart"}

Words = dict[str, Any]


class UsesWords:
    """The ways between items of one definition, in one language; `query` names the version in addresses."""

    def __init__(self, definition: Definition, locale: str, query: str = "") -> None:
        self.definition = definition
        self.locale = locale
        self.query = query

    def text(self, label: Any) -> str:
        return self.definition.text(label, self.locale)

    # ------------------------------------------------------------ addresses

    def form_url(self, form: str, anchor: str = "") -> str:
        """The page of a form, at a place of it."""
        return self._with(reverse("study_form", args=[form])) + (f"#{anchor}" if anchor else "")

    def item_url(self, form: str, item: str) -> str:
        """The page of an item."""
        return self._with(reverse("study_item", args=[form, item]))

    def criterion_url(self, criterion: str) -> str:
        return self._with(reverse("study") + "?part=eligibility") + f"#criterion-{criterion}"

    def _with(self, url: str) -> str:
        return url + ("&" if "?" in url else "?") + self.query if self.query else url

    # ------------------------------------------------------------ what reads an item

    def feeds(self, form: Form, item: Item) -> list[Words]:
        """All that reads an item: {text, url, icon, where}, in the order of the study's text."""
        return self._once(self.reader(reader, form) for reader in self.definition.readers.get((form.id, item.id), ()))

    def lists(self, form: Form) -> list[Words]:
        """What goes through the entries of a form as a list."""
        return self._once(self.reader(reader, form) for reader in self.definition.readers.get((form.id, ""), ()))

    def reader(self, reader: Reader, here: Form) -> Words:
        """One reader in words, with where it stands when that is another form."""
        there = self.definition.forms.get(reader.form)
        icon = ICONS.get(reader.kind, "form")
        if reader.kind == "section":
            section = str(SECTION_WORDS.get(reader.form, reader.form))
            name = self.text(dict(reader.label)) if reader.label else reader.target
            text = _("%(section)s: %(name)s") % {"section": section, "name": name}
            return {"text": text, "url": "", "icon": SECTION_ICONS.get(reader.form, icon), "where": ""}
        if reader.kind in ("criterion", "judged", "validity"):
            words = {
                "criterion": _("criterion %(id)s, calculated"),
                "judged": _("criterion %(id)s, judged"),
                "validity": _("criterion %(id)s, age of the assessment"),
            }[reader.kind]
            return {
                "text": words % {"id": reader.target},
                "url": self.criterion_url(reader.target),
                "icon": icon,
                "where": "",
            }
        if there is None:
            return {"text": self._of_study(reader), "url": "", "icon": icon, "where": ""}
        return {
            "text": self._of_form(reader, there),
            "url": self._url(reader, there),
            "icon": icon,
            "where": "" if there.id == here.id else self.text(there.label),
        }

    def _of_study(self, reader: Reader) -> str:
        if reader.kind == "identity":
            return str(IDENTITY_WORDS[reader.target])
        if reader.kind == "consent":
            return str(CONSENT_WORDS[reader.target])
        return _("milestone “%(name)s”: status and visit plan") % {"name": reader.target.replace("_", " ")}

    def _of_form(self, reader: Reader, there: Form) -> str:
        if reader.kind == "check":
            return _("edit check: %(message)s") % {"message": self.text(there.check(reader.target).message)}
        if reader.kind == "date":
            return _("date of the form: window, consent, order")
        if reader.kind == "title":
            return _("name of an entry")
        target = there.items.get(reader.target)
        name = self.text(target.label) if target is not None else self._group(there, reader.target)
        words = {
            "derived": _("calculation of “%(item)s”"),
            "shown_when": _("whether “%(item)s” is asked"),
            "grade": _("grades offered in “%(item)s”"),
            "opens_with": _("what “%(item)s” begins with"),
            "compares_with": _("earlier measurements beside “%(item)s”"),
            "link": _("entries offered in “%(item)s”"),
        }[reader.kind]
        return words % {"item": name}

    def _url(self, reader: Reader, there: Form) -> str:
        if reader.kind == "check":
            return self.form_url(there.id, f"check-{reader.target}")
        if reader.target in there.items:
            return self.item_url(there.id, reader.target)
        return self.form_url(there.id)

    def _group(self, form: Form, group: str) -> str:
        return next((self.text(each.label) for each in form.groups if each.id == group), group)

    # ------------------------------------------------------------ what an item reads

    def fed_by(self, form: Form, item: Item) -> list[Words]:
        """What decides an item, and where to read of it."""
        return self._once(filter(None, (self.ref(ref, form) for ref in sources(self.definition, form, item))))

    def ref(self, ref: Ref, here: Form) -> Words | None:
        """One thing that an expression reads; None for what needs no name (the day, the visit)."""
        if ref.kind == "parameter":
            parameter = self.definition.parameters.get(ref.name)
            url = self._with(reverse("study") + "?part=parameters")
            return {
                "text": self.text(parameter.label) if parameter else ref.name,
                "url": url,
                "icon": "settings",
                "where": "",
            }
        there = self.definition.forms.get(ref.form or "")
        if there is None:
            return {"text": CONTEXT_WORDS.get(ref.name, ref.name), "url": "", "icon": "info", "where": ""}
        where = "" if there.id == here.id else self.text(there.label)
        if ref.kind == "rows":
            text = self._group(there, ref.item) if ref.item else self.text(there.label)
            return {
                "text": _("rows of “%(group)s”") % {"group": text},
                "url": self.form_url(there.id, f"group-{ref.item}" if ref.item else ""),
                "icon": "grid",
                "where": where if ref.item else "",
            }
        item = there.items.get(ref.item)
        text = self.text(item.label) if item is not None else ref.item
        if ref.kind == "range":
            text = _("reference range of “%(item)s”") % {"item": text}
        if ref.visit:
            before = _("the visit before") if ref.visit == "previous" else ref.visit
            where = ", ".join(filter(None, (where, before)))
        return {
            "text": text,
            "url": self.item_url(there.id, ref.item) if item is not None else "",
            "icon": "flask" if ref.kind == "range" else "edit",
            "where": where,
        }

    # ------------------------------------------------------------ one item in full

    def steps(self, form: Form, item: Item) -> list[list[Words]]:
        """What the item decides beyond what it feeds itself, step by step."""
        return [
            [
                {
                    "text": self.text(self.definition.form(node[0]).item(node[1]).label),
                    "url": self.item_url(*node),
                    "icon": "refresh",
                    "where": "" if node[0] == form.id else self.text(self.definition.form(node[0]).label),
                }
                for node in level
            ]
            for level in downstream(self.definition, (form.id, item.id))[1:]
        ]

    @staticmethod
    def _once(found: Any) -> list[Words]:
        kept: dict[tuple[str, str], Words] = {}
        for words in found:
            kept.setdefault((words["text"], words["where"]), words)
        return list(kept.values())


CONTEXT_WORDS = {
    "today": gettext_lazy("today"),
    "visit.date": gettext_lazy("date of the visit"),
    "visit.id": gettext_lazy("which visit it is"),
    "randomization.date": gettext_lazy("date of randomization"),
    "participant.sex": gettext_lazy("sex of the participant"),
    "participant.age": gettext_lazy("age of the participant"),
    "participant.birth_year": gettext_lazy("year of birth"),
    "participant.birth_month": gettext_lazy("month of birth"),
    "participant.status": gettext_lazy("status of the participant"),
}
