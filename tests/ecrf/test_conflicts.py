"""Two people on the rows of one form: what one removed and the other changed is asked, never lost or overwritten."""

from __future__ import annotations

from typing import Any

import pytest

from ecrf.actions import records
from ecrf.entry import Submission, Typed
from tests.ecrf.items_study import Play
from trial.models import Person

pytestmark = pytest.mark.django_db


def save_rows(play: Play, rows: list[str], by: Person | None = None, **said: str) -> None:
    """Save rows and cells, these named `ROW__ITEM`."""
    values = {("lines", *name.split("__")): Typed(text=text) for name, text in said.items()}
    records.save(
        where=play.where, revision=play.revision, submission=Submission(values=values, rows={"lines": rows}),
        complete=False, by=by or play.by,
    )  # fmt: skip


def cells(play: Play) -> dict[str, dict[str, Any]]:
    """What stands in the rows."""
    return {
        row["_id"]: {item: held.get("value", held.get("missing")) for item, held in row.items() if item[0] != "_"}
        for row in play.record.data.get("lines", [])
    }


def opened(play: Play) -> dict[str, Any]:
    """What the page of this person posts, as it stands now."""
    page = play.client.get(play.url).context["page"]
    fields = {name: value for name, value in page.fields.items() if value not in ("", [])}
    return {**fields, "revision": page.revision, "whole_form": "1", "save": "in_progress"}


def chosen(play: Play, conflict: Any, **choices: str) -> Any:
    """Post the page of the two versions with these choices, by the end of the name."""
    form: dict[str, Any] = {}
    for name, value in conflict.hidden:
        form.setdefault(name, []).append(value)
    form |= {"revision": play.revision, "revision_read": conflict.revision_read, "save": "in_progress"}
    form["conflict"] = conflict.names
    return play.client.post(play.url, form | {f"keep__lines.{row}": choice for row, choice in choices.items()})


@pytest.fixture
def two(play: Play) -> Play:
    """Two rows, both open on the page of one person."""
    save_rows(play, ["r1", "r2"], r1__drug="Alpha", r1__dose="10", r2__drug="Beta", r2__dose="20")
    return play


@pytest.mark.parametrize(("choice", "rows"), [("theirs", {"r1", "r2"}), ("mine", {"r2"})])
def test_a_row_that_i_removed_and_they_changed_is_asked(two: Play, choice: str, rows: set[str]) -> None:
    """ECRF-132: the correction of another person does not go unseen with the row."""
    mine = opened(two)
    save_rows(two, ["r1", "r2"], by=two.cast.ines_investigator, r1__dose="15")

    answer = two.client.post(two.url, {**mine, "lines__removed": ["r1"]})

    assert answer.status_code == 409
    conflict = answer.context["conflict"]
    (asked,) = conflict.items
    assert (asked["name"], asked["row"], asked["choice"]) == ("lines.r1", 1, "")
    assert (asked["theirs"], asked["mine"]) == ("Dose: 15 mg", "Row removed")
    assert asked["by"] == "Inès Investigator"
    assert chosen(two, conflict).status_code == 409  # nothing chosen, nothing saved
    assert cells(two)["r1"]["dose"] == "15"

    assert chosen(two, conflict, r1=choice).status_code == 302
    assert set(cells(two)) == rows
    assert cells(two).get("r1", {}).get("dose") in (("15",) if choice == "theirs" else (None,))


@pytest.mark.parametrize("choice", ["theirs", "mine"])
def test_a_row_that_they_removed_and_i_changed_is_asked(two: Play, choice: str) -> None:
    """ECRF-133: what was typed into it is not lost: kept, the row is back with its id, and whole."""
    mine = opened(two)
    save_rows(two, ["r2"], by=two.cast.ines_investigator)

    answer = two.client.post(two.url, {**mine, "lines.r1.dose": "12"})

    conflict = answer.context["conflict"]
    (asked,) = conflict.items
    assert (asked["theirs"], asked["mine"], asked["row"]) == ("Row removed", "Dose: 12 mg", 1)
    assert not conflict.gone_rows
    assert chosen(two, conflict, r1=choice).status_code == 302
    kept = {"drug": "Alpha", "dose": "12", "twice": "24.0"} if choice == "mine" else None
    assert cells(two).get("r1") == kept
    assert cells(two)["r2"]["drug"] == "Beta"


def test_rows_that_only_one_person_touched_need_no_choice(two: Play) -> None:
    """ECRF-134: a row removed here stays removed, one removed there is told, a row added on each side is kept."""
    mine = opened(two)
    save_rows(two, ["r1", "r3"], by=two.cast.ines_investigator, r3__drug="Gamma")

    answer = two.client.post(
        two.url, {**mine, "lines__rows": ["r1", "r2", "n4"], "lines__removed": ["r1"], "lines.n4.drug": "Delta"}
    )
    conflict = answer.context["conflict"]
    assert conflict.gone_rows == ["Lines, 2"]
    assert "you had changed nothing in it" in answer.content.decode()
    assert {item["name"]: (item["row"], item["choice"]) for item in conflict.items} == {
        "lines.r3.drug": (2, "theirs"), "lines.n4.drug": (3, "mine"),
    }  # fmt: skip
    assert chosen(two, conflict, **{"r3.drug": "theirs", "n4.drug": "mine"}).status_code == 302
    assert {row: values["drug"] for row, values in cells(two).items()} == {"r3": "Gamma", "n4": "Delta"}


def test_versions_that_differ_in_unit_or_reason_are_two_versions(play: Play) -> None:
    """ECRF-135: the same quantity in another unit, the same missing code for another reason, are not overwritten."""
    play.save(hgb=Typed(text="12", unit="g/dL"), why_not=Typed(missing="ND", reason="No material"))
    mine = opened(play)
    play.save(
        by=play.cast.ines_investigator, hgb=Typed(text="13.0", unit="g/dL"),
        why_not=Typed(missing="ND", reason="Patient declined"),
    )  # fmt: skip
    answer = play.client.post(
        play.url, {**mine, "hgb": "130", "hgb__unit": "g/L", "why_not__missing": "ND", "why_not__reason": "Sample lost"}
    )
    shown = {item["name"]: (item["theirs"], item["mine"]) for item in answer.context["conflict"].items}
    assert shown["hgb"] == ("13.0 g/dL", "13 g/dL (130 g/L)")
    assert shown["why_not"] == ("Not done (Patient declined)", "Not done (Sample lost)")
