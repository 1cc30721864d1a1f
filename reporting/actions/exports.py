"""Exports: asked for by a person, written by a task, fetched by the person who asked; each step in the ledger."""

from __future__ import annotations

import tempfile
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from audit.publishing import publish
from trial import leases
from trial.definitions import current_study
from trial.models import Person
from trial.permissions import Permission, access_of, check

from ..models import Export, ExportState
from ..writers import write_csv, zip_folder

WORK = "export"


@transaction.atomic
def request(*, by: Person, includes_arms: bool = False, format: str = "csv") -> Export:
    """Ask for a dataset of the participants whose data the person may export; a worker writes it.

    Arms (and every form, visit and item that would tell them) are in it only if the person may see arms.
    """
    from ..tasks import carry_out_export

    check(by, Permission.EXPORT)
    if includes_arms:
        check(by, Permission.ARM_VIEW)
    if format != "csv":
        raise Refused(_("This format is not offered."))
    export = audit.save(
        Export(format=format, requested_by=by, requested_at=clock.now(), includes_arms=includes_arms), by=by
    )
    audit.deed("export.requested", export, by=by, format=format, includes_arms=includes_arms)
    publish(carry_out_export, export.pk)
    return export


def carry_out(export_id: int) -> Export | None:
    """Write a requested dataset; None when another worker has it or it is already written.

    The file is complete under its final name or not there at all. Nothing is written to the database in the
    transaction that reads, and a crash leaves the row for the next worker.
    """
    export = Export.objects.select_related("requested_by").get(pk=export_id)
    if export.state != ExportState.REQUESTED or not leases.claim(WORK, export_id):
        return None
    access = access_of(export.requested_by)
    study = current_study()
    target = path_of(export)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        check(export.requested_by, Permission.EXPORT)
        if export.includes_arms:
            check(export.requested_by, Permission.ARM_VIEW)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch, transaction.atomic():
            folder = Path(scratch) / "data"
            written = write_csv(
                folder,
                sites=access.sites(Permission.EXPORT),
                arm_sites=access.sites(Permission.ARM_VIEW),
                includes_arms=export.includes_arms,
                by_name=export.requested_by.printed_name,
                simulated=bool(study and study.is_simulated),
                progress=lambda percent: _still_ours(export_id, percent),
            )
            packed = Path(scratch) / "packed.zip"
            written.checksum, written.size = zip_folder(folder, packed)
            packed.replace(target)
    except Refused as refused:
        return _fail(export, str(refused))
    except (ValueError, OSError) as error:
        leases.release(WORK, export_id, error=type(error).__name__)
        if leases.attempts_of(WORK, export_id) >= leases.MAX_ATTEMPTS:
            return _fail(export, _("The dataset could not be written. Ask the administrator."))
        raise
    with transaction.atomic():
        export.state = ExportState.READY
        export.finished_at = clock.now()
        export.file_name = target.name
        export.checksum = written.checksum
        export.size = written.size
        export.rows = written.rows
        audit.save(export, by=None)
        audit.deed(
            "export.written", export, by=None, checksum=written.checksum, size=written.size,
            participants=written.rows.get("participants", 0), includes_arms=export.includes_arms,
        )  # fmt: skip
    leases.release(WORK, export_id)
    return export


@transaction.atomic
def download(*, export: Export, by: Person) -> Path:
    """Return the path of a written dataset to the person who asked for it, and keep that it was fetched."""
    if export.requested_by_id != by.pk:
        raise Refused(_("Only the person who asked for an export can fetch it."), code="permission.export")
    check(by, Permission.EXPORT)
    if export.includes_arms:
        check(by, Permission.ARM_VIEW)
    path = path_of(export)
    if export.state != ExportState.READY or not path.is_file():
        raise Refused(_("This export is not ready, or its file is gone. Ask for a new one."))
    audit.deed("export.downloaded", export, by=by, checksum=export.checksum)
    return path


def unfinished() -> list[int]:
    """Return the exports that were asked for and that nobody writes: lost messages and dead workers."""
    return list(Export.objects.filter(state=ExportState.REQUESTED).order_by("pk").values_list("pk", flat=True))


def path_of(export: Export) -> Path:
    """Return where the export's file lies; its name tells study, number and time, nothing else."""
    day = export.requested_at.strftime("%Y%m%d-%H%M%S")
    study = current_study()
    return Path(settings.MEDIA_ROOT) / "exports" / f"{study.code if study else 'study'}-{export.pk}-{day}.zip"


class LostLease(OSError):
    """Another worker took over; this one stops without a trace."""


def _still_ours(export_id: int, percent: int) -> None:
    if not leases.renew(WORK, export_id, min(99, percent)):
        raise LostLease("Another worker took over.")


@transaction.atomic
def _fail(export: Export, words: str) -> Export:
    export.state = ExportState.FAILED
    export.finished_at = clock.now()
    export.failure = words[:300]
    audit.save(export, by=None)
    audit.deed("export.failed", export, by=None)
    leases.release(WORK, export.pk, error="refused")
    return export
