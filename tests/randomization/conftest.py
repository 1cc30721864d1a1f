"""Fixtures of the randomization tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecrf.actions import records
from ecrf.actions.records import Where
from ecrf.entry import Submission, Typed
from ecrf.models import Record
from randomization import gate
from tests.cast import Cast
from tests.randomization.marked import publish_marked
from trial.definitions import forget_definitions
from trial.models import Participant, Person, Role


@pytest.fixture(autouse=True)
def _own_definitions() -> Iterator[None]:
    """Databases come and go between tests, and version numbers are used again in them."""
    forget_definitions()
    yield
    forget_definitions()


@pytest.fixture
def marked_cast(db: None, tmp_path: Path) -> Cast:
    """The cast in a study whose arms and pathways have names that stand nowhere else."""
    publish_marked(tmp_path)
    return Cast()


def undelegated(cast: Cast) -> Person:
    """A coordinator of the first site to whom randomizing is not delegated."""
    return cast._person("Nora", "Undelegated", Role.COORDINATOR, cast.site)


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


def in_one_stratum(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> tuple[Participant, str]:
    """An eligible participant with their stratum, in which everybody is from then on: for tests of slots."""
    participant = cast.eligible()
    stratum = gate.examine(participant, cast.theo_coordinator).stratum
    monkeypatch.setattr(gate, "stratum_of", lambda *_about: stratum)
    return participant, stratum.label
