"""Participants by the thousand: one is brought to a state by the actions, the others are its copies, row by row.

What is copied: the participant (with a code of their own at one of the given sites), status changes, consents, visits,
records with what counts their verification, the signatures of records, and that somebody made sure who it is (copies
look alike: `Cast.stands_apart`), each under new keys that refer to each other as the originals do. Every audited row
comes with its history and passes the guards of the database as any other row does. What is not copied: drafts, queries,
the trail of single values (`Change`, the bulk of a trial's rows) unless it is asked for, and lines of the ledger.

So whatever reads the state of a participant (the gate of randomization, the casebook, a worklist) finds as much as for
one who was typed in, and decides anew for each. `verify_audit` would name the copies: they have no lines in the ledger.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager

import psycopg2
import psycopg2.extensions
from django.db import models
from psycopg2.extras import execute_values

from audit.columns import Stamped
from audit.models import HISTORY, AuditedModel, Signature
from ecrf.models import Change, Finding, Record, VerificationTally
from randomization.models import IdentityCheck
from trial.models import Consent, Participant, Site, StatusChange, Visit

COPIED: tuple[type[models.Model], ...] = (
    Participant, StatusChange, Consent, Visit, Signature, Record, Finding, VerificationTally, IdentityCheck
)  # fmt: skip
"""In the order of their references, but that a signature names its record: every new key is known before a row is."""
AT_ONCE = 250
"""Participants in one transaction: the guards of its rows run at its commit."""
WRITER = "copied for measuring"

_SOURCES = {
    Participant: "s.id",
    Signature: "(SELECT r.participant_id FROM ecrf_record r WHERE r.signature_id = s.id)",
    Finding: "(SELECT r.participant_id FROM ecrf_record r WHERE r.id = s.record_id)",
}
"""Of which participant a row is, where it has no column that says so."""


def multiply(
    participants: Sequence[Participant],
    count: int,
    sites: Sequence[Site],
    *,
    trails: bool = False,
    guarded: bool = True,
    tell: Callable[[int], object] = lambda done: None,
) -> list[str]:
    """Make `count` copies of the participants, in turn, in turn at the sites; returns their codes in order of making.

    Writes as the owner of the tables (DATABASE_OWNER_URL), for temporary tables; the guards do not know the difference.
    With `guarded=False` they are off for these rows, which takes a third of the time: each row and its history are
    written by one statement from the same values.
    """
    last = Counter({site.pk: 0 for site in sites})
    for site_id, sequence in Participant.objects.values_list("site_id", "sequence"):
        last[site_id] = max(last[site_id], sequence)
    codes: list[str] = []
    copied: tuple[type[models.Model], ...] = (*COPIED, Change) if trails else COPIED
    places = zip(itertools.cycle(participants), itertools.cycle(sites), range(count), strict=False)
    with (
        closing(psycopg2.connect(os.environ["DATABASE_OWNER_URL"])) as connection,
        _guards(connection, copied, guarded),
    ):
        while chunk := list(itertools.islice(places, AT_ONCE)):
            made = []
            for original, site, number in chunk:
                last[site.pk] += 1
                code = f"{site.number}-{last[site.pk]:03d}"
                made.append((number, original.pk, site.pk, last[site.pk], code))
            with connection, connection.cursor() as cursor:
                _copy(cursor, made, copied)
            codes += [row[-1] for row in made]
            tell(len(codes))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return codes


@contextmanager
def _guards(
    connection: psycopg2.extensions.connection, copied: Collection[type[models.Model]], guarded: bool
) -> Iterator[None]:
    """Switch the guards of the copied tables off for a while, and on again whatever happens: only an owner can."""

    def switch(word: str) -> None:
        with connection, connection.cursor() as cursor:
            for model in copied:
                if not guarded and issubclass(model, AuditedModel):
                    for table in (model._meta.db_table, HISTORY.models[model]._meta.db_table):
                        cursor.execute(f"ALTER TABLE {table} {word} TRIGGER audit_guard")

    switch("DISABLE")
    try:
        yield
    finally:
        connection.autocommit = False
        switch("ENABLE")


def _copy(
    cursor: psycopg2.extensions.cursor,
    made: Sequence[tuple[int, int, int, int, str]],
    copied: Collection[type[models.Model]],
) -> None:
    """Copy one chunk: first every new key, then the rows with their history."""
    cursor.execute(
        "CREATE TEMP TABLE wanted (number int, old bigint, site_id bigint, sequence int, code text) ON COMMIT DROP"
    )
    execute_values(cursor, "INSERT INTO wanted VALUES %s", made)
    for model in copied:
        table = model._meta.db_table
        whose = _SOURCES.get(model, "s.participant_id")
        cursor.execute(
            f"CREATE TEMP TABLE new_{table} ON COMMIT DROP AS "
            f"SELECT w.number, s.id AS old, nextval(pg_get_serial_sequence('{table}', 'id')) AS new, "
            f"w.site_id, w.sequence, w.code FROM {table} s JOIN wanted w ON w.old = {whose}"
        )
        cursor.execute(f"CREATE INDEX ON new_{table} (number, old)")
        cursor.execute(f"ANALYZE new_{table}")
    for model in copied:
        _insert(cursor, model, copied)


def _insert(
    cursor: psycopg2.extensions.cursor, model: type[models.Model], copied: Collection[type[models.Model]]
) -> None:
    """Write the copies of one table under their new keys, and their history."""
    table = model._meta.db_table
    names, values, joins = [], [], []
    for field in model._meta.concrete_fields:
        name = field.column
        if name in {f.column for f in Stamped._meta.concrete_fields}:
            continue  # the database stamps every row itself
        names.append(name)
        if field.primary_key:
            values.append("n.new")
        elif name in {"site_id", "sequence", "code"} and model is Participant:
            values.append(f"n.{name}")
        elif isinstance(field, models.ForeignKey) and field.related_model in copied:
            target = field.related_model._meta.db_table  # type: ignore[union-attr]
            values.append(f"t_{name}.new")
            joins.append(f"LEFT JOIN new_{target} t_{name} ON t_{name}.number = n.number AND t_{name}.old = s.{name}")
        elif model is Signature and name in {"site_id", "participant_code"}:
            values.append({"site_id": "n.site_id", "participant_code": "n.code"}[name])
        elif model is Signature and name == "target_id":
            values.append("t.new::text")
            joins.append("JOIN new_ecrf_record t ON t.number = n.number AND t.old::text = s.target_id")
        else:
            values.append(f's."{name}"')
    columns = ", ".join(f'"{name}"' for name in names)
    cursor.execute(
        f"INSERT INTO {table} ({columns}) SELECT {', '.join(values)} "
        f"FROM new_{table} n JOIN {table} s ON s.id = n.old {' '.join(joins)}"
    )
    if model is Signature:  # rows that are written once get their key from the database, whatever is sent
        cursor.execute(
            "UPDATE new_audit_signature n SET new = s.id FROM audit_signature o, audit_signature s, new_ecrf_record r "
            "WHERE o.id = n.old AND r.number = n.number AND r.old::text = o.target_id "
            "AND s.target_table = o.target_table AND s.target_id = r.new::text"
        )
    if issubclass(model, AuditedModel):
        history = HISTORY.models[model]._meta.db_table
        cursor.execute(
            f"INSERT INTO {history} ({columns}, history_date, history_change_reason, history_type, by_name) "
            f"SELECT {', '.join(f's.{quoted}' for quoted in columns.split(', '))}, clock_timestamp(), '', '+', %s "
            f"FROM {table} s JOIN new_{table} n ON n.new = s.id",
            [WRITER],
        )
