"""The one way from a committed change to a Celery task: after the commit, and never at its cost."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction

logger = logging.getLogger(__name__)


def publish(task: Any, *args: Any) -> None:
    """Ask a worker to run the Celery task with these arguments once the running transaction has committed.

    The arguments are ids: they travel through Redis and its logs. What the task is to do must already be a row, for
    a message may be lost (Redis down, worker killed) or come twice; a failure to send is logged, nothing is raised,
    and the sweeper of that row's kind finds it later. Outside a transaction the message goes at once.
    """

    def send() -> None:
        try:
            task.delay(*args)
        except Exception:
            if task.app.conf.task_always_eager:  # the task itself failed, in place: not a matter of sending
                raise
            logger.warning("The task %s could not be sent; the sweeper will find its row.", task.name)

    transaction.on_commit(send, robust=True)
