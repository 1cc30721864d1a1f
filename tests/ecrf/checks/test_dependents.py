"""What follows from a change: never less than what differs, and as the whole evaluation says it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ecrf.checks import Changed, Evaluation, dependents, evaluate
from tests.ecrf.checks.panel_study import data, definition, panel, place

FORM = definition().form("panel")
OTHERS = [(place("SCR"), data(value=90)), (place("M3", "vitals"), data())]


def changed(*items: str, rows_of: tuple[str, ...] = ()) -> Changed:
    return Changed(frozenset(items), frozenset(rows_of))


def test_a_change_is_followed_through_calculations_skip_logic_and_checks() -> None:
    """CHK-150: smoking decides whether packs are asked, these the exposure and a check; and whether doses are."""
    only = dependents(definition(), FORM, changed("smoker"))
    assert only is not None
    assert {"smoker", "packs", "exposure", "dose", "double", "why", "total", "doses_given"} <= only.items
    assert not {"value", "half", "change"} & only.items
    assert only.groups == {"doses"}
    assert only.checks == {"packs_few", "dose_positive"}


def test_what_feeds_nothing_is_alone() -> None:
    """CHK-151: a text that no expression reads; a row added, which what counts and sums rows follows."""
    only = dependents(definition(), FORM, changed("why"))
    assert only is not None and only.items == {"why"} and not only.checks
    rows = dependents(definition(), FORM, changed(rows_of=("doses",)))
    assert rows is not None and {"dose", "double", "doses_given", "total"} <= rows.items and "half" not in rows.items


def test_everything_may_follow_from_the_date_of_the_form() -> None:
    """CHK-152: laboratory ranges and the consent are judged on that day."""
    assert dependents(definition(), FORM, changed("taken_on")) is None


PANEL = st.fixed_dictionaries(
    {},
    optional={
        "value": st.integers(0, 999),
        "smoker": st.booleans(),
        "packs": st.integers(0, 9),
    },
)
DOSES = st.lists(st.fixed_dictionaries({}, optional={"dose": st.integers(0, 9)}), max_size=3)


@settings(max_examples=150, deadline=None)
@given(PANEL, PANEL, DOSES, DOSES)
def test_a_part_says_what_the_whole_says_and_nothing_else_changed(
    before: dict[str, Any], after: dict[str, Any], doses: list[dict[str, Any]], next_doses: list[dict[str, Any]]
) -> None:
    """CHK-153: from any data to any other: what is left out is as it was, what is evaluated is as in the whole."""
    items = [name for name in ("value", "smoker", "packs") if before.get(name) != after.get(name)]
    groups = ("doses",) if doses != next_doses else ()
    only = dependents(definition(), FORM, changed(*items, rows_of=groups))
    assert only is not None

    old = evaluate(*panel("M3", data(doses, **before), *OTHERS))
    whole = evaluate(*panel("M3", data(next_doses, **after), *OTHERS))
    part = evaluate(*panel("M3", data(next_doses, **after), *OTHERS), only)

    for name in ("shown", "derived"):
        was, now, partly = (getattr(found, name) for found in (old, whole, part))
        assert partly.items() <= now.items()
        assert {key for key in now if key[2] in only.items} <= partly.keys()
        assert all(was.get(key) == value for key, value in now.items() if key[2] not in only.items)
    assert fired(part) == {each for each in fired(whole) if each[2] in only.about}
    left_out = [{each for each in fired(found) if each[2] not in only.about} for found in (old, whole)]
    assert left_out[0] == left_out[1]
    assert part.uncertain == {key for key in whole.uncertain if key in part.shown}


def fired(found: Evaluation) -> set[tuple[str, str, str]]:
    return {(each.check_id, each.row, each.items[0]) for each in found.fired}
