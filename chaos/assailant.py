"""What happens to a server on a bad day: processes die at random moments, the database restarts and crashes."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from random import Random

import psutil

from bench.web import Web
from chaos.clients import Clients
from config.services.postgres import Postgres
from config.services.processes import stop_group

STALLED = 10.0  # seconds


class Assailant:
    """Runs beside the clients; `counts` says what it did.

    A web process is killed `kills` times: after a random number of allocations (or a while without any, so that a
    server that cannot get on is not left alone) and then a random moment. At a quarter of `total` PostgreSQL is
    restarted as an administrator would, at half the web server is killed whole and started again, at three quarters
    PostgreSQL is cut off as by a power cut.
    """

    def __init__(self, web: Web, postgres: Postgres, clients: Clients, total: int, kills: int, rng: Random) -> None:
        self.web = web
        self.postgres = postgres
        self.clients = clients
        self.total = total
        self.step = max(total // kills, 1)
        self.rng = rng
        self.counts: Counter[str] = Counter()
        self.errors: list[BaseException] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Assailant:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._thread.join(120)

    def _run(self) -> None:
        try:
            quarter = self.total / 4
            plan = [
                (quarter, self.restart_database),
                (2 * quarter, self.kill_server),
                (3 * quarter, self.crash_database),
            ]
            wanted, since = self._next(), time.monotonic()
            while not self._over.wait(self.rng.uniform(0.001, 0.05)):
                done = self.clients.told.done
                if plan and done >= plan[0][0]:
                    plan.pop(0)[1]()
                    since = time.monotonic()
                elif done >= wanted or time.monotonic() - since > STALLED:
                    self.kill_worker()
                    wanted, since = self._next(), time.monotonic()
        except BaseException as error:
            self.errors.append(error)

    def _next(self) -> int:
        """After how many allocations the next process dies."""
        return self.clients.told.done + self.rng.randint(1, 2 * self.step)

    def kill_worker(self) -> None:
        """SIGKILL for one of the web processes; gunicorn starts another."""
        with suppress(psutil.Error):
            workers = psutil.Process(self.web.pid).children()
            if workers:
                self.rng.choice(workers).kill()
                self.counts["worker"] += 1

    def kill_server(self) -> None:
        """SIGKILL for gunicorn and all its processes at once; it is started again, as a supervisor would."""
        self.web.kill()
        self.web.start()
        self.counts["server"] += 1

    def restart_database(self) -> None:
        """A fast shutdown: what runs is rolled back, every connection is closed."""
        self.postgres.stop()
        self.postgres.start()
        self.web.watch.add(self.postgres.pid or 0, signal.SIGINT)  # it ends with us, should we be killed
        self.counts["restart"] += 1

    def crash_database(self) -> None:
        """An immediate shutdown, without a checkpoint: what was committed comes back from the log."""
        assert self.postgres.process is not None
        stop_group(self.postgres.process.pid, [(signal.SIGQUIT, 10), (signal.SIGKILL, 5)])
        self.postgres.process.wait()
        self.postgres.process = None
        self.postgres.start()
        self.web.watch.add(self.postgres.pid or 0, signal.SIGINT)  # it ends with us, should we be killed
        self.counts["crash"] += 1
