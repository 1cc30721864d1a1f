"""People who randomize at the same time, each with a connection and a session: they ask until they are answered."""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bench.server import TOKEN
from chaos.losses import DIE, HEADER, LOSE

PATIENCE = 120.0  # seconds that a client goes on asking for one participant
RETRIABLE = {502, 503, 504}
ANSWER_WITHIN = 30.0  # seconds


@dataclass(frozen=True)
class Job:
    """One participant to randomize; `lose` is what becomes of the first answer."""

    code: str
    lose: str = ""


@dataclass
class Told:
    """What the clients saw, all together."""

    answers: dict[str, set[tuple[int, str]]] = field(default_factory=dict)
    """Code → the distinct answers (number, arm) that anybody was given."""
    times: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    """How often each status came, and `cut` for a connection that broke."""
    retried: set[str] = field(default_factory=set)
    unanswered: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Participants for whom somebody was answered."""
        return len(self.answers)


class Clients:
    """So many threads, each a person at a site; `run` returns when every job is answered or given up."""

    def __init__(self, port: int, sessions: Sequence[tuple[int, str]], password: str, *, limit: float) -> None:
        """`sessions`: (site, session key) of each client. After `limit` seconds they give up."""
        self.port = port
        self.sessions = sessions
        self.body = json.dumps({"password": password}).encode()
        self.end = time.monotonic() + limit
        self.told = Told()
        self.lock = threading.Lock()

    def run(self, jobs: Mapping[int, Sequence[Job]]) -> Told:
        """Do the jobs of each site by the clients of that site."""
        waiting: dict[int, queue.SimpleQueue[Job]] = {}
        for site, listed in jobs.items():
            waiting[site] = queue.SimpleQueue()
            for job in listed:
                waiting[site].put(job)
        threads = [
            threading.Thread(target=self._work, args=(waiting[site], session), daemon=True)
            for site, session in self.sessions
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.told

    def _work(self, jobs: queue.SimpleQueue[Job], session: str) -> None:
        line = Line(self.port, session)
        while True:
            try:
                job = jobs.get_nowait()
            except queue.Empty:
                return
            self._ask_until_answered(line, job)

    def _ask_until_answered(self, line: Line, job: Job) -> None:
        end = min(time.monotonic() + PATIENCE, self.end)
        lose = job.lose
        pauses = deque([0.05, 0.1, 0.2, 0.4])
        while time.monotonic() < end:
            began = time.perf_counter()
            status, body = line.allocate(job.code, self.body, lose)
            with self.lock:
                self.told.outcomes[str(status) if status else "cut"] += 1
                if status == 200:
                    self.told.times.append(time.perf_counter() - began)
                    self.told.answers.setdefault(job.code, set()).add((body["number"], body["arm"]))
                    return
                self.told.retried.add(job.code)
                if status and status not in RETRIABLE:
                    self.told.unexpected.append(f"{job.code}: {status} {str(body)[:200]}")
                    if status < 500:
                        return
            if not status:
                lose = ""  # cut: as it was asked for, or by chance
            time.sleep(pauses.popleft() if pauses else 0.5)
        with self.lock:
            self.told.unanswered.append(job.code)


class Line:
    """A connection that is opened again whenever it broke."""

    def __init__(self, port: int, session: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_WITHIN)
        self.headers = {
            "Cookie": f"stratum_session={session}; stratum_csrf={TOKEN}",
            "X-CSRFToken": TOKEN,
            "Content-Type": "application/json",
        }

    def allocate(self, code: str, body: bytes, lose: str) -> tuple[int, Any]:
        """Ask once; (0, None) when the line broke before an answer was read."""
        headers = self.headers | ({HEADER: lose} if lose else {})
        try:
            self.connection.request("POST", f"/api/v1/participants/{code}/allocation/", body, headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            return 0, None
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text


def jobs_for(codes: Sequence[str], rng: Random, *, lost: int = 0) -> list[Job]:
    """One job per participant; one in twenty twice, for a second person at the same moment.

    `lost` answers are lost after the commit, every tenth of them (one at least) together with its process.
    """
    losing = rng.sample(range(len(codes)), lost)
    lose = dict.fromkeys(losing, LOSE) | dict.fromkeys(losing[: -(-lost // 10)], DIE)
    found = []
    for place, code in enumerate(codes):
        found.append(Job(code, lose.get(place, "")))
        if rng.random() < 0.05:
            found.append(Job(code))
    return found
