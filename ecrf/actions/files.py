"""Files of items: uploaded into a draft, attached by a save, given back to those who may see the record."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from trial.definition import Item
from trial.language import Fault, check_file, clean_name, size_words
from trial.language.faults import fault
from trial.models import Participant, Person
from trial.permissions import Permission, check

from ..cipher import cipher
from ..entry import FileFacts, RowKey
from ..models import Attachment, FileContent, Record, Upload

if TYPE_CHECKING:
    from ..places import RecordPlace
    from ..where import Where

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opened:
    """A file as it is given to somebody: its bytes with the type that was found in them."""

    name: str
    media_type: str
    content: bytes


@transaction.atomic
def upload(*, place: RecordPlace, field: str, item: Item, name: str, content: bytes, by: Person) -> Upload:
    """Keep a file with the person's draft of a form; it becomes data by Save. Replaces their earlier one there.

    Raises `Fault` when the file is not what the item takes, told by its content.
    """
    media = check_file(content, accept=item.accepted, limit=settings.FILE_MAX_BYTES)
    place.check_can_enter()
    if not place.shows(item):
        raise Refused(_("There is no such item."))
    if not place.answers(item):
        raise Refused(_("This item is answered by another role at your site."), code="answered_by")
    here = Upload.objects.filter(person=by, participant=place.participant, place=place.where.draft_place)
    here.filter(field=field).delete()
    return Upload.objects.create(
        key=secrets.token_hex(16),
        person=by,
        participant=place.participant,
        place=place.where.draft_place,
        field=field,
        item=item.id,
        name=clean_name(name, media),
        media_type=media.media_type,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        payload=cipher().encrypt(content),
        uploaded_at=clock.now(),
    )


def too_large() -> Fault:
    """What is said of a file of which more came than may be kept."""
    most = size_words(settings.FILE_MAX_BYTES)
    return fault("file.too_large", size=_("more than %(size)s") % {"size": most}, limit=most)


def pending(person: Person, where: Where) -> dict[tuple[str, str], FileFacts]:
    """The files of a person's draft at a place, as values may name them: (item, key) → what is kept of each."""
    held = Upload.objects.filter(person=person, participant=where.participant, place=where.draft_place)
    rows = held.values_list("item", "key", "name", "media_type", "size", "sha256")
    return {
        (item, key): {"name": name, "media": media, "size": size, "sha256": digest}
        for item, key, name, media, size, digest in rows
    }


def attach(
    *, record: Record, values: Mapping[RowKey, Any], where: Where, by: Person, reveals: Mapping[str, bool]
) -> list[Attachment]:
    """Make the uploads that a save names data: an audited row each, with their bytes. Runs inside the save.

    `values` are the new dumped values of file items; `reveals` tells of each item whether it would tell the arm.
    """
    made = []
    wanted = {str(value["value"]): key for key, value in values.items() if value is not None and "value" in value}
    uploads = Upload.objects.filter(
        person=by, participant=where.participant, place=where.draft_place, key__in=wanted
    )  # `merge` has let no other key through
    for held in uploads:
        _group, row, item = wanted[held.key]
        content = _decrypted(held)
        made.append(
            audit.save(
                Attachment(
                    key=held.key,
                    record=record,
                    participant=record.participant,
                    row=row,
                    item=item,
                    name=held.name,
                    media_type=held.media_type,
                    size=held.size,
                    sha256=held.sha256,
                    attached_at=clock.now(),
                    attached_by=by,
                    reveals_arm=record.reveals_arm or reveals[item],
                ),
                by=by,
            )
        )
        FileContent.objects.create(attachment=made[-1], content=content)
    return made


def forget(*, person: Person, participant: Participant, place: str) -> None:
    """Throw away the files of a person's draft at a place: it was saved, or thrown away."""
    Upload.objects.filter(person=person, participant=participant, place=place).delete()


@transaction.atomic
def open_attachment(*, attachment: Attachment, by: Person) -> Opened:
    """Give the bytes of an attachment to somebody who may see the record (the caller found it for them).

    Refused when the bytes are gone (redacted), or are not those that were attached.
    """
    check(by, Permission.RECORD_VIEW, attachment.participant.site_id)
    held = FileContent.objects.filter(attachment=attachment).first()
    if held is None:
        raise Refused(_("The content of this file was removed."), code="file_removed")
    content = bytes(held.content)
    if hashlib.sha256(content).hexdigest() != attachment.sha256:
        log.error("The content of attachment %s is not what was attached.", attachment.pk)
        raise Refused(_("This file is damaged: its content is not what was attached. Tell the data manager."))
    audit.deed("file.opened", attachment, by=by, item=attachment.item, reveals_arm=attachment.reveals_arm)
    return Opened(attachment.name, attachment.media_type, content)


def open_upload(held: Upload) -> Opened:
    """Give a file of a draft back to the person who uploaded it."""
    return Opened(held.name, held.media_type, _decrypted(held))


def forget_contents(attachments: Iterable[Attachment]) -> int:
    """Remove the bytes of attachments; their rows and hashes stay. For redaction, which has its own permissions."""
    return FileContent.objects.filter(attachment__in=list(attachments)).delete()[0]


def _decrypted(held: Upload) -> bytes:
    try:
        return cipher().decrypt(bytes(held.payload))
    except InvalidToken:
        raise Refused(_("An uploaded file can no longer be read. Choose it again."), code="file_gone") from None
