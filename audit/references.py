"""References that many rows of one statement share: looked up once for the statement, not once for each row.

PostgreSQL checks a foreign key row by row: of the changes of a saved form, hundreds of times the same record, which
was a tenth of all that it did for the form. `AppendOnlyModel.shared_references` names such fields (they have
`db_constraint=False`); what they promise is what a foreign key promises: no row names a parent that is not there, and
no parent goes while a row names it, also when both happen at the same moment. Parents are audited rows, whose keys
never change. Every such field has an index that begins with it.
"""

# ruff: noqa: S608 (names of our own tables and columns)

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from audit.tables import Table


@dataclass(frozen=True, slots=True)
class Shared:
    """One such reference, as names of tables and columns."""

    child: str
    column: str
    parent: str
    key: str

    @property
    def child_function(self) -> str:
        return f"audit_refers_{self.child}_{self.column}"

    @property
    def parent_function(self) -> str:
        return f"audit_referred_{self.child}_{self.column}"

    def child_source(self, schema: str) -> str:
        """After a statement that added rows (`fresh`): every parent is there, and stays until the transaction ends."""
        return f"""
DECLARE
    wanted bigint[] := ARRAY(SELECT DISTINCT f."{self.column}" FROM fresh AS f WHERE f."{self.column}" IS NOT NULL);
    standing bigint;
BEGIN
    PERFORM 1 FROM "{schema}"."{self.parent}" AS r WHERE r."{self.key}" = ANY (wanted) FOR KEY SHARE;
    GET DIAGNOSTICS standing = ROW_COUNT;
    IF standing <> cardinality(wanted) THEN
        RAISE EXCEPTION 'audit: {self.child} names a row of {self.parent} that does not exist (%)', wanted
            USING ERRCODE = '23503', HINT = 'Save the row first, in the same transaction.';
    END IF;
    RETURN NULL;
END
"""

    def parent_source(self, schema: str) -> str:
        """After a row was removed: nothing names it."""
        return f"""
BEGIN
    IF EXISTS (SELECT 1 FROM "{schema}"."{self.child}" AS c WHERE c."{self.column}" = OLD."{self.key}") THEN
        RAISE EXCEPTION 'audit: {self.parent} % is named by rows of {self.child}', OLD."{self.key}"
            USING ERRCODE = '23503', HINT = 'What was written about a row stays, and so does the row.';
    END IF;
    RETURN NULL;
END
"""


def shared_references(table: Table) -> Iterator[Shared]:
    """Those of an append-only table."""
    for name in getattr(table.model, "shared_references", ()):
        field = table.model._meta.get_field(name)
        parent = field.related_model
        assert isinstance(parent, type) and parent._meta.pk.column and field.column  # type: ignore[union-attr]
        yield Shared(table.name, field.column, parent._meta.db_table, parent._meta.pk.column)  # type: ignore[union-attr]


__all__ = ["Shared", "shared_references"]
