"""Does the history of every signed form still hold exactly what was signed? A part of `verify_audit`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db.backends.utils import CursorWrapper

import audit
from audit.door import MARK
from audit.guards import Fault
from audit.models import Signature

from .models import Record

MEANING = "investigator_approval"


def verify(_cursor: CursorWrapper) -> Iterator[Fault]:
    """Yield a fault for each signed form of which no state in history, at the signed revision, is what was signed."""
    for signature in Signature.objects.filter(meaning=MEANING).order_by("pk").iterator(chunk_size=200):
        for key, revision, digest in _signed(signature):
            states = Record.history.model._base_manager.filter(id=key, revision=revision).values_list("data", flat=True)
            if not any(audit.content_hash(data) == digest or _is_redacted(data) for data in states):
                yield Fault(
                    f"audit_signature {signature.pk}", f"record {key} never held what was signed at revision {revision}"
                )


def _signed(signature: Signature) -> Iterator[tuple[int, int, str]]:
    """(record, revision, hash of its values) for each form under a signature: of one form, or of a set."""
    content: Any = signature.content
    if "records" in content:
        for each in content["records"]:
            yield each["record"], each["revision"], each["sha256"]
    elif "data" in content and signature.target_table == Record._meta.db_table:
        yield int(signature.target_id), content["revision"], audit.content_hash(content["data"])


def _is_redacted(data: Any) -> bool:
    """What the signature said of a value that two persons redacted cannot be shown any more."""
    return MARK in json.dumps(data, ensure_ascii=False)
