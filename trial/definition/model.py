"""The shape of a study's text: one frozen pydantic class per thing that a study folder may say.

These classes promise shape only (types, required keys, allowed words, the form of ids). What needs a second
thing to be judged (a reference, an expression, an inverted range) is in `trial.definition.validation`.

Numbers are `Decimal` or `int`, never float; dates are `datetime.date`; labels are `{locale: text}`;
a reference to an item is the text `form.item`; an expression is its source text.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StrictBool
from pydantic_core import PydanticCustomError

from trial.language import DEFAULT_ACCEPT, ItemType, operand_reader

ANCHORS = ("screening", "randomization", "progression", "none")
"""Anchors that every study has; the name of a milestone that is followed is an anchor too."""

FOLLOWED_MILESTONES = ("progression", "treatment_end", "death", "end_of_study")
"""Milestones whose date is the participant's own: visits hang on them, and move when only that date moves."""

# CDASH 2.x domains (CDISC CDASHIG 2.2) are two letters; sponsors may use X?, Y? or Z? for their own.
DOMAIN_PATTERN = re.compile(r"[A-Z]{2}")
_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,31}")
VISIT_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_VISIT_TEMPLATE = re.compile(r"(?=.*[A-Za-z])(?:[A-Za-z0-9_]|\{n\}){1,32}")
_REFERENCE = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")


def _matching(pattern: re.Pattern[str], kind: str, like: str) -> BeforeValidator:
    def check(value: Any) -> str:
        if isinstance(value, bool):
            raise PydanticCustomError("bare_word", "a YAML word", {"value": str(value).lower()})
        if isinstance(value, int | Decimal):
            value = str(value)
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "not text")
        if not pattern.fullmatch(value):
            raise PydanticCustomError("bad_id", "not an id", {"kind": kind, "like": like})
        return value

    return BeforeValidator(check)


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("bare_word", "a YAML word", {"value": str(value).lower()})
    return value


def _label(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise PydanticCustomError("label_type", "not a label")
    for locale, words in value.items():
        if isinstance(words, bool):
            raise PydanticCustomError("bare_word", "a YAML word", {"value": str(words).lower()})
        if not isinstance(words, str | int | Decimal) or not str(words).strip():
            raise PydanticCustomError("label_empty", "an empty label", {"locale": str(locale)})
    return {str(locale): str(words) for locale, words in value.items()}


def _number(value: Any) -> Any:
    if isinstance(value, bool | list | tuple | Mapping):
        raise PydanticCustomError("decimal_type", "not a number")
    return value


def _whole(value: Any) -> Any:
    if isinstance(value, bool | list | tuple | Mapping):
        raise PydanticCustomError("int_type", "not a whole number")
    return value


Id = Annotated[str, _matching(_ID, "id", "start with a lower-case letter, then letters, digits and _")]
"""An id of a form, item, group, check, parameter, pathway or criterion: it can stand in an expression."""
Code = Annotated[str, _matching(_CODE, "code", "letters, digits and _ . + -, at most 32")]
"""A code of an arm, a codelist entry, a criterion or a stratum level; case counts."""
VisitTemplate = Annotated[str, _matching(_VISIT_TEMPLATE, "visit id", "letters, digits and _, with {n} where repeated")]
Reference = Annotated[str, _matching(_REFERENCE, "reference", "form.item, such as demographics.sex")]
Label = Annotated[dict[str, str], BeforeValidator(_label)]
"""Words in each locale of the study: `{"en": "Sex", "fr": "Sexe"}`."""
Words = Annotated[str, BeforeValidator(_text)]
Number = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(allow_inf_nan=False),
    PlainSerializer(str, return_type=str, when_used="json"),
]
Whole = Annotated[int, BeforeValidator(_whole)]
Count = Annotated[Whole, Field(ge=0)]
Source = Annotated[str, BeforeValidator(_text), Field(min_length=1)]
"""The text of an expression (see `trial.language`)."""


