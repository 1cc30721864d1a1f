"""What came of it: every allocation against the list made again from its seed, the answers and the ledger."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from audit.models import Deed, Signature
from chaos.clients import Told
from randomization import verification
from randomization.algorithms import ALGORITHMS, ArmRatio
from randomization.models import Allocation, AllocationList
from trial.models import Notice, Participant, Status, StatusChange, StatusKind, Visit


@dataclass(frozen=True)
class Given:
    """One allocation as the database holds it."""

    code: str
    number: int
    stratum: str
    position: int
    arm: str


@dataclass
class Verdict:
    """Counts of what must be none, and how many allocations there are; `words` name the first of each."""

    allocations: int = 0
    missing: int = 0
    duplicates: int = 0
    holes: int = 0
    out_of_order: int = 0
    against_replay: int = 0
    half_done: int = 0
    other_answers: int = 0
    verification: int = 0
    words: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.words

    def say(self, what: str, count: int, examples: Iterable[object]) -> int:
        """Keep the words for a count that should be nought."""
        if count:
            self.words.append(f"{what}: {count}, as {', '.join(str(e) for e in list(examples)[:5])}")
        return count


def judge(
    allocation_list: AllocationList, seed: bytes, block_sizes: tuple[int, ...], codes: Collection[str]
) -> Verdict:
    """Judge the allocations of a list that was made from this seed, given the codes that had to be allocated."""
    given = _given(allocation_list)
    found = Verdict(allocations=len(given))
    held = {each.code for each in given}
    missing = sorted(set(codes) - held)
    found.missing = found.say("not allocated", len(missing), missing)

    twice = [code for code, count in Counter(each.code for each in given).items() if count > 1]
    twice += [str(key) for key, count in Counter((g.stratum, g.position) for g in given).items() if count > 1]
    twice += [str(number) for number, count in Counter(each.number for each in given).items() if count > 1]
    found.duplicates = found.say("duplicates", len(twice), twice)

    strata: dict[str, list[Given]] = defaultdict(list)
    for each in given:  # in the order of their numbers
        strata[each.stratum].append(each)
    holes = [f"{s} {p}" for s, own in strata.items() for p in _lacking([g.position for g in own])]
    holes += [f"number {number}" for number in _lacking([each.number for each in given])]
    found.holes = found.say("holes", len(holes), holes)

    wrong_order, wrong_arm = [], []
    algorithm = ALGORITHMS[allocation_list.algorithm]
    arms = [ArmRatio(arm, share) for arm, share in allocation_list.arms.items()]
    for stratum, turns in strata.items():
        replay = algorithm.generate(seed, stratum, arms, block_sizes, allocation_list.slots_per_stratum)
        for turn, allocation in enumerate(turns):
            if allocation.position != turn + 1:
                wrong_order.append(f"{stratum} {allocation.position}")
            if allocation.arm != replay[turn].arm:
                wrong_arm.append(f"{stratum} {turn + 1}")
    found.out_of_order = found.say("out of order", len(wrong_order), wrong_order)
    found.against_replay = found.say("against the replay", len(wrong_arm), wrong_arm)

    half = list(_half_done(held))
    found.half_done = found.say("half done", len(half), half)
    troubles = verification.verify(allocation_list).troubles
    found.verification = found.say("verify_list", len(troubles), troubles)
    return found


def hold_against(verdict: Verdict, allocation_list: AllocationList, told: Told, lost: Iterable[str]) -> int:
    """Compare what the clients were told, and what they were not because it was lost, with what the database holds.

    Returns how many lost answers there were.
    """
    held = {each.code: (each.number, each.arm) for each in _given(allocation_list)}
    others = [code for code, answers in told.answers.items() if answers != {held.get(code)}]
    count = 0
    for line in lost:
        answer = json.loads(line)
        count += 1
        if held.get(answer["participant"]) != (answer["number"], answer["arm"]):
            others.append(answer["participant"])
    verdict.other_answers += verdict.say("answered otherwise than it is", len(others), others)
    return count


def _given(allocation_list: AllocationList) -> list[Given]:
    rows = Allocation.objects.filter(allocation_list=allocation_list).order_by("number", "pk")
    return [
        Given(*row) for row in rows.values_list("participant__code", "number", "slot__stratum", "slot__position", "arm")
    ]


def _lacking(numbers: list[int]) -> list[int]:
    """What lacks of 1, 2, 3 … up to the largest."""
    return sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers))


def _half_done(held: set[str]) -> Iterable[str]:
    """Participants for whom a part of an allocation stands without the rest, or stands twice."""
    parts = {
        "status": Participant.objects.filter(status=Status.RANDOMIZED).values_list("code", flat=True),
        "pathway": Participant.objects.exclude(pathway="").values_list("code", flat=True),
        "dated status": StatusChange.objects.filter(kind=StatusKind.RANDOMIZED, reversed_at=None).values_list(
            "participant__code", flat=True
        ),
        "signature": Signature.objects.filter(meaning="randomization").values_list("participant_code", flat=True),
        "ledger": Deed.objects.filter(verb="participant.randomized").values_list("participant_code", flat=True),
    }
    for name, codes in parts.items():
        counted = Counter(codes)
        for code in held | set(counted):
            if counted[code] != (code in held):
                yield f"{code} {name} {counted[code]}"
    planned = set(Visit.objects.filter(order__gt=1).values_list("participant__code", flat=True).distinct())
    owed = set(Notice.objects.filter(kind="randomized").values_list("participant__code", flat=True).distinct())
    for name, found in (("visits", planned), ("notices", owed)):
        for code in held ^ found:
            yield f"{code} {name}"
