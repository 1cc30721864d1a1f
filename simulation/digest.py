"""One hash of everything that a simulation decided: the same seed must give the same, on any machine.

Keys, salts and what the database stamps differ between runs and are left out; the ids of rows come from the seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from audit.models import Deed, Signature
from ecrf.models import Change, Finding, Query, QueryMessage, Record, Verification
from randomization.models import Allocation, TreatmentReceived
from safety.models import SafetyCase
from trial.models import Delegation, Notice, Participant, Person, Site, StatusChange, Visit


def sections() -> Iterator[tuple[str, list[str]]]:
    """(name, rows as JSON texts in a stable order) for each kind of row."""
    place = ("participant__code", "form", "visit__event", "visit__occurrence", "number")
    record = tuple(f"record__{name}" for name in place)
    yield "sites", _rows(Site.objects, "number", "name", "city", "opened_on")
    yield "people", _rows(Person.objects, "email", "given_name", "family_name", "locale")
    yield (
        "delegations",
        _rows(Delegation.objects, "person__email", "site__number", "role", "starts_on", "may_randomize"),
    )
    dates = [f.name for f in Participant._meta.concrete_fields if f.name not in ("id", "site", "version")]
    yield "participants", _rows(Participant.objects, *dates)
    yield "status changes", _rows(StatusChange.objects, "participant__code", "kind", "on", "reason", "detail")
    yield (
        "visits",
        _rows(
            Visit.objects,
            "participant__code",
            "event",
            "occurrence",
            "planned_on",
            "actual_on",
            "status",
            "missed_reason",
        ),
    )
    yield "allocations", _rows(Allocation.objects, "number", "participant__code", "arm", "stratum", "allocated_at")
    yield (
        "treatments received",
        _rows(TreatmentReceived.objects, "participant__code", "received", "started_on", "why", "told_at"),
    )
    yield "records", _rows(
        Record.objects, "participant__code", "form", "visit__event", "visit__occurrence", "number", "entry_state",
        "revision", "signed_revision", "data",
    )  # fmt: skip
    yield "changes", _rows(Change.objects, *record, "revision", "item", "row", "kind", "new", "by_name", "at")
    yield "findings", _rows(Finding.objects, *record, "check_id", "row", "state", "raised_at")
    yield "queries", _rows(Query.objects, *record, "item", "kind", "state", "opened_at", "settled_at")
    yield "messages", _rows(QueryMessage.objects, "query__participant__code", "state", "text", "by_name", "at")
    yield "verifications", _rows(Verification.objects, *record, "item", "row", "verified_at", "cleared_at")
    yield "cases", _rows(SafetyCase.objects, "participant__code", "state", "aware_at", "reported_at", "received_at")
    yield (
        "notices",
        _rows(Notice.objects, "kind", "person__email", "participant__code", "visit__event", "due_at", "state"),
    )
    yield "signatures", _rows(Signature.objects, "by_name", "meaning", "participant_code", "signed_at")
    yield "deeds", _rows(Deed.objects.exclude(verb="simulation.run"), "verb", "by_name", "participant_code", "at")


def digest() -> str:
    """The SHA-256, in hexadecimal, of all sections."""
    whole = hashlib.sha256()
    for name, rows in sections():
        whole.update(f"{name} {len(rows)}\n".encode())
        for row in rows:
            whole.update(row.encode())
    return whole.hexdigest()


def _rows(rows: Any, *fields: str) -> list[str]:
    return sorted(
        json.dumps(list(row), cls=DjangoJSONEncoder, sort_keys=True, ensure_ascii=False)
        for row in rows.order_by().values_list(*fields)
    )
