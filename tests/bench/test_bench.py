"""`make bench`: it runs, and what it writes is what others read. No test asks how long anything takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.load import FORM, whole_form
from bench.measures import Measure, at_least, at_most, medians, table, write
from config.services.bundle import ROOT
from ecrf.models import Change
from tests.cast import Cast


@pytest.mark.django_db(transaction=True)
def test_a_quick_run_measures_everything_and_writes_valid_json(
    database_urls: Callable[[str], str], redis: object, tmp_path: Path
) -> None:
    """BEN-001: real web, worker and beat on a database of its own; each measure has its five fields."""
    environment = os.environ | {
        "DATABASE_URL": database_urls("app"),
        "DATABASE_OWNER_URL": database_urls("owner"),
        "DJANGO_SETTINGS_MODULE": "bench.settings",
    }
    out = tmp_path / "bench.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--out", str(out)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-3_000:]
    found = json.loads(out.read_text())
    assert all(set(row) == {"name", "value", "unit", "aim", "ok"} for row in found)
    assert all(isinstance(row["value"], int | float) and row["value"] >= 0 for row in found)
    units = {row["unit"] for row in found}
    assert {"minimal pages", "ms", "MB", "cells per second", "per second", "ratio", "share", "medians"} <= units
    names = [(row["name"], row["unit"]) for row in found]
    assert len(names) == len(set(names))
    assert all(row["name"] in done.stdout for row in found)

    again = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--out", str(out)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert again.returncode == 1, "a database that holds participants is not added to"
    assert "sites or participants" in again.stderr


def test_an_aim_is_met_or_missed_and_said() -> None:
    """BEN-002."""
    assert at_most("a", 1.2, "ratio", 1.2).ok
    assert not at_most("a", 1.3, "ratio", 1.2).ok
    assert at_least("a", 40, "per second", 40).ok
    assert not at_least("a", 39, "per second", 40).ok
    assert at_most("a", 1e9, "ms").ok
    text = table([at_most("slow", 9, "ms", 5), at_most("quick", 1, "ms", 5)])
    assert [line for line in text.splitlines() if "MISSED" in line] == [text.splitlines()[1]]


def test_each_round_asks_everything_once() -> None:
    """BEN-003: interleaved, the first rounds not counted."""
    asked: list[str] = []
    taken = medians({"a": lambda: asked.append("a"), "b": lambda: asked.append("b")}, 3, warm=1)
    assert asked == ["a", "b"] * 4
    assert set(taken) == {"a", "b"}


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    """BEN-004."""
    path = tmp_path / "deep" / "bench.json"
    write([Measure("a", 1.5, "ms", None, True)], path)
    write([Measure("b", 2, "ms", 3, True)], path)
    assert json.loads(path.read_text()) == [{"name": "b", "value": 2, "unit": "ms", "aim": 3, "ok": True}]
    assert [each.name for each in path.parent.iterdir()] == ["bench.json"]


@pytest.mark.django_db
def test_a_whole_form_is_saved_as_it_is_sent(cast: Cast) -> None:
    """BEN-005: what the crowd submits is accepted, with an audit line for every value."""
    participant = cast.consented()
    visit = cast.visit(participant, "SCR")
    body = whole_form(250)
    day = participant.screened_on.strftime("%d/%m/%Y")
    values = [value | ({"typed": day} if value["item"] == "recorded_on" else {}) for value in body["values"]]
    answer = cast.client_of(cast.theo_coordinator).put(
        f"/api/v1/participants/{participant.code}/visits/{visit.pk}/forms/{FORM}/",
        body | {"values": values},
        content_type="application/json",
    )
    assert answer.status_code == 200, answer.content[:500]
    assert Change.objects.filter(record__participant=participant, record__form=FORM).count() >= 250
