"""Shapes of records, queries and eligibility; the schema is made from them and tests hold the answers to it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers as s

from trial.api.problems import InvalidRequest, Problem
from trial.api.serializers import Shape, Words, day
from trial.definition.model import CriterionKind
from trial.language import MISSING

from ..entry import ROW_ID_PATTERN
from ..models import EntryState, FindingState, QueryKind, QueryState, Severity

MAX_VALUES = 20_000
"""As many values as a page may post (`DATA_UPLOAD_MAX_NUMBER_FIELDS`)."""
MAX_TYPED = 20_000
"""Characters: the longest text that `trial.language` keeps."""
CRITERION_KINDS = [str(kind) for kind in CriterionKind]


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string"},
            {"type": "integer"},
            {"type": "boolean"},
            {"type": "array", "items": {"type": "string"}},
        ],
        "description": "Decimals and dates are text, whole numbers are numbers, choices are lists of codes.",
    }
)
class Canonical(s.Field[Any, Any, Any, Any]):
    """A value as it is understood and stored, in the standard unit; null when it is missing."""


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "maxLength": MAX_TYPED},
            {"type": "array", "items": {"type": "string"}, "maxItems": 200},
        ]
    }
)
class Typed(s.Field[Any, Any, Any, Any]):
    """A text as a person types it, or the codes of a multiple choice; what it means is `trial.language`'s to say."""

    default_error_messages = {"invalid": _("Send a text, or a list of codes.")}

    def to_internal_value(self, data: Any) -> str | tuple[str, ...]:
        texts = data if isinstance(data, list) else [data]
        if len(texts) > 200 or not all(isinstance(text, str) and len(text) <= MAX_TYPED for text in texts):
            self.fail("invalid")
        return tuple(texts) if isinstance(data, list) else texts[0]


# --- What a save brings --------------------------------------------------------------------------------------------


class RowId(s.RegexField):
    """The id of a row: that of one that stands, or a new one."""

    def __init__(self, **words: Any) -> None:
        super().__init__(rf"^{ROW_ID_PATTERN.pattern}$", max_length=32, **words)


class SentValue(s.Serializer[Any]):
    """What is typed into one item. An empty text clears it."""

    item = s.CharField(max_length=64)
    row = s.CharField(required=False, allow_blank=True, max_length=32, default="", help_text="Of a repeating group.")
    typed = Typed(required=False, default="")
    unit = s.CharField(required=False, allow_blank=True, max_length=40, default="")
    missing = s.ChoiceField(choices=list(MISSING), required=False, allow_blank=True, default="")
    reason = s.CharField(required=False, allow_blank=True, max_length=500, default="", help_text="Why it is missing.")
    why = s.CharField(
        required=False,
        allow_blank=True,
        max_length=300,
        default="",
        help_text="Why it changes, once a form was complete.",
    )


_DEFAULTS: dict[str, Any] = {"row": "", "typed": "", "unit": "", "missing": "", "reason": "", "why": ""}
_LENGTHS = (("item", 64), ("row", 32), ("unit", 40), ("reason", 500), ("why", 300))
_NAMES = len(_DEFAULTS) + 1


class SentValues(s.ListSerializer[Any]):
    """Values as they are sent, a few hundred at once. What is plain is taken as it is, the rest goes field by field.

    The serializer of one value costs a tenth of a millisecond, which is most of the reading of a long form.
    """

    def run_child_validation(self, data: Any) -> Any:
        return _plain(data) or super().run_child_validation(data)


def _plain(data: Any) -> dict[str, Any] | None:
    """The value that the serializer would make of it, where that takes no thought; None: let it think."""
    if data.__class__ is not dict or not data.get("item"):
        return None
    made: dict[str, Any] = _DEFAULTS | data
    if len(made) != _NAMES or {*map(type, made.values())} != {str}:  # it says more than it is asked for, or no text
        return None
    if len(made["typed"]) > MAX_TYPED or (made["missing"] and made["missing"] not in MISSING):
        return None
    for name, longest in _LENGTHS:
        value = made[name]
        if value and (len(value) > longest or not value.isprintable() or value[0] == " " or value[-1] == " "):
            return None
    return made


class RowIds(s.ListField):
    """Ids of rows; where all are plainly right, none is asked about by itself."""

    def run_child_validation(self, data: Any) -> Any:
        if all(each.__class__ is str and ROW_ID_PATTERN.fullmatch(each) for each in data):
            return list(data)
        return super().run_child_validation(data)


