"""A trial to measure: two sites of our own with named people, beside a simulated trial where there is time for one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import transaction

import audit
from ecrf.models import EntryState, Record
from ecrf.where import Where
from randomization.algorithms.strata import combinations
from tests.cast import STUDY_FOLDER, Cast
from tests.randomization.schemes import csv_of
from trial.actions import studies
from trial.models import Participant, Person, Role, Site, Version

NUMBERS = {"01": "91", "02": "92"}


class Stage(Cast):
    """The cast at sites whose numbers a simulated trial does not use."""

    def _site(self, number: str, name: str, city: str) -> Site:
        return super()._site(NUMBERS.get(number, number), name, city)

    def session_of(self, person: Person) -> str:
        """The key of a session in which the person is signed in."""
        key: str = self.client_of(person).cookies["stratum_session"].value
        return key

    def more_sites(self, count: int) -> list[Site]:
        """So many sites beside the two of the cast."""
        numbers = [f"{number}" for number in range(60, 60 + count)]
        held = {site.number: site for site in Site.objects.filter(number__in=numbers)}
        return [held.get(n) or self._site(n, f"Centre {n}", "Caen") for n in numbers]

    def coordinators(self, site: Site, count: int) -> list[Person]:
        """People who enter data at a site."""
        return [self._person(f"Enters{number}", site.name, Role.COORDINATOR, site) for number in range(count)]

    def version_with_slots(self, count: int, folder: Path) -> tuple[Version, bytes]:
        """The study published once more to import lists of at least so many slots, and the file of such a list."""
        shutil.copytree(STUDY_FOLDER, folder)
        path = folder / "randomization.yaml"
        strata = len(self.definition.section("randomization").factors)
        each = -(-count // 2**strata)
        text = path.read_text().replace("scheme: permuted_blocks", "scheme: imported")
        path.write_text(re.sub(r"(list_size: )\d+", rf"\g<1>{each}", text))
        version, problems = studies.publish(path=folder, by=None, reason="A long list, to measure")
        assert version is not None, problems
        return version, csv_of(combinations(self.definition.section("randomization").factors), each).encode()

    def filled(self) -> Participant:
        """A consented participant with 12 conditions in the medical history: a form of some 60 values."""
        participant = self.consented()
        rows = [
            {"condition": f"Condition {number}", "onset_on": "03/2015", "condition_ongoing": True,
             "condition_treated": True}
            for number in range(12)
        ]  # fmt: skip
        said: dict[str, Any] = {"any_history": True, "autoimmune": False, "tobacco": False, "conditions": rows}
        self.fill(participant, "medical_history", visit="SCR", complete=False, **said)
        return participant

    def with_entries(self, form: str, count: int) -> Participant:
        """A participant with many entries of a log: one saved as people do, the others written as its copies."""
        participant = self.baseline_done()
        one = self.save(Where(participant, form), {}, complete=False)
        copies = [
            Record(
                participant=participant, form=form, number=number, version_id=one.version_id, data=one.data,
                entry_state=EntryState.IN_PROGRESS, revision=1, dated_on=one.dated_on, reveals_arm=one.reveals_arm,
            )
            for number in range(2, count + 1)
        ]  # fmt: skip
        audit.save_many(copies, by=self.theo_coordinator)
        return participant


def sent_values(record: dict[str, Any], *, turn: int) -> list[dict[str, Any]]:
    """A form's values as a program sends them, the texts and the dates of conditions changed at each turn."""
    found = []
    for value in record["values"]:
        if value["derived"]:
            continue
        typed = value["typed"]
        if value["item"] == "condition":
            typed = f"{typed.split('/')[0]}/{turn}"
        elif value["item"] == "onset_on":
            typed = f"0{turn % 9 + 1}/2015"
        found.append({"item": value["item"], "row": value["row"], "typed": typed, "missing": value["missing"]})
    return found


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is written inside is taken back at the end."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
