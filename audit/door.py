"""The one door through which a text of a write-once row is replaced: the function `audit_redact` of the database.

History, ledger and the other write-once tables refuse every UPDATE. This function, which runs as their owner and which
the application's role may call, replaces exactly one text by “[redacted]” in named places, when all of this holds:

- the redaction was proposed by one person and approved, in this very transaction, with the signature of another;
- the text is the one that the redaction names, read from the row that it names;
- each place is a text (or a text inside JSON) of a write-once table and holds that text.

It keeps, per row, what later proofs need (see `source`), tells the deed itself, and closes behind itself: the trigger
that refuses lets only its own statement through. docs/adr/0008 says why.
"""

# ruff: noqa: S608 (names of our own tables and columns; values are parameters)

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections

NAME = "audit_redact"
ARGUMENTS = "redaction bigint, needle text, places jsonb"
TYPES = "bigint, text, jsonb"
ROWS = "audit_redactedrow"
REDACTIONS = "audit_redaction"
MARK = "[redacted]"
APPLIED = "redaction.applied"

CLOSED_TABLES = ("audit_historicalredaction",)
"""Write-once tables that hold no text of people's typing but the redactions' own reasons."""
CLOSED_COLUMNS = (
    "by_name", "code", "content_hash", "history_type", "participant_code", "target_id", "target_label", "target_table",
    "verb",
)  # fmt: skip
"""What says who, what and where: no redaction ever touches it."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A text of a write-once row: a column, or inside a JSON column the path to a text."""

    table: str
    key: int
    column: str
    path: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As the door takes it."""
        return {"table": self.table, "key": self.key, "column": self.column, "path": list(self.path)}


def redact(redaction: Any, text: str, spots: Sequence[Spot], *, using: str = "default") -> int:
    """Ask the database to replace the text in the named places; the number of places. Refused: IntegrityError."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"SELECT {NAME}(%s, %s, %s::jsonb)", [redaction.pk, text, json.dumps([spot.plain() for spot in spots])]
        )
        return int(cursor.fetchone()[0])


def passes(schema: str) -> str:
    """The condition, inside the trigger that refuses, under which an UPDATE is the door's own."""
    return f"""TG_OP = 'UPDATE' AND EXISTS (
        SELECT 1 FROM "{schema}"."{ROWS}" AS d
         WHERE d.is_open AND d."table" = TG_TABLE_NAME AND d.tx = pg_current_xact_id()::text::bigint
           AND d.cluster = "{schema}".audit_cluster())"""


