"""The report of a simulation as PDF and by command: who may, what is told, and that no parameter is written."""

from __future__ import annotations

import json
import re
import stat
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from audit.models import Deed
from randomization.actions import lists, simulations
from randomization.simulation import PermutedBlocks, Report, Simple
from reporting.management.commands import randomization_report
from tests.cast import Cast
from trial.models import Version

pytestmark = pytest.mark.django_db
PAGE = "/randomization/simulation/"


def run(*words: object) -> str:
    out = StringIO()
    call_command("randomization_report", *map(str, words), stdout=out)
    return out.getvalue()


def compared(cast: Cast) -> Report:
    return simulations.compare(
        version=cast.version, schemes=[PermutedBlocks((38, 74)), Simple()], trials=20, by=cast.stella_statistician
    )


def test_the_page_carries_its_report_sealed_to_the_pdf(cast: Cast) -> None:
    """RND-SIM-81: for the same person only, unchanged; the print is told with the digest."""
    report = compared(cast)
    sealed = simulations.seal_report(report, by=cast.stella_statistician)
    assert "permuted" not in sealed and "histogram" not in sealed
    client = cast.client_of(cast.stella_statistician)
    answer = client.post(f"{PAGE}report.pdf", {"sealed": sealed})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    assert answer.content.startswith(b"%PDF") and report.digest[:8] in answer["Content-Disposition"]
    assert Deed.objects.get(verb="list.simulation_printed").details == {"digest": report.digest}

    changed = sealed[:-9] + ("A" if sealed[-9] != "A" else "B") + sealed[-8:]
    for wrong in ("", "nonsense", changed):
        assert client.post(f"{PAGE}report.pdf", {"sealed": wrong}).status_code == 422
    assert cast.client_of(cast.ursula_statistician).post(f"{PAGE}report.pdf", {"sealed": sealed}).status_code == 422
    for person in (cast.bruno_blinded, cast.aude_auditor, cast.theo_coordinator, cast.paul_sponsor):
        assert cast.client_of(person).post(f"{PAGE}report.pdf", {"sealed": sealed}).status_code == 403
    assert client.get(f"{PAGE}report.pdf").status_code == 405


def test_the_report_of_a_list_is_printed_for_those_who_may(cast: Cast) -> None:
    """RND-SIM-82: the newest report, with its digest; in French too; others are refused; without one, not found."""
    made = lists.draft(version=cast.version, block_sizes=(4, 6), by=cast.stella_statistician)
    page = f"/randomization/{made.pk}/simulation.pdf"
    client = cast.client_of(cast.ursula_statistician)
    assert client.get(page).status_code == 404
    row = simulations.simulate_list(allocation_list=made, by=cast.stella_statistician, trials=20)
    client.post("/language/", {"language": "fr", "next": "/"})
    answer = client.get(page)
    assert answer.status_code == 200 and answer.content.startswith(b"%PDF")
    assert row.digest[:8] in answer["Content-Disposition"]
    for person in (cast.bruno_blinded, cast.aude_auditor, cast.adam_admin):
        assert cast.client_of(person).get(page).status_code == 403


def test_the_command_prints_and_writes_the_same_report(cast: Cast, tmp_path: Path) -> None:
    """RND-SIM-83: a given seed gives the same digest; files for their owner alone; the ledger tells the digest."""
    assert cast.version
    out = tmp_path / "out"
    said = run("--trials", 20, "--seed", "2a", "--schemes", "permuted_blocks,simple,big_stick", "--out", out)
    assert "Probability of a correct guess" in said and "1. Permuted blocks · in each stratum" in said
    assert "Minimization" not in said
    digest = re.search(r"SHA-256\): ([0-9a-f]{64})", said)
    assert digest is not None
    (written,) = out.glob("*.json")
    kept = json.loads(written.read_text())
    assert kept["digest"] == digest.group(1) == Report(kept["report"]).digest
    assert int(kept["report"]["seed"], 16) == 42 and kept["report"]["setting"]["participants"] == 114
    (document,) = out.glob("*.pdf")
    assert document.read_bytes().startswith(b"%PDF")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (written, document)} == {0o600}
    again = run("--trials", 20, "--seed", "2a", "--schemes", "permuted_blocks,simple,big_stick")
    assert digest.group(1) in again
    assert [deed.details["digest"] for deed in Deed.objects.filter(verb="list.schemes_compared")] == [
        digest.group(1)
    ] * 2


def test_parameters_come_from_a_file_and_are_written_nowhere(cast: Cast, tmp_path: Path) -> None:
    """RND-SIM-84: neither output, file nor ledger holds them; a fault names the parameter alone."""
    assert cast.version
    path = tmp_path / "parameters.json"
    path.write_text(
        json.dumps(
            {"block_sizes": [[38, 74]], "bias": 0.7319402713, "weights": {"ici": 7.3105548291, "site": 3.1763920157}}
        )
    )
    said = run("--trials", 20, "--parameters", path, "--out", tmp_path / "out")
    (written,) = (tmp_path / "out").glob("*.json")
    told = str(list(Deed.objects.values_list("details", flat=True)))
    for secret in ("7319402713", "7.3105548291", "3.1763920157", "38, 74"):
        assert secret not in said and secret not in told
    assert "block_sizes" not in written.read_text() and "weights" not in written.read_text()
    for content, words in (
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"seed": 7319}', "There is no parameter seed"),
        ('{"bias": "7319"}', "parameter bias has not the shape"),
        ('{"bias": 7319}', "no better than chance, or above 1"),
        ('{"block_sizes": [[7319]]}', "block sizes › number 1"),
        ('{"urn": [7319, 7319]}', "balls at the start"),
        ("{}", "0 schemes given"),
    ):
        path.write_text(content)
        with pytest.raises(CommandError) as refused:
            run("--trials", 20, "--parameters", path)
        assert words in str(refused.value) and "7319" not in str(refused.value)
    for options, words in (
        (("--schemes", "dice"), "There is no scheme dice"),
        (("--trials", 0), "too few or too many"),
        (("--seed", "xyz"), "not a hexadecimal number"),
        (("--list", 999), "There is no list 999"),
        (("--list", 1, "--seed", "1"), "a drawn seed"),
        (("--parameters", tmp_path / "absent"), "cannot be read"),
    ):
        with pytest.raises(CommandError, match=words):
            run(*options)


def test_the_command_simulates_a_list_with_a_drawn_seed(cast: Cast) -> None:
    """RND-SIM-85: two runs, two seeds; the list's own seed and sizes stay sealed; the ledger names the list."""
    made = lists.draft(version=cast.version, block_sizes=(4, 6), by=cast.stella_statistician, seed=b"\7" * 32)
    said = [run("--trials", 20, "--list", made.pk) for _n in range(2)]
    seeds = {re.search(r"Seed of the simulation: ([0-9a-f]{32})", text).group(1) for text in said}
    assert len(seeds) == 2 and not any("0707" in seed for seed in seeds)
    assert all("1. Permuted blocks" in text and "2. Simple" in text for text in said)
    assert Deed.objects.filter(verb="list.simulation_run", target_id=str(made.pk)).count() == 2


def test_without_a_study_the_command_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """RND-SIM-86: publish first."""

    def none() -> None:
        raise Version.DoesNotExist

    monkeypatch.setattr(randomization_report, "latest_version", none)
    with pytest.raises(CommandError, match="publish_study"):
        run("--trials", 20)
