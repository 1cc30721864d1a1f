"""The tables of a record's lives: complete, drawn, and obeyed by every action."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import transaction

from audit.errors import Refused
from ecrf import policies
from ecrf.actions import data_queries, marks, records, verifications
from ecrf.diagrams import page
from ecrf.entry import Submission, Typed
from ecrf.lives import DEED_WORDS, LIVES, Deed, Life
from ecrf.models import EntryState, Record
from ecrf.where import Where
from tests.cast import PASSWORD, Cast

STATES = Path(__file__).resolve().parents[2] / "docs" / "states.md"


@pytest.mark.parametrize("life", LIVES.values(), ids=list(LIVES))
def test_every_state_answers_every_deed(life: Life) -> None:
    """ECRF-200: each state allows a deed and says where it leads, or refuses it in words with a code; never both."""
    for state in life.states:
        for deed in Deed:
            refused = life.refusal(state, deed)
            if refused is None:
                assert life.after(state, deed) in life.states
            else:
                words, code = refused
                assert str(words).endswith((".", "!")) and code
                assert (state, deed) not in life.moves
                with pytest.raises(Refused) as raised:
                    life.after(state, deed)
                assert (str(raised.value), raised.value.code) == (str(words), code)
    known = {(state, deed) for state in life.states for deed in Deed}
    assert set(life.moves) | set(life.refusals) == known
    assert life.start in life.states
    assert set(DEED_WORDS) == set(Deed)


@pytest.mark.parametrize("life", LIVES.values(), ids=list(LIVES))
def test_every_state_is_reached_but_the_one_that_is_only_read(life: Life) -> None:
    """ECRF-200: no table holds a state that nothing leads to; “not applicable” is read from the visit."""
    reached = {life.start}
    while True:
        more = {life.moves[(s, d)] for s in reached for d in Deed if (s, d) in life.moves} - reached
        if not more:
            break
        reached |= more
    assert set(life.states) - reached <= {EntryState.NOT_APPLICABLE}


def test_the_page_of_states_is_what_the_tables_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """ECRF-201: docs/states.md is generated; run `manage.py state_diagrams --out docs/states.md` after a change."""
    assert STATES.read_text(encoding="utf-8") == page()
    call_command("state_diagrams", out=tmp_path / "states.md")
    assert (tmp_path / "states.md").read_text(encoding="utf-8") == page()
    capsys.readouterr()
    call_command("state_diagrams")
    assert capsys.readouterr().out == page()


# ---------------------------------------------------------------- the tables and the actions agree


class Walk:
    """One record of a participant, and every deed on it as an action."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        participant = cast.consented()
        self.where = Where(participant, "vitals_performance", visit=cast.visit(participant, "SCR"))
        self.kps = cycle((60, 70, 80))

    @property
    def record(self) -> Record:
        return self.cast.record(self.where.participant, self.where.form, **self._place)

    @property
    def _place(self) -> dict[str, object]:
        return {"visit": "SCR"} if self.where.visit else {"number": self.where.number}

    def save(self, complete: bool) -> Record:
        """Save the form with another value than it has."""
        held = Record.objects.filter(visit=self.where.visit, form=self.where.form).first()
        if held is None or not held.data:
            return self.cast.save(self.where, {"kps": next(self.kps), "ecog": "1"}, complete=complete)
        return records.save(
            where=self.where,
            revision=held.revision,
            submission=Submission(values={("performance", "", "kps"): Typed(text=str(next(self.kps)))}),
            complete=complete,
            by=self.cast.theo_coordinator,
            reason="Typing error",
        )

    def deeds(self) -> dict[Deed, Callable[[], object]]:
        cast, record = self.cast, self.record
        dan, where = cast.dan_data_manager, self.where
        return {
            Deed.SAVE: lambda: self.save(False),
            Deed.COMPLETE: lambda: self.save(True),
            Deed.NOT_DONE: lambda: records.mark_not_done(
                where=where, revision=record.revision, reason="No time", by=cast.theo_coordinator
            ),
            Deed.REMOVE: lambda: records.remove_entry(
                record=record, revision=record.revision, reason="Twice", by=cast.theo_coordinator
            ),
            Deed.VERIFY: lambda: verifications.verify(record=record, values=[("", "kps")], by=cast.mona_monitor),
            Deed.UNVERIFY: lambda: verifications.unverify(
                record=record, values=[("", "kps")], reason="Wrong page", by=cast.mona_monitor
            ),
            Deed.REVIEW: lambda: marks.review(record=record, by=dan),
            Deed.UNREVIEW: lambda: marks.unreview(record=record, by=dan),
            Deed.SIGN: lambda: records.sign(record=record, password=PASSWORD, by=cast.ines_investigator),
            Deed.FREEZE: lambda: marks.freeze(record=record, by=dan),
            Deed.UNFREEZE: lambda: marks.unfreeze(record=record, reason="Correction", by=dan),
            Deed.LOCK: lambda: marks.lock(record=record, by=dan),
            Deed.UNLOCK: lambda: marks.unlock(record=record, reason="Correction", by=dan),
            Deed.ASK: lambda: data_queries.ask(where=where, text="Please check.", by=cast.mona_monitor),
        }


