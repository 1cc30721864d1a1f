"""Bad input at the doors of a form: a clear message, nothing changed, nothing lost of what was typed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest

import audit
from audit import clock
from ecrf.models import Change, Draft, Record
from tests.ecrf.items_study import Play
from trial.models import Delegation
from trial.permissions import forget_access

pytestmark = pytest.mark.django_db
TYPED = {"words": "typed by hand", "count_of": "12"}


def as_it_was(play: Play) -> tuple[Any, ...]:
    """The record with all that a save would change."""
    held = Record.objects.filter(participant=play.participant, form="items").values("revision", "data").first()
    return held, Change.objects.count(), Record.history.count()


def is_still_there(play: Play, answer: Any) -> bool:
    """Whether what was typed stands on the page that was answered, or in the person's draft."""
    if "typed by hand" in answer.content.decode():
        return True
    return (
        Draft.objects.filter(person=play.by).exists() and "typed by hand" in play.client.get(play.url).content.decode()
    )


WRONG: dict[str, tuple[dict[str, Any], int, str]] = {
    "a stale revision": ({"revision": "0"}, 409, "Someone else saved"),
    "a forged row id": ({"lines__rows": ["../../r1"], "lines.../../r1.dose": "1"}, 422, "rows sent are not those"),
    "a row that is twice": ({"lines__rows": ["r1", "r1"], "lines.r1.dose": "1"}, 422, "rows sent are not those"),
    "too many rows": (
        {"lines__rows": [f"r{n}" for n in range(201)], **{f"lines.r{n}.drug": "x" for n in range(201)}},
        422, "At most 200 rows",
    ),
    "text for a number": ({"count_of": "many"}, 422, "“many” is not a number"),
    "a number with two readings": ({"hgb": "1,250", "hgb__unit": "g/dL"}, 422, "can be read in two ways"),
    "a unit that is not accepted": ({"hgb": "12", "hgb__unit": "lb"}, 422, "is not accepted here"),
    "a day that does not exist": ({"done_on": "31/02/2024"}, 422, "does not exist in the calendar"),
    "a year of two digits": ({"done_on": "1.2.24"}, 422, "with four digits"),
    "a day without its month": ({"since": "12/UN/2024"}, 422, "Write UN/UN/2024"),
    "a code that is not in the list": ({"one": "9"}, 422, "is not one of the choices"),
    "NUL in a text": ({"words": "typed by hand\x00"}, 422, "cannot be kept"),
    "a text that is too long": ({"words": "typed by hand" + "x" * 600}, 422, "at most 500"),
    "a missing code that is not allowed": ({"agreed__missing": "XX"}, 422, "is not a missing-value code"),
    "a file by its name alone": ({"report": "0" * 32}, 422, "Choose it again"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_bad_input_changes_nothing_and_loses_nothing(play: Play, wrong: str) -> None:
    """ECRF-390: each fault is said in words beside its item."""
    play.save(words="first")
    before = as_it_was(play)
    said, status, words = WRONG[wrong]

    answer = play.post({**TYPED, **said})

    assert answer.status_code == status
    assert words in answer.content.decode()
    assert as_it_was(play) == before
    assert is_still_there(play, answer)


def test_ten_megabytes_in_a_text_item_are_refused(play: Play) -> None:
    """ECRF-391: by page, draft, evaluation and API; the draft that was kept before stays."""
    play.save(words="first")
    play.client.post(f"{play.url}draft/", json.dumps({"revision": 1, "fields": TYPED}), content_type="application/json")
    before, huge = as_it_was(play), "x" * 10_000_000
    doors: list[Callable[[], Any]] = [
        lambda: play.post({"story": huge}),
        lambda: play.client.post(
            f"{play.url}draft/", json.dumps({"revision": 1, "fields": {"story": huge}}), content_type="application/json"
        ),
        lambda: play.client.post(
            f"{play.url}evaluate/", json.dumps({"fields": {"story": huge}, "changed": ["story"]}),
            content_type="application/json",
        ),
        lambda: play.client.put(
            f"/api/v1{play.url}", {"revision": 1, "values": [{"item": "story", "typed": huge}]},
            content_type="application/json",
        ),
    ]  # fmt: skip
    said = [door() for door in doors]
    assert [answer.status_code for answer in said] == [413] * 4
    assert "more text than one form can hold" in said[0].content.decode()
    assert all("text" in answer.json()["message"] for answer in said[1:3])
    assert as_it_was(play) == before
    assert "typed by hand" in play.client.get(play.url).content.decode()


def test_a_save_at_another_site_finds_nothing(play: Play) -> None:
    """ECRF-392: not found, whatever is posted; nothing is kept of it."""
    play.save(words="first")
    before = as_it_was(play)
    stranger = play.cast.client_of(play.cast.oscar_coordinator)
    sent = {**TYPED, "revision": "1", "whole_form": "1", "save": "in_progress"}
    assert stranger.post(play.url, sent).status_code == 404
    for door in ("draft", "evaluate", "upload", "notes"):
        assert stranger.post(f"{play.url}{door}/", sent).status_code == 404
    assert stranger.put(f"/api/v1{play.url}", {"revision": 1}, content_type="application/json").status_code == 404
    assert as_it_was(play) == before and not Draft.objects.exists()


@pytest.mark.parametrize("mark", ["locked_at", "frozen_at"])
def test_a_save_on_a_frozen_or_locked_form_says_who_can_help(play: Play, mark: str) -> None:
    """ECRF-393: the page that comes back still holds what was typed."""
    play.save(words="first")
    client, page = play.client, play.client.get(play.url).context["page"]
    record = play.record
    setattr(record, mark, clock.now())
    audit.save(record, by=None)
    before = as_it_was(play)

    answer = client.post(play.url, {**page.fields, **TYPED, "revision": "1", "whole_form": "1", "save": "in_progress"})

    assert answer.status_code in (409, 422) and "data manager" in answer.content.decode()
    assert as_it_was(play) == before
    assert "typed by hand" in answer.content.decode()


def end_delegations(play: Play) -> Any:
    """End what was delegated to the person yesterday; return their browser, still signed in."""
    for delegation in Delegation.objects.filter(person=play.by):
        delegation.starts_on = min(delegation.starts_on, clock.today() - dt.timedelta(days=2))
        delegation.ends_on = clock.today() - dt.timedelta(days=1)
        audit.save(delegation, by=None)
    play.participant.screened_on = clock.today() - dt.timedelta(days=2)
    audit.save(play.participant, by=None)
    forget_access(play.by)
    return play.cast.client_of(play.by)


def test_a_save_after_the_delegation_ended_is_refused(play: Play) -> None:
    """ECRF-394: the page was open when the delegation ended: the words say so, nothing changes, and what was typed
    comes back when the delegation is renewed."""
    play.save(words="first")
    before = as_it_was(play)
    client = end_delegations(play)
    answer = client.post(play.url, {**TYPED, "revision": "1", "whole_form": "1", "save": "in_progress"})
    assert answer.status_code == 403
    assert "Your delegation at site 01 ended on" in answer.content.decode()
    assert "first" not in answer.content.decode() and client.get(play.url).status_code == 404
    late = {"revision": 1, "fields": {"story": "typed later"}}
    kept = client.post(f"{play.url}draft/", json.dumps(late), content_type="application/json")
    assert kept.status_code == 403 and "comes back if the delegation is renewed" in kept.json()["message"]
    assert as_it_was(play) == before

    renewed = Delegation.objects.filter(person=play.by).latest("pk")
    renewed.ends_on = None
    audit.save(renewed, by=None)
    forget_access(play.by)
    page = play.cast.client_of(play.by).get(play.url).content.decode()
    assert "typed by hand" in page and "typed later" in page


def test_whoever_never_worked_here_is_told_nothing(play: Play) -> None:
    """ECRF-387: neither a stranger whose delegation elsewhere ended, nor a reader, nor about a later participant."""
    sent = {**TYPED, "revision": "0", "whole_form": "1", "save": "in_progress"}
    client = end_delegations(play)
    play.participant.screened_on = clock.today()
    audit.save(play.participant, by=None)
    assert client.post(play.url, sent).status_code == 404
    oscar = play.cast.oscar_coordinator
    for delegation in Delegation.objects.filter(person=oscar):
        delegation.ends_on = delegation.starts_on = clock.today() - dt.timedelta(days=1)
        audit.save(delegation, by=None)
    forget_access(oscar)
    assert play.cast.client_of(oscar).post(play.url, sent).status_code == 404
    assert not Draft.objects.exists()


def test_typing_of_a_form_that_was_frozen_meanwhile_waits(play: Play) -> None:
    """ECRF-388: by Save and by the draft itself; told on the page while frozen, back in its fields afterwards."""
    play.save(words="first")
    page = play.client.get(play.url).context["page"]
    record = play.record
    record.frozen_at = clock.now()
    audit.save(record, by=None)
    play.client.post(play.url, {**page.fields, **TYPED, "revision": "1", "whole_form": "1", "save": "in_progress"})
    late = {"revision": 1, "fields": {"story": "typed later"}}
    kept = play.client.post(f"{play.url}draft/", json.dumps(late), content_type="application/json")
    assert kept.status_code == 422 and "frozen" in kept.json()["message"]

    closed = play.client.get(play.url).content.decode()
    assert "is kept: only you will see it" in closed and "typed by hand" not in closed
    monitor = play.cast.client_of(play.cast.mona_monitor)
    assert monitor.post(f"{play.url}draft/", json.dumps(late), content_type="application/json").status_code == 403
    record.frozen_at = None
    audit.save(record, by=None)
    opened = play.client.get(play.url).content.decode()
    assert "typed by hand" in opened and "typed later" in opened
    assert Draft.objects.count() == 1
