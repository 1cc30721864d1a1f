"""What the eCRF does by itself: after a plan of source verification was published, its records are counted again."""

from __future__ import annotations

from celery import shared_task
from celery.schedules import crontab

from .actions import verifications


@shared_task(name="ecrf.recount_verification")
def recount_verification() -> int:
    """Count again what no longer agrees with plan and records; safe to run as often as one likes."""
    return verifications.recount()


SCHEDULE = {"ecrf-recount-verification": {"task": "ecrf.recount_verification", "schedule": crontab(minute="*/5")}}
