"""Recompute everything that the trail promises, and name every fault.

Rooms above add what only they can recompute: `verification.register("changes", function)`, where the function takes
a cursor and yields `Fault` (from `audit.guards`). Every check is one statement per table and reads a table once.
"""

# ruff: noqa: S608 (names of our own tables and columns, quoted; values are parameters)

from collections.abc import Callable, Iterable, Iterator

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from audit import door, guards
from audit.guards import Fault, literal, quote
from audit.tables import Kind, Table, all_tables, of_kind

Verifier = Callable[[CursorWrapper], Iterable[Fault]]

# A row whose business time and database time are further apart was back-dated or post-dated: a transaction that long
# would not have been let run. The clocks of web and database servers are kept within seconds by NTP.
CLOCK_TOLERANCE = "10 minutes"
LIMIT = 200  # faults of one kind in one table that are named one by one

_verifiers: dict[str, Verifier] = {}


def register(name: str, function: Verifier) -> None:
    """Add a check of a room above under a name that the report prints."""
    if name in _verifiers and _verifiers[name] is not function:
        raise ValueError(f"A verification called {name!r} is already registered.")
    _verifiers[name] = function


def verify() -> Iterator[tuple[str, list[Fault]]]:
    """(check, its faults) for each check in turn, all on one snapshot of the database."""
    with transaction.atomic(), connection.cursor() as cursor:
        if not connection.savepoint_ids and len(connection.atomic_blocks) == 1:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL TimeZone = 'UTC'")
        for name, function in {**FLOOR, **_verifiers}.items():
            yield name, list(function(cursor))


def verify_listed(_cursor: CursorWrapper) -> Iterator[Fault]:
    """Every table is audited, append-only or exempt with a reason."""
    for table in of_kind(Kind.UNLISTED):
        yield Fault(table.name, "is neither audited, nor append-only, nor exempt")


def verify_guards(cursor: CursorWrapper) -> Iterator[Fault]:
    """Guards, triggers and privileges stand as generated."""
    yield from guards.faults(cursor)


def verify_rows(cursor: CursorWrapper) -> Iterator[Fault]:
    """Every audited row equals its newest history row, and every row told to stand stands."""
    for table in of_kind(Kind.AUDITED):
        yield from _rows_of(cursor, table)


def _rows_of(cursor: CursorWrapper, table: Table) -> Iterator[Fault]:
    assert table.history is not None
    history = table.history._meta.db_table
    own, kept = guards.columns_of(cursor, table.name), guards.columns_of(cursor, history)
    missing = sorted(set(own) - set(kept)) if own else []
    if not own or missing:
        yield Fault(table.name, f"has no history of {', '.join(missing)}" if own else "the table does not exist")
        return
    key = quote(table.key)
    differing = ", ".join(
        f"CASE WHEN NOT {guards.same(name, own[name], kept[name])} THEN {literal(name)} END" for name in sorted(own)
    )
    cursor.execute(
        f"""
        WITH h AS (SELECT DISTINCT ON ({key}) * FROM {quote(history)} ORDER BY {key}, history_id DESC),
        compared AS (
            SELECT coalesce(r.{key}, h.{key})::text AS key, r.{key} IS NOT NULL AS stands, h.history_type AS kind,
                   h.history_id, CASE WHEN r.{key} IS NULL OR h.{key} IS NULL THEN '' ELSE concat_ws(', ', {differing})
                   END AS columns
              FROM {quote(table.name)} AS r FULL JOIN h ON h.{key} = r.{key})
        SELECT key, stands, kind, history_id, columns FROM compared
         WHERE kind IS NULL OR stands <> (kind <> '-') OR columns <> '' ORDER BY key LIMIT {LIMIT}
        """
    )
    for row_key, stands, kind, history_id, columns in cursor.fetchall():
        where = f"{table.name} {row_key}"
        if kind is None:
            yield Fault(where, "has no history")
        elif stands and kind == "-":
            yield Fault(where, f"stands, but history {history_id} says that it was deleted")
        elif not stands:
            yield Fault(where, f"is gone, but history {history_id} does not say that it was deleted")
        else:
            yield Fault(where, f"differs from history {history_id} in {columns}")


