"""The two parts, in peace and under fault, and the measures of both."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from django.db import connections

from bench.measures import Measure, at_least, at_most
from bench.multiply import multiply
from bench.stage import Stage
from bench.web import Web
from chaos.assailant import Assailant
from chaos.clients import Clients, Job, Told, jobs_for
from chaos.losses import NOTES
from chaos.verdict import Verdict, hold_against, judge
from config.services import Services
from randomization.actions import lists
from randomization.models import AllocationList
from trial.models import Participant, Person, Role, Site

SEED = bytes(range(32))  # of the list: known here, so that it can be replayed without its key
BLOCK_SIZES = (4, 6)


class Chaos:
    """One run over services of its own; `words` are what is wrong, empty when nothing is."""

    def __init__(
        self, services: Services, size: dict[str, int], folder: Path, *, seed: int, tell: Callable[[str], None]
    ) -> None:
        assert services.postgres is not None
        self.services = services
        self.postgres = services.postgres
        self.size = size
        self.notes = folder / "lost-answers"
        self.folder = folder
        self.rng = Random(seed)
        self.tell = tell
        self.words: list[str] = []

    def run(self) -> list[Measure]:
        """Set the stage, allocate twice, judge twice."""
        began = time.monotonic()
        count = self.size["allocations"]
        stage = Stage()
        sites = self._sites(stage, self.size["sites"])
        clients = self._people(stage, sites, self.size["clients"])
        sessions = [(site.pk, stage.session_of(person)) for site, person in clients]
        self.tell("participants who are eligible, by the actions …")
        originals = [stage.eligible() for _ in range(self.size["originals"])]
        for original in originals:
            stage.stands_apart(original)
        used = self._list(stage)
        self.tell(f"{2 * count:,} copies of them …")
        codes = multiply(originals, 2 * count, sites)
        self.tell(f"ready after {time.monotonic() - began:.0f} s")
        site_of = dict(Participant.objects.filter(code__in=codes).values_list("code", "site_id"))
        web = Web({NOTES: str(self.notes)}, self.folder)
        web.start()
        first, second = codes[:count], codes[count:]
        try:
            found = self._part("in peace", web, sessions, stage, used, first, first, site_of, faults=False)
            found += self._part("under fault", web, sessions, stage, used, second, codes, site_of, faults=True)
        finally:
            web.stop()
        return found

    def _sites(self, stage: Stage, count: int) -> list[Site]:
        numbers = [f"{number:02d}" for number in range(11, 11 + count)]
        return [stage._site(number, f"Centre {number}", "Caen") for number in numbers]

    def _people(self, stage: Stage, sites: Sequence[Site], count: int) -> list[tuple[Site, Person]]:
        found = []
        for number in range(count):
            site = sites[number % len(sites)]
            found.append(
                (site, stage._person(f"Client{number}", "Coordinator", Role.COORDINATOR, site, may_randomize=True))
            )
        return found

    def _list(self, stage: Stage) -> AllocationList:
        drafted = lists.draft(version=stage.version, block_sizes=BLOCK_SIZES, by=stage.stella_statistician, seed=SEED)
        return lists.put_into_use(allocation_list=stage.approved_list(drafted), by=stage.ursula_statistician)

    def _part(
        self,
        name: str,
        web: Web,
        sessions: Sequence[tuple[int, str]],
        stage: Stage,
        used: AllocationList,
        codes: Sequence[str],
        so_far: Sequence[str],
        site_of: dict[str, int],
        *,
        faults: bool,
    ) -> list[Measure]:
        """One part: `codes` are to be allocated in it, `so_far` are all that must be when it ends."""
        jobs: dict[int, list[Job]] = defaultdict(list)
        for job in jobs_for(codes, self.rng, lost=self.size["lost"] if faults else 0):
            jobs[site_of[job.code]].append(job)
        connections.close_all()
        self.tell(f"{len(codes):,} allocations by {len(sessions)} clients, {name} …")
        clients = Clients(web.port, sessions, stage.PASSWORD, limit=self.size["limit"])
        began = time.monotonic()
        if faults:
            kills = self.size["kills"]
            with Assailant(web, self.postgres, clients, len(codes), kills, self.rng) as assailant:
                told = clients.run(jobs)
            self.words += [f"{name}: {error!r}" for error in assailant.errors]
        else:
            told = clients.run(jobs)
        taken = time.monotonic() - began
        self.tell(f"judging {len(so_far):,} allocations …")
        verdict = judge(used, SEED, BLOCK_SIZES, so_far)
        lost = self.notes.read_text().splitlines() if self.notes.exists() else []
        hold_against(verdict, used, told, lost)
        verdict.say("not answered", len(told.unanswered), told.unanswered)
        if verdict.say("answered with an error", len(told.unexpected), told.unexpected):
            self.words += [
                f"{name}: {line}" for line in web.log.read_text(errors="replace").splitlines() if "Traceback" in line
            ][-3:]
        self.words += [f"{name}: {line}" for line in verdict.words]
        found = list(_measures(name, verdict, told, len(codes), len(so_far), taken))
        if faults:
            counts = assailant.counts
            found += [
                at_least(f"{name}: web processes killed", counts["worker"], "times", 1),
                at_least(f"{name}: web server killed whole", counts["server"], "times", 1),
                at_least(f"{name}: PostgreSQL restarted", counts["restart"], "times", 1),
                at_least(f"{name}: PostgreSQL crashed", counts["crash"], "times", 1),
                at_least(f"{name}: answers lost after the commit", len(lost), "answers", 1),
                at_least(f"{name}: participants asked for again", len(told.retried), "participants", 1),
                at_most(f"{name}: connections cut", told.outcomes["cut"], "times"),
                at_most(f"{name}: answered “try again” (503)", told.outcomes["503"], "times"),
            ]
        return found


def _measures(name: str, verdict: Verdict, told: Told, count: int, so_far: int, taken: float) -> Sequence[Measure]:
    return [
        at_least(f"{name}: allocations in all", verdict.allocations, "allocations", so_far),
        at_most(f"{name}: duplicates", verdict.duplicates, "allocations", 0),
        at_most(f"{name}: holes", verdict.holes, "slots", 0),
        at_most(f"{name}: out of order within their stratum", verdict.out_of_order, "allocations", 0),
        at_most(f"{name}: other arm than in the replay", verdict.against_replay, "allocations", 0),
        at_most(f"{name}: not allocated", verdict.missing, "participants", 0),
        at_most(f"{name}: half done", verdict.half_done, "participants", 0),
        at_most(f"{name}: named by verify_list", verdict.verification, "troubles", 0),
        at_most(f"{name}: answered otherwise than it is", verdict.other_answers, "answers", 0),
        at_most(f"{name}: not answered", len(told.unanswered), "participants", 0),
        at_most(f"{name}: answered with an error", len(told.unexpected), "times", 0),
        at_least(f"{name}: allocations", count / taken, "per second"),
        at_most(f"{name}: an answer", statistics.median(told.times) * 1_000 if told.times else 0, "ms (median)"),
    ]
