"""Short hashes over parts of the checkout, so that a step that would change nothing is left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

TABLES = (
    "*/migrations/**/*.py",
    "*/models.py",
    "*/models/**/*.py",
    "*/apps.py",
    "audit/*.py",
    "config/settings.py",
    "deploy/roles.sql",
    "requirements.txt",
)
STUDY = (
    "studies/**/*",
    "trial/definition/**/*.py",
    "trial/language/**/*.py",
    "*/sections.py",
    "*/management/commands/publish_study.py",
)


def fingerprint(patterns: Iterable[str], *, also: str = "") -> str:
    """Sixteen hexadecimal digits over the names and bytes of every file that a pattern finds below the checkout."""
    digest = hashlib.sha256(also.encode())
    files = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    for path in sorted(files):
        parts = path.relative_to(ROOT).parts
        if not parts[0].startswith(".") and "__pycache__" not in parts:
            digest.update("/".join(parts).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
