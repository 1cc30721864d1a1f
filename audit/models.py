"""The floor's tables, and the two kinds of table that the rooms above build on."""

import json
import marshal
from collections.abc import Collection, Iterable
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any, ClassVar, Self
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, router, transaction
from django.utils.translation import gettext_lazy as _

from audit import exempt
from audit.columns import Stamped
from audit.errors import AppendOnly
from audit.history import History
from audit.verbs import verb_label


class _Frozen:
    """A mutable value (JSON) as it was read, kept as bytes so that changes in place are seen."""

    __slots__ = ("_bytes",)

    def __init__(self, value: Any) -> None:
        self._bytes = marshal.dumps(value)

    def __eq__(self, other: object) -> bool:
        return bool(marshal.loads(self._bytes) == other)  # noqa: S302 (our own bytes)

    __hash__ = None  # type: ignore[assignment]


class _FrozenJSON:
    """A JSON value as it was written: the text that it went as, read again only when somebody compares."""

    __slots__ = ("_decoder", "_text")

    def __init__(self, field: models.JSONField, value: Any) -> None:
        self._text, self._decoder = json.dumps(value, cls=field.encoder), field.decoder

    def __eq__(self, other: object) -> bool:
        return bool(json.loads(self._text, cls=self._decoder) == other)

    __hash__ = None  # type: ignore[assignment]


def freeze(value: Any) -> Any:
    """`value`, or something that stays equal to it as it is now."""
    if isinstance(value, dict | list):
        try:
            return _Frozen(value)
        except ValueError:  # not plain JSON: a decoder made objects
            import copy

            return copy.deepcopy(value)
    return bytes(value) if isinstance(value, memoryview) else value


_UNCHANGEABLE = frozenset({str, int, bool, type(None), bytes, date, datetime, time, Decimal, UUID})
"""What nearly every column holds: kept as it is, without asking."""

HISTORY = History()


class AuditedModel(models.Model):
    """Every row has its whole history, and PostgreSQL refuses, at commit, a row that differs from it.

    Rows are written by `audit.save`, `audit.save_many` and `audit.delete`. No ManyToManyField, SET_NULL, SET_DEFAULT,
    multi-table inheritance or generated column; no database function in a saved value (`audit.checks` says so).
    """

    history = HISTORY

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **options: Any) -> Self:
        names = list(field_names)
        instance = super().from_db(db, names, values, **options)
        held = instance.__dict__
        held["_as_read"] = {
            name: value if (value := held[name]).__class__ in _UNCHANGEABLE else freeze(value) for name in names
        }
        return instance

    def refresh_from_db(
        self, using: str | None = None, fields: Iterable[str] | None = None, from_queryset: Any = None
    ) -> None:
        names = None if fields is None else list(fields)
        super().refresh_from_db(using=using, fields=names, from_queryset=from_queryset)
        self.remember(names)

    def remember(self, names: Iterable[str] | None = None) -> None:
        """Take what the instance now holds as what the database holds; `names` are field or column names."""
        held = self.__dict__
        as_read = held.setdefault("_as_read", {})
        if names is None:
            as_read.clear()
            fields: Iterable[models.Field] = self._meta.concrete_fields
        else:
            fields = [self._meta.get_field(name) for name in names]  # type: ignore[misc]
        kept_as_held = _kept_as_held(type(self))
        for field in fields:
            name = field.attname
            if name not in held:  # deferred
                continue
            value = held[name]
            if value is None or value.__class__ is kept_as_held[name]:  # nearly all
                as_read[name] = value
            elif isinstance(field, models.JSONField) and isinstance(value, dict | list | tuple):
                as_read[name] = _FrozenJSON(field, value)
            else:
                as_read[name] = freeze(stored_value(field, getattr(self, name)))

    def save_base(self, *args: Any, **kwargs: Any) -> None:
        """Row and history in one transaction, also when a third party calls `save` in autocommit."""
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using, savepoint=False):
            super().save_base(*args, **kwargs)
        self.remember(kwargs.get("update_fields"))

    def deed_scope(self) -> tuple[int | None, str | None]:
        """(site id, participant code) under which deeds about this row are filed; override where it differs."""
        participant = getattr(self, "participant", None)
        site_id = getattr(self, "site_id", None)
        if participant is None:
            return site_id, None
        return site_id if site_id is not None else participant.site_id, participant.code


