"""What PostgreSQL itself enforces: a guard per audited table, frozen history, and the application role's privileges.

`install` is run by the owner's role after every migrate. It writes only what differs, so that a migrate without
changes takes no lock. `faults` reads the same things back and names what is missing or altered; any role may run it.

The guard of a table is a deferred constraint trigger on the table and on its history. At commit, the row as it then
stands must equal, column by column, the newest history row of this very transaction (cluster and number); a row that
is gone must be told as deleted. The functions run as their owner with a fixed search path. What a write-once row says
of its own birth comes from the defaults of its columns, which the application's role may not name (ADR 0024).
"""

# ruff: noqa: S608 (names of our own tables and columns, quoted; values are parameters)

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from audit import door, references
from audit.exempt import READ, READ_WRITE, UNMODELLED
from audit.roles import app_role
from audit.tables import Kind, Table, all_tables

SEARCH_PATH = "search_path=pg_catalog, pg_temp"

# pg_trigger.tgtype is a sum of these bits (PostgreSQL, src/include/catalog/pg_trigger.h).
ROW, BEFORE, INSERT, DELETE, UPDATE, TRUNCATE = 1, 2, 4, 8, 16, 32

# Compared as text, because 12.10 = 12.1 as a number, alone or inside jsonb. The image comparison is the quick way.
COMPARED_AS_TEXT = {"jsonb", "json", "numeric", "real", "double precision", "xml"}

PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
OF_COLUMNS = ("SELECT", "INSERT", "UPDATE", "REFERENCES")
"""Those that can be given for single columns too."""
WRITE_ONCE = ("SELECT", "INSERT")


class GuardError(Exception):
    """The guarantees cannot be installed; the message says what is missing and what to do."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """Names that a guard is generated from, unquoted."""

    table: str
    history: str
    key: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function that runs as its owner with a fixed search path; `source` is the body between the dollar quotes.

    One that `is_called` may be called by the application's role; nobody but triggers runs the others.
    """

    name: str
    source: str
    arguments: str = ""
    types: str = ""
    returns: str = "trigger"
    language: str = "plpgsql"
    is_called: bool = False

    def create(self, schema: str) -> str:
        """The statements that make it so."""
        name = f"{quote(schema)}.{quote(self.name)}"
        grant = f"\nGRANT EXECUTE ON FUNCTION {name}({self.types}) TO {quote(app_role())};" if self.is_called else ""
        return (
            f"CREATE OR REPLACE FUNCTION {name}({self.arguments}) RETURNS {self.returns} LANGUAGE {self.language} "
            f"SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $audit${self.source}$audit$;\n"
            f"REVOKE ALL ON FUNCTION {name}({self.types}) FROM PUBLIC;{grant}"
        )


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger on a table; `kind` is the sum of the bits above; deferred ones are constraint triggers.

    One that `sees_fresh` is given the rows that its statement added, as the table `fresh`.
    """

    table: str
    name: str
    function: str
    kind: int
    deferred: bool = False
    sees_fresh: bool = False

    def create(self, schema: str) -> str:
        """The statements that make it so, in place of one of the same name."""
        bits = [(INSERT, "INSERT"), (UPDATE, "UPDATE"), (DELETE, "DELETE"), (TRUNCATE, "TRUNCATE")]
        events = " OR ".join(word for bit, word in bits if self.kind & bit)
        table = f"{quote(schema)}.{quote(self.table)}"
        return (
            f"DROP TRIGGER IF EXISTS {quote(self.name)} ON {table};\n"
            f"CREATE {'CONSTRAINT ' if self.deferred else ''}TRIGGER {quote(self.name)} "
            f"{'BEFORE' if self.kind & BEFORE else 'AFTER'} {events} ON {table} "
            f"{'DEFERRABLE INITIALLY DEFERRED ' if self.deferred else ''}"
            f"{'REFERENCING NEW TABLE AS fresh ' if self.sees_fresh else ''}"
            f"FOR EACH {'ROW' if self.kind & ROW else 'STATEMENT'} "
            f"EXECUTE FUNCTION {quote(schema)}.{quote(self.function)}();"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that must stand in the database.

    `defaults` says, by table and column, what fills the columns that no INSERT names; `named`, by table, which columns
    the INSERT of the application's role may name where it is not all of them.
    """

    schema: str
    functions: tuple[Function, ...]
    triggers: tuple[Trigger, ...]
    privileges: dict[str, tuple[str, ...]]
    defaults: dict[tuple[str, str], str]
    named: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it must be: where, and what."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


