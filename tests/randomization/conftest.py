"""Fixtures of the randomization tests."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from audit import clock
from ecrf.actions import records
from ecrf.entry import Submission, Typed
from ecrf.models import Record
from ecrf.where import Where
from randomization import gate
from tests.cast import STUDY_FOLDER, Cast
from tests.randomization import marked
from tests.stages import staged
from trial.actions import studies
from trial.models import Participant, Person, Role, Version


@pytest.fixture
def marked_cast(db: None) -> Cast:
    """The cast in a study whose arms and pathways have names that stand nowhere else."""
    return marked.cast_of()


def undelegated(cast: Cast) -> Person:
    """A coordinator of the first site to whom randomizing is not delegated."""
    return cast._person("Nora", "Undelegated", Role.COORDINATOR, cast.site)


@staged
def three_randomized(cast: Cast) -> list[Participant]:
    """Three participants who are allocated."""
    return [cast.randomized() for _n in range(3)]


@staged
def one_of_each_arm(cast: Cast) -> dict[str, Participant]:
    """A randomized participant of each arm."""
    found: dict[str, Participant] = {}
    for _attempt in range(40):
        participant = cast.randomized()
        found.setdefault(participant.allocation.arm, participant)
        if len(found) == len(cast.definition.arms):
            return found
    raise AssertionError("Forty allocations gave one arm only.")


def change(
    cast: Cast, participant: Participant, form: str, said: dict[str, str], *, by: Person | None = None
) -> Record:
    """Change values of a screening form that is complete, with a reason."""
    record = cast.record(participant, form, visit="SCR")
    definition = cast.definition.form(form)
    submission = Submission(
        values={(definition.group_of(item).id, "", item): Typed(text=text) for item, text in said.items()}
    )
    return records.save(
        where=Where(participant, form, visit=cast.visit(participant, "SCR")),
        revision=record.revision,
        submission=submission,
        complete=True,
        by=by or cast.theo_coordinator,
        reason="New information",
    )


@staged
def amended(cast: Cast, old: str, new: str) -> Version:
    """Publish a version whose randomization.yaml differs in one place, in force at the first site from today on."""
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(STUDY_FOLDER, Path(place) / "storm01")
        folder = Path(place) / "amendment"
        folder.mkdir()
        (folder / "amends.yaml").write_text("base: storm01\n")
        text = (STUDY_FOLDER / "randomization.yaml").read_text()
        assert old in text
        (folder / "randomization.yaml").write_text(text.replace(old, new))
        return in_force(cast, folder)


@staged
def ended(cast: Cast) -> Version:
    """Publish the amendment that ends randomization, in force at the first site from today on."""
    return in_force(cast, STUDY_FOLDER.parent / "storm01-amendment")


def in_force(cast: Cast, folder: Path) -> Version:
    """Publish a folder as the next version and put it into force at the first site from today on."""
    version, problems = studies.publish(path=folder, by=None, reason="Amendment")
    assert version is not None, "\n".join(map(str, problems))
    studies.activate(site=cast.site, version=version, on=clock.today(), by=None)
    return version


def in_one_stratum(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> tuple[Participant, str]:
    """An eligible participant with their stratum, in which everybody is from then on: for tests of slots."""
    participant = cast.eligible()
    stratum = gate.examine(participant, cast.theo_coordinator).stratum
    monkeypatch.setattr(gate, "stratum_of", lambda *_about: stratum)
    return participant, stratum.label
