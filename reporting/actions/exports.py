"""Exports: asked for by a person, written by a task, fetched by the person who asked; each step in the ledger."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from audit.publishing import publish
from trial import leases
from trial.definitions import current_study
from trial.models import Lease, Person
from trial.permissions import Permission, access_of, check

from ..heartbeat import Heartbeat, LostLease
from ..models import Export, ExportState
from ..snapshot import snapshot
from ..writers import Written, write_csv, zip_folder

log = logging.getLogger(__name__)
WORK = "export"
FORMATS = ("csv",)


@transaction.atomic
def request(*, by: Person, includes_arms: bool = False, format: str = "csv") -> Export:
    """Ask for a dataset of the participants whose data the person may export; a worker writes it.

    Arms (and every form, visit and item that would tell them) are in it only if the person may see arms.
    """
    from ..tasks import carry_out_export

    _check_may_hold(by, includes_arms)
    if format not in FORMATS:
        raise Refused(_("This format is not offered."))
    export = audit.save(
        Export(format=format, requested_by=by, requested_at=clock.now(), includes_arms=includes_arms), by=by
    )
    audit.deed("export.requested", export, by=by, format=format, includes_arms=includes_arms)
    publish(carry_out_export, export.pk)
    return export


def carry_out(export_id: int) -> Export | None:
    """Write a requested dataset; None when another worker has it or it is already written.

    The file is complete under its final name or not there at all. Reading happens in one read-only snapshot; progress
    and lease are written beside it, on another connection. A crash leaves the row for the next worker.
    """
    export = Export.objects.select_related("requested_by").get(pk=export_id)
    if export.state != ExportState.REQUESTED or not leases.claim(WORK, export_id):
        return None
    try:
        with translation.override(export.requested_by.locale):
            _check_may_hold(export.requested_by, export.includes_arms)
    except Refused as refused:
        return _fail(export_id, str(refused))
    try:
        with _scratch(export) as scratch, Heartbeat(WORK, export_id) as beat:
            written = _write(export, Path(scratch), beat)
            return _finish(export_id, Path(scratch) / PACKED, written)
    except LostLease:
        log.warning("Export %s went to another worker.", export_id)
        return None
    except Exception as error:
        leases.release(WORK, export_id, error=type(error).__name__)
        if give_up(export_id):
            log.exception("Export %s was given up.", export_id)
            return Export.objects.get(pk=export_id)
        raise


PACKED = "packed.zip"


def _write(export: Export, scratch: Path, beat: Heartbeat) -> Written:
    access = access_of(export.requested_by)
    study = current_study()
    folder = scratch / "data"
    with snapshot():
        written = write_csv(
            folder,
            sites=access.sites(Permission.EXPORT),
            arm_sites=access.sites(Permission.ARM_VIEW),
            includes_arms=export.includes_arms,
            simulated=bool(study and study.is_simulated),
            progress=beat.report,
        )
    written.checksum, written.size = zip_folder(folder, scratch / PACKED, beat.report)
    return written


def _finish(export_id: int, packed: Path, written: Written) -> Export | None:
    """Put the file in its place and say so, in one step that only the holder of the lease can take."""
    with transaction.atomic():
        if not leases.renew(WORK, export_id, 99):  # locks the lease: nobody takes over before the commit
            raise LostLease("Another worker took over.")
        export = Export.objects.select_for_update(no_key=True, of=("self",)).get(pk=export_id)
        if export.state != ExportState.REQUESTED:
            return None
        target = path_of(export)
        packed.replace(target)
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
    _check_may_hold(by, export.includes_arms)
    path = path_of(export)
    if export.state != ExportState.READY or not path.is_file():
        raise Refused(_("This export is not ready, or its file is gone. Ask for a new one."))
    audit.deed("export.downloaded", export, by=by, checksum=export.checksum, includes_arms=export.includes_arms)
    return path


def unfinished() -> list[int]:
    """Return the exports that were asked for and that are not written: waiting, being written, or lost on the way."""
    return list(Export.objects.filter(state=ExportState.REQUESTED).order_by("pk").values_list("pk", flat=True))


def sweep() -> int:
    """Write what was asked for and lost on the way (a message, a worker); give up what was tried too often.

    Returns how many were written. One that fails does not keep the others waiting.
    """
    done = 0
    for export_id in unfinished():
        try:
            written = carry_out(export_id)
        except Exception:
            log.exception("Export %s failed and will be tried again.", export_id)
            continue
        if written is not None and written.state == ExportState.READY:
            done += 1
        elif written is None:
            give_up(export_id)
    return done


def give_up(export_id: int) -> bool:
    """Close an export that was tried as often as may be and that nobody holds; tells whether it did."""
    spent = Lease.objects.filter(work=WORK, target_id=export_id, attempts__gte=leases.MAX_ATTEMPTS)
    if not any(lease.leased_until is None or lease.leased_until < timezone.now() for lease in spent):
        return False
    export = Export.objects.select_related("requested_by").get(pk=export_id)
    if export.state != ExportState.REQUESTED:
        return False
    with translation.override(export.requested_by.locale):
        _fail(export_id, _("The dataset could not be written. Ask the administrator."))
    return True


def path_of(export: Export) -> Path:
    """Return where the export's file lies; its name tells study, number and time, nothing else."""
    moment = export.requested_at.strftime("%Y%m%d-%H%M%S")
    study = current_study()
    return _folder() / f"{study.code if study else 'study'}-{export.pk}-{moment}.zip"


def _folder() -> Path:
    folder = Path(settings.MEDIA_ROOT) / "exports"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _scratch(export: Export) -> tempfile.TemporaryDirectory[str]:
    """Make a folder to write in, beside the final place; what a killed worker left of this export is removed."""
    prefix = f".writing-{export.pk}-"
    for left in _folder().glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    return tempfile.TemporaryDirectory(dir=_folder(), prefix=prefix, ignore_cleanup_errors=True)


def _check_may_hold(person: Person, includes_arms: bool) -> None:
    check(person, Permission.EXPORT)
    if includes_arms:
        check(person, Permission.ARM_VIEW)


def _fail(export_id: int, words: str) -> Export:
    with transaction.atomic():
        export = Export.objects.select_for_update(no_key=True, of=("self",)).get(pk=export_id)
        if export.state == ExportState.REQUESTED:
            export.state = ExportState.FAILED
            export.finished_at = clock.now()
            export.failure = words[:300]
            audit.save(export, by=None)
            audit.deed("export.failed", export, by=None)
    leases.release(WORK, export_id, error="failed")
    return export