# --- what must stand ---------------------------------------------------------------------------------------------


def plan(cursor: CursorWrapper) -> Plan:
    """What must stand for the tables that exist now."""
    schema = _schema(cursor)
    columns = _columns(cursor, schema)
    has_door = door.ROWS in columns and door.REDACTIONS in columns
    refuse = _refuse(schema, door.passes(schema) if has_door else "")
    functions: dict[str, Function] = {refuse.name: refuse, CLUSTER.name: CLUSTER}
    write_once: dict[str, str] = {}
    triggers: list[Trigger] = []
    defaults: dict[tuple[str, str], str] = {}
    named: dict[str, tuple[str, ...]] = {}
    privileges: dict[str, tuple[str, ...]] = {
        name: exemption.privileges for name, exemption in UNMODELLED.items() if name in columns
    }
    for table in all_tables():
        if table.name not in columns:
            continue
        if table.kind is Kind.AUDITED:
            assert table.history is not None
            guarded = Guarded(table.name, table.history._meta.db_table, table.key)
            if guarded.history not in columns:
                raise GuardError(f"{table.name} has no history table {guarded.history}: make its migration.")
            function = guard_function(schema, guarded, columns)
            functions[function.name] = function
            triggers += guard_triggers(guarded, function.name)
            privileges[table.name] = READ_WRITE
        elif table.kind in (Kind.HISTORY, Kind.APPEND_ONLY):
            write_once[table.name] = table.key
            triggers.append(Trigger(table.name, "audit_frozen", REFUSE, BEFORE | UPDATE | DELETE | TRUNCATE))
            privileges[table.name] = WRITE_ONCE
            defaults |= {(table.name, column): default for column, default in FILLED.items()}
            filled = {*FILLED, *_numbered(cursor, schema, table)}
            named[table.name] = tuple(sorted(columns[table.name].keys() - filled))
            for shared in references.shared_references(table):
                if shared.parent in columns:
                    made = reference_functions(schema, shared)
                    functions |= {function.name: function for function in made}
                    triggers += reference_triggers(shared, *made)
        elif table.kind is Kind.EXEMPT:
            assert table.exemption is not None
            privileges[table.name] = table.exemption.privileges
        else:
            privileges[table.name] = READ
    if has_door:
        functions[door.NAME] = Function(
            door.NAME, door.source(schema, write_once), door.ARGUMENTS, door.TYPES, "integer", is_called=True
        )
    return Plan(schema, tuple(functions.values()), tuple(triggers), privileges, defaults, named)


REFUSE = "audit_refuse"


def _refuse(schema: str, passes: str) -> Function:
    """Refuses what a table never allows; `passes` is the condition under which the door's own UPDATE goes through."""
    let_through = f"    IF {passes} THEN\n        RETURN NULL;\n    END IF;\n" if passes else ""
    return Function(
        REFUSE,
        f"""
BEGIN
{let_through}    RAISE EXCEPTION 'audit: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = '23000', HINT = 'Rows of this table are written once, or removed one by one with history.';
END
""",
    )


CLUSTER = Function(
    "audit_cluster",
    "SELECT system_identifier FROM pg_catalog.pg_control_system()",
    returns="bigint",
    language="sql IMMUTABLE",
    is_called=True,
)
"""Which cluster this is. A session never sees another one, so a plan of the session may keep the answer (immutable):
asking reads a file, which for a form of 250 values was a ninth of all that PostgreSQL did.
"""

