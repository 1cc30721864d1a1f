"""Keeping what a person is typing: private, encrypted, gone on save."""

from __future__ import annotations

import json
from typing import Any

from cryptography.fernet import InvalidToken
from django.db import transaction

from audit import clock, unaudited
from trial.models import Person

from ..cipher import cipher
from ..models import Draft
from ..where import Where
from . import files

MOST_BYTES = 2_000_000
"""A draft larger than this is refused: forms are far smaller."""


AT = "_at"
"""Under this name a draft holds the field in which the person was."""


@transaction.atomic
def keep(*, where: Where, base_revision: int, fields: dict[str, Any], by: Person) -> Draft:
    """Keep the fields of a form as one person has them on the page; replaces that person's earlier draft there."""
    text = json.dumps(fields)
    if len(text) > MOST_BYTES:
        raise ValueError("The draft is too large.")
    draft, _made = Draft.objects.update_or_create(
        person=by,
        participant=where.participant,
        place=where.draft_place,
        defaults={
            "base_revision": base_revision,
            "payload": cipher().encrypt(text.encode()).decode(),
            "kept_at": clock.now(),
        },
    )
    return draft


@transaction.atomic
def add(*, where: Where, base_revision: int, fields: dict[str, Any], by: Person) -> Draft:
    """Lay the fields that changed over the person's earlier draft of the same revision, as a page sends them.

    A draft begun on a newer revision stays as it is: an old tab never takes the place of a new one.
    """
    held = (
        Draft.objects.select_for_update()
        .filter(person=by, participant=where.participant, place=where.draft_place)
        .first()
    )
    if held is not None and held.base_revision > base_revision:
        return held
    before = read(held) if held is not None and held.base_revision == base_revision else {}
    return keep(where=where, base_revision=base_revision, fields={**before, **fields}, by=by)


def read(draft: Draft) -> dict[str, Any]:
    """Return the fields of a draft; empty when its key is gone (a draft is a convenience, never the data)."""
    try:
        found: dict[str, Any] = json.loads(cipher().decrypt(draft.payload.encode()))
    except InvalidToken:
        return {}
    return found


def rewrite(draft: Draft, fields: dict[str, Any]) -> None:
    """Put other fields into a draft, its author, place and time staying what they are (a redaction)."""
    draft.payload = cipher().encrypt(json.dumps(fields).encode()).decode()
    draft.save(update_fields=["payload"])


@transaction.atomic
def discard(*, where: Where, by: Person) -> None:
    """Throw away the person's draft at a place, and the files uploaded into it."""
    forget(where=where, by=by)
    files.forget(person=by, participant=where.participant, place=where.draft_place)


def forget(*, where: Where, by: Person) -> None:
    """Throw away what was typed at a place: it is data now, or not wanted."""
    unaudited.remove(Draft, person_id=by.pk, participant_id=where.participant.pk, place=where.draft_place)