NOT_OF_A_VISIT_FORM = {Deed.REMOVE}
"""An entry of a log is removed; a visit form is marked as not done."""


def arrangements(cast: Cast) -> Iterator[tuple[str, Callable[[Walk], None]]]:
    dan = cast.dan_data_manager

    def complete(walk: Walk) -> None:
        walk.save(True)

    def verified(walk: Walk) -> None:
        complete(walk)
        verifications.verify(record=walk.record, values=[("", "kps")], by=cast.mona_monitor)

    def reviewed(walk: Walk) -> None:
        complete(walk)
        marks.review(record=walk.record, by=dan)

    def changed(walk: Walk) -> None:
        reviewed(walk)
        records.sign(record=walk.record, password=PASSWORD, by=cast.ines_investigator)
        complete(walk)

    def signed(walk: Walk) -> None:
        complete(walk)
        records.sign(record=walk.record, password=PASSWORD, by=cast.ines_investigator)

    def frozen(walk: Walk) -> None:
        complete(walk)
        marks.freeze(record=walk.record, by=dan)

    def locked(walk: Walk) -> None:
        verified(walk)
        marks.freeze(record=walk.record, by=dan)
        marks.lock(record=walk.record, by=dan)

    def not_done(walk: Walk) -> None:
        records.mark_not_done(where=walk.where, revision=0, reason="No time", by=cast.theo_coordinator)

    yield "in progress", lambda walk: [walk.save(False)].clear()
    yield "complete", complete
    yield "not done", not_done
    yield "verified", verified
    yield "reviewed", reviewed
    yield "signed", signed
    yield "changed", changed
    yield "frozen", frozen
    yield "locked", locked


def refusal_of(act: Callable[[], object]) -> Refused | None:
    """What an action says when it refuses."""
    try:
        act()
    except Refused as refused:
        return refused
    return None


@pytest.mark.django_db
@pytest.mark.parametrize(
    "state", ["in progress", "complete", "not done", "verified", "reviewed", "signed", "changed", "frozen", "locked"]
)
def test_actions_obey_the_tables(cast: Cast, state: str) -> None:
    """ECRF-202: in each state every deed is tried for real: refused with the table's words, or done as it says."""
    walk = Walk(cast)
    dict(arrangements(cast))[state](walk)
    before = policies.states_of(walk.record)
    for deed in walk.deeds():
        if deed in NOT_OF_A_VISIT_FORM:
            continue
        found = [LIVES[name].refusal(at, deed) for name, at in before.items()]
        refusals = {str(each[0]) for each in found if each is not None}
        point = transaction.savepoint()
        said = refusal_of(walk.deeds()[deed])
        if said is not None:
            assert str(said) in refusals or said.code in ("has_values", "nothing"), (state, deed, str(said))
        else:
            assert not refusals, (state, deed)
            after = policies.states_of(walk.record)
            for name, at in before.items():
                wanted = LIVES[name].after(at, deed)
                if deed in (Deed.SAVE, Deed.COMPLETE) and name in ("reviewed", "signed"):
                    wanted = LIVES[name].after(wanted, Deed.CHANGE)  # it changed a value
                assert after[name] == wanted, (state, deed, name)
        transaction.savepoint_rollback(point)
    assert policies.states_of(walk.record) == before


@pytest.mark.django_db
def test_a_removed_entry_refuses_everything(cast: Cast) -> None:
    """ECRF-203: an entry taken out of use is neither saved, signed, verified, reviewed, frozen nor asked about."""
    participant = cast.consented()
    where = Where(participant, "lesion")
    record = cast.save(where, {"lesion_number": "T1", "organ": "LIVER", "category": "NON_TARGET"}, complete=False)
    records.remove_entry(record=record, revision=record.revision, reason="Twice", by=cast.theo_coordinator)
    walk = Walk(cast)
    walk.where = Where(participant, "lesion", number=record.number)
    for deed, act in walk.deeds().items():
        if deed in (Deed.SAVE, Deed.COMPLETE, Deed.NOT_DONE):
            continue
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.code == "removed", deed
    with pytest.raises(Refused) as refused:
        cast.save(walk.where, {"organ": "LUNG"}, complete=False, reason="Typing error")
    assert refused.value.code == "removed"
