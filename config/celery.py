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


WORKER_NICENESS = 10
"""An export computes for minutes: it takes what people who save leave of the processors, and all when nobody does."""


@worker_init.connect
def _give_way(**kwargs: Any) -> None:
    """Let the worker and the processes that it forks stand behind the web processes."""
    os.nice(max(0, WORKER_NICENESS - os.nice(0)))


@worker_init.connect
@beat_init.connect
def _prepare(**kwargs: Any) -> None:
    """Refuse to start without secrets; hear the heartbeats."""
    from config import heartbeats  # noqa: F401  (its signal handlers)
    from config.checks import refuse_to_run_insecurely

    refuse_to_run_insecurely()
