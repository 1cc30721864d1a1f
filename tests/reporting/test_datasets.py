"""What is written is what is stored: every type, every reason for no value, nobody else's data, no arm too many."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit import clock
from ecrf.actions import data_queries, records, verifications
from ecrf.entry import Typed
from ecrf.models import EntryState, Record
from ecrf.where import Where
from randomization.actions import allocations, errors, treatments
from randomization.models import Allocation
from reporting.datasets import RESERVED, STATUSES, Shape, Table, values_of
from reporting.writers import CountError, Written, write_csv, zip_folder
from tests.cast import PASSWORD
from tests.randomization.conftest import change, ended
from tests.stages import staged
from trial.actions import participants, statuses
from trial.definitions import definition_of, latest_version
from trial.language import ItemType
from trial.models import Participant, Visit

pytestmark = pytest.mark.django_db
Rows = list[dict[str, str]]


def written(folder: Path, **said: Any) -> Written:
    """Everything but arms, for somebody who covers all sites, unless said otherwise."""
    options = {"sites": None, "arm_sites": frozenset(), "includes_arms": False, "simulated": False} | said
    return write_csv(folder, **options)


def table(folder: Path, name: str) -> Rows:
    """A file, read back as Python reads CSV."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def everything(folder: Path) -> bytes:
    """Every byte of a dataset, names of the files included."""
    return b"\n".join(path.name.encode() + b"\n" + path.read_bytes() for path in sorted(folder.iterdir()))


# ---------------------------------------------------------------- values


def expected_cell(item: Any, stored: dict[str, Any]) -> str:
    """What a stored value must be in a file, said without the code under test."""
    value = stored["value"]
    if item.type is ItemType.YESNO:
        return {True: "Y", False: "N"}[value]
    return str(value)


def test_every_value_of_a_whole_screening_is_written_as_stored(cast, tmp_path: Path) -> None:
    """EXP-010: each stored value of each type stands in its file, unaltered; each empty item says why."""
    participant = cast.judged()
    written(tmp_path)
    seen: set[ItemType] = set()
    compared = 0
    for record in Record.objects.filter(participant=participant).select_related("visit"):
        form = cast.definition.form(record.form)
        if cast.definition.reveals_arm(form.id):
            continue
        key = {"VISIT": record.visit.event if record.visit else "", "ENTRYNO": str(record.number or "")}
        for group in form.groups:
            name = f"{form.id}__{group.id}" if group.repeating else form.id
            lines = [r for r in table(tmp_path, name) if all(r[k] == v for k, v in key.items())]
            held = record.data.get(group.id, [] if group.repeating else [{}])
            assert len(lines) == (len(held) if group.repeating else 1)
            for line, row in zip(lines, held, strict=True):
                if group.repeating:
                    assert line["ROWID"] == row["_id"]
                for item in group.items:
                    if cast.definition.reveals_arm(form.id, item.id):
                        continue
                    stored, base = row.get(item.id), item.id.upper()
                    if stored is None or stored.get("missing") or item.id in row.get("_hidden", ()):
                        assert line[f"{base}_STATUS"] in STATUSES
                        continue
                    assert line[f"{base}_STATUS"] == ""
                    seen.add(item.type)
                    compared += 1
                    if item.type is ItemType.CHOICES:
                        ticked = [c for c in cast.definition.codes_of(item) if line[f"{base}__{c}"] == "Y"]
                        assert ticked == stored["value"]
                        assert {line[f"{base}__{c}"] for c in cast.definition.codes_of(item)} <= {"Y", "N"}
                    else:
                        assert line[base] == expected_cell(item, stored)
    assert compared > 200
    assert {ItemType.DECIMAL, ItemType.INTEGER, ItemType.YESNO, ItemType.CHOICE, ItemType.DATE} <= seen