_KEPT_AS_HELD: dict[type[models.Field], type] = {
    models.CharField: str,
    models.TextField: str,
    models.BooleanField: bool,
    models.DateField: date,
    models.DateTimeField: datetime,
    models.IntegerField: int,
    models.BigIntegerField: int,
    models.SmallIntegerField: int,
    models.PositiveIntegerField: int,
    models.PositiveSmallIntegerField: int,
    models.BigAutoField: int,
    models.UUIDField: UUID,
}


@cache
def _kept_as_held(model: type[models.Model]) -> dict[str, type | None]:
    """By column, the class whose values the database gives back as they are, without asking the field."""

    def kind(field: models.Field) -> type | None:
        return kind(field.target_field) if isinstance(field, models.ForeignKey) else _KEPT_AS_HELD.get(type(field))

    return {field.attname: kind(field) for field in model._meta.concrete_fields}


def stored_value(field: models.Field, value: Any) -> Any:
    """`value` as the database will give it back for `field`."""
    if value is None or hasattr(value, "resolve_expression"):
        return value
    if isinstance(field, models.JSONField):
        if isinstance(value, dict | list | tuple):
            return json.loads(json.dumps(value, cls=field.encoder), cls=field.decoder)
        return value
    if isinstance(field, models.FileField):
        return str(value)
    if isinstance(field, models.ForeignKey):
        return stored_value(field.target_field, value)
    if isinstance(field, models.BinaryField):
        return bytes(value)
    value = field.to_python(value)
    if isinstance(field, models.DecimalField) and isinstance(value, Decimal) and value.is_finite():
        return value.quantize(Decimal(1).scaleb(-field.decimal_places), rounding=ROUND_HALF_UP)
    return value


class AppendOnlyModel(Stamped):
    """Rows that are written once: PostgreSQL refuses UPDATE, DELETE and TRUNCATE, and stamps every row itself."""

    shared_references: ClassVar[tuple[str, ...]] = ()
    """Fields whose parents are looked up once for each statement (`audit.references`)."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly(f"{self._meta.label} is append-only: write another row instead.")
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnly(f"{self._meta.label} is append-only: nothing is deleted.")

    def deed_scope(self) -> tuple[int | None, str | None]:
        """(site id, participant code) under which deeds about this row are filed; override where it differs."""
        return AuditedModel.deed_scope(self)  # type: ignore[arg-type]


class Deed(AppendOnlyModel):
    """One line of the ledger: who did what, on what, when, from where.

    `at` is business time, `recorded_at` the database's. The person, the target, the site and the participant are
    plain values with printed names, so that the ledger references nothing and outlives everything.
    """

    verb = models.CharField(max_length=80)
    by_id = models.BigIntegerField(null=True)
    by_name = models.CharField(max_length=200, blank=True, default="")
    target_table = models.CharField(max_length=63, blank=True, default="")
    target_id = models.CharField(max_length=64, blank=True, default="")
    target_label = models.CharField(max_length=300, blank=True, default="")
    site_id = models.BigIntegerField(null=True)
    participant_code = models.CharField(max_length=40, null=True)
    at = models.DateTimeField()
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=200, blank=True, default="")
    reveals_arm = models.BooleanField(default=False)
    details = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)

    class Meta:
        verbose_name = _("audit trail line")
        verbose_name_plural = _("audit trail lines")
        default_permissions = ()
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("target_table", "target_id", "id"), name="deed_target"),
            models.Index(
                fields=("participant_code", "id"),
                name="deed_participant",
                condition=models.Q(participant_code__isnull=False),
            ),
            models.Index(fields=("site_id", "id"), name="deed_site", condition=models.Q(site_id__isnull=False)),
            models.Index(fields=("by_id", "id"), name="deed_by", condition=models.Q(by_id__isnull=False)),
            models.Index(fields=("verb", "id"), name="deed_verb"),
        )

    def __str__(self) -> str:
        return f"{self.verb} {self.target_label}".strip()

    @property
    def label(self) -> Any:
        """The words for what was done."""
        return verb_label(self.verb)


class Signature(AppendOnlyModel):
    """A person's name under exactly what was shown: meaning, statement, time, and the hash of the content."""

    by_id = models.BigIntegerField()
    by_name = models.CharField(max_length=200)
    meaning = models.CharField(max_length=80)
    statement = models.TextField(blank=True, default="")
    signed_at = models.DateTimeField()
    target_table = models.CharField(max_length=63)
    target_id = models.CharField(max_length=64)
    target_label = models.CharField(max_length=300, blank=True, default="")
    site_id = models.BigIntegerField(null=True)
    participant_code = models.CharField(max_length=40, null=True)
    content = models.JSONField(encoder=DjangoJSONEncoder)
    content_hash = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("signature")
        verbose_name_plural = _("signatures")
        default_permissions = ()
        ordering = ("-id",)
        indexes = (models.Index(fields=("target_table", "target_id", "id"), name="signature_target"),)

    def __str__(self) -> str:
        return f"{self.by_name}: {self.meaning}"


