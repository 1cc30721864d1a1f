import time, statistics, collections, re
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from randomization.actions import allocations
from tests.cast import PASSWORD, Cast
from django.contrib.auth.hashers import get_hasher

pytestmark = pytest.mark.django_db


def test_speed(cast, monkeypatch, settings):
    ps = [cast.eligible() for _ in range(12)]
    t = time.perf_counter()
    made = cast.small_list(640)
    print("list", made.slots_total, time.perf_counter() - t)
    monkeypatch.setattr(type(cast.theo_coordinator), "check_password", lambda self, p: True)
    times = []
    for p in ps[:10]:
        a = time.perf_counter()
        allocations.allocate(participant=p, password="x", by=cast.theo_coordinator)
        times.append(time.perf_counter() - a)
    print("median ms", 1000 * statistics.median(times), [round(1000 * t, 1) for t in times])
    with CaptureQueriesContext(connection) as q:
        allocations.allocate(participant=ps[10], password="x", by=cast.theo_coordinator)
    print(len(q))
    for x in q.captured_queries:
        print(x["time"], x["sql"][:190])
    import cProfile, pstats

    pr = cProfile.Profile()
    pr.enable()
    allocations.allocate(participant=ps[11], password="x", by=cast.theo_coordinator)
    pr.disable()
    pstats.Stats(pr).sort_stats("cumtime").print_stats(45)