class SentRows(s.Serializer[Any]):
    """The rows of a repeating group, in order: new ids add rows, absent ones remove theirs."""

    group = s.CharField(max_length=64)
    ids = RowIds(child=RowId(), max_length=1_000)


class SentRemoval(s.Serializer[Any]):
    """Why a row is removed from a form that was complete."""

    group = s.CharField(max_length=64)
    row = RowId()
    reason = s.CharField(max_length=300)


class SentJustification(s.Serializer[Any]):
    """Why values that an edit check doubts are right."""

    check = s.CharField(max_length=80)
    row = s.CharField(required=False, allow_blank=True, max_length=32, default="")
    text = s.CharField(max_length=300)


class EntrySave(s.Serializer[Any]):
    """A new entry of a log. Items that are not named stay empty."""

    complete = s.BooleanField(required=False, default=False, help_text="Complete, or not finished yet.")
    reason = s.CharField(required=False, allow_blank=True, max_length=300, default="")
    values = SentValues(child=SentValue(), required=False, max_length=MAX_VALUES)
    rows = s.ListSerializer[Any](child=SentRows(), required=False, max_length=100)
    removals = s.ListSerializer[Any](child=SentRemoval(), required=False, max_length=1_000)
    justifications = s.ListSerializer[Any](child=SentJustification(), required=False, max_length=1_000)


class RecordSave(EntrySave):
    """What a save changes. Items that are not named stay as they are."""

    revision = s.IntegerField(
        min_value=0, max_value=2**31 - 1, help_text="The revision that was read; 0 for a form that nobody saved."
    )


# --- What is answered ----------------------------------------------------------------------------------------------


class VisitOfRecord(Shape):
    id = s.IntegerField()
    event = s.CharField()
    occurrence = s.IntegerField()


class RecordLine(Shape):
    """One form of one participant, without its values."""

    participant = s.CharField()
    form = s.CharField()
    visit = VisitOfRecord(allow_null=True)
    number = s.IntegerField(allow_null=True, help_text="Of a log entry; never used again.")
    version = s.IntegerField(help_text="Number of the study version under which it is written.")
    revision = s.IntegerField(help_text="Counts saves; a save names the one it read. 0: nobody saved it yet.")
    entry_state = s.ChoiceField(choices=EntryState.choices)
    dated_on = day()
    not_done_reason = s.CharField(allow_blank=True)
    removed_reason = s.CharField(allow_blank=True, help_text="Of a log entry taken out of use.")
    signed = s.BooleanField()
    changed_since_signing = s.BooleanField()
    reviewed = s.BooleanField(help_text="By the data manager, as it stands.")
    changed_since_review = s.BooleanField()
    frozen = s.BooleanField(help_text="By its own mark, or with its visit, participant, site or the study.")
    locked = s.BooleanField(help_text="By its own mark, or with its visit, participant, site or the study.")


class FileOfValue(Shape):
    """The file that is a value; its type was found from its content."""

    name = s.CharField()
    media_type = s.CharField()
    size = s.IntegerField(help_text="Bytes.")
    sha256 = s.CharField()
    url = s.CharField(help_text="Where its content is given, as an attachment, to the same session.")


class UploadedFile(FileOfValue):
    """A file in the person's draft. Send `key` as `typed` of the item in a save: then it is data."""

    key = s.CharField()


class UploadAsked(s.Serializer[Any]):
    item = s.CharField(max_length=64)
    row = s.CharField(required=False, allow_blank=True, max_length=32, default="", help_text="Of a repeating group.")
    name = s.CharField(max_length=300, help_text="Of the file; the type is found from its content.")


class Value(Shape):
    """One value: as understood, as typed, and in words."""

    group = s.CharField()
    row = s.CharField(allow_blank=True)
    item = s.CharField()
    value = Canonical(allow_null=True)
    typed = s.CharField(allow_blank=True, help_text="What a save may send again for the same value.")
    unit = s.CharField(allow_blank=True, help_text="As typed, when it was not the standard one.")
    missing = s.CharField(allow_blank=True)
    reason = s.CharField(allow_blank=True)
    words = s.CharField(allow_blank=True)
    derived = s.BooleanField()
    hidden = s.BooleanField(help_text="Kept, but left out of everything calculated: skip logic hides it.")
    file = FileOfValue(allow_null=True)


class Rows(Shape):
    group = s.CharField()
    ids = s.ListField(child=s.CharField())


