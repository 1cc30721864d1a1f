"""The study folder's `timeline.yaml`: the lanes of the participant's story, each with what it is made of.

    lanes:
      - id: toxicities
        label: {en: Toxicities, fr: Toxicités}
        sources:
          - form: adverse_event
            kind: span
            from: start_on
            to: end_on
            text: [term]
            grade: grade
      - {id: visits, label: {en: Visits, fr: Visites}, visits: true}
      - {id: dates, label: {en: Key dates, fr: Dates clés}, statuses: [randomized, progressed, died]}

A source whose form or item reveals the arm is left out for those who may not see it, and a lane with nothing left
is not there at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import Field, StrictBool

from trial.definition import CATALOGUE, Definition, Form, Item, sections
from trial.definition.model import Code, Id, Label
from trial.definition.problems import did_you_mean
from trial.language import ItemType

NAME = "timeline"
Path = tuple[str | int, ...]
DATES = (ItemType.DATE, ItemType.PARTIAL_DATE, ItemType.DATETIME)


class SourceKind(StrEnum):
    SPAN = "span"
    POINT = "point"


class PausesPart(sections.Part):
    """Rows of a record that hold and restart what the bar shows: their date, their kind, which kinds do what."""

    on: Id
    kind: Id
    begin: tuple[Code, ...] = Field(min_length=1)
    end: tuple[Code, ...] = Field(min_length=1)


class SourcePart(sections.Part):
    """One form of which every record is a bar (`span`) or a mark (`point`) of the lane.

    `ongoing` is a yes/no item that keeps a bar open to today; without it a bar without an end is open. `text` are
    the items that name it, `code` a choice whose code stands at the mark, `alert` the codes that stand out, `only_if`
    a yes/no item that must be yes.
    """

    form: Id
    kind: SourceKind
    from_: Id = Field(alias="from")
    to: Id | None = None
    ongoing: Id | None = None
    text: tuple[Id, ...] = ()
    grade: Id | None = None
    code: Id | None = None
    alert: tuple[Code, ...] = ()
    only_if: Id | None = None
    pauses: PausesPart | None = None

    def items(self) -> list[str]:
        """Every item that the source reads, dates first."""
        named = [self.from_, self.to, self.ongoing, *self.text, self.grade, self.code, self.only_if]
        if self.pauses is not None:
            named += [self.pauses.on, self.pauses.kind]
        return list(dict.fromkeys(item for item in named if item))


class LanePart(sections.Part):
    id: Id
    label: Label
    sources: tuple[SourcePart, ...] = ()
    statuses: tuple[Id, ...] = ()
    visits: StrictBool = False


class TimelineSection(sections.Part):
    lanes: tuple[LanePart, ...] = Field(min_length=1)


def validate(section: TimelineSection, definition: Definition, say: sections.Say) -> None:
    """Tell every problem of the section: lanes, forms, items, their types, kinds of status."""
    _Check(definition, say).all(section)


class _Check:
    def __init__(self, definition: Definition, say: sections.Say) -> None:
        self.definition = definition
        self.say = say

    def tell(self, code: str, path: Path, **words: object) -> None:
        entry = CATALOGUE[code]
        self.say(path, entry.fault.format(**words), entry.remedy.format(**words), code=code)

    def all(self, section: TimelineSection) -> None:
        first: dict[str, int] = {}
        for at, lane in enumerate(section.lanes):
            path = ("lanes", at)
            if lane.id in first:
                self.tell("DEF030", (*path, "id"), kind="lane", id=lane.id, first=f"of lane {first[lane.id] + 1}")
            first.setdefault(lane.id, at)
            shows = [name for name in ("sources", "statuses", "visits") if getattr(lane, name)]
            if len(shows) != 1:
                self.tell("DEF140", path, id=lane.id, what=" and ".join(shows) or "nothing")
            for place, status in enumerate(lane.statuses):
                self.status(status, (*path, "statuses", place))
            for place, source in enumerate(lane.sources):
                self.source(source, (*path, "sources", place))

    def status(self, status: str, path: Path) -> None:
        from trial.models import StatusKind

        known = list(StatusKind.values)
        if status not in known:
            words = {"suggestion": did_you_mean(status, known), "choices": ", ".join(known)}
            self.tell("DEF044", path, kind="status", id=status, **words)

    def source(self, source: SourcePart, path: Path) -> None:
        form = self.definition.forms.get(source.form)
        if form is None:
            suggestion = did_you_mean(source.form, self.definition.forms)
            self.tell("DEF040", (*path, "form"), id=source.form, suggestion=suggestion)
            return
        if source.kind is SourceKind.POINT:
            for key in ("to", "ongoing", "pauses"):
                if getattr(source, key) is not None:
                    self.tell("DEF141", (*path, key), key=key, kind="point", other="span")
        elif source.to is None:
            self.tell("DEF142", path)
        self.item(form, source.from_, (*path, "from"), DATES)
        self.item(form, source.to, (*path, "to"), DATES)
        self.item(form, source.ongoing, (*path, "ongoing"), (ItemType.YESNO,))
        self.item(form, source.only_if, (*path, "only_if"), (ItemType.YESNO,))
        self.item(form, source.grade, (*path, "grade"), (ItemType.GRADE, ItemType.INTEGER))
        code = self.item(form, source.code, (*path, "code"), (ItemType.CHOICE,))
        for at, name in enumerate(source.text):
            self.item(form, name, (*path, "text", at), ())
        if source.alert and source.code is None:
            self.codes(None, source.alert, (*path, "alert"))
        elif code is not None:
            self.codes(code, source.alert, (*path, "alert"))
        if source.pauses is not None:
            self.pauses(form, source.pauses, (*path, "pauses"))

    def item(
        self,
        form: Form,
        name: str | None,
        path: Path,
        wanted: tuple[ItemType, ...],
        *,
        row: bool = False,
    ) -> Item | None:
        if name is None:
            return None
        item = form.items.get(name)
        if item is None:
            self.tell("DEF041", path, form=form.id, id=name, suggestion=did_you_mean(name, form.items))
            return None
        if wanted and item.type not in wanted:
            self.tell("DEF046", path, id=name, type=item.type.value, wanted=" or ".join(t.value for t in wanted))
            return None
        if not row and form.group_of(name).repeating:
            self.tell("DEF047", path, id=name, remedy="Name an item that stands outside repeating groups.")
            return None
        return item

    def codes(self, item: Item | None, codes: Iterable[str], path: Path) -> None:
        known = self.definition.codes_of(item) if item is not None else ()
        if item is not None and not known:
            return  # its codelist is missing or cannot be read: that is told where it stands
        for at, code in enumerate(codes):
            if code not in known:
                words = {"suggestion": did_you_mean(code, known), "choices": ", ".join(known) or "a code of code:"}
                self.tell("DEF044", (*path, at), kind="code", id=code, **words)

    def pauses(self, form: Form, pauses: PausesPart, path: Path) -> None:
        on = self.item(form, pauses.on, (*path, "on"), DATES, row=True)
        kind = self.item(form, pauses.kind, (*path, "kind"), (ItemType.CHOICE,), row=True)
        if on is None or kind is None:
            return
        if form.group_of(on.id).id != form.group_of(kind.id).id or not form.group_of(on.id).repeating:
            self.tell("DEF143", path, items=f"{on.id} and {kind.id}")
        self.codes(kind, pauses.begin, (*path, "begin"))
        self.codes(kind, pauses.end, (*path, "end"))


def reads(section: TimelineSection) -> Iterable[sections.SectionRead]:
    """Every item that a lane shows."""
    for lane in section.lanes:
        for source in lane.sources:
            for item in source.items():
                yield sections.SectionRead(lane.id, source.form, item, lane.label)


def register() -> None:
    """Give the study language this section; called once, from `AppConfig.ready`."""
    sections.register(NAME, TimelineSection, validate, reads=reads)
