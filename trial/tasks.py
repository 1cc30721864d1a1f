"""What the trial does by itself: reminders fall due, and what is owed goes out. Each task only carries out rows."""

from __future__ import annotations

from celery import shared_task
from celery.schedules import crontab

from .actions import notices


@shared_task(name="trial.owe_reminders")
def owe_reminders() -> int:
    """Owe the reminders that are due today; safe to run as often as one likes. Returns how many are new."""
    return len(notices.owe_reminders())


@shared_task(name="trial.send_notices")
def send_notices() -> int:
    """Send what is owed, each message once; what another worker holds is left to it. Returns how many went out."""
    return notices.send_owed()


SCHEDULE = {
    "trial-reminders": {"task": "trial.owe_reminders", "schedule": crontab(minute="5,35")},
    "trial-notices": {"task": "trial.send_notices", "schedule": 60.0},
}
