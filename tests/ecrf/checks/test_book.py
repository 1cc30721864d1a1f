"""What a reference means: same visit, earlier, previous, named; lists; what is hidden; context. Pure: no database."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecrf.checks import Facts, Place
from ecrf.checks.book import Reading
from tests.ecrf.checks.panel_study import DAYS, TODAY, book, data, definition, place
from trial.language import UNKNOWN, Ref

VALUE = Ref("item", form="panel", item="value")
LESIONS = Ref("rows", form="lesion")
SIZE = Ref("item", form="lesion", item="size")


def lesion(number: int, size: int | None) -> tuple[Place, dict[str, list[dict[str, object]]]]:
    row: dict[str, object] = {"_id": ""} | ({"size": {"value": str(size)}} if size is not None else {})
    return Place(form="lesion", number=number), {"main": [row]}


class TestFind:
    def test_a_form_means_the_same_visits_record_first(self) -> None:
        """CHK-001: vitals read from the panel of M3 are those of M3."""
        found = book((place("SCR"), data(value=100)), (place("M3"), data(value=110)), (place("M6"), data(value=120)))
        entry = found.find("panel", "", place("M3", "vitals"))
        assert entry is not None
        assert entry.place.visit == "M3"

    def test_else_the_newest_earlier_one_and_never_a_later_one(self) -> None:
        """CHK-002: what is measured later is not known yet."""
        found = book((place("SCR"), data(value=100)), (place("M6"), data(value=120)))
        entry = found.find("panel", "", place("M3", "vitals"))
        assert entry is not None
        assert entry.place.visit == "SCR"
        assert book((place("M6"), data(value=120))).find("panel", "", place("M3", "vitals")) is None

    def test_previous_is_the_nearest_earlier_visit_by_date_not_by_place_in_the_plan(self) -> None:
        """CHK-003: an unscheduled visit stands between its neighbours, though the plan lists it last."""
        before, between = DAYS["SCR"] + dt.timedelta(days=9), DAYS["M3"] + dt.timedelta(days=9)
        early, late = place("UNS", on=before), place("UNS", on=between, occurrence=2)
        found = book(
            (place("SCR"), data(value=100)), (place("M3"), data(value=110)), (place("M6"), data(value=120)),
            (early, data(value=1)), (late, data(value=2)),
        )  # fmt: skip

        def previous(of: Place) -> str | None:
            entry = found.find("panel", "previous", of)
            return f"{entry.place.visit}{entry.place.occurrence}" if entry else None

        assert [previous(p) for p in (place("SCR"), early, place("M3"), late, place("M6"))] == [
            None, "SCR1", "UNS1", "M31", "UNS2",
        ]  # fmt: skip

    def test_two_visits_of_one_day_are_in_the_order_of_the_plan(self) -> None:
        """CHK-004: then by occurrence."""
        same = DAYS["M3"]
        found = book((place("M3"), data(value=1)), (place("UNS", on=same), data(value=2)))
        entry = found.find("panel", "previous", place("UNS", on=same))
        assert entry is not None
        assert entry.place.visit == "M3"
        assert found.find("panel", "previous", place("M3")) is None

    def test_a_named_visit_is_that_visit_wherever_one_stands(self) -> None:
        """CHK-005: at('M6') may be later; of several unscheduled ones the last."""
        later = dt.date(2026, 8, 1)
        found = book(
            (place("M6"), data(value=120)), (place("UNS", on=later), data(value=5)),
            (place("UNS", on=later, occurrence=2), data(value=6)),
        )  # fmt: skip
        assert [
            entry and entry.value("main", 0, "value").value
            for entry in (found.find("panel", name, place("SCR")) for name in ("M6", "UNS", "M3"))
        ] == [120, 6, None]

    def test_from_outside_or_from_a_log_a_form_means_its_newest_record(self) -> None:
        """CHK-006: eligibility and strata stand in no visit; newest by date."""
        found = book(
            (place("UNS", on=dt.date(2026, 2, 1)), data(value=5)), (place("M3"), data(value=110)),
        )  # fmt: skip
        assert found.outside().get(VALUE) == 110
        in_log = Reading(found, found.entry(*lesion(1, 3)))
        assert in_log.get(VALUE) == 110

    def test_a_record_that_nobody_filled_hides_no_other(self) -> None:
        """CHK-007: a query on an empty form changes no value."""
        assert book((place("M3"), data(value=110)), (place("M6"), {})).outside().get(VALUE) == 110

    @settings(max_examples=60, deadline=None)
    @given(st.permutations(["SCR", "M3", "M6"]), st.permutations([1, 2, 3]))
    def test_the_order_in_which_records_are_read_says_nothing(self, visits: list[str], numbers: list[int]) -> None:
        """CHK-008: whatever the database returns first."""
        entries = [(place(v), data(value=len(v) * 100)) for v in visits] + [lesion(n, n * 10) for n in numbers]
        found = book(*entries)
        assert [e.place.visit for e in found.log_entries("panel")] == ["SCR", "M3", "M6"]
        assert [row.get(SIZE) for row in found.outside().rows(LESIONS)] == [Decimal(10), Decimal(20), Decimal(30)]


class TestLists:
    def test_a_log_is_its_entries_in_order_and_an_empty_one_is_empty(self) -> None:
        """CHK-010: entries without the value count as entries."""
        found = book(lesion(2, None), lesion(1, 12)).outside()
        assert [row.get(SIZE) for row in found.rows(LESIONS)] == [Decimal(12), UNKNOWN]
        assert list(book().outside().rows(LESIONS)) == []

    def test_the_rows_of_a_group_are_those_of_the_record_that_is_meant(self) -> None:
        """CHK-011: same visit, else earlier; none without a record."""
        rows = Ref("rows", form="panel", item="doses")
        dose = Ref("item", form="panel", item="dose")
        found = book((place("SCR"), data([{"dose": 3}, {"dose": 4}], value=1)))
        reading = Reading(found, found.entry(place("M3", "vitals")))
        assert [row.get(dose) for row in reading.rows(rows)] == [3, 4]
        assert list(book().outside().rows(rows)) == []

    def test_hidden_rows_are_in_no_list(self) -> None:
        """CHK-012: what skip logic hides is kept, and counted nowhere."""
        said = data([{"dose": 3}, {"dose": 4}], value=1)
        said["doses"][0]["_hidden"] = ["dose"]
        found = book((place("SCR"), said)).outside()
        assert len(found.rows(Ref("rows", form="panel", item="doses"))) == 1


class TestValues:
    def test_a_hidden_value_reads_as_unknown_and_stays_in_the_data(self) -> None:
        """CHK-020: DOMAIN: hidden values stay out of derivations."""
        found = book((place("SCR"), data(_hidden=("packs",), value=100, packs=4)))
        assert found.outside().get(Ref("item", form="panel", item="packs")) is UNKNOWN
        assert found.entries()[0].value("main", 0, "packs").value == 4

    def test_a_missing_code_is_unknown_and_named(self) -> None:
        """CHK-021: not done is an answer, not a number."""
        found = book((place("SCR"), data(value="!ND"))).outside()
        assert found.get(VALUE) is UNKNOWN
        assert found.missing(VALUE) == "ND"
        assert found.missing(Ref("item", form="panel", item="packs")) == ""

    @pytest.mark.parametrize("broken", [{"value": "twelve"}, {"value": True}, {}, {"value": 3, "missing": "ND"}])
    def test_a_value_of_another_versions_type_is_unknown_and_no_crash(self, broken: dict[str, object]) -> None:
        """CHK-022: an amendment may change a type; old data are never the reason for a broken page."""
        found = book((place("SCR"), {"main": [{"_id": "", "value": broken}]}))
        assert found.outside().get(VALUE) is UNKNOWN

    def test_a_form_that_the_version_no_longer_has_is_left_out(self) -> None:
        """CHK-023: and a visit that it no longer has does no harm."""
        found = book((Place(form="gone", visit="SCR"), data(value=1)), (Place(form="panel", visit="X"), data(value=2)))
        assert [entry.place.form for entry in found.entries()] == ["panel"]

    def test_reference_ranges_come_with_the_value(self) -> None:
        """CHK-024: the laboratory's limits of that day; unknown where there are none or where they are no number."""
        extra = {"value": 100, "extra": {"lo": "80", "hi": "about 120"}}
        found = book((place("SCR"), {"main": [{"_id": "", "value": extra}]})).outside()
        assert found.reference(VALUE, "low") == Decimal(80)
        assert found.reference(VALUE, "high") is UNKNOWN

    def test_parameters_and_context(self) -> None:
        """CHK-025: the protocol's constants, the day, the participant, the visit."""
        found = book(sex="F", birth_year=1961, birth_month=5, status="randomized", randomized_on=DAYS["SCR"])
        entry = found.entry(place("M3"), data(value=1))
        reading = Reading(found, entry)

        def context(name: str) -> object:
            return reading.get(Ref("context", name=name))

        assert reading.get(Ref("parameter", name="max_size")) == Decimal(40)
        assert (context("today"), context("participant.sex"), context("participant.birth_year")) == (TODAY, "F", 1961)
        assert (context("participant.birth_month"), context("participant.status")) == (5, "randomized")
        assert (context("visit.date"), context("visit.id")) == (DAYS["M3"], "M3")
        assert context("randomization.date") == DAYS["SCR"]
        empty = book().outside()
        for name in ("participant.sex", "participant.age", "visit.id", "visit.date", "randomization.date", "nonsense"):
            assert empty.get(Ref("context", name=name)) is UNKNOWN

    @pytest.mark.parametrize(
        ("month", "day", "age"),
        [(5, "2026-05-14", 64), (5, "2026-05-15", 65), (None, "2026-07-14", 64), (None, "2026-07-15", 65)],
    )
    def test_the_age_takes_the_birthday_in_the_middle_of_what_is_known(
        self, month: int | None, day: str, age: int
    ) -> None:
        """CHK-026: only month and year of birth are kept."""
        facts = Facts(today=TODAY, birth_year=1961, birth_month=month)
        assert facts.age_on(dt.date.fromisoformat(day)) == age
        assert Facts(today=TODAY).age_on(TODAY) is None


def test_an_entry_takes_the_place_of_the_one_that_stands_there() -> None:
    """CHK-030: what is typed is evaluated in place of what is stored, nowhere else."""
    found = book((place("M3"), data(value=1)), (place("M6"), data(value=2)))
    assert found.entry(place("M3")).value("main", 0, "value").value == 1
    typed = found.entry(place("M3"), data(value=9))
    assert found.find("panel", "M3", place("SCR")) is typed
    assert len(found.log_entries("panel")) == 2
    assert found.definition is definition()