def verify_chains(cursor: CursorWrapper) -> Iterator[Fault]:
    """Each row's history begins with its creation, ends with its removal, and moves forward in time."""
    for table in of_kind(Kind.AUDITED):
        assert table.history is not None
        history, key = table.history._meta.db_table, quote(table.key)
        if not guards.columns_of(cursor, history):
            continue
        cursor.execute(
            f"""
            SELECT key, history_id, fault FROM (
                SELECT {key}::text AS key, history_id,
                       CASE WHEN before IS NULL AND history_type <> '+' THEN 'does not begin with the creation'
                            WHEN before IS NOT NULL AND before <> '-' AND history_type = '+' THEN 'is created twice'
                            WHEN before = '-' AND history_type <> '+' THEN 'goes on after the removal'
                            WHEN recorded_at < recorded_before THEN 'was recorded before the one that it follows'
                       END AS fault
                  FROM (SELECT {key}, history_id, history_type, recorded_at,
                               lag(history_type) OVER w AS before, lag(recorded_at) OVER w AS recorded_before
                          FROM {quote(history)} WINDOW w AS (PARTITION BY {key} ORDER BY history_id)) AS chain
            ) AS judged WHERE fault IS NOT NULL ORDER BY key, history_id LIMIT {LIMIT}
            """
        )
        for row_key, history_id, fault in cursor.fetchall():
            yield Fault(f"{table.name} {row_key}", f"history {history_id} {fault}")


def verify_stamps(cursor: CursorWrapper) -> Iterator[Fault]:
    """No row comes from a transaction that this cluster has not reached; every salt is whole."""
    for table in of_kind(Kind.HISTORY, Kind.APPEND_ONLY):
        if not guards.columns_of(cursor, table.name):
            continue
        key = quote(table.key)
        cursor.execute(
            f"""
            SELECT {key}::text, fault FROM (
                SELECT {key}, CASE
                    WHEN cluster = (SELECT system_identifier FROM pg_control_system())
                     AND tx >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
                    THEN 'names a transaction that has not begun'
                    WHEN recorded_at > clock_timestamp() + interval '{CLOCK_TOLERANCE}'
                    THEN 'was recorded in the future'
                    WHEN length(salt) <> 32 THEN 'has no whole salt' END AS fault
                  FROM {quote(table.name)}) AS judged
             WHERE fault IS NOT NULL ORDER BY {key} LIMIT {LIMIT}
            """
        )
        for row_key, fault in cursor.fetchall():
            yield Fault(f"{table.name} {row_key}", fault)


def verify_dates(cursor: CursorWrapper) -> Iterator[Fault]:
    """Business time agrees with the database's, except in a database marked as simulated."""
    cursor.execute("SELECT exists(SELECT 1 FROM audit_deed WHERE verb = 'simulation.run')")
    if cursor.fetchone()[0]:
        return
    clocks = [(table.name, table.key, "history_date") for table in of_kind(Kind.HISTORY)]
    for name, key, column in [*clocks, ("audit_deed", "id", "at"), ("audit_signature", "id", "signed_at")]:
        if not guards.columns_of(cursor, name):
            continue
        cursor.execute(
            f"""
            SELECT {quote(key)}::text, {quote(column)}, recorded_at FROM {quote(name)}
             WHERE recorded_at NOT BETWEEN {quote(column)} - interval '{CLOCK_TOLERANCE}'
                                       AND {quote(column)} + interval '{CLOCK_TOLERANCE}'
             ORDER BY {quote(key)} LIMIT {LIMIT}
            """
        )
        for row_key, said, recorded in cursor.fetchall():
            yield Fault(
                f"{name} {row_key}", f"is dated {said:%Y-%m-%d %H:%M:%S}, recorded {recorded:%Y-%m-%d %H:%M:%S}"
            )


def verify_signatures(cursor: CursorWrapper) -> Iterator[Fault]:
    """The hash of every signature is that of the content kept with it, redacted ones apart (`verify_redactions`)."""
    from audit.actions import content_hash
    from audit.models import RedactedRow, Signature

    rows = RedactedRow.objects.filter(table="audit_signature", columns__has_key="content")
    redacted = set(rows.values_list("key", flat=True))
    for signature in Signature.objects.order_by("id").iterator(chunk_size=500):
        if signature.pk not in redacted and content_hash(signature.content) != signature.content_hash:
            yield Fault(f"audit_signature {signature.pk}", "its content is not what was signed")


