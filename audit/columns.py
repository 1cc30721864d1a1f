"""The four columns that only the database fills, as defaults; a trigger sets them again whatever the client sends.

`cluster` and `tx` together name a transaction for ever: a transaction number alone comes round again after a restore
into a fresh cluster.
"""

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
    """32 bytes, 244 of their bits random: two version 4 UUIDs, since pgcrypto is not everywhere."""

    template = "(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))"
    output_field = models.BinaryField()

    def __init__(self, **extra: Any) -> None:
        super().__init__(**extra)


class Stamped(models.Model):
    """Rows that say in which cluster and transaction they were born, when by the database's clock, and a salt."""

    cluster = models.BigIntegerField(db_default=CurrentCluster(), editable=False)
    tx = models.BigIntegerField(db_default=CurrentTransaction(), editable=False)
    recorded_at = models.DateTimeField(db_default=WallClock(), editable=False)
    salt = models.BinaryField(db_default=RandomSalt(), editable=False)

    class Meta:
        abstract = True


STAMPS = ("cluster", "tx", "recorded_at", "salt")