class Finding(Shape):
    """What an edit check says."""

    check = s.CharField()
    row = s.CharField(allow_blank=True)
    item = s.CharField(allow_blank=True)
    severity = s.ChoiceField(choices=Severity.choices)
    state = s.ChoiceField(choices=FindingState.choices)
    message = s.CharField()
    justification = s.CharField(allow_blank=True)


class Record(RecordLine):
    """One form of one participant as this person may see it."""

    rows = Rows(many=True, help_text="Of repeating groups.")
    values = Value(many=True)
    findings = Finding(many=True)


class ValueProblem(Shape):
    """What is wrong with one value, or with a group."""

    group = s.CharField(allow_blank=True)
    row = s.CharField(allow_blank=True)
    item = s.CharField(allow_blank=True)
    code = s.CharField()
    message = s.CharField()


class RefusedSave(InvalidRequest):
    """Nothing was saved: another shape was asked (`errors`), values are wrong (`values`), or the state forbids it."""

    values = ValueProblem(many=True, required=False)


class Clash(Shape):
    """A value that was sent and that somebody else changed since it was read."""

    group = s.CharField()
    row = s.CharField(allow_blank=True)
    item = s.CharField()
    read = Value(allow_null=True, help_text="As it was at the revision that was read.")
    current = Value(allow_null=True, help_text="As it stands now.")
    yours = SentValue()
    changed_by = s.CharField()
    changed_at = s.DateTimeField()


class Stale(Problem):
    """Somebody saved the record since it was read. Nothing was saved: choose, and send again with its revision."""

    revision_read = s.IntegerField()
    current = Record()
    clashes = Clash(many=True)


class RecordsAsked(s.Serializer[Any]):
    form = s.CharField(required=False, max_length=64)
    visit = s.IntegerField(required=False, min_value=1, max_value=2**63 - 1, help_text="Id of a visit.")
    state = s.ChoiceField(choices=EntryState.choices, required=False)


# --- Queries -------------------------------------------------------------------------------------------------------


class Message(Shape):
    """One line of a query's thread."""

    state = s.ChoiceField(choices=QueryState.choices, help_text="The state to which it led.")
    text = s.CharField(allow_blank=True)
    by = s.CharField()
    at = s.DateTimeField()


class Query(Shape):
    """A question to the site about a value, a row or a form."""

    id = s.IntegerField()
    participant = s.CharField()
    site = s.CharField()
    form = s.CharField()
    visit = VisitOfRecord(allow_null=True)
    number = s.IntegerField(allow_null=True)
    row = s.CharField(allow_blank=True)
    item = s.CharField(allow_blank=True)
    kind = s.ChoiceField(choices=QueryKind.choices)
    state = s.ChoiceField(choices=QueryState.choices)
    addressed_to = s.CharField()
    opened_at = s.DateTimeField()
    opened_by = s.CharField(allow_blank=True, help_text="Empty when an edit check asks.")
    settled_at = s.DateTimeField(allow_null=True)
    may = s.ListField(child=s.CharField(), help_text="What you may do with it now.")
    messages = Message(many=True)


class QueriesAsked(s.Serializer[Any]):
    state = s.ChoiceField(choices=QueryState.choices, required=False)
    participant = s.CharField(required=False, max_length=12, help_text="Code of a participant.")


class Answer(s.Serializer[Any]):
    text = s.CharField(max_length=1_000)


# --- Eligibility ---------------------------------------------------------------------------------------------------


class Criterion(Shape):
    """One criterion as it stands."""

    id = s.CharField()
    kind = s.ChoiceField(choices=CRITERION_KINDS)
    text = Words()
    met = s.BooleanField(allow_null=True, help_text="Whether it lets the participant in; null while unknown.")
    computed = s.BooleanField(allow_null=True)
    judged = s.BooleanField(allow_null=True)
    disagrees = s.BooleanField(help_text="The data say one thing and the person another.")
    lacking = s.ListField(child=s.CharField(), help_text="What is missing to decide it, as form.item.")
    outdated = s.BooleanField(help_text="The assessment on which it rests is absent or too old.")


class Eligibility(Shape):
    """Every criterion of a participant as of today."""

    eligible = s.BooleanField()
    signed = s.BooleanField(help_text="Signed by an investigator, and not changed since.")
    changed_since_signing = s.BooleanField()
    form = s.CharField(allow_null=True, help_text="The form that holds the judged answers.")
    criteria = Criterion(many=True)
