"""Many people at once over HTTP: whole forms submitted to two web processes, alone and while exports run."""

from __future__ import annotations

import queue
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse

from bench.server import Browser
from trial.models import Participant, Visit

FORM = "medical_history"
FORMS_OF_A_CONNECTION = 5
"""Then a sender opens another: connections are dealt to the two processes as it happens, and those of a process that
had more of them for good would all wait longer, so that a median said how they were dealt."""
ITEMS_OF_ROW = ("condition", "onset_on", "condition_ongoing", "resolved_on", "condition_treated")


@dataclass
class Submitted:
    """What came of a crowd's submissions: how long each took, and what failed."""

    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.times) / self.seconds if self.seconds else 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.times) * 1_000 if self.times else 0.0


def whole_form(items: int) -> dict[str, Any]:
    """A medical history of so many values or a few more, as a program sends it: five of each illness."""
    rows = [f"row{number}" for number in range(-(-(items - 4) // len(ITEMS_OF_ROW)))]
    said = {"recorded_on": "today", "any_history": "true", "autoimmune": "false", "tobacco": "false"}
    values = [{"item": item, "row": "", "typed": typed, "missing": ""} for item, typed in said.items()]
    for number, row in enumerate(rows):
        for item, typed in zip(ITEMS_OF_ROW, (f"Illness {number}", "03/2015", "false", "04/2016", "true"), strict=True):
            values.append({"item": item, "row": row, "typed": typed, "missing": ""})
    return {"revision": 0, "values": values, "rows": [{"group": "conditions", "ids": rows}], "complete": False}


def submit(
    port: int, sessions: Sequence[str], codes: Sequence[str], body: dict[str, Any], *, limit: float
) -> Submitted:
    """Each session sends whole forms of one participant after the other, until all are sent or the time is over.

    As programs that collect data do, they ask for a receipt, not for the form that they have just sent.
    """
    visits = dict(Visit.objects.filter(participant__code__in=codes, event="SCR").values_list("participant__code", "pk"))
    consents = Participant.objects.filter(code__in=codes, consented_on__isnull=False)
    days = {code: day.strftime("%d/%m/%Y") for code, day in consents.values_list("code", "consented_on") if day}
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for code in codes:
        waiting.put(code)
    found = Submitted()
    end = time.monotonic() + limit

    def work(session: str) -> None:
        browser = Browser(port, session)
        sent = 0
        while time.monotonic() < end:
            try:
                code = waiting.get_nowait()
            except queue.Empty:
                return
            if sent % FORMS_OF_A_CONNECTION == 0:
                browser.close()
            sent += 1
            day = days[code]
            values = [value | ({"typed": day} if value["item"] == "recorded_on" else {}) for value in body["values"]]
            began = time.perf_counter()
            try:
                address = reverse("api_record", args=[code, visits[code], FORM])
                browser.put(address, body | {"values": values}, prefer="return=minimal")
            except Exception as error:
                found.failures.append(f"{code}: {error!r}")
                continue
            found.times.append(time.perf_counter() - began)

    threads = [threading.Thread(target=work, args=(session,), daemon=True) for session in sessions]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.seconds = time.monotonic() - began
    return found
