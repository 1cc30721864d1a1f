"""The four columns that only the database fills, by their defaults: the application's role may not name them at all.

`cluster` and `tx` together name a transaction for ever: a transaction number alone comes round again after a restore
into a fresh cluster.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Func


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
    """32 bytes that hash 122 random bits (a version 4 UUID), since pgcrypto is not everywhere."""

    template = "sha256(uuid_send(gen_random_uuid()))"
    output_field = models.BinaryField()

    def __init__(self, **extra: Any) -> None:
        super().__init__(**extra)


class _StampField(models.Field):
    """A field that only the database fills: no INSERT names it. To migrations it is the plain field that it extends."""

    generated = True

    def deconstruct(self) -> Any:
        name, _path, args, options = super().deconstruct()
        return name, f"django.db.models.{self._plain().__name__}", args, options

    def clone(self) -> Any:
        _name, _path, args, options = self.deconstruct()
        return self._plain()(*args, **options)

    @classmethod
    def _plain(cls) -> type[models.Field[Any, Any]]:
        return cls.__mro__[2]


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


STAMPS = ("cluster", "tx", "recorded_at", "salt")