FILLED = {
    "cluster": "audit_cluster()",
    "tx": "((pg_current_xact_id())::text)::bigint",
    "recorded_at": "clock_timestamp()",
    "salt": "sha256(uuid_send(gen_random_uuid()))",
}
"""What fills the stamps of a write-once row, as PostgreSQL writes it down. The application's role may not name these
columns, nor the number that the table's own sequence gives: they are the database's, whatever is sent (ADR 0024).
"""


def _numbered(cursor: CursorWrapper, schema: str, table: Table) -> tuple[str, ...]:
    """The key column, where the table's own sequence numbers it."""
    cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [f"{quote(schema)}.{quote(table.name)}", table.key])
    return (table.key,) if cursor.fetchone()[0] else ()


def reference_functions(schema: str, shared: references.Shared) -> tuple[Function, Function]:
    """What looks at the parents of new rows, and at the rows of a parent that is removed."""
    return (
        Function(_short(shared.child_function), shared.child_source(schema)),
        Function(_short(shared.parent_function), shared.parent_source(schema)),
    )


def reference_triggers(shared: references.Shared, refers: Function, referred: Function) -> list[Trigger]:
    """One look for each statement at new rows, one for each parent that is removed."""
    return [
        Trigger(shared.child, refers.name, refers.name, INSERT, sees_fresh=True),
        Trigger(shared.parent, referred.name, referred.name, ROW | DELETE),
    ]


def guard_triggers(guarded: Guarded, function: str) -> list[Trigger]:
    """The guard on the table and on its history, and no TRUNCATE."""
    return [
        Trigger(guarded.table, "audit_guard", function, ROW | INSERT | UPDATE | DELETE, deferred=True),
        Trigger(guarded.table, "audit_no_truncate", REFUSE, BEFORE | TRUNCATE),
        Trigger(guarded.history, "audit_guard", function, ROW | INSERT, deferred=True),
    ]


def guard_function(schema: str, guarded: Guarded, columns: dict[str, dict[str, str]]) -> Function:
    """The guard of one table, over the columns that the table has in the database.

    Of a row that was inserted it only asks for a line of history: that line is compared with the row when its own
    guard runs, and so is every later change of the row.
    """
    own, kept = columns[guarded.table], columns[guarded.history]
    missing = sorted(set(own) - set(kept))
    if missing:
        raise GuardError(f"{guarded.history} has no column {', '.join(missing)}: make its migration.")
    table = f"{quote(schema)}.{quote(guarded.table)}"
    history = f"{quote(schema)}.{quote(guarded.history)}"
    key = quote(guarded.key)
    names = sorted(own)
    equal = "\n               AND ".join(same(name, own[name], kept[name]) for name in names)
    differing = ",\n            ".join(
        f"CASE WHEN NOT {same(name, own[name], kept[name])} THEN {literal(name)} END" for name in names
    )
    of_now = f"""t.{key} = moved AND t.tx = pg_current_xact_id()::text::bigint
                 AND t.cluster = {quote(schema)}.audit_cluster()"""
    newest = f"""(SELECT * FROM {history} AS t
               WHERE {of_now}
               ORDER BY t.history_id DESC LIMIT 1) AS h
         LEFT JOIN {table} AS r ON r.{key} = h.{key}"""
    return Function(
        _short(f"audit_guard_{guarded.table}"),
        f"""
DECLARE
    moved {table}.{key}%TYPE;
    told record;
    columns text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        moved := OLD.{key};
    ELSE
        moved := NEW.{key};
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.{key} IS DISTINCT FROM NEW.{key} THEN
        RAISE EXCEPTION 'audit: the key of {_plain(guarded.table)} % may not change', OLD.{key}
            USING ERRCODE = '23000', HINT = 'Write a new row and remove the old one.';
    END IF;
    IF TG_TABLE_NAME = {literal(guarded.history)} THEN
        PERFORM 1 FROM {table} AS r WHERE r.{key} = moved FOR SHARE;
    ELSIF TG_OP = 'INSERT' THEN
        PERFORM 1 FROM {history} AS t
               WHERE {of_now};
        IF FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    SELECT h.history_type AS kind, r.{key} IS NOT NULL AS stands,
               {equal} AS same
      INTO told
      FROM {newest};
    IF told.kind IS NULL THEN
        RAISE EXCEPTION 'audit: {_plain(guarded.table)} % was changed without history', moved
            USING ERRCODE = '23000',
                  HINT = 'Write through audit.save, audit.save_many or audit.delete, in one transaction.';
    ELSIF told.kind = '-' AND NOT told.stands OR told.kind <> '-' AND told.stands AND told.same THEN
        RETURN NULL;
    ELSIF told.stands <> (told.kind <> '-') THEN
        RAISE EXCEPTION 'audit: {_plain(guarded.table)} % % but its history says %', moved,
            CASE WHEN told.stands THEN 'stands' ELSE 'is gone' END,
            CASE WHEN told.stands THEN 'deleted' ELSE 'that it stands' END
            USING ERRCODE = '23000', HINT = 'Remove rows with audit.delete.';
    END IF;
    SELECT concat_ws(', ',
            {differing})
      INTO columns
      FROM {newest};
    RAISE EXCEPTION 'audit: {_plain(guarded.table)} % is not what its newest history row says (%)', moved, columns
        USING ERRCODE = '23000',
              HINT = 'Nothing may write the row after audit.save, and saved values are plain values.';
END
""",
    )


