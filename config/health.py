"""`/healthz`: whether each service that a running trial needs is there."""

from __future__ import annotations

import json

import redis
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from config import heartbeats


def database() -> tuple[bool, str]:
    """Whether PostgreSQL answers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False, "no answer"
    return True, "answers"


def queue() -> dict[str, tuple[bool, str]]:
    """Redis, and through it the worker and the beat, whose signs of life it holds."""
    try:
        ages = heartbeats.ages(["worker", "beat"])
    except (redis.RedisError, OSError):
        unknown = (False, "unknown without redis")
        return {"redis": (False, "no answer"), "worker": unknown, "beat": unknown}
    lines = {"redis": (True, "answers")}
    for service, age in ages.items():
        if age is None:
            lines[service] = (False, "no sign of life")
        else:
            lines[service] = (age <= heartbeats.LATE, f"last sign of life {age:.0f} s ago")
    return lines


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """JSON, one line per service; 200 when all are up, 503 when one is down. Open to all, tells nothing else."""
    lines = {"database": database(), **queue()}
    healthy = all(up for up, _ in lines.values())
    body = {"status": "up" if healthy else "down"} | {
        name: {"status": "up" if up else "down", "detail": detail} for name, (up, detail) in lines.items()
    }
    text = "{\n" + ",\n".join(f" {json.dumps(name)}: {json.dumps(value)}" for name, value in body.items()) + "\n}\n"
    response = HttpResponse(text, status=200 if healthy else 503, content_type="application/json")
    response._has_been_logged = True  # type: ignore[attr-defined]  # asked every few seconds: the answer is not news
    return response
