"""Tasks of the reporting room: a task only carries out what is already a row."""

from __future__ import annotations

from celery import shared_task

from .actions import exports

SCHEDULE = {"exports-sweep": {"task": "reporting.tasks.sweep_exports", "schedule": 60.0}}


@shared_task(name="reporting.tasks.carry_out_export")
def carry_out_export(export_id: int) -> None:
    """Write one requested export."""
    exports.carry_out(export_id)


@shared_task(name="reporting.tasks.sweep_exports")
def sweep_exports() -> None:
    """Write what was asked for and lost on the way: a message, or a worker."""
    exports.sweep()