def same(name: str, own: str, kept: str) -> str:
    """The condition that a column of the row `r` is exactly that of its history `h`, given their types."""
    left, right = f"r.{quote(name)}", f"h.{quote(name)}"
    if own in COMPARED_AS_TEXT or kept in COMPARED_AS_TEXT:
        text = f"{left}::text IS NOT DISTINCT FROM {right}::text"
        return f"(record_image_eq(ROW({left}), ROW({right})) OR {text})" if own == kept else f"({text})"
    if own == "text" or own.startswith("character"):
        return f'({left}::text COLLATE "C" IS NOT DISTINCT FROM {right}::text COLLATE "C")'
    return f"({left} IS NOT DISTINCT FROM {right})"


# --- making it so ------------------------------------------------------------------------------------------------


def install(connection: BaseDatabaseWrapper) -> int:
    """Make everything stand, as the owner's role; the number of statements that were needed (0: nothing differed)."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        _check_roles(cursor)
        wanted = plan(cursor)
        statements = list(_missing(cursor, wanted))
        for statement in statements:
            cursor.execute(statement)
    return len(statements)


def install_guard(connection: BaseDatabaseWrapper, guarded: Guarded) -> None:
    """Bring one table's guard up to its present columns, in the middle of a migrate."""
    with connection.cursor() as cursor:
        schema = _schema(cursor)
        columns = _columns(cursor, schema, guarded.table, guarded.history)
        if guarded.table in columns and guarded.history in columns:
            cursor.execute(guard_function(schema, guarded, columns).create(schema))


