"""Repeating groups as a grid: rows added, taken away with their reason, stable; two hundred stay light."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ecrf.actions import records
from ecrf.entry import Submission, Typed
from ecrf.models import Change, ChangeKind
from tests.cast import Cast
from tests.ecrf.items_study import Play

pytestmark = pytest.mark.django_db
ROWS = [f"r{number}" for number in range(200)]
MOST_BYTES_A_ROW = 7_000
"""Six columns with a menu of missing codes each. 200 such rows are 1.4 MB of text before any compression."""


def filled(play: Play, rows: list[str] = ROWS) -> None:
    """Rows with a drug, a dose, a partial date and an answer."""
    values: dict[tuple[str, str, str], Typed] = {}
    for number, row in enumerate(rows):
        said = {"drug": f"Drug <{number}>", "dose": str(number), "from_on": "UN/03/2024", "given": "yes"}
        values |= {("lines", row, item): Typed(text=text) for item, text in said.items()}
    submission = Submission(values=values, rows={"lines": rows})
    records.save(where=play.where, revision=0, submission=submission, complete=False, by=play.by)


def evaluated(play: Play, fields: dict[str, Any], *changed: str) -> Any:
    """Ask what follows from fields that changed on the page."""
    body = json.dumps({"fields": fields, "changed": changed})
    return play.client.post(f"{play.url}evaluate/", body, content_type="application/json")


def test_two_hundred_rows_are_opened_and_asked_lightly(play: Play) -> None:
    """ECRF-340: one page, as many statements as for one row; a changed cell sends itself and gets what follows."""
    filled(play)
    play.client.get(play.url)
    with CaptureQueriesContext(connection) as statements:
        page = play.client.get(play.url)
    assert len(statements) <= 15
    assert page.content.count(b"data-grid-row=") == 201  # and the one that new rows are made from
    assert len(page.content) < 200 * MOST_BYTES_A_ROW + 100_000

    answer = evaluated(play, {"lines.r7.dose": "12,5"}, "lines.r7.dose")

    assert answer.json()["derived"]["lines.r7.twice"] == "25.0"
    assert not any(name.startswith("lines.") for name in answer.json()["shown"])  # nothing hides these cells
    assert len(answer.content) < 8_000


def test_a_cell_from_the_skeleton_is_the_cell_of_its_template(play: Play, settings: Any) -> None:
    """ECRF-341: value, choice and row stand where the template puts them, escaped, in the page and for a reader."""
    from ecrf.templatetags import grid

    filled(play, ["r1", "r2"])
    browsers = (play.client, play.cast.client_of(play.cast.mona_monitor))
    fast = [_cells(browser.get(play.url).content.decode()) for browser in browsers]
    held = grid._is_plain
    try:
        grid._is_plain = lambda item: False
        slow = [_cells(browser.get(play.url).content.decode()) for browser in browsers]
    finally:
        grid._is_plain = held
    assert fast == slow
    assert "Drug &lt;1&gt;" in fast[0]


def test_a_row_from_the_skeleton_is_the_row_of_its_template(play: Play, monkeypatch: Any) -> None:
    """ECRF-341: with its number, its addresses and its cells, for who enters and who reads."""
    from ecrf.templatetags import grid

    filled(play, ["r1", "r2", "r3"])
    reader = play.cast.client_of(play.cast.mona_monitor)
    for client in (play.client, reader):
        made = client.get(play.url).content.decode()
        with monkeypatch.context() as patched:
            patched.setattr(grid, "SPECIAL_ROW", ("fields",))
            rendered = client.get(play.url).content.decode()
        found, wanted = (re.findall(r"<tr data-grid-row=.*?</tr>", page, re.DOTALL) for page in (made, rendered))
        assert len(wanted) >= 3
        assert found == wanted
        assert 'row=r2"' in found[1]


def test_a_hidden_cell_from_the_skeleton_is_hidden_as_its_template_says(cast: Cast, monkeypatch: Any) -> None:
    """ECRF-341: of two rows of one page, each hides what the other shows."""
    from ecrf.templatetags import grid

    participant = cast.consented()
    said = ({"condition_ongoing": True, "condition_treated": False}, {"condition_ongoing": False})
    rows = [{"condition": f"Illness {number}", "onset_on": "2015"} | each for number, each in enumerate(said)]
    answers = {"any_history": True, "autoimmune": False, "tobacco": False, "conditions": rows}
    cast.fill(participant, "medical_history", visit="SCR", complete=False, **answers)
    address = reverse("record", args=[participant.code, cast.visit(participant, "SCR").pk, "medical_history"])
    client = cast.client_of(cast.theo_coordinator)
    fast = _cells(client.get(address).content.decode())
    monkeypatch.setattr(grid, "_is_plain", lambda item: False)

    assert fast == _cells(client.get(address).content.decode())
    hidden = re.findall(r'data-item="(\w+)" data-row="(\w+)" data-hidden', fast)
    assert [item for item, _row in hidden[:2]] == ["resolved_on", "condition_treated"]
    assert hidden[0][1] != hidden[1][1]


def _cells(page: str) -> str:
    return re.sub(r"\s+", " ", page[page.index("data-grid-rows") : page.index("</tbody>")])


def test_what_changed_is_evaluated_as_the_whole_page_is(play: Play) -> None:
    """ECRF-342: over what is stored and over the draft; rows added and taken away included; only what follows from
    the change is answered, and says what the whole page says."""
    filled(play, ["r1", "r2"])
    draft = {"revision": 1, "fields": {"count_of": "4", "agreed": "yes"}}
    play.client.post(f"{play.url}draft/", json.dumps(draft), content_type="application/json")
    changed = {
        "lines__rows": ["r1", "n0000000000a1"], "lines.n0000000000a1.dose": "3", "lines.r1.from_on": "UN/05/2024",
        "lines.r1.to_on": "UN/02/2024",
    }  # fmt: skip
    partly = evaluated(play, changed, *changed).json()

    page = play.client.get(play.url).context["page"]
    whole = {name: value for name, value in (page.fields | changed).items() if value not in ("", [])}
    asked = play.client.post(f"{play.url}evaluate/", {**whole, "whole_form": "1", "_changed": "lines.r1.to_on"}).json()

    for part in ("shown", "derived", "reasons", "options", "flags", "earlier", "echoes"):
        assert partly[part].items() <= asked[part].items()
    assert partly["findings"] == [each for each in asked["findings"] if each["about"] in partly["about"]]
    assert partly["derived"] == {"lines.r1.twice": "0", "lines.n0000000000a1.twice": "6.0"}
    assert not {"only_yes", "agreed", "double"} & {*partly["shown"], *partly["derived"]}
    assert "about" not in asked and asked["derived"]["double"] == "8"
    assert [(each["row"], each["item"]) for each in partly["findings"]] == [("r1", "to_on")]


def test_leaving_a_field_answers_what_follows_from_it(play: Play) -> None:
    """ECRF-346: a chain of calculations and skip logic, the flag, the conversion and the fault of that field; nothing
    of the rest."""
    filled(play, ["r1"])
    counted = evaluated(play, {"count_of": "21", "agreed": "yes"}, "count_of").json()
    assert counted["derived"] == {"double": "42"} and "agreed" not in counted["shown"]
    assert counted["about"] == ["count_of", "double"]
    agreed = evaluated(play, {"count_of": "21", "agreed": "yes"}, "agreed").json()
    assert agreed["shown"]["only_yes"] is True and agreed["derived"] == {}
    measured = evaluated(play, {"hgb": "135", "hgb__unit": "g/L"}, "hgb__unit").json()
    assert measured["echoes"] == {"hgb": "= 13.5 g/dL"} and set(measured["shown"]) == {"hgb", "main"}
    assert evaluated(play, {"nothing": "1"}, "nothing").json()["shown"] == {}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"count_of": "many"}, "“many” is not a number."),
        ({"done_on": "31/02/2024"}, "“31/02/2024” does not exist in the calendar."),
        ({"hgb": "1,250"}, "“1,250” can be read in two ways. Write 1250 or 1.250."),
        ({"words": "x" * 501}, "This text has 501 characters; at most 500 are kept."),
        ({"lines.r1.dose": "1.25"}, "“1.25” has more than 1 decimals."),
    ],
)
def test_what_cannot_be_understood_is_said_when_the_field_is_left(
    play: Play, typed: dict[str, str], words: str
) -> None:
    """ECRF-347: not only at Save; corrected, nothing is said any more."""
    filled(play, ["r1"])
    (name,) = typed
    assert evaluated(play, typed, name).json()["faults"] == {name: words}
    assert evaluated(play, {name: ""}, name).json()["faults"] == {}


@pytest.mark.parametrize(
    "body", ["not JSON", "[]", "{}", '{"fields": [], "changed": []}', '{"fields": {}, "changed": "count_of"}']
)
def test_what_is_no_question_is_refused_in_words(play: Play, body: str) -> None:
    """ECRF-343: and whatever is no field is not read."""
    refused = play.client.post(f"{play.url}evaluate/", body, content_type="application/json")
    assert refused.status_code == 422 and refused.json()["message"]
    assert evaluated(play, {"nothing": "1", "lines.r9.dose": ["x"], "a" * 300: "1"}, "x").status_code == 200


def test_rows_keep_their_ids_and_a_removed_one_says_why(play: Play) -> None:
    """ECRF-344: by buttons without a script; once complete the removal asks its reason; the trail names each value."""
    filled(play, ["r1", "r2"])
    play.post({"why_not": "yes"}, save="complete")
    page = play.client.post(
        play.url, {**_posted(play), "add_row": "lines", "whole_form": "1", "revision": play.revision}
    )
    assert len(page.context["page"].fields["lines__rows"]) == 3

    asked = play.post({"lines__removed": ["r1"]}, save="complete")
    assert asked.status_code == 422 and "Give the reason" in asked.content.decode()
    assert play.post({"lines__removed": ["r1"], "reason_choice": "place"}, save="complete").status_code == 302

    assert [row["_id"] for row in play.record.data["lines"]] == ["r2"]
    gone = Change.objects.filter(kind=ChangeKind.ROW_REMOVED)
    assert {change.row for change in gone} == {"r1"} and {change.item for change in gone} >= {"drug", "dose"}
    assert all(change.reason == "Entered in the wrong place" for change in gone)


def _posted(play: Play) -> dict[str, Any]:
    fields = play.client.get(play.url).context["page"].fields
    return {name: value for name, value in fields.items() if value not in ("", [])}


def test_a_missing_code_of_a_cell_keeps_its_reason(play: Play) -> None:
    """ECRF-345: the reason of a cell comes back to the page and outlives the next save."""
    filled(play, ["r1"])
    play.post({"lines.r1.dose": "", "lines.r1.dose__missing": "UNK", "lines.r1.dose__reason": "Bottle lost"})
    page = play.client.get(play.url).content.decode()
    assert 'name="lines.r1.dose__reason" value="Bottle lost"' in page
    before = Change.objects.count()
    play.post()
    assert play.record.data["lines"][0]["dose"] == {"missing": "UNK", "reason": "Bottle lost"}
    assert Change.objects.count() == before
