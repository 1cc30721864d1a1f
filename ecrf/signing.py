"""What a person is about to sign: the forms of a visit or of the casebook, what changed in them, what is left out."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from trial.definition import Form, Item
from trial.language import ItemType, load, missing_words
from trial.models import Participant, Visit, VisitStatus

from .actions.signatures import why_not
from .casebooks import Casebook, Words
from .models import Change, ChangeKind, EntryState, Record
from .pages import entry_title, moment
from .presenters import reason_words, value_words


class SigningPage:
    """The casebook (or one visit) as a signer sees it; every read is made once, whatever the number of forms."""

    def __init__(self, person: Any, participant: Participant, visit: Visit | None = None) -> None:
        self.person = person
        self.participant = participant
        self.visit = visit
        self.casebook = Casebook(person, participant, all_visits=True)
        self.definition = self.casebook.definition
        self.locale = self.casebook.locale

    @cached_property
    def _records(self) -> list[Record]:
        return [r for r in self.casebook.records if self.visit is None or r.visit_id == self.visit.pk]

    @cached_property
    def _judged(self) -> list[tuple[Record, Any]]:
        return [
            (r, why_not(r, self.person, self.definition, has_open_queries=self.casebook.queries_of(r) > 0))
            for r in self._records
        ]

    @cached_property
    def to_sign(self) -> list[Words]:
        """The forms that one signature will cover, each with what changed since the last one."""
        return [
            {
                **self._words(record),
                "read": f"{record.pk}.{record.revision}",
                "last": self._last_signature(record),
                "changes": self._changes.get(record.pk, []),
                "again": record.is_signed,
            }
            for record, why in self._judged
            if why is None
        ]

    @property
    def signed(self) -> int:
        """How many forms are signed as they stand."""
        return sum(why is not None and why.code == "signed" for _record, why in self._judged)

    @cached_property
    def unfinished(self) -> list[Words]:
        """Forms that are asked for and not complete: they are not signed."""
        found = [
            {**self._words(record), "state": str(record.entry_state)}
            for record, why in self._judged
            if why is not None and why.code == "incomplete" and record.entry_state != EntryState.NOT_DONE
        ]
        begun = {(record.visit_id, record.form) for record in self._records}
        for visit in self.casebook.visits:
            if visit.status != VisitStatus.DONE or (self.visit is not None and visit.pk != self.visit.pk):
                continue
            for form in self.casebook.visit_forms[visit.pk]:
                is_asked = self.casebook.state_of(visit, form.id) == EntryState.EXPECTED
                if is_asked and (visit.pk, form.id) not in begun:
                    found.append(
                        {
                            "label": self.definition.text(form.label, self.locale),
                            "place": self.casebook.visit_title(visit),
                            "url": reverse("record", args=[self.participant.code, visit.pk, form.id]),
                            "queries": 0,
                            "state": str(EntryState.EXPECTED),
                        }
                    )
        return found

    @cached_property
    def left_out(self) -> list[Words]:
        """Complete forms that this signature does not cover, each with the reason."""
        known = ("signed", "incomplete")
        return [
            {**self._words(record), "why": str(why)}
            for record, why in self._judged
            if why is not None and why.code not in known
        ]

    @cached_property
    def with_queries(self) -> list[Words]:
        """Forms among those to sign whose queries are not settled: a warning, not an obstacle."""
        return [words for words in self.to_sign if words["queries"]]

    @property
    def statement(self) -> str:
        """What the signature says, in the signer's language: kept with it, word for word."""
        return _(
            "I have reviewed the forms listed here. To the best of my knowledge they are complete and agree with the "
            "patient's file."
        )

    def _words(self, record: Record) -> Words:
        label = self.definition.text(self.definition.form(record.form).label, self.locale)
        return {
            "label": f"{label} {record.number}" if record.number else label,
            "place": self.casebook.visit_title(record.visit) if record.visit is not None else "",
            "url": self.casebook.record_url(record),
            "queries": self.casebook.queries_of(record),
        }

    def _last_signature(self, record: Record) -> str:
        if record.signature is None:
            return ""
        return _("%(name)s, %(when)s") % {
            "name": record.signature.by_name,
            "when": moment(record.signature.signed_at, self.locale),
        }

    @cached_property
    def _changes(self) -> dict[int, list[Words]]:
        """Per record the values that changed since its signature: each once, from what was signed to what stands."""
        changed = {r.pk: r for r, why in self._judged if why is None and r.is_changed_since_signing}
        net: dict[tuple[int, str, str, str], list[Change]] = {}
        made = Change.objects.filter(record__in=changed).order_by("pk") if changed else ()
        for change in made:
            if change.revision > (changed[change.record_id].signed_revision or 0):
                net.setdefault((change.record_id, change.group, change.row, change.item), []).append(change)
        found: dict[int, list[Words]] = {}
        for (pk, group, row, item_id), several in net.items():
            record, form = changed[pk], self.definition.form(changed[pk].form)
            if item_id not in form.items or not self._shows(form, item_id):
                continue
            found.setdefault(pk, []).append(self._change(record, form, form.item(item_id), group, row, several))
        return found

    def _change(self, record: Record, form: Form, item: Item, group: str, row: str, several: list[Change]) -> Words:
        last = several[-1]
        numbers = [each.get("_id") for each in record.data.get(group, [])]
        reasons = dict.fromkeys(
            reason_words(change.reason, self.definition, self.locale)
            if change.kind == ChangeKind.DERIVED
            else change.reason
            for change in several
            if change.reason
        )
        return {
            "label": self.definition.text(item.label, self.locale),
            "row": numbers.index(row) + 1 if row and row in numbers else "",
            "old": self._value(form, item, several[0].old),
            "new": self._value(form, item, last.new),
            "by": _("Calculated after a save by %(name)s") % {"name": last.by_name}
            if last.kind == ChangeKind.DERIVED
            else last.by_name,
            "when": moment(last.at, self.locale),
            "reason": "; ".join(reasons),
            "kind": str(ChangeKind(last.kind).label),
        }

    def _shows(self, form: Form, item: str) -> bool:
        return self.casebook.sees_arm or not self.definition.reveals_arm(form.id, item)

    def _value(self, form: Form, item: Item, stored: Any) -> str:
        if stored is None:
            return ""
        if stored.get("missing"):
            words = missing_words(stored["missing"], self.locale)
            return f"{words} ({stored['reason']})" if stored.get("reason") else words
        if item.type is ItemType.LINK and item.link:
            number = str(load(self.definition.spec(form.id, item.id), stored).value or "")
            target = next((e for e in self.casebook.entries.get(item.link, ()) if str(e.number) == number), None)
            if target is not None:
                linked = self.definition.form(item.link)
                return entry_title(self.definition, linked, target.number or 0, target.data, self.locale)
        return value_words(self.definition, form, item, stored, self.locale)