def _missing(cursor: CursorWrapper, wanted: Plan) -> Iterator[str]:
    functions = _functions(cursor, wanted.schema)
    for function in wanted.functions:
        is_same = functions.get(function.name) == (function.source, True, SEARCH_PATH)
        if not is_same or (function.is_called and _callers(cursor, wanted.schema, function) != {app_role()}):
            yield function.create(wanted.schema)
    standing = _defaults(cursor, wanted.schema)
    for (table, column), default in wanted.defaults.items():
        if standing.get((table, column)) != default:
            name = f"{quote(wanted.schema)}.{quote(table)}"
            yield f"ALTER TABLE {name} ALTER COLUMN {quote(column)} SET DEFAULT {default};"
    triggers = _triggers(cursor, wanted.schema)
    for trigger in wanted.triggers:
        if triggers.get((trigger.table, trigger.name)) != (trigger, True):
            yield trigger.create(wanted.schema)
    wanted_triggers = {(trigger.table, trigger.name) for trigger in wanted.triggers}
    for table, name in sorted(set(triggers) - wanted_triggers):
        yield f"DROP TRIGGER {quote(name)} ON {quote(wanted.schema)}.{quote(table)};"
    for name in sorted(set(functions) - {function.name for function in wanted.functions}):
        yield f"DROP FUNCTION {quote(wanted.schema)}.{quote(name)};"
    role, schema = quote(app_role()), quote(wanted.schema)
    held, may_name = _held(cursor, wanted.schema), _named(cursor, wanted.schema)
    for table, privileges in sorted(wanted.privileges.items()):
        named = wanted.named.get(table)
        if held.get(table) != set(privileges) or (named is not None and may_name.get(table) != set(named)):
            name = f"{schema}.{quote(table)}"
            some = f" ({', '.join(map(quote, named))})" if named is not None else ""
            granted = ", ".join(what + some if what == "INSERT" else what for what in privileges)
            yield f"REVOKE ALL ON {name} FROM PUBLIC, {role}; GRANT {granted} ON {name} TO {role};"
    cursor.execute(
        "SELECT has_schema_privilege(%s, %s, 'USAGE'), has_schema_privilege(%s, %s, 'CREATE')",
        [app_role(), wanted.schema, app_role(), wanted.schema],
    )
    usage, create = cursor.fetchone()
    if create:
        yield f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {role};"
    if not usage:
        yield f"GRANT USAGE ON SCHEMA {schema} TO {role};"
    cursor.execute(
        "SELECT bool_and(has_sequence_privilege(%s, c.oid, 'USAGE')) FROM pg_class c "
        "WHERE c.relkind = 'S' AND c.relnamespace = %s::regnamespace",
        [app_role(), schema],
    )
    if cursor.fetchone()[0] is False:
        yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role};"


def _check_roles(cursor: CursorWrapper) -> None:
    cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", [app_role()])
    if not cursor.fetchone()[0]:
        raise GuardError(
            f"The role {app_role()} does not exist in this cluster. Create it (CREATE ROLE {app_role()} LOGIN) "
            "or name another in STRATUM_APP_ROLE, then migrate again."
        )


# --- reading it back ---------------------------------------------------------------------------------------------


def faults(cursor: CursorWrapper) -> list[Fault]:
    """Every guard, trigger and privilege that is missing, altered, disabled or too much."""
    try:
        wanted = plan(cursor)
    except GuardError as error:
        return [Fault("guards", str(error))]
    found: list[Fault] = []
    functions = _functions(cursor, wanted.schema)
    for function in wanted.functions:
        stands = functions.get(function.name)
        if stands is None:
            found.append(Fault(function.name, "the function is missing"))
        elif stands[0] != function.source:
            found.append(Fault(function.name, "the function is not the generated one"))
        elif stands != (function.source, True, SEARCH_PATH):
            found.append(Fault(function.name, "the function does not run as its owner with a fixed search path"))
        elif function.is_called and _callers(cursor, wanted.schema, function) != {app_role()}:
            found.append(
                Fault(function.name, "others than the application's role may call the function, or it may not")
            )
    triggers = _triggers(cursor, wanted.schema)
    for trigger in wanted.triggers:
        standing = triggers.get((trigger.table, trigger.name))
        if standing is None:
            found.append(Fault(trigger.table, f"the trigger {trigger.name} is missing"))
        elif standing[0] != trigger:
            found.append(Fault(trigger.table, f"the trigger {trigger.name} is not the generated one"))
        elif not standing[1]:
            found.append(Fault(trigger.table, f"the trigger {trigger.name} is disabled"))
    defaults = _defaults(cursor, wanted.schema)
    found += [
        Fault(table, f"the column {column} is not filled as it must be ({default})")
        for (table, column), default in wanted.defaults.items()
        if defaults.get((table, column)) != default
    ]
    found += _privilege_faults(cursor, wanted)
    return found