def source(schema: str, tables: Mapping[str, str]) -> str:
    """The body of the function, for the write-once tables (name → key column) that exist.

    The commitment of a column is sha256(column salt ‖ its text form), the column salt sha256(row salt ‖ column name).
    Of a redacted column the first commitment is kept and the row's salt replaced, with the column salts of the other
    columns kept beside: a later proof of the row still works, and no guess can be tried against the commitment.
    """
    keys = json.dumps({name: key for name, key in sorted(tables.items()) if name not in CLOSED_TABLES})
    closed = ", ".join(f"'{name}'" for name in CLOSED_COLUMNS)
    return f"""
DECLARE
    told record;
    held record;
    place jsonb;
    v_keys jsonb := '{keys}';
    v_table text;
    v_key bigint;
    v_by text;
    v_column text;
    v_path text[];
    v_type text;
    v_most integer;
    v_before text;
    v_after text;
    v_salt bytea;
    v_salts jsonb;
    v_columns jsonb;
    v_count integer := 0;
    v_tx bigint := pg_current_xact_id()::text::bigint;
    v_cluster bigint := "{schema}".audit_cluster();
BEGIN
    SELECT * INTO told FROM "{schema}"."{REDACTIONS}" AS r WHERE r.id = redaction;
    IF told.id IS NULL OR told.state <> 'applied' OR told.decided_by_id IS NULL
       OR told.decided_by_id = told.proposed_by_id
       OR NOT EXISTS (SELECT 1 FROM "{schema}"."audit_historicalredaction" AS h
                       WHERE h.id = redaction AND h.history_type = '+' AND h.by_id = told.proposed_by_id)
       OR NOT EXISTS (SELECT 1 FROM "{schema}"."audit_historicalredaction" AS h
                       WHERE h.id = redaction AND h.state = 'applied' AND h.by_id = told.decided_by_id
                         AND h.tx = v_tx AND h.cluster = v_cluster)
       OR NOT EXISTS (SELECT 1 FROM "{schema}"."audit_signature" AS s
                       WHERE s.target_table = '{REDACTIONS}' AND s.target_id = redaction::text
                         AND s.by_id = told.decided_by_id AND s.tx = v_tx AND s.cluster = v_cluster)
       OR EXISTS (SELECT 1 FROM "{schema}"."audit_deed" AS d
                   WHERE d.target_table = '{REDACTIONS}' AND d.target_id = redaction::text AND d.verb = '{APPLIED}')
    THEN
        RAISE EXCEPTION 'audit: redaction % is not approved by a second person in this transaction', redaction
            USING ERRCODE = '23000', HINT = 'One person proposes, another signs; it is carried out once, at once.';
    END IF;
    v_by := v_keys ->> told.source_table;
    IF v_by IS NULL THEN
        RAISE EXCEPTION 'audit: redaction % names no write-once table', redaction USING ERRCODE = '23000';
    END IF;
    v_path := ARRAY(SELECT jsonb_array_elements_text(told.source_path));
    IF cardinality(v_path) > 0 THEN
        EXECUTE format('SELECT substr(t.%I #>> $1, $2, $3) FROM "{schema}".%I AS t WHERE t.%I = $4',
                       told.source_column, told.source_table, v_by)
           INTO v_before USING v_path, told.start + 1, told.length, told.source_key;
    ELSE
        EXECUTE format('SELECT substr(t.%I::text, $1, $2) FROM "{schema}".%I AS t WHERE t.%I = $3',
                       told.source_column, told.source_table, v_by)
           INTO v_before USING told.start + 1, told.length, told.source_key;
    END IF;
    IF v_before IS DISTINCT FROM needle OR needle IS NULL OR length(btrim(needle)) < 3 THEN
        RAISE EXCEPTION 'audit: this is not the text that redaction % names', redaction USING ERRCODE = '23000';
    END IF;
    FOR place IN SELECT * FROM jsonb_array_elements(places) LOOP
        v_table := place ->> 'table';
        v_key := (place ->> 'key')::bigint;
        v_column := place ->> 'column';
        v_path := ARRAY(SELECT jsonb_array_elements_text(place -> 'path'));
        v_by := v_keys ->> v_table;
        SELECT format_type(a.atttypid, NULL), CASE WHEN a.atttypmod > 4 THEN a.atttypmod - 4 ELSE 1000000000 END
          INTO v_type, v_most
          FROM pg_attribute AS a
         WHERE a.attrelid = to_regclass(format('%I.%I', '{schema}', v_table)) AND a.attname = v_column
           AND a.attnum > 0 AND NOT a.attisdropped;
        IF v_by IS NULL OR v_type IS NULL OR v_column IN ({closed})
           OR NOT (v_type = 'jsonb' AND cardinality(v_path) > 0
                   OR v_type IN ('text', 'character varying') AND cardinality(v_path) = 0) THEN
            RAISE EXCEPTION 'audit: %.% holds no text that can be redacted', v_table, v_column
                USING ERRCODE = '23000';
        END IF;
        EXECUTE format('SELECT t.%I::text, t.salt FROM "{schema}".%I AS t WHERE t.%I = $1 FOR NO KEY UPDATE',
                       v_column, v_table, v_by)
           INTO v_before, v_salt USING v_key;
        IF v_before IS NULL OR position(needle IN CASE WHEN v_type = 'jsonb'
               THEN coalesce(v_before::jsonb #>> v_path, '') ELSE v_before END) = 0 THEN
            RAISE EXCEPTION 'audit: % % does not hold the text', v_table, v_key USING ERRCODE = '23000';
        END IF;
        SELECT * INTO held FROM "{schema}"."{ROWS}" AS d WHERE d."table" = v_table AND d.key = v_key FOR UPDATE;
        IF held.id IS NULL THEN
            SELECT jsonb_object_agg(a.attname, encode(sha256(v_salt || convert_to(a.attname::text, 'UTF8')), 'hex'))
              INTO v_salts
              FROM pg_attribute AS a
             WHERE a.attrelid = to_regclass(format('%I.%I', '{schema}', v_table)) AND a.attnum > 0
               AND NOT a.attisdropped AND a.attname <> 'salt';
            v_columns := '{{}}';
        ELSE
            v_salts := held.salts;
            v_columns := held.columns;
        END IF;
        IF NOT v_columns ? v_column THEN
            v_columns := v_columns || jsonb_build_object(v_column, jsonb_build_object('before',
                encode(sha256(decode(v_salts ->> v_column, 'hex') || convert_to(v_before, 'UTF8')), 'hex'),
                'redactions', '[]'::jsonb));
            v_salts := v_salts - v_column;
        END IF;
        INSERT INTO "{schema}"."{ROWS}" AS d ("table", key, columns, salts, is_open, cluster, tx)
             VALUES (v_table, v_key, v_columns, v_salts, true, v_cluster, v_tx)
        ON CONFLICT ("table", key) DO UPDATE SET is_open = true, cluster = v_cluster, tx = v_tx;
        v_salt := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
        IF v_type = 'jsonb' THEN
            EXECUTE format('UPDATE "{schema}".%I AS t SET %I = jsonb_set(t.%I, $1, '
                           'to_jsonb(replace(t.%I #>> $1, $2, ''{MARK}'')), false), salt = $3 '
                           'WHERE t.%I = $4 RETURNING t.%I::text',
                           v_table, v_column, v_column, v_column, v_by, v_column)
               INTO v_after USING v_path, needle, v_salt, v_key;
        ELSE
            EXECUTE format('UPDATE "{schema}".%I AS t SET %I = left(replace(t.%I, $1, ''{MARK}''), $2), salt = $3 '
                           'WHERE t.%I = $4 RETURNING t.%I::text',
                           v_table, v_column, v_column, v_by, v_column)
               INTO v_after USING needle, v_most, v_salt, v_key;
        END IF;
        v_columns := jsonb_set(v_columns, ARRAY[v_column, 'after'],
            to_jsonb(encode(sha256(convert_to(v_after, 'UTF8')), 'hex')), true);
        IF NOT v_columns -> v_column -> 'redactions' @> to_jsonb(redaction) THEN
            v_columns := jsonb_set(v_columns, ARRAY[v_column, 'redactions'],
                (v_columns -> v_column -> 'redactions') || to_jsonb(redaction));
        END IF;
        UPDATE "{schema}"."{ROWS}" AS d SET columns = v_columns, salts = v_salts, is_open = false
         WHERE d."table" = v_table AND d.key = v_key;
        v_count := v_count + 1;
    END LOOP;
    INSERT INTO "{schema}"."audit_deed" (verb, by_id, by_name, target_table, target_id, target_label, site_id,
           participant_code, at, ip, user_agent, reveals_arm, details)
    VALUES ('{APPLIED}', told.decided_by_id, told.decided_by_name, '{REDACTIONS}', redaction::text,
           'Redaction ' || redaction, told.site_id, told.participant_code, told.decided_at, NULL, '',
           told.reveals_arm, jsonb_build_object('places', v_count, 'proposed_by', told.proposed_by_name,
           'reason', told.reason));
    RETURN v_count;
END
"""
