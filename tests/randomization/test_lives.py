"""The tables of a list's life: complete, reached, drawn."""

from __future__ import annotations

import pytest

from audit.errors import Refused
from ecrf.diagrams import page
from ecrf.lives import Life
from randomization.lives import DEED_WORDS, LIST, LIVES, Deed


@pytest.mark.parametrize("life", LIVES, ids=[life.name for life in LIVES])
def test_every_state_answers_every_deed(life: Life) -> None:
    """RND-330: each state allows a deed and says where it leads, or refuses it in words with a code; never both."""
    for state in life.states:
        for deed in life.deeds:
            refused = life.refusal(state, deed)
            if refused is None:
                assert life.after(state, deed) in life.states
                continue
            assert (state, deed) not in life.moves
            with pytest.raises(Refused) as raised:
                life.after(state, deed)
            assert str(raised.value).endswith(".") and raised.value.code == refused[1]
    assert set(life.moves) | set(life.refusals) == {(state, deed) for state in life.states for deed in life.deeds}
    assert set(DEED_WORDS) == set(Deed)


def test_a_list_goes_one_way_to_its_end() -> None:
    """RND-331: every state is reached; nothing leads back before the approval, and from closed nothing leads on."""
    order = ["draft", "simulated", "approved", "in_use", "exhausted", "closed"]
    assert list(LIST.states) == order
    steps = {(before, after) for (before, _deed), after in LIST.moves.items() if before != after}
    assert {after for _before, after in steps} == set(order[1:])
    back = {(before, after) for before, after in steps if order.index(after) < order.index(before)}
    assert back == {("exhausted", "in_use")}  # slots were appended, or a stratum reopened
    assert {deed for deed in Deed if LIST.refusal("closed", deed) is None} == set()


def test_the_tables_are_drawn() -> None:
    """RND-332: the page of states holds every table of a list."""
    drawn = page()
    for life in LIVES:
        assert f"## {life.title}" in drawn
    assert "simulated --> approved : approve and commit" in drawn
