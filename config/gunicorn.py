"""How gunicorn serves Stratum: a few processes, each with a few threads.

A process computes in one thread at a time; others are of use while it waits for the database. With more of them than
that each request waits longer, and two cores do less: 24 senders had 42 whole forms saved a second by two processes of
8 threads, 45 with 4, 44 to 52 with 3 and 52 to 54 with 2 (medians of rounds in turn). A reverse proxy that takes in
slow requests and hands out slow answers by itself keeps the threads free (`deploy/Caddyfile`).
"""

import gc
import logging
import os
import tempfile
from typing import Any

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "3"))
worker_class = "gthread"
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()  # noqa: S108
timeout = 60
graceful_timeout = 10
keepalive = 5
max_requests = 20_000
max_requests_jitter = 2_000
preload_app = True  # the code is loaded once and shared
control_socket_disable = True  # it would be shared by every checkout of this person
accesslog = None  # an access line holds addresses of participants' pages; the ledger says who read what
errorlog = "-"
loglevel = os.environ.get("LOG_LEVEL", "info").lower()


def when_ready(server: Any) -> None:
    """Compile the study before the first process is forked: each has it from its first request, after a crash too.

    A database that is away, or empty, is no reason not to start: the first request asks again.
    """
    from django.db import DatabaseError, connections

    from trial.definitions import current_study, definition_of, latest_version

    try:
        if current_study() is not None:
            definition_of(latest_version().pk)
    except DatabaseError:
        logging.getLogger(__name__).warning("The study is not compiled yet: the database does not answer.")
    finally:
        connections.close_all()  # a forked process must never share a connection
    gc.collect()
    gc.freeze()  # what stands now stays: not walked through again at each collection, and shared between the processes
