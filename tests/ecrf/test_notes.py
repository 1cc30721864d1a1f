"""Notes on items, rows and forms: said once, read by the site and its monitors, asked of nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit.errors import Refused
from audit.models import AppendOnly, Deed
from audit.testing import refused_by_database
from ecrf.actions import notes
from ecrf.models import Note, Record
from tests.cast import Cast
from tests.ecrf.items_study import Play
from tests.ecrf.test_item_types import dataset
from tests.randomization.conftest import one_of_each_arm

pytestmark = pytest.mark.django_db


def test_a_note_stands_beside_its_item_in_the_trail_and_in_the_dataset(play: Play, tmp_path: Path) -> None:
    """ECRF-380: no query is opened, no value changes; a marker on the page says that there is a note."""
    play.save(words="as read")
    address = f"{play.url}notes/"

    answer = play.client.post(address, {"item": "words", "text": "Hard to read on the fax."})

    assert answer.status_code == 302
    note = Note.objects.get()
    assert (note.item, note.by_name, note.record) == ("words", play.by.printed_name, play.record)
    page = play.client.get(play.url).content.decode()
    assert 'aria-label="Notes: Words (1)"' in page
    drawer = play.client.get(f"{address}?item=words", headers={"HX-Request": "true"}).content.decode()
    assert "Hard to read on the fax." in drawer and "<html" not in drawer
    assert "Hard to read on the fax." in play.trail("words", play.cast.mona_monitor)
    assert "Hard to read on the fax." in play.client.get(f"{play.url}trail/").content.decode()
    dataset(tmp_path / "out")
    line = dataset(tmp_path / "out", "notes")[0]
    assert (line["FORM"], line["ITEM"], line["TEXT"]) == ("items", "words", "Hard to read on the fax.")
    assert play.revision == 1 and not play.record.queries.exists()


def test_a_note_is_never_changed_and_another_one_may_follow(play: Play) -> None:
    """ECRF-381: the database refuses a change; the ledger tells the deed without the words."""
    play.save(words="x")
    note = notes.add(where=play.where, item="words", text="Seen with the patient’s wife", by=play.by)
    note.text = "Other"
    with pytest.raises(AppendOnly):
        note.save()
    with refused_by_database():
        Note.objects.filter(pk=note.pk).update(text="Other")
    notes.add(where=play.where, item="words", text="Second", by=play.cast.mona_monitor)
    assert Note.objects.count() == 2
    deed = Deed.objects.filter(verb="note.added").first()
    assert "wife" not in json.dumps(deed.details) + deed.target_label


def test_who_writes_or_monitors_at_the_site_notes_and_nobody_else(play: Play) -> None:
    """ECRF-382: coordinator, radiologist, monitor and data manager do; the sponsor reads; strangers find nothing."""
    play.save(words="x")
    cast = play.cast
    for person in (cast.theo_coordinator, cast.raoul_radiologist, cast.mona_monitor, cast.dan_data_manager):
        assert cast.client_of(person).post(f"{play.url}notes/", {"text": f"By {person.given_name}"}).status_code == 302
    sponsor = cast.client_of(cast.paul_sponsor)
    read = sponsor.get(f"{play.url}notes/").content.decode()
    assert "By Mona" in read and "note-text" not in read
    assert sponsor.post(f"{play.url}notes/", {"text": "No"}).status_code == 403
    for stranger in (cast.oscar_coordinator, cast.adam_admin):
        assert cast.client_of(stranger).get(f"{play.url}notes/").status_code == 404
        assert cast.client_of(stranger).post(f"{play.url}notes/", {"text": "No"}).status_code == 404
    assert Note.objects.count() == 4


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"text": ""}, "Write the note"),
        ({"text": "x" * 1001}, "at most 1000"),
        ({"text": "a\x00b"}, "cannot be kept"),
        ({"text": "x", "row": "r9"}, "does not exist"),
        ({"text": "x", "item": "drug"}, "does not exist"),
    ],
)
def test_a_note_that_cannot_be_kept_is_refused_and_stays_in_its_field(
    play: Play, said: dict[str, str], words: str
) -> None:
    """ECRF-383: empty, too long, unkeepable, on a row that is not there: what was typed is still on the page."""
    play.save(words="x")
    answer = play.client.post(f"{play.url}notes/", said)
    assert answer.status_code in (403, 409, 422)
    assert words in answer.content.decode()
    assert answer.context["text"] == said["text"]
    assert not Note.objects.exists()


def test_a_locked_form_takes_no_note(play: Play) -> None:
    """ECRF-384: as no query; a form that nobody saved yet takes one."""
    notes.add(where=play.where, text="Patient came without the booklet", by=play.by)
    record = Record.objects.get(form="items")
    assert record.entry_state == "expected"
    import audit
    from audit import clock

    record.locked_at = clock.now()
    audit.save(record, by=None)
    with pytest.raises(Refused, match="locked"):
        notes.add(where=play.where, text="x", by=play.by)


def test_a_note_on_what_tells_the_arm_is_hidden_from_who_may_not_see_it(cast: Cast) -> None:
    """ECRF-385: on a form or an item of one arm, a note is not shown, counted or exported to a blinded reader."""
    from ecrf.selectors import notes_for
    from ecrf.where import Where

    participant = one_of_each_arm(cast)["SRT"]
    record = Record.objects.filter(participant=participant, form="vitals_performance")[0]
    told = notes.add(
        where=Where(participant, "vitals_performance", visit=record.visit), text="Plain", by=cast.theo_coordinator
    )
    hidden = Note.objects.create(
        record=record, participant=participant, item="", text="SRT went well", by_id=1, by_name="X", at=told.at,
        reveals_arm=True,
    )  # fmt: skip
    assert set(notes_for(cast.mona_monitor, record)) == {told, hidden}
    record.participant = participant
    assert list(notes_for(cast.paul_sponsor, record)) == [told]