def _privilege_faults(cursor: CursorWrapper, wanted: Plan) -> Iterator[Fault]:
    role = app_role()
    cursor.execute(
        "SELECT rolsuper, rolcreaterole, rolbypassrls, rolreplication, rolcreatedb FROM pg_roles WHERE rolname = %s",
        [role],
    )
    row = cursor.fetchone()
    if row is None:
        yield Fault(role, "the application's role does not exist")
        return
    names = ("SUPERUSER", "CREATEROLE", "BYPASSRLS", "REPLICATION", "CREATEDB")
    for name, has in zip(names, row, strict=True):
        if has:
            yield Fault(role, f"the application's role has {name}")
    held, may_name = _held(cursor, wanted.schema), _named(cursor, wanted.schema)
    for table, named in sorted(wanted.named.items()):
        too_many = sorted(may_name.get(table, set()) - set(named))
        too_few = sorted(set(named) - may_name.get(table, set()))
        if too_many:
            yield Fault(table, f"the INSERT of the application's role may name {', '.join(too_many)}")
        if too_few and len(too_few) < len(named):  # all of them: it may not INSERT, as is said below
            yield Fault(table, f"the INSERT of the application's role may not name {', '.join(too_few)}")
    for table, privileges in sorted(wanted.privileges.items()):
        too_much = sorted(held.get(table, set()) - set(privileges))
        too_little = sorted(set(privileges) - held.get(table, set()))
        if too_much:
            yield Fault(table, f"the application's role may {', '.join(too_much)}")
        if too_little:
            yield Fault(table, f"the application's role may not {', '.join(too_little)}")
    cursor.execute("SELECT has_schema_privilege(%s, %s, 'CREATE')", [role, wanted.schema])
    if cursor.fetchone()[0]:
        yield Fault(wanted.schema, "the application's role may CREATE in the schema")
    cursor.execute(
        """
        SELECT c.relname FROM pg_class c
         WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p', 'S', 'v', 'm')
           AND pg_has_role(%s, c.relowner, 'MEMBER')
         UNION ALL
        SELECT p.proname || '()' FROM pg_proc p
         WHERE p.pronamespace = %s::regnamespace AND pg_has_role(%s, p.proowner, 'MEMBER')
        """,
        [quote(wanted.schema), role, quote(wanted.schema), role],
    )
    owned = [name for (name,) in cursor.fetchall()]
    if owned and not row[0]:
        yield Fault(role, f"the application's role owns, or may act as the owner of, {', '.join(sorted(owned)[:5])}")


def _schema(cursor: CursorWrapper) -> str:
    cursor.execute("SELECT current_schema()")
    return str(cursor.fetchone()[0])


def _columns(cursor: CursorWrapper, schema: str, *tables: str) -> dict[str, dict[str, str]]:
    """table → column → type without its length, for these tables of the schema, or for every one."""
    cursor.execute(
        """
        SELECT c.relname, a.attname, format_type(a.atttypid, NULL)
          FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
           AND (%s OR c.relname = ANY(%s))
        """,
        [quote(schema), not tables, list(tables)],
    )
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in cursor.fetchall():
        found.setdefault(table, {})[column] = kind
    return found


def columns_of(cursor: CursorWrapper, table: str) -> dict[str, str]:
    """column → type without its length of one table; empty if it does not exist."""
    return _columns(cursor, _schema(cursor), table).get(table, {})


def _functions(cursor: CursorWrapper, schema: str) -> dict[str, tuple[str, bool, str]]:
    cursor.execute(
        r"""
        SELECT proname, prosrc, prosecdef, coalesce(array_to_string(proconfig, ';'), '')
          FROM pg_proc WHERE pronamespace = %s::regnamespace AND proname LIKE 'audit\_%%'
        """,
        [quote(schema)],
    )
    return {name: (source, definer, config) for name, source, definer, config in cursor.fetchall()}