class Part(BaseModel):
    """Base of every piece of a definition, also for the sections of upper rooms: frozen, and no unknown key."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, coerce_numbers_to_str=True)


class Role(StrEnum):
    """A role that may be named in a study folder; the same words as `trial.models.Role`."""

    COORDINATOR = "coordinator"
    INVESTIGATOR = "investigator"
    CO_INVESTIGATOR = "co_investigator"
    RADIATION_ONCOLOGIST = "radiation_oncologist"
    RADIOLOGIST = "radiologist"
    MONITOR = "monitor"
    DATA_MANAGER = "data_manager"
    SAFETY_OFFICER = "safety_officer"
    SPONSOR = "sponsor"
    STATISTICIAN_BLINDED = "statistician_blinded"
    STATISTICIAN_UNBLINDED = "statistician_unblinded"
    COMMITTEE = "committee"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


# ---------------------------------------------------------------- study.yaml


class Registry(Part):
    name: Words
    id: Words


class Accrual(Part):
    """The accrual plan: participants, sites and months."""

    target: Annotated[Whole, Field(gt=0)]
    sites: Annotated[Whole, Field(gt=0)]
    months: Annotated[Whole, Field(gt=0)]


class Amendment(Part):
    version: Words
    on: date
    label: Label


class StudyPart(Part):
    """Who the study is."""

    code: Code
    acronym: Words
    title: Label
    sponsor: Words
    registries: tuple[Registry, ...] = ()
    protocol_version: Words
    locales: Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z]{2}$")], ...], Field(min_length=1)]
    initials: StrictBool = False
    accrual: Accrual
    amendments: tuple[Amendment, ...] = ()


class Parameter(Part):
    """A constant of the protocol, `param.NAME` in expressions."""

    value: Number
    min: Number | None = None
    max: Number | None = None
    label: Label


class Arm(Part):
    id: Code
    label: Label
    pathway: Id


class Pathway(Part):
    """Which visits apply; in an open-label trial one per arm, which then reveals the arm."""

    id: Id
    label: Label
    reveals_arm: StrictBool = False


class Identity(Part):
    """Where the sex and the month and year of birth of a participant are entered."""

    sex: Reference | None = None
    birth_month: Reference | None = None
    birth_year: Reference | None = None
    initials: Reference | None = None


class ConsentDocument(Part):
    """A version of the information sheet and the first day on which it may be signed."""

    version: Words
    from_: date = Field(alias="from")
    label: Label


class ConsentPart(Part):
    form: Id
    signed_on: Reference
    document_version: Reference | None = None
    documents: Annotated[tuple[ConsentDocument, ...], Field(min_length=1)]


class StudyFile(Part):
    study: StudyPart
    parameters: dict[Id, Parameter] = {}
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)]
    pathways: Annotated[tuple[Pathway, ...], Field(min_length=1)]
    identity: Identity = Identity()
    consent: ConsentPart
    milestones: dict[Id, Reference] = {}


# ---------------------------------------------------------------- schedule.yaml


class Phase(StrEnum):
    SCREENING = "screening"
    STUDY = "study"
    SURVIVAL = "survival"
    EVENT = "event"


class Offset(Part):
    """A distance from the anchor; the three are added (months first). Negative is before the anchor."""

    days: Whole = 0
    weeks: Whole = 0
    months: Whole = 0


class Repeat(Part):
    """The distances of a repeated visit, in one unit; `{n}` in its id and label is the number."""

    days: tuple[Whole, ...] = ()
    weeks: tuple[Whole, ...] = ()
    months: tuple[Whole, ...] = ()


class Window(Part):
    """Days before and after the planned date within which the visit is on time."""

    before: Count = 0
    after: Count = 0


class VisitTemplatePart(Part):
    """A visit as written; `Definition.visits` holds them expanded (`VisitDefinition`)."""

    id: VisitTemplate
    label: Label
    phase: Phase = Phase.STUDY
    anchor: Id = "none"
    offset: Offset | None = None
    repeat: Repeat | None = None
    window: Window = Window()
    pathways: tuple[Id, ...] = ()
    reveals_arm: StrictBool = False
    unscheduled: StrictBool = False
    forms: tuple[Id, ...] = ()


class ScheduleFile(Part):
    visits: Annotated[tuple[VisitTemplatePart, ...], Field(min_length=1)]
    log_forms: tuple[Id, ...] = ()


class VisitDefinition(Part):
    """One visit of the plan, expanded: `M3`, `M6`, …; `number` is the {n} it came from, `order` its place."""

    id: str
    label: dict[str, str]
    phase: Phase
    anchor: str
    offset: Offset
    window: Window
    pathways: tuple[str, ...]
    reveals_arm: bool
    unscheduled: bool
    forms: tuple[str, ...]
    template: str
    number: int | None
    order: int

    @property
    def on_demand(self) -> bool:
        """Whether the visit is added by hand or by an event, so has no planned date of its own."""
        return self.unscheduled or self.anchor == "none"


# ---------------------------------------------------------------- eligibility.yaml


class Validity(Part):
    """The form whose date must be at most `days` before randomization."""

    form: Id
    days: Annotated[Whole, Field(gt=0)]


class CriterionKind(StrEnum):
    INCLUSION = "inclusion"
    EXCLUSION = "exclusion"


class Criterion(Part):
    """Inclusion must be true, exclusion must be false; computed, judged, or both."""

    id: Code
    kind: CriterionKind
    text: Label
    expression: Source | None = None
    judged: Reference | None = None
    answered_by: tuple[Role, ...] = ()
    validity: Validity | None = None


class EligibilityFile(Part):
    form: Id
    sign_meaning: Label
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1)]


# ---------------------------------------------------------------- reminders.yaml


class Reminder(Part):
    """A message owed: on what, when, to whom, how often, and what ends it."""

    id: Id
    on: Id
    offset: Offset = Offset()
    to: Annotated[tuple[Role, ...], Field(min_length=1)]
    repeat_days: Count = 0
    stop: Id | None = None
    subject: Label
    body: Label


class RemindersFile(Part):
    reminders: tuple[Reminder, ...] = ()


# ---------------------------------------------------------------- codelists.yaml


class CodelistEntry(Part):
    code: Code
    label: Label
    cdisc: Words | None = None
    hint: Label | None = None
    retired: StrictBool = False


class Codelist(Part):
    """Codes with labels, in the order of the file; `cdisc` is the NCI code where one exists."""

    id: Id
    label: Label | None = None
    cdisc: Words | None = None
    codes: Annotated[tuple[CodelistEntry, ...], Field(min_length=1)]

    def entry(self, code: str) -> CodelistEntry:
        """The entry of a code. Raises KeyError."""
        for entry in self.codes:
            if entry.code == code:
                return entry
        raise KeyError(code)


class CodelistsFile(Part):
    codelists: tuple[Codelist, ...] = ()


# ---------------------------------------------------------------- forms/*.yaml


class FormKind(StrEnum):
    VISIT = "visit"
    LOG = "log"


class Area(StrEnum):
    """Which roles enter a form (DOMAIN, "Who does what by default")."""

    GENERAL = "general"
    SRT = "srt"
    IMAGING = "imaging"
    SAFETY = "safety"


class Severity(StrEnum):
    HARD = "hard"
    SOFT = "soft"


class Layout(StrEnum):
    RADIO = "radio"
    SELECT = "select"
    WIDE = "wide"


class MissingCode(StrEnum):
    NOT_DONE = "ND"
    UNKNOWN = "UNK"
    NOT_APPLICABLE = "NA"


class FileKind(StrEnum):
    """A kind of file that an item may take; the same words as `trial.language.MEDIA_TYPES`."""

    PDF = "pdf"
    PNG = "png"
    JPEG = "jpeg"


class UnitConversion(Part):
    """Another unit accepted: entered value × factor + offset = value in the standard unit."""

    unit: Words
    factor: Number
    offset: Number = Decimal(0)


class Range(Part):
    """Hard (min, max) and soft (soft_min, soft_max) limits in the standard unit, both ends included."""

    min: Number | None = None
    max: Number | None = None
    soft_min: Number | None = None
    soft_max: Number | None = None


class Item(Part):
    """One question. `type` says which of the other keys have a meaning."""

    id: Id
    type: ItemType
    label: Label
    hint: Label | None = None
    unit: Words | None = None
    units: tuple[UnitConversion, ...] = ()
    decimals: Annotated[Whole, Field(ge=0, le=10)] | None = None
    range: Range | None = None
    max_length: Annotated[Whole, Field(gt=0, le=20_000)] | None = None
    analyte: Code | None = None
    required: StrictBool = False
    future: StrictBool = False
    codelist: Id | None = None
    shown_when: Source | None = None
    derived: Source | None = None
    missing: tuple[MissingCode, ...] = (MissingCode.NOT_DONE, MissingCode.UNKNOWN, MissingCode.NOT_APPLICABLE)
    link: Id | None = None
    dictionary: Id | None = None
    grade_of: Id | None = None
    answered_by: tuple[Role, ...] = ()
    critical: StrictBool = False
    standard_of_care: StrictBool = False
    reveals_arm: StrictBool = False
    show_previous: StrictBool = False
    unique: StrictBool = False
    """In a log form: no two entries of a participant ever have the same value, removed ones included."""
    opens_with: Reference | None = None
    """In rows made of the entries of a log: the item of the entry whose value a new row begins with."""
    compares_with: tuple[Reference, ...] = ()
    """In rows about the entries of a log: items of other forms that hold the same measure of the same entry."""
    layout: Layout | None = None
    accept: Annotated[tuple[FileKind, ...], Field(min_length=1)] | None = None
    """Kinds of file that a `file` item takes, None = all that are known."""
    missing_reason: StrictBool = False
    """Whether a missing code needs its reason before the form can be complete."""
    sdtm: Words | None = None

    @property
    def is_derived(self) -> bool:
        return self.derived is not None

    @property
    def accepted(self) -> tuple[str, ...]:
        """The kinds of file that the item takes, as words of `trial.language.MEDIA_TYPES`."""
        return tuple(kind.value for kind in self.accept) if self.accept is not None else DEFAULT_ACCEPT


class Group(Part):
    """Items shown together; repeating groups are grids of rows."""

    id: Id
    label: Label
    hint: Label | None = None
    repeating: StrictBool = False
    min_rows: Count = 0
    max_rows: Annotated[Whole, Field(gt=0, le=1_000)] = 200
    rows_from: Id | None = None
    shown_when: Source | None = None
    reveals_arm: StrictBool = False
    items: Annotated[tuple[Item, ...], Field(min_length=1)]


class Check(Part):
    """A rule that must hold; it speaks only when the rule is definitely false."""

    id: Id
    rule: Source
    severity: Severity
    items: Annotated[tuple[Id, ...], Field(min_length=1)]
    message: Label


class Form(Part):
    """A form: one record per visit (`visit`) or one per entry (`log`)."""

    id: Id
    kind: FormKind
    label: Label
    hint: Label | None = None
    domain: Words | None = None
    area: Area = Area.GENERAL
    pathways: tuple[Id, ...] = ()
    """Of a log form: the pathways that have it, as for a visit; empty for everybody."""
    reveals_arm: StrictBool = False
    date_item: Id | None = None
    standard_of_care: StrictBool = False
    title_items: tuple[Id, ...] = ()
    columns: tuple[Id, ...] = ()
    sign: Role | None = None
    open_queries_block_signing: StrictBool = False
    groups: Annotated[tuple[Group, ...], Field(min_length=1)]
    checks: tuple[Check, ...] = ()

    @cached_property
    def items(self) -> Mapping[str, Item]:
        """Every item by id, in the order of the page."""
        found: dict[str, Item] = {}
        for group in self.groups:
            for item in group.items:
                found.setdefault(item.id, item)
        return found

    @cached_property
    def readers(self) -> Mapping[str, Callable[[Any], object]]:
        """Per item what reads an operand of expressions from its stored data: made once, called often."""
        return {item.id: operand_reader(item.type) for item in self.items.values()}

    @cached_property
    def groups_of_items(self) -> Mapping[str, Group]:
        """The group of every item, by the item's id."""
        found: dict[str, Group] = {}
        for group in self.groups:
            for item in group.items:
                found.setdefault(item.id, group)
        return found

    @property
    def is_log(self) -> bool:
        return self.kind is FormKind.LOG

    def is_for(self, pathway: str | None) -> bool:
        """Whether a participant on that pathway (none before allocation) may have the form."""
        return not self.pathways or (pathway or None) in self.pathways

    def item(self, item_id: str) -> Item:
        """The item of that id. Raises KeyError."""
        return self.items[item_id]

    def group_of(self, item_id: str) -> Group:
        """The group in which an item stands. Raises KeyError."""
        return self.groups_of_items[item_id]

    def group(self, group_id: str) -> Group:
        """The group of that id. Raises KeyError."""
        for group in self.groups:
            if group.id == group_id:
                return group
        raise KeyError(group_id)

    def check(self, check_id: str) -> Check:
        """The check of that id. Raises KeyError."""
        for check in self.checks:
            if check.id == check_id:
                return check
        raise KeyError(check_id)