ITEMS = {
    ItemType.TEXT: ({"value": 'a "b", c\nd; é œ 漢 \u2019'}, 'a "b", c\nd; é œ 漢 \u2019'),
    ItemType.LONGTEXT: ({"value": "first line\n\n=2+3,\tlast"}, "first line\n\n=2+3,\tlast"),
    ItemType.INTEGER: ({"value": 120}, "120"),
    ItemType.DECIMAL: ({"value": "12.10"}, "12.10"),
    ItemType.DATE: ({"value": "2026-02-28"}, "2026-02-28"),
    ItemType.PARTIAL_DATE: ({"value": "2024-01"}, "2024-01"),
    ItemType.TIME: ({"value": "07:05:00"}, "07:05:00"),
    ItemType.DATETIME: ({"value": "2026-02-28T23:59:00"}, "2026-02-28T23:59:00"),
    ItemType.YESNO: ({"value": False}, "N"),
    ItemType.VAS: ({"value": 0}, "0"),
    ItemType.GRADE: ({"value": 3}, "3"),
    ItemType.LINK: ({"value": "2"}, "2"),
    ItemType.CHOICE: ({"value": "N"}, "N"),
}


def shape_of(cast: Any) -> Shape:
    return Shape([cast.definition])


def field_of(cast: Any, item_type: ItemType) -> tuple[Table, str]:
    """A one-item table of the study for an item type, and the item's id."""
    for found in shape_of(cast).tables(includes_arms=True):
        for made in found.fields:
            if made.item.type is item_type and not made.item.units and not made.item.analyte:
                return Table(found.name, found.labels, found.form, fields=[made]), made.item.id
    made = replace(made, item=made.item.model_copy(update={"type": item_type}))  # a type that the study does not use
    return Table("any", {}, "any", fields=[made]), made.item.id


@pytest.mark.parametrize("item_type", list(ITEMS))
def test_a_value_of_each_type_survives_a_round_trip(cast, tmp_path: Path, item_type: ItemType) -> None:
    """EXP-011: quotes, commas, newlines, other scripts, zeros at the end, partial dates: nothing is rewritten."""
    stored, wanted = ITEMS[item_type]
    one, item = field_of(cast, item_type)
    cells = list(values_of(one, {item: stored}, entry_state="complete"))
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    assert next(csv.reader(io.StringIO(text.getvalue(), newline=""))) == [wanted, ""]


def test_several_choices_are_a_column_each(cast) -> None:
    """EXP-012: chosen is Y, offered and not chosen is N, not answered is empty."""
    one, item = field_of(cast, ItemType.CHOICES)
    codes = one.fields[0].codes
    chosen = list(values_of(one, {item: {"value": [codes[0]]}}, entry_state="complete"))
    assert chosen == ["Y", *["N"] * (len(codes) - 1), ""]
    assert list(values_of(one, {}, entry_state="complete")) == [*[""] * len(codes), "EMPTY"]


def test_a_term_keeps_its_code_and_gets_its_words(cast) -> None:
    """EXP-013: the dictionary's code is the value; its words stand beside it."""
    one, item = field_of(cast, ItemType.TERM)
    assert list(values_of(one, {item: {"value": "10002272"}}, entry_state="complete")) == ["10002272", "Anemia", ""]


def test_a_value_typed_in_another_unit_keeps_what_was_typed(cast) -> None:
    """EXP-014: the standard unit is the value; value and unit as entered stand beside it, and the range."""
    one = next(t for t in shape_of(cast).tables(includes_arms=False) if t.form == "laboratory" and not t.group)
    made = next(f for f in one.fields if f.item.units and f.item.analyte)
    alone = Table(one.name, one.labels, one.form, fields=[made])
    unit = made.item.units[0].unit
    stored = {"value": "12.1", "original": "121", "unit": unit, "extra": {"lo": "13.0", "hi": "17.0"}}
    assert list(values_of(alone, {made.item.id: stored}, entry_state="complete")) == [
        "12.1", "121", unit, "13.0", "17.0", "L", "", "",
    ]  # fmt: skip
    plain = {"value": "12.10", "unit": made.item.unit}
    assert list(values_of(alone, {made.item.id: plain}, entry_state="complete")) == [
        "12.10", "12.10", made.item.unit, "", "", "", "", "",
    ]  # fmt: skip


# ---------------------------------------------------------------- why there is no value


@pytest.mark.parametrize(
    ("held", "state", "not_shown", "status"),
    [
        ({"missing": "ND", "reason": "machine down"}, "complete", False, "ND"),
        ({"missing": "UNK"}, "complete", False, "UNK"),
        ({"missing": "NA"}, "complete", False, "NA"),
        (None, "complete", True, "HIDDEN"),
        (None, "complete", False, "EMPTY"),
        (None, "not_done", False, "NOT_DONE"),
        (None, "not_applicable", False, "NOT_APPLICABLE"),
    ],
)
def test_each_reason_for_no_value_has_its_own_word(cast, held, state: str, not_shown: bool, status: str) -> None:
    """EXP-020: not asked, not answered, not done, unknown and not applicable stay five different things."""
    one, item = field_of(cast, ItemType.INTEGER)
    row = {item: held} if held else {}
    assert list(values_of(one, row, entry_state=state, not_shown={item} if not_shown else ())) == ["", status]


