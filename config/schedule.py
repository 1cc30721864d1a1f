"""What runs by itself: each room's `tasks.py` may declare a `SCHEDULE`, and the beat runs all of them.

A `SCHEDULE` is Celery's own form, with names and seconds or crontabs, and no arguments:
`{"notices-due": {"task": "trial.tasks.send_due_notices", "schedule": 60.0}}`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.core.exceptions import ImproperlyConfigured

ROOMS = ("audit", "trial", "ecrf", "randomization", "safety", "reporting", "config")


def schedule() -> dict[str, dict[str, Any]]:
    """Every room's schedule in one. Raises ImproperlyConfigured when two rooms use one name."""
    found: dict[str, dict[str, Any]] = {}
    for room in ROOMS:
        if find_spec(f"{room}.tasks") is None:
            continue
        for name, entry in getattr(import_module(f"{room}.tasks"), "SCHEDULE", {}).items():
            if name in found:
                raise ImproperlyConfigured(f"Two rooms schedule something under the name {name!r}.")
            found[name] = entry
    return found