def _callers(cursor: CursorWrapper, schema: str, function: Function) -> set[str]:
    """Who may call a function, its owner apart; `public` for everybody."""
    cursor.execute(
        """
        SELECT CASE WHEN a.grantee = 0 THEN 'public' ELSE a.grantee::regrole::text END
          FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
         WHERE p.pronamespace = %s::regnamespace AND p.proname = %s AND a.privilege_type = 'EXECUTE'
           AND a.grantee <> p.proowner
        """,
        [quote(schema), function.name],
    )
    return {name.strip('"') for (name,) in cursor.fetchall()}


def _triggers(cursor: CursorWrapper, schema: str) -> dict[tuple[str, str], tuple[Trigger, bool]]:
    """(table, name) → the trigger as it stands, and whether it fires."""
    cursor.execute(
        r"""
        SELECT c.relname, t.tgname, p.proname, t.tgtype, t.tgdeferrable AND t.tginitdeferred,
               coalesce(t.tgnewtable = 'fresh', false),
               t.tgenabled IN ('O', 'A') AND t.tgqual IS NULL AND t.tgattr = ''
          FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
         WHERE c.relnamespace = %s::regnamespace AND NOT t.tgisinternal AND t.tgname LIKE 'audit\_%%'
        """,
        [quote(schema)],
    )
    found: dict[tuple[str, str], tuple[Trigger, bool]] = {}
    for table, name, function, kind, deferred, sees_fresh, fires in cursor.fetchall():
        found[table, name] = (Trigger(table, name, function, kind, deferred, sees_fresh), fires)
    return found


def _defaults(cursor: CursorWrapper, schema: str) -> dict[tuple[str, str], str]:
    """(table, column) → what fills it when an INSERT does not name it, as PostgreSQL writes it down."""
    cursor.execute(
        """
        SELECT c.relname, a.attname, pg_get_expr(d.adbin, d.adrelid)
          FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid
          JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
         WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p') AND a.attname = ANY(%s)
        """,
        [quote(schema), list(FILLED)],
    )
    return {(table, column): default for table, column, default in cursor.fetchall()}


def _held(cursor: CursorWrapper, schema: str) -> dict[str, set[str]]:
    """table → what the application's role may do with it or with a column of it, however it came by it."""
    cursor.execute(
        """
        SELECT c.relname, p.name FROM pg_class c CROSS JOIN unnest(%s::text[]) AS p(name)
         WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p')
           AND CASE WHEN p.name = ANY(%s) THEN has_any_column_privilege(%s, c.oid, p.name)
                    ELSE has_table_privilege(%s, c.oid, p.name) END
        """,
        [list(PRIVILEGES), quote(schema), list(OF_COLUMNS), app_role(), app_role()],
    )
    found: dict[str, set[str]] = {}
    for table, privilege in cursor.fetchall():
        found.setdefault(table, set()).add(privilege)
    return found


def _named(cursor: CursorWrapper, schema: str) -> dict[str, set[str]]:
    """table → the columns that an INSERT of the application's role may name."""
    cursor.execute(
        """
        SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
           AND has_column_privilege(%s, c.oid, a.attnum, 'INSERT')
        """,
        [quote(schema), app_role()],
    )
    found: dict[str, set[str]] = {}
    for table, column in cursor.fetchall():
        found.setdefault(table, set()).add(column)
    return found


def quote(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string without backslashes."""
    return "'" + text.replace("'", "''") + "'"


def _plain(name: str) -> str:
    return name.replace("'", "''").replace("%", "%%")


def _short(name: str) -> str:
    """A name within PostgreSQL's 63 bytes, told apart by a hash when cut."""
    if len(name.encode()) <= 63:
        return name
    return f"{name[:50]}_{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def after_migrate(sender: Any, using: str = "default", **_kwargs: Any) -> None:
    """The `post_migrate` handler: every guard follows the columns as they now are."""
    from django.db import connections

    install(connections[using])