def test_a_hidden_value_is_not_written(cast) -> None:
    """EXP-021: what was filled and then hidden by another answer is kept, and is in no dataset."""
    one, item = field_of(cast, ItemType.INTEGER)
    row = {item: {"value": 120}, "_hidden": [item]}
    assert list(values_of(one, row, entry_state="complete")) == ["", "HIDDEN"]


def test_what_skip_logic_never_asked_is_told_from_what_was_not_answered(cast, tmp_path: Path) -> None:
    """EXP-022: an item that was never shown leaves nothing in the stored data, and still reads HIDDEN."""
    participant = cast.consented()
    said = {"term": "10002272", "grade": "2", "ongoing": True, "serious": False, "end_on": None}
    cast.save(Where(participant, "adverse_event"), {**said, "outcome": "NOT_RECOVERED"}, complete=False)
    record = cast.record(participant, "adverse_event", number=1)
    assert not any("end_on" in row for rows in record.data.values() for row in rows)
    written(tmp_path)
    (line,) = table(tmp_path, "adverse_event")
    assert (line["END_ON"], line["END_ON_STATUS"]) == ("", "HIDDEN")
    assert line["ONGOING"] == "Y"


def test_a_form_that_was_not_done_is_a_row_that_says_so(cast, tmp_path: Path) -> None:
    """EXP-023: "not done" is a row with its reason; no value of it reads as empty by chance."""
    participant = cast.consented()
    where = Where(participant, "quality_of_life", visit=cast.visit(participant, "SCR"))
    records.mark_not_done(where=where, revision=0, reason="Refused to answer", by=cast.theo_coordinator)
    written(tmp_path)
    (line,) = table(tmp_path, "quality_of_life")
    assert (line["ENTRY_STATE"], line["NOT_DONE_REASON"]) == ("not_done", "Refused to answer")
    assert {v for k, v in line.items() if k.endswith("_STATUS")} == {"NOT_DONE"}


# ---------------------------------------------------------------- shape


def test_tables_without_rows_keep_their_columns(cast, tmp_path: Path) -> None:
    """EXP-030: an empty study gives every file with its heading."""
    counts = written(tmp_path).rows
    for found in shape_of(cast).tables(includes_arms=False):
        assert counts[found.name] == 0
        with (tmp_path / f"{found.name}.csv").open(encoding="utf-8", newline="") as stream:
            (header,) = list(csv.reader(stream))
        assert header == [column.name for column in found.columns]
        assert len(set(header)) == len(header)
    assert any(f.group for f in shape_of(cast).tables(includes_arms=False))


def test_every_column_is_in_the_dictionary_and_every_coded_value_in_the_codelists(cast, tmp_path: Path) -> None:
    """EXP-031: dictionary.csv and codelists.csv explain the files that are there, in both languages."""
    cast.judged()
    counts = written(tmp_path).rows
    described = {(line["TABLE"], line["COLUMN"]) for line in table(tmp_path, "dictionary")}
    codes = {(line["CODELIST"], line["CODE"]) for line in table(tmp_path, "codelists")}
    for name in set(counts) - RESERVED:
        for line in table(tmp_path, name):
            assert {(name, column) for column in line} <= described
    coded = [line for line in table(tmp_path, "dictionary") if line["CODELIST"] and line["TYPE"] == "choice"]
    assert coded
    for column in coded:
        assert column["LABEL_EN"] and column["LABEL_FR"]
        for line in table(tmp_path, column["TABLE"]):
            if line[column["COLUMN"]]:
                assert (column["CODELIST"], line[column["COLUMN"]]) in codes


