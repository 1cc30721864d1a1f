"""The four columns that only the database fills, as defaults; a trigger sets them again whatever the client sends.

`cluster` and `tx` together name a transaction for ever: a transaction number alone comes round again after a restore
into a fresh cluster.
"""

from typing import Any

from django.db import models
from django.db.models import Func
from django.db.models.expressions import DatabaseDefault
from django.utils.functional import cached_property


class CurrentCluster(Func):
    """The identifier that initdb gave to this database cluster (bigint)."""

    template = "((pg_control_system()).system_identifier)"
    output_field = models.BigIntegerField()

    def __init__(self, **extra: Any) -> None:
        super().__init__(**extra)


class CurrentTransaction(Func):
    """The number of the running transaction in this cluster (xid8 as bigint: it never wraps)."""

    template = "((pg_current_xact_id())::text::bigint)"
    output_field = models.BigIntegerField()

    def __init__(self, **extra: Any) -> None:
        super().__init__(**extra)


class WallClock(Func):
    """The database's own time at this very moment, not the start of the transaction."""

    template = "clock_timestamp()"
    output_field = models.DateTimeField()

    def __init__(self, **extra: Any) -> None:
        super().__init__(**extra)


class RandomSalt(Func):
    """32 bytes, 244 of their bits random: two version 4 UUIDs, since pgcrypto is not everywhere.

    The trigger's own salt hashes one of them (122 random bits): asking the system for random bytes is half of its work.
    """

    template = "(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))"
    output_field = models.BinaryField()

    def __init__(self, **extra: Any) -> None:
        super().__init__(**extra)


class _Unstamped(DatabaseDefault):
    """What an INSERT says of a stamp: a constant, since the trigger writes the stamp anyway and DEFAULT would make it
    twice. Django makes, resolves and copies one for every column of every row: this one is shared.
    """

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        return _UNSTAMPED[self.output_field.name], ()

    def resolve_expression(self, *args: Any, **options: Any) -> Any:
        if options.get("for_save") or (len(args) > 4 and args[4]):
            return self
        return super().resolve_expression(*args, **options)


class _StampField(models.Field):
    """A field whose value only the database makes; to migrations it is the plain field that it extends."""

    @cached_property
    def _get_default(self) -> Any:
        default = _Unstamped(self._db_default_expression, output_field=self)  # type: ignore[attr-defined]
        return lambda: default

    def deconstruct(self) -> Any:
        name, _path, args, options = super().deconstruct()
        return name, f"django.db.models.{type(self).__mro__[2].__name__}", args, options


class _StampInteger(_StampField, models.BigIntegerField):
    pass


class _StampTime(_StampField, models.DateTimeField):
    pass


class _StampBytes(_StampField, models.BinaryField):
    pass


class Stamped(models.Model):
    """Rows that say in which cluster and transaction they were born, when by the database's clock, and a salt."""

    cluster = _StampInteger(db_default=CurrentCluster(), editable=False)
    tx = _StampInteger(db_default=CurrentTransaction(), editable=False)
    recorded_at = _StampTime(db_default=WallClock(), editable=False)
    salt = _StampBytes(db_default=RandomSalt(), editable=False)

    class Meta:
        abstract = True


_UNSTAMPED = {"cluster": "0", "tx": "0", "recorded_at": "'epoch'::timestamptz", "salt": "''::bytea"}
STAMPS = tuple(_UNSTAMPED)
UNSTAMPED = tuple(_UNSTAMPED.items())
"""Column and what an INSERT says for it, in SQL."""