class RedactionState(models.TextChoices):
    PROPOSED = "proposed", _("Proposed")
    APPLIED = "applied", _("Applied")
    DECLINED = "declined", _("Declined")


class Redaction(AuditedModel):
    """One text to be replaced by “[redacted]”: where it stands, who proposed it and why, who approved it.

    The text itself is never kept here: it is characters `start` to `start + length` of a text of a row that nobody
    can change otherwise (`source_…`: table, key, column, and the path inside a JSON column). People are plain numbers
    and printed names, as everywhere on the floor.
    """

    site_id = models.BigIntegerField()
    participant_code = models.CharField(max_length=40)
    source_table = models.CharField(max_length=63)
    source_key = models.BigIntegerField()
    source_column = models.CharField(max_length=63)
    source_path = models.JSONField(default=list, blank=True)
    start = models.PositiveIntegerField()
    length = models.PositiveIntegerField()
    reveals_arm = models.BooleanField(default=False)
    reason = models.CharField(max_length=300)
    state = models.CharField(max_length=10, choices=RedactionState.choices, default=RedactionState.PROPOSED)
    proposed_by_id = models.BigIntegerField()
    proposed_by_name = models.CharField(max_length=200)
    proposed_at = models.DateTimeField()
    decided_by_id = models.BigIntegerField(null=True, blank=True)
    decided_by_name = models.CharField(max_length=200, blank=True, default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        verbose_name = _("redaction")
        verbose_name_plural = _("redactions")
        default_permissions = ()
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=~models.Q(state="applied")
                | (models.Q(decided_by_id__isnull=False) & ~models.Q(decided_by_id=models.F("proposed_by_id"))),
                name="redaction_applied_by_a_second_person",
            ),
            models.CheckConstraint(condition=models.Q(length__gte=3), name="redaction_of_three_characters_or_more"),
            models.UniqueConstraint(
                fields=("source_table", "source_key", "source_column", "source_path", "start", "length"),
                condition=models.Q(state="proposed"),
                name="one_open_redaction_per_text",
            ),
        )
        indexes = (models.Index(fields=("state", "site_id"), name="redaction_open"),)

    def __str__(self) -> str:
        return f"Redaction {self.pk}"

    def deed_scope(self) -> tuple[int | None, str | None]:
        """Deeds about a redaction are filed under the participant whose rows held the text."""
        return self.site_id, self.participant_code


class RedactedRow(models.Model):
    """A row of history, ledger or another write-once table in which a text was replaced: written by the door alone.

    `columns` says, per column, what stands for it: `before` (the salted commitment of what it held first), `after`
    (the hash of what it holds now) and the numbers of the `redactions`. `salts` are those of the row's other columns:
    the row's own salt went with the text, so that nobody can try names against `before` (docs/adr/0008).
    """

    table = models.CharField(max_length=63)
    key = models.BigIntegerField()
    columns = models.JSONField()
    salts = models.JSONField()
    is_open = models.BooleanField(default=False)
    cluster = models.BigIntegerField()
    tx = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("table", "key"), name="redacted_row_once"),)

    def __str__(self) -> str:
        return f"{self.table} {self.key}"


exempt.register(
    "audit.RedactedRow",
    "what was redacted where, written by the database's own door (audit_redact) and readable by the application only",
    exempt.READ,
)