def verify_redactions(cursor: CursorWrapper) -> Iterator[Fault]:
    """Every redacted row stands as the redaction left it; every redaction was applied by two persons and is told.

    What is no longer the text that was typed is named by `redactions`, as what it is: a redaction.
    """
    keys = {table.name: table.key for table in of_kind(Kind.HISTORY, Kind.APPEND_ONLY)}
    cursor.execute(f'SELECT DISTINCT "table" FROM {quote(door.ROWS)} ORDER BY 1')
    for (name,) in cursor.fetchall():
        if name not in keys:
            yield Fault(name, "is redacted, and is no write-once table")
            continue
        cursor.execute(
            f"""
            SELECT d.key, c.key, CASE WHEN r.{quote(keys[name])} IS NULL THEN 'is gone'
                                      WHEN d.is_open THEN 'is left open by a redaction'
                                      ELSE 'was altered after its redaction' END
              FROM {quote(door.ROWS)} AS d CROSS JOIN LATERAL jsonb_each(d.columns) AS c
              LEFT JOIN {quote(name)} AS r ON r.{quote(keys[name])} = d.key
             WHERE d."table" = %s AND (r.{quote(keys[name])} IS NULL OR d.is_open OR c.value ->> 'after'
                   IS DISTINCT FROM encode(sha256(convert_to({_text_of(cursor, name)}, 'UTF8')), 'hex'))
             ORDER BY d.key LIMIT {LIMIT}
            """,
            [name],
        )
        for row_key, column, fault in cursor.fetchall():
            yield Fault(f"{name} {row_key}", f"{column} {fault}")
    cursor.execute(
        f"""
        SELECT r.id, r.state, d.id IS NOT NULL FROM {quote(door.REDACTIONS)} AS r
          LEFT JOIN audit_deed AS d ON d.target_table = %s AND d.target_id = r.id::text AND d.verb = %s
         WHERE (r.state = 'applied') <> (d.id IS NOT NULL) ORDER BY r.id LIMIT {LIMIT}
        """,
        [door.REDACTIONS, door.APPLIED],
    )
    for number, _state, told in cursor.fetchall():
        yield Fault(f"redaction {number}", "is told but was not applied" if told else "was applied but is not told")
    cursor.execute(
        f"""
        SELECT DISTINCT d."table", d.key, n.value::text FROM {quote(door.ROWS)} AS d
         CROSS JOIN LATERAL jsonb_each(d.columns) AS c
         CROSS JOIN LATERAL jsonb_array_elements(c.value -> 'redactions') AS n
          LEFT JOIN {quote(door.REDACTIONS)} AS r ON r.id = n.value::text::bigint AND r.state = 'applied'
         WHERE r.id IS NULL ORDER BY 1, 2 LIMIT {LIMIT}
        """
    )
    for name, row_key, number in cursor.fetchall():
        yield Fault(f"{name} {row_key}", f"is redacted, but redaction {number} was not applied")


def _text_of(cursor: CursorWrapper, table: str) -> str:
    """An expression over `c` (a redacted column's name) and `r` (the row): the text of that column."""
    cases = " ".join(
        f"WHEN {literal(name)} THEN r.{quote(name)}::text"
        for name, kind in sorted(guards.columns_of(cursor, table).items())
        if kind in ("text", "character varying", "jsonb")
    )
    return f"(CASE c.key {cases} END)"


def redactions(cursor: CursorWrapper) -> list[str]:
    """Each redaction in one line: what the auditor is told in place of the text."""
    cursor.execute(
        f"""
        SELECT r.id, r.participant_code, r.proposed_by_name, r.decided_by_name, r.decided_at::date, r.reason,
               count(DISTINCT d.id)
          FROM {quote(door.REDACTIONS)} AS r
          LEFT JOIN {quote(door.ROWS)} AS d
            ON EXISTS (SELECT 1 FROM jsonb_each(d.columns) AS c WHERE c.value -> 'redactions' @> to_jsonb(r.id))
         WHERE r.state = 'applied' GROUP BY r.id ORDER BY r.id
        """
    )
    return [
        f"redaction {number}: {code}, {rows} row{'' if rows == 1 else 's'}, proposed by {proposed}, "
        f"approved by {approved} on {day:%Y-%m-%d}: {reason}"
        for number, code, proposed, approved, day, reason, rows in cursor.fetchall()
    ]


FLOOR: dict[str, Verifier] = {
    "every table is listed": verify_listed,
    "guards, triggers and privileges": verify_guards,
    "rows equal their history": verify_rows,
    "histories are whole": verify_chains,
    "transactions and salts": verify_stamps,
    "dates agree with the database's clock": verify_dates,
    "signatures cover what they show": verify_signatures,
    "redactions are whole": verify_redactions,
}


def counted() -> dict[str, int]:
    """How many tables of each kind there are."""
    found: dict[str, int] = {}
    for table in all_tables():
        found[table.kind.value] = found.get(table.kind.value, 0) + 1
    return found
