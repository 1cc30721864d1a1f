"""/healthz says which service is missing, and nothing else."""

from __future__ import annotations

import time

import pytest
from django.db import connections

from config import heartbeats
from config.services.processes import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture
def alive(redis, monkeypatch):
    monkeypatch.setattr(heartbeats, "_written", {})
    heartbeats.beat("worker")
    heartbeats.beat("beat")


def statuses(client) -> tuple[int, dict[str, str]]:
    answer = client.get("/healthz")
    body = answer.json()
    return answer.status_code, {name: line["status"] for name, line in body.items() if name != "status"}


def test_all_up(client, alive) -> None:
    assert statuses(client) == (200, {"database": "up", "redis": "up", "worker": "up", "beat": "up"})


def test_one_line_per_service(client, alive) -> None:
    lines = client.get("/healthz").content.decode().splitlines()
    assert [line.split('"')[1] for line in lines[1:-1]] == ["status", "database", "redis", "worker", "beat"]


@pytest.mark.parametrize("service", ["worker", "beat"])
def test_never_seen_is_down(client, alive, redis, service: str) -> None:
    redis.delete(heartbeats.key(service))
    code, found = statuses(client)
    assert code == 503
    assert [name for name, status in found.items() if status == "down"] == [service]


@pytest.mark.parametrize("service", ["worker", "beat"])
def test_late_is_down(client, alive, redis, service: str) -> None:
    redis.set(heartbeats.key(service), f"{time.time() - heartbeats.LATE - 1:.3f}")
    code, found = statuses(client)
    assert code == 503
    assert found[service] == "down"


def test_without_redis_the_answer_comes_quickly(client, alive, settings) -> None:
    settings.REDIS_URL = "unix:///nonexistent/redis.sock?db=0"
    began = time.monotonic()
    assert statuses(client) == (503, {"database": "up", "redis": "down", "worker": "down", "beat": "down"})
    assert time.monotonic() - began < 3


@pytest.mark.django_db(transaction=True)
def test_without_database(client, alive) -> None:
    settings = connections["default"].settings_dict
    name = settings["NAME"]
    connections.close_all()
    settings["NAME"] = "there_is_no_such_database"
    try:
        code, found = statuses(client)
    finally:
        connections.close_all()
        settings["NAME"] = name
    assert code == 503
    assert found == {"database": "down", "redis": "up", "worker": "up", "beat": "up"}


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_nothing_but_reading(client, method: str) -> None:
    assert getattr(client, method)("/healthz").status_code == 405


def test_a_lost_redis_does_not_stop_a_heartbeat(settings, monkeypatch) -> None:
    monkeypatch.setattr(heartbeats, "_written", {})
    settings.REDIS_URL = "unix:///nonexistent/redis.sock?db=0"
    heartbeats.beat("worker")


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_gives_signs_of_life(worker, redis) -> None:
    assert wait_until(lambda: heartbeats.ages(["worker"])["worker"] is not None, seconds=20, every=0.2)