@pytest.mark.parametrize("includes_arms", [False, True])
def test_the_tables_that_no_form_makes_are_described_too(cast, tmp_path: Path, includes_arms: bool) -> None:
    """EXP-901: each file's header is the dictionary's, both languages; every code of theirs is in the codelists."""
    cast.randomized()
    failed = cast.screened()
    participants.fail_screening(participant=failed, reason="BRAIN", by=cast.theo_coordinator)
    written(tmp_path, includes_arms=includes_arms, arm_sites=None if includes_arms else frozenset())
    lines = table(tmp_path, "dictionary")
    codes = {(line["CODELIST"], line["CODE"]) for line in table(tmp_path, "codelists")}
    for name in sorted(path.stem for path in tmp_path.glob("*.csv")):
        if name in ("dictionary", "codelists"):
            continue
        with (tmp_path / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            header = next(csv.reader(stream))
        assert header == [line["COLUMN"] for line in lines if line["TABLE"] == name]
    assert all(line["LABEL_EN"] and line["LABEL_FR"] and line["TYPE"] for line in lines)
    coded = [line for line in lines if line["CODELIST"] and line["TYPE"] == "code"]
    assert {"STATUS", "FAILURE_REASON", "SEX", "KIND"} <= {line["COLUMN"] for line in coded}
    for column in coded:
        for line in table(tmp_path, column["TABLE"]):
            if line[column["COLUMN"]]:
                assert (column["CODELIST"], line[column["COLUMN"]]) in codes
    assert (("arms", "SRT") in codes) is includes_arms
    assert ("screen_failure_reason", "BRAIN") in codes


def test_all_files_together_are_what_the_manifest_says(cast, tmp_path: Path) -> None:
    """EXP-032: the manifest counts the rows of every file, and the files read back to exactly these."""
    cast.judged()
    counts = written(tmp_path).rows
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["rows"] == counts
    assert {path.stem for path in tmp_path.glob("*.csv")} == set(counts)
    for name, count in counts.items():
        assert len(table(tmp_path, name)) == count
    assert counts["participants"] == 1
    assert sum(counts[f.name] for f in shape_of(cast).tables(includes_arms=False) if not f.group) == (
        Record.objects.filter(reveals_arm=False, removed_at=None).exclude(entry_state=EntryState.EXPECTED).count()
    )


def test_rows_that_do_not_add_up_stop_the_dataset(cast, tmp_path: Path, monkeypatch) -> None:
    """EXP-033: a dataset with fewer rows than the database is no dataset."""
    cast.consented()
    monkeypatch.setattr("reporting.writers._Writer._with_what_is_shown", lambda self, rows: iter(()))
    with pytest.raises(CountError, match="in the database"):
        written(tmp_path)


def test_the_same_data_give_the_same_bytes(cast, tmp_path: Path) -> None:
    """EXP-034: nothing in the zip says when it was written."""
    cast.judged()
    checksums = []
    for name in ("one", "two"):
        written(tmp_path / name)
        checksums.append(zip_folder(tmp_path / name, tmp_path / f"{name}.zip"))
    assert checksums[0] == checksums[1]
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_simulated_data_are_marked(cast, tmp_path: Path) -> None:
    """EXP-035: a file and a line of the manifest say that no row is about a real person."""
    written(tmp_path / "real")
    written(tmp_path / "simulated", simulated=True)
    assert not (tmp_path / "real/SIMULATED.txt").exists()
    assert "Simulated" in (tmp_path / "simulated/SIMULATED.txt").read_text()
    assert json.loads((tmp_path / "simulated/manifest.json").read_text())["simulated_data"] is True


def test_removed_entries_and_drafts_are_left_out(cast, tmp_path: Path) -> None:
    """EXP-036: an entry removed as entered by mistake is not data."""
    participant = cast.consented()
    cast.save(Where(participant, "adverse_event"), {"term": "10002272", "grade": "2", "serious": False}, complete=False)
    record = cast.record(participant, "adverse_event", number=1)
    records.remove_entry(record=record, revision=record.revision, reason="Wrong patient", by=cast.theo_coordinator)
    assert written(tmp_path).rows["adverse_event"] == 0


def test_what_only_an_older_version_had_stays_in_the_dataset(cast) -> None:
    """EXP-037: an amendment that drops an item does not drop the values entered before it."""
    newest = cast.definition
    slimmer = newest.to_json()
    (vitals,) = [f for f in slimmer["forms"] if f["id"] == "vitals_performance"]
    gone = vitals["groups"][0]["items"].pop()["id"]
    amended = type(newest).from_json(slimmer)
    columns = {t.name: {c.name for c in t.columns} for t in Shape([amended, newest]).tables(includes_arms=False)}
    assert gone.upper() in columns["vitals_performance"]
    alone = {t.name: {c.name for c in t.columns} for t in Shape([amended]).tables(includes_arms=False)}
    assert gone.upper() not in alone["vitals_performance"]


# ---------------------------------------------------------------- who may hold what


def test_other_sites_are_absent(cast, tmp_path: Path) -> None:
    """EXP-040: a dataset of one site holds no participant, visit, record or query of another."""
    mine, theirs = cast.judged(), cast.screened(by=cast.oscar_coordinator, site=cast.other_site)
    data_queries.ask(
        where=Where(theirs, "consent", visit=cast.visit(theirs, "SCR")), text="Where is it?", by=cast.dan_data_manager
    )
    written(tmp_path, sites=frozenset({cast.site.pk}))
    assert theirs.code.encode() not in everything(tmp_path)
    assert mine.code.encode() in everything(tmp_path)
    written(tmp_path / "all")
    assert theirs.code.encode() in everything(tmp_path / "all")


@staged
def both_arms(cast: Any) -> list[Participant]:
    """Participants until both arms are there, each with what only its arm has, a query and a verification on it."""
    found: list[Participant] = []
    while len({a.arm for a in Allocation.objects.all()}) < 2 and len(found) < 12:
        found.append(cast.randomized())
    for participant in found:
        arm = Allocation.objects.get(participant=participant).arm
        visit = Visit.objects.get(participant=participant, reveals_arm=True)
        form = {"SRT": "srt_planning", "SWITCH": "new_line_start"}[arm]
        where = Where(participant, form, visit=visit)
        data_queries.ask(where=where, text="Please check", by=cast.dan_data_manager)
        cast.save(Where(participant, "systemic_treatment"), {}, complete=False)
        cast.save(
            Where(participant, "adverse_event"),
            {"term": "10002272", "grade": "2", "serious": False, "relation_srt": "NOT_RELATED"},
            complete=False,
        )
        event = cast.record(participant, "adverse_event", number=1)
        verifications.verify(record=event, values=[("", "term"), ("", "relation_srt")], by=cast.mona_monitor)
        data_queries.ask(
            where=Where(participant, "adverse_event", number=1), text="Sure?", item="relation_srt",
            by=cast.dan_data_manager,
        )  # fmt: skip
    return found


def markers(definition: Any) -> set[str]:
    """Ids and labels of whatever is for those who may see arms, and that nothing else is called."""
    secret: set[str] = set()
    common: set[str] = set()

    def note(told: bool, *words: Any) -> None:
        for word in words:
            (secret if told else common).update(word.values() if hasattr(word, "values") else [word])

    for visit in definition.visits:
        note(definition.reveals_arm(visit_id=visit.id), visit.id, visit.label)
    for arm in definition.arms.values():
        note(True, arm.label)
    for codelist in definition.codelists.values():
        note(False, *(entry.label for entry in codelist.codes))
    for form in definition.forms.values():
        note(definition.reveals_arm(form.id), form.id, form.label)
        for group in form.groups:
            note(definition.reveals_arm(form.id) or group.reveals_arm, group.label)
            for item in group.items:
                note(definition.reveals_arm(form.id, item.id), item.id, item.id.upper(), item.label)
    # Everyday words, and phrases that other labels hold too ("New line"), say nothing by themselves.
    return {
        word
        for word in secret - common
        if (not re.fullmatch(r"\w+", word) or "_" in word) and not any(word in other for other in common)
    }


def test_without_the_right_no_word_tells_an_arm(cast, tmp_path: Path) -> None:
    """EXP-041: arms, arm-specific visits, forms and items are in no byte of a dataset without arms."""
    people = both_arms(cast)
    secrets = markers(cast.definition)
    assert {"SRT_PLAN", "SWITCH_START", "srt_planning", "new_line_start", "relation_srt"} <= secrets
    written(tmp_path / "without")
    data = everything(tmp_path / "without").decode()
    told = [word for word in secrets if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", data)]
    assert told == []
    arms = set(cast.definition.arms)
    for name in ("participants", "visits", "queries", "verifications"):  # elsewhere SRT is an earlier treatment
        assert not {cell for line in table(tmp_path / "without", name) for cell in line.values()} & arms
    lines = {line["USUBJID"]: line for line in table(tmp_path / "without", "participants")}
    assert set(lines) == {p.code for p in people}
    assert not {"ARM", "RANDNO", "STRATUM"} & set(next(iter(lines.values())))


def test_without_the_right_both_arms_have_the_same_rows(cast, tmp_path: Path) -> None:
    """EXP-042: the number of rows per participant tells no arm."""
    both_arms(cast)
    written(tmp_path)
    by_arm: dict[str, set[tuple[tuple[str, int], ...]]] = {}
    names = [f.name for f in shape_of(cast).tables(includes_arms=False) if f.form == "adverse_event"]
    for allocation in Allocation.objects.select_related("participant"):
        code = allocation.participant.code
        counts = tuple(
            (name, sum(line["USUBJID"] == code for line in table(tmp_path, name)))
            for name in (*names, "visits", "queries", "verifications")
        )
        by_arm.setdefault(allocation.arm, set()).add(counts)
    assert len(by_arm) == 2
    first, second = by_arm.values()
    assert first == second


def test_with_the_right_arms_and_their_forms_are_there(cast, tmp_path: Path) -> None:
    """EXP-043: with the right, the allocation, the arm's visits and its forms are in the dataset."""
    both_arms(cast)
    written(tmp_path, includes_arms=True, arm_sites=None)
    lines = {line["USUBJID"]: line for line in table(tmp_path, "participants")}
    for allocation in Allocation.objects.select_related("participant"):
        line = lines[allocation.participant.code]
        assert (line["ARM"], line["RANDNO"], line["STRATUM"]) == (
            allocation.arm, str(allocation.number), allocation.stratum,
        )  # fmt: skip
        assert line["ALLOCATED_AT"] == allocation.allocated_at.isoformat()
    assert {"SRT_PLAN", "SWITCH_START"} <= {line["VISIT"] for line in table(tmp_path, "visits")}
    assert len(table(tmp_path, "systemic_treatment")) == len(lines)
    assert {line["RELATION_SRT"] for line in table(tmp_path, "adverse_event")} == {"NOT_RELATED"}


def test_arms_of_a_site_where_one_may_not_see_them_are_withheld(cast, tmp_path: Path) -> None:
    """EXP-044: the right to arms holds per site: elsewhere the rows are there, what tells the arm is not."""
    both_arms(cast)
    written(tmp_path, includes_arms=True, arm_sites=frozenset({cast.other_site.pk}))
    assert {line["ARM"] for line in table(tmp_path, "participants")} == {""}
    events = table(tmp_path, "adverse_event")
    assert events
    assert {line["RELATION_SRT_STATUS"] for line in events} == {"WITHHELD"}
    assert {line["RELATION_SRT"] for line in events} == {""}
    assert table(tmp_path, "systemic_treatment") == []
    assert not {"SRT_PLAN", "SWITCH_START"} & {line["VISIT"] for line in table(tmp_path, "visits")}
    assert "relation_srt" not in {line["ITEM"] for line in table(tmp_path, "queries")}
    assert "relation_srt" not in {line["ITEM"] for line in table(tmp_path, "verifications")}


def test_signed_and_changed_since_signing_are_told(cast, tmp_path: Path) -> None:
    """EXP-045: SIGNED says Y, N, or CHANGED."""
    participant = cast.eligible()
    written(tmp_path)
    assert table(tmp_path, "eligibility")[0]["SIGNED"] == "Y"
    assert table(tmp_path, "consent")[0]["SIGNED"] == "N"
    cast.save(
        Where(participant, "eligibility", visit=cast.visit(participant, "SCR")),
        {}, by=cast.ines_investigator, reason="Checked again", complete=False,
    )  # fmt: skip
    written(tmp_path / "after")
    assert table(tmp_path / "after", "eligibility")[0]["SIGNED"] == "CHANGED"


def test_typed_missing_code_is_written_with_its_code(cast, tmp_path: Path) -> None:
    """EXP-046: a missing code given on the page arrives as that code."""
    participant = cast.consented()
    cast.fill(participant, "demographics", visit="SCR")
    item = next(
        i for i in cast.definition.form("vitals_performance").items.values()
        if i.type in (ItemType.INTEGER, ItemType.DECIMAL) and "ND" in i.missing and not i.is_derived
    )  # fmt: skip
    cast.fill(
        participant, "vitals_performance", visit="SCR", complete=False,
        **{item.id: Typed(missing="ND", reason="Scales broken")},
    )  # fmt: skip
    written(tmp_path)
    (line,) = table(tmp_path, "vitals_performance")
    assert (line[item.id.upper()], line[f"{item.id.upper()}_STATUS"]) == ("", "ND")


def test_the_newest_version_is_the_one_that_is_described(cast) -> None:
    """EXP-047: the shape begins with the newest published definition."""
    assert shape_of(cast).newest == definition_of(latest_version().pk)


def test_every_screening_and_what_was_taken_back_stand_in_the_dataset(cast, tmp_path: Path) -> None:
    """EXP-048: a participant screened again keeps the first outcome and reason; a reversed status says why."""
    by = cast.theo_coordinator
    participant = cast.consented()
    participants.fail_screening(participant=participant, reason="BRAIN", detail="Seen on the MRI", by=by)
    participants.screen_again(participant=participant, by=by)
    statuses.record_by_hand(participant=participant, kind="lost", on=clock.today(), reason="Moved away", by=by)
    statuses.reverse_by_hand(participant=participant, kind="lost", reason="Found again", by=by)
    elsewhere = cast.screened(by=cast.oscar_coordinator, site=cast.other_site)

    written(tmp_path, sites=frozenset({cast.site.pk}))
    lines = [line for line in table(tmp_path, "status_changes") if line["USUBJID"] == participant.code]
    told = {(line["EVENT"], line["SCREENING"]): line for line in lines}
    assert {("screened", "1"), ("failed", "1"), ("screened", "2"), ("lost", "1")} <= set(told)
    assert (told["failed", "1"]["REASON"], told["failed", "1"]["REVERSED_AT"]) == ("BRAIN", "")
    assert told["lost", "1"]["REVERSED_AT"] and told["lost", "1"]["REVERSED_REASON"] == "Found again"
    assert elsewhere.code not in {line["USUBJID"] for line in table(tmp_path, "status_changes")}


def test_what_followed_an_allocation_stands_in_the_dataset(cast, tmp_path: Path) -> None:
    """EXP-045: how the plan was given, an error with its reason, what was received, a stratum that differs."""
    participant = cast.randomized()
    arm, stratum = participant.allocation.arm, dict(participant.allocation.strata)
    (other,) = set(cast.definition.arms) - {arm}
    errors.flag(
        participant=participant, reason="twice", detail="Known as another", password=PASSWORD, by=cast.ines_investigator
    )
    treatments.record(
        participant=participant, received=other, started_on=clock.today(), why="investigator", by=cast.ines_investigator
    )
    was_ici = stratum["ici"] == "Y"
    said = {"regimen": "SUNI", "regimen_class": "TKI"} if was_ici else {"regimen": "NIVO", "regimen_class": "ICI"}
    change(cast, participant, "systemic_ongoing", said)
    ended(cast)
    registered = cast.eligible()
    cast.made_sure(registered)
    allocations.register(participant=registered, password=PASSWORD, by=cast.theo_coordinator)

    written(tmp_path / "with", includes_arms=True, arm_sites=None)
    lines = {line["USUBJID"]: line for line in table(tmp_path / "with", "participants")}
    line = lines[participant.code]
    assert (line["INCLUSION"], line["IN_ERROR"], line["IN_ERROR_DETAIL"]) == ("randomized", "twice", "Known as another")
    assert (line["ARM"], line["RECEIVED"], line["RECEIVED_WHY"]) == (arm, other, "investigator")
    line = lines[registered.code]
    assert (line["INCLUSION"], line["RANDOMIZED"], line["RANDNO"], line["ARM"]) == ("registered", "", "", "")
    assert (line["REGISTERED"], line["REGISTERED_TO"]) == (clock.today().isoformat(), "SRT")
    (difference,) = table(tmp_path / "with", "stratum_differences")
    assert (difference["USUBJID"], difference["FACTOR"], difference["FROZEN"], difference["SETTLED_AT"]) == (
        participant.code, "ici", stratum["ici"], "",
    )  # fmt: skip
    assert difference["NOW"] == ("N" if was_ici else "Y")

    written(tmp_path / "without")
    line = {line["USUBJID"]: line for line in table(tmp_path / "without", "participants")}[participant.code]
    assert (line["INCLUSION"], line["IN_ERROR"]) == ("randomized", "twice")
    assert not {"RECEIVED", "RECEIVED_WHY", "REGISTERED_TO"} & set(line)
    assert len(table(tmp_path / "without", "stratum_differences")) == 1
