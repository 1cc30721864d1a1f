"""Signs of life of worker and beat, written to Redis and read by `/healthz`.

A worker's main process says so at every Celery heartbeat (2 s, written at most each 5 s); the beat at each turn of its
loop (at most `CELERY_BEAT_MAX_LOOP_INTERVAL`, 10 s). They are lost with Redis and come back with it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import redis
from celery.beat import PersistentScheduler
from celery.signals import heartbeat_sent, worker_ready
from django.conf import settings

EVERY = 5.0  # seconds between two writes
LATE = 45.0  # seconds after which a service counts as down
_written: dict[str, float] = {}


def key(service: str) -> str:
    """The name of the Redis key of a service."""
    return f"stratum:heartbeat:{service}"


def client() -> redis.Redis:
    """A connection that gives up after `REDIS_TIMEOUT` seconds instead of holding who asks."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=settings.REDIS_TIMEOUT)


def beat(service: str) -> None:
    """Say that the service is alive now; a lost Redis is no reason to stop."""
    now = time.monotonic()
    if now - _written.get(service, float("-inf")) < EVERY:
        return
    _written[service] = now
    try:
        with client() as connection:
            connection.set(key(service), f"{time.time():.3f}", ex=int(LATE * 4))
    except redis.RedisError:
        pass


def ages(services: list[str]) -> dict[str, float | None]:
    """Seconds since each service was last alive, None when it never was. Raises redis.RedisError without Redis."""
    with client() as connection:
        said = connection.mget([key(service) for service in services])
    assert isinstance(said, list)
    now = time.time()
    return {
        service: None if text is None else max(0.0, now - float(text))
        for service, text in zip(services, said, strict=True)
    }


class Scheduler(PersistentScheduler):
    """Celery's scheduler, whose every turn is a sign of life."""

    def setup_schedule(self) -> None:
        """Take the schedule from the code of the rooms; the file only remembers when each entry last ran."""
        from config.schedule import schedule

        Path(self.schedule_filename).parent.mkdir(parents=True, exist_ok=True)
        self.app.conf.beat_schedule = schedule()
        super().setup_schedule()

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Send what is due and return the seconds until the next turn."""
        beat("beat")
        return super().tick(*args, **kwargs)


@worker_ready.connect
@heartbeat_sent.connect
def _worker_lives(**kwargs: Any) -> None:
    beat("worker")
