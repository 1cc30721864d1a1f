"""What the database alone takes for an allocation: its statements, sent again by `pgbench` without any Python.

The statements of one allocation are written down in a transaction that is rolled back, the sequences are put back, and
pgbench sends the very same text: the rows get the same keys, so that every reference holds and every guard runs.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psycopg2
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.server import spelled_out
from config.services.postgres import binaries
from config.services.processes import server_account

_SEQUENCES = "SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename), last_value FROM pg_sequences"


class _TakenBackError(Exception):
    """Ends the transaction whose statements were written down."""


def written_down(deed: Callable[[], object]) -> list[str]:
    """Return the statements of a deed, which is taken back as if it had never been."""
    with closing(psycopg2.connect(os.environ["DATABASE_OWNER_URL"])) as owner:
        owner.autocommit = True
        with owner.cursor() as cursor:
            cursor.execute(_SEQUENCES)
            before = dict(cursor.fetchall())
            try:
                with transaction.atomic():
                    with spelled_out(), CaptureQueriesContext(connection) as captured:
                        deed()
                    raise _TakenBackError
            except _TakenBackError:
                pass
            for name, last in before.items():
                cursor.execute("SELECT setval(%s, %s, %s)", [name, last or 1, last is not None])
    return [query["sql"] for query in captured.captured_queries]


def pgbench(statements: list[str]) -> float:
    """Send the statements in one transaction by pgbench; returns the milliseconds of it, connecting left out."""
    database = settings.DATABASES["default"]
    address = f"postgresql://{database['USER']}@{quote(database['HOST'], safe='')}/{quote(database['NAME'], safe='')}"
    program = binaries(server_account()) / "pgbench"
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.sql"
        script.write_text("BEGIN;\n" + "".join(f"{text.rstrip(';')};\n" for text in statements) + "COMMIT;\n")
        done = subprocess.run(
            [program, "--no-vacuum", "--transactions=1", f"--file={script}", address],
            env=os.environ | {"PGPASSWORD": database["PASSWORD"]},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    found = re.search(r"latency average = ([\d.]+) ms", done.stdout)
    if done.returncode or found is None or "processed: 1/1" not in done.stdout:
        raise RuntimeError(f"pgbench: {done.stdout[-500:]}{done.stderr[-1_000:]}")
    return float(found[1])


def filled_values(data: dict[str, list[dict[str, object]]]) -> Iterator[object]:
    """The values of a record's data: what an evaluation has to look at."""
    for rows in data.values():
        for row in rows:
            yield from (value for item, value in row.items() if not item.startswith("_"))
