"""Signing a visit or the casebook: every complete form that was shown, under one signature (ADR 0011)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import get_language
from django.utils.translation import gettext as _

import audit
from audit.errors import Conflict, Refused
from audit.models import Signature
from trial.definition import Definition
from trial.definitions import definition_of
from trial.locks import lock_participant
from trial.models import Participant, Person, Visit

from .. import effects, policies
from ..lives import Deed
from ..models import UNSETTLED, Query, Record
from ..permissions import check_person_can_sign, hides

MEANING = "investigator_approval"


class ChangedMeanwhile(Conflict):
    """Somebody changed a form after the signer read it; nothing was signed."""


@dataclass(frozen=True)
class Signed:
    """What one signature covers."""

    signature: Signature
    records: tuple[Record, ...]


@transaction.atomic
def sign(
    *,
    participant: Participant,
    read: Mapping[int, int],
    password: str,
    by: Person,
    visit: Visit | None = None,
    statement: str = "",
) -> Signed:
    """Sign the complete forms of a casebook (or of one visit) exactly as read: `read` is record id → revision.

    All of them or none: a form that changed since it was read raises `ChangedMeanwhile`, one that may not be signed is
    refused by name. What was not read is not signed.
    """
    participant = lock_participant(participant.pk)
    definition = definition_of(participant.version_id)
    found = list(
        Record.objects.select_for_update(no_key=True, of=("self",))
        .filter(participant=participant, pk__in=list(read), **({"visit": visit} if visit is not None else {}))
        .select_related("visit", "signature")
        .order_by("pk")
    )
    for record in found:
        record.participant = participant
    if not read or len(found) != len(read) or any(_hidden(by, definition, record) for record in found):
        raise Refused(_("There is nothing to sign here."), code="nothing_to_sign")
    changed = [record for record in found if record.revision != read[record.pk]]
    if changed:
        raise ChangedMeanwhile(
            _("Changed while you were reading: %(forms)s. Read them again before you sign.")
            % {"forms": ", ".join(_name(definition, record) for record in changed)}
        )
    waiting = _with_open_queries(found)
    for record in found:
        refusal = why_not(record, by, definition, has_open_queries=record.pk in waiting)
        if refusal is not None:
            raise Refused(
                _("%(form)s: %(why)s") % {"form": _name(definition, record), "why": refusal},
                code=str(refusal.code),
            )
    signature = audit.sign(
        participant,
        by=by,
        meaning=MEANING,
        statement=statement,
        content={"participant": participant.code, "records": [content_of(record) for record in found]},
        password=password,
    )
    for record in found:
        record.signature = signature
        record.signed_revision = record.revision
    audit.save_many(found, by=by)
    for record in found:
        audit.deed(
            "record.signed", record, by=by, form=record.form, revision=record.revision, signature=signature.pk,
            reveals_arm=record.reveals_arm,
        )  # fmt: skip
        effects.signed(record, by)
    audit.deed(
        "casebook.signed",
        participant,
        by=by,
        signature=signature.pk,
        visit=visit.event if visit is not None else "",
        reveals_arm=any(record.reveals_arm for record in found),
    )
    return Signed(signature, tuple(found))


def content_of(record: Record) -> dict[str, Any]:
    """Return what a signature over a set keeps of one record: which, at which revision, and the hash of its values.

    The values themselves stand in the record's history under that revision; `verify_audit` compares
    them (`ecrf.signed_contents`).
    """
    return {
        "record": record.pk,
        "form": record.form,
        "visit": record.visit.event if record.visit is not None else "",
        "number": record.number,
        "revision": record.revision,
        "sha256": audit.content_hash(record.data),
    }


def why_not(record: Record, person: Person, definition: Definition, *, has_open_queries: bool) -> Refused | None:
    """Say why a record is not signed with the others, None when it is."""
    eligibility = definition.eligibility
    try:
        if eligibility is not None and record.form == eligibility.form:
            raise Refused(_("Eligibility is signed on its own page."), code="eligibility")
        check_person_can_sign(person, record, definition)
        policies.check_deed(record, Deed.SIGN)
        if has_open_queries and definition.form(record.form).open_queries_block_signing:
            raise Refused(_("This form has open queries: it is signed once they are closed."), code="open_queries")
    except Refused as refused:
        return refused
    return None


def _with_open_queries(records: list[Record]) -> set[int]:
    waiting = Query.objects.filter(record__in=records, state__in=UNSETTLED)
    return set(waiting.values_list("record_id", flat=True))


def _hidden(person: Person, definition: Definition, record: Record) -> bool:
    event = record.visit.event if record.visit is not None else None
    return hides(person, definition, record.participant, record.form, event)


def _name(definition: Definition, record: Record) -> str:
    locale = get_language() or "en"
    label = definition.text(definition.form(record.form).label, locale)
    return f"{label} {record.number}" if record.number else label
