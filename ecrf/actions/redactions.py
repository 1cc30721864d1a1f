"""Redaction: two persons, with a reason, replace a name typed by mistake by “[redacted]” wherever it stands."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock, door
from audit.door import MARK, Spot
from audit.errors import Refused
from audit.models import RedactedRow, Redaction, RedactionState
from trial.free_text import kept
from trial.locks import lock_participant
from trial.models import Participant, Person
from trial.permissions import Permission, can, check

from ..redaction_places import Places, Source, find, source_at
from . import drafts

LEAST = 3
"""Characters of a text to redact: fewer stand by chance in many words."""


@transaction.atomic
def propose(*, spot: Spot, words: str, reason: str, by: Person) -> Redaction:
    """Propose that some words of a text be replaced by “[redacted]” in everything kept about the participant.

    The words themselves are not written down again: the proposal names where they stand. Another person decides.
    """
    source = source_at(spot)
    if source is None:
        raise Refused(_("There is no such text."), code="hidden")
    participant = lock_participant(source.participant.pk)
    check(by, Permission.REDACTION_PROPOSE, participant.site_id)
    check_sees(by, participant, reveals_arm=source.reveals_arm)
    words = words.strip()
    if len(words) < LEAST:
        raise Refused(_("Give at least %(n)s characters to redact.") % {"n": LEAST}, code="too_short")
    if words not in source.words:
        raise Refused(_("These words are not in the text. Copy them exactly as they stand there."), code="not_there")
    if words in MARK:
        raise Refused(_("This text is already redacted."), code="redacted")
    reason = kept(reason, needed=_("Give the reason of the redaction."))
    if words in reason:
        raise Refused(_("The reason is kept: do not write the words to redact in it."), code="words_in_reason")
    start = source.words.index(words)
    if Redaction.objects.filter(
        source_table=spot.table, source_key=spot.key, source_column=spot.column, source_path=list(spot.path),
        state=RedactionState.PROPOSED, start__lt=start + len(words),
    ).exists():  # fmt: skip
        raise Refused(_("A redaction of this text is already proposed."), code="proposed")
    redaction = audit.save(
        Redaction(
            site_id=participant.site_id,
            participant_code=participant.code,
            source_table=spot.table,
            source_key=spot.key,
            source_column=spot.column,
            source_path=list(spot.path),
            start=start,
            length=len(words),
            reveals_arm=source.reveals_arm,
            reason=reason,
            proposed_by_id=by.pk,
            proposed_by_name=by.printed_name,
            proposed_at=clock.now(),
        ),
        by=by,
        reason=reason,
    )
    audit.deed("redaction.proposed", redaction, by=by, reason=reason, reveals_arm=redaction.reveals_arm)
    return redaction


@transaction.atomic
def approve(*, redaction: Redaction, password: str, by: Person) -> Redaction:
    """Sign another person's proposal and carry it out at once, whole or not at all.

    Values, notes and drafts are written as usual, with history; history, changes, ledger and signatures go through
    the database's own door, which looks again that two persons stand behind it.
    """
    redaction, participant = _locked(redaction)
    check(by, Permission.REDACTION_APPROVE, participant.site_id)
    check_sees(by, participant, reveals_arm=redaction.reveals_arm)
    _check_open(redaction)
    if redaction.proposed_by_id == by.pk:
        raise Refused(_("You proposed this redaction: another person approves it."), code="same_person")
    source, words = text_of(redaction)
    if source is None or not words:
        raise Refused(
            _("The text has changed since the redaction was proposed. Decline it and propose it again."), code="changed"
        )
    places = find(participant, words)
    audit.sign(
        redaction,
        by=by,
        meaning="redaction_approval",
        statement=_("I approve that this text be replaced by “[redacted]” wherever it is kept."),
        content={"redaction": redaction.pk, "reason": redaction.reason, "places": places.counts()},
        password=password,
    )
    redaction.state = RedactionState.APPLIED
    redaction.decided_by_id, redaction.decided_by_name, redaction.decided_at = by.pk, by.printed_name, clock.now()
    audit.save(redaction, by=by, reason=redaction.reason)
    audit.save_many(places.rows, by=by, reason=str(redaction))
    for draft, fields in places.drafts:
        drafts.rewrite(draft, fields)
    for upload in places.uploads:
        upload.save(update_fields=["name"])
    door.redact(redaction, words, places.spots)
    return redaction


@transaction.atomic
def decline(*, redaction: Redaction, reason: str, by: Person) -> Redaction:
    """Close a proposal without redacting: by whoever may approve it, or by the one who proposed it."""
    redaction, participant = _locked(redaction)
    if redaction.proposed_by_id != by.pk:
        check(by, Permission.REDACTION_APPROVE, participant.site_id)
    check_sees(by, participant, reveals_arm=redaction.reveals_arm)
    _check_open(redaction)
    reason = kept(reason, needed=_("Give the reason why nothing is redacted."))
    _source, words = text_of(redaction)
    if words and words in reason:
        raise Refused(_("The reason is kept: do not write the words to redact in it."), code="words_in_reason")
    redaction.state, redaction.decision_reason = RedactionState.DECLINED, reason
    redaction.decided_by_id, redaction.decided_by_name, redaction.decided_at = by.pk, by.printed_name, clock.now()
    audit.save(redaction, by=by, reason=reason)
    audit.deed("redaction.declined", redaction, by=by, reason=reason, reveals_arm=redaction.reveals_arm)
    return redaction


def text_of(redaction: Redaction) -> tuple[Source | None, str]:
    """The text that an open proposal names, and the words in it to redact; nothing once another redaction moved it."""
    spot = Spot(redaction.source_table, redaction.source_key, redaction.source_column, tuple(redaction.source_path))
    source = source_at(spot)
    if source is None or redaction.state != RedactionState.PROPOSED or _was_moved(redaction):
        return source, ""
    return source, source.words[redaction.start : redaction.start + redaction.length]


def _was_moved(redaction: Redaction) -> bool:
    row = RedactedRow.objects.filter(table=redaction.source_table, key=redaction.source_key).first()
    done = row.columns.get(redaction.source_column, {}).get("redactions", []) if row is not None else []
    return Redaction.objects.filter(pk__in=done, pk__gt=0, decided_at__gte=redaction.proposed_at).exists()


def preview(redaction: Redaction) -> Places | None:
    """What the redaction would replace as things stand; None when its text is no longer there."""
    source, words = text_of(redaction)
    return find(source.participant, words) if source is not None and words else None


def check_sees(person: Person, participant: Participant, *, reveals_arm: bool) -> None:
    """A text that tells the arm is for those who may see it."""
    if reveals_arm and not can(person, Permission.ARM_VIEW, participant.site_id):
        raise Refused(_("There is no such text."), code="hidden")


def _locked(redaction: Redaction) -> tuple[Redaction, Participant]:
    """The redaction and its participant as they stand, no other writer about this participant beside us."""
    participant = Participant.objects.select_for_update(no_key=True, of=("self",)).get(code=redaction.participant_code)
    return Redaction.objects.select_for_update(no_key=True).get(pk=redaction.pk), participant


def _check_open(redaction: Redaction) -> None:
    if redaction.state != RedactionState.PROPOSED:
        raise Refused(
            _("This redaction is already decided: %(state)s.")
            % {"state": str(RedactionState(redaction.state).label).lower()},
            code="decided",
        )
