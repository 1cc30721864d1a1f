"""`make chaos`: the smallest run of it, with everything that breaks; and a verdict that sees what is wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from chaos.clients import Told
from chaos.verdict import hold_against, judge
from config.services.bundle import ROOT
from tests import harness
from tests.cast import Cast

SEED = bytes(range(32))


def test_the_smallest_run_breaks_everything_once_and_finds_nothing_wrong(services: None, tmp_path: Path) -> None:
    """RAND-090: two web processes, killed, with PostgreSQL restarted and crashed, and answers lost after the commit."""
    out = tmp_path / "chaos.json"
    with tempfile.TemporaryDirectory(prefix="chaos-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the server's account walks through
        harness.kept_cluster(folder)
        done = subprocess.run(
            [sys.executable, "-m", "chaos", "--quick", "--out", str(out), "--folder", str(folder)],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=400,
        )  # fmt: skip
        shutil.rmtree(folder / "postgres", ignore_errors=True)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-2_000:]
    found = {row["name"]: row for row in json.loads(out.read_text())}
    assert all(set(row) == {"name", "value", "unit", "aim", "ok"} for row in found.values())
    assert found["under fault: allocations in all"]["value"] == 24
    for what in ("web processes killed", "web server killed whole", "PostgreSQL restarted", "PostgreSQL crashed"):
        assert found[f"under fault: {what}"]["value"] >= 1
    assert found["under fault: answers lost after the commit"]["value"] >= 1
    for what in ("duplicates", "holes", "other arm than in the replay", "half done", "answered otherwise than it is"):
        assert found[f"in peace: {what}"]["value"] == found[f"under fault: {what}"]["value"] == 0


@pytest.mark.django_db
def test_the_verdict_names_what_is_wrong(cast: Cast) -> None:
    """RAND-091: a verdict that could not fail would prove nothing."""
    from randomization.actions import lists

    drafted = lists.draft(version=cast.version, block_sizes=(4, 6), by=cast.stella_statistician, seed=SEED)
    used = lists.put_into_use(allocation_list=cast.approved_list(drafted), by=cast.ursula_statistician)
    allocation = cast.allocate(cast.eligible())
    code = allocation.participant.code
    right = Told(answers={code: {(1, allocation.arm)}})

    verdict = judge(used, SEED, (4, 6), [code])
    assert hold_against(verdict, used, right, []) == 0
    assert verdict.is_clean, verdict.words

    verdict = judge(used, SEED, (4, 6), [code, "01-999"])
    assert (verdict.missing, verdict.is_clean) == (1, False)

    other_seeds = [judge(used, bytes([number]) * 32, (4, 6), [code]).against_replay for number in range(8)]
    assert 0 < sum(other_seeds) < 8, "by chance, another list begins with the same arm half of the time"

    verdict = judge(used, SEED, (4, 6), [code])
    answer = json.dumps({"participant": code, "number": 2, "arm": allocation.arm})
    assert hold_against(verdict, used, right, [answer]) == 1
    assert (verdict.other_answers, verdict.is_clean) == (1, False)
