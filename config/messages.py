"""Compiles message catalogues without gettext's binaries: `python -m config.messages`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALE = Path(__file__).resolve().parents[1] / "locale"


def compile_all(folder: Path = LOCALE) -> list[Path]:
    """Write the `.mo` beside every `.po` that is newer, whole or not at all; returns what was written.

    Fuzzy entries are left out, so their English shows. Raises ValueError naming the file and line of an entry
    that cannot be read or whose placeholders differ.
    """
    written = []
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            continue
        try:
            with source.open("rb") as file:
                catalog = read_po(file, locale=source.parts[-3], abort_invalid=True)
            for message, errors in catalog.check():
                if message.string and not message.fuzzy:
                    raise ValueError(f"line {message.lineno}: {errors[0]}")
        except Exception as error:
            raise ValueError(f"{source}: {error}") from error
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".mo-", delete=False) as fresh:
            write_mo(fresh, catalog)
        Path(fresh.name).chmod(0o644)
        os.replace(fresh.name, target)  # another run may read it at this moment
        written.append(target)
    return written


if __name__ == "__main__":
    for path in compile_all():
        print(path.relative_to(LOCALE.parent))  # noqa: T201
