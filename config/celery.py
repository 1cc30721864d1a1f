"""The Celery application of worker and beat, and the schedule of what runs by itself."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("stratum")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@beat_init.connect
def _prepare(**kwargs: Any) -> None:
    """Refuse to start without secrets; hear the heartbeats."""
    from config import heartbeats  # noqa: F401  (its signal handlers)
    from config.checks import refuse_to_run_insecurely

    refuse_to_run_insecurely()
